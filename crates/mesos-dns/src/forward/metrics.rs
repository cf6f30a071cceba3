//! What the forwarder counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::forward::{
    Refusal, Transport,
    admission::Limit,
    entry::{Freshness, Manner},
    exchange::{Heard, Transmit},
    held::Found,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Counters of the forwarder. Queries less replies is what is outstanding.
#[derive(Debug)]
pub struct ForwardMetrics {
    /// Queries taken in.
    pub queries: Counter,
    /// What is remembered.
    pub cache: Arc<CacheMetrics>,
    /// Queries that joined an exchange under way for the same question.
    pub joined: Counter,
    replies: Family<Replied, Counter>,
    refusals: Family<Refused, Counter>,
    limits: Family<Limited, Counter>,
    tries: Family<Tried, Counter>,
    /// Messages on a socket of ours that belonged to no question of ours: late, doubled or forged.
    pub strays: Counter,
    /// Configured servers left out because they are ourselves, counted at each start and reload.
    pub own_servers: Counter,
    /// Time from a query to its outcome, for queries that went to servers.
    pub seconds: Histogram,
}

/// How a query ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Outcome {
    /// With a server's answer.
    Answered,
    /// With a server's error, no other having done better.
    Error,
    /// With an error of ours: no server sent anything that could be passed on.
    Failed,
    /// With SERVFAIL: a limit was reached.
    Limited,
    /// With an answer of ours.
    Local,
    /// With FORMERR, NOTIMP or nothing.
    Malformed,
    /// With REFUSED of ours.
    Refused,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With something the server said.
    Heard(Heard),
    /// With an error of the network.
    Failure,
    /// With silence.
    Timeout,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replied {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    limit: &'static str,
}

/// Labels of a try. The server is one the operator configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tried {
    server: String,
    transport: &'static str,
    result: &'static str,
}

impl Default for ForwardMetrics {
    fn default() -> Self {
        Self {
            queries: Counter::default(),
            cache: Arc::default(),
            joined: Counter::default(),
            replies: Family::default(),
            refusals: Family::default(),
            limits: Family::default(),
            tries: Family::default(),
            strays: Counter::default(),
            own_servers: Counter::default(),
            // From a cache next door (1 ms) to the longest budget (16 s).
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
        }
    }
}

impl ForwardMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let forward = registry.sub_registry_with_prefix("forward");
        self.cache.register(forward.sub_registry_with_prefix("cache"));
        forward.register("queries", "Queries for names that are not ours", self.queries.clone());
        forward.register("joined", "Queries served by an exchange that was under way", self.joined.clone());
        forward.register("replies", "How these queries ended for the client", self.replies.clone());
        forward.register("refusals", "Queries refused, by reason", self.refusals.clone());
        forward.register("limits", "Queries turned away, by the limit they met", self.limits.clone());
        forward.register("tries", "Messages sent to servers, by what became of them", self.tries.clone());
        forward.register("strays", "Messages from servers that belong to no question", self.strays.clone());
        let help = "Configured servers left out because they are this process";
        forward.register("own_servers", help, self.own_servers.clone());
        let help = "Time to the outcome of queries that went to servers";
        forward.register_with_unit("exchange", help, Unit::Seconds, self.seconds.clone());
    }

    pub(super) fn replied(&self, outcome: Outcome) {
        self.replies.get_or_create(&Replied { outcome }).inc();
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Client => "client",
            Refusal::Kind => "kind",
            Refusal::NoRecursion => "no_recursion",
            Refusal::NoServers => "no_servers",
            Refusal::Off => "off",
            Refusal::OwnDomain => "own_domain",
        };
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    pub(super) fn limited(&self, limit: Limit) {
        let limit = match limit {
            Limit::Askers => "askers",
            Limit::Total => "total",
            Limit::Zone => "zone",
            Limit::Client => "client",
            Limit::Loop => "loop",
        };
        self.limits.get_or_create(&Limited { limit }).inc();
    }

    pub(super) fn tried(&self, transmit: &Transmit, ended: Ended) {
        let transport = match transmit.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let result = match ended {
            Ended::Heard(Heard::Answer) => "answer",
            Ended::Heard(Heard::Error(_)) => "error",
            Ended::Heard(Heard::Malformed) => "malformed",
            Ended::Heard(Heard::Stray | Heard::StraysMax) => "strays",
            Ended::Heard(Heard::Truncated) => "truncated",
            Ended::Failure => "failure",
            Ended::Timeout => "timeout",
        };
        self.tries.get_or_create(&Tried { server: transmit.server.to_string(), transport, result }).inc();
    }
}

//------------ CacheMetrics ----------------------------------------------------

/// Counters of what is remembered.
#[derive(Debug)]
pub struct CacheMetrics {
    answers: Family<Remembered, Counter>,
    // One of each kind, so that counting looks nothing up.
    fresh: Counter,
    aging: Counter,
    negative: Counter,
    failure: Counter,
    stale: Counter,
    /// Questions about which nothing was to be told at once.
    pub misses: Counter,
    /// Answers remembered now.
    pub entries: Gauge,
    /// Bytes they take.
    pub bytes: Gauge,
    /// Answers let go for want of room.
    pub evictions: Counter,
    /// Popular answers asked for anew before their end.
    pub refreshes: Counter,
    /// Answers forgotten because the operator said so.
    pub flushed: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Remembered {
    kind: &'static str,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        let answers = Family::<Remembered, Counter>::default();
        let of = |kind| answers.get_or_create(&Remembered { kind }).clone();
        Self {
            fresh: of("fresh"),
            aging: of("aging"),
            negative: of("negative"),
            failure: of("failure"),
            stale: of("stale"),
            misses: Counter::default(),
            entries: Gauge::default(),
            bytes: Gauge::default(),
            evictions: Counter::default(),
            refreshes: Counter::default(),
            flushed: Counter::default(),
            answers,
        }
    }
}

impl CacheMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "Answers told from memory, by kind";
        registry.register("answers", help, self.answers.clone());
        registry.register("misses", "Questions with nothing to tell at once", self.misses.clone());
        registry.register("entries", "Answers remembered", self.entries.clone());
        registry.register("bytes", "Bytes of memory they take", self.bytes.clone());
        registry.register("evictions", "Answers let go for want of room", self.evictions.clone());
        registry.register("refreshes", "Popular answers asked for anew", self.refreshes.clone());
        registry.register("flushed", "Answers forgotten by order", self.flushed.clone());
    }

    /// Counts what was found.
    pub(super) fn found(&self, found: &Found, now: Instant, stale_max: Duration) {
        let counter = match found {
            Found::Ask(_) => &self.misses,
            Found::Tell { manner: Manner::Remembered, .. } => &self.failure,
            Found::Tell { manner: Manner::Stale, .. } => &self.stale,
            Found::Tell { entry, .. } if entry.is_negative() => &self.negative,
            Found::Tell { entry, .. } if entry.freshness(now, stale_max) == Freshness::Aging => &self.aging,
            Found::Tell { .. } => &self.fresh,
        };
        counter.inc();
    }

    /// Counts a stale answer that was told because no server answered, or not soon.
    pub(super) fn stale(&self) {
        self.stale.inc();
    }
}
