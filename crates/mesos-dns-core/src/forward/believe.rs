//! What is kept of a server's reply: only what was asked for.
//!
//! A server is trusted for the question it was asked, and for nothing else. So of the answers those are kept that
//! follow from the question: the owner is its name, or where a chain of CNAME records led from there. Of the
//! authority section a negative answer keeps the SOA record that says for how long it holds, and clients with DO
//! get the proofs, which speak for themselves by their signatures or not at all. All else goes: NS records (we ask
//! whom we were told to ask), additional records (a courtesy, and the usual bed of what was slipped in), records of
//! other names and classes.
//!
//! Nothing at or below our own domain is believed of anybody. A chain that leads there ends there, and the
//! [`Entry`] remembers where it led: the rest is for our own zone to say.

use std::time::Instant;

use super::{
    draft::Section,
    entry::{Entry, Kind, Parts},
    key::Key,
    message::{Ede, Flags, Rcode},
    pack::Packer,
    reply::{Reply, Seen},
    resolved::Resolved,
};
use crate::wire::{
    Name,
    rtype::{ANY, CNAME, DNAME, RRSIG, SOA},
};

/// Longest time a record is kept, whatever its TTL says, in seconds. More than a day gains nothing and makes
/// mistakes last.
pub const TTL_MAX: u32 = 86_400;

/// Longest time that something is taken not to exist, in seconds (RFC 2308 section 5: one to three hours).
pub const NEGATIVE_TTL_MAX: u32 = 10_800;

/// Most CNAME records in a row. Longer chains are cut, which clients take for an end without an answer.
pub const CHAIN_MAX: usize = 16;

const NSEC: u16 = 47;
const NSEC3: u16 = 50;
const MAILB: u16 = 253;

/// What is kept of how an exchange ended. `own` is our own domain.
pub fn believe(key: &Key, resolved: &Resolved, own: &Name, now: Instant) -> Entry {
    match resolved {
        Resolved::Code(rcode, ede) => failure(key, Kind::Silence, *rcode, &ede.option(), now),
        Resolved::Reply(reply) | Resolved::Half(reply) if reply.rcode().is_failure() => {
            failure(key, Kind::Error, reply.rcode(), reply.reasons(), now)
        }
        Resolved::Reply(reply) => kept(key, reply, own, now, false),
        Resolved::Half(reply) => kept(key, reply, own, now, true),
    }
}

/// One answer of several whole replies: each but the last ends where a chain leads to what the next one says. Some are
/// of servers, some of our own zone.
///
/// The result is for telling, not for keeping: our zone changes when it likes. `None` if one of them cannot be read.
pub fn joined(key: &Key, parts: Vec<Vec<u8>>, now: Instant) -> Option<Entry> {
    let parts: Vec<Reply> = parts.into_iter().map(Reply::parse).collect::<Option<_>>()?;
    if let Some(failed) = parts.iter().find(|part| part.rcode().is_failure()) {
        return Some(failure(key, Kind::Error, failed.rcode(), failed.reasons(), now));
    }
    let seen: Vec<Vec<Seen<'_>>> = parts.iter().map(Reply::seen).collect();
    let mut packer = Packer::new(&key.name);
    let mut aliases: Vec<&Name> = Vec::new();
    for seen in seen.iter().flatten().filter(|seen| seen.section == Section::Answer) {
        if seen.record.rtype == CNAME {
            if aliases.contains(&&seen.owner) {
                // A circle: from here on it says the same again.
                continue;
            }
            aliases.push(&seen.owner);
        }
        packer.push(Section::Answer, seen, seen.record.ttl);
    }
    for seen in seen.last().into_iter().flatten().filter(|seen| seen.section == Section::Authority) {
        packer.push(Section::Authority, seen, seen.record.ttl);
    }
    let reasons: Vec<u8> = parts.iter().flat_map(Reply::reasons).copied().collect();
    let rcode = parts.last()?.rcode();
    Some(Entry::new(Parts { rcode, reasons: &reasons, ..Parts::new(key, now) }, packer.finish()))
}

/// The name that a reply of our own zone leads to, where others have to say what is there: its chain of aliases ends
/// outside of our domain.
pub fn leads_out(key: &Key, ours: Vec<u8>, own: &Name) -> Option<Name> {
    let reply = Reply::parse(ours)?;
    let seen = reply.seen();
    let answers = follow(key, &seen, None);
    Some(answers.end).filter(|end| !answers.is_complete && !end.is_within(own))
}

fn failure(key: &Key, kind: Kind, rcode: Rcode, reasons: &[u8], now: Instant) -> Entry {
    let parts = Parts { kind, rcode, reasons, ..Parts::new(key, now) };
    Entry::new(parts, Packer::new(&key.name).finish())
}

fn kept(key: &Key, reply: &Reply, own: &Name, now: Instant, is_half: bool) -> Entry {
    let seen: Vec<Seen<'_>> = reply
        .seen()
        .into_iter()
        .filter(|seen| key.qclass == ANY || seen.record.class == key.qclass)
        .collect();
    let answers = follow(key, &seen, Some(own));
    let leads = answers.leads_to_us.is_some();
    let soa = if answers.is_complete || leads { None } else { start_of_authority(&answers.end, &seen) };

    let mut packer = Packer::new(&key.name);
    let mut smallest = TTL_MAX;
    let mut push = |section, seen: &Seen<'_>, most: u32| {
        let ttl = plain(seen.record.ttl).min(most);
        smallest = smallest.min(ttl);
        packer.push(section, seen, ttl);
    };
    for record in &answers.records {
        push(Section::Answer, record, TTL_MAX);
    }
    if let Some((record, minimum)) = soa {
        push(Section::Authority, record, minimum);
        if key.dnssec_ok {
            for signature in signatures(&seen, Section::Authority, &record.owner, SOA) {
                push(Section::Authority, signature, minimum);
            }
        }
    }
    if key.dnssec_ok {
        for proof in proofs(&seen, own) {
            push(Section::Authority, proof, TTL_MAX);
        }
    }

    let packed = packer.finish();
    let is_answer = (answers.is_complete && reply.rcode() == Rcode::NOERROR) || leads;
    let is_denial =
        !answers.is_complete && soa.is_some() && matches!(reply.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
    let is_whole = !is_half && !reply.flags().truncated() && !packed.overflows;
    let parts = Parts {
        // What others say of names in our domain does not count, the response code included.
        rcode: if leads { Rcode::NOERROR } else { reply.rcode() },
        reasons: reply.reasons(),
        is_authentic: reply.flags().has(Flags::AD) && !leads,
        is_half,
        is_truncated: reply.flags().truncated() || packed.overflows,
        lifetime_seconds: if is_whole && (is_answer || is_denial) { smallest } else { 0 },
        leads_to_us: answers.leads_to_us,
        ..Parts::new(key, now)
    };
    Entry::new(parts, packed)
}

//------------ Following ------------------------------------------------------

/// The answers that follow from a question.
struct Answers<'a, 'm> {
    records: Vec<&'a Seen<'m>>,
    /// The name the chain ends at.
    end: Name,
    /// Whether there is something of the type asked for.
    is_complete: bool,
    leads_to_us: Option<Name>,
}

/// Follows the chain from the question, whatever order the records are in, and puts them in the order of the chain.
/// It ends where it enters `own`.
fn follow<'a, 'm>(key: &Key, seen: &'a [Seen<'m>], own: Option<&Name>) -> Answers<'a, 'm> {
    let mut answers =
        Answers { records: Vec::new(), end: key.name.clone(), is_complete: false, leads_to_us: None };
    for _ in 0..=CHAIN_MAX {
        let here = || seen.iter().filter(|seen| seen.section == Section::Answer && seen.owner == answers.end);
        let wanted: Vec<_> = here().filter(|seen| is_wanted(key, seen.record.rtype)).collect();
        if !wanted.is_empty() {
            answers.is_complete = true;
            answers.records.extend(wanted);
            if key.dnssec_ok && key.qtype != RRSIG && !is_several(key.qtype) {
                answers.records.extend(signatures(seen, Section::Answer, &answers.end, key.qtype));
            }
            break;
        }
        let alias = here().find(|seen| seen.record.rtype == CNAME);
        let Some((alias, target)) = alias.and_then(|alias| Some((alias, alias.target()?))) else { break };
        let came_by = |record: &&Seen<'_>| record.owner == alias.owner && record.record.rtype == CNAME;
        if answers.records.iter().any(came_by) {
            // A circle.
            break;
        }
        for record in step(key, seen, alias) {
            // Two steps may come from one DNAME record.
            if !answers.records.iter().any(|known| std::ptr::eq(*known, record)) {
                answers.records.push(record);
            }
        }
        answers.end = target;
        if own.is_some_and(|own| answers.end.is_within(own)) {
            answers.leads_to_us = Some(answers.end.clone());
            break;
        }
    }
    answers
}

/// One step of a chain: the DNAME record it comes from, if there is one, and the CNAME record, with their signatures.
fn step<'a, 'm>(key: &Key, seen: &'a [Seen<'m>], alias: &'a Seen<'m>) -> Vec<&'a Seen<'m>> {
    let is_above = |seen: &&Seen<'_>| {
        seen.section == Section::Answer
            && seen.record.rtype == DNAME
            && seen.owner != alias.owner
            && alias.owner.is_within(&seen.owner)
    };
    let mut records = Vec::new();
    if let Some(above) = seen.iter().find(is_above) {
        records.push(above);
        if key.dnssec_ok {
            records.extend(signatures(seen, Section::Answer, &above.owner, DNAME));
        }
    }
    records.push(alias);
    if key.dnssec_ok {
        records.extend(signatures(seen, Section::Answer, &alias.owner, CNAME));
    }
    records
}

/// Whether a record of this type is what was asked for.
fn is_wanted(key: &Key, rtype: u16) -> bool {
    rtype == key.qtype || is_several(key.qtype)
}

/// Whether this question has answers of several types: MAILB, MAILA, ANY.
fn is_several(qtype: u16) -> bool {
    matches!(qtype, MAILB..=ANY)
}

/// The signatures of one set of records.
fn signatures<'a, 'm>(
    seen: &'a [Seen<'m>],
    section: Section,
    owner: &Name,
    covered: u16,
) -> Vec<&'a Seen<'m>> {
    let signs =
        |seen: &&Seen<'_>| seen.section == section && seen.owner == *owner && seen.covers() == Some(covered);
    seen.iter().filter(signs).collect()
}

/// The SOA record that a negative answer for this name lives by, and for how many seconds: the smaller of its TTL
/// and its minimum (RFC 2308 section 5).
fn start_of_authority<'a, 'm>(name: &Name, seen: &'a [Seen<'m>]) -> Option<(&'a Seen<'m>, u32)> {
    let is_ours = |seen: &&Seen<'_>| {
        seen.section == Section::Authority && seen.record.rtype == SOA && name.is_within(&seen.owner)
    };
    let soa = seen.iter().find(is_ours)?;
    let minimum = soa.record.data.last_chunk().copied().map(u32::from_be_bytes)?;
    Some((soa, plain(soa.record.ttl).min(plain(minimum)).min(NEGATIVE_TTL_MAX)))
}

/// The records that prove that something is not there, and their signatures. They belong to other names than the
/// one asked for, so they are taken from anywhere but our domain; nobody here reads them.
fn proofs<'a, 'm>(seen: &'a [Seen<'m>], own: &Name) -> Vec<&'a Seen<'m>> {
    let proves = |seen: &&Seen<'_>| {
        let rtype = seen.covers().unwrap_or(seen.record.rtype);
        seen.section == Section::Authority && matches!(rtype, NSEC | NSEC3) && !seen.owner.is_within(own)
    };
    seen.iter().filter(proves).collect()
}

/// A TTL with the top bit set counts as zero (RFC 2181 section 8).
fn plain(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

impl Seen<'_> {
    /// The target of a CNAME record.
    fn target(&self) -> Option<Name> {
        let mut data = super::walk::Cursor { bytes: self.message, at: self.record.data_start };
        Name::from_wire(&data.spelled()?).ok()
    }

    /// The type that a signature covers; `None` for other records.
    fn covers(&self) -> Option<u16> {
        let covered = self.record.data.first_chunk().copied().map(u16::from_be_bytes);
        covered.filter(|_| self.record.rtype == RRSIG)
    }
}

impl Ede {
    /// The option that tells this reason.
    pub(crate) fn option(self) -> [u8; 6] {
        let [high, low] = (self as u16).to_be_bytes();
        [0, 15, 0, 2, high, low]
    }
}

#[cfg(test)]
mod tests;
