//! Which addresses a task has, and which of them each of its ports goes with.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use crate::cluster::{AddressSource, Agent, DiscoveryPort, Hosts, Task};

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

/// A name that an SRV record of a task can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Its own name in the plain zone, which has the addresses chosen for it.
    Own,
}

/// The addresses of an agent: of the host in its `pid`, never of its `hostname`.
pub(crate) fn of_agent<'a>(agent: &'a Agent, hosts: &'a Hosts) -> &'a [IpAddr] {
    agent.address.as_ref().map_or(&[], |address| hosts.addresses(&address.host))
}

/// Puts the addresses of a task into `addresses`.
pub(super) fn of_task(task: &Task, agent: &[IpAddr], how: &Addresses, addresses: &mut Vec<IpAddr>) {
    match how {
        Addresses::Auto(_) => addresses.clear(),
        Addresses::Sources(sources) => first_of(task, agent, sources, addresses),
    }
}

/// Where a discovery port leads to, and under which number.
pub(super) fn of_port(_task: &Task, port: &DiscoveryPort) -> (Target, i64) {
    (Target::Own, port.number)
}

/// All addresses of the first source that has any.
///
/// Sources are never mixed: the container's address and the agent's lead to different ports.
fn first_of(task: &Task, agent: &[IpAddr], sources: &[AddressSource], addresses: &mut Vec<IpAddr>) {
    addresses.clear();
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
