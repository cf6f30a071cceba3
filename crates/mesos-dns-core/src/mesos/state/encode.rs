//! From a cluster to a document that says the same, for keeping it over a restart.
//!
//! The shape is that of a master's `/state`: whatever reads one reads the other, people included. What such a
//! document has no place for stands in a member of our own in front of everything else, [`About`]. Lists are sorted
//! and have one element per line, so that two files can be compared.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    net::SocketAddr,
};

use serde::Serialize;
use serde_json::json;

use super::{
    element::{LABELS, PREFIX, SCOPE_LABEL},
    saved::{About, Head},
};
use crate::cluster::{
    AddressSource, Agent, Cluster, Container, Discovery, DiscoveryPort, DnsLabels, Endpoint, Framework, Host,
    NetworkMode, PortMapping, PortScope, Protocol, Task, TaskAddress, TaskState, Visibility,
};

/// Writes all that a cluster holds, in many small pieces.
pub fn encode(cluster: &Cluster, about: &About, out: &mut dyn Write) -> io::Result<()> {
    let mut tasks: HashMap<&str, Vec<&Task>> = HashMap::new();
    for task in cluster.tasks.iter() {
        tasks.entry(&task.framework_id).or_default().push(task);
    }
    let mut frameworks: BTreeMap<&str, Option<&Framework>> = tasks.keys().map(|id| (*id, None)).collect();
    frameworks.extend(cluster.frameworks.iter().map(|framework| (&*framework.id, Some(&**framework))));
    let mut agents: Vec<&Agent> = cluster.agents.iter().map(|agent| &**agent).collect();
    agents.sort_unstable_by_key(|agent| &*agent.id);

    let mut writer = Writer { out };
    writer.head(cluster, about, &frameworks)?;
    writer.list("slaves", agents, Writer::agent)?;
    writer.raw(",\n\"recovered_slaves\": [],\n")?;
    writer.list("frameworks", frameworks, |writer, (id, framework)| {
        let mut tasks = tasks.remove(id).unwrap_or_default();
        tasks.sort_unstable_by_key(|task| &*task.id);
        writer.framework(id, framework, tasks)
    })?;
    writer.raw("}\n")
}

struct Writer<'a> {
    out: &'a mut dyn Write,
}

impl Writer<'_> {
    fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    fn value(&mut self, value: impl Serialize) -> io::Result<()> {
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    /// A member behind others.
    fn member(&mut self, name: &str, value: impl Serialize) -> io::Result<()> {
        write!(self.out, ", \"{name}\": ")?;
        self.value(value)
    }

    /// A list, each element on a line of its own.
    fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> io::Result<()>,
    ) -> io::Result<()> {
        write!(self.out, "\"{name}\": [")?;
        let mut between = "\n";
        for item in items {
            self.raw(between)?;
            write(self, item)?;
            between = ",\n";
        }
        self.raw("]")
    }

    /// What stands before the lists.
    fn head(
        &mut self,
        cluster: &Cluster,
        about: &About,
        frameworks: &BTreeMap<&str, Option<&Framework>>,
    ) -> io::Result<()> {
        let unknown = frameworks.iter().filter(|(_, known)| known.is_none()).map(|(id, _)| (*id).into());
        self.raw("{\"mesos_dns\": ")?;
        self.value(Head::new(cluster, about, unknown.collect()))?;
        self.raw(",\n\"version\": \"\"")?;
        for (name, address) in [("pid", about.pid.as_deref()), ("leader", cluster.masters.leader.as_deref())]
        {
            if let Some(address) = address {
                self.member(name, format!("master@{address}"))?;
            }
        }
        if let Some(time) = about.elected_time {
            self.member("elected_time", time)?;
        }
        self.raw(",\n")
    }

    fn agent(&mut self, agent: &Agent) -> io::Result<()> {
        self.raw("{\"id\": ")?;
        self.value(&*agent.id)?;
        self.member("hostname", &*agent.hostname)?;
        if let Some(at) = &agent.address {
            self.member("pid", pid("slave(1)", at))?;
        }
        if let Some(place) = &agent.place {
            let name = |name: &str| json!({"name": name});
            let domain = json!({"region": name(&place.region), "zone": name(&place.zone)});
            self.member("domain", json!({"fault_domain": domain}))?;
        }
        self.raw("}")
    }

    fn framework(&mut self, id: &str, framework: Option<&Framework>, tasks: Vec<&Task>) -> io::Result<()> {
        self.raw("{\"id\": ")?;
        self.value(id)?;
        if let Some(framework) = framework {
            self.member("name", &*framework.name)?;
            match (&framework.host, framework.port) {
                (Some(host), Some(port)) => {
                    self.member("pid", pid("scheduler", &Endpoint { host: host.clone(), port }))?;
                }
                (Some(Host::Address(address)), None) => self.member("hostname", address.to_string())?,
                (Some(Host::Name(name)), None) => self.member("hostname", &**name)?,
                (None, _) => {}
            }
        }
        self.raw(", ")?;
        self.list("tasks", tasks, Self::task)?;
        self.raw("}")
    }

    fn task(&mut self, task: &Task) -> io::Result<()> {
        self.raw("{\"id\": ")?;
        self.value(&*task.id)?;
        self.member("name", &*task.name)?;
        self.member("slave_id", &*task.agent_id)?;
        self.member("state", state(task.state))?;
        if !task.ports.is_empty() {
            let ranges: Vec<_> =
                task.ports.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
            self.raw(", \"resources\": {\"ports\": ")?;
            self.value(format!("[{}]", ranges.join(", ")))?;
            self.raw("}")?;
        }
        self.status(task)?;
        if let Some(discovery) = &task.discovery {
            self.discovery(discovery)?;
        }
        if let Some(container) = &task.container {
            self.container(container)?;
        }
        if let Some(labels) = &task.labels {
            self.labels(labels)?;
        }
        if task.is_checked {
            self.raw(", \"health_check\": {}")?;
        }
        self.raw("}")
    }

    /// The one status that health and addresses are from.
    fn status(&mut self, task: &Task) -> io::Result<()> {
        if task.healthy.is_none() && task.addresses.is_empty() {
            return Ok(());
        }
        self.raw(", \"statuses\": [{\"state\": \"TASK_RUNNING\", \"timestamp\": 0")?;
        if let Some(healthy) = task.healthy {
            self.member("healthy", healthy)?;
        }
        let of = |wanted: AddressSource| task.addresses.iter().filter(move |found| found.source == wanted);
        let labels = LABELS.iter().flat_map(|(key, source)| of(*source).map(move |found| (*key, found)));
        self.raw(", ")?;
        self.list("labels", labels, |writer, (key, found)| writer.label(key, &found.address.to_string()))?;
        let listed: Vec<&TaskAddress> = of(AddressSource::NetInfo).collect();
        self.raw(", \"container_status\": {")?;
        let networks = listed.chunk_by(|one, next| one.network == next.network);
        self.list("network_infos", networks, |writer, addresses| {
            writer.raw("{")?;
            writer.list("ip_addresses", addresses, |writer, found| {
                writer.raw("{\"ip_address\": ")?;
                writer.value(found.address)?;
                writer.raw("}")
            })?;
            if let Some(name) = addresses.first().and_then(|found| found.network.as_deref()) {
                writer.member("name", name)?;
            }
            writer.raw("}")
        })?;
        self.raw("}}]")
    }

    fn discovery(&mut self, discovery: &Discovery) -> io::Result<()> {
        self.raw(", \"discovery\": {\"name\": ")?;
        self.value(&*discovery.name)?;
        if discovery.visibility != Visibility::default() {
            self.member("visibility", visibility(discovery.visibility))?;
        }
        if let Some(version) = &discovery.version {
            self.member("version", &**version)?;
        }
        self.raw(", \"ports\": {")?;
        self.list("ports", discovery.ports.iter(), Self::port)?;
        self.raw("}}")
    }

    fn port(&mut self, port: &DiscoveryPort) -> io::Result<()> {
        self.raw("{\"number\": ")?;
        self.value(port.number)?;
        self.member("name", &*port.kind.name)?;
        self.member("protocol", &*port.kind.protocol)?;
        if let Some(seen) = port.kind.visibility {
            self.member("visibility", visibility(seen))?;
        }
        let scope = match port.kind.scope {
            PortScope::Container => Some("container"),
            PortScope::Host => Some("host"),
            PortScope::Unsaid => None,
        };
        if let Some(scope) = scope {
            self.raw(", \"labels\": {")?;
            self.list("labels", [scope], |writer, scope| writer.label(SCOPE_LABEL, scope))?;
            self.raw("}")?;
        }
        self.raw("}")
    }

    /// As one of Docker's, whoever made it: only those have a word for each way of being attached.
    fn container(&mut self, container: &Container) -> io::Result<()> {
        self.raw(", \"container\": {\"type\": \"DOCKER\", \"docker\": {\"network\": ")?;
        self.value(mode(container.mode))?;
        self.raw(", ")?;
        self.list("port_mappings", &container.mappings, Self::mapping)?;
        self.raw("}, ")?;
        self.list("network_infos", &container.networks, |writer, name| {
            writer.raw("{\"name\": ")?;
            writer.value(&**name)?;
            writer.raw("}")
        })?;
        self.raw("}")
    }

    fn mapping(&mut self, mapping: &PortMapping) -> io::Result<()> {
        let PortMapping { host, container, protocol } = mapping;
        write!(self.out, "{{\"host_port\": {host}, \"container_port\": {container}")?;
        self.member(
            "protocol",
            match protocol {
                // Nothing would mean TCP.
                Protocol::Any => "any",
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
            },
        )?;
        self.raw("}")
    }

    fn labels(&mut self, labels: &DnsLabels) -> io::Result<()> {
        let DnsLabels { aliases, ttl, weight, priority } = labels;
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let values = [
            ("alias", (!aliases.is_empty()).then(|| aliases.join(","))),
            ("priority", number(priority.map(u32::from))),
            ("ttl", number(*ttl)),
            ("weight", number(weight.map(u32::from))),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.raw(", ")?;
        self.list("labels", values, |writer, (name, value)| writer.label(&format!("{PREFIX}{name}"), &value))
    }

    fn label(&mut self, key: &str, value: &str) -> io::Result<()> {
        self.raw("{\"key\": ")?;
        self.value(key)?;
        self.member("value", value)?;
        self.raw("}")
    }
}

/// A libprocess address.
fn pid(id: &str, at: &Endpoint) -> String {
    let port = at.port;
    match &at.host {
        Host::Address(address) => format!("{id}@{}", SocketAddr::new(*address, port)),
        // In brackets nothing but the closing one has a meaning.
        Host::Name(name) if name.contains(':') || name.starts_with('[') => format!("{id}@[{name}]:{port}"),
        Host::Name(name) => format!("{id}@{name}:{port}"),
    }
}

/// A state by a name that is read back as it.
fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Killing => "TASK_KILLING",
        TaskState::Other => "TASK_UNKNOWN",
        TaskState::Running => "TASK_RUNNING",
        TaskState::Staging => "TASK_STAGING",
        TaskState::Starting => "TASK_STARTING",
        TaskState::Unreachable => "TASK_UNREACHABLE",
    }
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Framework => "FRAMEWORK",
        Visibility::Cluster => "CLUSTER",
        Visibility::External => "EXTERNAL",
    }
}

/// A network of Docker by a name that is read back as this.
fn mode(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Bridge => "BRIDGE",
        NetworkMode::Detached => "NONE",
        NetworkMode::Host => "HOST",
        NetworkMode::Named => "USER",
        NetworkMode::Unsaid => "UNKNOWN",
    }
}
