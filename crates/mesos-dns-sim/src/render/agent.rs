//! Agents in `/state`, `/slaves` and `/state-summary`.

use serde::Serialize;
use serde_json::{Value, json};

use super::ranges;
use crate::cluster::{Agent, Cluster};

/// CPUs of each agent.
const CPUS: f64 = 32.0;

/// Memory of each agent, in MiB.
const MEMORY: f64 = 131_072.0;

/// CPUs of each task.
const TASK_CPUS: f64 = 0.1;

/// Memory of each task, in MiB.
const TASK_MEMORY: f64 = 128.0;

/// Resources of one thing, as Mesos writes them.
#[derive(Serialize)]
pub(super) struct Resources {
    disk: f64,
    mem: f64,
    gpus: f64,
    cpus: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<String>,
}

impl Resources {
    /// What so many tasks with these ports use.
    pub(super) fn used(tasks: usize, ports: impl IntoIterator<Item = u16>) -> Self {
        let ports = ranges(ports);
        let tasks = tasks as f64;
        Self {
            disk: 0.0,
            mem: tasks * TASK_MEMORY,
            gpus: 0.0,
            cpus: tasks * TASK_CPUS,
            ports: (ports != "[]").then_some(ports),
        }
    }

    fn of_agent() -> Self {
        Self { disk: 1e6, mem: MEMORY, gpus: 0.0, cpus: CPUS, ports: Some("[31000-32000]".into()) }
    }
}

/// Tasks on each agent, by index.
pub(super) fn loads(cluster: &Cluster) -> Vec<usize> {
    let mut loads = vec![0; cluster.agents.len()];
    for task in cluster.tasks.values() {
        loads[task.agent] += 1;
    }
    loads
}

/// An agent without what only its registration tells; also how the registry knows it.
#[derive(Serialize)]
pub(super) struct Recovered<'a> {
    id: &'a str,
    hostname: &'a str,
    port: u16,
    attributes: Value,
    domain: Value,
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
    deactivated: bool,
    version: &'static str,
    capabilities: [&'static str; 2],
}

pub(super) fn recovered(agent: &Agent) -> Recovered<'_> {
    Recovered {
        id: &agent.id,
        hostname: &agent.hostname,
        port: 5051,
        attributes: json!({"rack": format!("r{}", agent.address.octets()[3] % 8), "cores": CPUS}),
        domain: json!({"fault_domain": {"region": {"name": agent.region}, "zone": {"name": agent.zone}}}),
    }
}

pub(super) fn registered<'a>(cluster: &'a Cluster, at: usize, loads: &[usize]) -> Registered<'a> {
    let agent = &cluster.agents[at];
    Registered {
        recovered: recovered(agent),
        pid: format!("slave(1)@{}:5051", agent.address),
        registered_time: cluster.born.as_secs_f64(),
        resources: Resources::of_agent(),
        used_resources: Resources::used(loads[at], agent.ports.iter().copied()),
        offered_resources: Resources::used(0, []),
        reserved_resources: json!({}),
        unreserved_resources: Resources::of_agent(),
        active: true,
        deactivated: false,
        version: super::VERSION,
        capabilities: ["MULTI_ROLE", "AGENT_DRAINING"],
    }
}
