//! Names beyond those of the original, which exist where the operator asks for them (`extraNames`), and what the
//! labels of a task say of its names.

use std::{net::IpAddr, sync::Arc};

use super::{
    Data, Fixed, Owner, Policy, Preference, Record, fragment, label,
    trace::{Scope, Trace, Why},
};
use crate::{
    cluster::{Agent, Discovery, DiscoveryPort, DnsLabels, Place, Task, Visibility},
    wire::{Name, rtype},
};

/// A kind of further names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtraName {
    /// Agents by host name and id: `<agent>._agent.<domain>`.
    Agents,
    /// Services for whoever browses (RFC 6763).
    Browse,
    /// The instances in one zone or region: `<zone>._zone.<name>`, `<region>._region.<name>`.
    Places,
    /// Named ports in the standard's shape (RFC 2782): `_<port>._<protocol>.<task>…`.
    Ports,
    /// What there is to know of an instance, as TXT at its own name.
    Text,
}

/// Some kinds of further names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraNames(u8);

impl ExtraNames {
    /// Whether this kind is among them.
    pub const fn has(self, name: ExtraName) -> bool {
        self.0 & Self::bit(name) != 0
    }

    const fn bit(name: ExtraName) -> u8 {
        match name {
            ExtraName::Agents => 1,
            ExtraName::Browse => 2,
            ExtraName::Places => 4,
            ExtraName::Ports => 8,
            ExtraName::Text => 16,
        }
    }
}

impl FromIterator<ExtraName> for ExtraNames {
    fn from_iter<T: IntoIterator<Item = ExtraName>>(names: T) -> Self {
        Self(names.into_iter().fold(0, |bits, name| bits | Self::bit(name)))
    }
}

/// What the operator chose about further names, and about what is shown at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Static records (`records`, `zoneFiles`).
    pub fixed: Arc<Fixed>,
    /// Which further names there are (`extraNames`).
    pub names: ExtraNames,
    /// Who has to be meant to see a service for it to be published (`visibility`).
    pub visibility: Visibility,
    /// Weight of SRV records that a task gives a priority and no weight (`SRVRecordDefaultWeight`).
    pub weight: u16,
}

//------------ What one task has -----------------------------------------------

/// Longest TTL that a task can ask for, in seconds: a day.
const TTL_MAX: u32 = 86_400;

/// Most aliases of one task.
const ALIASES_MAX: usize = 16;

/// Longest string of a TXT record, in bytes (RFC 1035 section 3.3.14).
const STRING_BYTES_MAX: usize = 255;

/// What a task has beyond the names of the original. Most tasks have nothing, and then there is no such value.
pub(super) struct Additions<'a> {
    task: &'a Task,
    agent: &'a Agent,
    policy: &'a Policy,
    /// Where its agent is.
    place: Option<&'a Place>,
    /// What stands in front of a name to mean its instances in one place: `east-1._zone.`, `east._region.`
    places: Vec<String>,
}

impl<'a> Additions<'a> {
    /// Those of a task, if it has any. The addresses are its agent's.
    pub(super) fn of(
        task: &'a Task,
        agent: &'a Agent,
        addresses: &[IpAddr],
        policy: &'a Policy,
    ) -> Option<Self> {
        if task.labels.is_none() && policy.extra.names == ExtraNames::default() {
            return None;
        }
        let mut places = Vec::new();
        let place = policy.place(agent, addresses).map(|place| &**place);
        if let Some(place) = place.filter(|_| policy.extra.names.has(ExtraName::Places)) {
            for (name, kind) in [(&place.zone, "_zone"), (&place.region, "_region")] {
                let name = label(name, policy.rules);
                if !name.is_empty() {
                    places.push(format!("{name}.{kind}."));
                }
            }
        }
        Some(Self { task, agent, policy, place, places })
    }

    /// The served domain.
    pub(super) fn domain(&self) -> &'a str {
        &self.policy.domain
    }

    fn labels(&self) -> Option<&'a DnsLabels> {
        self.task.labels.as_deref()
    }

    /// Whether the operator wants this kind of names.
    pub(super) fn has(&self, name: ExtraName) -> bool {
        self.policy.extra.names.has(name)
    }

    /// Labels under which the task stands too, each once, none of them in `known`.
    pub(super) fn aliases(&self, known: &[&str]) -> Vec<String> {
        let asked = self.labels().map(|labels| &*labels.aliases).unwrap_or_default();
        let mut aliases: Vec<String> = Vec::new();
        for alias in asked.iter().take(ALIASES_MAX).map(|alias| label(alias, self.policy.rules)) {
            if !alias.is_empty() && !known.contains(&alias.as_str()) && !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        aliases
    }

    /// TTL of its names.
    pub(super) fn ttl(&self) -> Option<u32> {
        Some(self.labels()?.ttl?.min(TTL_MAX))
    }

    /// The same data; SRV with the priority and weight that the task asks for.
    pub(super) fn preferred(&self, data: Data) -> Data {
        let Some(labels) = self.labels().filter(|labels| labels.weight.or(labels.priority).is_some()) else {
            return data;
        };
        match data {
            Data::Srv { port, target, preference: None } => {
                let priority = labels.priority.unwrap_or(0);
                let weight = labels.weight.unwrap_or(self.policy.extra.weight);
                Data::Srv { port, target, preference: Some(Preference { priority, weight }) }
            }
            other => other,
        }
    }

    /// The names that mean, of the instances at `owner`, those in the places of this one.
    pub(super) fn at_places(&self, owner: &Owner) -> impl Iterator<Item = Owner> {
        let text = if self.places.is_empty() { String::new() } else { owner.to_text() };
        self.places.iter().map(move |place| Owner::new(&format!("{place}{text}")))
    }

    /// What there is to know of the instance, as strings `key=value` (RFC 6763 section 6.3).
    pub(super) fn text(&self) -> Data {
        let place = self.place;
        let version = self.task.discovery.as_ref().and_then(|discovery| discovery.version.as_deref());
        let health = self.task.healthy.map(|healthy| if healthy { "healthy" } else { "unhealthy" });
        let known = [
            ("task", Some(&*self.task.id)),
            ("agent", Some(&*self.agent.id)),
            ("region", place.map(|place| &*place.region)),
            ("zone", place.map(|place| &*place.zone)),
            ("version", version.map(String::as_str)),
            ("health", health),
        ];
        let mut rdata = Vec::new();
        for (key, value) in known {
            if let Some(value) = value {
                string(&format!("{key}={value}"), &mut rdata);
            }
        }
        Data::Other { rtype: rtype::TXT, rdata: rdata.into() }
    }
}

/// Adds a string of a TXT record, cut to what one can hold.
fn string(text: &str, rdata: &mut Vec<u8>) {
    let kept = text.get(..text.floor_char_boundary(STRING_BYTES_MAX)).unwrap_or_default();
    rdata.push(u8::try_from(kept.len()).unwrap_or(0));
    rdata.extend(kept.as_bytes());
}

/// A record that leads to a name.
pub(super) fn pointer(name: &Name) -> Data {
    Data::Other { rtype: rtype::PTR, rdata: name.as_wire().into() }
}

//------------ Who is shown ----------------------------------------------------

/// How much of a task is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it, but for ports that say otherwise.
    All,
    /// Those of its ports that say so, and the names they need.
    Ports,
    /// Nothing.
    Nothing,
}

/// How much of a task is shown where services must be meant to be seen by these.
pub(super) fn shown(task: &Task, least: Visibility) -> Shown {
    let Some(discovery) = task.discovery.as_deref().filter(|_| least > Visibility::default()) else {
        return Shown::All;
    };
    if discovery.visibility >= least {
        Shown::All
    } else if discovery.ports.iter().any(|port| is_shown(port, discovery, least)) {
        Shown::Ports
    } else {
        Shown::Nothing
    }
}

/// Whether a task, or a port of it, is not shown.
pub fn hides(task: &Task, policy: &Policy) -> bool {
    let (least, discovery) = (policy.extra.visibility, task.discovery.as_deref());
    least > Visibility::default()
        && discovery.is_some_and(|discovery| {
            discovery.visibility < least && discovery.ports.is_empty()
                || discovery.ports.iter().any(|port| !is_shown(port, discovery, least))
        })
}

/// Whether a port is shown.
pub(super) fn is_shown(port: &DiscoveryPort, discovery: &Discovery, least: Visibility) -> bool {
    port.kind.visibility.unwrap_or(discovery.visibility) >= least
}

//------------ Labels that are ours --------------------------------------------

/// Labels that stand in front of what only we put there.
const RESERVED: [&str; 4] = ["_agent", "_net", "_region", "_zone"];

/// Whether a raw name has a label that is ours.
pub(super) fn is_reserved(name: &str) -> bool {
    name.contains('_')
        && name.split('.').any(|label| RESERVED.iter().any(|ours| label.eq_ignore_ascii_case(ours)))
}

//------------ Agents ----------------------------------------------------------

/// The names of an agent: by its host name and by its id.
pub(super) fn agent(
    agent: &Agent,
    addresses: &[IpAddr],
    policy: &Policy,
    trace: impl Trace,
    emit: &mut dyn FnMut(Record),
) {
    let (host, id) = (fragment(&agent.hostname, policy.rules), label(&agent.id, policy.rules));
    for name in [&host, &id].into_iter().filter(|name| !name.is_empty()) {
        let owner = agent_owner(name, policy);
        if owner.name().is_some() {
            for address in addresses {
                trace.begins(Scope::Data);
                trace.because(Scope::Data, Why::AgentAddress(*address));
                trace.because(Scope::Data, Why::Extra(ExtraName::Agents));
                emit(Record::new(&owner, *address));
            }
        }
        if host == id {
            break;
        }
    }
}

/// The name of an agent by this text; one that DNS cannot carry if there is none.
pub(super) fn agent_owner(name: &str, policy: &Policy) -> Owner {
    let text = format!("{name}._agent.{}.", policy.domain);
    if name.is_empty() { Owner::listed_only(&text) } else { Owner::new(&text) }
}

#[cfg(test)]
mod tests;
