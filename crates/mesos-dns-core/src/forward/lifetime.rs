//! How long a reply may be kept by a cache that knows nothing of DNS: what DNS over HTTPS tells in a header.

use std::time::Duration;

use super::{
    message::{Flags, Rcode},
    walk::Cursor,
};
use crate::wire::rtype;

/// The smallest TTL of the answers; without answers what the SOA in the authority section says of negative ones: the
/// smaller of its TTL and its minimum (RFC 8484 section 5.1, RFC 2308 section 5). Zero for everything else: a failure
/// is not to be remembered.
pub fn lifetime(reply: &[u8]) -> Duration {
    Duration::from_secs(seconds(reply).unwrap_or(0).into())
}

fn seconds(reply: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new(reply);
    let (_, flags) = cursor.id_and_flags()?;
    if !matches!(flags.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) || flags.has(Flags::TC) {
        return None;
    }
    let [questions, answers, authorities, _] = cursor.counts()?;
    for _ in 0..questions {
        cursor.name()?;
        cursor.take(4)?;
    }
    let mut smallest = None;
    for _ in 0..answers {
        let ttl = cursor.record()?.ttl;
        smallest = Some(smallest.map_or(ttl, |smallest: u32| smallest.min(ttl)));
    }
    if smallest.is_some() {
        return smallest.map(plain);
    }
    for _ in 0..authorities {
        let record = cursor.record()?;
        if record.rtype == rtype::SOA {
            let minimum = record.data.last_chunk().copied().map(u32::from_be_bytes)?;
            return Some(plain(record.ttl).min(minimum));
        }
    }
    None
}

/// A TTL with the top bit set counts as zero (RFC 2181 section 8).
fn plain(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply to `a.` with these flags and records: section, type, TTL, data.
    fn reply(flags: u16, records: &[(usize, u16, u32, &[u8])]) -> Vec<u8> {
        let mut counts = [1_u16, 0, 0, 0];
        for (section, ..) in records {
            counts[*section] += 1;
        }
        let mut message = [&[0, 7][..], &flags.to_be_bytes()].concat();
        message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        message.extend(b"\x01a\0\0\x01\0\x01");
        for (_, rtype, ttl, data) in records {
            message.extend(b"\xc0\x0c");
            message.extend(rtype.to_be_bytes());
            message.extend(b"\0\x01");
            message.extend(ttl.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn answers_live_as_long_as_the_first_of_them_to_go() {
        let soa: Vec<u8> = [&[0; 18][..], &30_u32.to_be_bytes()].concat();
        let (a, opt) = ([10, 0, 0, 1], 41);
        for (flags, records, expected) in [
            (0x8580, vec![(1, 1, 60, &a[..]), (1, 1, 5, &a), (3, opt, 0, &[])], 5),
            (0x8580, vec![(1, 1, 0, &a)], 0),
            (0x8580, vec![(1, 1, 0x8000_0001, &a)], 0),
            // No such name, no such type: the SOA's minimum or its TTL.
            (0x8583, vec![(2, 6, 60, &soa)], 30),
            (0x8580, vec![(2, 2, 9, &a), (2, 6, 20, &soa)], 20),
            (0x8583, vec![], 0),
            // Failures and cut answers.
            (0x8582, vec![(1, 1, 60, &a)], 0),
            (0x8585, vec![(2, 6, 60, &soa)], 0),
            (0x8780, vec![(1, 1, 60, &a)], 0),
        ] {
            let message = reply(flags, &records);
            assert_eq!(lifetime(&message).as_secs(), expected, "{flags:04x} {records:?}");
            for length in 0..message.len() {
                // Cut anywhere: no panic, and nothing that is not there.
                assert!(lifetime(&message[..length]).as_secs() <= 60);
            }
        }
    }
}
