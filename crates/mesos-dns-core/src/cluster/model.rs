//! The writer's side of the cluster: takes in documents and events, and says what they touched.
//!
//! Readers see a [`Cluster`], a frozen version. The [`Model`] holds the newest one, and beside it what only its
//! writer needs to make an event cost what it touches: which tasks run on an agent, how many a framework has.
//!
//! The order in which things become known does not matter. A task may come before its agent or its framework:
//! it is kept, has no records yet, and is touched once the missing one comes. What is touched twice between two
//! calls of [`Model::take`] is told once, as it was before and as it is now.

mod omitted;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Agent, Change, Cluster, Document, Framework, Host, Hosts, Masters, RunningStatus, Task, TaskChange,
    TaskUpdate, Touched, apply,
};
use crate::table::Seed;

/// Framework id and task id.
pub type TaskKey = (Arc<str>, Box<str>);

/// Whether a change concerned something that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// It was.
    Known,
    /// It concerns a task that nobody told us of: something was missed, or is hidden from us.
    Unknown,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Model {
    cluster: Cluster,
    seed: Seed,
    tasks_on: HashMap<Arc<str>, Vec<Arc<Task>>>,
    /// Number of tasks by framework, known or not.
    tasks_of: HashMap<Arc<str>, usize>,
    /// What was touched since it was last taken.
    touched: Pending,
}

/// What was touched, with tasks as they were before.
#[derive(Debug, Default)]
struct Pending {
    agents: HashSet<Arc<str>>,
    frameworks: HashSet<Arc<str>>,
    tasks: HashMap<TaskKey, Option<Arc<Task>>>,
    masters: bool,
    omissions: bool,
}

impl Model {
    /// Nothing known yet. `seed` starts the hash functions of the tables.
    pub fn new(seed: Seed) -> Self {
        Self { cluster: Cluster::empty(seed), seed, ..Self::default() }
    }

    /// Goes on from a cluster that was known before.
    pub fn with(cluster: Cluster, seed: Seed) -> Self {
        let mut model = Self { seed, ..Self::default() };
        cluster.tasks.iter().for_each(|task| model.remember(task));
        model.cluster = cluster;
        model
    }

    /// The newest version.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Replaces everything by what a document says. What was touched before must have been taken.
    pub fn replace(&mut self, document: Document, masters: Masters, hosts: Hosts) -> Touched {
        debug_assert!(self.touched.is_empty(), "changes are taken before a document comes");
        let (cluster, touched) = apply(&self.cluster, document, masters, hosts, self.seed);
        self.cluster = cluster;
        for TaskChange { old, new } in &touched.tasks {
            if let (Some(old), Some(new)) = (old, new)
                && Arc::ptr_eq(old, new)
            {
                continue;
            }
            old.iter().for_each(|task| self.forget(task));
            new.iter().for_each(|task| self.remember(task));
        }
        touched
    }

    /// Takes in what one event says.
    pub fn change(&mut self, change: Change) -> Subject {
        if !self.cluster.omissions.is_empty() {
            self.set_right(&change);
        }
        match change {
            Change::AgentAdded(agent) => self.add_agent(agent),
            Change::AgentRemoved(id) => self.remove_agent(&id),
            Change::FrameworkAdded(framework) => self.add_framework(framework),
            Change::FrameworkAt { id, host, port } => self.place_framework(&id, host, port),
            Change::FrameworkRemoved(id) => self.remove_framework(&id),
            Change::Omitted(omissions) => self.omit(omissions),
            Change::TaskAdded(task) => self.add_task(task),
            // One that is not known is no surprise: it was unreachable before, or ended more than once.
            Change::TaskEnded { framework_id, id } => _ = self.take_out(&framework_id, &id),
            Change::TaskUpdated(update) => return self.update_task(update),
        }
        Subject::Known
    }

    /// Takes in the addresses of host names that were looked up; names that are not given keep theirs.
    pub fn resolve(&mut self, found: Hosts) {
        let hosts = Arc::new(self.cluster.hosts.with(found));
        let before = std::mem::replace(&mut self.cluster.hosts, hosts.clone());
        let moved: Vec<_> = self
            .cluster
            .agents
            .iter()
            .filter(|agent| agent.address.iter().any(|at| !before.agree(&hosts, &at.host)))
            .map(|agent| agent.id.clone())
            .collect();
        moved.into_iter().for_each(|id| self.touch_agent(id));
        let moved = self
            .cluster
            .frameworks
            .iter()
            .filter(|framework| framework.host.iter().any(|host| !before.agree(&hosts, host)));
        self.touched.frameworks.extend(moved.map(|framework| framework.id.clone()));
        self.touched.masters |= self.cluster.masters.hosts().any(|host| !before.agree(&hosts, &host));
    }

    /// Takes in who leads, and which masters there are.
    pub fn lead(&mut self, masters: Masters) {
        if *self.cluster.masters != masters {
            self.cluster.masters = Arc::new(masters);
            self.touched.masters = true;
        }
    }

    /// Whether anything was touched since the last call of [`Model::take`].
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Tells what was touched since the last call. What is as it was before is not in it.
    pub fn take(&mut self) -> Touched {
        let Pending { agents, frameworks, tasks, masters, omissions } = std::mem::take(&mut self.touched);
        let mut changes = Vec::with_capacity(tasks.len());
        for ((framework_id, id), old) in tasks {
            let new = self.cluster.tasks.get((&*framework_id, &*id)).cloned();
            let place_touched =
                |task: &Arc<Task>| agents.contains(&task.agent_id) || frameworks.contains(&task.framework_id);
            if old != new || new.as_ref().is_some_and(place_touched) {
                changes.push(TaskChange { old, new });
            }
        }
        Touched { agents, frameworks, tasks: changes, masters, omissions }
    }

    /// The tasks that run on an agent.
    pub fn tasks_on(&self, agent: &str) -> &[Arc<Task>] {
        self.tasks_on.get(agent).map_or(&[], Vec::as_slice)
    }

    //--- Agents and frameworks

    fn add_agent(&mut self, mut agent: Agent) {
        let before = self.cluster.agents.get(&*agent.id);
        if before.is_some_and(|before| **before == agent) {
            return;
        }
        if let Some(before) = before {
            agent.id = before.id.clone();
        }
        let id = agent.id.clone();
        self.cluster.agents.insert(Arc::new(agent));
        self.touch_agent(id);
    }

    fn remove_agent(&mut self, id: &str) {
        let Some(agent) = self.cluster.agents.remove(id) else { return };
        for task in self.tasks_on(id).to_vec() {
            self.take_out(&task.framework_id, &task.id);
        }
        self.touched.agents.insert(agent.id.clone());
    }

    /// An agent with all its tasks: their addresses are its own.
    fn touch_agent(&mut self, id: Arc<str>) {
        for task in self.tasks_on(&id).to_vec() {
            self.touch_task(&task.framework_id, &task.id);
        }
        self.touched.agents.insert(id);
    }

    fn add_framework(&mut self, mut framework: Framework) {
        let before = self.cluster.frameworks.get(&*framework.id).cloned();
        (framework.host, framework.port) =
            before.as_ref().map(|before| (before.host.clone(), before.port)).unwrap_or_default();
        if let Some(before) = &before {
            framework.id = before.id.clone();
            if **before == framework {
                return;
            }
        }
        let is_renamed = before.is_none_or(|before| before.name != framework.name);
        let id = framework.id.clone();
        self.cluster.frameworks.insert(Arc::new(framework));
        if is_renamed {
            self.touch_tasks_of(&id);
        }
        self.touched.frameworks.insert(id);
    }

    fn place_framework(&mut self, id: &str, host: Option<Host>, port: Option<u16>) {
        let Some(before) = self.cluster.frameworks.get(id) else { return };
        let framework = Framework { host, port, ..Framework::clone(before) };
        if framework != **before {
            self.touched.frameworks.insert(framework.id.clone());
            self.cluster.frameworks.insert(Arc::new(framework));
        }
    }

    fn remove_framework(&mut self, id: &str) {
        let Some(framework) = self.cluster.frameworks.remove(id) else { return };
        for task in self.tasks_of(id) {
            self.take_out(&task.framework_id, &task.id);
        }
        self.touched.frameworks.insert(framework.id.clone());
    }

    fn touch_tasks_of(&mut self, framework: &str) {
        for task in self.tasks_of(framework) {
            self.touch_task(&task.framework_id, &task.id);
        }
    }

    /// All tasks of a framework. Frameworks are renamed, and come after their tasks or go before them, so seldom
    /// that no list is kept for it: where there are any, all tasks are looked at.
    fn tasks_of(&self, framework: &str) -> Vec<Arc<Task>> {
        if !self.tasks_of.contains_key(framework) {
            return Vec::new();
        }
        self.cluster.tasks.iter().filter(|task| *task.framework_id == *framework).cloned().collect()
    }

    //--- Tasks

    fn add_task(&mut self, mut task: Task) {
        self.share_ids(&mut task);
        self.put(task);
    }

    fn update_task(&mut self, update: TaskUpdate) -> Subject {
        let Some(before) = self.cluster.tasks.get((&*update.framework_id, &*update.id)) else {
            return Subject::Unknown;
        };
        let mut task = Task::clone(before);
        task.state = update.state;
        if let Some(RunningStatus { healthy, addresses }) = update.running {
            task.healthy = healthy;
            task.addresses = addresses.unwrap_or(task.addresses);
        }
        if task != **before {
            self.put(task);
        }
        Subject::Known
    }

    /// Something else is believed of the health of a task that may be known.
    pub fn change_health(&mut self, (framework_id, id): &TaskKey, healthy: Option<bool>) {
        let Some(before) = self.cluster.tasks.get((&**framework_id, &**id)) else { return };
        if before.healthy != healthy {
            self.put(Task { healthy, ..Task::clone(before) });
        }
    }

    fn put(&mut self, task: Task) {
        self.touch_task(&task.framework_id, &task.id);
        let task = Arc::new(task);
        if let Some(before) = self.cluster.tasks.insert(task.clone()) {
            self.forget(&before);
        }
        self.remember(&task);
    }

    fn take_out(&mut self, framework_id: &str, id: &str) -> Option<Arc<Task>> {
        let task = self.cluster.tasks.get((framework_id, id))?.clone();
        self.touch_task(&task.framework_id, &task.id);
        self.cluster.tasks.remove((framework_id, id));
        self.forget(&task);
        Some(task)
    }

    /// Notes how a task was, the first time that it is touched.
    fn touch_task(&mut self, framework_id: &Arc<str>, id: &str) {
        let key = (framework_id.clone(), id.into());
        let before = self.cluster.tasks.get((&**framework_id, id));
        self.touched.tasks.entry(key).or_insert_with(|| before.cloned());
    }

    fn remember(&mut self, task: &Arc<Task>) {
        self.tasks_on.entry(task.agent_id.clone()).or_default().push(task.clone());
        let count = self.tasks_of.entry(task.framework_id.clone()).or_default();
        *count = count.saturating_add(1);
    }

    fn forget(&mut self, task: &Arc<Task>) {
        if let Some(there) = self.tasks_on.get_mut(&task.agent_id) {
            if let Some(place) = there.iter().position(|other| Arc::ptr_eq(other, task)) {
                there.swap_remove(place);
            }
            if there.is_empty() {
                self.tasks_on.remove(&task.agent_id);
            }
        }
        if let Some(count) = self.tasks_of.get_mut(&task.framework_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.tasks_of.remove(&task.framework_id);
            }
        }
    }

    /// Equal texts have one allocation: what an event says again of a task is not held twice.
    fn share_ids(&self, task: &mut Task) {
        if let Some(agent) = self.cluster.agents.get(&*task.agent_id) {
            task.agent_id = agent.id.clone();
        }
        if let Some(framework) = self.cluster.frameworks.get(&*task.framework_id) {
            task.framework_id = framework.id.clone();
        }
        let twin = self.tasks_on(&task.agent_id).iter().find(|other| other.name == task.name);
        if let Some(twin) = twin {
            task.name = twin.name.clone();
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        let is_elsewhere = self.masters || self.omissions;
        self.agents.is_empty() && self.frameworks.is_empty() && self.tasks.is_empty() && !is_elsewhere
    }
}

#[cfg(test)]
mod tests;
