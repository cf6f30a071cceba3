//! What came and went between two versions.

use serde::Serialize;

use super::{RecordFilter, RecordItem};
use crate::{
    cluster::Framework,
    records::{Policy, fragment},
    wire::Name,
    zone::{Mark, Move, Soa},
};

/// What came and went with a version, or a part of that.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The version that it leads to.
    pub version: u64,
    /// Its serial; `None` if it was replaced before it got one, or has none yet.
    pub serial: Option<u32>,
    /// Records that came.
    pub added: Vec<RecordItem>,
    /// Records that went, as they were.
    pub removed: Vec<RecordItem>,
}

/// Which changes are wanted.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Those of these records.
    pub records: RecordFilter,
    /// Those of the names of a framework.
    pub framework: Option<FrameworkNames>,
}

/// The names of a framework and of its tasks.
#[derive(Clone, Debug)]
pub struct FrameworkNames([Name; 2]);

impl FrameworkNames {
    /// Those of a framework of this name; `None` if it cannot have any.
    pub fn of(name: &str, policy: &Policy) -> Option<Self> {
        let fragment = fragment(name, policy.rules);
        let zone = |middle: &str| Name::from_plain(&format!("{fragment}{middle}.{}.", policy.domain)).ok();
        // `slave` is what these names have always been called.
        Some(Self([zone("")?, zone(".slave")?])).filter(|_| !fragment.is_empty())
    }

    /// Those of a framework.
    pub fn of_framework(framework: &Framework, policy: &Policy) -> Option<Self> {
        Self::of(&framework.name, policy)
    }
}

impl Scope {
    fn takes(&self, step: &Move) -> bool {
        let is_of = |names: &FrameworkNames| names.0.iter().any(|zone| step.owner.is_within(zone));
        RecordItem::is_wanted(&step.rdata, &self.records)
            && self.records.takes_name(step.owner.view())
            && self.framework.as_ref().is_none_or(is_of)
    }
}

/// As many of the wanted changes as `most`, and how many of `moves` were looked at for that.
pub fn changed(mark: Mark, moves: &[Move], scope: &Scope, soa: &Soa, most: usize) -> (Change, usize) {
    let serial = mark.serial.map(|serial| serial.0);
    let mut change = Change { version: mark.version, serial, ..Change::default() };
    let mut told = 0_usize;
    for (step, looked_at) in moves.iter().zip(0_usize..) {
        if !scope.takes(step) {
            continue;
        }
        if told == most {
            return (change, looked_at);
        }
        told = told.saturating_add(1);
        let ttl = step.ttl.unwrap_or(soa.ttl);
        let item = RecordItem::new(step.owner.to_string(), &step.rdata, ttl, soa);
        if step.came { change.added.push(item) } else { change.removed.push(item) }
    }
    (change, moves.len())
}

impl Change {
    /// Whether nothing that is wanted came or went.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}
