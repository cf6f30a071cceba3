//! One server: how it is reached, and what is remembered of it.
//!
//! A try is a [`Line`]: a datagram socket of its own (`udp`), or a place on a connection that others use as well
//! (`stream`), encrypted for a server that the operator named so (`tls`).

mod stream;
mod tls;
mod udp;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use mesos_dns_core::forward::{
    exchange::{Candidate, Closed, Fault},
    health::{Cause, Change, Health, Standing},
    server::{Carrier, Server},
};
use rustix::io::Errno;
use tokio::time::Instant;
use tracing::{info, warn};

pub(super) use self::tls::Trust;
use self::{
    stream::{Pool, Waiting},
    udp::Datagrams,
};
use super::ForwardMetrics;

/// Time between two words in the log about an ill server.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// One server.
pub(super) struct Upstream {
    server: Server,
    health: Mutex<Health>,
    told: Mutex<Told>,
    pool: Arc<Pool>,
}

/// What an operator was told of a server's health.
#[derive(Default)]
struct Told {
    is_ill: bool,
    last: Option<Instant>,
    /// Whether it is asked no more: what still comes of it interests nobody.
    is_gone: bool,
}

/// Where replies to one try are heard.
pub(super) enum Line {
    Datagrams(Datagrams),
    Stream(Waiting),
}

impl Upstream {
    pub(super) fn new(server: &Server, trust: &Trust, metrics: &ForwardMetrics) -> Arc<Self> {
        let tls = server.tls.as_ref().map(|_| trust.config());
        let pool = Pool::new(server.clone(), tls, metrics.connections(server));
        Arc::new(Self { server: server.clone(), health: Mutex::default(), told: Mutex::default(), pool })
    }

    /// This server as one that may be asked; it may be probed if nobody else is.
    pub(super) fn candidate(&self, now: Instant, may_probe: &mut bool) -> Candidate {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let outlook = health.outlook(now.into_std(), *may_probe);
        *may_probe &= outlook.standing != Standing::Probed;
        Candidate { server: self.server.clone(), outlook }
    }

    /// Whether it is held ill.
    pub(super) fn is_ill(&self) -> bool {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).is_ill()
    }

    /// Sends a query.
    pub(super) fn send(&self, carrier: Carrier, query: &[u8]) -> io::Result<Line> {
        match carrier {
            Carrier::Udp => Datagrams::send(self.server.address, query).map(Line::Datagrams),
            Carrier::Tcp | Carrier::Tls => self.pool.send(query).map(Line::Stream),
        }
    }

    /// Takes note of how a try ended, and of the error that ended it.
    pub(super) fn note(
        &self,
        now: Instant,
        closed: &Closed,
        error: Option<&io::Error>,
        metrics: &ForwardMetrics,
    ) {
        let (change, smoothed) = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            (health.note(now.into_std(), closed, rand::random()), health.smoothed())
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_gone {
            return;
        }
        metrics.took(&self.server, smoothed);
        if let Some(change) = change {
            metrics.ill(&self.server, matches!(change, Change::FellIll(_)));
            self.tell(&mut told, now, change, error);
        }
    }

    /// It is asked no more, but for what is under way.
    pub(super) fn leave(&self, metrics: &ForwardMetrics) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_gone = true;
        metrics.forget(&self.server);
    }

    /// Tells an operator of a server that fell ill and that is well again, once each, and not too often: what
    /// single tries end with depends on what strangers ask.
    fn tell(&self, told: &mut Told, now: Instant, change: Change, error: Option<&io::Error>) {
        match change {
            Change::FellIll(cause) if told.last.is_none_or(|last| now - last >= LOG_PAUSE) => {
                *told = Told { is_ill: true, last: Some(now), ..*told };
                let cause = match cause {
                    Cause::Silence => "it does not answer",
                    Cause::Network => "it cannot be reached, or not as configured",
                    Cause::Errors => "it answers nothing but errors",
                };
                // With TLS the error tells a certificate that is not good from a network that is not there.
                let error = error.map(tracing::field::display);
                warn!(server = %self.server, cause, error, "server is ill; others are asked first");
            }
            Change::Recovered(after) if told.is_ill => {
                told.is_ill = false;
                info!(server = %self.server, after_seconds = after.as_secs(), "server is well again");
            }
            Change::FellIll(_) | Change::Recovered(_) => {}
        }
    }
}

impl Line {
    /// The next message from the server.
    pub(super) fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        match self {
            Self::Datagrams(datagrams) => datagrams.poll_hear(context),
            Self::Stream(waiting) => waiting.poll_hear(context),
        }
    }
}

/// Whose fault an error is: what this machine lacks says nothing about a server.
pub(super) fn fault(error: &io::Error) -> Fault {
    let lacking = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRINUSE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::AGAIN,
    ];
    let ours = Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno));
    let busy = matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::AddrInUse);
    if ours || busy { Fault::Here } else { Fault::There }
}
