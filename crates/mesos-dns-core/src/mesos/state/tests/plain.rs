//! The plain way from a document to its meaning: through a tree of values, slow and easy to check by eye.

use serde_json::Value;

use super::*;
use crate::{
    cluster::{
        AddressSource, Agent, Discovery, DiscoveryPort, Framework, Host, Skipped, Task, TaskAddress,
        TaskState,
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
    Some(Agent { id: id.into(), hostname: hostname.into(), address, place: None })
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
        discovery_ports.push(DiscoveryPort::new(
            float(port, "number")? as i64,
            string(port, "name")?,
            string(port, "protocol")?,
        ));
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
    let task = Task {
        id: id.into(),
        name: name.into(),
        framework_id: framework.into(),
        agent_id: agent_id.into(),
        state,
        healthy: status["healthy"].as_bool(),
        is_checked: false,
        container: None,
        labels: None,
        ports: ports.into(),
        addresses: addresses.into(),
        discovery: (!discovery_name.is_empty()).then(|| {
            Box::new(Discovery {
                name: discovery_name.into(),
                ports: discovery_ports.into(),
                ..Discovery::default()
            })
        }),
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
                texts.push((source, value));
            }
        }
    }
    for network in array(member(status, "container_status")?, "network_infos")? {
        let network = object_or_null(network)?;
        let (entries, single) = (array(network, "ip_addresses")?, string(network, "ip_address")?);
        for entry in entries {
            texts.push((AddressSource::NetInfo, string(object_or_null(entry)?, "ip_address")?));
        }
        if entries.is_empty() {
            texts.push((AddressSource::NetInfo, single));
        }
    }
    let (mut found, mut bad) = (Vec::new(), 0);
    for (source, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        match text.parse::<std::net::IpAddr>() {
            Ok(address) => {
                let address = TaskAddress { source, address: address.to_canonical(), network: None };
                if !found.contains(&address) {
                    found.push(address);
                }
            }
            Err(_) => bad += 1,
        }
    }
    Some((found, bad))
}

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
