//! Events, each one record of a stream.

use serde_json::{Value, json};

use super::{agent, framework, task};
use crate::{
    cluster::{Cluster, Report},
    memory::Event,
    profile::Profile,
    render::style,
};

/// Names of what an event is about, for those that choose among events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    /// Of an agent or a framework.
    Surroundings,
    /// Of a task.
    Task,
}

/// An event as JSON; `None` if this Mesos does not tell such.
pub fn event(cluster: &Cluster, event: &Event, profile: Profile) -> Option<(Raw, Vec<u8>)> {
    let raw = match event {
        Event::TaskAdded(_) | Event::TaskUpdated(_) => Raw::Task,
        _ if !profile.tells_agents() => return None,
        _ => Raw::Surroundings,
    };
    Some((raw, text(&value(cluster, event, profile), profile)))
}

/// The event that says that nothing happened.
pub fn heartbeat() -> Vec<u8> {
    br#"{"type":"HEARTBEAT"}"#.to_vec()
}

pub(crate) fn text(value: &Value, profile: Profile) -> Vec<u8> {
    let mut out = Vec::new();
    // Memory takes everything.
    _ = style::write(value, profile, &mut out);
    out
}

fn value(cluster: &Cluster, event: &Event, profile: Profile) -> Value {
    match event {
        Event::TaskAdded(added) => {
            json!({"type": "TASK_ADDED", "task_added": {"task": task::task(cluster, added, profile)}})
        }
        Event::TaskUpdated(report) => updated(cluster, report, None, profile),
        Event::AgentAdded(added) => {
            json!({"type": "AGENT_ADDED", "agent_added": {"agent": agent::agent(added, profile)}})
        }
        Event::AgentRemoved(removed) => {
            json!({"type": "AGENT_REMOVED", "agent_removed": {"agent_id": {"value": removed.id}}})
        }
        Event::FrameworkAdded(added) => {
            let framework = framework::introduced(added, profile);
            json!({"type": "FRAMEWORK_ADDED", "framework_added": {"framework": framework}})
        }
        Event::FrameworkUpdated(changed) => {
            let framework = framework::introduced(changed, profile);
            json!({"type": "FRAMEWORK_UPDATED", "framework_updated": {"framework": framework}})
        }
        Event::FrameworkRemoved(removed) => {
            let info = framework::info(&removed.framework, removed.recovered);
            json!({"type": "FRAMEWORK_REMOVED", "framework_removed": {"framework_info": info}})
        }
    }
}

/// `TASK_UPDATED`, perhaps with what an executor put into `data`.
pub(crate) fn updated(cluster: &Cluster, report: &Report, data: Option<&str>, profile: Profile) -> Value {
    let task = &*report.task;
    let framework_id = &cluster.framework(task).id;
    let state = task.state.name();
    if !profile.tells_agents() {
        // The shape of 1.0, which documentation still shows.
        let agent_id = &cluster.agent(task).id;
        return json!({"type": "TASK_UPDATED", "task_updated": {
            "task_id": {"value": task.id}, "framework_id": {"value": framework_id},
            "agent_id": {"value": agent_id}, "state": state,
        }});
    }
    let mut status = task::status(cluster, task, &report.status);
    status.data = data;
    json!({"type": "TASK_UPDATED", "task_updated": {
        "framework_id": {"value": framework_id}, "status": status, "state": state,
    }})
}
