//! What is wrong with the names of a cluster, as data.
//!
//! [`find`] walks one version of the cluster and lists what an operator should know of: names that two services share,
//! names that are not what somebody wrote, tasks and agents that nobody finds, and whatever of the master's words could
//! not be used. It is pure and stores nothing, and
//! nothing of it is on the way of an update: whoever wants to know counts again, as often as that is worth it.
//!
//! What is told is told of services, not of tasks: a hundred instances that lack an address are one problem with a
//! hundred tasks. A service is what a framework calls by one name; several instances of one are no collision.
//!
//! `kind`: the kinds there are. `survey`: what the walk finds. `omitted`: what was left out before there was a cluster to
//! walk over.

mod kind;
mod omitted;
mod services;
mod sharing;
mod survey;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

pub use kind::{Kind, Stands};
use survey::Survey;

use crate::{cluster::Cluster, records::Policy};

/// Problems of one kind that are listed; all are counted.
pub const LISTED_MAX: usize = 1000;

/// Names that are told of one problem.
pub const NAMES_MAX: usize = 8;

/// Owners that are told of one problem.
pub const OWNERS_MAX: usize = 8;

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
    /// Of what has no id that can be read: where it begins, in bytes from the beginning of the state document; of an
    /// event, where that ends in the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// What a problem is known by from one count to the next: the same problem has the same key while tasks come and go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What kind of thing.
    pub kind: Kind,
    /// Agent or framework: the first of those concerned.
    pub owner: Arc<str>,
    /// The first of its names; without one, the id of its task.
    pub name: String,
}

impl Problem {
    /// What it is known by.
    pub fn key(&self) -> Key {
        let first = self.owners.first();
        let owner = first.and_then(|owner| owner.agent.as_ref().or(owner.framework.as_ref()));
        let task = first.and_then(|owner| owner.task.as_deref()).map(str::to_owned);
        Key {
            kind: self.kind,
            owner: owner.cloned().unwrap_or_default(),
            name: self.names.first().cloned().or(task).unwrap_or_default(),
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
    omitted::find(cluster, &mut found);
    for kind in Kind::ALL {
        let listed = found.entry(kind).or_default();
        listed.cut();
        // Of these nothing is known but their number.
        let beyond = kind.part().map_or(0, |part| cluster.omissions.beyond(part));
        listed.total = listed.total.saturating_add(beyond);
    }
    found
}

#[cfg(test)]
mod tests;
