//! How readers may disagree, and why.

use crate::readers::Reader;

/// What is true of a message, found by a walk that believes little.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The second header word.
    pub(crate) flags: u16,
    pub(crate) counts: [u16; 4],
    /// The name of the question uses a pointer, or a label type that is gone.
    pub(crate) has_odd_question: bool,
    /// Records other than OPT.
    pub(crate) others: usize,
    /// OPT records in the additional section.
    pub(crate) opts: usize,
    /// OPT records elsewhere, or with another owner than the root.
    pub(crate) misplaced_opts: usize,
    /// Data of the first OPT record.
    pub(crate) options: Vec<u8>,
    pub(crate) version: u8,
    /// A record's owner is not just labels and perhaps a pointer that goes back.
    pub(crate) has_odd_owner: bool,
    /// Octets behind the last record; `None` if the walk did not get there.
    pub(crate) left_over: Option<usize>,
    pub(crate) payload_bytes: u16,
    pub(crate) qtype: u16,
}

impl Facts {
    pub(crate) fn of(message: &[u8]) -> Self {
        let mut facts = Self::default();
        let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        facts.flags = word(2).unwrap_or_default();
        facts.counts = [4, 6, 8, 10].map(|at| word(at).unwrap_or_default());
        let mut at = 12;
        facts.walk(message, &mut at);
        facts
    }

    fn walk(&mut self, message: &[u8], at: &mut usize) -> Option<()> {
        for _ in 0..self.counts[0] {
            let (_, is_plain) = skip_name(message, at)?;
            self.has_odd_question |= !is_plain;
            self.qtype = u16::from_be_bytes([*message.get(*at)?, *message.get(*at + 1)?]);
            *at += 4;
        }
        for section in 1..4 {
            for _ in 0..self.counts[section] {
                let start = *at;
                let (is_root, is_plain) = skip_name(message, at)?;
                self.has_odd_owner |= !is_plain && message.get(start..*at)? != b"\xc0\x0c";
                let [t0, t1, c0, c1, _, version, _, _, l0, l1] = *message.get(*at..)?.first_chunk()?;
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                let data = message.get(*at + 10..)?.get(..length)?;
                *at += 10 + length;
                if u16::from_be_bytes([t0, t1]) != 41 {
                    self.others += 1;
                } else if section == 3 && is_root {
                    self.opts += 1;
                    if self.opts == 1 {
                        (self.options, self.version) = (data.to_vec(), version);
                        self.payload_bytes = u16::from_be_bytes([c0, c1]);
                    }
                } else {
                    self.misplaced_opts += 1;
                }
            }
        }
        self.left_over = Some(message.len().checked_sub(*at)?);
        Some(())
    }

    /// Whether the options include one that is not whole, or a cookie of a length that no cookie has.
    fn has_bad_option(&self, is_bad: impl Fn(u16, &[u8]) -> bool) -> bool {
        let mut rest = &self.options[..];
        while !rest.is_empty() {
            let [c0, c1, l0, l1, behind @ ..] = rest else { return true };
            let Some((data, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))
            else {
                return true;
            };
            if is_bad(u16::from_be_bytes([*c0, *c1]), data) {
                return true;
            }
            rest = behind;
        }
        false
    }
}

/// Whether the name is the root, and whether it is labels alone.
fn skip_name(message: &[u8], at: &mut usize) -> Option<(bool, bool)> {
    let start = *at;
    loop {
        let octet = *message.get(*at)?;
        *at += 1;
        match octet {
            0 => return Some((*at == start + 1, true)),
            1..=63 => *at += usize::from(octet),
            192.. => {
                *at += 1;
                return Some((false, false));
            }
            _ => return Some((false, false)),
        }
    }
}

fn is_no_cookie(code: u16, data: &[u8]) -> bool {
    code == 10 && !matches!(data.len(), 8 | 16..=40)
}

/// An explanation: why, and whether it holds for a message, a reader, and (`true`) one that we read.
pub(crate) type Explained = (&'static str, fn(&Facts, Reader, bool) -> bool);

/// All of them. The first that holds counts.
pub(crate) const EXPLAINED: &[Explained] = &[
    ("a response: we answer none, so it is no query", |facts, _, we_read| {
        !we_read && facts.flags & 0x8000 != 0
    }),
    ("another operation: answered by its header alone, not read", |facts, _, we_read| {
        !we_read && facts.flags & 0x7800 != 0
    }),
    ("not one question (RFC 9619), or none and no cookie (RFC 7873 section 5.4)", |facts, _, we_read| {
        !we_read && facts.counts[0] != 1
    }),
    ("octets behind the last record: they overlook them, Knot and we do not", |facts, _, we_read| {
        !we_read && facts.left_over.is_some_and(|left| left > 0)
    }),
    ("a compressed question: there is nothing before it to point to", |facts, _, we_read| {
        !we_read && facts.has_odd_question
    }),
    ("OPT in another section or not at the root (RFC 6891 section 6.1.1)", |facts, _, we_read| {
        !we_read && facts.misplaced_opts > 0
    }),
    ("two OPT records (RFC 6891 section 6.1.1)", |facts, _, we_read| !we_read && facts.opts > 1),
    (
        "a cookie of a length that no cookie has (RFC 7873 section 5.2.2), or an option that is not whole",
        |facts, _, we_read| !we_read && facts.has_bad_option(is_no_cookie),
    ),
    (
        "a payload size below 512: hickory raises it when it reads, we when we use it (RFC 6891 section 6.2.3)",
        |facts, reader, we_read| {
            we_read && reader == Reader::Hickory && facts.opts == 1 && facts.payload_bytes < 512
        },
    ),
    ("records besides OPT: we walk over them, they read names and data", |facts, _, we_read| {
        we_read && facts.others > 0
    }),
    (
        "another version of EDNS: BADVERS whatever else it says, so we do not read the options",
        |facts, _, we_read| we_read && facts.version != 0,
    ),
    (
        "options that change nothing in our answer: we pass over them, they read the data",
        |facts, _, we_read| we_read && !facts.options.is_empty(),
    ),
];
