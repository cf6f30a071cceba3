//! The promise: whoever watches us with Prometheus is told when something is wrong.
//!
//! The alerts and the board that we ship are checked by Prometheus' own tool, and a real Prometheus watches the real
//! program while its master falls silent. Both are of Debian's package `prometheus`.

#[path = "support/daemon.rs"]
mod daemon;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use daemon::{Daemon, LOOK, PATIENCE};
use mesos_dns_sim::{
    client, clock,
    life::{self, Life},
    master::{Beat, Fault, Masters, Settings},
};
use serde_json::{Value, json};

/// Time between two heartbeats of the master.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What stands in the alert that is waited for, and what takes its place: nobody wants to wait that long.
const FOR: (&str, &str) = ("        for: 30s\n", "        for: 1s\n");

fn contrib(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(contrib(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether the package is there. Says so if not.
fn is_installed() -> bool {
    for program in ["prometheus", "promtool"] {
        let found =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Err(error) = found {
            eprintln!("skipped: {program}: {error} (apt-get install prometheus)");
            return false;
        }
    }
    true
}

/// Runs promtool with this on its input.
fn promtool(arguments: &[&str], folder: &Path, input: &str) -> Output {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read all of it.
    _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn check(arguments: &[&str], folder: &Path, input: &str) {
    let output = promtool(arguments, folder, input);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn every_alert_fires_and_near_its_threshold_does_not() {
    if !is_installed() {
        return;
    }
    let folder = contrib("prometheus");
    check(&["check", "rules", "alerts.yml"], &folder, "");
    let tests = ["alerts_test.yml", "alerts_week_test.yml"];
    check(&["test", "rules", tests[0], tests[1]], &folder, "");
    let (rules, tests) =
        (read("prometheus/alerts.yml"), tests.map(|test| read(&format!("prometheus/{test}"))).concat());
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let cases: Vec<&str> = tests.split("alertname: ").filter(|case| case.starts_with(name)).collect();
        let is_quiet = |case: &&str| case.contains("exp_alerts: []");
        assert!(cases.iter().any(is_quiet) && !cases.iter().all(is_quiet), "{name} is not tested both ways");
    }
}

/// As rules, so that Prometheus' own parser reads them.
#[test]
fn the_board_asks_what_prometheus_understands() {
    if !is_installed() {
        return;
    }
    let board: Value = serde_json::from_str(&read("grafana/mesos-dns.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 60, "{}", expressions.len());
    let rules: Vec<Value> = expressions
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            assert!(
                expression.contains(r#"job=~"$job",instance=~"$instance""#),
                "not of the chosen: {expression}"
            );
            let expression = expression.replace("$__rate_interval", "5m").replace("$job", ".*");
            json!({ "record": format!("board:{number}"), "expr": expression.replace("$instance", ".*") })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    let groups = json!({ "groups": [{ "name": "board", "rules": rules }] });
    fs::write(folder.path().join("board.yml"), groups.to_string()).unwrap();
    check(&["check", "rules", "board.yml"], folder.path(), "");
    let titles = ["Can I trust it?", "Traffic and response codes", "Latency", "Records, churn, problems"];
    for title in titles.into_iter().chain(["Forwarder and cache", "Process and API"]) {
        assert!(
            panels.iter().any(|panel| panel["type"] == "row" && panel["title"] == title),
            "no row {title}"
        );
    }
}

/// A cluster whose master has heartbeats often enough for a test.
async fn masters() -> Masters {
    let settings = life::Settings { seed: 1, tasks: 50, churn: 0.0 };
    let (_, cluster) = Life::new(settings, clock::now());
    let settings = Settings { ports: vec![0], beat: Beat::Every(HEARTBEAT), ..Settings::default() };
    Masters::start(cluster, settings).await.unwrap()
}

#[tokio::test]
async fn what_is_shown_is_well_formed_and_documented() {
    let masters = masters().await;
    let daemon = Daemon::following(masters.address(0)).await;
    let headers = [("Accept", "text/plain;version=0.0.4")];
    let shown = client::http(daemon.http, "/metrics", &headers).await.unwrap();
    assert_eq!(shown.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(shown.body().to_vec()).unwrap();
    let page = fs::read_to_string(contrib("../docs/metrics.md")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unknown: Vec<&str> = names.filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
    if is_installed() {
        check(&["check", "metrics"], Path::new("/"), &text);
    }
}

/// What the histograms of freshness and the counters of the stream show while the cluster lives.
#[tokio::test]
async fn changes_are_seen_to_arrive() {
    let (life, cluster) = Life::new(life::Settings { seed: 2, tasks: 50, churn: 50.0 }, clock::now());
    let settings = Settings { ports: vec![0], beat: Beat::Every(HEARTBEAT), ..Settings::default() };
    let masters = Masters::start(cluster, settings).await.unwrap();
    let daemon = Daemon::following(masters.address(0)).await;
    let seen = async {
        for (metric, least) in [
            (r#"masters_events_total{type="task_updated"}"#, 5.0),
            (r#"masters_events_total{type="heartbeat"}"#, 1.0),
            ("zone_publish_seconds_count", 10.0),
            ("zone_propagation_seconds_count", 5.0),
            (r#"zone_record_changes_total{op="added"}"#, 5.0),
        ] {
            let started = Instant::now();
            while daemon.metric(metric).await < least {
                assert!(started.elapsed() < PATIENCE, "{metric} never reaches {least}");
                tokio::time::sleep(LOOK).await;
            }
        }
    };
    tokio::select! {
        () = clock::live(&masters, life, |_| ()) => panic!("it goes on for ever"),
        () = seen => {}
    }
    // The simulated agents have our clock.
    assert_eq!(daemon.metric("zone_propagation_ahead_total").await, 0.0);
    assert!(daemon.metric("masters_last_event_age_seconds").await < PATIENCE.as_secs_f64());
    assert!(daemon.metric("masters_snapshot_bytes").await > 10_000.0);
    assert_eq!(daemon.metric("masters_connected").await, 1.0);
}

//------------ Prometheus ----------------------------------------------------

/// A running Prometheus. Ended by its number when dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it on a port that the system chooses: it scrapes this program, by our alerts.
    fn start(scraped: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = read("prometheus/alerts.yml");
        assert!(rules.contains(FOR.0), "the alert waits otherwise by now");
        fs::write(folder.path().join("alerts.yml"), rules.replace(FOR.0, FOR.1)).unwrap();
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms" },
            "rule_files": ["alerts.yml"],
            "scrape_configs": [{ "job_name": "mesos-dns", "static_configs": [{ "targets": [scraped.to_string()] }] }],
        });
        fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
        let mut child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.format=json"])
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.by_ref().find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            (line["msg"] == "Listening on").then(|| line["address"].as_str()?.parse().ok())?
        });
        // What it goes on saying must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: listening.expect("where it listens"), _folder: folder }
    }

    async fn ask(&self, path: &str) -> Value {
        match client::http(self.address, path, &[]).await {
            Ok(response) => serde_json::from_slice(response.body()).unwrap_or_default(),
            // It is not there yet.
            Err(_) => Value::Null,
        }
    }

    /// The newest value of a metric of ours, once it was scraped.
    async fn value(&self, metric: &str) -> Option<f64> {
        let answer = self.ask(&format!("/api/v1/query?query={metric}")).await;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// Alerts that fire, by name, with their labels.
    async fn firing(&self) -> Vec<Value> {
        let answer = self.ask("/api/v1/alerts").await;
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }

    /// Waits until the alert fires, or no longer does.
    async fn until_firing(&self, name: &str, fires: bool) -> Value {
        let started = Instant::now();
        loop {
            let firing = self.firing().await;
            let found = firing.iter().find(|alert| alert["labels"]["alertname"] == name);
            if found.is_some() == fires {
                return found.cloned().unwrap_or_default();
            }
            assert!(started.elapsed() < PATIENCE * 2, "{name} fires: {}; all: {firing:?}", !fires);
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[tokio::test]
async fn an_alert_fires_when_the_stream_falls_silent() {
    if !is_installed() {
        return;
    }
    let masters = masters().await;
    // A request that meets nothing but silence ends after this time; then the master is asked again.
    let timeout = PATIENCE / 8;
    let members =
        json!({ "masters": [masters.address(0).to_string()], "stateTimeoutSeconds": timeout.as_secs() });
    let daemon = Daemon::start(members);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let prometheus = Prometheus::start(daemon.http);
    let started = Instant::now();
    let interval = loop {
        let streaming = prometheus.value("mesos_dns_masters_streaming").await;
        let interval = prometheus.value("mesos_dns_masters_heartbeat_interval_seconds").await;
        if let (Some(1.0), Some(interval)) = (streaming, interval) {
            break interval;
        }
        assert!(started.elapsed() < PATIENCE, "never scraped: {streaming:?} {interval:?}");
        tokio::time::sleep(LOOK).await;
    };
    assert_eq!(interval, HEARTBEAT.as_secs_f64());
    prometheus.until_firing("MesosDnsStreamSilent", false).await;

    // The connection stays, and nothing comes any more: neither on it nor on those that are tried then.
    masters.fault(0, Fault::HalfOpen { after_bytes: 0 });
    let alert = prometheus.until_firing("MesosDnsStreamSilent", true).await;
    assert_eq!(alert["labels"]["instance"], daemon.http.to_string());
    assert_eq!(alert["labels"]["severity"], "warning");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with(&format!("{} has heard nothing from the leader for ", daemon.http)),
        "{summary}"
    );
    assert!(alert["annotations"]["runbook_url"].as_str().unwrap().ends_with("MesosDnsStreamSilent.md"));
    assert_eq!(daemon.metric("masters_streaming").await, 0.0);
    assert!(daemon.metric("masters_stream_ends_total{reason=\"Silent\"}").await >= 1.0);
    // Whoever asks is still answered.
    assert_eq!(daemon.ready().await["ready"], true);

    masters.fault(0, Fault::None);
    prometheus.until_firing("MesosDnsStreamSilent", false).await;
}
