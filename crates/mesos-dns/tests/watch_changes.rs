//! The promise of `/v2/watch`: who follows it has the zone, over breaks and restarts too, and who does not read is no
//! matter to anybody.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use daemon::{Daemon, LOOK, PATIENCE};
use master::{Master, document, task};
use mesos_dns_sim::client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// A stream of events.
struct Events(BufReader<TcpStream>);

/// One event; a comment, or a bare id, has no name.
#[derive(Debug, Default)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

impl Events {
    /// Opens it from a loopback address of its own, so that no client has too many connections.
    async fn open(server: SocketAddr, from: u32, query: &str, headers: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from_bits(0x7f00_0002 + from / 100), 0).into()).unwrap();
        let mut stream = socket.connect(server).await.unwrap();
        // HTTP/1.0 has no chunks: the lines come as they are.
        let head = format!(
            "GET /v2/watch{query} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut events = Self(BufReader::new(stream));
        let status = events.line().await.expect("an answer");
        assert!(status.starts_with("HTTP/1.1 200 ") || status.starts_with("HTTP/1.0 200 "), "{status}");
        while events.line().await.is_some_and(|line| !line.is_empty()) {}
        events
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a line in time");
        (read.unwrap_or(0) > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event that has a name; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ if line.is_empty() => event.id = None,
                _ => {}
            }
        }
    }

    async fn named(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("an event");
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

/// Name, type, TTL and data of a record.
fn key(record: &Value) -> String {
    ["name", "type", "ttl", "data"].map(|key| record[key].to_string()).join(" ")
}

/// The whole zone, by pages of one version.
async fn zone(daemon: &Daemon) -> (String, BTreeSet<String>) {
    let (_, body) = {
        let response =
            client::http(daemon.http, "/v2/records", &[("accept", "application/x-ndjson")]).await.unwrap();
        (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
    };
    let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    (head["id"].as_str().unwrap().to_owned(), lines.map(|record| key(&record)).collect())
}

/// Folds a change into a zone.
fn apply(zone: &mut BTreeSet<String>, change: &Value) {
    let each = |kind: &str| change[kind].as_array().unwrap().iter().map(key).collect::<Vec<_>>();
    each("removed").iter().for_each(|record| assert!(zone.remove(record), "{record}"));
    each("added").iter().for_each(|record| assert!(zone.insert(record.clone()), "{record}"));
}

/// Some tasks, another selection for each number.
fn selection(number: usize) -> Value {
    let numbers = (0..40).filter(|task| !(task * 7 + number * 3usize).is_multiple_of(5));
    document(numbers.map(|index| task("web", index, &[&format!("10.30.{number}.{index}")])).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_has_the_zone_over_breaks_too() {
    let master = Master::start(&selection(0)).await;
    let daemon = Daemon::following(master.address()).await;
    let (mut at, mut known) = zone(&daemon).await;
    for number in 1..6 {
        // Each time on a new connection, in one of the ways in which a client says what it has.
        let (query, header) = match number % 2 {
            0 => (format!("?since={at}"), String::new()),
            _ => (String::new(), format!("Last-Event-ID: {at}\r\n")),
        };
        let mut events = Events::open(daemon.http, 0, &query, &header).await;
        master.shows(&selection(number));
        loop {
            let change = events.named("change").await;
            apply(&mut known, &change.data);
            if let Some(id) = change.id {
                at = id;
                let (now, whole) = zone(&daemon).await;
                if now == at && whole.iter().any(|record| record.contains(&format!("10.30.{number}."))) {
                    assert_eq!(known, whole);
                    break;
                }
            }
        }
        // What happens meanwhile is not missed.
        drop(events);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_is_answered_when_something_changes() {
    let master = Master::start(&selection(0)).await;
    let daemon = Daemon::following(master.address()).await;
    let poll = |query: String| {
        let address = daemon.http;
        async move {
            let path = format!("/v2/watch?{query}");
            let response = client::http(address, &path, &[("accept", "application/json")]).await.unwrap();
            serde_json::from_slice::<Value>(response.body()).unwrap()
        }
    };
    let here = poll("wait=0".to_owned()).await;
    let id = here["id"].as_str().unwrap().to_owned();
    let (_, mut known) = zone(&daemon).await;
    let (polled, ()) =
        tokio::join!(poll(format!("since={id}&wait=300")), async { master.shows(&selection(1)) });
    assert_eq!(polled["reset"], false);
    polled["changes"].as_array().unwrap().iter().for_each(|change| apply(&mut known, change));
    let (now, whole) = zone(&daemon).await;
    assert_eq!((polled["id"].as_str().unwrap(), &known), (&*now, &whole));
    // Nothing new, and nobody waits: the answer says so.
    let nothing = poll(format!("since={now}&wait=0")).await;
    assert_eq!((&nothing["changes"], &nothing["reset"]), (&json!([]), &json!(false)));
    // A version of the time to come, or of another process, cannot be gone on from.
    for since in ["999999", "1-00000000"] {
        let gap = poll(format!("since={since}")).await;
        assert_eq!((&gap["reset"], gap["id"].as_str().unwrap()), (&json!(true), &*now), "{since}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_choose_and_a_gap_is_told() {
    let master = Master::start(&selection(0)).await;
    let daemon = Daemon::following(master.address()).await;
    let mut here = Events::open(daemon.http, 0, "", "").await;
    let (now, _) = zone(&daemon).await;
    assert_eq!(here.named("here").await.id.as_deref(), Some(&*now));
    let mut gap = Events::open(daemon.http, 0, "?since=17-00000000", "").await;
    assert_eq!(gap.named("reset").await.id.as_deref(), Some(&*now));
    let mut future = Events::open(daemon.http, 0, "?since=999999", "").await;
    assert_eq!(future.named("reset").await.id.as_deref(), Some(&*now));

    let mut addresses =
        Events::open(daemon.http, 0, &format!("?since={now}&name=web.marathon.mesos&type=A"), "").await;
    let mut below =
        Events::open(daemon.http, 0, &format!("?since={now}&below=marathon.slave.mesos"), "").await;
    let mut framework = Events::open(daemon.http, 0, &format!("?since={now}&framework=marathon"), "").await;
    let mut nobody = Events::open(daemon.http, 0, &format!("?since={now}&framework=chronos"), "").await;
    master.shows(&selection(1));
    let records = |event: &Event| -> Vec<Value> {
        let each = |kind: &str| event.data[kind].as_array().unwrap().clone();
        [each("added"), each("removed")].concat()
    };
    let change = addresses.named("change").await;
    assert!(
        records(&change)
            .iter()
            .all(|record| record["name"] == "web.marathon.mesos." && record["type"] == "A")
    );
    let change = below.named("change").await;
    assert!(
        records(&change)
            .iter()
            .all(|record| record["name"].as_str().unwrap().ends_with(".marathon.slave.mesos."))
    );
    let change = framework.named("change").await;
    let is_of = |record: &Value| record["name"].as_str().unwrap().ends_with("mesos.");
    assert!(!records(&change).is_empty() && records(&change).iter().all(is_of));
    // The end of the server is the end of the stream, and until then nothing came that was not asked for.
    daemon.signal(rustix::process::Signal::TERM);
    assert!(nobody.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_watch_and_those_who_do_not_read_hold_up_nobody() {
    let watchers: u32 = std::env::var("WATCHERS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let master = Master::start(&selection(0)).await;
    let daemon = Daemon::following(master.address()).await;
    let mut all = Vec::new();
    for from in 0..watchers {
        let mut events = Events::open(daemon.http, from, "", "").await;
        events.named("here").await;
        all.push(events);
    }
    assert_eq!(daemon.json("/v2/status").await["watchers"], watchers);
    // Every third one stops reading here.
    let started = Instant::now();
    for number in 1..4 {
        master.shows(&selection(number));
        let wanted = format!("10.30.{number}.");
        for events in all.iter_mut().enumerate().filter(|(index, _)| index % 3 != 0).map(|(_, events)| events)
        {
            while !events.named("change").await.data["added"].to_string().contains(&wanted) {}
        }
    }
    println!("{watchers} watchers, three changes: {:?}", started.elapsed());
    drop(all);
    while daemon.json("/v2/status").await["watchers"] != 0 {
        assert!(started.elapsed() < PATIENCE * 4, "their seats are not given back");
        tokio::time::sleep(LOOK).await;
    }
    assert!(daemon.metric("http_connections_opened_total").await >= f64::from(watchers));
}
