//! What the simulator means is what the decoder reads: at any moment of a cluster's life, with agents lost, and
//! while a new leader is still learning.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use mesos_dns_core::{
    cluster::{
        self as core, AddressSource, Container, Discovery, DiscoveryPort, DnsLabels, Endpoint, Host,
        NetworkMode, Place, PortKind, PortMapping, PortRange, PortScope, Protocol, Skipped, TaskAddress,
        TaskState, Visibility,
    },
    mesos::state::decode,
};
use mesos_dns_sim::{
    catalogue::{Flavour, Network, Service, assorted},
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
        place: Some(Arc::new(Place { region: agent.region.into(), zone: agent.zone.as_str().into() })),
        address: Some(Endpoint { host: Host::Address(agent.address.into()), port: 5051 }),
    }
}

fn expected_task(cluster: &Cluster, task: &Task) -> core::Task {
    let service = cluster.service(task);
    let has_run = task.statuses.iter().any(|status| status.state == State::Running);
    let addresses: &[IpAddr] = if has_run { &task.addresses } else { &[] };
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
        ports: expected_ranges(&task.ports),
        addresses: addresses
            .iter()
            .enumerate()
            .map(|(place, address)| TaskAddress {
                source: AddressSource::NetInfo,
                address: *address,
                network: expected_network(service.network, place).map(|name| Arc::new(name.into())),
            })
            .collect(),
        is_checked: service.health_checked,
        discovery: service.discovery.as_ref().map(|name| Box::new(expected_discovery(service, task, name))),
        container: expected_container(service, task).map(Arc::new),
        labels: expected_labels(service).map(Box::new),
    }
}

/// What the network of an address is called, by the address's place.
fn expected_network(network: Network, place: usize) -> Option<&'static str> {
    match network {
        Network::Container { .. } | Network::DockerUser | Network::Pod | Network::Six => Some("dcos"),
        Network::Mapped => Some("mesos-bridge"),
        Network::Two => Some(["dcos", "storage"][place]),
        Network::Bridge | Network::Detached | Network::DockerHost | Network::Host | Network::Unnamed => None,
    }
}

fn expected_discovery(service: &Service, task: &Task, name: &str) -> Discovery {
    let own = task.ports.is_empty();
    let tells_scope = matches!(service.flavour, Flavour::Assorted | Flavour::Marathon);
    let is_assorted = service.flavour == Flavour::Assorted;
    let port = |(place, port): (usize, &mesos_dns_sim::catalogue::Port)| {
        let kind = PortKind {
            name: port.name.into(),
            protocol: port.protocol.into(),
            scope: match (tells_scope, own) {
                (false, _) => PortScope::Unsaid,
                (true, false) => PortScope::Host,
                (true, true) => PortScope::Container,
            },
            visibility: (is_assorted && place == 1 && service.number.is_multiple_of(2))
                .then_some(Visibility::External),
        };
        let number = if own { port.container } else { task.ports[place] };
        DiscoveryPort { number: number.into(), kind: kind.into() }
    };
    let visibility = match service.flavour {
        Flavour::Aurora | Flavour::Sdk => Visibility::Cluster,
        Flavour::Chronos | Flavour::Marathon => Visibility::Framework,
        Flavour::Assorted => {
            [Visibility::Framework, Visibility::Cluster, Visibility::External][service.number % 3]
        }
    };
    Discovery {
        name: name.into(),
        visibility,
        version: (is_assorted && service.number.is_multiple_of(2)).then(|| Arc::new("1.4".into())),
        ports: service.ports.iter().enumerate().map(port).collect(),
    }
}

fn expected_container(service: &Service, task: &Task) -> Option<Container> {
    let pairs = service.ports.iter().zip(&task.ports);
    let mappings = pairs.map(|(port, host)| PortMapping {
        host: *host,
        container: port.container,
        protocol: if port.protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
    });
    let (mode, networks): (_, &[&str]) = match service.network {
        Network::Host | Network::Pod => return None,
        Network::Bridge => (NetworkMode::Bridge, &[]),
        Network::Detached => (NetworkMode::Detached, &[]),
        Network::DockerHost => (NetworkMode::Host, &[]),
        Network::Unnamed => (NetworkMode::Named, &[]),
        Network::Container { .. } | Network::DockerUser | Network::Six => (NetworkMode::Named, &["dcos"]),
        Network::Mapped => (NetworkMode::Named, &["mesos-bridge"]),
        Network::Two => (NetworkMode::Named, &["dcos", "storage"]),
    };
    let is_mapped = matches!(service.network, Network::Bridge | Network::Mapped);
    Some(Container {
        mode,
        networks: networks.iter().map(|name| Arc::from(*name)).collect(),
        mappings: if is_mapped { mappings.collect() } else { Box::default() },
    })
}

fn expected_labels(service: &Service) -> Option<DnsLabels> {
    match service.number % 4 {
        _ if service.flavour != Flavour::Assorted => None,
        0 => Some(DnsLabels {
            aliases: ["front".into(), "www".into()].into(),
            ttl: Some(5),
            ..DnsLabels::default()
        }),
        1 => Some(DnsLabels { weight: Some(20), priority: Some(1), ..DnsLabels::default() }),
        _ => None,
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

#[test]
fn every_kind_of_container_reads_as_meant() {
    let (mut life, mut cluster) = Life::new(Settings { seed: 6, tasks: 50, churn: 5.0 }, START);
    let framework = cluster.add_framework("lab", Flavour::Assorted, 2 * assorted::COUNT, START);
    let first = cluster.services.iter().position(|service| service.framework == framework).unwrap();
    for service in first..cluster.services.len() {
        life.start(&mut cluster, service, None, START).unwrap();
    }
    let mut running = std::collections::BTreeSet::new();
    for second in 1..=20 {
        let now = START + Duration::from_secs(second);
        life.advance(&mut cluster, now);
        let lab = cluster.tasks.values().filter(|task| cluster.service(task).framework == framework);
        running.extend(lab.filter(|task| task.state == State::Running).map(|task| task.service));
        check(&cluster, Knowledge::Everything);
    }
    assert_eq!(running.len(), 2 * assorted::COUNT, "each kind ran");
}
