//! How many queries may be outstanding, in all and for each.
//!
//! A query waits for its server up to the whole budget, holding a socket and a few kilobytes. Without
//! shares, one dead server, or one client that asks for names of dead servers, would hold all there is:
//!
//! - [`OUTSTANDING_MAX`] bounds what the forwarder can use of the machine;
//! - [`ZONE_OUTSTANDING_MAX`] leaves half of it to others when the servers of one zone are dead;
//! - [`CLIENT_OUTSTANDING_MAX`] leaves most of a zone's share to others when one client asks too much;
//! - [`LOOP_ROUNDS_MAX`] finds the query that comes back to us: another server, asked by us, asks us. Seen
//!   from here that is one client with one question outstanding many times over. The pair is then
//!   refused for [`LOOP_PAUSE`], else each unwinding round would ask its next server and begin anew.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::message::Question;
use crate::wire::Name;

/// Queries outstanding in all.
pub const OUTSTANDING_MAX: u32 = 1000;

/// Queries outstanding to the servers of one zone (or to the default servers).
pub const ZONE_OUTSTANDING_MAX: u32 = 500;

/// Queries outstanding for one client to the servers of one zone.
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
    outstanding: u32,
    shares: HashMap<Share, u32>,
    loops: HashMap<Share, Instant>,
}

/// Leave to be outstanding, to be given back with [`Admission::release`].
#[derive(Debug)]
pub struct Ticket([Share; 3]);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    Zone(Option<Name>),
    Client(IpAddr, Option<Name>),
    Equal(IpAddr, Name, u16, u16),
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
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
    /// Lets one more query be outstanding, or says which limit forbids it.
    pub fn admit(
        &mut self,
        now: Instant,
        client: IpAddr,
        zone: Option<&Name>,
        question: &Question<'_>,
    ) -> Result<Ticket, Limit> {
        let client = client.to_canonical();
        let equal = Share::Equal(client, question.name.clone(), question.qtype, question.qclass);
        if self.loops.get(&equal).is_some_and(|until| now < *until) {
            return Err(Limit::Loop);
        }
        let ticket = Ticket([Share::Zone(zone.cloned()), Share::Client(client, zone.cloned()), equal]);
        if let Some(limit) = self.reached(&ticket) {
            if limit == Limit::Loop {
                self.pause(now, ticket);
            }
            return Err(limit);
        }
        self.outstanding = self.outstanding.saturating_add(1);
        for share in &ticket.0 {
            let count = self.shares.entry(share.clone()).or_default();
            *count = count.saturating_add(1);
        }
        Ok(ticket)
    }

    /// Gives a leave back.
    pub fn release(&mut self, ticket: Ticket) {
        self.outstanding = self.outstanding.saturating_sub(1);
        for share in &ticket.0 {
            if let Some(count) = self.shares.get_mut(share) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.shares.remove(share);
                }
            }
        }
    }

    /// Queries outstanding.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    fn reached(&self, ticket: &Ticket) -> Option<Limit> {
        // A loop also fills the other shares: it is named first.
        let full = |share: &&Share| self.shares.get(*share).is_some_and(|held| *held >= share.max());
        let share = ticket.0.iter().rev().find(full).map(Share::limit);
        share.or((self.outstanding >= OUTSTANDING_MAX).then_some(Limit::Total))
    }

    fn pause(&mut self, now: Instant, ticket: Ticket) {
        self.loops.retain(|_, until| now < *until);
        if self.loops.len() < LOOPS_MAX {
            let [.., equal] = ticket.0;
            self.loops.insert(equal, now.checked_add(LOOP_PAUSE).unwrap_or(now));
        }
    }
}

impl Share {
    fn max(&self) -> u32 {
        match self {
            Self::Zone(_) => ZONE_OUTSTANDING_MAX,
            Self::Client(..) => CLIENT_OUTSTANDING_MAX,
            Self::Equal(..) => LOOP_ROUNDS_MAX,
        }
    }

    fn limit(&self) -> Limit {
        match self {
            Self::Zone(_) => Limit::Zone,
            Self::Client(..) => Limit::Client,
            Self::Equal(..) => Limit::Loop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::message::{Query, tests::query};

    /// Asks for `name` from 10.0.0.`client`.
    fn admit(admission: &mut Admission, now: Instant, client: u32, name: &str) -> Result<Ticket, Limit> {
        let bytes = query(name, 1);
        let query = Query::parse(&bytes).unwrap();
        let zone = query.question.name.parent();
        let client = IpAddr::from((0x0a00_0000 | client).to_be_bytes());
        admission.admit(now, client, zone.as_ref(), &query.question)
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
        held.drain(..).for_each(|ticket| admission.release(ticket));
        assert_eq!((admission.outstanding(), admission.shares.len()), (0, 0));
        assert!(admit(&mut admission, now, 1, "one-more.dead").is_ok());
    }

    #[test]
    fn a_loop_is_found_and_stays_refused_for_a_while() {
        let (mut admission, now) = (Admission::default(), Instant::now());
        let held: Vec<_> =
            (0..LOOP_ROUNDS_MAX).map(|_| admit(&mut admission, now, 1, "a.b").unwrap()).collect();
        assert_eq!(admit(&mut admission, now, 1, "a.b").unwrap_err(), Limit::Loop);
        assert!(admit(&mut admission, now, 2, "a.b").is_ok(), "another client");
        assert!(admit(&mut admission, now, 1, "c.b").is_ok(), "another name");
        held.into_iter().for_each(|ticket| admission.release(ticket));
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
            held.into_iter().for_each(|ticket| admission.release(ticket));
        }
        assert_eq!(admission.loops.len(), LOOPS_MAX);
    }
}
