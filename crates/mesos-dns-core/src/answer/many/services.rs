//! The records of one SRV answer, in order, and the names whose addresses go with them.

use std::hint::black_box;

use crate::{
    answer::order::Order,
    table::{CANDIDATES_MAX, KeyHash},
    wire::Name,
    zone::{Node, Snapshot, Srv},
};

/// Most records of an answer that is written here, and so most targets.
pub(super) const TARGETS_MAX: usize = CANDIDATES_MAX;

/// Targets that are read before the first is written. Rarely do more fit where they are not all wanted.
const AHEAD: usize = 16;

/// Records in the order in which to write them.
pub(super) struct Chosen<'a> {
    items: [Option<&'a Srv>; TARGETS_MAX],
}

impl<'a> Chosen<'a> {
    /// All records in random order; `None` if they are too many. Targets stand anywhere in memory, so the first of
    /// them are read together.
    pub(super) fn of(set: &'a [Srv], dice: u64) -> Option<Self> {
        let mut items = [None; TARGETS_MAX];
        if let [one] = set {
            *items.first_mut()? = Some(one);
            return Some(Self { items });
        }
        if set.len() > TARGETS_MAX {
            return None;
        }
        for (space, at) in items.iter_mut().zip(Order::new(set.len(), dice)) {
            *space = set.get(at);
        }
        let ahead = items.iter().take(AHEAD).flatten();
        black_box(ahead.fold(0, |touched, item| touched | item.target.as_wire().len()));
        Some(Self { items })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a Srv> {
        self.items.iter().copied().map_while(|item| item)
    }
}

/// Names in the message, and where they are.
pub(super) struct Targets<'a> {
    names: [Option<(&'a Name, u16)>; TARGETS_MAX],
    count: usize,
}

impl Default for Targets<'_> {
    fn default() -> Self {
        Self { names: [None; TARGETS_MAX], count: 0 }
    }
}

impl<'a> Targets<'a> {
    /// Notes that `name` stands at `offset`.
    pub(super) fn note(&mut self, name: &'a Name, offset: usize) {
        if let (Some(space), Ok(offset)) = (self.names.get_mut(self.count), u16::try_from(offset)) {
            *space = Some((name, offset));
            self.count = self.count.saturating_add(1);
        }
    }

    /// Each name once, where it stands first, and the node that may be its.
    pub(super) fn find(&self, zone: &'a Snapshot) -> impl Iterator<Item = (&'a Name, u16, Option<&'a Node>)> {
        let mut names = [None; TARGETS_MAX];
        let mut hashes = [KeyHash::default(); TARGETS_MAX];
        let mut count = 0_usize;
        for (name, at) in self.names.iter().flatten() {
            let hash = zone.hash(name.as_wire());
            let mut known = hashes.iter().zip(&names).take(count);
            let is_it = |(other_hash, other): (&KeyHash, &Option<(&Name, u16)>)| {
                *other_hash == hash && other.is_some_and(|(other, _)| other == *name)
            };
            if known.any(is_it) {
                continue;
            }
            if let (Some(space), Some(space_hash)) = (names.get_mut(count), hashes.get_mut(count)) {
                (*space, *space_hash) = (Some((*name, *at)), hash);
                count = count.saturating_add(1);
            }
        }
        let mut nodes = [None; TARGETS_MAX];
        zone.candidates(hashes.get(..count).unwrap_or_default(), &mut nodes);
        names.into_iter().zip(nodes).map_while(|(name, node)| name.map(|(name, at)| (name, at, node)))
    }
}
