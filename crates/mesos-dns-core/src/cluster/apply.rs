//! From one version of the cluster to the next.
//!
//! A whole document is compared with what we believed and becomes the set of things it touched: the
//! same shape in which an event will arrive. What did not change keeps its very allocation, so the
//! older version and the newer one share it.

use std::{collections::HashSet, sync::Arc};

use super::{Cluster, Document, Hosts, Masters, Omissions, Task};
use crate::table::{Keyed, Seed, Table};

/// What an update touched, as ids. Everything not named here is the same before and after.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Agents that came, went, or changed (their address included).
    pub agents: HashSet<Arc<str>>,
    /// Frameworks that came, went, or changed (name, address).
    pub frameworks: HashSet<Arc<str>>,
    /// Tasks that came, went, or changed, and tasks of touched agents and frameworks.
    pub tasks: Vec<TaskChange>,
    /// Whether the leader or the list of masters changed, or an address of one.
    pub masters: bool,
    /// Whether something else was left out of what the master said.
    pub omissions: bool,
}

/// A task before and after.
#[derive(Clone, Debug)]
pub struct TaskChange {
    /// As it was; `None` if it is new.
    pub old: Option<Arc<Task>>,
    /// As it is; `None` if it is gone.
    pub new: Option<Arc<Task>>,
}

impl Touched {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        let is_elsewhere = self.masters || self.omissions;
        self.agents.is_empty() && self.frameworks.is_empty() && self.tasks.is_empty() && !is_elsewhere
    }
}

/// Replaces what we believed by what a document says; tells what that touched.
///
/// `masters` and `hosts` come from the caller, who knows whom it asked and looked the names up. The
/// result depends on the values only, not on their order in the document; of entries with one id the
/// later one counts.
pub fn apply(
    old: &Cluster,
    document: Document,
    masters: Masters,
    hosts: Hosts,
    seed: Seed,
) -> (Cluster, Touched) {
    let mut touched = Touched::default();
    let hosts = Arc::new(hosts);
    let agents = replace(&old.agents, document.agents, seed, |before, after| {
        let moved = after.address.iter().any(|at| !old.hosts.agree(&hosts, &at.host));
        if before != Some(after) || moved {
            touched.agents.insert(after.id.clone());
        }
    });
    gone(&old.agents, &agents, |agent| _ = touched.agents.insert(agent.id.clone()));
    let frameworks = replace(&old.frameworks, document.frameworks, seed, |before, after| {
        let moved = after.host.iter().any(|host| !old.hosts.agree(&hosts, host));
        if before != Some(after) || moved {
            touched.frameworks.insert(after.id.clone());
        }
    });
    gone(&old.frameworks, &frameworks, |framework| _ = touched.frameworks.insert(framework.id.clone()));
    let tasks = replace(&old.tasks, document.tasks, seed, |_, _| ());
    for task in tasks.iter() {
        let before = old.tasks.get(task.key());
        let same = before.is_some_and(|before| Arc::ptr_eq(before, task));
        if !same || touched.agents.contains(&task.agent_id) || touched.frameworks.contains(&task.framework_id)
        {
            touched.tasks.push(TaskChange { old: before.cloned(), new: Some(task.clone()) });
        }
    }
    gone(&old.tasks, &tasks, |task| touched.tasks.push(TaskChange { old: Some(task.clone()), new: None }));
    touched.masters = *old.masters != masters || masters.hosts().any(|host| !old.hosts.agree(&hosts, &host));
    let mut omissions = Omissions::new(document.omissions, seed);
    if omissions == old.omissions {
        omissions = old.omissions.clone();
    } else {
        touched.omissions = true;
    }
    (Cluster { agents, frameworks, tasks, masters: Arc::new(masters), hosts, omissions }, touched)
}

/// A table of these values. Where the old table holds an equal one, that allocation is kept.
fn replace<T: PartialEq>(
    old: &Table<Arc<T>>,
    values: Vec<T>,
    seed: Seed,
    mut see: impl FnMut(Option<&T>, &T),
) -> Table<Arc<T>>
where
    Arc<T>: Keyed,
{
    let mut table = Table::with_capacity(seed, values.len());
    for value in values {
        table.insert(Arc::new(value));
    }
    let kept: Vec<Arc<T>> = table
        .iter()
        .filter_map(|new| {
            let before = old.get(new.key());
            see(before.map(|before| &**before), new);
            before.filter(|before| **before == *new).cloned()
        })
        .collect();
    for before in kept {
        table.insert(before);
    }
    table
}

/// Calls `tell` for each entry of `old` that has no successor in `new`.
fn gone<T: Keyed>(old: &Table<T>, new: &Table<T>, mut tell: impl FnMut(&T)) {
    old.iter().filter(|entry| new.get(entry.key()).is_none()).for_each(&mut tell);
}
