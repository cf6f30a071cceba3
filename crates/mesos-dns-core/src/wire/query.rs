//! Reading one query, the strict way.
//!
//! Everything a query can hold is walked once, forward, within the bytes that are there: names of
//! questions are never compressed, counts are never believed (each record must show itself), and what
//! is left over at the end is an error, as in Knot. Nothing is allocated.

use super::{Edns, LABEL_BYTES_MAX, NAME_BYTES_MAX, NameView, is_within};

/// Length of the message header (RFC 1035 section 4.1.1).
pub const HEADER_BYTES: usize = 12;

/// Most aliases that are followed for one question; more are a mistake.
pub(crate) const CNAME_STEPS_MAX: usize = 8;

/// Record type numbers that get attention of their own.
pub mod rtype {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Authoritative server.
    pub const NS: u16 = 2;
    /// Alias.
    pub const CNAME: u16 = 5;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// Name of an address.
    pub const PTR: u16 = 12;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address (RFC 3596).
    pub const AAAA: u16 = 28;
    /// Service location (RFC 2782).
    pub const SRV: u16 = 33;
    /// Alias of all names below a name (RFC 6672).
    pub const DNAME: u16 = 39;
    /// EDNS pseudo-record (RFC 6891).
    pub const OPT: u16 = 41;
    /// Signature of a set of records (RFC 4034).
    pub const RRSIG: u16 = 46;
    /// Incremental zone transfer (RFC 1995).
    pub const IXFR: u16 = 251;
    /// Zone transfer (RFC 5936).
    pub const AXFR: u16 = 252;
    /// Any type (RFC 8482).
    pub const ANY: u16 = 255;
}

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// Class ANY, answered as IN.
pub const CLASS_ANY: u16 = 255;

/// Header flag: response.
pub const FLAG_QR: u16 = 0x8000;
/// Header flag: authoritative answer.
pub const FLAG_AA: u16 = 0x0400;
/// Header flag: truncated.
pub const FLAG_TC: u16 = 0x0200;
/// Header flag: recursion desired.
pub const FLAG_RD: u16 = 0x0100;
/// Header flag: recursion available.
pub const FLAG_RA: u16 = 0x0080;
/// Header flag: checking disabled (RFC 4035).
pub const FLAG_CD: u16 = 0x0010;
/// Header bits of the operation code.
pub const OPCODE_MASK: u16 = 0x7800;

/// A query that can be answered.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Chosen by the client; the reply repeats it.
    pub id: u16,
    /// The second header word as received.
    pub flags: u16,
    /// The question as received, to be echoed octet for octet. Empty if there is none: then the client only
    /// wants a cookie (RFC 7873 section 5.4).
    pub question: &'a [u8],
    /// The name of the question, lower-case.
    pub name: FoldedName,
    /// The type asked for.
    pub qtype: u16,
    /// The class asked for.
    pub class: u16,
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns<'a>>,
}

/// Why a message is no query to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too short to have a header: there is nobody to answer.
    Short,
    /// A response. Answering one would start an endless exchange.
    Response,
    /// Malformed: FORMERR.
    Malformed,
    /// Another operation than a query: NOTIMP.
    Opcode,
}

/// A lower-case wire name on the stack.
#[derive(Clone, Debug)]
pub struct FoldedName {
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl FoldedName {
    /// The name that these bytes are in wire form, without compression; `None` if they are none.
    pub(crate) fn of_wire(wire: &[u8]) -> Option<Self> {
        let mut rest = wire;
        while let Some((length, behind)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if usize::from(*length) > LABEL_BYTES_MAX {
                return None;
            }
            rest = behind.get(usize::from(*length)..)?;
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        let space = bytes.get_mut(..wire.len()).filter(|_| rest.len() == 1)?;
        space.copy_from_slice(wire);
        // Length octets are at most 63 and so never letters.
        space.make_ascii_lowercase();
        Some(Self { bytes, length: u8::try_from(wire.len()).ok()? })
    }

    /// The wire bytes, root label included.
    pub fn as_wire(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The name as it stands here.
    pub fn view(&self) -> NameView<'_> {
        NameView::of_folded(self.as_wire())
    }

    /// Whether this name is `apex` (lower-case wire form) or lies below it.
    pub fn is_within(&self, apex: &[u8]) -> bool {
        is_within(self.as_wire(), apex)
    }
}

impl<'a> Query<'a> {
    /// Reads a message.
    pub fn read(message: &'a [u8]) -> Result<Self, Fault> {
        let header = message.first_chunk::<HEADER_BYTES>().ok_or(Fault::Short)?;
        let [i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, x0, x1] = *header;
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & FLAG_QR != 0 {
            return Err(Fault::Response);
        }
        if flags & OPCODE_MASK != 0 {
            return Err(Fault::Opcode);
        }
        let mut rest = Rest(message.get(HEADER_BYTES..).unwrap_or_default());
        let Question { name, qtype, class, octets: question } = match u16::from_be_bytes([q0, q1]) {
            0 => Question::NONE,
            1 => rest.question()?,
            // RFC 9619: never more than one.
            _ => return Err(Fault::Malformed),
        };
        let ordinary =
            u32::from(u16::from_be_bytes([a0, a1])).saturating_add(u32::from(u16::from_be_bytes([n0, n1])));
        for _ in 0..ordinary {
            if rest.record()?.rtype == rtype::OPT {
                return Err(Fault::Malformed);
            }
        }
        let mut edns = None;
        for _ in 0..u16::from_be_bytes([x0, x1]) {
            let record = rest.record()?;
            if record.rtype == rtype::OPT && edns.replace(record.edns()?).is_some() {
                return Err(Fault::Malformed);
            }
        }
        let is_purposeless = question.is_empty() && edns.is_none_or(|edns| edns.cookie.is_none());
        if !rest.0.is_empty() || is_purposeless {
            return Err(Fault::Malformed);
        }
        Ok(Self { id: u16::from_be_bytes([i0, i1]), flags, question, name, qtype, class, edns })
    }
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

/// A question, read.
struct Question<'a> {
    name: FoldedName,
    qtype: u16,
    class: u16,
    octets: &'a [u8],
}

impl Question<'_> {
    /// No question at all.
    const NONE: Self =
        Self { name: FoldedName { bytes: [0; NAME_BYTES_MAX], length: 1 }, qtype: 0, class: 0, octets: &[] };
}

/// A record of another section, as far as it matters here.
struct OtherRecord<'a> {
    has_root_owner: bool,
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    data: &'a [u8],
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn question(&mut self) -> Result<Question<'a>, Fault> {
        let start = self.0;
        let name = self.question_name()?;
        let (qtype, class) = (self.u16()?, self.u16()?);
        let octets = start.get(..usize::from(name.length).saturating_add(4)).ok_or(Fault::Malformed)?;
        Ok(Question { name, qtype, class, octets })
    }

    /// The name of the question: labels only, as there is nothing before it to point to.
    fn question_name(&mut self) -> Result<FoldedName, Fault> {
        let start = self.0;
        let mut length = 0_usize;
        loop {
            let [label] = self.array()?;
            length = length.saturating_add(1).saturating_add(usize::from(label));
            if usize::from(label) > LABEL_BYTES_MAX || length > NAME_BYTES_MAX {
                return Err(Fault::Malformed);
            }
            if label == 0 {
                break;
            }
            self.take(usize::from(label))?;
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        let (Some(space), Some(name)) = (bytes.get_mut(..length), start.get(..length)) else {
            return Err(Fault::Malformed);
        };
        space.copy_from_slice(name);
        // Length octets are at most 63 and so never letters.
        space.make_ascii_lowercase();
        Ok(FoldedName { bytes, length: u8::try_from(length).map_err(|_| Fault::Malformed)? })
    }

    /// One record after the question. Its owner is walked, not followed: nothing here needs its text.
    fn record(&mut self) -> Result<OtherRecord<'a>, Fault> {
        let mut labels = 0_usize;
        let mut length = 0_usize;
        loop {
            let [octet] = self.array()?;
            match octet {
                0 => break,
                1..=63 => _ = self.take(usize::from(octet))?,
                192..=255 => {
                    self.array::<1>()?;
                    labels = labels.saturating_add(1);
                    break;
                }
                // RFC 6891 section 5: the other label types are gone.
                64..=191 => return Err(Fault::Malformed),
            }
            labels = labels.saturating_add(1);
            length = length.saturating_add(1).saturating_add(usize::from(octet));
            if length >= NAME_BYTES_MAX {
                return Err(Fault::Malformed);
            }
        }
        let (rtype, class, ttl) = (self.u16()?, self.u16()?, self.array()?);
        let data_bytes = usize::from(self.u16()?);
        Ok(OtherRecord { has_root_owner: labels == 0, rtype, class, ttl, data: self.take(data_bytes)? })
    }
}

impl<'a> OtherRecord<'a> {
    /// Reads this OPT record, whose owner must be the root.
    fn edns(&self) -> Result<Edns<'a>, Fault> {
        if self.has_root_owner { Edns::read(self.class, self.ttl, self.data) } else { Err(Fault::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0x01, 0x00];
        message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        message.extend(rest);
        message
    }

    const QUESTION: &[u8] = b"\x03WeB\x05mesos\0\0\x01\0\x01";

    fn with(tail: &[u8]) -> Vec<u8> {
        [QUESTION, tail].concat()
    }

    #[test]
    fn a_plain_query() {
        let message = query([1, 0, 0, 0], QUESTION);
        let query = Query::read(&message).unwrap();
        assert_eq!((query.id, query.qtype, query.class, query.edns), (0x1234, 1, 1, None));
        assert_eq!(query.question, QUESTION);
        assert_eq!(query.name.as_wire(), b"\x03web\x05mesos\0");
        assert!(query.name.is_within(b"\x05mesos\0"));
        assert!(query.name.is_within(b"\0"));
        assert!(!query.name.is_within(b"\x03org\0"));
    }

    #[test]
    fn suffixes_are_labels() {
        let message = query([1, 0, 0, 0], b"\x0aweb\x05mesosx\0\0\x01\0\x01");
        let query = Query::read(&message).unwrap();
        assert!(!query.name.is_within(b"\x05mesosx\0"));
        assert!(query.name.is_within(b"\0"));
    }

    #[test]
    fn edns() {
        let opt = b"\0\0\x29\x10\0\0\0\x80\0\0\x06\0\x08\0\x02xy";
        let message = query([1, 0, 0, 1], &with(opt));
        let edns = Query::read(&message).unwrap().edns.unwrap();
        assert_eq!((edns.udp_payload_bytes, edns.version, edns.dnssec_ok), (4096, 0, true));
        let twice = [&opt[..], &opt[..]].concat();
        assert_eq!(Query::read(&query([1, 0, 0, 2], &with(&twice))).unwrap_err(), Fault::Malformed);
        for cut in 0..opt.len() {
            assert!(Query::read(&query([1, 0, 0, 1], &with(&opt[..cut]))).is_err(), "{cut}");
        }
        let bad_option = b"\0\0\x29\x10\0\0\0\0\0\0\x05\0\x0a\0\x02x";
        assert!(Query::read(&query([1, 0, 0, 1], &with(bad_option))).is_err());
        let named = b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0";
        assert!(Query::read(&query([1, 0, 0, 1], &with(named))).is_err());
        assert!(Query::read(&query([1, 1, 0, 0], &with(opt))).is_err(), "OPT among the answers");
    }

    #[test]
    fn no_question_but_a_cookie() {
        let cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08cookies!";
        let message = query([0, 0, 0, 1], cookie);
        let query_read = Query::read(&message).unwrap();
        assert!(query_read.question.is_empty());
        assert_eq!(query_read.edns.unwrap().cookie.unwrap().client, *b"cookies!");
        let bare = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
        assert_eq!(Query::read(&query([0, 0, 0, 1], bare)).unwrap_err(), Fault::Malformed);
    }

    #[test]
    fn faults() {
        for short in 0..HEADER_BYTES {
            assert_eq!(Query::read(&query([1, 0, 0, 0], QUESTION)[..short]).unwrap_err(), Fault::Short);
        }
        let mut response = query([1, 0, 0, 0], QUESTION);
        response[2] |= 0x80;
        assert_eq!(Query::read(&response).unwrap_err(), Fault::Response);
        let mut notify = query([1, 0, 0, 0], QUESTION);
        notify[2] |= 4 << 3;
        assert_eq!(Query::read(&notify).unwrap_err(), Fault::Opcode);
        for (counts, tail) in [
            ([0, 0, 0, 0], &b""[..]),
            ([2, 0, 0, 0], b""),
            ([65535, 0, 0, 0], b""),
            ([1, 1, 0, 0], b""),
            ([1, 0, 65535, 0], b""),
            ([1, 0, 0, 65535], b""),
            ([1, 0, 0, 0], b"x"),
            ([1, 1, 0, 0], b"\x80\0\0\x01\0\x01\0\0\0\0\0\0"),
        ] {
            assert_eq!(
                Query::read(&query(counts, &with(tail))).unwrap_err(),
                Fault::Malformed,
                "{counts:?} {tail:?}"
            );
        }
        for name in [&b"\xc0\x0c"[..], b"\xc0\xff", b"\x03we", b"\x40", b"\x3f"] {
            let question = [name, b"\0\x01\0\x01"].concat();
            assert_eq!(
                Query::read(&query([1, 0, 0, 0], &question)).unwrap_err(),
                Fault::Malformed,
                "{name:?}"
            );
        }
        let long: Vec<u8> = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
        assert!(Query::read(&query([1, 0, 0, 0], &[&long[..], b"\0\0\x01\0\x01"].concat())).is_err());
    }
}
