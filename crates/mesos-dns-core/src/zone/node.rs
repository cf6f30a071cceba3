//! What stands at one owner name.

use std::{fmt, hash::Hash, sync::Arc};

use triomphe::ThinArc;

use super::{
    Rdata,
    set::{A, Aaaa, Item, Srv, count_of},
};
use crate::{
    records::Data,
    table::{Find, Keyed},
    wire::{Name, NameView},
};

/// An owner name: its records, and how many names stand directly below it.
///
/// A name without records but with names below it is an empty non-terminal and gets NODATA (RFC 8020). There are
/// millions of nodes, so three words have to do.
#[derive(Clone)]
pub struct Node {
    /// Its name; of a node without records, one that ends with its name (see [`Content::Empty`]).
    name: Name,
    content: Content,
}

/// The records, and the number of names directly below, which stands in here because there is room beside the mark
/// that tells the variants apart.
///
/// Two owners in three hold a single address, which takes no allocation of its own. Nearly all others hold records of
/// one type, behind one pointer, or addresses of both kinds.
#[derive(Clone)]
enum Content {
    /// Many tasks' names have a dot in them, and so a name of their own above them. That one has no allocation: it is
    /// what is left of the name of one that is, or once was, below it, `skip` bytes further right.
    Empty {
        children: u32,
        skip: u8,
    },
    OneA {
        children: u32,
        one: A,
    },
    A {
        children: u32,
        set: Set<A>,
    },
    Aaaa {
        children: u32,
        set: Set<Aaaa>,
    },
    Srv {
        children: u32,
        set: Set<Srv>,
    },
    Both {
        children: u32,
        both: Both,
    },
    Mixed {
        children: u32,
        mixed: Arc<Mixed>,
    },
}

/// Sorted records in one counted allocation.
type Set<T> = ThinArc<(), T>;

/// Addresses of both kinds, the older ones in front.
type Both = ThinArc<Set<A>, Aaaa>;

/// What the smaller forms cannot say.
pub(super) struct Mixed {
    sets: Sets,
    /// Contributors that know the name but no data (see [`Data::Unknown`]).
    unknown: i32,
    /// Contributions under another spelling: DNS answers them, the v1 API shows them elsewhere.
    spelled: Option<Box<Sets>>,
}

/// Records of each type, sorted.
#[derive(Default)]
pub(super) struct Sets {
    pub(super) a: Vec<A>,
    pub(super) aaaa: Vec<Aaaa>,
    pub(super) srv: Vec<Srv>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Default)]
pub(super) struct Slices<'a> {
    pub(super) a: &'a [A],
    pub(super) aaaa: &'a [Aaaa],
    pub(super) srv: &'a [Srv],
}

impl Node {
    pub(super) fn new(name: Name) -> Self {
        Self { name, content: Content::Empty { children: 0, skip: 0 } }
    }

    /// The node above, without records and without names below it; `None` for the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let first = *self.name().as_wire().first()?;
        let step = first.checked_add(1).filter(|_| first > 0)?;
        let skip = self.skip().checked_add(step)?;
        Some(Self { name: self.name.clone(), content: Content::Empty { children: 0, skip } })
    }

    /// The owner name.
    pub fn name(&self) -> NameView<'_> {
        self.name.end(self.skip())
    }

    fn skip(&self) -> u8 {
        match self.content {
            Content::Empty { skip, .. } => skip,
            _ => 0,
        }
    }

    /// The name in an allocation of its own.
    pub(super) fn own_name(&self) -> Name {
        match self.skip() {
            0 => self.name.clone(),
            _ => self.name().to_name(),
        }
    }

    /// IPv4 addresses, sorted.
    pub fn a(&self) -> &[A] {
        match &self.content {
            Content::OneA { one, .. } => std::slice::from_ref(one),
            Content::A { set, .. } => &set.slice,
            Content::Both { both, .. } => &both.header.header.slice,
            Content::Mixed { mixed, .. } => &mixed.sets.a,
            _ => &[],
        }
    }

    /// IPv6 addresses, sorted.
    pub fn aaaa(&self) -> &[Aaaa] {
        match &self.content {
            Content::Aaaa { set, .. } => &set.slice,
            Content::Both { both, .. } => &both.slice,
            Content::Mixed { mixed, .. } => &mixed.sets.aaaa,
            _ => &[],
        }
    }

    /// Service instances, sorted by port and target.
    pub fn srv(&self) -> &[Srv] {
        match &self.content {
            Content::Srv { set, .. } => &set.slice,
            Content::Mixed { mixed, .. } => &mixed.sets.srv,
            _ => &[],
        }
    }

    pub(super) fn slices(&self) -> Slices<'_> {
        Slices { a: self.a(), aaaa: self.aaaa(), srv: self.srv() }
    }

    /// Contributors that know the name but no data.
    pub(super) fn unknown(&self) -> i32 {
        self.mixed().map_or(0, |mixed| mixed.unknown)
    }

    /// What the v1 API shows elsewhere.
    pub(super) fn spelled(&self) -> Slices<'_> {
        self.mixed().and_then(|mixed| mixed.spelled.as_deref()).map(Sets::slices).unwrap_or_default()
    }

    fn mixed(&self) -> Option<&Mixed> {
        match &self.content {
            Content::Mixed { mixed, .. } => Some(mixed),
            _ => None,
        }
    }

    /// Whether DNS answers anything here. A name may be there for what is below it, or without a known address.
    pub fn has_records(&self) -> bool {
        !(self.a().is_empty() && self.aaaa().is_empty() && self.srv().is_empty())
    }

    /// Reads a little of the records all over the place where they stand, so that they are near. The number returned
    /// means nothing.
    pub(super) fn touch(&self) -> i32 {
        match &self.content {
            Content::Empty { .. } | Content::OneA { .. } => 0,
            Content::A { set, .. } => touch(&set.slice),
            Content::Aaaa { set, .. } => touch(&set.slice),
            Content::Srv { set, .. } => touch(&set.slice),
            Content::Both { both, .. } => touch(&both.header.header.slice),
            Content::Mixed { mixed, .. } => touch(&mixed.sets.a),
        }
    }

    /// How many contribute this record.
    pub(super) fn count(&self, data: &Data) -> i32 {
        self.slices().count(data)
    }

    /// How many contribute this record under a spelling that the v1 API shows elsewhere.
    pub(super) fn count_spelled(&self, data: &Data) -> i32 {
        self.spelled().count(data)
    }

    /// Whether the v1 API shows some records elsewhere.
    pub(super) fn is_spelled(&self) -> bool {
        self.mixed().is_some_and(|mixed| mixed.spelled.is_some())
    }

    /// Whether there is nothing at this name, though there may be below it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.content, Content::Empty { .. })
    }

    /// Whether nothing would be lost by forgetting the node.
    pub(super) fn is_vacant(&self) -> bool {
        matches!(self.content, Content::Empty { children: 0, .. })
    }

    /// The number of names directly below.
    pub(super) fn children(&mut self) -> &mut u32 {
        let (Content::Empty { children, .. }
        | Content::OneA { children, .. }
        | Content::A { children, .. }
        | Content::Aaaa { children, .. }
        | Content::Srv { children, .. }
        | Content::Both { children, .. }
        | Content::Mixed { children, .. }) = &mut self.content;
        children
    }

    /// Puts these records in place of those that stand here, in the smallest form that holds them. Takes the
    /// records out of `sets`, whose space can be used again. Returns how many bytes were allocated.
    pub(super) fn put(&mut self, sets: &mut Sets, unknown: i32, spelled: Option<Box<Sets>>) -> usize {
        let children = *self.children();
        let is_plain = unknown == 0 && spelled.is_none();
        if self.skip() > 0 {
            self.name = self.own_name();
        }
        self.content = match (&mut sets.a[..], &mut sets.aaaa[..], &mut sets.srv[..]) {
            ([], [], []) if is_plain => Content::Empty { children, skip: 0 },
            ([one], [], []) if is_plain => Content::OneA { children, one: *one },
            ([..], [], []) if is_plain => Content::A { children, set: set(&mut sets.a) },
            ([], [..], []) if is_plain => Content::Aaaa { children, set: set(&mut sets.aaaa) },
            ([], [], [..]) if is_plain => Content::Srv { children, set: set(&mut sets.srv) },
            ([..], [..], []) if is_plain => {
                let both = ThinArc::from_header_and_iter(set(&mut sets.a), sets.aaaa.drain(..));
                Content::Both { children, both }
            }
            _ => {
                let mixed = Mixed { sets: sets.take(), unknown, spelled };
                Content::Mixed { children, mixed: Arc::new(mixed) }
            }
        };
        sets.a.clear();
        self.slices().bytes()
    }

    /// Joins a node of the same name that was made elsewhere: adds the names below it, and takes its records over
    /// unless there are some already.
    pub(super) fn meet(&mut self, mut other: Self) -> Met {
        let name = other.own_name();
        let children = self.children().saturating_add(std::mem::take(other.children()));
        if !other.is_empty() && !self.is_empty() {
            *self.children() = children;
            return Met { name, refused: Some(other) };
        }
        if self.is_empty() {
            (self.name, self.content) = (other.name, other.content);
        }
        *self.children() = children;
        Met { name, refused: None }
    }

    /// Calls `tell` with each record and the number of its contributors.
    pub(super) fn counted(&self, mut tell: impl FnMut(Rdata, i32)) {
        self.a().iter().for_each(|item| tell(item.rdata(), item.count));
        self.aaaa().iter().for_each(|item| tell(item.rdata(), item.count));
        self.srv().iter().for_each(|item| tell(item.rdata(), item.count));
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Node")
            .field(&self.name())
            .field(&self.a())
            .field(&self.aaaa())
            .field(&self.srv())
            .finish()
    }
}

/// What became of a node that met another one of its name.
pub(super) struct Met {
    pub(super) name: Name,
    /// The node, if its records could not be taken over.
    pub(super) refused: Option<Node>,
}

/// Reads the middle and the end of a set. Its beginning holds its length.
fn touch<T: Item>(set: &[T]) -> i32 {
    let count = |item: Option<&T>| item.map_or(0, T::count);
    count(set.get(set.len() / 2)) | count(set.last())
}

/// Moves sorted records into a set; the space of `items` stays.
fn set<T>(items: &mut Vec<T>) -> Set<T> {
    ThinArc::from_header_and_iter((), items.drain(..))
}

impl Sets {
    pub(super) fn slices(&self) -> Slices<'_> {
        Slices { a: &self.a, aaaa: &self.aaaa, srv: &self.srv }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty()
    }

    /// Moves all records to sets without spare room.
    pub(super) fn take(&mut self) -> Self {
        Self {
            a: self.a.drain(..).collect(),
            aaaa: self.aaaa.drain(..).collect(),
            srv: self.srv.drain(..).collect(),
        }
    }
}

impl Slices<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty()
    }

    fn count(&self, data: &Data) -> i32 {
        match data {
            Data::A(address) => count_of(self.a, &A { address: *address, count: 0 }),
            Data::Aaaa(address) => count_of(self.aaaa, &Aaaa { address: *address, count: 0 }),
            Data::Srv { port, target, .. } => target.name().map_or(0, |target| {
                count_of(self.srv, &Srv { target: target.clone(), count: 0, port: *port })
            }),
            Data::Other { .. } | Data::Ttl(_) | Data::Unknown => 0,
        }
    }

    fn bytes(&self) -> usize {
        let (a, aaaa, srv) = (size_of_val(self.a), size_of_val(self.aaaa), size_of_val(self.srv));
        a.saturating_add(aaaa).saturating_add(srv)
    }
}

/// An owner in wire form, lower-case, as a key.
#[derive(Clone, Copy, Hash)]
pub struct Wire<'a>(pub &'a [u8]);

impl Keyed for Node {
    type Key<'a> = Wire<'a>;

    fn key(&self) -> Wire<'_> {
        Wire(self.name().as_wire())
    }
}

impl Find<Node> for Wire<'_> {
    fn is(&self, entry: &Node) -> bool {
        entry.name().as_wire() == self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    /// The memory of a large zone hangs on these.
    #[test]
    fn sizes() {
        assert_eq!((size_of::<Node>(), size_of::<A>(), size_of::<Aaaa>(), size_of::<Srv>()), (24, 8, 20, 16));
    }

    fn address(text: &str) -> Sets {
        let mut sets = Sets::default();
        match text.parse().unwrap() {
            IpAddr::V4(address) => sets.a.push(A { address, count: 1 }),
            IpAddr::V6(address) => sets.aaaa.push(Aaaa { address, count: 1 }),
        }
        sets
    }

    #[test]
    fn what_stands_above_has_a_name_of_its_own_once_it_has_records() {
        let below = Node::new(Name::parse("a.b.mesos.").unwrap());
        let mut above = below.parent().unwrap();
        assert_eq!(above.name().to_string(), "b.mesos.");
        assert_eq!(above.name, below.name, "one allocation");
        assert_eq!(above.parent().unwrap().name().to_string(), "mesos.");
        assert!(above.parent().unwrap().parent().unwrap().parent().is_none(), "the root is the last");
        *above.children() = 7;
        above.put(&mut address("10.0.0.1"), 0, None);
        assert_eq!((above.name().to_string().as_str(), *above.children()), ("b.mesos.", 7));
        assert_eq!(above.key().0, above.name.as_wire());
        assert_eq!(above.parent().unwrap().name().to_string(), "mesos.");
    }

    #[test]
    fn a_node_without_records_takes_over_those_of_another() {
        let mut above = Node::new(Name::parse("a.b.mesos.").unwrap()).parent().unwrap();
        let mut full = Node::new(Name::parse("b.mesos.").unwrap());
        full.put(&mut address("fd00::1"), 0, None);
        *above.children() = 2;
        assert!(above.meet(full).refused.is_none());
        assert_eq!((above.name().to_string().as_str(), above.aaaa().len()), ("b.mesos.", 1));
        assert_eq!(*above.children(), 2);
    }

    #[test]
    fn addresses_of_both_kinds() {
        let mut node = Node::new(Name::parse("a.mesos.").unwrap());
        let mut sets = address("10.0.0.1");
        sets.aaaa = address("fd00::1").aaaa;
        node.put(&mut sets, 0, None);
        assert!(matches!(node.content, Content::Both { .. }));
        assert_eq!(format!("{:?}", node.a()), "[A { address: 10.0.0.1, count: 1 }]");
        assert_eq!(format!("{:?}", node.aaaa()), "[Aaaa { address: fd00::1, count: 1 }]");
        assert!(node.srv().is_empty() && sets.is_empty());
    }
}
