//! Whose port a number is, and where it leads.
//!
//! An address and a port belong together: a port of the host is open on the host's address, one of the container on the
//! container's. Mesos attaches no meaning to the ports of `DiscoveryInfo`; which of the two a number is follows from
//! what else the task says.

use super::{Standing, Whereabouts};
use crate::cluster::{DiscoveryPort, PortMapping, PortScope, Protocol, Task};

/// A name that an SRV record of a task can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Target<'a> {
    /// Its name among the agents, which has its agent's addresses.
    Agent,
    /// Its name on this network.
    Network(&'a str),
    /// Its own name, which has the addresses chosen for it.
    Own,
}

/// Whose port a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Agent,
    Container,
    /// Nothing tells: it is taken for a port at the task's addresses, wherever these are.
    Unknown,
}

impl Whereabouts {
    /// Where a port of the task leads, and under which number; `None` if no address is known at which it is open.
    pub(in super::super) fn lead<'a>(
        &self,
        task: &'a Task,
        port: &DiscoveryPort,
        number: u16,
        protocol: &str,
    ) -> Option<(Target<'a>, u16)> {
        match (self.standing, whose(task, port.kind.scope, number)) {
            (Standing::AsListed | Standing::OnHost, _) | (_, Whose::Unknown) => Some((Target::Own, number)),
            (Standing::Apart, Whose::Agent) => Some((Target::Agent, number)),
            (Standing::Apart, Whose::Container) | (Standing::Behind, Whose::Agent) => {
                Some((Target::Own, number))
            }
            (Standing::Behind, Whose::Container) => match mapping(task, number, protocol) {
                Some(mapping) => Some((Target::Own, mapping.host)),
                None => self.on_networks(task).first().map(|(network, _)| (Target::Network(network), number)),
            },
        }
    }
}

/// Whose port this is: a label says so, or where else the number stands.
fn whose(task: &Task, scope: PortScope, number: u16) -> Whose {
    let is_allocated = || {
        let number = u32::from(number);
        task.ports.iter().any(|range| (range.first..=range.last).contains(&number))
    };
    let mappings = task.mappings();
    match scope {
        PortScope::Container => Whose::Container,
        PortScope::Host => Whose::Agent,
        PortScope::Unsaid if is_allocated() || mappings.iter().any(|mapping| mapping.host == number) => {
            Whose::Agent
        }
        PortScope::Unsaid if mappings.iter().any(|mapping| mapping.container == number) => Whose::Container,
        PortScope::Unsaid => Whose::Unknown,
    }
}

/// The port of the host that leads to this one of the container, for a protocol as records name it.
fn mapping<'a>(task: &'a Task, number: u16, protocol: &str) -> Option<&'a PortMapping> {
    let agrees = |mapping: &PortMapping| match mapping.protocol {
        Protocol::Any => true,
        Protocol::Tcp => protocol != "udp",
        Protocol::Udp => protocol != "tcp",
    };
    task.mappings().iter().find(|mapping| mapping.container == number && agrees(mapping))
}
