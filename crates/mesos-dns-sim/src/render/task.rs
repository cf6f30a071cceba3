//! A task in `/state` and `/tasks`.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::{View, agent::Resources};
use crate::{
    catalogue::{Flavour, Network, Service},
    cluster,
    profile::{Addresses, Profile},
};

/// Name of the routed network, as DC/OS calls its own.
pub(super) const NETWORK_NAME: &str = "dcos";

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
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
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
    labels: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ContainerStatus<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
}

#[derive(Serialize)]
struct ContainerStatus<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    container_id: Option<ContainerId<'a>>,
    network_infos: [NetworkInfo; 1],
}

#[derive(Serialize)]
struct ContainerId<'a> {
    value: &'a str,
}

#[derive(Serialize)]
struct NetworkInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip_addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
}

#[derive(Serialize)]
struct Address {
    protocol: &'static str,
    ip_address: IpAddr,
}

pub(super) fn task<'a>(view: View<'a>, task: &'a cluster::Task) -> Task<'a> {
    let (cluster, profile) = (view.cluster, view.profile);
    let service = cluster.service(task);
    Task {
        id: &task.id,
        name: &service.task_name,
        framework_id: &cluster.framework(task).id,
        executor_id: executor(service, task).unwrap_or_default(),
        slave_id: &cluster.agent(task).id,
        state: task.state.name(),
        resources: Resources::used(1, task.ports.iter().copied(), profile),
        limits: (service.flavour == Flavour::Sdk && profile.has_limits())
            .then(|| json!({"cpus": "Infinity", "mem": 512.0})),
        role: profile.has_domains().then_some("*"),
        statuses: task.statuses.iter().map(|report| status(service, task, report, profile)).collect(),
        labels: labels(service),
        discovery: service.discovery.as_deref().map(|name| discovery(service, task, name)),
        container: container(service, task).filter(|_| profile.has_container()),
        health_check: health_check(service).filter(|_| profile.has_drain()),
    }
}

fn status<'a>(
    service: &Service,
    task: &'a cluster::Task,
    report: &cluster::Status,
    profile: Profile,
) -> Status<'a> {
    let form = profile.addresses();
    let listed = matches!(form, Addresses::Both | Addresses::List);
    let all = report.addresses.iter();
    let ip_addresses: Vec<Address> =
        all.filter(|_| listed).map(|at| Address { protocol: protocol(*at), ip_address: *at }).collect();
    let single = matches!(form, Addresses::Single | Addresses::Both);
    let ip_address = report.addresses.first().copied().filter(|_| single);
    let docker = profile == Profile::V0_28 && service.network == Network::Bridge;
    let named = profile.redirects();
    Status {
        state: report.state.name(),
        timestamp: report.at.as_secs_f64(),
        labels: report
            .addresses
            .first()
            .filter(|_| docker)
            .map(|at| json!([{"key": "Docker.NetworkSettings.IPAddress", "value": at}])),
        // What the master itself reports has none.
        container_status: (form != Addresses::Absent && !report.addresses.is_empty()).then_some(
            ContainerStatus {
                container_id: profile.shows_recovery().then_some(ContainerId { value: &task.container }),
                network_infos: [NetworkInfo {
                    ip_address,
                    ip_addresses,
                    name: network_name(service, task, report).filter(|_| named),
                }],
            },
        ),
        healthy: report.healthy.filter(|_| profile.has_small_endpoints()),
    }
}

pub(super) fn protocol(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// The network of these addresses, if it has a name.
pub(super) fn network_name(
    service: &Service,
    task: &cluster::Task,
    report: &cluster::Status,
) -> Option<&'static str> {
    let own_network = matches!(service.network, Network::Container { .. });
    (own_network && report.addresses == task.addresses).then_some(NETWORK_NAME)
}

/// The id of a task's own executor; plain command tasks have none.
pub(super) fn executor(service: &Service, task: &cluster::Task) -> Option<String> {
    (service.flavour == Flavour::Aurora).then(|| format!("thermos-{}", task.id))
}

/// Labels, as a plain list.
pub(super) fn labels(service: &Service) -> Option<Value> {
    (service.flavour == Flavour::Marathon)
        .then(|| json!([{"key": "HAPROXY_GROUP", "value": "external"}, {"key": "canary"}]))
}

pub(super) fn health_check(service: &Service) -> Option<Value> {
    service
        .health_checked
        .then(|| json!({"type": "HTTP", "interval_seconds": 10.0, "http": {"port": 8080, "path": "/health"}}))
}

/// `DiscoveryInfo` in the manner of the framework. A port's number is the container's where clients reach the
/// container, else the agent's.
pub(super) fn discovery(service: &Service, task: &cluster::Task, name: &str) -> Value {
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
pub(super) fn container(service: &Service, task: &cluster::Task) -> Option<Value> {
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
