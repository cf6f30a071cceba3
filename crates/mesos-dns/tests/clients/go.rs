//! Go's resolver: it reads `/etc/resolv.conf` itself and speaks DNS itself, EDNS included, without any C library.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    namespace::text_of,
    programs::{says, set},
    *,
};

/// Builds the program; `None`, and a line that says so, where there is no Go.
fn look_up(place: &TempDir) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/look_up.go");
    let program = place.path().join("look_up");
    let mut build = Command::new("go");
    // Nothing is fetched, and nothing is left behind.
    build.env("GOCACHE", place.path().join("cache")).env("GOPROXY", "off").env("GO111MODULE", "off");
    let Ok(built) = run(build.args(["build", "-o"]).arg(&program).arg(source)) else {
        eprintln!("skipped: go is not installed (apt-get install golang-go, 450 MB)");
        return None;
    };
    assert!(built.status.success(), "{}", text_of(&built));
    Some(program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_found_by_go() {
    if !is_inside("go::names_are_found_by_go") {
        return;
    }
    let place = Place::new();
    let Some(program) = look_up(&place.0) else { return };
    let ask = |kind: &str, name: &str| says(program.to_str().unwrap(), &[kind, name]).unwrap();
    let master = Master::start(&document(Vec::new())).await;
    master.says("503 Service Unavailable", "text/plain", b"");
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "port": 53}));
    // Before the first data, a name is not known yet, which Go keeps apart from unknown.
    assert_eq!(ask("host", "web.marathon.mesos"), set(["no answer"]));
    master.shows(&ordinary());
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    let web = ["10.30.0.1", "10.30.0.2", "10.30.0.3"];
    assert_eq!(ask("A", "web.marathon.mesos"), set(web));
    assert_eq!(ask("AAAA", "WEB.Marathon.Mesos."), set(["fd00:30::1"]));
    let both = set(web.into_iter().chain(["fd00:30::1"]));
    assert_eq!(ask("host", "web.marathon.mesos"), both);
    assert_eq!(ask("host", "WEB"), both, "by the search list");
    assert_eq!(ask("SRV", "_web._tcp.marathon.mesos").len(), 6);
    assert!(ask("TXT", "_status.mesos").iter().any(|line| line.contains("state=live")));
    // Unknown names, and names without this type: to Go the same.
    for (kind, name) in [
        ("host", "nobody.marathon.mesos"),
        ("A", "nobody.marathon.mesos."),
        ("AAAA", "many.marathon.mesos"),
        ("SRV", "_nobody._tcp.marathon.mesos"),
        ("TXT", "web.marathon.mesos"),
        ("host", "_tcp.marathon.mesos"),
    ] {
        assert_eq!(ask(kind, name), set(["no such name"]), "{kind} {name}");
    }
    // Larger than a datagram may be: it comes again over TCP.
    let (truncated, over_tcp) = ("dns_truncated_total", "dns_queries_total{transport=\"tcp\"}");
    assert_eq!((daemon.metric(truncated).await, daemon.metric(over_tcp).await), (0.0, 0.0));
    assert_eq!(ask("SRV", "_many._tcp.marathon.mesos").len(), 120);
    assert_eq!(ask("A", "many.marathon.mesos").len(), 60);
    assert!(daemon.metric(truncated).await >= 1.0 && daemon.metric(over_tcp).await >= 1.0);
    // Names elsewhere are refused, as forwarding is off: it says so, and does not ask on.
    let refused = ask("host", "www.example.test.");
    assert!(
        refused.iter().all(|line| line.ends_with("server misbehaving")) && refused.len() == 1,
        "{refused:?}"
    );
}
