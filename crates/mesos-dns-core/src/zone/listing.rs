//! What the v1 API shows and DNS does not, or shows differently.
//!
//! The API spells names as they were generated. Names with capitals, names that DNS cannot carry, and
//! SRV records whose target DNS cannot carry, stand here by their text, counted like everything else.
//! In most clusters this table is empty.

use std::{
    collections::{BTreeMap, btree_map as map},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::fitness::leaves_out;
use crate::{
    records::{Data, Fitness, Record},
    table::{Find, Keyed},
};

/// One name of the v1 API with what DNS does not show under it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    /// What DNS answers as well, in lower case: whether it is in force is told by the node of that name.
    pub(super) carried: Values,
    /// What DNS cannot carry.
    pub(super) alone: Values,
}

/// Values of one name with the numbers of their contributors.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) a: BTreeMap<Ipv4Addr, Count>,
    pub(super) aaaa: BTreeMap<Ipv6Addr, Count>,
    pub(super) srv: BTreeMap<(String, u16), Count>,
}

/// How many contribute a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    all: i32,
    unfit: i32,
}

/// Whether the v1 API has a table for such data.
pub(super) fn is_shown(data: &Data) -> bool {
    matches!(data, Data::A(_) | Data::Aaaa(_) | Data::Srv { .. })
}

impl Entry {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Changes the number of contributors of a record.
    pub(super) fn change(&mut self, record: &Record, is_carried: bool, by: i32) {
        let unfit = if record.fitness == Fitness::Unfit { by } else { 0 };
        let values = if is_carried { &mut self.carried } else { &mut self.alone };
        values.change(&record.data, Count { all: by, unfit });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.carried.is_empty() && self.alone.is_empty()
    }
}

impl Values {
    fn change(&mut self, data: &Data, by: Count) {
        match data {
            Data::A(address) => change(&mut self.a, *address, by),
            Data::Aaaa(address) => change(&mut self.aaaa, *address, by),
            Data::Srv { port, target, .. } => change(&mut self.srv, (target.to_text(), *port), by),
            Data::Other { .. } | Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty()
    }

    /// How many contribute these data.
    pub(super) fn count(&self, data: &Data) -> i32 {
        let found = match data {
            Data::A(address) => self.a.get(address),
            Data::Aaaa(address) => self.aaaa.get(address),
            Data::Srv { port, target, .. } => self.srv.get(&(target.to_text(), *port)),
            Data::Other { .. } | Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => None,
        };
        found.map_or(0, |count| count.all)
    }

    /// Whether these data are in force, by these values alone.
    pub(super) fn has_in_force(&self, data: &Data, minimum: u8) -> bool {
        match data {
            Data::A(address) => in_force(&self.a, minimum).any(|other| other == address),
            Data::Aaaa(address) => in_force(&self.aaaa, minimum).any(|other| other == address),
            Data::Srv { port, target, .. } => {
                let wanted = (target.to_text(), *port);
                in_force(&self.srv, minimum).any(|other| *other == wanted)
            }
            Data::Other { .. } | Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => false,
        }
    }
}

/// The values in force of one type.
pub(super) fn in_force<K: Ord>(values: &BTreeMap<K, Count>, minimum: u8) -> impl Iterator<Item = &K> {
    let sum = |part: fn(&Count) -> i32| {
        values.values().fold(0_i64, |sum, count| sum.saturating_add(part(count).into()))
    };
    let leaves_out = leaves_out(sum(|count| count.all), sum(|count| count.unfit), minimum);
    let is_in_force = move |count: &Count| !leaves_out || count.unfit < count.all;
    values.iter().filter(move |(_, count)| is_in_force(count)).map(|(value, _)| value)
}

fn change<K: Ord>(counts: &mut BTreeMap<K, Count>, key: K, by: Count) {
    match counts.entry(key) {
        map::Entry::Occupied(mut found) => {
            let Count { all, unfit } = *found.get();
            let sum = Count { all: all.saturating_add(by.all), unfit: unfit.saturating_add(by.unfit) };
            if sum == Count::default() {
                found.remove();
            } else {
                *found.get_mut() = sum;
            }
        }
        map::Entry::Vacant(space) => _ = space.insert(by),
    }
}

impl Keyed for Entry {
    type Key<'a> = &'a str;

    fn key(&self) -> &str {
        &self.name
    }
}

impl Find<Entry> for &str {
    fn is(&self, entry: &Entry) -> bool {
        *entry.name == **self
    }
}
