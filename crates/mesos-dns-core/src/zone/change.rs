//! Changes to the records of owners, and how those of one owner are folded into what stands there.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{
    delta::Move,
    gate::Fill,
    node::{Node, Rest},
    rare::{Rare, Wish},
    set::{Item, combine, merge},
    sets::{Packed, Sets, Slices, Watch},
};
use crate::{
    records::{Data, Preference, Record},
    wire::{Name, rtype},
};

/// The data of a record as DNS answers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rdata {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A service instance.
    Srv {
        /// On which port.
        port: u16,
        /// Where it runs.
        target: Name,
        /// Its own priority and weight; `None`: 0, and the weight of all.
        preference: Option<Preference>,
    },
    /// A record of another type.
    Other {
        /// The type.
        rtype: u16,
        /// The data in wire form, without compressed names.
        rdata: Arc<[u8]>,
    },
}

/// What a contribution adds to a name that DNS answers.
#[derive(Clone, Debug)]
pub(super) enum What {
    Record(Rdata),
    /// How long all its records may be kept, at most.
    Ttl(u32),
    /// That it is there.
    Unknown,
    /// Nothing: it is to be looked at again.
    Nothing,
}

impl What {
    /// What DNS can do with these data; `None`: nothing.
    pub(super) fn new(data: Data) -> Option<Self> {
        let rdata = match data {
            Data::A(address) => Rdata::A(address),
            Data::Aaaa(address) => Rdata::Aaaa(address),
            Data::Srv { port, target, preference } => {
                Rdata::Srv { port, target: target.into_name()?, preference }
            }
            Data::Other { rtype, rdata } if can_hold(rtype) && rdata.len() <= RDATA_BYTES_MAX => {
                Rdata::Other { rtype, rdata }
            }
            Data::Other { .. } => return None,
            Data::Ttl(ttl) => return Some(Self::Ttl(ttl.min(TTL_MAX))),
            Data::Reverse(_) => return None,
            Data::Unknown => return Some(Self::Unknown),
        };
        Some(Self::Record(rdata))
    }
}

/// Longest TTL in seconds (RFC 2181 section 8).
const TTL_MAX: u32 = i32::MAX as u32;

/// Longest data of a record in bytes: what its length can say.
const RDATA_BYTES_MAX: usize = u16::MAX as usize;

/// Whether a record of this type can stand in the zone as it is: types that have a form of their own do not, nor those
/// that are not data (RFC 6895 section 3.1), nor those that would make others look at the zone otherwise.
fn can_hold(rtype: u16) -> bool {
    let has_own_form = matches!(rtype, rtype::A | rtype::AAAA | rtype::SRV | rtype::SOA);
    let is_no_data = matches!(rtype, 0 | rtype::OPT | 128..=255);
    !(has_own_form || is_no_data || matches!(rtype, rtype::NS | rtype::DNAME | rtype::RRSIG))
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

/// How a contribution is to be taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// The v1 API shows it under another spelling.
    pub(super) is_spelled: bool,
    /// It comes from somebody who is not fit.
    pub(super) is_unfit: bool,
}

/// By what it is decided which contributions are in force.
#[derive(Clone, Copy)]
pub(super) struct Law<'a> {
    /// See [`Zone::set_healthy_minimum`](super::Zone::set_healthy_minimum).
    pub(super) healthy_minimum: u8,
    /// What stands there if the cluster contributes no record.
    pub(super) fill: Option<&'a Fill>,
}

/// What a batch changes at one owner.
#[derive(Default)]
pub(super) struct Changes {
    /// By how much the number of contributors changes.
    sets: Sets,
    /// The same, of those that are unfit.
    unfit: Sets,
    unknown: i32,
    wishes: Vec<Wish>,
    spelled: Sets,
    is_again: bool,
    merged: Sets,
}

impl Changes {
    /// Notes that `by` more (or fewer) contribute this.
    pub(super) fn push(&mut self, what: What, by: i32, manner: Manner) {
        let rdata = match what {
            What::Record(rdata) => rdata,
            What::Ttl(ttl) => return self.wishes.push(Wish { ttl, count: by }),
            What::Unknown => return self.unknown = self.unknown.saturating_add(by),
            What::Nothing => return self.is_again = true,
        };
        if manner.is_spelled && !matches!(rdata, Rdata::Other { .. }) {
            self.spelled.push(rdata.clone(), by);
        }
        if manner.is_unfit {
            self.unfit.push(rdata.clone(), by);
        }
        self.sets.push(rdata, by);
    }

    /// Makes one change of all that concern the same data. Returns whether anything is left.
    pub(super) fn combine(&mut self) -> bool {
        self.sets.combine();
        self.unfit.combine();
        self.spelled.combine();
        combine(&mut self.wishes);
        let has_records = !(self.sets.is_empty() && self.unfit.is_empty() && self.spelled.is_empty());
        has_records || self.unknown != 0 || !self.wishes.is_empty() || std::mem::take(&mut self.is_again)
    }

    /// Folds the changes into a node, tells `tally` which records came and went, and is empty again. Returns how
    /// many bytes of records had to be written anew. Call [`Changes::combine`] first.
    pub(super) fn fold_into(&mut self, node: &mut Node, law: Law<'_>, tally: &mut Tally<'_>) -> usize {
        self.is_again = false;
        let spelled = self.fold_spelled(node.spelled());
        let unknown = node.unknown().saturating_add(std::mem::take(&mut self.unknown)).max(0);
        let mut rest = Rest { unknown, spelled, rare: None };
        if self.has_rare() || law.fill.is_some() || node.rare().is_some() || node.slices().has_alias() {
            rest.rare = self.weigh(node, law, tally);
        } else {
            // All that is contributed is in force.
            self.sets.merge(node.slices(), &mut self.merged, tally);
        }
        node.put(&mut self.merged, rest)
    }

    fn has_rare(&self) -> bool {
        !self.unfit.is_empty() || !self.wishes.is_empty() || self.sets.slices().has_alias()
    }

    /// Decides what of all that is contributed is in force, which is left in `merged`.
    fn weigh(&mut self, node: &Node, law: Law<'_>, tally: &mut Tally<'_>) -> Option<Box<Rare>> {
        let old = node.rare();
        let (mut unfit, mut wishes) = (Sets::default(), Vec::new());
        let old_unfit = old.map(|rare| rare.unfit.slices()).unwrap_or_default();
        self.unfit.merge(old_unfit, &mut unfit, &mut ());
        let old_wishes = old.map(|rare| &*rare.wishes).unwrap_or_default();
        merge(old_wishes, &mut self.wishes, &mut wishes, |_, _| ());
        self.sets.merge(node.contributed().slices(), &mut self.merged, &mut ());
        let mut ttl = wishes.first().map(|wish| wish.ttl);
        // A task whose addresses are not known is no reason to be without any.
        let fill = law.fill.filter(|_| self.merged.is_empty());
        if let Some(fill) = fill {
            (self.merged, ttl) = (Sets::of(fill.sets.slices()), fill.ttl);
        }
        let mut back = self.merged.hold_back(unfit.slices(), law.healthy_minimum);
        tally.compare((node.slices(), node.ttl()), (self.merged.slices(), ttl));
        Rare::new((ttl, fill.is_some()), wishes, &mut back, &mut unfit)
    }

    fn fold_spelled(&mut self, old: Slices<'_>) -> Option<Box<Packed>> {
        if self.spelled.is_empty() && old.is_empty() {
            return None;
        }
        let mut merged = Sets::default();
        self.spelled.merge(old, &mut merged, &mut ());
        (!merged.is_empty()).then(|| Box::new(merged.pack()))
    }
}

//------------ Tally ---------------------------------------------------------

/// What came and went at one owner.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// Start of the content hashes of the owner's records.
    owner: u64,
    /// The TTL of the records that are noted.
    ttl: Option<u32>,
    /// The sum of the content hashes of what came, less that of what went.
    pub(super) hash: u64,
    pub(super) came: u64,
    pub(super) went: u64,
    /// Where to list it, if it is to be listed.
    list: Option<(&'a Name, &'a mut Vec<Move>)>,
}

impl<'a> Tally<'a> {
    /// A tally for records of this owner.
    pub(super) fn of(owner: &'a Name, list: Option<&'a mut Vec<Move>>) -> Self {
        let list = list.map(|list| (owner, list));
        Self { owner: xxhash_rust::xxh3::xxh3_64(owner.as_wire()), list, ..Self::default() }
    }

    /// Notes the difference between what was in force and what is, each with its TTL. A record with another TTL is
    /// another one: who follows record by record has to take the old one back.
    fn compare(&mut self, (old, old_ttl): (Slices<'_>, Option<u32>), (new, ttl): (Slices<'_>, Option<u32>)) {
        self.ttl = old_ttl;
        if old_ttl == ttl {
            old.differ(new, self);
        } else {
            old.differ(Slices::default(), self);
            self.ttl = ttl;
            Slices::default().differ(new, self);
        }
    }
}

impl Watch for Tally<'_> {
    fn note<T: Item>(&mut self, item: &T, came: bool) {
        let owner = self
            .ttl
            .map_or(self.owner, |ttl| self.owner ^ xxhash_rust::xxh3::xxh3_64_with_seed(b"ttl", ttl.into()));
        let hash = item.content_hash(owner);
        if came {
            self.came = self.came.saturating_add(1);
            self.hash = self.hash.wrapping_add(hash);
        } else {
            self.went = self.went.saturating_add(1);
            self.hash = self.hash.wrapping_sub(hash);
        }
        if let Some((owner, list)) = &mut self.list {
            list.push(Move { owner: owner.clone(), rdata: item.rdata(), ttl: self.ttl, came });
        }
    }
}
