//! From the cluster to its names.
//!
//! [`contribution`] lists the records that one task adds to the Mesos domain, given its framework,
//! its agent and the naming [`Policy`]; [`masters`], [`agent`], [`framework`] and [`server`] list those
//! of the infrastructure. All are pure: the same input gives the same records in the same order, so
//! what a task used to contribute can be taken back without being stored, and two servers that watch
//! one master agree. Host names were turned into addresses by the caller: a look-up in here would make
//! an update slow, and its result unrepeatable.
//!
//! Why per task and not per cluster: an event touches one task, and the cost of an update must not
//! depend on the other hundred thousand. [`zone`](crate::zone) counts how many contribute each record.

mod address;
mod browse;
mod extra;
mod faults;
mod fixed;
mod health;
mod infrastructure;
mod label;
mod moved;
mod owner;
mod pass;
mod ports;
mod reverse;
mod service;
mod task;
mod trace;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;

pub(crate) use address::{AddressWhy, OnHost, PortWhy, Sign, of_agent as agent_addresses};
pub use address::{Addresses, Networks, Reach};
pub use extra::{Extra, ExtraName, ExtraNames, hides};
pub use faults::Faults;
pub use fixed::{Fixed, FixedOwner, Rule};
pub(crate) use health::Presence;
pub use health::{Health, is_answered, is_hidden};
pub use infrastructure::{agent, framework, masters, server};
pub(crate) use infrastructure::{agent_telling, framework_telling};
pub use label::{Rules, agent_suffix, fragment, label, task_hash};
pub use moved::{EXAMPLES_MAX, Example, Moved, moved};
pub use owner::Owner;
pub(crate) use owner::plain_text;
pub use reverse::{Area, Rank, Reverse, Spot};
pub use task::{Maker, contribution};
pub(crate) use trace::{Lack, Naming, Scope, Trace, Why};

use crate::{
    cluster::{Agent, Place},
    wire::Name,
};

/// How names are made, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The served domain as text, lower-case, without the trailing dot (`domain`).
    pub domain: String,
    /// The served domain.
    pub apex: Name,
    /// How name parts become labels (`enforceRFC952`).
    pub rules: Rules,
    /// How the addresses of a task are chosen (`addresses`, `IPSources`).
    pub addresses: Addresses,
    /// What becomes of unhealthy tasks (`health`).
    pub health: Health,
    /// Where agents are that do not say it themselves, by address (`places`); the longest prefix counts. Whoever wants
    /// to know where an agent is asks [`Policy::place`].
    pub places: Vec<(IpNet, Arc<Place>)>,
    /// Which names there are beyond the original's, and who is shown.
    pub extra: Extra,
    /// Name of this server (`SOAMname`), with the trailing dot, case as configured.
    pub server_name: String,
    /// Addresses of this server (`listener`, or those of the machine).
    pub server_addresses: Vec<IpAddr>,
}

impl Policy {
    /// Where an agent with these addresses is: what it says itself, else what the operator says of the first of them of
    /// which he says anything.
    pub fn place<'a>(&'a self, agent: &'a Agent, addresses: &[IpAddr]) -> Option<&'a Arc<Place>> {
        let said = || addresses.iter().find_map(|address| place_of(&self.places, *address));
        agent.place.as_ref().or_else(said)
    }
}

/// The place of the longest of these prefixes that an address is in.
pub fn place_of(places: &[(IpNet, Arc<Place>)], address: IpAddr) -> Option<&Arc<Place>> {
    longest(places, address)
}

/// What stands at the longest of these prefixes that an address is in.
fn longest<T>(prefixes: &[(IpNet, T)], address: IpAddr) -> Option<&T> {
    let matching = prefixes.iter().filter(|(prefix, _)| prefix.contains(&address));
    matching.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, said)| said)
}

/// One record: an owner name and what it holds. Unless it says otherwise, its TTL, and the weight of a service, are
/// those of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub owner: Owner,
    /// What it says.
    pub data: Data,
    /// Whether it is answered while others of its owner and type are fit.
    pub fitness: Fitness,
}

/// Whether whoever a record leads to is in good health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fitness {
    /// As far as is known.
    #[default]
    Fit,
    /// It is answered only where too few of its owner and type are fit.
    Unfit,
}

/// Priority and weight of a SRV record (RFC 2782).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Preference {
    /// The lowest is tried first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
}

impl Preference {
    /// That of services which have none of their own: all are as good, and each has this weight.
    pub fn of_all(weight: u16) -> Self {
        Self { priority: 0, weight }
    }
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address (RFC 1035 section 3.4.1).
    A(Ipv4Addr),
    /// An IPv6 address (RFC 3596).
    Aaaa(Ipv6Addr),
    /// A service instance (RFC 2782).
    Srv {
        /// Never 0.
        port: u16,
        /// The host the service runs on.
        target: Owner,
        /// Its own priority and weight; `None`: 0, and the weight of all.
        preference: Option<Preference>,
    },
    /// No record at the owner, but a claim that an address is its (see [`Reverse`]).
    Reverse(Box<Reverse>),
    /// A record of another type.
    Other {
        /// The type, which is not one of the above, nor one that says where a zone begins or ends.
        rtype: u16,
        /// The data in wire form; names in it are not compressed.
        rdata: Arc<[u8]>,
    },
    /// No record: how many seconds answers of this owner may be kept. The shortest of several counts, for all its
    /// records.
    Ttl(u32),
    /// Nothing: the name exists, but its addresses are not known (an agent whose host name does not
    /// resolve). Gives NODATA instead of NXDOMAIN.
    Unknown,
}

/// What has no records, by reason, each counted once for its task, however many names that has. Shown in the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Names that would be, or lie under, one that is ours; of a framework with such a name, its tasks.
    pub special: u32,
    /// Tasks and ports that are not meant to be seen by enough others (`visibility`).
    pub hidden: u32,
    /// Ports that cannot exist, or are too many.
    pub ports: u32,
    /// Names with records that DNS cannot carry: only the v1 API shows them.
    pub unencodable: u32,
    /// Addresses that cannot be anybody's that others could reach.
    pub addresses: u32,
    /// Ports of containers of which no address is known at which they are open.
    pub unreachable: u32,
}

/// Most ports of one task that are published; a framework that takes more is not offering them as
/// services, and each port costs up to eight records.
pub const TASK_PORTS_MAX: usize = 1024;

impl From<IpAddr> for Data {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

impl Data {
    /// A service instance with the priority and weight of all.
    pub fn service(port: u16, target: Owner) -> Self {
        Self::Srv { port, target, preference: None }
    }
}

impl Record {
    /// The record with this owner and data.
    pub fn new(owner: &Owner, data: impl Into<Data>) -> Self {
        Self::from_parts(owner.clone(), data.into())
    }

    /// The same, of an owner and data that are given up.
    pub fn from_parts(owner: Owner, data: Data) -> Self {
        Self { owner, data, fitness: Fitness::Fit }
    }

    /// The owner as the v1 API spells it.
    pub fn listed_name(&self) -> String {
        self.owner.to_text()
    }

    /// The data as the v1 API spells it; empty for what it does not show.
    pub fn listed_value(&self) -> String {
        match &self.data {
            Data::A(address) => address.to_string(),
            Data::Aaaa(address) => address.to_string(),
            Data::Srv { port, target, .. } => format!("{}:{port}", target.to_text()),
            Data::Other { .. } | Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => String::new(),
        }
    }

    /// The type as text: `A`, `AAAA` or `SRV`; empty for what the v1 API does not show.
    pub fn rtype(&self) -> &'static str {
        match self.data {
            Data::A(_) => "A",
            Data::Aaaa(_) => "AAAA",
            Data::Srv { .. } => "SRV",
            Data::Other { .. } | Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => "",
        }
    }
}

impl Withheld {
    /// Adds what another part withheld.
    pub fn add(&mut self, other: Self) {
        self.each(other, u32::saturating_add);
    }

    /// Takes back what was added before.
    pub fn subtract(&mut self, other: Self) {
        self.each(other, u32::saturating_sub);
    }

    fn each(&mut self, other: Self, change: fn(u32, u32) -> u32) {
        let Self { special, hidden, ports, unencodable, addresses, unreachable } = other;
        for (count, by) in [
            (&mut self.special, special),
            (&mut self.hidden, hidden),
            (&mut self.ports, ports),
            (&mut self.unencodable, unencodable),
            (&mut self.addresses, addresses),
            (&mut self.unreachable, unreachable),
        ] {
            *count = change(*count, by);
        }
    }
}

#[cfg(test)]
mod tests;
