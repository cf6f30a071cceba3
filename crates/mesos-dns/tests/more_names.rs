//! The promise: what the operator writes down and what tasks ask for by their labels is answered, over the wire, and
//! follows the files at a reload.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{fs, process::Command, time::Instant};

use daemon::{Daemon, LOOK, PATIENCE};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, document, task};
use mesos_dns_sim::{
    client::{self, Query},
    upstream::{Scene, Upstream},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The answers for a name as a zone file would have them, sorted, the owner left out where it is the name itself.
async fn answers(daemon: &Daemon, name: &str, rtype: Rtype) -> Vec<String> {
    let answer = client::udp(daemon.dns, &Query::new(name, rtype)).await.unwrap();
    let mut lines: Vec<String> = answer.answers().unwrap();
    let own = format!("{name}. ");
    // The last dot of a name in data depends on the type.
    let plain = |line: &str| line.strip_prefix(&own).unwrap_or(line).trim_end_matches('.').to_owned();
    lines.iter_mut().for_each(|line| *line = plain(line));
    lines.sort();
    lines
}

async fn until(daemon: &Daemon, name: &str, rtype: Rtype, expected: &[&str]) {
    let started = Instant::now();
    loop {
        let found = answers(daemon, name, rtype).await;
        if found == expected {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{name}: {found:?}, not {expected:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Stub resolvers follow no aliases, so we do, for clients we forward for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_leads_out_is_followed() {
    let master = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let upstream = Upstream::start(&Scene::ordinary()).unwrap();
    let mut daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "externalon": true,
        "resolvers": [upstream.address().to_string()],
        "records": [
            {"name": "out", "type": "CNAME", "value": "www.example.test."},
            {"name": "lost", "type": "CNAME", "value": "nowhere.example.test."},
            {"name": "twice", "type": "CNAME", "value": "out"},
        ],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let theirs = answers(&daemon, "www.example.test", Rtype::A).await;
    assert!(!theirs.is_empty());
    let address = theirs[0].rsplit(' ').next().unwrap().to_owned();
    for (name, aliases) in [("out.mesos", 1), ("twice.mesos", 2)] {
        let found = answers(&daemon, name, Rtype::A).await;
        assert_eq!(found.len(), aliases + theirs.len(), "{found:?}");
        assert!(found.iter().any(|line| line.ends_with(&format!("A {address}"))), "{found:?}");
    }
    // What is not there is not there, alias or not; who does not ask for recursion is told the alias.
    let lost = client::udp(daemon.dns, &Query::new("lost.mesos", Rtype::A)).await.unwrap();
    assert_eq!((lost.rcode(), lost.answers().unwrap().len()), (Rcode::NXDOMAIN, 1));
    let plain = client::udp(daemon.dns, &Query::new("out.mesos", Rtype::A).no_recursion()).await.unwrap();
    assert_eq!(plain.answers().unwrap(), ["out.mesos. 5 IN CNAME www.example.test."]);
    // So is who may not ask for it.
    daemon.rewrite(json!({"recursionAllow": ["192.0.2.0/24"]}));
    daemon.signal(Signal::HUP);
    until(&daemon, "out.mesos", Rtype::A, &["5 IN CNAME www.example.test"]).await;
}

/// One task with labels and a named port, on an agent that says where it stands.
fn labelled() -> Value {
    let mut web = task("web", 0, &["10.30.0.1"]);
    web["labels"] = json!([
        {"key": "dns.alias", "value": "Front_End, api"},
        {"key": "dns.ttl", "value": "2"},
        {"key": "dns.weight", "value": "30"},
    ]);
    web["discovery"] = json!({
        "visibility": "CLUSTER", "name": "web", "version": "1.2",
        "ports": {"ports": [{"number": 8080, "name": "http", "protocol": "tcp"}]},
    });
    let mut hidden = task("hidden", 1, &["10.30.0.2"]);
    hidden["discovery"] = json!({"visibility": "FRAMEWORK", "name": "hidden"});
    let mut document = document(vec![web, hidden]);
    document["slaves"][0]["hostname"] = json!("node-1.rack7");
    document["slaves"][0]["domain"] =
        json!({"fault_domain": {"region": {"name": "eu-west"}, "zone": {"name": "eu-west-1a"}}});
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_further_names() {
    let master = Master::start(&labelled()).await;
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "visibility": "cluster",
        "extraNames": ["agents", "places", "ports", "text", "browse"],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let own = answers(&daemon, "_web._tcp.marathon.mesos", Rtype::SRV).await;
    let [service] = own.as_slice() else { panic!("{own:?}") };
    let target = service.split(' ').next_back().unwrap().to_owned();
    assert!(
        service.starts_with("2 IN SRV 0 30 8080 web-") && target.ends_with("-s0.marathon.mesos"),
        "{service}"
    );
    let label = target.strip_suffix(".marathon.mesos").unwrap();
    let browsed = format!("{label}._http._tcp.marathon.mesos");
    let served = format!("2 IN SRV 0 30 8080 {target}");
    let text =
        r#"2 IN TXT "task=web.0" "agent=20260101-S0" "region=eu-west" "zone=eu-west-1a" "version=1.2""#;
    for (name, rtype, expected) in [
        ("web.marathon.mesos", Rtype::A, "2 IN A 10.30.0.1"),
        ("front-end.marathon.mesos", Rtype::A, "2 IN A 10.30.0.1"),
        ("api.marathon.mesos", Rtype::A, "2 IN A 10.30.0.1"),
        ("_http._tcp.web.marathon.mesos", Rtype::SRV, served.as_str()),
        ("eu-west-1a._zone.web.marathon.mesos", Rtype::A, "2 IN A 10.30.0.1"),
        ("eu-west._region.web.marathon.mesos", Rtype::A, "2 IN A 10.30.0.1"),
        ("node-1.rack7._agent.mesos", Rtype::A, "5 IN A 10.20.0.1"),
        ("20260101-s0._agent.mesos", Rtype::A, "5 IN A 10.20.0.1"),
        ("b._dns-sd._udp.mesos", Rtype::PTR, "5 IN PTR marathon.mesos"),
        ("_services._dns-sd._udp.marathon.mesos", Rtype::PTR, "5 IN PTR _http._tcp.marathon.mesos"),
        ("_http._tcp.marathon.mesos", Rtype::PTR, &format!("5 IN PTR {browsed}")),
        (browsed.as_str(), Rtype::SRV, served.as_str()),
        (browsed.as_str(), Rtype::TXT, text),
        (target.as_str(), Rtype::TXT, text),
    ] {
        assert_eq!(answers(&daemon, name, rtype).await, [expected], "{name}");
    }
    // The services of a framework are not the cluster's to see.
    let hidden = client::udp(daemon.dns, &Query::new("hidden.marathon.mesos", Rtype::A)).await.unwrap();
    assert_eq!(hidden.rcode(), Rcode::NXDOMAIN);
    assert_eq!(daemon.metric("zone_withheld_hidden").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_records_follow_their_files() {
    let master = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let directory = daemon::folder();
    let zone = directory.path().join("extra.zone");
    let first = "$TTL 300\n@ SOA x. y. 1 2 3 4 5\ndb A 10.0.0.7\n   TXT \"rack 7\"\nmail MX 10 mail.example.org.\nodd TYPE65280 \\# 2 abcd\n";
    fs::write(&zone, first).unwrap();
    let mut daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "externalon": false,
        "zoneFiles": [zone.to_str().unwrap()],
        "records": [
            {"name": "www", "type": "CNAME", "value": "db"},
            {"name": "out", "type": "CNAME", "value": "www.example.org."},
            {"name": "_db._tcp", "type": "SRV", "value": "3 4 5432 db"},
            {"name": "web.marathon", "type": "A", "value": "10.9.9.9"},
            {"name": "later.marathon", "type": "A", "value": "10.9.9.9", "ttl": 60},
            {"name": "leader", "type": "A", "value": "10.9.9.9", "rule": "override"},
        ],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    for (name, rtype, expected) in [
        ("db.mesos", Rtype::A, &["300 IN A 10.0.0.7"][..]),
        ("db.mesos", Rtype::TXT, &["300 IN TXT \"rack 7\""]),
        ("mail.mesos", Rtype::MX, &["300 IN MX 10 mail.example.org"]),
        ("odd.mesos", Rtype::from_int(65280), &["300 IN TYPE65280 \\# 2 ab cd"]),
        ("www.mesos", Rtype::A, &["5 IN CNAME db.mesos", "db.mesos. 300 IN A 10.0.0.7"]),
        ("out.mesos", Rtype::A, &["5 IN CNAME www.example.org"]),
        ("_db._tcp.mesos", Rtype::SRV, &["5 IN SRV 3 4 5432 db.mesos"]),
        // The cluster has the first, not the second, and the third is not its to say.
        ("web.marathon.mesos", Rtype::A, &["5 IN A 10.30.0.1"]),
        ("later.marathon.mesos", Rtype::A, &["60 IN A 10.9.9.9"]),
        ("leader.mesos", Rtype::A, &["5 IN A 10.9.9.9"]),
    ] {
        assert_eq!(answers(&daemon, name, rtype).await, expected, "{name}");
    }
    // Once the cluster has a name that was filled in, the name is the cluster's.
    master.shows(&document(vec![task("later", 1, &["10.30.0.2"])]));
    until(&daemon, "later.marathon.mesos", Rtype::A, &["5 IN A 10.30.0.2"]).await;
    until(&daemon, "web.marathon.mesos", Rtype::A, &["5 IN A 10.9.9.9"]).await;

    // The file is read again at a reload; a broken one changes nothing.
    fs::write(&zone, "db A 10.0.0.8\n").unwrap();
    daemon.rewrite(json!({}));
    daemon.signal(Signal::HUP);
    until(&daemon, "db.mesos", Rtype::A, &["5 IN A 10.0.0.8"]).await;
    until(&daemon, "mail.mesos", Rtype::MX, &[]).await;
    fs::write(&zone, "db A 10.0.0.9\nbad A nowhere\n").unwrap();
    daemon.signal(Signal::HUP);
    let failed = daemon.logged("reload failed")["error"].as_str().unwrap().to_owned();
    assert!(failed.contains("extra.zone:2: "), "{failed}");
    assert_eq!(answers(&daemon, "db.mesos", Rtype::A).await, ["5 IN A 10.0.0.8"]);
    // At a start, and for `check`, it is an error.
    let check = |file: &str| {
        let program = env!("CARGO_BIN_EXE_mesos-dns");
        Command::new(program).args(["check", file]).output().unwrap()
    };
    let checked = check(daemon.file().to_str().unwrap());
    let said = [checked.stdout, checked.stderr].concat();
    assert_eq!(checked.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&said).contains("extra.zone:2: "), "{}", String::from_utf8_lossy(&said));
}
