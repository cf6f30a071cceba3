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

/// Where a port leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Lead<'a> {
    /// To which name, and under which number; `None` if no address is known at which it is open.
    pub(in super::super) to: Option<(Target<'a>, u16)>,
    /// The reason.
    pub(in super::super) why: PortWhy,
}

/// Why a port leads where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortWhy {
    /// `IPSources` decides about addresses, and ports are taken as they are listed.
    AsListed,
    /// The task uses the network of its host: its ports are the host's.
    OnHost,
    /// Nothing tells whose it is: it is taken for one at the task's addresses, wherever these are.
    Unknown,
    /// It is the host's, and the task's own name leads elsewhere.
    OfAgent(Sign),
    /// It is the container's, to which the task's own name leads.
    OfContainer(Sign),
    /// It is the host's, to which the task's own name leads.
    OfHost(Sign),
    /// It is the container's, and this port of the host leads to it.
    Mapped(Sign),
    /// It is the container's, and none of the host leads to it: to the name on the network.
    OnNetwork(Sign),
    /// The same, and no address on a network is known.
    Unreachable(Sign),
}

/// By what it is told whose a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A label of the port.
    Label,
    /// It is among the ports that were given to the task.
    Resources,
    /// It is in a port mapping.
    Mapping,
}

/// Whose port a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Agent(Sign),
    Container(Sign),
    /// Nothing tells.
    Unknown,
}

impl Whereabouts {
    /// Where a port of the task leads.
    pub(in super::super) fn lead<'a>(
        &self,
        task: &'a Task,
        port: &DiscoveryPort,
        number: u16,
        protocol: &str,
    ) -> Lead<'a> {
        let lead = |target, why| Lead { to: Some((target, number)), why };
        match (self.standing, whose(task, port.kind.scope, number)) {
            (Standing::AsListed, _) => lead(Target::Own, PortWhy::AsListed),
            (Standing::OnHost, _) => lead(Target::Own, PortWhy::OnHost),
            (_, Whose::Unknown) => lead(Target::Own, PortWhy::Unknown),
            (Standing::Apart, Whose::Agent(sign)) => lead(Target::Agent, PortWhy::OfAgent(sign)),
            (Standing::Apart, Whose::Container(sign)) => lead(Target::Own, PortWhy::OfContainer(sign)),
            (Standing::Behind, Whose::Agent(sign)) => lead(Target::Own, PortWhy::OfHost(sign)),
            (Standing::Behind, Whose::Container(sign)) => match mapping(task, number, protocol) {
                Some(mapping) => Lead { to: Some((Target::Own, mapping.host)), why: PortWhy::Mapped(sign) },
                None => match self.on_networks(task).first() {
                    Some((network, _)) => lead(Target::Network(network), PortWhy::OnNetwork(sign)),
                    None => Lead { to: None, why: PortWhy::Unreachable(sign) },
                },
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
        PortScope::Container => Whose::Container(Sign::Label),
        PortScope::Host => Whose::Agent(Sign::Label),
        PortScope::Unsaid if is_allocated() => Whose::Agent(Sign::Resources),
        PortScope::Unsaid if mappings.iter().any(|mapping| mapping.host == number) => {
            Whose::Agent(Sign::Mapping)
        }
        PortScope::Unsaid if mappings.iter().any(|mapping| mapping.container == number) => {
            Whose::Container(Sign::Mapping)
        }
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
