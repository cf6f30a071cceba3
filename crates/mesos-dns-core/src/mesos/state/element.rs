//! One agent or one task, from its bytes to its value.
//!
//! The types named `Raw…` have the shape of the JSON and borrow from it; what is kept is made from them once an
//! element has been read as a whole. An element of the wrong shape is `None`, and counted by who asked. What is only
//! good to know (networks, labels, places) never makes an element one of the wrong shape. How the operator API writes
//! them, what its events say, and the parts that both shapes have in common are in files of their own.

mod container;
mod discovery;
mod event;
mod labels;
mod operator;
mod place;
pub(in crate::mesos) mod whose;

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use super::{
    super::{
        json::{JsonError, Reader, Wanted},
        pid::Pid,
    },
    TASK_ADDRESSES_MAX,
    intern::Interner,
    ranges,
    shape::Shape,
};
use crate::cluster::{AddressSource, Agent, PortMapping, PortRange, Skipped, Task, TaskAddress, TaskState};

use container::RawContainer;
use discovery::RawDiscovery;
pub(in crate::mesos::state) use discovery::{RawKind, SCOPE_LABEL};
pub(in crate::mesos) use event::Unusable;
pub(in crate::mesos::state) use labels::PREFIX;
use labels::Search;
use place::RawPlace;

/// Labels in which containerizers announced a container's address before `network_infos` had it.
pub(super) const LABELS: [(&str, AddressSource); 2] = [
    ("Docker.NetworkSettings.IPAddress", AddressSource::Docker),
    ("MesosContainerizer.NetworkSettings.IPAddress", AddressSource::Mesos),
];

/// What turns elements into values, and what it shares between them.
#[derive(Default)]
pub(in crate::mesos) struct Elements {
    names: Interner,
    search: Search,
    /// Stands for the framework's id until the document is put together.
    nobody: Arc<str>,
    ports: Vec<PortRange>,
    addresses: Vec<TaskAddress>,
    networks: Vec<Arc<str>>,
    mappings: Vec<PortMapping>,
}

impl Elements {
    /// An agent with a usable id. Its address may be missing.
    pub(in crate::mesos) fn agent(
        &mut self,
        shape: Shape,
        json: &[u8],
        skipped: &mut Skipped,
    ) -> Option<Agent> {
        let raw = read(json, |reader| RawAgent::read(shape, reader))?;
        let address = Pid::parse(&raw.pid).map(|pid| pid.endpoint());
        if address.is_none() {
            skipped.agent_addresses = skipped.agent_addresses.saturating_add(1);
        }
        let (id, place) = (self.names.get(&raw.id), self.place(&raw.place));
        Some(Agent { id, hostname: (&*raw.hostname).into(), address, place })
    }

    /// The id of a recovered agent.
    pub(super) fn recovered_agent(&mut self, shape: Shape, json: &[u8]) -> Option<Arc<str>> {
        let raw = read(json, |reader| RawAgent::read_recovered(shape, reader))?;
        Some(self.names.get(&raw.id))
    }

    /// A task with a usable id; the inner `None` is one that has ended.
    pub(super) fn task(&mut self, shape: Shape, json: &[u8], skipped: &mut Skipped) -> Option<Option<Task>> {
        let raw = read(json, |reader| RawTask::read(shape, reader))?;
        Some(living(&raw.state).map(|state| self.living_task(&raw, state, skipped)))
    }

    fn living_task(&mut self, raw: &RawTask<'_>, state: TaskState, skipped: &mut Skipped) -> Task {
        Task {
            id: (&*raw.id).into(),
            name: self.names.get(&raw.name),
            framework_id: self.framework_id(raw),
            agent_id: self.names.get(&raw.agent_id),
            state,
            healthy: raw.healthy,
            is_checked: raw.is_checked,
            ports: self.ports(&raw.ports, skipped),
            addresses: self.addresses(&raw.addresses, skipped),
            discovery: self.discovery(&raw.discovery, skipped),
            container: raw.container.as_ref().and_then(|raw| self.container(raw, skipped)),
            labels: raw.labels.and_then(|json| self.labels(json, skipped)),
        }
    }

    /// The ids of a task of which nothing else matters: framework and task.
    pub(super) fn task_id(&mut self, shape: Shape, json: &[u8]) -> Option<(Arc<str>, Box<str>)> {
        let raw = read(json, |reader| RawTask::read(shape, reader))?;
        Some((self.framework_id(&raw), (&*raw.id).into()))
    }

    fn framework_id(&mut self, raw: &RawTask<'_>) -> Arc<str> {
        match &*raw.framework_id {
            "" => self.nobody.clone(),
            id => self.names.get(id),
        }
    }

    fn ports(&mut self, raw: &RawPorts<'_>, skipped: &mut Skipped) -> Box<[PortRange]> {
        self.ports.clear();
        match raw {
            RawPorts::Text(text) => ranges::parse(text, &mut self.ports, skipped),
            RawPorts::Ranges(raw) => ranges::join(raw, &mut self.ports, skipped),
        }
        self.ports.as_slice().into()
    }

    /// An address counts once for each source; what its network is called may be said with either.
    fn addresses(&mut self, raw: &RawAddresses<'_>, skipped: &mut Skipped) -> Box<[TaskAddress]> {
        self.addresses.clear();
        for (source, text, network) in raw.candidates() {
            let Ok(address) = text.parse::<IpAddr>() else {
                skipped.task_addresses = skipped.task_addresses.saturating_add(1);
                continue;
            };
            let address = address.to_canonical();
            let network = self.names.rare(network);
            let is_same = |known: &&mut TaskAddress| (known.source, known.address) == (source, address);
            if let Some(known) = self.addresses.iter_mut().find(is_same) {
                known.network = known.network.take().or(network);
            } else if self.addresses.len() >= TASK_ADDRESSES_MAX {
                skipped.over_limit = skipped.over_limit.saturating_add(1);
            } else {
                self.addresses.push(TaskAddress { source, address, network });
            }
        }
        self.addresses.as_slice().into()
    }
}

/// Reads what is the whole of `json` and has an id.
fn read<'a, T: Identified>(
    json: &'a [u8],
    value: impl FnOnce(&mut Reader<'a>) -> Result<T, JsonError>,
) -> Option<T> {
    let mut reader = Reader::new(json);
    let value = value(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value).filter(|value| !value.id().is_empty())
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

//------------ Raw shapes ----------------------------------------------------

trait Identified {
    fn id(&self) -> &str;
}

#[derive(Default)]
struct RawAgent<'a> {
    id: Cow<'a, str>,
    hostname: Cow<'a, str>,
    pid: Cow<'a, str>,
    place: RawPlace<'a>,
}

impl Identified for RawAgent<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl<'a> RawAgent<'a> {
    fn read(shape: Shape, reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        match shape {
            Shape::State => Self::read_flat(reader),
            Shape::Operator => Self::read_operator(reader),
        }
    }

    fn read_flat(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut agent = Self::default();
        reader.object(|name, reader| {
            match name {
                b"domain" => agent.place = RawPlace::read(reader)?,
                b"hostname" => agent.hostname = reader.text()?,
                b"id" => agent.id = reader.text()?,
                b"pid" => agent.pid = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(agent)
    }
}

#[derive(Default)]
struct RawTask<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    /// Empty where the document says it elsewhere.
    framework_id: Cow<'a, str>,
    agent_id: Cow<'a, str>,
    state: Cow<'a, str>,
    ports: RawPorts<'a>,
    healthy: Option<bool>,
    is_checked: bool,
    addresses: RawAddresses<'a>,
    discovery: RawDiscovery<'a>,
    container: Option<RawContainer<'a>>,
    /// Only read if they may have something for us.
    labels: Option<&'a [u8]>,
}

impl Identified for RawTask<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl<'a> RawTask<'a> {
    fn read(shape: Shape, reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        match shape {
            Shape::State => Self::read_nested(reader),
            Shape::Operator => Self::read_operator(reader),
        }
    }

    fn read_nested(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut task = Self::default();
        let mut status = None;
        reader.object(|name, reader| {
            match name {
                b"id" => task.id = reader.text()?,
                b"resources" => task.ports = RawPorts::Text(read_ports(reader)?),
                b"slave_id" => task.agent_id = reader.text()?,
                b"statuses" => status = read_statuses(reader)?,
                _ => return task.member(name, reader),
            }
            Ok(Wanted::Yes)
        })?;
        if let Some(status) = status {
            task.healthy = status.healthy;
            task.addresses = RawAddresses::read(&status)?;
        }
        Ok(task)
    }

    /// What both shapes write alike, or so that it does not matter which it is.
    #[inline(always)]
    fn member(&mut self, name: &[u8], reader: &mut Reader<'a>) -> Result<Wanted, JsonError> {
        match name {
            b"container" => self.container = reader.lenient(RawContainer::read)?,
            b"discovery" => self.discovery = RawDiscovery::read(reader)?,
            b"health_check" => self.is_checked = reader.raw()?.starts_with(b"{"),
            b"labels" => self.labels = Some(reader.raw()?),
            b"name" => self.name = reader.text()?,
            b"state" => self.state = reader.text()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    }
}

/// Ports as one text, or as numbers: first and last of each range.
enum RawPorts<'a> {
    Text(Cow<'a, str>),
    Ranges(Vec<(f64, f64)>),
}

impl Default for RawPorts<'_> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

/// Of `resources`, only `ports` matters.
fn read_ports<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    let mut ports = Cow::Borrowed("");
    reader.object(|name, reader| {
        match name {
            b"ports" => ports = reader.text()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(ports)
}

/// The deciding status: the newest running one, the first of several equally new ones.
///
/// Not the newest of all: one made by the master has no addresses, and that of a starting container has the agent's.
fn read_statuses<'a>(reader: &mut Reader<'a>) -> Result<Option<RawStatus<'a>>, JsonError> {
    let mut deciding: Option<RawStatus<'a>> = None;
    reader.list(|reader| {
        let status = RawStatus::read(reader)?;
        let newest = deciding.as_ref().map_or(-1.0, |deciding| deciding.timestamp);
        if status.state == "TASK_RUNNING" && status.timestamp > newest {
            deciding = Some(status);
        }
        Ok(())
    })?;
    Ok(deciding)
}

/// A status; most are not the deciding one, so what is long in it is only read once that is known.
#[derive(Default)]
struct RawStatus<'a> {
    state: Cow<'a, str>,
    timestamp: f64,
    healthy: Option<bool>,
    labels: Option<&'a [u8]>,
    container: Option<&'a [u8]>,
}

impl<'a> RawStatus<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut status = Self::default();
        reader.object(|name, reader| status.member(name, reader))?;
        Ok(status)
    }

    #[inline(always)]
    fn member(&mut self, name: &[u8], reader: &mut Reader<'a>) -> Result<Wanted, JsonError> {
        match name {
            b"container_status" => self.container = Some(reader.raw()?),
            b"healthy" => self.healthy = reader.flag()?,
            b"labels" => self.labels = Some(reader.raw()?),
            b"state" => self.state = reader.text()?,
            b"timestamp" => self.timestamp = reader.number()?.unwrap_or_default(),
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    }
}

/// What may be addresses in a status.
#[derive(Default)]
struct RawAddresses<'a> {
    labels: Vec<(AddressSource, Cow<'a, str>)>,
    networks: Vec<RawAddress<'a>>,
}

/// An address on a network; either can be empty.
#[derive(Default)]
struct RawAddress<'a> {
    text: Cow<'a, str>,
    network: Cow<'a, str>,
}

impl<'a> RawAddresses<'a> {
    fn read(status: &RawStatus<'a>) -> Result<Self, JsonError> {
        let mut addresses = Self::default();
        if let Some(labels) = status.labels {
            addresses.labels = read_labels(&mut Reader::new(labels))?;
        }
        if let Some(container) = status.container {
            addresses.networks = read_container(&mut Reader::new(container))?;
        }
        Ok(addresses)
    }

    /// Those that are there, of each source in the order written, and their networks.
    fn candidates(&self) -> impl Iterator<Item = (AddressSource, &str, &str)> {
        let labels = LABELS.iter().flat_map(|&(_, source)| {
            let labels = self.labels.iter().filter(move |label| label.0 == source);
            labels.map(move |label| (source, &*label.1, ""))
        });
        let networks =
            self.networks.iter().map(|found| (AddressSource::NetInfo, &*found.text, &*found.network));
        labels.chain(networks).filter(|(_, text, _)| !text.is_empty())
    }
}

fn read_labels<'a>(reader: &mut Reader<'a>) -> Result<Vec<(AddressSource, Cow<'a, str>)>, JsonError> {
    let mut labels = Vec::new();
    reader.list(|reader| {
        let (mut key, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
        reader.object(|name, reader| {
            match name {
                b"key" => key = reader.text()?,
                b"value" => value = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        let wanted = LABELS.iter().find(|(wanted, _)| *wanted == key);
        labels.extend(wanted.map(|(_, source)| (*source, value)));
        Ok(())
    })?;
    Ok(labels)
}

fn read_container<'a>(reader: &mut Reader<'a>) -> Result<Vec<RawAddress<'a>>, JsonError> {
    let mut addresses = Vec::new();
    reader.object(|name, reader| {
        match name {
            b"network_infos" => {
                addresses.clear();
                reader.list(|reader| read_network(reader, &mut addresses))?;
            }
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(addresses)
}

/// Adds the addresses of one network. The single one is the form of Mesos 0.25 and counts where there is no list.
fn read_network<'a>(reader: &mut Reader<'a>, addresses: &mut Vec<RawAddress<'a>>) -> Result<(), JsonError> {
    let before = addresses.len();
    let (mut single, mut network) = (Cow::Borrowed(""), Cow::Borrowed(""));
    reader.object(|name, reader| {
        match name {
            b"ip_address" => single = reader.text()?,
            b"ip_addresses" => {
                addresses.truncate(before);
                reader.list(|reader| {
                    addresses.push(RawAddress { text: read_address(reader)?, ..RawAddress::default() });
                    Ok(())
                })?;
            }
            b"name" => network = reader.hint()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    if addresses.len() == before {
        addresses.push(RawAddress { text: single, ..RawAddress::default() });
    }
    addresses.iter_mut().skip(before).for_each(|address| address.network = network.clone());
    Ok(())
}

fn read_address<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    let mut address = Cow::Borrowed("");
    reader.object(|name, reader| {
        match name {
            b"ip_address" => address = reader.text()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(address)
}
