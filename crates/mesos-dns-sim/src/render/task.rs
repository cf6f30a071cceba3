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
    network_infos: Vec<NetworkInfo>,
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
    let docker = profile == Profile::V0_28 && service.network == Network::Bridge;
    Status {
        state: report.state.name(),
        timestamp: report.at.as_secs_f64(),
        labels: report
            .addresses
            .first()
            .filter(|_| docker)
            .map(|at| json!([{"key": "Docker.NetworkSettings.IPAddress", "value": at}])),
        // What the master itself reports has none.
        container_status: (form != Addresses::Absent && !report.addresses.is_empty()).then(|| {
            let networks = networks(service, task, report).into_iter();
            ContainerStatus {
                container_id: profile.shows_recovery().then_some(ContainerId { value: &task.container }),
                network_infos: networks.map(|(name, at)| network_info(name, at, profile)).collect(),
            }
        }),
        healthy: report.healthy.filter(|_| profile.has_small_endpoints()),
    }
}

fn network_info(name: Option<&'static str>, addresses: &[IpAddr], profile: Profile) -> NetworkInfo {
    let form = profile.addresses();
    let listed = matches!(form, Addresses::Both | Addresses::List);
    let single = matches!(form, Addresses::Single | Addresses::Both);
    let address = |at: &IpAddr| Address { protocol: protocol(*at), ip_address: *at };
    NetworkInfo {
        ip_address: addresses.first().copied().filter(|_| single),
        ip_addresses: addresses.iter().filter(|_| listed).map(address).collect(),
        name: name.filter(|_| profile.redirects()),
    }
}

pub(super) fn protocol(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// The networks of a report, each with its name, if it has one, and its addresses.
pub(super) fn networks<'a>(
    service: &Service,
    task: &cluster::Task,
    report: &'a cluster::Status,
) -> Vec<(Option<&'static str>, &'a [IpAddr])> {
    // Before it runs, a task has its agent's addresses.
    let names = if report.addresses == task.addresses { service.network.names() } else { &[] };
    let Some((last, others)) = names.split_last() else { return vec![(None, &report.addresses)] };
    let (singles, rest) = report.addresses.split_at(others.len().min(report.addresses.len()));
    let singles = others.iter().zip(singles.chunks(1)).map(|(name, at)| (Some(*name), at));
    singles.chain([(Some(*last), rest)]).collect()
}

/// The id of a task's own executor; plain command tasks have none.
pub(super) fn executor(service: &Service, task: &cluster::Task) -> Option<String> {
    (service.flavour == Flavour::Aurora).then(|| format!("thermos-{}", task.id))
}

/// Labels, as a plain list.
pub(super) fn labels(service: &Service) -> Option<Value> {
    if let Some(told) = service.told().filter(|told| !told.labels.is_empty()) {
        return Some(told.labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect());
    }
    (service.flavour == Flavour::Marathon)
        .then(|| json!([{"key": "HAPROXY_GROUP", "value": "external"}, {"key": "canary"}]))
}

pub(super) fn health_check(service: &Service) -> Option<Value> {
    service.health_checked.then(|| {
        json!({
            "type": "HTTP", "delay_seconds": 15.0, "interval_seconds": 10.0, "timeout_seconds": 20.0,
            "consecutive_failures": 3, "grace_period_seconds": 10.0,
            "http": {"port": 8080, "path": "/health"},
        })
    })
}

/// `DiscoveryInfo` in the manner of the framework. A port's number is the container's where clients reach the
/// container, else the agent's.
pub(super) fn discovery(service: &Service, task: &cluster::Task, name: &str) -> Value {
    let own = !service.network.takes_ports();
    let scope = if own { "container" } else { "host" };
    let numbers: Vec<u16> =
        if own { service.ports.iter().map(|port| port.container).collect() } else { task.ports.clone() };
    let told = service.told();
    let ports: Vec<Value> = service
        .ports
        .iter()
        .zip(numbers)
        .enumerate()
        .map(|(place, (port, number))| {
            let mut shown = json!({"number": number, "name": port.name, "protocol": port.protocol});
            if matches!(service.flavour, Flavour::Assorted | Flavour::Marathon) {
                shown["labels"] = json!({"labels": [{"key": "network-scope", "value": scope}]});
            }
            if let Some(second) = told.and_then(|told| told.second).filter(|_| place == 1) {
                shown["visibility"] = second.into();
            }
            shown
        })
        .collect();
    match service.flavour {
        Flavour::Assorted => {
            let visibility = told.map(|told| told.visibility);
            let mut shown = json!({"visibility": visibility, "name": name, "ports": {"ports": ports}});
            if let Some(version) = told.and_then(|told| told.version) {
                shown["version"] = version.into();
            }
            shown
        }
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
    let docker = |network: &str| {
        let mut docker = json!({
            "image": image, "network": network, "privileged": false, "force_pull_image": false,
        });
        if service.network.is_mapped() {
            docker["port_mappings"] = mappings(service, task);
        }
        json!({"type": "DOCKER", "docker": docker})
    };
    let mesos =
        || json!({"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": image}}}});
    let asked = |name: &str| json!({"name": name, "ip_addresses": [{"protocol": "IPv4"}]});
    let with = |mut container: Value, networks: Value| {
        container["network_infos"] = networks;
        container
    };
    let names = || service.network.names().iter().map(|name| asked(name)).collect();
    Some(match service.network {
        Network::Host if service.flavour != Flavour::Assorted => return None,
        Network::Host | Network::Pod => mesos(),
        Network::Bridge => docker("BRIDGE"),
        Network::Detached => docker("NONE"),
        Network::DockerHost => docker("HOST"),
        Network::DockerUser => with(docker("USER"), names()),
        Network::Container { .. } | Network::Six | Network::Two => with(mesos(), names()),
        Network::Mapped => {
            let mut networks: Value = names();
            networks[0]["port_mappings"] = mappings(service, task);
            with(mesos(), networks)
        }
        Network::Unnamed => with(mesos(), json!([{"ip_addresses": [{"protocol": "IPv4"}]}])),
    })
}

/// Ports of the agent that lead to ports of the container.
fn mappings(service: &Service, task: &cluster::Task) -> Value {
    let pairs = service.ports.iter().zip(&task.ports);
    pairs
        .map(|(port, host)| {
            json!({"host_port": host, "container_port": port.container, "protocol": port.protocol})
        })
        .collect()
}
