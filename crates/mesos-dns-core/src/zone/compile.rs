//! Folds a batch of changes into the tables.

use super::{
    Compiled, DELTA_RECORDS_MAX, Delta, Zone,
    change::{Changes, Law, Manner, Tally, What},
    delta::Move,
    node::{Node, Wire},
};
use crate::{
    table::{KeyHash, Keyed},
    wire::Name,
};

/// A change that waits for [`Zone::compile`].
pub(super) struct Pending {
    pub(super) hash: KeyHash,
    pub(super) owner: Name,
    pub(super) what: What,
    pub(super) by: i32,
    pub(super) manner: Manner,
}

/// What came and went so far, until it is asked for.
pub(super) enum Ledger {
    /// Not listed: the first version, or too much.
    Everything,
    Moves(Vec<Move>),
}

impl Ledger {
    fn list(&mut self) -> Option<&mut Vec<Move>> {
        match self {
            Self::Everything => None,
            Self::Moves(moves) => Some(moves),
        }
    }

    /// Gives up listing where there is too much.
    fn limit(&mut self) {
        if self.list().is_some_and(|moves| moves.len() > DELTA_RECORDS_MAX) {
            *self = Self::Everything;
        }
    }

    fn take(&mut self) -> Delta {
        match std::mem::replace(self, Self::Moves(Vec::new())) {
            Self::Everything => Delta::Everything,
            Self::Moves(moves) => Delta::Records(moves),
        }
    }
}

impl Pending {
    fn has_owner_of(&self, other: &Self) -> bool {
        self.hash == other.hash && (self.owner.is_same(&other.owner) || self.owner == other.owner)
    }
}

impl Zone {
    /// Folds the changes made since the last time in, and tells what that did.
    pub fn compile(&mut self) -> Compiled {
        let copied_before = self.copied_bytes();
        let claims = std::mem::take(&mut self.pending_claims);
        // Reverse zones show the same serial: who compares it must see that an address changed hands.
        self.is_changed |= self.addresses.fold(claims);
        let mut pending = std::mem::take(&mut self.pending);
        // Changes of one owner side by side; by hash first, as names take longer to compare.
        pending.sort_unstable_by(|one, other| {
            one.hash.cmp(&other.hash).then_with(|| one.owner.cmp(&other.owner))
        });
        let (mut owners_compiled, mut set_bytes) = (0_u64, 0_u64);
        let mut changes = Changes::default();
        let mut pending = pending.into_iter().peekable();
        while let Some(first) = pending.next() {
            changes.push(first.what.clone(), first.by, first.manner);
            while let Some(next) = pending.next_if(|next| next.has_owner_of(&first)) {
                changes.push(next.what, next.by, next.manner);
            }
            if changes.combine() {
                let bytes = self.compile_owner(first.owner, &mut changes);
                set_bytes = set_bytes.saturating_add(bytes as u64);
                owners_compiled = owners_compiled.saturating_add(1);
            }
        }
        Compiled {
            is_changed: std::mem::take(&mut self.is_changed),
            delta: self.ledger.take(),
            owners_compiled,
            bytes_copied: self.copied_bytes().saturating_sub(copied_before).saturating_add(set_bytes),
        }
    }

    fn copied_bytes(&self) -> u64 {
        let tables = [self.nodes.copied_bytes(), self.listing.copied_bytes(), self.addresses.copied_bytes()];
        tables.into_iter().fold(0, u64::saturating_add)
    }

    /// Folds the changes of one owner in. Returns how many bytes of records that wrote anew.
    fn compile_owner(&mut self, owner: Name, changes: &mut Changes) -> usize {
        let law = Law { healthy_minimum: self.healthy_minimum, fill: self.gate.fill(&owner) };
        let mut tally = Tally::of(&owner, self.ledger.list());
        let mut made = None;
        let node = match self.nodes.get(Wire(owner.as_wire())) {
            Some(_) => self.nodes.get_mut(Wire(owner.as_wire())),
            None => Some(made.insert(Node::new(owner.clone()))),
        };
        let bytes = node.map_or(0, |node| {
            let was_empty = node.is_empty();
            let bytes = changes.fold_into(node, law, &mut tally);
            self.is_changed |= was_empty != node.is_empty();
            bytes
        });
        let Tally { hash, came, went, .. } = tally;
        let is_server = self.server.as_ref() == Some(&owner);
        self.moved(if is_server { 0 } else { hash }, came, went);
        match made {
            Some(node) if !node.is_empty() => {
                self.nodes.insert(node);
                self.count_child(&owner);
            }
            Some(_) => {}
            None => self.forget_if_vacant(owner.as_wire()),
        }
        bytes
    }

    /// Notes how many records came and went, and by how much that changes the content hash.
    pub(super) fn moved(&mut self, hash: u64, came: u64, went: u64) {
        self.is_changed |= came > 0 || went > 0;
        self.records = self.records.saturating_add(came).saturating_sub(went);
        self.content_hash = self.content_hash.wrapping_add(hash);
        self.ledger.limit();
    }

    /// Tells the names above that a new name stands below them, making those that are missing.
    fn count_child(&mut self, name: &Name) {
        let mut below = Node::new(name.clone());
        while below.name().as_wire().len() > self.apex.as_wire().len() {
            let Some(mut parent) = below.parent() else { return };
            if let Some(node) = self.nodes.get_mut(parent.key()) {
                let children = node.children();
                *children = children.saturating_add(1);
                return;
            }
            *parent.children() = 1;
            self.nodes.insert(parent.clone());
            below = parent;
        }
    }

    /// Removes a name that has neither records nor names below it, and then those above it likewise.
    fn forget_if_vacant(&mut self, name: &[u8]) {
        let mut name = name;
        while name.len() > self.apex.as_wire().len()
            && self.nodes.get(Wire(name)).is_some_and(Node::is_vacant)
        {
            self.nodes.remove(Wire(name));
            let Some(parent) = parent(name) else { return };
            if let Some(node) = self.nodes.get_mut(Wire(parent)) {
                let children = node.children();
                *children = children.saturating_sub(1);
            }
            name = parent;
        }
    }
}

/// What follows the first label of a wire name.
pub(super) fn parent(name: &[u8]) -> Option<&[u8]> {
    let step = usize::from(*name.first()?).checked_add(1)?;
    name.get(step..)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        records::{Area, Data, Owner, Rank, Record, Reverse, Spot},
        table::Seed,
        test_support::name,
    };

    /// Reverse zones have no serial of their own.
    #[test]
    fn who_wins_an_address_is_a_change() {
        let claim = |owner: &str, rank| {
            let spot = Some(Arc::new(Spot { agent: "a".into(), area: Area::V4([10, 0, 0]) }));
            let reverse = Reverse { address: [10, 0, 0, 1].into(), rank, spot, is_counted: false };
            Record::from_parts(Owner::new(owner), Data::Reverse(Box::new(reverse)))
        };
        let mut zone = Zone::new(name("mesos."), None, Seed(1));
        zone.add(&claim("web.mesos.", Rank::Task));
        assert!(zone.compile().is_changed);
        zone.add(&claim("node1.example.", Rank::Agent));
        let Compiled { is_changed, delta, .. } = zone.compile();
        assert!(is_changed && delta.is_empty(), "no record of the domain came or went");
        assert_eq!((zone.records(), zone.content_hash), (0, 0));
        assert!(!zone.compile().is_changed);
    }
}
