//! What the DNS server counts. What it counts of each query stands in `counts` and is shown by `tallies`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::StatusCode;
use mesos_dns_core::answer::Transport;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    counts::{Counts, Sums},
    tallies::Tallies,
};
use crate::metrics::LegacyCounters;

/// Counters of the DNS server. Labels are fixed sets; none can be made up by a client.
#[derive(Debug)]
pub struct DnsMetrics {
    /// What each worker counts, and then what all threads count of those who ask otherwise.
    counts: Mutex<Vec<Arc<Counts>>>,
    /// Datagrams that are answered later, and each kind of stream.
    late: Arc<Counts>,
    https: Arc<Counts>,
    tcp: Arc<Counts>,
    tls: Arc<Counts>,
    pub(super) unsent: Counter,
    pub(super) receive_errors: Counter,
    pub(super) panics: Counter,
    connections: Family<Label, Gauge>,
    by_carried: [Gauge; 3],
    refused: Family<Label, Counter>,
    pub(super) connections_refused_full: Counter,
    pub(super) connections_refused_client: Counter,
    pub(super) connections_evicted: Counter,
    pub(super) connections_cut: Counter,
    pub(super) accept_errors: Counter,
    pub(super) handshake_failures: Counter,
    pub(super) certificates_replaced: Counter,
    pub(super) certificate_failures: Counter,
    certificate_ends: Family<Listening, Gauge>,
    responded: Family<Responded, Counter>,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// Requests.
    Https,
    /// Messages.
    Tcp,
    /// Encrypted messages.
    Tls,
}

/// The status of a response over HTTPS: one of those that we give.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Responded {
    status: u16,
}

/// A listener, by the address it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listening {
    listener: String,
}

/// One label with its value, both fixed in this file.
type Label = [(&'static str, &'static str); 1];

impl Default for DnsMetrics {
    fn default() -> Self {
        let connections = Family::<Label, Gauge>::default();
        let refused = Family::<Label, Counter>::default();
        let member = |family: &Family<Label, Counter>, label| family.get_or_create(&[label]).clone();
        let open = |label| connections.get_or_create(&[("transport", label)]).clone();
        let any = |transport| Arc::new(Counts::shared(transport));
        let (late, https) = (any(Transport::Udp), any(Transport::Https));
        let (tcp, tls) = (any(Transport::Tcp), any(Transport::Tls));
        Self {
            counts: Mutex::new(vec![late.clone(), https.clone(), tcp.clone(), tls.clone()]),
            late,
            https,
            tcp,
            tls,
            unsent: Counter::default(),
            receive_errors: Counter::default(),
            panics: Counter::default(),
            by_carried: ["https", "tcp", "tls"].map(open),
            connections,
            connections_refused_full: member(&refused, ("limit", "connections")),
            connections_refused_client: member(&refused, ("limit", "per_client")),
            refused,
            connections_evicted: Counter::default(),
            connections_cut: Counter::default(),
            accept_errors: Counter::default(),
            handshake_failures: Counter::default(),
            certificates_replaced: Counter::default(),
            certificate_failures: Counter::default(),
            certificate_ends: Family::default(),
            responded: Family::default(),
        }
    }
}

impl DnsMetrics {
    /// Registers the counters. Those of the original are brought up to date before they are shown.
    pub fn register(self: &Arc<Self>, legacy: &Arc<LegacyCounters>, registry: &mut Registry) {
        let dns = registry.sub_registry_with_prefix("dns");
        dns.register_collector(Box::new(Tallies::new(self.clone(), legacy.clone())));
        for (name, help, counter) in [
            ("unsent", "Replies the system refused to send", &self.unsent),
            ("receive_errors", "Failed receive calls; each is waited out", &self.receive_errors),
            (
                "panics",
                "Faults of this program that queries met, each logged; the query is answered SERVFAIL. \
                One among plain queries counts once more, when its batch is given up",
                &self.panics,
            ),
            (
                "connections_evicted",
                "Idle connections closed to make room for others",
                &self.connections_evicted,
            ),
            (
                "connections_cut",
                "Connections closed because a message did not arrive, or answers were not taken, \
                within 10 s",
                &self.connections_cut,
            ),
            (
                "accept_errors",
                "Failed accept calls, mostly for want of file descriptors; each is waited out",
                &self.accept_errors,
            ),
            (
                "tls_handshake_failures",
                "TLS handshakes that failed or took longer than 5 s",
                &self.handshake_failures,
            ),
            (
                "certificates_replaced",
                "Changed certificates of listeners put in force",
                &self.certificates_replaced,
            ),
            (
                "certificate_failures",
                "Changed certificates that were of no use; the former one stays",
                &self.certificate_failures,
            ),
        ] {
            dns.register(name, help, counter.clone());
        }
        dns.register(
            "connections",
            "Open connections: `tcp`, `tls`, `https`; those in their handshake included",
            self.connections.clone(),
        );
        dns.register(
            "connections_refused",
            "Connections closed at once: `per_client` (`tcpPerClient`), or `connections` \
                (`tcpConnections`, and none of them is idle)",
            self.refused.clone(),
        );
        dns.register(
            "certificate_end_seconds",
            "Unix time at which the certificate of a `tls` or `https` listener ends (of a chain, \
                the first to end), by the listener's address and port; each change is shown as it \
                takes effect. A week before, or with a quarter of its life left if that is less, the \
                log warns once; at the end it tells of an error",
            self.certificate_ends.clone(),
        );
        dns.register(
            "https_responses",
            "Responses over HTTPS: 200 whenever there is a message; 400, 404, 405, 408, 413, 414, \
                415, 502",
            self.responded.clone(),
        );
        drop(self.responded.get_or_create(&Responded { status: 200 }));
    }

    /// Shows a listener and every transport, as a configuration and clients would.
    #[cfg(test)]
    pub(crate) fn exemplify(&self) {
        use mesos_dns_core::answer::{Action, Silence};

        drop(self.certificate_end("192.0.2.1:853".parse().unwrap()));
        for transport in [Transport::Tls, Transport::Https] {
            self.counts(transport).note(super::counts::Asked::of(1), false, &Action::Drop(Silence::Short));
        }
    }

    /// A set of counters for one thread that answers datagrams.
    pub(super) fn worker(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::own(Transport::Udp));
        self.all().push(counts.clone());
        counts
    }

    /// The set of counters of all who ask like this; of datagrams, for those that are answered later.
    pub(super) fn counts(&self, transport: Transport) -> &Arc<Counts> {
        match transport {
            Transport::Https => &self.https,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
            Transport::Udp => &self.late,
        }
    }

    /// What was counted of those who asked like this.
    pub(super) fn sums(&self, transport: Transport) -> Sums {
        let mut sums = Sums::default();
        self.all()
            .iter()
            .filter(|counts| counts.transport == transport)
            .for_each(|counts| counts.add_to(&mut sums));
        sums
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Counts>>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection as open until what this gives is dropped.
    pub(super) fn open(&self, carried: Carried) -> Open {
        let gauge = self.by_carried[carried as usize].clone();
        gauge.inc();
        Open(gauge)
    }

    /// When the certificate of this listener ends.
    pub(super) fn certificate_end(&self, listener: SocketAddr) -> Gauge {
        self.certificate_ends.get_or_create(&Listening { listener: listener.to_string() }).clone()
    }

    /// Counts a response over HTTPS.
    pub(super) fn https_responded(&self, status: StatusCode) {
        self.responded.get_or_create(&Responded { status: status.as_u16() }).inc();
    }
}

/// An open connection, as counted.
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
