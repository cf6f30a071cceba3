//! What the simulator means is what the decoder reads: at any moment of a cluster's life, with agents lost, and
//! while a new leader is still learning.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use mesos_dns_core::{
    cluster::{
        self as core, AddressSource, Discovery, DiscoveryPort, Endpoint, Host, PortRange, Skipped,
        TaskAddress, TaskState,
    },
    mesos::state::decode,
};
use mesos_dns_sim::{
    catalogue::Network,
    cluster::{Cluster, State, Task},
    life::{Life, Settings},
    memory::Memory,
    render::{self, Face, Knowledge, View},
};

const START: Duration = Duration::from_secs(1_700_000_000);

/// Renders, decodes, compares.
fn check(cluster: &Cluster, knowledge: Knowledge) {
    let master = Face { id: "m".into(), address: "127.0.0.1:5050".parse().unwrap(), started: START };
    let memory = Memory::new(knowledge, cluster, cluster.born);
    let view = View { memory: &memory, ..View::settled(cluster, &master) };
    let mut document = Vec::new();
    render::state(view, &mut document).unwrap();
    let read = decode(&document).unwrap();
    assert_eq!(read.skipped, Skipped::default());
    assert!(read.complete);
    assert_eq!(read.elected_time, Some(START.as_secs_f64()));
    assert_eq!(read.leader, read.pid);

    let known = |agent: usize| {
        cluster.agents[agent].is_registered()
            && match knowledge {
                Knowledge::Nothing => false,
                Knowledge::Agents(back) => agent < back,
                Knowledge::Everything => true,
            }
    };
    let agents: Vec<core::Agent> =
        (0..cluster.agents.len()).filter(|at| known(*at)).map(|at| expected_agent(cluster, at)).collect();
    assert_eq!(read.agents, agents);
    let recovered = (0..cluster.agents.len())
        .filter(|at| cluster.agents[*at].is_registered() && !known(*at) && knowledge != Knowledge::Nothing);
    let recovered: Vec<Arc<str>> = recovered.map(|at| cluster.agents[at].id.as_str().into()).collect();
    assert_eq!(read.recovered_agents, recovered);

    let living = |task: &&Arc<Task>| known(task.agent);
    let expected: BTreeMap<String, core::Task> = cluster
        .tasks
        .values()
        .filter(living)
        .map(|task| (task.id.clone(), expected_task(cluster, task)))
        .collect();
    let read_tasks: BTreeMap<String, core::Task> = read
        .tasks
        .into_iter()
        .filter(|task| task.state != TaskState::Unreachable)
        .map(|task| (task.id.to_string(), task))
        .collect();
    assert_eq!(read_tasks, expected);
    for framework in &read.frameworks {
        let meant = cluster.frameworks.iter().find(|meant| *meant.id == *framework.id).unwrap();
        assert_eq!(*framework.name, meant.name);
        let connected = knowledge == Knowledge::Everything;
        let host = connected.then(|| Host::Address(meant.address.into()));
        assert_eq!((framework.host.clone(), framework.port), (host, meant.port.filter(|_| connected)));
    }
}

fn expected_agent(cluster: &Cluster, at: usize) -> core::Agent {
    let agent = &cluster.agents[at];
    core::Agent {
        id: agent.id.as_str().into(),
        hostname: agent.hostname.as_str().into(),
        place: None,
        address: Some(Endpoint { host: Host::Address(agent.address.into()), port: 5051 }),
    }
}

fn expected_task(cluster: &Cluster, task: &Task) -> core::Task {
    let service = cluster.service(task);
    let has_run = task.statuses.iter().any(|status| status.state == State::Running);
    let addresses: &[IpAddr] = if has_run { &task.addresses } else { &[] };
    let routed = matches!(service.network, Network::Container { .. });
    let number = |place: usize| if routed { service.ports[place].container } else { task.ports[place] };
    core::Task {
        id: task.id.as_str().into(),
        name: service.task_name.as_str().into(),
        framework_id: cluster.framework(task).id.as_str().into(),
        agent_id: cluster.agent(task).id.as_str().into(),
        state: match task.state {
            State::Staging => TaskState::Staging,
            State::Starting => TaskState::Starting,
            State::Running => TaskState::Running,
            State::Killing => TaskState::Killing,
            State::Unreachable => TaskState::Unreachable,
            _ => unreachable!("{} has ended", task.id),
        },
        healthy: task.healthy,
        is_checked: false,
        container: None,
        labels: None,
        ports: expected_ranges(&task.ports),
        addresses: addresses
            .iter()
            .map(|address| TaskAddress { source: AddressSource::NetInfo, address: *address, network: None })
            .collect(),
        discovery: service.discovery.as_ref().map(|name| {
            let ports = service
                .ports
                .iter()
                .enumerate()
                .map(|(place, port)| DiscoveryPort::new(number(place).into(), port.name, port.protocol));
            Box::new(Discovery { name: name.as_str().into(), ports: ports.collect(), ..Discovery::default() })
        }),
    }
}

/// A task has two ports at most: one range if they are neighbours, else two.
fn expected_ranges(ports: &[u16]) -> Box<[PortRange]> {
    let range = |first: u16, last: u16| PortRange { first: first.into(), last: last.into() };
    match *ports {
        [] => Box::new([]),
        [only] => Box::new([range(only, only)]),
        [first, second] if second == first + 1 => Box::new([range(first, second)]),
        [first, second] => Box::new([range(first, first), range(second, second)]),
        _ => panic!("more ports than any service has: {ports:?}"),
    }
}

#[test]
fn a_cluster_reads_as_meant_through_its_life() {
    let (mut life, mut cluster) = Life::new(Settings { seed: 3, tasks: 300, churn: 50.0 }, START);
    check(&cluster, Knowledge::Everything);
    let mut seen = BTreeMap::<&str, usize>::new();
    for second in 1..=60 {
        life.advance(&mut cluster, START + Duration::from_secs(second));
        for task in cluster.tasks.values() {
            *seen.entry(task.state.name()).or_default() += 1;
        }
        check(&cluster, Knowledge::Everything);
    }
    for state in ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"] {
        assert!(seen.contains_key(state), "{state} never occurred: {seen:?}");
    }
}

#[test]
fn a_new_leader_reads_as_meant_at_each_step() {
    let (_, cluster) = Life::new(Settings { seed: 4, tasks: 200, churn: 0.0 }, START);
    check(&cluster, Knowledge::Nothing);
    for back in 0..=cluster.agents.len() {
        check(&cluster, Knowledge::Agents(back));
    }
}

#[test]
fn lost_agents_read_as_meant() {
    let (_, mut cluster) = Life::new(Settings { seed: 5, tasks: 200, churn: 0.0 }, START);
    cluster.lose_agent(2, START);
    check(&cluster, Knowledge::Everything);
    check(&cluster, Knowledge::Agents(3));
    cluster.return_agent(2, START);
    check(&cluster, Knowledge::Everything);
}
