//! Mutating messages, and reading replies strictly: for the tests of this room, and for those that send the same over
//! sockets (`crates/mesos-dns/tests/conformance.rs` reads this file too).

use domain::{
    base::{
        Message,
        name::ToLabelIter,
        opt::{AllOptData, Opt},
    },
    rdata::AllRecordData,
};

/// A small generator (xorshift, as the core has no dice): quality does not matter, repeatability does.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below this many.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % sides
    }
}

/// Changes a message in one to four places.
pub(crate) fn mutate(message: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(message.len().max(1)).min(message.len());
        match dice.roll(9) {
            0 => message.truncate(at),
            1 => message.extend(std::iter::repeat_n(dice.roll(256) as u8, dice.roll(40))),
            2 => message.insert(at, [0, 1, 63, 64, 192, 255][dice.roll(6)]),
            3 if at < message.len() => drop(message.remove(at)),
            4 => {
                let other = &seeds[dice.roll(seeds.len())];
                message.truncate(at);
                message.extend(&other[dice.roll(other.len())..]);
            }
            5 if message.len() >= 12 => message[4 + dice.roll(8)] = dice.roll(4) as u8,
            6 if message.len() >= 12 => message[2 + dice.roll(2)] = dice.roll(256) as u8,
            _ if at < message.len() => message[at] ^= 1 << dice.roll(8),
            _ => {}
        }
    }
}

/// Reads a reply to its last byte; what is wrong with it, if anything.
pub(crate) fn strict(reply: &[u8], query: &[u8], limit: usize) -> Result<(), String> {
    if reply.len() > limit {
        return Err(format!("{} bytes of {limit}", reply.len()));
    }
    let message = Message::from_octets(reply).map_err(|error| error.to_string())?;
    let (header, counts) = (message.header(), message.header_counts());
    if !header.qr() || reply[..2] != query[..2] || header.z() {
        return Err("header".into());
    }
    let mut question = message.question();
    for asked in question.by_ref() {
        let asked = asked.map_err(|error| error.to_string())?;
        let end = 12 + usize::from(asked.qname().compose_len()) + 4;
        if query[12..end] != reply[12..end] {
            return Err("question".into());
        }
    }
    let (mut opts, mut end) = (0, question.pos());
    let mut section = question.answer().map_err(|error| error.to_string())?;
    for count in [counts.ancount(), counts.nscount(), counts.arcount()] {
        for _ in 0..count {
            let record = section.next().ok_or("too few records")?.map_err(|error| error.to_string())?;
            record.to_any_record::<AllRecordData<_, _>>().map_err(|error| error.to_string())?;
            if let Ok(Some(opt)) = record.to_record::<Opt<_>>() {
                let all: Result<Vec<_>, _> = opt.data().iter::<AllOptData<_, _>>().collect();
                all.map_err(|error| error.to_string())?;
                opts += 1;
            }
        }
        end = section.pos();
        match section.next_section() {
            Ok(Some(next)) => section = next,
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    if opts > 1 || end != reply.len() {
        return Err(format!("{opts} OPT, read to {end}"));
    }
    Ok(())
}
