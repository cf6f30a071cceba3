//! The first load: many new tasks at once, made on several cores.
//!
//! A [`Loader`] goes to each core and turns tasks into finished nodes there, without the zone; [`Zone::take`] puts
//! them in. Tasks are sorted so that those of one service follow each other: their shared names are made once, and
//! each owner's records are sorted and stored once. An owner that comes a second time, from another service or another
//! core, is rare; its records are added like any others, so the result never depends on how the work was cut.

use std::ops::Range;

use super::{
    Zone,
    change::{self, Changes, Rdata, Tally},
    compile::Ledger,
    node::{Node, Wire},
};
use crate::{
    cluster::{Cluster, Task, TaskChange},
    records::{Data, Maker, Policy, Record, Withheld},
    table::{Added, KeyHash, Seed, Table},
    wire::Name,
};

/// Tasks to be made in one piece, about: their nodes are some hundred kibibytes.
const PIECE_TASKS: usize = 512;

/// Sorts new tasks so that those of one service stand side by side, and says where to cut: never within a service.
pub fn plan(tasks: &mut [TaskChange]) -> Vec<Range<usize>> {
    tasks.sort_by_cached_key(service_hash);
    let mut pieces = Vec::new();
    let mut begin = 0;
    while begin < tasks.len() {
        let end = begin.saturating_add(PIECE_TASKS).min(tasks.len());
        let service = end.checked_sub(1).and_then(|last| tasks.get(last)).map(service_hash);
        let rest = tasks.get(end..).unwrap_or_default();
        let more = rest.iter().take_while(|task| Some(service_hash(task)) == service).count();
        let end = end.saturating_add(more);
        pieces.push(begin..end);
        begin = end;
    }
    pieces
}

/// Equal for tasks whose names are made of the same texts. Frameworks stay together.
fn service_hash(change: &TaskChange) -> u64 {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    let Some(task) = &change.new else { return 0 };
    let framework = xxh3_64(task.framework_id.as_bytes());
    framework << 48 | xxh3_64_with_seed(service(task).as_bytes(), framework) >> 16
}

/// The text of which a task's names are made.
fn service(task: &Task) -> &str {
    task.discovery.as_ref().map_or(&task.name, |discovery| &discovery.name)
}

/// Makes nodes for a zone, elsewhere.
#[derive(Clone)]
pub struct Loader {
    apex: Name,
    seed: Seed,
}

/// The records of some new tasks, ready for [`Zone::take`].
#[derive(Default)]
pub struct Made {
    finished: Vec<Finished>,
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
    rdata: Rdata,
}

impl Loader {
    /// Makes the records of the tasks that are new. Pure, so that several cores can do it side by side.
    pub fn make(&self, policy: &Policy, cluster: &Cluster, tasks: &[TaskChange]) -> Made {
        let mut made = Made::default();
        let mut maker = Maker::new(&cluster.hosts, policy);
        let (mut new, mut changes) = (Vec::new(), Changes::default());
        for service in tasks.chunk_by(|one, other| service_hash(one) == service_hash(other)) {
            let tasks = service.iter().filter(|change| change.old.is_none());
            for task in tasks.filter_map(|change| change.new.as_ref()) {
                let withheld = super::update::emit_task(&mut maker, cluster, task, &mut |record| {
                    self.sort_out(record, &mut new, &mut made.others);
                });
                made.withheld.add(withheld);
            }
            self.finish(&mut new, &mut changes, &mut made.finished);
        }
        made
    }

    fn sort_out(&self, record: Record, new: &mut Vec<New>, others: &mut Vec<Record>) {
        let is_usual = change::owner(&record, &self.apex).is_some()
            && !change::is_spelled(&record)
            && !matches!(record.data, Data::Unknown);
        if !is_usual {
            return others.push(record);
        }
        if let (Some(owner), Some(rdata)) = (record.owner.into_name(), Rdata::new(record.data)) {
            new.push(New { owner, rdata });
        }
    }

    /// Makes the nodes of one service.
    fn finish(&self, new: &mut Vec<New>, changes: &mut Changes, finished: &mut Vec<Finished>) {
        // Records of one owner share the allocation of its name, by which they are brought together. If the same
        // name was made twice after all, the second node will meet the first in the table.
        new.sort_unstable_by_key(|new| new.owner.address());
        let mut new = new.drain(..).peekable();
        while let Some(New { owner, rdata }) = new.next() {
            changes.push(Some(rdata), 1, false);
            while let Some(next) = new.next_if(|next| next.owner.is_same(&owner)) {
                changes.push(Some(next.rdata), 1, false);
            }
            changes.combine();
            let mut node = Node::new(owner.clone());
            let mut tally = Tally::of(&owner, None);
            changes.fold_into(&mut node, &mut tally);
            let hash = self.seed.hash(&Wire(owner.as_wire()));
            finished.push(Finished { hash, node, content_hash: tally.hash, records: tally.came });
        }
    }
}

impl Zone {
    /// What makes nodes for this zone on another core.
    pub fn loader(&self) -> Loader {
        Loader { apex: self.apex.clone(), seed: self.nodes.seed() }
    }

    /// Makes room for about this many more names. For a zone that is all but empty: what it has is moved.
    pub fn reserve(&mut self, names: usize) {
        let mut nodes = Table::with_capacity(self.nodes.seed(), names.saturating_add(self.nodes.len()));
        self.nodes.iter().cloned().for_each(|node| _ = nodes.insert(node));
        self.nodes = nodes;
    }

    /// Takes what a [`Loader`] made. The next delta is [`Delta::Everything`](super::Delta::Everything).
    pub fn take(&mut self, made: Made) {
        self.ledger = Ledger::Everything;
        self.withheld.add(made.withheld);
        made.others.iter().for_each(|record| self.add(record));
        for Finished { hash, node, content_hash, records } in made.finished {
            let owner = node.name().clone();
            match self.nodes.add(hash, node, Node::meet) {
                Added::New => self.count_child(&owner),
                Added::Met(None) => {}
                // Its records join those that are there when the batch is compiled.
                Added::Met(Some(node)) => {
                    self.add_again(hash, &node);
                    continue;
                }
            }
            self.moved(&owner, content_hash, records, 0);
        }
    }

    fn add_again(&mut self, hash: KeyHash, node: &Node) {
        node.counted(|rdata, by| self.note(hash, node.name().clone(), Some(rdata), by, false));
    }
}
