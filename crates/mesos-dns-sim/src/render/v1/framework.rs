//! Frameworks in the operator API, without their tasks.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    agent::nanoseconds,
    resources::{self, Resource, Shown},
};
use crate::{
    catalogue::Flavour,
    cluster,
    memory::Introduction,
    profile::Profile,
    render::{View, framework::CAPABILITIES},
};

#[derive(Serialize)]
pub(super) struct Framework {
    framework_info: Value,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    registered_time: Value,
    reregistered_time: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    unregistered_time: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allocated_resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_constraints: Option<Value>,
}

/// A framework as it stands in a list, with what its tasks use.
pub(super) fn listed(view: View<'_>, at: usize) -> Framework {
    let framework = &view.cluster.frameworks[at];
    let recovered = !view.memory.knows_scheduler(at);
    let ports = view.tasks(at).flat_map(|task| task.ports.iter().copied());
    let mut shown = shown(framework, recovered, view.profile);
    shown.allocated_resources = resources::used(view.tasks(at).count(), ports, Shown::Allocated);
    shown.offer_constraints = view.profile.has_limits().then(|| json!({}));
    shown.unregistered_time = framework.torn_down.then(|| json!({"nanoseconds": 0}));
    shown
}

/// A framework as an event brings it.
pub(super) fn introduced(introduction: &Introduction, profile: Profile) -> Framework {
    shown(&introduction.framework, introduction.recovered, profile)
}

fn shown(framework: &cluster::Framework, recovered: bool, profile: Profile) -> Framework {
    let connected = framework.connected && !recovered;
    let registered = if recovered { 0 } else { nanoseconds(framework.registered) };
    Framework {
        framework_info: info(framework, recovered),
        active: connected,
        connected: profile.shows_recovery().then_some(connected),
        recovered: profile.shows_recovery().then_some(recovered),
        registered_time: json!({"nanoseconds": registered}),
        reregistered_time: json!({"nanoseconds": registered}),
        unregistered_time: Some(json!({"nanoseconds": 0})),
        allocated_resources: Vec::new(),
        offer_constraints: None,
    }
}

/// `FrameworkInfo`. What is known from agents only lacks the host.
pub(super) fn info(framework: &cluster::Framework, recovered: bool) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
    set("user", "root".into());
    set("name", framework.name.as_str().into());
    set("id", json!({"value": framework.id}));
    set("failover_timeout", 604_800.0.into());
    set("checkpoint", true.into());
    if !recovered {
        set("hostname", framework.address.to_string().into());
    }
    if framework.flavour == Flavour::Sdk {
        set("principal", "data-cassandra-principal".into());
    }
    let capabilities: Vec<Value> = CAPABILITIES.iter().map(|name| json!({"type": name})).collect();
    set("capabilities", capabilities.into());
    Value::Object(members)
}
