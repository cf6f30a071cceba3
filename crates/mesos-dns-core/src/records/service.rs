//! The names that tasks of one service share, remembered while such tasks follow each other.
//!
//! What is remembered has a fixed size and changes no name: it is kept by the very text that the names are made
//! of, and a text that is not remembered is made again.

use std::sync::Arc;

use super::{Owner, Policy, Rules, extra, fragment, infrastructure, label};
use crate::cluster::Framework;

/// Services of one framework that are remembered. One would do for tasks in order; discovery information may
/// give a name other than the task's.
const SERVICES_MAX: usize = 2;

/// Owners of SRV records that are remembered per name; services with more named ports are rare.
const OWNERS_MAX: usize = 16;

/// The two zones in which a task has names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// `<framework>.slave.<domain>.`; `slave` is what these names have always been called.
    Agent,
    /// `<framework>.<domain>.`
    Plain,
}

/// The services met last, all of one framework.
#[derive(Default)]
pub(super) struct Services {
    framework: Option<Place>,
    services: [Option<Service>; SERVICES_MAX],
    /// Which of them makes room next.
    oldest: usize,
}

impl Services {
    /// Turns to the tasks of this framework. Returns whether its name is one of ours: then it has none.
    pub(super) fn enter(&mut self, framework: &Framework, policy: &Policy) -> bool {
        if let Some(place) = self.framework.as_ref().filter(|place| place.framework == framework.name) {
            return place.is_special;
        }
        self.services = Default::default();
        self.framework.insert(Place::new(&framework.name, policy)).is_special
    }

    /// The names made of a task's name.
    pub(super) fn munged(&mut self, name: &Arc<str>, policy: &Policy) -> &mut Base {
        &mut self.find(name, policy).munged
    }

    /// The names made of a text that is a label already.
    pub(super) fn of_label(&self, label: &str) -> Base {
        Base::new(&label.into(), self.framework.as_ref().map(|place| place.zones.clone()).unwrap_or_default())
    }

    /// The names made of a discovery name: as it is, unless it has a label that is ours, and, if that differs, as a
    /// label. With `with_reserved` as it is in any case: for whoever wants to know what there would be.
    pub(super) fn both(
        &mut self,
        name: &Arc<str>,
        policy: &Policy,
        with_reserved: bool,
    ) -> (Option<&mut Base>, Option<&mut Base>) {
        let zones = self.framework.as_ref().map(|place| place.zones.clone()).unwrap_or_default();
        let Service { name, munged, raw, is_reserved } = self.find(name, policy);
        if munged.task == *name {
            return (Some(munged), None);
        }
        if *is_reserved && !with_reserved {
            return (None, Some(munged));
        }
        (Some(raw.get_or_insert_with(|| Base::new(name, zones))), Some(munged))
    }

    fn find(&mut self, name: &Arc<str>, policy: &Policy) -> &mut Service {
        let known = |service: &Option<Service>| service.as_ref().is_some_and(|service| service.name == *name);
        let at = self.services.iter().position(known).unwrap_or_else(|| {
            let at = self.oldest;
            self.oldest = at.saturating_add(1).checked_rem(SERVICES_MAX).unwrap_or(0);
            if let Some(place) = self.services.get_mut(at) {
                *place = None;
            }
            at
        });
        let zones = self.framework.as_ref().map(|place| &place.zones);
        let make = || Service::new(name, zones.cloned().unwrap_or_default(), policy.rules);
        match self.services.get_mut(at) {
            Some(place) => place.get_or_insert_with(make),
            None => unreachable!("a place of the array"),
        }
    }
}

/// Where the tasks of a framework have their names.
struct Place {
    framework: Arc<str>,
    is_special: bool,
    zones: Zones,
}

impl Place {
    fn new(framework: &Arc<str>, policy: &Policy) -> Self {
        let fragment = fragment(framework, policy.rules);
        let domain = &policy.domain;
        Self {
            framework: framework.clone(),
            is_special: infrastructure::is_special(&fragment, policy),
            zones: Zones {
                plain: format!("{fragment}.{domain}.").into(),
                agent: format!("{fragment}.slave.{domain}.").into(),
            },
        }
    }
}

/// The ends of the names, trailing dot included.
#[derive(Clone, Default)]
struct Zones {
    plain: Arc<str>,
    agent: Arc<str>,
}

impl Zones {
    fn end(&self, zone: Zone) -> &str {
        match zone {
            Zone::Agent => &self.agent,
            Zone::Plain => &self.plain,
        }
    }
}

/// The names made of one text.
struct Service {
    name: Arc<str>,
    munged: Base,
    raw: Option<Base>,
    is_reserved: bool,
}

impl Service {
    fn new(name: &Arc<str>, zones: Zones, rules: Rules) -> Self {
        let munged = Base::new(&label(name, rules).into(), zones);
        Self { name: name.clone(), munged, raw: None, is_reserved: extra::is_reserved(name) }
    }
}

//------------ Base ----------------------------------------------------------

/// The names with one task part, for example `web`.
pub(super) struct Base {
    task: Arc<str>,
    zones: Zones,
    plain: Owner,
    agent_plain: Owner,
    services: Vec<(Key, Owner)>,
    /// Where names are put together.
    text: String,
}

/// What tells the owners of SRV records apart.
struct Key {
    port_name: Option<Box<str>>,
    protocol: Box<str>,
    zone: Zone,
}

impl Base {
    fn new(task: &Arc<str>, zones: Zones) -> Self {
        let mut text = String::new();
        let plain = named(task, &mut text, &[task, ".", &zones.plain]);
        let agent_plain = named(task, &mut text, &[task, ".", &zones.agent]);
        Self { task: task.clone(), zones, plain, agent_plain, services: Vec::new(), text }
    }

    /// The name that the tasks share.
    pub(super) fn plain(&self, zone: Zone) -> Owner {
        match zone {
            Zone::Agent => self.agent_plain.clone(),
            Zone::Plain => self.plain.clone(),
        }
    }

    /// A name below that of the task: `<front><task>.<framework>.<domain>.`
    pub(super) fn below(&mut self, front: &[&str]) -> Owner {
        let parts = [front, &[&self.task, ".", &self.zones.plain]].concat();
        named(&self.task, &mut self.text, &parts)
    }

    /// A name below that of the framework: `<front><framework>.<domain>.`
    pub(super) fn below_framework(&mut self, front: &[&str]) -> Owner {
        let parts = [front, &[&self.zones.plain]].concat();
        named(&self.task, &mut self.text, &parts)
    }

    /// The name of one task alone.
    pub(super) fn with_tail(&mut self, tail: &str, zone: Zone) -> Owner {
        named(&self.task, &mut self.text, &[&self.task, tail, ".", self.zones.end(zone)])
    }

    /// The name of one task alone, or with an empty tail of all of a service, on one network.
    ///
    /// `_net` keeps it apart from all other names: no framework's name gives a label that begins with `_`.
    pub(super) fn on_network(&mut self, tail: &str, network: &str) -> Owner {
        let end = self.zones.end(Zone::Plain);
        named(&self.task, &mut self.text, &[&self.task, tail, ".", network, "._net.", end])
    }

    /// The owner of SRV records: `[_<port name>.]_<task>._<protocol>.<zone>`.
    pub(super) fn service(&mut self, port_name: Option<&str>, protocol: &str, zone: Zone) -> Owner {
        let is = |key: &Key| {
            key.zone == zone && *key.protocol == *protocol && key.port_name.as_deref() == port_name
        };
        if let Some((_, owner)) = self.services.iter().find(|(key, _)| is(key)) {
            return owner.clone();
        }
        let (task, end) = (&self.task, self.zones.end(zone));
        let owner = match port_name {
            Some(port) => named(task, &mut self.text, &["_", port, "._", task, "._", protocol, ".", end]),
            None => named(task, &mut self.text, &["_", task, "._", protocol, ".", end]),
        };
        if self.services.len() < OWNERS_MAX {
            let key = Key { port_name: port_name.map(Box::from), protocol: protocol.into(), zone };
            self.services.push((key, owner.clone()));
        }
        owner
    }
}

/// Names made of an empty task part are for the v1 API alone, whatever DNS could do with them.
fn named(task: &str, text: &mut String, parts: &[&str]) -> Owner {
    text.clear();
    parts.iter().for_each(|part| text.push_str(part));
    if task.is_empty() { Owner::listed_only(text) } else { Owner::new(text) }
}
