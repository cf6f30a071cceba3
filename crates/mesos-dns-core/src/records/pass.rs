//! One pass over the names of a task.

use std::collections::{BTreeSet, HashSet};

use super::{
    Data, ExtraName, Fitness, Owner, Policy, Record, TASK_PORTS_MAX, Withheld,
    address::{Lead, Target, Whereabouts},
    browse::NamedPort,
    extra::{self, Additions},
    health::Presence,
    infrastructure, label,
    service::{Base, Zone},
    trace::{Lack, Scope, Trace, Why},
};
use crate::{
    cluster::{Discovery, DiscoveryPort, Task},
    wire::Name,
};

/// One pass over the names of a task: with discovery information it has two sets of them.
pub(super) struct Pass<'a, T> {
    pub(super) task: &'a Task,
    pub(super) policy: &'a Policy,
    pub(super) presence: Presence,
    pub(super) whereabouts: &'a Whereabouts,
    pub(super) base: &'a mut Base,
    pub(super) tail: &'a str,
    pub(super) canonical: Owner,
    pub(super) agent_canonical: Owner,
    /// Its own names on those networks that it has names on so far.
    pub(super) on_networks: Vec<(&'a str, Owner)>,
    /// What the task has beyond the names of the original.
    pub(super) additions: Option<&'a Additions<'a>>,
    /// Whether these are the names that stand for the task where it is to have one set of them.
    pub(super) is_main: bool,
    /// Where services have no names for their ports.
    pub(super) nested: &'a HashSet<Name>,
    /// Whether what is withheld of the task, by whatever names, is counted in this pass: one does.
    pub(super) counts: bool,
    pub(super) withheld: &'a mut Withheld,
    pub(super) unpublished: &'a mut Unpublished,
    pub(super) emit: &'a mut dyn FnMut(Record),
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

    pub(super) fn addresses(&mut self) {
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
    pub(super) fn resource_ports(&mut self, ports: &[u16], beyond: u32, in_plain_zone: bool) {
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
    pub(super) fn discovery_ports(&mut self, discovery: &Discovery) {
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
    pub(super) fn count(&self, withheld: &mut Withheld) {
        let Self { special, unencodable } = self;
        for (count, names) in [(&mut withheld.special, special), (&mut withheld.unencodable, unencodable)] {
            *count = count.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
        }
    }
}
