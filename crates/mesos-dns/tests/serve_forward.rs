//! The promise: names that are not ours are answered by the servers the file names, dead ones among them, and
//! names that are ours never leave. With the real program, and Knot DNS behind it.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/dig.rs"]
mod dig;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "forward/knot.rs"]
mod knot;
#[path = "support/master.rs"]
mod master;
#[path = "support/rival.rs"]
mod rival;

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use certificates::{Authority, Valid};
use daemon::Daemon;
use dig::{Reply, Tool};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, ordinary};
use mesos_dns_sim::{
    client::{self, Query},
    upstream::{Identity, Scene, Settings, Upstream},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Asks with `kdig` or `dig`, whichever there is; `None`, and a line that says so, where there is neither.
fn asker(dns: SocketAddr) -> Option<impl Fn(&str) -> Reply> {
    let tool = Tool::installed().pop()?;
    Some(move |arguments: &str| tool.ask(dns, arguments))
}

/// Starts the program on an ordinary cluster, forwarding as these members say.
async fn forwarding(members: Value) -> (Master, Daemon) {
    let master = Master::start(&ordinary()).await;
    let mut all = json!({"masters": [master.address().to_string()], "externalon": true});
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let daemon = Daemon::start(all);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    (master, daemon)
}

/// Has it read its file again, for this time.
async fn reload(daemon: &Daemon, time: f64) {
    daemon.signal(Signal::HUP);
    while daemon.metric("config_reloads_total").await < time {
        tokio::time::sleep(daemon::LOOK).await;
    }
}

/// A server that takes queries and never answers, and its address as the file has it.
fn deaf() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// How many messages a server got since it was last asked.
fn taken(socket: &UdpSocket) -> usize {
    std::iter::from_fn(|| socket.recv(&mut [0; 512]).ok()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_behind_a_dead_one() {
    let Some(knot) = knot::start().await else {
        eprintln!("skipped: knotd is not installed (apt-get install knot)");
        return;
    };
    let (silent, dead) = deaf();
    let (_master, mut daemon) = forwarding(json!({"resolvers": [&dead, &knot.address.to_string()]})).await;
    let Some(ask) = asker(daemon.dns) else { return };

    // The dead one costs two seconds at most, not the query.
    let started = Instant::now();
    let reply = ask("www.example.test A");
    assert_eq!(
        (reply.status.as_str(), reply.data()),
        ("NOERROR", vec!["192.0.2.2".into(), "192.0.2.3".into()])
    );
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(taken(&silent) >= 1);
    daemon.rewrite(json!({"resolvers": [knot.address.to_string()]}));
    reload(&daemon, 1.0).await;
    // What is not there is not there, with the zone's own SOA.
    let reply = ask("nobody.example.test A");
    assert_eq!(reply.status, "NXDOMAIN", "{}", reply.text);
    assert!(reply.authority[0].starts_with("example.test. "), "{}", reply.text);
    // Two hundred addresses: cut over UDP, whole over TCP, and the tool asks again by itself.
    let reply = ask("+ignore +bufsize=1232 many.example.test A");
    assert!(reply.flags.contains("tc"), "{}", reply.text);
    let reply = ask("+bufsize=1232 many.example.test A");
    assert_eq!((reply.flags.contains("tc"), reply.answer.len()), (false, 200), "{}", reply.text);
    // The question comes back as it was put.
    assert_eq!(ask("wWw.ExAmple.TEST A").question, "wWw.ExAmple.TEST.");

    daemon.rewrite(json!({"resolvers": [dead]}));
    reload(&daemon, 2.0).await;
    // What is ours never leaves, whether it is there or not; nor does what nobody asked us to find.
    for (question, status) in [
        ("web.marathon.mesos A", "NOERROR"),
        ("nobody.marathon.mesos A", "NXDOMAIN"),
        ("mesos MX", "NOERROR"),
        ("localhost A", "NOERROR"),
        ("secret.onion A", "NXDOMAIN"),
        ("1.0.0.127.in-addr.arpa PTR", "NOERROR"),
        ("+norec www.example.test A", "REFUSED"),
    ] {
        assert_eq!(ask(question).status, status, "{question}");
    }
    assert_eq!(taken(&silent), 0, "something of ours left");

    // Off means off, at once.
    daemon.rewrite(json!({"externalon": false}));
    reload(&daemon, 3.0).await;
    let reply = ask("www.example.test A");
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("REFUSED", 0), "{}", reply.text);
    assert_eq!(ask("web.marathon.mesos A").data().len(), 3);
    assert_eq!(taken(&silent), 0);
    // And a client that may not recurse is refused, our own names aside.
    daemon.rewrite(json!({"externalon": true, "recursionAllow": ["192.0.2.0/24"]}));
    reload(&daemon, 4.0).await;
    assert_eq!(ask("www.example.test A").status, "REFUSED");
    assert_eq!(ask("web.marathon.mesos A").data().len(), 3);
    assert_eq!(taken(&silent), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_zone_decides() {
    let Some(knot) = knot::start().await else {
        eprintln!("skipped: knotd is not installed (apt-get install knot)");
        return;
    };
    let (silent, dead) = deaf();
    let zones = json!({"example.test": [knot.address.to_string()], "test": [dead.clone()]});
    let (_master, daemon) =
        forwarding(json!({"resolvers": [dead], "zoneResolvers": zones, "timeout": 1})).await;
    let Some(ask) = asker(daemon.dns) else { return };
    assert_eq!(ask("www.example.test A").data().len(), 2);
    assert_eq!(taken(&silent), 0);
    for question in ["www.other.test A", "www.example A"] {
        let started = Instant::now();
        let reply = ask(&format!("+bufsize=1232 {question}"));
        assert_eq!(reply.status, "SERVFAIL", "{}", reply.text);
        assert!(reply.text.contains("EDE: "), "{}", reply.text);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        assert!(taken(&silent) > 0, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_server_holds_up_nobody_else() {
    let (silent, dead) = deaf();
    let (_master, daemon) = forwarding(json!({"resolvers": [dead], "timeout": 60})).await;
    // More questions than anybody may have outstanding, none of which will ever be answered.
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(daemon.dns).unwrap();
    for id in 0..2000_u16 {
        let query = Query::new(format!("n{id}.example"), Rtype::A).message(id).unwrap();
        client.send(&query).unwrap();
        if id % 50 == 0 {
            // As fast as it is served, so that no datagram is lost on the way.
            let ours = client::udp(daemon.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
            assert_eq!(ours.answers().unwrap().len(), 3);
        }
    }
    for transport in ["udp", "tcp"] {
        let started = Instant::now();
        let query = Query::new("web.marathon.mesos", Rtype::A);
        let answer = match transport {
            "udp" => client::udp(daemon.dns, &query).await,
            _ => client::tcp(daemon.dns, &query).await,
        };
        assert_eq!(answer.unwrap().rcode(), Rcode::NOERROR);
        assert!(started.elapsed() < Duration::from_secs(1), "{transport}: {:?}", started.elapsed());
    }
    assert_eq!(daemon.get("/health").await.0, 200);
    // Those beyond the limit were told at once.
    client.set_read_timeout(Some(daemon::PATIENCE)).unwrap();
    let mut reply = [0; 512];
    client.recv(&mut reply).unwrap();
    assert_eq!(reply[3] & 15, 2, "SERVFAIL");
    assert!(taken(&silent) <= 1000, "more than may be outstanding");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_for_what_he_asked_us() {
    let (_silent, dead) = deaf();
    let (_master, mut daemon) = forwarding(json!({"resolvers": [dead]})).await;
    // Our own address as a resolver, which only a reload can do with a port that the system chose.
    let own = daemon.dns.to_string();
    daemon.rewrite(json!({"resolvers": [own]}));
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    daemon.logged("server is this process itself");
    let started = Instant::now();
    let answer = client::udp(daemon.dns, &Query::new("www.example.test", Rtype::A)).await.unwrap();
    assert_eq!(answer.rcode(), Rcode::SERVFAIL);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    // Two programs that have each other as resolver: the circle is found, and ends.
    let (_other_master, other) = forwarding(json!({"resolvers": [daemon.dns.to_string()]})).await;
    daemon.rewrite(json!({"resolvers": [other.dns.to_string()]}));
    reload(&daemon, 2.0).await;
    let answer = client::udp(daemon.dns, &Query::new("www.example.test", Rtype::A)).await.unwrap();
    assert_eq!(answer.rcode(), Rcode::SERVFAIL);
    let rounds = daemon.metric("legacy_non_mesos_forwarded_total").await;
    assert!((1.0..=100.0).contains(&rounds), "{rounds} rounds");
    assert_eq!(
        client::udp(other.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap().rcode(),
        Rcode::NOERROR
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_remembered_and_forgotten() {
    let Some(knot) = knot::start().await else {
        eprintln!("skipped: knotd is not installed (apt-get install knot)");
        return;
    };
    let folder = daemon::folder();
    let socket = folder.path().join("admin");
    let server = knot.address.to_string();
    let members = |resolver: &str| json!({"resolvers": [resolver], "timeout": 1, "adminSocket": &socket});
    let (_master, mut daemon) = forwarding(members(&server)).await;
    let Some(ask) = asker(daemon.dns) else { return };

    // A name of theirs that leads to a name of ours: the server does not know ours, and is not asked.
    let addresses = |reply: &Reply| reply.answer.iter().filter(|line| line.contains(" A ")).count();
    for _ in 0..2 {
        let reply = ask("ours.example.test A");
        assert_eq!((reply.status.as_str(), addresses(&reply)), ("NOERROR", 3), "{}", reply.text);
        assert!(reply.answer[0].contains("CNAME web.marathon.mesos."), "{}", reply.text);
    }
    let reply = ask("ours.example.test MX");
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 1), "{}", reply.text);
    assert!(reply.authority[0].starts_with("mesos. "), "our own zone says so: {}", reply.text);
    let reply = ask("nobody-of-ours.example.test A");
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("NXDOMAIN", 1), "{}", reply.text);

    ask("www.example.test A");
    ask("www.example.test A");
    assert_eq!(ask("no.www.example.test A").status, "NXDOMAIN");
    assert!(daemon.metric("forward_cache_answers_total{kind=\"fresh\"}").await >= 2.0);
    let entries = daemon.metric("forward_cache_entries").await;
    assert!(entries >= 5.0, "{entries}");

    let flush = async |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
        command.arg("flush").args(arguments).arg("--socket").arg(&socket);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{output:?}"));
        told["flushed"].as_u64().unwrap()
    };
    assert_eq!(flush(&["nobody.example.test"]).await, 0);
    assert_eq!(flush(&["NO.www.example.test."]).await, 1);
    assert!(flush(&["--below", "www.example.test"]).await >= 1);
    let selections = ["nobody.example.test.", "no.www.example.test.", "all below www.example.test."];
    let all = daemon.all_logged("flush asked for");
    assert_eq!(all.iter().map(|line| &line["selection"]).collect::<Vec<_>>(), selections);
    assert!(flush(&["--all"]).await >= 3);
    assert_eq!(daemon.metric("forward_cache_entries").await, 0.0);
    assert_eq!(daemon.metric("forward_cache_flushed_total").await, entries);

    // The server goes: what is remembered is told until its time is over, and then as stale.
    assert_eq!(ask("www.example.test A").data().len(), 2);
    drop(knot);
    assert_eq!(ask("www.example.test A").data().len(), 2);
    assert_eq!(ask("other.example.test A").status, "SERVFAIL");
    // Another size keeps what is there; other servers do not.
    let mut longer = members(&server);
    longer["cacheSize"] = json!("8MiB");
    daemon.rewrite(longer);
    reload(&daemon, 1.0).await;
    assert_eq!(ask("www.example.test A").data().len(), 2);
    let (_silent, dead) = deaf();
    daemon.rewrite(members(&dead));
    reload(&daemon, 2.0).await;
    assert_eq!(ask("www.example.test A").status, "SERVFAIL");
}

/// A certificate that is not good looks like a dead network from outside; the log tells them apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_server_cannot_be_asked_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) =
        Authority::new("nobody we know").issue(folder.path(), &["dns.example"], Valid::Now);
    let read = |path| std::fs::read(path).unwrap();
    let identity = Identity { certificate: read(certificate), key: read(key) };
    let settings = Settings { tls: Some((0, identity)), ..Settings::default() };
    let upstream = Upstream::start_with(&Scene::ordinary(), settings).unwrap();
    let encrypted = format!("tls://{}#dns.example", upstream.tls_address().unwrap());
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (server, why) in [(encrypted, "certificate"), (nobody, "refused")] {
        let (_master, daemon) = forwarding(json!({"resolvers": [&server]})).await;
        let reply = client::udp(daemon.dns, &Query::new("www.example.test", Rtype::A)).await.unwrap();
        assert_eq!(reply.rcode(), Rcode::SERVFAIL, "{server}");
        let line = daemon.logged("server is ill");
        assert_eq!(line["server"], server);
        assert!(line["error"].as_str().is_some_and(|error| error.contains(why)), "{line}");
    }
}
