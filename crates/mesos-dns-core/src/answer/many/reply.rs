//! Writing the reply to a plain query: the sizes are known beforehand, so records go out as whole words.

use super::{
    Common,
    plain::Plain,
    services::{Chosen, Targets},
};
use crate::{
    answer::{
        Action, Reason, UDP_PAYLOAD_BYTES_MAX, ede,
        options::EDE_BYTES,
        order::Order,
        rcode,
        render::{OPT_BYTES, QNAME_POINTER, a_record, aaaa_record, fixed, numbers},
    },
    wire::{FLAG_TC, HEADER_BYTES, rtype},
    zone::{A, Aaaa, Srv},
};

/// A reply being written.
pub(super) struct Writer<'a, 'o> {
    out: &'o mut [u8],
    at: usize,
    /// Up to here records may go; OPT comes behind.
    limit: usize,
    plain: &'a Plain,
    common: Common<'a>,
    /// What the header says besides the flags: ID, and the numbers of records.
    id: [u8; 2],
    counts: [u16; 3],
    is_truncated: bool,
    extended_error: Option<u16>,
}

impl<'a, 'o> Writer<'a, 'o> {
    /// Begins a reply with the question.
    pub(super) fn start(
        out: &'o mut [u8],
        message: &[u8],
        plain: &'a Plain,
        common: Common<'a>,
    ) -> Option<Self> {
        let end = plain.question_end();
        let id = *message.first_chunk()?;
        out.get_mut(HEADER_BYTES..end)?.copy_from_slice(message.get(HEADER_BYTES..end)?);
        let reserved = if plain.edns.is_some() { OPT_BYTES.saturating_add(EDE_BYTES) } else { 0 };
        let limit = plain.limit().min(out.len()).checked_sub(reserved)?;
        let extended_error = common.is_stale.then_some(ede::STALE_ANSWER);
        let counts = [0; 3];
        (end <= limit).then_some(Self {
            out,
            at: end,
            limit,
            plain,
            common,
            id,
            counts,
            is_truncated: false,
            extended_error,
        })
    }

    /// Answers with A records.
    pub(super) fn addresses_v4(mut self, set: &[A], dice: u64) -> Option<Action> {
        let fixed = fixed(rtype::A, self.common.zone.soa().ttl, 4);
        self.answers(set, dice, |item| a_record(QNAME_POINTER, fixed, item))
    }

    /// Answers with AAAA records.
    pub(super) fn addresses_v6(mut self, set: &[Aaaa], dice: u64) -> Option<Action> {
        let fixed = fixed(rtype::AAAA, self.common.zone.soa().ttl, 16);
        self.answers(set, dice, |item| aaaa_record(QNAME_POINTER, fixed, item))
    }

    /// Answers with records of one size, as many as fit.
    fn answers<T, const N: usize>(
        &mut self,
        set: &[T],
        dice: u64,
        record: impl Fn(&T) -> [u8; N],
    ) -> Option<Action> {
        if set.is_empty() {
            return self.no_data();
        }
        if set.len() > self.common.plain_max {
            return None;
        }
        let (space, _) = self.out.get_mut(self.at..self.limit)?.as_chunks_mut::<N>();
        let mut written = 0_u16;
        if let ([one], [space, ..]) = (set, &mut *space) {
            // The common case needs no order.
            *space = record(one);
            written = 1;
        } else {
            for (space, item) in
                space.iter_mut().zip(Order::new(set.len(), dice).filter_map(|at| set.get(at)))
            {
                *space = record(item);
                written = written.saturating_add(1);
            }
        }
        self.is_truncated = usize::from(written) < set.len();
        self.at = self.at.saturating_add(usize::from(written).saturating_mul(N));
        self.counts = [written, 0, 0];
        self.finish(rcode::NO_ERROR, Reason::Success)
    }

    /// Answers with SRV records, and adds the addresses of their targets.
    pub(super) fn services(mut self, set: &'a [Srv], dice: u64) -> Option<Action> {
        if set.is_empty() {
            return self.no_data();
        }
        if set.len() > self.common.plain_max {
            return None;
        }
        let chosen = Chosen::of(set, dice)?;
        let mut targets = Targets::default();
        for item in chosen.iter() {
            let Some(at) = self.service(item) else {
                self.is_truncated = true;
                break;
            };
            targets.note(&item.target, at);
        }
        if !self.is_truncated {
            self.addresses_of(&targets)?;
        }
        self.finish(rcode::NO_ERROR, Reason::Success)
    }

    /// Writes an SRV record; returns where its target stands, or `None` if it does not fit.
    fn service(&mut self, item: &Srv) -> Option<usize> {
        let soa = self.common.zone.soa();
        let target = item.target.as_wire();
        let data_bytes = u16::try_from(target.len()).ok()?.saturating_add(6);
        let [p0, p1] = QNAME_POINTER;
        let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = fixed(rtype::SRV, soa.ttl, data_bytes);
        let ([w0, w1], [o0, o1]) = (soa.weight.to_be_bytes(), item.port.to_be_bytes());
        let head = [p0, p1, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, 0, 0, w0, w1, o0, o1];
        let end = self.at.saturating_add(head.len()).saturating_add(target.len());
        if end > self.limit {
            return None;
        }
        let (space, rest) = self.out.get_mut(self.at..end)?.split_first_chunk_mut()?;
        *space = head;
        rest.copy_from_slice(target);
        let at = self.at.saturating_add(head.len());
        self.at = end;
        self.counts[0] = self.counts[0].saturating_add(1);
        Some(at)
    }

    /// Writes the addresses of names already in the message, as far as they fit; `None` if `decide` has to.
    fn addresses_of(&mut self, targets: &Targets<'a>) -> Option<()> {
        let zone = self.common.zone;
        let (a, aaaa) = (fixed(rtype::A, zone.soa().ttl, 4), fixed(rtype::AAAA, zone.soa().ttl, 16));
        for (name, at, node) in targets.find(zone) {
            let Some(node) = node else { continue };
            if node.name() != name || node.is_special() {
                return None;
            }
            let owner = (at | 0xc000).to_be_bytes();
            for item in node.a() {
                let is_put = self.put(&a_record(owner, a, item)).is_some();
                if !is_put {
                    return Some(());
                }
                self.counts[2] = self.counts[2].saturating_add(1);
            }
            for item in node.aaaa() {
                let is_put = self.put(&aaaa_record(owner, aaaa, item)).is_some();
                if !is_put {
                    return Some(());
                }
                self.counts[2] = self.counts[2].saturating_add(1);
            }
        }
        Some(())
    }

    /// Answers that the name exists, and the type does not.
    fn no_data(&mut self) -> Option<Action> {
        self.negative_soa()?;
        self.finish(rcode::NO_ERROR, Reason::NoData)
    }

    /// Answers that there is no such name.
    pub(super) fn no_name(&mut self) -> Option<Action> {
        self.extended_error = self.common.is_stale.then_some(ede::STALE_NX_DOMAIN_ANSWER);
        self.negative_soa()?;
        self.finish(rcode::NX_DOMAIN, Reason::NxDomain)
    }

    /// Writes the SOA record into the authority section, with the TTL of negative answers (RFC 2308 section 3);
    /// `None` if it does not fit.
    fn negative_soa(&mut self) -> Option<()> {
        let zone = self.common.zone;
        let soa = zone.soa();
        // The question's name ends with the apex, so the owner is a pointer into it.
        let at = self.plain.name_end().checked_sub(zone.apex().as_wire().len())?;
        let owner = (u16::try_from(at).ok()? | 0xc000).to_be_bytes();
        let (mname, rname) = (soa.mname.as_wire(), soa.rname.as_wire());
        let data_bytes = mname.len().saturating_add(rname.len()).saturating_add(20);
        self.put(&owner)?;
        self.put(&fixed(rtype::SOA, soa.ttl.min(soa.minimum), u16::try_from(data_bytes).ok()?))?;
        self.put(mname)?;
        self.put(rname)?;
        self.put(&numbers(zone))?;
        self.counts = [0, 1, 0];
        Some(())
    }

    /// Appends some bytes; `None` if they do not fit.
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.saturating_add(bytes.len());
        if end > self.limit {
            return None;
        }
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Writes OPT and the header, and closes the reply.
    fn finish(&mut self, rcode: u16, reason: Reason) -> Option<Action> {
        let truncated = if self.is_truncated && self.common.settings.sets_truncated { FLAG_TC } else { 0 };
        let mut additional = self.counts[2];
        if let Some(edns) = self.plain.edns {
            self.limit = self.out.len();
            self.put_opt(edns.dnssec_ok)?;
            additional = additional.saturating_add(1);
        }
        let [i0, i1] = self.id;
        let [f0, f1] = (self.plain.flags | self.common.flags | truncated | rcode).to_be_bytes();
        let [answers, authority, _] = self.counts;
        let ([a0, a1], [n0, n1]) = (answers.to_be_bytes(), authority.to_be_bytes());
        let [x0, x1] = additional.to_be_bytes();
        *self.out.first_chunk_mut()? = [i0, i1, f0, f1, 0, 1, a0, a1, n0, n1, x0, x1];
        Some(Action::Send { length: self.at, reason, is_truncated: self.is_truncated })
    }

    fn put_opt(&mut self, dnssec_ok: bool) -> Option<()> {
        let [s0, s1] = (UDP_PAYLOAD_BYTES_MAX as u16).to_be_bytes();
        let [_, opt] = rtype::OPT.to_be_bytes();
        let flags = if dnssec_ok { 0x80 } else { 0 };
        let head = |options| [0, 0, opt, s0, s1, 0, 0, flags, 0, 0, options];
        match self.extended_error {
            None => self.put(&head(0)),
            Some(code) => {
                let [c0, c1] = code.to_be_bytes();
                self.put(&head(EDE_BYTES as u8))?;
                self.put(&[0, 15, 0, 2, c0, c1])
            }
        }
    }
}
