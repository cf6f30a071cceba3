//! The examples of `docs/http.md` are what a running server answers.
//!
//! `UPDATE_DOCS=1` writes the answers into the page; else the page must show answers of the same shape: the same members,
//! with values of the same kinds. Numbers and addresses differ from run to run.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{fs, path::Path};

use daemon::Daemon;
use master::{Master, document, task};
use mesos_dns_sim::client;
use serde_json::{Value, json};

fn cluster() -> Value {
    let mut web = task("web", 0, &["10.30.0.1"]);
    web["labels"] = json!([{"key": "dns.alias", "value": "shop"}]);
    web["discovery"] = json!({"visibility": "CLUSTER", "name": "web", "version": "1.4", "ports": {"ports": [
        {"number": 8080, "name": "http", "protocol": "tcp"},
    ]}});
    let mut document = document(vec![web.clone(), task("job", 1, &["10.30.0.2"])]);
    let place = json!({"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}});
    document["slaves"][0]["domain"] = place;
    document
}

/// The kinds of all values, by the paths to them.
fn shape(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| shape(value, &format!("{path}.{key}"), found))
        }
        // As many as there happen to be.
        Value::Array(items) => items.iter().for_each(|item| shape(item, &format!("{path}[]"), found)),
        Value::Null => found.push(format!("{path}: null")),
        Value::Bool(_) => found.push(format!("{path}: bool")),
        Value::Number(_) => found.push(format!("{path}: number")),
        Value::String(_) => found.push(format!("{path}: string")),
    }
    found.sort();
    found.dedup();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_are_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http.md");
    let page = fs::read_to_string(&path).unwrap();
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::following(master.address()).await;
    let (mut written, mut rest, mut examples) = (String::new(), page.as_str(), 0);
    while let Some((before, after)) = rest.split_once("```console\n$ curl -s ") {
        let (block, behind) = after.split_once("```\n").unwrap();
        let (command, shown) = block.split_once('\n').unwrap();
        let target = command.split("'http://127.0.0.1:8123").nth(1).unwrap().trim_end_matches('\'');
        let is_json = command.contains("-H 'Accept: application/json'");
        let headers: &[(&str, &str)] = if is_json { &[("accept", "application/json")] } else { &[] };
        let response = client::http(daemon.http, target, headers).await.unwrap();
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_none() {
            let shown: Value =
                serde_json::from_str(shown).unwrap_or_else(|error| panic!("{command}: {error}"));
            let (mut answered, mut told) = (Vec::new(), Vec::new());
            shape(&answer, "", &mut answered);
            shape(&shown, "", &mut told);
            assert_eq!(told, answered, "{command}");
        }
        let text = serde_json::to_string_pretty(&answer).unwrap();
        let text = text.replace(&master.address().to_string(), "10.0.0.1:5050");
        written.push_str(&format!("{before}```console\n$ curl -s {command}\n{text}\n```\n"));
        (rest, examples) = (behind, examples + 1);
    }
    assert!(examples >= 9, "{examples}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, written + rest).unwrap();
    }
}
