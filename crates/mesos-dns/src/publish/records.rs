//! How many records there are of each type, kept from one version to the next by what came and went.

use mesos_dns_core::{
    wire::rtype,
    zone::{Delta, Node, Rdata, Snapshot},
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Types that are told apart; what operators add beside them is `other`.
const TYPES: [&str; 5] = ["A", "AAAA", "SRV", "TXT", "other"];

type Label = [(&'static str, &'static str); 1];

/// Records by type, and what became of them.
#[derive(Debug)]
pub(super) struct RecordMetrics {
    records: Family<Label, Gauge>,
    by_type: [Gauge; TYPES.len()],
    changes: Family<Label, Counter>,
    added: Counter,
    removed: Counter,
    rebuilds: Counter,
}

impl Default for RecordMetrics {
    fn default() -> Self {
        let (records, changes) = (Family::<Label, Gauge>::default(), Family::<Label, Counter>::default());
        let op = |op| changes.get_or_create(&[("op", op)]).clone();
        let (added, removed) = (op("added"), op("removed"));
        Self {
            by_type: TYPES.map(|name| records.get_or_create(&[("type", name)]).clone()),
            added,
            removed,
            records,
            changes,
            rebuilds: Counter::default(),
        }
    }
}

impl RecordMetrics {
    pub(super) fn register(&self, zone: &mut Registry) {
        zone.register(
            "records",
            "Records that DNS answers, by type; SOA, NS and names of addresses not counted",
            self.records.clone(),
        );
        zone.register(
            "record_changes",
            "Records that came and went from version to version",
            self.changes.clone(),
        );
        let help = "Versions of which it was not listed what came and went: the first one, and those with too many \
                    changes";
        zone.register("rebuilds", help, self.rebuilds.clone());
    }

    /// What came and went on the way to a new version; `false` if that is not listed, and its records are to be counted.
    pub(super) fn follow(&self, delta: &Delta) -> bool {
        let Delta::Records(moves) = delta else {
            self.rebuilds.inc();
            return false;
        };
        for change in moves {
            let gauge = &self.by_type[of(&change.rdata)];
            match change.came {
                true => _ = (gauge.inc(), self.added.inc()),
                false => _ = (gauge.dec(), self.removed.inc()),
            }
        }
        true
    }

    /// Counts the records of a version.
    pub(super) fn count(&self, zone: &Snapshot) {
        let mut counts = [0_i64; TYPES.len()];
        for node in zone.nodes() {
            counts[0] += node.a().len() as i64;
            counts[1] += node.aaaa().len() as i64;
            counts[2] += (node.srv().len() + node.preferred().len()) as i64;
            let texts = node.others(rtype::TXT).count() as i64;
            counts[3] += texts;
            counts[4] += others(node) - texts;
        }
        self.by_type.iter().zip(counts).for_each(|(gauge, count)| _ = gauge.set(count));
    }
}

fn others(node: &Node) -> i64 {
    node.all_others().len() as i64
}

/// Which of [`TYPES`].
fn of(rdata: &Rdata) -> usize {
    match rdata {
        Rdata::A(_) => 0,
        Rdata::Aaaa(_) => 1,
        Rdata::Srv { .. } => 2,
        Rdata::Other { rtype: rtype::TXT, .. } => 3,
        Rdata::Other { .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use mesos_dns_core::{
        records::{Owner, Record},
        table::Seed,
        zone::{Serial, Zone},
    };

    use super::*;
    use crate::test_support::{policy, soa};

    fn numbers(metrics: &RecordMetrics) -> Vec<i64> {
        metrics.by_type.iter().map(Gauge::get).collect()
    }

    #[test]
    fn following_ends_where_counting_does() {
        let mut zone = Zone::new(policy().apex.clone(), None, Seed(1));
        let record = |name: &str, address: [u8; 4]| Record::new(&Owner::new(name), IpAddr::from(address));
        let v6 = Record::new(&Owner::new("web.mesos."), IpAddr::from([7_u16; 8]));
        zone.add(&record("web.mesos.", [10, 0, 0, 1]));
        let metrics = RecordMetrics::default();
        assert!(!metrics.follow(&zone.compile().delta), "the first version is counted");
        metrics.count(&zone.snapshot(soa(), Serial(1)));
        assert_eq!(numbers(&metrics), [1, 0, 0, 0, 0]);

        zone.add(&record("web.mesos.", [10, 0, 0, 2]));
        zone.add(&record("db.mesos.", [10, 0, 0, 3]));
        zone.add(&v6);
        zone.remove(&record("web.mesos.", [10, 0, 0, 1]));
        assert!(metrics.follow(&zone.compile().delta));
        assert_eq!(numbers(&metrics), [2, 1, 0, 0, 0]);
        assert_eq!((metrics.added.get(), metrics.removed.get(), metrics.rebuilds.get()), (3, 1, 1));
        let counted = RecordMetrics::default();
        counted.count(&zone.snapshot(soa(), Serial(2)));
        assert_eq!(numbers(&counted), numbers(&metrics));
    }
}
