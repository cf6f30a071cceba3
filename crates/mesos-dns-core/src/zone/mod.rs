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

mod addresses;
mod change;
mod compile;
mod delta;
mod fitness;
mod gate;
mod journal;
mod listing;
mod load;
mod node;
mod rare;
mod set;
mod sets;
mod snapshot;
mod text;
mod update;
mod weighed;

pub use addresses::Census;
pub use change::Rdata;
pub use delta::{Compiled, DELTA_RECORDS_MAX, Delta, Move};
pub use fitness::Share;
pub use journal::{JOURNAL_RECORDS_MAX, JOURNAL_STEPS_MAX, Journal, Mark, Step};
pub use load::{Filler, Loader, Made, plan};
pub use node::Node;
pub use rare::{Other, Preferred};
pub use set::{A, Aaaa, Srv};
pub(crate) use snapshot::compare_texts;
pub use snapshot::{Listed, ListedName, Serial, Snapshot, Soa};
pub use text::write_zone_file;
pub use weighed::Weighed;

use std::sync::Arc;

use crate::{
    records::{Data, Fitness, Fixed, Owner, Record, Reverse, Rule, Withheld},
    table::{Seed, Table},
    wire::Name,
};
use addresses::{Addresses, Spots};
use change::{Manner, What};
use compile::{Ledger, Pending};
use gate::Gate;
use listing::Entry;
use node::{Node as ZoneNode, Wire};
use rare::Rare;
use snapshot::HEALTHY_MINIMUM;

/// The writer's side of a zone.
pub struct Zone {
    apex: Name,
    /// Owner that differs from server to server and is left out of the content hash.
    server: Option<Name>,
    nodes: Table<ZoneNode>,
    listing: Table<Entry>,
    /// Whose each address is.
    addresses: Addresses,
    /// What the claims to them share.
    spots: Spots,
    /// What waits for [`Zone::compile`].
    pending: Vec<Pending>,
    pending_claims: Vec<addresses::Pending>,
    /// What came and went since then.
    ledger: Ledger,
    records: u64,
    content_hash: u64,
    is_changed: bool,
    withheld: Withheld,
    healthy_minimum: u8,
    /// What the operator wrote down.
    gate: Arc<Gate>,
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
            addresses: Addresses::new(seed),
            spots: Spots::default(),
            pending: Vec::new(),
            pending_claims: Vec::new(),
            ledger: Ledger::Everything,
            records: 0,
            content_hash: 0,
            is_changed: false,
            withheld: Withheld::default(),
            healthy_minimum: HEALTHY_MINIMUM,
            gate: Arc::default(),
        }
    }

    /// The same with what the operator wrote down, before anything of the cluster is in it.
    #[must_use]
    pub fn with_fixed(mut self, fixed: &Fixed) -> Self {
        self.gate = Arc::new(Gate::new(fixed, &self.apex));
        let gate = self.gate.clone();
        gate.filled().for_each(|name| self.note_at(name.clone(), What::Nothing, 1, Manner::default()));
        let is_ours = |name: &&Name| name.is_within(&self.apex);
        let owners: Vec<&Name> = fixed.owners.keys().filter(is_ours).collect();
        for name in owners {
            let Some(owner) = fixed.owners.get(name).filter(|owner| owner.rule == Rule::Override) else {
                continue;
            };
            for what in owner.data.iter().cloned().filter_map(What::new) {
                self.note_at(name.clone(), what, 1, Manner::default());
            }
        }
        self
    }

    /// Sets how many percent of the contributors of an owner's records of one type have to be fit for the others to
    /// be left out. At least one has to be, whatever the number; it is 1 until it is set.
    pub fn set_healthy_minimum(&mut self, percent: u8) {
        let percent = percent.min(100);
        if std::mem::replace(&mut self.healthy_minimum, percent) == percent {
            return;
        }
        let is_concerned = |node: &&ZoneNode| node.rare().is_some_and(Rare::has_unfit);
        let names: Vec<Name> = self.nodes.iter().filter(is_concerned).map(ZoneNode::own_name).collect();
        names.into_iter().for_each(|name| self.note_at(name, What::Nothing, 1, Manner::default()));
        self.is_changed |= !self.listing.is_empty();
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
        if let Data::Reverse(reverse) = &record.data {
            return self.change_claim(&record.owner, reverse, by);
        }
        if !self.gate.admits(record) {
            return;
        }
        let owner = change::owner(record, &self.apex).cloned();
        let is_spelled = change::is_spelled(record);
        if (owner.is_none() || is_spelled) && listing::is_shown(&record.data) {
            self.change_listing(record, owner.is_some(), by);
        }
        if let (Some(owner), Some(what)) = (owner, What::new(record.data.clone())) {
            self.is_changed |= matches!(what, What::Unknown);
            let manner = Manner { is_spelled, is_unfit: record.fitness == Fitness::Unfit };
            self.note_at(owner, what, by, manner);
        }
    }

    fn change_claim(&mut self, owner: &Owner, reverse: &Reverse, by: i32) {
        self.pending_claims.push(addresses::Pending::new(owner, reverse, by).shared(&mut self.spots));
        self.count_agent(reverse, by);
    }

    fn count_agent(&mut self, reverse: &Reverse, by: i32) {
        let Some(spot) = reverse.spot.as_ref().filter(|_| reverse.is_counted) else { return };
        self.addresses.count(spot, by);
        if by < 0 {
            self.spots.forget(spot);
        }
    }

    fn note_at(&mut self, owner: Name, what: What, by: i32, manner: Manner) {
        let hash = self.nodes.seed().hash(&Wire(owner.as_wire()));
        self.note(Pending { hash, owner, what, by, manner });
    }

    /// Notes a change for [`Zone::compile`].
    fn note(&mut self, pending: Pending) {
        self.pending.push(pending);
    }

    fn change_listing(&mut self, record: &Record, is_carried: bool, by: i32) {
        let name = record.owner.to_text();
        if self.listing.get(name.as_str()).is_none() {
            self.listing.insert(Entry::new(&name));
        }
        if let Some(entry) = self.listing.get_mut(name.as_str()) {
            entry.change(record, is_carried, by);
            self.is_changed = true;
            if entry.is_empty() {
                self.listing.remove(name.as_str());
            }
        }
    }

    /// The present state as an immutable version. Call [`Zone::compile`] first.
    pub fn snapshot(&self, soa: Arc<Soa>, serial: Serial) -> Snapshot {
        Snapshot {
            apex: self.apex.clone(),
            nodes: self.nodes.clone(),
            listing: self.listing.clone(),
            addresses: self.addresses.clone(),
            soa,
            serial,
            content_hash: self.content_hash,
            records: self.records,
            withheld: self.withheld,
            healthy_minimum: self.healthy_minimum,
            is_loaded: true,
            is_partial: false,
            gate: self.gate.clone(),
        }
    }
}

#[cfg(test)]
mod laws;
