//! Datagrams: one thread takes and answers them in batches, another sends what is late.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use batch_udp::Batch;
use socket2::Socket;

use super::{
    desk::{Desk, Say},
    forge::Source,
    query::{Asked, Transport},
};

/// Bytes of datagrams that may wait.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A socket that answers; dropped, it ends.
#[derive(Debug)]
pub(super) struct Datagrams {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A reply for later. Ordered by its time.
struct Late {
    due: Instant,
    number: u64,
    bytes: Vec<u8>,
    to: SocketAddr,
    from: Source,
}

impl Datagrams {
    /// Answers what comes to this socket.
    pub(super) fn start(socket: UdpSocket, desk: Arc<Desk>) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let stops = Arc::new(AtomicBool::new(false));
        let senders = Senders::new(&socket)?;
        let (late, waiting) = mpsc::channel();
        let stopping = stops.clone();
        let threads = vec![
            thread::Builder::new()
                .name("upstream".into())
                .spawn(move || receive(socket.into(), &desk, &late, &stopping))?,
            thread::Builder::new()
                .name("upstream-late".into())
                .spawn(move || send_late(&senders, &waiting))?,
        ];
        Ok(Self { address, stops, threads })
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for datagrams; the other ends with it.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            _ = socket.send_to(b"", self.address);
        }
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}

fn receive(socket: Socket, desk: &Desk, late: &mpsc::Sender<Late>, stops: &AtomicBool) {
    _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let mut batch = Batch::new();
    let mut number = 0;
    while !stops.load(Ordering::Relaxed) {
        if batch.receive(&socket).is_err() {
            continue;
        }
        batch.answer(|_, datagram, room| {
            let asked = Asked::read(datagram.bytes, datagram.peer, Transport::Udp)?;
            let mut says = desk.answer(&asked).says;
            if let [only] = &says[..]
                && only.delay.is_zero()
                && only.from == Source::Own
                && let Some(room) = room.get_mut(..only.bytes.len())
            {
                room.copy_from_slice(&only.bytes);
                return Some(only.bytes.len());
            }
            let now = Instant::now();
            for Say { bytes, delay, from, .. } in says.drain(..) {
                number += 1;
                _ = late.send(Late { due: now + delay, number, bytes, to: datagram.peer, from });
            }
            None
        });
        batch.send(&socket);
    }
}

/// Sockets to send from.
struct Senders {
    own: UdpSocket,
    other_port: UdpSocket,
    /// The same port of another address, where that is to be had.
    other_address: Option<UdpSocket>,
}

impl Senders {
    fn new(socket: &UdpSocket) -> io::Result<Self> {
        let port = socket.local_addr()?.port();
        Ok(Self {
            own: socket.try_clone()?,
            other_port: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            other_address: UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 66), port)).ok(),
        })
    }

    fn send(&self, late: &Late) {
        let socket = match late.from {
            Source::Own => Some(&self.own),
            Source::Port => Some(&self.other_port),
            Source::Address => self.other_address.as_ref(),
        };
        // The asker may be gone.
        _ = socket.map(|socket| socket.send_to(&late.bytes, late.to));
    }
}

/// Sends what is given at its time, until nobody gives any more; what is not due then is forgotten.
fn send_late(senders: &Senders, given: &mpsc::Receiver<Late>) {
    let mut waiting: BinaryHeap<Reverse<Late>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(Reverse(first)) = waiting.peek()
            && first.due <= now
        {
            senders.send(first);
            waiting.pop();
        }
        let next = match waiting.peek() {
            Some(Reverse(first)) => given.recv_timeout(first.due.saturating_duration_since(now)),
            None => given.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(late) => waiting.push(Reverse(late)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Late {}
