//! Whether to believe a document, and what of our knowledge outlives it.
//!
//! A leader that was just elected answers before it knows anything: first it has no agents at all, then
//! those that came back, after a minute or ten all of them. Nothing is wrong with such a document but what
//! it leaves out, and publishing it as it stands would take the names of living tasks away. So each
//! document is compared with the cluster we believe in, and of what is missing we keep:
//!
//! - what is on agents that the leader itself lists as recovered: it knows of them and waits for them;
//! - in a new reign's first [`SETTLE`], while no agent is listed as recovered (the registry is not read
//!   yet, or Mesos is older than 1.2), what is on agents it does not name at all;
//! - in any other case of a large loss at once, everything, until a second document at least
//!   [`AGREE_AFTER`] later misses it too.
//!
//! None of it is kept for longer than the hold time. What the leader reports in any other way (a task
//! that ended, an agent without that task, an agent it gave up) goes at once.
//!
//! [`Belief`] looks at documents of the leader only: [`leads`] says which those are.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::Master;
use crate::cluster::{Agent, Cluster, Document, Framework, Task};

/// How long a new reign counts as settling. Agents re-register within a minute of their own random choice,
/// and a master reads its registry within a minute or exits.
pub const SETTLE: Duration = Duration::from_secs(75);

/// How soon to look again while a reign settles.
pub const SETTLE_AGAIN: Duration = Duration::from_secs(5);

/// Least time between two documents that together prove a large loss.
pub const AGREE_AFTER: Duration = Duration::from_secs(30);

/// Who leads, according to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// The master that answered.
    Answering,
    /// Another one; ask there.
    Other(Master),
    /// The document does not say, or says nonsense.
    Unknown,
}

/// Whose document this is: the leader's if it names the answering master's own address as the leader's, or
/// the address that was asked (which differ behind address translation).
pub fn leads(document: &Document, asked: &Master) -> Leadership {
    let Some(leader) = document.leader.as_deref() else { return Leadership::Unknown };
    if document.pid.as_deref() == Some(leader) {
        return Leadership::Answering;
    }
    match Master::parse(leader) {
        Some(leader) if leader.at == asked.at => Leadership::Answering,
        Some(leader) => Leadership::Other(leader),
        None => Leadership::Unknown,
    }
}

/// What the operator chose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Longest time anything is kept that the leader no longer shows (`holdSeconds`).
    pub hold: Duration,
    /// A loss of more than this share of the tasks, in percent, is doubted (`massLossPercent`) ...
    pub loss_percent: u8,
    /// ... if it is also at least this number (`massLossMinimum`).
    pub loss_minimum: usize,
}

/// Without the members that every master writes: not a state document, never believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state document lacks its list of agents or frameworks")]
pub struct Incomplete;

/// What is kept although the document does not show it.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Why; `None` if nothing is kept.
    pub why: Option<Why>,
    /// Tasks, as we knew them.
    pub tasks: Vec<Arc<Task>>,
    /// Agents that are recovered, or that kept tasks run on.
    pub agents: Vec<Arc<Agent>>,
    /// Frameworks of kept tasks, and those whose scheduler is not back yet.
    pub frameworks: Vec<Arc<Framework>>,
    /// When to look again, if sooner than usual.
    pub again: Option<Duration>,
}

/// Why something is kept. If there are several reasons, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Nothing is left in the document, not even agents.
    Empty,
    /// A large part of the tasks is gone at once.
    Loss,
    /// The leader waits for agents that it lists as recovered.
    Recovering,
    /// The leader was elected a moment ago.
    Settling,
}

/// What we remember between documents. See the head of this file.
#[derive(Debug)]
pub struct Belief {
    settings: Settings,
    reign: Option<Reign>,
    /// Recovered agents, and since when this reign has listed them.
    recovered: HashMap<Arc<str>, Instant>,
    doubt: Option<Doubt>,
}

/// The time one master leads.
#[derive(Debug)]
struct Reign {
    pid: Option<String>,
    elected: Option<f64>,
    /// When it counts as settled.
    settles: Instant,
}

/// A large loss that one document showed.
#[derive(Debug)]
struct Doubt {
    /// When it began.
    since: Instant,
    /// When exactly these were first missed together.
    missed: Instant,
    tasks: Vec<Arc<Task>>,
}

impl Belief {
    /// Nothing seen yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, reign: None, recovered: HashMap::new(), doubt: None }
    }

    /// Compares the leader's document with the cluster believed in so far.
    pub fn judge(&mut self, old: &Cluster, document: &Document, now: Instant) -> Result<Kept, Incomplete> {
        if !document.complete {
            return Err(Incomplete);
        }
        self.handle_reign(document, now);
        let missing = Missing::new(old, document);
        self.handle_recovered(document, &missing, now);
        let settling = self.is_settling(now) && document.recovered_agents.is_empty();
        let waits_for = |agent: &str| self.waits_for(agent, now);
        let expired = |agent: &str| self.recovered.contains_key(agent) && !waits_for(agent);

        let (mut kept, gone): (Vec<_>, Vec<_>) = missing.tasks.iter().cloned().partition(|task| {
            !missing.is_registered(&task.agent_id) && (settling || waits_for(&task.agent_id))
        });
        let sudden: Vec<_> = gone.into_iter().filter(|task| !expired(&task.agent_id)).collect();
        let why = match () {
            () if missing.everything && !settling => Some(Why::Empty),
            () if self.is_large(sudden.len(), old.tasks.len()) => Some(Why::Loss),
            () => None,
        };
        let settled = document.elected_time.is_some_and(|time| time > 0.0) && !self.is_settling(now);
        let doubted = match why {
            Some(why) => !self.is_proven(&sudden, &missing, why == Why::Loss || settled, now),
            None => {
                self.doubt = None;
                false
            }
        };
        if doubted {
            kept.extend(sudden);
        }
        let unnamed = settling || (doubted && why == Some(Why::Empty));
        Ok(self.keep(old, &missing, kept, unnamed, why.filter(|_| doubted), now))
    }

    /// Everything that goes with the kept tasks, and the reason to give. `unnamed`: agents and frameworks that
    /// the document does not name are kept, too.
    fn keep(
        &self,
        old: &Cluster,
        missing: &Missing<'_>,
        tasks: Vec<Arc<Task>>,
        unnamed: bool,
        doubt: Option<Why>,
        now: Instant,
    ) -> Kept {
        let settling = self.is_settling(now);
        let on: HashSet<&str> = tasks.iter().map(|task| &*task.agent_id).collect();
        let of: HashSet<&str> = tasks.iter().map(|task| &*task.framework_id).collect();
        let agents: Vec<_> = old
            .agents
            .iter()
            .filter(|agent| !missing.is_registered(&agent.id))
            .filter(|agent| unnamed || on.contains(&*agent.id) || self.waits_for(&agent.id, now))
            .cloned()
            .collect();
        let frameworks: Vec<_> = old
            .frameworks
            .iter()
            .filter(|framework| match missing.frameworks.get(&*framework.id) {
                None => unnamed || settling || of.contains(&*framework.id),
                // A framework that is known from its tasks only has no scheduler address.
                Some(new) => {
                    let waits = settling || !agents.is_empty();
                    waits && new.port.is_none() && framework.port.is_some()
                }
            })
            .cloned()
            .collect();
        let kept_any = !(tasks.is_empty() && agents.is_empty() && frameworks.is_empty());
        let recovering = agents.iter().any(|agent| self.recovered.contains_key(&agent.id));
        let why = doubt.or(match kept_any {
            true if recovering => Some(Why::Recovering),
            true => Some(Why::Settling),
            false => None,
        });
        let again = match doubt {
            Some(_) => Some(AGREE_AFTER),
            None => settling.then_some(SETTLE_AGAIN),
        };
        Kept { why, tasks, agents, frameworks, again }
    }

    /// Notices that somebody else leads. The first reign we see has nothing to settle: we know nothing that
    /// it could leave out.
    fn handle_reign(&mut self, document: &Document, now: Instant) {
        let same = |reign: &Reign| reign.pid == document.pid && reign.elected == document.elected_time;
        if self.reign.as_ref().is_some_and(same) {
            return;
        }
        let settles = if self.reign.is_some() { now.checked_add(SETTLE).unwrap_or(now) } else { now };
        self.reign = Some(Reign { pid: document.pid.clone(), elected: document.elected_time, settles });
        self.recovered.clear();
    }

    /// Starts the hold time of agents listed as recovered, and forgets those listed no longer.
    fn handle_recovered(&mut self, document: &Document, missing: &Missing<'_>, now: Instant) {
        let listed: HashSet<&Arc<str>> =
            document.recovered_agents.iter().filter(|agent| !missing.is_registered(agent)).collect();
        self.recovered.retain(|agent, _| listed.contains(agent));
        for agent in listed {
            self.recovered.entry(agent.clone()).or_insert(now);
        }
    }

    fn is_settling(&self, now: Instant) -> bool {
        self.reign.as_ref().is_some_and(|reign| now < reign.settles)
    }

    fn waits_for(&self, agent: &str, now: Instant) -> bool {
        self.recovered
            .get(agent)
            .is_some_and(|since| now.saturating_duration_since(*since) < self.settings.hold)
    }

    fn is_large(&self, lost: usize, of: usize) -> bool {
        let (lost_hundredfold, percent) = (lost.saturating_mul(100), usize::from(self.settings.loss_percent));
        lost >= self.settings.loss_minimum.max(1) && lost_hundredfold > of.saturating_mul(percent)
    }

    /// Whether a large loss is true: missed now and in a document long enough ago, or doubted long enough.
    /// `provable` is false while only the hold time counts.
    fn is_proven(
        &mut self,
        sudden: &[Arc<Task>],
        missing: &Missing<'_>,
        provable: bool,
        now: Instant,
    ) -> bool {
        let fresh = || Doubt { since: now, missed: now, tasks: sudden.to_vec() };
        let doubt = self.doubt.get_or_insert_with(fresh);
        if doubt.tasks.iter().any(|task| missing.has(task)) {
            (doubt.missed, doubt.tasks) = (now, sudden.to_vec());
        }
        let agreed = provable && now.saturating_duration_since(doubt.missed) >= AGREE_AFTER;
        let proven = agreed || now.saturating_duration_since(doubt.since) >= self.settings.hold;
        if proven {
            self.doubt = None;
        }
        proven
    }
}

impl Kept {
    /// Puts what is kept back into the document.
    pub fn restore(self, document: &mut Document) {
        document.tasks.extend(self.tasks.into_iter().map(Arc::unwrap_or_clone));
        document.agents.extend(self.agents.into_iter().map(Arc::unwrap_or_clone));
        for kept in self.frameworks {
            // Its name may be new; only the address of its scheduler is from before.
            match document.frameworks.iter_mut().find(|framework| framework.id == kept.id) {
                Some(new) => (new.host, new.port) = (kept.host.clone(), kept.port),
                None => document.frameworks.push(Arc::unwrap_or_clone(kept)),
            }
        }
    }
}

//------------ Missing ----------------------------------------------------------

/// What we believe in and a document does not show.
struct Missing<'a> {
    tasks: Vec<Arc<Task>>,
    present: HashSet<(&'a str, &'a str)>,
    registered: HashSet<&'a str>,
    frameworks: HashMap<&'a str, &'a Framework>,
    /// The document shows no task and no agent, not even a recovered one, while we know of some: its master
    /// has not read the registry, or there is no cluster any more.
    everything: bool,
}

impl<'a> Missing<'a> {
    fn new(old: &Cluster, document: &'a Document) -> Self {
        let present: HashSet<_> =
            document.tasks.iter().map(|task| (&*task.framework_id, &*task.id)).collect();
        let is_missing = |task: &&Arc<Task>| !present.contains(&(&*task.framework_id, &*task.id));
        let tasks = old.tasks.iter().filter(is_missing).cloned().collect();
        let empty = document.agents.is_empty() && document.recovered_agents.is_empty() && present.is_empty();
        let known = !(old.tasks.is_empty() && old.agents.is_empty());
        Self {
            tasks,
            registered: document.agents.iter().map(|agent| &*agent.id).collect(),
            frameworks: document.frameworks.iter().map(|framework| (&*framework.id, framework)).collect(),
            everything: known && empty,
            present,
        }
    }

    fn is_registered(&self, agent: &str) -> bool {
        self.registered.contains(agent)
    }

    fn has(&self, task: &Task) -> bool {
        self.present.contains(&(&*task.framework_id, &*task.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{Endpoint, Host, Hosts, Masters, TaskState, apply},
        table::Seed,
    };

    const SETTINGS: Settings =
        Settings { hold: Duration::from_secs(600), loss_percent: 30, loss_minimum: 20 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn agent(id: &str) -> Agent {
        let address = Some(Endpoint { host: Host::new("10.0.1.1"), port: 5051 });
        Agent { id: id.into(), hostname: id.into(), address }
    }

    fn framework(id: &str, port: Option<u16>) -> Framework {
        let host = port.map(|_| Host::new("10.0.2.1")).or(Some(Host::new("scheduler.example")));
        Framework { id: id.into(), name: "marathon".into(), host, port }
    }

    fn task(id: u32, agent: &str) -> Task {
        Task {
            id: id.to_string().into(),
            name: "web".into(),
            framework_id: "f".into(),
            agent_id: agent.into(),
            state: TaskState::Running,
            healthy: None,
            ports: Box::default(),
            addresses: Box::default(),
            discovery: None,
        }
    }

    /// A leader's document: per agent, which tasks.
    fn document(pid: &str, agents: &[(&str, std::ops::Range<u32>)]) -> Document {
        Document {
            pid: Some(pid.into()),
            leader: Some(pid.into()),
            elected_time: Some(1.5e9),
            agents: agents.iter().map(|(id, _)| agent(id)).collect(),
            frameworks: vec![framework("f", Some(8080))],
            tasks: agents
                .iter()
                .flat_map(|(id, tasks)| tasks.clone().map(|number| task(number, id)))
                .collect(),
            complete: true,
            ..Document::default()
        }
    }

    /// The watcher's part: judges, restores, applies.
    struct Watcher {
        belief: Belief,
        cluster: Cluster,
        now: Instant,
    }

    impl Watcher {
        fn new(first: Document) -> Self {
            let mut new =
                Self { belief: Belief::new(SETTINGS), cluster: Cluster::default(), now: Instant::now() };
            assert_eq!(new.reads(&first).why, None);
            new
        }

        fn reads(&mut self, document: &Document) -> Kept {
            let mut document = document.clone();
            let kept = self.belief.judge(&self.cluster, &document, self.now).unwrap();
            kept.clone().restore(&mut document);
            let (masters, hosts) = (Masters::default(), Hosts::default());
            self.cluster = apply(&self.cluster, document, masters, hosts, Seed(1)).0;
            kept
        }

        fn reads_at(&mut self, pause: u64, document: &Document) -> Kept {
            self.now += seconds(pause);
            self.reads(document)
        }

        fn believes(&self, agents: usize, frameworks: usize, tasks: usize) {
            let counts = (self.cluster.agents.len(), self.cluster.frameworks.len(), self.cluster.tasks.len());
            assert_eq!(counts, (agents, frameworks, tasks));
        }
    }

    fn three_agents(pid: &str) -> Document {
        document(pid, &[("a", 0..4), ("b", 4..8), ("c", 8..12)])
    }

    #[test]
    fn leaders_and_others() {
        let check = |pid: Option<&str>, leader: Option<&str>, expected| {
            let document =
                Document { pid: pid.map(Into::into), leader: leader.map(Into::into), ..Document::default() };
            let asked = Master::parse("10.0.0.9:5050").unwrap();
            assert_eq!(leads(&document, &asked), expected, "{pid:?} {leader:?}");
        };
        let other = || Leadership::Other(Master::parse("10.0.0.1:5050").unwrap());
        check(Some("10.0.0.1:5050"), Some("10.0.0.1:5050"), Leadership::Answering);
        check(None, Some("10.0.0.9:5050"), Leadership::Answering);
        check(Some("10.0.0.2:5050"), Some("10.0.0.9:5050"), Leadership::Answering);
        check(Some("10.0.0.2:5050"), Some("10.0.0.1:5050"), other());
        check(None, Some("10.0.0.1:5050"), other());
        check(Some("10.0.0.1:5050"), None, Leadership::Unknown);
        check(Some("10.0.0.1:5050"), Some("nonsense"), Leadership::Unknown);
        check(None, None, Leadership::Unknown);
    }

    #[test]
    fn what_ends_one_by_one_goes_at_once() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..4), ("b", 4..5)])).why, None);
        watcher.believes(2, 1, 5);
        assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..0)])).why, None);
        watcher.believes(1, 1, 0);
    }

    #[test]
    fn a_failover_loses_nothing() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        // Elected, registry not read.
        let empty = Document { frameworks: Vec::new(), ..document("m2:1", &[]) };
        assert_eq!(watcher.reads_at(10, &empty).why, Some(Why::Settling));
        watcher.believes(3, 1, 12);
        // One agent is back; of its framework only what the agent knows.
        let mut one = document("m2:1", &[("b", 4..8)]);
        one.recovered_agents = vec!["a".into(), "c".into()];
        one.frameworks = vec![framework("f", None)];
        assert_eq!(watcher.reads_at(1, &one).why, Some(Why::Recovering));
        watcher.believes(3, 1, 12);
        assert_eq!(watcher.cluster.frameworks.get("f").unwrap().port, Some(8080));
        // All are back; one task ended meanwhile.
        let all = document("m2:1", &[("a", 1..4), ("b", 4..8), ("c", 8..12)]);
        assert_eq!(watcher.reads_at(1, &all).why, None);
        watcher.believes(3, 1, 11);
    }

    #[test]
    fn recovered_agents_are_held_for_the_hold_time() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        let mut two = document("m2:1", &[("a", 0..4), ("b", 4..8)]);
        two.recovered_agents = vec!["c".into()];
        assert_eq!(watcher.reads_at(10, &two).why, Some(Why::Recovering));
        assert_eq!(watcher.reads_at(599, &two).why, Some(Why::Recovering));
        watcher.believes(3, 1, 12);
        assert_eq!(watcher.reads_at(1, &two).why, None);
        watcher.believes(2, 1, 8);
    }

    #[test]
    fn an_agent_given_up_goes_at_once() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        let mut two = document("m2:1", &[("a", 0..4), ("b", 4..8)]);
        two.recovered_agents = vec!["c".into()];
        watcher.reads_at(100, &two);
        two.recovered_agents.clear();
        assert_eq!(watcher.reads_at(100, &two).why, None);
        watcher.believes(2, 1, 8);
    }

    #[test]
    fn masters_before_1_2_list_no_recovered_agents() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        let one = document("m2:1", &[("b", 4..8)]);
        let kept = watcher.reads_at(10, &one);
        assert_eq!((kept.why, kept.again), (Some(Why::Settling), Some(SETTLE_AGAIN)));
        assert_eq!(watcher.reads_at(74, &one).why, Some(Why::Settling));
        watcher.believes(3, 1, 12);
        assert_eq!(watcher.reads_at(1, &one).why, None, "never came back");
        watcher.believes(1, 1, 4);
    }

    #[test]
    fn a_large_loss_needs_two_witnesses() {
        let mut watcher = Watcher::new(document("m1:1", &[("a", 0..70), ("b", 70..100)]));
        let less = document("m1:1", &[("a", 0..69)]);
        let kept = watcher.reads_at(10, &less);
        assert_eq!((kept.why, kept.again), (Some(Why::Loss), Some(AGREE_AFTER)));
        watcher.believes(2, 1, 100);
        assert_eq!(watcher.reads_at(29, &less).why, Some(Why::Loss));
        // What was missed is back in part: the second witness is the first of another loss.
        assert_eq!(watcher.reads_at(1, &document("m1:1", &[("b", 80..100)])).why, Some(Why::Loss));
        watcher.believes(2, 1, 100);
        assert_eq!(watcher.reads_at(29, &document("m1:1", &[("b", 80..99)])).why, Some(Why::Loss));
        assert_eq!(watcher.reads_at(1, &document("m1:1", &[("b", 80..99)])).why, None);
        watcher.believes(1, 1, 19);
    }

    #[test]
    fn a_doubted_loss_that_never_settles_ends_with_the_hold_time() {
        let mut watcher = Watcher::new(document("m1:1", &[("a", 0..100)]));
        for round in 0..60 {
            let part = if round % 2 == 0 { 0..40 } else { 60..100 };
            assert_eq!(
                watcher.reads_at(10, &document("m1:1", &[("a", part)])).why,
                Some(Why::Loss),
                "{round}"
            );
        }
        assert_eq!(watcher.reads_at(10, &document("m1:1", &[("a", 0..40)])).why, None);
        watcher.believes(1, 1, 40);
    }

    #[test]
    fn losses_below_the_guard_pass() {
        let check = |before: u32, after: u32, expected: Option<Why>| {
            let mut watcher = Watcher::new(document("m1:1", &[("a", 0..before)]));
            assert_eq!(
                watcher.reads_at(1, &document("m1:1", &[("a", 0..after)])).why,
                expected,
                "{before} {after}"
            );
        };
        check(100, 70, None);
        check(100, 69, Some(Why::Loss));
        check(20, 0, Some(Why::Loss));
        check(19, 0, None);
        check(1, 0, None);
    }

    #[test]
    fn an_empty_document_needs_a_settled_master() {
        let empty = |elected_time| Document { elected_time, ..document("m1:1", &[]) };
        let mut watcher = Watcher::new(three_agents("m1:1"));
        let none = Document { elected_time: Some(1.5e9), ..empty(None) };
        assert_eq!(watcher.reads_at(1, &none).why, Some(Why::Empty));
        watcher.believes(3, 1, 12);
        assert_eq!(watcher.reads_at(30, &none).why, None, "a settled master says so twice");
        watcher.believes(0, 1, 0);

        for elected_time in [None, Some(0.0)] {
            let mut watcher = Watcher::new(Document { elected_time, ..three_agents("m1:1") });
            for _ in 0..6 {
                assert_eq!(watcher.reads_at(100, &empty(elected_time)).why, Some(Why::Empty));
            }
            assert_eq!(watcher.reads_at(100, &empty(elected_time)).why, None);
            watcher.believes(0, 1, 0);
        }
    }

    #[test]
    fn a_new_leader_that_stays_empty_is_believed_in_the_end() {
        let mut watcher = Watcher::new(three_agents("m1:1"));
        let empty = document("m2:1", &[]);
        assert_eq!(watcher.reads_at(1, &empty).why, Some(Why::Settling));
        assert_eq!(watcher.reads_at(75, &empty).why, Some(Why::Empty));
        assert_eq!(watcher.reads_at(29, &empty).why, Some(Why::Empty));
        watcher.believes(3, 1, 12);
        assert_eq!(watcher.reads_at(1, &empty).why, None);
        watcher.believes(0, 1, 0);
    }

    #[test]
    fn incomplete_documents_are_refused() {
        let mut belief = Belief::new(SETTINGS);
        let document = Document { complete: false, ..three_agents("m1:1") };
        assert_eq!(belief.judge(&Cluster::default(), &document, Instant::now()).unwrap_err(), Incomplete);
    }
}
