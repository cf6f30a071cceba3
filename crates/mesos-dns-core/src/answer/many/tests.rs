//! The fast path against `decide`, on random zones and queries.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use proptest::{
    prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest},
    sample::Index,
};

use super::*;
use crate::{
    answer::{Peer, Reason, Secrets, Transport, UDP_PAYLOAD_BYTES_MAX, decide},
    records::{Data, Fitness, Owner, Preference, Record},
    table::Seed,
    test_support::{name, soa},
    wire::rtype,
    zone::{Serial, Soa, Zone},
};

/// A label as tasks have them, now and then very long.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-d]{1,2}", 1 => "_[a-d]", 1 => "[a-z]{40,63}", 1 => Just("_status".to_owned())]
}

/// Names in the domain, the domain itself among them.
fn owner() -> impl Strategy<Value = String> {
    prop::collection::vec(label(), 0..4).prop_map(|labels| {
        let text = labels.iter().map(|label| format!("{label}.")).collect::<String>() + "mesos.";
        if text.len() < 250 { text } else { "mesos.".to_owned() }
    })
}

/// What stands at one name.
#[derive(Clone, Debug)]
enum Kept {
    A(u16),
    Aaaa(u16),
    /// Ports, and where in the list of all names the targets are.
    Srv(Vec<(u16, usize)>),
    /// A target that has no node.
    Away(u16),
    Unknown,
    /// A service with a preference of its own.
    Preferred(u16),
    Text,
    Ttl(u32),
    Unfit(u16),
    /// An alias of one of the names.
    Alias(usize),
}

fn kept() -> impl Strategy<Value = Kept> {
    let count = || prop_oneof![6 => Just(1_u16), 3 => 2..20_u16, 1 => 20..90_u16];
    let services = prop_oneof![
        4 => prop::collection::vec(any::<(u16, usize)>(), 1..4),
        1 => prop::collection::vec(any::<(u16, usize)>(), 4..90),
    ];
    prop_oneof![
        count().prop_map(Kept::A),
        count().prop_map(Kept::Aaaa),
        services.prop_map(Kept::Srv),
        any::<u16>().prop_map(Kept::Away),
        Just(Kept::Unknown),
        any::<u16>().prop_map(Kept::Preferred),
        Just(Kept::Text),
        (0..100_u32).prop_map(Kept::Ttl),
        any::<u16>().prop_map(Kept::Unfit),
        any::<usize>().prop_map(Kept::Alias),
    ]
}

fn zone(names: &[(String, Vec<Kept>)]) -> Zone {
    let mut zone = Zone::new(name("mesos."), None, Seed(names.len() as u64));
    let mut unfit = Vec::new();
    for (number, (owner, kept)) in names.iter().enumerate() {
        let mut add = |data| zone.add(&Record::from_parts(Owner::new(owner), data));
        for kept in kept {
            match kept {
                Kept::A(count) => (0..*count).for_each(|n| {
                    let [high, low] = n.to_be_bytes();
                    add(Data::A(Ipv4Addr::new(10, number as u8, high, low)));
                }),
                Kept::Aaaa(count) => (0..*count).for_each(|n| {
                    add(Data::Aaaa(Ipv6Addr::new(0xfd00, number as u16, 0, 0, 0, 0, 0, n)));
                }),
                Kept::Srv(services) => services.iter().for_each(|(port, at)| {
                    let (target, _) = &names[at % names.len()];
                    add(Data::service(*port, Owner::new(target)));
                }),
                Kept::Away(port) => {
                    add(Data::service(*port, Owner::new("away.example.")));
                }
                Kept::Unknown => add(Data::Unknown),
                Kept::Preferred(port) => {
                    let preference = Some(Preference { priority: 3, weight: 1 });
                    add(Data::Srv { port: *port, target: Owner::new(owner), preference });
                }
                Kept::Text => add(Data::Other { rtype: rtype::TXT, rdata: b"\x01a"[..].into() }),
                Kept::Ttl(ttl) => add(Data::Ttl(*ttl)),
                Kept::Unfit(n) => {
                    let [high, low] = n.to_be_bytes();
                    let data = Data::A(Ipv4Addr::new(10, number as u8, high, low));
                    let record = Record::from_parts(Owner::new(owner), data);
                    unfit.push(Record { fitness: Fitness::Unfit, ..record });
                }
                Kept::Alias(at) => {
                    let rdata = name(&names[at % names.len()].0).as_wire().into();
                    add(Data::Other { rtype: rtype::CNAME, rdata });
                }
            }
        }
    }
    unfit.iter().for_each(|record| zone.add(record));
    let _ = zone.compile();
    zone
}

/// A query, mostly a plain one: what is asked, its spelling, and what was done to its bytes.
#[derive(Clone, Debug)]
struct Asked {
    qname: Result<Index, String>,
    capitals: u64,
    qtype: u16,
    class: u16,
    flags: u16,
    edns: Option<(u16, u32, Vec<u8>)>,
    spoiled: Option<(Index, u8)>,
    tail: Vec<u8>,
}

const TYPES: &[u16] =
    &[rtype::A, rtype::A, rtype::SRV, rtype::SRV, rtype::AAAA, rtype::SOA, rtype::TXT, rtype::ANY];

fn asked() -> impl Strategy<Value = Asked> {
    let elsewhere = prop_oneof![Just("example.com.".to_owned()), Just("xmesos.".to_owned()), owner()];
    let qname = prop_oneof![6 => any::<Index>().prop_map(Ok), 1 => elsewhere.prop_map(Err)];
    let edns = prop_oneof![
        2 => Just(None),
        3 => (prop_oneof![Just(1232_u16), any::<u16>(), 0..1400_u16], Just(0_u32), Just(Vec::new())).prop_map(Some),
        1 => (any::<u16>(), any::<u32>(), Just(Vec::new())).prop_map(Some),
        1 => (any::<u16>(), Just(0x8000_u32), Just(vec![0, 3, 0, 0])).prop_map(Some),
    ];
    let rest = (
        prop_oneof![8 => Just(1_u16), 1 => any::<u16>()],
        prop_oneof![4 => Just(0x0100_u16), 1 => any::<u16>()],
        edns,
        prop_oneof![12 => Just(None), 1 => any::<(Index, u8)>().prop_map(Some)],
        prop_oneof![12 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..4)],
    );
    (qname, any::<u64>(), prop::sample::select(TYPES), rest).prop_map(
        |(qname, capitals, qtype, (class, flags, edns, spoiled, tail))| Asked {
            qname,
            capitals,
            qtype,
            class,
            flags,
            edns,
            spoiled,
            tail,
        },
    )
}

fn message(asked: &Asked, names: &[(String, Vec<Kept>)]) -> Vec<u8> {
    let text = match &asked.qname {
        Ok(at) => &at.get(names).0,
        Err(text) => text,
    };
    let mut wire = name(text).as_wire().to_vec();
    for (at, octet) in wire.iter_mut().enumerate() {
        if octet.is_ascii_lowercase() && asked.capitals >> (at % 64) & 1 == 1 {
            octet.make_ascii_uppercase();
        }
    }
    let mut message = vec![0xab, 0xcd];
    message.extend(asked.flags.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(asked.edns.is_some())]);
    message.extend(wire);
    message.extend(asked.qtype.to_be_bytes());
    message.extend(asked.class.to_be_bytes());
    if let Some((size, ttl, options)) = &asked.edns {
        message.extend([0, 0, 41]);
        message.extend(size.to_be_bytes());
        message.extend(ttl.to_be_bytes());
        message.extend((options.len() as u16).to_be_bytes());
        message.extend(options);
    }
    message.extend(&asked.tail);
    if let Some((at, octet)) = &asked.spoiled {
        *at.get_mut(&mut message) = *octet;
    }
    message
}

/// How many of these replies the fast path gave; each of them is compared.
fn compare(
    zone: &Snapshot,
    standing: &Standing,
    settings: &Settings,
    messages: &[Vec<u8>],
    peer: IpAddr,
    space: usize,
) -> Result<usize, String> {
    let mut many = Many::new(zone, standing, settings);
    let tickets: Vec<_> = messages.iter().map(|message| many.read(message, peer)).collect();
    many.find();
    let peer = Peer { address: peer.to_canonical(), transport: Transport::Udp };
    let mut written = 0;
    for ((message, ticket), dice) in messages.iter().zip(tickets).zip(1_u64..) {
        let dice = dice.wrapping_mul(0x1234_5678_9abc_def1);
        let mut out = vec![0; space];
        let Some(action) = ticket.and_then(|ticket| many.write(ticket, message, dice, &mut out)) else {
            continue;
        };
        written += 1;
        let mut expected = vec![0; space];
        let decided = decide(message, zone, standing, settings, peer, dice, &mut expected);
        let Action::Send { length, .. } = decided else { return Err(format!("{action:?}, not {decided:?}")) };
        if action != decided || out[..length] != expected[..length] {
            return Err(format!("{action:?} {out:?}, not {decided:?} {expected:?}"));
        }
    }
    Ok(written)
}

fn settings(bits: u8) -> Settings {
    let query_allow = match bits >> 3 & 3 {
        0 => Vec::new(),
        1 => vec!["10.0.0.0/8".parse().unwrap()],
        2 => vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        _ => vec!["192.0.2.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()],
    };
    Settings {
        recursion_available: bits & 1 != 0,
        forwards: bits & 2 != 0,
        sets_truncated: bits & 4 != 0,
        query_allow,
        cookies: Some(Secrets::new([1; 16])),
        nsid: b"here".to_vec(),
        ..Settings::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is asked, the reply is the one that `decide` gives, or none.
    #[test]
    fn gives_what_decide_gives(
        names in prop::collection::vec((owner(), prop::collection::vec(kept(), 0..3)), 1..30),
        asked in prop::collection::vec(asked(), 0..80),
        bits in any::<u8>(),
        standing in prop::sample::select(State::ALL.as_slice()),
        shape in prop_oneof![8 => Just((true, false)), 1 => Just((true, true)), 1 => Just((false, false))],
        peer in prop::sample::select(["192.0.2.7", "::ffff:192.0.2.7", "fd00::9", "10.1.1.1"].as_slice()),
        space in prop_oneof![8 => Just(UDP_PAYLOAD_BYTES_MAX), 1 => 0..UDP_PAYLOAD_BYTES_MAX],
    ) {
        let soa = Arc::new(Soa { minimum: 3, weight: 7, ..soa() });
        let snapshot = match shape {
            (true, is_partial) => zone(&names).snapshot(soa, Serial(77)).partial(is_partial),
            (false, _) => Snapshot::loading(name("mesos."), soa),
        };
        let messages: Vec<_> = asked.iter().map(|asked| message(asked, &names)).collect();
        let standing = Standing { state: standing, ..Standing::default() };
        let compared = compare(&snapshot, &standing, &settings(bits), &messages, peer.parse().unwrap(), space);
        prop_assert_eq!(compared.err(), None);
    }
}

/// The common queries do take the fast path: a comparison with nothing would find no difference.
#[test]
fn plain_queries_are_answered_here() {
    let names: Vec<(String, Vec<Kept>)> = (0..300)
        .map(|number| {
            let kept = match number % 3 {
                0 => vec![Kept::A(1 + number % 20)],
                1 => vec![Kept::Srv((0..number % 20).map(|n| (n, usize::from(n) * 7)).collect())],
                _ => vec![Kept::A(1), Kept::Aaaa(2)],
            };
            (format!("n{number}.mesos."), kept)
        })
        .collect();
    let zone = zone(&names).snapshot(Arc::new(soa()), Serial(1));
    let mut answered = 0;
    let standing = Standing { state: State::Stale, ..Standing::default() };
    let all: Vec<Vec<u8>> = (0..300)
        .flat_map(|number| [(number, "", None), (number, "", Some(1232)), (number, "x.", None)])
        .map(|(number, below, size)| Asked {
            qname: Err(format!("{below}n{number}.mesos.")),
            capitals: 0x5a5a_0ff0,
            qtype: [rtype::A, rtype::SRV, rtype::AAAA][number % 3],
            class: 1,
            flags: 0x0100,
            edns: size.map(|size| (size, 0, Vec::new())),
            spoiled: None,
            tail: Vec::new(),
        })
        .map(|asked| message(&asked, &names))
        .collect();
    for messages in all.chunks(MANY_MAX) {
        let peer = Ipv4Addr::LOCALHOST.into();
        answered += compare(&zone, &standing, &settings(0), messages, peer, UDP_PAYLOAD_BYTES_MAX).unwrap();
    }
    // Some fall to a candidate that was another name.
    assert!(answered > all.len() * 9 / 10, "{answered} of {}", all.len());
}

#[test]
fn the_batch_has_an_end() {
    let zone = zone(&[("a.mesos.".to_owned(), vec![Kept::A(1)])]).snapshot(Arc::new(soa()), Serial(1));
    let (standing, settings) = (Standing::default(), settings(0));
    let mut many = Many::new(&zone, &standing, &settings);
    let message = [b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".as_slice(), b"\x01a\x05mesos\0\0\x01\0\x01"].concat();
    let tickets: Vec<_> = (0..=MANY_MAX).map(|_| many.read(&message, Ipv4Addr::LOCALHOST.into())).collect();
    assert!(tickets[..MANY_MAX].iter().all(Option::is_some) && tickets[MANY_MAX].is_none());
    many.find();
    let mut out = [0; UDP_PAYLOAD_BYTES_MAX];
    for ticket in tickets.into_iter().flatten() {
        let action = many.write(ticket, &message, 1, &mut out);
        assert!(matches!(action, Some(Action::Send { reason: Reason::Success, .. })), "{action:?}");
    }
}
