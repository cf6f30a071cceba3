//! The promise: a restart loses nothing, whatever the masters are doing meanwhile.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use daemon::{Daemon, LOOK, PATIENCE};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, document, ordinary, task};
use mesos_dns_sim::client::{self, Query};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A master, and a place for the file.
struct Stage {
    master: Master,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let master = Master::start(&ordinary()).await;
        let folder = daemon::folder();
        Self { master, file: folder.path().join("cluster.json"), _folder: folder }
    }

    fn start(&self) -> Daemon {
        Daemon::start(json!({"masters": [self.master.address().to_string()], "snapshotFile": &self.file}))
    }

    /// A daemon that has run with this master and ended; what it said last.
    async fn after_a_run(&self) -> Value {
        let mut daemon = self.start();
        let ready = daemon.until_ready("live", |ready| ready["state"] == "live").await;
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ends().0.code(), Some(0));
        ready
    }

    fn goes_away(&self) {
        self.master.says("503 Service Unavailable", "text/plain", b"later");
    }
}

async fn rcode(daemon: &Daemon, name: &str) -> Rcode {
    client::udp(daemon.dns, &Query::new(name, Rtype::A)).await.unwrap().rcode()
}

/// The zone of this source, as a zone file without its SOA.
fn dump(source: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
    let output = command.args(["dump", source]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let zone = String::from_utf8(output.stdout).unwrap();
    let own = |line: &&str| line.contains(" SOA ") || line.starts_with("ns1.");
    zone.lines().filter(|line| !own(line)).map(|line| format!("{line}\n")).collect()
}

fn exists(path: &Path) -> bool {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "{} is never there", path.display());
        std::thread::sleep(LOOK);
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_masters_goes_on_from_the_file() {
    let stage = Stage::new().await;
    let before = stage.after_a_run().await;
    let found = fs::metadata(&stage.file).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    stage.goes_away();

    let mut daemon = stage.start();
    let after = daemon.until_ready("stale", |ready| ready["state"] == "stale").await;
    for key in ["ready", "contentHash", "serial", "leader"] {
        assert_eq!(after[key], before[key], "{key}: {after}");
    }
    assert!(after["savedAt"].is_u64() && after["ageSeconds"].is_f64(), "{after}");
    assert!(after["reasons"].to_string().contains("no master has spoken yet"), "{after}");
    let answer =
        client::udp(daemon.dns, &Query::new("web.marathon.mesos", Rtype::A).edns(1232)).await.unwrap();
    assert_eq!((answer.rcode(), answer.answers().unwrap().len()), (Rcode::NOERROR, 3));
    assert!(answer.0.as_slice().ends_with(&[0, 15, 0, 2, 0, 3]), "marked as stale");
    assert_eq!(rcode(&daemon, "nope.marathon.mesos").await, Rcode::NXDOMAIN);
    // What is from the file is not written again, not even at the end.
    let written = fs::read(&stage.file).unwrap();
    daemon.signal(Signal::TERM);
    daemon.ends();
    assert_eq!(fs::read(&stage.file).unwrap(), written);

    let daemon = stage.start();
    daemon.until_ready("stale", |ready| ready["state"] == "stale").await;
    stage.master.shows(&ordinary());
    // The data is published a moment before the watcher forgets its last failure.
    let is_well = |ready: &Value| ready["state"] == "live" && ready["reasons"] == json!([]);
    let live = daemon.until_ready("live, for no reason not to be", is_well).await;
    for key in ["contentHash", "serial"] {
        assert_eq!(live[key], before[key], "nothing changed: {live}");
    }
    assert_eq!(live["savedAt"], Value::Null, "{live}");
    daemon.logged("a master has spoken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_during_a_failover_loses_nothing() {
    let stage = Stage::new().await;
    stage.after_a_run().await;
    // The new leader has read nothing, then its registry, then hears from one agent of two.
    let names = ["web.marathon.mesos", "many.marathon.mesos"];
    let mut new = document(vec![]);
    new["elected_time"] = json!(1_700_000_000.0);
    (new["slaves"], new["frameworks"]) = (json!([]), json!([]));
    stage.master.shows(&new);
    let daemon = stage.start();
    let ready = daemon.until_ready("holding", |ready| ready["state"] == "holding").await;
    assert!(ready["reasons"].to_string().contains("63 tasks that it does not show are kept"), "{ready}");
    for name in names {
        assert_eq!(rcode(&daemon, name).await, Rcode::NOERROR, "{name}");
    }
    let agents = document(vec![])["slaves"].clone();
    new["recovered_slaves"] = agents.clone();
    stage.master.shows(&new);
    let waits = |ready: &Value| ready["reasons"].to_string().contains("waits for agents to come back");
    daemon.until_ready("waiting for agents", waits).await;
    new["slaves"] = json!([agents[0]]);
    let there: Vec<_> = ordinary()["frameworks"][0]["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|task| task["slave_id"] == agents[0]["id"])
        .cloned()
        .collect();
    new["frameworks"] = document(there)["frameworks"].clone();
    stage.master.shows(&new);
    let half = |ready: &Value| ready["reasons"].to_string().contains("1 agents are not back");
    daemon.until_ready("half of it back", half).await;
    for name in names {
        assert_eq!(rcode(&daemon, name).await, Rcode::NOERROR, "{name}");
    }
    let mut all = ordinary();
    all["elected_time"] = json!(1_700_000_000.0);
    stage.master.shows(&all);
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reign_of_the_file_counts() {
    let stage = Stage::new().await;
    stage.after_a_run().await;
    // One of two agents is shown, and nobody is waited for, as masters before 1.2 have it.
    let mut half = document(vec![task("web", 0, &["10.30.0.1"])]);
    let agent = half["slaves"][0].clone();
    half["slaves"] = json!([agent]);
    let start = || {
        Daemon::start(json!({
            "masters": [stage.master.address().to_string()], "snapshotFile": &stage.file, "massLossPercent": 100,
        }))
    };
    // A leader that was elected since may not have heard of the other one yet ...
    let mut new = half.clone();
    new["elected_time"] = json!(1_700_000_000.0);
    stage.master.shows(&new);
    let written = fs::read(&stage.file).unwrap();
    let mut daemon = start();
    let holding = daemon.until_ready("holding", |ready| ready["state"] == "holding").await;
    assert!(holding["reasons"].to_string().contains("elected a moment ago"), "{holding}");
    daemon.signal(Signal::KILL);
    daemon.ends();
    // ... the one that led before has.
    fs::write(&stage.file, written).unwrap();
    stage.master.shows(&half);
    let daemon = start();
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
    assert_eq!(daemon.metric("zone_tasks").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_written_while_things_run_and_can_be_dumped() {
    let stage = Stage::new().await;
    let daemon = stage.start();
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
    assert!(exists(&stage.file));
    let server = dump(&format!("http://{}", daemon.http));
    assert!(server.contains("web.marathon.mesos. IN A 10.30.0.1\n"), "{server}");
    assert_eq!(dump(stage.file.to_str().unwrap()), server);
    // The metric is told after the file is there.
    let started = Instant::now();
    while daemon.metric("snapshot_saves_total").await < 1.0 {
        assert!(started.elapsed() < PATIENCE, "never counted");
        tokio::time::sleep(LOOK).await;
    }
    assert!(daemon.metric("snapshot_last_save_seconds").await > 1.7e9);
    assert_eq!(daemon.metric("snapshot_save_failures_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_gets_a_serial_of_its_own() {
    let stage = Stage::new().await;
    let before = stage.after_a_run().await;
    stage.goes_away();
    let daemon = Daemon::start(json!({
        "masters": [stage.master.address().to_string()], "snapshotFile": &stage.file, "ttl": 77, "domain": "other",
    }));
    let after = daemon
        .until_ready("a later serial", |ready| ready["serial"].as_u64() > before["serial"].as_u64())
        .await;
    assert_eq!(after["state"], "stale", "{after}");
    assert_ne!(after["contentHash"], before["contentHash"], "{after}");
    assert_eq!(rcode(&daemon, "web.marathon.other").await, Rcode::NOERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_serial_does_not_fall_if_the_clock_does() {
    let stage = Stage::new().await;
    let before = stage.after_a_run().await;
    let ahead = before["serial"].as_u64().unwrap() + 100_000;
    let text = fs::read_to_string(&stage.file).unwrap();
    let serial = |number: u64| format!("\"serial\":{number}");
    assert!(text.contains(&serial(before["serial"].as_u64().unwrap())), "{text}");
    let text = text.replace(&serial(before["serial"].as_u64().unwrap()), &serial(ahead));
    fs::write(&stage.file, text).unwrap();
    stage.master.shows(&document(vec![task("web", 0, &["10.30.0.1"])]));
    let daemon = Daemon::start(json!({
        "masters": [stage.master.address().to_string()], "snapshotFile": &stage.file, "massLossPercent": 100,
    }));
    // The cluster has changed, and so has the zone.
    daemon
        .until_ready("changed", |ready| {
            ready["state"] == "live" && ready["contentHash"] != before["contentHash"]
        })
        .await;
    assert_eq!(daemon.ready().await["serial"], ahead);
    daemon.logged("the serial of the snapshot file lies in the future");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_as_good_as_none() {
    let stage = Stage::new().await;
    stage.after_a_run().await;
    let good = fs::read(&stage.file).unwrap();
    stage.goes_away();
    let foreign = ordinary().to_string();
    for (bytes, cause) in [
        (&good[..good.len() / 2], "it cannot be read"),
        (&good[..good.len() - 3], "it cannot be read"),
        (foreign.as_bytes(), "it is no saved cluster"),
        (b"", "it is no saved cluster"),
        (b"\0\xff\0", "it is no saved cluster"),
    ] {
        fs::write(&stage.file, bytes).unwrap();
        let mut daemon = stage.start();
        let line = daemon.logged("the snapshot file is not used");
        assert!(line["error"].as_str().unwrap().starts_with(cause), "{line}");
        assert_eq!(rcode(&daemon, "web.marathon.mesos").await, Rcode::SERVFAIL, "{cause}");
        daemon.signal(Signal::TERM);
        daemon.ends();
        assert_eq!(fs::read(&stage.file).unwrap(), bytes, "nothing better to write");
    }
    // A master's word replaces it.
    stage.master.shows(&document(vec![task("web", 0, &["10.30.0.1"])]));
    stage.after_a_run().await;
    assert!(dump(stage.file.to_str().unwrap()).contains("web.marathon.mesos. IN A 10.30.0.1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_written_costs_nothing_else() {
    let master = Master::start(&ordinary()).await;
    let mut daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "snapshotFile": "/nonexistent/folder/cluster.json",
    }));
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
    daemon.logged("the last good cluster cannot be kept");
    assert!(daemon.metric("snapshot_save_failures_total").await >= 1.0);
    assert_eq!(rcode(&daemon, "web.marathon.mesos").await, Rcode::NOERROR);
    daemon.signal(Signal::TERM);
    let (status, _) = daemon.ends();
    assert_eq!(status.code(), Some(0));
    assert_eq!(daemon.count_logged("the last good cluster cannot be kept"), 1, "said once");
}
