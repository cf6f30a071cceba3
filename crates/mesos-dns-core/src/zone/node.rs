//! What stands at one owner name.

use std::{fmt, hash::Hash, sync::Arc};

use triomphe::ThinArc;

use super::{
    change::What,
    rare::{Other, Preferred, Rare, of_type},
    set::{A, Aaaa, Item, Srv},
    sets::{Packed, Sets, Slices},
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
    /// Records in force.
    sets: Packed,
    rest: Rest,
}

/// What there is to know of an owner besides its records.
#[derive(Default)]
pub(super) struct Rest {
    /// Contributors that know the name but no data (see [`Data::Unknown`]).
    pub(super) unknown: i32,
    /// Contributions under another spelling: DNS answers them, the v1 API shows them elsewhere.
    pub(super) spelled: Option<Box<Packed>>,
    pub(super) rare: Option<Box<Rare>>,
}

impl Rest {
    fn is_nothing(&self) -> bool {
        self.unknown == 0 && self.spelled.is_none() && self.rare.is_none()
    }
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

    /// Service instances with the priority and weight of all, sorted by port and target.
    pub fn srv(&self) -> &[Srv] {
        match &self.content {
            Content::Srv { set, .. } => &set.slice,
            Content::Mixed { mixed, .. } => &mixed.sets.srv,
            _ => &[],
        }
    }

    /// Service instances with a priority and weight of their own, sorted by port and target.
    pub fn preferred(&self) -> &[Preferred] {
        self.mixed().map_or(&[], |mixed| &mixed.sets.preferred)
    }

    /// The data of all records of a type that is not one of the above, sorted.
    pub fn others(&self, rtype: u16) -> impl Iterator<Item = &[u8]> {
        self.others_of(rtype).iter().map(|other| &*other.rdata)
    }

    /// The same with what else there is to know of them.
    pub(crate) fn others_of(&self, rtype: u16) -> &[Other] {
        of_type(self.all_others(), rtype)
    }

    /// Whether its answers take more than its addresses and services: a TTL of its own, other types, preferences.
    pub(crate) fn is_special(&self) -> bool {
        self.mixed().is_some_and(|mixed| {
            let sets = &mixed.sets;
            mixed.rest.rare.is_some() || !(sets.preferred.is_empty() && sets.others.is_empty())
        })
    }

    /// The records of all types that are not one of the above, sorted by type and data.
    pub fn all_others(&self) -> &[Other] {
        self.mixed().map_or(&[], |mixed| &mixed.sets.others)
    }

    /// The TTL of all its records, if it is not that of the zone.
    pub fn ttl(&self) -> Option<u32> {
        self.rare().and_then(|rare| rare.ttl)
    }

    /// Whether what stands here is what the operator wrote for a name of which the cluster has nothing.
    pub fn is_filled(&self) -> bool {
        self.rare().is_some_and(|rare| rare.is_filled)
    }

    pub(super) fn slices(&self) -> Slices<'_> {
        match &self.content {
            Content::Mixed { mixed, .. } => mixed.sets.slices(),
            _ => Slices { a: self.a(), aaaa: self.aaaa(), srv: self.srv(), ..Slices::default() },
        }
    }

    /// Contributors that know the name but no data.
    pub(super) fn unknown(&self) -> i32 {
        self.mixed().map_or(0, |mixed| mixed.rest.unknown)
    }

    /// What the v1 API shows elsewhere.
    pub(super) fn spelled(&self) -> Slices<'_> {
        self.mixed().and_then(|mixed| mixed.rest.spelled.as_deref()).map(Packed::slices).unwrap_or_default()
    }

    /// What few owners have.
    pub(super) fn rare(&self) -> Option<&Rare> {
        self.mixed().and_then(|mixed| mixed.rest.rare.as_deref())
    }

    /// Everything contributed here, whether it is in force or not.
    pub(super) fn contributed(&self) -> Sets {
        let Some(rare) = self.rare() else { return Sets::of(self.slices()) };
        if rare.is_filled {
            return Sets::default();
        }
        let mut all = Sets::of(self.slices());
        if !rare.back.slices().is_empty() {
            rare.back.slices().tell(Slices::default(), &mut |rdata, count, _| all.push(rdata, count));
            all.combine();
        }
        all
    }

    fn mixed(&self) -> Option<&Mixed> {
        match &self.content {
            Content::Mixed { mixed, .. } => Some(mixed),
            _ => None,
        }
    }

    /// Whether DNS answers anything here. A name may be there for what is below it, or without a known address.
    pub fn has_records(&self) -> bool {
        !self.slices().is_empty()
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

    /// How many contribute this record; 0 if it is not in force.
    pub(super) fn count(&self, data: &Data) -> i32 {
        self.slices().count(data)
    }

    /// How many contribute this record under a spelling that the v1 API shows elsewhere.
    pub(super) fn count_spelled(&self, data: &Data) -> i32 {
        self.spelled().count(data)
    }

    /// Whether the v1 API shows some records elsewhere.
    pub(super) fn is_spelled(&self) -> bool {
        self.mixed().is_some_and(|mixed| mixed.rest.spelled.is_some())
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
    pub(super) fn put(&mut self, sets: &mut Sets, rest: Rest) -> usize {
        let children = *self.children();
        let is_plain = rest.is_nothing() && sets.preferred.is_empty() && sets.others.is_empty();
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
            _ => Content::Mixed { children, mixed: Arc::new(Mixed { sets: sets.pack(), rest }) },
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

    /// Calls `tell` with everything that was contributed, by how many, and whether these are unfit.
    pub(super) fn contributions(&self, mut tell: impl FnMut(What, i32, bool)) {
        let rare = self.rare();
        let unfit = rare.map(|rare| rare.unfit.slices()).unwrap_or_default();
        self.contributed().slices().tell(unfit, &mut |rdata, fit, unfit| {
            for (count, is_unfit) in [(fit, false), (unfit, true)] {
                if count != 0 {
                    tell(What::Record(rdata.clone()), count, is_unfit);
                }
            }
        });
        let wishes = rare.map(|rare| &*rare.wishes).unwrap_or_default();
        wishes.iter().for_each(|wish| tell(What::Ttl(wish.ttl), wish.count, false));
        if self.unknown() != 0 {
            tell(What::Unknown, self.unknown(), false);
        }
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
        above.put(&mut address("10.0.0.1"), Rest::default());
        assert_eq!((above.name().to_string().as_str(), *above.children()), ("b.mesos.", 7));
        assert_eq!(above.key().0, above.name.as_wire());
        assert_eq!(above.parent().unwrap().name().to_string(), "mesos.");
    }

    #[test]
    fn a_node_without_records_takes_over_those_of_another() {
        let mut above = Node::new(Name::parse("a.b.mesos.").unwrap()).parent().unwrap();
        let mut full = Node::new(Name::parse("b.mesos.").unwrap());
        full.put(&mut address("fd00::1"), Rest::default());
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
        node.put(&mut sets, Rest::default());
        assert!(matches!(node.content, Content::Both { .. }));
        assert_eq!(format!("{:?}", node.a()), "[A { address: 10.0.0.1, count: 1 }]");
        assert_eq!(format!("{:?}", node.aaaa()), "[Aaaa { address: fd00::1, count: 1 }]");
        assert!(node.srv().is_empty() && sets.is_empty());
    }
}
