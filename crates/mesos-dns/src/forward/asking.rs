//! One exchange, flown to its end: sockets, clock and dice for the core's [`Exchange`].

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use mesos_dns_core::forward::{
    admission::{Admission, Limit, Ticket},
    allowance::Allowance,
    believe::believe,
    exchange::{Closed, Dice, Ended, Exchange, Heard, Transmit, TryId},
    server::Server,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tracing::{debug, warn};

use super::{
    Active, Client,
    flights::Flight,
    metrics::ForwardMetrics,
    upstream::{self, Line, Trust},
};
use crate::metrics::LegacyCounters;

/// Exchanges with an outcome that go on listening, to tell slow servers from dead ones. A few are enough for that.
const LINGERING_MAX: usize = 100;

/// Time between two words in the log about queries of ours that come back.
const LOOP_LOG_PAUSE: Duration = Duration::from_secs(60);

/// What every exchange uses and none owns.
pub(super) struct Desk {
    pub(super) admission: Mutex<Admission>,
    pub(super) metrics: Arc<ForwardMetrics>,
    pub(super) legacy: Arc<LegacyCounters>,
    pub(super) trust: Trust,
    hedges: Mutex<Allowance>,
    lingering: Semaphore,
    loop_logged: Mutex<Option<Instant>>,
}

/// Leave to be outstanding, given back when dropped.
pub(super) struct Held {
    desk: Arc<Desk>,
    ticket: Option<Ticket>,
}

impl Desk {
    pub(super) fn new(trust: Trust, metrics: Arc<ForwardMetrics>, legacy: Arc<LegacyCounters>) -> Self {
        Self {
            admission: Mutex::default(),
            metrics,
            legacy,
            trust,
            hedges: Mutex::default(),
            lingering: Semaphore::new(LINGERING_MAX),
            loop_logged: Mutex::default(),
        }
    }

    /// Asks for leave to be outstanding.
    pub(super) fn hold(
        self: &Arc<Self>,
        admit: impl FnOnce(&mut Admission) -> Result<Ticket, Limit>,
    ) -> Result<Held, Limit> {
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = admit(&mut admission)?;
        self.metrics.under_way(admission.outstanding());
        Ok(Held { desk: self.clone(), ticket: Some(ticket) })
    }

    /// Asks these servers until one answers or time is up, and lands with that; `held` is kept till then.
    pub(super) async fn fly(
        &self,
        active: &Active,
        servers: &[Server],
        flight: Flight,
        held: [Option<Held>; 2],
    ) {
        let (started, key, era) = (Instant::now(), flight.key().clone(), active.cache.era());
        self.hedges.lock().unwrap_or_else(PoisonError::into_inner).earn();
        let candidates = active.candidates(servers, started);
        let budget = active.policy.budget();
        let mut exchange = Exchange::new(&key, candidates, budget, started.into_std());
        let (mut lines, mut aboard) = (Lines::default(), Some((flight, held)));
        let mut _lingering = None;
        loop {
            let now = Instant::now();
            while let Some(sent) = exchange.poll_transmit(now.into_std(), &dice(), || self.may_hedge()) {
                if let Some((flight, _)) = &aboard {
                    flight.carries(&sent.question);
                }
                self.send(active, &mut exchange, &mut lines, sent, now);
            }
            while let Some(closed) = exchange.poll_closed() {
                let error = lines.hang_up(closed.id);
                self.note(active, &closed, error.as_ref(), now);
            }
            if let Some(resolved) = exchange.poll_resolved(now.into_std()) {
                self.metrics.seconds.observe(started.elapsed().as_secs_f64());
                if let Some((flight, held)) = aboard.take() {
                    drop(held);
                    let settings = active.policy.settings();
                    let came = believe(&key, &resolved, &settings.domain, Instant::now().into_std());
                    // Remembered first: who comes too late for the flight finds it. What this machine lacked a moment ago
                    // is no reason not to ask.
                    flight.land(match came.is_failure() && exchange.is_lacking() {
                        true => Arc::new(came),
                        false => active.cache.store(&key, came, settings.stale_max, era),
                    });
                }
                _lingering = self.lingering.try_acquire().ok();
                if _lingering.is_none() {
                    exchange.abandon(now.into_std());
                    continue;
                }
            }
            let Some(wake) = exchange.poll_timeout() else { break };
            match timeout_at(wake.into(), lines.hear()).await {
                Ok((id, heard)) => self.hear(&mut exchange, &mut lines, id, heard),
                Err(_) => exchange.handle_timeout(Instant::now().into_std()),
            }
        }
    }

    /// A query of ours came back from this client.
    pub(super) fn note_loop(&self, client: &Client) {
        let mut logged = self.loop_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|logged| logged.elapsed() >= LOOP_LOG_PAUSE) {
            *logged = Some(Instant::now());
            warn!(
                client = %client.address,
                "a query that we sent to a server came back to us: servers forward in a circle"
            );
        }
    }

    fn may_hedge(&self) -> bool {
        self.hedges.lock().unwrap_or_else(PoisonError::into_inner).spend()
    }

    /// Sends what the exchange gave.
    fn send(
        &self,
        active: &Active,
        exchange: &mut Exchange<'_>,
        lines: &mut Lines,
        sent: Transmit,
        now: Instant,
    ) {
        self.metrics.sent(&sent);
        let Some(upstream) = active.upstreams.get(&sent.server) else { return };
        match upstream.send(sent.carrier, &sent.message) {
            Ok(line) => lines.open.push((sent.id, line)),
            Err(error) => {
                debug!(server = %sent.server, carrier = ?sent.carrier, %error, "cannot ask");
                exchange.handle_failure(sent.id, upstream::fault(&error), now.into_std());
                lines.broken.push((sent.id, error));
            }
        }
    }

    /// Something came in on a line.
    fn hear(&self, exchange: &mut Exchange<'_>, lines: &mut Lines, id: TryId, heard: io::Result<Vec<u8>>) {
        let now = Instant::now().into_std();
        match heard {
            Ok(message) => {
                if exchange.handle_message(id, &message, now) == Heard::Stray {
                    self.metrics.strays.inc();
                }
            }
            Err(error) => {
                debug!(%error, "asking failed");
                exchange.handle_failure(id, upstream::fault(&error), now);
                lines.broken.push((id, error));
            }
        }
    }

    /// Takes note of a try that has ended, and of the error that ended it.
    fn note(&self, active: &Active, closed: &Closed, error: Option<&io::Error>, now: Instant) {
        self.metrics.tried(closed);
        if let Some(upstream) = active.upstreams.get(&closed.server) {
            upstream.note(now, closed, error, &self.metrics);
        }
        // The original counts exchanges with servers, whatever they were about. (Whole queries are counted where
        // they come in.) It knows no second server whose answer came too late to be of use.
        let legacy = &*self.legacy;
        match closed.ended {
            Ended::Abandoned => return,
            Ended::Answer | Ended::Error(_) | Ended::Truncated => legacy.non_mesos_success.inc(),
            _ => legacy.non_mesos_failed.inc(),
        };
        legacy.non_mesos_forwarded.inc();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut admission = self.desk.admission.lock().unwrap_or_else(PoisonError::into_inner);
            admission.release(ticket);
            self.desk.metrics.under_way(admission.outstanding());
        }
    }
}

/// The open tries of one exchange; three at most.
#[derive(Default)]
struct Lines {
    open: Vec<(TryId, Line)>,
    /// Those that broke, till the exchange says so too.
    broken: Vec<(TryId, io::Error)>,
}

impl Lines {
    /// The next thing that is heard on any of them.
    async fn hear(&mut self) -> (TryId, io::Result<Vec<u8>>) {
        poll_fn(|context| {
            for (id, line) in &mut self.open {
                if let Poll::Ready(heard) = line.poll_hear(context) {
                    return Poll::Ready((*id, heard));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Ends a try; gives the error that broke it.
    fn hang_up(&mut self, id: TryId) -> Option<io::Error> {
        self.open.retain(|(open, _)| *open != id);
        let place = self.broken.iter().position(|(broken, _)| *broken == id)?;
        Some(self.broken.swap_remove(place).1)
    }
}

/// From a generator fit for cryptography.
fn dice() -> Dice {
    Dice { id: rand::random(), letters: rand::random() }
}
