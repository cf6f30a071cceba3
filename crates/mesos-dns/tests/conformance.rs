//! The promise: the running program does, row by row, what the standards say of answers from a zone (P), EDNS and cookies
//! (E), malformed messages (M), transport (T), and access and amplification (A).
//!
//! Messages are written byte for byte and sent over sockets. A test is named after the rows it is for; what a tool sends
//! better is in `serve_dns.rs`.

#[path = "conformance/access.rs"]
mod access;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "../../mesos-dns-core/src/answer/tests/dice.rs"]
mod dice;
#[path = "conformance/edns.rs"]
mod edns;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "conformance/malformed.rs"]
mod malformed;
#[path = "support/master.rs"]
mod master;
#[path = "../../mesos-dns-core/src/answer/tests/mutate.rs"]
mod mutate;
#[path = "conformance/streams.rs"]
mod streams;
#[path = "../../mesos-dns-core/src/answer/tests/strict.rs"]
mod strict;

use std::{net::SocketAddr, time::Duration};

use daemon::Daemon;
use domain::base::{
    Message,
    opt::{AllOptData, UnknownOptData},
};
use master::{Master, document, ordinary, task};
use mesos_dns_sim::client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long to listen where silence is right.
const SILENCE: Duration = Duration::from_millis(300);

const A: u16 = 1;
const SOA: u16 = 6;

/// A program with the ordinary cluster behind it, and these members in its file.
async fn serving(members: Value) -> (Master, Daemon) {
    let master = Master::start(&ordinary()).await;
    let mut all = json!({ "masters": [master.address().to_string()] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let daemon = Daemon::start(all);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    (master, daemon)
}

//------------ Messages --------------------------------------------------------

/// A query with these flags.
fn query(flags: u16, name: &str, qtype: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, (flags >> 8) as u8, flags as u8, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(qtype.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// The same with an OPT record: payload size, version, flags, options.
fn with_opt(mut message: Vec<u8>, size: u16, version: u8, flags: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    message[11] += 1;
    let mut data = Vec::new();
    for (code, value) in options {
        data.extend(code.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(*value);
    }
    message.extend([0, 0, 41]);
    message.extend(size.to_be_bytes());
    message.extend([0, version]);
    message.extend(flags.to_be_bytes());
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message
}

/// The reply over UDP, which must come.
async fn udp(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let reply = client::udp_bytes(server, message, daemon::PATIENCE).await.unwrap();
    reply.unwrap_or_else(|| panic!("no reply to {message:02x?}"))
}

/// The reply over TCP, which must come.
async fn tcp(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&client::framed(message)).await.unwrap();
    next(&mut stream).await
}

/// The next message of a stream.
async fn next(stream: &mut TcpStream) -> Vec<u8> {
    let read = async {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await.map(|_| message)
    };
    timeout(daemon::PATIENCE, read).await.expect("a reply").unwrap()
}

/// A reply in one line: code, flags of the header, records per section without OPT, OPT with its options.
fn told(reply: &[u8]) -> String {
    let message = Message::from_octets(reply).unwrap();
    let (header, counts) = (message.header(), message.header_counts());
    let mut line = message.opt_rcode().to_string();
    let flags = [
        ("aa", header.aa()),
        ("tc", header.tc()),
        ("rd", header.rd()),
        ("ra", header.ra()),
        ("z", header.z()),
        ("ad", header.ad()),
        ("cd", header.cd()),
    ];
    for (flag, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
        line.push(' ');
        line.push_str(flag);
    }
    let opt = message.opt();
    let others = counts.arcount() - u16::from(opt.is_some());
    line.push_str(&format!(" {}/{}/{}/{others}", counts.qdcount(), counts.ancount(), counts.nscount()));
    if let Some(opt) = opt {
        let dnssec_ok = if opt.dnssec_ok() { " do" } else { "" };
        line.push_str(&format!(" opt{} {}{dnssec_ok}", opt.version(), opt.udp_payload_size()));
        for option in opt.opt().iter::<AllOptData<_, _>>() {
            match option.unwrap() {
                AllOptData::Cookie(_) => line.push_str(" cookie"),
                AllOptData::Nsid(_) => line.push_str(" nsid"),
                AllOptData::TcpKeepalive(_) => line.push_str(" keepalive"),
                AllOptData::ExtendedError(error) => line.push_str(&format!(" ede{}", error.code().to_int())),
                other => panic!("{other:?}"),
            }
        }
    }
    line
}

/// The data of one option of a reply.
fn option(reply: &[u8], code: u16) -> Option<Vec<u8>> {
    let message = Message::from_octets(reply).unwrap();
    let opt = message.opt()?;
    let mut options = opt.opt().iter::<UnknownOptData<_>>().map(Result::unwrap);
    options.find(|option| option.code().to_int() == code).map(|option| option.as_slice().to_vec())
}

/// The records of a reply, section by section, as `dig` prints them.
fn records(reply: &[u8]) -> String {
    let answer = client::Answer(Message::from_octets(bytes::Bytes::copy_from_slice(reply)).unwrap());
    let mut text = String::new();
    for (mark, lines) in
        [("an", answer.answers()), ("ns", answer.authorities()), ("ad", answer.additionals())]
    {
        let mut lines: Vec<String> =
            lines.unwrap().into_iter().filter(|line| !line.contains(" OPT ")).collect();
        lines.sort();
        text.extend(lines.into_iter().map(|line| format!("{mark} {line}\n")));
    }
    text
}

//------------ P: answers from the zone ----------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p4_p5_p7_answers_from_the_zone() {
    let (_master, daemon) = serving(json!({ "ttl": 7 })).await;
    let soa = "mesos. 7 IN SOA ns1.mesos. root.ns1.mesos. SERIAL 60 600 86400 7";
    let (yes, nothing) = ("NOERROR aa ra", "NXDOMAIN aa ra");
    for (row, name, qtype, line, expected) in [
        ("P1", "mesos", SOA, format!("{yes} 1/1/0/0"), format!("an {soa}\n")),
        (
            "P1",
            "mesos",
            2,
            format!("{yes} 1/1/0/1"),
            "an mesos. 7 IN NS ns1.mesos.\nad ns1.mesos. 7 IN A 127.0.0.1\n".to_owned(),
        ),
        (
            "P2",
            "web.marathon.mesos",
            A,
            format!("{yes} 1/3/0/0"),
            (1..4).map(|n| format!("an web.marathon.mesos. 7 IN A 10.30.0.{n}\n")).collect(),
        ),
        (
            "P2",
            "web.marathon.mesos",
            28,
            format!("{yes} 1/1/0/0"),
            "an web.marathon.mesos. 7 IN AAAA fd00:30::1\n".to_owned(),
        ),
        ("P3", "nobody.marathon.mesos", A, format!("{nothing} 1/0/1/0"), format!("ns {soa}\n")),
        ("P3", "nobody.marathon.mesos", 33, format!("{nothing} 1/0/1/0"), format!("ns {soa}\n")),
        ("P3", "nobody.mesos", 65280, format!("{nothing} 1/0/1/0"), format!("ns {soa}\n")),
        ("P4", "web.marathon.mesos", 16, format!("{yes} 1/0/1/0"), format!("ns {soa}\n")),
        ("P4", "web.marathon.mesos", 65280, format!("{yes} 1/0/1/0"), format!("ns {soa}\n")),
        ("P4", "web.marathon.mesos", 43, format!("{yes} 1/0/1/0"), format!("ns {soa}\n")),
        ("P5", "_tcp.marathon.mesos", A, format!("{yes} 1/0/1/0"), format!("ns {soa}\n")),
        ("P5", "mesos", A, format!("{yes} 1/0/1/0"), format!("ns {soa}\n")),
        (
            "P7",
            "wEb.MarAthon.MESOS",
            28,
            format!("{yes} 1/1/0/0"),
            "an wEb.MarAthon.MESOS. 7 IN AAAA fd00:30::1\n".to_owned(),
        ),
    ] {
        let message = query(0, name, qtype);
        for reply in [udp(daemon.dns, &message).await, tcp(daemon.dns, &message).await] {
            assert_eq!(told(&reply), line, "{row} {name} {qtype}");
            let serial = daemon.ready().await["serial"].to_string();
            assert_eq!(records(&reply), expected.replace("SERIAL", &serial), "{row} {name} {qtype}");
            assert_eq!(reply[12..message.len()], message[12..], "{row}: the question, octet for octet");
        }
    }
    // SRV: one record per port, each once, and the addresses of the targets.
    let reply = tcp(daemon.dns, &query(0, "_web._tcp.marathon.mesos", 33)).await;
    let lines = records(&reply);
    let mut once: Vec<&str> = lines.lines().collect();
    once.dedup();
    assert_eq!((once.len(), lines.matches(" SRV 0 1 ").count()), (lines.lines().count(), 6), "P2: {lines}");
}

fn serial(reply: &[u8]) -> u32 {
    let lines = records(reply);
    lines.split(' ').nth(7).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{lines}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_the_serial_rises_and_never_falls() {
    let (master, daemon) = serving(json!({})).await;
    let ask = query(0, "mesos", SOA);
    let first = serial(&udp(daemon.dns, &ask).await);
    master.shows(&document(vec![task("other", 0, &["10.33.0.1"])]));
    let second = loop {
        let seen = serial(&udp(daemon.dns, &ask).await);
        assert!(seen >= first, "{seen} after {first}");
        if seen > first {
            break seen;
        }
        tokio::time::sleep(daemon::LOOK).await;
    };
    // The same cluster, seen by a process that starts now.
    drop(daemon);
    let daemon = Daemon::following(master.address()).await;
    let third = serial(&udp(daemon.dns, &ask).await);
    assert!(third >= second, "{third} after {second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p17_p18_other_operations_and_responses() {
    let (_master, daemon) = serving(json!({})).await;
    for opcode in (1..16_u16).filter(|opcode| *opcode != 0) {
        let message = query(opcode << 11 | 0x07f0, "mesos", SOA);
        let expected = [0x12, 0x34, 0x80 | (opcode << 3) as u8, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(udp(daemon.dns, &message).await, expected, "P17: {opcode}");
        assert_eq!(tcp(daemon.dns, &message).await, expected, "P17: {opcode}");
    }
    for flags in [0x8000, 0x8400, 0xffff] {
        let message = query(flags, "mesos", SOA);
        let silent = client::udp_bytes(daemon.dns, &message, SILENCE).await.unwrap();
        assert_eq!(silent, None, "P18: {flags:04x}");
        let mut stream = TcpStream::connect(daemon.dns).await.unwrap();
        stream.write_all(&client::framed(&message)).await.unwrap();
        assert!(timeout(SILENCE, stream.read_u8()).await.is_err(), "P18: {flags:04x}");
    }
    assert_eq!(told(&udp(daemon.dns, &query(0, "mesos", SOA)).await), "NOERROR aa ra 1/1/0/0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_before_the_first_state() {
    let master = Master::start(&ordinary()).await;
    master.says("503 Service Unavailable", "text/plain", b"no leader yet");
    let daemon = Daemon::start(json!({ "masters": [master.address().to_string()] }));
    for (name, qtype) in [("web.marathon.mesos", A), ("nobody.mesos", A), ("mesos", SOA), ("mesos", 2)] {
        let message = query(0x0100, name, qtype);
        assert_eq!(told(&udp(daemon.dns, &message).await), "SERVFAIL rd ra 1/0/0/0", "{name}");
        let message = with_opt(message, 1232, 0, 0, &[]);
        assert_eq!(
            told(&tcp(daemon.dns, &message).await),
            "SERVFAIL rd ra 1/0/0/0 opt0 1232 ede14",
            "{name}"
        );
    }
}
