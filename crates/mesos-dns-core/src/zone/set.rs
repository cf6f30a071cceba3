//! Counted records of one owner and type.
//!
//! Several tasks can contribute the same record, so each carries how many do. Changes are collected in any order and
//! folded in once per batch: loading 100,000 tasks of one name costs one sort and not 100,000 insertions.

use std::{
    cmp::Ordering,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Rdata;
use crate::wire::Name;

/// Something with the number of its contributors.
pub(super) trait Counted: Clone {
    /// Orders by data, never by count.
    fn compare(&self, other: &Self) -> Ordering;
    /// The number of contributors; in a change, by how much it changes.
    fn count(&self) -> i32;
    /// The same data with so many contributors more.
    fn add(&mut self, more: i32);
}

/// One record's data with the number of its contributors.
pub(super) trait Item: Counted {
    /// A number that depends on the data alone; the same in every process.
    fn content_hash(&self, owner: u64) -> u64;
    /// The data.
    fn rdata(&self) -> Rdata;
}

/// An IPv4 address of an owner.
#[derive(Clone, Copy, Debug)]
pub struct A {
    /// The address.
    pub address: Ipv4Addr,
    pub(super) count: i32,
}

/// An IPv6 address of an owner.
#[derive(Clone, Copy, Debug)]
pub struct Aaaa {
    /// The address.
    pub address: Ipv6Addr,
    pub(super) count: i32,
}

/// A service instance of an owner.
#[derive(Clone, Debug)]
pub struct Srv {
    /// Where it runs.
    pub target: Name,
    pub(super) count: i32,
    /// On which port.
    pub port: u16,
}

impl Counted for A {
    fn compare(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address)
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

impl Item for A {
    fn content_hash(&self, owner: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(&self.address.octets(), owner)
    }

    fn rdata(&self) -> Rdata {
        Rdata::A(self.address)
    }
}

impl Counted for Aaaa {
    fn compare(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address)
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

impl Item for Aaaa {
    fn content_hash(&self, owner: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(&self.address.octets(), owner)
    }

    fn rdata(&self) -> Rdata {
        Rdata::Aaaa(self.address)
    }
}

impl Counted for Srv {
    /// Ports first: they mostly differ, and comparing them touches no other memory.
    fn compare(&self, other: &Self) -> Ordering {
        self.port.cmp(&other.port).then_with(|| self.target.cmp(&other.target))
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

impl Item for Srv {
    fn content_hash(&self, owner: u64) -> u64 {
        let seed = owner.rotate_left(17) ^ u64::from(self.port);
        xxhash_rust::xxh3::xxh3_64_with_seed(self.target.as_wire(), seed)
    }

    fn rdata(&self) -> Rdata {
        Rdata::Srv { port: self.port, target: self.target.clone(), preference: None }
    }
}

/// Sorts changes, makes one of all that concern the same data, and drops what comes to nothing.
pub(super) fn combine<T: Counted>(changes: &mut Vec<T>) {
    if changes.len() > 1 {
        changes.sort_unstable_by(T::compare);
        changes.dedup_by(|later, earlier| {
            let is_same = later.compare(earlier).is_eq();
            if is_same {
                earlier.add(later.count());
            }
            is_same
        });
    }
    changes.retain(|change| change.count() != 0);
}

/// Writes sorted records with combined changes folded in to `merged`, each once; calls `moved` for each record that
/// came (`true`) or went (`false`).
pub(super) fn merge<T: Counted>(
    old: &[T],
    changes: &mut Vec<T>,
    merged: &mut Vec<T>,
    mut moved: impl FnMut(&T, bool),
) {
    let mut old = old.iter().peekable();
    for mut change in changes.drain(..) {
        merged.extend(std::iter::from_fn(|| old.next_if(|before| before.compare(&change).is_lt())).cloned());
        let before = old.next_if(|before| before.compare(&change).is_eq());
        if let Some(before) = before {
            change.add(before.count());
        }
        let is = change.count() > 0;
        if before.is_some() != is {
            moved(&change, is);
        }
        if is {
            merged.push(change);
        }
    }
    merged.extend(old.cloned());
}

/// Calls `moved` for each record that is only in the new one of two sorted sets (`true`) or in the old one (`false`).
pub(super) fn differ<T: Counted>(old: &[T], new: &[T], mut moved: impl FnMut(&T, bool)) {
    let mut old = old.iter().peekable();
    for item in new {
        while let Some(gone) = old.next_if(|before| before.compare(item).is_lt()) {
            moved(gone, false);
        }
        if old.next_if(|before| before.compare(item).is_eq()).is_none() {
            moved(item, true);
        }
    }
    old.for_each(|gone| moved(gone, false));
}

/// The number of contributors that a sorted set notes for the data of `wanted`.
pub(super) fn count_of<T: Counted>(set: &[T], wanted: &T) -> i32 {
    let found = set.binary_search_by(|item| item.compare(wanted));
    found.ok().and_then(|at| set.get(at)).map_or(0, T::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_order() {
        let a = |last, count| A { address: Ipv4Addr::new(10, 0, 0, last), count };
        let fold = |old: &[A], changes: &[A]| {
            let (mut changes, mut merged, mut log) = (changes.to_vec(), Vec::new(), Vec::new());
            combine(&mut changes);
            merge(old, &mut changes, &mut merged, |item, came| log.push((item.address.octets()[3], came)));
            (merged, log)
        };
        let see =
            |set: &[A]| set.iter().map(|item| (item.address.octets()[3], item.count)).collect::<Vec<_>>();
        let (set, log) = fold(&[], &[a(3, 1), a(1, 1), a(3, 1), a(2, 1), a(2, -1)]);
        assert_eq!(log, [(1, true), (3, true)]);
        assert_eq!(see(&set), [(1, 1), (3, 2)]);
        let (set, log) = fold(&set, &[a(3, -1), a(1, -1), a(7, 1)]);
        assert_eq!(log, [(1, false), (7, true)]);
        assert_eq!(see(&set), [(3, 1), (7, 1)]);
        assert_eq!((count_of(&set, &a(7, 0)), count_of(&set, &a(1, 0))), (1, 0));
    }
}
