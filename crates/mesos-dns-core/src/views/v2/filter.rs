//! Which tasks are wanted.

use super::{
    Health, Pattern, State, Version,
    members::{is_in, place_of},
};
use crate::cluster::{DnsLabels, Task};

/// Which tasks are wanted.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Those of a framework whose id or name is like this.
    pub framework: Option<Pattern>,
    /// Those whose name, or service name, is like this.
    pub name: Option<Pattern>,
    /// Those on an agent whose id or host name is like this.
    pub agent: Option<Pattern>,
    /// Those with these labels, each of them.
    pub labels: Vec<LabelFilter>,
    /// Those in this zone (the fault domain).
    pub zone: Option<String>,
    /// Those in this region.
    pub region: Option<String>,
    /// Those of this health.
    pub health: Option<Health>,
    /// Those in this state.
    pub state: Option<State>,
}

/// A label, with this value if one is given. Only labels that are meant for us are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// One of [`LabelFilter::KEYS`].
    pub key: String,
    /// Its whole value; of `dns.alias`, one of those in its list.
    pub value: Option<String>,
}

impl LabelFilter {
    /// The labels that are kept.
    pub const KEYS: [&str; 4] = ["dns.alias", "dns.priority", "dns.ttl", "dns.weight"];

    fn takes(&self, labels: Option<&DnsLabels>) -> bool {
        let Some(labels) = labels else { return false };
        let is = |value: &str| self.value.as_ref().is_none_or(|wanted| wanted == value);
        let has = |number: Option<u64>| number.is_some_and(|number| is(&number.to_string()));
        match self.key.as_str() {
            "dns.alias" => labels.aliases.iter().any(|alias| is(alias)),
            "dns.priority" => has(labels.priority.map(Into::into)),
            "dns.ttl" => has(labels.ttl.map(Into::into)),
            "dns.weight" => has(labels.weight.map(Into::into)),
            _ => false,
        }
    }
}

impl TaskFilter {
    /// Whether a task is wanted.
    pub(super) fn takes(&self, version: Version<'_>, task: &Task) -> bool {
        let Self { framework, name, agent, labels, zone, region, health, state } = self;
        let of_framework = |pattern: &Pattern| {
            let found = version.cluster.frameworks.get(&*task.framework_id);
            pattern.matches(&task.framework_id)
                || found.is_some_and(|framework| pattern.matches(&framework.name))
        };
        let on_agent = |pattern: &Pattern| {
            let found = version.cluster.agents.get(&*task.agent_id);
            pattern.matches(&task.agent_id) || found.is_some_and(|agent| pattern.matches(&agent.hostname))
        };
        let is_named =
            |pattern: &Pattern| pattern.matches(&task.name) || pattern.matches(task.service_name());
        let is_placed = || {
            let agent = version.cluster.agents.get(&*task.agent_id);
            is_in(agent.and_then(|agent| place_of(version, agent)), zone.as_deref(), region.as_deref())
        };
        health.is_none_or(|health| Health::of(task) == health)
            && state.is_none_or(|state| State::of(task) == state)
            && name.as_ref().is_none_or(is_named)
            && framework.as_ref().is_none_or(of_framework)
            && agent.as_ref().is_none_or(on_agent)
            && labels.iter().all(|label| label.takes(task.labels.as_deref()))
            && (zone.is_none() && region.is_none() || is_placed())
    }
}
