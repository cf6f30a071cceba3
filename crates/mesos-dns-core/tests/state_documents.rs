//! Every captured state document can be read, from Mesos 0.19 to 1.12.
//!
//! Run with `--no-capture` to see the table. The documents of third parties are read from `MESOS_DNS_FIXTURES`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use mesos_dns_core::{
    cluster::{Document, Skipped, TaskState},
    mesos::state::decode,
};

/// What a document holds: tasks that have not ended, agents, frameworks.
type Counts = (usize, usize, usize);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

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
    let folder =
        env::var_os("MESOS_DNS_FIXTURES").map_or_else(|| root().join("../shared/fixtures"), PathBuf::from);
    let folder = folder.join("state");
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
