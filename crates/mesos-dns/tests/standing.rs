//! The promise: clients and operators can tell how our view of the cluster stands.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::time::Instant;

use daemon::{Daemon, LOOK, PATIENCE};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, ordinary};
use mesos_dns_sim::client::{self, Query};
use serde_json::json;

/// The code of the reply to a query with EDNS, and that of its extended error.
async fn ask(daemon: &Daemon, name: &str) -> (Rcode, Option<u16>) {
    let answer = client::udp(daemon.dns, &Query::new(name, Rtype::A).edns(1232)).await.unwrap();
    let error = match answer.0.as_slice() {
        [.., 0, 15, 0, 2, code0, code1] => Some(u16::from_be_bytes([*code0, *code1])),
        _ => None,
    };
    (answer.rcode(), error)
}

/// The strings of the name that tells how things stand, by their keys.
async fn status(daemon: &Daemon, key: &str) -> Option<String> {
    let answer = client::udp(daemon.dns, &Query::new("_status.mesos", Rtype::TXT)).await.unwrap();
    assert_eq!(answer.rcode(), Rcode::NOERROR);
    let record = answer.answers().unwrap().pop().unwrap();
    let (front, strings) = record.split_once(" TXT ").unwrap();
    assert_eq!(front, "_status.mesos. 0 IN");
    let strings = strings.split(' ').map(|string| string.trim_matches('"'));
    strings
        .filter_map(|string| string.split_once('='))
        .find(|(found, _)| *found == key)
        .map(|pair| pair.1.into())
}

/// Waits until that name tells this.
async fn until_status(daemon: &Daemon, key: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let told = status(daemon, key).await;
        if told.as_deref() == Some(wanted) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{key} is never {wanted}: {told:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_answers_are_marked_while_the_master_is_away() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "staleAfterSeconds": 0.5}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    until_status(&daemon, "state", "live").await;
    assert_eq!(ask(&daemon, "web.marathon.mesos").await, (Rcode::NOERROR, None));
    assert_eq!(daemon.metric("state{state=\"live\"}").await, 1.0);
    assert_eq!(daemon.count_logged("the data is stale"), 0, "not at the start either");

    master.says("503 Service Unavailable", "text/plain", b"later");
    let ready = daemon.until_ready("stale", |ready| ready["state"] == "stale").await;
    until_status(&daemon, "state", "stale").await;
    assert_eq!(ask(&daemon, "web.marathon.mesos").await, (Rcode::NOERROR, Some(3)));
    assert_eq!(ask(&daemon, "nope.marathon.mesos").await, (Rcode::NXDOMAIN, Some(19)));
    assert_eq!(daemon.metric("state{state=\"stale\"}").await, 1.0);
    assert_eq!(daemon.metric("state{state=\"live\"}").await, 0.0);
    assert!(daemon.metric("age_seconds").await >= 1.0);
    assert_eq!(status(&daemon, "serial").await.unwrap(), ready["serial"].to_string());
    assert_eq!(status(&daemon, "version").await.unwrap(), ready["version"].to_string());
    assert_eq!(status(&daemon, "hash").await.unwrap(), ready["contentHash"]);
    daemon.logged("the data is stale");

    master.shows(&ordinary());
    until_status(&daemon, "state", "live").await;
    assert_eq!(ask(&daemon, "web.marathon.mesos").await, (Rcode::NOERROR, None));
    // The name is nowhere else.
    for path in ["/v1/axfr", "/v1/enumerate"] {
        assert!(!daemon.get(path).await.1.contains("_status"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_data_one_name_answers() {
    let master = Master::start(&ordinary()).await;
    master.says("503 Service Unavailable", "text/plain", b"later");
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()]}));
    assert_eq!(ask(&daemon, "web.marathon.mesos").await, (Rcode::SERVFAIL, Some(14)));
    assert_eq!(status(&daemon, "state").await.as_deref(), Some("loading"));
    assert_eq!(status(&daemon, "age").await, None);
    assert_eq!(daemon.metric("state{state=\"loading\"}").await, 1.0);
    assert_eq!(daemon.metric("age_seconds").await, -1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_leader_that_waits_for_agents_denies_no_name() {
    let mut document = ordinary();
    document["recovered_slaves"] =
        json!([{"id": "20260101-S7", "hostname": "h", "pid": "slave(1)@10.20.0.7:5051"}]);
    let master = Master::start(&document).await;
    let daemon = Daemon::following(master.address()).await;
    assert_eq!(ask(&daemon, "web.marathon.mesos").await, (Rcode::NOERROR, None));
    for name in ["nope.marathon.mesos", "_tcp.marathon.mesos"] {
        assert_eq!(ask(&daemon, name).await, (Rcode::SERVFAIL, Some(14)), "{name}");
    }
    let reasons = daemon.ready().await["reasons"].to_string();
    assert!(reasons.contains("agents of which nothing is known here"), "{reasons}");

    document["recovered_slaves"] = json!([]);
    master.shows(&document);
    daemon.until_ready("live", |ready| ready["state"] == "live" && ready["reasons"] == json!([])).await;
    assert_eq!(ask(&daemon, "nope.marathon.mesos").await, (Rcode::NXDOMAIN, None));
    assert_eq!(ask(&daemon, "_tcp.marathon.mesos").await, (Rcode::NOERROR, None));
}
