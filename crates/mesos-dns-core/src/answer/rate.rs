//! How many datagrams a client network is sent (response rate limiting).
//!
//! Whoever forges the address of a victim has our answers sent there. So each network may be sent so many datagrams
//! in a second; beyond it answers are dropped, and every second one of these is replaced by a small one that makes
//! an honest client ask again in a way that cannot be forged: over TCP, or with the cookie it is given. Clients
//! with a valid cookie, those in networks of our own, and streams are not limited. Sending costs the server most, so
//! where one network is refused thousands of answers in a second, small ones become seldom: a flood that is limited must
//! not take the time that everybody else's answers need.
//!
//! The table has a fixed size: sets of four buckets, a cache line each. A network that is not in its set takes the
//! place of the one that was quiet longest, so a flood from forged addresses cannot wipe out what is known of the
//! network that is being flooded. The hash has a secret key: nobody can choose whose bucket they share.
//!
//! One table for all workers, because the number the operator wrote is meant for the server, and the kernel spreads
//! the queries of one network over the workers. Buckets are plain atomic numbers, read and written without any lock:
//! two workers that charge one bucket at the same moment may charge it once, which makes the limit a little softer
//! and costs nothing.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use super::{Action, Peer, Reason, Settings, Silence, Transport, begin, rcode, reply_flags};
use crate::wire::{FLAG_TC, Query};

/// Sets of the table: with four networks each, 32,768 networks in 512 KiB.
const SETS: usize = 8192;

/// Buckets that one network may have.
const WAYS: usize = 4;

/// Bits of an IPv4 address that make a network; it fits a prefix that is routed on its own.
const V4_BITS: u32 = 24;

/// Bits of an IPv6 address that make a network; it fits what one customer is given.
const V6_BITS: u32 = 56;

/// How much of its quota a network that was quiet may take at once.
const BURST: u64 = NANOSECONDS;

/// Of the answers that are dropped, each one of so many is replaced by a small one.
const SLIP: u32 = 2;

/// More in one second, to one network, are a flood.
const FLOOD: u32 = 2000;

/// The same in a flood.
const SLIP_IN_FLOOD: u32 = 16;

/// Most that is counted in one second. The bits above tell seconds apart.
const COUNT_MAX: u32 = 0xf_ffff;

/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Datagrams to one network in a second, never 0.
    pub per_second: u32,
    /// Clients without a limit.
    pub exempt: Vec<IpNet>,
}

/// See the head of this file.
pub struct RateLimiter {
    sets: Box<[Set]>,
    key: [u8; 16],
}

#[derive(Default)]
#[repr(align(64))]
struct Set([Bucket; WAYS]);

/// What one network was sent: the moment at which it will have paid for all of it.
#[derive(Default)]
struct Bucket {
    tag: AtomicU32,
    /// Datagrams beyond the limit: how many, and in which second.
    over: AtomicU32,
    paid_at: AtomicU64,
}

/// What a charge came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charge {
    Within,
    /// Beyond the limit, and one of those that get a small answer.
    Slip,
    Over,
}

impl RateLimiter {
    /// An empty table. The key is a secret random number.
    pub fn new(key: [u8; 16]) -> Self {
        Self { sets: (0..SETS).map(|_| Set::default()).collect(), key }
    }

    /// Lets an action pass, or turns it into silence or a small answer. `now` is the time since the Unix epoch.
    pub fn restrain(
        &self,
        action: Action,
        message: &[u8],
        settings: &Settings,
        peer: Peer,
        now: Duration,
        out: &mut [u8],
    ) -> Action {
        let Some(limit) = &settings.rate_limit else { return action };
        let is_free = peer.transport != Transport::Udp
            || matches!(action, Action::Drop(_))
            || limit.exempt.iter().any(|network| network.contains(&peer.address));
        if is_free {
            return action;
        }
        match self.charge(peer.address, limit.per_second, now) {
            Charge::Within => action,
            over => restrained(action, message, settings, peer, now, over, out),
        }
    }

    /// Charges a network for one datagram.
    ///
    /// A bucket is a clock that runs ahead (the generic cell rate algorithm): each datagram moves it on by its share
    /// of a second, and it may be ahead of time by [`BURST`] at most. It cannot be farther ahead than that, so a
    /// system clock that is set back starves nobody for longer.
    fn charge(&self, address: IpAddr, per_second: u32, now: Duration) -> Charge {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bucket(network(address));
        let latest = now.saturating_add(BURST);
        let share = NANOSECONDS.checked_div(u64::from(per_second)).unwrap_or(NANOSECONDS);
        let owed = bucket.paid_at.load(Relaxed).clamp(now, latest);
        let paid_at = owed.saturating_add(share);
        if paid_at <= latest {
            bucket.paid_at.store(paid_at, Relaxed);
            return Charge::Within;
        }
        bucket.paid_at.store(owed, Relaxed);
        let count = bucket.count_over(now);
        let slip = if count > FLOOD { SLIP_IN_FLOOD } else { SLIP };
        if count.is_multiple_of(slip) { Charge::Slip } else { Charge::Over }
    }

    /// The bucket of a network: its own, or that of the one in its set that was quiet longest.
    fn bucket(&self, network: u64) -> &Bucket {
        let hash = SipHasher13::new_with_key(&self.key).hash(&network.to_le_bytes());
        let (low, high) = (hash as u32, (hash >> 32) as u32);
        // The table is never empty; this is for the compiler.
        static NONE: Bucket =
            Bucket { tag: AtomicU32::new(0), over: AtomicU32::new(0), paid_at: AtomicU64::new(0) };
        let set = self.sets.get(low as usize & SETS.saturating_sub(1));
        let ways = set.map(|set| &set.0[..]).unwrap_or_default();
        if let Some(own) = ways.iter().find(|bucket| bucket.tag.load(Relaxed) == high) {
            return own;
        }
        let Some(quiet) = ways.iter().min_by_key(|bucket| bucket.paid_at.load(Relaxed)) else { return &NONE };
        quiet.paid_at.store(0, Relaxed);
        quiet.over.store(0, Relaxed);
        quiet.tag.store(high, Relaxed);
        quiet
    }
}

impl Bucket {
    /// Counts a datagram beyond the limit; returns how many there have been in this second, [`COUNT_MAX`] at most.
    fn count_over(&self, now: u64) -> u32 {
        let second = now.checked_div(NANOSECONDS).unwrap_or_default() as u32;
        let second = second << COUNT_MAX.count_ones();
        let before = self.over.load(Relaxed);
        let is_same = before & !COUNT_MAX == second;
        let count = if is_same { (before & COUNT_MAX).saturating_add(1).min(COUNT_MAX) } else { 1 };
        self.over.store(second | count, Relaxed);
        count
    }
}

/// What becomes of an answer beyond the limit.
fn restrained(
    action: Action,
    message: &[u8],
    settings: &Settings,
    peer: Peer,
    now: Duration,
    charge: Charge,
    out: &mut [u8],
) -> Action {
    let silence = Action::Drop(Silence::Limited);
    // What could not be read earns nothing better.
    let Ok(query) = Query::read(message) else { return silence };
    let seconds = now.as_secs() as u32;
    let cookie = query.edns.and_then(|edns| edns.cookie).zip(settings.cookies.as_ref());
    if cookie.is_some_and(|(cookie, secrets)| secrets.vouch_for(&cookie, peer.address, seconds)) {
        return action;
    }
    if charge != Charge::Slip {
        return silence;
    }
    let Some(reply) = begin(&query, settings, peer, seconds, out) else { return silence };
    match cookie {
        // It comes back with the cookie that is in this reply (RFC 7873 section 5.2.3).
        Some(_) => reply.finish(reply_flags(&query), rcode::BAD_COOKIE, Reason::BadCookie),
        None => reply.finish(reply_flags(&query) | FLAG_TC, rcode::NO_ERROR, Reason::Slipped),
    }
}

/// The network of an address as a number; those of the two families differ in their last octet.
fn network(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => {
            let bits = u64::from(v4.to_bits() >> (u32::BITS - V4_BITS));
            bits << 8 | 1
        }
        IpAddr::V6(v6) => {
            let bits = (v6.to_bits() >> (u128::BITS - V6_BITS)) as u64;
            bits << 8
        }
    }
}

#[cfg(test)]
mod tests;
