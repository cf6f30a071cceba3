//! Tasks, their statuses and their executors in the operator API.

use std::net::IpAddr;

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Id,
    resources::{self, Resource, Shown},
};
use crate::{
    catalogue::{Flavour, Service},
    cluster::{self, Cluster, Reason, Source},
    profile::Profile,
    render::task::{self, container, discovery, health_check, networks, protocol},
};

#[derive(Serialize)]
pub(super) struct Task<'a> {
    name: &'a str,
    task_id: Id<&'a str>,
    framework_id: Id<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor_id: Option<Id<String>>,
    agent_id: Id<&'a str>,
    state: &'static str,
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_update_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_update_uuid: Option<String>,
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
pub(super) struct Status<'a> {
    task_id: Id<&'a str>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    agent_id: Id<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor_id: Option<Id<String>>,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ContainerStatus<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable_time: Option<Value>,
}

#[derive(Serialize)]
struct ContainerStatus<'a> {
    container_id: Id<&'a str>,
    network_infos: Vec<NetworkInfo>,
    executor_pid: u64,
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

pub(super) fn task<'a>(cluster: &'a Cluster, task: &'a cluster::Task, profile: Profile) -> Task<'a> {
    let service = cluster.service(task);
    let last = task.statuses.last();
    Task {
        name: &service.task_name,
        task_id: Id { value: &task.id },
        framework_id: Id { value: &cluster.framework(task).id },
        executor_id: task::executor(service, task).map(|value| Id { value }),
        agent_id: Id { value: &cluster.agent(task).id },
        state: task.state.name(),
        resources: resources::used(1, task.ports.iter().copied(), Shown::OfTask),
        limits: (service.flavour == Flavour::Sdk && profile.has_limits())
            .then(|| json!({"cpus": {"value": "Infinity"}, "mem": {"value": 512.0}})),
        statuses: task.statuses.iter().map(|report| status(cluster, task, report)).collect(),
        status_update_state: last.map(|last| last.state.name()),
        status_update_uuid: last.and_then(|last| uuid(task, last)),
        labels: task::labels(service).map(|labels| json!({"labels": labels})),
        discovery: service.discovery.as_deref().map(|name| discovery(service, task, name)),
        container: container(service, task),
        health_check: health_check(service).filter(|_| profile.has_drain()),
    }
}

pub(super) fn status<'a>(
    cluster: &'a Cluster,
    task: &'a cluster::Task,
    report: &cluster::Status,
) -> Status<'a> {
    let service = cluster.service(task);
    let own = report.source == Source::Executor;
    Status {
        task_id: Id { value: &task.id },
        state: report.state.name(),
        message: message(report),
        source: if own { "SOURCE_EXECUTOR" } else { "SOURCE_MASTER" },
        reason: report.reason.map(reason),
        data: None,
        agent_id: Id { value: &cluster.agent(task).id },
        executor_id: own.then(|| executor_id(service, task)),
        timestamp: report.at.as_secs_f64(),
        uuid: uuid(task, report),
        healthy: report.healthy,
        container_status: container_status(service, task, report),
        unreachable_time: (report.state == cluster::State::Unreachable)
            .then(|| json!({"nanoseconds": super::agent::nanoseconds(report.at)})),
    }
}

fn container_status<'a>(
    service: &Service,
    task: &'a cluster::Task,
    report: &cluster::Status,
) -> Option<ContainerStatus<'a>> {
    let address = |at: &IpAddr| Address { protocol: protocol(*at), ip_address: *at };
    let info = |(name, at): (Option<&'static str>, &[IpAddr])| NetworkInfo {
        ip_addresses: at.iter().map(address).collect(),
        name,
    };
    // What the master itself reports has none.
    (!report.addresses.is_empty()).then(|| ContainerStatus {
        container_id: Id { value: &task.container },
        network_infos: networks(service, task, report).into_iter().map(info).collect(),
        executor_pid: 1000 + task.launch % 60_000,
    })
}

/// The executor that a command task gets is named like the task.
fn executor_id(service: &Service, task: &cluster::Task) -> Id<String> {
    Id { value: task::executor(service, task).unwrap_or_else(|| task.id.clone()) }
}

/// What `GET_EXECUTORS` shows of a task that has its own executor.
pub(super) fn executor(cluster: &Cluster, task: &cluster::Task) -> Option<Value> {
    let id = task::executor(cluster.service(task), task)?;
    Some(json!({
        "executor_info": {
            "type": "CUSTOM", "executor_id": {"value": id},
            "framework_id": {"value": cluster.framework(task).id},
            "command": {"value": "./thermos_executor", "shell": true},
        },
        "agent_id": {"value": cluster.agent(task).id},
    }))
}

fn message(report: &cluster::Status) -> Option<&'static str> {
    match report.state {
        cluster::State::Failed => Some("Command exited with status 1"),
        cluster::State::Killed if report.source == Source::Executor => {
            Some("Command terminated with signal Terminated")
        }
        _ => None,
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::AgentRemoved => "REASON_AGENT_REMOVED",
        Reason::FrameworkRemoved => "REASON_FRAMEWORK_REMOVED",
        Reason::Health => "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
    }
}

/// The id of an update: the same whenever the update is shown. What the master makes itself has none.
fn uuid(task: &cluster::Task, report: &cluster::Status) -> Option<String> {
    let seed = task.launch ^ report.at.as_nanos() as u64 ^ (report.state as u64) << 56;
    let bytes = [scattered(seed).to_be_bytes(), scattered(!seed).to_be_bytes()].concat();
    (report.source == Source::Executor).then(|| BASE64.encode(&bytes))
}

/// One step of SplitMix64.
fn scattered(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
