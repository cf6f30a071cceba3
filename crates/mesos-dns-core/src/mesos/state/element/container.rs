//! What a container asked for (`ContainerInfo`): plain protobuf JSON, so the same in both shapes.
//!
//! All of it is only good to know: without it a task still has its addresses. So what has another shape than it
//! should costs itself alone.

use std::{borrow::Cow, sync::Arc};

use super::{
    super::{
        super::json::{JsonError, Reader, Wanted},
        TASK_MAPPINGS_MAX, TASK_NETWORKS_MAX,
    },
    Elements,
};
use crate::cluster::{Container, NetworkMode, PortMapping, Protocol, Skipped};

impl Elements {
    /// `None` if it says nothing of networks.
    pub(super) fn container(
        &mut self,
        raw: &RawContainer<'_>,
        skipped: &mut Skipped,
    ) -> Option<Arc<Container>> {
        let (mode, over_limit) = (raw.mode(), &mut skipped.over_limit);
        self.networks.clear();
        for name in raw.networks.iter().map(|network| &*network.name).filter(|name| !name.is_empty()) {
            let network = self.names.get(name);
            if self.networks.len() >= TASK_NETWORKS_MAX {
                *over_limit = over_limit.saturating_add(1);
            } else if !self.networks.contains(&network) {
                self.networks.push(network);
            }
        }
        self.mappings.clear();
        for (mapping, unsaid) in raw.mappings() {
            match mapping.value(unsaid) {
                None => skipped.port_mappings = skipped.port_mappings.saturating_add(1),
                Some(_) if self.mappings.len() >= TASK_MAPPINGS_MAX => {
                    *over_limit = over_limit.saturating_add(1);
                }
                Some(mapping) => self.mappings.push(mapping),
            }
        }
        if !self.mappings.is_empty() {
            let (networks, mappings) = (self.networks.as_slice().into(), self.mappings.as_slice().into());
            return Some(Arc::new(Container { mode, networks, mappings }));
        }
        let is_silent = mode == NetworkMode::Unsaid && self.networks.is_empty();
        (!is_silent).then(|| self.names.container(mode, &self.networks))
    }
}

//------------ Raw shapes ----------------------------------------------------

#[derive(Default)]
pub(super) struct RawContainer<'a> {
    kind: Cow<'a, str>,
    docker: Option<RawDocker<'a>>,
    networks: Vec<RawNetwork<'a>>,
}

/// The part that Docker's containers have.
#[derive(Default)]
struct RawDocker<'a> {
    network: Cow<'a, str>,
    mappings: Vec<RawMapping<'a>>,
}

/// A network asked for.
#[derive(Default)]
struct RawNetwork<'a> {
    name: Cow<'a, str>,
    /// Whether an address is asked for, which is how networks without a name are.
    asks: bool,
    mappings: Vec<RawMapping<'a>>,
}

#[derive(Default)]
struct RawMapping<'a> {
    host: Option<f64>,
    container: Option<f64>,
    protocol: Cow<'a, str>,
}

impl<'a> RawContainer<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut container = Self::default();
        reader.object(|name, reader| {
            match name {
                b"docker" => container.docker = reader.lenient(RawDocker::read)?.flatten(),
                b"network_infos" => container.networks = read_items(reader, RawNetwork::read)?,
                b"type" => container.kind = reader.hint()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(container)
    }

    /// Docker's part; Mesos's own containerizer does not look at it.
    fn docker(&self) -> Option<&RawDocker<'a>> {
        self.docker.as_ref().filter(|_| self.kind != "MESOS")
    }

    fn mode(&self) -> NetworkMode {
        let names_any = || self.networks.iter().any(|network| network.asks || !network.name.is_empty());
        match self.docker().map(|docker| &*docker.network) {
            // Masters write this too where a framework said nothing: Docker's executor takes it for the same.
            Some("HOST") => NetworkMode::Host,
            Some("BRIDGE") => NetworkMode::Bridge,
            Some("NONE") => NetworkMode::Detached,
            Some("USER") => NetworkMode::Named,
            None if names_any() => NetworkMode::Named,
            _ => NetworkMode::Unsaid,
        }
    }

    /// All mappings, each with the protocol that is meant where none is said: Docker's own are for TCP then.
    fn mappings(&self) -> impl Iterator<Item = (&RawMapping<'a>, Protocol)> {
        let docker = self.docker().into_iter().flat_map(|docker| &docker.mappings);
        let networks = self.networks.iter().flat_map(|network| &network.mappings);
        let docker = docker.map(|mapping| (mapping, Protocol::Tcp));
        docker.chain(networks.map(|mapping| (mapping, Protocol::Any)))
    }
}

impl<'a> RawDocker<'a> {
    /// `None` for `null`.
    fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let mut docker = (reader.peek() == Some(b'{')).then(Self::default);
        reader.object(|name, reader| {
            let docker = docker.get_or_insert_default();
            match name {
                b"network" => docker.network = reader.hint()?,
                b"port_mappings" => docker.mappings = read_items(reader, RawMapping::read)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(docker)
    }
}

impl<'a> RawNetwork<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut network = Self::default();
        reader.object(|name, reader| {
            match name {
                b"ip_addresses" => network.asks = !read_items(reader, |reader| reader.raw())?.is_empty(),
                b"name" => network.name = reader.hint()?,
                b"port_mappings" => network.mappings = read_items(reader, RawMapping::read)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(network)
    }
}

impl<'a> RawMapping<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut mapping = Self::default();
        reader.object(|name, reader| {
            match name {
                b"container_port" => mapping.container = reader.lenient(Reader::number)?.flatten(),
                b"host_port" => mapping.host = reader.lenient(Reader::number)?.flatten(),
                b"protocol" => mapping.protocol = reader.hint()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(mapping)
    }

    /// `None` if it leads nowhere.
    fn value(&self, unsaid: Protocol) -> Option<PortMapping> {
        let protocol = match &*self.protocol {
            "" => unsaid,
            text if text.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
            text if text.eq_ignore_ascii_case("udp") => Protocol::Udp,
            _ => Protocol::Any,
        };
        Some(PortMapping { host: port(self.host)?, container: port(self.container)?, protocol })
    }
}

/// A number that can be a port.
fn port(number: Option<f64>) -> Option<u16> {
    let is_port = |number: &f64| (1.0..=65_535.0).contains(number) && number.fract() == 0.0;
    number.filter(is_port).map(|number| number as u16)
}

/// The items of a list that can be read; a value that is no list has none. What cannot be read is as empty as an item
/// without members, so that whoever counts does count it.
fn read_items<'a, T: Default>(
    reader: &mut Reader<'a>,
    item: impl Fn(&mut Reader<'a>) -> Result<T, JsonError>,
) -> Result<Vec<T>, JsonError> {
    let mut items = Vec::new();
    let read = reader.lenient(|reader| {
        reader.list(|reader| {
            items.push(reader.lenient(&item)?.unwrap_or_default());
            Ok(())
        })
    })?;
    Ok(read.map(|()| items).unwrap_or_default())
}
