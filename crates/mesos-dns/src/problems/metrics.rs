//! What is counted about problems.

use std::{sync::atomic::AtomicU64, time::Duration};

use mesos_dns_core::problems::Kind;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The numbers of problems, and what counting them takes.
#[derive(Clone, Debug, Default)]
pub struct ProblemMetrics {
    found: Family<OfKind, Gauge>,
    counts: Counter,
    /// Counts that broke down.
    pub(super) failures: Counter,
    seconds: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

impl ProblemMetrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let problems = registry.sub_registry_with_prefix("problems");
        problems.register(
            "found",
            "Problems of the last count, each of a service, a framework or an agent: \
                `agent-without-address`, `framework-collision`, `impossible-port`, `orphaned-task`, \
                `reserved-name`, `rewritten-name`, `task-collision`, `task-without-address`, \
                `unencodable-name`",
            self.found.clone(),
        );
        problems.register("counts", "Times that problems were counted", self.counts.clone());
        problems.register(
            "count_failures",
            "Counts that broke down; the numbers of the one before stay",
            self.failures.clone(),
        );
        problems.register("count_seconds", "How long the last count took", self.seconds.clone());
        Kind::ALL.into_iter().for_each(|kind| self.show(kind, 0));
    }

    /// So many there are of this kind.
    pub(super) fn show(&self, kind: Kind, total: u64) {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        self.found.get_or_create(&OfKind { kind: kind.name() }).set(total);
    }

    /// A count has ended.
    pub(super) fn counted(&self, took: Duration) {
        self.counts.inc();
        self.seconds.set(took.as_secs_f64());
    }
}
