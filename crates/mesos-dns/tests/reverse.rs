//! The promise: an address of ours is told by its name, and nobody else's address is.
//!
//! The site has reverse zones of its own, here those of a simulated resolver, with other names for the same addresses: so
//! who answered can be read from the answer.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{net::IpAddr, time::Instant};

use daemon::{Daemon, LOOK, PATIENCE};
use domain::base::iana::Rtype;
use master::{Master, document, task};
use mesos_dns_sim::{
    client::{self, Answer, Query},
    upstream::{Scene, Upstream},
};
use rustix::process::Signal;
use serde_json::{Value, json};

//------------ Addresses -------------------------------------------------------

/// An agent with the name of a host.
const NAMED: &str = "10.20.0.1";
/// An agent that calls itself by its address.
const UNNAMED: &str = "10.20.0.2";
/// An agent with the name of a host and an address that is not private.
const PUBLIC: &str = "192.0.2.7";
/// A container with addresses of its own.
const CONTAINER: [&str; 2] = ["10.30.0.1", "fd00:30::1"];
/// Private addresses that nobody in the cluster has; the resolver knows the first.
const UNKNOWN: [&str; 2] = ["10.9.9.9", "10.9.9.8"];

/// The name of an address below `in-addr.arpa` or `ip6.arpa`.
fn reversed(address: &str) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = format!("{:032x}", u128::from(address));
            digits.chars().rev().map(|digit| format!("{digit}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

//------------ Site ------------------------------------------------------------

/// The program between a cluster and the resolver of the site.
struct Site {
    master: Master,
    upstream: Upstream,
    daemon: Daemon,
}

/// Three agents; a task on its agent's network, and if `with_web` a container.
fn cluster(with_web: bool) -> Value {
    let mut tasks = vec![task("host", 1, &[])];
    tasks.extend(with_web.then(|| task("web", 0, &CONTAINER)));
    let mut document = document(tasks);
    document["slaves"][0]["hostname"] = json!("node-1.example.test");
    document["slaves"].as_array_mut().unwrap().push(json!({
        "id": "20260101-S2", "hostname": "edge.example.test", "pid": format!("slave(1)@{PUBLIC}:5051"),
        "active": true,
    }));
    document
}

/// What the site says of these addresses.
fn zones_of_the_site() -> Scene {
    let zone = |apex: &str, addresses: &[(&str, &str)]| {
        let mut records = vec!["@ 60 SOA ns.theirs.test. root.theirs.test. 1 3600 600 86400 30".to_owned()];
        let pointer = |(address, name): &(&str, &str)| format!("{}. 60 PTR {name}.", reversed(address));
        records.extend(addresses.iter().map(pointer));
        json!({"zone": apex, "records": records})
    };
    let ten = [
        (NAMED, "one.theirs.test"),
        (UNNAMED, "two.theirs.test"),
        (CONTAINER[0], "four.theirs.test"),
        (UNKNOWN[0], "unknown.theirs.test"),
    ];
    let zones = json!({"zones": [
        zone("10.in-addr.arpa", &ten),
        zone("2.0.192.in-addr.arpa", &[(PUBLIC, "public.theirs.test")]),
        zone("d.f.ip6.arpa", &[(CONTAINER[1], "six.theirs.test")]),
    ]});
    Scene::read(zones.to_string().as_bytes()).unwrap()
}

impl Site {
    async fn start(members: Value) -> Self {
        let master = Master::start(&cluster(true)).await;
        let upstream = Upstream::start(&zones_of_the_site()).unwrap();
        let mut all = json!({
            "masters": [master.address().to_string()], "externalon": true,
            "resolvers": [upstream.address().to_string()],
        });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let daemon = Daemon::start(all);
        daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
        Self { master, upstream, daemon }
    }

    /// What is told, over UDP as over TCP: the response code, the data of the answers, or the owner and the first server
    /// of the SOA record that comes with none.
    async fn told(&self, name: &str, rtype: Rtype) -> String {
        let query = Query::new(name, rtype);
        let over_udp = shown(&client::udp(self.daemon.dns, &query).await.unwrap());
        let over_tcp = shown(&client::tcp(self.daemon.dns, &query).await.unwrap());
        assert_eq!(over_udp, over_tcp, "{name} {rtype}");
        over_udp
    }

    /// What is told of an address.
    async fn name_of(&self, address: &str) -> String {
        self.told(&reversed(address), Rtype::PTR).await
    }

    /// The name of the container's instance. It leads back to the container.
    async fn instance(&self) -> String {
        let pointer = self.name_of(CONTAINER[0]).await;
        let name = pointer.strip_prefix("NOERROR PTR ").unwrap_or_else(|| panic!("{pointer}")).to_owned();
        assert!(name.starts_with("web-") && name.ends_with("-s0.marathon.mesos"), "{name}");
        for (rtype, address) in [Rtype::A, Rtype::AAAA].into_iter().zip(CONTAINER) {
            assert_eq!(self.told(&name, rtype).await, format!("NOERROR {rtype} {address}"));
        }
        name
    }

    async fn is_told(&self, expected: &[(&str, &str)]) {
        for (address, expected) in expected {
            assert_eq!(self.name_of(address).await, *expected, "{address}");
        }
    }

    /// Has the file read again with these members, and waits until this is told of an address.
    async fn reload(&mut self, members: Value, (address, expected): (&str, &str)) {
        self.daemon.rewrite(members);
        self.daemon.signal(Signal::HUP);
        self.becomes(address, expected).await;
    }

    async fn becomes(&self, address: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let told =
                client::udp(self.daemon.dns, &Query::new(reversed(address), Rtype::PTR)).await.unwrap();
            let told = shown(&told);
            if told == expected {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{address}: {told}, not {expected}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the resolver was asked for the name of this address.
    fn has_left(&self, address: &str) -> bool {
        self.upstream.asked_for(&reversed(address), Rtype::PTR.to_int()) > 0
    }
}

fn shown(answer: &Answer) -> String {
    let data = |line: &String| {
        let (_, data) = line.split_once(" IN ").unwrap();
        data.trim_end_matches('.').to_owned()
    };
    let soa = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[3] == "SOA").then(|| format!("SOA of {} by {}", words[0], words[4].trim_end_matches('.')))
    };
    let mut lines: Vec<String> = answer.answers().unwrap().iter().map(data).collect();
    if lines.is_empty() {
        lines.extend(answer.authorities().unwrap().iter().filter_map(soa));
    }
    [vec![answer.rcode().to_string()], lines].concat().join(" ")
}

//------------ Tests -----------------------------------------------------------

/// What the site says, whatever we know.
const THEIRS: [(&str, &str); 6] = [
    (NAMED, "NOERROR PTR one.theirs.test"),
    (UNNAMED, "NOERROR PTR two.theirs.test"),
    (PUBLIC, "NOERROR PTR public.theirs.test"),
    (CONTAINER[1], "NOERROR PTR six.theirs.test"),
    (UNKNOWN[0], "NOERROR PTR unknown.theirs.test"),
    (UNKNOWN[1], "NXDOMAIN SOA of 10.in-addr.arpa. by ns.theirs.test"),
];

/// Private ones, one by one. What has no name with us, and what is not private, is the site's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_with_a_name_are_told() {
    let site = Site::start(json!({})).await;
    let instance = site.instance().await;
    let ours = format!("NOERROR PTR {instance}");
    site.is_told(&[(NAMED, "NOERROR PTR node-1.example.test"), (CONTAINER[0], &ours), (CONTAINER[1], &ours)])
        .await;
    let forwarded = [UNNAMED, PUBLIC, UNKNOWN[0], UNKNOWN[1]];
    let theirs = THEIRS.into_iter().filter(|(address, _)| forwarded.contains(address));
    site.is_told(&theirs.collect::<Vec<_>>()).await;
    // The master's is the loopback address, which has the same name everywhere.
    site.is_told(&[("127.0.0.1", "NOERROR PTR localhost")]).await;
    for address in [NAMED, CONTAINER[0], CONTAINER[1]] {
        assert!(!site.has_left(address), "{address}");
        // Each is a zone of its own.
        let (name, owner) = (reversed(address), format!("SOA of {}. by ns1.mesos", reversed(address)));
        assert!(site.told(&name, Rtype::SOA).await.starts_with("NOERROR SOA ns1.mesos. root.ns1.mesos. "));
        assert_eq!(site.told(&name, Rtype::TXT).await, format!("NOERROR {owner}"));
        assert_eq!(site.told(&format!("x.{name}"), Rtype::PTR).await, format!("NXDOMAIN {owner}"));
    }
    assert!(forwarded.into_iter().all(|address| site.has_left(address)));

    // A container that is gone has no name here any more; the site may have one.
    site.master.shows(&cluster(false));
    site.becomes(CONTAINER[0], "NOERROR PTR four.theirs.test").await;
}

/// Of these prefixes everything is ours, and nothing beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_prefixes_are_zones() {
    let site = Site::start(json!({"reversePrefixes": ["10.0.0.0/8", "192.0.2.0/25"]})).await;
    let ours = format!("NOERROR PTR {}", site.instance().await);
    let missing = "NXDOMAIN SOA of 10.in-addr.arpa. by ns1.mesos";
    site.is_told(&[
        (NAMED, "NOERROR PTR node-1.example.test"),
        (PUBLIC, "NOERROR PTR edge.example.test"),
        (CONTAINER[0], &ours),
        (UNNAMED, missing),
        (UNKNOWN[0], missing),
        (UNKNOWN[1], missing),
        // Part of a /24: each address is a zone, so nothing of the other half is ours.
        ("192.0.2.9", "NOERROR SOA of 9.2.0.192.in-addr.arpa. by ns1.mesos"),
        ("192.0.2.200", "NXDOMAIN SOA of 2.0.192.in-addr.arpa. by ns.theirs.test"),
        (CONTAINER[1], "NOERROR PTR six.theirs.test"),
    ])
    .await;
    let soa = site.told("10.in-addr.arpa", Rtype::SOA).await;
    assert!(soa.starts_with("NOERROR SOA ns1.mesos. root.ns1.mesos. "), "{soa}");
    assert_eq!(site.told("10.in-addr.arpa", Rtype::NS).await, "NOERROR NS ns1.mesos");
    for between in ["10.in-addr.arpa", "20.10.in-addr.arpa", "0.20.10.in-addr.arpa"] {
        let told = site.told(between, Rtype::PTR).await;
        assert_eq!(told, "NOERROR SOA of 10.in-addr.arpa. by ns1.mesos", "{between}");
    }
    for address in [NAMED, UNNAMED, PUBLIC, CONTAINER[0], UNKNOWN[0], UNKNOWN[1], "192.0.2.9"] {
        assert!(!site.has_left(address), "{address}");
    }
    assert!(site.has_left(CONTAINER[1]) && site.has_left("192.0.2.200"));

    site.master.shows(&cluster(false));
    site.becomes(CONTAINER[0], missing).await;
    assert!(!site.has_left(CONTAINER[0]));
}

/// By our key, and by that of another Mesos-DNS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_everything_is_forwarded() {
    for members in [json!({"reversePrefixes": []}), json!({"reversednson": false})] {
        let site = Site::start(members).await;
        site.is_told(&THEIRS).await;
        site.is_told(&[(CONTAINER[0], "NOERROR PTR four.theirs.test")]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_whose_they_are() {
    let mut site = Site::start(json!({})).await;
    let ours = format!("NOERROR PTR {}", site.instance().await);
    site.is_told(&THEIRS[4..]).await;
    let missing = "NXDOMAIN SOA of 10.in-addr.arpa. by ns1.mesos";
    // What was remembered of an answer from elsewhere is not told any more.
    site.reload(json!({"reversePrefixes": ["10.0.0.0/8"]}), (UNKNOWN[0], missing)).await;
    site.is_told(&[(UNKNOWN[1], missing), (CONTAINER[0], &ours)]).await;
    site.reload(json!({"reversePrefixes": []}), THEIRS[0]).await;
    site.is_told(&THEIRS).await;
    // By default again, but for what is to be asked elsewhere.
    let elsewhere = json!({
        "reversePrefixes": null,
        "zoneResolvers": {"30.10.in-addr.arpa": [site.upstream.address().to_string()]},
    });
    site.reload(elsewhere, (NAMED, "NOERROR PTR node-1.example.test")).await;
    site.is_told(&[(CONTAINER[0], "NOERROR PTR four.theirs.test"), (CONTAINER[1], &ours)]).await;
    site.is_told(&THEIRS[4..]).await;
    site.reload(json!({"zoneResolvers": {}}), (CONTAINER[0], &ours)).await;
}
