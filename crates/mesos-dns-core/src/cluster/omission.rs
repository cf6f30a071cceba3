//! Of whom something was left out.
//!
//! [`Skipped`] counts what could not be used of a document. Here stands whose it was, so that its owner can be told. A
//! document brings a list of its own, [`Noted`]; a cluster has what the newest document and the events since left out,
//! [`Omissions`]. Of an event, it stays until the one it concerns comes right or ends, or a document says how things are.
//!
//! Strangers decide how much there is of it, so of each part only so many are listed; the others are counted. Where
//! nothing is left out, nothing is allocated.

use std::sync::Arc;

use super::Skipped;
use crate::table::{Find, Keyed, Seed, Table};

/// Omissions of one part that are listed; the others are counted.
pub const OMISSIONS_MAX: u64 = 1000;

/// What was left out, or what of it: the fields of [`Skipped`] by which an owner is told.
///
/// Agents without a usable address are not among them: they are in the cluster, and show it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkippedPart {
    /// See [`Skipped::agents`].
    Agent,
    /// See [`Skipped::frameworks`].
    Framework,
    /// See [`Skipped::framework_addresses`].
    FrameworkAddress,
    /// See [`Skipped::labels`].
    Label,
    /// See [`Skipped::over_limit`].
    OverLimit,
    /// See [`Skipped::port_mappings`].
    PortMapping,
    /// See [`Skipped::port_ranges`].
    PortRange,
    /// See [`Skipped::tasks`].
    Task,
    /// See [`Skipped::task_addresses`].
    TaskAddress,
}

impl SkippedPart {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::Agent,
        Self::Framework,
        Self::FrameworkAddress,
        Self::Label,
        Self::OverLimit,
        Self::PortMapping,
        Self::PortRange,
        Self::Task,
        Self::TaskAddress,
    ];

    /// How often it was counted.
    pub fn count(self, skipped: &Skipped) -> u64 {
        match self {
            Self::Agent => skipped.agents,
            Self::Framework => skipped.frameworks,
            Self::FrameworkAddress => skipped.framework_addresses,
            Self::Label => skipped.labels,
            Self::OverLimit => skipped.over_limit,
            Self::PortMapping => skipped.port_mappings,
            Self::PortRange => skipped.port_ranges,
            Self::Task => skipped.tasks,
            Self::TaskAddress => skipped.task_addresses,
        }
    }

    /// The parts that were counted between two moments, and how often.
    pub fn between(before: Skipped, after: Skipped) -> impl Iterator<Item = (Self, u64)> {
        let more = move |part: Self| (part, part.count(&after).saturating_sub(part.count(&before)));
        Self::ALL.into_iter().map(more).filter(|(_, more)| *more > 0)
    }
}

/// Something of which a part, or all, was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// What.
    pub part: SkippedPart,
    /// Whose it is.
    pub whose: Whose,
    /// What its owner calls it, as far as that can be read; else empty.
    pub name: Arc<str>,
    /// How often it was counted.
    pub count: u64,
}

/// Whose something is, as far as that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// The agent's id.
    pub agent: Option<Arc<str>>,
    /// The framework's id.
    pub framework: Option<Arc<str>>,
    /// The task's id.
    pub task: Option<Arc<str>>,
    /// Where it stands, in bytes from the beginning of the document or the stream, if it has no id that can be read.
    pub at: Option<u64>,
}

/// A number for each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; SkippedPart::ALL.len()]);

impl Counts {
    /// That of a part.
    pub fn get(&self, part: SkippedPart) -> u64 {
        self.0.get(part as usize).copied().unwrap_or_default()
    }

    /// Adds to that of a part.
    pub fn add(&mut self, part: SkippedPart, more: u64) {
        self.change(part, |count| count.saturating_add(more));
    }

    fn change(&mut self, part: SkippedPart, change: impl FnOnce(u64) -> u64) {
        if let Some(count) = self.0.get_mut(part as usize) {
            *count = change(*count);
        }
    }
}

//------------ Noted -----------------------------------------------------------

/// What one document left out, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    list: Vec<Omission>,
    listed: Counts,
    beyond: Counts,
}

impl Noted {
    /// Notes one, unless there are too many of its part; then it is only counted.
    pub fn note(&mut self, part: SkippedPart, omission: impl FnOnce() -> Omission) {
        if self.listed.get(part) < OMISSIONS_MAX {
            self.listed.add(part, 1);
            self.list.push(omission());
        } else {
            self.beyond.add(part, 1);
        }
    }

    /// Counts others that are not listed.
    pub fn add_beyond(&mut self, beyond: &Counts) {
        SkippedPart::ALL.into_iter().for_each(|part| self.beyond.add(part, beyond.get(part)));
    }

    /// Those that are listed.
    pub fn iter(&self) -> impl Iterator<Item = &Omission> {
        self.list.iter()
    }

    /// Drops those of which something else is known by now.
    pub fn retain(&mut self, keeps: impl FnMut(&Omission) -> bool) {
        self.list.retain(keeps);
        self.listed = Counts::default();
        self.list.iter().for_each(|omission| self.listed.add(omission.part, 1));
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

//------------ Omissions -------------------------------------------------------

/// What the newest document and the events since left out.
#[derive(Clone, Debug, Default)]
pub struct Omissions {
    table: Table<Arc<Omission>>,
    listed: Counts,
    beyond: Counts,
}

impl Omissions {
    /// Those of a document.
    pub fn new(noted: Noted, seed: Seed) -> Self {
        let mut omissions = Self { table: Table::new(seed), listed: Counts::default(), beyond: noted.beyond };
        noted.list.into_iter().for_each(|omission| omissions.add(omission));
        omissions
    }

    /// Those that are listed, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Omission>> {
        self.table.iter()
    }

    /// How many of a part are not listed.
    pub fn beyond(&self, part: SkippedPart) -> u64 {
        self.beyond.get(part)
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds one; what was known of the same thing is replaced.
    pub fn add(&mut self, omission: Omission) {
        let part = omission.part;
        if self.table.get(omission.identity()).is_some_and(|known| **known == omission) {
            return;
        }
        if self.listed.get(part) >= OMISSIONS_MAX && self.table.get(omission.identity()).is_none() {
            return self.beyond.add(part, 1);
        }
        if self.table.insert(Arc::new(omission)).is_none() {
            self.listed.add(part, 1);
        }
    }

    /// What a task left out is over: in these parts it came right, or it is gone. Tells whether there was anything.
    pub fn forget_task(&mut self, framework: &str, task: &str, parts: &[SkippedPart]) -> bool {
        let forget = |part| Key { framework: Some(framework), task: Some(task), ..Key::of(part) };
        self.forget(parts.iter().map(|part| forget(*part)))
    }

    /// The same of an agent.
    pub fn forget_agent(&mut self, agent: &str) -> bool {
        self.forget([Key { agent: Some(agent), ..Key::of(SkippedPart::Agent) }])
    }

    /// The same of a framework, without its tasks.
    pub fn forget_framework(&mut self, framework: &str, part: SkippedPart) -> bool {
        self.forget([Key { framework: Some(framework), ..Key::of(part) }])
    }

    /// The same of a framework and all its tasks.
    pub fn forget_all_of(&mut self, framework: &str) -> bool {
        let is_its = |omission: &&Arc<Omission>| omission.whose.framework.as_deref() == Some(framework);
        let gone: Vec<_> = self.table.iter().filter(is_its).cloned().collect();
        self.forget(gone.iter().map(|omission| omission.identity()))
    }

    fn forget<'a>(&mut self, keys: impl IntoIterator<Item = Key<'a>>) -> bool {
        let mut had_any = false;
        for key in keys {
            if self.table.remove(key).is_some() {
                self.listed.change(key.part, |count| count.saturating_sub(1));
                had_any = true;
            }
        }
        had_any
    }
}

impl PartialEq for Omissions {
    fn eq(&self, other: &Self) -> bool {
        let is_there = |omission: &Arc<Omission>| other.table.get(omission.identity()) == Some(omission);
        (self.listed, self.beyond) == (other.listed, other.beyond) && self.table.iter().all(is_there)
    }
}

/// What an omission is found by: whose it is, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    part: SkippedPart,
    agent: Option<&'a str>,
    framework: Option<&'a str>,
    task: Option<&'a str>,
    at: Option<u64>,
}

impl Key<'_> {
    fn of(part: SkippedPart) -> Self {
        Self { part, agent: None, framework: None, task: None, at: None }
    }
}

impl Find<Arc<Omission>> for Key<'_> {
    fn is(&self, entry: &Arc<Omission>) -> bool {
        entry.identity() == *self
    }
}

impl Omission {
    /// What it is found by. A task is known by its framework and its id; on which agent it runs is only good to know.
    fn identity(&self) -> Key<'_> {
        let Whose { agent, framework, task, at } = &self.whose;
        let agent = agent.as_deref().filter(|_| task.is_none());
        Key { part: self.part, agent, framework: framework.as_deref(), task: task.as_deref(), at: *at }
    }
}

impl Keyed for Arc<Omission> {
    type Key<'a> = Key<'a>;

    fn key(&self) -> Key<'_> {
        self.identity()
    }
}
