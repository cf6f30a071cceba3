//! A cluster whose answers name their version, and its masters, under whatever a schedule does to them.
//!
//! Plain values: [`World::perform`] changes them at a given time and notes in the [`log`](super::log) what is true
//! from then on, and what nobody can see. Who shows it, real masters or made-up ones, asks for
//! [`World::shown`] and [`World::stage`].

mod act;
mod frameworks;
mod health;
mod lies;
mod notes;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use self::act::{Act, Lie};
use self::lies::LIE_MAX;
use super::{
    history::{Kind, Question},
    log::{Bounds, Log},
    services::{Part, Service, Services},
    stage::Stage,
};
use crate::{
    cluster::{Cluster, Fact, State},
    memory::{Event, Memory},
    profile::Profile,
    render::{Face, Knowledge, View},
};

/// When the world begins, for those who write dates.
pub const BORN: Duration = Duration::from_secs(1_700_000_000);

/// Agents of the world.
pub const AGENTS: usize = 6;

/// How long a task is seen as being killed before it is dead.
const KILLING: Duration = Duration::from_secs(2);

/// Longest time in which a leader reads its registry; after that it exits.
const REGISTRY_MAX: Duration = Duration::from_secs(60);

/// Ended tasks that are remembered: some, as everywhere, and few, as they only cost time.
const COMPLETED_MAX: usize = 10;

/// The domain that is served.
const DOMAIN: &str = "mesos";

/// A question about something under one of its framework's names; its place in the list is that in the log less the
/// leader's questions.
struct Named {
    what: What,
    framework: &'static str,
    kind: Kind,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Where this framework's scheduler is.
    Scheduler(usize),
    /// Where this service's tasks are.
    Service(usize),
    /// Where the only task of this service is, by its own name.
    Instance(usize),
}

/// Number of the question for the leader's port.
pub const LEADER_PORT: usize = 0;

/// Number of the question for the leader's address.
const LEADER_ADDRESS: usize = 1;

/// How masters make changes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// By documents alone: what happens in one moment is seen at once.
    Documents,
    /// By events too: of what happens in one moment, a part may be seen. A leader that has not read its registry
    /// tells nobody anything.
    Events,
}

/// What happened to a cluster, for masters that are to follow it.
#[derive(Debug, Default)]
pub struct Happened {
    /// The facts.
    pub facts: Vec<Fact>,
    /// What the leader tells its subscribers; of the present reign only.
    pub events: Vec<Event>,
}

/// The world.
pub struct World {
    cluster: Cluster,
    /// What the leader has learnt of it.
    memory: Memory,
    telling: Telling,
    /// What happened since that was last taken, and what the leader told of it.
    happened: Happened,
    services: Services,
    stage: Stage,
    log: Log,
    named: Vec<Named>,
    lie: Option<(Lie, Duration)>,
    last_lie: Option<Duration>,
    /// By agent: since when the leader has waited for it.
    waiting: [Option<Duration>; AGENTS],
    /// Agents that were waited for in vain.
    given_up: [bool; AGENTS],
    /// Whether this reign has lasted so long that schedulers need not be waited for.
    is_settled: bool,
    /// Tasks being killed, and when they are dead.
    killing: Vec<(Duration, u64)>,
    /// By service: when a check last had a result, and of which of its tasks.
    checked: BTreeMap<usize, (Duration, usize)>,
    /// A service of which there is bad news just now, which need not be believed yet.
    doubted: Option<usize>,
    /// Tasks that a leader that knows everything shows.
    alive: BTreeSet<u64>,
    revision: u64,
}

impl World {
    /// A world in which all is well, with these masters; the first of them leads.
    pub fn new(masters: Vec<Face>, bounds: Bounds, telling: Telling) -> Self {
        let (services, mut cluster) = Services::new(BORN);
        let services = services.begin_all(&mut cluster, BORN);
        cluster.record();
        let (log, named) = notes::questions(services.all(), &cluster, bounds);
        let mut world = Self {
            cluster,
            memory: Memory::default(),
            telling,
            happened: Happened::default(),
            services,
            stage: Stage::new(masters),
            log,
            named,
            lie: None,
            last_lie: None,
            waiting: [None; AGENTS],
            given_up: [false; AGENTS],
            is_settled: true,
            killing: Vec::new(),
            checked: BTreeMap::new(),
            doubted: None,
            alive: BTreeSet::new(),
            revision: 0,
        };
        world.note(Duration::ZERO);
        world
    }

    /// How many services there are.
    pub fn services(&self) -> &[Service] {
        self.services.all()
    }

    /// The masters.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// What was true so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Everything whose truth is known, by number.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.log.timelines.iter().map(|timeline| &timeline.question)
    }

    /// Grows with each change of what masters show.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The cluster as it is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster as the leader shows it, if it were to know all of it and said so.
    pub fn shown(&self) -> Cluster {
        let mut shown = self.cluster.clone();
        if self.lie() == Some(Lie::Most) {
            shown.tasks.retain(|_, task| task.agent >= Lie::MOST);
        }
        shown
    }

    /// What the leader leaves out at present. It does not change what it tells in events.
    pub fn lie(&self) -> Option<Lie> {
        self.lie.map(|(lie, _)| lie)
    }

    /// What the leader has learnt.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A view of this cluster as the leader has it.
    pub fn view<'a>(&'a self, leader: usize, cluster: &'a Cluster, memory: &'a Memory) -> View<'a> {
        let face = &self.stage.masters[leader].face;
        let elected = Some(BORN + self.stage.elected);
        View {
            cluster,
            master: face,
            leader: Some(face),
            elected,
            memory,
            profile: Profile::default(),
            hides_agents: false,
        }
    }

    /// Takes what happened since the last call.
    pub fn take(&mut self) -> Happened {
        std::mem::take(&mut self.happened)
    }

    /// Notes that a replica did not run.
    pub fn was_down(&mut self, outage: super::log::Outage) {
        self.log.outages.push(outage);
    }

    /// Whether a program that starts now finds everything as it is.
    pub fn is_well(&self) -> bool {
        let reachable = self.cluster.agents.iter().all(|agent| agent.is_registered());
        let settled = self.stage.knowledge == Knowledge::Everything && self.lie.is_none();
        self.stage.answers() && settled && reachable && self.schedulers_are_back()
    }

    /// Lets something happen; what is impossible does not.
    pub fn perform(&mut self, act: Act, now: Duration) {
        self.advance(now);
        let at = BORN + now;
        match act {
            Act::Move(service) if self.may_launch(service) => {
                let parts = self.services.step(service);
                self.carry_out(parts, now);
            }
            Act::Begin(service) if self.may_launch(service) && !self.is_dying(service) => {
                let parts = self.services.begin(service);
                self.carry_out(parts, now);
            }
            Act::End(service) => {
                let parts = self.services.end(service);
                self.carry_out(parts, now);
            }
            Act::Sicken(service, place) => self.check_health(service, place, false, now),
            Act::Cure(service, place) => self.check_health(service, place, true, now),
            Act::MassEnd => {
                let parts = self.services.end_chaff();
                self.carry_out(parts, now);
            }
            Act::MassBegin => {
                let mut parts = self.services.begin_chaff();
                parts.retain(
                    |part| !matches!(part, Part::Launch { service, .. } if !self.may_launch(*service)),
                );
                self.carry_out(parts, now);
            }
            Act::Rename => {
                self.services.rename(&mut self.cluster);
                self.note_ghosts(now);
            }
            Act::MoveScheduler(of) => self.services.move_scheduler(of, &mut self.cluster),
            Act::Disconnect(of) => self.cluster.disconnect_framework(self.services.framework(of)),
            Act::Reconnect(of) => self.reconnect(of),
            Act::TearDown => self.tear_down(now),
            Act::Subscribe => self.subscribe(now),
            Act::Kill => self.stage.kill(),
            Act::Depose => self.stage.leader = None,
            Act::Elect(knowledge) => self.elect(knowledge, now),
            Act::Learn(knowledge) => self.learn(knowledge, now),
            Act::Revive => self.stage.revive(),
            Act::Hurt(fault) => self.stage.hurt(fault),
            Act::Heal => self.stage.heal(),
            Act::Lose(agent) => self.lose(agent, now),
            Act::Return(agent) => {
                let is_back = !self.cluster.agents[agent].is_registered();
                self.cluster.return_agent(agent, at);
                if is_back {
                    self.note_parts(on(agent), now);
                }
            }
            Act::Lie(lie) if self.may_lie(lie, now) => self.lie = Some((lie, now)),
            Act::Truth => self.end_lie(now),
            Act::Move(_) | Act::Begin(_) | Act::Lie(_) | Act::Ask | Act::Restart => {}
        }
        self.hear();
        if self.lie.is_some_and(|(lie, _)| !self.is_settled_for(lie)) {
            self.end_lie(now);
        }
        self.note(now);
        self.doubted = None;
    }

    /// When something is due by itself; see [`advance`](Self::advance).
    pub fn next_due(&self) -> Option<Duration> {
        let hold = self.log.bounds.hold;
        let killed = self.killing.iter().map(|(due, _)| *due);
        let lie = self.lie.iter().map(|(_, since)| *since + LIE_MAX);
        let up = (0..AGENTS).filter(|agent| !self.given_up[*agent] && self.stage.shows_documents());
        let waited = up.filter_map(|agent| self.waiting[agent]).map(|since| since + hold);
        let reading = self.stage.leader.is_some() && self.stage.knowledge == Knowledge::Nothing;
        let read = reading.then_some(self.stage.elected + REGISTRY_MAX);
        killed.chain(lie).chain(waited).chain(read).chain(self.next_settled()).min()
    }

    /// Lets everything happen that is due by itself.
    pub fn advance(&mut self, now: Duration) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            // What was due while nobody could see it happens now.
            let due = due.max(self.stage.shows_since.unwrap_or(due));
            if self.lie.is_some_and(|(_, since)| since + LIE_MAX <= due) {
                self.end_lie(due);
            }
            if self.stage.elected + REGISTRY_MAX <= due {
                self.learn(Knowledge::Agents(0), due);
            }
            let (dead, dying) = self.killing.iter().partition(|(at, _)| *at <= due);
            self.killing = dying;
            let dead: Vec<(Duration, u64)> = dead;
            for (_, launch) in dead {
                self.cluster.report(launch, State::Killed, None, BORN + due);
            }
            self.hear();
            if self.stage.shows_documents() {
                let hold = self.log.bounds.hold;
                for agent in 0..AGENTS {
                    self.given_up[agent] |= self.waiting[agent].is_some_and(|since| since + hold <= due);
                }
            }
            self.settle(due);
            self.note(due);
        }
    }

    fn elect(&mut self, knowledge: Knowledge, now: Duration) {
        // What happened before is told to nobody any more.
        self.hear();
        if self.stage.elect(knowledge, now) {
            self.memory = Memory::new(knowledge, &self.cluster, BORN + now);
            self.happened.events.clear();
            self.log.elections.push(now);
            self.waiting = [None; AGENTS];
            self.is_settled = false;
        }
    }

    /// The leader hears of agents and schedulers that are back.
    fn learn(&mut self, knowledge: Knowledge, now: Duration) {
        self.hear();
        if !self.stage.learn(knowledge) {
            return;
        }
        let back = match knowledge {
            Knowledge::Nothing => return,
            Knowledge::Agents(back) => back,
            Knowledge::Everything => self.cluster.agents.len(),
        };
        let new: Vec<usize> = (0..back.min(AGENTS)).filter(|agent| self.awaits(*agent)).collect();
        self.happened.events.extend(self.memory.recall_agents(0..back, &self.cluster, Profile::default()));
        for agent in new {
            self.note_parts(on(agent), now);
        }
        if knowledge == Knowledge::Everything {
            let all = 0..self.cluster.frameworks.len();
            self.happened.events.extend(self.memory.recall_schedulers(all, &self.cluster));
        }
    }

    fn awaits(&self, agent: usize) -> bool {
        self.cluster.agents[agent].is_registered() && !self.memory.knows_agent(agent)
    }

    /// The leader hears of what happened.
    fn hear(&mut self) {
        for fact in self.cluster.drain() {
            self.happened.facts.push(fact.clone());
            self.happened.events.extend(self.memory.hear(fact, &self.cluster, Profile::default()));
        }
    }

    /// Nothing is launched on an agent that is cut off.
    fn may_launch(&self, service: usize) -> bool {
        let mut agents = self.services.all()[service].agents.iter();
        agents.all(|agent| self.cluster.agents[*agent].is_registered())
    }

    /// Whether a task that is being killed still has the only id that this service's tasks take.
    fn is_dying(&self, service: usize) -> bool {
        let service = &self.services.all()[service];
        let others = self.cluster.tasks.values().filter(|task| !service.launches.contains(&task.launch));
        service.has_one_id() && others.map(|task| task.service).any(|listed| listed == service.listed)
    }

    /// Lets a change happen task by task.
    fn carry_out(&mut self, parts: Vec<Part>, now: Duration) {
        for part in parts {
            self.services.carry_out(&part, &mut self.cluster, BORN + now);
            if let Part::End { launch, .. } = part
                && self.cluster.tasks.contains_key(&launch)
            {
                self.killing.push((now + KILLING, launch));
            }
            if self.telling == Telling::Events {
                self.note_services(now);
            }
        }
    }

    fn lose(&mut self, agent: usize, now: Duration) {
        if self.cluster.agents[agent].is_registered() {
            let on_it = |launch: &u64| self.cluster.tasks.get(launch).is_some_and(|task| task.agent == agent);
            let dead: Vec<u64> = self.killing.iter().map(|(_, launch)| *launch).filter(on_it).collect();
            for launch in dead {
                self.cluster.report(launch, State::Killed, None, BORN + now);
            }
            self.note_parts(on(agent), now);
            self.cluster.lose_agent(agent, BORN + now);
            self.log.lost.push(now);
        }
    }
}

/// Whether a service has a task on this agent.
fn on(agent: usize) -> impl Fn(&Service) -> bool {
    move |service| service.agents.contains(&agent)
}
