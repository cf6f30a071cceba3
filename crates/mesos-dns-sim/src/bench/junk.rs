//! More than a name server can answer, from several networks of loopback: queries, or junk that nobody meant well with.
//!
//! Nobody reads the replies. Many messages are sent with one call, so that one processor can send more than another can
//! answer.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use batch_udp::{SEGMENTS_MAX, cut_into};
use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use socket2::Socket;

use super::question::query;

/// Networks (/24) that it comes from.
const NETWORKS: u8 = 16;

/// Different messages.
const MESSAGES: usize = 4096;

/// What kind of junk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Junk {
    /// Queries whose name ends beyond the end of the message.
    Malformed,
    /// Good queries for names that are not there.
    Unknown,
    /// Any bytes.
    Random,
}

impl Junk {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Malformed, Self::Unknown, Self::Random];

    /// So many messages, to be sent again and again.
    pub fn messages(self) -> Vec<Vec<u8>> {
        let mut dice = SmallRng::seed_from_u64(7);
        (0..MESSAGES).map(|_| self.message(&mut dice)).collect()
    }

    fn message(self, dice: &mut SmallRng) -> Vec<u8> {
        let mut bytes = query(&format!("nothing-{:08x}.marathon.mesos", dice.random::<u32>()));
        match self {
            Self::Unknown => {}
            Self::Malformed => bytes[12] = 63,
            Self::Random => dice.fill(&mut bytes[..]),
        }
        bytes
    }
}

impl fmt::Display for Junk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Sends messages to this port of loopback, at most so many in a second; returns how many were sent. Those of the same
/// length go together.
///
/// # Errors
///
/// No sockets are to be had.
pub fn run(mut messages: Vec<Vec<u8>>, port: u16, rate: f64, time: Duration) -> io::Result<u64> {
    messages.sort_by_key(Vec::len);
    let same = messages.chunk_by(|one, other| one.len() == other.len());
    let mut writes: Vec<(u16, Vec<u8>)> = same
        .flat_map(|messages| messages.chunks(SEGMENTS_MAX))
        .map(|messages| (messages[0].len() as u16, messages.concat()))
        .collect();
    writes.shuffle(&mut SmallRng::seed_from_u64(7));
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let open = |network| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, network, 1), 0))?;
        socket.connect(server)?;
        Ok(Socket::from(socket))
    };
    let sockets = (1..=NETWORKS).map(open).collect::<io::Result<Vec<Socket>>>()?;
    let (start, mut sent) = (Instant::now(), 0);
    for (socket, (bytes, write)) in sockets.iter().cycle().zip(writes.iter().cycle()) {
        if start.elapsed() > time {
            break;
        }
        thread::sleep(Duration::from_secs_f64(sent as f64 / rate).saturating_sub(start.elapsed()));
        // The kernel may refuse some for want of room.
        cut_into(socket, *bytes)?;
        sent += socket.send(write).map_or(0, |length| length as u64 / u64::from(*bytes));
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use domain::base::Message;

    use super::*;

    #[test]
    fn unknown_names_are_good_queries_and_malformed_ones_are_not() {
        let mut dice = SmallRng::seed_from_u64(1);
        for _ in 0..100 {
            let good = Junk::Unknown.message(&mut dice);
            let name = Message::from_octets(&good).unwrap().first_question().unwrap().qname().to_string();
            assert!(name.starts_with("nothing-") && name.ends_with(".marathon.mesos"), "{name}");
            let bad = Junk::Malformed.message(&mut dice);
            assert!(Message::from_octets(&bad).unwrap().first_question().is_none());
        }
    }
}
