//! Names that the operator wrote records for, and what of the cluster's gets past them.

use std::collections::{HashMap, HashSet};

use super::{change::What, sets::Sets};
use crate::{
    records::{Data, Fixed, Record, Rule},
    wire::Name,
};

/// See the head of this file.
#[derive(Default)]
pub(super) struct Gate {
    /// Where nothing of the cluster is taken.
    closed: HashSet<Name>,
    fills: HashMap<Name, Fill>,
}

/// What stands at a name for as long as the cluster contributes no record there.
#[derive(Default)]
pub(super) struct Fill {
    pub(super) sets: Sets,
    pub(super) ttl: Option<u32>,
}

impl Gate {
    /// The gate for these names, of which only those below `apex` are ours.
    pub(super) fn new(fixed: &Fixed, apex: &Name) -> Self {
        let mut gate = Self::default();
        for (name, owner) in fixed.owners.iter().filter(|(name, _)| name.is_within(apex)) {
            match owner.rule {
                Rule::Fill => _ = gate.fills.insert(name.clone(), Fill::new(&owner.data)),
                Rule::Override => _ = gate.closed.insert(name.clone()),
            }
        }
        gate
    }

    /// Whether a contribution of the cluster is taken.
    pub(super) fn admits(&self, record: &Record) -> bool {
        self.closed.is_empty() || !record.owner.name().is_some_and(|name| self.closed.contains(name))
    }

    /// What stands at this name if the cluster contributes no record there.
    pub(super) fn fill(&self, name: &Name) -> Option<&Fill> {
        if self.fills.is_empty() { None } else { self.fills.get(name) }
    }

    /// All names that are filled.
    pub(super) fn filled(&self) -> impl Iterator<Item = &Name> {
        self.fills.keys()
    }
}

impl Fill {
    fn new(data: &[Data]) -> Self {
        let mut fill = Self::default();
        for what in data.iter().cloned().filter_map(What::new) {
            match what {
                What::Record(rdata) => fill.sets.push(rdata, 1),
                What::Ttl(ttl) => fill.ttl = Some(fill.ttl.map_or(ttl, |other| other.min(ttl))),
                What::Unknown | What::Nothing => {}
            }
        }
        fill.sets.combine();
        fill
    }
}
