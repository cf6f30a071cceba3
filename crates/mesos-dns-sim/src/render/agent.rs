//! Agents in `/state`, `/slaves` and `/state-summary`.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ranges, singles};
use crate::{cluster::Agent, profile::Profile};

/// CPUs of each agent.
pub(super) const CPUS: f64 = 32.0;

/// Memory of each agent, in MiB.
pub(super) const MEMORY: f64 = 131_072.0;

/// Disk of each agent, in MiB.
pub(super) const DISK: f64 = 1e6;

/// CPUs of each task.
pub(super) const TASK_CPUS: f64 = 0.1;

/// Memory of each task, in MiB.
pub(super) const TASK_MEMORY: f64 = 128.0;

/// Resources of one thing, as Mesos writes them.
#[derive(Serialize)]
pub(super) struct Resources {
    disk: f64,
    mem: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<f64>,
    cpus: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<String>,
}

impl Resources {
    /// What so many tasks with these ports use.
    pub(super) fn used(tasks: usize, ports: impl IntoIterator<Item = u16>, profile: Profile) -> Self {
        let ports = if profile == Profile::Old { singles(ports) } else { ranges(ports) };
        let tasks = tasks as f64;
        Self {
            disk: 0.0,
            mem: tasks * TASK_MEMORY,
            gpus: gpus(profile),
            cpus: tasks * TASK_CPUS,
            ports: (ports != "[]").then_some(ports),
        }
    }

    fn of_agent(profile: Profile) -> Self {
        let ports = Some("[31000-32000]".into());
        Self { disk: DISK, mem: MEMORY, gpus: gpus(profile), cpus: CPUS, ports }
    }
}

fn gpus(profile: Profile) -> Option<f64> {
    profile.redirects().then_some(0.0)
}

/// An agent without what only its registration tells; also how the registry knows it.
#[derive(Serialize)]
pub(super) struct Recovered<'a> {
    id: &'a str,
    hostname: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    attributes: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Value>,
}

/// An agent that is registered.
#[derive(Serialize)]
pub(super) struct Registered<'a> {
    #[serde(flatten)]
    recovered: Recovered<'a>,
    pid: String,
    registered_time: f64,
    resources: Resources,
    used_resources: Resources,
    offered_resources: Resources,
    reserved_resources: Value,
    unreserved_resources: Resources,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated: Option<bool>,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<[&'static str; 2]>,
}

pub(super) fn recovered(agent: &Agent, profile: Profile) -> Recovered<'_> {
    Recovered {
        id: &agent.id,
        hostname: &agent.hostname,
        port: profile.shows_recovery().then_some(agent.port),
        attributes: json!({"rack": rack(agent), "cores": CPUS}),
        domain: profile.has_domains().then(|| domain(agent)),
    }
}

pub(super) fn registered(agent: &Agent, profile: Profile) -> Registered<'_> {
    Registered {
        recovered: recovered(agent, profile),
        pid: pid(agent),
        registered_time: agent.registered.as_secs_f64(),
        resources: Resources::of_agent(profile),
        used_resources: Resources::used(agent.tasks, agent.ports.iter().copied(), profile),
        offered_resources: Resources::used(0, [], profile),
        reserved_resources: json!({}),
        unreserved_resources: Resources::of_agent(profile),
        active: agent.active,
        deactivated: profile.has_drain().then_some(agent.deactivated),
        version: profile.version(),
        capabilities: profile.has_domains().then_some(["MULTI_ROLE", "AGENT_DRAINING"]),
    }
}

/// `slave(1)@10.0.0.1:5051`.
pub(super) fn pid(agent: &Agent) -> String {
    format!("slave(1)@{}:{}", agent.address, agent.port)
}

pub(super) fn rack(agent: &Agent) -> String {
    format!("r{}", agent.address.octets()[3] % 8)
}

pub(super) fn domain(agent: &Agent) -> Value {
    json!({"fault_domain": {"region": {"name": agent.region}, "zone": {"name": agent.zone}}})
}
