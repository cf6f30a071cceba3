//! The services of a world. Every address and port of theirs says whose it is and which version.
//!
//! All tasks of a service move in one moment and stay on their agents, so that no honest document ever shows
//! half of a version, however few agents its master knows.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::world::AGENTS;
use crate::{
    catalogue::{self, Flavour, Network, Port},
    cluster::{Cluster, State, Status},
};

/// Names that each framework takes, one after the other. The second never changes its own.
pub const FRAMEWORK_NAMES: [&[&str]; 2] = [&["truth", "verity", "candour"], &["twin"]];

/// The port of every service.
const PORTS: &[Port] = &[Port { name: "http", protocol: "tcp", container: 8080 }];

/// Services whose tasks end together: with this many, a third of all tasks.
const CHAFF: usize = 24;

/// Statuses that are kept of one task.
const STATUSES_MAX: usize = 4;

/// What becomes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Never ends and never moves.
    Anchor,
    /// Begins and ends.
    Brief,
    /// Ends with many others.
    Chaff,
    /// Moves by other tasks in place of its own.
    Replaced,
    /// Moves by its tasks being found elsewhere.
    Shifted,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub role: Role,
    /// Index of its framework.
    pub framework: usize,
    /// The agents of its tasks, one task on each mention.
    pub agents: Vec<usize>,
    /// Its living tasks.
    pub launches: Vec<u64>,
    /// Its version.
    version: u16,
    /// If given, the id of its only task; else each launch has its own.
    id: Option<&'static str>,
}

/// All of them.
pub(super) struct Services {
    all: Vec<Service>,
    launched: u64,
    renamed: usize,
}

impl Services {
    /// The services, and a cluster without tasks.
    pub(super) fn new(born: Duration) -> (Self, Cluster) {
        let all = services();
        let catalogue = all.iter().enumerate().map(|(number, service)| catalogue::Service {
            framework: service.framework,
            number,
            flavour: Flavour::Marathon,
            task_name: service.name.clone(),
            discovery: Some(service.name.clone()),
            ports: PORTS,
            network: Network::Host,
            health_checked: false,
        });
        let mut cluster = Cluster::empty(AGENTS, catalogue.collect(), born);
        let mut frameworks: Vec<_> = cluster.frameworks[..FRAMEWORK_NAMES.len()].to_vec();
        for (framework, names) in frameworks.iter_mut().zip(FRAMEWORK_NAMES) {
            framework.name = names[0];
        }
        cluster.frameworks = frameworks.into();
        (Self { all, launched: 1, renamed: 0 }, cluster)
    }

    pub(super) fn all(&self) -> &[Service] {
        &self.all
    }

    pub(super) fn begin_all(mut self, cluster: &mut Cluster, at: Duration) -> Self {
        (0..self.all.len()).for_each(|service| self.begin(service, cluster, at));
        self
    }

    /// Starts a service's tasks, in its next version.
    pub(super) fn begin(&mut self, service: usize, cluster: &mut Cluster, at: Duration) {
        if self.all[service].launches.is_empty() {
            self.all[service].version += 1;
            for place in 0..self.all[service].agents.len() {
                self.launch(service, place, cluster, at);
            }
        }
    }

    /// Ends them. Every second time they are first seen as being killed; the caller ends these later.
    pub(super) fn end(&mut self, service: usize, cluster: &mut Cluster, at: Duration) -> Vec<u64> {
        let launches = std::mem::take(&mut self.all[service].launches);
        let slowly = self.all[service].version.is_multiple_of(2) && self.all[service].id.is_none();
        for launch in &launches {
            match cluster.tasks.get_mut(launch) {
                // No status tells of it yet: the state alone does.
                Some(task) if slowly => Arc::make_mut(task).state = State::Killing,
                _ => _ = cluster.report(*launch, State::Killed, None, at),
            }
        }
        if slowly { launches } else { Vec::new() }
    }

    /// The next version of a service that has tasks.
    pub(super) fn step(&mut self, service: usize, cluster: &mut Cluster, at: Duration) {
        if self.all[service].launches.is_empty() {
            return;
        }
        if self.all[service].role == Role::Shifted {
            self.all[service].version += 1;
            for place in 0..self.all[service].agents.len() {
                self.shift(service, place, cluster, at);
            }
        } else {
            let launches = std::mem::take(&mut self.all[service].launches);
            for launch in launches {
                cluster.report(launch, State::Killed, None, at);
            }
            self.begin(service, cluster, at);
        }
    }

    pub(super) fn end_chaff(&mut self, cluster: &mut Cluster, at: Duration) {
        for service in self.chaff() {
            for launch in std::mem::take(&mut self.all[service].launches) {
                cluster.report(launch, State::Killed, None, at);
            }
        }
    }

    pub(super) fn begin_chaff(&mut self, cluster: &mut Cluster, at: Duration) {
        self.chaff().into_iter().for_each(|service| self.begin(service, cluster, at));
    }

    pub(super) fn has_chaff(&self, cluster: &Cluster) -> bool {
        self.chaff().iter().all(|service| {
            self.all[*service].launches.iter().filter(|launch| cluster.tasks.contains_key(launch)).count() > 0
        })
    }

    fn chaff(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|service| self.all[*service].role == Role::Chaff).collect()
    }

    /// The first framework takes its next name.
    pub(super) fn rename(&mut self, cluster: &mut Cluster) {
        self.renamed += 1;
        let names = FRAMEWORK_NAMES[0];
        let mut frameworks = cluster.frameworks.to_vec();
        frameworks[0].name = names[self.renamed % names.len()];
        cluster.frameworks = frameworks.into();
    }

    fn launch(&mut self, service: usize, place: usize, cluster: &mut Cluster, at: Duration) {
        let launch = self.launched;
        self.launched += 1;
        let this = &mut self.all[service];
        let agent = this.agents[place];
        let id = this.id.map_or_else(|| format!("{}.{launch}", this.name), str::to_owned);
        cluster.launch(launch, id, format!("container-{launch}"), service, agent);
        this.launches.push(launch);
        let (addresses, port) = (this.addresses(service, place), this.port(place));
        if let Some(task) = cluster.tasks.get_mut(&launch) {
            let task = Arc::make_mut(task);
            // The agent's own choice of a port says nothing.
            for port in std::mem::replace(&mut task.ports, vec![port]) {
                Arc::make_mut(&mut cluster.agents[agent]).ports.remove(&port);
            }
            task.addresses = addresses;
        }
        cluster.report(launch, State::Starting, None, at);
        cluster.report(launch, State::Running, None, at);
        if !cluster.agents[agent].reachable {
            cluster.report(launch, State::Unreachable, None, at);
        }
    }

    /// A task is found elsewhere: its newest status says so, the older ones still stand.
    fn shift(&mut self, service: usize, place: usize, cluster: &mut Cluster, at: Duration) {
        let this = &self.all[service];
        let (addresses, port) = (this.addresses(service, place), this.port(place));
        let Some(task) = this.launches.get(place).and_then(|launch| cluster.tasks.get_mut(launch)) else {
            return;
        };
        let task = Arc::make_mut(task);
        task.addresses = addresses.clone();
        task.ports = vec![port];
        if task.state == State::Running {
            task.statuses.push(Status { state: State::Running, at, addresses, healthy: None });
            let surplus = task.statuses.len().saturating_sub(STATUSES_MAX);
            task.statuses.drain(..surplus);
        }
    }
}

impl Service {
    /// Addresses of one of its tasks: service, place and version in their last parts.
    fn addresses(&self, service: usize, place: usize) -> Vec<IpAddr> {
        let [high, low] = self.version.to_be_bytes();
        let four = Ipv4Addr::new(10, 64 + service as u8, (place as u8) << 5 | high, low);
        let six = Ipv6Addr::new(0xfd00, service as u16, place as u16, 0, 0, 0, 0, self.version);
        vec![four.into(), six.into()]
    }

    /// The port of one of its tasks, likewise.
    fn port(&self, place: usize) -> u16 {
        10_000 + self.version * 4 + place as u16
    }
}

fn services() -> Vec<Service> {
    let service = |name: String, role, framework, agents: Vec<usize>| Service {
        name,
        role,
        framework,
        agents,
        launches: Vec::new(),
        version: 0,
        id: None,
    };
    let anchors = (0..AGENTS * 2).map(|n| service(format!("anchor-{n}"), Role::Anchor, 0, vec![n % AGENTS]));
    let trio = service("trio".into(), Role::Anchor, 0, vec![0, 2, 4]);
    let replaced = (0..AGENTS).map(|n| service(format!("replaced-{n}"), Role::Replaced, n % 2, vec![n, n]));
    let shifted = (0..AGENTS).map(|n| service(format!("shifted-{n}"), Role::Shifted, 0, vec![n, n]));
    let brief = (0..AGENTS).map(|n| service(format!("brief-{n}"), Role::Brief, n % 2, vec![n]));
    let chaff = (0..CHAFF).map(|n| service(format!("chaff-{n}"), Role::Chaff, 0, vec![n % AGENTS]));
    // Two tasks of one id, in two frameworks.
    let doubles = (0..2).map(|framework| Service {
        id: Some("same"),
        ..service(format!("double-{framework}"), Role::Brief, framework, vec![1])
    });
    anchors.chain([trio]).chain(replaced).chain(shifted).chain(brief).chain(doubles).chain(chaff).collect()
}
