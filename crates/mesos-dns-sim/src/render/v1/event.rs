//! Events, each one record of a stream.

use std::{collections::BTreeMap, io};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{Id, agent, framework, task};
use crate::{
    cluster::{Cluster, Report},
    memory::Event,
    profile::Profile,
    render::style,
};

/// What an event is about, for those that choose among events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Of an agent or a framework.
    Surroundings,
    /// Of a task.
    Task,
}

/// An event as JSON; `None` if this Mesos does not tell such.
pub fn event(cluster: &Cluster, event: &Event, profile: Profile) -> Option<(About, Vec<u8>)> {
    let about = match event {
        Event::TaskAdded(_) | Event::TaskUpdated(_) => About::Task,
        _ if !profile.tells_agents() => return None,
        _ => About::Surroundings,
    };
    let mut out = Vec::new();
    // Memory takes everything.
    _ = write(cluster, event, profile, &mut out);
    Some((about, out))
}

/// The event that says that nothing happened.
pub fn heartbeat() -> Vec<u8> {
    br#"{"type":"HEARTBEAT"}"#.to_vec()
}

/// An event with one value in its one member, written without making a tree of it: there may be a million.
struct Envelope<T> {
    r#type: &'static str,
    member: &'static str,
    inner: &'static str,
    value: T,
}

impl<T: Serialize> Serialize for Envelope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", self.r#type)?;
        map.serialize_entry(self.member, &BTreeMap::from([(self.inner, &self.value)]))?;
        map.end()
    }
}

fn write(cluster: &Cluster, event: &Event, profile: Profile, out: &mut Vec<u8>) -> io::Result<()> {
    fn put<T: Serialize>(
        names: [&'static str; 3],
        value: T,
        profile: Profile,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let [r#type, member, inner] = names;
        style::write(&Envelope { r#type, member, inner, value }, profile, out)
    }
    match event {
        Event::TaskAdded(added) => {
            put(["TASK_ADDED", "task_added", "task"], task::task(cluster, added, profile), profile, out)
        }
        Event::TaskUpdated(report) => write_update(cluster, report, None, profile, out),
        Event::AgentAdded(added) => {
            put(["AGENT_ADDED", "agent_added", "agent"], agent::agent(added, profile), profile, out)
        }
        Event::AgentRemoved(removed) => {
            put(["AGENT_REMOVED", "agent_removed", "agent_id"], Id { value: &removed.id }, profile, out)
        }
        Event::FrameworkAdded(added) => {
            let framework = framework::introduced(added, profile);
            put(["FRAMEWORK_ADDED", "framework_added", "framework"], framework, profile, out)
        }
        Event::FrameworkUpdated(changed) => {
            let framework = framework::introduced(changed, profile);
            put(["FRAMEWORK_UPDATED", "framework_updated", "framework"], framework, profile, out)
        }
        Event::FrameworkRemoved(removed) => {
            let info = framework::info(&removed.framework, removed.recovered);
            put(["FRAMEWORK_REMOVED", "framework_removed", "framework_info"], info, profile, out)
        }
    }
}

/// What `TASK_UPDATED` carries.
#[derive(Serialize)]
struct Update<'a> {
    framework_id: Id<&'a str>,
    status: task::Status<'a>,
    state: &'static str,
}

/// Writes `TASK_UPDATED`, perhaps with what an executor put into `data`.
pub(crate) fn write_update(
    cluster: &Cluster,
    report: &Report,
    data: Option<&str>,
    profile: Profile,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let task = &*report.task;
    let framework_id = &cluster.framework(task).id;
    let state = task.state.name();
    if !profile.tells_agents() {
        // The shape of 1.0, which documentation still shows.
        let agent_id = &cluster.agent(task).id;
        let update = json!({"type": "TASK_UPDATED", "task_updated": {
            "task_id": {"value": task.id}, "framework_id": {"value": framework_id},
            "agent_id": {"value": agent_id}, "state": state,
        }});
        return style::write(&update, profile, out);
    }
    let mut status = task::status(cluster, task, &report.status);
    status.data = data;
    let task_updated = Update { framework_id: Id { value: framework_id }, status, state };
    style::write(&Updated { r#type: "TASK_UPDATED", task_updated }, profile, out)
}

#[derive(Serialize)]
struct Updated<'a> {
    r#type: &'static str,
    task_updated: Update<'a>,
}
