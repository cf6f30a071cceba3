//! The records of one owner, by kind.

use super::{
    rare::{Other, Preferred},
    set::{A, Aaaa, Item, Srv, combine, count_of, differ, merge},
};
use crate::{records::Data, wire::rtype, zone::Rdata};

/// Records of each kind, sorted, with room for more.
#[derive(Default)]
pub(super) struct Sets {
    pub(super) a: Vec<A>,
    pub(super) aaaa: Vec<Aaaa>,
    pub(super) srv: Vec<Srv>,
    pub(super) preferred: Vec<Preferred>,
    pub(super) others: Vec<Other>,
}

/// The same as they are kept.
#[derive(Default)]
pub(super) struct Packed {
    pub(super) a: Box<[A]>,
    pub(super) aaaa: Box<[Aaaa]>,
    pub(super) srv: Box<[Srv]>,
    pub(super) preferred: Box<[Preferred]>,
    pub(super) others: Box<[Other]>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Default)]
pub(super) struct Slices<'a> {
    pub(super) a: &'a [A],
    pub(super) aaaa: &'a [Aaaa],
    pub(super) srv: &'a [Srv],
    pub(super) preferred: &'a [Preferred],
    pub(super) others: &'a [Other],
}

/// Who wants to know what came and went.
pub(super) trait Watch {
    /// A record came, or else went.
    fn note<T: Item>(&mut self, item: &T, came: bool);
}

/// Nobody does.
impl Watch for () {
    fn note<T: Item>(&mut self, _: &T, _: bool) {}
}

impl Sets {
    /// A copy of these records.
    pub(super) fn of(slices: Slices<'_>) -> Self {
        Self {
            a: slices.a.to_vec(),
            aaaa: slices.aaaa.to_vec(),
            srv: slices.srv.to_vec(),
            preferred: slices.preferred.to_vec(),
            others: slices.others.to_vec(),
        }
    }

    pub(super) fn slices(&self) -> Slices<'_> {
        Slices {
            a: &self.a,
            aaaa: &self.aaaa,
            srv: &self.srv,
            preferred: &self.preferred,
            others: &self.others,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slices().is_empty()
    }

    /// Moves all records to where there is no spare room.
    pub(super) fn pack(&mut self) -> Packed {
        Packed {
            a: self.a.drain(..).collect(),
            aaaa: self.aaaa.drain(..).collect(),
            srv: self.srv.drain(..).collect(),
            preferred: self.preferred.drain(..).collect(),
            others: self.others.drain(..).collect(),
        }
    }

    /// Adds a record with so many contributors, in no order.
    pub(super) fn push(&mut self, rdata: Rdata, by: i32) {
        match rdata {
            Rdata::A(address) => self.a.push(A { address, count: by }),
            Rdata::Aaaa(address) => self.aaaa.push(Aaaa { address, count: by }),
            Rdata::Srv { port, target, preference: None } => self.srv.push(Srv { target, count: by, port }),
            Rdata::Srv { port, target, preference: Some(preference) } => {
                self.preferred.push(Preferred { target, count: by, port, preference });
            }
            Rdata::Other { rtype, rdata } => self.others.push(Other { rtype, count: by, rdata }),
        }
    }

    /// Sorts, and makes one of all that have the same data.
    pub(super) fn combine(&mut self) {
        combine(&mut self.a);
        combine(&mut self.aaaa);
        combine(&mut self.srv);
        combine(&mut self.preferred);
        combine(&mut self.others);
    }

    /// Folds these changes into records; they are empty then.
    pub(super) fn merge(&mut self, old: Slices<'_>, merged: &mut Self, watch: &mut impl Watch) {
        merge(old.a, &mut self.a, &mut merged.a, |item, came| watch.note(item, came));
        merge(old.aaaa, &mut self.aaaa, &mut merged.aaaa, |item, came| watch.note(item, came));
        merge(old.srv, &mut self.srv, &mut merged.srv, |item, came| watch.note(item, came));
        merge(old.preferred, &mut self.preferred, &mut merged.preferred, |item, came| watch.note(item, came));
        merge(old.others, &mut self.others, &mut merged.others, |item, came| watch.note(item, came));
    }
}

impl Packed {
    pub(super) fn slices(&self) -> Slices<'_> {
        Slices {
            a: &self.a,
            aaaa: &self.aaaa,
            srv: &self.srv,
            preferred: &self.preferred,
            others: &self.others,
        }
    }
}

impl Slices<'_> {
    pub(super) fn is_empty(&self) -> bool {
        let common = self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty();
        common && self.preferred.is_empty() && self.others.is_empty()
    }

    /// Whether one of them is an alias.
    pub(super) fn has_alias(&self) -> bool {
        // The few types with lower numbers are no reason to search.
        self.others
            .iter()
            .take_while(|other| other.rtype <= rtype::CNAME)
            .any(|other| other.rtype == rtype::CNAME)
    }

    /// How many contribute this record.
    pub(super) fn count(&self, data: &Data) -> i32 {
        match data {
            Data::A(address) => count_of(self.a, &A { address: *address, count: 0 }),
            Data::Aaaa(address) => count_of(self.aaaa, &Aaaa { address: *address, count: 0 }),
            Data::Srv { port, target, preference } => match (target.name(), preference) {
                (None, _) => 0,
                (Some(target), None) => {
                    count_of(self.srv, &Srv { target: target.clone(), count: 0, port: *port })
                }
                (Some(target), Some(preference)) => {
                    let (target, port, preference) = (target.clone(), *port, *preference);
                    count_of(self.preferred, &Preferred { target, count: 0, port, preference })
                }
            },
            Data::Other { rtype, rdata } => {
                count_of(self.others, &Other { rtype: *rtype, count: 0, rdata: rdata.clone() })
            }
            Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => 0,
        }
    }

    /// Tells which records of `new` came, and which of these went.
    pub(super) fn differ(&self, new: Slices<'_>, watch: &mut impl Watch) {
        differ(self.a, new.a, |item, came| watch.note(item, came));
        differ(self.aaaa, new.aaaa, |item, came| watch.note(item, came));
        differ(self.srv, new.srv, |item, came| watch.note(item, came));
        differ(self.preferred, new.preferred, |item, came| watch.note(item, came));
        differ(self.others, new.others, |item, came| watch.note(item, came));
    }

    /// Calls `tell` with each record and the number of its contributors: those that are fit, and those that are not,
    /// of which `unfit` knows.
    pub(super) fn tell(&self, unfit: Slices<'_>, tell: &mut impl FnMut(Rdata, i32, i32)) {
        tell_each(self.a, unfit.a, tell);
        tell_each(self.aaaa, unfit.aaaa, tell);
        tell_each(self.srv, unfit.srv, tell);
        tell_each(self.preferred, unfit.preferred, tell);
        tell_each(self.others, unfit.others, tell);
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        let sizes = [
            size_of_val(self.a),
            size_of_val(self.aaaa),
            size_of_val(self.srv),
            size_of_val(self.preferred),
            size_of_val(self.others),
        ];
        sizes.into_iter().fold(0, usize::saturating_add)
    }
}

fn tell_each<T: Item>(set: &[T], unfit: &[T], tell: &mut impl FnMut(Rdata, i32, i32)) {
    for item in set {
        let unfit = count_of(unfit, item);
        tell(item.rdata(), item.count().saturating_sub(unfit), unfit);
    }
}
