//! Agents in the operator API.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Id,
    resources::{self, Resource, Shown},
};
use crate::{
    cluster,
    profile::Profile,
    render::agent::{CPUS, domain, pid, rack},
};

#[derive(Serialize)]
pub(super) struct Info<'a> {
    hostname: &'a str,
    port: u16,
    resources: Vec<Resource>,
    attributes: Value,
    id: Id<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Value>,
    checkpoint: bool,
}

#[derive(Serialize)]
pub(super) struct Agent<'a> {
    agent_info: Info<'a>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated: Option<bool>,
    version: &'static str,
    pid: String,
    registered_time: Value,
    total_resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allocated_resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Value>,
}

/// An agent as it describes itself; also how the registry knows it.
pub(super) fn info(agent: &cluster::Agent, profile: Profile) -> Info<'_> {
    Info {
        hostname: &agent.hostname,
        port: agent.port,
        resources: resources::of_agent(Shown::Offered),
        attributes: json!([
            {"name": "rack", "type": "TEXT", "text": {"value": rack(agent)}},
            {"name": "cores", "type": "SCALAR", "scalar": {"value": CPUS}},
        ]),
        id: Id { value: &agent.id },
        domain: profile.has_domains().then(|| domain(agent)),
        checkpoint: true,
    }
}

pub(super) fn agent(agent: &cluster::Agent, profile: Profile) -> Agent<'_> {
    let ports = agent.ports.iter().copied();
    Agent {
        agent_info: info(agent, profile),
        active: agent.active,
        deactivated: profile.has_drain().then_some(agent.deactivated),
        version: profile.version(),
        pid: pid(agent),
        registered_time: json!({"nanoseconds": nanoseconds(agent.registered)}),
        total_resources: resources::of_agent(Shown::Total),
        allocated_resources: resources::used(agent.tasks, ports, Shown::Allocated),
        capabilities: profile
            .has_domains()
            .then(|| json!([{"type": "MULTI_ROLE"}, {"type": "AGENT_DRAINING"}])),
    }
}

/// A time as the operator API writes it.
pub(super) fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
