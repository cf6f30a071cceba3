//! A framework in `/state` and `/frameworks`, with its tasks.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Each, View, agent::Resources, task};
use crate::catalogue::Flavour;

/// What all frameworks can do.
pub(super) const CAPABILITIES: [&str; 3] = ["PARTITION_AWARE", "TASK_KILLING_STATE", "REGION_AWARE"];

/// A framework as one master knows it.
pub(super) struct Framework<'a> {
    pub(super) view: View<'a>,
    pub(super) framework: usize,
}

impl Serialize for Framework<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, at) = (self.view, self.framework);
        let framework = &view.cluster.frameworks[at];
        let profile = view.profile;
        // After a failover a framework is first known from agents; they do not know its scheduler.
        let recovered = !view.memory.knows_scheduler(at);
        let connected = view.connected(at);
        let ports = || view.tasks(at).flat_map(|task| task.ports.iter().copied());
        let used = || Resources::used(view.tasks(at).count(), ports(), profile);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &framework.id)?;
        map.serialize_entry("name", &framework.name)?;
        if let Some(pid) = pid(view, at) {
            map.serialize_entry("pid", &pid)?;
        }
        map.serialize_entry("used_resources", &used())?;
        map.serialize_entry("offered_resources", &Resources::used(0, [], profile))?;
        map.serialize_entry("capabilities", &CAPABILITIES)?;
        map.serialize_entry("hostname", &hostname(view, at))?;
        map.serialize_entry("webui_url", "")?;
        map.serialize_entry("active", &connected)?;
        if profile.doubles_active() {
            map.serialize_entry("active", &connected)?;
        }
        if profile.shows_recovery() {
            map.serialize_entry("connected", &connected)?;
            map.serialize_entry("recovered", &recovered)?;
        }
        map.serialize_entry("user", "root")?;
        map.serialize_entry("failover_timeout", &604_800.0)?;
        map.serialize_entry("checkpoint", &true)?;
        let registered = if recovered { 0.0 } else { framework.registered.as_secs_f64() };
        map.serialize_entry("registered_time", &registered)?;
        map.serialize_entry("unregistered_time", &0.0)?;
        if framework.flavour == Flavour::Sdk {
            map.serialize_entry("principal", "data-cassandra-principal")?;
        }
        map.serialize_entry("resources", &used())?;
        map.serialize_entry("role", "*")?;
        map.serialize_entry("tasks", &Each(|| view.tasks(at).map(|task| task::task(view, task))))?;
        if profile.shows_recovery() {
            let lost = Each(|| view.unreachable(at).map(|task| task::task(view, task)));
            map.serialize_entry("unreachable_tasks", &lost)?;
        }
        map.serialize_entry(
            "completed_tasks",
            &Each(|| view.completed(at).map(|task| task::task(view, task))),
        )?;
        map.serialize_entry("offers", &[(); 0])?;
        map.serialize_entry("executors", &[(); 0])?;
        if profile.has_limits() {
            map.serialize_entry("offer_constraints", &serde_json::json!({}))?;
        }
        map.end()
    }
}

/// Where a framework's scheduler listens, as far as the master knows; those on the HTTP API listen nowhere.
pub(super) fn pid(view: View<'_>, at: usize) -> Option<String> {
    let framework = &view.cluster.frameworks[at];
    let known = view.memory.knows_scheduler(at) && view.profile.has_state();
    let port = framework.port.filter(|_| known)?;
    Some(format!("scheduler-{}@{}:{port}", &framework.id[..8], framework.address))
}

/// What a framework calls its host; nothing while it is known from agents only.
pub(super) fn hostname(view: View<'_>, at: usize) -> String {
    let known = view.memory.knows_scheduler(at);
    if known { view.cluster.frameworks[at].address.to_string() } else { String::new() }
}
