//! How much may be outstanding, in all and for each.
//!
//! Two things wait for servers. An *asker* is a client's query; it holds some hundred bytes. An *exchange* is
//! a question on its way, for one asker or many or none; it holds sockets and a few kilobytes, up to the whole
//! budget. Without shares, one dead server, or one client that asks for names of dead servers, would hold all
//! there is:
//!
//! - [`OUTSTANDING_MAX`] bounds the exchanges, and [`ASKERS_MAX`] those who wait for them;
//! - [`ZONE_OUTSTANDING_MAX`] leaves half of the exchanges to others when the servers of one zone are dead;
//! - [`CLIENT_OUTSTANDING_MAX`] leaves most of a zone's share to others when one client asks too much. An
//!   exchange goes on without the client that began it, and keeps its place among that client's till then:
//!   asking and going away gains nothing.
//!
//! Equal questions are not counted apart: they share one exchange, so a client that stands for many others may ask the
//! same as often as anything else, and a question that comes back through other servers waits for itself no longer
//! than the budget.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
};

use crate::wire::Name;

/// Exchanges outstanding in all.
pub const OUTSTANDING_MAX: u32 = 1000;

/// Queries of clients that wait, in all.
pub const ASKERS_MAX: u32 = 10_000;

/// Exchanges outstanding with the servers of one zone (or with the default servers).
pub const ZONE_OUTSTANDING_MAX: u32 = 500;

/// Queries outstanding for one client to the servers of one zone, and exchanges it has begun there.
pub const CLIENT_OUTSTANDING_MAX: u32 = 200;

/// What is outstanding.
#[derive(Debug, Default)]
pub struct Admission {
    held: HashMap<Share, u32>,
}

/// Leave to be outstanding, to be given back with [`Admission::release`].
#[derive(Debug)]
pub struct Ticket(Vec<Share>);

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    Askers,
    Client(IpAddr, Option<Name>),
    Exchanges,
    Zone(Option<Name>),
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`ASKERS_MAX`].
    Askers,
    /// [`OUTSTANDING_MAX`].
    Total,
    /// [`ZONE_OUTSTANDING_MAX`].
    Zone,
    /// [`CLIENT_OUTSTANDING_MAX`].
    Client,
    /// None: a question of ours came back, through servers that forward in a circle.
    Loop,
}

impl Admission {
    /// Lets one more client's query wait, or says which limit forbids it.
    pub fn admit(&mut self, client: IpAddr, zone: Option<&Name>) -> Result<Ticket, Limit> {
        self.take(vec![Share::Client(client.to_canonical(), zone.cloned()), Share::Askers])
    }

    /// Lets one more exchange begin, or says which limit forbids it.
    pub fn open(&mut self, zone: Option<&Name>) -> Result<Ticket, Limit> {
        self.take(vec![Share::Zone(zone.cloned()), Share::Exchanges])
    }

    /// Gives a leave back.
    pub fn release(&mut self, ticket: Ticket) {
        for share in ticket.0 {
            if let Entry::Occupied(mut held) = self.held.entry(share) {
                *held.get_mut() = held.get().saturating_sub(1);
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
    }

    /// Exchanges outstanding.
    pub fn outstanding(&self) -> u32 {
        self.held.get(&Share::Exchanges).copied().unwrap_or_default()
    }

    /// Takes one of each share, or none if one is used up.
    fn take(&mut self, shares: Vec<Share>) -> Result<Ticket, Limit> {
        let full = |share: &&Share| self.held.get(*share).is_some_and(|held| *held >= share.max());
        if let Some(share) = shares.iter().find(full) {
            return Err(share.limit());
        }
        for share in &shares {
            let held = self.held.entry(share.clone()).or_default();
            *held = held.saturating_add(1);
        }
        Ok(Ticket(shares))
    }
}

impl Share {
    fn max(&self) -> u32 {
        match self {
            Self::Askers => ASKERS_MAX,
            Self::Client(..) => CLIENT_OUTSTANDING_MAX,
            Self::Exchanges => OUTSTANDING_MAX,
            Self::Zone(_) => ZONE_OUTSTANDING_MAX,
        }
    }

    fn limit(&self) -> Limit {
        match self {
            Self::Askers => Limit::Askers,
            Self::Client(..) => Limit::Client,
            Self::Exchanges => Limit::Total,
            Self::Zone(_) => Limit::Zone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Option<Name> {
        Some(Name::parse(name).unwrap())
    }

    fn address(client: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 | client).to_be_bytes())
    }

    /// Asks for a name of this zone from 10.0.0.`client`, and begins an exchange for it.
    fn admit(admission: &mut Admission, client: u32, name: &str) -> Result<[Ticket; 2], Limit> {
        let zone = zone(name);
        let asker = admission.admit(address(client), zone.as_ref())?;
        match admission.open(zone.as_ref()) {
            Ok(exchange) => Ok([asker, exchange]),
            Err(limit) => {
                admission.release(asker);
                Err(limit)
            }
        }
    }

    #[test]
    fn each_share_has_its_end_and_comes_back() {
        let mut admission = Admission::default();
        let mut held = Vec::new();
        for _ in 0..CLIENT_OUTSTANDING_MAX {
            held.push(admit(&mut admission, 1, "dead").unwrap());
        }
        assert_eq!(admit(&mut admission, 1, "dead").unwrap_err(), Limit::Client);
        held.push(admit(&mut admission, 1, "good").expect("another zone is another share"));
        for n in CLIENT_OUTSTANDING_MAX..ZONE_OUTSTANDING_MAX {
            held.push(admit(&mut admission, n, "dead").unwrap());
        }
        assert_eq!(admit(&mut admission, 9999, "dead").unwrap_err(), Limit::Zone);
        for n in held.len() as u32..OUTSTANDING_MAX {
            held.push(admit(&mut admission, n, &format!("zone{}", n % 3)).unwrap());
        }
        assert_eq!(admit(&mut admission, 9999, "good").unwrap_err(), Limit::Total);
        held.drain(..).flatten().for_each(|ticket| admission.release(ticket));
        assert_eq!((admission.outstanding(), admission.held.len()), (0, 0));
        assert!(admit(&mut admission, 1, "dead").is_ok());
    }

    #[test]
    fn those_who_only_wait_are_bounded_too() {
        let mut admission = Admission::default();
        for n in 0..ASKERS_MAX {
            admission.admit(address(n), None).unwrap();
        }
        let client = IpAddr::from([192, 168, 0, 1]);
        assert_eq!(admission.admit(client, None).unwrap_err(), Limit::Askers);
        assert_eq!(admission.outstanding(), 0);
    }

    #[test]
    fn a_client_is_the_same_by_both_families() {
        let mut admission = Admission::default();
        for _ in 0..CLIENT_OUTSTANDING_MAX {
            admission.admit("10.0.0.1".parse().unwrap(), None).unwrap();
        }
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(admission.admit(mapped, None).unwrap_err(), Limit::Client);
    }
}
