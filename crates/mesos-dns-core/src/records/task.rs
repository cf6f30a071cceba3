//! The records of one task.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

use super::{
    Data, ExtraName, Fitness, Owner, Policy, Record, TASK_PORTS_MAX, Withheld,
    address::{self, Lead, Target, Whereabouts},
    agent_suffix,
    browse::NamedPort,
    extra::{self, Additions, Shown},
    health::Presence,
    infrastructure, label, ports,
    reverse::{self, Spots},
    service::{Base, Services, Zone},
    task_hash,
    trace::{Lack, Naming, Scope, Trace, Why},
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
///
/// It tells `T` why; nearly always that is nobody.
pub struct Maker<'a, T = ()> {
    pub(super) cluster: &'a Cluster,
    pub(super) policy: &'a Policy,
    /// Whether loopback addresses are good.
    pub(super) keeps_loopback: bool,
    /// Where services have no names for their ports (see [`ports`]).
    nested: HashSet<Name>,
    services: Services,
    /// Reused from task to task.
    pub(super) whereabouts: Whereabouts,
    ports: Vec<u16>,
    spots: Spots,
    pub(super) trace: T,
}

impl<'a> Maker<'a> {
    /// A maker for the tasks of one version of the cluster.
    pub fn new(cluster: &'a Cluster, policy: &'a Policy) -> Self {
        Self::telling(cluster, policy, ())
    }
}

#[expect(private_bounds, reason = "who is told why is somebody of this crate")]
impl<'a, T: Trace> Maker<'a, T> {
    /// The same, which tells why.
    pub(crate) fn telling(cluster: &'a Cluster, policy: &'a Policy, trace: T) -> Self {
        Self {
            cluster,
            policy,
            keeps_loopback: address::is_on_loopback(cluster),
            nested: ports::nested(cluster, policy),
            services: Services::default(),
            whereabouts: Whereabouts::default(),
            ports: Vec::new(),
            spots: Spots::default(),
            trace,
        }
    }

    /// Whether a maker for another version of the cluster makes the same of what did not change.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.keeps_loopback == other.keeps_loopback && self.nested == other.nested
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
        let trace = self.trace;
        trace.begins(Scope::Whole);
        let presence = Presence::of(task, self.policy);
        if !presence.is_answered() && trace.leaves_out(Scope::Whole, Why::Presence(presence)) {
            return withheld;
        }
        trace.because(Scope::Whole, Why::Presence(presence));
        let agent_addresses = address::of_agent(agent, &self.cluster.hosts);
        self.whereabouts.find(task, agent_addresses, &self.policy.addresses, self.keeps_loopback, trace);
        if self.services.enter(framework, self.policy)
            && trace.leaves_out(Scope::Whole, Why::ReservedFramework)
        {
            withheld.special = 1;
            self.claim(None, task, (agent, agent_addresses), emit);
            return withheld;
        }
        let shown = extra::shown(task, self.policy.extra.visibility);
        if shown == Shown::Nothing && trace.leaves_out(Scope::Whole, Why::Hidden) {
            withheld.hidden = 1;
            self.claim(None, task, (agent, agent_addresses), emit);
            return withheld;
        }
        withheld.addresses = self.whereabouts.impossible;
        let beyond = match shown {
            Shown::Ports if !T::LISTENS => {
                self.ports.clear();
                0
            }
            _ => published_ports(task, &mut self.ports),
        };
        let tail = tail(task, agent);
        let additions = Additions::of(task, agent, agent_addresses, self.policy);
        let mut aliases = match &additions {
            None => Vec::new(),
            Some(additions) => self.aliases(task, additions),
        };
        let (mut raw, mut munged) = match &task.discovery {
            None => (None, Some(self.services.munged(&task.name, self.policy))),
            Some(discovery) => self.services.both(&discovery.name, self.policy, T::LISTENS),
        };
        let mut instance = None;
        // Of two, the one is left out whose labels are ours.
        let is_reserved = task.discovery.is_some() && raw.is_none();
        withheld.special = u32::from(is_reserved);
        let is_raw = raw.is_some() && munged.is_some();
        let mut unpublished = Unpublished::default();
        let mut is_first = true;
        let main = if munged.is_some() { 1 } else { 0 };
        // The raw name first, as the oldest clients know it; then the one that fits the rules; then what labels ask for.
        let bases = [&mut raw, &mut munged].map(|base| base.as_mut().map(|base| &mut **base));
        let bases = bases.into_iter().chain(aliases.iter_mut().map(Some)).enumerate();
        for (number, base) in bases.filter_map(|(number, base)| Some((number, base?))) {
            if T::LISTENS {
                trace.begins(Scope::Names);
                tell_naming(task, number, is_raw, trace);
            }
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
                counts: std::mem::take(&mut is_first),
                withheld: &mut withheld,
                unpublished: &mut unpublished,
                emit: &mut *emit,
                trace,
            };
            pass.addresses();
            trace.begins(Scope::Port);
            if shown != Shown::Ports || !trace.leaves_out(Scope::Port, Why::HiddenPort) {
                pass.resource_ports(&self.ports, beyond, task.discovery.is_none());
            }
            if let Some(discovery) = &task.discovery {
                pass.discovery_ports(discovery);
            }
            trace.begins(Scope::Port);
            pass.describe();
        }
        unpublished.count(&mut withheld);
        trace.begins(Scope::Names);
        self.claim(instance, task, (agent, agent_addresses), emit);
        withheld
    }

    /// Claims what addresses a task has of its own. Without a name nobody finds it by them, but it may well be a client
    /// who has to be placed on its agent.
    fn claim(
        &mut self,
        name: Option<Owner>,
        task: &Task,
        agent: (&Agent, &[IpAddr]),
        emit: &mut dyn FnMut(Record),
    ) {
        let name = name.unwrap_or_else(|| Owner::listed_only(""));
        let claimed = self.whereabouts.claimed(task);
        reverse::task((claimed, &name), agent, self.policy, &mut self.spots, self.trace, emit);
    }

    /// The further names that the labels of a task ask for.
    fn aliases(&mut self, task: &Task, additions: &Additions<'_>) -> Vec<Base> {
        let name = task.service_name();
        let known = label(name, self.policy.rules);
        let aliases = additions.aliases(&[name, &known]);
        aliases.iter().map(|alias| self.services.of_label(alias)).collect()
    }
}

/// Tells what the names of a pass are made of.
fn tell_naming(task: &Task, number: usize, is_raw: bool, trace: impl Trace) {
    let naming = match number {
        0 if is_raw => Naming::Raw,
        0 | 1 => Naming::Label,
        _ => Naming::Alias,
    };
    trace.because(Scope::Names, Why::Naming(naming));
    let is_reserved = || task.discovery.as_ref().is_some_and(|discovery| extra::is_reserved(&discovery.name));
    if naming == Naming::Raw && is_reserved() {
        trace.leaves_out(Scope::Names, Why::ReservedName);
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
pub(super) struct Pass<'a, T> {
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
    /// Whether what is withheld of the task, by whatever names, is counted in this pass: one does.
    counts: bool,
    withheld: &'a mut Withheld,
    pub(super) unpublished: &'a mut Unpublished,
    emit: &'a mut dyn FnMut(Record),
    pub(super) trace: T,
}

impl<'a, T: Trace> Pass<'a, T> {
    /// How fit the task is under a name that it shares; `None` if it is not there.
    pub(super) fn fitness(&self) -> Option<Fitness> {
        match self.presence.shared() {
            None if self.trace.leaves_out(Scope::Record, Why::Presence(self.presence)) => None,
            shared => Some(shared.unwrap_or_default()),
        }
    }

    /// A record under a name that other tasks may have too.
    pub(super) fn shared(&mut self, owner: Owner, data: Data) {
        if let Some(additions) = self.additions {
            let places: Vec<Owner> = additions.at_places(&owner).collect();
            for place in places {
                if let Some(fitness) = self.fitness().filter(|_| self.fits(&place)) {
                    self.trace.because(Scope::Record, Why::Extra(ExtraName::Places));
                    self.record(place, data.clone(), fitness);
                }
            }
        }
        if let Some(fitness) = self.fitness() {
            self.record(owner, data, fitness);
        }
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
        if infrastructure::is_special_owner(&owner)
            && self.trace.leaves_out(Scope::Record, Why::ReservedOwner)
        {
            self.unpublished.special.insert(owner.to_text());
            return;
        }
        let target_fits = !matches!(&data, Data::Srv { target, .. } if target.name().is_none());
        let is_carried = owner.name().is_some() && target_fits;
        if !is_carried {
            self.unpublished.unencodable.insert(owner.to_text());
            self.trace.leaves_out(Scope::Record, Why::Unencodable);
        }
        let Some(additions) = self.additions else { return (self.emit)(Record { owner, data, fitness }) };
        // A TTL alone would make a name of what DNS does not answer.
        if let Some(ttl) = ttl.filter(|_| is_carried) {
            (self.emit)(Record { owner: owner.clone(), data: Data::Ttl(ttl), fitness });
        }
        let data = additions.preferred(data);
        if matches!(data, Data::Srv { preference: Some(_), .. }) {
            self.trace.because(Scope::Record, Why::Preference);
        }
        (self.emit)(Record { owner, data, fitness });
    }

    /// What is made from now on is made of something else, for this reason.
    fn turns_to(&self, why: Why) {
        self.trace.begins(Scope::Data);
        self.trace.because(Scope::Data, why);
    }

    fn addresses(&mut self) {
        let whereabouts = self.whereabouts;
        if T::LISTENS && whereabouts.task.is_empty() {
            self.trace.begins(Scope::Data);
            self.trace.lacks(&self.base.plain(Zone::Plain), Lack::Address, Why::WithoutAddress);
            self.trace.lacks(&self.canonical, Lack::Address, Why::WithoutAddress);
        }
        for address in &whereabouts.task {
            self.turns_to(Why::Address(*address));
            self.shared(self.base.plain(Zone::Plain), Data::from(*address));
            self.own(self.canonical.clone(), Data::from(*address));
        }
        for address in &whereabouts.agent {
            self.turns_to(Why::AgentAddress(*address));
            self.shared(self.base.plain(Zone::Agent), Data::from(*address));
            self.own(self.agent_canonical.clone(), Data::from(*address));
        }
        if whereabouts.agent.is_empty() {
            self.turns_to(Why::AgentWithoutAddress);
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
            self.turns_to(Why::OnNetwork(address));
            self.shared(shared.clone(), Data::from(address));
            self.own(own.clone(), Data::from(address));
        }
        self.on_networks.push((network, own.clone()));
        own
    }

    /// SRV records of `resources.ports`, which are the agent's. Without discovery information the plain zone has them
    /// too, and its records still lead to the agent.
    fn resource_ports(&mut self, ports: &[u16], beyond: u32, in_plain_zone: bool) {
        self.tally(|withheld| &mut withheld.ports, beyond);
        let zones = if in_plain_zone { &[Zone::Agent, Zone::Plain][..] } else { &[Zone::Agent] };
        for port in ports {
            self.turns_to(Why::ResourcePort(*port));
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
            self.trace.begins(Scope::Port);
            if !extra::is_shown(listed, discovery, self.policy.extra.visibility)
                && self.trace.leaves_out(Scope::Port, Why::HiddenPort)
            {
                self.tally(|withheld| &mut withheld.hidden, 1);
                continue;
            }
            let number = u16::try_from(listed.number).ok().filter(|port| *port > 0);
            if number.is_none() {
                self.tally(|withheld| &mut withheld.ports, 1);
                if !T::LISTENS {
                    continue;
                }
            }
            let protocol = label(&listed.kind.protocol, rules);
            let protocols: &[&str] = if protocol.is_empty() { &["tcp", "udp"] } else { &[&protocol] };
            let port_name = Some(label(&listed.kind.name, rules)).filter(|name| !name.is_empty());
            self.discovery_port(listed, number, protocols, port_name.as_deref());
        }
    }

    /// Those of one port, for one protocol or two: under the service's name and under its own. Of a port without a
    /// possible number only whoever asks why is told.
    fn discovery_port(
        &mut self,
        listed: &DiscoveryPort,
        number: Option<u16>,
        protocols: &[&str],
        port_name: Option<&str>,
    ) {
        let led = |protocol: &&str| {
            number.map(|number| (number, self.whereabouts.lead(self.task, listed, number, protocol)))
        };
        let led = [0, 1].map(|at| protocols.get(at).map(|protocol| (*protocol, led(protocol))));
        let names = [None, port_name].into_iter().take(if port_name.is_some() { 2 } else { 1 });
        let mut is_lost = false;
        for prefix in names {
            for (protocol, led) in led.iter().flatten() {
                match *led {
                    None => self.lacks_service(prefix, protocol, Why::ImpossiblePort(listed.number)),
                    Some((number, Lead { to: Some(to), why })) => {
                        self.service(prefix, protocol, to, Why::Port(number, why));
                    }
                    Some((number, Lead { to: None, why })) => {
                        is_lost = true;
                        self.lacks_service(prefix, protocol, Why::Port(number, why));
                    }
                }
            }
        }
        self.tally(|withheld| &mut withheld.unreachable, u32::from(is_lost));
        let Some(name) = port_name.filter(|_| self.additions.is_some()) else { return };
        for (protocol, led) in led.into_iter().flatten() {
            let Some((number, Lead { to: Some((target, port)), why })) = led else { continue };
            let data = &Data::service(port, self.target(target));
            self.turns_to(Why::Port(number, why));
            self.named_port(&NamedPort { name, protocol, data });
        }
    }

    fn service(&mut self, prefix: Option<&str>, protocol: &str, (target, port): (Target<'a>, u16), why: Why) {
        let owner = self.base.service(prefix, protocol, Zone::Plain);
        let target = self.target(target);
        self.turns_to(why);
        self.shared(owner, Data::service(port, target));
    }

    /// Counts something of the task itself.
    fn tally(&mut self, count: impl FnOnce(&mut Withheld) -> &mut u32, more: u32) {
        if self.counts {
            let count = count(self.withheld);
            *count = count.saturating_add(more);
        }
    }

    /// Tells that a port has no record.
    fn lacks_service(&mut self, prefix: Option<&str>, protocol: &str, why: Why) {
        if T::LISTENS {
            self.trace.begins(Scope::Data);
            let owner = self.base.service(prefix, protocol, Zone::Plain);
            self.trace.lacks(&owner, Lack::Service, why);
        }
    }

    fn target(&mut self, target: Target<'a>) -> Owner {
        match target {
            Target::Agent => self.agent_canonical.clone(),
            Target::Network(network) => self.name_on(network),
            Target::Own => self.canonical.clone(),
        }
    }
}

/// Names of a task that DNS does not answer. Several records can stand at one, and few tasks have any.
#[derive(Default)]
pub(super) struct Unpublished {
    special: BTreeSet<String>,
    pub(super) unencodable: BTreeSet<String>,
}

impl Unpublished {
    fn count(&self, withheld: &mut Withheld) {
        let Self { special, unencodable } = self;
        for (count, names) in [(&mut withheld.special, special), (&mut withheld.unencodable, unencodable)] {
            *count = count.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
        }
    }
}
