//! Streams of events over sockets: those that a real Mesos 1.12 wrote, byte for byte, and broken ones.

#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/watching.rs"]
mod watching;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_peer::{Answer, Peer, Request, reply};
use mesos_dns::watch::{Source, auth};
use mesos_dns_core::{
    cluster::TaskState,
    watch::{
        believe::Why,
        poll,
        subscribe::{self, Updates},
    },
    zone::Snapshot,
};
use tokio::{sync::mpsc, time::timeout};
use watching::{Running, WAIT, settings};

/// A file of `test-data/real-1.12`.
fn real(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/real-1.12").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One record of a stream.
fn record(json: &str) -> Vec<u8> {
    format!("{}\n{json}", json.len()).into_bytes()
}

/// The records of a stream.
fn records(stream: &[u8]) -> Vec<String> {
    let mut rest = stream;
    let mut records = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let length: usize = std::str::from_utf8(&rest[..end]).unwrap().parse().unwrap();
        let (json, more) = rest[end + 1..].split_at(length);
        records.push(String::from_utf8(json.to_vec()).unwrap());
        rest = more;
    }
    records
}

/// A master with streams that a test feeds. What it answers otherwise can be changed.
struct Master {
    peer: Peer,
    streams: mpsc::UnboundedReceiver<Feed>,
    says: Arc<Mutex<Says>>,
}

/// What a master answers, by what it is asked.
struct Says {
    identity: (&'static str, Vec<u8>),
    state: Option<Vec<u8>>,
    summary: Vec<u8>,
}

impl Master {
    async fn start() -> Self {
        let summary = r#"{"frameworks":[{"id":"08c59240-24b4-492c-9e81-2fdf2989259f-0000","name":"marathon",
            "pid":"scheduler-1@127.0.0.1:7001","hostname":"m1"}],"slaves":[]}"#;
        let says = Says {
            identity: ("200 OK", real("v1-GET_MASTER.json")),
            state: None,
            summary: summary.as_bytes().to_vec(),
        };
        let (says, (sender, streams)) = (Arc::new(Mutex::new(says)), mpsc::unbounded_channel());
        let answers = says.clone();
        let peer = Peer::start(move |request| answer(request, &answers.lock().unwrap(), &sender)).await;
        Self { peer, streams, says }
    }

    /// Waits until somebody subscribes.
    async fn subscriber(&mut self) -> Feed {
        timeout(WAIT, self.streams.recv()).await.expect("somebody subscribes").unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    /// How often this path was asked for.
    fn times_asked(&self, path: &str) -> usize {
        self.peer.requests.lock().unwrap().iter().filter(|request| request.path() == path).count()
    }
}

fn answer(request: &Request, says: &Says, streams: &mpsc::UnboundedSender<Feed>) -> Answer {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    match (request.path(), &*body) {
        ("/api/v1", r#"{"type":"GET_MASTER"}"#) => reply(says.identity.0, &[], &says.identity.1),
        ("/api/v1", r#"{"type":"SUBSCRIBE"}"#) => {
            let (sender, pieces) = mpsc::unbounded_channel();
            let feed = Feed(sender);
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            feed.0.send(head.as_bytes().to_vec()).unwrap();
            streams.send(feed).unwrap();
            Answer::Feed(pieces)
        }
        ("/master/state-summary", _) => reply("200 OK", &[], &says.summary),
        ("/master/state", _) => match &says.state {
            Some(state) => reply("200 OK", &[], state),
            None => reply("503 Service Unavailable", &[], b""),
        },
        _ => reply("404 Not Found", &[], b""),
    }
}

/// The sending end of a stream. Dropping it closes the connection.
struct Feed(mpsc::UnboundedSender<Vec<u8>>);

impl Feed {
    /// Sends bytes as one chunk.
    fn send(&self, bytes: &[u8]) {
        let head = format!("{:x}\r\n", bytes.len());
        // The other side may be gone.
        _ = self.0.send([head.as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Waits until the other side has closed the connection, which shows when something is sent.
    async fn until_closed(&self) {
        let closed = timeout(WAIT, async {
            while !self.0.is_closed() {
                self.send(&record(r#"{"type":"HEARTBEAT"}"#));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        closed.await.expect("the connection is closed");
    }
}

/// Addresses of a name, as text; empty if there is no such name.
fn addresses(zone: &Snapshot, name: &str) -> Vec<String> {
    let listed = zone.listed(name).unwrap_or_default();
    listed.a.iter().map(ToString::to_string).collect()
}

/// Waits until a version is like this.
async fn until(running: &Running, what: &str, is: impl Fn(&Snapshot) -> bool) {
    let mut versions = running.board.subscribe();
    let seen = timeout(WAIT, async {
        while !is(&running.board.load().zone) {
            versions.changed().await.unwrap();
        }
    });
    if seen.await.is_err() {
        let mut text = Vec::new();
        mesos_dns_core::zone::write_zone_file(&running.board.load().zone, &mut text).unwrap();
        panic!("never {what}:\n{}", String::from_utf8_lossy(&text));
    }
}

fn follow(master: &Master) -> Running {
    Running::start(&settings(&[master.peer.address.to_string()], None))
}

#[tokio::test]
async fn a_captured_stream_in_odd_pieces() {
    let mut master = Master::start().await;
    let running = follow(&master);
    let feed = master.subscriber().await;
    let stream = real("stream.recordio");
    let (mut rest, mut size) = (&stream[..], 1);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(size.min(rest.len()));
        feed.send(piece);
        rest = more;
        size = size * 7 % 1009;
    }
    // The last that happens: three tasks of a new framework run.
    let survivor = "survivor.aurora.mesos.";
    until(&running, "three survivors", |zone| {
        let listed = zone.listed("_survivor._tcp.aurora.mesos.").unwrap_or_default();
        listed.srv.len() == 6
    })
    .await;
    let published = running.board.load();
    assert!(!addresses(&published.zone, survivor).is_empty());
    // The first framework of this name is gone with its tasks, the second has its own.
    assert_eq!(published.cluster.frameworks.len(), 2);
    let tasks = published.cluster.tasks.iter().filter(|task| task.state == TaskState::Running);
    let of: Vec<&str> = tasks.map(|task| &*task.framework_id).collect();
    assert_eq!(of.len(), 12);
    assert!(of.iter().all(|framework| !framework.ends_with("-0000")), "{of:?}");
    assert_eq!(published.cluster.masters.leader.as_deref(), Some("127.0.0.1:15050"));
    assert_eq!(running.contact.borrow().source, Source::Events);
    assert_eq!(running.contact.borrow().version, "1.12.0");
    assert_eq!(master.times_asked("/master/state"), 0);
    running.ends().await;
    feed.until_closed().await;
}

#[tokio::test]
async fn where_schedulers_are_stands_in_the_summary() {
    let mut master = Master::start().await;
    let running = follow(&master);
    let feed = master.subscriber().await;
    let records = records(&real("stream.recordio"));
    feed.send(&record(&records[0]));
    until(&running, "the scheduler", |zone| addresses(zone, "marathon.mesos.") == ["127.0.0.1"]).await;
    let service = |zone: &Snapshot| zone.listed("_framework._tcp.marathon.mesos.").unwrap_or_default().srv;
    assert_eq!(service(&running.board.load().zone), [("marathon.mesos.".to_owned(), 7001)]);
    // A framework that subscribes makes us look there again.
    master.change(|says| {
        let text = String::from_utf8(says.summary.clone()).unwrap();
        let second = r#"[{"id":"08c59240-24b4-492c-9e81-2fdf2989259f-0001","name":"marathon","pid":"s@127.0.0.9:7002"},"#;
        says.summary = text.replacen('[', second, 1).into_bytes();
    });
    let added = records.iter().find(|json| json.contains("FRAMEWORK_ADDED")).unwrap();
    feed.send(&record(added));
    until(&running, "both schedulers", |zone| {
        addresses(zone, "marathon.mesos.") == ["127.0.0.1", "127.0.0.9"] && service(zone).len() == 2
    })
    .await;
    running.ends().await;
}

#[tokio::test]
async fn a_silent_stream_is_begun_anew() {
    let mut master = Master::start().await;
    let running = follow(&master);
    let first = records(&real("stream.recordio"))[0].clone();
    let quick = first.replace(r#""heartbeat_interval_seconds":15.0"#, r#""heartbeat_interval_seconds":0.2"#);
    assert_ne!(first, quick);
    let feed = master.subscriber().await;
    feed.send(&record(&quick));
    until(&running, "the first tasks", |zone| !addresses(zone, "search.marathon.mesos.").is_empty()).await;
    // Heartbeats keep it alive.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        feed.send(&record(r#"{"type":"HEARTBEAT"}"#));
    }
    assert_eq!(running.metrics.streams.get(), 1);
    // Then nothing comes, and the connection stays open.
    let version = running.board.load().version;
    let again = master.subscriber().await;
    feed.until_closed().await;
    again.send(&record(&first));
    timeout(WAIT, async {
        while running.metrics.streams.get() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a second stream");
    assert_eq!(running.board.load().version, version, "nothing changed");
    running.ends().await;
}

#[tokio::test]
async fn half_a_record_is_never_applied() {
    let mut master = Master::start().await;
    let mut patient = settings(&[master.peer.address.to_string()], None);
    patient.subscribe.updates = Updates::Events;
    let running = Running::start(&patient);
    let records = records(&real("stream.recordio"));
    let first = record(&records[0]);
    let feed = master.subscriber().await;
    feed.send(&first[..first.len() - 1]);
    drop(feed);
    let feed = master.subscriber().await;
    assert_eq!(running.board.load().version, 0, "nothing was published");
    feed.send(&first);
    until(&running, "the first tasks", |zone| !addresses(zone, "search.marathon.mesos.").is_empty()).await;
    let killed = records[1..].iter().find(|json| json.contains("TASK_KILLED")).unwrap();
    let (version, half) = (running.board.load().version, record(killed));
    feed.send(&half[..half.len() / 2]);
    drop(feed);
    let feed = master.subscriber().await;
    assert_eq!(running.board.load().version, version);
    feed.send(b"no number\n");
    let feed = master.subscriber().await;
    assert_eq!(running.board.load().version, version);
    feed.send(&first);
    feed.send(&half);
    until(&running, "one task less", |zone| {
        zone.content_hash() != 0 && running.board.load().version > version
    })
    .await;
    running.ends().await;
}

#[tokio::test]
async fn masters_without_a_stream_for_us_are_polled() {
    let old = br#"{"get_master":{"master_info":{"pid":"master@127.0.0.1:15050","version":"1.4.1"}}}"#;
    for (status, body) in [
        ("401 Unauthorized", &b""[..]),
        ("403 Forbidden", b""),
        ("404 Not Found", b""),
        ("501 Not Implemented", b""),
        ("200 OK", old),
        ("200 OK", b"<html>"),
        ("200 OK", &[b' '; 100_000]),
    ] {
        let master = Master::start().await;
        master.change(|says| {
            says.identity = (status, body.to_vec());
            says.state = Some(real("state.json"));
        });
        let mut often = settings(&[master.peer.address.to_string()], None);
        often.poll = poll::Settings { refresh: Duration::from_millis(10), timeout: WAIT };
        let mut running = Running::start(&often);
        running.until("a document", |contact| contact.last_success.is_some()).await;
        assert_eq!(running.contact.borrow().source, Source::Polls, "{status}");
        assert!(!addresses(&running.board.load().zone, "search.marathon.mesos.").is_empty());
        timeout(WAIT, async {
            while master.times_asked("/master/state") < 3 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("polled again");
        assert_eq!(master.times_asked("/api/v1"), 1, "{status}: asked once");
        running.ends().await;
    }
}

#[tokio::test]
async fn streams_that_keep_ending_are_given_up() {
    let mut master = Master::start().await;
    master.change(|says| says.state = Some(real("state.json")));
    let mut running = follow(&master);
    let first = record(&records(&real("stream.recordio"))[0]);
    for _ in 0..subscribe::ENDS_MAX {
        master.subscriber().await.send(&first);
    }
    running.until("polling", |contact| contact.source == Source::Polls && contact.failure.is_none()).await;
    timeout(WAIT, async {
        while master.times_asked("/master/state") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("polled");
    running.ends().await;
}

#[tokio::test]
async fn a_leader_that_waits_for_agents() {
    // The stream's own beginning, without one of the agents and its tasks.
    let mut master = Master::start().await;
    let running = follow(&master);
    let first = records(&real("stream.recordio"))[0].clone();
    let feed = master.subscriber().await;
    feed.send(&record(&first));
    until(&running, "the first tasks", |zone| !addresses(zone, "search.marathon.mesos.").is_empty()).await;
    let before = watching::task_lines(&running.board.load().zone);
    let mut partial: serde_json::Value = serde_json::from_str(&first).unwrap();
    let state = &mut partial["subscribed"]["get_state"];
    let agents = state["get_agents"]["agents"].as_array_mut().unwrap();
    let away = agents.pop().unwrap()["agent_info"].clone();
    let id = away["id"].clone();
    state["get_agents"]["recovered_agents"] = serde_json::json!([away]);
    let tasks = state["get_tasks"]["tasks"].as_array_mut().unwrap();
    let (gone, left): (Vec<_>, Vec<_>) = tasks.drain(..).partition(|task| task["agent_id"] == id);
    assert!(!gone.is_empty() && !left.is_empty());
    *tasks = left;
    drop(feed);
    let feed = master.subscriber().await;
    feed.send(&record(&partial.to_string()));
    running.holds(Some(Why::Recovering)).await;
    assert_eq!(watching::task_lines(&running.board.load().zone), before, "nothing is lost");
    // The agent comes back with all but one of its tasks.
    let agent = records(&first_agent_added(&first, &id));
    for task in &gone[1..] {
        feed.send(&record(
            &serde_json::json!({"type": "TASK_ADDED", "task_added": {"task": task}}).to_string(),
        ));
    }
    feed.send(&record(&agent[0]));
    running.holds(None).await;
    let after = watching::task_lines(&running.board.load().zone);
    assert!(after.is_subset(&before) && after.len() < before.len());
    running.ends().await;
}

/// The event with which this agent of a snapshot comes back, as a stream.
fn first_agent_added(snapshot: &str, id: &serde_json::Value) -> Vec<u8> {
    let snapshot: serde_json::Value = serde_json::from_str(snapshot).unwrap();
    let agents = snapshot["subscribed"]["get_state"]["get_agents"]["agents"].as_array().unwrap().clone();
    let agent = agents.into_iter().find(|agent| agent["agent_info"]["id"] == *id).unwrap();
    record(&serde_json::json!({"type": "AGENT_ADDED", "agent_added": {"agent": agent}}).to_string())
}

#[tokio::test]
async fn a_comparison_finds_what_no_event_told() {
    let mut master = Master::start().await;
    let mut often = settings(&[master.peer.address.to_string()], None);
    often.subscribe.compare = Duration::from_millis(200);
    often.auth = auth::Settings::Basic { principal: "dns".into(), secret: "s3cret".into() };
    let running = Running::start(&often);
    let feed = master.subscriber().await;
    feed.send(&record(&records(&real("stream.recordio"))[0]));
    until(&running, "the first tasks", |zone| !addresses(zone, "search.marathon.mesos.").is_empty()).await;
    assert!(addresses(&running.board.load().zone, "survivor.aurora.mesos.").is_empty());
    // The state of another day, of the same master.
    let other = String::from_utf8(real("state.json")).unwrap();
    let other = other.replace("\"search\"", "\"found\"");
    master.change(|says| says.state = Some(other.into_bytes()));
    until(&running, "what the state shows", |zone| !addresses(zone, "found.marathon.mesos.").is_empty())
        .await;
    assert!(master.peer.requests.lock().unwrap().iter().all(|asked| asked.header("authorization").is_some()));
    assert_eq!(running.metrics.streams.get(), 1, "the stream goes on");
    drop(feed);
    running.ends().await;
}
