//! Replies read back by another implementation, the `domain` crate.

mod dice;
mod edns;
mod kinds;
mod laws;
mod mutate;
mod mutation;
mod reverse;
mod seeds;
mod standing;
mod strict;
mod truncation;

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    base::{
        Message,
        iana::{OptRcode, Rcode},
    },
    rdata::AllRecordData,
};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_assume, proptest};

use seeds::query;

use super::*;
use crate::{
    records::{Data, Owner, Record},
    table::Seed,
    test_support::{name, soa},
    zone::{Serial, Soa, Zone},
};

fn record(owner: &str, data: Data) -> Record {
    Record::from_parts(Owner::new(owner), data)
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
        zone.add(&Record::from_parts(target.clone(), address(&format!("10.1.0.{n}"))));
        zone.add(&record("_big._tcp.mesos.", Data::service(1000 + u16::from(n), target)));
    }
    let target = Owner::new("web.marathon.mesos.");
    for port in [80, 81] {
        zone.add(&record("_web._tcp.marathon.mesos.", Data::service(port, target.clone())));
    }
    zone.compile();
    zone.snapshot(Arc::new(Soa { minimum: 3, ..soa() }), Serial(77))
}

const SETTINGS: Settings = Settings {
    recursion_available: true,
    forwards: true,
    sets_truncated: true,
    recursion_allow: Vec::new(),
    query_allow: Vec::new(),
    cookies: Some(Secrets::new([4; 16])),
    nsid: Vec::new(),
    idle: Duration::from_secs(10),
    rate_limit: None,
    reverse: Reversing::Off,
    selection: Selection::ALL,
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
    read(&out)
}

fn read(out: &[u8]) -> String {
    let reply = Message::from_octets(out).unwrap();
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
