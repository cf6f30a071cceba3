//! The forwarder's connections to servers: shared, broken, encrypted, and not one client's alone.

use std::time::Duration;

use mesos_dns::forward::Client;
use mesos_dns_core::forward::{
    Transport, admission::CLIENT_OUTSTANDING_MAX, exchange::OPEN_MAX, server::Server,
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
    subject::{Subject, client, patient, query, servers, settings},
};

#[path = "support/certificates.rs"]
mod certificates;
#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/line.rs"]
mod line;
#[path = "forward/subject.rs"]
mod subject;

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
        if line.asked.name() == "www.example.com." {
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
