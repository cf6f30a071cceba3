//! Which names of addresses are ours to answer, and what stands there.
//!
//! Others speak for nearly all of the reverse space, so we are careful. In prefixes that the operator lists we answer
//! everything, as a zone with SOA and NS. Without a list we answer for single addresses only, private ones that belong
//! to something with a name; each is then a zone of its own. All else takes the way of any other name.
//!
//! Names between a zone's apex and the addresses always exist here: to know that nothing stands below one would take
//! an index of all prefixes, and a client told "no such name" need not ask for what is below (RFC 8020).

use std::net::IpAddr;

use super::{Action, Heard, Reason, Rule, Source, Trace, begin_stale, ede, rcode, render::Reply};
use crate::{
    wire::{FLAG_AA, Name, NameView, Query, ReverseName, ReverseZones, reverse_tail_bytes, rtype},
    zone::Snapshot,
};

/// For which addresses we answer by what name they are told (`reversePrefixes`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reversing {
    /// For none.
    #[default]
    Off,
    /// For the private ones that we know, unless the operator sent them elsewhere.
    Learned(ReverseZones),
    /// For all of these prefixes, and no other.
    Listed(ReverseZones),
}

impl Reversing {
    /// The names that never leave, whatever we know of them.
    pub fn zones(&self) -> ReverseZones {
        match self {
            Self::Listed(zones) => zones.clone(),
            Self::Learned(_) | Self::Off => ReverseZones::default(),
        }
    }
}

/// What a name of ours is.
pub(super) struct Ours<'a> {
    /// The end of the question's name that is the zone's apex, in bytes.
    apex_bytes: usize,
    stands: Stands<'a>,
}

enum Stands<'a> {
    /// The name of an address that has this name.
    Pointer(&'a Name),
    /// Something that is there without having a name to tell: an apex, or what is between it and the addresses.
    Nothing,
    /// There is no such name.
    Missing,
}

/// What this name is, if we speak for it.
pub(super) fn find<'a>(name: NameView<'_>, zone: &'a Snapshot, reversing: &Reversing) -> Option<Ours<'a>> {
    match reversing {
        Reversing::Off => None,
        Reversing::Listed(zones) => {
            let read = ReverseName::read(name)?;
            let bits = zones.apex_bits(read)?;
            let is_apex = read.network().prefix_len() == bits && !read.has_more();
            let known = read.address().and_then(|address| zone.name_of(address));
            let stands = match known {
                Some(name) => Stands::Pointer(name),
                None if is_apex || is_between(read) => Stands::Nothing,
                None => Stands::Missing,
            };
            Some(Ours { apex_bytes: reverse_tail_bytes(name, bits), stands })
        }
        // Before the first data, and while they are old, that leaves out what we do not know yet, and it is forwarded.
        // A site may then be told by its own servers that a container has no name, for as long as they say. To fail
        // instead would fail all private addresses, nearly all of which are theirs to name, for as long as no master
        // answers: we only speak for what we have. Where that is too little, the prefix is to be listed.
        Reversing::Learned(zones) => {
            let read = ReverseName::read(name)?;
            let address = read.network().addr();
            let bits = read.network().prefix_len();
            let is_whole = bits == read.network().max_prefix_len();
            if !is_whole || !is_private(address) || zones.is_elsewhere(read) {
                return None;
            }
            let known = zone.name_of(address)?;
            let stands = if read.has_more() { Stands::Missing } else { Stands::Pointer(known) };
            Some(Ours { apex_bytes: reverse_tail_bytes(name, bits), stands })
        }
    }
}

/// Whether it stands for several addresses.
fn is_between(name: ReverseName) -> bool {
    !name.has_more() && name.network().prefix_len() < name.network().max_prefix_len()
}

/// Whether nobody outside can have it: then no server outside knows whose it is.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            // 100.64.0.0/10 is for networks between a provider and its customers (RFC 6598).
            address.is_private() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Answers a name that is ours.
pub(super) fn answer(
    mut reply: Reply<'_>,
    query: &Query<'_>,
    Ours { apex_bytes, stands }: Ours<'_>,
    source: &Source<'_, impl Trace>,
    flags: u16,
) -> Action {
    let zone = source.zone;
    reply.apex_bytes = apex_bytes;
    if zone.is_partial() && !matches!(stands, Stands::Pointer(_)) {
        // Whose address it is may only not be known yet.
        source.trace.hears(Heard::Rule(Rule::Partial));
        reply.explain(ede::NOT_READY);
        return reply.finish(flags & !FLAG_AA, rcode::SERV_FAIL, Reason::Loading);
    }
    if matches!(stands, Stands::Missing) {
        source.trace.hears(Heard::Rule(Rule::Missing));
        begin_stale(&mut reply, source, ede::STALE_NX_DOMAIN_ANSWER);
        reply.negative_soa(zone);
        return reply.finish(flags, rcode::NX_DOMAIN, Reason::NxDomain);
    }
    begin_stale(&mut reply, source, ede::STALE_ANSWER);
    let is_apex = apex_bytes == query.name.as_wire().len();
    let answered = match (query.qtype, stands) {
        (rtype::PTR | rtype::ANY, Stands::Pointer(name)) => reply.pointer(name, zone),
        (rtype::SOA | rtype::ANY, _) if is_apex => reply.soa(zone),
        (rtype::NS, _) if is_apex => reply.ns(zone),
        _ => false,
    };
    source.trace.hears(Heard::Rule(if answered { Rule::Records } else { Rule::NoData }));
    if answered {
        return reply.finish(flags, rcode::NO_ERROR, Reason::Success);
    }
    reply.negative_soa(zone);
    reply.finish(flags, rcode::NO_ERROR, Reason::NoData)
}
