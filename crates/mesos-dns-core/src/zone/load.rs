//! The first load: many new tasks at once, made on several cores.
//!
//! A [`Loader`] goes to each core and turns tasks into finished nodes there, without the zone; a [`Filler`] puts
//! them in. Tasks are sorted so that those of one service follow each other: their shared names are made once, and
//! each owner's records are sorted and stored once. An owner that comes a second time, from another service or another
//! core, is rare; its records are added like any others, so the result never depends on how the work was cut.

use std::sync::Arc;

use super::{
    Zone, addresses,
    change::{self, Changes, Law, Manner, Tally, What},
    compile::{Ledger, Pending, parent},
    gate::Gate,
    node::{Node, Wire},
};
use crate::{
    cluster::{Cluster, TaskChange},
    records::{Data, Fitness, Maker, Policy, Record, Withheld},
    table::{Added, Filling, KeyHash, Keyed, Seed, Table},
    wire::Name,
};

/// Tasks to be made in one piece, about: their nodes are some hundred kibibytes.
const PIECE_TASKS: usize = 512;

/// Pieces that are looked at to learn how many names a task has, and tasks of each.
const SAMPLE_PIECES: usize = 8;
const SAMPLE_TASKS: usize = 64;

/// Sorts new tasks so that those of one service stand side by side, and cuts them into pieces, never within a
/// service.
pub fn plan(mut tasks: Vec<TaskChange>) -> Vec<Vec<TaskChange>> {
    let mut order: Vec<(u64, usize)> = tasks.iter().map(service_hash).zip(0..).collect();
    order.sort_unstable();
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut last = None;
    for (hash, at) in order {
        if piece.len() >= PIECE_TASKS && last != Some(hash) {
            pieces.push(std::mem::take(&mut piece));
        }
        last = Some(hash);
        let change =
            tasks.get_mut(at).map(|change| TaskChange { old: change.old.take(), new: change.new.take() });
        piece.extend(change);
    }
    pieces.push(piece);
    pieces
}

/// Equal for tasks whose names are made of the same texts. Frameworks stay together.
fn service_hash(change: &TaskChange) -> u64 {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    let Some(task) = &change.new else { return 0 };
    let framework = xxh3_64(task.framework_id.as_bytes());
    framework << 48 | xxh3_64_with_seed(task.service_name().as_bytes(), framework) >> 16
}

fn is_of_same_service(one: &TaskChange, other: &TaskChange) -> bool {
    match (&one.new, &other.new) {
        (Some(one), Some(other)) => {
            one.service_name() == other.service_name() && one.framework_id == other.framework_id
        }
        _ => false,
    }
}

//------------ Loader --------------------------------------------------------

/// Makes nodes for a zone, elsewhere.
#[derive(Clone)]
pub struct Loader {
    apex: Name,
    server: Option<Name>,
    seed: Seed,
    healthy_minimum: u8,
    gate: Arc<Gate>,
}

/// The records of some new tasks, ready for [`Filler::take`].
#[derive(Default)]
pub struct Made {
    /// The names above those of `finished`, without records, each with the number of names below that are made here.
    parents: Vec<(KeyHash, Node)>,
    finished: Vec<Finished>,
    /// To which addresses they lay claim.
    claims: Vec<addresses::Pending>,
    /// What has no finished node: odd names, and names without data.
    others: Vec<Record>,
    withheld: Withheld,
}

/// A node with all there is to know about it.
struct Finished {
    hash: KeyHash,
    node: Node,
    content_hash: u64,
    records: u64,
}

/// A record of a service under way.
struct New {
    owner: Name,
    what: What,
    manner: Manner,
}

impl Loader {
    /// Makes the records of the tasks that are new. Pure, so that several cores can do it side by side.
    pub fn make(&self, policy: &Policy, cluster: &Cluster, tasks: &[TaskChange]) -> Made {
        let mut made = Made::default();
        let mut maker = Maker::new(cluster, policy);
        let (mut new, mut changes) = (Vec::new(), Changes::default());
        for service in tasks.chunk_by(is_of_same_service) {
            let tasks = service.iter().filter(|change| change.old.is_none());
            for task in tasks.filter_map(|change| change.new.as_ref()) {
                let withheld = super::update::emit_task(&mut maker, cluster, task, &mut |record| {
                    self.sort_out(record, &mut new, &mut made.claims, &mut made.others);
                });
                made.withheld.add(withheld);
            }
            self.finish(&mut new, &mut changes, &mut made.finished);
        }
        made.parents = self.parents(&made.finished);
        made
    }

    /// About how many names the tasks of these pieces have.
    pub fn estimate(&self, policy: &Policy, cluster: &Cluster, pieces: &[Vec<TaskChange>]) -> usize {
        let tasks: usize = pieces.iter().map(Vec::len).sum();
        let step = pieces.len().div_ceil(SAMPLE_PIECES).max(1);
        let (mut looked_at, mut finished, mut names) = (0_usize, 0_usize, Vec::new());
        for piece in pieces.iter().step_by(step) {
            let sample = piece.get(..SAMPLE_TASKS).unwrap_or(piece);
            let made = self.make(policy, cluster, sample);
            looked_at = looked_at.saturating_add(sample.len());
            finished = finished.saturating_add(made.finished.len());
            names.extend(made.finished.iter().map(|finished| finished.hash));
            names.extend(made.parents.iter().map(|(hash, _)| *hash));
        }
        names.sort_unstable();
        names.dedup();
        // Of the names that only stand above others, a sample cannot tell which the rest shares: half of them count.
        let names = names.len().saturating_add(finished) / 2;
        names.saturating_mul(tasks).checked_div(looked_at).unwrap_or(0)
    }

    fn sort_out(
        &self,
        record: Record,
        new: &mut Vec<New>,
        claims: &mut Vec<addresses::Pending>,
        others: &mut Vec<Record>,
    ) {
        if let Data::Reverse(reverse) = &record.data {
            return claims.push(addresses::Pending::new(&record.owner, reverse, 1));
        }
        if !self.gate.admits(&record) {
            return;
        }
        let is_usual = change::owner(&record, &self.apex).is_some()
            && !change::is_spelled(&record)
            && !matches!(record.data, Data::Unknown);
        if !is_usual {
            return others.push(record);
        }
        let manner = Manner { is_spelled: false, is_unfit: record.fitness == Fitness::Unfit };
        if let (Some(owner), Some(what)) = (record.owner.into_name(), What::new(record.data)) {
            new.push(New { owner, what, manner });
        }
    }

    /// Makes the nodes of one service.
    fn finish(&self, new: &mut Vec<New>, changes: &mut Changes, finished: &mut Vec<Finished>) {
        // Records of one owner share the allocation of its name, by which they are brought together. If the same
        // name was made twice after all, the second node will meet the first in the table.
        new.sort_unstable_by_key(|new| new.owner.address());
        let mut new = new.drain(..).peekable();
        let law = Law { healthy_minimum: self.healthy_minimum, fill: None };
        while let Some(New { owner, what, manner }) = new.next() {
            changes.push(what, 1, manner);
            while let Some(next) = new.next_if(|next| next.owner.is_same(&owner)) {
                changes.push(next.what, 1, next.manner);
            }
            changes.combine();
            let hash = self.seed.hash(&Wire(owner.as_wire()));
            let mut node = Node::new(owner.clone());
            let mut tally = Tally::of(&owner, None);
            changes.fold_into(&mut node, law, &mut tally);
            let content_hash = if self.server.as_ref() == Some(&owner) { 0 } else { tally.hash };
            finished.push(Finished { hash, node, content_hash, records: tally.came });
        }
    }

    /// The names above these. They are few: counting names below here takes most look-ups off the core that puts
    /// nodes in.
    fn parents(&self, finished: &[Finished]) -> Vec<(KeyHash, Node)> {
        let above = |node: &Node| parent(node.name().as_wire()).map(|name| self.seed.hash(&Wire(name)));
        let mut order: Vec<_> = finished
            .iter()
            .filter(|finished| finished.node.name() != &self.apex)
            .filter_map(|finished| above(&finished.node).map(|hash| (hash, &finished.node)))
            .collect();
        order.sort_unstable_by_key(|(hash, _)| *hash);
        let have_one_parent = |(one_hash, one): &(KeyHash, &Node), (hash, other): &(KeyHash, &Node)| {
            one_hash == hash && parent(one.name().as_wire()) == parent(other.name().as_wire())
        };
        let groups = order.chunk_by(have_one_parent).filter_map(|group| {
            let (hash, first) = group.first()?;
            let mut node = first.parent()?;
            *node.children() = u32::try_from(group.len()).unwrap_or(u32::MAX);
            Some((*hash, node))
        });
        groups.collect()
    }
}

//------------ Filler --------------------------------------------------------

/// Puts what [`Loader`]s made into a zone. Call [`Filler::finish`] at the end: before that, the zone is without its
/// names.
#[must_use]
pub struct Filler<'a> {
    zone: &'a mut Zone,
    nodes: Filling<Node>,
    claims: Vec<addresses::Pending>,
}

impl Zone {
    /// What makes nodes for this zone on another core.
    pub fn loader(&self) -> Loader {
        Loader {
            apex: self.apex.clone(),
            server: self.server.clone(),
            seed: self.nodes.seed(),
            healthy_minimum: self.healthy_minimum,
            gate: self.gate.clone(),
        }
    }

    /// Begins a first load of about so many names into a zone that is all but empty: what it has is moved.
    ///
    /// The next delta is [`Delta::Everything`](super::Delta::Everything).
    pub fn fill(&mut self, names: usize) -> Filler<'_> {
        self.ledger = Ledger::Everything;
        let seed = self.nodes.seed();
        let mut nodes = Filling::with_capacity(seed, names.saturating_add(self.nodes.len()));
        for node in self.nodes.iter() {
            nodes.add(seed.hash(&node.key()), node.clone(), |_, _| ());
        }
        self.nodes = Table::new(seed);
        Filler { zone: self, nodes, claims: Vec::new() }
    }
}

impl Filler<'_> {
    /// Takes what a [`Loader`] made.
    pub fn take(&mut self, made: Made) {
        self.zone.withheld.add(made.withheld);
        let spots = &mut self.zone.spots;
        self.claims.extend(made.claims.into_iter().map(|claim| claim.shared(spots)));
        made.others.iter().for_each(|record| self.zone.add(record));
        for (hash, node) in made.parents {
            self.add_parent(hash, node);
        }
        for Finished { hash, node, content_hash, records } in made.finished {
            match self.nodes.add(hash, node, Node::meet) {
                Added::New => self.zone.moved(content_hash, records, 0),
                Added::Met(met) => {
                    self.uncount(&met.name);
                    match met.refused {
                        None => self.zone.moved(content_hash, records, 0),
                        // Its records join those that are there when the batch is compiled.
                        Some(node) => self.zone.add_again(hash, &node),
                    }
                }
            }
        }
    }

    /// Adds to the names below a name; makes it, and those above it, if it is missing.
    fn add_parent(&mut self, hash: KeyHash, node: Node) {
        let above = node.parent();
        let is_below_apex = node.name().as_wire().len() > self.zone.apex.as_wire().len();
        let Added::New = self.nodes.add(hash, node, Node::meet) else { return };
        let Some(mut node) = above.filter(|_| is_below_apex) else { return };
        let hash = self.nodes.seed().hash(&node.key());
        *node.children() = 1;
        self.add_parent(hash, node);
    }

    /// A name was there before, so it was counted below its parent twice.
    fn uncount(&mut self, name: &Name) {
        let Some(parent) = parent(name.as_wire()).filter(|_| *name != self.zone.apex) else { return };
        if let Some(node) = self.nodes.get_mut(Wire(parent)) {
            let children = node.children();
            *children = children.saturating_sub(1);
        }
    }

    /// Gives the zone its names.
    pub fn finish(self) {
        self.zone.nodes = self.nodes.into_table();
        self.zone.is_changed |= !self.claims.is_empty();
        self.zone.addresses.fill(self.claims);
    }
}

impl Zone {
    fn add_again(&mut self, hash: KeyHash, node: &Node) {
        node.contributions(|what, by, is_unfit| {
            let manner = Manner { is_spelled: false, is_unfit };
            self.note(Pending { hash, owner: node.own_name(), what, by, manner });
        });
    }
}
