//! What stands at one owner name.

use std::{hash::Hash, sync::Arc};

use super::set::{A, Aaaa, Sets, Srv};
use crate::{
    records::Data,
    table::{Find, Keyed},
    wire::Name,
};

/// An owner name: its records, and how many names stand directly below it.
///
/// A name without records but with names below it is an empty non-terminal and gets NODATA (RFC 8020).
#[derive(Clone, Debug)]
pub struct Node {
    name: Name,
    pub(super) children: u32,
    pub(super) content: Content,
}

/// Two owners in three hold a single address, so that case takes no further allocation.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Empty,
    OneA(A),
    OneAaaa(Aaaa),
    Many(Arc<Many>),
}

/// Everything but the single address.
#[derive(Clone, Debug, Default)]
pub(super) struct Many {
    pub(super) sets: Sets,
    /// Contributors that know the name but no data (see [`Data::Unknown`]).
    pub(super) unknown: i32,
    /// Contributions under another spelling: DNS answers them, the v1 API shows them elsewhere.
    pub(super) spelled: Option<Box<Sets>>,
    /// Whether it waits to be sealed.
    pub(super) is_dirty: bool,
}

impl Node {
    pub(super) fn new(name: Name) -> Self {
        Self { name, children: 0, content: Content::Empty }
    }

    /// The owner name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// IPv4 addresses, sorted.
    pub fn a(&self) -> &[A] {
        match &self.content {
            Content::OneA(one) => std::slice::from_ref(one),
            Content::Many(many) => many.sets.a.sealed(),
            _ => &[],
        }
    }

    /// IPv6 addresses, sorted.
    pub fn aaaa(&self) -> &[Aaaa] {
        match &self.content {
            Content::OneAaaa(one) => std::slice::from_ref(one),
            Content::Many(many) => many.sets.aaaa.sealed(),
            _ => &[],
        }
    }

    /// Service instances, sorted by port and target.
    pub fn srv(&self) -> &[Srv] {
        match &self.content {
            Content::Many(many) => many.sets.srv.sealed(),
            _ => &[],
        }
    }

    /// How many contribute this record.
    pub(super) fn count(&self, data: &Data) -> i32 {
        match (&self.content, data) {
            (Content::OneA(one), Data::A(address)) if one.address == *address => one.count,
            (Content::OneAaaa(one), Data::Aaaa(address)) if one.address == *address => one.count,
            (Content::Many(many), data) => many.sets.count(data),
            _ => 0,
        }
    }

    /// How many contribute this record under a spelling that the v1 API shows elsewhere.
    pub(super) fn count_spelled(&self, data: &Data) -> i32 {
        match &self.content {
            Content::Many(many) => many.spelled.as_ref().map_or(0, |sets| sets.count(data)),
            _ => 0,
        }
    }

    /// Whether the v1 API shows some records elsewhere.
    pub(super) fn is_spelled(&self) -> bool {
        matches!(&self.content, Content::Many(many) if many.spelled.is_some())
    }

    /// Whether nothing would be lost by forgetting the node.
    pub(super) fn is_vacant(&self) -> bool {
        self.children == 0 && matches!(self.content, Content::Empty)
    }

    /// The general form, to change.
    pub(super) fn many(&mut self) -> &mut Many {
        if !matches!(self.content, Content::Many(_)) {
            let mut many = Many::default();
            match &self.content {
                Content::OneA(one) => many.sets.a.push(*one),
                Content::OneAaaa(one) => many.sets.aaaa.push(*one),
                Content::Empty | Content::Many(_) => {}
            }
            // The record was already there: it neither came nor went.
            many.sets.seal(0, |_, _| ());
            self.content = Content::Many(Arc::new(many));
        }
        match &mut self.content {
            Content::Many(many) => Arc::make_mut(many),
            _ => unreachable!("made just above"),
        }
    }

    /// Takes the smaller form where it is enough. Call it on a sealed node.
    pub(super) fn shrink(&mut self) {
        let Content::Many(many) = &self.content else { return };
        if many.unknown > 0 || many.spelled.is_some() {
            return;
        }
        self.content = match (many.sets.a.sealed(), many.sets.aaaa.sealed(), many.sets.srv.sealed()) {
            ([], [], []) => Content::Empty,
            ([one], [], []) if one.count == 1 => Content::OneA(*one),
            ([], [one], []) if one.count == 1 => Content::OneAaaa(*one),
            _ => return,
        };
    }
}

/// An owner in wire form, lower-case, as a key.
#[derive(Clone, Copy, Hash)]
pub struct Wire<'a>(pub &'a [u8]);

impl Keyed for Node {
    type Key<'a> = Wire<'a>;

    fn key(&self) -> Wire<'_> {
        Wire(self.name.as_wire())
    }
}

impl Find<Node> for Wire<'_> {
    fn is(&self, entry: &Node) -> bool {
        entry.name.as_wire() == self.0
    }
}
