//! What we answer from.
//!
//! A [`Zone`] is the counted union of all contributions and belongs to its one writer: records are
//! added and taken back, [`Zone::compile`] folds the changes of a batch in, and [`Zone::snapshot`]
//! hands out the result as an immutable [`Snapshot`]. Versions share every shard that did not change,
//! so a change costs what it touches, whatever the size of the zone.
//!
//! Answers are kept as sorted sets of data per owner and type, not as rendered bytes: address records
//! of one answer differ in four or sixteen bytes only, and SRV targets are long and repeat in up to
//! eight owners, so that rendered answers would be several times larger than the caches that make them
//! fast. `docs/decisions/0002-compiled-sets.md` has the figures.

mod listing;
mod node;
mod set;
mod snapshot;
mod text;
mod update;

pub use node::Node;
pub use set::{A, Aaaa, Srv};
pub use snapshot::{Listed, ListedName, Serial, Snapshot, Soa};
pub use text::write_zone_file;
pub use update::Made;

use crate::{
    records::{Data, Record, Withheld},
    table::{Seed, Table},
    wire::Name,
};
use listing::Entry;
use node::{Content, Node as ZoneNode, Wire};

/// The writer's side of a zone.
pub struct Zone {
    apex: Name,
    /// Owner that differs from server to server and is left out of the content hash.
    server: Option<Name>,
    nodes: Table<ZoneNode>,
    listing: Table<Entry>,
    /// Owners that wait for [`Zone::compile`].
    dirty: Vec<Name>,
    records: u64,
    content_hash: u64,
    is_changed: bool,
    withheld: Withheld,
}

impl Zone {
    /// An empty zone. `server` is this server's own name (`SOAMname`).
    pub fn new(apex: Name, server: Option<Name>, seed: Seed) -> Self {
        let mut nodes = Table::new(seed);
        nodes.insert(ZoneNode::new(apex.clone()));
        Self {
            apex,
            server,
            nodes,
            listing: Table::new(seed),
            dirty: Vec::new(),
            records: 0,
            content_hash: 0,
            is_changed: false,
            withheld: Withheld::default(),
        }
    }

    /// Makes room for about this many more names. For a zone that is all but empty: what it has is moved.
    pub fn reserve(&mut self, names: usize) {
        let mut nodes = Table::with_capacity(self.nodes.seed(), names.saturating_add(self.nodes.len()));
        self.nodes.iter().cloned().for_each(|node| _ = nodes.insert(node));
        self.nodes = nodes;
    }

    /// Adds a contribution.
    pub fn add(&mut self, record: &Record) {
        self.change(record, 1);
    }

    /// Takes back a contribution that was added before.
    pub fn remove(&mut self, record: &Record) {
        self.change(record, -1);
    }

    /// Number of records that DNS answers, SOA and NS not counted.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// What is withheld at present, by reason.
    pub fn withheld(&self) -> Withheld {
        self.withheld
    }

    fn change(&mut self, record: &Record, by: i32) {
        let target_fits = !matches!(&record.data, Data::Srv { target, .. } if target.name().is_none());
        let target_spelled = matches!(&record.data, Data::Srv { target, .. } if target.spelling().is_some());
        let name = record.owner.name().filter(|name| target_fits && name.is_within(&self.apex)).cloned();
        let is_listed_apart = name.is_none() || record.owner.spelling().is_some() || target_spelled;
        if is_listed_apart {
            self.change_listing(record, by);
        }
        if let Some(name) = name {
            self.change_node(&name, &record.data, by, is_listed_apart);
        }
    }

    fn change_listing(&mut self, record: &Record, by: i32) {
        let name = record.owner.to_text();
        if self.listing.get(name.as_str()).is_none() {
            self.listing.insert(Entry::new(&name));
        }
        if let Some(entry) = self.listing.get_mut(name.as_str()) {
            entry.change(&record.data, by);
            self.is_changed = true;
            if entry.is_empty() {
                self.listing.remove(name.as_str());
            }
        }
    }

    fn change_node(&mut self, name: &Name, data: &Data, by: i32, is_listed_apart: bool) {
        let change = |node: &mut ZoneNode| note(node, data, by, is_listed_apart);
        let Some((noted, is_made)) =
            self.nodes.upsert(Wire(name.as_wire()), || ZoneNode::new(name.clone()), change)
        else {
            return;
        };
        if is_made {
            self.count_child(name);
        }
        match noted {
            Noted::Came(hash) => self.moved(if self.server.as_ref() == Some(name) { 0 } else { hash }, true),
            Noted::Dirty => self.dirty.push(name.clone()),
            Noted::DirtyBefore => {}
        }
        if matches!(data, Data::Unknown) {
            self.is_changed = true;
        }
    }

    /// Tells the names above that a new name stands below them, making those that are missing.
    fn count_child(&mut self, name: &Name) {
        let mut below = name.as_wire();
        while below.len() > self.apex.as_wire().len() {
            let Some(parent) = parent(below) else { return };
            if let Some(node) = self.nodes.get_mut(Wire(parent)) {
                node.children = node.children.saturating_add(1);
                return;
            }
            let Ok(parent_name) = Name::from_wire(parent) else { return };
            let mut node = ZoneNode::new(parent_name);
            node.children = 1;
            self.nodes.insert(node);
            below = parent;
        }
    }

    /// Folds the changes made since the last time in. Returns whether any record came or went.
    pub fn compile(&mut self) -> bool {
        for name in std::mem::take(&mut self.dirty) {
            self.seal(&name);
            self.forget_if_vacant(name.as_wire());
        }
        std::mem::take(&mut self.is_changed)
    }

    fn seal(&mut self, name: &Name) {
        let counts = self.server.as_ref() != Some(name);
        let mut moves = Vec::new();
        let Some(node) = self.nodes.get_mut(Wire(name.as_wire())) else { return };
        let many = node.many();
        many.is_dirty = false;
        many.sets.seal(hash_owner(name), |hash, came| moves.push((if counts { hash } else { 0 }, came)));
        if let Some(spelled) = &mut many.spelled {
            spelled.seal(0, |_, _| ());
            if spelled.is_empty() {
                many.spelled = None;
            }
        }
        node.shrink();
        for (hash, came) in moves {
            self.moved(hash, came);
        }
    }

    /// Removes a name that has neither records nor names below it, and then those above it likewise.
    fn forget_if_vacant(&mut self, name: &[u8]) {
        let mut name = name;
        while name.len() > self.apex.as_wire().len()
            && self.nodes.get(Wire(name)).is_some_and(ZoneNode::is_vacant)
        {
            self.nodes.remove(Wire(name));
            let Some(parent) = parent(name) else { return };
            if let Some(node) = self.nodes.get_mut(Wire(parent)) {
                node.children = node.children.saturating_sub(1);
            }
            name = parent;
        }
    }

    /// Notes that a record came or went.
    fn moved(&mut self, hash: u64, came: bool) {
        self.is_changed = true;
        if came {
            self.records = self.records.saturating_add(1);
            self.content_hash = self.content_hash.wrapping_add(hash);
        } else {
            self.records = self.records.saturating_sub(1);
            self.content_hash = self.content_hash.wrapping_sub(hash);
        }
    }

    /// The present state as an immutable version. Call [`Zone::compile`] first.
    pub fn snapshot(&self, soa: std::sync::Arc<Soa>, serial: Serial) -> Snapshot {
        Snapshot {
            apex: self.apex.clone(),
            nodes: self.nodes.clone(),
            listing: self.listing.clone(),
            soa,
            serial,
            content_hash: self.content_hash,
            records: self.records,
            withheld: self.withheld,
            is_loaded: true,
            is_partial: false,
        }
    }
}

/// What follows the first label of a wire name.
fn parent(name: &[u8]) -> Option<&[u8]> {
    let step = usize::from(*name.first()?).checked_add(1)?;
    name.get(step..)
}

fn hash_owner(name: &Name) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.as_wire())
}

/// What noting a change at a node led to.
enum Noted {
    /// The record is there at once; with its content hash.
    Came(u64),
    /// The node has to be sealed now.
    Dirty,
    /// It had to be before.
    DirtyBefore,
}

/// Notes at a node that `by` more contribute this record.
fn note(node: &mut ZoneNode, data: &Data, by: i32, is_listed_apart: bool) -> Noted {
    use set::Item;
    if matches!(node.content, Content::Empty) && by == 1 && !is_listed_apart {
        match data {
            Data::A(address) => {
                let one = A { address: *address, count: 1 };
                node.content = Content::OneA(one);
                return Noted::Came(one.content_hash(hash_owner(node.name())));
            }
            Data::Aaaa(address) => {
                let one = Aaaa { address: *address, count: 1 };
                node.content = Content::OneAaaa(one);
                return Noted::Came(one.content_hash(hash_owner(node.name())));
            }
            Data::Srv { .. } | Data::Unknown => {}
        }
    }
    let many = node.many();
    many.sets.push(data, by);
    if matches!(data, Data::Unknown) {
        many.unknown = many.unknown.saturating_add(by);
    }
    if is_listed_apart {
        many.spelled.get_or_insert_default().push(data, by);
    }
    if std::mem::replace(&mut many.is_dirty, true) { Noted::DirtyBefore } else { Noted::Dirty }
}
