//! What is wrong with the names of a cluster, as data.
//!
//! [`find`] walks one version of the cluster and lists what an operator should know of: names that two services share,
//! names that are not what somebody wrote, tasks and agents that nobody finds. It is pure and stores nothing, and
//! nothing of it is on the way of an update: whoever wants to know counts again, as often as that is worth it.
//!
//! What is told is told of services, not of tasks: a hundred instances that lack an address are one problem with a
//! hundred tasks. A service is what a framework calls by one name; several instances of one are no collision.

mod services;
mod sharing;
mod survey;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use survey::Survey;

use crate::{cluster::Cluster, records::Policy};

/// Problems of one kind that are listed; all are counted.
pub const LISTED_MAX: usize = 1000;

/// Names that are told of one problem.
pub const NAMES_MAX: usize = 8;

/// Owners that are told of one problem.
pub const OWNERS_MAX: usize = 8;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An agent whose address is not known, so that tasks on it have none of it.
    AgentWithoutAddress,
    /// Several frameworks whose names give the same labels.
    FrameworkCollision,
    /// Ports that cannot be, or are more than one task may have.
    ImpossiblePort,
    /// Tasks whose agent or framework is not known: they have no names.
    OrphanedTask,
    /// A name that is ours: who wants it gets none.
    ReservedName,
    /// A name that DNS has only in another spelling.
    RewrittenName,
    /// Several services with one name.
    TaskCollision,
    /// Running tasks without an address.
    TaskWithoutAddress,
    /// A name that DNS cannot carry.
    UnencodableName,
}

impl Kind {
    /// Each of them, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::AgentWithoutAddress,
        Self::FrameworkCollision,
        Self::ImpossiblePort,
        Self::OrphanedTask,
        Self::ReservedName,
        Self::RewrittenName,
        Self::TaskCollision,
        Self::TaskWithoutAddress,
        Self::UnencodableName,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentWithoutAddress => "agent-without-address",
            Self::FrameworkCollision => "framework-collision",
            Self::ImpossiblePort => "impossible-port",
            Self::OrphanedTask => "orphaned-task",
            Self::ReservedName => "reserved-name",
            Self::RewrittenName => "rewritten-name",
            Self::TaskCollision => "task-collision",
            Self::TaskWithoutAddress => "task-without-address",
            Self::UnencodableName => "unencodable-name",
        }
    }

    /// The kind with this name in the API.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it means, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::AgentWithoutAddress => {
                "the agent's address is not known: its pid is missing, or its host does not resolve"
            }
            Self::FrameworkCollision => "the names of several frameworks give the same labels",
            Self::ImpossiblePort => "a port is 0, beyond 65535, or one too many, and has no records",
            Self::OrphanedTask => "the task's agent or framework is not known, so it has no names",
            Self::ReservedName => "the name is one of this server's own, so it is withheld",
            Self::RewrittenName => "DNS cannot carry the name as it is; it stands under another one",
            Self::TaskCollision => "several services have this name, and it leads to all of them",
            Self::TaskWithoutAddress => "the task runs, and none of its addresses can be published",
            Self::UnencodableName => "DNS cannot carry the name; only the HTTP API shows it",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub kind: Kind,
    /// Whom it concerns, the first [`OWNERS_MAX`] of them.
    pub owners: Vec<Owner>,
    /// The names concerned, the first [`NAMES_MAX`] of them: of a rewritten name first what was written, then the other.
    pub names: Vec<String>,
    /// How many tasks are concerned.
    pub tasks: u64,
}

/// Whom a problem concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Owner {
    /// The agent's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<str>>,
    /// The framework's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework: Option<Arc<str>>,
    /// The id of one task of the service, the lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Box<str>>,
}

/// What a problem is known by from one count to the next: the same problem has the same key while tasks come and go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What kind of thing.
    pub kind: Kind,
    /// Agent or framework: the first of those concerned.
    pub owner: Arc<str>,
    /// The first of its names.
    pub name: String,
}

impl Problem {
    /// What it is known by.
    pub fn key(&self) -> Key {
        let first = self.owners.first();
        let owner = first.and_then(|owner| owner.agent.as_ref().or(owner.framework.as_ref()));
        Key {
            kind: self.kind,
            owner: owner.cloned().unwrap_or_default(),
            name: self.names.first().cloned().unwrap_or_default(),
        }
    }
}

/// The problems of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// How many there are.
    pub total: u64,
    /// The first [`LISTED_MAX`] of them by their key.
    pub problems: Vec<Problem>,
}

impl Listed {
    /// Counts one more, and lists it if it is among the first.
    fn add(&mut self, problem: Problem) {
        self.total = self.total.saturating_add(1);
        self.problems.push(problem);
        // However many there are, no more are held than it takes to find out which are the first.
        if self.problems.len() >= 2 * LISTED_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.problems.sort_by_cached_key(Problem::key);
        self.problems.truncate(LISTED_MAX);
    }
}

/// Lists what is wrong in one version of the cluster, by kind; a kind without problems is in it too.
pub fn find(cluster: &Cluster, policy: &Policy) -> BTreeMap<Kind, Listed> {
    let mut found = Survey::new(cluster, policy).problems();
    for kind in Kind::ALL {
        found.entry(kind).or_default().cut();
    }
    found
}

#[cfg(test)]
mod tests;
