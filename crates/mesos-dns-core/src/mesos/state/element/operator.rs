//! Agents, frameworks and tasks as the operator API writes them.
//!
//! The same things as in `/state`, each a protobuf message written member by member: ids are objects, labels are in
//! an object of their own, resources are a list in which one name can come several times, and what an agent or a
//! framework says of itself is one object further in. Discovery, networks and places are the same in both.

use super::*;
use crate::cluster::{Framework, Host};

impl Elements {
    /// A framework with a usable id. It has no pid here: its port is not known.
    pub(in crate::mesos) fn framework(&mut self, json: &[u8]) -> Option<Framework> {
        let raw = read(json, RawFramework::read)?;
        let host = Some(&*raw.hostname).filter(|name| !name.is_empty()).map(Host::new);
        Some(Framework { id: self.names.get(&raw.id), name: self.names.get(&raw.name), host, port: None })
    }
}

//------------ Raw shapes ----------------------------------------------------

/// The text in an object of one member `value`.
pub(super) fn read_id<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    let mut id = Cow::Borrowed("");
    reader.object(|name, reader| {
        match name {
            b"value" => id = reader.text()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(id)
}

impl<'a> RawAgent<'a> {
    pub(super) fn read_operator(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut agent = Self::default();
        reader.object(|name, reader| {
            match name {
                b"agent_info" => {
                    agent = Self { pid: std::mem::take(&mut agent.pid), ..Self::read_info(reader)? };
                }
                b"pid" => agent.pid = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(agent)
    }

    /// A recovered agent has no more than what it says of itself.
    pub(super) fn read_recovered(shape: Shape, reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        match shape {
            Shape::State => Self::read_flat(reader),
            Shape::Operator => Self::read_info(reader),
        }
    }

    fn read_info(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut agent = Self::default();
        reader.object(|name, reader| {
            match name {
                b"domain" => agent.place = RawPlace::read(reader)?,
                b"hostname" => agent.hostname = reader.text()?,
                b"id" => agent.id = read_id(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(agent)
    }
}

#[derive(Default)]
pub(super) struct RawFramework<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    hostname: Cow<'a, str>,
}

impl Identified for RawFramework<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl<'a> RawFramework<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut framework = Self::default();
        reader.object(|name, reader| {
            match name {
                b"framework_info" => framework = Self::read_info(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(framework)
    }

    pub(super) fn read_info(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut framework = Self::default();
        reader.object(|name, reader| {
            match name {
                b"hostname" => framework.hostname = reader.text()?,
                b"id" => framework.id = read_id(reader)?,
                b"name" => framework.name = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(framework)
    }
}

impl<'a> RawTask<'a> {
    /// Without the id of its framework, the task has none that is of use.
    pub(super) fn read_operator(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut task = Self::default();
        let mut status = None;
        reader.object(|name, reader| {
            match name {
                b"agent_id" => task.agent_id = read_id(reader)?,
                b"framework_id" => task.framework_id = read_id(reader)?,
                b"resources" => task.ports = RawPorts::Ranges(read_resources(reader)?),
                b"statuses" => status = read_statuses(reader)?,
                b"task_id" => task.id = read_id(reader)?,
                _ => return task.member(name, reader),
            }
            Ok(Wanted::Yes)
        })?;
        if let Some(mut status) = status {
            status.unwrap_labels()?;
            task.healthy = status.healthy;
            task.addresses = RawAddresses::read(&status)?;
        }
        if task.framework_id.is_empty() {
            task.id = Cow::Borrowed("");
        }
        Ok(task)
    }
}

/// All ranges of all resources that `/state` would show as `ports`.
fn read_resources(reader: &mut Reader<'_>) -> Result<Vec<(f64, f64)>, JsonError> {
    let mut ports = Vec::new();
    reader.list(|reader| {
        let (mut name, mut kind, mut revocable) = (Cow::Borrowed(""), Cow::Borrowed(""), false);
        let mut ranges = None;
        reader.object(|member, reader| {
            match member {
                b"name" => name = reader.text()?,
                // `/state` adds those up under another name.
                b"revocable" => revocable = reader.raw()? != b"null",
                b"ranges" => ranges = Some(reader.raw()?),
                b"type" => kind = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        match ranges {
            Some(ranges) if name == "ports" && !revocable && (kind.is_empty() || kind == "RANGES") => {
                read_ranges(&mut Reader::new(ranges), &mut ports)
            }
            _ => Ok(()),
        }
    })?;
    Ok(ports)
}

/// Adds what is in a list in an object, named `range`. A number that is missing makes a range that is of no use.
fn read_ranges(reader: &mut Reader<'_>, ranges: &mut Vec<(f64, f64)>) -> Result<(), JsonError> {
    let before = ranges.len();
    reader.object(|name, reader| {
        match name {
            b"range" => {
                ranges.truncate(before);
                reader.list(|reader| {
                    let (mut begin, mut end) = (None, None);
                    reader.object(|name, reader| {
                        match name {
                            b"begin" => begin = reader.number()?,
                            b"end" => end = reader.number()?,
                            _ => return Ok(Wanted::No),
                        }
                        Ok(Wanted::Yes)
                    })?;
                    ranges.push((begin.unwrap_or(f64::NAN), end.unwrap_or(f64::NAN)));
                    Ok(())
                })?;
            }
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })
}

impl RawStatus<'_> {
    /// Labels are in an object of one member of the same name.
    pub(super) fn unwrap_labels(&mut self) -> Result<(), JsonError> {
        let Some(labels) = self.labels.take() else { return Ok(()) };
        Reader::new(labels).object(|name, reader| {
            match name {
                b"labels" => self.labels = Some(reader.raw()?),
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })
    }
}
