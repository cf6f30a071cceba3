//! The promise: whatever its files, masters and signals do, the program goes on answering, or says why it cannot.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "life/garbage.rs"]
mod garbage;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;
#[path = "life/zookeeper.rs"]
mod zookeeper;
#[path = "support/zookeeper.rs"]
mod zookeeper_server;

use std::{
    collections::HashMap,
    fs,
    net::{TcpListener, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use daemon::{Daemon, PATIENCE, Process};
use domain::base::iana::{Rcode, Rtype};
use garbage::garbage;
use master::{Master, document, document_of, ordinary, task};
use mesos_dns_sim::client::{self, Answer, Query};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

async fn ask(daemon: &Daemon, name: &str, rtype: Rtype) -> Answer {
    client::udp(daemon.dns, &Query::new(name, rtype)).await.unwrap()
}

/// Lifetime of an answer, in seconds.
async fn ttl(daemon: &Daemon) -> String {
    let answer = ask(daemon, "web.marathon.mesos", Rtype::A).await;
    answer.answers().unwrap()[0].split(' ').nth(1).unwrap().to_owned()
}

/// Every key with its value, as `/v2/config` tells it.
async fn in_force(daemon: &Daemon) -> HashMap<String, Value> {
    let response = client::http(daemon.http, "/v2/config", &[]).await.unwrap();
    let told: Value = serde_json::from_slice(response.body()).unwrap();
    let keys = told["keys"].as_array().unwrap().iter();
    keys.map(|key| (key["key"].as_str().unwrap().to_owned(), key["value"].clone())).collect()
}

//------------ Stop ------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_answered_before_the_end() {
    let master = Master::start(&ordinary()).await;
    // A resolver that answers only when it is told to.
    let resolver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "externalon": true,
        "resolvers": [resolver.local_addr().unwrap().to_string()],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    // One query over UDP and one over TCP wait for the resolver.
    let (dns, elsewhere) = (daemon.dns, Query::new("www.example.test", Rtype::A));
    let udp = tokio::spawn({
        let query = elsewhere.clone();
        async move { client::udp(dns, &query).await }
    });
    let tcp = tokio::spawn(async move { client::tcp(dns, &elsewhere).await });
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut query = [0; 512];
        let (length, from) = resolver.recv_from(&mut query).await.unwrap();
        waiting.push((query[..length].to_vec(), from));
    }
    // A connection is open and asks nothing; another sent half a query.
    let mut idle = TcpStream::connect(dns).await.unwrap();
    let mut half = TcpStream::connect(dns).await.unwrap();
    half.write_all(&[0, 40, 1, 2]).await.unwrap();
    // And many queries are in the kernel's hands, as the program is given no time to take them.
    daemon.signal(Signal::STOP);
    let burst = UdpSocket::bind("127.0.0.1:0").unwrap();
    burst.connect(dns).unwrap();
    for id in 0..100_u16 {
        burst.send(&Query::new("web.marathon.mesos", Rtype::A).message(id).unwrap()).unwrap();
    }
    let told = Instant::now();
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::CONT);
    daemon.logged("stopping");

    for (mut query, from) in waiting {
        // The query, as a reply without records.
        (query[2], query[3]) = (0x81, 0x80);
        resolver.send_to(&query, from).await.unwrap();
    }
    assert_eq!(udp.await.unwrap().unwrap().rcode(), Rcode::NOERROR);
    assert_eq!(tcp.await.unwrap().unwrap().rcode(), Rcode::NOERROR);
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "closed");
    assert!(matches!(half.read(&mut [0]).await, Ok(0) | Err(_)), "closed");
    burst.set_read_timeout(Some(PATIENCE)).unwrap();
    for answered in 0..100 {
        assert!(burst.recv(&mut [0; 512]).is_ok(), "{answered} of 100 queries were answered");
    }
    let (status, log) = daemon.ends();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert_eq!(log.last().unwrap()["message"], "stopped", "{log:?}");
    assert!(TcpStream::connect(dns).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_resolver_or_master_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (signal, is_asked, limit) in [(Signal::INT, false, 1), (Signal::TERM, true, 5)] {
        let mut daemon = Daemon::start(json!({
            "masters": [silent.local_addr().unwrap().to_string()], "externalon": true,
            "resolvers": [deaf.local_addr().unwrap().to_string()], "timeout": 60,
        }));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        if is_asked {
            let query = Query::new("www.example.test", Rtype::A).message(1).unwrap();
            client.send_to(&query, daemon.dns).unwrap();
            deaf.recv(&mut [0; 512]).unwrap();
        }
        let told = Instant::now();
        daemon.signal(signal);
        let (status, log) = daemon.ends();
        assert!(told.elapsed() < Duration::from_secs(limit), "{signal:?}: {:?}", told.elapsed());
        assert_eq!(status.code(), Some(0), "{log:?}");
    }
}

//------------ Reload ----------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_whole_or_nothing() {
    let master = Master::start(&ordinary()).await;
    let mut daemon = Daemon::following(master.address()).await;
    assert_eq!(ttl(&daemon).await, "5");
    let serial = daemon.ready().await["serial"].clone();

    daemon.rewrite(json!({"ttl": 77}));
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    until(|| async { ttl(&daemon).await == "77" }).await;
    assert_eq!(daemon.metric("config_reloads_total").await, 1.0);
    // A change of all records is a change of the zone.
    let changed = daemon.until_ready("labelled", |ready| ready["serial"] != serial).await;
    assert_eq!(changed["ready"], true);

    // Broken in five ways, each with another change that must not take effect.
    let good = fs::read_to_string(daemon.file()).unwrap();
    let other = good.replace("77", "88");
    let bad: [Box<dyn Fn()>; 5] = [
        Box::new(|| fs::write(daemon.file(), &other[..other.len() / 2]).unwrap()),
        Box::new(|| {
            fs::write(daemon.file(), other.replace("\"masters\"", "\"domain\": \"a..b\", \"masters\""))
                .unwrap()
        }),
        Box::new(|| {
            fs::write(
                daemon.file(),
                other.replace("\"masters\"", "\"caCertFile\": \"/nowhere\", \"masters\""),
            )
            .unwrap()
        }),
        Box::new(|| fs::write(daemon.file(), b"\0\xff").unwrap()),
        Box::new(|| fs::remove_file(daemon.file()).unwrap()),
    ];
    let bad_count = bad.len();
    for (number, spoil) in bad.into_iter().enumerate() {
        spoil();
        daemon.signal(Signal::HUP);
        let failures = || async { daemon.metric("config_reload_failures_total").await };
        until(|| async { failures().await == (number + 1) as f64 }).await;
        assert_eq!(ttl(&daemon).await, "77");
        // It is counted first; the line takes its way through a pipe.
        let told = || daemon.count_logged("reload failed, the former configuration stays in force");
        until(|| async { told() > number }).await;
        assert_eq!(told(), number + 1);
    }
    assert_eq!(daemon.metric("config_reloads_total").await, 1.0);
    // The failures are told with place and reason.
    let told = daemon.logged("reload failed")["error"].as_str().unwrap().to_owned();
    assert!(told.contains("config.json:1:"), "{told}");
    // It still follows its master, and takes a good file again. The port it has stays.
    master.shows(&document(vec![task("web", 0, &["10.30.0.1"]), task("new", 1, &["10.30.0.7"])]));
    until(|| async { ask(&daemon, "new.marathon.mesos", Rtype::A).await.rcode() == Rcode::NOERROR }).await;
    fs::write(daemon.file(), other.replace("\"port\":0", "\"port\":1")).unwrap();
    daemon.signal(Signal::HUP);
    until(|| async { ttl(&daemon).await == "88" }).await;
    let told = "this key changes only with a restart";
    assert_eq!(daemon.logged(told)["key"], "port");
    // It is told at each reload, and what is shown is the port that is in force.
    daemon.signal(Signal::HUP);
    until(|| async { daemon.count_logged(told) == 2 }).await;
    let keys = in_force(&daemon).await;
    assert_eq!((&keys["port"], &keys["ttl"]), (&json!(0), &json!(88)));
    assert_eq!(bad_count as f64, daemon.metric("config_reload_failures_total").await);
    // It loses no answer on the way, however often.
    let (dns, asking) = (daemon.dns, std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true)));
    let client = tokio::spawn({
        let asking = asking.clone();
        async move {
            let mut asked = 0;
            while asking.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = client::udp(dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
                assert_eq!(answer.rcode(), Rcode::NOERROR);
                asked += 1;
            }
            asked
        }
    });
    for number in 0..10 {
        daemon.rewrite(json!({"masters": [master.address().to_string()], "ttl": 100 + number}));
        daemon.signal(Signal::HUP);
        until(|| async { ttl(&daemon).await == (100 + number).to_string() }).await;
    }
    asking.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(client.await.unwrap() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_moves_to_other_masters_domains_and_limits() {
    let first = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let second = Master::start(&document(vec![task("web", 0, &["10.30.0.2"])])).await;
    let mut daemon = Daemon::following(first.address()).await;
    daemon.rewrite(json!({"masters": [second.address().to_string()], "domain": "cluster.test"}));
    daemon.signal(Signal::HUP);
    let moved = || async {
        let answer = ask(&daemon, "web.marathon.cluster.test", Rtype::A).await;
        answer.answers().unwrap().iter().any(|line| line.ends_with(" 10.30.0.2"))
    };
    until(moved).await;
    assert_eq!(ask(&daemon, "web.marathon.mesos", Rtype::A).await.rcode(), Rcode::REFUSED);
    let ready = daemon.ready().await;
    assert_eq!((&ready["leader"], &ready["state"]), (&json!(second.address().to_string()), &json!("live")));
    assert_eq!(daemon.json("/v1/axfr").await["Domain"], "cluster.test");
    daemon.rewrite(json!({"queryAllow": ["192.0.2.0/24"]}));
    daemon.signal(Signal::HUP);
    let is_refused =
        || async { ask(&daemon, "web.marathon.cluster.test", Rtype::A).await.rcode() == Rcode::REFUSED };
    until(is_refused).await;
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(is: impl Fn() -> F) {
    let waited = timeout(PATIENCE, async {
        while !is().await {
            tokio::time::sleep(daemon::LOOK).await;
        }
    });
    waited.await.expect("it never happened");
}

//------------ Start -----------------------------------------------------------

#[test]
fn a_port_that_is_taken_ends_the_start_with_a_name() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let us = fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned();
    let (tcp, udp) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    for (key, port, what) in
        [("port", tcp, "cannot bind TCP"), ("port", udp, "cannot bind UDP"), ("httpport", tcp, "cannot bind")]
    {
        let mut process = Process::start(json!({"masters": ["127.0.0.1:9"], key: port}));
        let (status, log) = process.ends();
        assert_eq!(status.code(), Some(1), "{log:?}");
        let last = log.last().and_then(Value::as_str).unwrap_or_else(|| panic!("no message in {log:?}"));
        let holder = format!("port {port} is in use by {us} (process {})", std::process::id());
        for part in ["mesos-dns: ", "server cannot start", what, &holder, &format!("\"{key}\"")] {
            assert!(last.contains(part), "no {part:?} in {last}");
        }
    }
    // A second one of ours is no exception, although its sockets could share the port.
    let first = Daemon::start(json!({"masters": ["127.0.0.1:9"]}));
    let mut second = Process::start(json!({"masters": ["127.0.0.1:9"], "port": first.dns.port()}));
    let (status, log) = second.ends();
    assert_eq!(status.code(), Some(1), "{log:?}");
    let holder = format!("in use by mesos-dns (process {})", first.id());
    assert!(log.last().unwrap().as_str().unwrap().contains(&holder), "{log:?}");
}

#[test]
fn few_descriptors_are_enough_to_start() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mesos-dns")]);
    let process = Process::start_by(command, json!({"masters": ["127.0.0.1:9"]}));
    process.logged("serving");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zookeeper_out_of_reach_is_told_and_ends_nothing() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut daemon = Daemon::start(json!({"zk": format!("zk://dns:hunter2@{nobody}/mesos")}));
    let away = |ready: &Value| ready["reasons"].to_string().contains("there is no ZooKeeper session");
    let ready = daemon.until_ready("without a session", away).await;
    assert_eq!((&ready["ready"], &ready["state"]), (&json!(false), &json!("loading")));
    assert_eq!(ask(&daemon, "leader.mesos", Rtype::A).await.rcode(), Rcode::SERVFAIL);
    // The file names masters now, and ZooKeeper is needed no more.
    let master = Master::start(&ordinary()).await;
    daemon.rewrite(json!({"zk": "", "masters": [master.address().to_string()]}));
    daemon.signal(Signal::HUP);
    let ready = daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    assert_eq!(ready["reasons"], json!([]));
    // And back, with a limit: it is for a start without a leader, and that is long past.
    daemon.rewrite(
        json!({"zk": format!("zk://dns:hunter2@{nobody}/mesos"), "masters": [], "zkDetectionTimeout": 1}),
    );
    daemon.signal(Signal::HUP);
    daemon.until_ready("without a session again", away).await;
    let is_past = |ready: &Value| ready["ageSeconds"].as_f64().is_some_and(|age| age > 2.5);
    daemon.until_ready("past the limit", is_past).await;
    assert_eq!(ask(&daemon, "web.marathon.mesos", Rtype::A).await.answers().unwrap().len(), 3);
    daemon.signal(Signal::TERM);
    let (status, log) = daemon.ends();
    assert_eq!(status.code(), Some(0));
    assert!(!format!("{log:?}").contains("hunter"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_limit_in_the_file_ends_it_without_a_leader() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut process = Process::start(json!({"zk": format!("zk://{nobody}/mesos"), "zkDetectionTimeout": 1}));
    let (status, log) = process.ends();
    assert_eq!(status.code(), Some(1), "{log:?}");
    let last = log.last().and_then(Value::as_str).unwrap_or_else(|| panic!("no message in {log:?}"));
    assert!(last.starts_with("mesos-dns: ") && last.contains("zkDetectionTimeout"), "{last}");
}

//------------ Masters ---------------------------------------------------------

#[tokio::test]
async fn who_answers_datagrams_goes_first() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()]}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let id = daemon.id();
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    // Its number, its name in brackets, and sixteen numbers further its niceness (`proc(5)`).
    let nice = |stat: String| -> (String, i32) {
        let (head, rest) = stat.rsplit_once(") ").unwrap();
        let (number, name) = head.split_once(" (").unwrap();
        let name = if number == id.to_string() { "first" } else { name };
        (name.to_owned(), rest.split(' ').nth(16).unwrap().parse().unwrap())
    };
    let threads: Vec<(String, i32)> = stats.map(nice).collect();
    let of = |name: &str| threads.iter().find(|thread| thread.0 == name).expect(name).1;
    let first = of("first");
    assert_eq!(of("udp-0"), first);
    assert_eq!(of("io"), (first + 5).min(19));
    assert_eq!(of("publish"), (first + 10).min(19));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_takes_no_answer_with_it() {
    let master = Master::start(&ordinary()).await;
    let address = master.address();
    let mut daemon = Daemon::start(json!({"masters": [address.to_string()], "staleAfterSeconds": 1}));
    let before = daemon.until_ready("live", |ready| ready["state"] == "live").await;
    assert_eq!(before["reasons"], json!([]));
    drop(master);
    let gone = daemon.until_ready("stale", |ready| ready["state"] == "stale").await;
    let reasons = gone["reasons"].to_string();
    assert!(reasons.contains(&address.to_string()) && reasons.contains("refused"), "{gone}");
    assert_eq!((&gone["ready"], &gone["serial"]), (&json!(true), &before["serial"]), "{gone}");
    assert!(gone["ageSeconds"].as_f64().unwrap() > 1.0, "{gone}");
    assert_eq!(ask(&daemon, "web.marathon.mesos", Rtype::A).await.answers().unwrap().len(), 3);
    // One line for one change, however often it tried.
    assert_eq!(daemon.count_logged("state not read"), 1);
    // A reload does not make the data young, nor forget why they are old; how old is too old it may change.
    daemon.rewrite(json!({"staleAfterSeconds": 3600}));
    daemon.signal(Signal::HUP);
    let reloaded = daemon.until_ready("live by its own words", |ready| ready["state"] == "live").await;
    assert!(reloaded["ageSeconds"].as_f64() > gone["ageSeconds"].as_f64(), "{reloaded}");
    assert!(reloaded["reasons"].to_string().contains("refused"), "{reloaded}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_task_costs_only_itself() {
    let master = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let daemon = Daemon::following(master.address()).await;
    let good = |number| task(&format!("good{number}"), number, &[&format!("10.30.0.{number}")]);
    let mut tasks: Vec<Value> = (0..8).map(|number| task("bad-one", number, &["10.30.9.9"])).collect();
    tasks.extend((10..14).map(good));
    tasks[0]["slave_id"] = json!("nobody's");
    tasks[1]["statuses"] = json!(["x", 7, null]);
    tasks[2]["resources"]["ports"] = json!("[99999999999999999999-1, a-b, 5-]");
    tasks[3]["name"] = json!(7);
    tasks[4] = json!(null);
    tasks[5]["name"] = json!("x".repeat(100_000));
    tasks[6]["state"] = json!(["TASK_RUNNING"]);
    tasks[7]["name"] = json!("NOT-TEXT");
    let text = document_of(master.address(), &document(tasks)).to_string();
    let place = text.find("NOT-TEXT").unwrap();
    let mut bytes = text.into_bytes();
    bytes[place] = 0xff;
    master.says("200 OK", "application/json", &bytes);
    until(|| async { ask(&daemon, "good13.marathon.mesos", Rtype::A).await.rcode() == Rcode::NOERROR }).await;
    for number in 10..14 {
        let answer = ask(&daemon, &format!("good{number}.marathon.mesos"), Rtype::A).await;
        assert_eq!(answer.answers().unwrap().len(), 1, "{number}");
    }
    assert_eq!(daemon.ready().await["reasons"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_changes_nothing() {
    // Each kind meets a program of its own, all at the same time.
    let probe = garbage(&document_of(([127, 0, 0, 1], 1).into(), &ordinary()));
    let mut kinds = JoinSet::new();
    for number in 0..probe.len() {
        kinds.spawn(async move {
            let master = Master::start(&ordinary()).await;
            let (kind, bytes) = garbage(&document_of(master.address(), &ordinary())).swap_remove(number);
            let daemon = Daemon::following(master.address()).await;
            let before = daemon.ready().await;
            master.says_raw(bytes);
            master.is_asked().await;
            let why = daemon.until_ready(kind, |ready| ready["reasons"] != json!([])).await;
            for key in ["ready", "serial", "version", "contentHash"] {
                assert_eq!(why[key], before[key], "{kind}: {why}");
            }
            for name in ["web.marathon.mesos", "leader.mesos", "slave.mesos"] {
                let answer = ask(&daemon, name, Rtype::A).await;
                assert!(!answer.answers().unwrap().is_empty(), "{kind}: {name} {}", answer.rcode());
            }
            // It mends.
            let mut tasks = ordinary();
            let more = task("mended", 70, &["10.30.0.70"]);
            tasks["frameworks"][0]["tasks"].as_array_mut().unwrap().push(more);
            master.shows(&tasks);
            until(|| async {
                ask(&daemon, "mended.marathon.mesos", Rtype::A).await.rcode() == Rcode::NOERROR
            })
            .await;
            println!("{kind}: {}", why["reasons"]);
        });
    }
    while let Some(ended) = kinds.join_next().await {
        ended.unwrap();
    }
}
