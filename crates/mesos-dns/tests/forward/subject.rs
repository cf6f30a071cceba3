//! A forwarder under test, and queries for it.

#![allow(dead_code, reason = "each test that shares this file uses its part of it")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mesos_dns::{
    forward::{Client, Forwarder},
    metrics::Metrics,
};
use mesos_dns_core::{
    forward::{Settings, Transport, Truncation, private_networks, server::Server},
    wire::Name,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rustls::RootCertStore;
use tokio::net::UdpSocket;

/// Long enough for a busy machine, short enough to wait for in a test.
pub(crate) const BUDGET: Duration = Duration::from_millis(900);

/// Settings with these plain servers.
pub(crate) fn settings(resolvers: &[SocketAddr]) -> Settings {
    servers(resolvers.iter().copied().map(Server::plain).collect())
}

/// Settings with these servers.
pub(crate) fn servers(resolvers: Vec<Server>) -> Settings {
    Settings {
        external_on: true,
        reverse: Default::default(),
        domain: Name::parse("mesos").unwrap(),
        resolvers,
        zones: Vec::new(),
        budget: BUDGET,
        recursion_allow: private_networks().to_vec(),
        truncation: Truncation::Flagged,
        // See `remembering`.
        cache_bytes: 0,
        stale_max: Duration::ZERO,
    }
}

/// Settings with these plain servers, whose answers are remembered.
pub(crate) fn remembering(resolvers: &[SocketAddr]) -> Settings {
    let stale_max = Duration::from_secs(86_400);
    Settings { cache_bytes: 4 << 20, stale_max, ..settings(resolvers) }
}

/// Settings with time for whatever a busy machine does.
pub(crate) fn patient(settings: Settings) -> Settings {
    Settings { budget: Duration::from_secs(10), ..settings }
}

/// A forwarder and what it counts.
pub(crate) struct Subject {
    pub(crate) forwarder: Arc<Forwarder>,
    registry: Registry,
}

impl Subject {
    /// With these settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self::listening(settings, &[])
    }

    /// Listening at these addresses.
    pub(crate) fn listening(settings: Settings, own: &[SocketAddr]) -> Self {
        let (metrics, registry) = Metrics::new();
        let forwarder = Forwarder::new(settings, own, metrics.forward, metrics.legacy);
        Self { forwarder: Arc::new(forwarder), registry }
    }

    /// Servers over TLS are trusted by these roots.
    pub(crate) fn with_roots(settings: Settings, roots: RootCertStore) -> Self {
        let (metrics, registry) = Metrics::new();
        let forwarder = Forwarder::with_roots(settings, &[], roots, metrics.forward, metrics.legacy);
        Self { forwarder: Arc::new(forwarder), registry }
    }

    /// Asks; the whole reply.
    pub(crate) async fn ask(&self, query: &[u8], transport: Transport) -> Vec<u8> {
        self.forwarder.answer(query, client(transport)).await.expect("a reply")
    }

    /// Asks over UDP; tells the response code and the number of answers.
    pub(crate) async fn udp(&self, query: &[u8]) -> (u8, u8) {
        let reply = self.ask(query, Transport::Udp).await;
        assert_eq!(reply[..2], query[..2], "the client's identifier");
        (reply[3] & 15, reply[7])
    }

    /// Waits until nothing is outstanding.
    pub(crate) async fn idle(&self) {
        let idle = async {
            while self.forwarder.outstanding() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(12), idle).await.expect("exchanges end by themselves");
    }

    /// The value of a counter with these labels.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("mesos_dns_forward_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// A client on this machine.
pub(crate) fn client(transport: Transport) -> Client {
    Client { address: SocketAddr::from(([127, 0, 0, 1], 40_000)), transport, options: Vec::new() }
}

/// A query with RD for the addresses of a name, with an OPT record if a payload size is given.
pub(crate) fn query(name: &str, payload: Option<u16>) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(b"\0\0\x01\0\x01");
    if let Some(payload) = payload {
        bytes[11] = 1;
        bytes.extend_from_slice(b"\0\0\x29");
        bytes.extend_from_slice(&payload.to_be_bytes());
        bytes.extend_from_slice(b"\0\0\0\0\0\0");
    }
    bytes
}

/// A socket that takes queries and never answers.
pub(crate) async fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A port on which nobody listens.
pub(crate) async fn closed() -> SocketAddr {
    silent().await.1
}
