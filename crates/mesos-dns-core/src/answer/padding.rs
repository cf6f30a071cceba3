//! Padding, so that the length of an encrypted reply tells little of what is in it (RFC 7830, RFC 8467).
//!
//! Replies that are written in this room get it while they are written. What the forwarder gives back is finished, and
//! gets it behind its end, where its OPT record is.

use super::TCP_PAYLOAD_BYTES_MAX;
use crate::wire::{HEADER_BYTES, option, rtype};

/// Bytes before the data of an option: code and length.
const OPTION_HEAD_BYTES: usize = 4;

/// Replies that are to be padded become a multiple of this, in bytes (RFC 8467 section 4.1).
const PADDED_BYTES: usize = 468;

/// Zeroes for the option behind a message of this length, that may be `limit` long; `None` if there is no room for it.
pub(super) fn zeroes(length: usize, limit: usize) -> Option<usize> {
    let length = length.checked_add(OPTION_HEAD_BYTES)?;
    let wanted = length.checked_next_multiple_of(PADDED_BYTES)?.checked_sub(length)?;
    Some(wanted.min(limit.checked_sub(length)?))
}

/// Pads a finished reply that ends with its OPT record. One that does not, or is padded already, stays as it is.
pub fn pad(reply: &mut Vec<u8>) {
    let Some(end) = data_length_place(reply) else { return };
    let Some(zeroes) = zeroes(reply.len(), TCP_PAYLOAD_BYTES_MAX) else { return };
    let Some(place) = reply.get_mut(end..).and_then(<[u8]>::first_chunk_mut) else { return };
    let added = zeroes.saturating_add(OPTION_HEAD_BYTES);
    let sum = usize::from(u16::from_be_bytes(*place)).saturating_add(added);
    let (Ok(sum), Ok(length)) = (u16::try_from(sum), u16::try_from(zeroes)) else { return };
    *place = sum.to_be_bytes();
    reply.extend(option::PADDING.to_be_bytes());
    reply.extend(length.to_be_bytes());
    reply.resize(reply.len().saturating_add(zeroes), 0);
}

/// Where the length of the last record's data stands, if that record is an OPT record without padding and the message
/// ends with it.
fn data_length_place(reply: &[u8]) -> Option<usize> {
    let mut walk = Walk { rest: reply.get(HEADER_BYTES..)? };
    let count = |at: usize| reply.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
    let (questions, additional) = (count(4)?, count(10)?);
    for _ in 0..questions {
        walk.name()?;
        walk.take(4)?;
    }
    let others = u32::from(count(6)?).checked_add(count(8)?.into())?.checked_add(additional.into())?;
    for _ in 0..others.checked_sub(1)? {
        walk.name()?;
        walk.take(8)?;
        walk.counted()?;
    }
    // The root, the type, then class and TTL as OPT uses them.
    let [0, t0, t1, ..] = walk.take(9)? else { return None };
    let place = reply.len().checked_sub(walk.rest.len())?;
    let mut options = Walk { rest: walk.counted()? };
    let is_last = walk.rest.is_empty() && additional > 0;
    if u16::from_be_bytes([*t0, *t1]) != rtype::OPT || !is_last {
        return None;
    }
    while !options.rest.is_empty() {
        if options.take(2)? == option::PADDING.to_be_bytes() {
            return None;
        }
        options.counted()?;
    }
    Some(place)
}

/// Steps over what stands in a message. `None` is its end.
struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Bytes with their number in front.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(*self.take(2)?.first_chunk()?);
        self.take(length.into())
    }

    /// A name, up to its root or to a pointer.
    fn name(&mut self) -> Option<()> {
        loop {
            match *self.take(1)?.first()? {
                0 => return Some(()),
                length @ 1..=63 => _ = self.take(length.into())?,
                0xc0.. => return self.take(1).map(|_| ()),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a. A`, with these records: a section of the header, and the bytes.
    fn reply(records: &[(usize, &[u8])]) -> Vec<u8> {
        let mut message = b"\xab\xcd\x81\x80\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
        for (section, bytes) in records {
            message[section * 2 + 5] += 1;
            message.extend(*bytes);
        }
        message
    }

    const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    const OPT_WITH_REASON: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x16";

    #[test]
    fn what_ends_with_opt_is_padded_once() {
        let many: Vec<u8> = ADDRESS.repeat(40);
        let long = [&b"\xc0\x0c\0\x10\0\x01\0\0\0\x05\xfd\0"[..], &[0; 0xfd00]].concat();
        for (records, length) in [
            (vec![(3, OPT)], 468),
            (vec![(1, ADDRESS), (2, ADDRESS), (3, ADDRESS), (3, OPT_WITH_REASON)], 468),
            (vec![(1, &long[..]), (3, OPT)], 139 * 468),
            // No room for the next multiple: as much as there is.
            (
                vec![
                    (1, &long[..]),
                    (1, &many[..16]),
                    (3, &[&OPT[..9], b"\x02\xba\0\x03\x02\xb6", &[7; 694]].concat()),
                ],
                65535,
            ),
        ] {
            let before = reply(&records);
            let mut padded = before.clone();
            pad(&mut padded);
            assert_eq!(padded.len(), length, "{} bytes", before.len());
            let start = before.len() - records.last().unwrap().1.len();
            let counted = u16::from_be_bytes([padded[start + 9], padded[start + 10]]);
            assert_eq!(usize::from(counted), length - start - 11);
            let option = &padded[before.len()..];
            assert_eq!(option[..2], [0, 12]);
            assert_eq!(usize::from(u16::from_be_bytes([option[2], option[3]])), option.len() - 4);
            assert!(option[4..].iter().all(|octet| *octet == 0));
            let again = padded.clone();
            pad(&mut padded);
            assert!(padded == again);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let good = reply(&[(1, ADDRESS), (3, OPT)]);
        let mut cut: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        cut.push([&good[..], b"\0"].concat());
        cut.push(reply(&[]));
        cut.push(reply(&[(1, ADDRESS), (3, ADDRESS)]));
        cut.push(reply(&[(3, OPT), (3, ADDRESS)]));
        cut.push(reply(&[(1, OPT)]));
        cut.push(reply(&[(3, b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0\x0c\0\0")]));
        cut.push(reply(&[(3, b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x0f\0\x02\0")]));
        for message in cut {
            let mut padded = message.clone();
            pad(&mut padded);
            assert!(padded == message, "{message:02x?}");
        }
    }
}
