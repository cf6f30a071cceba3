//! Replies read back by another implementation, the `domain` crate.

mod dice;
mod edns;
mod laws;
mod mutate;
mod mutation;
mod seeds;
mod strict;

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    base::{
        Message,
        iana::{OptRcode, Rcode},
    },
    rdata::AllRecordData,
};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use seeds::query;

use super::*;
use crate::{
    records::{Data, Owner, Record},
    table::Seed,
    test_support::{name, soa},
    zone::{Serial, Soa, Zone},
};

fn record(owner: &str, data: Data) -> Record {
    Record { owner: Owner::new(owner), data }
}

fn zone() -> Snapshot {
    let mut zone = Zone::new(name("mesos."), None, Seed(1));
    let address = |text: &str| Data::from(text.parse::<IpAddr>().unwrap());
    zone.add(&record("ns1.mesos.", address("10.0.0.9")));
    zone.add(&record("web.marathon.mesos.", address("10.0.0.1")));
    zone.add(&record("web.marathon.mesos.", address("10.0.0.2")));
    zone.add(&record("web.marathon.mesos.", address("fd00::1")));
    zone.add(&record("a.b.deep.mesos.", address("10.0.0.3")));
    zone.add(&record("lost.mesos.", Data::Unknown));
    for n in 0..60_u8 {
        zone.add(&record("big.mesos.", address(&format!("10.1.0.{n}"))));
        let target = Owner::new(&format!("big-{n}.mesos."));
        zone.add(&Record { owner: target.clone(), data: address(&format!("10.1.0.{n}")) });
        zone.add(&record("_big._tcp.mesos.", Data::Srv { port: 1000 + u16::from(n), target }));
    }
    let target = Owner::new("web.marathon.mesos.");
    for port in [80, 81] {
        zone.add(&record("_web._tcp.marathon.mesos.", Data::Srv { port, target: target.clone() }));
    }
    zone.compile();
    zone.snapshot(Arc::new(Soa { minimum: 3, ..soa() }), Serial(77))
}

const SETTINGS: Settings = Settings {
    recursion_available: true,
    forwards: true,
    sets_truncated: true,
    query_allow: Vec::new(),
    cookies: Some(Secrets::new([4; 16])),
    nsid: Vec::new(),
    idle: Duration::from_secs(10),
    rate_limit: None,
};

const LIVE: Standing =
    Standing { state: State::Live, age: Some(2), version: 41, now: Duration::from_secs(1_700_000_000) };

fn ask(message: &[u8], transport: Transport, dice: u64) -> (Action, Vec<u8>) {
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport };
    let action = decide(message, &zone(), &LIVE, &SETTINGS, peer, dice, &mut out);
    if let Action::Send { length, .. } = action {
        out.truncate(length);
    }
    (action, out)
}

/// A reply as text: rcode, flags, then each section's records.
fn told(message: &[u8], transport: Transport) -> String {
    let (action, out) = ask(message, transport, 5);
    if !matches!(action, Action::Send { .. }) {
        return format!("{action:?}");
    }
    let reply = Message::from_octets(&out[..]).unwrap();
    let header = reply.header();
    let mut text = format!("{} aa={} ra={} tc={}", reply.opt_rcode(), header.aa(), header.ra(), header.tc());
    let (_, answer, authority, additional) = reply.sections().unwrap();
    for (mark, section) in [("an", answer), ("ns", authority), ("ad", additional)] {
        let mut lines: Vec<String> = section
            .limit_to::<AllRecordData<_, _>>()
            .map(|record| record.unwrap())
            .map(|record| {
                format!(
                    " | {mark} {} {} {} {}",
                    record.owner(),
                    record.ttl().as_secs(),
                    record.rtype(),
                    record.data()
                )
            })
            .filter(|line| !line.contains(" OPT "))
            .collect();
        lines.sort();
        text.extend(lines);
    }
    text
}

const SOA: &str = "ns mesos 3 SOA ns1.mesos. root.ns1.mesos. 77 60 600 86400 3";

#[test]
fn answers_by_type() {
    let check = |name: &str, qtype: u16, expected: &str| {
        assert_eq!(told(&query(name, qtype, None), Transport::Udp), expected, "{name} {qtype}");
    };
    let yes = "NOERROR aa=true ra=true tc=false";
    let no = "NXDOMAIN aa=true ra=true tc=false";
    check(
        "web.marathon.mesos",
        rtype::A,
        &format!("{yes} | an web.marathon.mesos 60 A 10.0.0.1 | an web.marathon.mesos 60 A 10.0.0.2"),
    );
    check("WEB.marathon.mesos", rtype::AAAA, &format!("{yes} | an WEB.marathon.mesos 60 AAAA fd00::1"));
    check(
        "_web._tcp.marathon.mesos",
        rtype::SRV,
        &format!(
            "{yes} | an _web._tcp.marathon.mesos 60 SRV 0 1 80 web.marathon.mesos | an _web._tcp.marathon.mesos 60 SRV 0 1 81 web.marathon.mesos | ad web.marathon.mesos 60 A 10.0.0.1 | ad web.marathon.mesos 60 A 10.0.0.2 | ad web.marathon.mesos 60 AAAA fd00::1"
        ),
    );
    check(
        "mesos",
        rtype::SOA,
        &format!("{yes} | an mesos 60 SOA ns1.mesos. root.ns1.mesos. 77 60 600 86400 3"),
    );
    check("mesos", rtype::NS, &format!("{yes} | an mesos 60 NS ns1.mesos. | ad ns1.mesos 60 A 10.0.0.9"));
    check(
        "mesos",
        rtype::ANY,
        &format!("{yes} | an mesos 60 SOA ns1.mesos. root.ns1.mesos. 77 60 600 86400 3"),
    );
    // NODATA: other type, unknown type, DS, apex, empty non-terminals, a name without known address.
    for (name, qtype) in [
        ("web.marathon.mesos", 16),
        ("web.marathon.mesos", 65280),
        ("web.marathon.mesos", 43),
        ("web.marathon.mesos", rtype::SOA),
        ("web.marathon.mesos", rtype::NS),
        ("mesos", rtype::A),
        ("marathon.mesos", rtype::A),
        ("_tcp.marathon.mesos", rtype::SRV),
        ("b.deep.mesos", 16),
        ("lost.mesos", rtype::A),
        ("lost.mesos", rtype::ANY),
    ] {
        check(name, qtype, &format!("{yes} | {SOA}"));
    }
    for qtype in [rtype::A, rtype::SRV, rtype::SOA, rtype::NS, rtype::ANY, 16, 43, 65280] {
        check("nope.mesos", qtype, &format!("{no} | {SOA}"));
        check("x.web.marathon.mesos", qtype, &format!("{no} | {SOA}"));
    }
    for qtype in [rtype::AXFR, rtype::IXFR] {
        check("mesos", qtype, "REFUSED aa=false ra=false tc=false");
        check("example.org", qtype, "REFUSED aa=false ra=false tc=false");
    }
    check("example.org", rtype::A, "Forward");
    check("xmesos", rtype::A, "Forward");
    check("", rtype::NS, "Forward");
}

#[test]
fn outside_names_without_recursion_are_refused() {
    let mut message = query("example.org", rtype::A, None);
    message[2] = 0;
    assert_eq!(told(&message, Transport::Udp), "REFUSED aa=false ra=false tc=false");
}

#[test]
fn edns_is_answered_with_edns() {
    let (_, out) = ask(&query("web.marathon.mesos", rtype::A, Some((4096, 0x8000))), Transport::Udp, 1);
    let reply = Message::from_octets(&out[..]).unwrap();
    let opt = reply.opt().unwrap();
    assert_eq!((opt.udp_payload_size(), opt.version(), opt.dnssec_ok()), (1232, 0, true));
    let (_, out) = ask(&query("web.marathon.mesos", rtype::A, None), Transport::Udp, 1);
    assert!(Message::from_octets(&out[..]).unwrap().opt().is_none());
    for version in [1, 100, 255] {
        let (_, out) =
            ask(&query("web.marathon.mesos", rtype::A, Some((1232, version << 16))), Transport::Udp, 1);
        let reply = Message::from_octets(&out[..]).unwrap();
        assert_eq!((reply.opt_rcode(), reply.opt().unwrap().version()), (OptRcode::BADVERS, 0));
        assert_eq!(
            (reply.header_counts().ancount(), reply.header_counts().nscount(), reply.header().aa()),
            (0, 0, false)
        );
    }
}

#[test]
fn before_the_first_data_nothing_is_denied() {
    let loading = Snapshot::loading(name("mesos."), Arc::new(soa()));
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let mut out = [0; 512];
    let message = query("web.marathon.mesos", rtype::A, Some((1232, 0)));
    let Action::Send { length, reason: Reason::Loading, .. } =
        decide(&message, &loading, &Standing::default(), &SETTINGS, peer, 1, &mut out)
    else {
        panic!("not answered");
    };
    let reply = Message::from_octets(&out[..length]).unwrap();
    assert_eq!(reply.header().rcode(), Rcode::SERVFAIL);
    // Option 15 (EDE), 2 octets, code 14 (Not Ready).
    assert!(out[..length].ends_with(&[0, 15, 0, 2, 0, 14]));
    assert_eq!(
        decide(
            &query("example.org", rtype::A, None),
            &loading,
            &Standing::default(),
            &SETTINGS,
            peer,
            1,
            &mut out
        ),
        Action::Forward
    );
}

/// What a query with EDNS gets in this standing: the code of the reply and that of its extended error.
fn asked_in(zone: &Snapshot, state: State, name: &str, qtype: u16) -> (Rcode, Option<u16>, Reason) {
    let standing = Standing { state, ..LIVE };
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let mut out = [0; 1232];
    let message = query(name, qtype, Some((1232, 0)));
    let Action::Send { length, reason, .. } = decide(&message, zone, &standing, &SETTINGS, peer, 1, &mut out)
    else {
        panic!("not answered");
    };
    let out = &out[..length];
    let reply = Message::from_octets(out).unwrap();
    // Option 15 (EDE) of two octets is the last thing in the message.
    let error = match out {
        [.., 0, 6, 0, 15, 0, 2, code0, code1] => Some(u16::from_be_bytes([*code0, *code1])),
        _ => None,
    };
    (reply.header().rcode(), error, reason)
}

#[test]
fn old_answers_say_that_they_are_old() {
    let zone = zone();
    for (name, qtype, rcode, error) in [
        ("web.marathon.mesos", rtype::A, Rcode::NOERROR, 3),
        ("web.marathon.mesos", rtype::TXT, Rcode::NOERROR, 3),
        ("marathon.mesos", rtype::A, Rcode::NOERROR, 3),
        ("mesos", rtype::SOA, Rcode::NOERROR, 3),
        ("nope.mesos", rtype::A, Rcode::NXDOMAIN, 19),
    ] {
        let stale = asked_in(&zone, State::Stale, name, qtype);
        assert_eq!((stale.0, stale.1), (rcode, Some(error)), "{name} {qtype}");
        for state in [State::Live, State::Holding] {
            let fresh = asked_in(&zone, state, name, qtype);
            assert_eq!((fresh.0, fresh.1), (rcode, None), "{name} {qtype}");
        }
    }
    // Without EDNS, nothing is told and nothing is longer.
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let (mut old, mut new) = ([0; 512], [0; 512]);
    let message = query("web.marathon.mesos", rtype::A, None);
    let standing = Standing { state: State::Stale, ..LIVE };
    let stale = decide(&message, &zone, &standing, &SETTINGS, peer, 1, &mut old);
    assert_eq!(stale, decide(&message, &zone, &LIVE, &SETTINGS, peer, 1, &mut new));
    assert_eq!(old, new);
}

#[test]
fn old_answers_fit_as_well() {
    let (zone, standing) = (zone(), Standing { state: State::Stale, ..LIVE });
    for size in 512..=1232 {
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
        let message = query("big.mesos", rtype::A, Some((size, 0)));
        let mut out = [0; 1232];
        let Action::Send { length, .. } =
            decide(&message, &zone, &standing, &SETTINGS, peer, u64::from(size), &mut out)
        else {
            panic!("not answered");
        };
        let limit = usize::from(size);
        assert!(length <= limit, "{length} of {size}");
        let reply = Message::from_octets(&out[..length]).unwrap();
        let count = usize::from(reply.header_counts().ancount());
        assert_eq!(reply.header().tc(), count < 60, "{size}");
        assert!(count == 60 || length + 16 > limit, "{size}: space wasted");
        assert!(out[..length].ends_with(&[0, 15, 0, 2, 0, 3]), "{size}");
    }
}

#[test]
fn a_name_tells_how_we_stand() {
    let ready = zone();
    let soa = ready.soa().clone();
    let loading = Snapshot::loading(name("mesos."), Arc::new(soa));
    let told = |zone: &Snapshot, standing: &Standing, name: &str, qtype: u16| {
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
        let mut out = [0; 512];
        let message = query(name, qtype, None);
        let Action::Send { length, .. } = decide(&message, zone, standing, &SETTINGS, peer, 1, &mut out)
        else {
            panic!("not answered");
        };
        let reply = Message::from_octets(&out[..length]).unwrap();
        let answers = reply.answer().unwrap().limit_to::<AllRecordData<_, _>>();
        let lines: Vec<String> = answers
            .map(|record| record.unwrap())
            .map(|record| format!("{} {} {}", record.owner(), record.ttl().as_secs(), record.data()))
            .collect();
        let authority = reply.header_counts().nscount();
        format!("{} aa={} {lines:?} {authority}", reply.header().rcode(), reply.header().aa())
    };
    let hash = format!("{:016x}", ready.content_hash());
    let live = format!(r#""state=live" "serial=77" "age=2" "version=41" "hash={hash}""#);
    let expected = format!("NOERROR aa=true {:?} 0", [format!("_status.mesos 0 {live}")]);
    assert_eq!(told(&ready, &LIVE, "_status.mesos", rtype::TXT), expected);
    assert_eq!(told(&ready, &LIVE, "_status.mesos", rtype::ANY), expected);
    let spelled = told(&ready, &LIVE, "_STATUS.Mesos", rtype::TXT);
    assert!(spelled.contains("_STATUS.Mesos 0 "), "{spelled}");
    // Before the first data it is the one name that answers.
    let none = r#""state=loading" "serial=0" "version=0" "hash=0000000000000000""#;
    let expected = format!("NOERROR aa=true {:?} 0", [format!("_status.mesos 0 {none}")]);
    assert_eq!(told(&loading, &Standing::default(), "_status.mesos", rtype::TXT), expected);
    for zone in [&ready, &loading] {
        assert_eq!(told(zone, &LIVE, "_status.mesos", rtype::A), "NOERROR aa=true [] 1");
    }
    assert_eq!(told(&ready, &LIVE, "x._status.mesos", rtype::TXT), "NXDOMAIN aa=true [] 1");
    assert_eq!(told(&ready, &LIVE, "_status.web.marathon.mesos", rtype::TXT), "NXDOMAIN aa=true [] 1");
    assert!(ready.find(b"\x07_status\x05mesos\x00").is_none(), "it is no part of the zone");
}

#[test]
fn what_a_partial_zone_lacks_is_not_denied() {
    let partial = zone().partial(true);
    let none = (Rcode::SERVFAIL, Some(14), Reason::Loading);
    for name in ["nope.mesos", "marathon.mesos", "b.deep.mesos", "lost.mesos"] {
        assert_eq!(asked_in(&partial, State::Holding, name, rtype::A), none, "{name}");
        assert_eq!(asked_in(&partial, State::Stale, name, rtype::SRV), none, "{name}");
    }
    for (name, qtype, reason) in [
        ("web.marathon.mesos", rtype::A, Reason::Success),
        ("web.marathon.mesos", rtype::SRV, Reason::NoData),
        ("mesos", rtype::A, Reason::NoData),
        ("mesos", rtype::NS, Reason::Success),
        ("_status.mesos", rtype::TXT, Reason::Success),
    ] {
        let told = asked_in(&partial, State::Holding, name, qtype);
        assert_eq!(told, (Rcode::NOERROR, None, reason), "{name} {qtype}");
    }
}

#[test]
fn who_may_ask() {
    let settings = Settings { query_allow: vec!["10.0.0.0/8".parse().unwrap()], ..SETTINGS };
    let message = query("web.marathon.mesos", rtype::A, None);
    let mut out = [0; 512];
    let mut reason = |address: &str| {
        let peer = Peer { address: address.parse().unwrap(), transport: Transport::Udp };
        match decide(&message, &zone(), &LIVE, &settings, peer, 1, &mut out) {
            Action::Send { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason("10.1.1.1"), Reason::Success);
    assert_eq!(reason("11.1.1.1"), Reason::RefusedClient);
}

#[test]
fn truncation_keeps_whole_records() {
    for (name, qtype) in [("big.mesos", rtype::A), ("_big._tcp.mesos", rtype::SRV)] {
        for (edns, limit) in
            [(None, 512), (Some((100, 0)), 512), (Some((900, 0)), 900), (Some((65535, 0)), 1232)]
        {
            let (action, out) = ask(&query(name, qtype, edns), Transport::Udp, 9);
            let reply = Message::from_octets(&out[..]).unwrap();
            let count = reply
                .answer()
                .unwrap()
                .map(|record| record.unwrap().rtype())
                .inspect(|found| assert_eq!(found.to_int(), qtype))
                .count();
            let fits_all = count == 60;
            assert!(out.len() <= limit, "{name} {edns:?}");
            assert_eq!(reply.header().tc(), !fits_all, "{name} {edns:?}");
            assert_eq!(matches!(action, Action::Send { is_truncated: true, .. }), !fits_all);
            assert_eq!(reply.opt().is_some(), edns.is_some());
            let each = if qtype == rtype::A { 16 } else { 33 };
            assert!(
                fits_all || out.len() + each + 17 > limit,
                "{name} {edns:?}: space wasted, {} of {limit}",
                out.len()
            );
        }
        let (_, out) = ask(&query(name, qtype, None), Transport::Tcp, 9);
        let reply = Message::from_octets(&out[..]).unwrap();
        assert_eq!((reply.header().tc(), reply.answer().unwrap().count()), (false, 60));
    }
    // ANY over UDP stays small.
    let (_, out) = ask(&query("big.mesos", rtype::ANY, Some((1232, 0))), Transport::Udp, 1);
    assert!(out.len() <= 512);
}

#[test]
fn truncation_gives_every_record_its_turn() {
    let mut seen = BTreeSet::new();
    let mut firsts = BTreeSet::new();
    for dice in 0..400 {
        let (_, out) = ask(&query("big.mesos", rtype::A, None), Transport::Udp, dice);
        let reply = Message::from_octets(&out[..]).unwrap();
        let addresses: Vec<String> = reply
            .answer()
            .unwrap()
            .limit_to::<domain::rdata::A>()
            .map(|record| record.unwrap().data().to_string())
            .collect();
        firsts.insert(addresses[0].clone());
        seen.extend(addresses);
    }
    assert_eq!((seen.len(), firsts.len()), (60, 60));
}

#[test]
fn malformed_gets_a_clean_header() {
    let good = query("web.marathon.mesos", rtype::A, None);
    let mut two = good.clone();
    two[5] = 2;
    let mut none = good.clone();
    none[5] = 0;
    let mut notify = good.clone();
    notify[2] = 4 << 3;
    for (message, rcode, opcode) in [(two, 1, 0), (none, 1, 0), (notify, 4, 4)] {
        let (_, out) = ask(&message, Transport::Udp, 1);
        assert_eq!(out, [0xab, 0xcd, 0x80 | opcode << 3, rcode, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut response = good.clone();
    response[2] |= 0x80;
    assert_eq!(ask(&response, Transport::Udp, 1).0, Action::Drop(Silence::Response));
    assert_eq!(ask(&good[..11], Transport::Udp, 1).0, Action::Drop(Silence::Short));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever comes in, what goes out is a well-formed reply within the limit.
    #[test]
    fn any_bytes_give_a_strict_reply(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        name in prop::sample::select(vec!["web.marathon.mesos", "_big._tcp.mesos", "big.mesos", "mesos", "nope.mesos"]),
        qtype in prop::sample::select(vec![1_u16, 2, 6, 28, 33, 41, 252, 255, 43, 999]),
        edns in prop::option::of((any::<u16>(), any::<u32>())),
        dice in any::<u64>(),
        is_cut in any::<bool>(),
    ) {
        let mut message = query(name, qtype, edns);
        for (index, value) in flips {
            let at = index.index(message.len());
            message[at] = value;
        }
        if is_cut {
            message.truncate(cut.index(message.len()));
        }
        let (action, out) = ask(&message, Transport::Udp, dice);
        if let Action::Send { length, .. } = action {
            prop_assert!((12..=1232).contains(&length));
            prop_assert_eq!(&out[..2], &message[..2]);
            let reply = Message::from_octets(&out[..]).unwrap();
            prop_assert!(reply.header().qr());
            let (_, answer, authority, additional) = reply.sections().unwrap();
            for section in [answer, authority, additional] {
                for record in section {
                    let record = record.unwrap();
                    prop_assert!(record.to_any_record::<AllRecordData<_, _>>().is_ok());
                }
            }
        }
    }
}
