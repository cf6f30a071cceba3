//! What the v1 API shows and DNS does not, or shows differently.
//!
//! The API spells names as they were generated. Names with capitals, names that DNS cannot carry, and
//! SRV records whose target DNS cannot carry, stand here by their text, counted like everything else.
//! In most clusters this table is empty.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::{
    records::{Data, Record},
    table::{Find, Keyed},
};

/// One name of the v1 API with what DNS does not show under it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) a: BTreeMap<Ipv4Addr, i32>,
    pub(super) aaaa: BTreeMap<Ipv6Addr, i32>,
    pub(super) srv: BTreeMap<(String, u16), i32>,
}

impl Entry {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Changes the number of contributors of a record.
    pub(super) fn change(&mut self, data: &Data, by: i32) {
        match data {
            Data::A(address) => change(&mut self.a, *address, by),
            Data::Aaaa(address) => change(&mut self.aaaa, *address, by),
            Data::Srv { port, target, .. } => change(&mut self.srv, (target.to_text(), *port), by),
            Data::Other { .. } | Data::Ttl(_) | Data::Unknown => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty()
    }

    /// How many contribute this record.
    pub(super) fn count(&self, record: &Record) -> i32 {
        let found = match &record.data {
            Data::A(address) => self.a.get(address),
            Data::Aaaa(address) => self.aaaa.get(address),
            Data::Srv { port, target, .. } => self.srv.get(&(target.to_text(), *port)),
            Data::Other { .. } | Data::Ttl(_) | Data::Unknown => None,
        };
        found.copied().unwrap_or(0)
    }
}

fn change<K: Ord>(counts: &mut BTreeMap<K, i32>, key: K, by: i32) {
    let count = counts.entry(key);
    match count {
        std::collections::btree_map::Entry::Occupied(mut found) => {
            let sum = found.get().saturating_add(by);
            if sum == 0 {
                found.remove();
            } else {
                *found.get_mut() = sum;
            }
        }
        std::collections::btree_map::Entry::Vacant(space) => _ = space.insert(by),
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
