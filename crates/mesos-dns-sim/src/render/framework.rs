//! A framework in `/state` and `/frameworks`, with its tasks.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Each, Knowledge, View, agent::Resources, task};
use crate::catalogue::Flavour;

/// A framework as one master knows it.
pub(super) struct Framework<'a> {
    pub(super) view: View<'a>,
    pub(super) framework: usize,
}

impl Serialize for Framework<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, at) = (self.view, self.framework);
        let framework = &view.cluster.frameworks[at];
        // After a failover a framework is first known from agents; they do not know its scheduler.
        let connected = view.knowledge == Knowledge::Everything;
        let pid = framework.port.filter(|_| connected);
        let hostname = if connected { framework.address.to_string() } else { String::new() };
        let ports = || view.tasks(at).flat_map(|task| task.ports.iter().copied());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &framework.id)?;
        map.serialize_entry("name", framework.name)?;
        if let Some(port) = pid {
            let pid = format!("scheduler-{}@{}:{port}", &framework.id[..8], framework.address);
            map.serialize_entry("pid", &pid)?;
        }
        map.serialize_entry("used_resources", &Resources::used(view.tasks(at).count(), ports()))?;
        map.serialize_entry("offered_resources", &Resources::used(0, []))?;
        map.serialize_entry("capabilities", &["PARTITION_AWARE", "TASK_KILLING_STATE", "REGION_AWARE"])?;
        map.serialize_entry("hostname", &hostname)?;
        map.serialize_entry("webui_url", "")?;
        map.serialize_entry("active", &connected)?;
        map.serialize_entry("connected", &connected)?;
        map.serialize_entry("recovered", &!connected)?;
        map.serialize_entry("user", "root")?;
        map.serialize_entry("failover_timeout", &604_800.0)?;
        map.serialize_entry("checkpoint", &true)?;
        let registered = if connected { view.cluster.born.as_secs_f64() } else { 0.0 };
        map.serialize_entry("registered_time", &registered)?;
        map.serialize_entry("unregistered_time", &0.0)?;
        if framework.flavour == Flavour::Sdk {
            map.serialize_entry("principal", "data-cassandra-principal")?;
        }
        map.serialize_entry("resources", &Resources::used(view.tasks(at).count(), ports()))?;
        map.serialize_entry("role", "*")?;
        map.serialize_entry("tasks", &Each(|| view.tasks(at).map(|task| task::task(view.cluster, task))))?;
        map.serialize_entry(
            "unreachable_tasks",
            &Each(|| view.unreachable(at).map(|task| task::task(view.cluster, task))),
        )?;
        map.serialize_entry(
            "completed_tasks",
            &Each(|| view.completed(at).map(|task| task::task(view.cluster, task))),
        )?;
        map.serialize_entry("offers", &[(); 0])?;
        map.serialize_entry("executors", &[(); 0])?;
        map.serialize_entry("offer_constraints", &serde_json::json!({}))?;
        map.end()
    }
}
