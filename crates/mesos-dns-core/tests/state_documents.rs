//! Every captured state document can be read, from Mesos 0.19 to 1.12.
//!
//! Run with `--no-capture` to see the table. The documents of third parties are read from `MESOS_DNS_FIXTURES`.

mod captured;

use std::{fs, path::Path};

use captured::{fixtures, root};
use mesos_dns_core::{
    cluster::{Cluster, Document, Hosts, Masters, NetworkMode, Skipped, TaskState, apply},
    mesos::state::{About, Shape, decode, decode_as, decode_saved, encode},
    table::Seed,
};

/// What a document holds: tasks that have not ended, agents, frameworks.
type Counts = (usize, usize, usize);

fn heading() {
    println!("{:32} {:8} {:>6} {:>6} {:>10}  left out", "document", "Mesos", "tasks", "agents", "frameworks");
}

fn check(folder: &Path, name: &str, expected: Counts) -> Document {
    let path = folder.join(format!("{name}.json"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let counts = (document.tasks.len(), document.agents.len(), document.frameworks.len());
    let left_out = match document.skipped == Skipped::default() {
        true => "nothing".to_owned(),
        false => format!("{:?}", document.skipped),
    };
    println!("{name:32} {:8} {:>6} {:>6} {:>10}  {left_out}", document.version, counts.0, counts.1, counts.2);
    assert_eq!(counts, expected, "{name}");
    assert!(document.complete, "{name}");
    document
}

#[test]
fn ours() {
    heading();
    for (name, expected) in [
        ("01-task-names", (33, 3, 1)),
        ("02-framework-names", (12, 3, 13)),
        ("03-discovery-and-ports", (15, 3, 1)),
        ("04-ip-sources", (11, 3, 1)),
        ("05-ipv6", (7, 4, 1)),
        ("06-task-states", (12, 3, 1)),
        ("07-agents", (4, 4, 1)),
        ("08-two-frameworks-one-name", (4, 3, 2)),
        ("09-empty", (0, 1, 0)),
    ] {
        let document = check(&root().join("test-data/ours"), name, expected);
        assert_eq!(document.leader.as_deref(), Some("127.0.0.1:15959"), "{name}");
        assert_eq!(document.pid, document.leader, "{name}");
    }
}

#[test]
fn real() {
    heading();
    for (name, expected, recovered) in [
        ("state", (17, 3, 2), 0),
        ("failover-1-one-agent-back", (2, 1, 1), 2),
        ("failover-2-two-agents-back", (6, 2, 2), 1),
        ("failover-3-all-back", (12, 3, 2), 0),
    ] {
        let document = check(&root().join("test-data/real-1.12"), name, expected);
        assert_eq!(document.recovered_agents.len(), recovered, "{name}");
        assert!(document.tasks.iter().all(|task| task.state == TaskState::Running), "{name}");
        assert!(document.elected_time.is_some(), "{name}");
    }
}

#[test]
fn captured_by_third_parties() {
    let folder = fixtures().join("state");
    if !folder.is_dir() {
        println!("skipped: no documents in {}", folder.display());
        return;
    }
    heading();
    for (name, expected) in [
        ("0.19.0-marathon-0.6", (2, 2, 1)),
        ("0.23.0-marathon-one-task", (1, 1, 1)),
        ("0.25.0-vagrant-vips", (4, 1, 1)),
        ("0.26.0-empty-cluster", (0, 0, 0)),
        ("0.27.0-cassandra-executors", (4, 6, 2)),
        ("0.27.0-docker-bridge", (1, 1, 1)),
        ("0.27.0-large-100-tasks", (102, 3, 2)),
        ("0.28.0-docker-mixed", (2, 3, 1)),
        ("1.0.1-docker-user-network", (1, 1, 2)),
        ("1.2.0-kafka-pods-history", (5, 2, 3)),
        ("1.5.0-dev-pods", (6, 2, 2)),
        ("1.8.0-dev-port-mapping", (1, 2, 2)),
        ("1.9.0-sdk-cassandra", (0, 7, 2)),
    ] {
        check(&folder, name, expected);
    }
}

/// What was read of a captured document is read again from what is kept of it, to the last label.
#[test]
fn what_is_kept_of_them_is_the_same() {
    let folders = [
        (root().join("test-data/ours"), Shape::State),
        (root().join("test-data/real-1.12"), Shape::State),
        (root().join("test-data/real-1.12"), Shape::Operator),
        (fixtures().join("state"), Shape::State),
        (fixtures().join("v1"), Shape::Operator),
    ];
    let mut tasks = 0;
    for (folder, shape) in folders {
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for path in files.map(|file| file.expect("an entry").path()) {
            let bytes = fs::read(&path).unwrap_or_default();
            let Ok(document) = decode_as(shape, &bytes) else { continue };
            let cluster = of_document(document);
            let mut kept = Vec::new();
            encode(&cluster, &About::default(), &mut kept).expect("memory takes everything");
            let saved = decode_saved(&kept).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let again = of_document(saved.document);
            assert_eq!(again.tasks.len(), cluster.tasks.len(), "{}", path.display());
            for task in cluster.tasks.iter() {
                assert_eq!(
                    again.tasks.get((&*task.framework_id, &*task.id)),
                    Some(task),
                    "{}",
                    path.display()
                );
            }
            for agent in cluster.agents.iter() {
                assert_eq!(again.agents.get(&*agent.id), Some(agent), "{}", path.display());
            }
            tasks += cluster.tasks.len();
        }
    }
    assert!(tasks > 100, "{tasks} tasks");
}

fn of_document(document: Document) -> Cluster {
    apply(&Cluster::default(), document, Masters::default(), Hosts::default(), Seed(1)).0
}

/// A way of being attached, networks, and ports of the host and the container.
type Attached<'a> = (NetworkMode, &'a [&'a str], &'a [(u16, u16)]);

/// How the containers of the captured tasks are attached.
#[test]
fn networks_of_captured_tasks() {
    let folder = fixtures().join("state");
    if !folder.is_dir() {
        println!("skipped: no documents in {}", folder.display());
        return;
    }
    let check = |name: &str, expected: &[Attached<'_>]| {
        let bytes = fs::read(folder.join(format!("{name}.json"))).expect(name);
        let document = decode(&bytes).expect(name);
        let containers: Vec<_> = document.tasks.iter().filter_map(|task| task.container.as_deref()).collect();
        assert_eq!(containers.len(), expected.len(), "{name}: {containers:?}");
        for (container, (mode, networks, mappings)) in containers.into_iter().zip(expected) {
            let names: Vec<_> = container.networks.iter().map(|name| &**name).collect();
            let ports: Vec<_> = container.mappings.iter().map(|both| (both.host, both.container)).collect();
            assert_eq!((container.mode, &*names, &*ports), (*mode, *networks, *mappings), "{name}");
        }
    };
    check("0.27.0-docker-bridge", &[(NetworkMode::Bridge, &[], &[(28_027, 80)])]);
    check("1.0.1-docker-user-network", &[(NetworkMode::Named, &["dcos"], &[])]);
    check("1.8.0-dev-port-mapping", &[(NetworkMode::Named, &["dcos"], &[(12_564, 80)])]);
}
