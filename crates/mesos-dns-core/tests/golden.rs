//! The record sets of the original, for every captured document, in four configurations.
//!
//! `test-data/golden/README.md` says how they were taken. They are equal, record for record: none of the
//! documents meets a case in which we differ on purpose (`docs/compatibility.md`), so this test has no
//! exemption; those cases have tests of their own. Documents of third parties are not part of this
//! project: they are read from `MESOS_DNS_FIXTURES` (default `../shared/fixtures` beside the checkout)
//! and skipped where that is absent.

mod captured;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use captured::{fixtures, json_files, root};
use mesos_dns_core::{
    cluster::{self, AddressSource, Cluster, Hosts, Masters},
    mesos,
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    wire::Name,
    zone::{Listed, Serial, Soa, Zone},
};
use serde::Deserialize;

/// Where the master that served the documents to the original listened.
const MASTER: &str = "127.0.0.1:15959";

/// One record of the v1 API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    name: String,
    rtype: &'static str,
    value: String,
}

/// A set as `/v1/axfr` shows it.
#[derive(Deserialize)]
struct Golden {
    #[serde(rename = "As")]
    a: BTreeMap<String, Vec<String>>,
    #[serde(rename = "AAAAs")]
    aaaa: BTreeMap<String, Vec<String>>,
    #[serde(rename = "SRVs")]
    srv: BTreeMap<String, Vec<String>>,
}

impl Golden {
    fn records(self) -> BTreeSet<Record> {
        [("A", self.a), ("AAAA", self.aaaa), ("SRV", self.srv)]
            .into_iter()
            .flat_map(|(rtype, owners)| owners.into_iter().map(move |(name, values)| (rtype, name, values)))
            .flat_map(|(rtype, name, values)| {
                values.into_iter().map(move |value| Record { name: name.clone(), rtype, value })
            })
            .collect()
    }
}

fn records(listed: Listed) -> impl Iterator<Item = Record> {
    let name = listed.name;
    let a = listed.a.into_iter().map(|address| ("A", address.to_string()));
    let aaaa = listed.aaaa.into_iter().map(|address| ("AAAA", address.to_string()));
    let srv = listed.srv.into_iter().map(|(target, port)| ("SRV", format!("{target}:{port}")));
    a.chain(aaaa).chain(srv).map(move |(rtype, value)| Record { name: name.clone(), rtype, value })
}

fn policy(variant: &str) -> Policy {
    use AddressSource::{Docker, Host, Mesos, NetInfo};
    Policy {
        domain: "mesos".into(),
        apex: Name::parse("mesos.").unwrap(),
        rules: if variant == "rfc952" { Rules::Rfc952 } else { Rules::Rfc1123 },
        addresses: Addresses::Sources(match variant {
            "host" => vec![Host],
            "docker" => vec![Docker, Mesos, NetInfo, Host],
            _ => vec![NetInfo, Mesos, Host],
        }),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: Vec::new(),
    }
}

/// What we publish for a document, and a line about it.
fn published(document: &[u8], variant: &str) -> (BTreeSet<Record>, String) {
    let document = mesos::state::decode(document).unwrap();
    let counts = format!(
        "{:>8} {:>6} {:>6} {:>10}",
        document.version,
        document.tasks.len(),
        document.agents.len(),
        document.frameworks.len()
    );
    let masters = Masters { leader: Some(MASTER.into()), listed: vec![MASTER.into()] };
    let policy = policy(variant);
    let (cluster, touched) =
        cluster::apply(&Cluster::default(), document, masters, Hosts::default(), Seed(1));
    let mut zone = Zone::new(policy.apex.clone(), None, Seed(2));
    zone.update(&policy, &Cluster::default(), &cluster, &touched);
    zone.compile();
    let name = |text| Name::parse(text).unwrap();
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    let soa = Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 60, ttl: 60, weight: 1 };
    let snapshot = zone.snapshot(soa.into(), Serial(1));
    let records: BTreeSet<Record> =
        snapshot.listed_names().into_iter().flat_map(|name| records(name.listed())).collect();
    let line = format!("{counts} {:>8} {:>8}", records.len(), snapshot.records());
    (records, line)
}

/// Documents with the folder of their golden sets.
fn documents() -> Vec<(PathBuf, PathBuf)> {
    let own = root().join("test-data");
    let mut all = vec![(own.join("real-1.12/state.json"), own.join("golden"))];
    all.extend(json_files(&own.join("ours")).into_iter().map(|file| (file, own.join("golden"))));
    let others = fixtures();
    let captured = json_files(&others.join("state"));
    if captured.is_empty() {
        println!("skipped: documents of third parties (no {})", others.join("state").display());
    }
    all.extend(captured.into_iter().map(|file| (file, others.join("golden"))));
    all
}

#[test]
fn the_sets_of_the_original() {
    let mut compared = 0;
    println!(
        "{:<32} {:>8} {:>6} {:>6} {:>10} {:>8} {:>8}",
        "document", "version", "tasks", "agents", "frameworks", "listed", "dns"
    );
    for (file, golden) in documents() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let stem = if stem == "state" { "real-1.12-state" } else { stem };
        let document = fs::read(&file).unwrap();
        for variant in ["default", "rfc952", "host", "docker"] {
            let text = fs::read(golden.join(format!("{stem}.{variant}.json"))).unwrap();
            let theirs = serde_json::from_slice::<Golden>(&text).unwrap().records();
            let (ours, line) = published(&document, variant);
            let added: Vec<_> = ours.difference(&theirs).collect();
            let missing: Vec<_> = theirs.difference(&ours).collect();
            assert!(
                added.is_empty() && missing.is_empty(),
                "{stem}.{variant}: added {added:#?}, missing {missing:#?}"
            );
            compared += 1;
            if variant == "default" {
                println!("{stem:<32} {line}");
            }
        }
    }
    println!("{compared} sets compared");
    assert!(compared >= 40, "the project's own documents are missing");
}
