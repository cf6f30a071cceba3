//! The promise: whatever resolver stands behind us, clients get what it would have told them itself; and the tools
//! that people measure resolvers with lose nothing.
//!
//! The resolvers are Debian's, in front of Knot's zones, all on loopback. What is not installed is said.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "forward/knot.rs"]
mod knot;
#[path = "support/master.rs"]
mod master;
#[path = "support/rival.rs"]
mod rival;
#[path = "forward_real/rivals.rs"]
mod rivals;

use std::{
    fmt::Write,
    fs,
    net::{SocketAddr, UdpSocket},
    process::{Command, Stdio},
};

use certificates::{Authority, Valid};
use daemon::Daemon;
use domain::base::iana::{Rcode, Rtype};
use knot::Knot;
use master::{Master, ordinary};
use mesos_dns_sim::client::{self, Answer, Query};
use rivals::{KINDS, KNOT_RESOLVER, Resolver, Tls, UNBOUND};
use serde_json::{Value, json};

/// Everything that is asked of everybody.
const QUESTIONS: [(&str, Rtype); 24] = [
    ("www.example.test", Rtype::A),
    ("WWW.Example.TEST", Rtype::A),
    ("www.example.test", Rtype::AAAA),
    ("www.example.test", Rtype::MX),
    ("example.test", Rtype::MX),
    ("example.test", Rtype::TXT),
    ("example.test", Rtype::NS),
    ("example.test", Rtype::SOA),
    ("example.test", Rtype::CAA),
    ("_sip._tcp.example.test", Rtype::SRV),
    ("one.example.test", Rtype::A),
    ("one.example.test", Rtype::AAAA),
    ("one.example.test", Rtype::CNAME),
    ("one.example.test", Rtype::MX),
    ("lost.example.test", Rtype::A),
    ("nobody.example.test", Rtype::A),
    ("nobody.example.test", Rtype::HTTPS),
    ("b.c.example.test", Rtype::A),
    ("a.b.c.example.test", Rtype::TXT),
    ("odd.example.test", Rtype::from_int(65280)),
    ("many.example.test", Rtype::A),
    ("www.signed.test", Rtype::A),
    ("www.signed.test", Rtype::MX),
    ("signed.test", Rtype::DNSKEY),
];

/// Starts the program on an ordinary cluster, asking these servers.
async fn forwarding(resolvers: Value) -> (Master, Daemon) {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(
        json!({"masters": [master.address().to_string()], "externalon": true, "resolvers": resolvers}),
    );
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    (master, daemon)
}

async fn knot() -> Option<Knot> {
    let knot = knot::start().await;
    if knot.is_none() {
        eprintln!("skipped: knotd is not installed (apt-get install knot)");
    }
    knot
}

/// What a client makes of an answer. TTLs count down in the resolver, and records have no order.
#[derive(Debug, PartialEq)]
struct Meaning {
    rcode: Rcode,
    answers: Vec<String>,
    authorities: Vec<String>,
    is_truncated: bool,
    is_recursive: bool,
}

/// Asks as clients do: over UDP, then over TCP if that does not suffice; `Meaning` is of both.
async fn ask(server: SocketAddr, query: &Query) -> [Meaning; 2] {
    let first = client::udp(server, query).await.unwrap();
    let is_truncated = first.0.header().tc();
    let whole = if is_truncated { client::tcp(server, query).await.unwrap() } else { first.clone() };
    // What of a cut answer came along is whoever cut it's affair.
    let mut first = meaning(&first);
    if is_truncated {
        first = Meaning { answers: Vec::new(), authorities: Vec::new(), ..first };
    }
    [first, meaning(&whole)]
}

fn meaning(answer: &Answer) -> Meaning {
    let without_ttl = |records: Vec<String>| {
        let mut records: Vec<String> = records
            .iter()
            .map(|record| {
                let mut words = record.splitn(3, ' ');
                let (owner, _, rest) = (words.next().unwrap(), words.next(), words.next().unwrap());
                // Some remember names as we spelled them when we asked, and tell them so to others.
                let rest = if rest.contains(" TXT ") { rest.to_owned() } else { rest.to_ascii_lowercase() };
                format!("{} {rest}", owner.to_ascii_lowercase())
            })
            .collect();
        records.sort_unstable();
        records
    };
    Meaning {
        rcode: answer.rcode(),
        answers: without_ttl(answer.answers().unwrap()),
        authorities: without_ttl(answer.authorities().unwrap()),
        is_truncated: answer.0.header().tc(),
        is_recursive: answer.0.header().ra(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_resolver_tells_the_same_through_us() {
    let Some(knot) = knot().await else { return };
    let (mut kinds, mut signatures) = (0, 0);
    for kind in KINDS {
        let Some(resolver) = Resolver::start(kind, knot.address) else { continue };
        let (_master, daemon) = forwarding(json!([resolver.address.to_string()])).await;
        kinds += 1;
        let mut told = Vec::new();
        for (name, rtype) in QUESTIONS {
            let query = Query::new(name, rtype);
            for query in [query.clone(), query.clone().edns(1232), query.dnssec_ok()] {
                let direct = ask(resolver.address, &query).await;
                let ours = ask(daemon.dns, &query).await;
                assert_eq!(ours, direct, "{}: {query:?}", kind.name);
                signatures += ours[1].answers.iter().filter(|record| record.contains(" rrsig ")).count();
                told.push((query, ours));
            }
        }
        // The same again, from our memory. (Not all remember as well: dnsmasq forgets that the end of a chain is missing.)
        for (query, told) in told {
            assert_eq!(ask(daemon.dns, &query).await, told, "{}: {query:?}", kind.name);
        }
        eprintln!("{}: {} questions, the same answers", kind.name, QUESTIONS.len());
    }
    // Knot Resolver, which trusts no anchor here, does not ask for signatures; the others pass on what they are asked.
    assert!(kinds < 2 || signatures > 0, "DO is passed on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_of_three_is_enough() {
    let Some(knot) = knot().await else { return };
    let Some(resolver) = Resolver::start(UNBOUND, knot.address) else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let [silent, closed, good] =
        [silent.local_addr().unwrap(), closed, resolver.address].map(|address| address.to_string());
    for order in [[&silent, &closed, &good], [&good, &silent, &closed]] {
        let (_master, daemon) = forwarding(json!(order)).await;
        for name in ["www", "mail", "one", "many"] {
            let query = Query::new(format!("{name}.example.test"), Rtype::A).edns(1232);
            let answer = client::tcp(daemon.dns, &query).await.unwrap();
            assert_eq!(answer.rcode(), Rcode::NOERROR, "{name}");
            assert!(!answer.answers().unwrap().is_empty(), "{name}");
        }
        let answer = client::udp(daemon.dns, &Query::new("nobody.example.test", Rtype::A)).await.unwrap();
        assert_eq!(answer.rcode(), Rcode::NXDOMAIN);
    }
}

/// What a tool says behind a title, up to the end of the line.
fn said<'a>(text: &'a str, title: &str) -> &'a str {
    let rest = text.split(title).nth(1).unwrap_or_else(|| panic!("no {title:?} in {text}"));
    rest.lines().next().unwrap().trim()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_generators_lose_nothing() {
    let Some(knot) = knot().await else { return };
    let Some(resolver) = Resolver::start(UNBOUND, knot.address) else { return };
    let (_master, daemon) = forwarding(json!([resolver.address.to_string()])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries");
    let mut queries = String::new();
    for number in 0..500 {
        // Ours among them, and names that are not there.
        writeln!(queries, "www.example.test A\none.example.test AAAA\nn{number}.example.test A").unwrap();
        writeln!(queries, "example.test MX\nweb.marathon.mesos A\nwww.signed.test A").unwrap();
    }
    fs::write(&file, queries).unwrap();
    let (port, file) = (daemon.dns.port().to_string(), file.display().to_string());
    let server = ["-s", "127.0.0.1", "-p", &port, "-d", &file];
    for (tool, arguments) in [
        ("dnsperf", &["-n", "1", "-c", "4", "-q", "40", "-T", "1", "-t", "20"][..]),
        ("dnsperf", &["-n", "1", "-c", "4", "-q", "40", "-T", "1", "-t", "20", "-m", "tcp"]),
        ("dnsperf", &["-n", "1", "-c", "4", "-q", "40", "-T", "1", "-t", "20", "-e", "-D"]),
        (
            "resperf",
            &["-m", "300", "-r", "3", "-c", "0", "-L", "0", "-q", "200", "-i", "1", "-P", "/dev/null"],
        ),
    ] {
        let mut command = Command::new(tool);
        command.args(server).args(arguments).stdin(Stdio::null());
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("skipped: {tool}: {error} (apt-get install dnsperf)");
                return;
            }
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{tool}: {text}");
        let lost = said(&text, "Queries lost:");
        assert!(lost.starts_with('0'), "{tool} {arguments:?}: {text}");
        let codes = said(&text, "Response codes:");
        assert!(codes.contains("NOERROR") && codes.contains("NXDOMAIN"), "{tool}: {codes}");
        assert!(!codes.contains("SERVFAIL") && !codes.contains("REFUSED"), "{tool}: {codes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resolvers_are_asked_over_tls_and_verified() {
    let Some(knot) = knot().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test authority");
    let roots = authority.write(folder.path().join("roots.pem"));
    let (certificate, key) = authority.issue(folder.path(), &["dns.test"], Valid::Now);
    for kind in [UNBOUND, KNOT_RESOLVER] {
        let (certificate, key) = (certificate.clone(), key.clone());
        let tls = Tls { address: rival::free_port(), certificate, key };
        let Some(_resolver) = Resolver::start_with(kind, knot.address, Some(&tls)) else { continue };
        let master = Master::start(&ordinary()).await;
        for (name, rcode) in [("dns.test", Rcode::NOERROR), ("dns.other.test", Rcode::SERVFAIL)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
            command.env("SSL_CERT_FILE", &roots);
            let server = format!("tls://{}#{name}", tls.address);
            let daemon = Daemon::start_by(
                command,
                json!({
                    "masters": [master.address().to_string()], "externalon": true, "resolvers": [server], "timeout": 2,
                }),
            );
            for (question, records) in [("www", 2), ("many", 200), ("one", 5)] {
                let query = Query::new(format!("{question}.example.test"), Rtype::A).edns(1232);
                let answer = client::tcp(daemon.dns, &query).await.unwrap();
                let records = if rcode == Rcode::NOERROR { records } else { 0 };
                let told = (answer.rcode(), answer.answers().unwrap().len());
                assert_eq!(told, (rcode, records), "{}: {name}: {question}", kind.name);
            }
        }
    }
}
