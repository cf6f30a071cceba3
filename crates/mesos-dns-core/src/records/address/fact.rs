//! What is known of the addresses of one task.

use std::net::IpAddr;

use super::super::infrastructure::endpoint;
use crate::cluster::{AddressSource, Cluster, NetworkMode, Task, TaskAddress};

/// Where a task's own addresses may stand, the most certain place first.
///
/// The labels are of masters from before `network_infos`, where the agent put its own address there for want of
/// another. They stand for the container's.
const PLACES: [AddressSource; 3] = [AddressSource::NetInfo, AddressSource::Docker, AddressSource::Mesos];

/// The facts of one task.
pub(super) struct Facts<'t, 'a> {
    task: &'t Task,
    /// The addresses of its agent that are possible.
    pub(super) agent: &'a [IpAddr],
    /// How it is attached to networks.
    pub(super) mode: NetworkMode,
    /// Where its own addresses stand.
    pub(super) source: Option<AddressSource>,
    keeps_loopback: bool,
}

impl<'t, 'a> Facts<'t, 'a> {
    pub(super) fn of(task: &'t Task, agent: &'a [IpAddr], keeps_loopback: bool) -> Self {
        let mut facts = Self { task, agent, mode: task.network_mode(), source: None, keeps_loopback };
        facts.source = facts.first_place();
        if task.container.is_none() && facts.source == Some(AddressSource::Docker) {
            // Masters that do not show what was asked for are older than Docker's other networks.
            facts.mode = NetworkMode::Bridge;
            facts.source = facts.first_place();
        }
        facts
    }

    fn first_place(&self) -> Option<AddressSource> {
        PLACES.into_iter().find(|place| self.at(*place).next().is_some())
    }

    /// The addresses at one place that can be the task's own.
    ///
    /// On Docker's bridge the agent's address among them is the agent's.
    pub(super) fn at(&self, place: AddressSource) -> impl Iterator<Item = &'t TaskAddress> {
        let Self { agent, mode, keeps_loopback, .. } = *self;
        let found = self.task.addresses.iter().filter(move |found| found.source == place);
        found.filter(move |found| Kinship::of(found, agent, mode, keeps_loopback) == Kinship::Own)
    }

    /// All addresses that the task names.
    pub(super) fn all(&self) -> &'t [TaskAddress] {
        &self.task.addresses
    }

    /// Whose an address is that the task names.
    pub(super) fn kinship(&self, found: &TaskAddress) -> Kinship {
        Kinship::of(found, self.agent, self.mode, self.keeps_loopback)
    }

    /// The addresses that are said to be the task's own.
    pub(super) fn own(&self) -> impl Iterator<Item = &'t TaskAddress> {
        self.source.into_iter().flat_map(|place| self.at(place))
    }

    /// How many of the addresses that the task names are impossible.
    pub(super) fn impossible(&self) -> usize {
        let is_impossible = |found: &&TaskAddress| !is_possible(found.address, self.keeps_loopback);
        self.task.addresses.iter().filter(is_impossible).count()
    }

    /// Whether all its addresses are those of its host.
    pub(super) fn is_on_host(&self) -> bool {
        self.on_host().is_some()
    }

    /// Why all its addresses are those of its host; `None` if they are not.
    pub(super) fn on_host(&self) -> Option<OnHost> {
        let mut own = self.own().peekable();
        if self.mode == NetworkMode::Host {
            Some(OnHost::Said)
        } else if own.peek().is_none() {
            Some(OnHost::NamesNone)
        } else if own.any(|own| self.agent.contains(&own.address)) {
            Some(OnHost::NamesAgents)
        } else {
            None
        }
    }

    /// Whether its ports are others than those of its host, as far as it asked for that.
    pub(super) fn has_own_network(&self) -> bool {
        match self.mode {
            NetworkMode::Bridge | NetworkMode::Named => true,
            NetworkMode::Host => false,
            NetworkMode::Detached | NetworkMode::Unsaid => self.is_mapped(),
        }
    }

    /// Whether ports of the host lead to its container.
    pub(super) fn is_mapped(&self) -> bool {
        !self.task.mappings().is_empty()
    }

    /// The name of the network that one of its addresses is on: as the status says; else, if the task asked for only
    /// one, that; else Docker's own, which has none.
    pub(super) fn network(&self, address: &'t TaskAddress) -> Option<&'t str> {
        if let Some(network) = &address.network {
            return Some(network);
        }
        match self.task.container.as_ref().map_or(&[][..], |container| &container.networks) {
            [only] => Some(only),
            _ => (self.mode == NetworkMode::Bridge).then_some(DOCKER_BRIDGE),
        }
    }
}

/// Why a task is on the network of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnHost {
    /// It asked for it.
    Said,
    /// It names no address of its own.
    NamesNone,
    /// One of its addresses is the agent's, which an agent puts there if nobody knows another.
    NamesAgents,
}

/// Whose an address is that a task names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// Its own.
    Own,
    /// Its agent's, on Docker's bridge.
    Agents,
    /// Nobody's whom others could reach.
    Impossible,
}

impl Kinship {
    fn of(found: &TaskAddress, agent: &[IpAddr], mode: NetworkMode, keeps_loopback: bool) -> Self {
        if !is_possible(found.address, keeps_loopback) {
            Self::Impossible
        } else if mode == NetworkMode::Bridge && agent.contains(&found.address) {
            Self::Agents
        } else {
            Self::Own
        }
    }
}

/// What Docker calls its bridge; Mesos gives it no name.
const DOCKER_BRIDGE: &str = "bridge";

/// What Marathon calls the bridge of the Mesos containerizer, unless told otherwise (`--mesos_bridge_name`).
pub(super) const MESOS_BRIDGE: &str = "mesos-bridge";

/// Whether something that others are meant to reach can have this address. Loopback is kept where the whole cluster
/// is on one machine.
pub(in super::super) fn is_possible(address: IpAddr, keeps_loopback: bool) -> bool {
    let is_ours_alone = match address {
        // 0.0.0.0/8 is "this network", 240.0.0.0/4 is reserved, broadcast among it (RFC 6890 section 2.2.2).
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            address.is_link_local() || first == 0 || first >= 240
        }
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_unspecified()
        || address.is_multicast()
        || is_ours_alone
        || address.is_loopback() && !keeps_loopback)
}

/// Whether the leader of a cluster has a loopback address: then whatever else has one can be reached too, as in a
/// demonstration.
pub(crate) fn is_on_loopback(cluster: &Cluster) -> bool {
    let host = cluster.masters.leader.as_deref().and_then(endpoint).map(|(_, host, _)| host);
    host.is_some_and(|host| cluster.hosts.addresses(&host).iter().any(IpAddr::is_loopback))
}
