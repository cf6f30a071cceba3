//! Many queries at a steady rate that waits for nobody, and how long each took.
//!
//! One thread sends what is due, whether or not earlier queries were answered, and takes the replies meanwhile: where
//! it has a processor to itself, no other thread of it can be the reason why a reply is seen late. Several sockets,
//! so that all workers of a server get their share.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, UdpSocket},
    path::Path,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    process::{Lines, Process, Queue},
    question::is_there,
};
use crate::clock;

/// Sockets that are asked from.
const SOCKETS: usize = 8;

/// How long to wait for the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// Too short to sleep: the kernel wakes nobody sooner.
const NO_SLEEP: Duration = Duration::from_micros(60);

/// One query and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was sent, by the clock all processes share.
    pub at: Duration,
    /// How long after its time it was sent: this is the generator's fault.
    pub late: Duration,
    /// How long the reply took; `None` if there was none, or it says neither that the name is there nor that it is
    /// not.
    pub took: Option<Duration>,
}

/// A process that runs such a load, and writes what was asked to its standard output.
#[derive(Debug)]
pub struct Load {
    lines: Lines,
    _process: Process,
}

impl Load {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn start(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let (process, lines) = Process::talk(program, arguments, Queue::Middle)?;
        Ok(Self { lines, _process: process })
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// It cannot be read from.
    pub fn end(mut self) -> io::Result<Vec<Asked>> {
        read(&mut self.lines.stdout)
    }
}

/// Asks this server these queries in turn, from this address; the ids in them do not matter.
///
/// # Errors
///
/// A socket cannot be had, or nothing listens.
pub fn run(
    from: IpAddr,
    server: SocketAddr,
    queries: &[Vec<u8>],
    rate: u32,
    time: Duration,
) -> io::Result<Vec<Asked>> {
    let mut lanes = (0..SOCKETS).map(|_| Lane::open(from, server)).collect::<io::Result<Vec<_>>>()?;
    let count = (f64::from(rate) * time.as_secs_f64()) as usize;
    let due = |number: usize| Duration::from_secs_f64(number as f64 / f64::from(rate));
    let (start, mut number) = (Instant::now(), 0);
    let end = due(count) + LAST_REPLIES;
    while start.elapsed() < end {
        if number < count && start.elapsed() >= due(number) {
            let late = start.elapsed().saturating_sub(due(number));
            lanes[number % SOCKETS].send(&queries[number % queries.len()], late)?;
            number += 1;
            continue;
        }
        for lane in &mut lanes {
            lane.receive()?;
        }
        let next = if number < count { due(number) } else { end };
        wait(&lanes, next.saturating_sub(start.elapsed()))?;
    }
    let rounds = (0..count.div_ceil(SOCKETS)).flat_map(|round| lanes.iter().map(move |lane| (lane, round)));
    Ok(rounds.filter_map(|(lane, round)| lane.asked.get(round)).copied().collect())
}

/// Waits for a reply, for so long.
fn wait(lanes: &[Lane], time: Duration) -> io::Result<()> {
    if time < NO_SLEEP {
        return Ok(());
    }
    let mut sockets: Vec<PollFd<'_>> =
        lanes.iter().map(|lane| PollFd::new(&lane.socket, PollFlags::IN)).collect();
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    match poll(&mut sockets, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One socket.
struct Lane {
    socket: UdpSocket,
    /// In the order of the queries; the id of each is its place here.
    asked: Vec<Asked>,
}

impl Lane {
    fn open(from: IpAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, asked: Vec::new() })
    }

    fn send(&mut self, query: &[u8], late: Duration) -> io::Result<()> {
        let id = self.asked.len() as u16;
        let mut query = query.to_vec();
        query[..2].copy_from_slice(&id.to_be_bytes());
        self.asked.push(Asked { at: clock::now(), late, took: None });
        self.socket.send(&query).map(|_| ())
    }

    /// Takes the replies that are there. Ids come again after 65,536 queries; a reply that is later than that is taken
    /// for another's.
    fn receive(&mut self) -> io::Result<()> {
        let mut reply = [0; 1500];
        loop {
            let length = match self.socket.recv(&mut reply) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let now = clock::now();
            let [high, low, ..] = reply;
            let newest = self.asked.len().wrapping_sub(1);
            let before = (newest as u16).wrapping_sub(u16::from_be_bytes([high, low]));
            let place = newest.wrapping_sub(before.into());
            if let Some(one) = self.asked.get_mut(place)
                && is_there(&reply[..length]).is_some()
            {
                one.took.get_or_insert(now.saturating_sub(one.at));
            }
        }
    }
}

/// Writes what was asked, to be read by [`read`].
///
/// # Errors
///
/// Those of the writer.
pub fn write(asked: &[Asked], out: &mut impl Write) -> io::Result<()> {
    for one in asked {
        let took = one.took.map_or(u64::MAX, |took| took.as_nanos() as u64);
        for number in [one.at.as_nanos() as u64, one.late.as_nanos() as u64, took] {
            out.write_all(&number.to_le_bytes())?;
        }
    }
    out.flush()
}

/// Reads what [`write()`] wrote, to its end.
///
/// # Errors
///
/// Those of the reader.
pub fn read(from: &mut impl Read) -> io::Result<Vec<Asked>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let one = |row: &[u8]| Asked {
        at: Duration::from_nanos(number(&row[..8])),
        late: Duration::from_nanos(number(&row[8..16])),
        took: Some(number(&row[16..])).filter(|took| *took != u64::MAX).map(Duration::from_nanos),
    };
    Ok(bytes.chunks_exact(24).map(one).collect())
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, thread};

    use super::*;
    use crate::bench::question::query;

    #[test]
    fn every_query_is_paired_with_its_reply() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, peer)) = server.recv_from(&mut query) {
                // Every fifth name gets no reply.
                if query[12] != 4 {
                    server.send_to(&query[..length], peer).unwrap();
                }
            }
        });
        let names = ["aa", "bb", "cc", "dd", "gone"];
        let queries: Vec<Vec<u8>> = names.iter().map(|name| query(&format!("{name}.mesos"))).collect();
        let from = Ipv4Addr::LOCALHOST.into();
        let asked = run(from, address, &queries, 2000, Duration::from_millis(500)).unwrap();
        assert_eq!(asked.len(), 1000);
        for (number, one) in asked.iter().enumerate() {
            assert_eq!(one.took.is_some(), number % 5 != 4, "query {number}");
        }
        let mut written = Vec::new();
        write(&asked, &mut written).unwrap();
        assert_eq!(read(&mut &*written).unwrap(), asked);
    }
}
