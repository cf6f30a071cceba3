//! Records of further types, with TTLs and preferences of their own, and aliases.

use super::*;
use crate::records::{Fixed, FixedOwner, Preference, Rule};

fn other(rtype: u16, rdata: &[u8]) -> Data {
    Data::Other { rtype, rdata: rdata.into() }
}

fn alias(target: &str) -> Data {
    other(rtype::CNAME, name(target).as_wire())
}

/// Owners with their data, all written down by the operator.
fn zone() -> Snapshot {
    let address = |text: &str| Data::from(text.parse::<IpAddr>().unwrap());
    let service = |port, priority, target: &str| Data::Srv {
        port,
        target: Owner::new(target),
        preference: Some(Preference { priority, weight: 7 }),
    };
    let mut owners = vec![
        ("web.mesos.", vec![address("10.0.0.1"), other(rtype::TXT, b"\x03a=b"), Data::Ttl(9), Data::Ttl(7)]),
        ("_web._tcp.mesos.", vec![service(80, 1, "web.mesos."), service(81, 2, "plain.mesos.")]),
        ("plain.mesos.", vec![address("10.0.0.2"), address("fd00::2")]),
        ("only.mesos.", vec![other(257, b"\0\x05issue")]),
        ("alias.mesos.", vec![alias("Second.mesos."), Data::Ttl(3)]),
        ("second.mesos.", vec![alias("web.mesos.")]),
        ("gone.mesos.", vec![alias("nothing.mesos.")]),
        ("out.mesos.", vec![alias("www.example.org.")]),
        ("top.mesos.", vec![alias("mesos.")]),
        ("status.mesos.", vec![alias("_status.mesos.")]),
        ("round.mesos.", vec![alias("about.mesos.")]),
        ("about.mesos.", vec![alias("round.mesos.")]),
        ("self.mesos.", vec![alias("self.mesos.")]),
        ("bad.mesos.", vec![other(rtype::CNAME, b"\x05mesos")]),
    ];
    let steps: Vec<String> = (0..12).map(|step| format!("step{step}.mesos.")).collect();
    owners.extend(steps.windows(2).map(|pair| (pair[0].as_str(), vec![alias(&pair[1])])));
    owners.push((&steps[11], vec![address("10.0.0.3")]));
    let written = |(owner, data): (&str, Vec<Data>)| (name(owner), FixedOwner { data, rule: Rule::Override });
    let fixed = Fixed { owners: owners.into_iter().map(written).collect() };
    let mut zone = Zone::new(name("mesos."), None, Seed(1)).with_fixed(&fixed);
    zone.compile();
    zone.snapshot(Arc::new(Soa { minimum: 3, ..soa() }), Serial(77))
}

fn answered(zone: &Snapshot, owner: &str, qtype: u16) -> String {
    let message = query(owner, qtype, None);
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let Action::Send { length, .. } = decide(&message, zone, &LIVE, &SETTINGS, peer, 5, &mut out) else {
        panic!("no reply");
    };
    strict::strict(&out[..length], &message, 512).unwrap();
    read(&out[..length])
}

#[test]
fn further_types_and_their_ttls() {
    let zone = zone();
    let check = |owner: &str, qtype: u16, expected: &str| {
        assert_eq!(answered(&zone, owner, qtype), expected, "{owner} {qtype}");
    };
    let yes = "NOERROR aa=true ra=true tc=false";
    check("web.mesos", rtype::A, &format!("{yes} | an web.mesos 7 A 10.0.0.1"));
    check("WEB.mesos", rtype::TXT, &format!("{yes} | an WEB.mesos 7 TXT \"a=b\""));
    check("web.mesos", rtype::AAAA, &format!("{yes} | {SOA}"));
    check("web.mesos", rtype::ANY, &format!("{yes} | an web.mesos 7 A 10.0.0.1"));
    // Each additional record has the TTL of its own owner.
    check(
        "_web._tcp.mesos",
        rtype::SRV,
        &format!(
            "{yes} | an _web._tcp.mesos 60 SRV 1 7 80 web.mesos | an _web._tcp.mesos 60 SRV 2 7 81 plain.mesos \
             | ad plain.mesos 60 A 10.0.0.2 | ad plain.mesos 60 AAAA fd00::2 | ad web.mesos 7 A 10.0.0.1"
        ),
    );
    check("only.mesos", 257, &format!("{yes} | an only.mesos 60 CAA 0 issue "));
    check("only.mesos", rtype::ANY, &format!("{yes} | an only.mesos 60 CAA 0 issue "));
}

#[test]
fn aliases_are_followed() {
    let zone = zone();
    let check = |owner: &str, qtype: u16, expected: &str| {
        assert_eq!(answered(&zone, owner, qtype), expected, "{owner} {qtype}");
    };
    let yes = "NOERROR aa=true ra=true tc=false";
    let first = "an alias.mesos 3 CNAME Second.mesos";
    let both = format!("{first} | an Second.mesos 60 CNAME web.mesos");
    check("alias.mesos", rtype::A, &format!("{yes} | {both} | an web.mesos 7 A 10.0.0.1"));
    check("alias.mesos", rtype::AAAA, &format!("{yes} | {both} | {SOA}"));
    check("alias.mesos", rtype::CNAME, &format!("{yes} | {first}"));
    check("alias.mesos", rtype::ANY, &format!("{yes} | {first}"));
    // The response code is that of the last name (RFC 6604).
    let gone = "an gone.mesos 60 CNAME nothing.mesos";
    check("gone.mesos", rtype::A, &format!("NXDOMAIN aa=true ra=true tc=false | {gone} | {SOA}"));
    check("out.mesos", rtype::A, &format!("{yes} | an out.mesos 60 CNAME www.example.org"));
    check("status.mesos", rtype::TXT, &format!("{yes} | an status.mesos 60 CNAME _status.mesos"));
    let apex = "an mesos 60 NS ns1.mesos. | an top.mesos 60 CNAME mesos";
    check("top.mesos", rtype::NS, &format!("{yes} | {apex}"));
    // Circles end where they began.
    check("self.mesos", rtype::A, &format!("{yes} | an self.mesos 60 CNAME self.mesos"));
    let round = "an about.mesos 60 CNAME round.mesos | an round.mesos 60 CNAME about.mesos";
    check("round.mesos", rtype::A, &format!("{yes} | {round}"));
    // Long ways do too.
    assert_eq!(answered(&zone, "step0.mesos", rtype::A).matches("CNAME").count(), 8);
    assert_eq!(answered(&zone, "step4.mesos", rtype::A).matches("CNAME").count(), 7);
    assert!(answered(&zone, "step4.mesos", rtype::A).contains("A 10.0.0.3"));
}
