//! Captured event streams say what happened in their clusters, however they are cut.
//!
//! Two are of a real Mesos 1.12 and part of the project. Those of third parties are read from `MESOS_DNS_FIXTURES`;
//! their lengths were removed, and are put back here.

mod captured;
#[path = "operator_streams/listener.rs"]
mod listener;

use std::{collections::BTreeMap, fs};

use mesos_dns_core::{
    cluster::{Change, Document, Skipped, Task, TaskState},
    mesos::state::{Shape, decode, decode_as},
};

use self::listener::{Heard, captured, check_cuts, check_lines, ends, fixtures, hear, line, real, short};

//------------ Mesos 1.12 ----------------------------------------------------

#[test]
fn a_real_stream() {
    let heard = check_cuts(&real("stream.recordio"));
    let Some(Heard::Snapshot(document)) = heard.first() else { panic!("a snapshot comes first") };
    assert!(document.complete && document.skipped == Skipped::default());
    assert_eq!(document.agents.len(), 3);
    assert!(document.agents.iter().all(|agent| agent.address.is_some()));
    assert!(document.tasks.iter().all(|task| task.state == TaskState::Running && !task.addresses.is_empty()));
    let count = |wanted: fn(&Heard) -> bool| heard.iter().filter(|heard| wanted(heard)).count();
    assert_eq!(count(|heard| *heard == Heard::Heartbeat), 6);
    assert_eq!(count(|heard| matches!(heard, Heard::Change(Change::TaskAdded(_)))), 18);
    assert_eq!(count(|heard| matches!(heard, Heard::Change(Change::TaskEnded { .. }))), 15);
    assert_eq!(count(|heard| matches!(heard, Heard::Passed(_))), 0);
    assert_eq!(heard.len(), ends(&real("stream.recordio")).len());

    let of = |part: &'static str| move |line: &str| line.contains(part);
    // A master can know of the next state while it still hands on the status before: no address yet.
    check_lines(
        &heard,
        of("search.4ae0"),
        &[
            "search.4ae0fcbe-f0f8 added: Staging on S1 [(31003, 31004)]",
            "search.4ae0fcbe-f0f8 is Running",
            "search.4ae0fcbe-f0f8 is Running, runs 127.0.0.11 None",
            "search.4ae0fcbe-f0f8 is Killing",
            "search.4ae0fcbe-f0f8 ended",
        ],
    );
    check_lines(
        &heard,
        of("fails"),
        &[
            "fails.26df2a84-65b1- added: Staging on S2 []",
            "fails.26df2a84-65b1- is Starting",
            "fails.26df2a84-65b1- is Running, runs 127.0.0.12 None",
            "fails.26df2a84-65b1- ended",
        ],
    );
    check_lines(
        &heard,
        of("healthy-svc.371a"),
        &[
            &[
                "healthy-svc.371a3c97 added: Staging on S0 [(31000, 31000)]",
                "healthy-svc.371a3c97 is Starting",
            ][..],
            &["healthy-svc.371a3c97 is Running, runs 127.0.0.13 None"],
            &["healthy-svc.371a3c97 is Running, runs 127.0.0.13 Some(false)"; 5],
            &["healthy-svc.371a3c97 is Running, runs 127.0.0.13 Some(true)"],
        ]
        .concat(),
    );
    check_lines(
        &heard,
        of("framework"),
        &[
            "snapshot: 3 agents, 0 recovered, 1 frameworks, 9 tasks",
            "framework 0001 added: marathon",
            "framework 0000 removed",
            "framework 0002 added: aurora",
        ],
    );
}

#[test]
fn an_agent_that_shuts_down() {
    let heard = check_cuts(&real("stream-agent-shutdown.recordio"));
    check_lines(
        &heard,
        |_| true,
        &[
            "snapshot: 3 agents, 0 recovered, 1 frameworks, 9 tasks",
            "heartbeat",
            "agent S2 removed",
            "heartbeat",
            "heartbeat",
        ],
    );
}

/// The tasks of a cluster by framework and id.
type Tasks = BTreeMap<(String, String), Task>;

fn tasks(document: &Document) -> Tasks {
    let key = |task: &Task| (task.framework_id.to_string(), task.id.to_string());
    document.tasks.iter().map(|task| (key(task), task.clone())).collect()
}

/// What becomes of the tasks, in the plainest way.
fn follow(tasks: &mut Tasks, change: &Change) {
    match change {
        Change::TaskAdded(task) => {
            tasks.insert((task.framework_id.to_string(), task.id.to_string()), task.clone());
        }
        Change::TaskEnded { framework_id, id } => {
            tasks.remove(&(framework_id.to_string(), id.to_string())).expect("a task that was there");
        }
        Change::TaskUpdated(update) => {
            let key = (update.framework_id.to_string(), update.id.to_string());
            let task = tasks.get_mut(&key).expect("a task that was there");
            task.state = update.state;
            if let Some(running) = &update.running {
                task.healthy = running.healthy;
                if let Some(addresses) = &running.addresses {
                    task.addresses.clone_from(addresses);
                }
            }
        }
        _ => (),
    }
}

/// Whoever follows the stream arrives at what the master answers when it is asked.
#[test]
fn changes_lead_to_what_the_master_answers() {
    let heard = hear(&real("stream.recordio"), 1000);
    let answer = decode_as(Shape::Operator, &real("v1-GET_STATE.json")).expect("an answer");
    assert!(answer.complete && answer.skipped == Skipped::default());
    let answer = tasks(&answer);
    let mut followed = Tasks::new();
    let mut moments = Vec::new();
    for (moment, heard) in heard.iter().enumerate() {
        match heard {
            Heard::Snapshot(document) => followed = tasks(document),
            Heard::Change(change) => follow(&mut followed, change),
            _ => (),
        }
        if followed == answer {
            moments.push(moment);
        }
    }
    // It was asked when the second `search` ran everywhere, and before anything else was launched.
    let launched = heard.iter().position(|heard| line(heard) == "framework 0002 added: aurora");
    let launched = launched.expect("it was");
    assert_eq!(moments, (launched - 3..=launched).collect::<Vec<_>>());
}

#[test]
fn one_task_in_both_shapes() {
    let nested = tasks(&decode(&real("state.json")).expect("a document"));
    let flat = tasks(&decode_as(Shape::Operator, &real("v1-GET_STATE.json")).expect("an answer"));
    let both: Vec<_> = nested.keys().filter(|key| flat.contains_key(*key)).collect();
    assert_eq!(both.len(), 5);
    for key in both {
        // The health checks began to pass between the two.
        let turned = key.1.starts_with("healthy-svc");
        let (before, after) = (nested[key].healthy, flat[key].healthy);
        assert_eq!((before, after), if turned { (Some(false), Some(true)) } else { (None, None) });
        assert_eq!(Task { healthy: after, ..nested[key].clone() }, flat[key]);
        assert!(nested[key].discovery.is_some() || !key.1.contains("web.api"));
    }
    // Two ranges that touch are one in `/state`.
    let search = flat.values().find(|task| task.id.starts_with("search")).expect("a task");
    assert_eq!((search.ports.len(), search.ports[0].last - search.ports[0].first), (1, 1));

    let (nested, flat) =
        (decode(&real("state.json")), decode_as(Shape::Operator, &real("v1-GET_STATE.json")));
    let (nested, flat) = (nested.expect("a document"), flat.expect("an answer"));
    assert_eq!(nested.agents, flat.agents);
    let framework = flat.frameworks.first().expect("a framework");
    assert!(nested.frameworks.contains(framework));
}

//------------ Third parties -------------------------------------------------

#[test]
fn a_health_check_that_did_not_report_yet() {
    let Some(folder) = fixtures("v1") else { return };
    let bytes = fs::read(folder.join("1.8.0-get_state-unhealthy.json")).expect("an answer");
    let document = decode_as(Shape::Operator, &bytes).expect("an answer");
    let [task] = &*document.tasks else { panic!("one task") };
    assert_eq!((&*task.name, task.state, task.healthy), ("app", TaskState::Running, None));
    assert_eq!((document.agents.len(), document.frameworks.len(), document.complete), (1, 2, true));
    assert_eq!(document.skipped, Skipped::default());
}

#[test]
fn network_modes() {
    let Some(bytes) = captured("1.5.0-docker-and-ucr-network-modes.ndjson") else { return };
    let heard = check_cuts(&bytes);
    check_lines(
        &heard,
        |line| line.contains("docker-on-bridge"),
        &[
            "docker-on-bridge.0ef added: Staging on S0 [(20560, 20560)]",
            // The status has the agent's address here, which is not the container's.
            "docker-on-bridge.0ef is Starting",
            "docker-on-bridge.0ef is Running, runs 172.18.0.2 None",
        ],
    );
    check_lines(
        &heard,
        |line| line.contains("runs"),
        &[
            "docker-on-bridge.0ef is Running, runs 172.18.0.2 None",
            "docker-on-dcos.0ebe5 is Running, runs 9.0.2.130 None",
            "docker-on-host.11627 is Running, runs 172.17.0.4 None",
            "none-on-dcos.115c093 is Running, runs 9.0.2.5 None",
            "none-on-host.1458594 is Running, runs 172.17.0.4 None",
            "ucr-on-dcos.145ec1ee is Running, runs 9.0.1.6 None",
            "ucr-on-host.1755bacf is Running, runs 172.17.0.3 None",
            "ucr-on-bridge.145880 is Running, runs 172.31.254.3 None",
            "docker-on-ipv6.60245 is Running, runs 172.19.0.2 fd01:b::2:8000:0:2 None",
            "pod-on-host.instance is Running, runs 172.17.0.4 None",
            "pod-on-dcos.instance is Running, runs 9.0.1.3 None",
            "pod-on-bridge.instan is Running, runs 172.31.254.4 None",
        ],
    );
}

#[test]
fn teardown() {
    let Some(bytes) = captured("1.5.0-sdk-hello-world-teardown.ndjson") else { return };
    check_lines(
        &check_cuts(&bytes),
        |_| true,
        &[
            "snapshot: 2 agents, 0 recovered, 3 frameworks, 4 tasks",
            "hello-world.e26a1fe7 is Killing",
            "hello-world.e26a1fe7 ended",
            "hello-world.60bcc4e8 added: Staging on S0 [(12964, 12964)]",
            "hello-0-server__7830 ended",
            "hello-world.60bcc4e8 is Starting",
            "hello-world.60bcc4e8 is Running, runs 172.17.0.3 None",
            "framework 0002 added: hello-world",
            "world-1-server__25f1 ended",
            "world-0-server__deb2 ended",
            "framework 0002 removed",
            "hello-world.60bcc4e8 is Killing",
            "hello-world.60bcc4e8 ended",
        ],
    );
}

#[test]
fn overlay() {
    let Some(bytes) = captured("1.6.0-sdk-hello-overlay.ndjson") else { return };
    check_lines(
        &check_cuts(&bytes),
        |_| true,
        &[
            "snapshot: 2 agents, 0 recovered, 2 frameworks, 0 tasks",
            "hello-world.cea59641 added: Staging on S1 [(19630, 19630)]",
            "hello-world.cea59641 is Starting",
            "hello-world.cea59641 is Running, runs 10.0.0.49 None",
            "framework 0002 added: hello-world",
            "hello-overlay-0-serv added: Staging on S1 []",
            "hello-overlay-0-serv is Starting",
            "hello-overlay-0-serv is Running, runs 9.0.2.2 None",
            "hello-overlay-vip-0- added: Staging on S1 []",
            "hello-overlay-vip-0- is Starting",
            "hello-overlay-vip-0- is Running, runs 9.0.2.3 None",
            "hello-host-vip-0-ser added: Staging on S1 [(4044, 4044)]",
            "hello-host-vip-0-ser is Starting",
            "hello-host-vip-0-ser is Running, runs 10.0.0.49 None",
        ],
    );
}

#[test]
fn failover() {
    let Some(bytes) = captured("1.9.0-failover-recovered-agents.ndjson") else { return };
    let heard = check_cuts(&bytes);
    let Some(Heard::Snapshot(document)) = heard.first() else { panic!("a snapshot comes first") };
    assert_eq!(document.recovered_agents.iter().map(|id| short(id)).collect::<Vec<_>>(), ["S0"]);
    assert!(document.complete);
    check_lines(
        &heard,
        |_| true,
        &[
            "snapshot: 0 agents, 1 recovered, 0 frameworks, 0 tasks",
            "heartbeat",
            "agent S0 added: 172.17.0.4 Address(172.17.0.4)",
            // Known from its agent before its scheduler is back.
            "framework 0001 added: marathon",
            // Came back as one that had failed already.
            "web.instance-8b38cc5 ended",
            "framework 0001 added: marathon",
            "web.instance-8b38cc5 added: Staging on S0 [(16424, 16424)]",
            "web.instance-8b38cc5 is Starting",
            "web.instance-8b38cc5 is Running, runs 172.31.254.10 None",
        ],
    );
}
