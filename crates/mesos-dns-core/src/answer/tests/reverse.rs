//! Names of addresses: what is ours, what stands there, and what takes the way of all other names.

use super::*;
use crate::{
    records::{Area, Rank, Reverse, Spot},
    wire::ReverseZones,
};

fn claim(owner: &str, address: &str, rank: Rank) -> Record {
    let spot = Spot { agent: "a".into(), area: Area::V4([10, 0, 0]) };
    let reverse =
        Reverse { address: address.parse().unwrap(), rank, spot: Some(Arc::new(spot)), is_counted: false };
    record(owner, Data::Reverse(Box::new(reverse)))
}

fn zone() -> Zone {
    let mut zone = Zone::new(name("mesos."), None, Seed(1));
    zone.add(&record("ns1.mesos.", Data::A([10, 0, 0, 9].into())));
    for (owner, address, rank) in [
        ("node1.example.org.", "10.0.0.1", Rank::Agent),
        ("master0.mesos.", "10.0.0.1", Rank::Master),
        ("web-abcde-s1.marathon.mesos.", "10.30.0.7", Rank::Task),
        ("db-abcde-s1.marathon.mesos.", "10.30.0.7", Rank::Task),
        ("web-abcde-s1.marathon.mesos.", "fd00:30::1", Rank::Task),
        ("public-abcde-s1.marathon.mesos.", "8.8.8.8", Rank::Task),
        ("shared-abcde-s1.marathon.mesos.", "100.64.0.1", Rank::Task),
        ("local-abcde-s1.marathon.mesos.", "127.0.0.1", Rank::Task),
        ("", "10.0.0.2", Rank::Agent),
    ] {
        zone.add(&claim(owner, address, rank));
    }
    zone.compile();
    zone
}

fn snapshot() -> Snapshot {
    zone().snapshot(Arc::new(Soa { minimum: 3, ..soa() }), Serial(77))
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn listed(prefixes: &[&str]) -> Reversing {
    Reversing::Listed(ReverseZones::new(nets(prefixes), nets(&["127.0.0.0/8"])))
}

fn learned(elsewhere: &[&str]) -> Reversing {
    Reversing::Learned(ReverseZones::new(Vec::new(), nets(elsewhere)))
}

/// The reply as text, or what becomes of the query.
fn reverse(zone: &Snapshot, reverse: Reversing, name: &str, qtype: u16, edns: Option<(u16, u32)>) -> String {
    let settings = Settings { reverse, ..SETTINGS };
    reply_of(zone, &settings, &LIVE, &query(name, qtype, edns))
}

fn reply_of(zone: &Snapshot, settings: &Settings, standing: &Standing, message: &[u8]) -> String {
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let action = decide(message, zone, standing, settings, peer, 5, &mut out);
    let Action::Send { length, .. } = action else { return format!("{action:?}") };
    out.truncate(length);
    read(&out)
}

#[test]
fn what_we_learned() {
    let zone = snapshot();
    let yes = "NOERROR aa=true ra=true tc=false";
    let none = "ns1.mesos. root.ns1.mesos. 77 60 600 86400 3";
    for (name, target) in [
        ("1.0.0.10.in-addr.arpa", "node1.example.org"),
        // Two tasks say that it is theirs: the lower name has it.
        ("7.0.30.10.IN-ADDR.arpa", "db-abcde-s1.marathon.mesos"),
        ("1.0.64.100.in-addr.arpa", "shared-abcde-s1.marathon.mesos"),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.d.f.ip6.arpa",
            "web-abcde-s1.marathon.mesos",
        ),
    ] {
        let told = |qtype| reverse(&zone, learned(&[]), name, qtype, None);
        let pointer = format!("{yes} | an {name} 60 PTR {target}.");
        assert_eq!((told(rtype::PTR), told(rtype::ANY)), (pointer.clone(), pointer));
        let soa = format!("{name} 60 SOA {none}");
        assert_eq!(told(rtype::SOA), format!("{yes} | an {soa}"));
        assert_eq!(
            told(rtype::NS),
            format!("{yes} | an {name} 60 NS ns1.mesos. | ad ns1.mesos 60 A 10.0.0.9")
        );
        for qtype in [rtype::A, rtype::TXT, rtype::SRV, 43, 65280] {
            assert_eq!(told(qtype), format!("{yes} | ns {name} 3 SOA {none}"), "{qtype}");
        }
        // Below it there is nothing, and it is ours to say so.
        let below = reverse(&zone, learned(&[]), &format!("x.{name}"), rtype::PTR, None);
        assert_eq!(below, format!("NXDOMAIN aa=true ra=true tc=false | ns {name} 3 SOA {none}"));
    }
    for name in [
        // Not known, known without a name, public, somebody's localhost, names above, and no names of addresses.
        "3.0.0.10.in-addr.arpa",
        "2.0.0.10.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
        "1.0.0.127.in-addr.arpa",
        "0.0.10.in-addr.arpa",
        "10.in-addr.arpa",
        "in-addr.arpa",
        "01.0.0.10.in-addr.arpa",
        "ip6.arpa",
        "0.3.0.0.0.0.d.f.ip6.arpa",
    ] {
        assert_eq!(reverse(&zone, learned(&[]), name, rtype::PTR, None), "Forward", "{name}");
    }
    // What was sent elsewhere, and all of it where it is off.
    for (reversing, name) in
        [(learned(&["10.0.0.0/16"]), "1.0.0.10.in-addr.arpa"), (Reversing::Off, "7.0.30.10.in-addr.arpa")]
    {
        assert_eq!(reverse(&zone, reversing, name, rtype::PTR, None), "Forward", "{name}");
    }
}

#[test]
fn what_was_listed() {
    let zone = snapshot();
    let prefixes = ["10.0.0.0/8", "8.8.8.0/26", "192.168.0.0/19", "fd00::/8"];
    let told = |name: &str, qtype| reverse(&zone, listed(&prefixes), name, qtype, None);
    let yes = "NOERROR aa=true ra=true tc=false";
    let no = "NXDOMAIN aa=true ra=true tc=false";
    let soa = |apex: &str, ttl: u32| format!("{apex} {ttl} SOA ns1.mesos. root.ns1.mesos. 77 60 600 86400 3");
    let check =
        |name: &str, qtype, expected: String| assert_eq!(told(name, qtype), expected, "{name} {qtype}");
    check(
        "1.0.0.10.in-addr.arpa",
        rtype::PTR,
        format!("{yes} | an 1.0.0.10.in-addr.arpa 60 PTR node1.example.org."),
    );
    check(
        "8.8.8.8.in-addr.arpa",
        rtype::PTR,
        format!("{yes} | an 8.8.8.8.in-addr.arpa 60 PTR public-abcde-s1.marathon.mesos."),
    );
    let ten = soa("10.in-addr.arpa", 3);
    check("1.0.0.10.in-addr.arpa", rtype::A, format!("{yes} | ns {ten}"));
    // Unknown addresses, and what can be none.
    for name in ["3.0.0.10", "2.0.0.10", "x.1.0.0.10", "01.0.0.10", "256.0.0.10", "a.b.10"] {
        check(&format!("{name}.in-addr.arpa"), rtype::PTR, format!("{no} | ns {ten}"));
    }
    // Names above addresses are there.
    for name in ["0.0.10", "77.10"] {
        check(&format!("{name}.in-addr.arpa"), rtype::PTR, format!("{yes} | ns {ten}"));
    }
    check("10.in-addr.arpa", rtype::SOA, format!("{yes} | an {}", soa("10.in-addr.arpa", 60)));
    check(
        "10.in-addr.arpa",
        rtype::NS,
        format!("{yes} | an 10.in-addr.arpa 60 NS ns1.mesos. | ad ns1.mesos 60 A 10.0.0.9"),
    );
    check("10.in-addr.arpa", rtype::PTR, format!("{yes} | ns {ten}"));
    check("10.in-addr.arpa", rtype::ANY, format!("{yes} | an {}", soa("10.in-addr.arpa", 60)));
    // A part of a /24: each address is a zone, and exists.
    check("63.8.8.8.in-addr.arpa", rtype::PTR, format!("{yes} | ns {}", soa("63.8.8.8.in-addr.arpa", 3)));
    check("x.63.8.8.8.in-addr.arpa", rtype::PTR, format!("{no} | ns {}", soa("63.8.8.8.in-addr.arpa", 3)));
    // A prefix that ends within the third octet.
    check(
        "9.31.168.192.in-addr.arpa",
        rtype::PTR,
        format!("{no} | ns {}", soa("31.168.192.in-addr.arpa", 3)),
    );
    check(
        "31.168.192.in-addr.arpa",
        rtype::SOA,
        format!("{yes} | an {}", soa("31.168.192.in-addr.arpa", 60)),
    );
    let nowhere = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.d.f.ip6.arpa";
    check(nowhere, rtype::PTR, format!("{no} | ns {}", soa("d.f.ip6.arpa", 3)));
    check("0.d.f.ip6.arpa", rtype::PTR, format!("{yes} | ns {}", soa("d.f.ip6.arpa", 3)));
    // What is not listed, and what is above.
    for name in ["64.8.8.8", "8.8.8", "32.168.192", "168.192", "1.64.100", "1.0.0.127", ""] {
        let name = format!("{name}.in-addr.arpa");
        assert_eq!(told(name.trim_start_matches('.'), rtype::PTR), "Forward", "{name}");
    }
    assert_eq!(told("f.ip6.arpa", rtype::PTR), "Forward");
}

/// Neither recursion nor forwarding has to do with it, but who may ask at all has.
#[test]
fn who_is_told() {
    let zone = snapshot();
    let mut message = query("1.0.0.10.in-addr.arpa", rtype::PTR, None);
    message[2] = 0;
    let settings =
        Settings { reverse: learned(&[]), forwards: false, recursion_available: false, ..SETTINGS };
    let told = reply_of(&zone, &settings, &LIVE, &message);
    assert_eq!(
        told,
        "NOERROR aa=true ra=false tc=false | an 1.0.0.10.in-addr.arpa 60 PTR node1.example.org."
    );
    let closed = Settings { query_allow: nets(&["10.0.0.0/8"]), ..settings.clone() };
    assert_eq!(reply_of(&zone, &closed, &LIVE, &message), "REFUSED aa=false ra=false tc=false");
    let unknown = query("3.0.0.10.in-addr.arpa", rtype::PTR, None);
    assert_eq!(reply_of(&zone, &settings, &LIVE, &unknown), "REFUSED aa=false ra=false tc=false");
    let mut chaos = message.clone();
    *chaos.last_mut().unwrap() = 3;
    assert_eq!(reply_of(&zone, &settings, &LIVE, &chaos), "REFUSED aa=false ra=false tc=false");
    let with_edns = reverse(&zone, learned(&[]), "1.0.0.10.in-addr.arpa", rtype::PTR, Some((1232, 0x8000)));
    assert!(with_edns.starts_with("NOERROR aa=true"), "{with_edns}");
}

/// While not everything is known, nobody is told that an address has no name.
#[test]
fn before_all_is_known() {
    let loading = Snapshot::loading(name("mesos."), Arc::new(soa()));
    let partial = zone().snapshot(Arc::new(soa()), Serial(77)).partial(true);
    let (known, unknown) = ("1.0.0.10.in-addr.arpa", "3.0.0.10.in-addr.arpa");
    let later = "SERVFAIL aa=false ra=true tc=false";
    let told = |zone: &Snapshot, reversing: &Reversing, name: &str| {
        reverse(zone, reversing.clone(), name, rtype::PTR, None)
    };
    let ten = listed(&["10.0.0.0/8"]);
    assert_eq!(
        (told(&loading, &ten, known).as_str(), told(&partial, &ten, unknown).as_str()),
        (later, later)
    );
    // Whoever speaks EDNS is told why, and no name in a listed prefix gets out, whatever its type.
    for (name, qtype) in [
        (known, rtype::PTR),
        (unknown, rtype::A),
        ("10.in-addr.arpa", rtype::SOA),
        ("x.10.in-addr.arpa", 255),
    ] {
        for zone in [&loading, &partial] {
            let settings = Settings { reverse: ten.clone(), ..SETTINGS };
            let mut out = vec![0; 1232];
            let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
            let message = query(name, qtype, Some((1232, 0)));
            let action = decide(&message, zone, &LIVE, &settings, peer, 5, &mut out);
            let Action::Send { length, reason, .. } = action else { panic!("{name}: {action:?}") };
            let is_early = out[..length].windows(6).any(|window| window == [0, 15, 0, 2, 0, 14]);
            assert_eq!(is_early, reason == Reason::Loading, "{name}");
            assert!(is_early || zone.is_partial() && name == known, "{name}: {reason:?}");
        }
    }
    assert_eq!(told(&loading, &learned(&[]), known), "Forward");
    assert_eq!(told(&partial, &learned(&[]), unknown), "Forward");
    for reversing in [ten, learned(&[])] {
        assert!(told(&partial, &reversing, known).ends_with("PTR node1.example.org."));
    }
}

/// Old data says so, in both ways.
#[test]
fn old_data_is_marked() {
    let zone = snapshot();
    let stale = Standing { state: State::Stale, ..LIVE };
    let settings = Settings { reverse: listed(&["10.0.0.0/8"]), ..SETTINGS };
    for (name, code) in
        [("1.0.0.10.in-addr.arpa", ede::STALE_ANSWER), ("3.0.0.10.in-addr.arpa", ede::STALE_NX_DOMAIN_ANSWER)]
    {
        let mut out = vec![0; 1232];
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
        let message = query(name, rtype::PTR, Some((1232, 0)));
        let Action::Send { length, .. } = decide(&message, &zone, &stale, &settings, peer, 5, &mut out)
        else {
            panic!()
        };
        let option = [[0, 15, 0, 2], [0, 0, 0, code as u8]].map(|part| part.to_vec());
        let wanted = [&option[0][..], &option[1][2..]].concat();
        assert!(out[..length].windows(6).any(|window| window == wanted), "{name}");
    }
}

proptest! {
    /// For every name below the two suffixes the reply is well-formed, and its SOA stands at an end of the name.
    #[test]
    fn any_name_gives_a_strict_reply(
        labels in prop::collection::vec("[0-9a-fx]{1,3}", 0..34),
        suffix in prop::sample::select(vec!["in-addr.arpa", "ip6.arpa", "0.0.10.in-addr.arpa", "3.0.0.0.0.d.f.ip6.arpa"]),
        qtype in prop::sample::select(vec![1_u16, 2, 6, 12, 16, 33, 255]),
        prefixes in prop::sample::select(vec![vec!["0.0.0.0/0", "::/0"], vec!["10.0.0.0/13"], vec!["fd00::/9", "10.0.0.0/31"], vec!["10.0.0.1/32"]]),
    ) {
        let text: String = labels.iter().map(|label| format!("{label}.")).collect::<String>() + suffix;
        prop_assume!(text.len() < 250);
        let told = reverse(&snapshot(), listed(&prefixes), &text, qtype, None);
        if let Some((_, soa)) = told.split_once("ns ") {
            let owner = soa.split(' ').next().unwrap();
            prop_assert!(text == owner || text.ends_with(&format!(".{owner}")), "{} {}", text, told);
        }
        prop_assert!(told == "Forward" || told.starts_with("NOERROR aa=true") || told.starts_with("NXDOMAIN aa=true"), "{}", told);
    }
}
