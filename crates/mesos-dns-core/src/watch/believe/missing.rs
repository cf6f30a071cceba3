//! What of the cluster a document does not account for. Apart from the judgement, which only asks it questions.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::cluster::{Cluster, Document, Framework, Task};

/// What we believe in and a document does not account for.
pub(super) struct Missing<'a> {
    /// Tasks that it neither shows nor reports as unreachable: a loss that the leader explains is none to doubt.
    pub(super) tasks: Vec<Arc<Task>>,
    present: HashSet<(&'a str, &'a str)>,
    registered: HashSet<&'a str>,
    /// The document's frameworks by id.
    pub(super) frameworks: HashMap<&'a str, &'a Framework>,
    /// The document shows no task and no agent, not even a recovered one, while we know of some: its master
    /// has not read the registry, or there is no cluster any more.
    pub(super) everything: bool,
}

impl<'a> Missing<'a> {
    /// Compares.
    pub(super) fn new(old: &Cluster, document: &'a Document) -> Self {
        let present: HashSet<_> =
            document.tasks.iter().map(|task| (&*task.framework_id, &*task.id)).collect();
        let explained: HashSet<_> = document.unreachable.iter().map(|(of, id)| (&**of, &**id)).collect();
        let is_missing = |task: &&Arc<Task>| {
            let key = (&*task.framework_id, &*task.id);
            !present.contains(&key) && !explained.contains(&key)
        };
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

    /// Whether the document shows this agent as registered.
    pub(super) fn is_registered(&self, agent: &str) -> bool {
        self.registered.contains(agent)
    }

    /// Whether the document shows this task.
    pub(super) fn has(&self, task: &Task) -> bool {
        self.present.contains(&(&*task.framework_id, &*task.id))
    }
}
