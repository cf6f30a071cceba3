//! One query over UDP, as bytes that are made once, and whether its name is there.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

/// Largest answer that is looked at.
const REPLY_BYTES_MAX: usize = 1500;

/// The bytes of a query for an address; the id, its first two bytes, is 0.
pub fn query(name: &str) -> Vec<u8> {
    let mut query = b"\0\0\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        query.push(label.len().min(63) as u8);
        query.extend(label.bytes().take(63));
    }
    query.extend(b"\0\0\x01\0\x01");
    query
}

/// Whether this reply is NOERROR; `None` if it is something else than an answer or "no such name".
pub fn is_there(reply: &[u8]) -> Option<bool> {
    match reply.get(3)? & 15 {
        0 => Some(true),
        3 => Some(false),
        _ => None,
    }
}

/// A question that is asked again and again.
#[derive(Debug)]
pub struct Question {
    socket: UdpSocket,
    query: Vec<u8>,
    id: u16,
}

impl Question {
    /// Whether this name has an address at the server on this port of loopback; an answer may take so long.
    ///
    /// # Errors
    ///
    /// No socket is to be had.
    pub fn new(port: u16, name: &str, patience: Duration) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Self { socket, query: query(name), id: 0 })
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// Nothing came in time, or no answer: the server may not have loaded yet.
    pub fn ask(&mut self) -> io::Result<bool> {
        self.id = self.id.wrapping_add(1);
        let id = self.id.to_be_bytes();
        self.query[..2].copy_from_slice(&id);
        self.socket.send(&self.query)?;
        let mut reply = [0; REPLY_BYTES_MAX];
        loop {
            let length = self.socket.recv(&mut reply)?;
            // Late replies to earlier queries are passed over.
            if reply[..length].starts_with(&id) {
                return is_there(&reply[..length]).ok_or(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::base::{Message, iana::Rcode};

    use super::*;

    #[test]
    fn a_query_is_one_question() {
        let query = query("web-shop.marathon.mesos");
        let message = Message::from_octets(&query).unwrap();
        assert_eq!(message.first_question().unwrap().qname().to_string(), "web-shop.marathon.mesos");
        assert!(message.header().rd());
    }

    #[test]
    fn names_are_there_or_not_and_failures_are_neither() {
        let reply = |rcode: Rcode| [0, 0, 0x80, rcode.to_int(), 0, 0];
        assert_eq!(is_there(&reply(Rcode::NOERROR)), Some(true));
        assert_eq!(is_there(&reply(Rcode::NXDOMAIN)), Some(false));
        assert_eq!(is_there(&reply(Rcode::SERVFAIL)), None);
        assert_eq!(is_there(b""), None);
    }
}
