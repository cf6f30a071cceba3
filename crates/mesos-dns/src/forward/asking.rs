//! One exchange, flown to its end: sockets, clock and dice for the core's [`Exchange`].

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use mesos_dns_core::forward::{
    Transport,
    admission::{Admission, Limit, Ticket},
    exchange::{Exchange, Heard, Transmit},
    key::Key,
    resolved::Resolved,
};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::{
    Active,
    metrics::{Ended, ForwardMetrics},
    upstream,
};
use crate::metrics::LegacyCounters;

/// What every exchange uses and none owns.
pub(super) struct Desk {
    pub(super) admission: Mutex<Admission>,
    pub(super) metrics: Arc<ForwardMetrics>,
    pub(super) legacy: Arc<LegacyCounters>,
}

/// Leave to be outstanding, given back when dropped.
pub(super) struct Held {
    desk: Arc<Desk>,
    ticket: Option<Ticket>,
}

impl Desk {
    /// Asks for leave to be outstanding.
    pub(super) fn hold(
        self: &Arc<Self>,
        admit: impl FnOnce(&mut Admission) -> Result<Ticket, Limit>,
    ) -> Result<Held, Limit> {
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = admit(&mut admission)?;
        Ok(Held { desk: self.clone(), ticket: Some(ticket) })
    }

    /// Asks these servers until one answers or time is up.
    pub(super) async fn ask(&self, active: &Active, servers: &[SocketAddr], key: &Key) -> Resolved {
        let started = Instant::now();
        let mut exchange = Exchange::new(key, servers, active.policy.budget(), started.into_std());
        while let Some(transmit) = exchange.poll_transmit(Instant::now().into_std(), rand::random()) {
            let ended = self.attempt(&mut exchange, &transmit).await;
            self.metrics.tried(&transmit, ended);
            self.count_legacy(ended);
            if let Some(upstream) = active.upstreams.get(&transmit.server) {
                upstream.note(ended);
            }
        }
        self.metrics.seconds.observe(started.elapsed().as_secs_f64());
        exchange.finish()
    }

    /// One try at one server, to its end.
    async fn attempt(&self, exchange: &mut Exchange<'_>, transmit: &Transmit) -> Ended {
        let Some(deadline) = exchange.poll_timeout() else { return Ended::Timeout };
        let hear = |message: &[u8]| {
            let heard = exchange.handle_message(message);
            if matches!(heard, Heard::Stray | Heard::StraysMax) {
                self.metrics.strays.inc();
            }
            heard
        };
        let asked = async {
            match transmit.transport {
                Transport::Udp => upstream::ask_udp(transmit.server, &transmit.message, hear).await,
                Transport::Tcp => upstream::ask_tcp(transmit.server, &transmit.message, hear).await,
            }
        };
        match timeout_at(deadline.into(), asked).await {
            Ok(Ok(heard)) => Ended::Heard(heard),
            Ok(Err(error)) => {
                debug!(server = %transmit.server, transport = ?transmit.transport, %error, "asking failed");
                exchange.handle_failure();
                Ended::Failure
            }
            Err(_) => {
                exchange.handle_timeout();
                Ended::Timeout
            }
        }
    }

    /// The original counts exchanges with servers, whatever they were about. (Whole queries are counted where
    /// they come in.)
    fn count_legacy(&self, ended: Ended) {
        let legacy = &*self.legacy;
        legacy.non_mesos_forwarded.inc();
        match ended {
            Ended::Heard(Heard::Answer | Heard::Error(_) | Heard::Truncated) => {
                legacy.non_mesos_success.inc()
            }
            Ended::Heard(_) | Ended::Failure | Ended::Timeout => legacy.non_mesos_failed.inc(),
        };
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.desk.admission.lock().unwrap_or_else(PoisonError::into_inner).release(ticket);
        }
    }
}
