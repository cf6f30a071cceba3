//! What we know of the cluster, from documents and events, and what of it we hold on to.
//!
//! A [`Knowledge`] owns the [`Model`] and decides with [`Belief`] what a document may take away. Between two
//! documents, events tell what happens, one thing at a time: what they remove is removed at once, as they
//! explain it. What was held since the last document ends in one of three ways:
//!
//! - the agent comes back: what it has is told by events around its own (before it or after, as Mesos pleases), and
//!   what it no longer has is told by nobody, so [`REJOIN_GRACE`] after it came the rest is dropped;
//! - the hold time is over, and a document of the leader at that time still does not show it;
//! - a later document says otherwise.
//!
//! The clock alone ends nothing but that grace: while no master can be read, nothing that is held may go. So the end of
//! a hold time is a moment to look again ([`Verdict::again`]).
//!
//! A document that was asked for while a stream runs (to compare with) is older than what the stream has said since
//! it was asked for. What events touched meanwhile is left as they say; and of an agent that came back meanwhile, such
//! a document does not know the tasks, whether events told them yet or not.
//!
//! What is reported of the health of a task, by either, is believed as [`Damping`] says.
//!
//! Told what happened and when; says what was touched, and when it wants to be asked again. No clock, no sockets.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    believe::{self, Belief, Incomplete, Kept, Why},
    health::Damping,
};
use crate::{
    cluster::{
        Change, Cluster, Document, Hosts, Masters, Model, Omission, Subject, Task, TaskKey, TaskUpdate,
        Touched, Whose,
    },
    table::{Keyed, Seed},
};

/// How long the tasks of an agent that came back may still be on their way. They come within the same second; a
/// busy master takes longer.
pub const REJOIN_GRACE: Duration = Duration::from_secs(10);

/// How a document came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Asked for while a stream runs, to find what its events do not tell.
    Compared,
    /// From a master that was asked for its state; it may not have read its registry yet.
    Polled,
    /// The beginning of a stream.
    Subscribed,
}

/// What became of a document.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What it touched.
    pub touched: Touched,
    /// When to look again, if sooner than usual.
    pub again: Option<Duration>,
    /// Number of things that a compared document had to correct: events should have told them.
    pub drift: usize,
}

/// What is held although the master does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub why: Why,
    /// Number of tasks.
    pub tasks: usize,
    /// Number of agents that did not come back yet.
    pub agents: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Knowledge {
    model: Model,
    belief: Belief,
    damping: Damping,
    settings: believe::Settings,
    /// Why the last document left something standing that it did not show, and how many tasks.
    kept: Option<(Why, usize)>,
    /// Agents that the leader waits for.
    away: HashMap<Arc<str>, Away>,
    /// Whether the leader waits for agents whose tasks we never knew: names may be missing.
    is_partial: bool,
    /// What events touched since a document to compare with was asked for.
    meanwhile: Option<Meanwhile>,
}

/// An agent that did not come back yet, or only a moment ago.
#[derive(Debug)]
struct Away {
    until: Instant,
    /// Whether it registered since.
    is_back: bool,
    /// Whether the operator waits for it no longer.
    is_released: bool,
    /// Its tasks that nobody has shown since.
    unseen: HashSet<TaskKey>,
}

/// See [`Knowledge::expect_comparison`].
#[derive(Debug, Default)]
struct Meanwhile {
    tasks: HashSet<TaskKey>,
    agents: HashSet<Arc<str>>,
    frameworks: HashSet<Arc<str>>,
}

impl Knowledge {
    /// Nothing known yet. `seed` starts the hash functions of the tables.
    pub fn new(settings: believe::Settings, seed: Seed) -> Self {
        Self {
            model: Model::new(seed),
            belief: Belief::new(settings),
            damping: Damping::default(),
            settings,
            kept: None,
            away: HashMap::new(),
            is_partial: false,
            meanwhile: None,
        }
    }

    /// Goes on from a cluster that was known before.
    pub fn with(cluster: Cluster, settings: believe::Settings, seed: Seed) -> Self {
        Self { model: Model::with(cluster, seed), ..Self::new(settings, seed) }
    }

    /// The newest version of the cluster.
    pub fn cluster(&self) -> &Cluster {
        self.model.cluster()
    }

    /// What is held although the master does not show it.
    pub fn held(&self) -> Option<Held> {
        let agents = self.away.values().filter(|away| !away.is_back).count();
        let unseen = self.away.values().map(|away| away.unseen.len()).sum();
        match self.kept {
            Some((why @ (Why::Empty | Why::Loss | Why::Settling), tasks)) => {
                Some(Held { why, tasks, agents })
            }
            _ if agents > 0 || unseen > 0 => Some(Held { why: Why::Recovering, tasks: unseen, agents }),
            Some((Why::Recovering, _)) | None => None,
        }
    }

    /// Whether names of living tasks may be missing: the first master we ever read waits for agents of which we know
    /// nothing.
    pub fn is_partial(&self) -> bool {
        self.is_partial && !self.away.is_empty()
    }

    /// Other settings, after a reload.
    pub fn configure(&mut self, settings: believe::Settings) {
        self.settings = settings;
        self.belief.configure(settings);
    }

    /// The operator vouches for the leader: what is held is dropped with the next document, without further proof.
    pub fn release(&mut self, now: Instant) {
        self.belief.release();
        for away in self.away.values_mut() {
            (away.until, away.is_released) = (away.until.min(now), true);
        }
    }

    //--- Documents

    /// A document is asked for while a stream runs: from now on, notes what events touch.
    pub fn expect_comparison(&mut self) {
        self.meanwhile = Some(Meanwhile::default());
    }

    /// The leader's document. `hosts` are the addresses of every host name in it and in `masters`. What events
    /// touched before must have been taken.
    pub fn handle_document(
        &mut self,
        mut document: Document,
        masters: Masters,
        hosts: Hosts,
        origin: Origin,
        now: Instant,
    ) -> Result<Verdict, Incomplete> {
        let mut returned = HashSet::new();
        let mut reported = document.tasks.len();
        if let Some(meanwhile) = self.meanwhile.take().filter(|_| origin == Origin::Compared) {
            returned = meanwhile.returned(&document, self.model.cluster());
            reported = meanwhile.restore(&mut document, &returned, &self.model);
        }
        // What was put back is what we believe, and no report.
        let known = &self.model.cluster().tasks;
        for task in document.tasks.iter_mut().take(reported) {
            let known = known.get((&*task.framework_id, &*task.id));
            self.damping.handle_task(known.map(|known| &**known), task, now);
        }
        if origin == Origin::Subscribed {
            keep_addresses(&mut document, self.model.cluster());
        }
        let known = self.model.cluster();
        let is_first = known.tasks.is_empty() && known.agents.is_empty();
        let registry = match origin {
            Origin::Polled => believe::Registry::Unknown,
            Origin::Compared | Origin::Subscribed => believe::Registry::Read,
        };
        let kept = self.belief.judge(known, &document, registry, now)?;
        self.is_partial = is_first || self.is_partial();
        self.note_absent(&document, &kept, &returned, now);
        let (why, again) = (kept.why, kept.again.into_iter().chain(self.expires(now)).min());
        self.kept = why.map(|why| (why, kept.tasks.len()));
        keep_omissions(&mut document, &kept, self.model.cluster());
        kept.restore(&mut document);
        let touched = self.model.replace(document, masters, hosts);
        let known = &self.model.cluster().tasks;
        self.damping.retain(|(framework_id, id)| known.get((&**framework_id, &**id)).is_some());
        let drift = if origin == Origin::Compared { drift(&touched) } else { 0 };
        Ok(Verdict { touched, again, drift })
    }

    /// How long the first agent that is waited for will be.
    fn expires(&self, now: Instant) -> Option<Duration> {
        self.away.values().map(|away| away.until.saturating_duration_since(now)).min()
    }

    /// Notes which agents the leader waits for, and what is held of them. Of those that returned since the document was
    /// made, events are still telling.
    fn note_absent(&mut self, document: &Document, kept: &Kept, returned: &HashSet<Arc<str>>, now: Instant) {
        let registered: HashSet<&str> = document.agents.iter().map(|agent| &*agent.id).collect();
        let awaited = document.recovered_agents.iter().filter(|agent| !registered.contains(&***agent));
        self.away.retain(|agent, _| returned.contains(agent));
        let absent: Vec<_> = awaited
            .filter_map(|agent| Some((agent.clone(), self.belief.waits_until(agent)?)))
            .filter(|(_, until)| *until > now)
            .map(|(agent, until)| {
                (agent, Away { until, is_back: false, is_released: false, unseen: HashSet::new() })
            })
            .collect();
        self.away.extend(absent);
        for task in &kept.tasks {
            if let Some(away) = self.away.get_mut(&task.agent_id) {
                away.unseen.insert(task_key(task));
            }
        }
    }

    //--- Events

    /// Takes in what one event says. What it touched is taken with [`Knowledge::take`].
    pub fn handle_change(&mut self, mut change: Change, now: Instant) -> Subject {
        if self.is_no_place(&change) {
            return Subject::Known;
        }
        self.note_meanwhile(&change);
        self.note_seen(&change, now);
        self.damp(&mut change, now);
        self.model.change(change)
    }

    /// Host names were looked up.
    pub fn handle_hosts(&mut self, hosts: Hosts) {
        self.model.resolve(hosts);
    }

    /// Another master leads, or other masters are there.
    pub fn handle_masters(&mut self, masters: Masters) {
        self.model.lead(masters);
    }

    /// Whether events touched anything since that was last taken.
    pub fn is_touched(&self) -> bool {
        self.model.is_touched()
    }

    /// What was touched since it was last taken.
    pub fn take(&mut self) -> Touched {
        self.model.take()
    }

    /// When to call [`Knowledge::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ends = self.away.values().filter(|away| away.ends_by_itself()).map(|away| away.until);
        ends.chain(self.damping.poll_timeout()).min()
    }

    /// Believes what bad news has lasted; drops what agents that came back do not have any more, and what the operator
    /// waits for no longer.
    pub fn handle_timeout(&mut self, now: Instant) {
        for key in self.damping.handle_timeout(now) {
            self.model.change_health(&key, Some(false));
        }
        let is_due = |away: &Away| away.ends_by_itself() && away.until <= now;
        let due: Vec<_> =
            self.away.iter().filter(|(_, away)| is_due(away)).map(|(agent, _)| agent.clone()).collect();
        for agent in due {
            let Some(away) = self.away.remove(&agent) else { continue };
            for (framework_id, id) in away.unseen {
                self.model.change(Change::TaskEnded { framework_id, id });
            }
            if !away.is_back {
                self.model.change(Change::AgentRemoved(agent));
            }
        }
    }

    /// Leaves in an event what to believe of the health that it reports.
    fn damp(&mut self, change: &mut Change, now: Instant) {
        let known = &self.model.cluster().tasks;
        match change {
            Change::TaskAdded(task) => {
                let known = known.get((&*task.framework_id, &*task.id));
                self.damping.handle_task(known.map(|known| &**known), task, now);
            }
            Change::TaskUpdated(TaskUpdate { framework_id, id, running: Some(running), .. }) => {
                if let Some(known) = known.get((&**framework_id, &**id)) {
                    running.healthy = self.damping.handle_result(known, running.healthy, now);
                }
            }
            Change::TaskEnded { framework_id, id } => self.damping.forget(framework_id, id),
            _ => {}
        }
    }

    /// Whether a summary gives no place for a scheduler, or a lesser one than is known: it is not back yet. A
    /// document tells when it need not be waited for any more.
    fn is_no_place(&self, change: &Change) -> bool {
        let Change::FrameworkAt { id, host, port } = change else { return false };
        let known = self.model.cluster().frameworks.get(&**id);
        known.is_some_and(|known| host.is_none() || (port.is_none() && known.port.is_some()))
    }

    fn note_meanwhile(&mut self, change: &Change) {
        let Some(meanwhile) = &mut self.meanwhile else { return };
        match change {
            Change::AgentAdded(agent) => _ = meanwhile.agents.insert(agent.id.clone()),
            Change::AgentRemoved(id) => _ = meanwhile.agents.insert(id.clone()),
            Change::FrameworkAdded(framework) => _ = meanwhile.frameworks.insert(framework.id.clone()),
            Change::FrameworkAt { id, .. } | Change::FrameworkRemoved(id) => {
                _ = meanwhile.frameworks.insert(id.clone())
            }
            Change::Omitted(_) => {}
            Change::TaskAdded(task) => _ = meanwhile.tasks.insert(task_key(task)),
            Change::TaskEnded { framework_id, id } => {
                _ = meanwhile.tasks.insert((framework_id.clone(), id.clone()))
            }
            Change::TaskUpdated(update) => {
                _ = meanwhile.tasks.insert((update.framework_id.clone(), update.id.clone()))
            }
        }
    }

    /// Whoever is shown by an event is no longer held; whoever comes back is soon complete.
    fn note_seen(&mut self, change: &Change, now: Instant) {
        if self.away.is_empty() {
            return;
        }
        match change {
            Change::AgentAdded(agent) => {
                if let Some(away) = self.away.get_mut(&agent.id) {
                    away.is_back = true;
                    away.until = away.until.min(now.checked_add(REJOIN_GRACE).unwrap_or(now));
                }
            }
            Change::AgentRemoved(id) => _ = self.away.remove(id),
            Change::TaskAdded(task) => self.seen(&task_key(task)),
            Change::TaskEnded { framework_id, id } => self.seen(&(framework_id.clone(), id.clone())),
            Change::TaskUpdated(update) => self.seen(&(update.framework_id.clone(), update.id.clone())),
            Change::FrameworkAdded(_)
            | Change::FrameworkAt { .. }
            | Change::FrameworkRemoved(_)
            | Change::Omitted(_) => {}
        }
    }

    fn seen(&mut self, key: &TaskKey) {
        let Some(task) = self.model.cluster().tasks.get((&*key.0, &*key.1)) else { return };
        if let Some(away) = self.away.get_mut(&task.agent_id) {
            away.unseen.remove(key);
        }
    }
}

impl Away {
    /// Whether no document is needed to drop what is held.
    fn ends_by_itself(&self) -> bool {
        self.is_back || self.is_released
    }
}

impl Meanwhile {
    /// Agents that events showed, and that the document does not know yet.
    fn returned(&self, document: &Document, known: &Cluster) -> HashSet<Arc<str>> {
        let mut returned = self.agents.clone();
        returned.retain(|id| known.agents.get(&**id).is_some());
        document.agents.iter().for_each(|agent| _ = returned.remove(&agent.id));
        returned
    }

    /// Puts what events touched, and what runs on agents that returned, into the document as we know it. Of its tasks,
    /// only so many at its beginning are its own then.
    fn restore(&self, document: &mut Document, returned: &HashSet<Arc<str>>, model: &Model) -> usize {
        let known = model.cluster();
        let on_returned = returned.iter().flat_map(|agent| model.tasks_on(agent)).map(|task| task.key());
        let touched = self.tasks.iter().map(|(of, id)| (&**of, &**id));
        let tasks: HashSet<(&str, &str)> = touched.chain(on_returned).collect();
        self.restore_omissions(document, &tasks, known);
        document.tasks.retain(|task| !tasks.contains(&(&*task.framework_id, &*task.id)));
        let own = document.tasks.len();
        document
            .tasks
            .extend(tasks.iter().filter_map(|key| known.tasks.get(*key)).map(|task| Task::clone(task)));
        document.agents.retain(|agent| !self.agents.contains(&agent.id));
        document.recovered_agents.retain(|agent| !self.agents.contains(agent));
        let agents = self.agents.iter().filter_map(|id| known.agents.get(&**id));
        document.agents.extend(agents.map(|agent| (**agent).clone()));
        document.frameworks.retain(|framework| !self.frameworks.contains(&framework.id));
        let frameworks = self.frameworks.iter().filter_map(|id| known.frameworks.get(&**id));
        document.frameworks.extend(frameworks.map(|framework| (**framework).clone()));
        own
    }

    /// So it is with what was left out of all that.
    fn restore_omissions(&self, document: &mut Document, tasks: &HashSet<(&str, &str)>, known: &Cluster) {
        let is_touched = |omission: &Omission| match &omission.whose {
            Whose { framework: Some(framework), task: Some(task), .. } => {
                tasks.contains(&(&**framework, &**task))
            }
            Whose { framework: Some(framework), .. } => self.frameworks.contains(framework),
            Whose { agent: Some(agent), .. } => self.agents.contains(agent),
            _ => false,
        };
        take_over(document, known, is_touched);
    }
}

/// What was left out of tasks that are kept is not told by the document either.
fn keep_omissions(document: &mut Document, kept: &Kept, known: &Cluster) {
    if known.omissions.is_empty() || kept.tasks.is_empty() {
        return;
    }
    let tasks: HashSet<(&str, &str)> = kept.tasks.iter().map(|task| task.key()).collect();
    take_over(document, known, |omission| match &omission.whose {
        Whose { framework: Some(framework), task: Some(task), .. } => {
            tasks.contains(&(&**framework, &**task))
        }
        _ => false,
    });
}

/// Puts the omissions that are chosen into the document as we know them, in place of its own.
fn take_over(document: &mut Document, known: &Cluster, is_chosen: impl Fn(&Omission) -> bool) {
    document.omissions.retain(|omission| !is_chosen(omission));
    for omission in known.omissions.iter().filter(|omission| is_chosen(omission)) {
        document.omissions.note(omission.part, || Omission::clone(omission));
    }
}

/// A stream does not tell where schedulers are. Where nothing else did, it is as it was.
fn keep_addresses(document: &mut Document, known: &Cluster) {
    for framework in &mut document.frameworks {
        if let (None, None, Some(before)) =
            (&framework.host, framework.port, known.frameworks.get(&*framework.id))
        {
            (framework.host, framework.port) = (before.host.clone(), before.port);
        }
    }
}

/// Agents and tasks that a document changed. Frameworks do not count: their schedulers' addresses come from
/// documents only.
fn drift(touched: &Touched) -> usize {
    let tasks = touched.tasks.iter().filter(|change| change.old != change.new).count();
    tasks.saturating_add(touched.agents.len())
}

fn task_key(task: &Task) -> TaskKey {
    (task.framework_id.clone(), task.id.clone())
}

#[cfg(test)]
mod tests;
