//! What a server sent back.
//!
//! First the cheap question, asked of every datagram: does this belong to what we sent ([`belongs`])? Only
//! then is the whole message walked ([`Reply::parse`]), so that whoever believes some of it
//! ([`believe`](super::believe)) reads what is known to be a message.

use super::{
    data::Layout,
    draft::Section,
    key::Key,
    message::{Flags, OPTION_EDE, Question, Rcode, TYPE_OPT, TYPE_TSIG},
    walk::{Cursor, Record},
};
use crate::wire::Name;

/// Most bytes of reasons (RFC 8914) that are passed on. More than that is no reason but freight; and it must
/// fit in 512 bytes beside the longest question.
const EDE_BYTES_MAX: usize = 200;

/// How a message relates to what we asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// It is no reply, or to something else.
    No,
    /// Our identifier and an error, but no question: some servers answer so what they cannot read.
    Bare(Rcode),
    /// Our identifier and our question.
    Yes(Flags),
}

/// Whether a message is a reply to this question under this identifier.
///
/// The name is compared without regard to case, as some servers fold it; type and class octet by octet.
/// That it came from the right server is the socket's business.
pub fn belongs(message: &[u8], id: u16, key: &Key) -> Belongs {
    let mut cursor = Cursor::new(message);
    let (Some((reply_id, flags)), Some([questions, ..])) = (cursor.id_and_flags(), cursor.counts()) else {
        return Belongs::No;
    };
    if reply_id != id || !flags.has(Flags::QR) || flags.has(Flags::OPCODE) {
        return Belongs::No;
    }
    if questions == 0 && !matches!(flags.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        return Belongs::Bare(flags.rcode());
    }
    let same = questions == 1
        && Question::read(&mut cursor).is_some_and(|reply| {
            (&reply.name, reply.qtype, reply.qclass) == (&key.name, key.qtype, key.qclass)
        });
    if same { Belongs::Yes(flags) } else { Belongs::No }
}

/// A server's reply, walked from end to end.
#[derive(Clone, Debug)]
pub struct Reply {
    bytes: Vec<u8>,
    flags: Flags,
    /// The response code with the upper bits from the OPT record.
    rcode: Rcode,
    /// Where the question ends and the records begin.
    start: usize,
    /// The section of each record that can be passed on, in order.
    records: Vec<Section>,
    /// The options of the OPT record that tell reasons.
    reasons: Vec<u8>,
}

/// A record of a reply, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    /// The whole message.
    pub(crate) message: &'a [u8],
    pub(crate) section: Section,
    /// The owner, folded.
    pub(crate) owner: Name,
    /// The owner as it is spelled.
    pub(crate) spelled: Vec<u8>,
    pub(crate) record: Record<'a>,
}

impl Reply {
    /// Walks a message that belongs to a question of ours. `None` if it is malformed anywhere.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor::new(&bytes);
        let (_, flags) = cursor.id_and_flags()?;
        let [_, answers, authority, additional] = cursor.counts()?;
        Question::read(&mut cursor)?;
        let start = cursor.at;
        let mut records = Vec::new();
        let mut opt = None;
        // Behind OPT and TSIG, which end here, other records would have to move: such are left out. No
        // server known puts any there, and additional records are a courtesy.
        let mut ended = false;
        let counts =
            [(Section::Answer, answers), (Section::Authority, authority), (Section::Additional, additional)];
        for (section, count) in counts {
            for _ in 0..count {
                let record = cursor.record()?;
                if matches!(record.rtype, TYPE_OPT | TYPE_TSIG) {
                    ended = true;
                    if section != Section::Additional
                        || (record.rtype == TYPE_OPT && opt.replace(record).is_some())
                    {
                        return None;
                    }
                } else if !is_sound(&cursor, &record) {
                    return None;
                } else if !ended {
                    records.push(section);
                }
            }
        }
        let upper = opt.map_or(0, |opt| (opt.ttl >> 24) as u16);
        let rcode = Rcode((upper << 4) | flags.rcode().0);
        let reasons = opt.map_or_else(Vec::new, |opt| reasons(opt.data));
        Some(Self { flags, rcode, start, records, reasons, bytes })
    }

    /// Whether it says that there is nothing.
    pub fn is_denial(&self) -> bool {
        self.rcode == Rcode::NXDOMAIN || self.records.first() != Some(&Section::Answer)
    }

    /// The whole response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// The header's flags.
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// EDE options as they stand in an OPT record.
    pub(crate) fn reasons(&self) -> &[u8] {
        &self.reasons
    }

    /// The records but OPT, each with its owner.
    pub(crate) fn seen(&self) -> Vec<Seen<'_>> {
        let mut cursor = Cursor { bytes: &self.bytes, at: self.start };
        let mut next = |section: Section| {
            let spelled = { cursor }.spelled()?;
            let record = cursor.record()?;
            let owner = Name::from_wire(&spelled).ok()?;
            Some(Seen { message: &self.bytes, section, owner, spelled, record })
        };
        // They were walked before: each of them can be read.
        self.records.iter().map_while(|section| next(*section)).collect()
    }
}

/// Whether the data of a record is what its type says, for the types whose data other programs follow
/// pointers in (RFC 3597 section 4) and for addresses. Other types are passed on unseen.
fn is_sound(cursor: &Cursor<'_>, record: &Record<'_>) -> bool {
    match record.rtype {
        1 if record.class == 1 => record.data.len() == 4,
        28 if record.class == 1 => record.data.len() == 16,
        rtype => Layout::of(rtype).is_none_or(|layout| layout.fits(cursor.bytes, record)),
    }
}

/// The options that tell reasons (EDE), as they stand; none if they are too much.
fn reasons(options: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(options);
    let mut kept = Vec::new();
    loop {
        let start = cursor.at;
        let (Some(code), Some(length)) = (cursor.u16(), cursor.u16()) else { break };
        if cursor.take(usize::from(length)).is_none() {
            break;
        }
        if code == OPTION_EDE {
            kept.extend_from_slice(options.get(start..cursor.at).unwrap_or_default());
        }
    }
    if kept.len() <= EDE_BYTES_MAX { kept } else { Vec::new() }
}

#[cfg(test)]
pub(crate) mod tests;
