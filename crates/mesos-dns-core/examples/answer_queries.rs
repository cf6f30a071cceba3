//! What does an answer cost, without sockets? `answer_queries STATE QUERIES [ROUNDS]`
//!
//! Builds the zone of a state document in memory and decides the queries of a file over and over (lines of name and
//! type, as `dnsperf` reads them), one by one and then ten at a time as the server does. Prints processor time per
//! query. Under `valgrind --tool=callgrind --toggle-collect='*::one_by_one'` (or `*::together`) the number of
//! instructions is the same in each run.

use std::{env, fs, time::Duration};

use mesos_dns_core::{
    answer::{self, Many, Peer, Settings, Standing, State, Transport},
    cluster::{self, AddressSource, Cluster, Hosts, Masters},
    mesos::state,
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    wire::{Name, rtype},
    zone::{Serial, Snapshot, Soa, Zone},
};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, document, queries, rest @ ..] = &arguments[..] else {
        return eprintln!("answer_queries STATE QUERIES [ROUNDS]");
    };
    let rounds: u32 = rest.first().map_or(10, |text| text.parse().expect("a number"));
    let name = |text| Name::parse(text).expect("a name");
    let policy = Policy {
        domain: "mesos".into(),
        apex: name("mesos."),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![
            AddressSource::NetInfo,
            AddressSource::Mesos,
            AddressSource::Host,
        ]),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: Vec::new(),
    };
    let document = state::decode(&fs::read(document).expect("a readable file")).expect("a state document");
    let masters = Masters { leader: Some("127.0.0.1:5050".into()), listed: Vec::new() };
    let none = Cluster::default();
    let (cluster, touched) = cluster::apply(&none, document, masters, Hosts::default(), Seed(1));
    let mut zone = Zone::new(policy.apex.clone(), None, Seed(2));
    zone.update(&policy, &none, &cluster, &touched);
    let _ = zone.compile();
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    let soa = Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 5, ttl: 5, weight: 1 };
    let snapshot = zone.snapshot(soa.into(), Serial(1));
    println!("{} names, {} records", snapshot.names(), snapshot.records());

    let queries: Vec<Vec<u8>> =
        fs::read_to_string(queries).expect("a readable file").lines().map(query).collect();
    let settings = Settings {
        recursion_available: false,
        forwards: false,
        sets_truncated: true,
        recursion_allow: Vec::new(),
        query_allow: Vec::new(),
        ..Settings::default()
    };
    let standing = Standing { state: State::Live, ..Standing::default() };
    let peer = Peer { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
    let asked = Asked { queries, snapshot, standing, settings, peer };
    for (text, way) in [("one by one", one_by_one as fn(&Asked, u64) -> usize), ("together", together)] {
        let (mut best, mut sent) = (Duration::MAX, 0);
        for round in 0..rounds {
            let begin = processor_time();
            sent += way(&asked, round.into());
            best = best.min(processor_time() - begin);
        }
        let count = asked.queries.len();
        let (each, bytes) = (best.as_nanos() / count as u128, sent / count / rounds as usize);
        println!("{count} queries {text}, {each} ns each in the best round, {bytes} bytes each");
    }
}

/// What is asked, and whom.
struct Asked {
    queries: Vec<Vec<u8>>,
    snapshot: Snapshot,
    standing: Standing,
    settings: Settings,
    peer: Peer,
}

/// Queries that a server under half its load finds waiting.
const WAITING: usize = 10;

#[inline(never)]
fn one_by_one(asked: &Asked, round: u64) -> usize {
    let mut out = [0; answer::UDP_PAYLOAD_BYTES_MAX];
    let decide = |(query, dice): (&Vec<u8>, u64)| decide(asked, query, dice, &mut out);
    asked.queries.iter().zip(round..).map(decide).sum()
}

#[inline(never)]
fn together(asked: &Asked, round: u64) -> usize {
    let mut out = [0; answer::UDP_PAYLOAD_BYTES_MAX];
    let mut sent = 0;
    for (queries, dice) in asked.queries.chunks(WAITING).zip(round..) {
        let mut many = Many::new(&asked.snapshot, &asked.standing, &asked.settings);
        let mut tickets = [None; WAITING];
        for (ticket, query) in tickets.iter_mut().zip(queries) {
            *ticket = many.read(query, asked.peer.address);
        }
        many.find();
        for ((ticket, query), place) in tickets.iter().zip(queries).zip(0..) {
            let dice = (dice * WAITING as u64 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let written = ticket.and_then(|ticket| many.write(ticket, query, dice, &mut out));
            sent += match written {
                Some(answer::Action::Send { length, .. }) => length,
                _ => decide(asked, query, dice, &mut out),
            };
        }
    }
    sent
}

fn decide(asked: &Asked, query: &[u8], dice: u64, out: &mut [u8]) -> usize {
    let Asked { snapshot, standing, settings, peer, .. } = asked;
    let dice = dice.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let action = answer::decide(query, snapshot, standing, settings, *peer, dice, out);
    if let answer::Action::Send { length, .. } = action { length } else { 0 }
}

/// How long this thread has been running.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default())
}

/// A query in wire form.
fn query(line: &str) -> Vec<u8> {
    let (name, kind) = line.split_once(' ').expect("a name and a type");
    let kind = match kind {
        "A" => rtype::A,
        "SRV" => rtype::SRV,
        other => panic!("type {other}"),
    };
    let mut bytes = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    bytes.extend(Name::parse(name).expect("a name").as_wire());
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}
