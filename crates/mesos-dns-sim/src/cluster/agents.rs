//! Agents, and what can happen to one (`mesos-api.md` section 4.4).

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::{CLUSTER_ID, Cluster, Fact, Reason, State};

/// First port that agents offer to tasks.
const PORT_FIRST: u16 = 31_000;

/// Last port that agents offer to tasks.
const PORT_LAST: u16 = 32_000;

/// Where agents listen.
const AGENT_PORT: u16 = 5051;

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
    /// Where its process listens.
    pub port: u16,
    /// Region of its fault domain.
    pub region: &'static str,
    /// Zone of its fault domain.
    pub zone: String,
    /// What the master thinks of it.
    pub standing: Standing,
    /// Whether its process is connected; its tasks run all the same.
    pub active: bool,
    /// Whether an operator keeps new tasks away from it.
    pub deactivated: bool,
    /// When it registered.
    pub registered: Duration,
    /// Tasks on it that have not ended.
    pub tasks: usize,
    /// Ports in use by tasks.
    pub ports: BTreeSet<u16>,
    next_port: u16,
}

/// What a master that has seen everything thinks of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes part.
    Registered,
    /// It is cut off, and may come back.
    Unreachable,
    /// It went for good.
    Removed,
    /// An operator declared it gone.
    Gone,
}

impl Cluster {
    /// Cuts an agent off: its tasks become unreachable, as 75 s after a machine died.
    pub fn lose_agent(&mut self, at: usize, now: Duration) {
        if self.agents[at].is_registered() {
            self.agent_mut(at).standing = Standing::Unreachable;
            self.decree_all(at, State::Unreachable, now);
        }
    }

    /// Brings a lost agent back with its tasks as they were, as after a partition.
    pub fn return_agent(&mut self, at: usize, _now: Duration) {
        if self.agents[at].standing != Standing::Unreachable {
            return;
        }
        self.agent_mut(at).standing = Standing::Registered;
        self.agent_mut(at).active = true;
        let mut tasks = Vec::new();
        for launch in self.launches(|task| task.agent == at) {
            let Some(shared) = self.tasks.get_mut(&launch) else { continue };
            let task = Arc::make_mut(shared);
            // The agent reports what it knows, and it knows nothing of having been cut off.
            task.statuses.retain(|status| status.state != State::Unreachable);
            task.state = task.statuses.last().map_or(State::Staging, |last| last.state);
            tasks.push(shared.clone());
        }
        let agent = self.agents[at].clone();
        self.log.note(|| Fact::AgentBack { at, agent, tasks });
    }

    /// Adds an agent; returns its index.
    pub fn add_agent(&mut self, now: Duration) -> usize {
        let at = self.agents.len();
        self.join(Agent::new(at, now))
    }

    /// Removes an agent, as when it shuts down: its tasks are lost.
    pub fn remove_agent(&mut self, at: usize, now: Duration) {
        if matches!(self.agents[at].standing, Standing::Registered | Standing::Unreachable) {
            let was_there = self.agents[at].is_registered();
            self.agent_mut(at).standing = Standing::Removed;
            self.decree_all(at, State::Lost, now);
            let agent = self.agents[at].clone();
            if was_there {
                self.log.note(|| Fact::AgentLeft { at, agent });
            }
        }
    }

    /// An operator declares an agent gone: so are its tasks. No stream tells of the agent.
    pub fn mark_gone(&mut self, at: usize, now: Duration) {
        if matches!(self.agents[at].standing, Standing::Registered | Standing::Unreachable) {
            self.agent_mut(at).standing = Standing::Gone;
            self.decree_all(at, State::GoneByOperator, now);
        }
    }

    /// The machine of an agent starts over without its old state: the old id is removed, a new one registers at the
    /// same address. Returns the new index.
    pub fn reincarnate(&mut self, at: usize, now: Duration) -> usize {
        self.remove_agent(at, now);
        let old = &self.agents[at];
        let id = format!("{CLUSTER_ID}-S{}", self.agents.len());
        let fresh = Agent {
            id,
            standing: Standing::Registered,
            active: true,
            deactivated: false,
            registered: now,
            tasks: 0,
            ports: BTreeSet::new(),
            next_port: PORT_FIRST,
            ..Agent::clone(old)
        };
        self.join(fresh)
    }

    /// An agent's connection breaks, or is there again. No stream tells.
    pub fn set_active(&mut self, at: usize, active: bool) {
        self.agent_mut(at).active = active;
    }

    /// An operator keeps new tasks away from an agent, or no longer. No stream tells.
    pub fn set_deactivated(&mut self, at: usize, deactivated: bool) {
        self.agent_mut(at).deactivated = deactivated;
    }

    /// An agent's process is restarted and listens elsewhere. No stream tells.
    pub fn restart_agent(&mut self, at: usize, port: u16) {
        let agent = self.agent_mut(at);
        agent.port = port;
        agent.active = true;
    }

    fn join(&mut self, agent: Agent) -> usize {
        let at = self.agents.len();
        let agent = Arc::new(agent);
        self.agents.push(agent.clone());
        self.log.note(|| Fact::AgentJoined { at, agent });
        at
    }

    fn agent_mut(&mut self, at: usize) -> &mut Agent {
        Arc::make_mut(&mut self.agents[at])
    }

    fn decree_all(&mut self, at: usize, state: State, now: Duration) {
        for launch in self.launches(|task| task.agent == at) {
            self.decree(launch, state, Reason::AgentRemoved, now);
        }
    }
}

impl Agent {
    pub(super) fn new(index: usize, registered: Duration) -> Self {
        // Two zones in the first region, one in the second; the second octet tells them apart.
        let zone = index % 3;
        let (region, letter) = [("eu-west", 'a'), ("eu-west", 'b'), ("us-east", 'a')][zone];
        let (high, low) = (index / 3 / 250, index / 3 % 250 + 1);
        Self {
            id: format!("{CLUSTER_ID}-S{index}"),
            hostname: format!("node{index}.{region}.example"),
            address: Ipv4Addr::new(10, (zone + 1 + 3 * (high / 256)) as u8, high as u8, low as u8),
            address6: (zone == 0).then(|| Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, high as u16, low as u16)),
            port: AGENT_PORT,
            region,
            zone: format!("{region}-{letter}"),
            standing: Standing::Registered,
            active: true,
            deactivated: false,
            registered,
            tasks: 0,
            ports: BTreeSet::new(),
            next_port: PORT_FIRST,
        }
    }

    /// Whether a settled master lists it.
    pub fn is_registered(&self) -> bool {
        self.standing == Standing::Registered
    }

    /// Whether tasks may be launched on it.
    pub fn takes_tasks(&self) -> bool {
        self.is_registered() && self.active && !self.deactivated
    }

    /// The addresses that a task in the agent's own network has.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [self.address.into()].into_iter().chain(self.address6.map(Into::into))
    }

    /// Takes free ports; fewer if the agent has no more.
    pub(super) fn take_ports(&mut self, count: usize) -> Vec<u16> {
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
