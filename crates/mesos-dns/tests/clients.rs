//! The promise: programs that know nothing of us find what runs in the cluster by its name.
//!
//! The C library, Python and Node ask the way they always do: `/etc/resolv.conf` names a server, and it listens
//! on port 53. So the test runs itself again in network and mount namespaces of its own, where that file and that
//! port are ours to have. Where namespaces are refused, or a client is missing, it says so.

#[path = "clients/both_ways.rs"]
mod both_ways;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "clients/go.rs"]
mod go;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "clients/programs.rs"]
mod programs;

use std::{
    net::UdpSocket,
    process::Command,
    time::{Duration, Instant},
};

use daemon::{Daemon, Process};
use master::{Master, document, ordinary};
use namespace::{Place, is_inside, run, text};
use rustix::process::Signal;
use serde_json::json;

/// What a client prints, a line each, sorted; `None`, and a line that says so, where it is not installed.
fn client(program: &str, arguments: &[&str]) -> Option<Vec<String>> {
    match run(Command::new(program).args(arguments)) {
        Ok(output) => {
            let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
            lines.sort();
            lines.push(format!("status {}", output.status.code().unwrap_or(-1)));
            if !output.stderr.is_empty() {
                lines.push(text(&output.stderr));
            }
            Some(lines)
        }
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            None
        }
    }
}

/// Prints the addresses of a name, or the number of the error.
const PYTHON: &str = "
import socket, sys
try:
    for found in socket.getaddrinfo(sys.argv[1], 80, proto=socket.IPPROTO_TCP): print(found[4][0])
except socket.gaierror as error: print(error.errno)
";

/// The same through the C library, then through the resolver that Node brings along.
const NODE: &str = "
const dns = require('dns'), name = process.argv[1];
const say = (how) => (error, found) => {
  for (const one of error ? [error.code] : found) console.log(how, one.address ?? one.port ?? one);
};
if (name.startsWith('_')) dns.resolveSrv(name, say('srv'));
else { dns.lookup(name, { all: true, family: 4 }, say('lookup')); dns.resolve4(name, say('resolve4')); }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_found_by_every_client() {
    if !is_inside("names_are_found_by_every_client") {
        return;
    }
    let _place = Place::new();
    let master = Master::start(&document(Vec::new())).await;
    master.says("503 Service Unavailable", "text/plain", b"");
    let daemon = Daemon::start(
        json!({"masters": [master.address().to_string()], "port": 53, "externalon": true, "resolvers": []}),
    );
    assert_eq!(daemon.dns.port(), 53);
    let python = |name: &str| client("python3", &["-c", PYTHON, name]);
    let node = |name: &str| client("node", &["-e", NODE, name]);
    let is = |found: Option<Vec<String>>, expected: &[&str]| {
        let Some(found) = found else { return };
        assert_eq!(found, expected);
    };

    // Before the first data, a name is not known yet, which is not the same as unknown.
    let (unknown, try_again) = ("-2", "-3");
    is(python("web.marathon.mesos"), &[try_again, "status 0"]);
    is(node("web.marathon.mesos"), &["lookup EAI_AGAIN", "resolve4 ESERVFAIL", "status 0"]);
    master.shows(&ordinary());
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    let addresses = ["10.30.0.1", "10.30.0.2", "10.30.0.3"];
    let getent = |arguments: &[&str]| {
        let lines = client("getent", arguments)?;
        Some(lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
    };
    is(getent(&["hosts", "leader.mesos"]), &["127.0.0.1 leader.mesos", "status 0"]);
    // The one with an IPv6 address is found by that.
    is(getent(&["hosts", "web.marathon.mesos"]), &["fd00:30::1 web.marathon.mesos", "status 0"]);
    is(getent(&["hosts", "nobody.marathon.mesos"]), &["status 2"]);
    is(
        getent(&["ahosts", "many.marathon.mesos"]).map(|lines: Vec<String>| vec![lines.len().to_string()]),
        &["181"],
    );
    is(python("web.marathon.mesos"), &["10.30.0.1", "10.30.0.2", "10.30.0.3", "fd00:30::1", "status 0"]);
    // By its short name, in whatever spelling; unknown ones stay so through the search list.
    is(python("WEB"), &["10.30.0.1", "10.30.0.2", "10.30.0.3", "fd00:30::1", "status 0"]);
    is(python("nobody.marathon.mesos."), &[unknown, "status 0"]);
    // Sixty addresses do not fit a datagram of the C library, which then comes over TCP.
    is(python("many.marathon.mesos").map(|lines| vec![lines.len().to_string()]), &["61"]);
    assert!(daemon.metric("dns_truncated_total").await > 0.0);

    let both: Vec<String> =
        ["lookup", "resolve4"].iter().flat_map(|how| addresses.map(|one| format!("{how} {one}"))).collect();
    let both: Vec<&str> = both.iter().map(String::as_str).chain(["status 0"]).collect();
    is(node("web.marathon.mesos"), &both);
    is(node("nobody.marathon.mesos"), &["lookup ENOTFOUND", "resolve4 ENOTFOUND", "status 0"]);
    let ports: Vec<String> = (31000..31006).map(|port| format!("srv {port}")).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).chain(["status 0"]).collect();
    is(node("_web._tcp.marathon.mesos"), &ports);
    is(node("_many._tcp.marathon.mesos").map(|lines| vec![lines.len().to_string()]), &["121"]);

    // The system's resolver is ourselves, and nobody else is named: no circle, an answer at once.
    let started = Instant::now();
    is(python("www.example.test."), &[try_again, "status 0"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_never_found_does_not_hold_up_the_end() {
    if !is_inside("a_name_that_is_never_found_does_not_hold_up_the_end") {
        return;
    }
    let place = Place::new();
    // A resolver that says nothing, and a system that waits for it for a minute.
    let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
    place.resolv_conf("nameserver 127.0.0.1\noptions timeout:30 attempts:2\n");
    let mut process = Process::start(json!({"masters": ["master.example.test:5050"]}));
    process.logged("serving");
    silent.set_read_timeout(Some(daemon::PATIENCE)).unwrap();
    silent.recv(&mut [0; 512]).expect("it asks for its master's address");
    let told = Instant::now();
    process.signal(Signal::TERM);
    let (status, log) = process.ends();
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}: {log:?}", told.elapsed());
    assert_eq!(status.code(), Some(0), "{log:?}");
}
