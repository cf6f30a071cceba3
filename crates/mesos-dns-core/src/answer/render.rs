//! Writing a reply, section by section, within a limit.
//!
//! The order is that of the message: answers, authority, additional, OPT. The space for OPT is set
//! aside at the start, so that it survives truncation (RFC 6891 section 7). Only whole records are
//! written; additional records that do not fit are left out silently, answers are not (RFC 2181
//! section 9).

use super::{Action, Options, Reason, UDP_PAYLOAD_BYTES_MAX};
use crate::{
    records::Preference,
    wire::{CLASS_IN, FLAG_TC, HEADER_BYTES, Name, Query, option, rtype},
    zone::{A, Aaaa, Node, Other, Snapshot},
};

/// A compression pointer to the question's name, which begins right after the header.
pub(super) const QNAME_POINTER: [u8; 2] = [0xc0, HEADER_BYTES as u8];

/// Bytes of an OPT record without options.
pub(super) const OPT_BYTES: usize = 11;

/// What padding is taken from; longer than any there can be.
const PADDING: [u8; 468] = [0; 468];

/// Most SRV targets whose addresses are added; more would not fit a datagram anyway.
const TARGETS_MAX: usize = 64;

/// Bytes of an A record whose owner is a pointer.
const A_BYTES: usize = 16;

/// Bytes of an AAAA record whose owner is a pointer.
const AAAA_BYTES: usize = 28;

/// A reply being written.
pub(super) struct Reply<'a> {
    out: &'a mut [u8],
    length: usize,
    /// Up to here records may go; OPT comes behind.
    limit: usize,
    id: u16,
    /// What the OPT record says; `None`: the client sent none.
    options: Option<Options<'a>>,
    /// Bytes set aside for OPT.
    reserved: usize,
    questions: u8,
    /// Length of the zone's apex, which the name of the question ends with. 0: that of our domain.
    pub(super) apex_bytes: usize,
    /// Where the name of the question ends, root label included.
    qname_end: usize,
    counts: [u16; 3],
    /// What stands for the owner of the answers: a pointer to the question's name, or to what it is an alias of.
    owner: [u8; 2],
    is_truncated: bool,
    /// Whether the client is told about truncation.
    pub(super) sets_truncated: bool,
}

impl<'a> Reply<'a> {
    /// Begins a reply of at most `limit` bytes with the header's place and the question; `None` if even
    /// that does not fit.
    pub(super) fn start(
        out: &'a mut [u8],
        limit: usize,
        query: &Query,
        options: Option<Options<'a>>,
    ) -> Option<Self> {
        let reserved = options.as_ref().map_or(0, |options| options.bytes_max().saturating_add(OPT_BYTES));
        let mut reply = Self {
            out,
            length: HEADER_BYTES,
            limit: limit.checked_sub(reserved)?,
            id: query.id,
            options,
            reserved,
            questions: u8::from(!query.question.is_empty()),
            apex_bytes: 0,
            qname_end: HEADER_BYTES.saturating_add(query.name.as_wire().len()),
            counts: [0; 3],
            owner: QNAME_POINTER,
            is_truncated: false,
            sets_truncated: true,
        };
        reply.put(&[query.question]).then_some(reply)
    }

    /// Says why, to clients that sent EDNS.
    pub(super) fn explain(&mut self, code: u16) {
        if let Some(options) = &mut self.options {
            options.explain(code);
        }
    }

    /// Lowers the limit; it never rises.
    pub(super) fn lower_limit(&mut self, bytes: usize) {
        self.limit = self.limit.min(bytes.saturating_sub(self.reserved));
    }

    /// Writes A records as answers; `false` if there is none.
    pub(super) fn addresses_v4(&mut self, set: &[A], order: impl Iterator<Item = usize>, ttl: u32) -> bool {
        let (owner, fixed) = (self.owner, fixed(rtype::A, ttl, 4));
        self.answers(order.filter_map(|index| set.get(index)).map(|item| a_record(owner, fixed, item)));
        !set.is_empty()
    }

    /// Writes AAAA records as answers; `false` if there is none.
    pub(super) fn addresses_v6(
        &mut self,
        set: &[Aaaa],
        order: impl Iterator<Item = usize>,
        ttl: u32,
    ) -> bool {
        let (owner, fixed) = (self.owner, fixed(rtype::AAAA, ttl, 16));
        self.answers(order.filter_map(|index| set.get(index)).map(|item| aaaa_record(owner, fixed, item)));
        !set.is_empty()
    }

    /// Writes the SRV records of a node as answers, whatever their preferences (first come those of all, then those with
    /// one of their own), and the addresses of their targets as additional records; `false` if there is none. Targets
    /// are not compressed (RFC 2782), but later names may point into them.
    pub(super) fn services(
        &mut self,
        node: &Node,
        order: impl Iterator<Item = usize>,
        zone: &Snapshot,
    ) -> bool {
        let (common, preferred) = (node.srv(), node.preferred());
        let ttl = node.ttl().unwrap_or(zone.soa().ttl);
        let of_all = Preference::of_all(zone.soa().weight);
        let count = common.len().saturating_add(preferred.len());
        let mut targets = Targets::default();
        for index in order {
            let own = || preferred.get(index.checked_sub(common.len())?);
            let (preference, port, target) = match (common.get(index), own()) {
                (Some(item), _) => (of_all, item.port, &item.target),
                (None, Some(item)) => (item.preference, item.port, &item.target),
                (None, None) => continue,
            };
            let start = self.length;
            if !self.service(preference, port, target.as_wire(), ttl) {
                break;
            }
            // Pointer, fixed part and the six octets before the target.
            targets.note(target, start.saturating_add(18));
        }
        if !self.is_truncated {
            self.addresses_of(&targets, zone);
        }
        count > 0
    }

    fn service(&mut self, preference: Preference, port: u16, target: &[u8], ttl: u32) -> bool {
        let Preference { priority, weight } = preference;
        let ([i0, i1], [w0, w1]) = (priority.to_be_bytes(), weight.to_be_bytes());
        let [p0, p1] = port.to_be_bytes();
        let data = u16::try_from(target.len()).unwrap_or(u16::MAX).saturating_add(6);
        let ([o0, o1], [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9]) = (self.owner, fixed(rtype::SRV, ttl, data));
        let head = [o0, o1, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, i0, i1, w0, w1, p0, p1];
        self.answer(&[&head, target])
    }

    /// Writes records of another type as answers, their names as they are, but for PTR: who does not know the type could
    /// not read them otherwise (RFC 3597 section 4). `false` if there is none.
    pub(super) fn others(&mut self, set: &[Other], order: impl Iterator<Item = usize>, ttl: u32) -> bool {
        for item in order.filter_map(|index| set.get(index)) {
            if !self.other(item, ttl) {
                break;
            }
        }
        !set.is_empty()
    }

    fn other(&mut self, item: &Other, ttl: u32) -> bool {
        let owner = self.owner;
        if let Some(label) = self.label_below_question(item) {
            let data = label.len().saturating_add(QNAME_POINTER.len());
            let fixed = fixed(item.rtype, ttl, u16::try_from(data).unwrap_or(u16::MAX));
            return self.answer(&[&owner, &fixed, label, &QNAME_POINTER]);
        }
        let fixed = fixed(item.rtype, ttl, u16::try_from(item.rdata.len()).unwrap_or(u16::MAX));
        self.answer(&[&owner, &fixed, &item.rdata])
    }

    /// What the target of a PTR record has in front of the question's name, if that is one label. A pointer says the rest
    /// (RFC 1035 section 4.1.4), so lists of services for whoever browses are half as long.
    fn label_below_question<'b>(&self, item: &'b Other) -> Option<&'b [u8]> {
        let name = self.out.get(HEADER_BYTES..self.qname_end)?;
        let first = usize::from(*item.rdata.first()?).saturating_add(1);
        let (label, rest) = item.rdata.split_at_checked(first)?;
        (item.rtype == rtype::PTR && rest.eq_ignore_ascii_case(name)).then_some(label)
    }

    /// Writes the CNAME record of a node as answer; what follows is about the name that it leads to. `false` if there
    /// is no space for it.
    pub(super) fn alias(&mut self, node: &Node, zone: &Snapshot) -> bool {
        let ttl = node.ttl().unwrap_or(zone.soa().ttl);
        let start = self.length;
        for item in node.others_of(rtype::CNAME).iter().take(1) {
            if !self.other(item, ttl) {
                return false;
            }
            // Pointer and fixed part; so near the beginning, a pointer always reaches.
            let at = u16::try_from(start.saturating_add(12)).unwrap_or(0);
            self.owner = (at | 0xc000).to_be_bytes();
        }
        true
    }

    /// Writes a TXT record with these strings as answer. Nobody may keep it: it is true for a second.
    pub(super) fn text(&mut self, strings: &[u8]) {
        let fixed = fixed(rtype::TXT, 0, u16::try_from(strings.len()).unwrap_or(u16::MAX));
        self.answer(&[&QNAME_POINTER, &fixed, strings]);
    }

    /// Writes a PTR record as answer.
    pub(super) fn pointer(&mut self, target: &Name, zone: &Snapshot) -> bool {
        let target = target.as_wire();
        let fixed = fixed(rtype::PTR, zone.soa().ttl, u16::try_from(target.len()).unwrap_or(u16::MAX));
        self.answer(&[&QNAME_POINTER, &fixed, target]);
        true
    }

    /// Writes the SOA record as answer.
    pub(super) fn soa(&mut self, zone: &Snapshot) -> bool {
        let ttl = zone.soa().ttl;
        if self.soa_record(zone, ttl) {
            self.count(0)
        } else {
            self.is_truncated = true
        }
        true
    }

    /// Writes the SOA record into the authority section, with the TTL of negative answers (RFC 2308
    /// section 3).
    pub(super) fn negative_soa(&mut self, zone: &Snapshot) {
        let ttl = zone.soa().ttl.min(zone.soa().minimum);
        if self.soa_record(zone, ttl) { self.count(1) } else { self.is_truncated = true }
    }

    /// Writes the NS record as answer, and the server's addresses as additional records.
    pub(super) fn ns(&mut self, zone: &Snapshot) -> bool {
        let target = &zone.soa().mname;
        let data = u16::try_from(target.as_wire().len()).unwrap_or(u16::MAX);
        let (owner, fixed) = (self.owner, fixed(rtype::NS, zone.soa().ttl, data));
        let start = self.length;
        if self.answer(&[&owner, &fixed, target.as_wire()]) {
            let mut targets = Targets::default();
            targets.note(target, start.saturating_add(12));
            self.addresses_of(&targets, zone);
        }
        true
    }

    fn soa_record(&mut self, zone: &Snapshot, ttl: u32) -> bool {
        let soa = zone.soa();
        let apex_bytes = match self.apex_bytes {
            0 => zone.apex().as_wire().len(),
            bytes => bytes,
        };
        // The question's name ends with the apex, so the owner is a pointer into it.
        let at = self.qname_end.saturating_sub(apex_bytes);
        let [o0, o1] = (u16::try_from(at).unwrap_or(0) | 0xc000).to_be_bytes();
        let (mname, rname) = (soa.mname.as_wire(), soa.rname.as_wire());
        let data = mname.len().saturating_add(rname.len()).saturating_add(20);
        let fixed = fixed(rtype::SOA, ttl, u16::try_from(data).unwrap_or(u16::MAX));
        self.put(&[&[o0, o1], &fixed, mname, rname, &numbers(zone)])
    }

    /// Writes the addresses of names already in the message, as far as they fit.
    fn addresses_of(&mut self, targets: &Targets, zone: &Snapshot) {
        for (target, at) in targets.iter() {
            let Some(node) = zone.find(target.as_wire()) else { continue };
            let ttl = node.ttl().unwrap_or(zone.soa().ttl);
            let owner = (at | 0xc000).to_be_bytes();
            for item in node.a() {
                if !self.additional(a_record(owner, fixed(rtype::A, ttl, 4), item)) {
                    return;
                }
            }
            for item in node.aaaa() {
                if !self.additional(aaaa_record(owner, fixed(rtype::AAAA, ttl, 16), item)) {
                    return;
                }
            }
        }
    }

    /// Writes an answer, or marks the reply as truncated.
    fn answer(&mut self, parts: &[&[u8]]) -> bool {
        let fits = self.put(parts);
        if fits {
            self.count(0);
        } else {
            self.is_truncated = true;
        }
        fits
    }

    /// Writes records of one size as answers, as many as fit.
    fn answers<const N: usize>(&mut self, mut records: impl Iterator<Item = [u8; N]>) {
        let space = self.out.get_mut(self.length..self.limit).unwrap_or_default();
        let mut written = 0_u16;
        for (space, record) in space.as_chunks_mut().0.iter_mut().zip(&mut records) {
            *space = record;
            written = written.saturating_add(1);
        }
        self.is_truncated |= records.next().is_some();
        self.length = self.length.saturating_add(usize::from(written).saturating_mul(N));
        let [answers, ..] = &mut self.counts;
        *answers = answers.saturating_add(written);
    }

    fn additional<const N: usize>(&mut self, record: [u8; N]) -> bool {
        let fits = self.put_whole(record);
        if fits {
            self.count(2);
        }
        fits
    }

    fn count(&mut self, section: usize) {
        if let Some(count) = self.counts.get_mut(section) {
            *count = count.saturating_add(1);
        }
    }

    /// Appends a record, or nothing if it does not fit. Its size is known, so no copying of pieces is called for.
    fn put_whole<const N: usize>(&mut self, record: [u8; N]) -> bool {
        let end = self.length.saturating_add(N);
        let Some(space) = self.out.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut) else {
            return false;
        };
        if end > self.limit {
            return false;
        }
        *space = record;
        self.length = end;
        true
    }

    /// Appends all parts, or nothing if they do not fit.
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let mut end = self.length;
        for part in parts {
            end = end.saturating_add(part.len());
        }
        if end > self.limit {
            return false;
        }
        let Some(mut space) = self.out.get_mut(self.length..end) else { return false };
        for part in parts {
            let Some((here, rest)) = space.split_at_mut_checked(part.len()) else { return false };
            here.copy_from_slice(part);
            space = rest;
        }
        self.length = end;
        true
    }

    /// Writes OPT and the header, and closes the reply.
    pub(super) fn finish(mut self, flags: u16, rcode: u16, reason: Reason) -> Action {
        let is_truncated = self.is_truncated;
        let truncated = if is_truncated && self.sets_truncated { FLAG_TC } else { 0 };
        let has_opt = self.put_opt(rcode);
        let [i0, i1] = self.id.to_be_bytes();
        let [f0, f1] = (flags | truncated | rcode & 0x000f).to_be_bytes();
        let [answers, authority, additional] = self.counts;
        let [a0, a1] = answers.to_be_bytes();
        let [n0, n1] = authority.to_be_bytes();
        let [x0, x1] = additional.saturating_add(u16::from(has_opt)).to_be_bytes();
        if let Some(header) = self.out.first_chunk_mut::<HEADER_BYTES>() {
            *header = [i0, i1, f0, f1, 0, self.questions, a0, a1, n0, n1, x0, x1];
        }
        Action::Send { length: self.length, reason, is_truncated }
    }

    /// Writes OPT if the query had one. Its space was set aside.
    fn put_opt(&mut self, rcode: u16) -> bool {
        let Some(options) = self.options.take() else { return false };
        self.limit = self.limit.saturating_add(self.reserved);
        let option_bytes = options.bytes();
        let unpadded = self.length.saturating_add(OPT_BYTES).saturating_add(option_bytes);
        let padding = options.padding(unpadded, self.limit);
        let data_bytes =
            padding.map_or(option_bytes, |zeroes| option_bytes.saturating_add(zeroes).saturating_add(4));
        let [d0, d1] = u16::try_from(data_bytes).unwrap_or_default().to_be_bytes();
        let [s0, s1] = (UDP_PAYLOAD_BYTES_MAX as u16).to_be_bytes();
        let [_, upper_rcode] = (rcode >> 4).to_be_bytes();
        let [_, opt] = rtype::OPT.to_be_bytes();
        let dnssec_ok = if options.dnssec_ok { 0x80 } else { 0 };
        let is_put = self.put(&[&[0, 0, opt, s0, s1, upper_rcode, 0, dnssec_ok, 0, d0, d1]]);
        for (code, data) in options.pieces() {
            self.option(code, data);
        }
        if let Some(zeroes) = padding {
            self.option(option::PADDING, PADDING.get(..zeroes).unwrap_or_default());
        }
        is_put
    }

    fn option(&mut self, code: u16, data: &[u8]) {
        let [c0, c1] = code.to_be_bytes();
        let [l0, l1] = u16::try_from(data.len()).unwrap_or_default().to_be_bytes();
        self.put(&[&[c0, c1, l0, l1], data]);
    }
}

/// What stands between the owner and the data of a record: type, class, TTL, length of the data.
pub(super) fn fixed(rtype: u16, ttl: u32, data_bytes: u16) -> [u8; 10] {
    let ([t0, t1], [c0, c1]) = (rtype.to_be_bytes(), CLASS_IN.to_be_bytes());
    let ([a, b, c, d], [l0, l1]) = (ttl.to_be_bytes(), data_bytes.to_be_bytes());
    [t0, t1, c0, c1, a, b, c, d, l0, l1]
}

/// What stands behind the names in the data of a SOA record.
pub(super) fn numbers(zone: &Snapshot) -> [u8; 20] {
    let soa = zone.soa();
    let mut numbers = [0; 20];
    let values = [zone.serial(), soa.refresh, soa.retry, soa.expire, soa.minimum];
    for (space, value) in numbers.chunks_exact_mut(4).zip(values) {
        space.copy_from_slice(&value.to_be_bytes());
    }
    numbers
}

/// An A record of this owner.
#[inline]
pub(super) fn a_record([p0, p1]: [u8; 2], fixed: [u8; 10], item: &A) -> [u8; A_BYTES] {
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = fixed;
    let [a, b, c, d] = item.address.octets();
    [p0, p1, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, a, b, c, d]
}

/// An AAAA record of this owner.
#[inline]
pub(super) fn aaaa_record(owner: [u8; 2], fixed: [u8; 10], item: &Aaaa) -> [u8; AAAA_BYTES] {
    let mut record = [0; AAAA_BYTES];
    let octets = owner.into_iter().chain(fixed).chain(item.address.octets());
    for (space, octet) in record.iter_mut().zip(octets) {
        *space = octet;
    }
    record
}

/// Distinct names in the message that a pointer can reach, and where they are.
struct Targets<'a> {
    found: [Option<(&'a Name, u16)>; TARGETS_MAX],
    count: usize,
}

impl Default for Targets<'_> {
    fn default() -> Self {
        Self { found: [None; TARGETS_MAX], count: 0 }
    }
}

impl<'a> Targets<'a> {
    /// Notes that `name` stands at `offset`, unless it is known, out of reach of a pointer, or one too many.
    fn note(&mut self, name: &'a Name, offset: usize) {
        let Some(offset) = u16::try_from(offset).ok().filter(|offset| *offset < 0x4000) else { return };
        if self.iter().any(|(other, _)| other.as_wire() == name.as_wire()) {
            return;
        }
        if let Some(space) = self.found.get_mut(self.count) {
            *space = Some((name, offset));
            self.count = self.count.saturating_add(1);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'a Name, u16)> {
        self.found.iter().take(self.count).copied().flatten()
    }
}
