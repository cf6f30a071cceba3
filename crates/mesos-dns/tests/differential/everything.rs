//! A zone with all that the original has not: further names of every kind, labels of tasks, static records of many types.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::{Value, json};

use crate::{
    master::{document, task},
    server::NSID,
};

/// Records of the operator: types that servers treat in a way of their own, and aliases wherever one can lead.
const ZONE_FILE: &str = r#"
$TTL 300
db          A      10.0.0.7
db          A      10.0.0.8
db          AAAA   fd00::7
db          TXT    "owner=storage" "rack 7" "" "q\"uote\\ \;\255"
short       7 A    10.0.0.9
mail        MX     10 db
mail        MX     20 mail.example.org.
mail        MX     30 www
mail        MX     40 nothing
mail        CAA    0 issue "ca.example.org"
@           TXT    "v=spf1 -all"
@           CAA    128 issuewild ";"
@           MX     5 db
host        SSHFP  4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
host        HINFO  "RISC-V" "Linux"
host        TYPE29 \# 16 00 12 16 13 8b 0d 2a 8b 70 be 1b 5d 00 98 9b 92
svc         HTTPS  1 . alpn=h2,h3 port=8443 ipv4hint=10.0.0.7
svc         HTTPS  2 db alpn=h2
alias       HTTPS  0 svc
svc         SVCB   1 db port=53
sip         NAPTR  10 100 "s" "SIP+D2U" "" _sip._udp
sip         NAPTR  20 100 "u" "E2U+sip" "!^.*$!sip:x@example.org!" .
_sip._udp   SRV    0 0 5060 db
_sip._udp   SRV    1 5 5060 sip.example.org.
_sip._udp   SRV    1 5 5061 www
_443._tcp   TLSA   3 1 1 0d6fce3d1c7a2ce6d2a5ce0ea6ae8b3fd5c0cc1f7ed3a0bb0bbd3d2a9bd02f47
uri         TYPE256 \# 23 000a0001 68747470733a2f2f6578616d706c652e6f7267
odd         TYPE65280 \# 3 a1b2c3
odd         TYPE65280 \# 0
back        PTR    db
rp          TYPE17 \# 5 02646200 00
deep.er.and.deeper A 10.0.0.10
www         CNAME  db
www2        2 CNAME www
www3        CNAME  WWW2.mesos.
www4        CNAME  www3
web         CNAME  web.marathon
places      CNAME  eu-west._region.web.marathon
service     CNAME  _sip._udp
text        CNAME  db
none        CNAME  nothing
none2       CNAME  none
none3       CNAME  nothing.marathon
half        CNAME  and.deeper
half2       CNAME  short
out         CNAME  www.example.org.
out2        CNAME  out
under.out   A      10.0.0.11
below       CNAME  x.out
loop1       CNAME  loop2
loop2       CNAME  loop1
self        CNAME  self
apex        CNAME  mesos.
leader2     CNAME  leader
with\.dot\032blank\001 CNAME www
"#;

/// What makes answers of one name long: texts, aliases of many.
fn long() -> String {
    let texts = (0..20).map(|number| format!("long TXT \"{number:03}{}\"\n", "x".repeat(190)));
    let mails =
        (0..60).map(|number| format!("mails MX {number} mx{number}.{}.example.org.\n", "y".repeat(30)));
    texts
        .chain(mails)
        .chain(["longer CNAME long\n".to_owned(), "mailing 9 CNAME mails\n".to_owned()])
        .collect()
}

/// A cluster whose tasks use all there is to use.
pub(crate) fn cluster() -> Value {
    let mut tasks: Vec<Value> = (0..3).map(|number| web(number, &[])).collect();
    tasks.push(web(3, &[("dns.weight", "0"), ("dns.priority", "65535"), ("dns.alias", "api, Front_End")]));
    tasks.push(web(4, &[("dns.ttl", "0")]));
    for number in 5..30 {
        let mut one = web(number, &[("dns.weight", "7")]);
        (one["name"], one["discovery"]["name"]) = (json!("many"), json!("Many.UI"));
        tasks.push(one);
    }
    let mut two = task("two", 40, &["192.168.9.4", "fd01::4"]);
    for (info, network) in [(0, "calico"), (1, "Storage_Net")] {
        two["statuses"][0]["container_status"]["network_infos"][info]["name"] = json!(network);
    }
    let infos = [json!({"name": "calico"}), json!({"name": "Storage_Net"})];
    two["container"] = json!({"type": "MESOS", "network_infos": infos});
    tasks.push(two);
    let mut document = document(tasks);
    document["slaves"][0]["hostname"] = json!("node-1.rack7");
    document["slaves"][0]["domain"] =
        json!({"fault_domain": {"region": {"name": "eu-west"}, "zone": {"name": "EU_West.1a"}}});
    document
}

/// An instance with a named port.
fn web(number: usize, labels: &[(&str, &str)]) -> Value {
    let mut web = task("web", number, &[&format!("10.30.0.{number}")]);
    web["labels"] = labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    web["discovery"] = json!({
        "visibility": "CLUSTER", "name": "web", "version": "1.2",
        "ports": {"ports": [
            {"number": 8080, "name": "http", "protocol": "tcp"}, {"number": 9090 + number, "name": "metrics"},
        ]},
    });
    web
}

/// The configuration of a server that publishes all of it.
pub(crate) fn config(master: SocketAddr, directory: &Path) -> Value {
    let file = directory.join("extra.zone");
    fs::write(&file, [ZONE_FILE, &long()].concat()).unwrap();
    json!({
        "masters": [master.to_string()], "recurseon": false, "nsid": NSID, "workers": 1,
        "extraNames": ["agents", "places", "ports", "text", "browse"],
        "places": {"10.20.0.2/32": "eu-east/eu-east-1"},
        "SRVRecordDefaultWeight": 3,
        "zoneFiles": [file],
        "records": [
            {"name": "over.marathon", "type": "CNAME", "value": "web.marathon.mesos.", "ttl": 1},
            {"name": "web.marathon.slave", "type": "A", "value": "10.9.9.9", "rule": "override", "ttl": 9},
            {"name": "texts", "type": "TXT", "value": "one"},
        ],
    })
}

/// Checks that what all this is about is there.
pub(crate) fn is_in(zone: &str) {
    for start in [
        "eu-west._region.web.marathon.mesos. ",
        "eu-east-1._zone.web.marathon.mesos. ",
        "_http._tcp.many-ui.marathon.mesos. IN SRV 0 7 ",
        "_http._tcp.marathon.mesos. IN PTR ",
        "_web._tcp.marathon.mesos. 0 IN SRV 65535 0 ",
        "two.calico._net.marathon.mesos. IN A ",
        "two.storage-net._net.marathon.mesos. IN AAAA ",
        "node-1.rack7._agent.mesos. ",
        "svc.mesos. 300 IN TYPE65 ",
        "odd.mesos. 300 IN TYPE65280 ",
    ] {
        assert!(zone.lines().any(|line| line.starts_with(start)), "no {start} in {zone}");
    }
}
