//! Targets for Prometheus, in the form of its HTTP service discovery.
//!
//! The list is whole every time, as the contract wants it: what is not in it is gone. A target is one port of one task
//! at the address that its SRV record leads to.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

use super::{Health, PortItem, TaskFilter, Version, members::place_of, offer::Offer};
use crate::{
    cluster::{Agent, Framework, Task},
    records::{Maker, is_answered},
};

/// Which targets are wanted.
#[derive(Clone, Debug, Default)]
pub struct TargetFilter {
    /// Ports of these tasks.
    pub tasks: TaskFilter,
    /// Ports of this name, or with this number.
    pub port: Option<String>,
}

/// An element of the list.
#[derive(Debug, Serialize)]
pub struct Target<'a> {
    targets: [String; 1],
    labels: Labels<'a>,
}

/// What Prometheus can relabel by.
#[derive(Debug, Serialize)]
struct Labels<'a> {
    #[serde(rename = "__meta_mesos_task_id")]
    task_id: &'a str,
    #[serde(rename = "__meta_mesos_task_name")]
    task_name: &'a str,
    #[serde(rename = "__meta_mesos_service_name")]
    service_name: &'a str,
    #[serde(rename = "__meta_mesos_framework_id")]
    framework_id: &'a str,
    #[serde(rename = "__meta_mesos_framework_name")]
    framework_name: &'a str,
    #[serde(rename = "__meta_mesos_agent_id")]
    agent_id: &'a str,
    #[serde(rename = "__meta_mesos_agent_hostname")]
    agent_hostname: &'a str,
    #[serde(rename = "__meta_mesos_health")]
    health: &'static str,
    #[serde(rename = "__meta_mesos_port_name")]
    port_name: &'a str,
    #[serde(rename = "__meta_mesos_port_protocol")]
    port_protocol: String,
    #[serde(rename = "__meta_mesos_zone", skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(rename = "__meta_mesos_region", skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(rename = "__meta_mesos_version", skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

/// Writes the list, an element on each line. Elements are in no order, as Prometheus compares them as a set.
pub fn targets(version: Version<'_>, filter: &TargetFilter, out: &mut dyn Write) -> io::Result<()> {
    let mut maker = Maker::new(version.cluster, version.policy);
    let mut is_first = true;
    out.write_all(b"[")?;
    for task in version.cluster.tasks.iter() {
        if !is_answered(task, version.policy) || !filter.tasks.takes(version, task) {
            continue;
        }
        let framework = version.cluster.frameworks.get(&*task.framework_id);
        let (Some(framework), Some(agent)) = (framework, version.cluster.agents.get(&*task.agent_id)) else {
            continue;
        };
        let offer = Offer::of(version, &mut maker, (task, framework, agent));
        for port in offer.ports.iter().filter(|port| filter.takes_port(port)) {
            for address in &port.addresses {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                is_first = false;
                let target = Target::of(version, (task, framework, agent), port, *address);
                serde_json::to_writer(&mut *out, &target)?;
            }
        }
    }
    out.write_all(b"\n]\n")
}

impl TargetFilter {
    fn takes_port(&self, port: &PortItem) -> bool {
        self.port.as_ref().is_none_or(|wanted| port.name == *wanted || port.port.to_string() == *wanted)
    }
}

impl<'a> Target<'a> {
    fn of(
        version: Version<'a>,
        (task, framework, agent): (&'a Task, &'a Framework, &'a Agent),
        port: &'a PortItem,
        address: IpAddr,
    ) -> Self {
        let place = place_of(version, agent);
        let discovery = task.discovery.as_ref();
        let labels = Labels {
            task_id: &task.id,
            task_name: &task.name,
            service_name: task.service_name(),
            framework_id: &framework.id,
            framework_name: &framework.name,
            agent_id: &agent.id,
            agent_hostname: &agent.hostname,
            health: Health::of(task).name(),
            port_name: &port.name,
            port_protocol: port.protocols.join(","),
            zone: place.map(|place| &*place.zone),
            region: place.map(|place| &*place.region),
            version: discovery.and_then(|discovery| discovery.version.as_deref()).map(String::as_str),
        };
        Self { targets: [SocketAddr::new(address, port.port).to_string()], labels }
    }
}
