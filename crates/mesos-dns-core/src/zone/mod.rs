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
//! fast. `docs/decisions/0002-compiled-sets.md` has the figures, and page 0008 how nodes and sets are stored.

mod change;
mod compile;
mod delta;
mod journal;
mod listing;
mod load;
mod node;
mod set;
mod snapshot;
mod text;
mod update;

pub use change::Rdata;
pub use delta::{Compiled, DELTA_RECORDS_MAX, Delta, Move};
pub use journal::{JOURNAL_RECORDS_MAX, JOURNAL_STEPS_MAX, Journal, Mark, Step};
pub use load::{Filler, Loader, Made, plan};
pub use node::Node;
pub use set::{A, Aaaa, Srv};
pub use snapshot::{Listed, ListedName, Serial, Snapshot, Soa};
pub use text::write_zone_file;

use crate::{
    records::{Data, Record, Withheld},
    table::{KeyHash, Seed, Table},
    wire::Name,
};
use compile::{Ledger, Pending};
use listing::Entry;
use node::{Node as ZoneNode, Wire};

/// The writer's side of a zone.
pub struct Zone {
    apex: Name,
    /// Owner that differs from server to server and is left out of the content hash.
    server: Option<Name>,
    nodes: Table<ZoneNode>,
    listing: Table<Entry>,
    /// What waits for [`Zone::compile`].
    pending: Vec<Pending>,
    /// What came and went since then.
    ledger: Ledger,
    records: u64,
    content_hash: u64,
    is_changed: bool,
    withheld: Withheld,
}

impl Zone {
    /// An empty zone. `server` is this server's own name (`SOAMname`).
    ///
    /// Its first delta is [`Delta::Everything`]: what readers saw before does not come from this zone.
    pub fn new(apex: Name, server: Option<Name>, seed: Seed) -> Self {
        let mut nodes = Table::new(seed);
        nodes.insert(ZoneNode::new(apex.clone()));
        Self {
            apex,
            server,
            nodes,
            listing: Table::new(seed),
            pending: Vec::new(),
            ledger: Ledger::Everything,
            records: 0,
            content_hash: 0,
            is_changed: false,
            withheld: Withheld::default(),
        }
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
        let owner = change::owner(record, &self.apex).cloned();
        let is_spelled = change::is_spelled(record);
        if owner.is_none() || is_spelled {
            self.change_listing(record, by);
        }
        if let Some(owner) = owner {
            let hash = self.nodes.seed().hash(&Wire(owner.as_wire()));
            self.is_changed |= matches!(record.data, Data::Unknown);
            self.note(hash, owner, Rdata::new(record.data.clone()), by, is_spelled);
        }
    }

    /// Notes a change for [`Zone::compile`].
    fn note(&mut self, hash: KeyHash, owner: Name, rdata: Option<Rdata>, by: i32, is_spelled: bool) {
        self.pending.push(Pending { hash, owner, rdata, by, is_spelled });
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
