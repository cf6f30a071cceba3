//! The last deltas, for those who follow a zone record by record: incremental transfer, and the API that tells
//! changes.
//!
//! A follower says which version it has. If the journal still reaches back that far, it gives every step from there
//! to the present; else the follower takes the whole zone. The journal belongs to the writer and is bounded, so
//! nobody who is slow, or gone, makes it grow.

use std::{collections::VecDeque, sync::Arc};

use super::{DELTA_RECORDS_MAX, Delta, Serial};

/// Most records that all steps of a journal hold together. As many as the largest delta lists: some mebibytes.
pub const JOURNAL_RECORDS_MAX: usize = DELTA_RECORDS_MAX;

/// Most steps of a journal: half an hour at one change a second.
pub const JOURNAL_STEPS_MAX: usize = 2048;

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct Journal {
    records_max: usize,
    steps_max: usize,
    /// Where the oldest step begins.
    base: Mark,
    steps: VecDeque<Step>,
    records: usize,
}

/// A version by its two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Counts publications.
    pub version: u64,
    /// The SOA serial; `None` for a version that was answered from before its serial was due, and never got one.
    pub serial: Option<Serial>,
}

/// The way from the version before to this one.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it leads.
    pub mark: Mark,
    /// What came and went; never [`Delta::Everything`].
    pub delta: Arc<Delta>,
}

impl Journal {
    /// A journal that begins at a version.
    pub fn new(version: u64, serial: Option<Serial>) -> Self {
        Self::with_limits(version, serial, JOURNAL_RECORDS_MAX, JOURNAL_STEPS_MAX)
    }

    fn with_limits(version: u64, serial: Option<Serial>, records_max: usize, steps_max: usize) -> Self {
        let base = Mark { version, serial };
        Self { records_max, steps_max, base, steps: VecDeque::new(), records: 0 }
    }

    /// Adds the step to a newer version, which has no serial yet.
    ///
    /// [`Delta::Everything`] makes the journal begin anew: nobody gets past it record by record.
    pub fn push(&mut self, version: u64, delta: Delta) {
        let mark = Mark { version, serial: None };
        let Some(records) = delta.records() else {
            self.base = mark;
            self.steps.clear();
            self.records = 0;
            return;
        };
        self.records = self.records.saturating_add(records);
        self.steps.push_back(Step { mark, delta: Arc::new(delta) });
        while self.records > self.records_max || self.steps.len() > self.steps_max {
            let Some(oldest) = self.steps.pop_front() else { return };
            self.records = self.records.saturating_sub(oldest.delta.records().unwrap_or(0));
            self.base = oldest.mark;
        }
    }

    /// Gives the newest version its serial.
    pub fn label(&mut self, serial: Serial) {
        self.steps.back_mut().map_or(&mut self.base, |step| &mut step.mark).serial = Some(serial);
    }

    /// The newest version.
    pub fn newest(&self) -> Mark {
        self.steps.back().map_or(self.base, |step| step.mark)
    }

    /// The version that the oldest step begins with.
    pub fn oldest(&self) -> Mark {
        self.base
    }

    /// The version that has this serial.
    pub fn version_of(&self, serial: Serial) -> Option<u64> {
        let marks = self.steps.iter().rev().map(|step| step.mark).chain([self.base]);
        marks.into_iter().find(|mark| mark.serial == Some(serial)).map(|mark| mark.version)
    }

    /// The steps from a version to the newest one, none if it is that; `None` if the journal does not know the
    /// version: then only the whole zone helps.
    pub fn since(&self, version: u64) -> Option<impl Iterator<Item = &Step>> {
        let first = match self.steps.binary_search_by_key(&version, |step| step.mark.version) {
            Ok(at) => at.saturating_add(1),
            Err(_) if version == self.base.version => 0,
            Err(_) => return None,
        };
        Some(self.steps.iter().skip(first))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        records::{Data, Fitness, Owner, Record},
        table::Seed,
        wire::Name,
        zone::{Rdata, Snapshot, Soa, Zone, sets::Slices},
    };

    /// Every record of a version that DNS answers, with its TTL.
    fn records(zone: &Snapshot) -> BTreeSet<(Name, Rdata, Option<u32>)> {
        let mut all = BTreeSet::new();
        for node in zone.nodes() {
            node.slices().tell(Slices::default(), &mut |rdata, _, _| {
                all.insert((node.name().to_name(), rdata, node.ttl()));
            });
        }
        all
    }

    fn snapshot(zone: &Zone) -> Snapshot {
        let name = |text| Name::parse(text).unwrap();
        let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
        let soa = Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 5, ttl: 5, weight: 1 };
        zone.snapshot(Arc::new(soa), Serial(1))
    }

    fn record(owner: u8, data: u8) -> Record {
        let data_is_unfit = data % 4 == 3;
        let names =
            ["a.mesos.", "b.a.mesos.", "B.a.mesos.", "_x._tcp.a.mesos.", "mesos.", "other.", "a..mesos."];
        let owner = Owner::new(names[usize::from(owner) % names.len()]);
        let data = match data % 9 {
            0 => Data::Unknown,
            1 => Data::Aaaa(format!("fd00::{data}").parse().unwrap()),
            2 => Data::service(data.into(), owner.clone()),
            3 => Data::Ttl(u32::from(data % 4)),
            4 => Data::Other { rtype: [5, 12, 16][usize::from(data % 3)], rdata: [1, b'a', 0][..].into() },
            _ => Data::A([10, 0, 0, data].into()),
        };
        let fitness = if data_is_unfit { Fitness::Unfit } else { Fitness::Fit };
        Record { fitness, ..Record::from_parts(owner, data) }
    }

    proptest! {
        /// An old version's records and the steps since then are the new version's records.
        #[test]
        fn steps_lead_from_version_to_version(
            batches in prop::collection::vec(prop::collection::vec(any::<(u8, u8, bool)>(), 0..12), 1..20)
        ) {
            let mut zone = Zone::new(Name::parse("mesos.").unwrap(), None, Seed(1));
            let mut journal = Journal::with_limits(0, None, 40, 10);
            prop_assert_eq!(zone.compile().delta, Delta::Everything);
            let mut versions = vec![(0, records(&snapshot(&zone)))];
            let mut standing: Vec<Record> = Vec::new();
            for (batch, version) in batches.iter().zip(1..) {
                for (owner, data, comes) in batch {
                    if *comes || standing.is_empty() {
                        zone.add(&record(*owner, *data));
                        standing.push(record(*owner, *data));
                    } else {
                        zone.remove(&standing.swap_remove(usize::from(*data) % standing.len()));
                    }
                }
                let compiled = zone.compile();
                prop_assert!(compiled.is_changed || compiled.delta.is_empty());
                journal.push(version, compiled.delta);
                versions.push((version, records(&snapshot(&zone))));
            }
            let (_, newest) = versions.last().unwrap();
            let mut reached = 0;
            for (version, mut all) in versions.clone() {
                let Some(steps) = journal.since(version) else { continue };
                reached += 1;
                for step in steps {
                    let Delta::Records(moves) = &*step.delta else { panic!("listed") };
                    for step in moves {
                        let key = (step.owner.clone(), step.rdata.clone(), step.ttl);
                        prop_assert!(if step.came { all.insert(key) } else { all.remove(&key) }, "{:?}", step);
                    }
                }
                prop_assert_eq!(&all, newest);
            }
            prop_assert_eq!(reached, journal.steps.len() + 1);
            prop_assert!(journal.records <= 40 && journal.steps.len() <= 10);
        }
    }

    #[test]
    fn gaps_and_serials() {
        let some = |count| {
            let step = |last| crate::zone::Move {
                owner: Name::parse("a.mesos.").unwrap(),
                rdata: Rdata::A([10, 0, 0, last].into()),
                ttl: None,
                came: true,
            };
            Delta::Records((0..count).map(step).collect())
        };
        let mut journal = Journal::with_limits(7, Some(Serial(100)), 10, 3);
        let lengths = |journal: &Journal, version| {
            journal
                .since(version)
                .map(|steps| steps.map(|step| step.delta.records().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!((lengths(&journal, 7), lengths(&journal, 6)), (Some(vec![]), None));
        journal.push(8, some(4));
        journal.push(9, some(6));
        journal.label(Serial(101));
        assert_eq!(lengths(&journal, 7), Some(vec![4, 6]));
        assert_eq!((journal.version_of(Serial(100)), journal.version_of(Serial(101))), (Some(7), Some(9)));
        // Too many records: the oldest step goes, and with it what leads on from version 7.
        journal.push(10, some(1));
        assert_eq!((lengths(&journal, 7), lengths(&journal, 8)), (None, Some(vec![6, 1])));
        assert_eq!(journal.version_of(Serial(100)), None);
        // Too many steps.
        journal.push(11, some(0));
        journal.push(12, some(0));
        assert_eq!((lengths(&journal, 8), lengths(&journal, 9)), (None, Some(vec![1, 0, 0])));
        assert_eq!(journal.version_of(Serial(101)), Some(9));
        // One step that is too large for the journal.
        journal.push(13, some(11));
        assert_eq!((lengths(&journal, 12), lengths(&journal, 13)), (None, Some(vec![])));
        journal.push(14, Delta::Everything);
        journal.label(Serial(102));
        assert_eq!((lengths(&journal, 13), lengths(&journal, 14)), (None, Some(vec![])));
        assert_eq!(journal.newest(), Mark { version: 14, serial: Some(Serial(102)) });
        assert_eq!(lengths(&journal, 15), None);
    }
}
