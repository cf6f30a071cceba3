//! Tasks: what the master says of each, and what it has in the zone.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use super::{
    LabelFilter, Page, Pattern, Place, PortItem, TaskFilter, Version, Window, members::place_of, offer::Offer,
};
use crate::{
    cluster::{DnsLabels, Task, TaskState, Visibility},
    records::{Maker, is_answered},
};

/// A task.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem<'a> {
    id: &'a str,
    name: &'a str,
    framework: Id<'a>,
    agent: Id<'a>,
    state: State,
    health: Health,
    /// Whether it has names.
    answered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery: Option<DiscoveryItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, String>,
    /// Those its own name leads to.
    addresses: Vec<IpAddr>,
    ports: Vec<PortItem>,
    /// Every name that leads to it.
    names: Vec<String>,
}

/// What a task belongs to: an id, and the name of it if that is known.
#[derive(Debug, Serialize)]
pub struct Id<'a> {
    pub(super) id: &'a str,
    pub(super) name: Option<&'a str>,
}

/// `DiscoveryInfo`.
#[derive(Debug, Serialize)]
struct DiscoveryItem<'a> {
    name: &'a str,
    visibility: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
}

/// Whether a task is in good health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Its check passed.
    Healthy,
    /// Its check failed.
    Unhealthy,
    /// It has no check, or no result yet.
    Unknown,
}

/// State of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names that Mesos gives them")]
pub enum State {
    TaskKilling,
    TaskRunning,
    TaskStaging,
    TaskStarting,
    TaskUnreachable,
    /// One that we do not know.
    Other,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Unhealthy, Self::Unknown];

    /// That of a task.
    pub fn of(task: &Task) -> Self {
        match task.healthy {
            Some(true) => Self::Healthy,
            Some(false) => Self::Unhealthy,
            None => Self::Unknown,
        }
    }

    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TaskKilling,
        Self::TaskRunning,
        Self::TaskStaging,
        Self::TaskStarting,
        Self::TaskUnreachable,
        Self::Other,
    ];

    /// That of a task.
    pub fn of(task: &Task) -> Self {
        match task.state {
            TaskState::Killing => Self::TaskKilling,
            TaskState::Other => Self::Other,
            TaskState::Running => Self::TaskRunning,
            TaskState::Staging => Self::TaskStaging,
            TaskState::Starting => Self::TaskStarting,
            TaskState::Unreachable => Self::TaskUnreachable,
        }
    }

    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskKilling => "TASK_KILLING",
            Self::TaskRunning => "TASK_RUNNING",
            Self::TaskStaging => "TASK_STAGING",
            Self::TaskStarting => "TASK_STARTING",
            Self::TaskUnreachable => "TASK_UNREACHABLE",
            Self::Other => "OTHER",
        }
    }
}

fn labels(labels: Option<&DnsLabels>) -> BTreeMap<&'static str, String> {
    let Some(labels) = labels else { return BTreeMap::new() };
    let aliases: Vec<&str> = labels.aliases.iter().map(|alias| &**alias).collect();
    let values = [
        Some(aliases.join(",")).filter(|text| !text.is_empty()),
        labels.priority.map(|number| number.to_string()),
        labels.ttl.map(|number| number.to_string()),
        labels.weight.map(|number| number.to_string()),
    ];
    LabelFilter::KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
}

/// A page of tasks, by framework id and task id.
pub fn tasks<'a>(
    version: Version<'a>,
    filter: &TaskFilter,
    after: Option<(&'a str, &'a str)>,
    limit: usize,
) -> Page<TaskItem<'a>> {
    let mut window = Window::new(after, limit);
    for task in version.cluster.tasks.iter().filter(|task| filter.takes(version, task)) {
        window.offer((&*task.framework_id, &*task.id), &**task);
    }
    let (total, found, has_more) = window.finish();
    let next = found.last().filter(|_| has_more);
    let next = next.map(|((framework, id), _)| vec![(*framework).to_owned(), (*id).to_owned()]);
    let mut maker = Maker::new(version.cluster, version.policy);
    let items = found.into_iter().map(|(_, task)| TaskItem::of(version, &mut maker, task));
    Page { total, next, items: items.collect() }
}

/// The task with this id, in this framework; none if there is none.
pub fn task<'a>(version: Version<'a>, framework_id: &str, id: &str) -> Option<TaskItem<'a>> {
    let task = version.cluster.tasks.get((framework_id, id))?;
    Some(TaskItem::of(version, &mut Maker::new(version.cluster, version.policy), task))
}

/// The frameworks that have a task with this id, sorted: an id is unique only within its framework.
pub fn framework_ids_of<'a>(version: Version<'a>, id: &str, framework: Option<&Pattern>) -> Vec<&'a str> {
    let frameworks = version.cluster.frameworks.iter().filter(|other| {
        framework.is_none_or(|pattern| pattern.matches(&other.id) || pattern.matches(&other.name))
    });
    let ids = frameworks.map(|framework| &*framework.id);
    let mut ids: Vec<&str> =
        ids.filter(|framework| version.cluster.tasks.get((*framework, id)).is_some()).collect();
    ids.sort_unstable();
    ids
}

impl<'a> TaskItem<'a> {
    fn of(version: Version<'a>, maker: &mut Maker<'_>, task: &'a Task) -> Self {
        let framework = version.cluster.frameworks.get(&*task.framework_id);
        let agent = version.cluster.agents.get(&*task.agent_id);
        let offer = match (framework, agent) {
            (Some(framework), Some(agent)) => Offer::of(version, maker, (task, framework, agent)),
            _ => Offer::default(),
        };
        let discovery = task.discovery.as_ref().map(|discovery| DiscoveryItem {
            name: &discovery.name,
            visibility: match discovery.visibility {
                Visibility::Framework => "framework",
                Visibility::Cluster => "cluster",
                Visibility::External => "external",
            },
            version: discovery.version.as_deref().map_or("", String::as_str),
        });
        Self {
            id: &task.id,
            name: &task.name,
            framework: Id { id: &task.framework_id, name: framework.map(|framework| &*framework.name) },
            agent: Id { id: &task.agent_id, name: agent.map(|agent| &*agent.hostname) },
            state: State::of(task),
            health: Health::of(task),
            answered: is_answered(task, version.policy) && !offer.names.is_empty(),
            discovery,
            place: agent.and_then(|agent| place_of(version, agent)).map(Place::from),
            labels: labels(task.labels.as_deref()),
            addresses: offer.addresses,
            ports: offer.ports,
            names: offer.names,
        }
    }
}
