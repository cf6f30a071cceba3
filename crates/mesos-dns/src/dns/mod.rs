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
//! answered together ([`Many`](mesos_dns_core::answer::Many)). Queries for other names are answered from memory or
//! leave this room (`outside`), so that a slow upstream can hold up neither a worker nor a connection.

mod answering;
mod bind;
mod clients;
mod connection;
mod counts;
#[cfg(test)]
mod fixture;
mod frames;
mod guard;
mod https;
mod metrics;
mod outside;
mod standing;
mod tallies;
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
    Action, Peer, RateLimiter, Selection, Settings, Standing, TCP_PAYLOAD_BYTES_MAX, Transport, decide, fail,
};

pub use bind::{BindError, Sockets, bind, bind_stream};
pub use clients::{Clients, ConnectionLimits};
pub use metrics::DnsMetrics;
pub use outside::{Exit, Late, Memory, OUTSIDE_WAITING_MAX, Outside, Recalled};
pub use standing::StandingCell;
pub use tcp::{Carrier, serve as serve_tcp};
pub use tls::{Identity, IdentityError, watch as watch_identities};
pub use udp::{Workers, serve as serve_udp};

use crate::publish::Board;

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
    pub exit: Exit,
    /// Counters of this room.
    pub metrics: Arc<DnsMetrics>,
}

/// What our zone says to a query, whole as over TCP, to us who ask it ourselves.
pub fn own_answer(query: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let published = shared.board.current().load();
    let standing = shared.standing.load(&published);
    let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Tcp };
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    // Who may ask was found out when the client's query came. Where it is, nobody knows here.
    let chosen = shared.settings.load();
    let selection = Selection { most: chosen.selection.most, ..Selection::ALL };
    let reverse = chosen.reverse.clone();
    let settings = Settings { recursion_available: true, selection, reverse, ..Settings::default() };
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

#[cfg(test)]
mod tests {
    use mesos_dns_core::{answer::Reversing, wire::ReverseZones};

    use super::*;

    /// An alias from outside that leads here must not get around what the operator chose.
    #[test]
    fn our_own_zone_tells_the_forwarder_no_more_than_others() {
        let answers = |most| {
            let selection = Selection { most, ..Selection::ALL };
            let (shared, ..) = fixture::shared(Settings { selection, ..Settings::default() });
            let addresses = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]].map(Into::into);
            fixture::publish_all(&shared.board, 1, &addresses);
            let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03web\x05mesos\0\0\x01\0\x01";
            let reply = own_answer(query, &shared).unwrap();
            u16::from_be_bytes([reply[6], reply[7]])
        };
        assert_eq!((answers(None), answers(Some(2))), (3, 2));
    }

    /// Nor must it end where the domain does: names of addresses can be ours as well.
    #[test]
    fn our_own_zone_tells_the_forwarder_of_listed_prefixes() {
        let prefix = "10.0.0.0/8".parse().unwrap();
        let reverse = Reversing::Listed(ReverseZones::new(vec![prefix], Vec::new()));
        let (shared, ..) = fixture::shared(Settings { reverse, ..Settings::default() });
        fixture::publish_all(&shared.board, 1, &[[10, 0, 0, 1].into()]);
        let rcode = |name: &str| own_answer(&fixture::query(7, name, 12), &shared).unwrap()[3] & 15;
        assert_eq!((rcode("10.in-addr.arpa."), rcode("1.0.0.10.in-addr.arpa.")), (0, 3));
        assert_eq!(rcode("1.0.0.11.in-addr.arpa."), 5);
    }
}
