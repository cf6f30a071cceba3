//! Names that are made up: in a zone that is `made`, each name exists, and its first label says what is there.
//!
//! | label | what is there |
//! | --- | --- |
//! | `anything` | an address of each family, made from the name |
//! | `ttl5-x` | the same, for 5 seconds instead of the zone's TTL |
//! | `chain3-x` | an alias of `chain2-x`, and so on; at the end the address |
//! | `big200-x` | 200 addresses, at most 4,000 |
//! | `txt4000-x` | so many octets of text |
//! | `empty-x` | no records: NOERROR without an answer |
//! | `none-x` | no such name |
//!
//! The words stand together in any order, `ttl5-big20-x`; what follows them only makes another name. So a test has
//! as many names as it wants, of whatever kind, and a bench millions.

use super::store::{A, AAAA, CNAME, Record, TXT};

/// Most records of one answer, so that it fits in a message.
const RECORDS_MAX: usize = 4_000;

/// Most octets of text, likewise.
const TEXT_BYTES_MAX: usize = 60_000;

/// How names are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Of records whose name does not say another.
    pub(super) ttl: u32,
}

/// What a label asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    ttl: Option<u32>,
    chain: usize,
    big: Option<usize>,
    txt: Option<usize>,
    is_empty: bool,
    is_none: bool,
}

impl Words {
    fn read(label: &[u8]) -> Self {
        let mut words = Self::default();
        for word in String::from_utf8_lossy(label).split('-') {
            let at = word.find(|letter: char| letter.is_ascii_digit()).unwrap_or(word.len());
            let (kind, number) = word.split_at(at);
            match (kind, number.parse::<u32>()) {
                ("ttl", Ok(ttl)) => words.ttl = Some(ttl),
                ("chain", Ok(length)) => words.chain = length as usize,
                ("big", Ok(count)) => words.big = Some((count as usize).min(RECORDS_MAX)),
                ("txt", Ok(bytes)) => words.txt = Some((bytes as usize).min(TEXT_BYTES_MAX)),
                ("empty", Err(_)) => words.is_empty = true,
                ("none", Err(_)) => words.is_none = true,
                _ => break,
            }
        }
        words
    }
}

impl Made {
    /// The records of this name that a query for this type gets; `None`: there is no such name.
    pub(super) fn records(self, name: &[u8], qtype: u16) -> Option<Vec<Record>> {
        let length = usize::from(*name.first()?);
        let label = name.get(1..=length)?;
        let words = Words::read(label);
        if words.is_none {
            return None;
        }
        let ttl = words.ttl.unwrap_or(self.ttl);
        let record = |rtype, data| Record { owner: name.to_vec(), rtype, ttl, data };
        if words.chain > 0 {
            return Some(vec![record(CNAME, shorter(name, label, words.chain))]);
        }
        let count = words.big.unwrap_or(1) as u32;
        let hash = hash(name) as u32;
        // 198.18.0.0/15 is for such uses (RFC 2544), 2001:db8::/32 for documents.
        let address = |n: u32| 0xc612_0000 | (hash.wrapping_add(n) & 0x1_ffff);
        Some(match qtype {
            _ if words.is_empty => Vec::new(),
            A => (0..count).map(|n| record(A, address(n).to_be_bytes().to_vec())).collect(),
            AAAA => (0..count)
                .map(|n| {
                    record(AAAA, ((0x2001_0db8_u128 << 96) | u128::from(address(n))).to_be_bytes().to_vec())
                })
                .collect(),
            TXT if words.txt.is_some() => vec![record(TXT, text(words.txt.unwrap_or_default()))],
            _ => Vec::new(),
        })
    }
}

/// The next name of a chain.
fn shorter(name: &[u8], label: &[u8], length: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(label);
    let next = text.replacen(&format!("chain{length}"), &format!("chain{}", length - 1), 1);
    let mut target = vec![next.len() as u8];
    target.extend_from_slice(next.as_bytes());
    target.extend_from_slice(&name[1 + label.len()..]);
    target
}

/// Text as a record has it: strings of at most 255 octets.
fn text(bytes: usize) -> Vec<u8> {
    let all = vec![b't'; bytes];
    let strings = all.chunks(255).flat_map(|string| [&[string.len() as u8][..], string].concat());
    let data: Vec<u8> = strings.collect();
    if data.is_empty() { vec![0] } else { data }
}

/// Fowler, Noll and Vo: the same everywhere and each time.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_word_by_word() {
        let check = |label: &str, words: Words| assert_eq!(Words::read(label.as_bytes()), words, "{label}");
        check("www", Words::default());
        check("www-ttl5", Words::default());
        check("ttl5-x", Words { ttl: Some(5), ..Words::default() });
        check("ttl2147483648-big20-ttl", Words { ttl: Some(1 << 31), big: Some(20), ..Words::default() });
        check("big99999", Words { big: Some(RECORDS_MAX), ..Words::default() });
        check("chain3-none-x", Words { chain: 3, is_none: true, ..Words::default() });
        check("ttl99999999999-x", Words::default());
        check("txt-x", Words::default());
        check("empty", Words { is_empty: true, ..Words::default() });
    }

    #[test]
    fn a_chain_gets_shorter() {
        let made = Made { ttl: 60 };
        let records = made.records(b"\x08chain2-x\x04test\0", A).unwrap();
        assert_eq!((records[0].rtype, &records[0].data[..]), (CNAME, &b"\x08chain1-x\x04test\0"[..]));
        let records = made.records(b"\x08chain0-x\x04test\0", A).unwrap();
        assert_eq!((records[0].rtype, records[0].data.len()), (A, 4));
    }
}
