//! Agents and frameworks.

use std::{collections::HashMap, net::IpAddr};

use serde::Serialize;

use super::{Page, Pattern, Version, Window};
use crate::{
    cluster::{self, Agent, Framework},
    records::{agent_addresses, fragment},
};

/// A fault domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    region: String,
    zone: String,
}

impl From<&cluster::Place> for Place {
    fn from(place: &cluster::Place) -> Self {
        Self { region: place.region.to_string(), zone: place.zone.to_string() }
    }
}

/// An agent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentItem<'a> {
    id: &'a str,
    hostname: &'a str,
    addresses: &'a [IpAddr],
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    tasks: u64,
}

/// A framework.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkItem<'a> {
    id: &'a str,
    name: &'a str,
    /// Its own name in the zone; `None` if nothing of its name fits into one.
    domain: Option<String>,
    addresses: &'a [IpAddr],
    port: Option<u16>,
    tasks: u64,
}

/// Which agents are wanted.
#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Those whose id or host name is like this.
    pub name: Option<Pattern>,
    /// Those in this zone (the fault domain).
    pub zone: Option<String>,
    /// Those in this region.
    pub region: Option<String>,
}

/// Which frameworks are wanted.
#[derive(Clone, Debug, Default)]
pub struct FrameworkFilter {
    /// Those whose id or name is like this.
    pub name: Option<Pattern>,
}

/// Where an agent is: as it says, else as the operator does.
pub(super) fn place_of<'a>(version: Version<'a>, agent: &'a Agent) -> Option<&'a cluster::Place> {
    let addresses = agent_addresses(agent, &version.cluster.hosts);
    version.policy.place(agent, addresses).map(|place| &**place)
}

/// Whether a place is in this zone and region, where one is asked for.
pub(super) fn is_in(place: Option<&cluster::Place>, zone: Option<&str>, region: Option<&str>) -> bool {
    let agrees = |wanted: Option<&str>, part: fn(&cluster::Place) -> &str| {
        wanted.is_none_or(|wanted| place.is_some_and(|place| part(place) == wanted))
    };
    agrees(zone, |place| &place.zone) && agrees(region, |place| &place.region)
}

/// A page of agents, by id.
pub fn agents<'a>(
    version: Version<'a>,
    filter: &AgentFilter,
    after: Option<&'a str>,
    limit: usize,
) -> Page<AgentItem<'a>> {
    let mut window = Window::new(after, limit);
    for agent in version.cluster.agents.iter() {
        let is_named = |pattern: &Pattern| pattern.matches(&agent.id) || pattern.matches(&agent.hostname);
        if filter.name.as_ref().is_none_or(is_named)
            && is_in(place_of(version, agent), filter.zone.as_deref(), filter.region.as_deref())
        {
            window.offer(&*agent.id, &**agent);
        }
    }
    let (total, found, has_more) = window.finish();
    let mut tasks: HashMap<&str, u64> = found.iter().map(|(id, _)| (*id, 0)).collect();
    count(&mut tasks, version.cluster.tasks.iter().map(|task| &*task.agent_id));
    let next = found.last().filter(|_| has_more).map(|(id, _)| vec![(*id).to_owned()]);
    let item = |(id, agent): (&'a str, &'a Agent)| AgentItem {
        id,
        hostname: &agent.hostname,
        addresses: agent_addresses(agent, &version.cluster.hosts),
        port: agent.address.as_ref().map(|address| address.port),
        place: place_of(version, agent).map(Place::from),
        tasks: tasks.get(id).copied().unwrap_or(0),
    };
    Page { total, next, items: found.into_iter().map(item).collect() }
}

/// A page of frameworks, by id.
pub fn frameworks<'a>(
    version: Version<'a>,
    filter: &FrameworkFilter,
    after: Option<&'a str>,
    limit: usize,
) -> Page<FrameworkItem<'a>> {
    let mut window = Window::new(after, limit);
    for framework in version.cluster.frameworks.iter() {
        let is_named = |pattern: &Pattern| pattern.matches(&framework.id) || pattern.matches(&framework.name);
        if filter.name.as_ref().is_none_or(is_named) {
            window.offer(&*framework.id, &**framework);
        }
    }
    let (total, found, has_more) = window.finish();
    let mut tasks: HashMap<&str, u64> = found.iter().map(|(id, _)| (*id, 0)).collect();
    count(&mut tasks, version.cluster.tasks.iter().map(|task| &*task.framework_id));
    let next = found.last().filter(|_| has_more).map(|(id, _)| vec![(*id).to_owned()]);
    let item = |(id, framework): (&'a str, &'a Framework)| {
        let labels = fragment(&framework.name, version.policy.rules);
        FrameworkItem {
            id,
            name: &framework.name,
            domain: (!labels.is_empty()).then(|| format!("{labels}.{}.", version.policy.domain)),
            addresses: framework.host.as_ref().map_or(&[][..], |host| version.cluster.hosts.addresses(host)),
            port: framework.port,
            tasks: tasks.get(id).copied().unwrap_or(0),
        }
    };
    Page { total, next, items: found.into_iter().map(item).collect() }
}

/// Counts tasks by whom they belong to, of those that are asked for.
fn count<'a>(counts: &mut HashMap<&'a str, u64>, owners: impl Iterator<Item = &'a str>) {
    for owner in owners {
        if let Some(count) = counts.get_mut(owner) {
            *count = count.saturating_add(1);
        }
    }
}
