//! The simulated cluster as plain values: agents in zones, frameworks, tasks with all that Mesos tells of them.
//!
//! What happens to it over time is in [`life`](crate::life), how a master shows it in
//! [`render`](crate::render). Times are durations since 1970, as Mesos writes them. Cloning costs an
//! increment per task and agent, so a master can render one moment while the next one comes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use crate::catalogue::{Flavour, Network, SDK_NAME, Service};

/// Ended tasks that are remembered in all; Mesos keeps 1,000 per framework.
pub const COMPLETED_TASKS_MAX: usize = 200;

/// Statuses a task keeps; Mesos keeps one per change of state, and health flips make many.
const STATUSES_MAX: usize = 8;

/// First port that agents offer to tasks.
const PORT_FIRST: u16 = 31_000;

/// Last port that agents offer to tasks.
const PORT_LAST: u16 = 32_000;

/// Tasks by the number of their launch, the order in which lists show them.
pub type Tasks = BTreeMap<u64, Arc<Task>>;

/// Everything a settled leader knows.
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
}

/// A machine that runs tasks.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Agent id, `…-S7`.
    pub id: String,
    /// A name that nobody can resolve, as is common.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its IPv6 address, known to tasks only.
    pub address6: Option<Ipv6Addr>,
    /// Region of its fault domain.
    pub region: &'static str,
    /// Zone of its fault domain.
    pub zone: String,
    /// Whether the master can reach it; if not, its tasks are unreachable.
    pub reachable: bool,
    /// Ports in use by tasks.
    pub ports: BTreeSet<u16>,
    next_port: u16,
}

/// A framework, without its tasks.
#[derive(Clone, Debug)]
pub struct Framework {
    /// Framework id, `…-0001`.
    pub id: String,
    /// Its name, free text.
    pub name: &'static str,
    /// Its manner of naming.
    pub flavour: Flavour,
    /// Address of its scheduler.
    pub address: Ipv4Addr,
    /// Port of its scheduler; schedulers on the HTTP API have none, and no `pid`.
    pub port: Option<u16>,
}

/// States a task goes through here, in the order of a usual life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    Staging,
    Starting,
    Running,
    Killing,
    Unreachable,
    Finished,
    Failed,
    Killed,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Number of its launch, unique.
    pub launch: u64,
    /// Task id.
    pub id: String,
    /// Index of its service.
    pub service: usize,
    /// Index of its agent.
    pub agent: usize,
    /// Latest state.
    pub state: State,
    /// Ports of the agent that it was given, in the order of the service's ports.
    pub ports: Vec<u16>,
    /// Where its container listens.
    pub addresses: Vec<IpAddr>,
    /// Id of its container.
    pub container: String,
    /// Last result of its health check.
    pub healthy: Option<bool>,
    /// What was reported, oldest first.
    pub statuses: Vec<Status>,
}

/// One report on a task.
#[derive(Clone, Debug)]
pub struct Status {
    /// The state reported.
    pub state: State,
    /// When.
    pub at: Duration,
    /// The addresses as known then; none in what the master itself reports.
    pub addresses: Vec<IpAddr>,
    /// Health as known then.
    pub healthy: Option<bool>,
}

impl Cluster {
    /// A cluster of this size without tasks.
    pub(crate) fn empty(agents: usize, services: Vec<Service>, born: Duration) -> Self {
        Self {
            agents: (0..agents).map(|index| Arc::new(Agent::new(index))).collect(),
            frameworks: frameworks().into(),
            services: services.into(),
            tasks: Tasks::new(),
            completed: VecDeque::new(),
            born,
        }
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
        let ports = match wanted.network {
            // The container's own ports suffice where everybody reaches the container.
            Network::Container { .. } => Vec::new(),
            Network::Bridge | Network::Host => {
                Arc::make_mut(&mut self.agents[agent]).take_ports(wanted.ports.len())
            }
        };
        let addresses = container_addresses(wanted.network, launch)
            .unwrap_or_else(|| self.agents[agent].addresses().collect());
        let task = Task {
            launch,
            id,
            service,
            agent,
            state: State::Staging,
            ports,
            addresses,
            container,
            healthy: None,
            statuses: Vec::new(),
        };
        self.tasks.insert(launch, Arc::new(task));
    }

    /// Notes what is reported of a living task; it leaves the living once the state is a last one.
    /// Returns the task as it is then; `None` if it does not live.
    pub(crate) fn report(
        &mut self,
        launch: u64,
        state: State,
        healthy: Option<bool>,
        at: Duration,
    ) -> Option<Arc<Task>> {
        let task = Arc::make_mut(self.tasks.get_mut(&launch)?);
        let agent = &self.agents[task.agent];
        let addresses = match state {
            State::Staging | State::Unreachable => Vec::new(),
            // The executor does not know the container's addresses yet; the agent fills in its own.
            State::Starting => agent.addresses().collect(),
            _ => task.addresses.clone(),
        };
        task.state = state;
        task.healthy = healthy;
        let status = Status { state, at, addresses, healthy };
        match task.statuses.last_mut() {
            Some(last) if last.state == state => *last = status,
            _ => task.statuses.push(status),
        }
        let surplus = task.statuses.len().saturating_sub(STATUSES_MAX);
        task.statuses.drain(..surplus);
        if state.is_last() { self.end(launch) } else { self.tasks.get(&launch).cloned() }
    }

    fn end(&mut self, launch: u64) -> Option<Arc<Task>> {
        let task = self.tasks.remove(&launch)?;
        let agent = Arc::make_mut(&mut self.agents[task.agent]);
        for port in &task.ports {
            agent.ports.remove(port);
        }
        self.completed.push_back(task.clone());
        if self.completed.len() > COMPLETED_TASKS_MAX {
            self.completed.pop_front();
        }
        Some(task)
    }

    /// Cuts an agent off: its tasks become unreachable, as 75 s after a machine died.
    pub fn lose_agent(&mut self, agent: usize, now: Duration) {
        Arc::make_mut(&mut self.agents[agent]).reachable = false;
        self.report_all(agent, State::Unreachable, now);
    }

    /// Brings a lost agent back with its tasks running, as after a partition.
    pub fn return_agent(&mut self, agent: usize, now: Duration) {
        Arc::make_mut(&mut self.agents[agent]).reachable = true;
        self.report_all(agent, State::Running, now);
    }

    fn report_all(&mut self, agent: usize, state: State, now: Duration) {
        let there: Vec<u64> =
            self.tasks.values().filter(|task| task.agent == agent).map(|task| task.launch).collect();
        for launch in there {
            let healthy = self.tasks[&launch].healthy;
            self.report(launch, state, healthy, now);
        }
    }
}

impl Agent {
    fn new(index: usize) -> Self {
        // Two zones in the first region, one in the second; the second octet tells them apart.
        let zone = index % 3;
        let (region, letter) = [("eu-west", 'a'), ("eu-west", 'b'), ("us-east", 'a')][zone];
        let (high, low) = (index / 3 / 250, index / 3 % 250 + 1);
        Self {
            id: format!("{CLUSTER_ID}-S{index}"),
            hostname: format!("node{index}.{region}.example"),
            address: Ipv4Addr::new(10, (zone + 1 + 3 * (high / 256)) as u8, high as u8, low as u8),
            address6: (zone == 0).then(|| Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, high as u16, low as u16)),
            region,
            zone: format!("{region}-{letter}"),
            reachable: true,
            ports: BTreeSet::new(),
            next_port: PORT_FIRST,
        }
    }

    /// The addresses that a task in the agent's own network has.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [self.address.into()].into_iter().chain(self.address6.map(Into::into))
    }

    /// Takes free ports; fewer if the agent has no more.
    fn take_ports(&mut self, count: usize) -> Vec<u16> {
        let mut taken = Vec::with_capacity(count);
        for _ in PORT_FIRST..=PORT_LAST {
            if taken.len() == count {
                break;
            }
            if self.ports.insert(self.next_port) {
                taken.push(self.next_port);
            }
            self.next_port = if self.next_port == PORT_LAST { PORT_FIRST } else { self.next_port + 1 };
        }
        taken
    }
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Staging,
        Self::Starting,
        Self::Running,
        Self::Killing,
        Self::Unreachable,
        Self::Finished,
        Self::Failed,
        Self::Killed,
    ];

    /// The name Mesos gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "TASK_STAGING",
            Self::Starting => "TASK_STARTING",
            Self::Running => "TASK_RUNNING",
            Self::Killing => "TASK_KILLING",
            Self::Unreachable => "TASK_UNREACHABLE",
            Self::Finished => "TASK_FINISHED",
            Self::Failed => "TASK_FAILED",
            Self::Killed => "TASK_KILLED",
        }
    }

    /// Whether nothing follows.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// Prefix of all ids: that of a master long gone, as in any cluster that has seen a failover.
pub(crate) const CLUSTER_ID: &str = "5f8e1c0a-7d2b-4f6e-9a41-c0ffee000000";

/// Places in the list of [`frameworks`], and how many services each has for how many of the others'.
pub(crate) const SHARES: [(usize, Flavour, usize); 4] =
    [(0, Flavour::Marathon, 6), (1, Flavour::Aurora, 2), (2, Flavour::Sdk, 5), (3, Flavour::Chronos, 1)];

fn frameworks() -> Vec<Framework> {
    let names = ["marathon", "Aurora", SDK_NAME, "chronos"];
    SHARES
        .iter()
        .zip(names)
        .map(|((index, flavour, _), name)| Framework {
            id: format!("{CLUSTER_ID}-{index:04}"),
            name,
            flavour: *flavour,
            address: Ipv4Addr::new(10, 0, 0, 10 + *index as u8),
            port: (*flavour != Flavour::Sdk).then_some(15_100 + *index as u16),
        })
        .collect()
}

/// Addresses of a container with a network of its own, from the number of its launch.
fn container_addresses(network: Network, launch: u64) -> Option<Vec<IpAddr>> {
    let [.., a, b, c] = launch.to_be_bytes();
    match network {
        Network::Host => None,
        Network::Bridge => Some(vec![Ipv4Addr::new(172, 17, b, c.max(2)).into()]),
        Network::Container { dual_stack } => {
            let four = Ipv4Addr::new(9, a, b, c);
            let six = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, u16::from(a), u16::from_be_bytes([b, c]));
            Some([four.into()].into_iter().chain(dual_stack.then_some(six.into())).collect())
        }
    }
}
