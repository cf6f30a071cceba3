//! The records of one task.

use std::{collections::HashSet, net::IpAddr};

use super::{
    Owner, Policy, Record, TASK_PORTS_MAX, Withheld,
    address::{self, Whereabouts},
    agent_suffix,
    extra::{self, Additions, Shown},
    health::Presence,
    label,
    pass::{Pass, Unpublished},
    ports,
    reverse::{self, Spots},
    service::{Base, Services, Zone},
    task_hash,
    trace::{Naming, Scope, Trace, Why},
};
use crate::{
    cluster::{Agent, Cluster, Framework, Task},
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
