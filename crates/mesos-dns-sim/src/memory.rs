//! What the leading master has learnt of the cluster since its election, and what it tells its subscribers.
//!
//! A leader starts with its registry: it knows which agents there are, and waits for each. Agents bring their
//! tasks and, with them, the frameworks; schedulers come by themselves (`mesos-api.md` section 4.5). The
//! documents show the cluster through this memory, and [`Memory::hear`] turns facts into events by the same
//! memory, so a stream that starts from a document stays true to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    cluster::{Agent, Cluster, Fact, Framework, Reason, Report, Task},
    profile::Profile,
};

/// What a leader has learnt of the cluster since it was elected (`mesos-api.md` section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// It has not read the registry yet: everything is empty, and it answers all the same.
    Nothing,
    /// So many agents are back, in the order of their indexes; the others are recovered from the
    /// registry. Schedulers are not back, whatever this number.
    Agents(usize),
    /// All agents and schedulers.
    Everything,
}

/// The memory of a leader, kept as what it lacks: an empty one lacks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Whether the registry was not read yet.
    unread: bool,
    /// Agents of the registry that did not come back.
    away: BTreeSet<usize>,
    /// Frameworks it never heard of.
    unheard: BTreeSet<usize>,
    /// Frameworks whose schedulers did not come back.
    unconnected: BTreeSet<usize>,
    /// What ended before was never heard of.
    since: Option<Duration>,
}

/// The memory of a master that has led since the cluster began.
pub(crate) static COMPLETE: Memory = Memory {
    unread: false,
    away: BTreeSet::new(),
    unheard: BTreeSet::new(),
    unconnected: BTreeSet::new(),
    since: None,
};

/// What subscribers are told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task entered the master's view.
    TaskAdded(Arc<Task>),
    /// A task's state changed, or its health.
    TaskUpdated(Report),
    /// An agent registered.
    AgentAdded(Arc<Agent>),
    /// An agent went.
    AgentRemoved(Arc<Agent>),
    /// A framework became known.
    FrameworkAdded(Introduction),
    /// A scheduler came back, or said otherwise who it is.
    FrameworkUpdated(Introduction),
    /// A framework was torn down.
    FrameworkRemoved(Introduction),
}

/// A framework as a master presents it.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The framework.
    pub framework: Framework,
    /// Whether it is known from agents only, and nothing but its id and name.
    pub recovered: bool,
}

impl Memory {
    /// The memory of a leader elected at this time that has learnt so much.
    pub fn new(knowledge: Knowledge, cluster: &Cluster, elected: Duration) -> Self {
        let everybody = || (0..cluster.frameworks.len()).collect();
        let waits = |from: usize| (from..cluster.agents.len()).collect();
        match knowledge {
            Knowledge::Everything => Self::default(),
            Knowledge::Nothing => Self {
                unread: true,
                away: waits(0),
                unheard: everybody(),
                unconnected: everybody(),
                since: Some(elected),
            },
            Knowledge::Agents(back) => {
                let mut memory = Self { unread: false, ..Self::new(Knowledge::Nothing, cluster, elected) };
                // What it learnt before anybody looked was told to nobody.
                _ = memory.recall_agents(0..back, cluster, Profile::Current);
                memory
            }
        }
    }

    /// Whether the registry was read.
    pub fn is_recovered(&self) -> bool {
        !self.unread
    }

    /// Whether this agent came back, or came later.
    pub fn knows_agent(&self, at: usize) -> bool {
        !self.away.contains(&at)
    }

    /// Whether this agent is known from the registry only.
    pub fn awaits_agent(&self, at: usize) -> bool {
        !self.unread && self.away.contains(&at)
    }

    /// Whether this framework was heard of.
    pub fn knows_framework(&self, at: usize) -> bool {
        !self.unheard.contains(&at)
    }

    /// Whether this framework's scheduler came back.
    pub fn knows_scheduler(&self, at: usize) -> bool {
        !self.unconnected.contains(&at)
    }

    /// Whether this ended task was seen ending.
    pub fn saw_end(&self, task: &Task) -> bool {
        self.knows_agent(task.agent)
            && self.since.is_none_or(|since| task.statuses.last().is_some_and(|last| last.at >= since))
    }

    /// Agents of this cluster that may still come back.
    pub fn awaited(&self, cluster: &Cluster) -> Vec<usize> {
        self.away.iter().copied().filter(|at| cluster.agents[*at].is_registered()).collect()
    }

    /// Reads the registry.
    pub fn recover(&mut self) {
        self.unread = false;
    }

    /// Hears from agents it waits for, one after the other.
    pub fn recall_agents(
        &mut self,
        agents: impl IntoIterator<Item = usize>,
        cluster: &Cluster,
        profile: Profile,
    ) -> Vec<Event> {
        self.recover();
        let back: Vec<usize> = agents
            .into_iter()
            .filter(|at| self.away.contains(at) && cluster.agents[*at].is_registered())
            .collect();
        let mut tasks: BTreeMap<usize, Vec<Arc<Task>>> = back.iter().map(|at| (*at, Vec::new())).collect();
        for task in cluster.tasks.values() {
            if let Some(there) = tasks.get_mut(&task.agent) {
                there.push(task.clone());
            }
        }
        let mut events = Vec::new();
        for at in back {
            let tasks = tasks.remove(&at).unwrap_or_default();
            events.extend(self.agent_back(at, &cluster.agents[at], tasks, cluster, profile));
        }
        events
    }

    /// Hears from schedulers it waits for.
    pub fn recall_schedulers(
        &mut self,
        schedulers: impl IntoIterator<Item = usize>,
        cluster: &Cluster,
    ) -> Vec<Event> {
        let back: Vec<usize> = schedulers
            .into_iter()
            .filter(|at| self.unconnected.contains(at) && cluster.frameworks[*at].connected)
            .collect();
        back.into_iter().map(|at| self.scheduler_back(at, &cluster.frameworks[at])).collect()
    }

    /// Learns of a fact, if it concerns whom it knows; returns what subscribers are told.
    pub fn hear(&mut self, fact: Fact, cluster: &Cluster, profile: Profile) -> Vec<Event> {
        match fact {
            Fact::Launched(task) if self.knows_agent(task.agent) => {
                // Only a scheduler that is back launches.
                let at = cluster.service(&task).framework;
                let back = self.unconnected.contains(&at);
                let back = back.then(|| self.scheduler_back(at, &cluster.frameworks[at]));
                back.into_iter().chain([Event::TaskAdded(task)]).collect()
            }
            Fact::Reported(report) if self.knows_agent(report.task.agent) && is_told(&report, profile) => {
                vec![Event::TaskUpdated(report)]
            }
            Fact::Launched(_) | Fact::Reported(_) => Vec::new(),
            Fact::AgentJoined { agent, .. } => vec![Event::AgentAdded(agent)],
            Fact::AgentBack { at, agent, tasks } => self.agent_back(at, &agent, tasks, cluster, profile),
            // One that was not back is forgotten in silence.
            Fact::AgentLeft { at, .. } if self.away.remove(&at) => Vec::new(),
            Fact::AgentLeft { agent, .. } => vec![Event::AgentRemoved(agent)],
            Fact::FrameworkJoined { framework, .. } => {
                vec![Event::FrameworkAdded(Introduction { framework, recovered: false })]
            }
            Fact::FrameworkChanged { at, framework } if framework.connected => {
                vec![self.scheduler_back(at, &framework)]
            }
            Fact::FrameworkChanged { .. } => Vec::new(),
            Fact::FrameworkLeft { at, framework } if self.knows_framework(at) => {
                let recovered = !self.knows_scheduler(at);
                vec![Event::FrameworkRemoved(Introduction { framework, recovered })]
            }
            Fact::FrameworkLeft { .. } => Vec::new(),
        }
    }

    /// Tasks of frameworks it knows come before their agent; frameworks that it learns of only now come behind it,
    /// each followed by its tasks.
    fn agent_back(
        &mut self,
        at: usize,
        agent: &Arc<Agent>,
        tasks: Vec<Arc<Task>>,
        cluster: &Cluster,
        profile: Profile,
    ) -> Vec<Event> {
        self.away.remove(&at);
        let framework = |task: &Task| cluster.service(task).framework;
        let (known, news): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| self.knows_framework(framework(task)));
        let mut events: Vec<Event> = known.into_iter().map(Event::TaskAdded).collect();
        events.push(Event::AgentAdded(agent.clone()));
        let mut by_framework = BTreeMap::<usize, Vec<Arc<Task>>>::new();
        for task in news {
            by_framework.entry(framework(&task)).or_default().push(task);
        }
        for (at, tasks) in by_framework {
            self.unheard.remove(&at);
            if profile.tells_recovered_frameworks() {
                let framework = cluster.frameworks[at].clone();
                events.push(Event::FrameworkAdded(Introduction { framework, recovered: true }));
            }
            events.extend(tasks.into_iter().map(Event::TaskAdded));
        }
        events
    }

    fn scheduler_back(&mut self, at: usize, framework: &Framework) -> Event {
        self.unconnected.remove(&at);
        let introduction = Introduction { framework: framework.clone(), recovered: false };
        if self.unheard.remove(&at) {
            Event::FrameworkAdded(introduction)
        } else {
            Event::FrameworkUpdated(introduction)
        }
    }
}

/// Whether a report is told to subscribers (`Master::updateTask` of Mesos).
fn is_told(report: &Report, profile: Profile) -> bool {
    if profile.tells_statuses() {
        report.last_told != Some(report.status.state) || report.status.reason == Some(Reason::Health)
    } else {
        report.before != report.task.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::{Life, Settings};

    const START: Duration = Duration::from_secs(1_700_000_000);

    /// Events as letters: `t`ask added, `u`pdated, `a`gent added, `r`emoved, framework `f` added, `c`hanged, `x` gone.
    fn letters(events: &[Event]) -> String {
        let letter = |event: &Event| match event {
            Event::TaskAdded(_) => 't',
            Event::TaskUpdated(_) => 'u',
            Event::AgentAdded(_) => 'a',
            Event::AgentRemoved(_) => 'r',
            Event::FrameworkAdded(_) => 'f',
            Event::FrameworkUpdated(_) => 'c',
            Event::FrameworkRemoved(_) => 'x',
        };
        let mut letters: Vec<char> = events.iter().map(letter).collect();
        letters.dedup();
        letters.into_iter().collect()
    }

    /// What a memory tells after an action on a small cluster of one task per service.
    fn told(memory: Knowledge, profile: Profile, action: impl FnOnce(&mut Cluster)) -> String {
        let (_, mut cluster) = Life::new(Settings { seed: 1, tasks: 40, churn: 0.0 }, START);
        let mut memory = Memory::new(memory, &cluster, START);
        cluster.record();
        action(&mut cluster);
        let facts = cluster.drain();
        letters(&facts.into_iter().flat_map(|fact| memory.hear(fact, &cluster, profile)).collect::<Vec<_>>())
    }

    #[test]
    fn every_row_of_the_table_of_events_is_told_so() {
        let all = Knowledge::Everything;
        let tell = |action: &dyn Fn(&mut Cluster)| told(all, Profile::Current, action);
        for (name, expected, action) in [
            (
                "new agent",
                "a",
                &(|cluster: &mut Cluster| _ = cluster.add_agent(START)) as &dyn Fn(&mut Cluster),
            ),
            ("partition over", "uta", &|cluster| {
                cluster.lose_agent(1, START);
                cluster.return_agent(1, START);
            }),
            ("process restart", "", &|cluster| cluster.restart_agent(1, 5052)),
            ("inactive", "", &|cluster| cluster.set_active(1, false)),
            ("deactivated", "", &|cluster| cluster.set_deactivated(1, true)),
            ("unreachable", "u", &|cluster| cluster.lose_agent(1, START)),
            ("removed", "ur", &|cluster| cluster.remove_agent(1, START)),
            ("gone", "u", &|cluster| cluster.mark_gone(1, START)),
            ("new id", "ura", &|cluster| _ = cluster.reincarnate(1, START)),
            ("new framework", "f", &|cluster| {
                cluster.add_framework("new", crate::catalogue::Flavour::Marathon, 1, START);
            }),
            ("scheduler disconnects", "", &|cluster| cluster.disconnect_framework(0)),
            ("renamed", "c", &|cluster| cluster.rename_framework(0, "other")),
            ("torn down", "ux", &|cluster| cluster.tear_down(0, START)),
            ("running again", "", &|cluster| {
                let launch = *cluster.tasks.keys().next().unwrap();
                cluster.repeat_running(launch, None, START);
            }),
        ] {
            assert_eq!(tell(action), expected, "{name}");
        }
    }

    #[test]
    fn a_new_leader_is_told_step_by_step() {
        let (_, cluster) = Life::new(Settings { seed: 1, tasks: 200, churn: 0.0 }, START);
        let mut memory = Memory::new(Knowledge::Agents(0), &cluster, START);
        let first = memory.recall_agents([0], &cluster, Profile::Current);
        assert!(letters(&first).starts_with("aft"), "{}", letters(&first));
        let second = memory.recall_agents([1], &cluster, Profile::Current);
        assert_eq!(letters(&second), "ta");
        assert_eq!(letters(&memory.recall_schedulers(0..4, &cluster)), "c");
        assert_eq!(memory.awaited(&cluster), [2, 3, 4]);
        let mut old = Memory::new(Knowledge::Agents(0), &cluster, START);
        assert_eq!(letters(&old.recall_agents([0], &cluster, Profile::V1_6)), "at");
    }

    #[test]
    fn of_agents_that_are_away_nothing_is_told() {
        assert_eq!(told(Knowledge::Agents(0), Profile::Current, |cluster| cluster.lose_agent(1, START)), "");
        assert_eq!(told(Knowledge::Agents(0), Profile::Current, |cluster| cluster.mark_gone(1, START)), "");
    }

    #[test]
    fn a_state_ahead_of_its_status_is_told_by_version() {
        let late = |cluster: &mut Cluster| {
            let launch = cluster.tasks.keys().next_back().unwrap() + 1;
            cluster.launch(launch, "late".into(), "c".into(), 0, 0);
            cluster.report_late_start(launch, START);
            cluster.report(launch, crate::cluster::State::Running, None, START);
        };
        let count = |profile| {
            let (_, mut cluster) = Life::new(Settings { seed: 1, tasks: 4, churn: 0.0 }, START);
            cluster.record();
            late(&mut cluster);
            let facts = cluster.drain();
            let mut memory = Memory::default();
            facts.into_iter().flat_map(|fact| memory.hear(fact, &cluster, profile)).count()
        };
        assert_eq!((count(Profile::Current), count(Profile::V1_6)), (3, 2));
    }
}
