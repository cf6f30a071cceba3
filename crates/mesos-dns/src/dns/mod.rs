//! What DNS clients reach: datagrams on threads, streams on the runtime.
//!
//! ```text
//!   udp ------------------------------------------------> Many, decide
//!   tcp --+--> connection (TCP, TLS) --+--> answering --> decide
//!         +--> https (HTTP in TLS) ----+
//! ```
//!
//! `clients` gives connections their seats, `frames` cuts a stream into messages, `tls` is who we are to those that
//! want encryption, `guard` what a fault of ours costs.
//!
//! Both receive, let [`decide`] decide, and act; plain queries among datagrams are
//! answered together ([`Many`](mesos_dns_core::answer::Many)). Queries for other names leave this room through
//! a bounded channel as [`Outside`]; whoever answers them calls back with the reply. So a slow upstream
//! can hold up neither a worker nor a connection.

mod answering;
mod bind;
mod clients;
mod connection;
#[cfg(test)]
mod fixture;
mod frames;
mod guard;
mod https;
mod metrics;
mod standing;
mod tcp;
mod tls;
mod udp;
mod validity;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use mesos_dns_core::answer::{
    Action, Hop, Peer, RateLimiter, Settings, Standing, TCP_PAYLOAD_BYTES_MAX, Transport, decide, fail, pad,
};
use tokio::sync::mpsc;

pub use bind::{BindError, Sockets, bind, bind_stream};
pub use clients::{Clients, ConnectionLimits};
pub use metrics::DnsMetrics;
pub use standing::StandingCell;
pub use tcp::{Carrier, serve as serve_tcp};
pub use tls::{Identity, IdentityError, watch as watch_identities};
pub use udp::{Workers, serve as serve_udp};

use crate::{metrics::LegacyCounters, publish::Board};

/// Most queries for other names that wait to be taken up; beyond it clients get SERVFAIL at once.
pub const OUTSIDE_WAITING_MAX: usize = 1024;

/// A query for a name that is not ours.
pub struct Outside {
    /// The query as received.
    pub query: Vec<u8>,
    /// Who asks.
    pub peer: SocketAddr,
    /// How the query came.
    pub transport: Transport,
    /// Options for the OPT record of the reply: what we have to say to this client ourselves.
    pub options: Vec<u8>,
    /// Takes the reply; `None` if there is none to give.
    pub reply: Box<dyn FnOnce(Option<Vec<u8>>) + Send>,
}

/// What every worker and connection shares.
pub struct Shared {
    /// The version that is served.
    pub board: Arc<Board>,
    /// What the operator chose; swapped at a reload.
    pub settings: ArcSwap<Settings>,
    /// How our view of the cluster stands.
    pub standing: Arc<StandingCell>,
    /// How much each client network is sent in datagrams.
    pub limiter: RateLimiter,
    /// Where queries for other names go.
    pub outside: mpsc::Sender<Outside>,
    /// Counters of this room.
    pub metrics: Arc<DnsMetrics>,
    /// Counters of the original.
    pub legacy: Arc<LegacyCounters>,
}

impl Outside {
    /// A query to be handed on, with what this hop will say in the reply.
    fn new(
        query: Vec<u8>,
        from: SocketAddr,
        peer: Peer,
        settings: &Settings,
        standing: &Standing,
        reply: Box<dyn FnOnce(Option<Vec<u8>>) + Send>,
    ) -> Self {
        let Hop { options, is_padded } = Hop::new(&query, settings, peer, standing.now.as_secs() as u32);
        let reply = if is_padded { padded(reply) } else { reply };
        Self { query, peer: from, transport: peer.transport, options, reply }
    }
}

/// Pads the reply before it is taken. Its length is known only when it is finished.
fn padded(reply: Box<dyn FnOnce(Option<Vec<u8>>) + Send>) -> Box<dyn FnOnce(Option<Vec<u8>>) + Send> {
    Box::new(move |mut bytes| {
        if let Some(bytes) = &mut bytes {
            pad(bytes);
        }
        reply(bytes);
    })
}

/// What our zone says to a query, whole as over TCP, to us who ask it ourselves.
pub fn own_answer(query: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let published = shared.board.current().load();
    let standing = shared.standing.load(&published);
    let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Tcp };
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    // Who may ask was found out when the client's query came.
    let settings = Settings { recursion_available: true, ..Settings::default() };
    let action = decide(query, &published.zone, &standing, &settings, peer, rand::random(), &mut out);
    let Action::Send { length, .. } = action else { return None };
    out.truncate(length);
    Some(out)
}

/// The reply to a query that could not be forwarded: SERVFAIL.
pub fn failure(query: &[u8], peer: SocketAddr, transport: Transport) -> Option<Vec<u8>> {
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: peer.ip().to_canonical(), transport };
    let failed = fail(query, &Standing::default(), &Settings::default(), peer, &mut out);
    let Action::Send { length, .. } = failed else { return None };
    out.truncate(length);
    Some(out)
}
