//! What the publisher counts.

use mesos_dns_core::watch::{believe::Why, knowledge::Held};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Published;

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
    records: Gauge,
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

impl PublishMetrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let zone = registry.sub_registry_with_prefix("zone");
        for (name, help, counter) in [
            ("panics", "Faults of this program met while publishing", &self.panics),
            ("updates", "Views of the cluster taken over", &self.updates),
            ("changes", "Events taken over", &self.changes),
            ("unknown_tasks", "Events about tasks that nobody told us of", &self.unknown_tasks),
            ("drift", "Agents and tasks that a document corrected, as no event told of them", &self.drift),
            ("publications", "Versions published", &self.publications),
            ("releases", "Times that an operator vouched for the leader", &self.releases),
            ("tasks_generated", "Tasks whose records were made anew", &self.tasks_generated),
            ("owners_compiled", "Names whose records were compiled anew", &self.owners_compiled),
            ("copied_bytes", "Bytes copied because older versions share them", &self.bytes_copied),
        ] {
            zone.register(name, help, counter.clone());
        }
        zone.register("held", "Times that something was held which the leader lacks", self.held.clone());
        for (name, help, metric) in [
            ("held_tasks", "Tasks held that the leader does not show", &self.held_tasks),
            ("held_agents", "Agents that the leader waits for", &self.held_agents),
            ("records", "Records that DNS answers", &self.records),
            ("names", "Names, empty non-terminals included", &self.names),
            ("tasks", "Tasks that have not ended", &self.tasks),
            ("agents", "Agents", &self.agents),
            ("frameworks", "Frameworks", &self.frameworks),
            ("serial", "SOA serial", &self.serial),
            (
                "withheld_special",
                "Names of tasks, and tasks of frameworks, withheld because they are reserved",
                &self.withheld_special,
            ),
            (
                "withheld_hidden",
                "Tasks and ports withheld because they are not meant to be seen",
                &self.withheld_hidden,
            ),
            (
                "withheld_ports",
                "Ports withheld because they cannot exist or are too many",
                &self.withheld_ports,
            ),
            (
                "withheld_addresses",
                "Addresses of tasks withheld because nobody else could reach them",
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
            (&self.tasks, cluster.tasks.len()),
            (&self.agents, cluster.agents.len()),
            (&self.frameworks, cluster.frameworks.len()),
        ] {
            metric.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.records.set(i64::try_from(zone.records()).unwrap_or(i64::MAX));
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
