//! What the watcher counts.

use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::{cluster::Skipped, watch::subscribe::End};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Counters of finding the leader and fetching the state.
#[derive(Debug)]
pub struct WatchMetrics {
    /// Requests made to masters.
    pub requests: Counter,
    /// Requests that gave no document of the leader, by reason.
    failures: Family<Failed, Counter>,
    /// Documents sent to the publisher.
    pub documents: Counter,
    /// Bytes of bodies as they came over the network.
    pub received_bytes: Counter,
    /// Seconds from the start of a request to the decoded document.
    pub fetch_seconds: Histogram,
    /// Redirects and `leader` members followed.
    pub redirects: Counter,
    /// Redirects not followed: once too often, in a circle, by a master that may not, to another scheme.
    pub redirects_refused: Counter,
    /// Times the identity service was asked for a token.
    pub logins: Counter,
    /// Streams of events that began.
    pub streams: Counter,
    /// Times that a master had none for us.
    pub streams_refused: Counter,
    /// Streams that ended, by reason.
    ends: Family<Ended, Counter>,
    /// Events that were taken in.
    pub events: Counter,
    /// Events of types that we do not know.
    pub events_unknown: Counter,
    /// Events that lack something.
    pub events_malformed: Counter,
    /// Parts of documents that were left out, by kind.
    skipped: Family<LeftOut, Counter>,
    /// ZooKeeper sessions begun.
    pub sessions: Counter,
    /// ZooKeeper sessions that ended without our doing, expiry included.
    pub sessions_lost: Counter,
    /// ZooKeeper nodes that could not be read or made no sense.
    pub bad_nodes: Counter,
    /// Members of the ZooKeeper group beyond the limit, not read.
    pub members_ignored: Counter,
    /// Times the session's task panicked and was started anew.
    pub panics: Counter,
    /// Changes of the leader as ZooKeeper shows it.
    pub leader_changes: Counter,
    /// Host names asked of the system's resolver.
    pub lookups: Counter,
    /// Those that failed or took too long.
    pub lookup_failures: Counter,
    /// Host names beyond the limit, not looked up.
    pub names_ignored: Counter,
    /// Unix time of the last document that was believed, 0 before the first.
    pub last_success_seconds: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    reason: Failure,
}

/// Why a request gave no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(missing_docs, reason = "each is named after its variant of `master::FetchError`")]
pub enum Failure {
    Auth,
    Connect,
    Http,
    Incomplete,
    Malformed,
    NotLeader,
    Redirect,
    Resolve,
    Status,
    Timeout,
    Tls,
    TooLarge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    reason: EndReason,
}

/// Why a stream ended: `subscribe::End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum EndReason {
    Closed,
    Dropped,
    Malformed,
    Overrun,
    Silent,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeftOut {
    part: SkippedPart,
}

/// What was left out of a document: the fields of `cluster::Skipped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum SkippedPart {
    Agents,
    AgentAddresses,
    Frameworks,
    FrameworkAddresses,
    Tasks,
    PortRanges,
    TaskAddresses,
    PortMappings,
    Labels,
    OverLimit,
}

impl Default for WatchMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            failures: Family::default(),
            documents: Counter::default(),
            received_bytes: Counter::default(),
            fetch_seconds: Histogram::new([0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]),
            redirects: Counter::default(),
            redirects_refused: Counter::default(),
            logins: Counter::default(),
            streams: Counter::default(),
            streams_refused: Counter::default(),
            ends: Family::default(),
            events: Counter::default(),
            events_unknown: Counter::default(),
            events_malformed: Counter::default(),
            skipped: Family::default(),
            sessions: Counter::default(),
            sessions_lost: Counter::default(),
            bad_nodes: Counter::default(),
            members_ignored: Counter::default(),
            panics: Counter::default(),
            leader_changes: Counter::default(),
            lookups: Counter::default(),
            lookup_failures: Counter::default(),
            names_ignored: Counter::default(),
            last_success_seconds: Gauge::default(),
        }
    }
}

impl WatchMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let masters = registry.sub_registry_with_prefix("masters");
        for (name, help, counter) in [
            ("requests", "Requests made to masters", &self.requests),
            ("documents", "State documents believed", &self.documents),
            ("redirects", "Redirects and leader members followed", &self.redirects),
            ("redirects_refused", "Redirects not followed", &self.redirects_refused),
            ("logins", "Tokens asked of the identity service", &self.logins),
        ] {
            masters.register(name, help, counter.clone());
        }
        masters.register("failures", "Requests without a document of the leader", self.failures.clone());
        masters.register_with_unit(
            "received",
            "Bytes of bodies as received",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
        let help = "Time from request to decoded document";
        masters.register_with_unit("fetch", help, Unit::Seconds, self.fetch_seconds.clone());
        for (name, help, counter) in [
            ("streams", "Streams of events that began", &self.streams),
            ("streams_refused", "Times that a master had no stream for us", &self.streams_refused),
            ("events", "Events taken in", &self.events),
            ("events_unknown", "Events of unknown types", &self.events_unknown),
            ("events_malformed", "Events that lack something", &self.events_malformed),
        ] {
            masters.register(name, help, counter.clone());
        }
        masters.register("stream_ends", "Streams of events that ended", self.ends.clone());
        masters.register("skipped", "Parts of documents left out", self.skipped.clone());
        let help = "Unix time of the last document believed";
        masters.register_with_unit("last_success", help, Unit::Seconds, self.last_success_seconds.clone());
        let zookeeper = registry.sub_registry_with_prefix("zookeeper");
        for (name, help, counter) in [
            ("sessions", "Sessions begun", &self.sessions),
            ("sessions_lost", "Sessions lost, expired ones included", &self.sessions_lost),
            ("bad_nodes", "Nodes that could not be read or made no sense", &self.bad_nodes),
            ("members_ignored", "Members of the group beyond the limit", &self.members_ignored),
            ("panics", "Panics of the session or of the watcher", &self.panics),
            ("leader_changes", "Changes of the leader", &self.leader_changes),
        ] {
            zookeeper.register(name, help, counter.clone());
        }
        let names = registry.sub_registry_with_prefix("names");
        for (name, help, counter) in [
            ("lookups", "Host names asked of the resolver", &self.lookups),
            ("lookup_failures", "Host names that failed or took too long", &self.lookup_failures),
            ("ignored", "Host names beyond the limit", &self.names_ignored),
        ] {
            names.register(name, help, counter.clone());
        }
    }

    /// How many requests gave no document for this reason.
    pub fn failures(&self, reason: Failure) -> u64 {
        self.failures.get_or_create(&Failed { reason }).get()
    }

    /// Counts a request that gave no document.
    pub(super) fn count_failure(&self, reason: Failure) {
        self.failures.get_or_create(&Failed { reason }).inc();
    }

    /// A stream ended.
    pub(super) fn count_end(&self, end: End) {
        let reason = match end {
            End::Closed => EndReason::Closed,
            End::Dropped => EndReason::Dropped,
            End::Malformed => EndReason::Malformed,
            End::Overrun => EndReason::Overrun,
            End::Silent => EndReason::Silent,
        };
        self.ends.get_or_create(&Ended { reason }).inc();
    }

    /// A document was believed.
    pub(super) fn handle_document(&self) {
        self.documents.inc();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success_seconds.set(since_epoch.as_secs_f64());
    }

    /// Counts what a document had to leave out.
    pub(super) fn count_skipped(&self, skipped: &Skipped) {
        for (part, number) in [
            (SkippedPart::Agents, skipped.agents),
            (SkippedPart::AgentAddresses, skipped.agent_addresses),
            (SkippedPart::Frameworks, skipped.frameworks),
            (SkippedPart::FrameworkAddresses, skipped.framework_addresses),
            (SkippedPart::Tasks, skipped.tasks),
            (SkippedPart::PortRanges, skipped.port_ranges),
            (SkippedPart::TaskAddresses, skipped.task_addresses),
            (SkippedPart::PortMappings, skipped.port_mappings),
            (SkippedPart::Labels, skipped.labels),
            (SkippedPart::OverLimit, skipped.over_limit),
        ] {
            self.skipped.get_or_create(&LeftOut { part }).inc_by(number);
        }
    }
}
