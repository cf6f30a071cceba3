//! Changes to the records of owners, and how those of one owner are folded into what stands there.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    delta::Move,
    node::{Node, Sets, Slices},
    set::{A, Aaaa, Item, Srv, combine, merge},
};
use crate::{
    records::{Data, Record},
    wire::Name,
};

/// The data of a record as DNS answers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rdata {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A service instance; priority and weight are those of every record.
    Srv {
        /// On which port.
        port: u16,
        /// Where it runs.
        target: Name,
    },
}

impl Rdata {
    /// The data of a record that DNS answers; `None` for [`Data::Unknown`] and for targets DNS cannot carry.
    pub(super) fn new(data: Data) -> Option<Self> {
        match data {
            Data::A(address) => Some(Self::A(address)),
            Data::Aaaa(address) => Some(Self::Aaaa(address)),
            Data::Srv { port, target, .. } => target.into_name().map(|target| Self::Srv { port, target }),
            Data::Other { .. } | Data::Ttl(_) | Data::Unknown => None,
        }
    }
}

/// The owner under which DNS answers a record; `None` if it cannot.
pub(super) fn owner<'a>(record: &'a Record, apex: &Name) -> Option<&'a Name> {
    let target_fits = !matches!(&record.data, Data::Srv { target, .. } if target.name().is_none());
    record.owner.name().filter(|name| target_fits && name.is_within(apex))
}

/// Whether the v1 API spells a record otherwise than DNS does.
pub(super) fn is_spelled(record: &Record) -> bool {
    let target = matches!(&record.data, Data::Srv { target, .. } if target.spelling().is_some());
    target || record.owner.spelling().is_some()
}

/// What a batch changes at one owner.
#[derive(Default)]
pub(super) struct Changes {
    sets: Sets,
    unknown: i32,
    spelled: Sets,
    merged: Sets,
}

impl Changes {
    /// Notes that `by` more (or fewer) contribute this data; none is [`Data::Unknown`].
    pub(super) fn push(&mut self, rdata: Option<Rdata>, by: i32, is_spelled: bool) {
        let Some(rdata) = rdata else {
            self.unknown = self.unknown.saturating_add(by);
            return;
        };
        if is_spelled {
            self.spelled.push(rdata.clone(), by);
        }
        self.sets.push(rdata, by);
    }

    /// Makes one change of all that concern the same data. Returns whether anything is left.
    pub(super) fn combine(&mut self) -> bool {
        self.sets.combine();
        self.spelled.combine();
        self.unknown != 0 || !self.sets.is_empty() || !self.spelled.is_empty()
    }

    /// Folds the changes into a node, tells `tally` which records came and went, and is empty again. Returns how
    /// many bytes of records had to be written anew. Call [`Changes::combine`] first.
    pub(super) fn fold_into(&mut self, node: &mut Node, tally: &mut Tally<'_>) -> usize {
        let spelled = self.fold_spelled(node.spelled());
        let unknown = node.unknown().saturating_add(std::mem::take(&mut self.unknown));
        self.sets.merge(node.slices(), &mut self.merged, tally);
        node.put(&mut self.merged, unknown.max(0), spelled)
    }

    fn fold_spelled(&mut self, old: Slices<'_>) -> Option<Box<Sets>> {
        if self.spelled.is_empty() && old.is_empty() {
            return None;
        }
        let mut merged = Sets::default();
        self.spelled.merge(old, &mut merged, &mut Tally::default());
        (!merged.is_empty()).then(|| Box::new(merged.take()))
    }
}

impl Sets {
    pub(super) fn push(&mut self, rdata: Rdata, by: i32) {
        match rdata {
            Rdata::A(address) => self.a.push(A { address, count: by }),
            Rdata::Aaaa(address) => self.aaaa.push(Aaaa { address, count: by }),
            Rdata::Srv { port, target } => self.srv.push(Srv { target, count: by, port }),
        }
    }

    fn combine(&mut self) {
        combine(&mut self.a);
        combine(&mut self.aaaa);
        combine(&mut self.srv);
    }

    fn merge(&mut self, old: Slices<'_>, merged: &mut Self, tally: &mut Tally<'_>) {
        merge(old.a, &mut self.a, &mut merged.a, |item, came| tally.note(item, came));
        merge(old.aaaa, &mut self.aaaa, &mut merged.aaaa, |item, came| tally.note(item, came));
        merge(old.srv, &mut self.srv, &mut merged.srv, |item, came| tally.note(item, came));
    }
}

//------------ Tally ---------------------------------------------------------

/// What came and went at one owner.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// Start of the content hashes of the owner's records.
    pub(super) owner: u64,
    /// The sum of the content hashes of what came, less that of what went.
    pub(super) hash: u64,
    pub(super) came: u64,
    pub(super) went: u64,
    /// Where to list it, if it is to be listed.
    pub(super) list: Option<(&'a Name, &'a mut Vec<Move>)>,
}

impl<'a> Tally<'a> {
    /// A tally for records of this owner.
    pub(super) fn of(owner: &'a Name, list: Option<&'a mut Vec<Move>>) -> Self {
        let list = list.map(|list| (owner, list));
        Self { owner: xxhash_rust::xxh3::xxh3_64(owner.as_wire()), list, ..Self::default() }
    }

    fn note<T: Item>(&mut self, item: &T, came: bool) {
        let hash = item.content_hash(self.owner);
        if came {
            self.came = self.came.saturating_add(1);
            self.hash = self.hash.wrapping_add(hash);
        } else {
            self.went = self.went.saturating_add(1);
            self.hash = self.hash.wrapping_sub(hash);
        }
        if let Some((owner, list)) = &mut self.list {
            list.push(Move { owner: owner.clone(), rdata: item.rdata(), came });
        }
    }
}
