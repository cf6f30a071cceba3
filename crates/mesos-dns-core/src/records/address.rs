//! Which addresses a task has, and which of them each of its ports goes with.
//!
//! `fact`: what is known of one task. Here: the rules that choose among its addresses. `port`: whose port a number
//! is, and where it leads. `docs/decisions/0019-an-address-per-task.md` says why they are as they are.

mod fact;
mod port;

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{longest, trace::Trace};
use crate::cluster::{AddressSource, Agent, Hosts, NetworkMode, Task, TaskAddress};
pub(crate) use fact::OnHost;
use fact::{Facts, Kinship};
pub(super) use fact::{is_on_loopback, is_possible};
pub(super) use port::{Lead, Target};
pub(crate) use port::{PortWhy, Sign};

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
    fn reach(&self, network: Option<&str>, address: IpAddr) -> Option<AddressWhy> {
        let named = self.names.iter().find(|(name, _)| Some(&**name) == network);
        let named = named.map(|(_, reach)| AddressWhy::NetworkSaid(*reach));
        named.or_else(|| longest(&self.prefixes, address).map(|reach| AddressWhy::PrefixSaid(*reach)))
    }
}

/// Why an address is one of a task's own name, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressWhy {
    /// Nothing that others could mean is there.
    Impossible,
    /// It stands where the task's own would, and is its agent's.
    OfAgent,
    /// Another place counts more, and has some.
    Outranked,
    /// Its place is the first of `IPSources` that has any.
    Source,
    /// The operator says so of the network's name.
    NetworkSaid(Reach),
    /// The operator says so of a prefix it is in.
    PrefixSaid(Reach),
    /// It is on a bridge.
    Bridge,
    /// Ports of the host are mapped to it.
    Mapped,
    /// Nothing speaks against it.
    Reachable,
    /// The task uses the network of its host, for this reason.
    OnHost(OnHost),
    /// It is the host's, and none of the task's own can be reached.
    InsteadOfOwn,
}

impl AddressWhy {
    /// Whether it is one of the task's name.
    pub(crate) fn is_taken(self) -> bool {
        match self {
            Self::NetworkSaid(reach) | Self::PrefixSaid(reach) => reach == Reach::Routable,
            Self::Source | Self::Reachable | Self::OnHost(_) | Self::InsteadOfOwn => true,
            Self::Impossible | Self::OfAgent | Self::Outranked | Self::Bridge | Self::Mapped => false,
        }
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
    pub(super) fn find(
        &mut self,
        task: &Task,
        agent: &[IpAddr],
        how: &Addresses,
        keeps_loopback: bool,
        trace: impl Trace,
    ) {
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
                tell_unfit(&facts, agent, trace);
                self.standing = choose(&facts, networks, &mut self.task, trace);
                self.impossible = u32::try_from(left_out).unwrap_or(u32::MAX);
            }
            Addresses::Sources(sources) => {
                self.agent.extend(agent);
                (self.standing, self.impossible) = (Standing::AsListed, 0);
                first_of(task, agent, sources, &mut self.task, trace);
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
fn choose(
    facts: &Facts<'_, '_>,
    networks: &Networks,
    addresses: &mut Vec<IpAddr>,
    trace: impl Trace,
) -> Standing {
    let mut add = |address: IpAddr| {
        // The agent adds what the containerizer knows to what the executor sent: one address can be there twice.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    };
    let Some(on_host) = facts.on_host() else {
        let own = facts.own().filter(|own| {
            let network = facts.network(own);
            let said = networks.reach(network, own.address);
            let why = said.unwrap_or_else(|| usual_reach(facts, network));
            trace.considers(own.address, own.source, why);
            why.is_taken()
        });
        own.for_each(|own| add(own.address));
        if !addresses.is_empty() {
            return Standing::Apart;
        }
        addresses.extend(facts.agent);
        tell_agent(facts, AddressWhy::InsteadOfOwn, trace);
        return Standing::Behind;
    };
    facts.agent.iter().for_each(|address| add(*address));
    tell_agent(facts, AddressWhy::OnHost(on_host), trace);
    // A host with two families: all of them are its own.
    facts.own().for_each(|own| {
        trace.considers(own.address, own.source, AddressWhy::OnHost(on_host));
        add(own.address);
    });
    if facts.has_own_network() { Standing::Behind } else { Standing::OnHost }
}

/// Tells that the addresses of the agent are the task's.
fn tell_agent(facts: &Facts<'_, '_>, why: AddressWhy, trace: impl Trace) {
    facts.agent.iter().for_each(|address| trace.considers(*address, AddressSource::Host, why));
}

/// Tells which addresses cannot be the task's, whatever its network.
fn tell_unfit<T: Trace>(facts: &Facts<'_, '_>, agent: &[IpAddr], trace: T) {
    if !T::LISTENS {
        return;
    }
    let impossible = agent.iter().filter(|address| !facts.agent.contains(address));
    impossible.for_each(|address| trace.considers(*address, AddressSource::Host, AddressWhy::Impossible));
    for found in facts.all() {
        let why = match facts.kinship(found) {
            Kinship::Impossible => AddressWhy::Impossible,
            Kinship::Agents => AddressWhy::OfAgent,
            Kinship::Own if facts.source != Some(found.source) => AddressWhy::Outranked,
            Kinship::Own => continue,
        };
        trace.considers(found.address, found.source, why);
    }
}

/// From where a container can be reached of whose network the operator says nothing.
///
/// Whoever asks for ports of the host to be mapped does so because the network cannot be reached.
fn usual_reach(facts: &Facts<'_, '_>, network: Option<&str>) -> AddressWhy {
    if facts.mode == NetworkMode::Bridge || network == Some(fact::MESOS_BRIDGE) {
        AddressWhy::Bridge
    } else if facts.is_mapped() {
        AddressWhy::Mapped
    } else {
        AddressWhy::Reachable
    }
}

/// All addresses of the first source that has any.
///
/// Sources are never mixed: the container's address and the agent's lead to different ports.
fn first_of<T: Trace>(
    task: &Task,
    agent: &[IpAddr],
    sources: &[AddressSource],
    addresses: &mut Vec<IpAddr>,
    trace: T,
) {
    for source in sources {
        match source {
            AddressSource::Host => addresses.extend(agent),
            source => {
                let found = task.addresses.iter().filter(|found| found.source == *source);
                addresses.extend(found.map(|found| found.address));
            }
        }
        if !addresses.is_empty() {
            if T::LISTENS {
                tell_source(task, agent, *source, trace);
            }
            return;
        }
    }
    if T::LISTENS {
        task.addresses.iter().for_each(|found| tell_outranked(found, trace));
    }
}

/// Tells that the addresses at one place are the task's, and those at all others are not.
fn tell_source(task: &Task, agent: &[IpAddr], source: AddressSource, trace: impl Trace) {
    if source == AddressSource::Host {
        agent.iter().for_each(|address| trace.considers(*address, source, AddressWhy::Source));
    }
    for found in &task.addresses {
        if found.source == source {
            trace.considers(found.address, source, AddressWhy::Source);
        } else {
            tell_outranked(found, trace);
        }
    }
}

fn tell_outranked(found: &TaskAddress, trace: impl Trace) {
    trace.considers(found.address, found.source, AddressWhy::Outranked);
}

#[cfg(test)]
mod tests;
