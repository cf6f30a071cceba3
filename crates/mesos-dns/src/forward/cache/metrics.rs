//! What is counted of remembered answers.

use std::time::{Duration, Instant};

use mesos_dns_core::forward::{
    entry::{Freshness, Manner},
    held::Found,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

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
    /// Bytes they may take.
    pub capacity: Gauge,
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
            capacity: Gauge::default(),
            evictions: Counter::default(),
            refreshes: Counter::default(),
            flushed: Counter::default(),
            answers,
        }
    }
}

impl CacheMetrics {
    pub(in crate::forward) fn register(&self, registry: &mut Registry) {
        let help = "Of these, answered from memory: `fresh`, `aging` (asked for anew if popular), \
                `negative`, `failure` (one a moment ago), `stale` (no server answered, or none soon)";
        registry.register("answers", help, self.answers.clone());
        registry.register("misses", "Of these, with nothing to tell at once", self.misses.clone());
        registry.register("entries", "Answers remembered", self.entries.clone());
        registry.register("bytes", "Bytes of memory they take; `cacheSize` at most", self.bytes.clone());
        registry.register(
            "capacity_bytes",
            "Bytes of memory they may take: cacheSize",
            self.capacity.clone(),
        );
        registry.register(
            "evictions",
            "Let go for want of room: many of them beside many misses ask for a larger `cacheSize`",
            self.evictions.clone(),
        );
        registry.register(
            "refreshes",
            "Popular ones asked for anew before their end",
            self.refreshes.clone(),
        );
        registry.register("flushed", "Forgotten because of `mesos-dns flush`", self.flushed.clone());
    }

    /// Counts what was found.
    pub(in crate::forward) fn found(&self, found: &Found, now: Instant, stale_max: Duration) {
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
    pub(in crate::forward) fn stale(&self) {
        self.stale.inc();
    }
}
