//! A leader dies and another takes over: no name of a living task is lost on the way.
//!
//! The documents of the new leader are those a real Mesos 1.12 wrote right after a failover; the publisher is
//! the real one, and every version it publishes is looked at.

#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/watching.rs"]
mod watching;
#[path = "support/zookeeper.rs"]
mod zookeeper_server;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_peer::{Answer, Peer, reply};
use mesos_dns::watch::{Settings, WatchError, auth};
use mesos_dns_core::watch::{
    believe::Why,
    poll,
    subscribe::{self, Updates},
};
use tokio::time::timeout;
use watching::{NEVER, Running, WAIT};
use zookeeper_server::{ZooKeeper, create, json_info};

/// A document of `test-data/real-1.12`.
fn real(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/real-1.12").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The last of the three, as the leader before would have written it: all agents, another reign.
fn before_the_failover() -> String {
    let all = real("failover-3-all-back.json");
    all.replace("1795370315.998215", "1795360000.5")
        .replace("master@127.0.0.2:15050", "master@127.0.0.3:15050")
}

/// A master whose document can be changed; `None` answers 503.
struct Master {
    peer: Peer,
    document: Arc<Mutex<Option<String>>>,
}

impl Master {
    async fn start(document: Option<String>) -> Self {
        let document = Arc::new(Mutex::new(document));
        let says = document.clone();
        let peer = Peer::start(move |_| match &*says.lock().unwrap() {
            Some(document) => reply("200 OK", &[], document.as_bytes()),
            None => reply("503 Service Unavailable", &[], b"No leader elected"),
        })
        .await;
        Self { peer, document }
    }

    fn says(&self, document: Option<String>) {
        *self.document.lock().unwrap() = document;
    }

    /// Waits until it was asked once more, and answered.
    async fn is_asked(&self) {
        let before = self.peer.count();
        let asked = timeout(WAIT, async {
            while self.peer.count() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        asked.await.expect("asked again");
    }
}

fn settings(masters: &[&Master], zookeeper: Option<&str>, refresh: Duration) -> Settings {
    let masters: Vec<String> = masters.iter().map(|master| master.peer.address.to_string()).collect();
    let poll = poll::Settings { refresh, timeout: Duration::from_secs(20) };
    let subscribe = subscribe::Settings { updates: Updates::Poll, compare: NEVER, timeout: WAIT };
    Settings { poll, subscribe, ..watching::settings(&masters, zookeeper) }
}

#[tokio::test]
async fn polling_a_list_of_masters() {
    let old = Master::start(Some(before_the_failover())).await;
    let new = Master::start(None).await;
    let mut running = Running::start(&settings(&[&old, &new], None, Duration::from_millis(10)));
    let names = running.names().await;
    // The leader dies; for a while nobody leads.
    old.says(None);
    running.until("a failure", |contact| contact.failure.is_some()).await;
    names.are_all_there(&running);
    // The new one knows nothing, then one agent, then two, then all.
    let empty = r#"{"version":"1.12.0","pid":"master@127.0.0.2:15050","leader":"master@127.0.0.2:15050",
        "elected_time":1795370315.998215,"slaves":[],"recovered_slaves":[],"frameworks":[]}"#;
    new.says(Some(empty.to_owned()));
    running.holds(Some(Why::Settling)).await;
    names.are_all_there(&running);
    new.says(Some(real("failover-1-one-agent-back.json")));
    running.holds(Some(Why::Recovering)).await;
    names.are_all_there(&running);
    new.says(Some(real("failover-2-two-agents-back.json")));
    new.is_asked().await;
    names.are_all_there(&running);
    new.says(Some(real("failover-3-all-back.json")));
    new.is_asked().await;
    new.is_asked().await;
    names.are_all_there(&running);
    let leader = new.peer.address.to_string();
    running.until("the new leader", |contact| contact.leader.as_deref() == Some(&*leader)).await;
    running.ends().await;
}

#[tokio::test]
async fn zookeeper_names_the_new_leader() {
    let Some(mut server) = ZooKeeper::start() else { return };
    let old = Master::start(Some(before_the_failover())).await;
    let new = Master::start(Some(real("failover-1-one-agent-back.json"))).await;
    let client = server.client().await;
    create(&client, "/mesos", b"").await;
    let node = |sequence: u32| format!("/mesos/json.info_{sequence:010}");
    create(&client, &node(1), &json_info("old", old.peer.address.port(), "m1")).await;
    create(&client, &node(2), &json_info("new", new.peer.address.port(), "m2")).await;
    // Only ZooKeeper makes it ask again, so the new leader must be asked at once.
    let mut running = Running::start(&settings(&[], Some(&server.url("/mesos")), NEVER));
    let names = running.names().await;
    client.delete(&node(1), None).await.unwrap();
    let leader = new.peer.address.to_string();
    running.until("the new leader", |contact| contact.leader.as_deref() == Some(&*leader)).await;
    names.are_all_there(&running);
    running.holds(Some(Why::Recovering)).await;
    assert_eq!(running.metrics.leader_changes.get(), 2);

    // All masters leave ZooKeeper, and then ZooKeeper leaves: nothing is forgotten.
    client.delete(&node(2), None).await.unwrap();
    running.until("an empty group", |contact| contact.group.is_empty()).await;
    assert_eq!(running.contact.borrow().reasons().len(), 1, "no masters");
    drop(client);
    server.stop();
    running.until("no zookeeper", |contact| contact.zookeeper == Some(Default::default())).await;
    names.are_all_there(&running);
    // The next leader has the same address as the last one, restarted; it is asked at once, too.
    new.says(Some(real("failover-3-all-back.json")));
    server.start_again();
    let client = server.client().await;
    create(&client, &node(7), &json_info("restarted", new.peer.address.port(), "m2")).await;
    running.holds(None).await;
    names.are_all_there(&running);
    running.ends().await;
}

#[tokio::test]
async fn without_zookeeper_the_configured_masters_serve() {
    let Some(mut server) = ZooKeeper::start() else { return };
    server.stop();
    let master = Master::start(Some(before_the_failover())).await;
    let mut running = Running::start(&settings(&[&master], Some(&server.url("/mesos")), NEVER));
    running.names().await;
    assert_eq!(
        *running.board.load().cluster.masters.listed,
        ["".into(), Arc::from(master.peer.address.to_string())]
    );
    running.ends().await;
}

#[tokio::test]
async fn standbys_send_us_to_the_leader() {
    let leader = Master::start(Some(before_the_failover())).await;
    let to = leader.peer.address;
    let standby = Peer::start(move |_| {
        reply("307 Temporary Redirect", &[&format!("Location: //{to}/master/state")], b"")
    })
    .await;
    let mut only_standby = settings(&[], None, NEVER);
    only_standby.masters = vec![Arc::from(standby.address.to_string())];
    only_standby.auth = auth::Settings::Basic { principal: "dns".into(), secret: "s3cret".into() };
    let mut running = Running::start(&only_standby);
    running.names().await;
    assert_eq!(running.contact.borrow().leader.as_deref(), Some(&*to.to_string()));
    assert_eq!(running.metrics.redirects.get(), 1);
    assert!(standby.last().header("authorization").is_some());
    assert_eq!(leader.peer.last().header("authorization"), None, "it is not configured");
    running.ends().await;
}

#[tokio::test]
async fn masters_that_send_us_in_a_circle() {
    let (first_at, second_at) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
    let circle = |to: Arc<Mutex<String>>| {
        Peer::start(move |_| {
            let location = format!("Location: //{}/master/state", to.lock().unwrap());
            reply("307 Temporary Redirect", &[&location], b"")
        })
    };
    let (first, second) = (circle(second_at.clone()).await, circle(first_at.clone()).await);
    *first_at.lock().unwrap() = first.address.to_string();
    *second_at.lock().unwrap() = second.address.to_string();
    let mut both = settings(&[], None, NEVER);
    both.masters = [&first, &second].iter().map(|peer| Arc::from(peer.address.to_string())).collect();
    let mut running = Running::start(&both);
    running.until("a failure", |contact| contact.failure.is_some()).await;
    assert_eq!((first.count(), second.count()), (1, 1), "each is asked once per round");
    assert_eq!(running.metrics.redirects_refused.get(), 1);
    assert_eq!(running.board.load().version, 0);
    running.ends().await;
}

#[tokio::test]
async fn a_state_that_cannot_be_read_changes_nothing() {
    let master = Master::start(Some(before_the_failover())).await;
    let mut running = Running::start(&settings(&[&master], None, Duration::from_millis(10)));
    let names = running.names().await;
    let version = running.board.load().version;
    master.says(Some("<html>".to_owned()));
    running.until("a failure", |contact| contact.failure.is_some()).await;
    let age = running.contact.borrow().age(Instant::now()).unwrap();
    names.are_all_there(&running);
    assert_eq!(running.board.load().version, version);
    master.is_asked().await;
    assert!(running.contact.borrow().age(Instant::now()).unwrap() > age, "its age is to be seen");
    master.says(Some(before_the_failover()));
    running.until("no failure", |contact| contact.failure.is_none()).await;
    assert_eq!(running.board.load().version, version, "nothing changed, nothing published");
    running.ends().await;
}

#[tokio::test]
async fn each_change_is_logged_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    // The runtime of this test has one thread, which is this one.
    let _guard = tracing::subscriber::set_default(subscriber);
    let (dead, leader) = (Master::start(None).await, Master::start(Some(before_the_failover())).await);
    let mut running = Running::start(&settings(&[&dead, &leader], None, Duration::from_millis(10)));
    running.names().await;
    leader.is_asked().await;
    leader.says(None);
    for _ in 0..2 {
        dead.is_asked().await;
    }
    leader.says(Some("<html>".to_owned()));
    leader.is_asked().await;
    leader.says(Some(before_the_failover()));
    running.until("a failure", |contact| contact.failure.is_some()).await;
    running.until("no failure", |contact| contact.failure.is_none()).await;
    running.ends().await;
    let about = |address: std::net::SocketAddr, text: &str| {
        log.text().lines().filter(|line| line.contains(&address.to_string()) && line.contains(text)).count()
    };
    let (dead, leader) = (dead.peer.address, leader.peer.address);
    assert_eq!(about(dead, "state not read"), 1, "{}", log.text());
    assert_eq!(about(leader, "state not read"), 2, "{}", log.text());
    assert_eq!(about(leader, "answered 503"), 1, "{}", log.text());
    assert_eq!(about(leader, "reading the state"), 2, "at first and afterwards: {}", log.text());
}

/// Everything logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn gives_up_only_before_the_first_leader() {
    let Some(server) = ZooKeeper::start() else { return };
    let mut impatient = settings(&[], Some(&server.url("/mesos")), NEVER);
    impatient.detection_timeout = Some(Duration::from_millis(1500));
    let running = Running::start(&impatient);
    let ended = timeout(WAIT, running.watching).await.expect("gives up").unwrap();
    assert!(matches!(ended, Err(WatchError::NoLeader)), "{ended:?}");

    // A leader that answers nothing is a leader all the same.
    let master = Peer::start(|_| Answer::Hang(Vec::new())).await;
    let client = server.client().await;
    create(&client, "/mesos", b"").await;
    create(&client, "/mesos/json.info_0000000001", &json_info("A", master.address.port(), "m1")).await;
    impatient.detection_timeout = Some(Duration::from_secs(6));
    let began = Instant::now();
    let running = Running::start(&impatient);
    let ended = timeout(Duration::from_secs(7), running.watching).await;
    assert!(ended.is_err() && began.elapsed() > Duration::from_secs(6), "still there");
    running.stop.cancel();
}
