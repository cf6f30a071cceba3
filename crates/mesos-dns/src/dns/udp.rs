//! Datagrams: one thread per worker, each with a socket of its own on the shared port.
//!
//! A worker takes as many queries as are waiting, answers them from one version of the zone, the plain ones together,
//! and sends all replies with one call. It shares nothing with the others but that version; what it counts is in
//! memory of its own. A fault costs one query its answer (`guard`), and no worker its life: nobody else
//! reads its socket.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use batch_udp::{BATCH, Batch, Datagram, Local, REPLY_BYTES_MAX, send_one};
use mesos_dns_core::{
    answer::{
        Action, MANY_MAX, Many, Peer, RateLimiter, Settings, Standing, Transport, UDP_PAYLOAD_BYTES_MAX,
        decide, fail,
    },
    zone::Snapshot,
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use socket2::Socket;
use tracing::{error, warn};

use super::{
    Shared,
    counts::{Asked, Counts},
    guard::{guarded, survived},
    outside::{Late, Leaving, Left},
};
use crate::system::pin;

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

/// Starts one worker per socket. A pinned one stays on one processor.
pub fn serve(sockets: Vec<Socket>, pinned: bool, shared: &Arc<Shared>) -> io::Result<Workers> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
        let (shared, stop) = (shared.clone(), stop.clone());
        let socket = Arc::new(socket);
        let dice = SmallRng::from_rng(&mut rand::rng());
        let work = move || {
            if pinned && let Err(error) = pin(number) {
                warn!(worker = number, %error, "cannot be kept on one processor");
            }
            Worker::new(socket, shared, dice).run(&stop);
        };
        threads.push(Builder::new().name(format!("udp-{number}")).spawn(work)?);
    }
    Ok(Workers { stop, threads })
}

struct Worker<D> {
    socket: Arc<Socket>,
    shared: Arc<Shared>,
    dice: D,
    counts: Arc<Counts>,
}

impl<D: Rng> Worker<D> {
    fn new(socket: Arc<Socket>, shared: Arc<Shared>, dice: D) -> Self {
        let counts = shared.metrics.worker();
        Self { socket, shared, dice, counts }
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
                Ok(messages) => {
                    let (began, shared) = (Instant::now(), self.shared.clone());
                    survived(&shared.metrics, || self.answer(&mut batch));
                    self.counts.took(messages, began.elapsed());
                }
                Err(error) if is_patience(&error) && end.is_some() => return,
                Err(error) if is_patience(&error) => {}
                Err(error) => self.wait_out(&error),
            }
        }
    }

    /// Answers a batch from one version: all plain queries at once, then each of the others.
    fn answer(&mut self, batch: &mut Batch) {
        let published = self.shared.board.current().load();
        let standing = self.shared.standing.load(&published);
        let settings = self.shared.settings.load();
        let version = Version { zone: &published.zone, standing, settings: &settings };
        let answered = self.answer_plain(batch, &version);
        if !answered.all {
            batch.answer(|number, datagram, out| {
                let is_answered = answered.each.get(number).is_some_and(|answered| *answered);
                (!is_answered).then(|| self.answer_one(&version, &datagram, out))
            });
        }
        let sent = batch.send(&self.socket);
        let metrics = &self.shared.metrics;
        if sent.refused > 0 {
            metrics.unsent.inc_by(sent.refused as u64);
        }
    }

    /// Answers the plain queries of a batch together. A fault costs no query its answer: then each is decided alone.
    fn answer_plain(&mut self, batch: &mut Batch, version: &Version<'_>) -> Answered {
        let (dice, limiter, counts) = (&mut self.dice, &self.shared.limiter, &*self.counts);
        let work = || plain(batch, version, limiter, dice, counts);
        survived(&self.shared.metrics, work).unwrap_or(Answered { each: [false; BATCH], all: false })
    }

    /// Decides one query.
    fn answer_one(
        &mut self,
        version: &Version<'_>,
        datagram: &Datagram<'_>,
        out: &mut [u8; REPLY_BYTES_MAX],
    ) -> usize {
        let peer = Peer { address: datagram.peer.ip().to_canonical(), transport: Transport::Udp };
        let out = &mut out[..UDP_PAYLOAD_BYTES_MAX];
        let Version { zone, standing, settings } = version;
        let (query, dice, shared) = (datagram.bytes, &mut self.dice, &self.shared);
        let restrain = |action, out: &mut [u8]| {
            shared.limiter.restrain(action, query, settings, peer, standing.now, out)
        };
        let action = guarded(
            query,
            out,
            &shared.metrics,
            |out| restrain(decide(query, zone, standing, settings, peer, dice.random(), out), out),
            |out| restrain(fail(query, standing, settings, peer, out), out),
        );
        self.counts.note(Asked::read(query), peer.address.is_ipv6(), &action);
        match action {
            Action::Send { length, .. } => length,
            Action::Forward => self.hand_on(datagram, peer, version, out),
            Action::Drop(_) => 0,
        }
    }

    /// Answers a query for another name from memory, or hands it on, or fails it at once.
    fn hand_on(
        &mut self,
        datagram: &Datagram<'_>,
        peer: Peer,
        Version { settings, standing, .. }: &Version<'_>,
        out: &mut [u8],
    ) -> usize {
        let (query, from, turn) = (datagram.bytes, datagram.peer, self.dice.random());
        let late_counts = self.shared.metrics.counts(Transport::Udp);
        let leaving = Leaving { query, from, peer, settings, standing, turn, late_counts };
        let late = || reply_later(self.socket.clone(), self.shared.clone(), from, datagram.local);
        let taken = survived(&self.shared.metrics, || self.shared.exit.take(&leaving, out, late));
        match taken.unwrap_or(Left::Refused) {
            Left::Answered(length) => {
                self.counts.passes_on(out.get(..length).unwrap_or_default());
                length
            }
            Left::Later => 0,
            Left::Refused => {
                let action = fail(query, standing, settings, peer, out);
                self.counts.became(&action);
                if let Action::Send { length, .. } = action { length } else { 0 }
            }
        }
    }

    /// Network trouble is weather: it is counted, and the worker goes on a little later.
    fn wait_out(&self, error: &io::Error) {
        self.shared.metrics.receive_errors.inc();
        error!(%error, "receiving failed");
        std::thread::sleep(RECEIVE_TIMEOUT);
    }
}

/// What a batch is answered from.
struct Version<'a> {
    zone: &'a Snapshot,
    standing: Standing,
    settings: &'a Settings,
}

/// Which datagrams of a batch have been answered.
struct Answered {
    each: [bool; BATCH],
    all: bool,
}

/// Answers the plain queries of a batch: reads all, finds all, writes all, and counts them.
fn plain(
    batch: &mut Batch,
    version: &Version<'_>,
    limiter: &RateLimiter,
    dice: &mut impl Rng,
    counts: &Counts,
) -> Answered {
    let Version { zone, standing, settings } = version;
    let mut many = Many::new(zone, standing, settings);
    let mut tickets = [None; BATCH];
    batch.answer(|number, datagram, _| {
        tickets[number] = many.read(datagram.bytes, datagram.peer.ip());
        None
    });
    many.find();
    let mut answered = Answered { each: [false; BATCH], all: true };
    batch.answer(|number, datagram, out| {
        let out = &mut out[..UDP_PAYLOAD_BYTES_MAX];
        let written = tickets[number]
            .and_then(|ticket| Some((ticket, many.write(ticket, datagram.bytes, dice.random(), out)?)));
        let Some((ticket, action)) = written else {
            answered.all = false;
            return None;
        };
        let peer = Peer { address: datagram.peer.ip().to_canonical(), transport: Transport::Udp };
        let action = limiter.restrain(action, datagram.bytes, settings, peer, standing.now, out);
        counts.note(Asked::of(many.qtype(ticket)), peer.address.is_ipv6(), &action);
        answered.each[number] = true;
        Some(if let Action::Send { length, .. } = action { length } else { 0 })
    });
    answered
}

/// Sends a reply that comes after its batch, from the address its query came to.
fn reply_later(socket: Arc<Socket>, shared: Arc<Shared>, peer: SocketAddr, local: Option<Local>) -> Late {
    Box::new(move |reply| {
        if let Some(reply) = reply
            && send_one(&socket, &reply, peer, local).is_err()
        {
            shared.metrics.unsent.inc();
        }
    })
}

/// Whether a failed receive only means that nothing came.
fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

// One call's replies must fit the batch they answer.
const _: () = assert!(BATCH > 0 && UDP_PAYLOAD_BYTES_MAX <= REPLY_BYTES_MAX);
// All of a batch can be looked up together.
const _: () = assert!(BATCH <= MANY_MAX);

#[cfg(test)]
mod tests;
