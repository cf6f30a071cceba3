//! Which addresses a task has, and which of them each of its ports goes with.
//!
//! `fact`: what is known of one task. Here: the rules that choose among its addresses. `port`: whose port a number
//! is, and where it leads. `docs/decisions/0019-an-address-per-task.md` says why they are as they are.

mod fact;
mod port;

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::longest;
use crate::cluster::{AddressSource, Agent, Hosts, NetworkMode, Task};
use fact::Facts;
pub(super) use fact::{is_on_loopback, is_possible};
pub(super) use port::Target;

/// How the addresses of tasks are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// By what each task asked for and got (`addresses`: `"auto"`).
    Auto(Networks),
    /// From these places, best first (`IPSources`).
    Sources(Vec<AddressSource>),
}

/// What the operator says of networks (`networks`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// By the name of the network.
    pub names: Vec<(Arc<str>, Reach)>,
    /// By address; the longest matching prefix counts.
    pub prefixes: Vec<(IpNet, Reach)>,
}

/// From where the addresses of a network can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only from the host they are on.
    Local,
    /// From everywhere in the cluster.
    Routable,
}

impl Networks {
    /// What is said of an address on a network; a name counts more than a prefix.
    fn reach(&self, network: Option<&str>, address: IpAddr) -> Option<Reach> {
        let named = self.names.iter().find(|(name, _)| Some(&**name) == network);
        named.map(|(_, reach)| reach).or_else(|| longest(&self.prefixes, address)).copied()
    }
}

/// The addresses of an agent: of the host in its `pid`, never of its `hostname`.
pub(crate) fn of_agent<'a>(agent: &'a Agent, hosts: &'a Hosts) -> &'a [IpAddr] {
    agent.address.as_ref().map_or(&[], |address| hosts.addresses(&address.host))
}

//------------ Whereabouts -----------------------------------------------------

/// Where one task can be reached. Kept from task to task for its room.
#[derive(Default)]
pub(super) struct Whereabouts {
    /// The addresses of its own name.
    pub(super) task: Vec<IpAddr>,
    /// Those of its name among the agents.
    pub(super) agent: Vec<IpAddr>,
    /// Addresses that were left out: nothing that anybody could mean is there.
    pub(super) impossible: u32,
    standing: Standing,
    keeps_loopback: bool,
}

/// How a task stands to the network of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// Nobody asked: `IPSources` decides, and ports are taken as they are listed.
    #[default]
    AsListed,
    /// It has addresses of its own that can be reached.
    Apart,
    /// It has a network of its own that cannot be reached, or is not known: its name leads to the host.
    Behind,
    /// It uses the network of the host: its ports are the host's.
    OnHost,
}

impl Whereabouts {
    /// Finds out about a task. `agent` is what is known of its agent's addresses.
    pub(super) fn find(&mut self, task: &Task, agent: &[IpAddr], how: &Addresses, keeps_loopback: bool) {
        self.task.clear();
        self.agent.clear();
        self.keeps_loopback = keeps_loopback;
        match how {
            Addresses::Auto(networks) => {
                let possible = |address: &&IpAddr| fact::is_possible(**address, keeps_loopback);
                self.agent.extend(agent.iter().filter(possible));
                let facts = Facts::of(task, &self.agent, keeps_loopback);
                let left_out =
                    agent.len().saturating_sub(self.agent.len()).saturating_add(facts.impossible());
                self.standing = choose(&facts, networks, &mut self.task);
                self.impossible = u32::try_from(left_out).unwrap_or(u32::MAX);
            }
            Addresses::Sources(sources) => {
                self.agent.extend(agent);
                (self.standing, self.impossible) = (Standing::AsListed, 0);
                first_of(task, agent, sources, &mut self.task);
            }
        }
    }

    /// Those of its addresses that are its alone.
    ///
    /// On the host's network they are the agent's. That of a bridge, or of a network whose ports are mapped, is only known
    /// on its host, and other hosts have the same: where nobody asked what can be reached, these do not count.
    pub(super) fn claimed(&self, task: &Task) -> &[IpAddr] {
        let is_hidden = || task.network_mode() == NetworkMode::Bridge || !task.mappings().is_empty();
        match self.standing {
            Standing::Apart => &self.task,
            Standing::AsListed if !is_hidden() => &self.task,
            Standing::AsListed | Standing::Behind | Standing::OnHost => &[],
        }
    }

    /// The task's own addresses on networks that have a name, in their order.
    fn on_networks<'a>(&self, task: &'a Task) -> Vec<(&'a str, IpAddr)> {
        let facts = Facts::of(task, &self.agent, self.keeps_loopback);
        if matches!(self.standing, Standing::AsListed | Standing::OnHost) || facts.is_on_host() {
            return Vec::new();
        }
        facts.own().filter_map(|own| facts.network(own).map(|network| (network, own.address))).collect()
    }

    /// The networks of a task that has addresses on two or more, each once; else none.
    pub(super) fn several_networks<'a>(&self, task: &'a Task) -> Vec<&'a str> {
        let mut networks = Vec::new();
        if task.addresses.len() < 2 {
            return networks;
        }
        for (network, _) in self.on_networks(task) {
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        if networks.len() < 2 {
            networks.clear();
        }
        networks
    }

    /// The addresses of a task on one of its networks.
    pub(super) fn on_network(&self, task: &Task, network: &str) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for (_, address) in self.on_networks(task).into_iter().filter(|(name, _)| *name == network) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// Chooses the addresses of a task's own name by its facts, and says how it stands.
fn choose(facts: &Facts<'_, '_>, networks: &Networks, addresses: &mut Vec<IpAddr>) -> Standing {
    let mut add = |address: IpAddr| {
        // The agent adds what the containerizer knows to what the executor sent: one address can be there twice.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    };
    if !facts.is_on_host() {
        let routable = |reach| reach == Reach::Routable;
        let own = facts.own().filter(|own| {
            let network = facts.network(own);
            let said = networks.reach(network, own.address);
            routable(said.unwrap_or_else(|| usual_reach(facts, network)))
        });
        own.for_each(|own| add(own.address));
        if !addresses.is_empty() {
            return Standing::Apart;
        }
        addresses.extend(facts.agent);
        return Standing::Behind;
    }
    facts.agent.iter().for_each(|address| add(*address));
    // A host with two families: all of them are its own.
    facts.own().for_each(|own| add(own.address));
    if facts.has_own_network() { Standing::Behind } else { Standing::OnHost }
}

/// From where a container can be reached of whose network the operator says nothing.
///
/// Whoever asks for ports of the host to be mapped does so because the network cannot be reached.
fn usual_reach(facts: &Facts<'_, '_>, network: Option<&str>) -> Reach {
    let is_bridge = facts.mode == NetworkMode::Bridge || network == Some(fact::MESOS_BRIDGE);
    if is_bridge || facts.is_mapped() { Reach::Local } else { Reach::Routable }
}

/// All addresses of the first source that has any.
///
/// Sources are never mixed: the container's address and the agent's lead to different ports.
fn first_of(task: &Task, agent: &[IpAddr], sources: &[AddressSource], addresses: &mut Vec<IpAddr>) {
    for source in sources {
        match source {
            AddressSource::Host => addresses.extend(agent),
            source => {
                let found = task.addresses.iter().filter(|found| found.source == *source);
                addresses.extend(found.map(|found| found.address));
            }
        }
        if !addresses.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
