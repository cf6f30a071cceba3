//! The tasks of a cluster that are answered or hidden, service by service.
//!
//! A sorted list of references is all that is kept: what there is to know of a service is counted by whoever asks, from
//! its tasks. So a hundred thousand tasks take less than a megabyte while they are looked at.

use std::sync::Arc;

use super::Owner;
use crate::{
    cluster::{Agent, Cluster, Framework, PortKind, Task, Visibility},
    records::{self, Policy},
};

/// Tasks of one service whose names are looked at, of those that publish different ones.
const SAMPLES_MAX: usize = 16;

/// See the head of this file.
pub(super) struct Services<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
    /// By framework, by service, by id.
    tasks: Vec<&'a Task>,
    /// Where in the list each service begins.
    starts: Vec<usize>,
}

/// What a framework calls by one name.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
    /// The framework, which may not be known.
    pub(super) framework: Option<&'a Framework>,
    /// The one with the lowest id.
    pub(super) first: &'a Task,
    tasks: &'a [&'a Task],
}

impl<'a> Services<'a> {
    pub(super) fn of(cluster: &'a Cluster, policy: &'a Policy) -> Self {
        let is_looked_at =
            |task: &&Task| records::is_answered(task, policy) || records::is_hidden(task, policy);
        let mut tasks: Vec<&Task> = cluster.tasks.iter().map(|task| &**task).filter(is_looked_at).collect();
        tasks.sort_unstable_by_key(|task| (&*task.framework_id, &**task.service_name(), &*task.id));
        let mut starts = Vec::new();
        let mut start = 0_usize;
        for service in tasks.chunk_by(|one, other| {
            (&one.framework_id, one.service_name()) == (&other.framework_id, other.service_name())
        }) {
            starts.push(start);
            start = start.saturating_add(service.len());
        }
        Self { cluster, policy, tasks, starts }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<Service<'_>> {
        let start = *self.starts.get(at)?;
        let end = self.starts.get(at.saturating_add(1)).copied().unwrap_or(self.tasks.len());
        let tasks = self.tasks.get(start..end)?;
        let first = *tasks.first()?;
        let framework = self.cluster.frameworks.get(&*first.framework_id).map(|framework| &**framework);
        Some(Service { cluster: self.cluster, policy: self.policy, framework, first, tasks })
    }

    /// All of them, in the order of their frameworks' ids and their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = Service<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'a> Service<'a> {
    pub(super) fn framework_id(&self) -> &'a Arc<str> {
        &self.first.framework_id
    }

    pub(super) fn name(&self) -> &'a str {
        self.first.service_name()
    }

    /// Its tasks that are answered, each with its agent if that is known.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (&'a Task, Option<&'a Agent>)> {
        let (cluster, policy) = (self.cluster, self.policy);
        let answered = self.tasks.iter().filter(move |task| !records::is_hidden(task, policy));
        answered.map(move |task| (*task, cluster.agents.get(&*task.agent_id).map(|agent| &**agent)))
    }

    /// How many these are.
    pub(super) fn count(&self) -> u64 {
        self.tasks().count() as u64
    }

    /// How many are not shown, or not all of them.
    pub(super) fn hidden(&self) -> u64 {
        self.tasks.iter().filter(|task| records::hides(task, self.policy)).count() as u64
    }

    pub(super) fn owner(&self) -> Owner {
        let framework = Some(self.framework_id().clone());
        Owner { framework, task: Some(self.first.id.clone()), ..Owner::default() }
    }

    /// Tasks with their agents, each of which may publish other names.
    pub(super) fn samples(&self) -> Vec<(&'a Task, &'a Agent)> {
        let mut samples: Vec<(&Task, &Agent)> = Vec::new();
        for (task, agent) in self.tasks() {
            let Some(agent) = agent else { continue };
            let is_known = samples.iter().any(|(sample, _)| are_alike(sample, task));
            if !is_known && samples.len() < SAMPLES_MAX {
                samples.push((task, agent));
            }
        }
        samples
    }
}

/// Whether two tasks of one service publish names of the same kinds.
fn are_alike(one: &Task, other: &Task) -> bool {
    fn kinds(task: &Task) -> impl Iterator<Item = &PortKind> {
        task.discovery.iter().flat_map(|discovery| discovery.ports.iter()).map(|port| &*port.kind)
    }
    fn networks(task: &Task) -> impl Iterator<Item = Option<&str>> {
        task.addresses.iter().map(|address| address.network.as_deref().map(String::as_str))
    }
    fn aliases(task: &Task) -> Option<&[Arc<str>]> {
        task.labels.as_ref().map(|labels| &*labels.aliases)
    }
    fn visibility(task: &Task) -> Option<Visibility> {
        task.discovery.as_ref().map(|discovery| discovery.visibility)
    }
    // By its state, its health, and by who is to see it, a task has all of its names, or few, or none.
    (one.state, one.healthy, one.is_checked) == (other.state, other.healthy, other.is_checked)
        && visibility(one) == visibility(other)
        && one.ports.is_empty() == other.ports.is_empty()
        && aliases(one) == aliases(other)
        && kinds(one).eq(kinds(other))
        && networks(one).eq(networks(other))
}
