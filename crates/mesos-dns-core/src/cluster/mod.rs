//! What we believe about the cluster: plain values, no JSON and no DNS.
//!
//! The rooms before this one ([`mesos`](crate::mesos)) turn bytes into these values; the rooms after
//! it ([`records`](crate::records)) turn them into names. A [`Cluster`] is cheap to clone: its tables
//! share what did not change, so the version before and the version after an update can be held side
//! by side, and what a task used to contribute is computed again from the older one instead of being
//! stored.

mod apply;
mod change;
mod hosts;
mod model;
mod omission;

use std::{net::IpAddr, sync::Arc};

pub use apply::{TaskChange, Touched, apply};
pub use change::{Change, RunningStatus, TaskUpdate};
pub use hosts::{Host, Hosts};
pub use model::{Model, Subject, TaskKey};
pub use omission::{Counts, Noted, OMISSIONS_MAX, Omission, Omissions, SkippedPart, Whose};

use crate::table::{Find, Keyed, Seed, Table};

/// One version of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Registered agents by id.
    pub agents: Table<Arc<Agent>>,
    /// Frameworks that are registered or recovered, by id, whatever their `active` flag.
    pub frameworks: Table<Arc<Framework>>,
    /// Tasks that have not ended, by framework id and task id.
    pub tasks: Table<Arc<Task>>,
    /// The masters as far as known.
    pub masters: Arc<Masters>,
    /// The addresses of every host name met above.
    pub hosts: Arc<Hosts>,
    /// What could not be used of what the master said, and whose it was.
    pub omissions: Omissions,
}

impl Cluster {
    /// Nothing at all; `seed` starts the hash functions of its tables.
    pub fn empty(seed: Seed) -> Self {
        Self {
            agents: Table::new(seed),
            frameworks: Table::new(seed),
            tasks: Table::new(seed),
            ..Self::default()
        }
    }

    /// All of it, as if it had just come: for building something anew.
    pub fn everything(&self) -> Touched {
        Touched {
            agents: self.agents.iter().map(|agent| agent.id.clone()).collect(),
            frameworks: self.frameworks.iter().map(|framework| framework.id.clone()).collect(),
            tasks: self.tasks.iter().map(|task| TaskChange { old: None, new: Some(task.clone()) }).collect(),
            masters: true,
            omissions: true,
        }
    }
}

/// Everything one state document (or one subscription's snapshot) says, decoded.
///
/// The values are in the order of the document; ids can repeat there (the later one wins).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Version text of the answering master, for example `1.11.0`; empty if absent.
    pub version: String,
    /// Address of the answering master itself (`pid`), as `host:port` text.
    pub pid: Option<String>,
    /// Address of the leader as the answering master sees it (`leader`), as `host:port` text.
    pub leader: Option<String>,
    /// Unix time in seconds at which the answering master was elected; absent before 0.23 and on standbys.
    pub elected_time: Option<f64>,
    /// Registered agents.
    pub agents: Vec<Agent>,
    /// Ids of agents that the registry knows and that did not come back since the last failover.
    pub recovered_agents: Vec<Arc<str>>,
    /// Frameworks, without their tasks.
    pub frameworks: Vec<Framework>,
    /// Tasks that have not ended, of all frameworks.
    pub tasks: Vec<Task>,
    /// Tasks that the leader itself reports as unreachable, by framework id and task id.
    pub unreachable: Vec<(Arc<str>, Box<str>)>,
    /// What was left out, by reason.
    pub skipped: Skipped,
    /// Whose it was.
    pub omissions: Noted,
    /// Whether the document had the members every master writes (`slaves` and `frameworks`, or `get_state`).
    pub complete: bool,
}

/// Things in a document that could not be used; each cost only itself (robustness S13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Agents without a usable id, or whose members have the wrong shape.
    pub agents: u64,
    /// Agent addresses (`pid`) that are missing or malformed; the agent is kept without address.
    pub agent_addresses: u64,
    /// Frameworks without a usable id, or whose members have the wrong shape; their tasks count too.
    pub frameworks: u64,
    /// Framework addresses (`pid`) that are malformed; `hostname` is used instead.
    pub framework_addresses: u64,
    /// Tasks without a usable id or framework, or whose members have the wrong shape.
    pub tasks: u64,
    /// Items of `resources.ports` that are no range.
    pub port_ranges: u64,
    /// Task addresses that are no IP literal.
    pub task_addresses: u64,
    /// Port mappings without a usable port on both sides.
    pub port_mappings: u64,
    /// Values of labels for us that cannot be read.
    pub labels: u64,
    /// Ports, addresses, networks, mappings and aliases beyond the number that one task may have.
    pub over_limit: u64,
}

impl Skipped {
    /// Counts what another part of the same document left out.
    pub fn add(&mut self, other: Self) {
        let Self { agents, agent_addresses, frameworks, framework_addresses, tasks, .. } = other;
        let Self { port_ranges, task_addresses, port_mappings, labels, over_limit, .. } = other;
        for (count, more) in [
            (&mut self.agents, agents),
            (&mut self.agent_addresses, agent_addresses),
            (&mut self.frameworks, frameworks),
            (&mut self.framework_addresses, framework_addresses),
            (&mut self.tasks, tasks),
            (&mut self.port_ranges, port_ranges),
            (&mut self.task_addresses, task_addresses),
            (&mut self.port_mappings, port_mappings),
            (&mut self.labels, labels),
            (&mut self.over_limit, over_limit),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

/// A Mesos agent (`slave` in the old JSON).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Agent id, for example `6e8f1c1a-7d0b-4f0a-S12`.
    pub id: Arc<str>,
    /// What the agent calls itself; not guaranteed to resolve.
    pub hostname: Arc<str>,
    /// Host and port of its `pid`; `None` if that was missing or malformed.
    pub address: Option<Endpoint>,
    /// Where it stands (`domain.fault_domain`); `None` if it does not say.
    pub place: Option<Arc<Place>>,
}

/// A fault domain: machines that fail together, in a region of such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Name of the region, raw, not empty.
    pub region: Arc<str>,
    /// Name of the zone within it, raw, not empty.
    pub zone: Arc<str>,
}

/// A framework, without its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// Framework id; survives master failovers.
    pub id: Arc<str>,
    /// Name as the framework gave it: free text, may be empty, not unique.
    pub name: Arc<str>,
    /// Host of its `pid`, else its `hostname`; `None` if it has neither.
    pub host: Option<Host>,
    /// Port of its `pid`; `None` without one (schedulers on the HTTP API).
    pub port: Option<u16>,
}

/// A host and a port, as in `slave(1)@10.0.1.10:5051`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An address, or a name still to be looked up.
    pub host: Host,
    /// TCP port, never 0.
    pub port: u16,
}

/// A task that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Task id, unique only within its framework.
    pub id: Box<str>,
    /// Task name: free text, may be empty.
    pub name: Arc<str>,
    /// The framework it belongs to.
    pub framework_id: Arc<str>,
    /// The agent it runs on.
    pub agent_id: Arc<str>,
    /// Latest state known to the master (`task.state`, not that of a status).
    pub state: TaskState,
    /// Last health result; `None` means unknown, not unhealthy.
    pub healthy: Option<bool>,
    /// Whether a health check is defined (`health_check`; masters older than 1.8 do not tell).
    pub is_checked: bool,
    /// `resources.ports`, in document order, not expanded.
    pub ports: Box<[PortRange]>,
    /// Addresses by source, of the newest running status, in document order.
    pub addresses: Box<[TaskAddress]>,
    /// `discovery`, if it has a name.
    pub discovery: Option<Box<Discovery>>,
    /// What its container asked for; `None` if it said nothing of networks.
    pub container: Option<Arc<Container>>,
    /// Labels that are meant for us; `None` if there is none.
    pub labels: Option<Box<DnsLabels>>,
}

/// States a living task can be in. Terminal states have no value here: such tasks are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// `TASK_KILLING`: being killed, the process may still serve.
    Killing,
    /// Any name we do not know: not running, not ended.
    Other,
    /// `TASK_RUNNING`: the only state that has records.
    Running,
    /// `TASK_STAGING`.
    Staging,
    /// `TASK_STARTING`.
    Starting,
    /// `TASK_UNREACHABLE`: the agent is partitioned away.
    Unreachable,
}

/// Which network a container asked for (`container`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// How it is attached.
    pub mode: NetworkMode,
    /// Names of the networks asked for, in order, each once; those without a name are left out.
    pub networks: Box<[Arc<str>]>,
    /// Ports of the host that lead to ports of the container, in document order.
    pub mappings: Box<[PortMapping]>,
}

/// How a container is attached to networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Docker's own bridge (`BRIDGE`): an address that only its host can reach.
    Bridge,
    /// No network at all (`NONE`).
    Detached,
    /// That of the host, and it says so (`HOST`).
    Host,
    /// A network that it names or asks an address of (`USER`, `network_infos`).
    Named,
    /// Nothing is said: that of the host, or of the pod it is in.
    #[default]
    Unsaid,
}

/// A port of the host that leads to one of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// On the agent, never 0.
    pub host: u16,
    /// In the container, never 0.
    pub container: u16,
    /// Which protocol; nothing said means TCP for Docker.
    pub protocol: Protocol,
}

/// The protocol of a port mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Not said, or one we do not know: it counts for each.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Labels of a task by which its owner tells us something: `dns.alias` and so on. What cannot be read is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsLabels {
    /// `dns.alias`: further names of the service in its framework, raw, comma-separated in the label.
    pub aliases: Box<[Arc<str>]>,
    /// `dns.ttl`: TTL of its names, in seconds.
    pub ttl: Option<u32>,
    /// `dns.weight`: weight of its SRV records.
    pub weight: Option<u16>,
    /// `dns.priority`: priority of its SRV records.
    pub priority: Option<u16>,
}

/// Ports `first` to `last`, both included, as Mesos wrote them: possibly 0, possibly huge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u32,
    /// Highest port; below `first` the range is empty.
    pub last: u32,
}

/// One address of a task and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskAddress {
    /// The place in the status.
    pub source: AddressSource,
    /// IPv4-mapped IPv6 addresses are already turned into IPv4.
    pub address: IpAddr,
    /// The network it is an address on (`network_infos[].name`), if that has a name. A pointer of one word: so an
    /// address takes four.
    pub network: Option<Arc<String>>,
}

/// Places a task's address can come from: the values of the key `IPSources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSource {
    /// `docker`: status label `Docker.NetworkSettings.IPAddress`.
    Docker,
    /// `host`: the address of the agent; never stored in a [`TaskAddress`].
    Host,
    /// `mesos`: status label `MesosContainerizer.NetworkSettings.IPAddress`.
    Mesos,
    /// `netinfo`: `container_status.network_infos`.
    NetInfo,
}

/// `DiscoveryInfo` with a non-empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Service name, raw.
    pub name: Arc<str>,
    /// Who is meant to see it.
    pub visibility: Visibility,
    /// Version of the service, raw, not empty; hardly any has one, so it is a pointer of one word.
    pub version: Option<Arc<String>>,
    /// `ports.ports`, in document order.
    pub ports: Box<[DiscoveryPort]>,
}

/// Who is meant to see something, from the fewest to the most (`DiscoveryInfo.Visibility`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Visibility {
    /// Only its framework; also where nothing usable is said.
    #[default]
    Framework,
    /// Everybody in the cluster.
    Cluster,
    /// Everybody.
    External,
}

/// One port of `DiscoveryInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryPort {
    /// As written; wild frameworks write 0 and numbers beyond 65535. A missing number is 0.
    pub number: i64,
    /// What it is for. A hundred thousand tasks have a few kinds between them.
    pub kind: Arc<PortKind>,
}

/// What a port is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortKind {
    /// Port name, raw; empty if absent.
    pub name: Arc<str>,
    /// Usually `tcp` or `udp`, free text; empty if absent.
    pub protocol: Arc<str>,
    /// Whose port it is, where a label says so.
    pub scope: PortScope,
    /// Who is meant to see the port; `None`: whoever sees the service.
    pub visibility: Option<Visibility>,
}

/// Whose port the number of a discovery port is: Marathon's port label `network-scope`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PortScope {
    /// `container`: the container's own.
    Container,
    /// `host`: the agent's.
    Host,
    /// Nothing is said.
    #[default]
    Unsaid,
}

impl Task {
    /// The text of which its names are made.
    pub fn service_name(&self) -> &Arc<str> {
        self.discovery.as_ref().map_or(&self.name, |discovery| &discovery.name)
    }

    /// How its container is attached to networks.
    pub fn network_mode(&self) -> NetworkMode {
        self.container.as_ref().map_or(NetworkMode::Unsaid, |container| container.mode)
    }

    /// Ports of the host that lead to its container.
    pub fn mappings(&self) -> &[PortMapping] {
        self.container.as_ref().map_or(&[], |container| &container.mappings)
    }
}

impl DiscoveryPort {
    /// A port of a kind of its own.
    pub fn new(number: i64, name: impl Into<Arc<str>>, protocol: impl Into<Arc<str>>) -> Self {
        let kind = PortKind { name: name.into(), protocol: protocol.into(), ..PortKind::default() };
        Self { number, kind: Arc::new(kind) }
    }
}

/// The masters, as the infrastructure records show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masters {
    /// The leader as its own state document names it (the part after the `@`), for example `10.0.0.1:5050`.
    pub leader: Option<Arc<str>>,
    /// The masters list in effect (behaviour spec section 2), `host:port` each, leader first in ZooKeeper
    /// mode; may hold an empty first entry while the leader is unknown.
    pub listed: Vec<Arc<str>>,
}

/// Finds agents and frameworks by their id.
impl Find<Arc<Agent>> for &str {
    fn is(&self, entry: &Arc<Agent>) -> bool {
        *entry.id == **self
    }
}

impl Find<Arc<Framework>> for &str {
    fn is(&self, entry: &Arc<Framework>) -> bool {
        *entry.id == **self
    }
}

/// Finds tasks by framework id and task id: the latter alone is not unique.
impl Find<Arc<Task>> for (&str, &str) {
    fn is(&self, entry: &Arc<Task>) -> bool {
        *entry.framework_id == *self.0 && *entry.id == *self.1
    }
}

impl Keyed for Arc<Agent> {
    type Key<'a> = &'a str;

    fn key(&self) -> &str {
        &self.id
    }
}

impl Keyed for Arc<Framework> {
    type Key<'a> = &'a str;

    fn key(&self) -> &str {
        &self.id
    }
}

impl Keyed for Arc<Task> {
    type Key<'a> = (&'a str, &'a str);

    fn key(&self) -> (&str, &str) {
        (&self.framework_id, &self.id)
    }
}

impl Masters {
    /// The hosts named here: those of the leader and of all listed masters, as far as they can be told apart
    /// from their port.
    pub fn hosts(&self) -> impl Iterator<Item = Host> {
        self.leader
            .iter()
            .chain(&self.listed)
            .filter_map(|text| split_host_port(text))
            .map(|(host, _)| Host::new(host))
    }
}

/// Splits `host:port` or `[v6]:port`; `None` where there is no colon or a bracket is left open.
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory of a large cluster hangs on these. A counted pointer's own two words come on top, and the allocator
    /// rounds up: to 160, 48 and 32 bytes.
    #[test]
    fn sizes() {
        let sizes = (size_of::<Task>(), size_of::<Discovery>(), size_of::<TaskAddress>());
        assert_eq!(sizes, (128, 48, 32));
    }
}
