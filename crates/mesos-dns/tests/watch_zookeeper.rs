//! The ZooKeeper session against a real server: what it sees, and what it survives.

#[path = "support/zookeeper.rs"]
mod zookeeper_server;

use std::{sync::Arc, time::Duration};

use mesos_dns::watch::{
    metrics::WatchMetrics,
    zookeeper::{self, Sight, State},
};
use mesos_dns_core::{mesos::zk_url::ZkUrl, watch::leader::Group};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Permission};
use zookeeper_server::{SESSION, ZooKeeper, create, json_info};

/// Longest wait for anything that must happen.
const WAIT: Duration = Duration::from_secs(40);

/// A session of ours, and what it saw.
struct Watcher {
    sights: watch::Receiver<Sight>,
    group: Group,
    metrics: Arc<WatchMetrics>,
    _task: JoinSet<()>,
}

impl Watcher {
    fn start(url: &str) -> Self {
        let metrics: Arc<WatchMetrics> = Arc::default();
        let (sender, sights) = watch::channel(Sight::default());
        let mut task = JoinSet::new();
        task.spawn(zookeeper::run(ZkUrl::parse(url).unwrap(), sender, metrics.clone()));
        Self { sights, group: Group::default(), metrics, _task: task }
    }

    /// Waits until the state is this.
    async fn is(&mut self, state: State) {
        let seen = timeout(WAIT, self.sights.wait_for(|sight| sight.state == state)).await;
        seen.unwrap_or_else(|_| panic!("never {state:?}")).unwrap();
    }

    /// Waits until the list of masters in effect is this, with a session that is alive.
    async fn lists(&mut self, expected: &[&str]) {
        let waited = timeout(WAIT, async {
            loop {
                let sight = self.sights.borrow_and_update().clone();
                if let Some(members) = sight.members {
                    self.group.handle_members(members.to_vec());
                }
                if sight.state == State::Watching && *self.group.listed() == *texts(expected) {
                    return;
                }
                self.sights.changed().await.unwrap();
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never {expected:?}, at last {:?}", self.group.listed()));
    }

    fn members(&self) -> usize {
        self.sights.borrow().members.as_ref().map_or(0, |members| members.len())
    }
}

fn texts(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|text| Arc::from(*text)).collect()
}

/// A master's node as Mesos wrote it up to 0.23: id, ip (in network order), port.
fn protobuf_info(port: u16) -> Vec<u8> {
    let mut bytes = vec![0x0a, 3, b'o', b'l', b'd', 0x10];
    varint(&mut bytes, 16_777_343);
    bytes.push(0x18);
    varint(&mut bytes, port.into());
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[tokio::test]
async fn sees_masters_come_and_go() {
    let Some(server) = ZooKeeper::start() else { return };
    let mut watcher = Watcher::start(&server.url("/mesos"));
    watcher.is(State::NoGroup).await;
    let client = server.client().await;
    create(&client, "/mesos", b"").await;
    create(&client, "/mesos/log_replicas", b"").await;
    watcher.is(State::Watching).await;
    create(&client, "/mesos/json.info_0000000007", &json_info("A", 5052, "m2")).await;
    watcher.lists(&["127.0.0.1:5052"]).await;
    create(&client, "/mesos/info_0000000004", &protobuf_info(5051)).await;
    watcher.lists(&["127.0.0.1:5051", "127.0.0.1:5052"]).await;
    create(&client, "/mesos/json.info_0000000009", &json_info("C", 5053, "m3")).await;
    watcher.lists(&["127.0.0.1:5051", "127.0.0.1:5052", "127.0.0.1:5053"]).await;
    client.delete("/mesos/info_0000000004", None).await.unwrap();
    watcher.lists(&["127.0.0.1:5052", "127.0.0.1:5053"]).await;

    client.delete("/mesos/json.info_0000000007", None).await.unwrap();
    watcher.lists(&["127.0.0.1:5053"]).await;
    client.delete("/mesos/json.info_0000000009", None).await.unwrap();
    let emptied =
        watcher.sights.wait_for(|sight| sight.members.as_ref().is_some_and(|members| members.is_empty()));
    timeout(WAIT, emptied).await.expect("an empty group").unwrap();
    watcher.lists(&["127.0.0.1:5053"]).await;

    // The whole group goes and is made anew: its sequence numbers begin again.
    client.delete("/mesos/log_replicas", None).await.unwrap();
    client.delete("/mesos", None).await.unwrap();
    watcher.is(State::NoGroup).await;
    create(&client, "/mesos", b"").await;
    create(&client, "/mesos/json.info_0000000000", &json_info("D", 5054, "m4")).await;
    watcher.lists(&["127.0.0.1:5054"]).await;
    assert_eq!(watcher.metrics.bad_nodes.get(), 0);
    assert_eq!(watcher.metrics.sessions.get(), 1);
}

#[tokio::test]
async fn passes_over_nodes_that_make_no_sense() {
    let Some(server) = ZooKeeper::start() else { return };
    let client = server.client().await;
    create(&client, "/mesos", b"").await;
    let good = json_info("A", 5050, "m1");
    let nodes: [(&str, &[u8]); 6] = [
        ("json.info_0000000001", b""),
        ("json.info_0000000002", &good[..good.len() / 2]),
        ("json.info_0000000003", b"\xff\xfe\x00"),
        ("json.info_0000000004", &[b' '; 1 << 19]),
        ("json.info_0000000005", br#"{"id":"x","address":{"port":"many"}}"#),
        ("info_0000000006", b"\x0a\xff\xff\xff\xff\x7f"),
    ];
    for (name, data) in nodes {
        create(&client, &format!("/mesos/{name}"), data).await;
    }
    create(&client, "/mesos/json.info_0000000010", &good).await;
    let mut watcher = Watcher::start(&server.url("/mesos"));
    watcher.lists(&["127.0.0.1:5050"]).await;
    assert_eq!(watcher.members(), 7);
    assert_eq!(watcher.metrics.bad_nodes.get(), 6);
    // They are read again with every change, and counted no more.
    create(&client, "/mesos/json.info_0000000011", &json_info("B", 5051, "m2")).await;
    watcher.lists(&["127.0.0.1:5050", "127.0.0.1:5051"]).await;
    assert_eq!(watcher.metrics.bad_nodes.get(), 6);
    client.set_data("/mesos/json.info_0000000002", &json_info("E", 5055, "m5"), None).await.unwrap();
    client.delete("/mesos/json.info_0000000011", None).await.unwrap();
    watcher.lists(&["127.0.0.1:5055", "127.0.0.1:5050"]).await;
}

#[tokio::test]
async fn outlives_the_server() {
    let Some(mut server) = ZooKeeper::start() else { return };
    let client = server.client().await;
    create(&client, "/mesos", b"").await;
    create(&client, "/mesos/json.info_0000000001", &json_info("A", 5051, "m1")).await;
    drop(client);
    let mut watcher = Watcher::start(&server.url("/mesos"));
    watcher.lists(&["127.0.0.1:5051"]).await;

    // Away for less than the session lasts, or about that: the watch works afterwards either way.
    server.stop();
    server.start_again();
    let client = server.client().await;
    create(&client, "/mesos/json.info_0000000002", &json_info("B", 5052, "m2")).await;
    watcher.lists(&["127.0.0.1:5051", "127.0.0.1:5052"]).await;

    // Away until the session is over.
    let sessions = watcher.metrics.sessions.get();
    server.stop();
    drop(client);
    watcher.is(State::Away).await;
    assert_eq!(watcher.group.listed(), texts(&["127.0.0.1:5051", "127.0.0.1:5052"]), "nothing is forgotten");
    server.start_again();
    watcher.lists(&["127.0.0.1:5051", "127.0.0.1:5052"]).await;
    assert_eq!(watcher.metrics.sessions.get(), sessions + 1);
    assert!(watcher.metrics.sessions_lost.get() >= 1);
    let client = server.client().await;
    client.delete("/mesos/json.info_0000000001", None).await.unwrap();
    watcher.lists(&["127.0.0.1:5052"]).await;
}

#[tokio::test]
async fn waits_for_a_server_that_is_not_there_yet() {
    let Some(mut server) = ZooKeeper::start() else { return };
    server.stop();
    let mut watcher = Watcher::start(&server.url("/mesos"));
    watcher.is(State::Away).await;
    server.start_again();
    watcher.is(State::NoGroup).await;
    assert_eq!(watcher.metrics.sessions_lost.get(), 0);
}

#[tokio::test]
async fn one_of_three_servers_is_enough() {
    let Some(server) = ZooKeeper::start() else { return };
    // One refuses, one accepts and says nothing.
    let refuses = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let url = format!("zk://{refuses},{silent_at},{}/mesos", server.address());
    let mut watcher = Watcher::start(&url);
    watcher.is(State::NoGroup).await;
    drop(silent);
}

#[tokio::test]
async fn shows_its_credentials() {
    let Some(server) = ZooKeeper::start() else { return };
    let client = authorized(&server).await;
    // What `digest` makes of operator:s3@cret is known to the server alone: `auth` says "who I am".
    let only_me = [Acl::new(Permission::ALL, AuthId::new("auth", ""))];
    let options = CreateMode::Persistent.with_acls(Acls::new(&only_me));
    client.create("/mesos", b"", &options).await.unwrap();
    let info = json_info("A", 5050, "m1");
    client.create("/mesos/json.info_0000000001", &info, &options).await.unwrap();

    let with = |credentials: &str| server.url("/mesos").replace("zk://", &format!("zk://{credentials}"));
    let mut known = Watcher::start(&with("operator:s3@cret@"));
    known.lists(&["127.0.0.1:5050"]).await;
    for credentials in ["", "operator:wrong@"] {
        let mut stranger = Watcher::start(&with(credentials));
        let sessions = stranger.metrics.clone();
        timeout(WAIT, async {
            while sessions.sessions.get() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("a session");
        // It asks a second time at most two seconds later, so within the life of a session it was refused.
        let seen = timeout(SESSION, stranger.is(State::Watching)).await;
        assert!(seen.is_err(), "{credentials:?} must not see the group");
    }
}

async fn authorized(server: &ZooKeeper) -> Client {
    let connector =
        Client::connector().with_session_timeout(SESSION).with_auth("digest", b"operator:s3@cret");
    connector.connect(&server.address().to_string()).await.unwrap()
}
