//! The records of one task.

use std::net::IpAddr;

use super::{
    Data, Owner, Policy, Record, TASK_PORTS_MAX, Withheld, address, agent_suffix, fragment, infrastructure,
    label, task_hash,
};
use crate::cluster::{Agent, Discovery, Framework, Hosts, Task, TaskState};

/// Lists the records of one task, in the order in which the original makes them.
///
/// A task that is not running has none. Returns what was left out and why; a record that DNS cannot
/// carry is emitted all the same, as the v1 API shows it.
pub fn contribution(
    task: &Task,
    framework: &Framework,
    agent: &Agent,
    hosts: &Hosts,
    policy: &Policy,
    emit: &mut dyn FnMut(Record),
) -> Withheld {
    let mut withheld = Withheld::default();
    if task.state != TaskState::Running {
        return withheld;
    }
    let fragment = fragment(&framework.name, policy.rules);
    if infrastructure::is_special(&fragment, policy) {
        withheld.special = 1;
        return withheld;
    }
    let agent_addresses = address::of_agent(agent, hosts);
    let task_addresses = address::of_task(task, agent_addresses, &policy.sources);
    let tail = format!("-{}-{}", String::from_utf8_lossy(&task_hash(&task.id)), agent_suffix(&agent.id));
    let mut pass = |name: &str| {
        let names = Names::new(name, &tail, &fragment, &policy.domain);
        let mut pass = Pass { task, names, policy, withheld: &mut withheld, emit };
        pass.addresses(&task_addresses, agent_addresses);
        pass.resource_ports();
        if let Some(discovery) = &task.discovery {
            pass.discovery_ports(discovery);
        }
    };
    match &task.discovery {
        None => pass(&label(&task.name, policy.rules)),
        Some(discovery) => {
            // The raw name first, as the oldest clients know it; then the one that fits the rules.
            let munged = label(&discovery.name, policy.rules);
            pass(&discovery.name);
            if *munged != *discovery.name {
                pass(&munged);
            }
        }
    }
    withheld
}

/// The names of one pass: a task with discovery information has two.
struct Names {
    /// Task part, for example `web`.
    task: String,
    /// `<framework>.<domain>.`
    zone: String,
    /// `<framework>.slave.<domain>.`; `slave` is what these names have always been called.
    agent_zone: String,
    plain: Owner,
    canonical: Owner,
    agent_plain: Owner,
    agent_canonical: Owner,
}

impl Names {
    fn new(task: &str, tail: &str, fragment: &str, domain: &str) -> Self {
        let zone = format!("{fragment}.{domain}.");
        let agent_zone = format!("{fragment}.slave.{domain}.");
        let own = |tail: &str, zone: &str| named(task, &format!("{task}{tail}.{zone}"));
        Self {
            task: task.to_owned(),
            plain: own("", &zone),
            canonical: own(tail, &zone),
            agent_plain: own("", &agent_zone),
            agent_canonical: own(tail, &agent_zone),
            zone,
            agent_zone,
        }
    }

    /// The owner of SRV records: `[_<port name>.]_<task>._<protocol>.<zone>`.
    fn service(&self, port_name: Option<&str>, protocol: &str, zone: &str) -> Owner {
        let task = &self.task;
        match port_name {
            Some(port) => named(task, &format!("_{port}._{task}._{protocol}.{zone}")),
            None => named(task, &format!("_{task}._{protocol}.{zone}")),
        }
    }
}

/// Names made of an empty task part are for the v1 API alone, whatever DNS could do with them.
fn named(task: &str, text: &str) -> Owner {
    if task.is_empty() { Owner::listed_only(text) } else { Owner::new(text) }
}

/// One pass over the names of a task.
struct Pass<'a> {
    task: &'a Task,
    names: Names,
    policy: &'a Policy,
    withheld: &'a mut Withheld,
    emit: &'a mut dyn FnMut(Record),
}

impl Pass<'_> {
    fn record(&mut self, owner: &Owner, data: Data) {
        if infrastructure::is_special_owner(owner) {
            self.withheld.special = self.withheld.special.saturating_add(1);
            return;
        }
        let target_fits = !matches!(&data, Data::Srv { target, .. } if target.name().is_none());
        if owner.name().is_none() || !target_fits {
            self.withheld.unencodable = self.withheld.unencodable.saturating_add(1);
        }
        (self.emit)(Record::new(owner, data));
    }

    fn addresses(&mut self, task: &[IpAddr], agent: &[IpAddr]) {
        let (plain, canonical) = (self.names.plain.clone(), self.names.canonical.clone());
        for address in task {
            self.record(&plain, Data::from(*address));
            self.record(&canonical, Data::from(*address));
        }
        let (plain, canonical) = (self.names.agent_plain.clone(), self.names.agent_canonical.clone());
        for address in agent {
            self.record(&plain, Data::from(*address));
            self.record(&canonical, Data::from(*address));
        }
        if agent.is_empty() {
            self.record(&plain, Data::Unknown);
            self.record(&canonical, Data::Unknown);
        }
    }

    /// SRV records of `resources.ports`. Without discovery information the plain zone has them too,
    /// and its records still lead to the agent.
    fn resource_ports(&mut self) {
        let zones: &[&str] = match self.task.discovery {
            Some(_) => &[&self.names.agent_zone],
            None => &[&self.names.agent_zone, &self.names.zone],
        };
        let owners: Vec<Owner> = zones
            .iter()
            .flat_map(|zone| ["tcp", "udp"].map(|protocol| self.names.service(None, protocol, zone)))
            .collect();
        let target = self.names.agent_canonical.clone();
        for port in self.published_ports() {
            for owner in &owners {
                self.record(owner, Data::Srv { port, target: target.clone() });
            }
        }
    }

    /// The ports that can exist, at most [`TASK_PORTS_MAX`].
    fn published_ports(&mut self) -> Vec<u16> {
        let ranges = &self.task.ports;
        let all = ranges.iter().flat_map(|range| range.first..=range.last);
        let ports: Vec<u16> = all
            .take(TASK_PORTS_MAX)
            .filter_map(|port| u16::try_from(port).ok().filter(|port| *port > 0))
            .collect();
        let asked = ranges.iter().fold(0_u32, |sum, range| {
            let size = range.last.checked_sub(range.first).map_or(0, |size| size.saturating_add(1));
            sum.saturating_add(size)
        });
        let made = u32::try_from(ports.len()).unwrap_or(u32::MAX);
        self.withheld.ports = self.withheld.ports.saturating_add(asked.saturating_sub(made));
        ports
    }

    /// SRV records of `discovery.ports`, which lead to the task's own address.
    fn discovery_ports(&mut self, discovery: &Discovery) {
        let target = self.names.canonical.clone();
        let rules = self.policy.rules;
        for listed in discovery.ports.iter().take(TASK_PORTS_MAX) {
            let Some(port) = u16::try_from(listed.number).ok().filter(|port| *port > 0) else {
                self.withheld.ports = self.withheld.ports.saturating_add(1);
                continue;
            };
            let protocol = label(&listed.protocol, rules);
            let protocols: &[&str] = if protocol.is_empty() { &["tcp", "udp"] } else { &[&protocol] };
            let port_name = Some(label(&listed.name, rules)).filter(|name| !name.is_empty());
            let named =
                [None, port_name.as_deref()].into_iter().take(if port_name.is_some() { 2 } else { 1 });
            for prefix in named {
                for protocol in protocols {
                    let owner = self.names.service(prefix, protocol, &self.names.zone);
                    self.record(&owner, Data::Srv { port, target: target.clone() });
                }
            }
        }
    }
}
