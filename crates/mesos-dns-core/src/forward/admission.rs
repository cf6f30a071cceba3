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
//!   asking and going away gains nothing;
//! - [`LOOP_ROUNDS_MAX`] finds the query that comes back to us: another server, asked by us, asks us. Seen
//!   from here that is one client with one question outstanding many times over. The pair is then
//!   refused for [`LOOP_PAUSE`], else each unwinding round would ask its next server and begin anew.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::key::Key;
use crate::wire::Name;

/// Exchanges outstanding in all.
pub const OUTSTANDING_MAX: u32 = 1000;

/// Queries of clients that wait, in all.
pub const ASKERS_MAX: u32 = 10_000;

/// Exchanges outstanding with the servers of one zone (or with the default servers).
pub const ZONE_OUTSTANDING_MAX: u32 = 500;

/// Queries outstanding for one client to the servers of one zone, and exchanges it has begun there.
pub const CLIENT_OUTSTANDING_MAX: u32 = 200;

/// Equal queries outstanding for one client.
pub const LOOP_ROUNDS_MAX: u32 = 50;

/// For how long a looping query is refused; longer than the budget in use almost everywhere (RFC 9520
/// section 3.2 suggests five seconds for failures of this kind).
pub const LOOP_PAUSE: Duration = Duration::from_secs(5);

/// Loops remembered at a time. One more is refused all the same, only not remembered.
pub const LOOPS_MAX: usize = 64;

/// What is outstanding.
#[derive(Debug, Default)]
pub struct Admission {
    held: HashMap<Share, u32>,
    loops: HashMap<Share, Instant>,
}

/// Leave to be outstanding, to be given back with [`Admission::release`].
#[derive(Debug)]
pub struct Ticket(Vec<Share>);

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    Askers,
    Client(IpAddr, Option<Name>),
    Equal(IpAddr, Key),
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
    /// [`LOOP_ROUNDS_MAX`].
    Loop,
}

impl Admission {
    /// Lets one more client's query wait, or says which limit forbids it.
    pub fn admit(
        &mut self,
        now: Instant,
        client: IpAddr,
        zone: Option<&Name>,
        key: &Key,
    ) -> Result<Ticket, Limit> {
        let client = client.to_canonical();
        let equal = Share::Equal(client, key.clone());
        if self.loops.get(&equal).is_some_and(|until| now < *until) {
            return Err(Limit::Loop);
        }
        // A loop also fills the other shares: it is named first.
        let shares = vec![equal, Share::Client(client, zone.cloned()), Share::Askers];
        self.take(shares).inspect_err(|limit| {
            if *limit == Limit::Loop {
                self.pause(now, Share::Equal(client, key.clone()));
            }
        })
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

    fn pause(&mut self, now: Instant, equal: Share) {
        self.loops.retain(|_, until| now < *until);
        if self.loops.len() < LOOPS_MAX {
            self.loops.insert(equal, now.checked_add(LOOP_PAUSE).unwrap_or(now));
        }
    }
}

impl Share {
    fn max(&self) -> u32 {
        match self {
            Self::Askers => ASKERS_MAX,
            Self::Client(..) => CLIENT_OUTSTANDING_MAX,
            Self::Equal(..) => LOOP_ROUNDS_MAX,
            Self::Exchanges => OUTSTANDING_MAX,
            Self::Zone(_) => ZONE_OUTSTANDING_MAX,
        }
    }

    fn limit(&self) -> Limit {
        match self {
            Self::Askers => Limit::Askers,
            Self::Client(..) => Limit::Client,
            Self::Equal(..) => Limit::Loop,
            Self::Exchanges => Limit::Total,
            Self::Zone(_) => Limit::Zone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::message::{Query, tests::query};

    /// Asks for `name` from 10.0.0.`client`, and begins an exchange for it.
    fn admit(admission: &mut Admission, now: Instant, client: u32, name: &str) -> Result<[Ticket; 2], Limit> {
        let bytes = query(name, 1);
        let key = Key::of(&Query::parse(&bytes).unwrap());
        let zone = key.name.parent();
        let client = IpAddr::from((0x0a00_0000 | client).to_be_bytes());
        let asker = admission.admit(now, client, zone.as_ref(), &key)?;
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
        let (mut admission, now) = (Admission::default(), Instant::now());
        let mut held = Vec::new();
        for n in 0..CLIENT_OUTSTANDING_MAX {
            held.push(admit(&mut admission, now, 1, &format!("n{n}.dead")).unwrap());
        }
        assert_eq!(admit(&mut admission, now, 1, "one-more.dead").unwrap_err(), Limit::Client);
        held.push(admit(&mut admission, now, 1, "n.good").expect("another zone is another share"));
        for n in CLIENT_OUTSTANDING_MAX..ZONE_OUTSTANDING_MAX {
            held.push(admit(&mut admission, now, n, &format!("n{n}.dead")).unwrap());
        }
        assert_eq!(admit(&mut admission, now, 9999, "x.dead").unwrap_err(), Limit::Zone);
        for n in held.len() as u32..OUTSTANDING_MAX {
            held.push(admit(&mut admission, now, n, &format!("n.zone{}", n % 3)).unwrap());
        }
        assert_eq!(admit(&mut admission, now, 9999, "x.good").unwrap_err(), Limit::Total);
        held.drain(..).flatten().for_each(|ticket| admission.release(ticket));
        assert_eq!((admission.outstanding(), admission.held.len()), (0, 0));
        assert!(admit(&mut admission, now, 1, "one-more.dead").is_ok());
    }

    #[test]
    fn those_who_only_wait_are_bounded_too() {
        let (mut admission, now) = (Admission::default(), Instant::now());
        let bytes = query("a.b", 1);
        let key = Key::of(&Query::parse(&bytes).unwrap());
        for n in 0..ASKERS_MAX {
            let client = IpAddr::from((0x0a00_0000 | n).to_be_bytes());
            admission.admit(now, client, None, &key).unwrap();
        }
        let client = IpAddr::from([192, 168, 0, 1]);
        assert_eq!(admission.admit(now, client, None, &key).unwrap_err(), Limit::Askers);
        assert_eq!(admission.outstanding(), 0);
    }

    #[test]
    fn a_loop_is_found_and_stays_refused_for_a_while() {
        let (mut admission, now) = (Admission::default(), Instant::now());
        let held: Vec<_> =
            (0..LOOP_ROUNDS_MAX).map(|_| admit(&mut admission, now, 1, "a.b").unwrap()).collect();
        assert_eq!(admit(&mut admission, now, 1, "a.b").unwrap_err(), Limit::Loop);
        assert!(admit(&mut admission, now, 2, "a.b").is_ok(), "another client");
        assert!(admit(&mut admission, now, 1, "c.b").is_ok(), "another name");
        held.into_iter().flatten().for_each(|ticket| admission.release(ticket));
        assert_eq!(admit(&mut admission, now, 1, "A.b").unwrap_err(), Limit::Loop);
        assert!(admit(&mut admission, now + LOOP_PAUSE, 1, "a.b").is_ok());
    }

    #[test]
    fn loops_remembered_are_bounded() {
        let (mut admission, now) = (Admission::default(), Instant::now());
        for n in 0..2 * LOOPS_MAX {
            let name = format!("n{n}.b");
            let held: Vec<_> =
                (0..LOOP_ROUNDS_MAX).map(|_| admit(&mut admission, now, 1, &name).unwrap()).collect();
            assert_eq!(admit(&mut admission, now, 1, &name).unwrap_err(), Limit::Loop);
            held.into_iter().flatten().for_each(|ticket| admission.release(ticket));
        }
        assert_eq!(admission.loops.len(), LOOPS_MAX);
    }
}
