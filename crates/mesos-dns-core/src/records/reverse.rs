//! Whose an address is: the name it is told by, and where it is.
//!
//! Agents, masters, and tasks with an address of their own each claim theirs. Several can claim one: a master on an
//! agent's host, two containers that say they have the same address. Which claim wins is decided where all are known,
//! in the [`zone`](crate::zone); in here stands only what each says for itself.
//!
//! Not every address of a task is its own: [`address`](super::address) tells which are.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{
    Data, ExtraName, Owner, Policy, Record,
    address::is_possible,
    extra, label,
    trace::{Scope, Trace, Why},
};
use crate::cluster::{Agent, Place};

/// A claim to an address. The owner of its record is the name; one that DNS cannot carry means that there is none, and
/// only the spot counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// Which address; mapped IPv4 is IPv4.
    pub address: IpAddr,
    /// By which right.
    pub rank: Rank,
    /// Where it is; masters do not say.
    pub spot: Option<Arc<Spot>>,
    /// Whether it is the one address by which its agent is counted.
    pub is_counted: bool,
}

/// By which right an address is claimed, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// It is an agent's.
    Agent,
    /// It is a master's.
    Master,
    /// A task says that it is its own.
    Task,
}

/// Where something runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// On which agent, by its id.
    pub agent: Arc<str>,
    /// In which part of the cluster.
    pub area: Area,
}

/// A part of the cluster whose machines are near each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The zone of a region: what the agent says (`domain.fault_domain`), or the operator of its address (`places`).
    Place(Arc<Place>),
    /// Nobody says anything: machines whose addresses begin with the same 24 bits.
    V4([u8; 3]),
    /// Those whose addresses begin with the same 64 bits.
    V6([u8; 8]),
}

impl Area {
    /// That of an address for which nobody says anything.
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// The region, where there is one.
    pub fn region(&self) -> Option<&Arc<str>> {
        match self {
            Self::Place(place) => Some(&place.region),
            Self::V4(_) | Self::V6(_) => None,
        }
    }
}

/// The spots of the agents met so far, so that the tasks of one share an allocation.
#[derive(Default)]
pub(super) struct Spots(HashMap<Arc<str>, Arc<Spot>>);

impl Spots {
    fn of(&mut self, agent: &Agent, addresses: &[IpAddr], policy: &Policy) -> Option<Arc<Spot>> {
        if let Some(spot) = self.0.get(&agent.id) {
            return Some(spot.clone());
        }
        let spot = Arc::new(spot(agent, addresses, policy)?);
        self.0.insert(agent.id.clone(), spot.clone());
        Some(spot)
    }
}

/// Where an agent is; `None` if it has no address, from which nothing can be told.
fn spot(agent: &Agent, addresses: &[IpAddr], policy: &Policy) -> Option<Spot> {
    let address = addresses.first()?;
    let place = policy.place(agent, addresses).cloned();
    let area = place.map_or_else(|| Area::of_address(*address), Area::Place);
    Some(Spot { agent: agent.id.clone(), area })
}

/// The claims of an agent.
pub(super) fn agent(
    agent: &Agent,
    addresses: &[IpAddr],
    policy: &Policy,
    trace: impl Trace,
    emit: &mut dyn FnMut(Record),
) {
    let Some(spot) = spot(agent, addresses, policy).map(Arc::new) else { return };
    let name = name_of(agent, policy);
    for (address, is_counted) in addresses.iter().zip([true].into_iter().chain(std::iter::repeat(false))) {
        trace.begins(Scope::Data);
        trace.because(Scope::Data, Why::Claim(*address));
        emit(claim(&name, *address, Rank::Agent, Some(spot.clone()), is_counted));
    }
}

/// What the addresses of an agent are told by: the name of its host; else, where agents have names of their own, that by
/// its id.
fn name_of(agent: &Agent, policy: &Policy) -> Owner {
    let name = host_name(&agent.hostname);
    if name.name().is_none() && policy.extra.names.has(ExtraName::Agents) {
        return extra::agent_owner(&label(&agent.id, policy.rules), policy);
    }
    name
}

/// The claim of a master.
pub(super) fn master(name: &Owner, address: IpAddr) -> Record {
    claim(name, address, Rank::Master, None, false)
}

/// The claims of a task to addresses that are its own. `name` is that of the instance.
pub(super) fn task(
    (addresses, name): (&[IpAddr], &Owner),
    (agent, agent_addresses): (&Agent, &[IpAddr]),
    policy: &Policy,
    spots: &mut Spots,
    trace: impl Trace,
    emit: &mut dyn FnMut(Record),
) {
    for address in addresses.iter().filter(|address| !agent_addresses.contains(address)) {
        // Containers on several hosts have the same loopback address.
        if is_possible(*address, false) {
            let spot = spots.of(agent, agent_addresses, policy);
            trace.begins(Scope::Data);
            trace.because(Scope::Data, Why::Claim(*address));
            emit(claim(name, *address, Rank::Task, spot, false));
        }
    }
}

fn claim(name: &Owner, address: IpAddr, rank: Rank, spot: Option<Arc<Spot>>, is_counted: bool) -> Record {
    let address = address.to_canonical();
    let reverse = Reverse { address, rank, spot, is_counted };
    Record::from_parts(name.clone(), Data::Reverse(Box::new(reverse)))
}

/// What an agent calls itself, if that is the name of a host and not an address.
fn host_name(hostname: &str) -> Owner {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    let text = hostname.strip_suffix('.').unwrap_or(hostname);
    // The last label of a name is never a number (RFC 1123 section 2.1); what looks like an address is one.
    let is_number =
        text.rsplit('.').next().is_none_or(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    let is_name = !is_number && text.split('.').all(is_label) && !text.eq_ignore_ascii_case("localhost");
    if is_name { Owner::new(&format!("{}.", text.to_ascii_lowercase())) } else { Owner::listed_only("") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts() {
        for (text, name) in [
            ("node1.example.org", Some("node1.example.org.")),
            ("Node1.Example.org.", Some("node1.example.org.")),
            ("ip-10-0-0-1", Some("ip-10-0-0-1.")),
            ("node_1", Some("node_1.")),
            ("10.0.0.1", None),
            ("10.0.1", None),
            ("fd00::1", None),
            ("localhost", None),
            ("", None),
            (".", None),
            ("a..b", None),
            ("-a.b", None),
            ("a b", None),
            ("ä.example", None),
        ] {
            assert_eq!(host_name(text).name().map(ToString::to_string).as_deref(), name, "{text:?}");
        }
        let long = format!("{}.example", "x".repeat(64));
        assert_eq!(host_name(&long).name(), None);
    }

    #[test]
    fn areas_of_addresses() {
        let area = |text: &str| Area::of_address(text.parse().unwrap());
        assert_eq!(area("10.1.2.3"), area("::ffff:10.1.2.9"));
        assert_ne!(area("10.1.2.3"), area("10.1.3.3"));
        assert_eq!(area("fd00:1:2:3::9"), area("fd00:1:2:3:4:5:6:7"));
        assert_ne!(area("fd00:1:2:3::9"), area("fd00:1:2:4::9"));
        assert_eq!(area("10.1.2.3").region(), None);
    }
}
