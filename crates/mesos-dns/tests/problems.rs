//! The promise: what is wrong with names can be asked for, counted, and read in the log.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::time::Instant;

use daemon::{Daemon, LOOK, PATIENCE};
use http_peer::{Answer, Peer, reply};
use master::{Master, document, task};
use mesos_dns_core::problems::Kind;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

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
    assert_eq!(kinds, ["orphaned-task", "rewritten-name", "skipped-label", "task-collision"]);
    assert_eq!(all["kinds"].as_object().unwrap().len(), Kind::ALL.len());
    assert_eq!(daemon.metric("problems_found{kind=\"task-collision\"}").await, 1.0);
    assert_eq!(daemon.metric("problems_found{kind=\"framework-collision\"}").await, 0.0);
    let (status, body) = daemon.get("/v2/problems?kind=nonsense").await;
    assert_eq!(status, 400);
    for kind in Kind::ALL {
        assert!(body.contains(kind.name()), "{body}");
        assert!(daemon.metric(&format!("problems_found{{kind=\"{}\"}}", kind.name())).await >= 0.0);
    }

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

/// What could not be used is told by whose it is, and by where it stands if nothing else can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_document_leaves_out_has_owners() {
    let running = |id: &str, more: Value| {
        let mut task = json!({"id": id, "name": id, "slave_id": "20260101-S0", "state": "TASK_RUNNING"});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task
    };
    let status = |address: &str| {
        let networks = json!([{"ip_addresses": [{"ip_address": address}]}]);
        json!([{"state": "TASK_RUNNING", "timestamp": 1.0, "container_status": {"network_infos": networks}}])
    };
    let hidden = json!({"discovery": {"visibility": "FRAMEWORK", "name": "hidden"}});
    let tasks = vec![
        running("ports", json!({"resources": {"ports": "[many]"}})),
        running("broken", json!({"resources": 7})),
        running("nowhere", json!({"statuses": status("no address")})),
        running("local", json!({"statuses": status("169.254.1.1")})),
        running("leaving", json!({"statuses": status("169.254.1.2"), "state": "TASK_KILLING"})),
        running("hidden.1", hidden),
        json!({"name": "nobody", "the": "one without an id"}),
    ];
    let mut document = document(tasks);
    document["slaves"].as_array_mut().unwrap().push(json!("no agent"));
    let master = Master::start(&document).await;
    let mut daemon =
        Daemon::start(json!({"masters": [master.address().to_string()], "visibility": "cluster"}));
    let told = until_counted(&daemon, "skipped-task", 2).await;
    let owner = |task: &str| json!({"framework": "20260101-0000", "task": task});
    let problems = told["problems"].as_array().unwrap();
    assert_eq!(
        (&problems[0]["names"], &problems[0]["owners"]),
        (&json!(["broken"]), &json!([owner("broken")]))
    );
    assert_eq!((&problems[1]["names"], &problems[1]["tasks"]), (&json!(["nobody"]), &json!(1)));
    let at = problems[1]["owners"][0]["at"].as_u64().unwrap() as usize;
    let text = master::document_of(master.address(), &document).to_string();
    assert!(text[at..].starts_with(r#"{"name":"nobody""#), "{}", &text[at..at + 40]);

    let all = daemon.json("/v2/problems").await;
    let kinds = all["kinds"].as_object().unwrap();
    let total = |kind: &str| kinds[kind]["total"].as_u64().unwrap();
    for kind in ["skipped-agent", "skipped-port-range", "skipped-task-address", "hidden-task"] {
        assert_eq!(total(kind), 1, "{kind}");
    }
    let local = all["problems"].as_array().unwrap().iter().filter(|one| one["kind"] == "impossible-address");
    let local: Vec<_> = local.map(|one| one["names"][0].as_str().unwrap()).collect();
    assert_eq!(local, ["leaving", "local"]);
    assert_eq!(daemon.metric("problems_found{kind=\"skipped-task\"}").await, 2.0);

    // What is as somebody wants it is no warning.
    let level = |reason: &str| daemon.logged(reason)["level"].as_str().unwrap().to_owned();
    assert_eq!(level("the task, or a port of it, is not meant to be seen"), "INFO");
    assert_eq!(level("the task has no id, is too large"), "WARN");
    assert_eq!(level("an item of the task's allocated ports is no range"), "WARN");
    let enumerated = daemon.json("/v1/enumerate").await.to_string();
    assert!(enumerated.contains("nowhere") && !enumerated.contains("hidden.1"), "{enumerated}");
    daemon.rewrite(json!({"visibility": "framework"}));
    daemon.signal(Signal::HUP);
    until_counted(&daemon, "hidden-task", 0).await;
    assert!(daemon.json("/v1/enumerate").await.to_string().contains("hidden.1"));
}

/// Of an event, it is told until another sets it right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_leaves_out_has_owners() {
    let (sender, mut streams) = mpsc::unbounded_channel();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/real-1.12");
    let identity = std::fs::read(path.join("v1-GET_MASTER.json")).unwrap();
    let peer = Peer::start(move |request| match (request.path(), &*String::from_utf8_lossy(&request.body)) {
        ("/api/v1", r#"{"type":"GET_MASTER"}"#) => reply("200 OK", &[], &identity),
        ("/api/v1", r#"{"type":"SUBSCRIBE"}"#) => {
            let (feed, pieces) = mpsc::unbounded_channel();
            feed.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec()).unwrap();
            sender.send(feed).unwrap();
            Answer::Feed(pieces)
        }
        ("/master/state-summary", _) => reply("200 OK", &[], br#"{"frameworks":[],"slaves":[]}"#),
        // So nothing but events tells how things are.
        _ => reply("503 Service Unavailable", &[], b""),
    })
    .await;
    let daemon = Daemon::start(json!({"masters": [peer.address.to_string()]}));
    let feed = streams.recv().await.unwrap();
    let say = |event: Value| {
        let text = event.to_string();
        feed.send(format!("{}\n{text}", text.len()).into_bytes()).unwrap();
    };
    let id = |text: &str| json!({ "value": text });
    let added = |task: &str, labels: Value, resources: Value| {
        json!({"type": "TASK_ADDED", "task_added": {"task": {
            "task_id": id(task), "framework_id": id("F"), "agent_id": id("S0"), "name": task,
            "state": "TASK_RUNNING", "labels": {"labels": labels}, "resources": resources,
        }}})
    };
    say(json!({"type": "SUBSCRIBED", "subscribed": {"heartbeat_interval_seconds": 3600, "get_state": {
        "get_agents": {"agents": [
            {"agent_info": {"id": id("S0"), "hostname": "n0"}, "pid": "slave(1)@10.20.0.1:5051"},
        ]},
        "get_frameworks": {"frameworks": [{"framework_info": {"id": id("F"), "name": "marathon"}}]},
        "get_tasks": {"tasks": []},
    }}}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    say(added("odd", json!([{"key": "dns.ttl", "value": "soon"}]), json!([])));
    say(added("broken", json!([]), json!({})));
    let told = until_counted(&daemon, "skipped-task", 1).await;
    let owner = |task: &str| json!([{"framework": "F", "task": task}]);
    assert_eq!(told["problems"][0]["owners"], owner("broken"));
    let told = daemon.json("/v2/problems?kind=skipped-label").await;
    assert_eq!(told["problems"][0]["owners"], owner("odd"));
    assert_eq!(daemon.metric("zone_tasks").await, 1.0);

    say(added("odd", json!([{"key": "dns.ttl", "value": "7"}]), json!([])));
    say(added("broken", json!([]), json!([])));
    until_counted(&daemon, "skipped-task", 0).await;
    assert_eq!(daemon.json("/v2/problems?kind=skipped-label").await["problems"], json!([]));
    assert_eq!(daemon.metric("zone_tasks").await, 2.0);
    assert_eq!(daemon.all_logged("the task has no id, is too large").len(), 1, "each is told once");
}
