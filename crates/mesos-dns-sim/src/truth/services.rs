//! The services of a world. Every address and port of theirs says whose it is and which version.
//!
//! All tasks of a service move in one moment and stay on their agents, so that no honest document ever shows
//! half of a version, however few agents its master knows.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use mesos_dns_core::records::{agent_suffix, task_hash};

use super::world::AGENTS;
use crate::{
    catalogue::{self, Flavour, Network, Port},
    cluster::{Cluster, State, Task},
};

/// Names that each framework takes, one after the other. Only the first changes its own.
pub const FRAMEWORK_NAMES: [&[&str]; 3] = [&["truth", "verity", "candour"], &["twin"], &["passing"]];

/// The framework that is torn down, and whose successor takes its name.
pub const PASSING: usize = 2;

/// The port of every service.
const PORTS: &[Port] = &[Port { name: "http", protocol: "tcp", container: 8080 }];

/// Services whose tasks end together: with this many, a third of all tasks.
const CHAFF: usize = 24;

/// What becomes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Never ends and never moves.
    Anchor,
    /// Begins and ends.
    Brief,
    /// Ends with many others.
    Chaff,
    /// Its tasks fail their health checks now and then, and pass them again.
    Checked,
    /// Begins, and ends by being killed for a while; its one task always has the same name of its own.
    Drained,
    /// Ends with its framework, and begins with the next one of that name.
    Passing,
    /// Moves by its tasks being found elsewhere, without an event.
    Quiet,
    /// Moves by other tasks in place of its own.
    Replaced,
    /// Moves by its tasks being found elsewhere.
    Shifted,
}

/// What happens to one task of a service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Launch { service: usize, place: usize },
    End { service: usize, launch: u64, slowly: bool },
    Shift { service: usize, place: usize },
}

impl Part {
    fn at_once(self) -> Self {
        match self {
            Self::End { service, launch, .. } => Self::End { service, launch, slowly: false },
            other => other,
        }
    }
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub role: Role,
    /// Which of [`FRAMEWORK_NAMES`] its framework takes.
    pub framework: usize,
    /// The agents of its tasks, one task on each mention.
    pub agents: Vec<usize>,
    /// Its living tasks.
    pub launches: Vec<u64>,
    /// Its version.
    version: u16,
    /// If given, the id of its only task; else each launch has its own.
    id: Option<&'static str>,
    /// Its index in the cluster's list.
    pub(super) listed: usize,
}

/// All of them.
pub(super) struct Services {
    all: Vec<Service>,
    launched: u64,
    renamed: usize,
    /// How often a scheduler moved.
    moved: u16,
    /// By their names, the indexes of the frameworks in the cluster.
    frameworks: [usize; FRAMEWORK_NAMES.len()],
}

impl Services {
    /// The services, and a cluster without tasks.
    pub(super) fn new(born: Duration) -> (Self, Cluster) {
        let all = services();
        let catalogue = all.iter().map(|service| service.catalogued(service.framework));
        let mut cluster = Cluster::empty(AGENTS, catalogue.collect(), born);
        cluster.frameworks = Vec::new().into();
        let frameworks =
            FRAMEWORK_NAMES.map(|names| cluster.add_framework(names[0], Flavour::Marathon, 0, born));
        (Self { all, launched: 1, renamed: 0, moved: 0, frameworks }, cluster)
    }

    pub(super) fn all(&self) -> &[Service] {
        &self.all
    }

    pub(super) fn begin_all(mut self, cluster: &mut Cluster, at: Duration) -> Self {
        for service in 0..self.all.len() {
            let parts = self.begin(service);
            parts.iter().for_each(|part| self.carry_out(part, cluster, at));
        }
        self
    }

    /// Starts a service's tasks, in its next version.
    pub(super) fn begin(&mut self, service: usize) -> Vec<Part> {
        if self.all[service].launches.is_empty() { self.launches(service) } else { Vec::new() }
    }

    /// Ends them, every second time by being killed for a while.
    pub(super) fn end(&self, service: usize) -> Vec<Part> {
        let this = &self.all[service];
        let slowly = this.role == Role::Drained || (this.version.is_multiple_of(2) && this.id.is_none());
        let part = |launch: &u64| Part::End { service, launch: *launch, slowly };
        this.launches.iter().map(part).collect()
    }

    /// The next version of a service that has tasks. New tasks start before the old ones end.
    pub(super) fn step(&mut self, service: usize) -> Vec<Part> {
        let this = &mut self.all[service];
        if this.launches.is_empty() {
            return Vec::new();
        }
        match this.role {
            Role::Shifted | Role::Quiet => {
                this.version += 1;
                (0..this.agents.len()).map(|place| Part::Shift { service, place }).collect()
            }
            _ => {
                let old = this.launches.clone();
                let mut parts = self.launches(service);
                parts.extend(old.into_iter().map(|launch| Part::End { service, launch, slowly: false }));
                parts
            }
        }
    }

    pub(super) fn end_chaff(&self) -> Vec<Part> {
        self.chaff().into_iter().flat_map(|service| self.end(service)).map(Part::at_once).collect()
    }

    pub(super) fn begin_chaff(&mut self) -> Vec<Part> {
        self.chaff().into_iter().flat_map(|service| self.begin(service)).collect()
    }

    pub(super) fn has_chaff(&self, cluster: &Cluster) -> bool {
        self.chaff().iter().all(|service| {
            self.all[*service].launches.iter().filter(|launch| cluster.tasks.contains_key(launch)).count() > 0
        })
    }

    fn chaff(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|service| self.all[*service].role == Role::Chaff).collect()
    }

    fn launches(&mut self, service: usize) -> Vec<Part> {
        self.all[service].version += 1;
        (0..self.all[service].agents.len()).map(|place| Part::Launch { service, place }).collect()
    }

    /// The index of a framework in the cluster.
    pub(super) fn framework(&self, of: usize) -> usize {
        self.frameworks[of]
    }

    /// The first framework takes its next name.
    pub(super) fn rename(&mut self, cluster: &mut Cluster) {
        self.renamed += 1;
        let names = FRAMEWORK_NAMES[0];
        cluster.rename_framework(self.frameworks[0], names[self.renamed % names.len()]);
    }

    /// A scheduler goes on from where none was before.
    pub(super) fn move_scheduler(&mut self, of: usize, cluster: &mut Cluster) {
        self.moved += 1;
        let [high, low] = self.moved.to_be_bytes();
        let address = Ipv4Addr::new(10, 200, high, low);
        cluster.move_scheduler(self.frameworks[of], address, 20_000 + self.moved);
    }

    /// Forgets the tasks that end with their framework.
    pub(super) fn tear_down(&mut self, cluster: &mut Cluster, at: Duration) {
        cluster.tear_down(self.frameworks[PASSING], at);
        let passing = self.all.iter_mut().filter(|service| service.role == Role::Passing);
        passing.for_each(|service| service.launches.clear());
    }

    /// Another framework of the name subscribes; its services are the same, to those who ask.
    pub(super) fn subscribe(&mut self, cluster: &mut Cluster, at: Duration) {
        let framework = cluster.add_framework(FRAMEWORK_NAMES[PASSING][0], Flavour::Marathon, 0, at);
        self.frameworks[PASSING] = framework;
        let mut listed = cluster.services.to_vec();
        for service in self.all.iter_mut().filter(|service| service.role == Role::Passing) {
            service.listed = listed.len();
            listed.push(service.catalogued(framework));
        }
        cluster.services = listed.into();
    }

    /// Lets one task's part of a change happen.
    pub(super) fn carry_out(&mut self, part: &Part, cluster: &mut Cluster, at: Duration) {
        match *part {
            Part::Launch { service, place } => self.launch(service, place, cluster, at),
            Part::Shift { service, place } => self.shift(service, place, cluster, at),
            Part::End { service, launch, slowly } => {
                self.all[service].launches.retain(|other| *other != launch);
                let runs = cluster.tasks.get(&launch).is_some_and(|task| task.state == State::Running);
                match slowly && runs {
                    true if self.all[service].role == Role::Drained => {
                        cluster.report(launch, State::Killing, None, at)
                    }
                    // Its state tells that it is being killed, its status that it runs.
                    true => cluster.report_late_failure(launch, at),
                    false => cluster.report(launch, State::Killed, None, at),
                };
            }
        }
    }

    fn launch(&mut self, service: usize, place: usize, cluster: &mut Cluster, at: Duration) {
        let launch = self.launched;
        self.launched += 1;
        let this = &mut self.all[service];
        this.launches.push(launch);
        cluster.add(Task {
            launch,
            id: this.id.map_or_else(|| format!("{}.{launch}", this.name), str::to_owned),
            service: this.listed,
            agent: this.agents[place],
            state: State::Staging,
            ports: vec![this.port(place)],
            addresses: this.addresses(service, place),
            container: format!("container-{launch}"),
            healthy: None,
            statuses: Vec::new(),
        });
        cluster.report(launch, State::Starting, None, at);
        // What is told again with each failure is that it fails; where all of a service do, all of it is answered.
        let healthy = (self.all[service].role == Role::Shifted).then_some(false);
        cluster.report(launch, State::Running, healthy, at);
    }

    /// A task is found elsewhere. Its state does not change, so events tell it with a check's result, or not at all.
    fn shift(&mut self, service: usize, place: usize, cluster: &mut Cluster, at: Duration) {
        let this = &self.all[service];
        let addresses = this.addresses(service, place);
        let Some(launch) = this.launches.get(place) else { return };
        if this.role == Role::Quiet {
            return cluster.repeat_running(*launch, Some(addresses), at);
        }
        let Some(task) = cluster.tasks.get_mut(launch).filter(|task| task.state == State::Running) else {
            return;
        };
        Arc::make_mut(task).addresses = addresses;
        cluster.report(*launch, State::Running, Some(false), at);
    }
}

impl Service {
    /// Whether each of its tasks has the same id.
    pub(super) fn has_one_id(&self) -> bool {
        self.id.is_some()
    }

    /// The first label of the name that its only task has alone; `None` if another task has another one.
    pub(super) fn own_label(&self, cluster: &Cluster) -> Option<String> {
        let hash = task_hash(self.id?);
        let suffix = agent_suffix(&cluster.agents[*self.agents.first()?].id);
        Some(format!("{}-{}-{suffix}", self.name, String::from_utf8_lossy(&hash)))
    }

    /// As the cluster lists it, in this framework.
    fn catalogued(&self, framework: usize) -> catalogue::Service {
        catalogue::Service {
            framework,
            number: self.listed,
            flavour: Flavour::Marathon,
            task_name: self.name.clone(),
            discovery: Some(self.name.clone()),
            ports: PORTS,
            network: Network::Host,
            health_checked: false,
        }
    }

    /// Addresses of one of its tasks: service, place and version in their last parts.
    fn addresses(&self, service: usize, place: usize) -> Vec<IpAddr> {
        let [high, low] = self.version.to_be_bytes();
        let four = Ipv4Addr::new(10, 64 + service as u8, (place as u8) << 5 | high, low);
        let six = Ipv6Addr::new(0xfd00, service as u16, place as u16, 0, 0, 0, 0, self.version);
        vec![four.into(), six.into()]
    }

    /// The port of one of its tasks, likewise, unless that cannot change.
    fn port(&self, place: usize) -> u16 {
        let is_fixed = matches!(self.role, Role::Shifted | Role::Quiet);
        10_000 + if is_fixed { 0 } else { self.version * 4 } + place as u16
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
        listed: 0,
    };
    let anchors = (0..AGENTS * 2).map(|n| service(format!("anchor-{n}"), Role::Anchor, 0, vec![n % AGENTS]));
    let trio = service("trio".into(), Role::Anchor, 0, vec![0, 2, 4]);
    let replaced = (0..AGENTS).map(|n| service(format!("replaced-{n}"), Role::Replaced, n % 2, vec![n, n]));
    let shifted = (0..AGENTS).map(|n| service(format!("shifted-{n}"), Role::Shifted, 0, vec![n, n]));
    let quiet = (0..2).map(|n| service(format!("quiet-{n}"), Role::Quiet, 0, vec![n, n]));
    let brief = (0..AGENTS).map(|n| service(format!("brief-{n}"), Role::Brief, n % 2, vec![n]));
    let chaff = (0..CHAFF).map(|n| service(format!("chaff-{n}"), Role::Chaff, 0, vec![n % AGENTS]));
    // Two tasks of one id, in two frameworks.
    let doubles = (0..2).map(|framework| Service {
        id: Some("same"),
        ..service(format!("double-{framework}"), Role::Brief, framework, vec![1])
    });
    let checked = (0..2).map(|n| service(format!("checked-{n}"), Role::Checked, n % 2, vec![n + 2; 3]));
    let drained = (0..2).map(|n| Service {
        id: Some("drained"),
        ..service(format!("drained-{n}"), Role::Drained, n % 2, vec![n + 3])
    });
    let passing = [vec![3, 3], vec![5]].into_iter().zip(0..);
    let passing = passing.map(|(agents, n)| service(format!("passing-{n}"), Role::Passing, PASSING, agents));
    let all = anchors
        .chain([trio])
        .chain(replaced)
        .chain(shifted)
        .chain(quiet)
        .chain(brief)
        .chain(doubles)
        .chain(chaff)
        .chain(checked)
        .chain(drained)
        .chain(passing);
    all.enumerate().map(|(listed, service)| Service { listed, ..service }).collect()
}
