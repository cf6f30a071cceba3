//! What the forwarder remembers of servers that tell the truth, lie, and fall silent.
//!
//! The servers stand in `forward/liar.rs`. Everything is on loopback, on ports given by the system.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use mesos_dns::{
    forward::{Client, Forwarder},
    metrics::Metrics,
};
use mesos_dns_core::{
    forward::{
        Settings, Transport, Truncation,
        entry::{Manner, Telling},
        private_networks,
        selection::Selection,
        server::Server,
    },
    wire::Name,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{task::JoinSet, time::sleep};

use self::liar::{Asked, Liar, Say};

#[path = "forward/liar.rs"]
mod liar;

const BUDGET: Duration = Duration::from_millis(900);

/// How long something that is bound to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(resolvers: &[SocketAddr]) -> Settings {
    Settings {
        external_on: true,
        domain: Name::parse("mesos").unwrap(),
        resolvers: resolvers.iter().copied().map(Server::plain).collect(),
        zones: Vec::new(),
        budget: BUDGET,
        recursion_allow: private_networks().to_vec(),
        truncation: Truncation::Flagged,
        cache_bytes: 4 << 20,
        stale_max: Duration::from_secs(86_400),
    }
}

/// A forwarder and what it counts.
struct Subject {
    forwarder: Arc<Forwarder>,
    registry: Registry,
}

/// A reply as a test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    rcode: u8,
    /// TTL of each answer.
    ttls: Vec<u32>,
    /// Last octet of each answer.
    data: Vec<u8>,
    /// Reasons (RFC 8914).
    reasons: Vec<u16>,
}

impl Subject {
    fn new(settings: Settings) -> Self {
        let (metrics, registry) = Metrics::new();
        let forwarder = Forwarder::new(settings, &[], metrics.forward, metrics.legacy);
        Self { forwarder: Arc::new(forwarder), registry }
    }

    async fn ask(&self, query: &[u8]) -> Told {
        read(&self.forwarder.answer(query, client()).await.expect("a reply"))
    }

    /// Response code and number of answers.
    async fn short(&self, name: &str) -> (u8, usize) {
        let told = self.ask(&query(name, 1, 0)).await;
        (told.rcode, told.ttls.len())
    }

    fn count(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("mesos_dns_forward_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    fn answers(&self, kind: &str) -> u64 {
        self.count(&format!("cache_answers_total{{kind=\"{kind}\"}}"))
    }
}

fn client() -> Client {
    Client {
        address: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        transport: Transport::Udp,
        options: Vec::new(),
    }
}

/// Waits until this holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn wire(name: &str) -> Vec<u8> {
    Name::parse(name).unwrap().as_wire().to_vec()
}

/// A query with RD and an OPT record. `flags` are added to the second octet of the header's flags, and 0x80 there
/// stands for DO.
fn query(name: &str, qtype: u8, flags: u8) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, flags & 0x7f, 0, 1, 0, 0, 0, 0, 0, 1];
    bytes.extend(wire(name));
    bytes.extend([0, qtype, 0, 1]);
    bytes.extend([0, 0, 41, 4, 208, 0, 0, flags & 0x80, 0, 0, 0]);
    bytes
}

fn read(reply: &[u8]) -> Told {
    let message = domain::base::Message::from_octets(reply).unwrap();
    let answers: Vec<_> = message.answer().unwrap().map(|record| record.unwrap()).collect();
    let opt = message.opt();
    let reasons = opt.iter().flat_map(|opt| {
        let errors = opt.opt().iter::<domain::base::opt::ExtendedError<_>>();
        errors.map(|error| error.unwrap().code().to_int()).collect::<Vec<_>>()
    });
    Told {
        rcode: reply[3] & 15,
        ttls: answers.iter().map(|record| record.ttl().as_secs()).collect(),
        data: answers
            .iter()
            .map(|record| {
                let data = record.to_record::<domain::base::rdata::UnknownRecordData<_>>().unwrap().unwrap();
                data.data().data().last().copied().unwrap()
            })
            .collect(),
        reasons: reasons.collect(),
    }
}

/// A reply with these records: section, owner, type, TTL, data.
fn made(asked: &Asked, rcode: u8, records: &[(usize, &str, u8, u32, Vec<u8>)]) -> Vec<u8> {
    let mut reply = asked.error(rcode);
    for (section, owner, rtype, ttl, data) in records {
        reply[5 + 2 * section] += 1;
        reply.extend(wire(owner));
        reply.extend([0, *rtype, 0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
    }
    reply
}

fn soa(minimum: u32) -> Vec<u8> {
    [wire("ns.example"), wire("root.example"), vec![0; 16], minimum.to_be_bytes().to_vec()].concat()
}

/// A server that answers with one address: how often it was asked. Its TTL is what the first label says.
async fn counting() -> Liar {
    let asked_for = AtomicU8::new(0);
    Liar::start(move |asked| {
        let count = asked_for.fetch_add(1, Ordering::Relaxed) + 1;
        let name = asked.name();
        let ttl = name.split('.').next().unwrap().parse().unwrap_or(60);
        let qtype = asked.message[12 + wire(&name).len() + 1];
        vec![Say::Reply(made(asked, 0, &[(1, &name, qtype, ttl, vec![192, 0, 2, count])]))]
    })
    .await
}

#[tokio::test]
async fn asked_once_and_told_again() {
    let server = counting().await;
    let subject = Subject::new(settings(&[server.address]));
    for name in ["60.example.com", "60.Example.COM", "60.example.com"] {
        let told = subject.ask(&query(name, 1, 0)).await;
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
            subject.ask(&query("60.example.com", qtype, flags)).await;
        }
        assert_eq!(server.seen().len(), 2 + number, "{qtype} {flags}");
    }
    // AD is none.
    assert_eq!(subject.ask(&query("60.example.com", 1, 0x20)).await.data, [1]);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn times_are_counted_down_and_end() {
    let server = counting().await;
    let subject = Subject::new(settings(&[server.address]));
    // TTL 0 is told to who asked, and not kept; so is one with the top bit set.
    for name in ["0.example.com", "2147483649.example.com"] {
        let before = server.seen().len();
        assert_eq!(subject.ask(&query(name, 1, 0)).await.ttls, [0]);
        subject.short(name).await;
        assert_eq!(server.seen().len(), before + 2, "{name}");
    }
    assert_eq!(subject.ask(&query("9999999.example.com", 1, 0)).await.ttls, [86_400], "a day at most");
    assert_eq!(subject.ask(&query("2.example.com", 1, 0)).await.ttls, [2]);
    let before = server.seen().len();
    let mut seen = Vec::new();
    let started = Instant::now();
    while server.seen().len() == before {
        assert!(started.elapsed() < PATIENCE);
        seen.extend(subject.ask(&query("2.example.com", 1, 0)).await.ttls);
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
    let subject = Subject::new(settings(&[server.address]));
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
async fn what_nobody_asked_for_is_not_believed() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let evil = || vec![6, 6, 6, 6];
        vec![Say::Reply(made(
            asked,
            0,
            &[
                (1, "victim.example.net", 1, 999, evil()),
                (1, &name, 1, 60, vec![192, 0, 2, 1]),
                (1, "web.marathon.mesos", 1, 999, evil()),
                (2, "mesos", 2, 999, wire("ns.evil")),
                (2, "example.net", 2, 999, wire("ns.evil")),
                (3, "ns.evil", 1, 999, evil()),
                (3, "victim.example.net", 1, 999, evil()),
                (3, "web.marathon.mesos", 1, 999, evil()),
            ],
        ))]
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let reply = subject.forwarder.answer(&query("www.example.com", 1, 0), client()).await.unwrap();
    assert_eq!(reply[6..12], [0, 1, 0, 0, 0, 1], "one answer, and OPT");
    assert_eq!(read(&reply).data, [1]);
    // The victim is asked for like any other name, and ours not at all.
    assert_eq!(subject.short("victim.example.net").await, (0, 2));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(subject.short("web.marathon.mesos").await.0, 5);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn popular_names_are_asked_for_before_their_end() {
    let server = counting().await;
    let subject = Subject::new(settings(&[server.address]));
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
    while subject.ask(&query("4.example.com", 1, 0)).await.data != [2] {
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(subject.count("cache_misses_total"), 1, "nobody waited but the first");
}

/// A server that can be told to fall silent, or to fail.
async fn failing(ttl: u32) -> (Liar, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (silent, fails) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let script = (silent.clone(), fails.clone());
    let server = Liar::start(move |asked| {
        let (silent, fails) = &script;
        let name = asked.name();
        match (silent.load(Ordering::Relaxed), fails.load(Ordering::Relaxed)) {
            (true, _) => vec![],
            (_, true) => vec![Say::Reply(asked.error(2))],
            _ if name.starts_with("nx") => {
                vec![Say::Reply(made(asked, 3, &[(2, "example.com", 6, ttl, soa(ttl))]))]
            }
            _ => vec![Say::Reply(made(asked, 0, &[(1, &name, 1, ttl, vec![192, 0, 2, 1])]))],
        }
    })
    .await;
    (server, silent, fails)
}

#[tokio::test]
async fn stale_answers_while_servers_fail() {
    let (server, silent, fails) = failing(1).await;
    let subject = Subject::new(settings(&[server.address]));
    assert_eq!(subject.short("www.example.com").await, (0, 1));
    assert_eq!(subject.short("nx.example.com").await, (3, 0));
    fails.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let stale = loop {
        let told = subject.ask(&query("www.example.com", 1, 0)).await;
        assert_eq!((told.rcode, &told.data[..]), (0, &[1][..]), "it never fails");
        if !told.reasons.is_empty() {
            break told;
        }
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((stale.ttls, stale.reasons), (vec![30], vec![3]));
    // While that is remembered nobody is asked.
    let before = server.seen().len();
    assert_eq!(subject.ask(&query("www.example.com", 1, 0)).await.reasons, [3]);
    assert_eq!(server.seen().len(), before);
    assert!(subject.answers("stale") >= 2);
    let told = subject.ask(&query("nx.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (3, vec![19]));
    // Names that were never known fail, and are told from memory for a while.
    let told = subject.ask(&query("other.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![]));
    let before = server.seen().len();
    let told = subject.ask(&query("other.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![13]));
    assert_eq!((server.seen().len(), subject.answers("failure")), (before, 1));
    // All is well again, soon after it is.
    fails.store(false, Ordering::Relaxed);
    silent.store(false, Ordering::Relaxed);
    for name in ["www.example.com", "other.example.com"] {
        let started = Instant::now();
        loop {
            let told = subject.ask(&query(name, 1, 0)).await;
            if told.rcode == 0 && told.reasons.is_empty() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{name}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn stale_answers_do_not_wait_for_the_whole_budget() {
    let (server, silent, _) = failing(1).await;
    let subject = Subject::new(Settings { budget: Duration::from_secs(12), ..settings(&[server.address]) });
    assert_eq!(subject.short("www.example.com").await, (0, 1));
    assert_eq!(subject.short("ftp.example.com").await, (0, 1));
    silent.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let (told, waited) = loop {
        let asked = Instant::now();
        let told = subject.ask(&query("www.example.com", 1, 0)).await;
        if !told.reasons.is_empty() {
            break (told, asked.elapsed());
        }
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((told.ttls, told.reasons), (vec![30], vec![3]));
    assert!(waited >= Duration::from_millis(1700) && waited < Duration::from_secs(10), "{waited:?}");
    assert_eq!(subject.forwarder.outstanding(), 1, "the exchange goes on");
    // Once it is known that the server is silent, nobody waits so long for another name.
    while subject.count(&format!("server_ill{{server=\"{}\"}}", server.address)) == 0 {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    let told = subject.ask(&query("ftp.example.com", 1, 0)).await;
    assert_eq!((told.ttls, told.reasons), (vec![30], vec![3]));
    assert!(asked.elapsed() < Duration::from_millis(1700), "{:?}", asked.elapsed());
    // And when the server speaks again, what it says takes the place of the stale answer.
    silent.store(false, Ordering::Relaxed);
    let started = Instant::now();
    while !subject.ask(&query("www.example.com", 1, 0)).await.reasons.is_empty() {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }

    let off = Settings { stale_max: Duration::ZERO, ..settings(&[server.address]) };
    subject.forwarder.replace(off, &[]);
    silent.store(true, Ordering::Relaxed);
    let started = Instant::now();
    while subject.short("www.example.com").await != (2, 0) {
        assert!(started.elapsed() < PATIENCE, "switched off, it fails");
    }
}

#[tokio::test]
async fn chains_into_our_zone_are_answered_by_it() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let records = [
            (1, &name[..], 5, 60, wire("Web.Marathon.Mesos")),
            (1, "web.marathon.mesos", 1, 60, vec![6, 6, 6, 6]),
        ];
        // Servers of others do not know our names.
        vec![Say::Reply(made(asked, 3, &records))]
    })
    .await;
    let subject = Subject::new(settings(&[server.address]));
    let told = subject.ask(&query("alias.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![14]), "nobody said how our zone is asked");
    let loaded = Arc::new(AtomicU8::new(0));
    subject.forwarder.ask_own_zone_by({
        let loaded = loaded.clone();
        move |query| {
            let asked = Asked {
                message: query.to_vec(),
                from: ([127, 0, 0, 1], 1).into(),
                transport: Transport::Tcp,
            };
            assert_eq!(asked.name(), "web.marathon.mesos.");
            let address = |last| (1, "web.marathon.mesos", 1, 5, vec![10, 0, 0, last]);
            match loaded.load(Ordering::Relaxed) {
                0 => Some(asked.error(2)),
                1 => Some(made(&asked, 0, &[address(1), address(2)])),
                2 => Some(made(&asked, 3, &[(2, "mesos", 6, 5, soa(5))])),
                _ => None,
            }
        }
    });
    for (state, rcode, answers) in [(0, 2, 0), (1, 0, 3), (2, 3, 1), (3, 2, 0)] {
        loaded.store(state, Ordering::Relaxed);
        assert_eq!(subject.short("alias.example.com").await, (rcode, answers), "{state}");
    }
    assert_eq!(server.seen().len(), 1, "the chain is remembered, what our zone says is not");
    loaded.store(1, Ordering::Relaxed);
    let told = subject.ask(&query("alias.example.com", 1, 0)).await;
    assert!((58..=60).contains(&told.ttls[0]) && told.ttls[1..] == [5, 5], "{told:?}");
    assert!(!told.data.contains(&6));
}

#[tokio::test]
async fn addresses_take_turns() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(5))]).await;
    let subject = Subject::new(settings(&[server.address]));
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let told = subject.ask(&query("www.example.com", 1, 0)).await;
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
    let subject = Subject::new(settings(&[server.address]));
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
    let www = query("www.example.com", 1, 0);
    assert_eq!(recall(&www, "10.0.0.1"), None, "nothing is known");
    assert_eq!(subject.count("cache_misses_total"), 0, "whoever asks will count it");
    subject.ask(&www).await;
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
    let other = query("other.example.com", 1, 0);
    subject.ask(&other).await;
    let told = recall(&other, "10.0.0.1").unwrap();
    assert_eq!((told.rcode, told.reasons), (2, vec![13]));
    subject.forwarder.replace(Settings { external_on: false, ..settings(&[server.address]) }, &[]);
    assert_eq!(recall(&other, "10.0.0.1"), None);
}

#[tokio::test]
async fn other_servers_other_answers() {
    let (first, second) = (counting().await, counting().await);
    let subject = Subject::new(settings(&[first.address]));
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    // What has nothing to do with it changes nothing; nor does another size.
    let longer = Settings { budget: 2 * BUDGET, cache_bytes: 8 << 20, ..settings(&[first.address]) };
    subject.forwarder.replace(longer, &[]);
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    assert_eq!(first.seen().len(), 1);
    subject.forwarder.replace(settings(&[second.address]), &[]);
    assert_eq!(subject.short("60.example.com").await, (0, 1));
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
    subject.forwarder.replace(Settings { cache_bytes: 0, ..settings(&[second.address]) }, &[]);
    for _ in 0..2 {
        assert_eq!(subject.short("60.example.com").await, (0, 1));
    }
    assert_eq!((second.seen().len(), subject.count("cache_entries")), (3, 0));
    subject.forwarder.replace(settings(&[second.address]), &[]);
    for _ in 0..2 {
        assert_eq!(subject.short("60.example.com").await, (0, 1));
    }
    assert_eq!(second.seen().len(), 4);
}

#[tokio::test]
async fn forgotten_by_order() {
    let server = counting().await;
    let subject = Subject::new(settings(&[server.address]));
    let names = ["60.example.com", "60.a.example.com", "60.example.org"];
    let mut all = JoinSet::new();
    for name in names {
        let forwarder = subject.forwarder.clone();
        all.spawn(async move { forwarder.answer(&query(name, 1, 0), client()).await });
    }
    all.join_all().await;
    assert_eq!(subject.forwarder.flush(&Selection::Below(Name::parse("example.com").unwrap())), 2);
    for name in names {
        subject.short(name).await;
    }
    assert_eq!(server.seen().len(), 5);
    assert_eq!((subject.count("cache_flushed_total"), subject.count("cache_entries")), (2, 3));
}
