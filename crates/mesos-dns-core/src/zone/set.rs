//! Counted records of one owner and type.
//!
//! Several tasks can contribute the same record, so each carries how many do. Changes are appended
//! unsorted, in constant time, and [`Set::seal`] folds them in once per batch: loading 100,000 tasks of
//! one name costs one sort and not 100,000 insertions.

use std::{
    cmp::Ordering,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::{records::Data, wire::Name};

/// One record's data with the number of its contributors.
pub(super) trait Item: Clone {
    /// Orders by data, never by count.
    fn compare(&self, other: &Self) -> Ordering;
    /// The number of contributors; in a change, by how much it changes.
    fn count(&mut self) -> &mut i32;
    /// A number that depends on the data alone; the same in every process.
    fn content_hash(&self, owner: u64) -> u64;
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

impl Item for A {
    fn compare(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address)
    }

    fn count(&mut self) -> &mut i32 {
        &mut self.count
    }

    fn content_hash(&self, owner: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(&self.address.octets(), owner)
    }
}

impl Item for Aaaa {
    fn compare(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address)
    }

    fn count(&mut self) -> &mut i32 {
        &mut self.count
    }

    fn content_hash(&self, owner: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(&self.address.octets(), owner)
    }
}

impl Item for Srv {
    /// Ports first: they mostly differ, and comparing them touches no other memory.
    fn compare(&self, other: &Self) -> Ordering {
        self.port.cmp(&other.port).then_with(|| self.target.as_wire().cmp(other.target.as_wire()))
    }

    fn count(&mut self) -> &mut i32 {
        &mut self.count
    }

    fn content_hash(&self, owner: u64) -> u64 {
        let seed = owner.rotate_left(17) ^ u64::from(self.port);
        xxhash_rust::xxh3::xxh3_64_with_seed(self.target.as_wire(), seed)
    }
}

/// Sorted records first, then changes that were not folded in yet.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    items: Vec<T>,
    sealed: usize,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { items: Vec::new(), sealed: 0 }
    }
}

impl<T: Item> Set<T> {
    /// The records, sorted, each once. Changes since the last sealing are not in it.
    pub(super) fn sealed(&self) -> &[T] {
        self.items.get(..self.sealed).unwrap_or_default()
    }

    /// Notes a change.
    pub(super) fn push(&mut self, change: T) {
        self.items.push(change);
    }

    /// Folds the changes in; calls `moved` for each record that came (`true`) or went (`false`).
    pub(super) fn seal(&mut self, mut moved: impl FnMut(&T, bool)) {
        if self.sealed == self.items.len() {
            return;
        }
        let mut changes = self.items.split_off(self.sealed);
        changes.sort_by(T::compare);
        let mut old = std::mem::take(&mut self.items).into_iter().peekable();
        let mut merged = Vec::with_capacity(old.len().saturating_add(changes.len()));
        let mut changes = changes.into_iter().peekable();
        while let Some(mut change) = changes.next() {
            while let Some(other) = changes.next_if(|other| other.compare(&change).is_eq()) {
                add(&mut change, other);
            }
            while let Some(before) = old.next_if(|before| before.compare(&change).is_lt()) {
                merged.push(before);
            }
            let before = old.next_if(|before| before.compare(&change).is_eq());
            let was = before.is_some();
            if let Some(before) = before {
                add(&mut change, before);
            }
            let is = *change.count() > 0;
            if was != is {
                moved(&change, is);
            }
            if is {
                merged.push(change);
            }
        }
        merged.extend(old);
        merged.shrink_to_fit();
        self.sealed = merged.len();
        self.items = merged;
    }
}

/// Adds the count of `other`, whose data is the same.
fn add<T: Item>(item: &mut T, mut other: T) {
    let sum = item.count().saturating_add(*other.count());
    *item.count() = sum;
}

/// The sets of one owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    pub(super) a: Set<A>,
    pub(super) aaaa: Set<Aaaa>,
    pub(super) srv: Set<Srv>,
}

impl Sets {
    /// Notes that `by` more (or fewer) contribute this record. [`Data::Unknown`] is not a record.
    pub(super) fn push(&mut self, data: &Data, by: i32) {
        match data {
            Data::A(address) => self.a.push(A { address: *address, count: by }),
            Data::Aaaa(address) => self.aaaa.push(Aaaa { address: *address, count: by }),
            Data::Srv { port, target } => {
                if let Some(target) = target.name() {
                    self.srv.push(Srv { target: target.clone(), count: by, port: *port });
                }
            }
            Data::Unknown => {}
        }
    }

    /// Folds all changes in; calls `moved` with the content hash of each record that came or went.
    pub(super) fn seal(&mut self, owner: u64, mut moved: impl FnMut(u64, bool)) {
        self.a.seal(|item, came| moved(item.content_hash(owner), came));
        self.aaaa.seal(|item, came| moved(item.content_hash(owner), came));
        self.srv.seal(|item, came| moved(item.content_hash(owner), came));
    }

    /// Whether there is no record.
    pub(super) fn is_empty(&self) -> bool {
        self.a.sealed().is_empty() && self.aaaa.sealed().is_empty() && self.srv.sealed().is_empty()
    }

    /// How many contribute this record.
    pub(super) fn count(&self, data: &Data) -> i32 {
        fn find<T: Item>(set: &Set<T>, wanted: &T) -> i32 {
            let found = set.sealed().binary_search_by(|item| item.compare(wanted));
            found.ok().and_then(|at| set.sealed().get(at)).map_or(0, |item| *item.clone().count())
        }
        match data {
            Data::A(address) => find(&self.a, &A { address: *address, count: 0 }),
            Data::Aaaa(address) => find(&self.aaaa, &Aaaa { address: *address, count: 0 }),
            Data::Srv { port, target } => target
                .name()
                .map_or(0, |target| find(&self.srv, &Srv { target: target.clone(), count: 0, port: *port })),
            Data::Unknown => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_order() {
        let mut set = Set::default();
        let a = |last, count| A { address: Ipv4Addr::new(10, 0, 0, last), count };
        let mut log = Vec::new();
        for change in [a(3, 1), a(1, 1), a(3, 1), a(2, 1), a(2, -1)] {
            set.push(change);
        }
        set.seal(|item, came| log.push((item.address.octets()[3], came)));
        assert_eq!(log, [(1, true), (3, true)]);
        let see = |set: &Set<A>| {
            set.sealed().iter().map(|item| (item.address.octets()[3], item.count)).collect::<Vec<_>>()
        };
        assert_eq!(see(&set), [(1, 1), (3, 2)]);
        log.clear();
        for change in [a(3, -1), a(1, -1), a(7, 1)] {
            set.push(change);
        }
        assert_eq!(see(&set), [(1, 1), (3, 2)], "changes show only once sealed");
        set.seal(|item, came| log.push((item.address.octets()[3], came)));
        assert_eq!(log, [(1, false), (7, true)]);
        assert_eq!(see(&set), [(3, 1), (7, 1)]);
    }
}
