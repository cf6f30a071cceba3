//! What an update costs, and that a zone which was updated very often is the one built from scratch.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use mesos_dns_core::{
    answer::{self, Action, Peer, Settings, Standing, Transport},
    cluster::{
        AddressSource, Agent, Cluster, Discovery, DiscoveryPort, Endpoint, Framework, Host, Masters,
        PortRange, Task, TaskAddress, TaskChange, TaskState, Touched,
    },
    records::{Addresses, Health, Policy, Rules},
    table::{Keyed, Seed, Table},
    wire::{Name, rtype},
    zone::{Compiled, Delta, Serial, Snapshot, Soa, Zone},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn policy() -> Policy {
    Policy {
        domain: "mesos".into(),
        apex: name("mesos."),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![AddressSource::NetInfo, AddressSource::Host]),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: vec!["10.0.0.9".parse().unwrap()],
    }
}

fn fresh(policy: &Policy, seed: u64) -> Zone {
    let mut zone = Zone::new(policy.apex.clone(), Some(name("ns1.mesos.")), Seed(seed));
    zone.add_server(policy);
    zone
}

fn built(policy: &Policy, cluster: &Cluster, seed: u64) -> Zone {
    let mut zone = fresh(policy, seed);
    zone.update(policy, &Cluster::default(), cluster, &cluster.everything());
    zone.compile();
    zone
}

fn snapshot(zone: &Zone) -> Snapshot {
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    let soa = Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 5, ttl: 5, weight: 1 };
    zone.snapshot(Arc::new(soa), Serial(1))
}

fn agent(number: u32, moved: u32) -> Agent {
    let host = match number % 5 {
        // Not looked up: names without addresses.
        4 => Host::new("node4"),
        _ => Host::new(&format!("10.0.{moved}.{number}")),
    };
    Agent {
        id: format!("a-S{number}").into(),
        hostname: "".into(),
        place: None,
        address: Some(Endpoint { host, port: 5051 }),
    }
}

fn framework(number: u32, renamed: u32) -> Framework {
    let name = match (number, renamed) {
        (0, 0) => "marathon",
        (1, 0) => "web.marathon",
        (2, 0) => "Aurora",
        (3, 0) => "slave",
        _ => ["other", "marathon", "a.b"][(number + renamed) as usize % 3],
    };
    Framework {
        id: format!("f{number}").into(),
        name: name.into(),
        host: Some(Host::new("10.9.9.9")),
        port: (number.is_multiple_of(2)).then_some(8080),
    }
}

/// A task as one of many: `kind` says which of the odd things it has.
fn task(id: u32, name: &str, framework: u32, agent: u32, kind: u32) -> Task {
    let port = 1000 + id * 2;
    Task {
        id: format!("{name}.{id}").into(),
        name: name.into(),
        framework_id: format!("f{framework}").into(),
        agent_id: format!("a-S{agent}").into(),
        state: if kind % 7 == 6 { TaskState::Staging } else { TaskState::Running },
        healthy: None,
        is_checked: false,
        container: None,
        labels: None,
        ports: [PortRange { first: port, last: port + kind % 3 }].into(),
        addresses: (0..kind % 3)
            .map(|at| TaskAddress {
                source: AddressSource::NetInfo,
                network: None,
                address: if at == 1 {
                    format!("fd00::{id:x}")
                } else {
                    format!("11.0.{}.{}", id % 7, id % 100)
                }
                .parse()
                .unwrap(),
            })
            .collect(),
        discovery: (kind % 4 == 3).then(|| {
            Box::new(Discovery {
                name: name.into(),
                ports: [DiscoveryPort::new(80, "http", "")].into(),
                ..Discovery::default()
            })
        }),
    }
}

//------------ Cost ----------------------------------------------------------

/// A cluster of services with eight tasks each.
fn large(tasks: u32) -> Cluster {
    let mut cluster = Cluster::default();
    for number in 0..40 {
        cluster.agents.insert(Arc::new(agent(number * 5, 0)));
    }
    cluster.frameworks.insert(Arc::new(framework(0, 0)));
    for id in 0..tasks {
        cluster.tasks.insert(Arc::new(task(id, &format!("svc{}", id / 8), 0, id % 40 * 5, 1)));
    }
    cluster
}

/// What compiling the change of one task of a cluster costs, while readers hold the version before.
fn cost(tasks: u32) -> Compiled {
    let policy = policy();
    let old = large(tasks);
    let mut zone = built(&policy, &old, 3);
    let held = snapshot(&zone);
    let mut new = old.clone();
    let before = Arc::new(task(5, "svc0", 0, 25, 1));
    let after = Arc::new(Task { addresses: Box::new([]), ..(*before).clone() });
    assert_eq!(old.tasks.get(before.key()), Some(&before));
    new.tasks.insert(after.clone());
    let change = TaskChange { old: Some(before), new: Some(after) };
    zone.update(&policy, &old, &new, &Touched { tasks: vec![change], ..Touched::default() });
    let compiled = zone.compile();
    assert!(compiled.is_changed);
    assert_ne!(held.content_hash(), snapshot(&zone).content_hash());
    compiled
}

#[test]
fn a_change_costs_the_same_in_any_zone() {
    let (small, large) = (cost(1000), cost(100_000));
    for compiled in [&small, &large] {
        // The address of the task under its plain and its own name: one went and one came at each.
        assert_eq!(compiled.owners_compiled, 2);
        assert_eq!(compiled.delta.records(), Some(4), "{compiled:?}");
    }
    // Two shards, their parts of the directory, and the list of these parts, which alone grows with the zone.
    assert!(large.bytes_copied <= 3 * small.bytes_copied, "{} {}", small.bytes_copied, large.bytes_copied);
    assert!(large.bytes_copied <= 12 << 10, "{}", large.bytes_copied);
}

//------------ Equality ------------------------------------------------------

const NAMES: [&str; 9] = ["web", "Web.UI", "web.ui", "web-ui", "db", "b.db", "", "framework", "x_y"];

/// A cluster to which one random thing after the other happens.
struct World {
    cluster: Cluster,
    dice: u64,
    moved: u32,
}

impl World {
    fn roll(&mut self, limit: u32) -> u32 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) as u32 % limit
    }

    /// Something happens; says what it touched.
    fn happen(&mut self) -> Touched {
        match self.roll(1000) {
            0..20 => self.agent(),
            20..30 => self.framework(),
            30 => self.masters(),
            _ => self.task(),
        }
    }

    /// A task comes, ends or changes.
    fn task(&mut self) -> Touched {
        let id = self.roll(300);
        let (name, framework, agent) = (NAMES[id as usize % NAMES.len()], id % 5, self.roll(8));
        let kind = self.roll(100);
        let next = Arc::new(task(id, name, framework, agent, kind));
        let old = self.cluster.tasks.get(next.key()).cloned();
        let new = (self.roll(10) < 6).then_some(next);
        match (&old, &new) {
            (_, Some(new)) => _ = self.cluster.tasks.insert(new.clone()),
            (Some(old), None) => _ = self.cluster.tasks.remove(old.key()),
            (None, None) => {}
        }
        let change = TaskChange { old, new };
        let is_one = change.old.is_some() || change.new.is_some();
        Touched { tasks: is_one.then_some(change).into_iter().collect(), ..Touched::default() }
    }

    /// An agent comes, goes or moves, and touches its tasks.
    fn agent(&mut self) -> Touched {
        let agent = Arc::new(agent(self.roll(8), self.roll(3)));
        let id = agent.id.clone();
        put(&mut self.cluster.agents, agent, self.dice);
        let tasks = self.tasks(|task| task.agent_id == id);
        Touched { agents: [id].into(), tasks, ..Touched::default() }
    }

    fn framework(&mut self) -> Touched {
        let framework = Arc::new(framework(self.roll(5), self.roll(3)));
        let id = framework.id.clone();
        put(&mut self.cluster.frameworks, framework, self.dice);
        let tasks = self.tasks(|task| task.framework_id == id);
        Touched { frameworks: [id].into(), tasks, ..Touched::default() }
    }

    fn masters(&mut self) -> Touched {
        self.moved += 1;
        let leader = Some(format!("10.0.0.{}:5050", self.moved % 3).into());
        self.cluster.masters = Arc::new(Masters { leader, listed: vec!["10.0.0.1:5050".into()] });
        Touched { masters: true, ..Touched::default() }
    }

    fn tasks(&self, is: impl Fn(&Task) -> bool) -> Vec<TaskChange> {
        let touched = self.cluster.tasks.iter().filter(|task| is(task));
        touched.map(|task| TaskChange { old: Some(task.clone()), new: Some(task.clone()) }).collect()
    }
}

fn put<T: Keyed>(table: &mut Table<T>, value: T, dice: u64) {
    match dice >> 62 {
        0 => _ = table.remove(value.key()),
        _ => _ = table.insert(value),
    }
}

/// Everything a reader can see: names, records, listing, and the reply to every query.
fn seen(zone: &Snapshot) -> BTreeSet<String> {
    let mut lines: BTreeSet<String> = zone.nodes().map(|node| format!("{node:?}")).collect();
    lines.extend(zone.listed_names().iter().map(|name| format!("listed {:?}", name.listed())));
    for node in zone.nodes() {
        for kind in [rtype::A, rtype::AAAA, rtype::SRV, rtype::SOA, rtype::NS, rtype::ANY] {
            for transport in [Transport::Udp, Transport::Tcp] {
                lines.insert(format!(
                    "{} {kind} {:?}",
                    node.name(),
                    reply(zone, &node.name().to_name(), kind, transport)
                ));
            }
        }
    }
    lines.insert(format!("{} {:?} {}", zone.records(), zone.withheld(), zone.content_hash()));
    lines
}

fn reply(zone: &Snapshot, name: &Name, kind: u16, transport: Transport) -> Vec<u8> {
    let settings = Settings {
        recursion_available: false,
        forwards: false,
        sets_truncated: true,
        recursion_allow: Vec::new(),
        query_allow: Vec::new(),
        ..Settings::default()
    };
    let mut query = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    query.extend(name.as_wire());
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    let mut out = vec![0; answer::TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: [127, 0, 0, 1].into(), transport };
    match answer::decide(&query, zone, &Standing::default(), &settings, peer, 4711, &mut out) {
        Action::Send { length, .. } => out.truncate(length),
        other => panic!("{name} {kind}: {other:?}"),
    }
    out
}

/// A hundred thousand changes, of which readers hold many versions.
#[test]
fn a_zone_updated_very_often_equals_one_built_from_scratch() {
    let policy = policy();
    let mut world = World { cluster: Cluster::default(), dice: 42, moved: 0 };
    let mut zone = fresh(&policy, 1);
    zone.compile();
    let (mut held, mut changes, mut compiled) = (VecDeque::new(), 0, 0);
    while changes < 100_000 {
        for _ in 0..=world.roll(6) {
            let old = world.cluster.clone();
            let touched = world.happen();
            changes += touched.tasks.len() + touched.agents.len() + touched.frameworks.len();
            zone.update(&policy, &old, &world.cluster, &touched);
        }
        let done = zone.compile();
        compiled += 1;
        assert!(matches!(&done.delta, Delta::Records(_)));
        if compiled % 7 == 0 {
            held.push_front(snapshot(&zone));
            held.truncate(5);
        }
        if compiled % 4000 == 1 {
            assert_eq!(
                seen(&snapshot(&zone)),
                seen(&snapshot(&built(&policy, &world.cluster, 2))),
                "{changes}"
            );
        }
    }
    assert_eq!(seen(&snapshot(&zone)), seen(&snapshot(&built(&policy, &world.cluster, 2))));
    assert!(snapshot(&zone).names() > 300, "{}", snapshot(&zone).names());
    // And back to nothing: what is left is what was there at the start.
    let nothing = Cluster::default();
    let mut everything = world.cluster.everything();
    everything.tasks.iter_mut().for_each(|change| std::mem::swap(&mut change.old, &mut change.new));
    zone.update(&policy, &world.cluster, &nothing, &everything);
    zone.compile();
    assert_eq!(seen(&snapshot(&zone)), seen(&snapshot(&built(&policy, &nothing, 2))));
}
