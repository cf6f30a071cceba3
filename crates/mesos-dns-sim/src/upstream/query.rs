//! A query as it came, as far as the server looks at it.

use std::{net::SocketAddr, ops::Range};

use serde::Deserialize;

/// Octets of a header.
pub(super) const HEADER: usize = 12;

/// The type of the record that EDNS lives in.
pub(super) const OPT: u16 = 41;

/// How a query travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
    /// Over an encrypted connection.
    Tls,
}

/// A query that was taken, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// All of it.
    pub message: Vec<u8>,
    /// Who asked; the port is what a forger would have to guess.
    pub from: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The name as it was spelled, without a dot at its end.
    pub name: String,
    /// The type, by its number.
    pub qtype: u16,
    /// What its OPT record says, if there is one.
    pub edns: Option<Edns>,
    /// Where the question stands.
    pub(super) question: Range<usize>,
}

/// What an OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Octets that the asker takes.
    pub payload_bytes: u16,
    /// The DO bit.
    pub dnssec_ok: bool,
}

impl Asked {
    /// Reads a query; `None` if this is none, or one that asks for nothing or for several things.
    pub(super) fn read(message: &[u8], from: SocketAddr, transport: Transport) -> Option<Self> {
        let header = message.get(..HEADER)?;
        if header[2] & 0xf8 != 0 || header[4..6] != [0, 1] {
            return None;
        }
        let (labels, end) = name(message, HEADER)?;
        let question = HEADER..end + 4;
        let kind = message.get(end..end + 4)?;
        let qtype = u16::from_be_bytes([kind[0], kind[1]]);
        let records: u16 =
            [6, 8, 10].iter().map(|at| u16::from_be_bytes([header[*at], header[at + 1]])).sum();
        let edns = edns(message, question.end, records);
        Some(Self { message: message.to_vec(), from, transport, name: labels, qtype, edns, question })
    }

    /// The identifier.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.message[0], self.message[1]])
    }

    /// The name in wire form and lower case.
    pub(super) fn folded(&self) -> Vec<u8> {
        self.message[HEADER..self.question.end - 4].to_ascii_lowercase()
    }
}

/// A name that is not compressed, as text, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => return Some((text, at)),
            1..64 => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.extend(message.get(at..at + length)?.iter().map(|octet| char::from(*octet)));
                at += length;
            }
            _ => return None,
        }
    }
}

/// The OPT record among so many records.
fn edns(message: &[u8], mut at: usize, records: u16) -> Option<Edns> {
    for _ in 0..records {
        let (_, end) = name(message, at)?;
        let fixed = message.get(end..end + 10)?;
        if u16::from_be_bytes([fixed[0], fixed[1]]) == OPT {
            let payload_bytes = u16::from_be_bytes([fixed[2], fixed[3]]);
            return Some(Edns { payload_bytes, dnssec_ok: fixed[6] & 0x80 != 0 });
        }
        at = end + 10 + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    }
    None
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rtype;

    use super::*;
    use crate::client::Query;

    fn read(message: &[u8]) -> Option<Asked> {
        Asked::read(message, ([127, 0, 0, 1], 4000).into(), Transport::Udp)
    }

    #[test]
    fn queries_are_read() {
        let query = Query::new("Www.Example.test", Rtype::AAAA).edns(1400).dnssec_ok();
        let asked = read(&query.message(0x1234).unwrap()).unwrap();
        assert_eq!((asked.name.as_str(), asked.qtype, asked.id()), ("Www.Example.test", 28, 0x1234));
        assert_eq!(asked.edns, Some(Edns { payload_bytes: 1400, dnssec_ok: true }));
        assert_eq!(asked.folded(), b"\x03www\x07example\x04test\0");
        assert_eq!(read(&Query::new("a.b", Rtype::A).message(0).unwrap()).unwrap().edns, None);
    }

    #[test]
    fn what_is_no_query_is_not_read() {
        let good = Query::new("a.b", Rtype::A).edns(1232).message(0).unwrap();
        for length in 0..good.len() - 11 {
            assert_eq!(read(&good[..length]), None, "{length}");
        }
        let mut reply = good.clone();
        reply[2] |= 0x80;
        assert_eq!(read(&reply), None);
    }
}
