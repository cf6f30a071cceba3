//! The promise: each name goes to the servers of the longest zone around it, and what is ours, or everybody's own
//! business, goes to none.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use daemon::Daemon;
use domain::base::iana::{Rcode, Rtype};
use master::{Master, document, ordinary};
use mesos_dns_sim::{
    client::{self, Query},
    upstream::{Scene, Upstream},
};
use serde_json::{Value, json};

/// A server that knows every name.
fn omniscient() -> Upstream {
    let scene = json!({"zones": [{"zone": "", "made": true}]});
    Upstream::start(&Scene::read(scene.to_string().as_bytes()).unwrap()).unwrap()
}

/// The code of the answer, and which of these servers were asked for it.
async fn ask(daemon: &Daemon, name: &str, rtype: Rtype, servers: &[Upstream]) -> (Rcode, Vec<usize>) {
    let answer = client::udp(daemon.dns, &Query::new(name, rtype)).await.unwrap();
    let asked = |server: &usize| servers[*server].asked_for(name, rtype.to_int()) > 0;
    (answer.rcode(), (0..servers.len()).filter(asked).collect())
}

/// The program with the first of these servers for all names, and zones with servers by their index.
fn members(master: &Master, servers: &[Upstream], zones: &[(&str, usize)]) -> Value {
    let address = |server: usize| servers[server].address().to_string();
    let zones: serde_json::Map<String, Value> =
        zones.iter().map(|(zone, server)| ((*zone).to_owned(), json!([address(*server)]))).collect();
    json!({
        "masters": [master.address().to_string()], "externalon": true,
        "resolvers": [address(0)], "zoneResolvers": zones,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_zone_decides_in_both_directions() {
    let servers = [omniscient(), omniscient(), omniscient()];
    let master = Master::start(&ordinary()).await;
    let zones = [
        ("corp.example", 1),
        ("eu.corp.example", 2),
        ("10.in-addr.arpa", 1),
        ("1.10.in-addr.arpa", 2),
        ("8.b.d.0.1.0.0.2.ip6.arpa", 1),
        ("0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", 2),
        // What is answered here otherwise, unless somebody is named for it.
        ("onion", 1),
        ("2.0.127.in-addr.arpa", 2),
    ];
    let daemon = Daemon::start(members(&master, &servers, &zones));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let long = |end: &str| format!("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.{end}.8.b.d.0.1.0.0.2.ip6.arpa");
    let (wide, narrow) = (long("1.0.0.0"), long("0.0.0.0"));
    for (name, rtype, rcode, asked) in [
        ("www.example", Rtype::A, Rcode::NOERROR, &[0][..]),
        ("corp.example", Rtype::A, Rcode::NOERROR, &[1]),
        ("www.Corp.Example", Rtype::A, Rcode::NOERROR, &[1]),
        ("xcorp.example", Rtype::A, Rcode::NOERROR, &[0]),
        ("eu.corp.example", Rtype::A, Rcode::NOERROR, &[2]),
        ("a.b.eu.corp.example", Rtype::A, Rcode::NOERROR, &[2]),
        ("4.3.2.10.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[1]),
        ("4.3.1.10.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[2]),
        ("4.3.2.11.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[0]),
        ("4.3.110.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[0]),
        (&wide, Rtype::PTR, Rcode::NOERROR, &[1]),
        (&narrow, Rtype::PTR, Rcode::NOERROR, &[2]),
        // Everybody's own business (RFC 6303, 6761, 7686), but where a zone says otherwise.
        ("localhost", Rtype::A, Rcode::NOERROR, &[]),
        ("db.LocalHost", Rtype::AAAA, Rcode::NOERROR, &[]),
        ("www.invalid", Rtype::A, Rcode::NXDOMAIN, &[]),
        ("1.0.0.127.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[]),
        ("9.9.9.127.in-addr.arpa", Rtype::PTR, Rcode::NXDOMAIN, &[]),
        ("0.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[]),
        ("4.3.2.0.in-addr.arpa", Rtype::PTR, Rcode::NXDOMAIN, &[]),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
            Rtype::PTR,
            Rcode::NOERROR,
            &[],
        ),
        ("secret.onion", Rtype::A, Rcode::NOERROR, &[1]),
        ("1.2.0.127.in-addr.arpa", Rtype::PTR, Rcode::NOERROR, &[2]),
        // Ours.
        ("web.marathon.mesos", Rtype::A, Rcode::NOERROR, &[]),
        ("nobody.MESOS", Rtype::A, Rcode::NXDOMAIN, &[]),
    ] {
        assert_eq!(ask(&daemon, name, rtype, &servers).await, (rcode, asked.to_vec()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ours_never_leaves_whatever_we_know() {
    let servers = [omniscient(), omniscient()];
    let master = Master::start(&document(Vec::new())).await;
    master.says("503 Service Unavailable", "text/plain", b"");
    let mut members = members(&master, &servers, &[("example", 1)]);
    members["staleAfterSeconds"] = json!(0.5);
    let daemon = Daemon::start(members);
    let names =
        ["mesos", "leader.mesos", "web.marathon.mesos", "web.Marathon.MESOS", "_web._tcp.marathon.mesos"];
    let types = [Rtype::A, Rtype::AAAA, Rtype::SRV, Rtype::NS, Rtype::DS, Rtype::MX, Rtype::ANY];
    let never_leave = async |when: &str| {
        for name in names {
            for rtype in types {
                let answer = client::udp(daemon.dns, &Query::new(name, rtype).dnssec_ok()).await.unwrap();
                assert_ne!(answer.rcode(), Rcode::REFUSED, "{when}: {name} {rtype}");
            }
        }
        for server in &servers {
            let asked = server.asked();
            assert!(asked.iter().all(|asked| asked.name.ends_with(".example")), "{when}: {asked:?}");
        }
    };
    never_leave("before the first data").await;
    assert_eq!(daemon.ready().await["state"], "loading");
    master.shows(&document(Vec::new()));
    let empty = daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    never_leave("with an empty cluster").await;
    master.shows(&ordinary());
    daemon.until_ready("filled", |ready| ready["contentHash"] != empty["contentHash"]).await;
    never_leave("with a cluster").await;
    master.says("503 Service Unavailable", "text/plain", b"");
    daemon.until_ready("old", |ready| ready["state"] == "stale").await;
    never_leave("with old data").await;
    // The servers would have answered.
    assert_eq!(ask(&daemon, "www.example", Rtype::A, &servers).await, (Rcode::NOERROR, vec![1]));
}
