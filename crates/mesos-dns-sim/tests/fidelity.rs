//! The simulator's streams have the shape of a real one: each event type, each task, agent and framework has the
//! same members, of the same types, as in the stream that was captured from Mesos 1.12.
//!
//! Differences are listed with their reasons, and the list is exact.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use mesos_dns_sim::{
    catalogue::Flavour,
    cluster::State,
    life::{self, Life},
    master::{Beat, Masters, Settings},
    subscriber::Subscriber,
};
use serde_json::Value;

const START: Duration = Duration::from_secs(1_700_000_000);

/// Members that only real things have, by kind and the beginning of their paths, and why.
const ONLY_REAL: &[(&str, &str, &str)] = &[
    ("task", ".discovery.labels", "one captured task fills in all that DiscoveryInfo has"),
    ("task", ".discovery.ports.ports[].visibility", "likewise"),
    ("task", ".discovery.version", "likewise"),
    ("task", ".health_check.command", "captured checks are commands, simulated ones HTTP"),
];

/// Members that only simulated things have, likewise.
const ONLY_OURS: &[(&str, &str, &str)] = &[
    ("task", ".container", "captured tasks are plain commands"),
    ("task", ".discovery.ports.ports[].labels", "captured tasks have no labels on ports"),
    ("task", ".executor_id", "captured frameworks have no executors of their own"),
    ("task", ".health_check.http", "captured checks are commands"),
    ("task", ".limits", "captured tasks have none"),
    ("task", ".statuses[].container_status.network_infos[].name", "captured tasks use their agents' network"),
    ("TASK_UPDATED", ".task_updated.status.container_status.network_infos[].name", "likewise"),
    ("agent", ".agent_info.attributes[].scalar", "captured agents have attributes of one type"),
    ("framework", ".framework_info.hostname", "captured schedulers give no host"),
    ("framework", ".framework_info.principal", "captured schedulers have no principal"),
    ("FRAMEWORK_REMOVED", ".framework_removed.framework_info.hostname", "captured schedulers give no host"),
];
/// Paths through a value, each with the type at its end.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let end = |kind: &str| format!("{path}: {kind}");
    match value {
        Value::Null => _ = found.insert(end("null")),
        Value::Bool(_) => _ = found.insert(end("boolean")),
        Value::Number(number) if number.is_f64() => _ = found.insert(end("fraction")),
        Value::Number(_) => _ = found.insert(end("integer")),
        Value::String(_) => _ = found.insert(end("string")),
        Value::Array(items) => {
            // Whether a list is empty says nothing about its shape.
            items.iter().for_each(|item| paths(item, &format!("{path}[]"), found));
        }
        Value::Object(members) => {
            found.insert(end("object"));
            members.iter().for_each(|(name, member)| paths(member, &format!("{path}.{name}"), found));
        }
    }
}

/// What each kind of thing in a stream looks like.
type Shapes = BTreeMap<String, BTreeSet<String>>;

fn collect(event: &Value, shapes: &mut Shapes) {
    let kind = event["type"].as_str().unwrap();
    let mut add = |name: &str, value: &Value| paths(value, "", shapes.entry(name.to_owned()).or_default());
    let mut outline = event.clone();
    for (place, name) in [
        ("/subscribed/get_state/get_tasks/tasks", "task"),
        ("/subscribed/get_state/get_tasks/unreachable_tasks", "task"),
        ("/subscribed/get_state/get_tasks/completed_tasks", "task"),
        ("/subscribed/get_state/get_executors/executors", "executor"),
        ("/subscribed/get_state/get_frameworks/frameworks", "framework"),
        ("/subscribed/get_state/get_frameworks/completed_frameworks", "framework"),
        ("/subscribed/get_state/get_agents/agents", "agent"),
        ("/subscribed/get_state/get_agents/recovered_agents", "recovered agent"),
        ("/task_added/task", "task"),
        ("/agent_added/agent", "agent"),
        ("/framework_added/framework", "framework"),
        ("/framework_updated/framework", "framework"),
    ] {
        // Each thing has its shape, wherever it stands.
        match outline.pointer_mut(place).map(Value::take) {
            Some(Value::Array(items)) => items.iter().for_each(|item| add(name, item)),
            Some(item) => add(name, &item),
            None => (),
        }
    }
    add(kind, &outline);
}

fn captured() -> Shapes {
    let mut shapes = Shapes::new();
    for file in ["stream.recordio", "stream-agent-shutdown.recordio"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/real-1.12").join(file);
        let bytes = fs::read(path).unwrap();
        let mut rest = &bytes[..];
        while let Some(line) = rest.iter().position(|byte| *byte == b'\n') {
            let length: usize = std::str::from_utf8(&rest[..line]).unwrap().parse().unwrap();
            let record = &rest[line + 1..][..length];
            collect(&serde_json::from_slice(record).unwrap(), &mut shapes);
            rest = &rest[line + 1 + length..];
        }
    }
    shapes
}

/// A stream in which everything happens that happened in the captured ones.
async fn simulated() -> Shapes {
    let (mut life, cluster) = Life::new(life::Settings { seed: 5, tasks: 100, churn: 20.0 }, START);
    let beat = Beat::Told { announced: Duration::from_secs(15) };
    let masters =
        Masters::start(cluster, Settings { ports: vec![0], beat, ..Settings::default() }).await.unwrap();
    let later = START + Duration::from_secs(30);
    masters.change(|cluster| {
        cluster.lose_agent(1, START);
        cluster.return_agent(1, START);
        life.advance(cluster, later)
    });
    let mut stream = Subscriber::open(masters.address(0)).await.unwrap();
    masters.change(|cluster| {
        let added = cluster.add_framework("new", Flavour::Marathon, 12, later);
        let first = cluster.services.iter().position(|service| service.framework == added).unwrap();
        for service in first..cluster.services.len() {
            life.start(cluster, service, None, later);
        }
        let checked = cluster.tasks.values().find(|task| task.healthy == Some(true)).unwrap().launch;
        cluster.report(checked, State::Running, Some(false), later);
        life.advance(cluster, later + Duration::from_secs(60));
        cluster.remove_agent(2, later + Duration::from_secs(61));
        cluster.tear_down(0, later + Duration::from_secs(62));
    });
    masters.evict();
    let mut shapes = Shapes::new();
    while let Some(event) = stream.event().await.unwrap() {
        collect(&event, &mut shapes);
    }
    shapes
}

#[tokio::test]
async fn streams_have_the_shape_of_a_real_one() {
    let (real, ours) = (captured(), simulated().await);
    let mut wrong = Vec::new();
    for (have, lack, reasons, whose) in [(&real, &ours, ONLY_REAL, "real"), (&ours, &real, ONLY_OURS, "ours")]
    {
        let mut needed = BTreeSet::new();
        for (kind, shape) in have {
            // What never happened to the captured cluster cannot be compared.
            let Some(other) = lack.get(kind) else {
                wrong.extend((whose == "real").then(|| format!("{kind} never occurs here")));
                continue;
            };
            for path in shape.difference(other) {
                let row = reasons.iter().find(|(of, start, _)| of == kind && path.starts_with(start));
                match row {
                    Some(row) => _ = needed.insert(row),
                    None => wrong.push(format!("only {whose}: {kind} {path}")),
                }
            }
        }
        let idle = reasons.iter().filter(|row| !needed.contains(row));
        wrong.extend(idle.map(|row| format!("explains nothing: {row:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
