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
//!   [`AGREE_AFTER`] later misses it too; what is missing only since then is another loss.
//!
//! None of it is kept for longer than the hold time. What the leader reports in any other way (a task
//! that ended or is unreachable, an agent without that task, an agent it gave up) goes at once.
//!
//! [`Belief`] looks at documents of the leader only: [`leads`] says which those are.

mod missing;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use self::missing::Missing;
use super::Master;
use crate::{
    cluster::{Agent, Cluster, Document, Framework, Task},
    table::Keyed,
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time anything is kept that the leader no longer shows (`holdSeconds`).
    pub hold: Duration,
    /// A loss of more than this share of the tasks, in percent, is doubted (`massLossPercent`) ...
    pub loss_percent: u8,
    /// ... if it is also at least this number (`massLossMinimum`).
    pub loss_minimum: usize,
}

/// Whether the answering master has read its registry: only then does it know which agents it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// It has: masters open a stream only then.
    Read,
    /// It may not have.
    Unknown,
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
    /// The operator vouches for the next document.
    is_released: bool,
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
    /// What the loss was then.
    why: Why,
}

impl Belief {
    /// Nothing seen yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, reign: None, recovered: HashMap::new(), doubt: None, is_released: false }
    }

    /// Other settings, after a reload.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The operator vouches for the leader: the next document is believed as it stands.
    pub fn release(&mut self) {
        self.is_released = true;
    }

    /// Until when what is on a recovered agent is kept; `None` if the leader does not wait for it.
    pub fn waits_until(&self, agent: &str) -> Option<Instant> {
        self.recovered.get(agent).and_then(|since| since.checked_add(self.settings.hold))
    }

    /// Compares the leader's document with the cluster believed in so far.
    pub fn judge(
        &mut self,
        old: &Cluster,
        document: &Document,
        registry: Registry,
        now: Instant,
    ) -> Result<Kept, Incomplete> {
        if !document.complete {
            return Err(Incomplete);
        }
        self.handle_reign(document, now);
        if std::mem::take(&mut self.is_released) {
            self.doubt = None;
            // Waited for long enough, and not anew from the next document on.
            let over = now.checked_sub(self.settings.hold).unwrap_or(now);
            self.recovered = document.recovered_agents.iter().map(|agent| (agent.clone(), over)).collect();
            return Ok(Kept::default());
        }
        let missing = Missing::new(old, document);
        self.handle_recovered(document, &missing, now);
        let settling =
            registry == Registry::Unknown && self.is_settling(now) && document.recovered_agents.is_empty();
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
            Some(why) => {
                let provable = why == Why::Loss || settled;
                let unproven = self.unproven(sudden, &missing, old.tasks.len(), why, provable, now);
                let doubted = unproven.is_some();
                kept.extend(unproven.into_iter().flatten());
                doubted
            }
            None => {
                self.doubt = None;
                false
            }
        };
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
        // Agents that we do not know are awaited, too: we gave them up in a reign before, the leader did not.
        let awaited = self.recovered.keys().any(|agent| self.waits_for(agent, now));
        let frameworks: Vec<_> = old
            .frameworks
            .iter()
            .filter(|framework| match missing.frameworks.get(&*framework.id) {
                None => unnamed || settling || of.contains(&*framework.id),
                // A framework that is known from its tasks only has no scheduler address.
                Some(new) => {
                    let waits = settling || awaited || !agents.is_empty();
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

    /// What of a large loss is not proven: all of it, until it is missed now and was in a document long enough ago,
    /// or is doubted long enough; then only what went missing after that, if that is a large loss too. `None` if
    /// nothing is doubted. `provable` is false while only the hold time counts.
    fn unproven(
        &mut self,
        sudden: Vec<Arc<Task>>,
        missing: &Missing<'_>,
        of: usize,
        why: Why,
        provable: bool,
        now: Instant,
    ) -> Option<Vec<Arc<Task>>> {
        let fresh = |tasks: &Vec<Arc<Task>>| Doubt { since: now, missed: now, tasks: tasks.clone(), why };
        let doubt = self.doubt.get_or_insert_with(|| fresh(&sudden));
        if doubt.tasks.iter().any(|task| missing.has(task)) {
            (doubt.missed, doubt.tasks, doubt.why) = (now, sudden.clone(), why);
        }
        let agreed = provable && now.saturating_duration_since(doubt.missed) >= AGREE_AFTER;
        let proven = agreed || now.saturating_duration_since(doubt.since) >= self.settings.hold;
        if !proven {
            return Some(sudden);
        }
        let proven = self.doubt.take()?;
        let keys: HashSet<_> = proven.tasks.iter().map(|task| task.key()).collect();
        let newer: Vec<_> = sudden.into_iter().filter(|task| !keys.contains(&task.key())).collect();
        let is_another = why == Why::Empty && proven.why != Why::Empty && !newer.is_empty();
        if !is_another && !self.is_large(newer.len(), of.saturating_sub(keys.len())) {
            return None;
        }
        self.doubt = Some(fresh(&newer));
        Some(newer)
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

#[cfg(test)]
mod tests;
