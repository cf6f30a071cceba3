//! What to do with one query.
//!
//! [`decide`] is the server: bytes and a version of the zone in, bytes and a reason out. It does not
//! allocate, lock or wait, and the same input gives the same output; the caller brings the random
//! number that turns the order of answers, the time, and how our view of the cluster stands. [`Many`] is the same for
//! the plain queries of a batch, and faster.
//!
//! Over UDP, what is decided then passes the [`RateLimiter`], the one thing in here that remembers anything.

mod action;
mod alias;
mod cookie;
mod many;
mod nearest;
mod options;
mod order;
mod padding;
mod rate;
mod render;
mod reverse;
mod standing;
mod trace;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use crate::{
    wire::{
        CLASS_ANY, CLASS_IN, FLAG_AA, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, Fault, HEADER_BYTES, OPCODE_MASK,
        Query, rtype,
    },
    zone::{Node, Snapshot},
};
use alias::{End, Way};
use nearest::{Client, Located};
use options::Options;
use order::Order;
use render::Reply;
use standing::StatusData;
use trace::Ordered;

pub use action::{Action, Reason, Silence};
pub use cookie::{SERVER_COOKIE_BYTES, Secrets, SecretsError};
pub use many::{MANY_MAX, Many, Ticket};
pub(crate) use nearest::Near;
pub use nearest::{Ranking, Selection};
pub use options::Hop;
pub use padding::pad;
pub use rate::{RateLimit, RateLimiter};
pub use reverse::Reversing;
pub(crate) use standing::is_status;
pub use standing::{Standing, State};
pub(crate) use trace::{Heard, Rule, Trace};

/// Largest UDP answer we send, in bytes, whatever larger size the client offers.
///
/// 1280 (smallest IPv6 MTU) less 40 (IPv6 header) less 8 (UDP header): such an answer is not
/// fragmented, and fragments are where spoofing and silent loss live (RFC 9715). The client's own size
/// (RFC 6891 section 6.2.3; 512 without EDNS, RFC 1035 section 4.2.1) still lowers it.
pub const UDP_PAYLOAD_BYTES_MAX: usize = 1232;

/// Smallest limit a client can set: below it counts as it (RFC 6891 section 6.2.3).
pub const UDP_PAYLOAD_BYTES_MIN: usize = 512;

/// Largest TCP answer: what its length prefix can say.
pub const TCP_PAYLOAD_BYTES_MAX: usize = 65535;

/// Longest identifier of a server, in bytes: with it, every reply still fits 512 bytes.
pub const NSID_BYTES_MAX: usize = 64;

/// What the operator chose about answering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// RA in answers from the zone (`recurseon`). Says nothing about whether we forward.
    pub recursion_available: bool,
    /// Whether names outside the domain are forwarded (`externalon`).
    pub forwards: bool,
    /// Whether TC tells that records were left out (`setTruncateBit`).
    pub sets_truncated: bool,
    /// For whom (`recursionAllow`). Of other names the forwarder sees to that; our own zone asks it to follow an alias.
    pub recursion_allow: Vec<IpNet>,
    /// Who may ask at all (`queryAllow`); empty means everybody.
    pub query_allow: Vec<IpNet>,
    /// What our cookies are made with (`cookieSecretFile`); without it, cookies are an option we do not know.
    pub cookies: Option<Secrets>,
    /// What we say when asked who we are (`nsid`), at most [`NSID_BYTES_MAX`] bytes; empty: nothing.
    pub nsid: Vec<u8>,
    /// How long an idle connection is kept, for those who ask.
    pub idle: Duration,
    /// For which addresses we tell by what name they go (`reversePrefixes`).
    pub reverse: Reversing,
    /// Which records of a set are told, and which come first (`answers`, `maxAnswers`, `places`).
    pub selection: Selection,
    /// How much is sent to one network (`rateLimit`); `None`: as much as it asks for.
    pub rate_limit: Option<RateLimit>,
}

impl Settings {
    /// Whether we forward for this client.
    fn may_recurse(&self, client: IpAddr) -> bool {
        self.recursion_allow.iter().any(|net| net.contains(&client))
    }

    /// Whether this client may ask at all.
    fn may_ask(&self, client: IpAddr) -> bool {
        self.query_allow.is_empty() || self.query_allow.iter().any(|net| net.contains(&client))
    }
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the query came from.
    pub address: IpAddr,
    /// How it came.
    pub transport: Transport,
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In an HTTP request (RFC 8484).
    Https,
    /// In a stream: answers up to 65,535 bytes.
    Tcp,
    /// In an encrypted stream (RFC 7858).
    Tls,
    /// In a datagram.
    Udp,
}

/// Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9).
mod rcode {
    pub(super) const NO_ERROR: u16 = 0;
    pub(super) const FORM_ERR: u16 = 1;
    pub(super) const SERV_FAIL: u16 = 2;
    pub(super) const NX_DOMAIN: u16 = 3;
    pub(super) const NOT_IMP: u16 = 4;
    pub(super) const REFUSED: u16 = 5;
    pub(super) const BAD_VERS: u16 = 16;
    pub(super) const BAD_COOKIE: u16 = 23;
}

/// Extended DNS Error codes (RFC 8914 section 5.2).
mod ede {
    pub(super) const OTHER: u16 = 0;
    pub(super) const STALE_ANSWER: u16 = 3;
    pub(super) const NOT_READY: u16 = 14;
    pub(super) const PROHIBITED: u16 = 18;
    pub(super) const STALE_NX_DOMAIN_ANSWER: u16 = 19;
    pub(super) const NOT_AUTHORITATIVE: u16 = 20;
    pub(super) const NOT_SUPPORTED: u16 = 21;
}

/// Decides one query, which may be any bytes at all.
///
/// `dice` is a fresh random number. `out` should hold [`TCP_PAYLOAD_BYTES_MAX`] bytes for a stream and
/// [`UDP_PAYLOAD_BYTES_MAX`] for a datagram; less of it lowers the limit.
pub fn decide(
    message: &[u8],
    zone: &Snapshot,
    standing: &Standing,
    settings: &Settings,
    peer: Peer,
    dice: u64,
    out: &mut [u8],
) -> Action {
    decide_telling(message, zone, standing, settings, peer, (dice, ()), out)
}

/// The same, which tells why.
pub(crate) fn decide_telling<T: Trace>(
    message: &[u8],
    zone: &Snapshot,
    standing: &Standing,
    settings: &Settings,
    peer: Peer,
    (dice, trace): (u64, T),
    out: &mut [u8],
) -> Action {
    let query = match Query::read(message) {
        Ok(query) => query,
        Err(Fault::Short) => return Action::Drop(Silence::Short),
        Err(Fault::Response) => return Action::Drop(Silence::Response),
        Err(Fault::Malformed) => return bare(message, rcode::FORM_ERR, Reason::FormatError, out),
        Err(Fault::Opcode) => return bare(message, rcode::NOT_IMP, Reason::NotImplemented, out),
    };
    let now = standing.now.as_secs() as u32;
    let Some(mut reply) = begin(&query, settings, peer, now, out) else {
        return Action::Drop(Silence::NoSpace);
    };
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return reply.finish(reply_flags(&query), rcode::BAD_VERS, Reason::BadVersion);
    }
    if !settings.may_ask(peer.address) {
        trace.hears(Heard::Rule(Rule::Denied));
        return refuse(reply, &query, ede::PROHIBITED, Reason::RefusedClient);
    }
    if query.question.is_empty() {
        return only_cookie(reply, &query, settings, peer, now);
    }
    if query.qtype == rtype::OPT {
        return reply.finish(reply_flags(&query), rcode::FORM_ERR, Reason::FormatError);
    }
    if matches!(query.qtype, rtype::AXFR | rtype::IXFR) {
        trace.hears(Heard::Rule(Rule::Transfer));
        return refuse(reply, &query, ede::PROHIBITED, Reason::Refused);
    }
    if !matches!(query.class, CLASS_IN | CLASS_ANY) {
        trace.hears(Heard::Rule(Rule::Class));
        return refuse(reply, &query, ede::NOT_SUPPORTED, Reason::Refused);
    }
    let recursion = if settings.recursion_available { FLAG_RA } else { 0 };
    let flags = reply_flags(&query) | recursion;
    let source = Source {
        zone,
        is_stale: standing.state == State::Stale,
        leads_out: settings.forwards && query.flags & FLAG_RD != 0 && settings.may_recurse(peer.address),
        selection: &settings.selection,
        client: peer.address,
        trace,
    };
    if !query.name.is_within(zone.apex().as_wire()) {
        if let Some(ours) = reverse::find(query.name.view(), zone, &settings.reverse) {
            reply.sets_truncated = settings.sets_truncated;
            trace.hears(Heard::Rule(Rule::Reverse));
            return match zone.is_loaded() {
                true => reverse::answer(reply, &query, ours, &source, flags | FLAG_AA),
                false => not_ready(reply, flags, trace),
            };
        }
        // Forwarding without being asked to recurse would be answering for others (RFC 8906, robustness A2).
        if settings.forwards && query.flags & FLAG_RD != 0 {
            trace.hears(Heard::Rule(Rule::Forwarded));
            return Action::Forward;
        }
        trace.hears(Heard::Rule(Rule::NotOurs));
        return refuse(reply, &query, ede::NOT_AUTHORITATIVE, Reason::Refused);
    }
    reply.sets_truncated = settings.sets_truncated;
    if standing::is_status(query.name.as_wire(), zone.apex()) {
        trace.hears(Heard::Rule(Rule::Status));
        return status(reply, &query, zone, standing, flags | FLAG_AA);
    }
    if !zone.is_loaded() {
        return not_ready(reply, flags, trace);
    }
    from_zone(reply, &query, source, flags | FLAG_AA, dice, peer.transport)
}

/// Answers a query that was to be forwarded, and cannot be: SERVFAIL.
pub fn fail(message: &[u8], standing: &Standing, settings: &Settings, peer: Peer, out: &mut [u8]) -> Action {
    let Ok(query) = Query::read(message) else { return Action::Drop(Silence::NoSpace) };
    let Some(mut reply) = begin(&query, settings, peer, standing.now.as_secs() as u32, out) else {
        return Action::Drop(Silence::NoSpace);
    };
    reply.explain(ede::OTHER);
    // The answer of one who recurses: there CD comes back (RFC 4035 section 3.2.2).
    let flags = reply_flags(&query) | query.flags & FLAG_CD;
    reply.finish(flags, rcode::SERV_FAIL, Reason::Overloaded)
}

/// Begins the reply to a query; `None` if there is no space for one.
fn begin<'a>(
    query: &Query<'_>,
    settings: &'a Settings,
    peer: Peer,
    now: u32,
    out: &'a mut [u8],
) -> Option<Reply<'a>> {
    let limit = limit(query, peer.transport, out.len());
    let options = query.edns.map(|edns| Options::new(&edns, settings, peer, now));
    Reply::start(out, limit, query, options)
}

/// Answers REFUSED, and says why.
fn refuse(mut reply: Reply, query: &Query, why: u16, reason: Reason) -> Action {
    reply.explain(why);
    reply.finish(reply_flags(query), rcode::REFUSED, reason)
}

/// Answers SERVFAIL: nothing is known yet.
fn not_ready(mut reply: Reply, flags: u16, trace: impl Trace) -> Action {
    trace.hears(Heard::Rule(Rule::NotLoaded));
    reply.explain(ede::NOT_READY);
    reply.finish(flags, rcode::SERV_FAIL, Reason::Loading)
}

/// Tells clients that the answer is from old data, if it is.
fn begin_stale(reply: &mut Reply, source: &Source<impl Trace>, why: u16) {
    if source.is_stale {
        source.trace.hears(Heard::Rule(Rule::Stale));
        reply.explain(why);
    }
}

/// Answers a client that only wants a cookie, or to know whether its own is still good (RFC 7873 section 5.4).
fn only_cookie(reply: Reply, query: &Query, settings: &Settings, peer: Peer, now: u32) -> Action {
    let (Some(secrets), Some(cookie)) = (&settings.cookies, query.edns.and_then(|edns| edns.cookie)) else {
        return reply.finish(reply_flags(query), rcode::FORM_ERR, Reason::FormatError);
    };
    if cookie.server.is_empty() || secrets.vouch_for(&cookie, peer.address, now) {
        return reply.finish(reply_flags(query), rcode::NO_ERROR, Reason::Cookie);
    }
    reply.finish(reply_flags(query), rcode::BAD_COOKIE, Reason::BadCookie)
}

/// Answers the name that tells how we stand: it is there whatever else is not.
fn status(mut reply: Reply, query: &Query, zone: &Snapshot, standing: &Standing, flags: u16) -> Action {
    if matches!(query.qtype, rtype::TXT | rtype::ANY) {
        reply.text(StatusData::new(standing, zone).as_bytes());
        return reply.finish(flags, rcode::NO_ERROR, Reason::Success);
    }
    reply.negative_soa(zone);
    reply.finish(flags, rcode::NO_ERROR, Reason::NoData)
}

/// What answers are made from.
struct Source<'a, T> {
    zone: &'a Snapshot,
    /// Whether the masters are out of reach: clients with EDNS are told.
    is_stale: bool,
    /// Whether an alias that leads out of the domain is followed by the forwarder, who has to be asked for it.
    leads_out: bool,
    selection: &'a Selection,
    client: IpAddr,
    /// Who is told why.
    trace: T,
}

impl<T: Trace> Source<'_, T> {
    /// Where the client is, if near ones of these records come first for it.
    fn near<L: Located>(&self, set: &[L]) -> Option<Client<'_>> {
        let is_asked = self.selection.ranking == Ranking::Nearest && set.len() > 1;
        if T::LISTENS {
            let near = is_asked.then(|| Near::of(set, (self.zone, self.selection, self.client)));
            self.tell_order(set.len(), near.flatten());
        }
        is_asked.then(|| Client::find(self.zone, self.selection, self.client)).flatten()
    }

    fn tell_order(&self, count: usize, near: Option<Near>) {
        let Self { selection, client, .. } = *self;
        self.trace.hears(Heard::Order(Ordered { count, most: selection.most, near, client }));
    }
}

/// Answers a name of ours.
fn from_zone<T: Trace>(
    mut reply: Reply,
    query: &Query,
    source: Source<'_, T>,
    flags: u16,
    dice: u64,
    transport: Transport,
) -> Action {
    let Source { zone, is_stale, leads_out, trace, .. } = source;
    let way = Way::of(zone, query.name.as_wire(), query.qtype);
    let may_lack = |node: &Node| node.name() != zone.apex() && !node.has_records();
    let may_be_there = match way.end {
        End::Node(node) => may_lack(node),
        End::Missing => true,
        End::Nowhere | End::Outside => false,
    };
    if zone.is_partial() && may_be_there {
        // It may be the name of a living task: no answer is better than a wrong one.
        trace.hears(Heard::Rule(Rule::Partial));
        reply.explain(ede::NOT_READY);
        return reply.finish(flags & !FLAG_AA, rcode::SERV_FAIL, Reason::Loading);
    }
    if T::LISTENS {
        way.aliases().for_each(|alias| trace.hears(Heard::Alias(alias)));
    }
    if matches!(way.end, End::Outside) && leads_out {
        trace.hears(Heard::Rule(Rule::AliasForwarded));
        return Action::Forward;
    }
    if is_stale {
        trace.hears(Heard::Rule(Rule::Stale));
        let is_missing = matches!(way.end, End::Missing);
        reply.explain(if is_missing { ede::STALE_NX_DOMAIN_ANSWER } else { ede::STALE_ANSWER });
    }
    if query.qtype == rtype::ANY && transport == Transport::Udp && !matches!(way.end, End::Missing) {
        // One set is enough for ANY, and a small one (RFC 8482 section 4.1).
        trace.hears(Heard::Rule(Rule::Any));
        reply.lower_limit(UDP_PAYLOAD_BYTES_MIN);
    }
    if !way.aliases().all(|alias| reply.alias(alias, zone)) {
        return reply.finish(flags, rcode::NO_ERROR, Reason::Success);
    }
    trace.hears(Heard::Rule(match way.end {
        End::Node(_) => Rule::Records,
        End::Missing => Rule::Missing,
        End::Nowhere => Rule::AliasNowhere,
        End::Outside => Rule::AliasOutside,
    }));
    let (rcode, reason) = match way.end {
        End::Nowhere | End::Outside => return reply.finish(flags, rcode::NO_ERROR, Reason::Success),
        End::Node(node) if records(&mut reply, query.qtype, node, &source, dice) => {
            return reply.finish(flags, rcode::NO_ERROR, Reason::Success);
        }
        End::Node(_) => {
            trace.hears(Heard::Rule(Rule::NoData));
            (rcode::NO_ERROR, Reason::NoData)
        }
        End::Missing => (rcode::NX_DOMAIN, Reason::NxDomain),
    };
    reply.negative_soa(zone);
    reply.finish(flags, rcode, reason)
}

/// Writes what a node has of this type; `false` if it has nothing.
fn records<T: Trace>(reply: &mut Reply, qtype: u16, node: &Node, source: &Source<'_, T>, dice: u64) -> bool {
    let zone = source.zone;
    source.trace.hears(Heard::Found(node));
    let is_apex = node.name() == zone.apex();
    let ttl = node.ttl().unwrap_or(zone.soa().ttl);
    let most = source.selection.most_of_a_set();
    let shuffled = |count| Order::new(count, dice).take(most);
    match qtype {
        rtype::SOA if is_apex => reply.soa(zone),
        rtype::NS if is_apex => reply.ns(zone),
        rtype::ANY if is_apex => reply.soa(zone),
        rtype::ANY => any(node).is_some_and(|rtype| records(reply, rtype, node, source, dice)),
        rtype::A => {
            let set = node.a();
            match source.near(set) {
                None => reply.addresses_v4(set, shuffled(set.len()), ttl),
                Some(client) => {
                    client.ordered(set, zone, dice, |order| reply.addresses_v4(set, order.take(most), ttl))
                }
            }
        }
        rtype::AAAA => {
            let set = node.aaaa();
            match source.near(set) {
                None => reply.addresses_v6(set, shuffled(set.len()), ttl),
                Some(client) => {
                    client.ordered(set, zone, dice, |order| reply.addresses_v6(set, order.take(most), ttl))
                }
            }
        }
        rtype::SRV => {
            let (set, preferred) = (node.srv(), node.preferred().len());
            // Priorities and weights say more than where a client is.
            if preferred > 0 {
                let count = set.len().saturating_add(preferred);
                source.tell_order(count, None);
                return reply.services(node, shuffled(count), zone);
            }
            match source.near(set) {
                None => reply.services(node, shuffled(set.len()), zone),
                Some(client) => {
                    client.ordered(set, zone, dice, |order| reply.services(node, order.take(most), zone))
                }
            }
        }
        other => {
            let set = node.others_of(other);
            source.tell_order(set.len(), None);
            reply.others(set, shuffled(set.len()), ttl)
        }
    }
}

/// The type of one set of those that are there.
fn any(node: &Node) -> Option<u16> {
    if !node.a().is_empty() {
        Some(rtype::A)
    } else if !node.aaaa().is_empty() {
        Some(rtype::AAAA)
    } else if !(node.srv().is_empty() && node.preferred().is_empty()) {
        Some(rtype::SRV)
    } else {
        node.all_others().first().map(|other| other.rtype)
    }
}

/// QR, and of the query's flags the one that a reply repeats. CD is for those who validate: who speaks for a zone
/// clears it (RFC 4035 section 3.1.6).
fn reply_flags(query: &Query) -> u16 {
    FLAG_QR | query.flags & FLAG_RD
}

/// How many bytes the reply may have.
fn limit(query: &Query, transport: Transport, space: usize) -> usize {
    let wanted = match (transport, query.edns) {
        (Transport::Https | Transport::Tcp | Transport::Tls, _) => TCP_PAYLOAD_BYTES_MAX,
        (Transport::Udp, None) => UDP_PAYLOAD_BYTES_MIN,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.udp_payload_bytes).clamp(UDP_PAYLOAD_BYTES_MIN, UDP_PAYLOAD_BYTES_MAX)
        }
    };
    wanted.min(space)
}

/// A reply to what could not be read: a header and nothing else. Of an operation other than a query it is not known what
/// RD means, nor whether a question follows.
fn bare(message: &[u8], rcode: u16, reason: Reason, out: &mut [u8]) -> Action {
    let (Some(header), Some(space)) = (message.first_chunk(), out.first_chunk_mut::<HEADER_BYTES>()) else {
        return Action::Drop(Silence::NoSpace);
    };
    let [i0, i1, f0, f1, ..]: &[u8; HEADER_BYTES] = header;
    let flags = FLAG_QR | u16::from_be_bytes([*f0, *f1]) & OPCODE_MASK | rcode;
    let [f0, f1] = flags.to_be_bytes();
    *space = [*i0, *i1, f0, f1, 0, 0, 0, 0, 0, 0, 0, 0];
    Action::Send { length: HEADER_BYTES, reason, is_truncated: false }
}

#[cfg(test)]
mod tests;
