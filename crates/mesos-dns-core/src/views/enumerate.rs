//! `/v1/enumerate`: which records each task brought.
//!
//! Nothing of this is stored. What each task contributes is computed again while the body is written,
//! from the very cluster the zone was made from. A record that several tasks contribute is shown with
//! the first of them only; as the zone knows how many contribute a record, only the shared ones have
//! to be remembered meanwhile.

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::{
    cluster::{Cluster, Framework, Task},
    records::{self, Policy, Record},
    zone::Snapshot,
};

/// The body of `/v1/enumerate`: frameworks by id, in them their tasks by id, in them their records.
pub struct Enumerate<'a> {
    /// The cluster the zone was made from.
    pub cluster: &'a Cluster,
    /// The zone; it says which records have several contributors.
    pub zone: &'a Snapshot,
    /// How the zone's names were made.
    pub policy: &'a Policy,
    /// A number tenants cannot know, so that they cannot make two records look alike.
    pub seed: u64,
}

impl Serialize for Enumerate<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frameworks: Vec<&Arc<Framework>> = self.cluster.frameworks.iter().collect();
        frameworks.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut tasks: Vec<&Arc<Task>> = self.cluster.tasks.iter().filter(|task| self.shows(task)).collect();
        tasks.sort_unstable_by(|a, b| (&a.framework_id, &a.id).cmp(&(&b.framework_id, &b.id)));
        let listing = Listing { body: self, seen: RefCell::new(self.seen_before_tasks(&frameworks)) };
        let rows: Vec<_> = frameworks
            .into_iter()
            .map(|framework| FrameworkRow {
                framework,
                tasks: of_framework(&tasks, framework),
                listing: &listing,
            })
            .collect();
        let mut body = serializer.serialize_struct("Enumerate", 1)?;
        // The original writes a list that never had an entry as `null`.
        body.serialize_field("frameworks", &(!rows.is_empty()).then_some(rows))?;
        body.end()
    }
}

impl Enumerate<'_> {
    /// Tasks that are answered, on an agent we know, are the ones that can have records; of one that is hidden, nothing
    /// is told.
    fn shows(&self, task: &Task) -> bool {
        records::is_answered(task, self.policy) && self.cluster.agents.get(&*task.agent_id).is_some()
    }

    /// Records that a framework has itself: they stand in the tables before any task's.
    fn seen_before_tasks(&self, frameworks: &[&Arc<Framework>]) -> HashSet<u128> {
        let mut seen = HashSet::new();
        for framework in frameworks {
            records::framework(framework, &self.cluster.hosts, self.policy, &mut |record| {
                if self.zone.contributors(&record) > 1 {
                    seen.insert(self.fingerprint(&Row::new(&record)));
                }
            });
        }
        seen
    }

    fn fingerprint(&self, row: &Row) -> u128 {
        let Row { name, host, rtype } = row;
        xxh3_128_with_seed(format!("{rtype} {host} {name}").as_bytes(), self.seed)
    }
}

/// The tasks of one framework, out of all tasks in order.
fn of_framework<'a, 'b>(tasks: &'b [&'a Arc<Task>], framework: &Framework) -> &'b [&'a Arc<Task>] {
    let start = tasks.partition_point(|task| *task.framework_id < *framework.id);
    let end = tasks.partition_point(|task| *task.framework_id <= *framework.id);
    tasks.get(start..end).unwrap_or_default()
}

/// The body while it is being written.
struct Listing<'a> {
    body: &'a Enumerate<'a>,
    /// Shared records that were already shown.
    seen: RefCell<HashSet<u128>>,
}

struct FrameworkRow<'a> {
    framework: &'a Framework,
    tasks: &'a [&'a Arc<Task>],
    listing: &'a Listing<'a>,
}

impl Serialize for FrameworkRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = Tasks(self);
        let mut body = serializer.serialize_struct("Framework", 2)?;
        body.serialize_field("tasks", &rows)?;
        body.serialize_field("name", &*self.framework.name)?;
        body.end()
    }
}

struct Tasks<'a>(&'a FrameworkRow<'a>);

impl Serialize for Tasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FrameworkRow { framework, tasks, listing } = self.0;
        serializer.collect_seq(tasks.iter().map(|task| TaskRow {
            name: &task.name,
            id: &task.id,
            records: listing.newly_added(task, framework),
        }))
    }
}

#[derive(Serialize)]
struct TaskRow<'a> {
    name: &'a str,
    id: &'a str,
    /// `null` if the task added none.
    records: Option<Vec<Row>>,
}

/// A record as the v1 API spells it.
#[derive(Serialize)]
struct Row {
    name: String,
    host: String,
    rtype: &'static str,
}

impl Row {
    fn new(record: &Record) -> Self {
        Self { name: record.listed_name(), host: record.listed_value(), rtype: record.rtype() }
    }
}

impl Listing<'_> {
    /// What this task added to the tables, in the order in which it did.
    fn newly_added(&self, task: &Task, framework: &Framework) -> Option<Vec<Row>> {
        let Enumerate { cluster, zone, policy, .. } = *self.body;
        let agent = cluster.agents.get(&*task.agent_id)?;
        let mut seen = self.seen.borrow_mut();
        let mut rows = Vec::new();
        records::contribution(task, framework, agent, cluster, policy, &mut |record| {
            let row = Row::new(&record);
            let is_shown = match zone.contributors(&record) {
                _ if row.rtype.is_empty() => false,
                // It is not in force.
                0 => false,
                1 => true,
                _ => seen.insert(self.body.fingerprint(&row)),
            };
            if is_shown {
                rows.push(row);
            }
        });
        (!rows.is_empty()).then_some(rows)
    }
}
