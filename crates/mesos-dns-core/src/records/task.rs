//! The records of one task.

use std::net::IpAddr;

use super::{
    Data, Fitness, Owner, Policy, Record, TASK_PORTS_MAX, Withheld,
    address::{self, Target},
    agent_suffix,
    browse::NamedPort,
    extra::{self, Additions, Shown},
    health::Presence,
    infrastructure, label,
    reverse::{self, Spots},
    service::{Base, Services, Zone},
    task_hash,
};
use crate::cluster::{Agent, Discovery, Framework, Hosts, Task};

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
    Maker::new(hosts, policy).contribution(task, framework, agent, emit)
}

/// Makes the records of one task after the other; see [`contribution`], which is this for a single one.
///
/// Tasks of one service share most of their names. The maker remembers those of the services it met last, so
/// where such tasks follow each other a name is made once, and their records share its allocation.
pub struct Maker<'a> {
    hosts: &'a Hosts,
    policy: &'a Policy,
    services: Services,
    /// Reused from task to task.
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    spots: Spots,
}

impl<'a> Maker<'a> {
    /// A maker for the tasks of one version of the cluster.
    pub fn new(hosts: &'a Hosts, policy: &'a Policy) -> Self {
        Self {
            hosts,
            policy,
            services: Services::default(),
            addresses: Vec::new(),
            ports: Vec::new(),
            spots: Spots::default(),
        }
    }

    /// Lists the records of one task; see the function of this name.
    pub fn contribution(
        &mut self,
        task: &Task,
        framework: &Framework,
        agent: &Agent,
        emit: &mut dyn FnMut(Record),
    ) -> Withheld {
        let mut withheld = Withheld::default();
        let Some(presence) = Presence::of(task, self.policy) else { return withheld };
        if self.services.enter(framework, self.policy) {
            withheld.special = 1;
            return withheld;
        }
        let shown = extra::shown(task, self.policy.extra.visibility);
        if shown == Shown::Nothing {
            withheld.hidden = 1;
            return withheld;
        }
        let agent_addresses = address::of_agent(agent, self.hosts);
        address::of_task(task, agent_addresses, &self.policy.addresses, &mut self.addresses);
        let beyond = match shown {
            Shown::All => published_ports(task, &mut self.ports),
            _ => {
                self.ports.clear();
                0
            }
        };
        let tail = tail(task, agent);
        let additions = Additions::of(task, agent, self.policy);
        let mut aliases = match &additions {
            None => Vec::new(),
            Some(additions) => self.aliases(task, additions),
        };
        let (mut raw, mut munged) = match &task.discovery {
            None => (None, Some(self.services.munged(&task.name, self.policy))),
            Some(discovery) => self.services.both(&discovery.name, self.policy),
        };
        let mut instance = None;
        // Of two, the one is left out whose labels are ours.
        let is_reserved = task.discovery.is_some() && raw.is_none();
        withheld.special = u32::from(is_reserved);
        let main = if munged.is_some() { 1 } else { 0 };
        // The raw name first, as the oldest clients know it; then the one that fits the rules; then what labels ask for.
        let bases = [&mut raw, &mut munged].map(|base| base.as_mut().map(|base| &mut **base));
        let bases = bases.into_iter().chain(aliases.iter_mut().map(Some)).enumerate();
        for (number, base) in bases.filter_map(|(number, base)| Some((number, base?))) {
            let canonical = base.with_tail(&tail, Zone::Plain);
            let agent_canonical = base.with_tail(&tail, Zone::Agent);
            if number == main {
                instance = Some(canonical.clone());
            }
            let mut pass = Pass {
                task,
                presence,
                base,
                canonical,
                agent_canonical,
                additions: additions.as_ref(),
                is_main: number == main,
                withheld: &mut withheld,
                emit: &mut *emit,
            };
            pass.addresses(&self.addresses, agent_addresses);
            pass.resource_ports(&self.ports, beyond, task.discovery.is_none());
            if let Some(discovery) = &task.discovery {
                pass.discovery_ports(discovery, self.policy);
            }
            pass.describe();
        }
        if let Some(name) = &instance {
            let (task, agent) = ((task, &self.addresses[..], name), (agent, agent_addresses));
            reverse::task(task, agent, self.policy, &mut self.spots, emit);
        }
        withheld
    }

    /// The further names that the labels of a task ask for.
    fn aliases(&mut self, task: &Task, additions: &Additions<'_>) -> Vec<Base> {
        let name = task.discovery.as_ref().map_or(&task.name, |discovery| &discovery.name);
        let known = label(name, self.policy.rules);
        let aliases = additions.aliases(&[name, &known]);
        aliases.iter().map(|alias| self.services.of_label(alias)).collect()
    }
}

/// What tells a task's own names from those it shares: `-<hash of its id>-<end of its agent's id>`.
fn tail(task: &Task, agent: &Agent) -> String {
    format!("-{}-{}", String::from_utf8_lossy(&task_hash(&task.id)), agent_suffix(&agent.id))
}

/// The ports of a task that can exist, at most [`TASK_PORTS_MAX`]. Returns how many others it has.
fn published_ports(task: &Task, ports: &mut Vec<u16>) -> u32 {
    ports.clear();
    let all = task.ports.iter().flat_map(|range| range.first..=range.last);
    let usable = |port| u16::try_from(port).ok().filter(|port| *port > 0);
    ports.extend(all.take(TASK_PORTS_MAX).filter_map(usable));
    let asked = task.ports.iter().fold(0_u32, |sum, range| {
        let size = range.last.checked_sub(range.first).map_or(0, |size| size.saturating_add(1));
        sum.saturating_add(size)
    });
    asked.saturating_sub(u32::try_from(ports.len()).unwrap_or(u32::MAX))
}

/// One pass over the names of a task: with discovery information it has two sets of them.
pub(super) struct Pass<'a> {
    task: &'a Task,
    pub(super) presence: Presence,
    pub(super) base: &'a mut Base,
    pub(super) canonical: Owner,
    agent_canonical: Owner,
    /// What the task has beyond the names of the original.
    pub(super) additions: Option<&'a Additions<'a>>,
    /// Whether these are the names that stand for the task where it is to have one set of them.
    pub(super) is_main: bool,
    pub(super) withheld: &'a mut Withheld,
    emit: &'a mut dyn FnMut(Record),
}

impl Pass<'_> {
    /// A record under a name that other tasks may have too.
    pub(super) fn shared(&mut self, owner: Owner, data: Data) {
        let Some(fitness) = self.presence.shared() else { return };
        let Some(additions) = self.additions else { return self.record(owner, data, fitness) };
        let places: Vec<Owner> = additions.at_places(&owner).collect();
        for place in places {
            if self.fits(&place) {
                self.record(place, data.clone(), fitness);
            }
        }
        self.record(owner, data, fitness);
    }

    /// A record under a name that no other task has.
    pub(super) fn own(&mut self, owner: Owner, data: Data) {
        self.record(owner, data, Fitness::Fit);
    }

    pub(super) fn record(&mut self, owner: Owner, data: Data, fitness: Fitness) {
        if infrastructure::is_special_owner(&owner) {
            self.withheld.special = self.withheld.special.saturating_add(1);
            return;
        }
        let target_fits = !matches!(&data, Data::Srv { target, .. } if target.name().is_none());
        if owner.name().is_none() || !target_fits {
            self.withheld.unencodable = self.withheld.unencodable.saturating_add(1);
        }
        let Some(additions) = self.additions else { return (self.emit)(Record { owner, data, fitness }) };
        if let Some(ttl) = additions.ttl() {
            (self.emit)(Record { owner: owner.clone(), data: Data::Ttl(ttl), fitness });
        }
        (self.emit)(Record { owner, data: additions.preferred(data), fitness });
    }

    fn addresses(&mut self, task: &[IpAddr], agent: &[IpAddr]) {
        for address in task {
            self.shared(self.base.plain(Zone::Plain), Data::from(*address));
            self.own(self.canonical.clone(), Data::from(*address));
        }
        for address in agent {
            self.shared(self.base.plain(Zone::Agent), Data::from(*address));
            self.own(self.agent_canonical.clone(), Data::from(*address));
        }
        if agent.is_empty() {
            self.shared(self.base.plain(Zone::Agent), Data::Unknown);
            self.own(self.agent_canonical.clone(), Data::Unknown);
        }
    }

    /// SRV records of `resources.ports`. Without discovery information the plain zone has them too,
    /// and its records still lead to the agent.
    fn resource_ports(&mut self, ports: &[u16], beyond: u32, in_plain_zone: bool) {
        self.withheld.ports = self.withheld.ports.saturating_add(beyond);
        let zones = if in_plain_zone { &[Zone::Agent, Zone::Plain][..] } else { &[Zone::Agent] };
        for port in ports {
            for zone in zones {
                for protocol in ["tcp", "udp"] {
                    let owner = self.base.service(None, protocol, *zone);
                    self.shared(owner, Data::service(*port, self.agent_canonical.clone()));
                }
            }
        }
    }

    fn target(&self, target: Target) -> Owner {
        match target {
            Target::Own => self.canonical.clone(),
        }
    }

    /// SRV records of `discovery.ports`, which lead to the task's own address.
    fn discovery_ports(&mut self, discovery: &Discovery, policy: &Policy) {
        for listed in discovery.ports.iter().take(TASK_PORTS_MAX) {
            if !extra::is_shown(listed, discovery, policy.extra.visibility) {
                self.withheld.hidden = self.withheld.hidden.saturating_add(1);
                continue;
            }
            let (target, number) = address::of_port(self.task, listed);
            let Some(port) = u16::try_from(number).ok().filter(|port| *port > 0) else {
                self.withheld.ports = self.withheld.ports.saturating_add(1);
                continue;
            };
            let protocol = label(&listed.kind.protocol, policy.rules);
            let protocols: &[&str] = if protocol.is_empty() { &["tcp", "udp"] } else { &[&protocol] };
            let port_name = Some(label(&listed.kind.name, policy.rules)).filter(|name| !name.is_empty());
            let named =
                [None, port_name.as_deref()].into_iter().take(if port_name.is_some() { 2 } else { 1 });
            for prefix in named {
                for protocol in protocols {
                    let owner = self.base.service(prefix, protocol, Zone::Plain);
                    let target = self.target(target);
                    self.shared(owner, Data::service(port, target));
                }
            }
            if let (Some(name), Some(_)) = (&port_name, self.additions) {
                let data = &Data::service(port, self.target(target));
                protocols.iter().for_each(|protocol| self.named_port(&NamedPort { name, protocol, data }));
            }
        }
    }
}
