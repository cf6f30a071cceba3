//! A task in `/state` and `/tasks`.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::agent::Resources;
use crate::{
    catalogue::{Flavour, Network, Service},
    cluster::{self, Cluster},
};

/// Name of the routed network, as DC/OS calls its own.
const NETWORK_NAME: &str = "dcos";

#[derive(Serialize)]
pub(super) struct Task<'a> {
    id: &'a str,
    name: &'a str,
    framework_id: &'a str,
    executor_id: String,
    slave_id: &'a str,
    state: &'static str,
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Value>,
    role: &'static str,
    statuses: Vec<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<Value>,
}

#[derive(Serialize)]
struct Status<'a> {
    state: &'static str,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ContainerStatus<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
}

#[derive(Serialize)]
struct ContainerStatus<'a> {
    container_id: ContainerId<'a>,
    network_infos: [NetworkInfo; 1],
}

#[derive(Serialize)]
struct ContainerId<'a> {
    value: &'a str,
}

#[derive(Serialize)]
struct NetworkInfo {
    ip_addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
}

#[derive(Serialize)]
struct Address {
    protocol: &'static str,
    ip_address: IpAddr,
}

pub(super) fn task<'a>(cluster: &'a Cluster, task: &'a cluster::Task) -> Task<'a> {
    let service = cluster.service(task);
    let aurora = service.flavour == Flavour::Aurora;
    Task {
        id: &task.id,
        name: &service.task_name,
        framework_id: &cluster.framework(task).id,
        executor_id: if aurora { format!("thermos-{}", task.id) } else { String::new() },
        slave_id: &cluster.agent(task).id,
        state: task.state.name(),
        resources: Resources::used(1, task.ports.iter().copied()),
        limits: (service.flavour == Flavour::Sdk).then(|| json!({"cpus": "Infinity", "mem": 512.0})),
        role: "*",
        statuses: task.statuses.iter().map(|report| status(service, task, report)).collect(),
        labels: (service.flavour == Flavour::Marathon)
            .then(|| json!([{"key": "HAPROXY_GROUP", "value": "external"}, {"key": "canary"}])),
        discovery: service.discovery.as_deref().map(|name| discovery(service, task, name)),
        container: container(service, task),
        health_check: service.health_checked.then(
            || json!({"type": "HTTP", "interval_seconds": 10.0, "http": {"port": 8080, "path": "/health"}}),
        ),
    }
}

fn status<'a>(service: &Service, task: &'a cluster::Task, report: &cluster::Status) -> Status<'a> {
    let own_network = matches!(service.network, Network::Container { .. });
    let name = (own_network && report.addresses == task.addresses).then_some(NETWORK_NAME);
    let ip_addresses: Vec<Address> = report
        .addresses
        .iter()
        .map(|address| Address {
            protocol: if address.is_ipv4() { "IPv4" } else { "IPv6" },
            ip_address: *address,
        })
        .collect();
    Status {
        state: report.state.name(),
        timestamp: report.at.as_secs_f64(),
        // What the master itself reports has none.
        container_status: (!ip_addresses.is_empty()).then_some(ContainerStatus {
            container_id: ContainerId { value: &task.container },
            network_infos: [NetworkInfo { ip_addresses, name }],
        }),
        healthy: report.healthy,
    }
}

/// `DiscoveryInfo` in the manner of the framework. A port's number is the container's where clients reach the
/// container, else the agent's.
fn discovery(service: &Service, task: &cluster::Task, name: &str) -> Value {
    let routed = matches!(service.network, Network::Container { .. });
    let scope = if routed { "container" } else { "host" };
    let numbers: Vec<u16> =
        if routed { service.ports.iter().map(|port| port.container).collect() } else { task.ports.clone() };
    let ports: Vec<Value> = service
        .ports
        .iter()
        .zip(numbers)
        .map(|(port, number)| match service.flavour {
            Flavour::Marathon => json!({
                "number": number, "name": port.name, "protocol": port.protocol,
                "labels": {"labels": [{"key": "network-scope", "value": scope}]},
            }),
            _ => json!({"number": number, "name": port.name, "protocol": port.protocol}),
        })
        .collect();
    match service.flavour {
        Flavour::Aurora => json!({
            "visibility": "CLUSTER", "name": name, "environment": name.split('.').nth(1),
            "location": "simulated", "ports": {"ports": ports},
        }),
        Flavour::Sdk => json!({"visibility": "CLUSTER", "name": name, "ports": {"ports": ports}}),
        Flavour::Chronos | Flavour::Marathon => {
            json!({"visibility": "FRAMEWORK", "name": name, "ports": {"ports": ports}})
        }
    }
}

/// What the framework asked for; whether it got that, the statuses tell.
fn container(service: &Service, task: &cluster::Task) -> Option<Value> {
    let image = format!("registry.example/{}:1.{}", service.task_name.replace('.', "/"), service.number % 9);
    match service.network {
        Network::Host => None,
        Network::Bridge => {
            let mappings: Vec<Value> = service
                .ports
                .iter()
                .zip(&task.ports)
                .map(|(port, host)| {
                    json!({"host_port": host, "container_port": port.container, "protocol": port.protocol})
                })
                .collect();
            Some(json!({"type": "DOCKER", "docker": {
                "image": image, "network": "BRIDGE", "port_mappings": mappings,
                "privileged": false, "force_pull_image": false,
            }}))
        }
        Network::Container { .. } => Some(json!({
            "type": "MESOS",
            "mesos": {"image": {"type": "DOCKER", "docker": {"name": image}}},
            "network_infos": [{"name": NETWORK_NAME, "ip_addresses": [{"protocol": "IPv4"}]}],
        })),
    }
}
