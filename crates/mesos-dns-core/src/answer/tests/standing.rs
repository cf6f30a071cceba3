//! What answers say of how our view of the cluster stands.

use super::*;

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
