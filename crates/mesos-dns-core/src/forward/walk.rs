//! Reading a message front to back.
//!
//! The one place where offsets into bytes of strangers are computed, shared by the query's reader and the
//! reply's. Every step is checked and every walk ends: pointers may only lead backwards.

use super::message::{Flags, HEADER_BYTES};
use crate::wire::{LABEL_BYTES_MAX, NAME_BYTES_MAX, Name};

/// Reads a message front to back. Every read is checked; `None` is the end of the story.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

/// One record as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: &'a [u8],
    /// Where the data begins and the record ends.
    pub(crate) data_start: usize,
    pub(crate) end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(crate) fn id_and_flags(&mut self) -> Option<(u16, Flags)> {
        Some((self.u16()?, Flags(self.u16()?)))
    }

    /// The four counts: questions, answers, authority, additional.
    pub(crate) fn counts(&mut self) -> Option<[u16; 4]> {
        Some([self.u16()?, self.u16()?, self.u16()?, self.u16()?])
    }

    /// A name without compression, as a question has it.
    pub(crate) fn plain_name(&mut self) -> Option<Name> {
        let start = self.at;
        loop {
            let length = usize::from(*self.take(1)?.first()?);
            if length == 0 {
                return Name::from_wire(self.bytes.get(start..self.at)?).ok();
            }
            if length > LABEL_BYTES_MAX || self.at.checked_sub(start)? > NAME_BYTES_MAX {
                return None;
            }
            self.take(length)?;
        }
    }

    /// Steps over a name that may be compressed.
    ///
    /// Pointers must lead to before the stretch of labels they end, which is what "a prior occurrence"
    /// (RFC 1035 section 4.1.4) means and what makes every walk end; and whatever is cut off the end of
    /// the message later on was then never pointed to.
    pub(crate) fn name(&mut self) -> Option<()> {
        let mut walk = *self;
        let mut stretch = self.at;
        let mut total = 0_usize;
        let mut end = None;
        loop {
            let length = usize::from(*walk.take(1)?.first()?);
            match length {
                0 => break,
                1..=63 => _ = walk.take(length)?,
                0xc0..=0xff => {
                    let low = usize::from(*walk.take(1)?.first()?);
                    end.get_or_insert(walk.at);
                    let target = ((length & 0x3f) << 8) | low;
                    if target >= stretch || target < HEADER_BYTES {
                        return None;
                    }
                    walk.at = target;
                    stretch = target;
                    continue;
                }
                _ => return None,
            }
            total = total.checked_add(length)?.checked_add(1)?;
            if total >= NAME_BYTES_MAX {
                return None;
            }
        }
        self.at = end.unwrap_or(walk.at);
        Some(())
    }

    /// The same, and the name as it is spelled, without compression.
    pub(crate) fn spelled(&mut self) -> Option<Vec<u8>> {
        let mut walk = *self;
        self.name()?;
        // It was walked, so this ends.
        let mut name = Vec::with_capacity(32);
        loop {
            let start = walk.at;
            let length = usize::from(*walk.take(1)?.first()?);
            match length {
                0 => break,
                1..=63 => {
                    walk.take(length)?;
                    name.extend_from_slice(walk.bytes.get(start..walk.at)?);
                }
                _ => walk.at = ((length & 0x3f) << 8) | usize::from(*walk.take(1)?.first()?),
            }
        }
        name.push(0);
        Some(name)
    }

    /// The next record.
    pub(crate) fn record(&mut self) -> Option<Record<'a>> {
        self.name()?;
        let (rtype, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let data_start = self.at;
        let data = self.take(length)?;
        Some(Record { rtype, class, ttl, data, data_start, end: self.at })
    }
}
