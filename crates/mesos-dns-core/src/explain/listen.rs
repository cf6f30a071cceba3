//! Listens while records are made, and keeps those that were asked for.

use std::{cell::RefCell, net::IpAddr};

use super::subject::Subject;
use crate::{
    cluster::AddressSource,
    records::{AddressWhy, Data, Lack, Owner, Record, Scope, Trace, Why},
    wire::{Name, rtype},
};

/// Most records that are kept; those beyond are counted.
const FOUND_MAX: usize = 20_000;

/// What is listened for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// Records of this type at this name.
    Name(&'a Name, u16),
    /// Claims to this address.
    Address(IpAddr),
}

/// What was said before a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) scope: Scope,
    pub(super) why: Why,
    /// Whether it is a rule that left the record out.
    pub(super) leaves_out: bool,
}

/// An address that was considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Considered {
    pub(super) address: IpAddr,
    pub(super) source: AddressSource,
    pub(super) why: AddressWhy,
}

/// A record that was made, or would have been.
#[derive(Clone)]
pub(super) struct Found<'a> {
    pub(super) subject: Subject<'a>,
    /// `None`: there was nothing to put there.
    pub(super) record: Option<Record>,
    pub(super) notes: Vec<Note>,
    pub(super) considered: Vec<Considered>,
}

/// See the head of this file.
pub(super) struct Gathering<'a> {
    wanted: Wanted<'a>,
    subject: Subject<'a>,
    notes: Vec<Note>,
    considered: Vec<Considered>,
    pub(super) found: Vec<Found<'a>>,
    /// How many more there were.
    pub(super) beyond: usize,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(wanted: Wanted<'a>) -> Self {
        let subject = Subject::Server;
        Self { wanted, subject, notes: Vec::new(), considered: Vec::new(), found: Vec::new(), beyond: 0 }
    }

    /// What is made from now on is this one's.
    pub(super) fn turn_to(&mut self, subject: Subject<'a>) {
        self.subject = subject;
        self.notes.clear();
        self.considered.clear();
    }

    /// A record was made.
    pub(super) fn take(&mut self, record: Record) {
        let is_ttl = matches!(record.data, Data::Ttl(_));
        if self.wants(&record) {
            self.keep(Some(record));
        }
        // A TTL goes before the record that it is for.
        if !is_ttl {
            self.notes.retain(|note| note.scope < Scope::Record);
        }
    }

    fn wants(&self, Record { owner, data, .. }: &Record) -> bool {
        match (self.wanted, data) {
            (Wanted::Address(address), Data::Reverse(reverse)) => reverse.address == address,
            (Wanted::Address(_), _) | (Wanted::Name(..), Data::Reverse(_)) => false,
            (Wanted::Name(name, wanted), data) => owner.name() == Some(name) && is_of(data, wanted),
        }
    }

    fn keep(&mut self, record: Option<Record>) {
        if self.found.len() >= FOUND_MAX {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        let (subject, notes, considered) = (self.subject, self.notes.clone(), self.considered.clone());
        self.found.push(Found { subject, record, notes, considered });
    }

    fn note(&mut self, note: Note) {
        if matches!(note.why, Why::Extra(_)) {
            // Further names of another kind follow.
            self.notes.retain(|other| other.scope != note.scope || !matches!(other.why, Why::Extra(_)));
        }
        if !self.notes.iter().any(|other| (other.why, other.leaves_out) == (note.why, note.leaves_out)) {
            self.notes.push(note);
        }
    }
}

/// Whether data are of a type, or tell something of whatever there is.
fn is_of(data: &Data, wanted: u16) -> bool {
    let rtype = match data {
        Data::A(_) => rtype::A,
        Data::Aaaa(_) => rtype::AAAA,
        Data::Srv { .. } => rtype::SRV,
        Data::Other { rtype, .. } => *rtype,
        Data::Ttl(_) => return true,
        Data::Unknown => return matches!(wanted, rtype::A | rtype::AAAA | rtype::ANY),
        Data::Reverse(_) => return false,
    };
    wanted == rtype::ANY || rtype == wanted
}

impl Trace for &RefCell<Gathering<'_>> {
    const LISTENS: bool = true;

    fn begins(self, scope: Scope) {
        let mut gathering = self.borrow_mut();
        gathering.notes.retain(|note| note.scope < scope);
        if scope == Scope::Whole {
            gathering.considered.clear();
        }
    }

    fn because(self, scope: Scope, why: Why) {
        self.borrow_mut().note(Note { scope, why, leaves_out: false });
    }

    fn leaves_out(self, scope: Scope, why: Why) -> bool {
        let mut gathering = self.borrow_mut();
        gathering.notes.retain(|note| note.why != why);
        gathering.note(Note { scope, why, leaves_out: true });
        false
    }

    fn lacks(self, owner: &Owner, what: Lack, why: Why) {
        let mut gathering = self.borrow_mut();
        let Wanted::Name(name, wanted) = gathering.wanted else { return };
        let is_of = match what {
            Lack::Address => matches!(wanted, rtype::A | rtype::AAAA | rtype::ANY),
            Lack::Service => matches!(wanted, rtype::SRV | rtype::ANY),
        };
        if is_of && owner.name() == Some(name) {
            gathering.note(Note { scope: Scope::Record, why, leaves_out: true });
            gathering.keep(None);
            gathering.notes.retain(|note| note.scope < Scope::Record);
        }
    }

    fn considers(self, address: IpAddr, source: AddressSource, why: AddressWhy) {
        let considered = Considered { address, source, why };
        let mut gathering = self.borrow_mut();
        if !gathering.considered.contains(&considered) {
            gathering.considered.push(considered);
        }
    }
}
