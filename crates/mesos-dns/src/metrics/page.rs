//! `docs/metrics.md` says of each metric what the registry says; the board and the alerts name no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hyper::StatusCode;
use prometheus_client::encoding::text::encode;

use super::Metrics;
use crate::http::RouteName;

/// Labels whose values are not of a fixed set, and what they are. None of them can be chosen by a client.
const OPEN: [(&str, &str); 5] = [
    ("server", "each configured server"),
    ("listener", "each `tls` or `https` listener"),
    ("version", "of the program"),
    ("route", "what was asked for, `None` for what is not there"),
    ("status", "of HTTP"),
];

const BEGIN: &str = "<!-- The table is made from the registry: `UPDATE_DOCS=1 cargo test -p mesos-dns --lib metrics::page` rewrites it. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// One metric, as it is shown.
#[derive(Debug, Default)]
struct Shown {
    kind: String,
    unit: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All metrics by name, without the suffixes of their samples.
fn registered() -> BTreeMap<String, Shown> {
    let (metrics, registry) = Metrics::new();
    metrics.dns.exemplify();
    metrics.forward.exemplify();
    metrics.http.served(RouteName::None, StatusCode::NOT_FOUND);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let mut all: BTreeMap<String, Shown> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                let help = help.trim_end_matches('.').to_owned();
                let before = all.insert(name.to_owned(), Shown { help, ..Shown::default() });
                assert!(before.is_none(), "{name} is registered twice");
                last = name.to_owned();
            }
            ["#", "TYPE", name, kind] => all.get_mut(name).unwrap().kind = kind.to_owned(),
            ["#", "UNIT", name, unit] => all.get_mut(name).unwrap().unit = unit.to_owned(),
            ["#", ..] => {}
            _ => note_labels(line, all.get_mut(&last).unwrap()),
        }
    }
    for (name, shown) in &mut all {
        if shown.unit.is_empty() {
            let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
            shown.unit = unit.unwrap_or_default().to_owned();
        }
    }
    all
}

/// Notes the labels of a sample.
fn note_labels(line: &str, shown: &mut Shown) {
    let Some((_, rest)) = line.split_once('{') else { return };
    for label in rest.split('}').next().unwrap().split(',') {
        let (name, value) = label.split_once('=').unwrap();
        if name != "le" {
            shown.labels.entry(name.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
}

/// The name of the samples that people write in expressions.
fn sample(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("mesos_dns_") || word.starts_with("process_")).collect()
}

/// The expressions of each alert.
fn alerts(rules: &str) -> BTreeMap<String, String> {
    let mut alerts = BTreeMap::new();
    for block in rules.split("- alert: ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let expression = rest.split("annotations:").next().unwrap();
        // Some come twice, with another severity.
        alerts.entry(name.trim().to_owned()).or_insert_with(String::new).push_str(expression);
    }
    alerts
}

fn table() -> String {
    let alerts = alerts(&read("contrib/prometheus/alerts.yml"));
    let mut table = String::from(
        "| name | type | unit | labels | meaning | alerts |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, Shown { kind, unit, help, labels }) in registered() {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, values)| match OPEN.iter().find(|(open, _)| open == label) {
                Some((_, what)) => format!("`{label}`: {what}"),
                None => {
                    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                    format!("`{label}`: {}", values.join(" "))
                }
            })
            .collect();
        let sample = sample(&name, &kind);
        let is_named = |text: &str| named(text).iter().any(|word| base(word) == name);
        let used: Vec<&str> =
            alerts.iter().filter(|(_, text)| is_named(text)).map(|(alert, _)| &**alert).collect();
        table += &format!(
            "| `{sample}` | {kind} | {unit} | {} | {help} | {} |\n",
            labels.join("; "),
            used.join(", ")
        );
    }
    table
}

/// The metric that a sample belongs to.
fn base(word: &str) -> &str {
    let suffixes = ["_total", "_bucket", "_sum", "_count", "_info"];
    suffixes.into_iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word)
}

#[test]
fn the_committed_table_is_what_the_registry_says() {
    let page = read("docs/metrics.md");
    let (head, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (_, tail) = rest.split_once(END).expect("where it ends");
    let new = format!("{head}{BEGIN}\n{}\n{END}{tail}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root("docs/metrics.md"), &new).unwrap();
        return;
    }
    assert!(page == new, "docs/metrics.md is old: run this test with UPDATE_DOCS=1");
}

#[test]
fn what_is_shown_has_a_meaning_and_a_type() {
    for (name, shown) in registered() {
        assert!(shown.help.len() > 3 && !shown.help.ends_with('.'), "{name}: {shown:?}");
        assert!(["counter", "gauge", "histogram", "info"].contains(&&*shown.kind), "{name}: {shown:?}");
        assert!(!name.ends_with("_total") && !shown.help.contains('|'), "{name}: {shown:?}");
    }
}

/// Every name in the rules and on the board is one of ours, or of Prometheus itself.
#[test]
fn board_and_alerts_name_what_there_is() {
    let known = registered();
    for path in [
        "contrib/prometheus/alerts.yml",
        "contrib/prometheus/alerts_test.yml",
        "contrib/grafana/mesos-dns.json",
    ] {
        for word in named(&read(path)) {
            let metric = if known.contains_key(word) { word } else { base(word) };
            let shown = known.get(metric).unwrap_or_else(|| panic!("{path}: there is no {word}"));
            let fits = match &*shown.kind {
                "counter" => word.ends_with("_total"),
                "histogram" => word != metric,
                "info" => word.ends_with("_info"),
                _ => word == metric,
            };
            assert!(fits, "{path}: {word} is no sample of a {}", shown.kind);
        }
    }
}

/// Whoever is woken finds a page, and the page what it promises.
#[test]
fn every_alert_has_a_run_book() {
    let rules = read("contrib/prometheus/alerts.yml");
    let alerts = alerts(&rules);
    assert!(alerts.len() >= 15, "{:?}", alerts.keys());
    for block in rules.split("- alert: ").skip(1) {
        let name = block.lines().next().unwrap().trim();
        for part in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
            assert!(block.contains(part), "{name} lacks {part}");
        }
        assert!(block.contains(&format!("runbooks/{name}.md")), "{name}: the link leads elsewhere");
        let page = read(&format!("docs/manual/src/runbooks/{name}.md"));
        for part in ["# ", "## Meaning", "## Impact", "## Diagnosis", "## Mending"] {
            assert!(page.contains(part), "{name}.md lacks {part}");
        }
    }
    let pages = fs::read_dir(root("docs/manual/src/runbooks")).unwrap().flatten();
    let names = pages.map(|page| page.file_name().into_string().unwrap());
    for name in names.filter(|name| name != "README.md") {
        let alert = name.strip_suffix(".md").unwrap();
        assert!(alerts.contains_key(alert), "{name} is about no alert");
    }
}
