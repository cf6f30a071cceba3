//! The simulated upstream does what its scene says, right things and wrong ones.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use domain::base::iana::{Rcode, Rtype};
use mesos_dns_sim::{
    client::{self, Query, framed},
    upstream::{Asked, Fault, Forgery, Rule, Scene, Section, Transport, Upstream},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long is waited for what must not come; a slower machine only sees less.
const SILENCE: Duration = Duration::from_millis(100);

fn start(rules: impl IntoIterator<Item = Rule>) -> Upstream {
    Upstream::start(&Scene::ordinary().with(rules)).unwrap()
}

fn www() -> Vec<u8> {
    Query::new("WwW.example.test", Rtype::A).message(0x1234).unwrap()
}

/// Everything that comes back over UDP for one query, as long as more may come; with the address it came from.
async fn replies(upstream: &Upstream, query: &[u8], least: usize) -> Vec<(Vec<u8>, std::net::SocketAddr)> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(query, upstream.address()).await.unwrap();
    let mut replies = Vec::new();
    loop {
        let mut buffer = vec![0; 65_535];
        let wait = if replies.len() < least { PATIENCE } else { SILENCE };
        let Ok(received) = timeout(wait, socket.recv_from(&mut buffer)).await else { return replies };
        let (length, from) = received.unwrap();
        buffer.truncate(length);
        replies.push((buffer, from));
    }
}

#[tokio::test]
async fn it_answers_and_remembers() {
    let upstream = start([]);
    for (name, rtype, rcode, answers) in [
        ("www.example.test", Rtype::A, Rcode::NOERROR, 2),
        ("alias.example.test", Rtype::AAAA, Rcode::NOERROR, 2),
        ("example.test", Rtype::MX, Rcode::NOERROR, 1),
        ("www.example.test", Rtype::MX, Rcode::NOERROR, 0),
        ("nobody.example.test", Rtype::A, Rcode::NXDOMAIN, 0),
        ("chain5-x.made.test", Rtype::A, Rcode::NOERROR, 6),
        ("txt900-x.made.test", Rtype::TXT, Rcode::NOERROR, 1),
        ("none.made.test", Rtype::A, Rcode::NXDOMAIN, 0),
        ("www.mesos", Rtype::A, Rcode::REFUSED, 0),
    ] {
        for query in [Query::new(name, rtype), Query::new(name, rtype).edns(1232)] {
            let answer = client::tcp(upstream.address(), &query).await.unwrap();
            assert_eq!((answer.rcode(), answer.answers().unwrap().len()), (rcode, answers), "{name}");
            let has_soa = answers == 0 && rcode != Rcode::REFUSED;
            assert_eq!(answer.authorities().unwrap().len(), usize::from(has_soa), "{name}");
        }
    }
    let big = Query::new("big300-x.made.test", Rtype::A).edns(4096);
    assert!(client::udp(upstream.address(), &big).await.unwrap().0.header().tc());
    assert_eq!(client::tcp(upstream.address(), &big).await.unwrap().answers().unwrap().len(), 300);

    let counts = upstream.counts();
    assert_eq!((counts.udp, counts.tcp, counts.connections, counts.queries()), (1, 19, 19, 20));
    assert_eq!(upstream.asked_for("WWW.example.test", 1), 2);
    let last: Asked = upstream.asked().pop().unwrap();
    assert_eq!((last.name.as_str(), last.transport), ("big300-x.made.test", Transport::Tcp));
    assert_eq!(last.edns.map(|edns| edns.payload_bytes), Some(4096));
    upstream.forget();
    assert_eq!(upstream.asked().len(), 0);
}

#[tokio::test]
async fn forged_replies_come_first_and_are_wrong() {
    use Forgery::{
        Address, Class, Counts, Empty, Garbage, Id, Loop, Name, Opcode, Port, Query, Short, Trailing, Type,
    };
    for how in
        [Id, Name, Type, Class, Query, Opcode, Port, Address, Empty, Short, Garbage, Loop, Counts, Trailing]
    {
        let upstream = start([Rule::always(Fault::Forged { how, times: 2, alone: false })]);
        let query = www();
        let replies = replies(&upstream, &query, 3).await;
        let [(first, from), (second, _), (right, _)] = &replies[..] else { panic!("{how:?}: {replies:?}") };
        assert_eq!((&right[..2], &right[12..34], right[7]), (&query[..2], &query[12..34], 2), "{how:?}");
        let message = domain::base::Message::from_octets(&first[..]).ok();
        let is_wrong = match how {
            Id => first[..2] != query[..2] && first[..2] != second[..2],
            Name | Type | Class => first[12..34] != query[12..34] && first.len() == 50,
            Query => first[2] & 0x80 == 0,
            Opcode => first[2] & 0x78 != 0,
            Port => from.port() != upstream.address().port(),
            Address => from.ip() != upstream.address().ip(),
            Empty | Short => message.is_none(),
            Garbage | Loop | Counts => {
                let message = message.unwrap();
                message.answer().map_or(true, |mut records| records.any(|record| record.is_err()))
            }
            Trailing => first.ends_with(b"more"),
        };
        assert!(is_wrong, "{how:?}: {first:?}");
        if !matches!(how, Garbage | Empty | Short | Trailing) {
            assert_eq!(first[first.len() - 4..], [192, 0, 2, 66], "{how:?}");
        }
    }
    let alone = Fault::Forged { how: Id, times: 1, alone: true };
    assert_eq!(replies(&start([Rule::always(alone)]), &www(), 1).await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_contents() {
    let check = async |fault: Fault, is: fn(&[u8]) -> bool| {
        let upstream = start([Rule::always(fault.clone())]);
        let replies = replies(&upstream, &www(), 1).await;
        assert!(replies.len() == 1 && is(&replies[0].0), "{fault:?}: {replies:?}");
    };
    check(Fault::Folded, |reply| reply[13..16] == *b"www").await;
    check(Fault::Truncated { records: 1 }, |reply| reply[2] & 2 == 2 && reply[7] == 1).await;
    check(Fault::Rcode { code: 4, bare: true }, |reply| reply.len() == 12 && reply[3] & 15 == 4).await;
    check(Fault::Rcode { code: 2, bare: false }, |reply| reply[7] == 0 && reply[3] & 15 == 2).await;
    check(Fault::Ttl { is: 1 << 31 }, |reply| reply[40..44] == [0x80, 0, 0, 0]).await;
    check(Fault::Cut { bytes: 30 }, |reply| reply.len() == 30).await;
    let added = |section| Fault::Added { section, records: vec!["mesos. 60 NS evil.test.".to_owned()] };
    check(added(Section::Answer), |reply| reply[7] == 3).await;
    check(added(Section::Authority), |reply| reply[9] == 1).await;
    check(added(Section::Additional), |reply| reply[11] == 1).await;

    let without = start([Rule { edns: Some(true), ..Rule::always(Fault::Rcode { code: 1, bare: false }) }]);
    let plain = Query::new("www.example.test", Rtype::A);
    assert_eq!(client::udp(without.address(), &plain).await.unwrap().rcode(), Rcode::NOERROR);
    let answer = client::udp(without.address(), &plain.edns(1232)).await.unwrap();
    assert_eq!(answer.rcode(), Rcode::FORMERR);
    let passed_over = start([Rule::always(Fault::NoEdns)]);
    let query = Query::new("www.example.test", Rtype::A).edns(1232);
    assert!(client::udp(passed_over.address(), &query).await.unwrap().0.opt().is_none());
    let oversized = start([Rule::always(Fault::Oversized)]);
    let query = Query::new("big300-x.made.test", Rtype::A);
    assert_eq!(client::udp(oversized.address(), &query).await.unwrap().answers().unwrap().len(), 300);
}

#[tokio::test]
async fn replies_are_lost_late_and_doubled() {
    let by = Duration::from_millis(150);
    let upstream = start([
        Rule::of("gone.made.test", Fault::Silent),
        Rule::of("late.made.test", Fault::Delayed { by, spread: by }),
        Rule::of("twice.made.test", Fault::Doubled { times: 2 }),
    ]);
    let query = |name: &str| Query::new(name, Rtype::A).message(1).unwrap();
    assert_eq!(replies(&upstream, &query("gone.made.test"), 0).await.len(), 0);
    assert_eq!(replies(&upstream, &query("twice.made.test"), 2).await.len(), 2);
    let started = Instant::now();
    assert_eq!(replies(&upstream, &query("late.made.test"), 1).await.len(), 1);
    assert!(started.elapsed() >= by);
    // Other rules, from now on.
    upstream.rule(&[Rule::always(Fault::Silent)]).unwrap();
    assert_eq!(replies(&upstream, &query("twice.made.test"), 0).await.len(), 0);
    assert_eq!(upstream.counts().udp, 4, "what is not answered counts too");
}

#[tokio::test]
async fn connections_bear_many_queries_and_end_badly() {
    let upstream = start([
        Rule::of("late.made.test", Fault::Delayed { by: SILENCE, spread: Duration::ZERO }),
        Rule::of("closed.made.test", Fault::Closed),
        Rule::of("reset.made.test", Fault::Reset),
        Rule::of("cut.made.test", Fault::Cut { bytes: 20 }),
        Rule::of("drip.made.test", Fault::Dripped { every: Duration::from_micros(100) }),
    ]);
    let framed = |name: &str, id| framed(&Query::new(name, Rtype::A).message(id).unwrap());
    let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
    stream.write_all(&[framed("late.made.test", 1), framed("drip.made.test", 2)].concat()).await.unwrap();
    for id in [2, 1] {
        let mut reply = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..2], [0, id], "what is late is overtaken");
    }
    assert_eq!(upstream.counts().connections, 1);
    for (name, octets, kind) in [
        ("closed.made.test", 0, None),
        ("cut.made.test", 22, None),
        ("reset.made.test", 0, Some(std::io::ErrorKind::ConnectionReset)),
    ] {
        let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
        stream.write_all(&framed(name, 1)).await.unwrap();
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all).await;
        assert_eq!((all.len(), read.err().map(|error| error.kind())), (octets, kind), "{name}");
    }
    let deaf = Upstream::start(&Scene { tcp: false, ..Scene::ordinary() }).unwrap();
    TcpStream::connect(deaf.address()).await.unwrap_err();
}

#[test]
fn every_scene_of_the_project_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/upstream");
    let mut scenes = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scene =
            Scene::read(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(!scene.about.is_empty(), "{path:?}");
        Upstream::start(&scene).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        scenes += 1;
    }
    assert!(scenes >= 3);
    for (bad, what) in [
        (r#"{"rules": [{"fault": "explode"}]}"#, "unknown variant `explode`"),
        (r#"{"rules": [{"name": "a..b", "fault": "silent"}]}"#, "a..b"),
        (r#"{"zones": [{"zone": "x.test", "records": ["www 60 A nowhere"]}]}"#, "x.test"),
    ] {
        let error = match Scene::read(bad.as_bytes()) {
            Ok(scene) => anyhow::Error::from(Upstream::start(&scene).unwrap_err()),
            Err(error) => error.into(),
        };
        assert!(format!("{error:#}").contains(what), "{error:#}");
    }
}

#[test]
fn the_program_takes_orders() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim-upstream"))
        .args(["--port", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("A resolver without faults"));
    let address: std::net::SocketAddr =
        lines.next().unwrap().strip_prefix("udp, tcp ").unwrap().parse().unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&www(), address).unwrap();
    assert!(socket.recv(&mut [0; 512]).unwrap() > 12);
    let mut stdin = child.stdin.take().unwrap();
    for (said, heard) in [
        ("count", "count 1 0 0 0"),
        (r#"rules [{"fault": "silent"}, {"name": "*.test", "fault": "closed"}]"#, "rules 2"),
        ("rules [{}]", "error scene is malformed: missing field `fault`"),
        ("dance", "error \"dance\" is not known"),
    ] {
        writeln!(stdin, "{said}").unwrap();
        let line = lines.next().unwrap();
        assert!(line.starts_with(heard), "{said}: {line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
