//! The forwarder against servers that lie, stall and fail, and against a real one.
//!
//! The lying servers stand in `forward/liar.rs`; the real one is Knot DNS, where Debian's package is
//! installed. Everything is on loopback, on ports given by the system.

use std::time::{Duration, Instant};

use mesos_dns::forward::Client;
use mesos_dns_core::{
    forward::{Settings, Transport, Truncation, admission::CLIENT_OUTSTANDING_MAX, server::Server},
    wire::Name,
};
use tokio::{net::UdpSocket, task::JoinSet};

use self::{
    liar::{Liar, Say},
    subject::{BUDGET, Subject, client, closed, query, settings, silent},
};

#[path = "forward/knot.rs"]
mod knot;
#[path = "forward/liar.rs"]
mod liar;
#[path = "support/rival.rs"]
mod rival;
#[path = "forward/subject.rs"]
mod subject;

#[tokio::test]
async fn identifiers_and_ports_are_random() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(settings(&[server.address]));
    for _ in 0..256 {
        assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    }
    let seen = server.seen();
    let distinct = |values: Vec<u16>| values.into_iter().collect::<std::collections::HashSet<_>>().len();
    assert!(distinct(seen.iter().map(|asked| asked.id()).collect()) > 240);
    assert!(distinct(seen.iter().map(|asked| asked.from.port()).collect()) > 240);
    // The kernel's own range ends at 60,999: these come from ours.
    assert!(seen.iter().any(|asked| asked.from.port() > 61_000));
}

#[tokio::test]
async fn what_does_not_belong_is_ignored() {
    let server = Liar::start(|asked| {
        let edit = |at: usize, value: u8| {
            let mut forged = asked.answer(3);
            forged[at] ^= value;
            Say::Reply(forged)
        };
        vec![
            edit(0, 1),    // Wrong identifier.
            edit(13, 1),   // Wrong name.
            edit(30, 3),   // Wrong type.
            edit(2, 0x80), // No reply.
            edit(2, 0x20), // No query was answered.
            Say::Reply(vec![]),
            Say::Reply(asked.answer(3)[..11].to_vec()),
            Say::FromElsewhere(asked.answer(3)),
            Say::Reply(asked.answer(1)),
            Say::Reply(asked.answer(2)),
        ]
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    for _ in 0..20 {
        assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    }
    assert_eq!(server.seen().len(), 20);
    assert_eq!(subject.count("strays_total"), 20 * 7, "the one from elsewhere was never seen");
}

#[tokio::test]
async fn a_late_answer_counts_if_nobody_was_faster() {
    let (slow, slow_address) = silent().await;
    let (good, good_address) = silent().await;
    let subject = Subject::new(settings(&[slow_address, good_address]));
    let servers = async {
        let late = liar::receive(&slow).await;
        let asked = liar::receive(&good).await;
        assert_ne!((late.id(), late.from), (asked.id(), asked.from), "nothing is used twice");
        // The identifier of one try is of no use on the socket of the other.
        let mut mixed = late.answer(2);
        mixed[..2].copy_from_slice(&asked.message[..2]);
        slow.send_to(&mixed, late.from).await.unwrap();
        slow.send_to(&late.answer(3), late.from).await.unwrap();
    };
    let asked = query("www.example.com", None);
    let (outcome, ()) = tokio::join!(subject.udp(&asked), servers);
    assert_eq!(outcome, (0, 3));
}

#[tokio::test]
async fn a_server_over_ipv6() {
    let Ok(server) = UdpSocket::bind("[::1]:0").await else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    let subject = Subject::new(settings(&[server.local_addr().unwrap()]));
    let reply = async {
        let asked = liar::receive(&server).await;
        server.send_to(&asked.answer(1), asked.from).await.unwrap();
    };
    let asked = query("www.example.com", None);
    assert_eq!(tokio::join!(subject.udp(&asked), reply).0, (0, 1));
}

#[tokio::test]
async fn guessing_leads_to_tcp() {
    let server = Liar::start(|asked| match asked.transport {
        Transport::Tcp => vec![Say::Reply(asked.answer(1))],
        Transport::Udp => (1..200)
            .map(|guess| {
                let mut forged = asked.answer(3);
                forged[0] ^= guess;
                Say::Reply(forged)
            })
            .collect(),
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    assert_eq!(server.transports(), [Transport::Udp, Transport::Tcp]);
}

#[tokio::test]
async fn truncated_replies_are_asked_for_over_tcp() {
    let server = Liar::start(|asked| match asked.transport {
        Transport::Udp => vec![Say::Reply(asked.truncated(5))],
        Transport::Tcp => vec![Say::Reply(asked.answer(100))],
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let reply = subject.ask(&query("www.example.com", None), Transport::Tcp).await;
    assert_eq!((reply[2] & 2, reply[7]), (0, 100), "whole over TCP");
    assert_eq!(server.transports(), [Transport::Udp, Transport::Tcp]);

    let reply = subject.ask(&query("www.example.com", Some(4096)), Transport::Udp).await;
    assert_eq!(reply[2] & 2, 2);
    assert!((1200..=1232).contains(&reply.len()), "{}", reply.len());
    let reply = subject.ask(&query("www.example.com", None), Transport::Udp).await;
    assert!((490..=512).contains(&reply.len()), "{}", reply.len());
    let silent = Settings { truncation: Truncation::Silent, ..settings(&[server.address]) };
    subject.forwarder.replace(silent, &[]);
    let reply = subject.ask(&query("www.example.com", None), Transport::Udp).await;
    assert_eq!((reply[2] & 2, reply[7]), (0, 29));
}

#[tokio::test]
async fn half_an_answer_is_better_than_none() {
    // Over TCP it hangs up without a word.
    let server = Liar::start(|asked| match asked.transport {
        Transport::Udp => vec![Say::Reply(asked.truncated(5))],
        Transport::Tcp => vec![],
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let reply = subject.ask(&query("www.example.com", None), Transport::Udp).await;
    assert_eq!((reply[2] & 2, reply[3] & 15, reply[7]), (2, 0, 5));
    let reply = subject.ask(&query("www.example.com", None), Transport::Tcp).await;
    assert_eq!((reply[3] & 15, reply[7]), (2, 0), "over TCP it would pass for the whole");
}

#[tokio::test]
async fn longer_than_asked_for() {
    let server = Liar::start(|asked| {
        vec![Say::Reply(asked.answer(if asked.transport == Transport::Udp { 250 } else { 251 }))]
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let reply = subject.ask(&query("www.example.com", None), Transport::Tcp).await;
    assert_eq!(reply[7], 250, "4033 octets fit in the buffer");
    let server = Liar::start(|asked| {
        vec![Say::Reply(asked.answer(if asked.transport == Transport::Udp { 255 } else { 251 }))]
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let reply = subject.ask(&query("www.example.com", None), Transport::Tcp).await;
    assert_eq!(reply[7], 251, "4113 octets do not: asked for again over TCP");
}

#[tokio::test]
async fn the_next_server_after_errors_and_garbage() {
    let servfail = Liar::start(|asked| vec![Say::Reply(asked.error(2))]).await;
    let refused = Liar::start(|asked| vec![Say::Reply(asked.error(5))]).await;
    let garbage = Liar::start(|asked| vec![Say::Reply(asked.answer(2)[..40].to_vec())]).await;
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let nobody = closed().await;
    let all = [servfail.address, refused.address, garbage.address, nobody, good.address];
    let subject = Subject::new(settings(&all));
    let started = Instant::now();
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    assert!(started.elapsed() < BUDGET, "none of them is waited for");

    let subject = Subject::new(settings(&[refused.address, servfail.address, garbage.address]));
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (2, 0), "the better of two errors");
    assert_eq!(subject.count("replies_total{outcome=\"Error\"}"), 1);
    let label =
        format!("tries_total{{server=\"{}\",transport=\"udp\",result=\"malformed\"}}", garbage.address);
    assert_eq!(subject.count(&label), 1);
}

#[tokio::test]
async fn a_server_without_edns() {
    let server =
        Liar::start(|asked| vec![Say::Reply(if asked.has_opt() { asked.bare(1) } else { asked.answer(1) })])
            .await;
    let subject = Subject::new(settings(&[server.address]));
    assert_eq!(subject.udp(&query("www.example.com", Some(1232))).await, (0, 1));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn silence_ends_with_the_budget() {
    let (_first, first) = silent().await;
    let (_second, second) = silent().await;
    let subject = Subject::new(settings(&[first, second]));
    let started = Instant::now();
    let reply = subject.ask(&query("www.example.com", Some(1232)), Transport::Udp).await;
    let elapsed = started.elapsed();
    assert!(BUDGET - Duration::from_millis(60) <= elapsed && elapsed < 2 * BUDGET, "{elapsed:?}");
    assert_eq!((reply[3] & 15, &reply[reply.len() - 6..]), (2, &[0, 15, 0, 2, 0, 22][..]));

    let reply =
        Subject::new(settings(&[closed().await])).ask(&query("a.b", Some(1232)), Transport::Udp).await;
    assert_eq!((reply[3] & 15, &reply[reply.len() - 6..]), (2, &[0, 15, 0, 2, 0, 23][..]));
    let reply = Subject::new(settings(&[closed().await])).ask(&query("a.b", None), Transport::Udp).await;
    assert_eq!(reply.len(), query("a.b", None).len(), "no OPT where none was sent");
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let (server, address) = silent().await;
    let subject = Subject::new(settings(&[address]));
    let mut askers = JoinSet::new();
    // More than half of all that one client may have outstanding, as a balancer in front of many has.
    for n in 0..150_u8 {
        let forwarder = subject.forwarder.clone();
        askers.spawn(async move {
            let payload = [None, Some(512), Some(1232)][usize::from(n) % 3];
            let mut asked = query(if n % 2 == 0 { "www.example.com" } else { "WWW.Example.COM" }, payload);
            asked[0] = n;
            let reply = forwarder.answer(&asked, client(Transport::Udp)).await.unwrap();
            let end = query("www.example.com", None).len();
            assert_eq!(reply[..2], asked[..2], "its own identifier");
            assert_eq!(reply[12..end], asked[12..end], "its own spelling");
            assert_eq!((reply[3] & 15, reply[7], reply[11]), (0, 20, u8::from(payload.is_some())));
            assert_eq!(reply[3] & 0x20, 0, "AD only for who wants it");
        });
    }
    let asked = liar::receive(&server).await;
    while subject.count("joined_total") < 149 {
        tokio::task::yield_now().await;
    }
    let mut reply = asked.answer(20);
    reply[3] |= 0x20;
    server.send_to(&reply, asked.from).await.unwrap();
    while let Some(done) = askers.join_next().await {
        done.unwrap();
    }
    assert!(server.try_recv(&mut [0; 512]).is_err(), "one query went out");
    assert_eq!(subject.count("replies_total{outcome=\"Answered\"}"), 150);
    subject.idle().await;
}

#[tokio::test]
async fn a_reload_that_leads_no_name_elsewhere_asks_nothing_twice() {
    let (server, address) = silent().await;
    let subject = Subject::new(settings(&[address]));
    let ask = || {
        let forwarder = subject.forwarder.clone();
        tokio::spawn(async move {
            forwarder.answer(&query("www.example.com", None), client(Transport::Udp)).await
        })
    };
    let first = ask();
    let asked = liar::receive(&server).await;
    subject.forwarder.replace(Settings { budget: 2 * BUDGET, ..settings(&[address]) }, &[]);
    let second = ask();
    while subject.count("queries_total") < 2 {
        tokio::task::yield_now().await;
    }
    server.send_to(&asked.answer(1), asked.from).await.unwrap();
    for told in [first, second] {
        assert_eq!(told.await.unwrap().unwrap()[7], 1);
    }
    assert_eq!(subject.count("joined_total"), 1);
    assert!(server.try_recv(&mut [0; 512]).is_err(), "one query went out");
}

#[tokio::test]
async fn the_asker_who_began_may_go_away() {
    let (server, address) = silent().await;
    let subject = Subject::new(settings(&[address]));
    let first = tokio::spawn({
        let forwarder = subject.forwarder.clone();
        async move { forwarder.answer(&query("www.example.com", None), client(Transport::Udp)).await }
    });
    let asked = liar::receive(&server).await;
    first.abort();
    assert!(first.await.is_err());
    let reply = async {
        while subject.count("joined_total") < 1 {
            tokio::task::yield_now().await;
        }
        server.send_to(&asked.answer(1), asked.from).await.unwrap();
    };
    let mut wants = query("www.example.com", None);
    wants[3] |= 0x20;
    let (outcome, ()) = tokio::join!(subject.udp(&wants), reply);
    assert_eq!(outcome, (0, 1));
    assert!(server.try_recv(&mut [0; 512]).is_err(), "one query went out");
}

#[tokio::test]
async fn a_dead_zone_does_not_stop_the_others() {
    let (_dead, dead) = silent().await;
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let zones = vec![(Name::parse("dead").unwrap(), vec![Server::plain(dead)])];
    let budget = Duration::from_secs(4);
    let subject = Subject::new(Settings { zones, budget, ..settings(&[good.address]) });
    let started = Instant::now();
    let mut flood = JoinSet::new();
    for n in 0..500 {
        let forwarder = subject.forwarder.clone();
        let query = query(&format!("n{n}.dead"), None);
        flood.spawn(async move { forwarder.answer(&query, client(Transport::Udp)).await.unwrap() });
    }
    for _ in 0..500 - CLIENT_OUTSTANDING_MAX {
        let turned_away = flood.join_next().await.unwrap().unwrap();
        assert_eq!(turned_away[3] & 15, 2);
    }
    for n in 0..100 {
        assert_eq!(subject.udp(&query(&format!("n{n}.example.com"), None)).await, (0, 1));
    }
    assert!(started.elapsed() < budget / 2, "{:?}", started.elapsed());
    assert_eq!(subject.forwarder.outstanding(), CLIENT_OUTSTANDING_MAX, "the dead ones still wait");
    assert_eq!(subject.count("limits_total{limit=\"client\"}"), u64::from(500 - CLIENT_OUTSTANDING_MAX));
    flood.shutdown().await;
    assert_eq!(
        subject.forwarder.outstanding(),
        CLIENT_OUTSTANDING_MAX,
        "asking and going away gains nothing"
    );
    subject.idle().await;
}

#[tokio::test]
async fn we_do_not_ask_ourselves() {
    let (socket, own) = silent().await;
    let subject = Subject::listening(settings(&[own]), &[own]);
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (2, 0));
    assert_eq!(subject.count("own_servers_total"), 1);
    assert!(socket.try_recv(&mut [0; 16]).is_err(), "nothing was sent");
}

#[tokio::test]
async fn refused_before_anybody_is_asked() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(settings(&[server.address]));
    let asked = query("www.example.com", Some(1232));
    let stranger = Client { address: "8.8.8.8:53".parse().unwrap(), ..client(Transport::Udp) };
    let reply = subject.forwarder.answer(&asked, stranger).await.unwrap();
    assert_eq!((reply[3] & 15, &reply[reply.len() - 6..]), (5, &[0, 15, 0, 2, 0, 18][..]));
    let mut no_recursion = asked.clone();
    no_recursion[2] = 0;
    assert_eq!(subject.udp(&no_recursion).await, (5, 0));
    assert_eq!(subject.udp(&query("web.marathon.mesos", None)).await, (5, 0));
    assert_eq!(subject.udp(&query("db.localhost", None)).await, (0, 1));
    assert_eq!(subject.forwarder.answer(b"junk", client(Transport::Udp)).await, None);
    subject.forwarder.replace(Settings { external_on: false, ..settings(&[server.address]) }, &[]);
    assert_eq!(subject.udp(&asked).await, (5, 0));
    subject.forwarder.replace(settings(&[]), &[]);
    assert_eq!(subject.udp(&asked).await, (5, 0));
    assert_eq!(server.seen().len(), 0);
    for reason in ["client", "no_recursion", "own_domain", "off", "no_servers"] {
        assert_eq!(subject.count(&format!("refusals_total{{reason=\"{reason}\"}}")), 1, "{reason}");
    }
    assert_eq!(subject.count("queries_total"), 7);
}

#[tokio::test]
async fn a_real_server_behind_two_dead_ones() {
    let Some(knot) = knot::start().await else {
        eprintln!("skipped: knotd is not installed");
        return;
    };
    let (_silent, silent) = silent().await;
    let subject = Subject::new(settings(&[silent, closed().await, knot.address]));
    let started = Instant::now();
    let reply = subject.ask(&query("WWW.Example.Test", Some(1232)), Transport::Udp).await;
    assert!(started.elapsed() < BUDGET);
    assert_eq!((reply[3] & 15, reply[7]), (0, 2));
    assert_eq!(reply[12..30], query("WWW.Example.Test", None)[12..30], "in the client's spelling");
    assert_eq!(subject.udp(&query("nothing.example.test", None)).await, (3, 0));

    subject.forwarder.replace(settings(&[knot.address]), &[]);
    let many = query("many.example.test", None);
    let reply = subject.ask(&many, Transport::Tcp).await;
    assert_eq!((reply[2] & 2, reply[7]), (0, 200), "through TCP, as Knot truncates");
    let reply = subject.ask(&many, Transport::Udp).await;
    assert_eq!(reply[2] & 2, 2);
    assert!(reply.len() <= 512);
    let label = format!("tries_total{{server=\"{}\",transport=\"tcp\",result=\"answer\"}}", knot.address);
    assert_eq!(subject.count(&label), 2);
}
