//! Junk: what arrives at a name server that nobody meant well with, from several networks of loopback.
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
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use socket2::Socket;

use super::question::query;

/// Networks (/24) that it comes from.
const NETWORKS: u8 = 16;

/// Different messages; they are sent again and again.
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

    /// One message; all have the same length.
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

/// Sends junk to this port of loopback, at most so many messages in a second; returns how many were sent.
///
/// # Errors
///
/// No sockets are to be had.
pub fn run(junk: Junk, port: u16, rate: f64, time: Duration) -> io::Result<u64> {
    let mut dice = SmallRng::seed_from_u64(7);
    let messages: Vec<Vec<u8>> = (0..MESSAGES).map(|_| junk.message(&mut dice)).collect();
    let writes: Vec<Vec<u8>> = messages.chunks(SEGMENTS_MAX).map(<[Vec<u8>]>::concat).collect();
    let bytes = messages[0].len() as u16;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let open = |network| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, network, 1), 0))?;
        socket.connect(server)?;
        let socket = Socket::from(socket);
        cut_into(&socket, bytes)?;
        Ok(socket)
    };
    let sockets = (1..=NETWORKS).map(open).collect::<io::Result<Vec<Socket>>>()?;
    let (start, mut sent) = (Instant::now(), 0);
    for (socket, write) in sockets.iter().cycle().zip(writes.iter().cycle()) {
        if start.elapsed() > time {
            break;
        }
        thread::sleep(Duration::from_secs_f64(sent as f64 / rate).saturating_sub(start.elapsed()));
        // The kernel may refuse some for want of room.
        sent += socket.send(write).map_or(0, |length| length as u64 / u64::from(bytes));
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
