//! Services: the tasks of one framework that share a name.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Health, Id, Page, PortItem, TaskFilter, Version, offer::Offer};
use crate::{
    cluster::Task,
    records::{Maker, agent_suffix, is_answered, task_hash},
    table::KeyHash,
};

/// The tasks of one framework that share a name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceItem<'a> {
    framework: Id<'a>,
    /// Their name: that of their discovery information, else that of the task.
    name: &'a str,
    /// How many have names.
    instances: u64,
    /// How many of these pass their check, fail it, or have no result.
    healthy: u64,
    unhealthy: u64,
    unknown: u64,
    /// Names that lead to all of them.
    names: Vec<String>,
    /// The ports of one of them.
    ports: Vec<PortItem>,
}

/// The tasks of a service that were met.
#[derive(Default)]
struct Group<'a> {
    first: Option<&'a Task>,
    instances: u64,
    healthy: u64,
    unhealthy: u64,
}

/// A page of services, by framework id and name.
///
/// A filter chooses tasks: those that it leaves out do not count. Memory: the page, and eight bytes for each service
/// to count them by.
pub fn services<'a>(
    version: Version<'a>,
    filter: &TaskFilter,
    after: Option<(&'a str, &'a str)>,
    limit: usize,
) -> Page<ServiceItem<'a>> {
    let mut groups: BTreeMap<(&str, &str), Group<'_>> = BTreeMap::new();
    let mut seen: BTreeSet<KeyHash> = BTreeSet::new();
    for task in version.cluster.tasks.iter() {
        if !is_answered(task, version.policy) || !filter.takes(version, task) {
            continue;
        }
        let key = (&*task.framework_id, &**task.service_name());
        seen.insert(version.zone.hash_of(&key));
        let is_full = groups.len() > limit;
        let is_behind = is_full && groups.last_key_value().is_some_and(|(last, _)| *last < key);
        if after.is_some_and(|after| key <= after) || is_behind {
            continue;
        }
        // What was left out once is behind the page for good, so a group that is here has all its tasks.
        groups.entry(key).or_default().add(task);
        if groups.len() > limit.saturating_add(1) {
            groups.pop_last();
        }
    }
    if groups.len() > limit {
        groups.pop_last();
        let next = groups
            .last_key_value()
            .map(|((framework, name), _)| vec![(*framework).to_owned(), (*name).to_owned()]);
        return page(version, seen.len(), groups, next);
    }
    page(version, seen.len(), groups, None)
}

fn page<'a>(
    version: Version<'a>,
    total: usize,
    groups: BTreeMap<(&'a str, &'a str), Group<'a>>,
    next: Option<Vec<String>>,
) -> Page<ServiceItem<'a>> {
    let mut maker = Maker::new(version.cluster, version.policy);
    let items = groups.into_iter().map(|(key, group)| group.item(version, &mut maker, key));
    Page { total: total as u64, next, items: items.collect() }
}

impl<'a> Group<'a> {
    fn add(&mut self, task: &'a Task) {
        let count = match Health::of(task) {
            Health::Healthy => Some(&mut self.healthy),
            Health::Unhealthy => Some(&mut self.unhealthy),
            Health::Unknown => None,
        };
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
        self.instances = self.instances.saturating_add(1);
        // The same one whatever order they come in, so that nothing changes between two looks.
        if self.first.is_none_or(|first| task.id < first.id) {
            self.first = Some(task);
        }
    }

    fn item(
        self,
        version: Version<'a>,
        maker: &mut Maker<'_>,
        (framework_id, name): (&'a str, &'a str),
    ) -> ServiceItem<'a> {
        let Self { first, instances, healthy, unhealthy } = self;
        let framework = version.cluster.frameworks.get(framework_id);
        let offer = first.and_then(|task| {
            let agent = version.cluster.agents.get(&*task.agent_id)?;
            let mut offer = Offer::of(version, maker, (task, framework?, agent));
            let own = tail(task);
            let is_shared = |name: &String| !name.split('.').next().unwrap_or_default().ends_with(&own);
            offer.names.retain(is_shared);
            Some(offer)
        });
        let Offer { names, ports, .. } = offer.unwrap_or_default();
        ServiceItem {
            framework: Id { id: framework_id, name: framework.map(|framework| &*framework.name) },
            name,
            instances,
            healthy,
            unhealthy,
            unknown: instances.saturating_sub(healthy).saturating_sub(unhealthy),
            names,
            ports,
        }
    }
}

/// With what the first label of a task's own names ends.
fn tail(task: &Task) -> String {
    let hash = task_hash(&task.id);
    format!("-{}-{}", String::from_utf8_lossy(&hash), agent_suffix(&task.agent_id))
}
