//! One agent or one task, from its bytes to its value.
//!
//! The types named `Raw…` have the shape of the JSON and borrow from it; what is kept is made from them once an
//! element has been read as a whole. Whether it was of any use is counted by who asked.

use std::{net::IpAddr, sync::Arc};

use serde::de::Error as _;
use serde_json::Error;

use super::{
    super::{
        json::{Flag, Text, object},
        pid::Pid,
    },
    TASK_ITEMS_MAX,
    intern::Interner,
    ranges,
};
use crate::cluster::{
    AddressSource, Agent, Discovery, DiscoveryPort, PortRange, Skipped, Task, TaskAddress, TaskState,
};

/// Labels in which containerizers announced a container's address before `network_infos` had it.
const LABELS: [(&str, AddressSource); 2] = [
    ("Docker.NetworkSettings.IPAddress", AddressSource::Docker),
    ("MesosContainerizer.NetworkSettings.IPAddress", AddressSource::Mesos),
];

/// What turns elements into values, and what it shares between them.
#[derive(Default)]
pub(super) struct Elements {
    names: Interner,
    /// Stands for the framework's id until the document is put together.
    nobody: Arc<str>,
    ports: Vec<PortRange>,
    addresses: Vec<TaskAddress>,
}

impl Elements {
    /// An agent with a usable id. Its address may be missing.
    pub(super) fn agent(&mut self, json: &[u8], skipped: &mut Skipped) -> Result<Agent, Error> {
        let raw: RawAgent<'_> = serde_json::from_slice(json)?;
        let id = self.names.get(raw.id.filled().ok_or_else(no_id)?);
        let address = Pid::parse(&raw.pid.0).map(|pid| pid.endpoint());
        if address.is_none() {
            skipped.agent_addresses = skipped.agent_addresses.saturating_add(1);
        }
        Ok(Agent { id, hostname: raw.hostname.0.into(), address })
    }

    /// The id of a recovered agent.
    pub(super) fn recovered_agent(&mut self, json: &[u8]) -> Result<Arc<str>, Error> {
        let raw: RawAgent<'_> = serde_json::from_slice(json)?;
        Ok(self.names.get(raw.id.filled().ok_or_else(no_id)?))
    }

    /// A task with a usable id; `None` if it has ended.
    pub(super) fn task(&mut self, json: &[u8], skipped: &mut Skipped) -> Result<Option<Task>, Error> {
        let raw: RawTask<'_> = serde_json::from_slice(json)?;
        let id = raw.id.filled().ok_or_else(no_id)?;
        let Some(state) = living(&raw.state.0) else { return Ok(None) };
        let status = deciding(&raw.statuses);
        Ok(Some(Task {
            id: id.into(),
            name: self.names.get(&raw.name.0),
            framework_id: self.nobody.clone(),
            agent_id: self.names.get(&raw.agent_id.0),
            state,
            healthy: status.and_then(|status| status.healthy.0),
            ports: self.ports(&raw.resources.ports.0, skipped),
            addresses: self.addresses(status, skipped),
            discovery: self.discovery(&raw.discovery, skipped),
        }))
    }

    fn ports(&mut self, text: &str, skipped: &mut Skipped) -> Box<[PortRange]> {
        self.ports.clear();
        ranges::parse(text, &mut self.ports, skipped);
        self.ports.as_slice().into()
    }

    fn addresses(&mut self, status: Option<&RawStatus<'_>>, skipped: &mut Skipped) -> Box<[TaskAddress]> {
        self.addresses.clear();
        for (source, text) in status.into_iter().flat_map(RawStatus::addresses) {
            let Ok(address) = text.parse::<IpAddr>() else {
                skipped.task_addresses = skipped.task_addresses.saturating_add(1);
                continue;
            };
            let address = TaskAddress { source, address: address.to_canonical() };
            if self.addresses.len() >= TASK_ITEMS_MAX {
                skipped.over_limit = skipped.over_limit.saturating_add(1);
            } else if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        self.addresses.as_slice().into()
    }

    fn discovery(&mut self, raw: &RawDiscovery<'_>, skipped: &mut Skipped) -> Option<Box<Discovery>> {
        let name = self.names.get(raw.name.filled()?);
        let left_out = raw.ports.ports.len().saturating_sub(TASK_ITEMS_MAX);
        skipped.over_limit = skipped.over_limit.saturating_add(left_out as u64);
        let ports = raw.ports.ports.iter().take(TASK_ITEMS_MAX).map(|port| DiscoveryPort {
            number: port.number as i64,
            name: self.names.get(&port.name.0),
            protocol: self.names.get(&port.protocol.0),
        });
        Some(Box::new(Discovery { ports: ports.collect(), name }))
    }
}

fn no_id() -> Error {
    Error::missing_field("id")
}

/// The state as the cluster knows it; `None` if the task has ended.
fn living(state: &str) -> Option<TaskState> {
    Some(match state {
        "TASK_DROPPED"
        | "TASK_ERROR"
        | "TASK_FAILED"
        | "TASK_FINISHED"
        | "TASK_GONE"
        | "TASK_GONE_BY_OPERATOR"
        | "TASK_KILLED"
        | "TASK_LOST" => return None,
        "TASK_KILLING" => TaskState::Killing,
        "TASK_RUNNING" => TaskState::Running,
        "TASK_STAGING" => TaskState::Staging,
        "TASK_STARTING" => TaskState::Starting,
        "TASK_UNREACHABLE" => TaskState::Unreachable,
        _ => TaskState::Other,
    })
}

/// The newest running status, the first of several equally new ones.
///
/// Not the newest of all: one made by the master has no addresses, and that of a starting container has the agent's.
fn deciding<'a, 'de>(statuses: &'a [RawStatus<'de>]) -> Option<&'a RawStatus<'de>> {
    let running =
        statuses.iter().filter(|status| status.state.0 == "TASK_RUNNING" && status.timestamp > -1.0);
    running.reduce(|best, status| if status.timestamp > best.timestamp { status } else { best })
}

//------------ Raw shapes ----------------------------------------------------

object! {
    struct RawAgent<'de> {
        id: Text<'de> = b"id",
        hostname: Text<'de> = b"hostname",
        pid: Text<'de> = b"pid",
    }

    struct RawTask<'de> {
        id: Text<'de> = b"id",
        name: Text<'de> = b"name",
        agent_id: Text<'de> = b"slave_id",
        state: Text<'de> = b"state",
        resources: RawResources<'de> = b"resources",
        statuses: Vec<RawStatus<'de>> = b"statuses",
        discovery: RawDiscovery<'de> = b"discovery",
    }

    struct RawResources<'de> {
        ports: Text<'de> = b"ports",
    }

    struct RawStatus<'de> {
        state: Text<'de> = b"state",
        timestamp: f64 = b"timestamp",
        healthy: Flag = b"healthy",
        labels: Vec<RawLabel<'de>> = b"labels",
        container: RawContainer<'de> = b"container_status",
    }

    struct RawLabel<'de> {
        key: Text<'de> = b"key",
        value: Text<'de> = b"value",
    }

    struct RawContainer<'de> {
        networks: Vec<RawNetwork<'de>> = b"network_infos",
    }

    struct RawNetwork<'de> {
        addresses: Vec<RawAddress<'de>> = b"ip_addresses",
        /// The form of Mesos 0.25, which counts only where the list is empty.
        address: Text<'de> = b"ip_address",
    }

    struct RawAddress<'de> {
        address: Text<'de> = b"ip_address",
    }

    struct RawDiscovery<'de> {
        name: Text<'de> = b"name",
        ports: RawPorts<'de> = b"ports",
    }

    struct RawPorts<'de> {
        ports: Vec<RawPort<'de>> = b"ports",
    }

    struct RawPort<'de> {
        /// A double, as every number: `5`, `5.0` and `5e0` are the same.
        number: f64 = b"number",
        name: Text<'de> = b"name",
        protocol: Text<'de> = b"protocol",
    }
}

impl RawStatus<'_> {
    /// Candidates of all sources, those of each source in the order written.
    fn addresses(&self) -> impl Iterator<Item = (AddressSource, &str)> {
        let labels = LABELS.iter().flat_map(|&(key, source)| {
            let wanted = self.labels.iter().filter(move |label| label.key.0 == key);
            wanted.map(move |label| (source, &*label.value.0))
        });
        let networks = self.container.networks.iter().flat_map(RawNetwork::addresses);
        labels.chain(networks.map(|text| (AddressSource::NetInfo, text))).filter(|(_, text)| !text.is_empty())
    }
}

impl RawNetwork<'_> {
    fn addresses(&self) -> impl Iterator<Item = &str> {
        let single = Some(&self.address).filter(|_| self.addresses.is_empty());
        self.addresses.iter().map(|entry| &entry.address).chain(single).map(|text| &*text.0)
    }
}
