//! The promise: what is wrong with names can be asked for, counted, and read in the log.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::time::Instant;

use daemon::{Daemon, LOOK, PATIENCE};
use master::{Master, document, task};
use serde_json::{Value, json};

/// Waits until so many problems of a kind are counted; tells all of that kind.
async fn until_counted(daemon: &Daemon, kind: &str, total: u64) -> Value {
    let started = Instant::now();
    loop {
        let (status, body) = daemon.get(&format!("/v2/problems?kind={kind}")).await;
        if status == 200 {
            let told: Value = serde_json::from_str(&body).unwrap();
            if told["kinds"][kind]["total"] == total {
                return told;
            }
        }
        assert!(started.elapsed() < PATIENCE, "never {total} of {kind}: {body}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_come_and_go_with_their_tasks() {
    let web = || [task("web", 0, &["10.30.0.1"]), task("web", 1, &["10.30.0.2"])];
    let jobs = [task("my_job", 2, &["10.30.0.3"]), task("my-job", 3, &["10.30.0.4"])];
    let odd = json!({"id": "odd", "name": "odd", "slave_id": "nowhere", "state": "TASK_RUNNING", "labels": [
        {"key": "dns.ttl", "value": "soon"},
    ]});
    let tasks = web().into_iter().chain(jobs).chain([odd]);
    let master = Master::start(&document(tasks.collect())).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "refreshSeconds": 1}));
    let told = until_counted(&daemon, "task-collision", 1).await;
    let [collision] = &**told["problems"].as_array().unwrap() else { panic!("{told}") };
    assert_eq!(collision["tasks"], 2);
    assert_eq!(
        collision["names"],
        json!([
            "my-job.marathon.mesos.",
            "_my-job._tcp.marathon.mesos.",
            "_my-job._udp.marathon.mesos.",
            "my-job.marathon.slave.mesos.",
            "_my-job._tcp.marathon.slave.mesos.",
            "_my-job._udp.marathon.slave.mesos."
        ])
    );
    let owner = |task: &str| json!({"framework": "20260101-0000", "task": task});
    assert_eq!(collision["owners"], json!([owner("my-job.3"), owner("my_job.2")]));
    assert!(collision["since"].as_u64().unwrap() > 1_600_000_000 && !collision["reason"].is_null());
    assert_eq!((&told["skipped"]["labels"], &told["skipped"]["tasks"]), (&json!(1), &json!(0)));
    daemon.logged("several services have this name");

    let all = daemon.json("/v2/problems").await;
    let kinds: Vec<_> = all["problems"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["orphaned-task", "rewritten-name", "task-collision"]);
    assert_eq!(all["kinds"].as_object().unwrap().len(), 9);
    assert_eq!(daemon.metric("problems_found{kind=\"task-collision\"}").await, 1.0);
    assert_eq!(daemon.metric("problems_found{kind=\"framework-collision\"}").await, 0.0);
    assert_eq!(daemon.get("/v2/problems?kind=nonsense").await.0, 400);

    // What stays is as old as it is, and is told once.
    let more = web().into_iter().chain([task("my_job", 2, &["10.30.0.3"]), task("x_y", 4, &["10.30.0.5"])]);
    master.shows(&document(more.collect()));
    let told = until_counted(&daemon, "rewritten-name", 2).await;
    let since = |told: &Value, name: &str| {
        let problems = told["problems"].as_array().unwrap();
        problems.iter().find(|one| one["names"][0] == name).unwrap()["since"].as_u64().unwrap()
    };
    assert_eq!(since(&told, "my_job"), since(&all, "my_job"));
    assert!(since(&told, "x_y") > since(&told, "my_job"));
    assert_eq!(told["skipped"]["labels"], 0);
    assert_eq!(until_counted(&daemon, "task-collision", 0).await["problems"], json!([]));
    assert_eq!(daemon.count_logged("DNS cannot carry the name as it is; it stands under another one"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_listed_where_everything_is() {
    let master = Master::start(&document(vec![task("a_b", 0, &["10.30.0.1"])])).await;
    let members = json!({"masters": [master.address().to_string()], "enumerationOn": false});
    let daemon = Daemon::start(members);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    assert_eq!(daemon.get("/v2/problems").await.0, 404);
    daemon.logged("DNS cannot carry the name as it is");
}
