//! What is known of the masters' group outlives a reload, also one while ZooKeeper is away.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    daemon::Daemon,
    master::{Master, ordinary},
    ttl, until,
    zookeeper_server::{ZooKeeper, create, json_info},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_without_zookeeper_still_knows_the_leader() {
    let Some(mut zookeeper) = ZooKeeper::start() else { return };
    let master = Master::start(&ordinary()).await;
    let session = zookeeper.client().await;
    create(&session, "/mesos", b"").await;
    let info = json_info("A", master.address().port(), "m1");
    create(&session, "/mesos/json.info_0000000001", &info).await;
    let mut daemon = Daemon::start(json!({"zk": zookeeper.url("/mesos")}));
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
    let is_away = |ready: &Value| ready["reasons"].to_string().contains("there is no ZooKeeper session");
    zookeeper.stop();
    daemon.until_ready("without a session", is_away).await;

    daemon.rewrite(json!({"ttl": 7}));
    daemon.signal(Signal::HUP);
    until(|| async { ttl(&daemon).await == "7" }).await;
    // The first of these may still be the former watcher's.
    let read = daemon.metric("masters_documents_total").await;
    until(|| async { daemon.metric("masters_documents_total").await >= read + 3.0 }).await;
    assert!(is_away(&daemon.ready().await));
    zookeeper.start_again();
    let is_well = |ready: &Value| ready["reasons"] == json!([]);
    daemon.until_ready("with a session again", is_well).await;
    assert_eq!(daemon.count_logged("zookeeper shows a new leader"), 1, "it is the one known before");

    // Another ZooKeeper vouches for nobody yet.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    daemon.rewrite(json!({"zk": format!("zk://{nobody}/mesos"), "ttl": 8, "staleAfterSeconds": 1}));
    daemon.signal(Signal::HUP);
    until(|| async { ttl(&daemon).await == "8" }).await;
    daemon.until_ready("stale", |ready| ready["state"] == "stale").await;
}
