//! The bodies of the v2 API: what there is to know of a version, page by page.
//!
//! Lists are as long as the cluster is large, so a [`Page`] is found by one walk over the version that keeps no more than
//! the page ([`Window`]). What a task has (names, addresses, ports) is computed by the [`records`](crate::records) room
//! for those that are shown, and stored nowhere.
//!
//! - `page`, `pattern`: pages, and the names that a filter is for.
//! - `records`: records and names. `changes`: what came and went.
//! - `tasks`, `services`, `members`: the cluster. `filter`: which tasks; `offer`: what one has in the zone.
//! - `discovery`: targets for Prometheus.

mod changes;
mod discovery;
mod filter;
mod members;
mod offer;
mod page;
mod pattern;
mod records;
mod services;
mod tasks;

pub use changes::{Change, FrameworkNames, Scope, changed};
pub use discovery::{Target, TargetFilter, targets};
pub use filter::{LabelFilter, TaskFilter};
pub use members::{AgentFilter, AgentItem, FrameworkFilter, FrameworkItem, Place, agents, frameworks};
pub use offer::PortItem;
pub use page::{Page, Window};
pub use pattern::Pattern;
pub use records::{RecordFilter, RecordItem, Row, Type, records, write_records};
pub use services::{ServiceItem, services};
pub use tasks::{Health, Id, State, TaskItem, framework_ids_of, task, tasks};

use crate::{cluster::Cluster, records::Policy, zone::Snapshot};

/// One version: the zone, the cluster it was made from, and how.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    /// What DNS answers.
    pub zone: &'a Snapshot,
    /// What it was made from.
    pub cluster: &'a Cluster,
    /// How names were made.
    pub policy: &'a Policy,
}
