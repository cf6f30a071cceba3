//! What the DNS server counts.

use std::net::SocketAddr;

use hyper::StatusCode;
use mesos_dns_core::answer::{Action, Reason, Silence};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::LegacyCounters;

/// Counters of the DNS server. Labels are fixed sets; none can be made up by a client.
#[derive(Debug)]
pub struct DnsMetrics {
    queries: Family<Label, Counter>,
    /// Queries received, by transport: the members of the family, for use without a look-up.
    pub(super) queries_udp: Counter,
    pub(super) queries_tcp: Counter,
    pub(super) queries_tls: Counter,
    pub(super) queries_https: Counter,
    answers: Family<Label, Counter>,
    by_reason: [Counter; Reason::ALL.len()],
    truncated: Counter,
    forwarded: Counter,
    dropped_responses: Counter,
    dropped_short: Counter,
    rate_limited: Counter,
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
    https: Family<Responded, Counter>,
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
        let queries = Family::<Label, Counter>::default();
        let answers = Family::<Label, Counter>::default();
        let connections = Family::<Label, Gauge>::default();
        let refused = Family::<Label, Counter>::default();
        let member = |family: &Family<Label, Counter>, label| family.get_or_create(&[label]).clone();
        let open = |label| connections.get_or_create(&[("transport", label)]).clone();
        Self {
            queries_udp: member(&queries, ("transport", "udp")),
            queries_tcp: member(&queries, ("transport", "tcp")),
            queries_tls: member(&queries, ("transport", "tls")),
            queries_https: member(&queries, ("transport", "https")),
            by_reason: Reason::ALL.map(|reason| member(&answers, ("reason", reason.label()))),
            queries,
            answers,
            truncated: Counter::default(),
            forwarded: Counter::default(),
            dropped_responses: Counter::default(),
            dropped_short: Counter::default(),
            rate_limited: Counter::default(),
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
            https: Family::default(),
        }
    }
}

impl DnsMetrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let dns = registry.sub_registry_with_prefix("dns");
        dns.register("queries", "Messages received", self.queries.clone());
        dns.register("answers", "Replies made here, by kind", self.answers.clone());
        for (name, help, counter) in [
            ("truncated", "Replies from which records were left out for want of space", &self.truncated),
            ("forwarded", "Queries for other names handed on", &self.forwarded),
            ("dropped_responses", "Messages ignored because they are responses", &self.dropped_responses),
            ("dropped_short", "Messages ignored because they have no header", &self.dropped_short),
            (
                "rate_limited",
                "Answers beyond the rate limit of a client network that were not sent",
                &self.rate_limited,
            ),
            ("unsent", "Replies the system refused to send", &self.unsent),
            ("receive_errors", "Failed receive calls", &self.receive_errors),
            ("panics", "Faults of this program that queries met", &self.panics),
            (
                "connections_evicted",
                "Idle connections closed to make room for others",
                &self.connections_evicted,
            ),
            (
                "connections_cut",
                "Connections closed because a message did not arrive, or answers were not taken, in time",
                &self.connections_cut,
            ),
            ("accept_errors", "Failed accept calls", &self.accept_errors),
            (
                "tls_handshake_failures",
                "TLS handshakes that failed or took too long",
                &self.handshake_failures,
            ),
            ("certificates_replaced", "Changed certificates put in force", &self.certificates_replaced),
            (
                "certificate_failures",
                "Changed certificates that were of no use: the former one stays",
                &self.certificate_failures,
            ),
        ] {
            dns.register(name, help, counter.clone());
        }
        dns.register("connections", "Open connections", self.connections.clone());
        dns.register(
            "connections_refused",
            "Connections closed at once because of a limit",
            self.refused.clone(),
        );
        dns.register(
            "certificate_end_seconds",
            "Unix time at which the certificate of a listener ends, or one of its chain",
            self.certificate_ends.clone(),
        );
        dns.register("https_responses", "Responses over HTTPS, by status", self.https.clone());
        drop(self.https.get_or_create(&Responded { status: 200 }));
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
        self.https.get_or_create(&Responded { status: status.as_u16() }).inc();
    }
}

/// An open connection, as counted.
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//------------ Tally ---------------------------------------------------------

/// What one worker did since it last told: plain numbers, added to the shared counters once per batch.
#[derive(Default)]
pub(super) struct Tally {
    queries: u64,
    answers: [u64; Reason::ALL.len()],
    truncated: u64,
    forwarded: u64,
    dropped_responses: u64,
    dropped_short: u64,
    rate_limited: u64,
}

impl Tally {
    /// Notes what became of a query.
    pub(super) fn note(&mut self, action: &Action) {
        self.queries += 1;
        match action {
            Action::Send { reason, is_truncated, .. } => {
                self.answers[*reason as usize] += 1;
                self.truncated += u64::from(*is_truncated);
            }
            Action::Forward => self.forwarded += 1,
            Action::Drop(Silence::Limited) => self.rate_limited += 1,
            Action::Drop(Silence::Response) => self.dropped_responses += 1,
            Action::Drop(Silence::Short | Silence::NoSpace) => self.dropped_short += 1,
        }
    }

    /// Notes what another tally noted.
    pub(super) fn add(&mut self, other: &Self) {
        let Self { queries, answers, truncated, forwarded, dropped_responses, dropped_short, rate_limited } =
            other;
        self.queries += queries;
        for (sum, count) in self.answers.iter_mut().zip(answers) {
            *sum += count;
        }
        self.truncated += truncated;
        self.forwarded += forwarded;
        self.dropped_responses += dropped_responses;
        self.dropped_short += dropped_short;
        self.rate_limited += rate_limited;
    }

    /// Adds everything noted to the shared counters.
    pub(super) fn tell(&mut self, queries: &Counter, metrics: &DnsMetrics, legacy: &LegacyCounters) {
        let told = std::mem::take(self);
        let add = |counter: &Counter, count: u64| {
            if count > 0 {
                counter.inc_by(count);
            }
        };
        add(queries, told.queries);
        for (counter, count) in metrics.by_reason.iter().zip(told.answers) {
            add(counter, count);
        }
        add(&metrics.truncated, told.truncated);
        add(&metrics.forwarded, told.forwarded);
        add(&metrics.dropped_responses, told.dropped_responses);
        add(&metrics.dropped_short, told.dropped_short);
        add(&metrics.rate_limited, told.rate_limited);
        let of = |reason: Reason| told.answers[reason as usize];
        let negative = of(Reason::NoData) + of(Reason::NxDomain);
        add(&legacy.mesos_requests, of(Reason::Success) + negative);
        add(&legacy.mesos_success, of(Reason::Success));
        add(&legacy.mesos_nxdomain, negative);
        add(&legacy.non_mesos_requests, told.forwarded);
    }
}
