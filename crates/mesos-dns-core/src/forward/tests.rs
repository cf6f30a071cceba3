//! What the policy decides.

use super::{
    message::tests::{query, query_edns},
    *,
};

fn settings() -> Settings {
    let server = |last| vec![Server::plain(([192, 0, 2, last], 53).into())];
    Settings {
        external_on: true,
        domain: Name::parse("mesos").unwrap(),
        reverse: ReverseZones::new(vec!["10.9.0.0/20".parse().unwrap()], Vec::new()),
        resolvers: server(1),
        zones: vec![(Name::parse("corp").unwrap(), server(2)), (Name::parse("empty").unwrap(), Vec::new())],
        budget: Duration::from_secs(5),
        recursion_allow: private_networks().to_vec(),
        truncation: Truncation::Flagged,
        cache_bytes: 0,
        stale_max: Duration::ZERO,
    }
}

/// The refusal, "local", or the last octet of the first server.
fn decide(settings: Settings, bytes: &[u8], client: &str) -> Result<String, Refusal> {
    match Policy::new(settings).decide(&Query::parse(bytes).unwrap(), client.parse().unwrap()) {
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Local(_) => Ok("local".into()),
        Decision::Ask(group) => Ok(group.servers[0].to_string()),
    }
}

#[test]
fn who_is_served_with_what() {
    let check = |name: &str, qtype, client| decide(settings(), &query(name, qtype), client);
    assert_eq!(check("example.com", 1, "10.1.2.3"), Ok("192.0.2.1:53".into()));
    assert_eq!(check("a.Corp", 1, "10.1.2.3"), Ok("192.0.2.2:53".into()));
    assert_eq!(check("", 2, "10.1.2.3"), Ok("192.0.2.1:53".into()), "the root");
    assert_eq!(check("x.localhost", 1, "10.1.2.3"), Ok("local".into()));
    assert_eq!(check("x.empty", 1, "10.1.2.3"), Err(Refusal::NoServers));
    assert_eq!(check("web.marathon.MESOS", 1, "10.1.2.3"), Err(Refusal::OwnDomain));
    for (name, is_ours) in [("1.15.9.10", true), ("0.9.10", true), ("16.9.10", false), ("9.10", false)] {
        let outcome = check(&format!("{name}.in-addr.arpa"), 12, "10.1.2.3");
        assert_eq!(outcome == Err(Refusal::OwnDomain), is_ours, "{name}");
    }
    for qtype in [41, 249, 250, 251, 252] {
        assert_eq!(check("example.com", qtype, "10.1.2.3"), Err(Refusal::Kind), "{qtype}");
    }
    assert_eq!(check("example.com", 255, "10.1.2.3"), Ok("192.0.2.1:53".into()), "ANY");
}

#[test]
fn who_may_ask() {
    let check = |client| decide(settings(), &query_edns("example.com", 1, 1232, false), client).is_ok();
    for inside in [
        "127.0.0.1",
        "127.255.1.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.3.4",
        "::1",
        "fd00::1",
        "fc00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(check(inside), "{inside}");
    }
    for outside in [
        "8.8.8.8",
        "11.0.0.1",
        "100.128.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "2001:db8::1",
        "::2",
        "::",
        "0.0.0.0",
        "::ffff:8.8.8.8",
        "fec0::1",
    ] {
        assert!(!check(outside), "{outside}");
    }
}

#[test]
fn reasons_come_in_order() {
    let mut no_recursion = query("example.com", 1);
    no_recursion[2] = 0;
    assert_eq!(decide(settings(), &no_recursion, "10.0.0.1"), Err(Refusal::NoRecursion));
    assert_eq!(decide(settings(), &no_recursion, "8.8.8.8"), Err(Refusal::Client));
    let off = Settings { external_on: false, ..settings() };
    assert_eq!(decide(off.clone(), &no_recursion, "8.8.8.8"), Err(Refusal::Off));
    assert_eq!(decide(off, &query("localhost", 1), "10.0.0.1"), Err(Refusal::Off));
    let long = Settings { budget: Duration::from_secs(3600), ..settings() };
    assert_eq!(Policy::new(long).budget(), BUDGET_MAX);
}

#[test]
fn what_leads_elsewhere() {
    let policy = Policy::new(settings());
    let other = |change: fn(&mut Settings)| {
        let mut changed = settings();
        change(&mut changed);
        Policy::new(changed).leads_like(&policy)
    };
    assert!(other(|settings| settings.recursion_allow.clear()));
    assert!(other(|settings| settings.stale_max = Duration::from_secs(1)));
    assert!(!other(|settings| settings.resolvers.clear()));
    assert!(!other(|settings| settings.zones.clear()));
    assert!(!other(|settings| settings.domain = Name::parse("dc1.mesos").unwrap()));
}
