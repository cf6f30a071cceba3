//! What is true at a moment, noted in the log. Apart from what happens, which changes it.

use std::{collections::BTreeSet, time::Duration};

use mesos_dns_core::watch::health::UNHEALTHY_AFTER;

use super::{
    super::{
        history::{Datum, Kind, Question, Set},
        log::{Bounds, Log, Scope, Subject, Version},
        services::{FRAMEWORK_NAMES, Role, Service},
    },
    AGENTS, COMPLETED_MAX, DOMAIN, LEADER_ADDRESS, LEADER_PORT, Named, Telling, What, World,
};
use crate::{
    cluster::{Cluster, State, Task},
    master::Fault,
    render::Knowledge,
};

impl World {
    /// Notes what is true now.
    pub(super) fn note(&mut self, now: Duration) {
        self.revision += 1;
        self.cluster.completed.drain(..self.cluster.completed.len().saturating_sub(COMPLETED_MAX));
        self.stage.note(now);
        self.note_agents(now);
        self.note_ends(now);
        self.log.trouble(Scope::All, !self.answers(), now);
        if self.stage.hangs() {
            self.log.hang();
        }
        match self.stage.leader.map(|leader| self.stage.masters[leader].fault) {
            Some(Fault::HalfOpen { .. }) => self.log.silence(now, false),
            Some(Fault::NoHeartbeat) => self.log.silence(now, true),
            _ => {}
        }
        self.log.trouble(Scope::Tasks, self.lie.is_some(), now);
        if let Some(leader) = self.stage.leader {
            let address = self.stage.masters[leader].face.address;
            self.log.note(LEADER_PORT, Set::from([Datum::Port(address.port())]), None, now);
            self.log.note(LEADER_ADDRESS, Set::from([Datum::Address(address.ip())]), None, now);
        }
        self.note_services(now);
        self.note_schedulers(now);
    }

    /// Whether the leader can be read by everybody.
    pub(super) fn answers(&self) -> bool {
        self.stage.answers() && (self.telling == Telling::Documents || self.memory.is_recovered())
    }

    /// The tasks of these services come or go one by one: of one that has several, only some may be known.
    pub(super) fn note_parts(&mut self, of: impl Fn(&Service) -> bool, now: Duration) {
        if self.telling == Telling::Documents {
            return;
        }
        for number in 0..self.named.len() {
            let named = &self.named[number];
            let What::Service(service) = named.what else { continue };
            let service = &self.services.all()[service];
            let there = service.launches.len();
            if !of(service) || !self.bears(service.framework, named) {
                continue;
            }
            let (first, last) = (1..there, 1..there);
            let parts = first.map(|some| &service.launches[..some]);
            let parts = parts.chain(last.map(|some| &service.launches[some..]));
            let sets: Vec<Set> = parts.map(|part| self.data(part, named.kind)).collect();
            let question = LEADER_ADDRESS + 1 + number;
            sets.into_iter()
                .filter(|set| !set.is_empty())
                .for_each(|set| self.log.note(question, set, None, now));
        }
    }

    pub(super) fn note_services(&mut self, now: Duration) {
        for (number, named) in self.named.iter().enumerate() {
            let (what, is_alone) = match named.what {
                What::Scheduler(_) => continue,
                What::Service(service) => (service, false),
                What::Instance(service) => (service, true),
            };
            let service = &self.services.all()[what];
            let set = match self.bears(service.framework, named) {
                true if is_alone => self.instance(service, named.kind),
                true => self.data(&service.launches, named.kind),
                false => Set::new(),
            };
            let given_up = service.agents.iter().filter(|agent| self.given_up[**agent]);
            let waited = given_up.filter_map(|agent| self.waiting[*agent]).max();
            let question = LEADER_ADDRESS + 1 + number;
            match self.doubted == Some(what) {
                true => self.log.note_doubted(question, set, UNHEALTHY_AFTER, now),
                false => self.log.note(question, set, waited, now),
            }
        }
    }

    /// Whether a framework has the name that is asked for.
    fn bears(&self, framework: usize, named: &Named) -> bool {
        self.cluster.frameworks[self.services.framework(framework)].name == named.framework
    }

    /// What has ended and is not known to have, takes the new name of its framework as everything does.
    pub(super) fn note_ghosts(&mut self, now: Duration) {
        for (number, named) in self.named.iter().enumerate() {
            let (framework, is_quiet) = match named.what {
                What::Scheduler(of) => (of, false),
                What::Service(service) | What::Instance(service) => {
                    let service = &self.services.all()[service];
                    (service.framework, service.role == Role::Quiet)
                }
            };
            let since = self.log.unknown_since(is_quiet, now);
            if !self.bears(framework, named) {
                continue;
            }
            let alike = self.named.iter().enumerate().filter(|(other, alike)| {
                *other != number && alike.what == named.what && alike.kind == named.kind
            });
            let mut ghosts: Vec<Version> = alike
                .flat_map(|(other, _)| self.log.since(LEADER_ADDRESS + 1 + other, since))
                .filter(|version| !version.set.is_empty())
                .cloned()
                .collect();
            ghosts.sort_by_key(|version| version.born);
            for ghost in ghosts {
                self.log.note_doubted(LEADER_ADDRESS + 1 + number, ghost.set, ghost.doubted, now);
            }
        }
    }

    fn note_ends(&mut self, now: Duration) {
        let reachable =
            self.cluster.tasks.values().filter(|task| self.cluster.agents[task.agent].is_registered());
        let alive: BTreeSet<u64> = reachable.map(|task| task.launch).collect();
        let ended = self.alive.difference(&alive).count();
        if ended > 0 {
            self.log.ends.push((now, ended));
        }
        self.alive = alive;
    }

    fn note_agents(&mut self, now: Duration) {
        let elected = self.stage.elected;
        for agent in 0..AGENTS {
            let reachable = self.cluster.agents[agent].is_registered();
            let shown = self.memory.knows_agent(agent);
            if self.stage.leader.is_some() {
                let recovered = reachable && !shown && matches!(self.stage.knowledge, Knowledge::Agents(_));
                match (recovered, self.waiting[agent]) {
                    (true, None) => self.waiting[agent] = Some(now),
                    (true, Some(_)) => {}
                    (false, _) => self.waiting[agent] = None,
                }
            }
            self.given_up[agent] &= reachable && !shown;
            self.log.trouble(Scope::Agent(agent), reachable && !shown, now);
            // In a reign that began as the world did there is nothing to settle.
            // That an agent it knows was cut off, events tell.
            let is_told = self.telling == Telling::Events && shown;
            let settles = !reachable && elected > Duration::ZERO && !is_told;
            for other in self.log.elections.clone().into_iter().filter(|other| *other != elected) {
                self.log.trouble(Scope::Settling(agent, other), false, now);
            }
            self.log.trouble(Scope::Settling(agent, elected), settles, now);
        }
    }

    /// The data under the name of a service: of its tasks that run on agents that are there, the healthy ones if there
    /// are any, else all.
    fn data(&self, launches: &[u64], kind: Kind) -> Set {
        let tasks = launches.iter().filter_map(|launch| self.cluster.tasks.get(launch));
        let there: Vec<&Task> = tasks
            .map(|task| &**task)
            .filter(|task| task.state == State::Running && self.is_there(task))
            .collect();
        let fit: Vec<&Task> = there.iter().filter(|task| task.healthy != Some(false)).copied().collect();
        let answered = if fit.is_empty() { there } else { fit };
        answered.into_iter().flat_map(|task| data_of(task, kind)).collect()
    }

    /// The data under the name that a service's only task has alone, until it has ended.
    fn instance(&self, service: &Service, kind: Kind) -> Set {
        let tasks = self.cluster.tasks.values().filter(|task| task.service == service.listed);
        let has_name = |task: &&Task| matches!(task.state, State::Running | State::Killing);
        let there = tasks.map(|task| &**task).filter(|task| has_name(task) && self.is_there(task));
        there.flat_map(|task| data_of(task, kind)).collect()
    }

    /// Whether a task's agent is there, as far as anybody can know.
    fn is_there(&self, task: &Task) -> bool {
        let is_given_up = self.given_up[task.agent] && !self.memory.knows_agent(task.agent);
        self.cluster.agents[task.agent].is_registered() && !is_given_up
    }
}

/// What a task has of this kind.
fn data_of(task: &Task, kind: Kind) -> Vec<Datum> {
    let addresses = task.addresses.iter();
    match kind {
        Kind::A => addresses.filter(|a| a.is_ipv4()).map(|a| Datum::Address(*a)).collect(),
        Kind::Aaaa => addresses.filter(|a| a.is_ipv6()).map(|a| Datum::Address(*a)).collect(),
        Kind::Srv => task.ports.iter().map(|port| Datum::Port(*port)).collect(),
    }
}

/// Everything that is asked: about the leader, and under every name that a framework takes about each of its services,
/// the task that has a service alone, and its scheduler.
pub(super) fn questions(services: &[Service], cluster: &Cluster, bounds: Bounds) -> (Log, Vec<Named>) {
    let mut log = Log::new(bounds);
    let mut named = Vec::new();
    log.add(Question::new(format!("_leader._tcp.{DOMAIN}"), Kind::Srv), Subject::Leader);
    log.add(Question::new(format!("leader.{DOMAIN}"), Kind::A), Subject::Leader);
    for (number, service) in services.iter().enumerate() {
        let name = &service.name;
        for framework in FRAMEWORK_NAMES[service.framework] {
            for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
                let name = match kind {
                    Kind::A | Kind::Aaaa => format!("{name}.{framework}.{DOMAIN}"),
                    Kind::Srv => format!("_{name}._tcp.{framework}.{DOMAIN}"),
                };
                let (agents, is_quiet) = (service.agents.clone(), service.role == Role::Quiet);
                log.add(Question::new(name, kind), Subject::Tasks { agents, is_quiet });
                named.push(Named { what: What::Service(number), framework, kind });
            }
            let Some(own) = service.own_label(cluster).filter(|_| service.role == Role::Drained) else {
                continue;
            };
            for kind in [Kind::A, Kind::Aaaa] {
                let agents = service.agents.clone();
                let question = Question::new(format!("{own}.{framework}.{DOMAIN}"), kind);
                log.add(question, Subject::Tasks { agents, is_quiet: false });
                named.push(Named { what: What::Instance(number), framework, kind });
            }
        }
    }
    for (of, names) in FRAMEWORK_NAMES.iter().enumerate() {
        for framework in *names {
            let address = (format!("{framework}.{DOMAIN}"), Kind::A);
            let port = (format!("_framework._tcp.{framework}.{DOMAIN}"), Kind::Srv);
            for (name, kind) in [address, port] {
                log.add(Question::new(name, kind), Subject::Scheduler(of));
                named.push(Named { what: What::Scheduler(of), framework, kind });
            }
        }
    }
    (log, named)
}
