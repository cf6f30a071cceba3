//! Junk: what arrives at a name server that nobody meant well with, from several networks of loopback.
//!
//! Nobody reads the replies. It is sent as fast as it should be, or as fast as it can be.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::question::query;

/// Networks (/24) that it comes from.
const NETWORKS: u8 = 16;

/// Different messages; they are sent again and again.
const MESSAGES: usize = 4096;

/// Messages between two looks at the clock.
const STEP: usize = 64;

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
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let open = |network| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, network, 1), 0))?;
        socket.connect(server)?;
        Ok(socket)
    };
    let sockets = (1..=NETWORKS).map(open).collect::<io::Result<Vec<UdpSocket>>>()?;
    let (start, mut sent) = (Instant::now(), 0);
    let lanes = sockets.iter().cycle();
    for (socket, messages) in lanes.zip(messages.chunks(STEP).cycle()) {
        if start.elapsed() > time {
            break;
        }
        thread::sleep(Duration::from_secs_f64(sent as f64 / rate).saturating_sub(start.elapsed()));
        // The kernel may refuse one for want of room.
        sent += messages.iter().filter(|message| socket.send(message).is_ok()).count() as u64;
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
