//! Reading the plain query: in one pass over the name, and not a byte more than such a query has.

use super::super::{UDP_PAYLOAD_BYTES_MAX, UDP_PAYLOAD_BYTES_MIN, standing};
use crate::{
    table::KeyHash,
    wire::{CLASS_IN, FLAG_QR, FLAG_RD, HEADER_BYTES, LABEL_BYTES_MAX, NAME_BYTES_MAX, OPCODE_MASK, rtype},
    zone::Snapshot,
};

/// Which records are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    A,
    Aaaa,
    Srv,
}

/// What has to be known of a plain query besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain {
    /// The name's length, root label included.
    name_bytes: u8,
    pub(super) kind: Kind,
    /// QR, and of the query's flags the one that a reply repeats.
    pub(super) flags: u16,
    /// The OPT record, if there is one.
    pub(super) edns: Option<PlainEdns>,
}

/// What has to be known of a plain OPT record.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainEdns {
    /// How many bytes the reply may have.
    limit: u16,
    pub(super) dnssec_ok: bool,
}

impl Plain {
    /// Reads a message, and the hash of its name; `None` if it is anything but a plain query.
    pub(super) fn read(message: &[u8], zone: &Snapshot) -> Option<(Self, KeyHash)> {
        let (header, rest) = message.split_first_chunk::<HEADER_BYTES>()?;
        let [_, _, f0, f1, 0, 1, 0, 0, 0, 0, 0, additional] = *header else { return None };
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & (FLAG_QR | OPCODE_MASK) != 0 {
            return None;
        }
        let length = name_length(rest)?;
        let (name, rest) = rest.split_at_checked(length)?;
        let ([t0, t1, c0, c1], rest) = rest.split_first_chunk()?;
        if u16::from_be_bytes([*c0, *c1]) != CLASS_IN {
            return None;
        }
        let kind = match u16::from_be_bytes([*t0, *t1]) {
            rtype::A => Kind::A,
            rtype::AAAA => Kind::Aaaa,
            rtype::SRV => Kind::Srv,
            _ => return None,
        };
        let edns = match (additional, rest) {
            (0, []) => None,
            (1, [0, 0, 41, s0, s1, _, 0, flags, _, 0, 0]) => {
                let wanted = usize::from(u16::from_be_bytes([*s0, *s1]));
                let limit = wanted.clamp(UDP_PAYLOAD_BYTES_MIN, UDP_PAYLOAD_BYTES_MAX);
                Some(PlainEdns { limit: u16::try_from(limit).ok()?, dnssec_ok: flags & 0x80 != 0 })
            }
            _ => return None,
        };
        let mut folded = [0; NAME_BYTES_MAX];
        let folded = folded.get_mut(..length)?;
        folded.copy_from_slice(name);
        // Length octets are at most 63 and so never letters.
        folded.make_ascii_lowercase();
        if standing::is_status(folded, zone.apex()) {
            return None;
        }
        let flags = FLAG_QR | flags & FLAG_RD;
        Some((Self { name_bytes: u8::try_from(length).ok()?, kind, flags, edns }, zone.hash(folded)))
    }

    /// The name as it was spelled in the message that was read.
    pub(super) fn name<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        message.get(HEADER_BYTES..self.name_end())
    }

    /// Where the name ends in the message, root label included.
    pub(super) fn name_end(&self) -> usize {
        HEADER_BYTES.saturating_add(usize::from(self.name_bytes))
    }

    /// Where the question ends in the message.
    pub(super) fn question_end(&self) -> usize {
        self.name_end().saturating_add(4)
    }

    /// How many bytes the reply may have.
    pub(super) fn limit(&self) -> usize {
        self.edns.map_or(UDP_PAYLOAD_BYTES_MIN, |edns| usize::from(edns.limit))
    }
}

/// The length of the name that `bytes` begin with, root label included.
fn name_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let label = usize::from(*bytes.get(at)?);
        at = at.saturating_add(1);
        if label == 0 {
            return (at <= NAME_BYTES_MAX).then_some(at);
        }
        if label > LABEL_BYTES_MAX {
            return None;
        }
        at = at.saturating_add(label);
    }
}
