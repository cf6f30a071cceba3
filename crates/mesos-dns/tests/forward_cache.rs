//! What the forwarder remembers of servers, for how long, and what it forgets.
//!
//! The servers stand in `forward/liar.rs` and `forward/told.rs`. Everything is on loopback, on ports given by the system.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    forward::{
        Settings, Transport, Truncation,
        entry::{Manner, Telling},
        selection::Selection,
    },
    wire::Name,
};
use tokio::{task::JoinSet, time::sleep};

use self::{
    liar::{Liar, Say},
    subject::{BUDGET, Subject, client, remembering, silent},
    told::{PATIENCE, counting, failing, made, question, read, soa, until},
};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;
#[path = "forward/told.rs"]
mod told;

#[tokio::test]
async fn asked_once_and_told_again() {
    let server = counting().await;
    let subject = Subject::new(remembering(&[server.address]));
    for name in ["60.example.com", "60.Example.COM", "60.example.com"] {
        let told = subject.told(&question(name, 1, 0)).await;
        assert_eq!((told.rcode, &told.data[..], &told.reasons[..]), (0, &[1][..], &[][..]));
        assert!((59..=60).contains(&told.ttls[0]));
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!((subject.answers("fresh"), subject.count("cache_misses_total")), (2, 1));
    assert_eq!(subject.count("cache_entries"), 1);
    assert!(subject.count("cache_bytes") > 100);
    // Another type, DO and CD are other questions.
    for (number, (qtype, flags)) in [(16, 0), (1, 0x80), (1, 0x10), (1, 0x90)].into_iter().enumerate() {
        for _ in 0..2 {
            subject.told(&question("60.example.com", qtype, flags)).await;
        }
        assert_eq!(server.seen().len(), 2 + number, "{qtype} {flags}");
    }
    // AD is none.
    assert_eq!(subject.told(&question("60.example.com", 1, 0x20)).await.data, [1]);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn times_are_counted_down_and_end() {
    let server = counting().await;
    let subject = Subject::new(remembering(&[server.address]));
    // TTL 0 is told to who asked, and not kept; so is one with the top bit set.
    for name in ["0.example.com", "2147483649.example.com"] {
        let before = server.seen().len();
        assert_eq!(subject.told(&question(name, 1, 0)).await.ttls, [0]);
        subject.short(name).await;
        assert_eq!(server.seen().len(), before + 2, "{name}");
    }
    assert_eq!(subject.told(&question("9999999.example.com", 1, 0)).await.ttls, [86_400], "a day at most");
    assert_eq!(subject.told(&question("2.example.com", 1, 0)).await.ttls, [2]);
    let before = server.seen().len();
    let mut seen = Vec::new();
    let started = Instant::now();
    while server.seen().len() == before {
        assert!(started.elapsed() < PATIENCE);
        seen.extend(subject.told(&question("2.example.com", 1, 0)).await.ttls);
        sleep(Duration::from_millis(5)).await;
    }
    seen.dedup();
    assert!(seen.starts_with(&[2, 1]) && !seen.contains(&0), "{seen:?}");
}

#[tokio::test]
async fn what_is_not_there() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let rcode = if name.starts_with("nx") { 3 } else { 0 };
        let soa = (2, "example.com", 6, 300, soa(60));
        vec![Say::Reply(made(
            asked,
            rcode,
            if name.contains("bare") { &[] } else { std::slice::from_ref(&soa) },
        ))]
    })
    .await;
    let subject = Subject::new(remembering(&[server.address]));
    for (name, rcode, asked) in [
        ("nx.example.com", 3, 1),
        ("no.example.com", 0, 1),
        ("nx.bare.example.com", 3, 2),
        ("no.bare.example.com", 0, 2),
    ] {
        let before = server.seen().len();
        for _ in 0..2 {
            assert_eq!(subject.short(name).await, (rcode, 0));
        }
        assert_eq!(server.seen().len(), before + asked, "{name}");
    }
    assert_eq!(subject.answers("negative"), 2);
}

#[tokio::test]
async fn popular_names_are_asked_for_before_their_end() {
    let server = counting().await;
    let subject = Subject::new(remembering(&[server.address]));
    // Lives for four seconds, of which the last two are worth a refresh.
    let started = Instant::now();
    while server.seen().len() < 2 {
        assert_eq!(subject.short("4.example.com").await, (0, 1));
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() < Duration::from_secs(4), "it was asked for while it was still good");
    assert_eq!(subject.count("cache_refreshes_total"), 1);
    until("the new answer", || subject.count("cache_answers_total{kind=\"aging\"}") > 0).await;
    let started = Instant::now();
    while subject.told(&question("4.example.com", 1, 0)).await.data != [2] {
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(subject.count("cache_misses_total"), 1, "nobody waited but the first");
}

#[tokio::test]
async fn addresses_take_turns() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(5))]).await;
    let subject = Subject::new(remembering(&[server.address]));
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let told = subject.told(&question("www.example.com", 1, 0)).await;
        let mut sorted = told.data.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        first.insert(told.data[0]);
    }
    assert_eq!((first.len(), server.seen().len()), (5, 1));
}

#[tokio::test]
async fn what_can_be_told_at_once() {
    let (server, _, fails) = failing(2).await;
    let subject = Subject::new(remembering(&[server.address]));
    let recall = |query: &[u8], client: &str| {
        let query = mesos_dns_core::wire::Query::read(query).unwrap();
        let telling = Telling {
            now: Instant::now(),
            manner: Manner::Current,
            transport: Transport::Udp,
            truncation: Truncation::Flagged,
            options: b"\0\x03\0\x02me",
            turn: 0,
        };
        let mut out = [0; 1232];
        let length = subject.forwarder.recall(&query, client.parse().unwrap(), &telling, &mut out)?;
        assert!(out[..length].windows(6).any(|part| part == b"\0\x03\0\x02me"));
        Some(read(&out[..length]))
    };
    let www = question("www.example.com", 1, 0);
    assert_eq!(recall(&www, "10.0.0.1"), None, "nothing is known");
    assert_eq!(subject.count("cache_misses_total"), 0, "whoever asks will count it");
    subject.told(&www).await;
    let told = recall(&www, "10.0.0.1").unwrap();
    assert_eq!((told.rcode, told.ttls, told.data), (0, vec![2], vec![1]));
    assert_eq!((subject.answers("fresh"), subject.count("queries_total")), (1, 2));
    let mut no_recursion = www.clone();
    no_recursion[2] = 0;
    assert_eq!(recall(&no_recursion, "10.0.0.1"), None);
    assert_eq!(recall(&www, "8.8.8.8"), None, "a client that is to be refused");
    // It ages, and somebody has to ask.
    let started = Instant::now();
    while recall(&www, "::ffff:10.0.0.1").is_some() {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5)).await;
    }
    // Failures are told too, and what is told as stale meanwhile.
    fails.store(true, Ordering::Relaxed);
    let other = question("other.example.com", 1, 0);
    subject.told(&other).await;
    let told = recall(&other, "10.0.0.1").unwrap();
    assert_eq!((told.rcode, told.reasons), (2, vec![13]));
    subject.forwarder.replace(Settings { external_on: false, ..remembering(&[server.address]) }, &[]);
    assert_eq!(recall(&other, "10.0.0.1"), None);
}

#[tokio::test]
async fn other_servers_other_answers() {
    let (first, second) = (counting().await, counting().await);
    let subject = Subject::new(remembering(&[first.address]));
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    // What has nothing to do with it changes nothing; nor does another size.
    let longer = Settings { budget: 2 * BUDGET, cache_bytes: 8 << 20, ..remembering(&[first.address]) };
    subject.forwarder.replace(longer, &[]);
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    assert_eq!(first.seen().len(), 1);
    subject.forwarder.replace(remembering(&[second.address]), &[]);
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
    subject.forwarder.replace(Settings { cache_bytes: 0, ..remembering(&[second.address]) }, &[]);
    for _ in 0..2 {
        assert_eq!(subject.short("60.example.com").await, (0, 1));
    }
    assert_eq!((second.seen().len(), subject.count("cache_entries")), (3, 0));
    subject.forwarder.replace(remembering(&[second.address]), &[]);
    for _ in 0..2 {
        assert_eq!(subject.short("60.example.com").await, (0, 1));
    }
    assert_eq!(second.seen().len(), 4);
}

#[tokio::test]
async fn what_lands_after_a_reload_is_not_counted_as_remembered() {
    let (socket, address) = silent().await;
    let subject = Subject::new(remembering(&[address]));
    let reload_on_the_way = async {
        let asked = liar::receive(&socket).await;
        subject.forwarder.replace(remembering(&[counting().await.address]), &[]);
        socket.send_to(&asked.answer(1), asked.from).await.unwrap();
    };
    let asked = question("www.example.com", 1, 0);
    let (told, ()) = tokio::join!(subject.told(&asked), reload_on_the_way);
    assert_eq!((told.rcode, &told.data[..]), (0, &[0][..]));
    assert_eq!((subject.count("cache_entries"), subject.count("cache_bytes")), (0, 0));
}

#[tokio::test]
async fn forgotten_by_order() {
    let server = counting().await;
    let subject = Subject::new(remembering(&[server.address]));
    let names = ["60.example.com", "60.a.example.com", "60.example.org"];
    let mut all = JoinSet::new();
    for name in names {
        let forwarder = subject.forwarder.clone();
        all.spawn(async move { forwarder.answer(&question(name, 1, 0), client(Transport::Udp)).await });
    }
    all.join_all().await;
    assert_eq!(subject.forwarder.flush(&Selection::Below(Name::parse("example.com").unwrap())), 2);
    for name in names {
        subject.short(name).await;
    }
    assert_eq!(server.seen().len(), 5);
    assert_eq!((subject.count("cache_flushed_total"), subject.count("cache_entries")), (2, 3));
}

#[tokio::test]
async fn what_was_asked_for_before_a_flush_is_not_remembered() {
    let (socket, address) = silent().await;
    let subject = Subject::new(remembering(&[address]));
    let (www, all) = (question("www.example.com", 1, 0), Selection::All);
    let flush_on_the_way = async {
        let asked = liar::receive(&socket).await;
        subject.forwarder.flush(&all);
        socket.send_to(&asked.answer(1), asked.from).await.unwrap();
    };
    let (told, ()) = tokio::join!(subject.told(&www), flush_on_the_way);
    assert_eq!(told.data, [0], "who asked is told");
    assert_eq!(subject.count("cache_entries"), 0);
    let again = async {
        let asked = liar::receive(&socket).await;
        socket.send_to(&asked.answer(2), asked.from).await.unwrap();
    };
    let (told, ()) = tokio::join!(subject.told(&www), again);
    assert_eq!(told.data.len(), 2, "asked anew");
    assert_eq!(subject.count("cache_entries"), 1);
}
