//! What happens to frameworks and their schedulers. Apart from tasks and agents, as masters learn of them otherwise.

use std::time::Duration;

use super::{
    super::{
        history::{Datum, Kind, Set},
        log::{SETTLE, Scope},
        services::{FRAMEWORK_NAMES, PASSING, Part, Role},
    },
    BORN, LEADER_ADDRESS, Named, What, World,
};

impl World {
    /// When this reign has lasted so long that a scheduler that is not back need not be named any more.
    pub(super) fn next_settled(&self) -> Option<Duration> {
        (!self.is_settled && self.stage.leader.is_some()).then_some(self.stage.elected + SETTLE)
    }

    pub(super) fn settle(&mut self, now: Duration) {
        self.is_settled |= self.next_settled().is_some_and(|due| due <= now);
    }

    /// Whether the leader knows where all schedulers are.
    pub(super) fn schedulers_are_back(&self) -> bool {
        let frameworks = self.cluster.frameworks.iter().enumerate();
        let mut there = frameworks.filter(|(_, framework)| !framework.torn_down);
        there.all(|(at, framework)| framework.connected && self.memory.knows_scheduler(at))
    }

    /// Whether a scheduler may be taken for gone: the leader has waited for it long enough, and for nothing else. A
    /// framework that no agent has told it of has nobody to wait for.
    pub(super) fn is_given_up(&self, framework: usize) -> bool {
        let waits =
            self.cluster.agents.iter().zip(0..).any(|(agent, at)| {
                agent.is_registered() && !self.memory.knows_agent(at) && !self.given_up[at]
            });
        self.is_settled
            && !self.memory.knows_scheduler(framework)
            && !(waits && self.memory.knows_framework(framework))
    }

    /// A scheduler that was away subscribes again.
    pub(super) fn reconnect(&mut self, of: usize) {
        let framework = self.services.framework(of);
        if !self.cluster.frameworks[framework].connected {
            self.cluster.reconnect_framework(framework);
        }
    }

    /// A master tears down what it knows, and nothing else.
    pub(super) fn tear_down(&mut self, now: Duration) {
        let framework = self.services.framework(PASSING);
        let is_known = self.memory.knows_framework(framework) && self.has_leader();
        if self.cluster.frameworks[framework].torn_down || !is_known {
            return;
        }
        self.note_parts(|service| service.role == Role::Passing, now);
        self.services.tear_down(&mut self.cluster, BORN + now);
        self.log.torn_down.push((now, PASSING));
    }

    /// The next framework of that name, where the last one was torn down and nothing keeps its tasks from starting.
    pub(super) fn subscribe(&mut self, now: Duration) {
        let is_free = self.cluster.frameworks[self.services.framework(PASSING)].torn_down;
        let services = self.services.all().iter().enumerate();
        let passing = services.filter(|(_, service)| service.role == Role::Passing);
        let passing: Vec<usize> = passing.map(|(number, _)| number).collect();
        if !is_free || !self.has_leader() || !passing.iter().all(|service| self.may_launch(*service)) {
            return;
        }
        self.services.subscribe(&mut self.cluster, BORN + now);
        let parts: Vec<Part> = passing.into_iter().flat_map(|service| self.services.begin(service)).collect();
        self.carry_out(parts, now);
    }

    /// Whether a master lives, leads, and has read its registry: before, it takes no calls.
    fn has_leader(&self) -> bool {
        let leader = self.stage.leader.map(|leader| &self.stage.masters[leader]);
        leader.is_some_and(|seat| seat.is_alive) && self.memory.is_recovered()
    }

    /// Notes where schedulers are, and which of them the leader does not know.
    pub(super) fn note_schedulers(&mut self, now: Duration) {
        for (number, named) in self.named.iter().enumerate() {
            let What::Scheduler(of) = named.what else { continue };
            let is_given_up = self.is_given_up(self.services.framework(of));
            let waited = is_given_up.then_some(self.stage.elected);
            self.log.note(LEADER_ADDRESS + 1 + number, self.seat(of, named), waited, now);
        }
        for of in 0..FRAMEWORK_NAMES.len() {
            let framework = self.services.framework(of);
            let is_there = !self.cluster.frameworks[framework].torn_down;
            let is_unknown = !self.memory.knows_scheduler(framework);
            self.log.trouble(Scope::Scheduler(of), is_there && is_unknown, now);
        }
    }

    /// Where a scheduler is, by the name and type that is asked for.
    fn seat(&self, of: usize, named: &Named) -> Set {
        let at = self.services.framework(of);
        let framework = &self.cluster.frameworks[at];
        let is_there = framework.name == named.framework && !framework.torn_down && !self.is_given_up(at);
        let datum = match named.kind {
            Kind::A => Some(Datum::Address(framework.address.into())),
            Kind::Aaaa => None,
            Kind::Srv => framework.port.map(Datum::Port),
        };
        datum.into_iter().filter(|_| is_there).collect()
    }
}
