//! The promise: whoever comes from the original reads once, with the first data, which tasks have another address than
//! there, and how to keep the old one; and keeps it so.

#[path = "support/daemon.rs"]
mod daemon;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use daemon::Daemon;
use mesos_dns_sim::{
    catalogue::Network,
    cluster::{State, Task},
    life::{Life, Settings as Ordinary},
    master::{Masters, Settings},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// What the log says of them begins so.
const TOLD: &str = "tasks have the address that works for their network";

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The addresses in `/v1/enumerate` of each task under its own framework's plain zone.
async fn enumerated(daemon: &Daemon) -> BTreeMap<String, Vec<String>> {
    let body = daemon.json("/v1/enumerate").await;
    let tasks =
        body["frameworks"].as_array().unwrap().iter().flat_map(|one| one["tasks"].as_array().unwrap());
    let addresses = |task: &Value| {
        let records = task["records"].as_array().into_iter().flatten();
        let plain = records.filter(|record| {
            record["rtype"] != "SRV" && !record["name"].as_str().unwrap().ends_with(".slave.mesos.")
        });
        let mut hosts: Vec<_> = plain.map(|record| record["host"].as_str().unwrap().to_owned()).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    };
    tasks.map(|task| (task["id"].as_str().unwrap().to_owned(), addresses(task))).collect()
}

/// A task in the log: its id, its old and its new addresses.
fn examples(line: &Value) -> Vec<(String, Vec<String>, Vec<String>)> {
    let split = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let example = |text: &str| {
        let (before, after) = text.split_once(" -> ").unwrap();
        let (name, before) = before.rsplit_once(": ").unwrap();
        (name.split_once(": ").unwrap().1.to_owned(), split(before), split(after))
    };
    line["examples"].as_str().unwrap().split("; ").map(example).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_tells_who_moved_and_how_to_keep_the_old() {
    let (_, cluster) = Life::new(Ordinary { seed: 5, tasks: 400, churn: 0.0 }, now());
    // Only bridges and mapped ports are behind an address that the original would publish.
    let is_behind = |network: Network| matches!(network, Network::Bridge | Network::Mapped);
    let runs_behind =
        |task: &&Arc<Task>| task.state == State::Running && is_behind(cluster.service(task).network);
    let behind = cluster.tasks.values().filter(runs_behind).count();
    assert!(behind > 10);
    let masters = Masters::start(cluster, Settings { ports: vec![0], ..Settings::default() }).await.unwrap();
    let members = json!({"masters": [masters.address(0).to_string()]});
    let mut daemon = Daemon::start(members.clone());
    let line = daemon.logged(TOLD);
    assert_eq!((&line["level"], line["tasks"].as_u64()), (&json!("INFO"), Some(behind as u64)));
    let way_out = line["message"].as_str().unwrap().split_once("; ").unwrap().1.to_owned();
    let told = examples(&line);
    assert_eq!(told.len(), 10);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let found = enumerated(&daemon).await;
    for (id, _, after) in &told {
        assert_eq!(found[id], *after, "{id}");
    }
    // It is told once, whatever else changes.
    daemon.rewrite(json!({"visibility": "cluster"}));
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    assert_eq!(daemon.all_logged(TOLD).len(), 1);

    // Whoever does what it says has the old ones, and is told nothing.
    let setting = way_out.strip_suffix(" keeps the old").unwrap();
    let mut members = members;
    let more: Value = serde_json::from_str(&format!("{{{setting}}}")).unwrap();
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let daemon = Daemon::start(members);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let found = enumerated(&daemon).await;
    for (id, before, _) in &told {
        assert_eq!(found[id], *before, "{id}");
    }
    assert_eq!(daemon.all_logged(TOLD).len(), 0);
}
