//! The client's query, and the replies we write ourselves.
//!
//! [`Query`] is what a forwarder needs of a query: identifier, flags, the one question as it was spelled,
//! and what its OPT record says. Whatever else it carried (cookies, client subnet, TSIG) speaks of the hop
//! between client and us, and ends here: the query that goes upstream is written anew from its [`Key`](super::key::Key). What
//! this hop answers to it (`options`) is worked out by `answer` and only carried along.

use super::{
    draft::{Draft, put},
    walk::{Cursor, Record},
};
use crate::wire::Name;

/// Size of the header (RFC 1035 section 4.1.1).
pub const HEADER_BYTES: usize = 12;

/// Largest datagram we ask servers for and send to clients (RFC 9715 section 3: never fragmented).
pub const UDP_PAYLOAD_BYTES_MAX: u16 = 1232;

/// Largest datagram for whoever does not say otherwise (RFC 1035 section 4.2.1).
pub const UDP_PAYLOAD_BYTES_DEFAULT: u16 = 512;

/// The OPT pseudo-type (RFC 6891).
pub(crate) const TYPE_OPT: u16 = 41;

/// The TSIG pseudo-type (RFC 8945).
pub(crate) const TYPE_TSIG: u16 = 250;

/// The EDE option (RFC 8914).
pub(crate) const OPTION_EDE: u16 = 15;

//------------ Flags ----------------------------------------------------------

/// The second line of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    pub(crate) const QR: u16 = 0x8000;
    pub(crate) const OPCODE: u16 = 0x7800;
    pub(crate) const AA: u16 = 0x0400;
    pub(crate) const TC: u16 = 0x0200;
    pub(crate) const RD: u16 = 0x0100;
    pub(crate) const RA: u16 = 0x0080;
    pub(crate) const AD: u16 = 0x0020;
    pub(crate) const CD: u16 = 0x0010;
    pub(crate) const RCODE: u16 = 0x000f;

    pub(crate) fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    /// RD.
    pub fn recursion_desired(self) -> bool {
        self.has(Self::RD)
    }

    /// TC.
    pub fn truncated(self) -> bool {
        self.has(Self::TC)
    }

    /// The lower four bits of the response code.
    pub fn rcode(self) -> Rcode {
        Rcode(self.0 & Self::RCODE)
    }
}

/// A response code, extended ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// The query could not be read.
    pub const FORMERR: Self = Self(1);
    /// The server failed.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// The server does not do that.
    pub const NOTIMP: Self = Self(4);
    /// The server does not want to.
    pub const REFUSED: Self = Self(5);

    /// Whether it says that the server could not or would not answer: another one may do better. The rest,
    /// NXDOMAIN included, are answers.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::FORMERR | Self::SERVFAIL | Self::NOTIMP | Self::REFUSED) || self.0 > 15
    }
}

/// The reason behind a response code (RFC 8914), for clients that speak EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ede {
    /// None of the others: here, that too many queries are outstanding.
    Other = 0,
    /// The answer's time is over, and no server gave a newer one.
    StaleAnswer = 3,
    /// It failed a moment ago, and was not tried again.
    CachedError = 13,
    /// The server is starting and does not know yet.
    NotReady = 14,
    /// The client may not ask.
    Prohibited = 18,
    /// The name did not exist when it was last heard of, and no server says so now.
    StaleNxdomain = 19,
    /// Recursion was needed and not asked for, or is not offered.
    NotAuthoritative = 20,
    /// This kind of query is not supported.
    NotSupported = 21,
    /// No server answered.
    NoReachableAuthority = 22,
    /// The network refused to carry the query to any server.
    NetworkError = 23,
}

//------------ Query ----------------------------------------------------------

/// What a forwarder needs of a client's query.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The client's identifier.
    pub id: u16,
    /// The client's flags.
    pub flags: Flags,
    /// The question.
    pub question: Question<'a>,
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns>,
    /// What the hop between client and us says in every reply: options as they stand in an OPT record. Nothing
    /// unless somebody sets it; it counts only if the client sent an OPT record.
    pub options: Vec<u8>,
}

/// The one question of a message.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Name, type and class as they stood in the message.
    pub octets: &'a [u8],
    /// The name, folded.
    pub name: Name,
    /// The type.
    pub qtype: u16,
    /// The class.
    pub qclass: u16,
}

/// What an OPT record says (RFC 6891 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Largest datagram the sender takes.
    pub udp_payload_bytes: u16,
    /// DO: the sender wants DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
}

impl<'a> Query<'a> {
    /// Reads a query. Version and options of the OPT record are the business of whoever got it first.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, QueryError> {
        let mut cursor = Cursor::new(bytes);
        let (id, flags) = cursor.id_and_flags().ok_or(QueryError::NoQuery)?;
        if flags.has(Flags::QR) || bytes.len() < HEADER_BYTES {
            return Err(QueryError::NoQuery);
        }
        if flags.has(Flags::OPCODE) {
            return Err(QueryError::Opcode { id, flags });
        }
        let malformed = QueryError::Malformed { id };
        let counts = cursor.counts().ok_or(malformed)?;
        if counts[0] != 1 {
            return Err(malformed);
        }
        let question = Question::read(&mut cursor).ok_or(malformed)?;
        let edns = Edns::find(&mut cursor, &counts).map_err(|()| malformed)?;
        Ok(Self { id, flags, question, edns, options: Vec::new() })
    }

    /// A reply without records.
    pub fn reply(&self, rcode: Rcode, ede: Ede) -> Vec<u8> {
        let mut draft = self.draft(rcode, 0);
        draft.own_opt(self.edns, &self.options, Some(ede));
        draft.finish()
    }

    /// The start of a reply of ours: RD and CD as the client has them, and the question in its spelling.
    pub(crate) fn draft(&self, rcode: Rcode, flags: u16) -> Draft {
        let copied = self.flags.0 & (Flags::RD | Flags::CD);
        Draft::new(self.id, Flags::QR | copied | flags | (rcode.0 & Flags::RCODE), self.question.octets)
    }
}

impl<'a> Question<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let start = cursor.at;
        let name = cursor.plain_name()?;
        let qtype = cursor.u16()?;
        let qclass = cursor.u16()?;
        Some(Self { octets: cursor.bytes.get(start..cursor.at)?, name, qtype, qclass })
    }
}

impl Edns {
    /// Walks the records behind the question; finds the OPT record among them.
    fn find(cursor: &mut Cursor<'_>, counts: &[u16; 4]) -> Result<Option<Self>, ()> {
        let mut found = None;
        for _ in counts.iter().skip(1).flat_map(|count| 0..*count) {
            let record = cursor.record().ok_or(())?;
            if record.rtype == TYPE_OPT && found.replace(Self::of(&record)).is_some() {
                return Err(());
            }
        }
        Ok(found)
    }

    /// What this OPT record says.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        Self { udp_payload_bytes: record.class, dnssec_ok: record.ttl & 0x8000 != 0 }
    }
}

/// Why bytes are no query to be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too short, or a reply: to be met with silence.
    #[error("not a query")]
    NoQuery,
    /// Not readable, or without exactly one question: FORMERR.
    #[error("malformed query")]
    Malformed {
        /// The client's identifier.
        id: u16,
    },
    /// Not a standard query: NOTIMP.
    #[error("opcode is not QUERY")]
    Opcode {
        /// The client's identifier.
        id: u16,
        /// The client's flags.
        flags: Flags,
    },
}

impl QueryError {
    /// What to answer: a bare header, or nothing.
    pub fn reply(self) -> Option<Vec<u8>> {
        let (id, flags) = match self {
            Self::NoQuery => return None,
            Self::Malformed { id } => (id, Rcode::FORMERR.0),
            Self::Opcode { id, flags } => (id, (flags.0 & Flags::OPCODE) | Rcode::NOTIMP.0),
        };
        let mut header = vec![0; HEADER_BYTES];
        put(&mut header, 0, id);
        put(&mut header, 2, Flags::QR | flags);
        Some(header)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::base::Message;
    use proptest::prelude::*;

    use super::*;
    use crate::forward::key::Key;

    /// A query for `name` with identifier 0x1234 and RD.
    pub(crate) fn query(name: &str, qtype: u16) -> Vec<u8> {
        let mut bytes = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend_from_slice(&[(qtype >> 8) as u8, qtype as u8, 0, 1]);
        bytes
    }

    /// The same with an OPT record.
    pub(crate) fn query_edns(name: &str, qtype: u16, payload: u16, dnssec_ok: bool) -> Vec<u8> {
        let mut bytes = query(name, qtype);
        bytes[11] = 1;
        bytes.extend_from_slice(&[0, 0, 41, (payload >> 8) as u8, payload as u8, 0, 0]);
        // A cookie and a client subnet, which are for us only.
        bytes.extend_from_slice(&[if dnssec_ok { 0x80 } else { 0 }, 0, 0, 23, 0, 10, 0, 8]);
        bytes.extend_from_slice(b"cookies!\0\x08\0\x07\0\x01\x18\0\x0a\x01\x02");
        bytes
    }

    #[test]
    fn our_own_replies() {
        let bytes = query("A.example", 1);
        let reply = Query::parse(&bytes).unwrap().reply(Rcode::REFUSED, Ede::Prohibited);
        assert_eq!(reply[..12], *b"\x12\x34\x81\x05\0\x01\0\0\0\0\0\0", "no OPT where none was sent");
        assert_eq!(reply[12..], bytes[12..]);
        let bytes = query_edns("A.example", 1, 512, true);
        let reply = Query::parse(&bytes).unwrap().reply(Rcode::SERVFAIL, Ede::NetworkError);
        let message = Message::from_octets(&reply[..]).unwrap();
        assert!(message.opt().unwrap().dnssec_ok());
        assert!(reply.ends_with(&[0, 6, 0, 15, 0, 2, 0, 23]));
        // What this hop says stands in front, where an OPT was sent to say it in.
        let cookie = [&b"\0\x0a\0\x18"[..], &[7; 24]].concat();
        let with = Query { options: cookie.clone(), ..Query::parse(&bytes).unwrap() };
        let reply = with.reply(Rcode::REFUSED, Ede::Prohibited);
        assert!(reply.ends_with(&[&[0, 34][..], &cookie, &[0, 15, 0, 2, 0, 18]].concat()));
        let plain = Query { edns: None, ..with };
        assert_eq!(plain.reply(Rcode::REFUSED, Ede::Prohibited).len(), 12 + 15);
    }

    #[test]
    fn what_is_no_query() {
        let good = query_edns("a.example", 1, 1232, false);
        let edit = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Query::parse(&bytes).map(drop)
        };
        let malformed = Err(QueryError::Malformed { id: 0x1234 });
        assert_eq!(edit(0, 0x12), Ok(()));
        assert_eq!(edit(2, 0x81), Err(QueryError::NoQuery), "a reply");
        assert!(matches!(edit(2, 0x21), Err(QueryError::Opcode { .. })), "NOTIFY");
        assert_eq!(edit(5, 0), malformed, "no question");
        assert_eq!(edit(5, 2), malformed, "two questions");
        assert_eq!(edit(4, 0xff), malformed, "many questions");
        assert_eq!(edit(10, 0xff), malformed, "many records promised");
        assert_eq!(edit(12, 0xc0), malformed, "a pointer in the question");
        assert_eq!(edit(12, 0x40), malformed, "an odd label");
        for length in 0..12 {
            assert!(Query::parse(&good[..length]).is_err_and(|error| error.reply().is_none()), "{length}");
        }
        for length in 12..good.len() {
            assert_eq!(Query::parse(&good[..length]).map(drop), malformed, "{length}");
        }
        let mut twice = good.clone();
        twice.extend_from_slice(&good[27..]);
        twice[11] = 2;
        assert_eq!(Query::parse(&twice).map(drop), malformed, "two OPT records");
        assert_eq!(
            QueryError::Malformed { id: 0x1234 }.reply().unwrap(),
            b"\x12\x34\x80\x01\0\0\0\0\0\0\0\0"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            match Query::parse(&bytes) {
                Ok(query) => drop(query.reply(Rcode::SERVFAIL, Ede::Other)),
                Err(error) => drop(error.reply()),
            }
        }

        #[test]
        fn broken_queries_too(at in 0_usize..66, value: u8, length in 0_usize..66) {
            let mut bytes = query_edns("www.example.com", 1, 4096, true);
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len().saturating_sub(length));
            if let Ok(query) = Query::parse(&bytes) {
                let key = Key::of(&query);
                let upstream = key.query(7, &key.question(), true);
                prop_assert!(Message::from_octets(&upstream[..]).unwrap().sole_question().is_ok());
            }
        }
    }
}
