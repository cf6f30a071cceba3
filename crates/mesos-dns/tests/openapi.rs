//! What the description of the API says is what the server does: schemathesis makes up thousands of requests, good and
//! bad, and compares each answer with it.
//!
//! It is a Python program that `scripts/install.sh test-all` puts into the cache directory; without it there is nothing to
//! run, and the test says so.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{env, path::PathBuf, process::Command};

use daemon::Daemon;
use master::{Master, ordinary};

/// Where the program is, if it is anywhere.
fn schemathesis() -> Option<PathBuf> {
    let home = |name: &str, below: &str| env::var_os(name).map(|path| PathBuf::from(path).join(below));
    let cache = home("XDG_CACHE_HOME", "").or_else(|| home("HOME", ".cache"));
    let installed = cache.map(|cache| cache.join("mesos-dns/schemathesis/bin/schemathesis"));
    let told = env::var_os("SCHEMATHESIS").map(PathBuf::from);
    told.into_iter().chain(installed).find(|path| path.exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_other_than_described() {
    let Some(program) = schemathesis() else {
        println!("skipped: no schemathesis here; scripts/install.sh test-all installs it");
        return;
    };
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    let url = format!("http://{}/v2/openapi.json", daemon.http);
    // A cursor is opaque: most texts that look like one are none, and are refused. So lists with one are not held to
    // take all that is described as a cursor. A stream of changes never ends; its own tests are in `watch_changes`.
    let listed = "^/v2/(agents|frameworks|records|services|tasks)$";
    let others = "^/(v1/.*|metrics|health|ready|v2/watch)$";
    let lenient = &["--exclude-checks", "positive_data_acceptance"];
    run(&program, &url, &["--include-path-regex", listed], lenient);
    run(&program, &url, &["--exclude-path-regex", &format!("{listed}|{others}")], &[]);
    assert_eq!(daemon.metric("http_panics_total").await, 0.0);
}

fn run(program: &PathBuf, url: &str, paths: &[&str], more: &[&str]) {
    let examples = env::var("SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "25".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .current_dir(folder.path())
        .args(["run", url, "--max-examples", &examples, "--no-color", "--seed", "1"])
        .args(["--request-timeout", "20", "--phases", "examples,coverage,fuzzing"])
        .args(paths)
        .args(more)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
