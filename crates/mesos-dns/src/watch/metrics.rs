//! What the watcher counts.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::{cluster::Skipped, mesos::operator::EventType, watch::subscribe::End};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::metrics::{Age, Ages, Moment};

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
    /// Whether the leader talks to us: a stream runs, or the last round of polling gave a document.
    connected: Gauge,
    /// Whether a stream runs.
    streaming: Gauge,
    /// How often the leader should say something.
    interval: Gauge<f64, AtomicU64>,
    /// When an event was last taken in, and when the leader last said anything at all.
    last_event: Moment,
    last_heard: Moment,
    /// Bytes of the last whole document or snapshot, as they came.
    snapshot_bytes: Gauge,
    events: Family<OfType, Counter>,
    by_type: [Counter; EventType::ALL.len()],
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

/// The type of an event.
type OfType = [(&'static str, &'static str); 1];

/// The moments whose age is shown.
const AGES: &[Age<WatchMetrics>] = &[
    ("last_event_age", "Since the last event of the stream that was no heartbeat", |metrics| {
        &metrics.last_event
    }),
    (
        "last_heartbeat_age",
        "Since the leader last said anything: an event, a heartbeat, or a document that was believed",
        |metrics| &metrics.last_heard,
    ),
];

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

impl From<End> for EndReason {
    fn from(end: End) -> Self {
        match end {
            End::Closed => Self::Closed,
            End::Dropped => Self::Dropped,
            End::Malformed => Self::Malformed,
            End::Overrun => Self::Overrun,
            End::Silent => Self::Silent,
        }
    }
}

impl Failure {
    /// All of them, to be shown as 0 from the start.
    const ALL: [Self; 12] = [
        Self::Auth,
        Self::Connect,
        Self::Http,
        Self::Incomplete,
        Self::Malformed,
        Self::NotLeader,
        Self::Redirect,
        Self::Resolve,
        Self::Status,
        Self::Timeout,
        Self::Tls,
        Self::TooLarge,
    ];
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
        let events = Family::<OfType, Counter>::default();
        Self {
            connected: Gauge::default(),
            streaming: Gauge::default(),
            interval: Gauge::default(),
            last_event: Moment::default(),
            last_heard: Moment::default(),
            snapshot_bytes: Gauge::default(),
            by_type: EventType::ALL.map(|event| events.get_or_create(&[("type", event.label())]).clone()),
            events,
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
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        self.begin_all();
        let masters = registry.sub_registry_with_prefix("masters");
        masters.register_collector(Box::new(Ages { of: self.clone(), rows: AGES }));
        for (name, help, gauge) in [
            (
                "connected",
                "1 while the leader talks to us: its stream of events runs, or it answered when it was last polled",
                &self.connected,
            ),
            ("streaming", "1 while a stream of events runs; 0 while the state is polled", &self.streaming),
        ] {
            masters.register(name, help, gauge.clone());
        }
        let help = "How often the leader should say something: the heartbeat that it announced, or the time between \
                    two polls; 0 before it ever did";
        masters.register_with_unit("heartbeat_interval", help, Unit::Seconds, self.interval.clone());
        let help = "Size of the last whole state that was read, as it came (compressed, where it was)";
        masters.register_with_unit("snapshot", help, Unit::Bytes, self.snapshot_bytes.clone());
        masters.register("events", "Events taken in from streams, by type", self.events.clone());
        for (name, help, counter) in [
            ("requests", "Requests made to masters", &self.requests),
            ("documents", "Documents believed", &self.documents),
            ("redirects", "Times we were sent on and went", &self.redirects),
            (
                "redirects_refused",
                "Times we did not: once too often, in a circle, by a stranger",
                &self.redirects_refused,
            ),
            ("logins", "Tokens asked of the identity service", &self.logins),
        ] {
            masters.register(name, help, counter.clone());
        }
        masters.register(
            "failures",
            "Requests without a document of the leader: `Auth`, `Connect`, `Http`, `Incomplete`, \
                `Malformed`, `NotLeader`, `Redirect`, `Resolve`, `Status`, `Timeout`, `Tls`, \
                `TooLarge`",
            self.failures.clone(),
        );
        masters.register_with_unit(
            "received",
            "Bodies as received, still compressed",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
        let help = "From a request to its decoded document";
        masters.register_with_unit("fetch", help, Unit::Seconds, self.fetch_seconds.clone());
        for (name, help, counter) in [
            ("streams", "Streams of events that began", &self.streams),
            (
                "streams_refused",
                "Times that a master had none for us: too old, or our credentials do not suffice; it \
                is polled",
                &self.streams_refused,
            ),
            ("events_unknown", "Events of types that we do not know", &self.events_unknown),
            (
                "events_malformed",
                "Events that lack something; the state is compared soon after",
                &self.events_malformed,
            ),
        ] {
            masters.register(name, help, counter.clone());
        }
        masters.register(
            "stream_ends",
            "Streams that ended: `Closed`, `Dropped` (another master leads), `Malformed`, \
                `Overrun` (faster than we could take them in), `Silent` (three heartbeats missed)",
            self.ends.clone(),
        );
        masters.register(
            "skipped",
            "Left out of documents, each time it is met: `Agents`, `AgentAddresses`, `Frameworks`, \
                `FrameworkAddresses`, `Tasks`, `PortRanges`, `TaskAddresses`, `PortMappings`, \
                `Labels`, `OverLimit`",
            self.skipped.clone(),
        );
        let help = "Unix time of the last document believed; 0 before the first";
        masters.register_with_unit("last_success", help, Unit::Seconds, self.last_success_seconds.clone());
        let zookeeper = registry.sub_registry_with_prefix("zookeeper");
        for (name, help, counter) in [
            ("sessions", "Sessions begun", &self.sessions),
            ("sessions_lost", "Sessions lost, expired ones included", &self.sessions_lost),
            ("bad_nodes", "Nodes that could not be read or made no sense", &self.bad_nodes),
            ("members_ignored", "Members beyond 64", &self.members_ignored),
            (
                "panics",
                "Panics of the ZooKeeper session or of the watcher; they are started anew",
                &self.panics,
            ),
            ("leader_changes", "Changes of the leader as ZooKeeper shows it", &self.leader_changes),
        ] {
            zookeeper.register(name, help, counter.clone());
        }
        let names = registry.sub_registry_with_prefix("names");
        for (name, help, counter) in [
            ("lookups", "Host names asked of the system's resolver", &self.lookups),
            ("lookup_failures", "Those that failed or took longer than 5 s", &self.lookup_failures),
            ("ignored", "Host names beyond 65,536", &self.names_ignored),
        ] {
            names.register(name, help, counter.clone());
        }
    }

    /// Has every member shown from the start: what is counted for the first time is seen to rise.
    fn begin_all(&self) {
        Failure::ALL.into_iter().for_each(|reason| drop(self.failures.get_or_create(&Failed { reason })));
        for end in [End::Closed, End::Dropped, End::Malformed, End::Overrun, End::Silent] {
            drop(self.ends.get_or_create(&Ended { reason: end.into() }));
        }
        self.count_skipped(&Skipped::default());
    }

    /// How many requests gave no document for this reason.
    pub fn failures(&self, reason: Failure) -> u64 {
        self.failures.get_or_create(&Failed { reason }).get()
    }

    /// Counts a request that gave no document.
    pub(super) fn count_failure(&self, reason: Failure) {
        self.failures.get_or_create(&Failed { reason }).inc();
    }

    /// A stream begins, and has a heartbeat so often.
    pub(super) fn begin_stream(&self, heartbeat: Duration) {
        self.streams.inc();
        self.streaming.set(1);
        self.interval.set(heartbeat.as_secs_f64());
    }

    /// A stream ended.
    pub(super) fn count_end(&self, end: End) {
        self.streaming.set(0);
        self.connected.set(0);
        self.ends.get_or_create(&Ended { reason: end.into() }).inc();
    }

    /// Nobody reads any stream yet.
    pub(super) fn handle_start(&self) {
        self.streaming.set(0);
    }

    /// A whole round gave no document. While a stream runs, a comparison that fails is none.
    pub(super) fn handle_failure(&self) {
        if self.streaming.get() == 0 {
            self.connected.set(0);
        }
    }

    /// The stream said something, of these types.
    pub(super) fn heard(&self, by_type: &[u64; EventType::ALL.len()], now: Instant) {
        self.last_heard.set(now);
        for (event, (counter, count)) in EventType::ALL.into_iter().zip(self.by_type.iter().zip(by_type)) {
            if *count > 0 {
                counter.inc_by(*count);
                if event != EventType::Heartbeat {
                    self.last_event.set(now);
                }
            }
        }
    }

    /// A whole state came, in so many bytes.
    pub(super) fn snapshot(&self, bytes: usize) {
        self.snapshot_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A document was believed; without a stream, the next one comes after this time.
    pub(super) fn handle_document(&self, polled_every: Option<Duration>) {
        self.documents.inc();
        self.connected.set(1);
        self.last_heard.set(Instant::now());
        if let Some(every) = polled_every {
            self.interval.set(every.as_secs_f64());
        }
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
