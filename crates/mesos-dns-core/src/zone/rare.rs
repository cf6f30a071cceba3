//! Counted records of the kinds that few owners have: services with a preference of their own, further types, and how
//! long answers may be kept.

use std::{cmp::Ordering, sync::Arc};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    Rdata,
    set::{Counted, Item},
    sets::{Packed, Sets},
};
use crate::{records::Preference, wire::Name};

/// A service instance with its own priority and weight.
#[derive(Clone, Debug)]
pub struct Preferred {
    /// Where it runs.
    pub target: Name,
    pub(super) count: i32,
    /// On which port.
    pub port: u16,
    /// Its priority and weight.
    pub preference: Preference,
}

/// A record of a type that has no form of its own here.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its type.
    pub rtype: u16,
    pub(super) count: i32,
    /// Its data in wire form, without compressed names.
    pub rdata: Arc<[u8]>,
}

/// How long answers of an owner may be kept, as some wish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) ttl: u32,
    pub(super) count: i32,
}

impl Counted for Preferred {
    /// As services without one, then by preference.
    fn compare(&self, other: &Self) -> Ordering {
        let by_place = self.port.cmp(&other.port).then_with(|| self.target.cmp(&other.target));
        by_place.then_with(|| self.preference.cmp(&other.preference))
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

impl Item for Preferred {
    fn content_hash(&self, owner: u64) -> u64 {
        let Preference { priority, weight } = self.preference;
        let numbers = u64::from(priority) << 32 | u64::from(weight) << 16 | u64::from(self.port);
        xxh3_64_with_seed(self.target.as_wire(), owner.rotate_left(29) ^ numbers)
    }

    fn rdata(&self) -> Rdata {
        Rdata::Srv { port: self.port, target: self.target.clone(), preference: Some(self.preference) }
    }
}

impl Counted for Other {
    fn compare(&self, other: &Self) -> Ordering {
        self.rtype.cmp(&other.rtype).then_with(|| self.rdata.cmp(&other.rdata))
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

impl Item for Other {
    fn content_hash(&self, owner: u64) -> u64 {
        xxh3_64_with_seed(&self.rdata, owner.rotate_left(41) ^ u64::from(self.rtype))
    }

    fn rdata(&self) -> Rdata {
        Rdata::Other { rtype: self.rtype, rdata: self.rdata.clone() }
    }
}

impl Counted for Wish {
    fn compare(&self, other: &Self) -> Ordering {
        self.ttl.cmp(&other.ttl)
    }

    fn count(&self) -> i32 {
        self.count
    }

    fn add(&mut self, more: i32) {
        self.count = self.count.saturating_add(more);
    }
}

/// The records of one type among others, which are sorted.
pub(super) fn of_type(others: &[Other], rtype: u16) -> &[Other] {
    let start = others.partition_point(|other| other.rtype < rtype);
    let end = others.partition_point(|other| other.rtype <= rtype);
    others.get(start..end).unwrap_or_default()
}

/// What has to be known of an owner besides its records in force, where there is anything.
#[derive(Default)]
pub(super) struct Rare {
    /// How long its answers may be kept: the shortest of what is wished.
    pub(super) ttl: Option<u32>,
    /// Whether its records are those that stand in where the cluster has none.
    pub(super) is_filled: bool,
    pub(super) wishes: Box<[Wish]>,
    /// Records that are not in force, with all their contributors.
    pub(super) back: Packed,
    /// How many contributors of each record are unfit.
    pub(super) unfit: Packed,
}

impl Rare {
    /// Whether anybody who contributes here is unfit.
    pub(super) fn has_unfit(&self) -> bool {
        !self.unfit.slices().is_empty()
    }

    /// Takes the records out of the sets; `None` if there is nothing to know.
    pub(super) fn new(
        (ttl, is_filled): (Option<u32>, bool),
        wishes: Vec<Wish>,
        back: &mut Sets,
        unfit: &mut Sets,
    ) -> Option<Box<Self>> {
        let is_nothing =
            ttl.is_none() && !is_filled && wishes.is_empty() && back.is_empty() && unfit.is_empty();
        let rare = || Self { ttl, is_filled, wishes: wishes.into(), back: back.pack(), unfit: unfit.pack() };
        (!is_nothing).then(|| Box::new(rare()))
    }
}
