//! Who wants to know why a record is there, and why another one is not.
//!
//! The functions of this room that decide something tell it to a [`Trace`] in passing. Nearly always that is `()`, which
//! hears nothing and compiles to nothing. Who explains ([`explain`](crate::explain)) listens: it is told the reason for
//! what is made, and where a rule leaves something out it may say that the work is to go on all the same. What is made
//! then is what there would be but for that rule. So an explanation cannot differ from what it explains.

use std::net::IpAddr;

use super::{AddressWhy, ExtraName, Owner, PortWhy, Presence};
use crate::cluster::AddressSource;

/// Somebody who is told why. Handed on by value, so that nobody takes no space.
pub(crate) trait Trace: Copy {
    /// Whether anybody listens: what is only for a listener is made only then.
    const LISTENS: bool;

    /// What was said for this scope, and for those within it, is over.
    fn begins(self, scope: Scope) {
        let _ = scope;
    }

    /// What is made in this scope from now on is as it is for this reason.
    fn because(self, scope: Scope, why: Why) {
        let _ = (scope, why);
    }

    /// A rule leaves out what follows in this scope. Whether it is to be obeyed.
    fn leaves_out(self, scope: Scope, why: Why) -> bool {
        let _ = (scope, why);
        true
    }

    /// Something would stand at this owner, and there is nothing to put there.
    fn lacks(self, owner: &Owner, what: Lack, why: Why) {
        let _ = (owner, what, why);
    }

    /// An address of a task, or of its agent, was considered.
    fn considers(self, address: IpAddr, source: AddressSource, why: AddressWhy) {
        let _ = (address, source, why);
    }
}

/// Nobody.
impl Trace for () {
    const LISTENS: bool = false;
}

/// For how much something holds, from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// All of a task, agent or framework.
    Whole,
    /// One of its sets of names.
    Names,
    /// One port.
    Port,
    /// What is made of one address or port.
    Data,
    /// The next record.
    Record,
}

/// Why something is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The state and the health of the task.
    Presence(Presence),
    /// The framework's name is ours.
    ReservedFramework,
    /// The name has a label that is ours.
    ReservedName,
    /// Only frameworks have such an owner.
    ReservedOwner,
    /// The service is not for enough others.
    Hidden,
    /// The port is not for enough others.
    HiddenPort,
    /// What the names are made of.
    Naming(Naming),
    /// An address of the task's own name.
    Address(IpAddr),
    /// An address of its agent.
    AgentAddress(IpAddr),
    /// No address of the agent is known.
    AgentWithoutAddress,
    /// The task has no address that can be published.
    WithoutAddress,
    /// An address on a network with a name.
    OnNetwork(IpAddr),
    /// A port that was given to the task (`resources.ports`).
    ResourcePort(u16),
    /// A port of `DiscoveryInfo`, and where it leads.
    Port(u16, PortWhy),
    /// No port has this number.
    ImpossiblePort(i64),
    /// The operator wants such names.
    Extra(ExtraName),
    /// It is one for all services of the framework: neither the name nor the number of a port is in it.
    OfFramework,
    /// The task asks for a priority or a weight.
    Preference,
    /// DNS cannot carry a name.
    Unencodable,
    /// The address is the task's, the agent's or the master's own.
    Claim(IpAddr),
    /// The address, or the port, of a framework's scheduler.
    Scheduler,
    /// The port of an agent.
    AgentPort(u16),
}

/// What there is none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// An address.
    Address,
    /// A service.
    Service,
}

/// What a set of names is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A label that an alias of the task was made to.
    Alias,
    /// The label that the name was made to.
    Label,
    /// The name as it is.
    Raw,
}
