//! What the publisher counts.

use std::sync::Arc;

use mesos_dns_core::watch::{believe::Why, knowledge::Held};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Published, freshness::FreshnessMetrics, records::RecordMetrics};
use crate::metrics::{Age, Ages, Moment};

/// Counters of taking in what the masters say, and of publishing it.
#[derive(Debug, Default)]
pub struct PublishMetrics {
    /// Faults of our own met on the way.
    pub(super) panics: Counter,
    /// Documents taken over.
    pub(super) updates: Counter,
    /// Events taken over.
    pub(super) changes: Counter,
    /// Events about tasks that nobody told us of.
    pub(super) unknown_tasks: Counter,
    /// What documents had to correct because no event told it.
    pub(super) drift: Counter,
    pub(super) publications: Counter,
    /// Times that an operator vouched for the leader.
    pub(super) releases: Counter,
    pub(super) tasks_generated: Counter,
    pub(super) owners_compiled: Counter,
    pub(super) bytes_copied: Counter,
    /// Times that something began to be held, by reason.
    held: Family<Kept, Counter>,
    held_tasks: Gauge,
    held_agents: Gauge,
    /// How soon events are answered from.
    pub(super) freshness: FreshnessMetrics,
    /// Records by type.
    pub(super) by_type: RecordMetrics,
    /// When records last came or went.
    pub(super) changed: Moment,
    content_hash: Gauge,
    addresses: Gauge,
    pub(super) names: Gauge,
    tasks: Gauge,
    agents: Gauge,
    frameworks: Gauge,
    serial: Gauge,
    withheld_special: Gauge,
    withheld_hidden: Gauge,
    withheld_ports: Gauge,
    withheld_addresses: Gauge,
    withheld_unreachable: Gauge,
    unencodable: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kept {
    reason: Reason,
}

/// Why something was held: `believe::Why`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Reason {
    Empty,
    Loss,
    Recovering,
    Settling,
}

/// The moments whose age is shown.
const AGES: &[Age<PublishMetrics>] =
    &[("age", "Since records last came or went, or were first published", |metrics| &metrics.changed)];

/// Bits of the content hash that are shown: a number in Prometheus holds no more.
const HASH_BITS: u32 = 48;

impl PublishMetrics {
    /// Registers the counters.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        let zone = registry.sub_registry_with_prefix("zone");
        zone.register_collector(Box::new(Ages { of: self.clone(), rows: AGES }));
        self.freshness.register(zone);
        self.by_type.register(zone);
        for reason in [Reason::Empty, Reason::Loss, Reason::Recovering, Reason::Settling] {
            drop(self.held.get_or_create(&Kept { reason }));
        }
        for (name, help, counter) in [
            ("panics", "Faults of this program met while publishing; the zone is built anew", &self.panics),
            ("updates", "Documents taken over", &self.updates),
            ("changes", "Events taken over", &self.changes),
            (
                "unknown_tasks",
                "Events about tasks that nobody told us of; the state is compared soon after",
                &self.unknown_tasks,
            ),
            ("drift", "Agents and tasks that a comparison corrected, as no event told of them", &self.drift),
            (
                "publications",
                "Versions published; far fewer than updates while nothing changes",
                &self.publications,
            ),
            (
                "releases",
                "Times that an operator vouched for the leader: `mesos-dns release`, SIGUSR1",
                &self.releases,
            ),
            ("tasks_generated", "Tasks whose records were made anew", &self.tasks_generated),
            ("owners_compiled", "Names whose records were compiled anew", &self.owners_compiled),
            ("copied_bytes", "Copied for a new version because older ones share it", &self.bytes_copied),
        ] {
            zone.register(name, help, counter.clone());
        }
        zone.register(
            "held",
            "Times that something began to be held which the leader does not show: `Empty`, \
                `Loss`, `Recovering`, `Settling`",
            self.held.clone(),
        );
        for (name, help, metric) in [
            ("held_tasks", "Tasks held that the leader does not show", &self.held_tasks),
            ("held_agents", "Agents that the leader waits for", &self.held_agents),
            (
                "content_hash",
                "The lower 48 bits of a hash of all records: servers that answer alike show the same number",
                &self.content_hash,
            ),
            ("addresses", "Addresses of which we know the name", &self.addresses),
            ("names", "Names, empty non-terminals included", &self.names),
            ("tasks", "Tasks that have not ended", &self.tasks),
            ("agents", "Agents", &self.agents),
            ("frameworks", "Frameworks", &self.frameworks),
            ("serial", "SOA serial: Unix time of the last change", &self.serial),
            (
                "withheld_special",
                "Names of tasks, and tasks of frameworks, withheld because they are reserved",
                &self.withheld_special,
            ),
            (
                "withheld_hidden",
                "Tasks and ports withheld because they are not meant to be seen (`visibility`)",
                &self.withheld_hidden,
            ),
            (
                "withheld_ports",
                "Ports withheld: 0, above 65535, or beyond 1024 of a task",
                &self.withheld_ports,
            ),
            (
                "withheld_addresses",
                "Addresses of tasks withheld because nobody else could reach them: loopback, \
                link-local, multicast and the like",
                &self.withheld_addresses,
            ),
            (
                "withheld_unreachable",
                "Ports withheld because no address is known at which they are open",
                &self.withheld_unreachable,
            ),
            ("unencodable_records", "Names that only the HTTP API can show", &self.unencodable),
        ] {
            zone.register(name, help, metric.clone());
        }
    }

    /// Something began to be held, for this reason.
    pub(super) fn count_held(&self, why: Why) {
        let reason = match why {
            Why::Empty => Reason::Empty,
            Why::Loss => Reason::Loss,
            Why::Recovering => Reason::Recovering,
            Why::Settling => Reason::Settling,
        };
        self.held.get_or_create(&Kept { reason }).inc();
    }

    /// A version is published.
    pub(super) fn show(&self, published: &Published) {
        let (zone, cluster, withheld) = (&published.zone, &published.cluster, published.zone.withheld());
        let held = |count: fn(&Held) -> usize| published.held.as_ref().map_or(0, count);
        self.publications.inc();
        for (metric, value) in [
            (&self.held_tasks, held(|held| held.tasks)),
            (&self.held_agents, held(|held| held.agents)),
            (&self.names, zone.names()),
            (&self.addresses, zone.addresses()),
            (&self.tasks, cluster.tasks.len()),
            (&self.agents, cluster.agents.len()),
            (&self.frameworks, cluster.frameworks.len()),
        ] {
            metric.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.content_hash.set((zone.content_hash() & ((1 << HASH_BITS) - 1)) as i64);
        for (metric, value) in [
            (&self.serial, zone.serial()),
            (&self.withheld_special, withheld.special),
            (&self.withheld_hidden, withheld.hidden),
            (&self.withheld_ports, withheld.ports),
            (&self.withheld_addresses, withheld.addresses),
            (&self.withheld_unreachable, withheld.unreachable),
            (&self.unencodable, withheld.unencodable),
        ] {
            metric.set(i64::from(value));
        }
    }
}
