//! What the DNS server counts.

use mesos_dns_core::answer::{Action, Reason, Silence};
use prometheus_client::{
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
    pub(super) connections: Gauge,
    pub(super) connections_refused: Counter,
    pub(super) connections_cut: Counter,
    pub(super) accept_errors: Counter,
}

/// One label with its value, both fixed in this file.
type Label = [(&'static str, &'static str); 1];

impl Default for DnsMetrics {
    fn default() -> Self {
        let queries = Family::<Label, Counter>::default();
        let answers = Family::<Label, Counter>::default();
        let member = |family: &Family<Label, Counter>, label| family.get_or_create(&[label]).clone();
        Self {
            queries_udp: member(&queries, ("transport", "udp")),
            queries_tcp: member(&queries, ("transport", "tcp")),
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
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_cut: Counter::default(),
            accept_errors: Counter::default(),
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
            ("panics", "Queries that met a fault in this program", &self.panics),
            (
                "connections_refused",
                "Connections closed at once because of a limit",
                &self.connections_refused,
            ),
            (
                "connections_cut",
                "Connections closed because a message did not arrive in time",
                &self.connections_cut,
            ),
            ("accept_errors", "Failed accept calls", &self.accept_errors),
        ] {
            dns.register(name, help, counter.clone());
        }
        dns.register("connections", "Open TCP connections", self.connections.clone());
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
