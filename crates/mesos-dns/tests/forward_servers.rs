//! The forwarder and its servers: which are asked when, what it believes, how it uses connections.
//!
//! Scripted servers on loopback; what depends on time alone is tested in the core, in made-up time.

use std::time::{Duration, Instant};

use mesos_dns::forward::Client;
use mesos_dns_core::forward::{
    Settings, Transport, admission::CLIENT_OUTSTANDING_MAX, exchange::OPEN_MAX, server::Server,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::{task::JoinSet, time::timeout};

use self::{
    certificates::{Authority, Valid},
    liar::{Liar, Say},
    line::Switchboard,
    subject::{Subject, client, closed, query, servers, settings, silent},
};

#[path = "support/certificates.rs"]
mod certificates;
#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/line.rs"]
mod line;
#[path = "forward/subject.rs"]
mod subject;

/// Where the name of the question begins and ends.
fn question(message: &[u8]) -> &[u8] {
    &message[12..query("www.example.com", None).len().min(message.len())]
}

/// Settings with time for whatever a busy machine does.
fn patient(settings: Settings) -> Settings {
    Settings { budget: Duration::from_secs(10), ..settings }
}

//------------ Spelling -------------------------------------------------------

#[tokio::test]
async fn every_question_is_spelled_anew() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(settings(&[server.address]));
    for _ in 0..64 {
        let asked = query("www.example.com", None);
        let reply = subject.ask(&asked, Transport::Udp).await;
        assert_eq!(question(&reply), question(&asked), "the client sees its own");
    }
    let seen = server.seen();
    let spellings: std::collections::HashSet<_> = seen.iter().map(|asked| question(&asked.message)).collect();
    assert!(spellings.len() > 50, "13 letters, 64 questions");
    let plain = query("www.example.com", None);
    assert!(spellings.iter().all(|spelled| spelled.eq_ignore_ascii_case(question(&plain))));
}

#[tokio::test]
async fn another_spelling_is_not_believed() {
    // Somebody guessed identifier and port, and does not know the spelling; over TCP the server itself speaks.
    let server = Liar::start(|asked| {
        let mut forged = asked.answer(3);
        let last = 12 + question(&forged).len() - 6;
        forged[last] ^= 0x20;
        let forged = Say::Reply(forged);
        match asked.transport {
            Transport::Udp => vec![forged, Say::Reply(asked.answer(2))],
            Transport::Tcp => vec![Say::Reply(asked.answer(1))],
        }
    })
    .await;
    let subject = Subject::new(patient(settings(&[server.address])));
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    assert_eq!(server.transports(), [Transport::Udp, Transport::Tcp]);
    let label = format!("tries_total{{server=\"{}\",transport=\"udp\",result=\"folded\"}}", server.address);
    assert_eq!(subject.count(&label), 1);
}

#[tokio::test]
async fn a_server_that_folds_is_asked_in_lower_case() {
    let server = Liar::start(|asked| {
        let mut reply = asked.answer(1);
        let end = 12 + question(&reply).len();
        reply[12..end].make_ascii_lowercase();
        vec![Say::Reply(reply)]
    })
    .await;
    let subject = Subject::new(patient(settings(&[server.address])));
    let asked = query("www.example.com", None);
    // A spelling without a capital letter shows nothing, and is drawn once in 8192 times.
    for _ in 0..6 {
        assert_eq!(subject.udp(&asked).await, (0, 1));
    }
    let (udp, tcp) = (Transport::Udp, Transport::Tcp);
    assert_eq!(server.transports(), [udp, tcp, udp, tcp, udp, udp, udp, udp]);
    assert!(server.seen()[4..].iter().all(|seen| question(&seen.message) == question(&asked)));
}

//------------ Whom to ask ----------------------------------------------------

#[tokio::test]
async fn a_dead_first_server_costs_little_and_then_nothing() {
    let (first, second) = (silent().await, silent().await);
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    for (dead, all) in [
        (vec![&first], vec![first.1, good.address, closed().await]),
        (vec![&first, &second], vec![first.1, second.1, good.address]),
    ] {
        let subject = Subject::new(patient(settings(&all)));
        let is_ill = |server| subject.count(&format!("server_ill{{server=\"{server}\"}}")) == 1;
        let started = Instant::now();
        let mut n = 0;
        // Clients ask on while nobody knows yet.
        while !dead.iter().all(|(_, server)| is_ill(server)) {
            n += 1;
            assert_eq!(subject.udp(&query(&format!("n{n}.example.com"), None)).await, (0, 1));
            assert!(started.elapsed() < Duration::from_secs(60), "never found");
        }
        // From now on the dead ones get probes and nothing else, so nobody waits for them.
        for (socket, _) in &dead {
            while socket.try_recv(&mut [0; 512]).is_ok() {}
        }
        for n in 0..50 {
            assert_eq!(subject.udp(&query(&format!("m{n}.example.com"), None)).await, (0, 1));
        }
        for (socket, server) in &dead {
            let asked = std::iter::from_fn(|| socket.try_recv(&mut [0; 512]).ok()).count() as u64;
            let probes = subject.count(&format!("probes_total{{server=\"{server}\"}}"));
            assert!(asked <= probes, "{asked}, {probes}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_back_is_found_by_a_probe() {
    let (first, address) = silent().await;
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(patient(settings(&[address, good.address])));
    let ill = format!("server_ill{{server=\"{address}\"}}");
    let mut n = 0;
    let mut ask = async || {
        n += 1;
        subject.udp(&query(&format!("n{n}.example.com"), None)).await
    };
    while subject.count(&ill) == 0 {
        assert_eq!(ask().await, (0, 1));
    }
    let back = tokio::spawn(async move {
        // What was asked before the illness stays without an answer.
        while first.try_recv(&mut [0; 512]).is_ok() {}
        loop {
            let asked = liar::receive(&first).await;
            first.send_to(&asked.answer(2), asked.from).await.unwrap();
        }
    });
    let found = async {
        while subject.count(&ill) == 1 {
            assert_eq!(ask().await.0, 0, "clients notice nothing");
        }
        assert_eq!(ask().await, (0, 2), "it is the first again");
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("a probe goes out every few seconds");
    assert!(subject.count(&format!("probes_total{{server=\"{address}\"}}")) > 0);
    back.abort();
}

#[tokio::test]
async fn a_slow_server_is_helped_out_now_and_then() {
    let slow = std::sync::atomic::AtomicBool::new(false);
    let slow = std::sync::Arc::new(slow);
    let is_slow = slow.clone();
    // Silent from some moment on.
    let first = Liar::start(move |asked| {
        let silent = is_slow.load(std::sync::atomic::Ordering::Relaxed);
        if silent { vec![] } else { vec![Say::Reply(asked.answer(1))] }
    })
    .await;
    let second = Liar::start(|asked| vec![Say::Reply(asked.answer(2))]).await;
    let subject = Subject::new(patient(settings(&[first.address, second.address])));
    for n in 0..40 {
        assert_eq!(subject.udp(&query(&format!("n{n}.example.com"), None)).await.0, 0);
    }
    slow.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(subject.udp(&query("now.example.com", None)).await, (0, 2));
    let hedges = subject.count(&format!("hedges_total{{server=\"{}\"}}", second.address));
    assert!((1..=13).contains(&hedges), "{hedges}: ten saved, and one for each twenty of 41");
}

#[tokio::test]
async fn of_a_server_that_is_asked_no_more_nothing_is_told() {
    let (gone, address) = silent().await;
    let subject = Subject::new(settings(&[address]));
    let (forwarder, asked) = (subject.forwarder.clone(), query("www.example.com", None));
    let asking = tokio::spawn(async move { forwarder.answer(&asked, client(Transport::Udp)).await });
    liar::receive(&gone).await;
    subject.forwarder.replace(settings(&[closed().await]), &[]);
    // The next try finds nobody there, which makes ill.
    drop(gone);
    asking.await.unwrap();
    subject.idle().await;
    let of = |what: &str| subject.count(&format!("{what}{{server=\"{address}\"}}"));
    assert_eq!(
        subject.count(&format!("tries_total{{server=\"{address}\",transport=\"udp\",result=\"failure\"}}")),
        1
    );
    assert_eq!(of("server_ill"), 0);
}

//------------ Connections ----------------------------------------------------

/// Asks these names at the same time; each name with its code and its number of answers.
fn ask_all(subject: &Subject, names: &[&str]) -> JoinSet<(String, u8, u8)> {
    let mut asking = JoinSet::new();
    for name in names {
        let (forwarder, name) = (subject.forwarder.clone(), (*name).to_owned());
        asking.spawn(async move {
            let reply = forwarder.answer(&query(&name, None), client(Transport::Tcp)).await.unwrap();
            (name, reply[3] & 15, reply[7])
        });
    }
    asking
}

/// The outcomes, by name.
async fn outcomes(asking: JoinSet<(String, u8, u8)>) -> Vec<(String, u8, u8)> {
    let mut outcomes = asking.join_all().await;
    outcomes.sort();
    outcomes
}

#[tokio::test]
async fn many_queries_share_a_connection_and_are_answered_in_any_order() {
    let mut server = Switchboard::plain().await;
    let subject = Subject::new(patient(settings(&[server.address])));
    let asking = ask_all(&subject, &["a1.example", "a2.example", "a3.example"]);
    let lines = [server.next().await, server.next().await, server.next().await];
    assert!(lines.iter().all(|line| line.connection == 0));
    let ids: std::collections::HashSet<_> = lines.iter().map(|line| line.asked.id()).collect();
    assert_eq!(ids.len(), 3);
    for line in lines.iter().rev() {
        // Another's question under this identifier, and an identifier of nobody, are no answer.
        let mut wrong = line.asked.answer(9);
        wrong[14] ^= 7;
        line.say(wrong);
        let mut nobody = line.asked.answer(9);
        nobody[0] ^= 0x80;
        line.say(nobody);
        line.say(line.asked.answer(line.asked.message[14] - b'0'));
    }
    let outcomes = outcomes(asking).await;
    assert_eq!(outcomes, [("a1.example", 0, 1), ("a2.example", 0, 2), ("a3.example", 0, 3)].map(owned));
    // The same connection serves the next.
    let asking = ask_all(&subject, &["a4.example"]);
    let line = server.next().await;
    assert_eq!(line.connection, 0);
    line.say(line.asked.answer(4));
    assert_eq!(self::outcomes(asking).await, [owned(("a4.example", 0, 4))]);
}

fn owned((name, rcode, answers): (&str, u8, u8)) -> (String, u8, u8) {
    (name.to_owned(), rcode, answers)
}

#[tokio::test]
async fn a_connection_that_breaks_costs_nothing_once() {
    let mut server = Switchboard::plain().await;
    let subject = Subject::new(patient(settings(&[server.address])));
    let asking = ask_all(&subject, &["a1.example"]);
    let line = server.next().await;
    line.say(line.asked.answer(1));
    assert_eq!(outcomes(asking).await, [owned(("a1.example", 0, 1))]);
    // Closed while idle.
    line.hang_up();
    let asking = ask_all(&subject, &["a2.example", "a3.example"]);
    let lines = [server.next().await, server.next().await];
    assert!(lines.iter().all(|line| line.connection == 1));
    // Closed with two queries on it.
    lines[0].hang_up();
    let lines = [server.next().await, server.next().await];
    assert!(lines.iter().all(|line| line.connection == 2));
    for line in &lines {
        line.say(line.asked.answer(2));
    }
    assert_eq!(outcomes(asking).await, [owned(("a2.example", 0, 2)), owned(("a3.example", 0, 2))]);
    // And once more: then it has failed.
    lines[0].hang_up();
    let asking = ask_all(&subject, &["a4.example"]);
    server.next().await.hang_up();
    server.next().await.hang_up();
    assert_eq!(outcomes(asking).await, [owned(("a4.example", 2, 0))]);
    assert!(server.is_quiet());
}

/// A server over TLS with a certificate for these names; who trusts it as `name` asks it.
async fn encrypted(names: &[&str], valid: Valid, name: &str, trusted: bool) -> (Switchboard, Subject) {
    let (authority, other) = (Authority::new("root"), Authority::new("another root"));
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue(directory.path(), names, valid);
    let server = Switchboard::encrypted(&certificate, &key).await;
    let root = if trusted { authority } else { other }.write(directory.path().join("root.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let settings = servers(vec![Server::over_tls(server.address, name)]);
    (server, Subject::with_roots(patient(settings), roots))
}

#[tokio::test]
async fn a_server_over_tls() {
    let (mut server, subject) =
        encrypted(&["dns.example", "127.0.0.1"], Valid::Now, "dns.example", true).await;
    for n in 1..4 {
        let asking = ask_all(&subject, &["a.example", "b.example"]);
        let lines = [server.next().await, server.next().await];
        assert!(lines.iter().all(|line| line.connection == 0), "one handshake");
        for line in lines.iter().rev() {
            line.say(line.asked.answer(n));
        }
        assert_eq!(outcomes(asking).await, [owned(("a.example", 0, n)), owned(("b.example", 0, n))]);
    }
    let label = format!(
        "tries_total{{server=\"tls://{}#dns.example\",transport=\"tls\",result=\"answer\"}}",
        server.address
    );
    assert_eq!(subject.count(&label), 6);

    let (mut server, subject) = encrypted(&["127.0.0.1"], Valid::Now, "127.0.0.1", true).await;
    let asking = ask_all(&subject, &["a.example"]);
    let line = server.next().await;
    line.say(line.asked.answer(1));
    assert_eq!(outcomes(asking).await, [owned(("a.example", 0, 1))], "an address is a name as well");
}

#[tokio::test]
async fn one_client_does_not_take_all_connections() {
    let (mut server, subject) =
        encrypted(&["dns.example", "127.0.0.1"], Valid::Now, "dns.example", true).await;
    let names: Vec<_> = (0..CLIENT_OUTSTANDING_MAX).map(|n| format!("n{n}.slow")).collect();
    let _slow = ask_all(&subject, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // Each is asked a second and a third time while the first may still be answered.
    let all = async {
        for _ in 0..CLIENT_OUTSTANDING_MAX as usize * OPEN_MAX {
            server.next().await;
        }
    };
    timeout(Duration::from_secs(20), all).await.expect("each has its place");
    let (forwarder, asked) = (subject.forwarder.clone(), query("www.example.com", None));
    let other = Client { address: "10.0.0.2:53".parse().unwrap(), ..client(Transport::Tcp) };
    let answered = tokio::spawn(async move { forwarder.answer(&asked, other).await.unwrap() });
    loop {
        let line = timeout(Duration::from_secs(20), server.next()).await.unwrap();
        if question(&line.asked.message).eq_ignore_ascii_case(question(&query("www.example.com", None))) {
            line.say(line.asked.answer(1));
            break;
        }
    }
    let reply = answered.await.unwrap();
    assert_eq!((reply[3] & 15, reply[7]), (0, 1));
}

#[tokio::test]
async fn a_server_over_tls_that_is_not_who_it_should_be_is_told_nothing() {
    for (names, valid, name, trusted) in [
        (&["dns.example"][..], Valid::Now, "other.example", true),
        (&["dns.example"], Valid::Now, "dns.example", false),
        (&["dns.example"], Valid::Expired, "dns.example", true),
        (&[], Valid::Now, "dns.example", true),
    ] {
        let (mut server, subject) = encrypted(names, valid, name, trusted).await;
        let asked = query("www.example.com", Some(1232));
        let reply = subject.ask(&asked, Transport::Udp).await;
        assert_eq!((reply[3] & 15, &reply[reply.len() - 6..]), (2, &[0, 15, 0, 2, 0, 23][..]), "{name}");
        assert!(server.is_quiet(), "{name}");
        assert_eq!(subject.count(&format!("server_ill{{server=\"tls://{}#{name}\"}}", server.address)), 1);
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_is_not_asked_otherwise() {
    let plain = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let server = Server::over_tls(plain.address, "dns.example");
    let subject = Subject::with_roots(settings(&[]), RootCertStore::empty());
    subject.forwarder.replace(servers(vec![server]), &[]);
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (2, 0));
    assert!(plain.seen().iter().all(|seen| seen.transport == Transport::Tcp), "no datagram");
}
