//! The plain way from a document to its meaning: through a tree of values, slow and easy to check by eye.

use serde_json::Value;

use super::*;
use crate::{
    cluster::{
        AddressSource, Agent, Container, Discovery, DiscoveryPort, DnsLabels, Framework, Host, NetworkMode,
        Place, PortKind, PortMapping, PortScope, Protocol, Skipped, Task, TaskAddress, TaskState, Visibility,
    },
    mesos::pid::Pid,
};

/// What a document means; `None` if it is to be refused.
pub(super) fn walk(top: &Value) -> Option<Document> {
    let mut document = Document {
        version: string(top, "version").unwrap_or_default(),
        pid: after_at(&string(top, "pid").unwrap_or_default()),
        leader: after_at(&string(top, "leader")?),
        elected_time: top["elected_time"].as_f64(),
        complete: top["slaves"].is_array() && top["frameworks"].is_array(),
        ..Document::default()
    };
    for value in array(top, "slaves")? {
        match agent(value, &mut document) {
            Some(agent) => document.agents.push(agent),
            None => document.skipped.agents += 1,
        }
    }
    for value in array(top, "recovered_slaves")? {
        match agent(value, &mut Document::default()) {
            Some(agent) => document.recovered_agents.push(agent.id),
            None => document.skipped.agents += 1,
        }
    }
    for value in array(top, "frameworks")? {
        framework(value, &mut document);
    }
    Some(document)
}

fn agent(value: &Value, document: &mut Document) -> Option<Agent> {
    let (id, hostname, pid) = (string(value, "id")?, string(value, "hostname")?, string(value, "pid")?);
    if id.is_empty() {
        return None;
    }
    let address = Pid::parse(&pid).map(|pid| pid.endpoint());
    document.skipped.agent_addresses += u64::from(address.is_none());
    let domain = &value["domain"]["fault_domain"];
    let named = |name: &str| string(&domain[name], "name").filter(|name| !name.is_empty());
    let place = named("region").zip(named("zone"));
    let place = place.map(|(region, zone)| Place { region: region.into(), zone: zone.into() }.into());
    Some(Agent { id: id.into(), hostname: hostname.into(), address, place })
}

fn framework(value: &Value, document: &mut Document) {
    let tasks = array(value, "tasks");
    // Only good to know, so of any type.
    let unreachable = array(value, "unreachable_tasks").unwrap_or_default();
    document.skipped.tasks +=
        unreachable.iter().map(|value| u64::from(task(value, "").is_none())).sum::<u64>();
    let usable = || {
        let id = string(value, "id").filter(|id| !id.is_empty())?;
        Some((id, string(value, "name")?, tasks.as_ref()?))
    };
    let Some((id, name, tasks)) = usable().filter(|_| value.is_object()) else {
        document.skipped.frameworks += 1;
        // Elements that have ended or are broken are seen as such before it is known where they belong.
        for value in tasks.unwrap_or_default() {
            match task(value, "") {
                Some((None, _)) => (),
                Some((Some(_), skipped)) => {
                    document.skipped.add(skipped);
                    document.skipped.tasks += 1;
                }
                None => document.skipped.tasks += 1,
            }
        }
        return;
    };
    let pid = string(value, "pid");
    let parsed = pid.as_deref().and_then(Pid::parse);
    let present = !value["pid"].is_null();
    let hostname = string(value, "hostname");
    document.skipped.framework_addresses += u64::from((present && parsed.is_none()) || hostname.is_none());
    let hostname = hostname.filter(|name| !name.is_empty());
    let host = parsed.map(|pid| pid.host).or(hostname.as_deref()).map(Host::new);
    document.frameworks.push(Framework {
        id: id.as_str().into(),
        name: name.into(),
        host,
        port: parsed.map(|pid| pid.port),
    });
    for value in unreachable.iter().filter(|value| task(value, "").is_some()) {
        document.unreachable.push((id.as_str().into(), string(value, "id").unwrap_or_default().into()));
    }
    for value in *tasks {
        match task(value, &id) {
            Some((task, skipped)) => {
                document.skipped.add(skipped);
                document.tasks.extend(task);
            }
            None => document.skipped.tasks += 1,
        }
    }
}

fn task(value: &Value, framework: &str) -> Option<(Option<Task>, Skipped)> {
    let mut skipped = Skipped::default();
    let mut ports = Vec::new();
    ranges::parse(&string(member(value, "resources")?, "ports")?, &mut ports, &mut skipped);
    let mut best: Option<(f64, &Value)> = None;
    for status in array(value, "statuses")? {
        let timestamp = float(object_or_null(status)?, "timestamp")?;
        let newest = best.is_none_or(|best| timestamp > best.0);
        if string(status, "state")? == "TASK_RUNNING" && timestamp > -1.0 && newest {
            best = Some((timestamp, status));
        }
    }
    let status = best.map_or(&Value::Null, |best| best.1);
    let (addresses, bad) = addresses(status)?;
    let discovery = member(value, "discovery")?;
    let mut discovery_ports = Vec::new();
    for port in array(member(discovery, "ports")?, "ports")? {
        let port = object_or_null(port)?;
        let kind = PortKind {
            name: string(port, "name")?.into(),
            protocol: string(port, "protocol")?.into(),
            scope: scope(&port["labels"]),
            visibility: visibility(&port["visibility"]),
        };
        discovery_ports.push(DiscoveryPort { number: float(port, "number")? as i64, kind: kind.into() });
    }
    let discovery_name = string(discovery, "name")?;
    let state = match &*string(value, "state")? {
        "TASK_RUNNING" => Some(TaskState::Running),
        "TASK_STARTING" => Some(TaskState::Starting),
        "TASK_UNREACHABLE" => Some(TaskState::Unreachable),
        "TASK_KILLED" => None,
        _ => Some(TaskState::Other),
    };
    let (id, name, agent_id) = (string(value, "id")?, string(value, "name")?, string(value, "slave_id")?);
    if id.is_empty() {
        return None;
    }
    let Some(state) = state else { return Some((None, Default::default())) };
    skipped.task_addresses += bad;
    let discovery = (!discovery_name.is_empty()).then(|| {
        Box::new(Discovery {
            name: discovery_name.into(),
            visibility: visibility(&discovery["visibility"]).unwrap_or_default(),
            version: string(discovery, "version").filter(|version| !version.is_empty()).map(Into::into),
            ports: discovery_ports.into(),
        })
    });
    let task = Task {
        id: id.into(),
        name: name.into(),
        framework_id: framework.into(),
        agent_id: agent_id.into(),
        state,
        healthy: status["healthy"].as_bool(),
        is_checked: value["health_check"].is_object(),
        ports: ports.into(),
        addresses: addresses.into(),
        discovery,
        container: container(&value["container"], &mut skipped).map(Into::into),
        labels: labels(&value["labels"], &mut skipped).map(Box::new),
    };
    Some((Some(task), skipped))
}

fn addresses(status: &Value) -> Option<(Vec<TaskAddress>, u64)> {
    let mut texts = Vec::new();
    for (key, source) in [
        ("Docker.NetworkSettings.IPAddress", AddressSource::Docker),
        ("MesosContainerizer.NetworkSettings.IPAddress", AddressSource::Mesos),
    ] {
        for label in array(status, "labels")? {
            let label = object_or_null(label)?;
            let (found, value) = (string(label, "key")?, string(label, "value")?);
            if found == key {
                texts.push((source, value, String::new()));
            }
        }
    }
    for network in array(member(status, "container_status")?, "network_infos")? {
        let network = object_or_null(network)?;
        let (entries, single) = (array(network, "ip_addresses")?, string(network, "ip_address")?);
        let name = string(network, "name").unwrap_or_default();
        for entry in entries {
            let text = string(object_or_null(entry)?, "ip_address")?;
            texts.push((AddressSource::NetInfo, text, name.clone()));
        }
        if entries.is_empty() {
            texts.push((AddressSource::NetInfo, single, name));
        }
    }
    let (mut found, mut bad) = (Vec::<TaskAddress>::new(), 0);
    for (source, text, name) in texts.into_iter().filter(|(_, text, _)| !text.is_empty()) {
        let Ok(address) = text.parse::<std::net::IpAddr>() else {
            bad += 1;
            continue;
        };
        let address = address.to_canonical();
        let network = Some(name).filter(|name| !name.is_empty()).map(|name| name.to_string().into());
        let known = found.iter_mut().find(|known| (known.source, known.address) == (source, address));
        match known {
            Some(known) if known.network.is_none() => known.network = network,
            Some(_) => {}
            None => found.push(TaskAddress { source, address, network }),
        }
    }
    Some((found, bad))
}

//------------ What is only good to know -------------------------------------

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn container(value: &Value, skipped: &mut Skipped) -> Option<Container> {
    let docker = Some(&value["docker"]).filter(|docker| docker.is_object() && value["type"] != "MESOS");
    let networks = items(&value["network_infos"]);
    let is_asked =
        |network: &Value| !text(&network["name"]).is_empty() || !items(&network["ip_addresses"]).is_empty();
    let mode = match docker.map(|docker| text(&docker["network"])) {
        Some("BRIDGE") => NetworkMode::Bridge,
        Some("HOST") => NetworkMode::Host,
        Some("NONE") => NetworkMode::Detached,
        Some("USER") => NetworkMode::Named,
        Some(_) => NetworkMode::Unsaid,
        None if networks.iter().any(is_asked) => NetworkMode::Named,
        None => NetworkMode::Unsaid,
    };
    let mut names: Vec<std::sync::Arc<str>> = Vec::new();
    for name in networks.iter().map(|network| text(&network["name"])).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    let docker = docker.map_or(&[][..], |docker| items(&docker["port_mappings"]));
    let docker = docker.iter().map(|mapping| (mapping, Protocol::Tcp));
    let others = networks.iter().flat_map(|network| items(&network["port_mappings"]));
    let mut mappings = Vec::new();
    for (mapping, unsaid) in docker.chain(others.map(|mapping| (mapping, Protocol::Any))) {
        let port = |name: &str| {
            let number = mapping[name].as_f64().filter(|number| number.fract() == 0.0)?;
            u16::try_from(number as i64).ok().filter(|port| *port > 0)
        };
        let protocol = match &*text(&mapping["protocol"]).to_lowercase() {
            "" => unsaid,
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => Protocol::Any,
        };
        match port("host_port").zip(port("container_port")) {
            Some((host, container)) => mappings.push(PortMapping { host, container, protocol }),
            None => skipped.port_mappings += 1,
        }
    }
    let says_something = mode != NetworkMode::Unsaid || !names.is_empty() || !mappings.is_empty();
    says_something.then(|| Container { mode, networks: names.into(), mappings: mappings.into() })
}

/// Keys and values, of labels in either shape.
fn label_pairs(value: &Value) -> Vec<(&str, &str)> {
    let list = if value.is_object() { &value["labels"] } else { value };
    let labels = items(list).iter().filter(|label| label.is_object());
    labels.map(|label| (text(&label["key"]), text(&label["value"]))).collect()
}

fn labels(value: &Value, skipped: &mut Skipped) -> Option<DnsLabels> {
    let mut labels = DnsLabels::default();
    let mut aliases: Vec<std::sync::Arc<str>> = Vec::new();
    for (key, value) in label_pairs(value) {
        let number: Option<u32> = value.trim().parse().ok().filter(|_| !value.contains('+'));
        let is_good = match key {
            "dns.alias" => {
                for alias in value.split(',').map(str::trim).filter(|alias| !alias.is_empty()) {
                    if !aliases.iter().any(|known| **known == *alias) {
                        aliases.push(alias.into());
                    }
                }
                true
            }
            "dns.ttl" => number.filter(|ttl| *ttl < 1 << 31).map(|ttl| labels.ttl = Some(ttl)).is_some(),
            "dns.weight" => {
                let weight = number.and_then(|number| u16::try_from(number).ok());
                weight.map(|weight| labels.weight = Some(weight)).is_some()
            }
            "dns.priority" => {
                let priority = number.and_then(|number| u16::try_from(number).ok());
                priority.map(|priority| labels.priority = Some(priority)).is_some()
            }
            _ => true,
        };
        skipped.labels += u64::from(!is_good);
    }
    labels.aliases = aliases.into();
    Some(labels).filter(|labels| *labels != DnsLabels::default())
}

fn scope(value: &Value) -> PortScope {
    let scope = label_pairs(value).into_iter().rfind(|(key, _)| *key == "network-scope");
    match scope {
        Some((_, "container")) => PortScope::Container,
        Some((_, "host")) => PortScope::Host,
        _ => PortScope::Unsaid,
    }
}

fn visibility(value: &Value) -> Option<Visibility> {
    match text(value) {
        "FRAMEWORK" => Some(Visibility::Framework),
        "CLUSTER" => Some(Visibility::Cluster),
        "EXTERNAL" => Some(Visibility::External),
        _ => None,
    }
}

//------------ What must have its type ---------------------------------------

fn object_or_null(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| value.is_object() || value.is_null())
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    object_or_null(value).and_then(|value| object_or_null(&value[name]))
}

fn array<'a>(value: &'a Value, name: &str) -> Option<&'a [Value]> {
    match &object_or_null(value)?[name] {
        Value::Null => Some(&[]),
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn string(value: &Value, name: &str) -> Option<String> {
    match &object_or_null(value)?[name] {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn float(value: &Value, name: &str) -> Option<f64> {
    match &object_or_null(value)?[name] {
        Value::Null => Some(0.0),
        value => value.as_f64(),
    }
}

fn after_at(pid: &str) -> Option<String> {
    let parts: Vec<_> = pid.split('@').collect();
    match parts[..] {
        [_, address] if address.contains(':') => Some(address.to_owned()),
        _ => None,
    }
}
