//! What a task tells of itself (`DiscoveryInfo`): plain protobuf JSON, so the same in both shapes.

use std::borrow::Cow;

use super::{
    super::{
        super::json::{JsonError, Reader, Wanted},
        TASK_PORTS_MAX,
    },
    Elements, labels,
};
use crate::cluster::{Discovery, DiscoveryPort, PortScope, Skipped, Visibility};

/// The label of a port by which Marathon tells whose number it is.
pub(in crate::mesos::state) const SCOPE_LABEL: &str = "network-scope";

impl Elements {
    pub(super) fn discovery(
        &mut self,
        raw: &RawDiscovery<'_>,
        skipped: &mut Skipped,
    ) -> Option<Box<Discovery>> {
        let name = Some(&raw.name).filter(|name| !name.is_empty())?;
        let left_out = raw.ports.len().saturating_sub(TASK_PORTS_MAX);
        skipped.over_limit = skipped.over_limit.saturating_add(left_out as u64);
        let ports = raw.ports.iter().take(TASK_PORTS_MAX).map(|port| DiscoveryPort {
            number: port.number.unwrap_or_default() as i64,
            kind: self.names.kind(&port.kind),
        });
        Some(Box::new(Discovery {
            ports: ports.collect(),
            name: self.names.get(name),
            visibility: raw.visibility.unwrap_or_default(),
            version: self.names.rare(&raw.version),
        }))
    }
}

//------------ Raw shapes ----------------------------------------------------

#[derive(Default)]
pub(super) struct RawDiscovery<'a> {
    name: Cow<'a, str>,
    visibility: Option<Visibility>,
    version: Cow<'a, str>,
    ports: Vec<RawPort<'a>>,
}

#[derive(Default)]
struct RawPort<'a> {
    /// A double, as every number: `5`, `5.0` and `5e0` are the same.
    number: Option<f64>,
    kind: RawKind<'a>,
}

/// What a port is for.
#[derive(Default)]
pub(in crate::mesos::state) struct RawKind<'a> {
    pub(in crate::mesos::state) name: Cow<'a, str>,
    pub(in crate::mesos::state) protocol: Cow<'a, str>,
    pub(in crate::mesos::state) scope: PortScope,
    pub(in crate::mesos::state) visibility: Option<Visibility>,
}

impl<'a> RawDiscovery<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut discovery = Self::default();
        reader.object(|name, reader| {
            match name {
                b"name" => discovery.name = reader.text()?,
                b"ports" => discovery.ports = read_ports(reader)?,
                b"version" => discovery.version = reader.hint()?,
                b"visibility" => discovery.visibility = read_visibility(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(discovery)
    }
}

/// A list in an object of one member of the same name: protobuf's way.
fn read_ports<'a>(reader: &mut Reader<'a>) -> Result<Vec<RawPort<'a>>, JsonError> {
    let mut ports = Vec::new();
    reader.object(|name, reader| {
        match name {
            b"ports" => {
                ports.clear();
                reader.list(|reader| {
                    ports.push(RawPort::read(reader)?);
                    Ok(())
                })?;
            }
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(ports)
}

impl<'a> RawPort<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut port = Self::default();
        reader.object(|name, reader| {
            match name {
                b"labels" => port.kind.scope = read_scope(reader)?,
                b"name" => port.kind.name = reader.text()?,
                b"number" => port.number = reader.number()?,
                b"protocol" => port.kind.protocol = reader.text()?,
                b"visibility" => port.kind.visibility = read_visibility(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(port)
    }
}

/// `None` for a name that we do not know: newer masters may bring some.
fn read_visibility(reader: &mut Reader<'_>) -> Result<Option<Visibility>, JsonError> {
    Ok(match &*reader.hint()? {
        "FRAMEWORK" => Some(Visibility::Framework),
        "CLUSTER" => Some(Visibility::Cluster),
        "EXTERNAL" => Some(Visibility::External),
        _ => None,
    })
}

/// Whose port it is, of the labels of a port; the last one counts.
fn read_scope(reader: &mut Reader<'_>) -> Result<PortScope, JsonError> {
    let mut scope = PortScope::Unsaid;
    reader.lenient(|reader| {
        labels::read(reader, |key, value| {
            if key == SCOPE_LABEL {
                scope = match value {
                    "container" => PortScope::Container,
                    "host" => PortScope::Host,
                    _ => PortScope::Unsaid,
                };
            }
        })
    })?;
    Ok(scope)
}
