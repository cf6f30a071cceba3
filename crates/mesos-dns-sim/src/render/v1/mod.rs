//! What the operator API (`/api/v1`) answers and its streams tell (`mesos-api.md` sections 2.7 and 5).
//!
//! The same cluster value as in the documents of old, in the shape of the `mesos.v1` messages: members in the order
//! of their field numbers, what has no value is missing.

mod agent;
mod event;
mod framework;
mod resources;
mod task;

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::{
    Deserialize, Serialize, Serializer,
    ser::{Error, SerializeMap},
};
use serde_json::json;

use super::{Each, View, style};
use crate::profile::Profile;
pub use event::{Raw, event, heartbeat};
pub(crate) use event::{text, updated};

/// The calls that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Call {
    GetAgents,
    GetExecutors,
    GetFrameworks,
    GetHealth,
    GetMaster,
    GetState,
    GetTasks,
    GetVersion,
    Subscribe,
}

/// Writes the answer to a call; [`Call::Subscribe`] has its own, [`subscribed`].
pub fn answer(view: View<'_>, call: Call, out: &mut dyn Write) -> io::Result<()> {
    style::write(&Answer { view, call }, view.profile, out)
}

/// Writes the first event of a stream, the snapshot.
pub fn subscribed(view: View<'_>, heartbeat: Duration, out: &mut dyn Write) -> io::Result<()> {
    style::write(&Subscribed { view, heartbeat }, view.profile, out)
}

struct Answer<'a> {
    view: View<'a>,
    call: Call,
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.view;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.call)?;
        match self.call {
            Call::GetAgents => map.serialize_entry("get_agents", &Agents(view))?,
            Call::GetExecutors => map.serialize_entry("get_executors", &Executors(view))?,
            Call::GetFrameworks => map.serialize_entry("get_frameworks", &Frameworks(view))?,
            Call::GetHealth => map.serialize_entry("get_health", &json!({"healthy": true}))?,
            Call::GetMaster => map.serialize_entry("get_master", &master(view))?,
            Call::GetState => map.serialize_entry("get_state", &State(view))?,
            Call::GetTasks => map.serialize_entry("get_tasks", &Tasks(view))?,
            Call::GetVersion => {
                let version = json!({"version_info": super::build(view.profile)});
                map.serialize_entry("get_version", &version)?;
            }
            Call::Subscribe => return Err(S::Error::custom("a stream is no document")),
        }
        map.end()
    }
}

fn master(view: View<'_>) -> serde_json::Value {
    let mut members = json!({"master_info": view.master.master_info(view.profile)});
    if view.profile.has_heartbeat() {
        members["start_time"] = view.master.started.as_secs_f64().into();
        if let Some(elected) = view.elected {
            members["elected_time"] = elected.as_secs_f64().into();
        }
    }
    members
}

struct Subscribed<'a> {
    view: View<'a>,
    heartbeat: Duration,
}

impl Serialize for Subscribed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "SUBSCRIBED")?;
        map.serialize_entry("subscribed", &Snapshot(self))?;
        map.end()
    }
}

struct Snapshot<'a>(&'a Subscribed<'a>);

impl Serialize for Snapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Subscribed { view, heartbeat } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("get_state", &State(*view))?;
        if view.profile.has_heartbeat() {
            map.serialize_entry("heartbeat_interval_seconds", &heartbeat.as_secs_f64())?;
        }
        map.end()
    }
}

struct State<'a>(View<'a>);

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("get_tasks", &Tasks(self.0))?;
        map.serialize_entry("get_executors", &Executors(self.0))?;
        map.serialize_entry("get_frameworks", &Frameworks(self.0))?;
        map.serialize_entry("get_agents", &Agents(self.0))?;
        map.end()
    }
}

struct Tasks<'a>(View<'a>);

impl Serialize for Tasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let profile = view.profile;
        let show = |one| task::task(view.cluster, one, profile);
        let mut map = serializer.serialize_map(None)?;
        list(&mut map, profile, "tasks", || view.all_tasks().map(show))?;
        if profile.shows_recovery() {
            list(&mut map, profile, "unreachable_tasks", || view.all_unreachable().map(show))?;
        }
        list(&mut map, profile, "completed_tasks", || view.all_completed().map(show))?;
        map.end()
    }
}

struct Executors<'a>(View<'a>);

impl Serialize for Executors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let mut map = serializer.serialize_map(None)?;
        let all = || view.all_tasks().filter_map(|one| task::executor(view.cluster, one));
        list(&mut map, view.profile, "executors", all)?;
        map.end()
    }
}

struct Frameworks<'a>(View<'a>);

impl Serialize for Frameworks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let show = |at| framework::listed(view, at);
        let mut map = serializer.serialize_map(None)?;
        list(&mut map, view.profile, "frameworks", || view.frameworks().map(show))?;
        list(&mut map, view.profile, "completed_frameworks", || view.completed_frameworks().map(show))?;
        map.end()
    }
}

struct Agents<'a>(View<'a>);

impl Serialize for Agents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let profile = view.profile;
        let at = |index: usize| &*view.cluster.agents[index];
        let known = || view.agents(|agent| view.knows(agent)).map(|index| agent::agent(at(index), profile));
        let recovered =
            || view.agents(|agent| view.recovered(agent)).map(|index| agent::info(at(index), profile));
        let mut map = serializer.serialize_map(None)?;
        list(&mut map, profile, "agents", known)?;
        if profile.shows_recovery() {
            list(&mut map, profile, "recovered_agents", recovered)?;
        }
        map.end()
    }
}

/// Writes a list, unless it is empty and this Mesos leaves such out.
fn list<M: SerializeMap, I: Iterator<Item: Serialize>>(
    map: &mut M,
    profile: Profile,
    name: &'static str,
    items: impl Fn() -> I,
) -> Result<(), M::Error> {
    if !profile.writes_empty_lists() && items().next().is_none() {
        return Ok(());
    }
    map.serialize_entry(name, &Each(items))
}

/// `{"value": …}`, the shape of every id.
#[derive(Serialize)]
struct Id<T> {
    value: T,
}
