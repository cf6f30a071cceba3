//! The records of one task.

use std::{collections::HashSet, net::IpAddr};

use super::{
    Data, Fitness, Owner, Policy, Record, TASK_PORTS_MAX, Withheld,
    address::{self, Target, Whereabouts},
    agent_suffix,
    browse::NamedPort,
    extra::{self, Additions, Shown},
    health::Presence,
    infrastructure, label, ports,
    reverse::{self, Spots},
    service::{Base, Services, Zone},
    task_hash,
};
use crate::{
    cluster::{Agent, Cluster, Discovery, DiscoveryPort, Framework, Task},
    wire::Name,
};

/// Lists the records of one task, in the order in which the original makes them.
///
/// A task that is not running has none. `cluster` tells what host names resolved to, and whether the whole of it is on
/// one machine. Returns what was left out and why; a record that DNS cannot carry is emitted all the same, as the v1
/// API shows it.
pub fn contribution(
    task: &Task,
    framework: &Framework,
    agent: &Agent,
    cluster: &Cluster,
    policy: &Policy,
    emit: &mut dyn FnMut(Record),
) -> Withheld {
    Maker::new(cluster, policy).contribution(task, framework, agent, emit)
}

/// Makes the records of one task after the other; see [`contribution`], which is this for a single one.
///
/// Tasks of one service share most of their names. The maker remembers those of the services it met last, so
/// where such tasks follow each other a name is made once, and their records share its allocation.
pub struct Maker<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
    /// Whether loopback addresses are good.
    keeps_loopback: bool,
    /// Where services have no names for their ports (see [`ports`]).
    nested: HashSet<Name>,
    services: Services,
    /// Reused from task to task.
    whereabouts: Whereabouts,
    ports: Vec<u16>,
    spots: Spots,
}

impl<'a> Maker<'a> {
    /// A maker for the tasks of one version of the cluster.
    pub fn new(cluster: &'a Cluster, policy: &'a Policy) -> Self {
        Self {
            cluster,
            policy,
            keeps_loopback: address::is_on_loopback(cluster),
            nested: ports::nested(cluster, policy),
            services: Services::default(),
            whereabouts: Whereabouts::default(),
            ports: Vec::new(),
            spots: Spots::default(),
        }
    }

    /// Whether a maker for another version of the cluster makes the same of what did not change.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.keeps_loopback == other.keeps_loopback && self.nested == other.nested
    }

    /// The addresses that a task has names for.
    pub fn addresses(&mut self, task: &Task, agent: &Agent) -> &[IpAddr] {
        let agent_addresses = address::of_agent(agent, &self.cluster.hosts);
        self.whereabouts.find(task, agent_addresses, &self.policy.addresses, self.keeps_loopback);
        &self.whereabouts.task
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
        let agent_addresses = address::of_agent(agent, &self.cluster.hosts);
        self.whereabouts.find(task, agent_addresses, &self.policy.addresses, self.keeps_loopback);
        withheld.addresses = self.whereabouts.impossible;
        let beyond = match shown {
            Shown::All => published_ports(task, &mut self.ports),
            _ => {
                self.ports.clear();
                0
            }
        };
        let tail = tail(task, agent);
        let additions = Additions::of(task, agent, agent_addresses, self.policy);
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
                policy: self.policy,
                presence,
                whereabouts: &self.whereabouts,
                base,
                tail: &tail,
                canonical,
                agent_canonical,
                on_networks: Vec::new(),
                additions: additions.as_ref(),
                is_main: number == main,
                nested: &self.nested,
                withheld: &mut withheld,
                emit: &mut *emit,
            };
            pass.addresses();
            pass.resource_ports(&self.ports, beyond, task.discovery.is_none());
            if let Some(discovery) = &task.discovery {
                pass.discovery_ports(discovery);
            }
            pass.describe();
        }
        if let Some(name) = &instance {
            let (claimed, agent) = (self.whereabouts.claimed(task), (agent, agent_addresses));
            reverse::task((claimed, name), agent, self.policy, &mut self.spots, emit);
        }
        withheld
    }

    /// The further names that the labels of a task ask for.
    fn aliases(&mut self, task: &Task, additions: &Additions<'_>) -> Vec<Base> {
        let name = task.service_name();
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
    policy: &'a Policy,
    pub(super) presence: Presence,
    whereabouts: &'a Whereabouts,
    pub(super) base: &'a mut Base,
    tail: &'a str,
    pub(super) canonical: Owner,
    agent_canonical: Owner,
    /// Its own names on those networks that it has names on so far.
    on_networks: Vec<(&'a str, Owner)>,
    /// What the task has beyond the names of the original.
    pub(super) additions: Option<&'a Additions<'a>>,
    /// Whether these are the names that stand for the task where it is to have one set of them.
    pub(super) is_main: bool,
    /// Where services have no names for their ports.
    pub(super) nested: &'a HashSet<Name>,
    pub(super) withheld: &'a mut Withheld,
    emit: &'a mut dyn FnMut(Record),
}

impl<'a> Pass<'a> {
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
        let ttl = self.additions.and_then(Additions::ttl);
        self.record_for(ttl, owner, data, fitness);
    }

    /// The same, with the TTL that is asked for this owner.
    pub(super) fn record_for(&mut self, ttl: Option<u32>, owner: Owner, data: Data, fitness: Fitness) {
        if infrastructure::is_special_owner(&owner) {
            self.withheld.special = self.withheld.special.saturating_add(1);
            return;
        }
        let target_fits = !matches!(&data, Data::Srv { target, .. } if target.name().is_none());
        let is_carried = owner.name().is_some() && target_fits;
        if !is_carried {
            self.withheld.unencodable = self.withheld.unencodable.saturating_add(1);
        }
        let Some(additions) = self.additions else { return (self.emit)(Record { owner, data, fitness }) };
        // A TTL alone would make a name of what DNS does not answer.
        if let Some(ttl) = ttl.filter(|_| is_carried) {
            (self.emit)(Record { owner: owner.clone(), data: Data::Ttl(ttl), fitness });
        }
        (self.emit)(Record { owner, data: additions.preferred(data), fitness });
    }

    fn addresses(&mut self) {
        let whereabouts = self.whereabouts;
        for address in &whereabouts.task {
            self.shared(self.base.plain(Zone::Plain), Data::from(*address));
            self.own(self.canonical.clone(), Data::from(*address));
        }
        for address in &whereabouts.agent {
            self.shared(self.base.plain(Zone::Agent), Data::from(*address));
            self.own(self.agent_canonical.clone(), Data::from(*address));
        }
        if whereabouts.agent.is_empty() {
            self.shared(self.base.plain(Zone::Agent), Data::Unknown);
            self.own(self.agent_canonical.clone(), Data::Unknown);
        }
        for network in whereabouts.several_networks(self.task) {
            self.name_on(network);
        }
    }

    /// The task's own name on a network. When first asked for, that and the shared one get their addresses.
    fn name_on(&mut self, network: &'a str) -> Owner {
        if let Some((_, own)) = self.on_networks.iter().find(|(name, _)| *name == network) {
            return own.clone();
        }
        let name = label(network, self.policy.rules);
        let (shared, own) = (self.base.on_network("", &name), self.base.on_network(self.tail, &name));
        for address in self.whereabouts.on_network(self.task, network) {
            self.shared(shared.clone(), Data::from(address));
            self.own(own.clone(), Data::from(address));
        }
        self.on_networks.push((network, own.clone()));
        own
    }

    /// SRV records of `resources.ports`, which are the agent's. Without discovery information the plain zone has them
    /// too, and its records still lead to the agent.
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

    /// SRV records of `discovery.ports`, each of which leads to where its port is open.
    fn discovery_ports(&mut self, discovery: &Discovery) {
        let rules = self.policy.rules;
        for listed in discovery.ports.iter().take(TASK_PORTS_MAX) {
            if !extra::is_shown(listed, discovery, self.policy.extra.visibility) {
                self.withheld.hidden = self.withheld.hidden.saturating_add(1);
                continue;
            }
            let Some(number) = u16::try_from(listed.number).ok().filter(|port| *port > 0) else {
                self.withheld.ports = self.withheld.ports.saturating_add(1);
                continue;
            };
            let protocol = label(&listed.kind.protocol, rules);
            let protocols: &[&str] = if protocol.is_empty() { &["tcp", "udp"] } else { &[&protocol] };
            let port_name = Some(label(&listed.kind.name, rules)).filter(|name| !name.is_empty());
            self.discovery_port(listed, number, protocols, port_name.as_deref());
        }
    }

    /// Those of one port, for one protocol or two: under the service's name and under its own.
    fn discovery_port(
        &mut self,
        listed: &DiscoveryPort,
        number: u16,
        protocols: &[&str],
        port_name: Option<&str>,
    ) {
        let led = |protocol: &&str| self.whereabouts.lead(self.task, listed, number, protocol);
        let led = [0, 1].map(|at| protocols.get(at).map(|protocol| (*protocol, led(protocol))));
        let names = [None, port_name].into_iter().take(if port_name.is_some() { 2 } else { 1 });
        for prefix in names {
            for (protocol, led) in led.iter().flatten() {
                match *led {
                    Some((target, port)) => self.service(prefix, protocol, target, port),
                    None => self.withheld.unreachable = self.withheld.unreachable.saturating_add(1),
                }
            }
        }
        let Some(name) = port_name.filter(|_| self.additions.is_some()) else { return };
        for (protocol, led) in led.into_iter().flatten() {
            let Some((target, port)) = led else { continue };
            let data = &Data::service(port, self.target(target));
            self.named_port(&NamedPort { name, protocol, data });
        }
    }

    fn service(&mut self, prefix: Option<&str>, protocol: &str, target: Target<'a>, port: u16) {
        let owner = self.base.service(prefix, protocol, Zone::Plain);
        let target = self.target(target);
        self.shared(owner, Data::service(port, target));
    }

    fn target(&mut self, target: Target<'a>) -> Owner {
        match target {
            Target::Agent => self.agent_canonical.clone(),
            Target::Network(network) => self.name_on(network),
            Target::Own => self.canonical.clone(),
        }
    }
}
