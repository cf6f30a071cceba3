//! The promise: what DNS clients ask of the real program is answered as the standards say, and DNS and HTTP tell
//! the same.
//!
//! `dig` and `kdig` ask, as people would; what no tool sends, the test writes itself.

#[path = "serve_dns/compare.rs"]
mod compare;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/dig.rs"]
mod dig;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use compare::{answers, axfr, compare};
use daemon::Daemon;
use dig::Tool;
use domain::base::iana::Rtype;
use master::{Master, captured, document, ordinary, task};
use mesos_dns_sim::client::{self, Query};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long to listen where silence is right. A reply takes well under a millisecond.
const SILENCE: Duration = Duration::from_millis(300);

/// A program with the ordinary cluster behind it.
async fn serving() -> (Master, Daemon) {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    (master, daemon)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_and_section() {
    let (_master, daemon) = serving().await;
    let web = ["10.30.0.1", "10.30.0.2", "10.30.0.3"];
    let agents = ["10.20.0.1", "10.20.0.2"];
    for tool in Tool::installed() {
        let ask = |arguments: &str| {
            let reply = tool.ask(daemon.dns, arguments);
            assert!(reply.flags.contains("qr aa"), "{tool:?} {arguments}: {}", reply.text);
            reply
        };
        for transport in ["+notcp", "+tcp"] {
            let ask = |arguments: &str| ask(&format!("{arguments} {transport}"));
            assert_eq!(ask("web.marathon.mesos A").data(), web);
            assert_eq!(
                ask("web.marathon.mesos A").answer[0],
                "web.marathon.mesos. 5 IN A 10.30.0.1",
                "the name asked for, and the lifetime of the file's default"
            );
            assert_eq!(ask("web.marathon.mesos AAAA").data(), ["fd00:30::1"]);
            assert_eq!(ask("web.marathon.slave.mesos A").data(), agents);
            assert_eq!(ask("slave.mesos A").data(), agents);
            assert_eq!(ask("marathon.mesos A").data(), ["10.20.1.1"]);
            assert_eq!(ask("leader.mesos A").data(), ["127.0.0.1"]);
            assert_eq!(ask("ns1.mesos A").data(), ["127.0.0.1"]);

            // SRV, with the addresses of its targets.
            let reply = ask("_web._tcp.marathon.mesos SRV");
            assert_eq!(reply.answer.len(), 6, "{}", reply.text);
            let targets: BTreeSet<&str> =
                reply.answer.iter().map(|line| line.split(' ').nth(7).unwrap()).collect();
            assert_eq!(targets.len(), 3, "{}", reply.text);
            let owners: BTreeSet<&str> =
                reply.additional.iter().map(|line| line.split(' ').next().unwrap()).collect();
            assert_eq!(owners, targets, "{}", reply.text);
            let ports: BTreeSet<&str> =
                reply.answer.iter().map(|line| line.split(' ').nth(6).unwrap()).collect();
            assert_eq!(
                ports.into_iter().collect::<Vec<_>>(),
                ["31000", "31001", "31002", "31003", "31004", "31005"]
            );
            assert!(reply.answer.iter().all(|line| line.contains(" SRV 0 1 ")), "{}", reply.text);

            // The apex.
            let soa = ask("mesos SOA");
            assert_eq!(soa.answer.len(), 1, "{}", soa.text);
            assert!(soa.answer[0].starts_with("mesos. 5 IN SOA ns1.mesos. root.ns1.mesos. "), "{}", soa.text);
            let ns = ask("mesos NS");
            assert_eq!(ns.answer, ["mesos. 5 IN NS ns1.mesos."]);
            assert_eq!(ns.additional, ["ns1.mesos. 5 IN A 127.0.0.1"]);
            assert!(ns.authority.is_empty(), "{}", ns.text);

            // ANY gives one set (RFC 8482).
            let any = ask("web.marathon.mesos ANY");
            let types: BTreeSet<&str> =
                any.answer.iter().map(|line| line.split(' ').nth(3).unwrap()).collect();
            assert_eq!(types.len(), 1, "{}", any.text);

            // No such type, no such name, nothing at a name that has names below it.
            for (question, status) in [
                ("web.marathon.mesos TXT", "NOERROR"),
                ("web.marathon.mesos TYPE65280", "NOERROR"),
                ("web.marathon.mesos DS", "NOERROR"),
                ("mesos DS", "NOERROR"),
                ("mesos A", "NOERROR"),
                ("marathon.slave.mesos A", "NOERROR"),
                ("_tcp.marathon.mesos SRV", "NOERROR"),
                ("_web._tcp.marathon.mesos A", "NOERROR"),
                ("nobody.marathon.mesos A", "NXDOMAIN"),
                ("nobody.marathon.mesos SOA", "NXDOMAIN"),
                ("nobody.marathon.mesos TYPE65280", "NXDOMAIN"),
                ("a.web.marathon.mesos A", "NXDOMAIN"),
                ("nobody.mesos NS", "NXDOMAIN"),
                ("*.marathon.mesos A", "NXDOMAIN"),
            ] {
                let reply = ask(question);
                assert_eq!((reply.status.as_str(), reply.answer.len()), (status, 0), "{}", reply.text);
                assert_eq!(reply.authority, soa.answer, "{tool:?} {question}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edns_case_and_size() {
    let (_master, daemon) = serving().await;
    for tool in Tool::installed() {
        let ask = |arguments: &str| tool.ask(daemon.dns, arguments);
        let edns = match tool {
            Tool::Dig => "EDNS: version: 0, flags:",
            Tool::Kdig => "EDNS PSEUDOSECTION:\n;; Version: 0;",
        };
        // The question comes back letter for letter, the answer under that name.
        let reply = ask("+noedns wEb.MaRaThOn.MESOS A");
        assert_eq!(
            (reply.question.as_str(), reply.answer.len()),
            ("wEb.MaRaThOn.MESOS.", 3),
            "{}",
            reply.text
        );
        assert!(reply.answer[0].starts_with("wEb.MaRaThOn.MESOS. "), "{}", reply.text);

        let reply = ask("+noedns web.marathon.mesos A");
        assert!(!reply.text.contains("EDNS"), "{}", reply.text);
        let reply = ask("+bufsize=4096 web.marathon.mesos A");
        assert!(reply.text.contains(edns) && reply.text.contains("1232"), "{}", reply.text);
        // An option that nobody knows is no matter, and not echoed.
        let reply = ask("+ednsopt=65001:c0ffee web.marathon.mesos A");
        assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 3), "{}", reply.text);
        assert!(!reply.text.to_lowercase().contains("c0ffee"), "{}", reply.text);
        let reply = ask("+dnssec web.marathon.mesos A");
        assert!(reply.text.to_lowercase().contains("flags: do"), "{}", reply.text);

        // Sixty addresses do not fit 512 octets. Both tools then ask again over TCP by themselves.
        let reply = ask("+noedns +ignore many.marathon.mesos A");
        assert!(reply.flags.contains("tc"), "{}", reply.text);
        let kept = reply.answer.len();
        assert!((20..60).contains(&kept), "{}", reply.text);
        let reply = ask("+noedns many.marathon.mesos A");
        assert_eq!(reply.answer.len(), 60, "{}", reply.text);
        assert!(!reply.flags.contains("tc") && reply.text.contains("TCP"), "{}", reply.text);
        // They do fit what we send to those who take more; 120 SRV records do not.
        let reply = ask("+bufsize=1232 +ignore many.marathon.mesos A");
        assert_eq!((reply.flags.contains("tc"), reply.answer.len()), (false, 60), "{}", reply.text);
        let reply = ask("+bufsize=65535 +ignore _many._tcp.marathon.mesos SRV");
        assert!(reply.flags.contains("tc") && reply.text.contains(edns), "{}", reply.text);
        assert!((10..60).contains(&reply.answer.len()), "{}", reply.text);
        let reply = ask("+bufsize=65535 _many._tcp.marathon.mesos SRV");
        assert_eq!((reply.flags.contains("tc"), reply.answer.len()), (false, 120), "{}", reply.text);
        assert_eq!(reply.additional.len(), 60, "{}", reply.text);

        // Ours is neither a zone to be copied nor a resolver for everybody.
        let refused =
            ["web.example A", "+norec web.example A", ". NS", "mesos AXFR", "-c CH version.bind TXT"];
        for question in refused {
            let reply = ask(question);
            // For transfers they have words of their own.
            let is_refused = ["REFUSED", "Transfer failed"].iter().any(|word| reply.text.contains(word));
            assert!(is_refused && !reply.text.contains("SOA\t"), "{tool:?} {question}: {}", reply.text);
            assert!(reply.answer.is_empty() && reply.authority.is_empty(), "{}", reply.text);
        }
    }
    // Only `dig` can send a version of EDNS that there is not.
    if Tool::installed().contains(&Tool::Dig) {
        for version in [1, 100, 255] {
            let question = format!("+edns={version} +noednsnegotiation web.marathon.mesos A");
            let reply = Tool::Dig.ask(daemon.dns, &question);
            assert_eq!((reply.status.as_str(), reply.answer.len()), ("BADVERS", 0), "{}", reply.text);
            assert!(reply.text.contains("EDNS: version: 0,") && reply.authority.is_empty(), "{}", reply.text);
            assert!(!reply.flags.contains("aa"), "{}", reply.text);
        }
    }
}

/// A header with this second word, and one question: `web.marathon.mesos A`.
fn raw(flags: u16) -> Vec<u8> {
    let mut message = Query::new("web.marathon.mesos", Rtype::A).message(0x1234).unwrap();
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_tool_sends() {
    let (_master, daemon) = serving().await;
    let before = axfr(&daemon).await;
    let reply =
        |message: Vec<u8>| async move { client::udp_bytes(daemon.dns, &message, SILENCE).await.unwrap() };
    // IQUERY, STATUS, NOTIFY, UPDATE, DSO and what is not assigned: NOTIMP, a bare header, nothing done.
    for opcode in [1_u16, 2, 4, 5, 6, 15] {
        let flags = opcode << 11 | 0x0100;
        let code = client::udp_bytes(daemon.dns, &raw(flags), Duration::from_secs(5)).await.unwrap();
        let [i0, i1, f0, f1, counts @ ..] = &code.expect("a reply")[..] else { panic!("no header") };
        assert_eq!((i0, i1, f0 & 0x87, f1 & 0x7f), (&0x12, &0x34, 0x80, 4), "opcode {opcode}");
        assert_eq!(counts, [0; 8], "opcode {opcode}");
    }
    // A response is never answered, whatever it holds; nor is what has no header.
    for flags in [0x8000, 0x8180, 0x8583, 0xa000] {
        assert_eq!(reply(raw(flags)).await, None, "{flags:04x}");
    }
    for length in [0, 1, 2, 11] {
        assert_eq!(reply(raw(0x0100)[..length].to_vec()).await, None, "{length} octets");
    }
    // Counts that are not true, names that point at themselves: FORMERR, and nothing but a header.
    let [mut none, mut two, mut more, mut rest] = [raw(0), raw(0), raw(0), raw(0)];
    none[5] = 0;
    two[5] = 2;
    more[7] = 255;
    rest.extend([0; 5]);
    let mut pointer = raw(0);
    pointer.truncate(12);
    pointer.extend(b"\xc0\x0c\0\x01\0\x01");
    for message in [none, two, more, rest, pointer] {
        let code = client::udp_bytes(daemon.dns, &message, Duration::from_secs(5)).await.unwrap();
        let code = code.unwrap_or_else(|| panic!("no reply to {message:x?}"));
        assert_eq!((code.len(), code[2] & 0x84, code[3] & 15), (12, 0x80, 1), "{message:x?}");
    }
    // The same over TCP; the connection lives on, or is closed, and the next one is served.
    let mut stream = TcpStream::connect(daemon.dns).await.unwrap();
    stream.write_all(&client::framed(&raw(0x8180))).await.unwrap();
    stream.write_all(&client::framed(&[])).await.unwrap();
    assert!(timeout(SILENCE, stream.read_u8()).await.is_err(), "neither a reply nor an end");
    stream.write_all(&client::framed(&raw(0x0100))).await.unwrap();
    assert_eq!(message(&mut stream).await[7], 3, "three answers on the same connection");
    // And all of it changed nothing.
    assert_eq!(axfr(&daemon).await, before);
    assert_eq!(daemon.metric("dns_panics_total").await, 0.0);
}

/// The next message of a stream.
async fn message(stream: &mut TcpStream) -> Vec<u8> {
    let read = async {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await.map(|_| message)
    };
    timeout(daemon::PATIENCE, read).await.expect("a reply").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_for_many_questions() {
    let (_master, daemon) = serving().await;
    let mut stream = TcpStream::connect(daemon.dns).await.unwrap();
    for _ in 0..2 {
        stream.write_all(&client::framed(&raw(0x0100))).await.unwrap();
        assert_eq!(message(&mut stream).await[7], 3);
    }
    // A hundred at once, in pieces that know nothing of messages: each answered once.
    let pipelined: Vec<u8> = (0..100_u16)
        .flat_map(|id| client::framed(&Query::new("many.marathon.mesos", Rtype::A).message(id).unwrap()))
        .collect();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        for piece in pipelined.chunks(97) {
            writer.write_all(piece).await.unwrap();
        }
        writer
    });
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let mut message = vec![0; usize::from(reader.read_u16().await.unwrap())];
        reader.read_exact(&mut message).await.unwrap();
        assert_eq!(message[7], 60);
        seen.insert(u16::from_be_bytes([message[0], message[1]]));
    }
    assert_eq!(seen, (0..100).collect());
    drop(writing.await.unwrap());
    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0, "nothing more, and it ends with us");
}

/// A client believes a reply only if it comes from the address it asked, which one socket for all must know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_answers_for_itself() {
    let master = Master::start(&ordinary()).await;
    let masters = [master.address().to_string()];
    // Forwarding is on for `localhost`, whose answer takes the way of those that come later.
    let daemon = Daemon::start(
        json!({"listener": "0.0.0.0", "masters": masters, "externalon": true, "resolvers": ["127.0.0.1:9"]}),
    );
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let mut addresses = vec!["127.0.0.1", "127.0.0.5", "127.255.255.254"];
    match std::net::UdpSocket::bind("[::1]:0") {
        Ok(_) => addresses.push("::1"),
        Err(error) => eprintln!("skipped: no IPv6 here: {error}"),
    }
    for tool in Tool::installed() {
        for address in &addresses {
            let server = SocketAddr::new(address.parse().unwrap(), daemon.dns.port());
            for (question, count) in [("web.marathon.mesos A", 3), ("localhost A", 1), ("+tcp mesos SOA", 1)]
            {
                let reply = tool.ask(server, question);
                assert_eq!(reply.answer.len(), count, "{tool:?} {address} {question}: {}", reply.text);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_cannot_take_all_connections() {
    let (_master, daemon) = serving().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(TcpStream::connect(daemon.dns).await.unwrap());
    }
    // The next is closed at once, and nobody else notices: UDP, HTTP, another address.
    let mut refused = TcpStream::connect(daemon.dns).await.unwrap();
    let ended = timeout(daemon::PATIENCE, refused.read(&mut [0])).await.expect("closed");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(daemon.metric("dns_connections_refused_total{limit=\"per_client\"}").await, 1.0);
    assert_eq!(daemon.metric("dns_connections{transport=\"tcp\"}").await, 64.0);
    let web = Query::new("web.marathon.mesos", Rtype::A);
    assert_eq!(client::udp(daemon.dns, &web).await.unwrap().answers().unwrap().len(), 3);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(daemon.dns).await.unwrap();
    other.write_all(&client::framed(&raw(0x0100))).await.unwrap();
    assert_eq!(message(&mut other).await[7], 3);
    // What is given back can be had again.
    drop(open);
    while daemon.metric("dns_connections{transport=\"tcp\"}").await > 1.0 {
        tokio::time::sleep(daemon::LOOK).await;
    }
    assert_eq!(client::tcp(daemon.dns, &web).await.unwrap().answers().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_data() {
    let master = Master::start(&ordinary()).await;
    master.says("503 Service Unavailable", "text/plain", b"no leader yet");
    let daemon = Daemon::start(json!({ "masters": [master.address().to_string()] }));
    for tool in Tool::installed() {
        for question in
            ["web.marathon.mesos A", "nobody.mesos A", "mesos SOA", "leader.mesos A", "+tcp a.mesos A"]
        {
            let reply = tool.ask(daemon.dns, &format!("+bufsize=1232 {question}"));
            assert_eq!((reply.status.as_str(), reply.answer.len()), ("SERVFAIL", 0), "{}", reply.text);
            assert!(!reply.flags.contains("aa") && reply.authority.is_empty(), "{}", reply.text);
            assert!(reply.text.contains("EDE: 14 (Not Ready)"), "{}", reply.text);
        }
    }
    let reasons = daemon
        .until_ready("refused by the master", |ready| ready["reasons"].to_string().contains("503"))
        .await["reasons"]
        .to_string();
    assert!(reasons.contains("no state document has been read yet"), "{reasons}");
    assert_eq!(daemon.get("/ready").await.0, 503);
    for path in ["/v1/axfr", "/v1/hosts/web.marathon.mesos.", "/v1/version"] {
        assert_eq!(daemon.get(path).await.0, 503, "{path}");
    }
    assert_eq!(daemon.get("/health").await.0, 200);
    // The data come, and all that was asked is there.
    master.shows(&ordinary());
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let answer = client::udp(daemon.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
    assert_eq!(answer.answers().unwrap().len(), 3);
}

//------------ DNS and HTTP say the same ---------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_and_http_say_the_same() {
    let mut documents = vec![("ordinary".to_owned(), ordinary()), ("none".into(), document(Vec::new()))];
    let captured_names = ["real-1.12/state.json", "real-1.12/failover-3-all-back.json"]
        .into_iter()
        .map(str::to_owned)
        .chain((1..=9).map(|number| {
            let names = ["task-names", "framework-names", "discovery-and-ports", "ip-sources", "ipv6"];
            let more = ["task-states", "agents", "two-frameworks-one-name", "empty"];
            format!("ours/0{number}-{}.json", names.iter().chain(&more).nth(number - 1).unwrap())
        }));
    documents.extend(captured_names.map(|name| (name.clone(), captured(&name))));
    let mut total = 0;
    for (name, document) in documents {
        let master = Master::start(&document).await;
        let daemon = Daemon::following(master.address()).await;
        let records = compare(&daemon).await;
        // Every record that `/v1/enumerate` shows is one of them.
        let listed = axfr(&daemon).await.to_string();
        let mut shown = 0;
        let enumerated = daemon.json("/v1/enumerate").await;
        for framework in enumerated["frameworks"].as_array().into_iter().flatten() {
            for task in framework["tasks"].as_array().into_iter().flatten() {
                for record in task["records"].as_array().into_iter().flatten() {
                    let part = |key: &str| record[key].to_string();
                    assert!(
                        listed.contains(&part("name")) && listed.contains(&part("host")),
                        "{name}: {record}"
                    );
                    shown += 1;
                }
            }
        }
        println!("{name}: {records} records over DNS, {shown} shown with their tasks");
        assert!(records >= 6, "{name}: the masters' own");
        total += records;
    }
    assert!(total > 500, "{total}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_by_all() {
    let master = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let daemon = Daemon::following(master.address()).await;
    let before = daemon.ready().await;
    master.shows(&document(vec![task("web", 0, &["10.30.0.9"]), task("db", 1, &["10.30.0.8"])]));
    daemon.until_ready("changed", |ready| ready["contentHash"] != before["contentHash"]).await;
    assert_eq!(answers(daemon.dns, "web.marathon.mesos", Rtype::A).await.unwrap(), ["10.30.0.9"]);
    assert_eq!(answers(daemon.dns, "db.marathon.mesos", Rtype::A).await.unwrap(), ["10.30.0.8"]);
    let after = daemon.until_ready("labelled", |ready| ready["serial"] != before["serial"]).await;
    assert!(after["serial"].as_u64() > before["serial"].as_u64(), "{after}");
    assert_eq!(axfr(&daemon).await["Serial"], after["serial"]);
    let soa = client::udp(daemon.dns, &Query::new("mesos", Rtype::SOA)).await.unwrap();
    assert_eq!(soa.answers().unwrap()[0].split(' ').nth(6).unwrap(), after["serial"].to_string());
    compare(&daemon).await;
    // The same document again is no change.
    let (version, reads) = (after["version"].clone(), daemon.metric("zone_updates_total").await);
    while daemon.metric("zone_updates_total").await < reads + 2.0 {
        tokio::time::sleep(daemon::LOOK).await;
    }
    let still = daemon.ready().await;
    assert_eq!((&still["version"], &still["serial"]), (&version, &after["serial"]));
}
