//! The promise: who starts the program as root does not leave it root. Every thread is somebody else's once the ports
//! are open, one right is left, and a reload needs no more.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Instant};

use daemon::{Daemon, Process};
use domain::base::iana::Rtype;
use master::{Master, ordinary};
use mesos_dns_sim::client::{self, Query};
use rustix::process::{Signal, geteuid};
use serde_json::json;

/// CAP_NET_BIND_SERVICE, as `/proc` shows it.
const BINDING: &str = "0000000000000400";
const NOTHING: &str = "0000000000000000";

/// Nobody on any machine.
const NOBODY: &str = "65432";

/// What `/proc` says of each thread of a process.
fn threads(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).collect()
}

/// The words behind a key in what `/proc` says.
fn words<'a>(status: &'a str, key: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key}: {status}")).split_ascii_whitespace().collect()
}

/// Whether a thread is one that does the program's work. Those of the allocator run before `main` does; until it has given
/// itself a name, a thread has that of who started it.
fn is_ours(thread: &str) -> bool {
    let name = words(thread, "Name")[0];
    words(thread, "Pid") == words(thread, "Tgid") || ["io", "publish", "udp-0"].contains(&name)
}

fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        println!("skipped: giving up root needs tests that run as root");
    }
    is_root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn root_is_given_up_and_a_reload_needs_it_not() {
    if !is_root() {
        return;
    }
    let master = Master::start(&ordinary()).await;
    let folder = daemon::folder();
    let mut daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "user": NOBODY, "group": "65433",
        "adminSocket": folder.path().join("admin"), "snapshotFile": folder.path().join("cluster.json"),
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let threads = threads(daemon.id());
    assert!(threads.len() > 3, "{threads:?}");
    for thread in &threads {
        assert_eq!(words(thread, "Uid"), [NOBODY; 4], "{thread}");
        assert_eq!(words(thread, "Gid"), ["65433"; 4], "{thread}");
        assert_eq!(words(thread, "Groups"), ["65433"], "{thread}");
        // Threads of the allocator were there before, and are left with less: nothing.
        let kept = if is_ours(thread) { BINDING } else { words(thread, "CapPrm")[0] };
        assert!([BINDING, NOTHING].contains(&kept), "{thread}");
        for (set, left) in [("CapPrm", kept), ("CapEff", kept), ("CapInh", NOTHING), ("CapAmb", NOTHING)] {
            assert_eq!(words(thread, set), [left], "{set}: {thread}");
        }
        assert!(kept == NOTHING || words(thread, "NoNewPrivs") == ["1"], "{thread}");
    }
    assert_eq!(daemon.count_logged("root is given up"), 1);
    daemon.rewrite(json!({"ttl": 17}));
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    let started = Instant::now();
    loop {
        let answer = client::udp(daemon.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
        if answer.answers().unwrap()[0].contains(" 17 ") {
            break;
        }
        assert!(started.elapsed() < daemon::PATIENCE, "{:?}", answer.answers());
        tokio::time::sleep(daemon::LOOK).await;
    }
}

#[test]
fn a_file_that_only_root_can_read_is_told_at_once() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let text = r#"{"masters": ["127.0.0.1:1"], "listener": "127.0.0.1", "port": 0, "httpon": false, "externalon": false}"#;
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // The last of two names counts, and its folder is closed to everybody else.
    let daemon = Process::start_before(json!({}), &[&format!("-config={}", path.display())]);
    daemon.logged("serving");
    daemon.logged("a reload would fail");
}

#[test]
fn a_user_who_is_not_there_or_is_root_is_refused() {
    for (user, said) in [("nobody-of-this-name", "there is no user"), ("root", "cannot be root")] {
        let mut process = Process::start(json!({"masters": ["127.0.0.1:1"], "user": user}));
        if user != "root" && !is_root() {
            continue;
        }
        let (status, log) = process.ends();
        assert_eq!(status.code(), Some(1), "{user}");
        assert!(log.iter().any(|line| line.as_str().is_some_and(|line| line.contains(said))), "{log:?}");
    }
}

/// Root of an ordinary user's namespace has nobody to become.
#[test]
fn alone_in_a_namespace_it_gives_up_the_rights() {
    let alone = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--user", program]);
        command
    };
    match alone("true").output() {
        Ok(tried) if tried.status.success() => {}
        refused => {
            println!("skipped: no user namespace here: {refused:?}");
            return;
        }
    }
    let members = json!({"masters": ["127.0.0.1:1"]});
    let process = Process::start_by(alone(env!("CARGO_BIN_EXE_mesos-dns")), members);
    process.logged("serving");
    // What the allocator's threads keep is worth nothing outside of the namespace.
    for thread in threads(process.id()).iter().filter(|thread| is_ours(thread)) {
        assert_eq!(words(thread, "CapEff"), [BINDING], "{thread}");
        assert_eq!(words(thread, "CapPrm"), [BINDING], "{thread}");
    }
}
