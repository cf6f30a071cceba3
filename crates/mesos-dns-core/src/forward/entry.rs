//! One answer as it is remembered and told: immutable, for every client that asks the same.
//!
//! It holds the records as they stand behind a question, where their TTLs are and where each record ends. Telling
//! it is copying: header, the client's question, the records with their TTLs less the age, an OPT record. Nothing
//! is allocated, as this happens for every query that a cache answers.
//!
//! ```text
//!   came            +9/10          lifetime           + the time for stale answers
//!    |---- fresh -----|--- aging ----|-------- stale ---------|---- gone
//!                     asked for anew     told when no server answers (RFC 8767)
//!                     if it is popular
//! ```

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    Transport, Truncation,
    asker::Asker,
    key::Key,
    message::{Ede, Flags, HEADER_BYTES, OPTION_EDE, Rcode, TYPE_OPT, UDP_PAYLOAD_BYTES_MAX},
    pack::{Mark, Packed, Ring},
};
use crate::wire::Name;

/// What a stale answer is told to live, in seconds (RFC 8767 section 5).
pub const STALE_TTL: u32 = 30;

/// Shortest time before the end of its life in which a popular answer is asked for anew, so that what lives for
/// seconds is not forgotten each time; but never more than half of its life.
pub const AGING_MIN: Duration = Duration::from_secs(2);

/// Octets of an OPT record without options.
const OPT_BYTES: usize = 11;

/// Octets of one reason without text.
const EDE_BYTES: usize = 6;

/// What is remembered of one question.
#[derive(Debug)]
pub struct Entry {
    /// The records as they stand behind the question, then the reasons.
    bytes: Box<[u8]>,
    records_bytes: u16,
    marks: Box<[Mark]>,
    answers: u16,
    ring: Option<Ring>,
    /// Length of the question that the records stand behind.
    question_bytes: u16,
    rcode: Rcode,
    is_authentic: bool,
    kind: Kind,
    is_half: bool,
    is_truncated: bool,
    leads_to_us: Option<Name>,
    came: Instant,
    lifetime: Duration,
    asked_again: AtomicBool,
}

/// What an entry is made of besides records.
pub(crate) struct Parts<'a> {
    pub(crate) question_bytes: usize,
    pub(crate) rcode: Rcode,
    /// EDE options as they stand in an OPT record.
    pub(crate) reasons: &'a [u8],
    pub(crate) is_authentic: bool,
    pub(crate) kind: Kind,
    pub(crate) is_half: bool,
    pub(crate) is_truncated: bool,
    pub(crate) leads_to_us: Option<Name>,
    pub(crate) lifetime_seconds: u32,
    pub(crate) came: Instant,
}

impl Parts<'_> {
    /// An answer to this question that is not worth keeping.
    pub(crate) fn new(key: &Key, came: Instant) -> Self {
        Self {
            question_bytes: key.name.as_wire().len().saturating_add(4),
            rcode: Rcode::NOERROR,
            reasons: &[],
            is_authentic: false,
            kind: Kind::Answer,
            is_half: false,
            is_truncated: false,
            leads_to_us: None,
            lifetime_seconds: 0,
            came,
        }
    }
}

/// What an exchange ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer, that there is nothing included.
    Answer,
    /// A server's error; no other did better.
    Error,
    /// No server answered.
    Silence,
}

/// How old an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// To be told.
    Fresh,
    /// To be told, and worth asking for anew if it is popular.
    Aging,
    /// To be told only if no server answers.
    Stale,
    /// Of no use any more.
    Gone,
}

/// What an answer is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it is, its TTLs less its age.
    Current,
    /// As a failure that happened a while ago: with the reason Cached Error.
    Remembered,
    /// As an answer whose time is over: TTL 30, with the reason Stale Answer.
    Stale,
}

/// How an answer is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The time.
    pub now: Instant,
    /// As what.
    pub manner: Manner,
    /// How the reply travels.
    pub transport: Transport,
    /// What a cut reply says about it.
    pub truncation: Truncation,
    /// What this hop says: options of the OPT record, if the client sent one.
    pub options: &'a [u8],
    /// Which of several addresses comes first, so that clients which take the first share the load. Any number.
    pub turn: u32,
}

impl Entry {
    pub(crate) fn new(parts: Parts<'_>, packed: Packed) -> Self {
        let records_bytes = packed.bytes.len();
        Self {
            bytes: [&packed.bytes[..], parts.reasons].concat().into(),
            // A packer stops before this overflows.
            records_bytes: u16::try_from(records_bytes).unwrap_or(u16::MAX),
            marks: packed.marks.into(),
            answers: packed.answers,
            ring: packed.ring,
            question_bytes: u16::try_from(parts.question_bytes).unwrap_or(u16::MAX),
            rcode: parts.rcode,
            is_authentic: parts.is_authentic,
            kind: parts.kind,
            is_half: parts.is_half,
            is_truncated: parts.is_truncated,
            leads_to_us: parts.leads_to_us,
            came: parts.came,
            lifetime: Duration::from_secs(parts.lifetime_seconds.into()),
            asked_again: AtomicBool::new(false),
        }
    }

    /// The response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Whether no server answered, or none but with an error.
    pub fn is_failure(&self) -> bool {
        self.kind != Kind::Answer
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether this is half an answer: no server gave the rest.
    pub fn is_half(&self) -> bool {
        self.is_half
    }

    /// Whether there is no answer in it: the name does not exist, or has nothing of this type.
    pub fn is_negative(&self) -> bool {
        self.answers == 0
    }

    /// The name in our own domain that the answer leads to; our zone says the rest.
    pub fn leads_to_us(&self) -> Option<&Name> {
        self.leads_to_us.as_ref()
    }

    /// For how long it may be told from when it came; zero if it is not to be kept.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// When it came.
    pub fn came(&self) -> Instant {
        self.came
    }

    /// The same, to be kept for this long.
    pub(crate) fn living(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        let name = self.leads_to_us.as_ref().map_or(0, |name| name.as_wire().len());
        [size_of::<Self>(), self.bytes.len(), size_of_val(&self.marks[..]), name]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// How old it is, where answers may be stale for so long.
    pub fn freshness(&self, now: Instant, stale_max: Duration) -> Freshness {
        let age = now.saturating_duration_since(self.came);
        let Some(left) = self.lifetime.checked_sub(age).filter(|left| !left.is_zero()) else {
            let over = age.saturating_sub(self.lifetime);
            let is_stale = over < stale_max && !self.is_failure() && !self.lifetime.is_zero();
            return if is_stale { Freshness::Stale } else { Freshness::Gone };
        };
        let part = |of| self.lifetime.checked_div(of).unwrap_or_default();
        let aging = part(10).max(AGING_MIN).min(part(2));
        if left <= aging { Freshness::Aging } else { Freshness::Fresh }
    }

    /// Notes that it was asked for; tells whether it had been before, since it came.
    pub fn touch(&self) -> bool {
        // Most of the time it is set already: reading leaves the cache line with everybody.
        self.asked_again.load(Ordering::Relaxed) || self.asked_again.swap(true, Ordering::Relaxed)
    }

    /// Writes the reply for a client; tells its length. `None` if the question is not as long as the one this
    /// answers, or if not even the header has room.
    pub fn write(&self, asker: &Asker<'_>, telling: &Telling<'_>, out: &mut [u8]) -> Option<usize> {
        if asker.question.len() != usize::from(self.question_bytes) {
            return None;
        }
        let reason = self.reason(telling);
        let is_refused_half = self.is_half && telling.transport == Transport::Tcp;
        let head_bytes = HEADER_BYTES.checked_add(asker.question.len())?;
        let opt_bytes = asker.edns.map_or(0, |_| self.opt_bytes(telling, reason));
        let room = asker.reply_bytes_max(telling.transport).min(out.len());
        let end_max = room.checked_sub(head_bytes)?.saturating_sub(opt_bytes);

        // Over TCP half an answer would pass for the whole.
        let fitting = if is_refused_half {
            0
        } else {
            self.marks.partition_point(|mark| usize::from(mark.end) <= end_max)
        };
        let kept = self.marks.get(..fitting)?;
        let records_end = kept.last().map_or(0, |mark| usize::from(mark.end));
        let missing = !is_refused_half && (self.is_truncated || kept.len() < self.marks.len());
        self.write_records(kept, records_end, telling, out.get_mut(head_bytes..)?)?;
        let mut end = head_bytes.checked_add(records_end)?;
        let has_opt = match asker.edns {
            Some(edns) => {
                end =
                    end.checked_add(self.write_opt(edns.dnssec_ok, telling, reason, out.get_mut(end..)?)?)?;
                true
            }
            None => false,
        };

        let mut flags = Flags::QR | Flags::RA | (asker.flags.0 & (Flags::RD | Flags::CD));
        if missing && telling.truncation == Truncation::Flagged {
            flags |= Flags::TC;
        }
        if self.is_authentic && asker.wants_authentic() {
            flags |= Flags::AD;
        }
        let rcode = if is_refused_half { Rcode::SERVFAIL } else { self.rcode };
        let answers = u16::try_from(fitting).ok()?.min(self.answers);
        let authority = u16::try_from(fitting).ok()?.saturating_sub(answers);
        let lines = [asker.id, flags | (rcode.0 & Flags::RCODE), 1, answers, authority, u16::from(has_opt)];
        let head = out.get_mut(..head_bytes)?;
        for (place, line) in head.as_chunks_mut::<2>().0.iter_mut().zip(lines) {
            *place = line.to_be_bytes();
        }
        head.get_mut(HEADER_BYTES..)?.copy_from_slice(asker.question);
        Some(end)
    }

    /// Copies the records up to an end, turns the addresses, and counts the TTLs down.
    fn write_records(&self, kept: &[Mark], end: usize, telling: &Telling<'_>, out: &mut [u8]) -> Option<()> {
        let out = out.get_mut(..end)?;
        out.copy_from_slice(self.bytes.get(..end)?);
        if let Some(ring) = &self.ring {
            ring.turn(telling.turn, out);
        }
        let age = telling.now.saturating_duration_since(self.came).as_secs();
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        if age == 0 && telling.manner != Manner::Stale {
            return Some(());
        }
        for mark in kept {
            let place = out.get_mut(usize::from(mark.ttl)..)?.first_chunk_mut()?;
            let ttl = match telling.manner {
                Manner::Stale => STALE_TTL,
                Manner::Current | Manner::Remembered => u32::from_be_bytes(*place).saturating_sub(age),
            };
            *place = ttl.to_be_bytes();
        }
        Some(())
    }

    /// The reason that the manner of telling adds.
    fn reason(&self, telling: &Telling<'_>) -> Option<Ede> {
        match telling.manner {
            Manner::Current if self.is_half && telling.transport == Transport::Tcp => Some(Ede::NetworkError),
            Manner::Current => None,
            Manner::Remembered => Some(Ede::CachedError),
            Manner::Stale if self.rcode == Rcode::NXDOMAIN => Some(Ede::StaleNxdomain),
            Manner::Stale => Some(Ede::StaleAnswer),
        }
    }

    /// EDE options that came with the answer.
    fn reasons(&self) -> &[u8] {
        self.bytes.get(usize::from(self.records_bytes)..).unwrap_or_default()
    }

    fn opt_bytes(&self, telling: &Telling<'_>, reason: Option<Ede>) -> usize {
        let reason = reason.map_or(0, |_| EDE_BYTES);
        [OPT_BYTES, telling.options.len(), self.reasons().len(), reason]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Writes an OPT record; tells its length.
    fn write_opt(
        &self,
        dnssec_ok: bool,
        telling: &Telling<'_>,
        reason: Option<Ede>,
        out: &mut [u8],
    ) -> Option<usize> {
        let length = self.opt_bytes(telling, reason);
        let data = u16::try_from(length.checked_sub(OPT_BYTES)?).ok()?;
        let [type_high, type_low] = TYPE_OPT.to_be_bytes();
        let [size_high, size_low] = UDP_PAYLOAD_BYTES_MAX.to_be_bytes();
        let [data_high, data_low] = data.to_be_bytes();
        let dnssec_ok = if dnssec_ok { 0x80 } else { 0 };
        let fixed: [u8; OPT_BYTES] =
            [0, type_high, type_low, size_high, size_low, 0, 0, dnssec_ok, 0, data_high, data_low];
        let reason = reason.map(Ede::option);
        let reason = reason.as_ref().map_or(&[][..], |reason| &reason[..]);
        let mut rest = out.get_mut(..length)?;
        for part in [&fixed[..], telling.options, self.reasons(), reason] {
            let (place, after) = rest.split_at_mut_checked(part.len())?;
            place.copy_from_slice(part);
            rest = after;
        }
        Some(length)
    }
}

impl Ring {
    /// Puts another address first. Those that were cut off are not there to change places.
    fn turn(&self, turn: u32, records: &mut [u8]) {
        let (start, stride) = (usize::from(self.start), usize::from(self.stride));
        let Some(rest) = records.get_mut(start..) else { return };
        let there = rest.len().checked_div(stride).unwrap_or(0).min(usize::from(self.count));
        let first = usize::try_from(turn).ok().and_then(|turn| turn.checked_rem(there)).unwrap_or(0);
        if let Some(ring) = rest.get_mut(..there.saturating_mul(stride)) {
            ring.rotate_left(first.saturating_mul(stride));
        }
    }
}

// An option's code stands in front of each reason.
const _: () = assert!(OPTION_EDE == 15);

#[cfg(test)]
mod tests;
