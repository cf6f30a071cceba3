//! The simulated cluster as plain values: agents in zones, frameworks, tasks with all that Mesos tells of them.
//!
//! This is the truth; what happens to it over time is in [`life`](crate::life), what a master has learnt of it
//! in [`memory`](crate::memory), how it is shown in [`render`](crate::render). Whatever changes the cluster
//! notes the fact in its [`log`](Fact), the one place from which event streams are told. Times are durations
//! since 1970, as Mesos writes them. Cloning costs an increment per task and agent, so a master can render one
//! moment while the next one comes.

mod agents;
mod frameworks;
mod log;
mod task;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use crate::catalogue::{Flavour, Network, Service};
pub use agents::{Agent, Standing};
pub use frameworks::Framework;
use log::Log;
pub use log::{Fact, Report};
pub use task::{Reason, Source, State, Status, Task};

/// Ended tasks that are remembered in all; Mesos keeps 1,000 per framework.
pub const COMPLETED_TASKS_MAX: usize = 200;

/// Statuses a task keeps; Mesos keeps one per change of state, and health flips make many.
const STATUSES_MAX: usize = 8;

/// Tasks by the number of their launch, the order in which lists show them.
pub type Tasks = BTreeMap<u64, Arc<Task>>;

/// Everything a leader knows that has seen all of it. Agents and frameworks that went stay in their places, so
/// that an index means one of them for ever.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Agents, by index.
    pub agents: Vec<Arc<Agent>>,
    /// Frameworks, by index.
    pub frameworks: Arc<[Framework]>,
    /// Services, by index.
    pub services: Arc<[Service]>,
    /// Tasks that have not ended.
    pub tasks: Tasks,
    /// Tasks that have, newest last.
    pub completed: VecDeque<Arc<Task>>,
    /// When it all began.
    pub born: Duration,
    log: Log,
}

impl Cluster {
    /// A cluster of this size without tasks.
    pub(crate) fn empty(agents: usize, services: Vec<Service>, born: Duration) -> Self {
        Self {
            agents: (0..agents).map(|index| Arc::new(Agent::new(index, born))).collect(),
            frameworks: frameworks::first(born).into(),
            services: services.into(),
            tasks: Tasks::new(),
            completed: VecDeque::new(),
            born,
            log: Log::default(),
        }
    }

    /// A cluster without anything in it.
    pub(crate) fn blank(born: Duration) -> Self {
        let (frameworks, services) = (Vec::new().into(), Vec::new().into());
        let (tasks, completed, log) = (Tasks::new(), VecDeque::new(), Log::default());
        Self { agents: Vec::new(), frameworks, services, tasks, completed, born, log }
    }

    /// Takes over facts that were drained from a cluster of which this is a copy.
    pub(crate) fn adopt(&mut self, facts: Vec<Fact>) {
        facts.into_iter().for_each(|fact| self.log.note(|| fact));
    }

    /// The service of a task.
    pub fn service(&self, task: &Task) -> &Service {
        &self.services[task.service]
    }

    /// The framework of a task.
    pub fn framework(&self, task: &Task) -> &Framework {
        &self.frameworks[self.service(task).framework]
    }

    /// The agent of a task.
    pub fn agent(&self, task: &Task) -> &Agent {
        &self.agents[task.agent]
    }

    /// From now on notes what happens, for [`drain`](Self::drain).
    pub fn record(&mut self) {
        self.log.record();
    }

    /// What happened since the last call, oldest first.
    pub fn drain(&mut self) -> Vec<Fact> {
        self.log.drain()
    }

    /// Adds a staging task.
    pub(crate) fn launch(
        &mut self,
        launch: u64,
        id: String,
        container: String,
        service: usize,
        agent: usize,
    ) {
        let wanted = &self.services[service];
        let place = Arc::make_mut(&mut self.agents[agent]);
        let count = if wanted.network.takes_ports() { wanted.ports.len() } else { 0 };
        let ports = place.take_ports(count);
        let addresses =
            container_addresses(wanted.network, launch).unwrap_or_else(|| place.addresses().collect());
        let (state, healthy, statuses) = (State::Staging, None, Vec::new());
        self.add(Task { launch, id, service, agent, state, ports, addresses, container, healthy, statuses });
    }

    /// Adds a task that is made already.
    pub(crate) fn add(&mut self, task: Task) {
        Arc::make_mut(&mut self.agents[task.agent]).tasks += 1;
        let task = Arc::new(task);
        self.tasks.insert(task.launch, task.clone());
        self.log.note(|| Fact::Launched(task));
    }

    /// Notes what an executor reports of a living task; it leaves the living once the state is a last one.
    /// Returns the task as it is then; `None` if it does not live.
    pub fn report(
        &mut self,
        launch: u64,
        state: State,
        healthy: Option<bool>,
        at: Duration,
    ) -> Option<Arc<Task>> {
        let task = self.tasks.get(&launch)?;
        let addresses = match state {
            // The executor does not know the container's addresses yet; the agent fills in its own.
            State::Starting => self.agent(task).addresses().collect(),
            _ => task.addresses.clone(),
        };
        // A failing check reports each time, a passing one when it did not pass before.
        let checked = state == State::Running && task.state == State::Running && healthy.is_some();
        let reason =
            (checked && (healthy == Some(false) || task.healthy != healthy)).then_some(Reason::Health);
        let status = Status { state, at, addresses, healthy, source: Source::Executor, reason };
        self.receive(launch, status, state)
    }

    /// Notes that a task starts, told so late that its agent knows already that it runs; that it runs is then to
    /// be [reported](Self::report) itself.
    pub fn report_late_start(&mut self, launch: u64, at: Duration) -> Option<Arc<Task>> {
        let addresses = self.agent(self.tasks.get(&launch)?).addresses().collect();
        let (state, source) = (State::Starting, Source::Executor);
        let status = Status { state, at, addresses, healthy: None, source, reason: None };
        self.receive(launch, status, State::Running)
    }

    /// Notes that a check failed, told so late that the task's agent knows already that it is being killed.
    pub(crate) fn report_late_failure(&mut self, launch: u64, at: Duration) -> Option<Arc<Task>> {
        let addresses = self.tasks.get(&launch)?.addresses.clone();
        let (state, source, reason) = (State::Running, Source::Executor, Some(Reason::Health));
        let status = Status { state, at, addresses, healthy: Some(false), source, reason };
        self.receive(launch, status, State::Killing)
    }

    /// Repeats that a task runs: its executor reports it again, perhaps from other addresses, which no stream tells.
    pub fn repeat_running(&mut self, launch: u64, addresses: Option<Vec<IpAddr>>, at: Duration) {
        let Some(task) = self.tasks.get_mut(&launch) else { return };
        if task.state != State::Running {
            return;
        }
        let task = Arc::make_mut(task);
        task.addresses = addresses.unwrap_or_else(|| task.addresses.clone());
        let (addresses, healthy) = (task.addresses.clone(), task.healthy);
        let (state, source) = (State::Running, Source::Executor);
        self.receive(launch, Status { state, at, addresses, healthy, source, reason: None }, state);
    }

    /// Notes what the master itself finds out about a task.
    fn decree(&mut self, launch: u64, state: State, reason: Reason, at: Duration) {
        let (addresses, source) = (Vec::new(), Source::Master);
        let status = Status { state, at, addresses, healthy: None, source, reason: Some(reason) };
        self.receive(launch, status, state);
    }

    /// Takes a status of a task whose agent knows it in this state (`Master::updateTask` of Mesos).
    fn receive(&mut self, launch: u64, status: Status, state: State) -> Option<Arc<Task>> {
        let shared = self.tasks.get_mut(&launch)?;
        let task = Arc::make_mut(shared);
        let (before, last_told) = (task.state, task.statuses.last().map(|last| last.state));
        task.state = state;
        if status.source == Source::Executor {
            task.healthy = status.healthy;
        }
        match task.statuses.last_mut() {
            Some(last) if last.state == status.state => *last = status.clone(),
            _ => task.statuses.push(status.clone()),
        }
        let surplus = task.statuses.len().saturating_sub(STATUSES_MAX);
        task.statuses.drain(..surplus);
        let after = shared.clone();
        self.log.note(|| Fact::Reported(Report { task: after, status, before, last_told }));
        if state.is_last() { self.end(launch) } else { self.tasks.get(&launch).cloned() }
    }

    fn end(&mut self, launch: u64) -> Option<Arc<Task>> {
        let task = self.tasks.remove(&launch)?;
        let agent = Arc::make_mut(&mut self.agents[task.agent]);
        agent.tasks = agent.tasks.saturating_sub(1);
        for port in &task.ports {
            agent.ports.remove(port);
        }
        self.completed.push_back(task.clone());
        if self.completed.len() > COMPLETED_TASKS_MAX {
            self.completed.pop_front();
        }
        Some(task)
    }

    fn launches(&self, wanted: impl Fn(&Task) -> bool) -> Vec<u64> {
        self.tasks.values().filter(|task| wanted(task)).map(|task| task.launch).collect()
    }
}

/// Prefix of all ids: that of a master long gone, as in any cluster that has seen a failover.
pub(crate) const CLUSTER_ID: &str = "5f8e1c0a-7d2b-4f6e-9a41-c0ffee000000";

/// Places in the list of [`frameworks`], and how many services each has for how many of the others'.
pub(crate) const SHARES: [(usize, Flavour, usize); 4] =
    [(0, Flavour::Marathon, 6), (1, Flavour::Aurora, 2), (2, Flavour::Sdk, 5), (3, Flavour::Chronos, 1)];

/// Addresses of a container with a network of its own, from the number of its launch.
fn container_addresses(network: Network, launch: u64) -> Option<Vec<IpAddr>> {
    let [.., a, b, c] = launch.to_be_bytes();
    let four = Ipv4Addr::new(9, a, b, c).into();
    let six = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, u16::from(a), u16::from_be_bytes([b, c])).into();
    match network {
        Network::Detached | Network::DockerHost | Network::Host => None,
        Network::Bridge => Some(vec![Ipv4Addr::new(172, 17, b, c.max(2)).into()]),
        Network::Mapped => Some(vec![Ipv4Addr::new(172, 31, b, c.max(2)).into()]),
        Network::Container { dual_stack: true } => Some(vec![four, six]),
        Network::Container { dual_stack: false } => Some(vec![four]),
        Network::DockerUser | Network::Pod | Network::Unnamed => Some(vec![four]),
        Network::Six => Some(vec![six]),
        Network::Two => Some(vec![four, Ipv4Addr::new(11, a, b, c).into()]),
    }
}
