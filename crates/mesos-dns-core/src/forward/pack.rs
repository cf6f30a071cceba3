//! Records written anew, to stand behind any client's question.
//!
//! What is left out of a server's reply may hold a name that the rest points to; so names are taken out of the
//! server's message whole and compressed again, against the question and the names written before them. A name
//! that ends like the question then shows the client's own spelling, and not that of the query which was sent
//! upstream. All pointers lead backwards, so records can be cut off the end.

use std::collections::HashMap;

use super::{
    data::{Layout, Piece},
    draft::Section,
    message::HEADER_BYTES,
    reply::Seen,
};
use crate::wire::Name;

/// Places from here on cannot be pointed to (RFC 1035 section 4.1.4).
const POINTER_MAX: usize = 0x3fff;

/// Type and class behind the name of a question.
const QUESTION_TAIL_BYTES: usize = 4;

/// One record among packed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where its TTL stands.
    pub(crate) ttl: u16,
    /// Where it ends.
    pub(crate) end: u16,
}

/// Addresses that can change places: equally long records side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    /// Where the first begins.
    pub(crate) start: u16,
    /// How long each is.
    pub(crate) stride: u16,
    /// How many there are; at least two.
    pub(crate) count: u16,
}

/// Records, ready to stand behind a question of a certain length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<Mark>,
    /// How many of them are answers. The others are authority.
    pub(crate) answers: u16,
    /// The addresses, if there are several.
    pub(crate) ring: Option<Ring>,
    /// Whether there was more than a message can hold.
    pub(crate) overflows: bool,
}

/// Writes records behind a question for one name.
pub(crate) struct Packer {
    packed: Packed,
    /// Octets in front of the first record.
    base: usize,
    /// Folded names, and where they stand in the message.
    known: HashMap<Vec<u8>, u16>,
    /// What the last address was, for the ring: its type, and where it ended.
    run: Option<(u16, Ring)>,
}

impl Packer {
    pub(crate) fn new(question: &Name) -> Self {
        let name = question.as_wire();
        let base = HEADER_BYTES.saturating_add(name.len()).saturating_add(QUESTION_TAIL_BYTES);
        let mut packer = Self { packed: Packed::default(), base, known: HashMap::new(), run: None };
        packer.learn(name, 0, HEADER_BYTES);
        packer
    }

    /// Appends a record of another message, with this TTL. Answers come before authority.
    pub(crate) fn push(&mut self, section: Section, seen: &Seen<'_>, ttl: u32) {
        if self.packed.overflows {
            return;
        }
        let start = self.packed.bytes.len();
        if self.write(seen, ttl).is_none()
            || self.base.saturating_add(self.packed.bytes.len()) > usize::from(u16::MAX)
        {
            self.packed.bytes.truncate(start);
            self.packed.overflows = true;
            return;
        }
        if section == Section::Answer {
            self.packed.answers = self.packed.answers.saturating_add(1);
            self.note_address(seen.record.rtype, start);
        }
    }

    pub(crate) fn finish(mut self) -> Packed {
        self.close_run();
        self.packed
    }

    fn write(&mut self, seen: &Seen<'_>, ttl: u32) -> Option<()> {
        let record = &seen.record;
        self.name(&seen.spelled, true);
        self.octets(&record.rtype.to_be_bytes());
        self.octets(&record.class.to_be_bytes());
        let ttl_at = u16::try_from(self.packed.bytes.len()).ok()?;
        self.octets(&ttl.to_be_bytes());
        let length_at = self.packed.bytes.len();
        self.octets(&[0, 0]);
        let data_at = self.packed.bytes.len();
        let layout = Layout::of(record.rtype);
        match layout.and_then(|layout| Some((layout, layout.pieces(seen.message, record)?))) {
            None => self.octets(record.data),
            Some((layout, pieces)) => {
                for piece in pieces {
                    match piece {
                        Piece::Octets(octets) => self.octets(octets),
                        Piece::Name(name) => self.name(&name, layout.compresses),
                    }
                }
            }
        }
        let end = self.packed.bytes.len();
        let length = u16::try_from(end.checked_sub(data_at)?).ok()?;
        *self.packed.bytes.get_mut(length_at..)?.first_chunk_mut()? = length.to_be_bytes();
        self.packed.marks.push(Mark { ttl: ttl_at, end: u16::try_from(end).ok()? });
        Some(())
    }

    fn octets(&mut self, octets: &[u8]) {
        self.packed.bytes.extend_from_slice(octets);
    }

    /// Writes a name; with `compresses` its end is a pointer if it was written before.
    fn name(&mut self, name: &[u8], compresses: bool) {
        let at = self.base.saturating_add(self.packed.bytes.len());
        if !compresses {
            return self.octets(name);
        }
        let folded = name.to_ascii_lowercase();
        let known = suffixes(&folded).find_map(|(skip, suffix)| Some((skip, *self.known.get(suffix)?)));
        let plain = known.map_or(name.len(), |(skip, _)| skip);
        self.octets(name.get(..plain).unwrap_or_default());
        if let Some((_, place)) = known {
            self.octets(&(0xc000 | place).to_be_bytes());
        }
        self.learn(&folded, name.len().saturating_sub(plain), at);
    }

    /// Remembers where a name stands, and each name above it, up to the last `known` octets.
    fn learn(&mut self, folded: &[u8], known: usize, at: usize) {
        for (skip, suffix) in suffixes(folded).take_while(|(_, suffix)| suffix.len() > known) {
            let place = at.saturating_add(skip);
            if place <= POINTER_MAX {
                self.known.entry(suffix.to_vec()).or_insert(place as u16);
            }
        }
    }

    /// Makes the ring longer, or begins another.
    fn note_address(&mut self, rtype: u16, start: usize) {
        let end = self.packed.bytes.len();
        let (Ok(from), Ok(stride)) = (u16::try_from(start), u16::try_from(end.saturating_sub(start))) else {
            return;
        };
        if let Some((last, ring)) = &mut self.run
            && (*last, ring.stride) == (rtype, stride)
            && ring.count.checked_mul(stride).and_then(|all| all.checked_add(ring.start)) == Some(from)
        {
            ring.count = ring.count.saturating_add(1);
            return;
        }
        self.close_run();
        if matches!(rtype, 1 | 28) {
            self.run = Some((rtype, Ring { start: from, stride, count: 1 }));
        }
    }

    fn close_run(&mut self) {
        if let Some((_, ring)) = self.run.take().filter(|(_, ring)| ring.count > 1) {
            self.packed.ring = Some(ring);
        }
    }
}

/// A folded name and the names above it but the root, each with the octets in front of it.
fn suffixes(name: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut skip = 0_usize;
    std::iter::from_fn(move || {
        let suffix = name.get(skip..)?;
        let at = skip;
        match suffix.first() {
            None | Some(0) => None,
            Some(length) => {
                skip = skip.saturating_add(1).saturating_add(usize::from(*length));
                Some((at, suffix))
            }
        }
    })
}
