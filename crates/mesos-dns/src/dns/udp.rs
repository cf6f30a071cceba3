//! Datagrams: one thread per worker, each with a socket of its own on the shared port.
//!
//! A worker takes as many queries as are waiting, answers them from one version of the zone, and sends
//! all replies with one call. It shares nothing with the others but that version and the counters,
//! which it adds to once per batch.

use std::{
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use batch_udp::{BATCH, Batch, Datagram, Local, send_one};
use mesos_dns_core::answer::{
    Action, Peer, Settings, Standing, Transport, UDP_PAYLOAD_BYTES_MAX, decide, fail,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use socket2::Socket;
use tracing::error;

use super::{Outside, Shared, metrics::Tally};

/// How long a worker waits for a query before it looks whether it should stop.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(200);

/// How long a worker that was told to stop goes on while there are queries.
const DRAIN_MAX: Duration = Duration::from_millis(400);

/// Running workers.
pub struct Workers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Lets each worker answer what is waiting, and waits for that.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A worker that panicked was counted and logged when it did.
            let _ = thread.join();
        }
    }
}

/// Starts one worker per socket.
pub fn serve(sockets: Vec<Socket>, shared: &Arc<Shared>) -> io::Result<Workers> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
        let (shared, stop) = (shared.clone(), stop.clone());
        let socket = Arc::new(socket);
        let work = move || Worker::new(socket, shared).run(&stop);
        threads.push(Builder::new().name(format!("udp-{number}")).spawn(work)?);
    }
    Ok(Workers { stop, threads })
}

struct Worker {
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    dice: SmallRng,
    tally: Tally,
}

impl Worker {
    fn new(socket: Arc<Socket>, shared: Arc<Shared>) -> Self {
        Self { socket, shared, dice: SmallRng::from_rng(&mut rand::rng()), tally: Tally::default() }
    }

    /// Answers until told to stop, and then what is already waiting: a burst is no reason to lose its rest.
    fn run(mut self, stop: &AtomicBool) {
        let mut batch = Batch::new();
        let mut end = None;
        loop {
            if stop.load(Ordering::Relaxed)
                && *end.get_or_insert_with(|| Instant::now() + DRAIN_MAX) <= Instant::now()
            {
                return;
            }
            match batch.receive(&self.socket) {
                Ok(_) => self.answer(&mut batch),
                Err(error) if is_patience(&error) && end.is_some() => return,
                Err(error) if is_patience(&error) => {}
                Err(error) => self.wait_out(&error),
            }
        }
    }

    /// Answers a batch from one version.
    fn answer(&mut self, batch: &mut Batch) {
        let published = self.shared.board.current().load();
        let standing = self.shared.standing.load(&published);
        let settings = self.shared.settings.load();
        let socket = self.socket.clone();
        let sent = batch.answer(&socket, |datagram, out| {
            let peer = Peer { address: datagram.peer.ip().to_canonical(), transport: Transport::Udp };
            let dice = self.dice.random();
            let out = &mut out[..UDP_PAYLOAD_BYTES_MAX];
            let decided = catch_unwind(AssertUnwindSafe(|| {
                decide(datagram.bytes, &published.zone, &standing, &settings, peer, dice, out)
            }));
            let action = decided.unwrap_or_else(|_| {
                self.shared.metrics.panics.inc();
                fail(datagram.bytes, &standing, &settings, peer, out)
            });
            let limiter = &self.shared.limiter;
            let action = limiter.restrain(action, datagram.bytes, &settings, peer, standing.now, out);
            self.tally.note(&action);
            match action {
                Action::Send { length, .. } => length,
                Action::Forward => self.hand_on(&datagram, peer, (&settings, &standing), out),
                Action::Drop(_) => 0,
            }
        });
        let metrics = &self.shared.metrics;
        if sent.refused > 0 {
            metrics.unsent.inc_by(sent.refused as u64);
        }
        self.tally.tell(&metrics.queries_udp, metrics, &self.shared.legacy);
    }

    /// Hands a query to the forwarder; if that has too many waiting, fails it at once.
    fn hand_on(
        &mut self,
        datagram: &Datagram<'_>,
        peer: Peer,
        (settings, standing): (&Settings, &Standing),
        out: &mut [u8],
    ) -> usize {
        let back = reply_later(self.socket.clone(), self.shared.clone(), datagram.peer, datagram.local);
        let query = datagram.bytes.to_vec();
        let outside = Outside::new(query, datagram.peer, peer, settings, standing, Box::new(back));
        if self.shared.outside.try_send(outside).is_ok() {
            return 0;
        }
        let action = fail(datagram.bytes, standing, settings, peer, out);
        self.tally.note(&action);
        if let Action::Send { length, .. } = action { length } else { 0 }
    }

    /// Network trouble is weather: it is counted, and the worker goes on a little later.
    fn wait_out(&self, error: &io::Error) {
        self.shared.metrics.receive_errors.inc();
        error!(%error, "receiving failed");
        std::thread::sleep(RECEIVE_TIMEOUT);
    }
}

/// Sends a reply that comes after its batch, from the address its query came to.
fn reply_later(
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    peer: SocketAddr,
    local: Option<Local>,
) -> impl FnOnce(Option<Vec<u8>>) + Send {
    move |reply| {
        if let Some(reply) = reply
            && send_one(&socket, &reply, peer, local).is_err()
        {
            shared.metrics.unsent.inc();
        }
    }
}

/// Whether a failed receive only means that nothing came.
fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

// One call's replies must fit the batch they answer.
const _: () = assert!(BATCH > 0 && UDP_PAYLOAD_BYTES_MAX <= batch_udp::REPLY_BYTES_MAX);
