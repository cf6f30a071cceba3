//! Many queries at a steady rate that waits for nobody, and how long each took.
//!
//! A thread sends what is due, whether or not earlier queries were answered; one thread per socket takes replies.
//! Several sockets, so that all workers of a server get their share.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::question::query;
use crate::clock;

/// Sockets that are asked from.
const SOCKETS: usize = 8;

/// How long to wait for the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// One query and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was sent, by the clock all processes share.
    pub at: Duration,
    /// How long after its time it was sent: this is the generator's fault.
    pub late: Duration,
    /// How long the reply took; `None` if there was none.
    pub took: Option<Duration>,
}

/// Asks the server on this port of loopback for these names in turn.
///
/// # Errors
///
/// A socket cannot be had, or nothing listens.
pub fn run(port: u16, names: &[String], rate: u32, time: Duration) -> io::Result<Vec<Asked>> {
    let queries: Vec<Vec<u8>> = names.iter().map(|name| query(name)).collect();
    let lanes = (0..SOCKETS).map(|_| Lane::open(port)).collect::<io::Result<Vec<_>>>()?;
    let mut asked = Vec::new();
    let start = Instant::now();
    for number in 0..(f64::from(rate) * time.as_secs_f64()) as usize {
        let due = Duration::from_secs_f64(number as f64 / f64::from(rate));
        thread::sleep(due.saturating_sub(start.elapsed()));
        let late = start.elapsed().saturating_sub(due);
        let at = clock::now();
        lanes[number % SOCKETS].send(&queries[number % queries.len()], number / SOCKETS, at)?;
        asked.push(Asked { at, late, took: None });
    }
    thread::sleep(LAST_REPLIES);
    for (number, one) in asked.iter_mut().enumerate() {
        let replies = lanes[number % SOCKETS].replies.lock().unwrap_or_else(PoisonError::into_inner);
        one.took = replies.get(number / SOCKETS).copied().flatten();
    }
    Ok(asked)
}

/// One socket.
struct Lane {
    socket: UdpSocket,
    /// When the newest query with each id was sent, in nanoseconds of the shared clock, by its id.
    sent: Arc<[AtomicU64]>,
    /// How long each took, in the order of the queries.
    replies: Arc<Mutex<Vec<Option<Duration>>>>,
}

impl Lane {
    fn open(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        let sent: Arc<[AtomicU64]> = (0..=u16::MAX).map(|_| AtomicU64::new(0)).collect();
        let replies = Arc::<Mutex<Vec<Option<Duration>>>>::default();
        let (receiving, times, taken) = (socket.try_clone()?, sent.clone(), replies.clone());
        // The thread ends with the process, as one that waits for a reply cannot be asked to stop.
        thread::spawn(move || receive(&receiving, &times, &taken));
        Ok(Self { socket, sent, replies })
    }

    fn send(&self, query: &[u8], number: usize, at: Duration) -> io::Result<()> {
        let id = number as u16;
        let mut query = query.to_vec();
        query[..2].copy_from_slice(&id.to_be_bytes());
        self.sent[usize::from(id)].store(at.as_nanos() as u64, Ordering::Relaxed);
        self.socket.send(&query).map(|_| ())
    }
}

/// Takes replies. Ids come again after 65,536 queries; a reply that is later than that is taken for another's.
fn receive(socket: &UdpSocket, sent: &[AtomicU64], replies: &Mutex<Vec<Option<Duration>>>) {
    let mut reply = [0; 1500];
    let mut highest = 0;
    while let Ok(length) = socket.recv(&mut reply) {
        let now = clock::now();
        if length < 2 {
            continue;
        }
        let id = u16::from_be_bytes([reply[0], reply[1]]);
        let took = now.saturating_sub(Duration::from_nanos(sent[usize::from(id)].load(Ordering::Relaxed)));
        // The number near the highest so far that has this id.
        let step = i64::from(id.wrapping_sub(highest as u16) as i16);
        let number = (highest as i64 + step).max(0) as usize;
        highest = highest.max(number);
        let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
        if replies.len() <= number {
            replies.resize(number + 1, None);
        }
        replies[number] = Some(took);
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
    use super::*;

    #[test]
    fn every_query_is_paired_with_its_reply() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, peer)) = server.recv_from(&mut query) {
                // Every fifth name gets no reply.
                if query[12] != 4 {
                    server.send_to(&query[..length], peer).unwrap();
                }
            }
        });
        let names: Vec<String> = ["aa", "bb", "cc", "dd", "gone"].map(|name| format!("{name}.mesos")).into();
        let asked = run(port, &names, 2000, Duration::from_millis(500)).unwrap();
        assert_eq!(asked.len(), 1000);
        for (number, one) in asked.iter().enumerate() {
            assert_eq!(one.took.is_some(), number % 5 != 4, "query {number}");
        }
        let mut written = Vec::new();
        write(&asked, &mut written).unwrap();
        assert_eq!(read(&mut &*written).unwrap(), asked);
    }
}
