//! The bodies of the HTTP API as plain values.
//!
//! Tools have parsed these bodies since 2015, so their keys, the order of their keys and the very
//! layout of their text are a contract: [`print()`] writes what the original wrote, byte for byte. The
//! large bodies, [`Axfr`] and [`Enumerate`], are serialised while they are read from the zone and are
//! never in memory as a whole.
//!
//! Everything is shown from one [`Snapshot`](crate::zone::Snapshot): the API and DNS cannot disagree.

mod axfr;
mod enumerate;
mod layout;
mod lookup;
pub mod v2;

pub use axfr::Axfr;
pub use enumerate::Enumerate;
pub use layout::{print, text};
pub use lookup::{Host, Service, hosts, lookup_name, services};

use serde::Serialize;

/// `/v1/version`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version<'a> {
    service: &'static str,
    #[serde(rename = "URL")]
    url: &'static str,
    version: &'a str,
}

impl<'a> Version<'a> {
    /// The body for this version. Service and address are those of the original: tools look for them.
    pub fn new(version: &'a str) -> Self {
        Self { service: "Mesos-DNS", url: "https://github.com/mesosphere/mesos-dns", version }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cluster::{
            self, Cluster, Discovery, DiscoveryPort, Document, Framework, Hosts, Masters, PortKind, Task,
            TaskState, Visibility,
        },
        mesos,
        records::{self, Policy},
        table::Seed,
        test_support::{policy, soa, task},
        zone::{Serial, Snapshot, Zone},
    };

    fn document() -> Document {
        mesos::state::decode(include_bytes!("../../../../test-data/v1/state.json")).unwrap()
    }

    fn build(document: Document) -> (Cluster, Snapshot) {
        build_by(document, &policy())
    }

    fn build_by(document: Document, policy: &Policy) -> (Cluster, Snapshot) {
        let masters = Masters {
            leader: Some("10.0.0.1:5050".into()),
            listed: vec!["10.0.0.1:5050".into(), "10.0.0.2:5050".into()],
        };
        let empty = Cluster::default();
        let (cluster, touched) = cluster::apply(&empty, document, masters, Hosts::default(), Seed(1));
        let mut zone = Zone::new(policy.apex.clone(), None, Seed(2));
        zone.add_server(policy);
        zone.update(policy, &empty, &cluster, &touched);
        zone.compile();
        (cluster, zone.snapshot(Arc::new(soa()), Serial(1_795_368_105)))
    }

    fn axfr(zone: &Snapshot) -> String {
        let body = Axfr {
            ttl: zone.soa().ttl,
            serial: zone.serial(),
            refresh_seconds: 60,
            mname: "ns1.mesos.",
            rname: "root.ns1.mesos.",
            domain: "mesos",
            zone,
        };
        String::from_utf8(text(&body)).unwrap()
    }

    fn enumerate(cluster: &Cluster, zone: &Snapshot, policy: &Policy) -> String {
        let body = Enumerate { cluster, zone, policy, seed: 5 };
        String::from_utf8(text(&body)).unwrap()
    }

    #[test]
    fn the_worked_example() {
        let (cluster, zone) = build(document());
        assert_eq!(axfr(&zone), include_str!("../../../../test-data/v1/axfr.json"));
        assert_eq!(
            enumerate(&cluster, &zone, &policy()),
            include_str!("../../../../test-data/v1/enumerate.json")
        );
    }

    #[test]
    fn nothing_at_all() {
        let (cluster, zone) = build(Document::default());
        assert_eq!(enumerate(&cluster, &zone, &policy()), "{\n  \"frameworks\": null\n }");
        assert!(axfr(&zone).contains("\n   \"AAAAs\": {},\n"), "{}", axfr(&zone));
    }

    /// The records shown for each task, as `name value`.
    fn shown(document: Document) -> Vec<(String, Option<Vec<String>>)> {
        shown_by(document, &policy())
    }

    fn shown_by(document: Document, policy: &Policy) -> Vec<(String, Option<Vec<String>>)> {
        let (cluster, zone) = build_by(document, policy);
        let body: serde_json::Value = serde_json::from_str(&enumerate(&cluster, &zone, policy)).unwrap();
        let frameworks = body["frameworks"].as_array().unwrap().iter();
        let tasks = frameworks.flat_map(|framework| framework["tasks"].as_array().unwrap());
        tasks
            .map(|task| {
                let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
                let records = task["records"].as_array().map(|rows| {
                    rows.iter().map(|row| format!("{} {}", text(row, "name"), text(row, "host"))).collect()
                });
                (text(task, "id"), records)
            })
            .collect()
    }

    #[test]
    fn a_shared_record_is_shown_with_the_first_task() {
        let mut document = document();
        let agent = "6e8f1c1a-7d0b-4f0a-S0";
        // Two instances on one agent share the plain names. The framework below is called like a task's
        // plain name and has the same address, so its own record was there before.
        document.tasks = vec![
            task("b", "web", "fw-1", agent),
            task("a", "web", "fw-1", agent),
            task("c", "app", "fw-1", agent),
        ];
        document.frameworks.push(Framework {
            id: "fw-3".into(),
            name: "app.marathon.prod".into(),
            host: Some(cluster::Host::new("10.0.1.10")),
            port: None,
        });
        let address = |name: &str| format!("{name}.mesos. 10.0.1.10");
        let rows = shown(document);
        let records = |id: &str| rows.iter().find(|(found, _)| found == id).unwrap().1.clone().unwrap();
        let hash = |id: &str| String::from_utf8_lossy(&crate::records::task_hash(id)).into_owned();
        assert_eq!(rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(
            records("a"),
            [
                address("web.marathon.prod"),
                address(&format!("web-{}-s0.marathon.prod", hash("a"))),
                address("web.marathon.prod.slave"),
                address(&format!("web-{}-s0.marathon.prod.slave", hash("a"))),
            ]
        );
        assert_eq!(
            records("b"),
            [
                address(&format!("web-{}-s0.marathon.prod", hash("b"))),
                address(&format!("web-{}-s0.marathon.prod.slave", hash("b"))),
            ]
        );
        assert!(!records("c").contains(&address("app.marathon.prod")), "{:?}", records("c"));
        assert_eq!(records("c").len(), 3);
    }

    #[test]
    fn tasks_without_records_of_their_own() {
        let mut document = document();
        // A framework whose names are all withheld, a task that is not running, one of an unknown agent.
        document.frameworks =
            vec![Framework { id: "fw-1".into(), name: "slave".into(), host: None, port: None }];
        let mut starting = task("starting", "x", "fw-1", "6e8f1c1a-7d0b-4f0a-S0");
        starting.state = TaskState::Starting;
        let lost = task("lost", "x", "fw-1", "nobody");
        document.tasks = vec![task("plain", "x", "fw-1", "6e8f1c1a-7d0b-4f0a-S0"), starting, lost];
        assert_eq!(shown(document), [("plain".to_owned(), None)]);
    }

    /// What is not meant to be seen has no entry, not even its id; of a service with one port to be seen, that is shown.
    #[test]
    fn a_task_that_is_hidden_is_not_shown() {
        let mut document = document();
        let seen_by = |id: &str, port: Option<Visibility>| {
            let kind = PortKind { visibility: port, ..PortKind::default() };
            let ports = [DiscoveryPort { number: 80, kind: Arc::new(kind) }].into();
            let discovery = Discovery { name: "web".into(), ports, ..Discovery::default() };
            let task = task(id, "web", "fw-1", "6e8f1c1a-7d0b-4f0a-S0");
            Task { discovery: Some(Box::new(discovery)), ..task }
        };
        document.tasks = vec![seen_by("hidden", None), seen_by("port", Some(Visibility::External))];
        let ids = |policy: &Policy| {
            shown_by(document.clone(), policy).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&policy()), ["hidden", "port"]);
        let extra = records::Extra { visibility: Visibility::Cluster, ..records::Extra::default() };
        assert_eq!(ids(&Policy { extra, ..policy() }), ["port"]);
    }

    #[test]
    fn a_task_that_is_killed_is_shown_with_the_name_that_it_keeps() {
        let mut document = document();
        let killed = Task { state: TaskState::Killing, ..task("a", "web", "fw-1", "6e8f1c1a-7d0b-4f0a-S0") };
        let unhealthy = Task { healthy: Some(false), ..task("b", "web", "fw-1", "6e8f1c1a-7d0b-4f0a-S0") };
        document.tasks = vec![killed, unhealthy];
        let ids = |rows: &[(String, Option<Vec<String>>)]| -> Vec<String> {
            rows.iter().map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(ids(&shown(document.clone())), ["b"], "health is ignored");
        let policy = Policy { health: records::Health::Prefer, ..policy() };
        let rows = shown_by(document, &policy);
        assert_eq!(ids(&rows), ["a", "b"]);
        let own = format!("web-{}-s0", String::from_utf8_lossy(&records::task_hash("a")));
        let names =
            ["marathon.prod", "marathon.prod.slave"].map(|zone| format!("{own}.{zone}.mesos. 10.0.1.10"));
        assert_eq!(rows[0].1.as_deref(), Some(&names[..]));
        assert_eq!(rows[1].1.as_ref().map(Vec::len), Some(4), "nobody is healthy, so it is answered");
    }
}
