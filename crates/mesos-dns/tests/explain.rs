//! The promise: why a name has its answer can be asked of a running server and of a state document, and both say the same.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    fs,
    process::{Command, Output},
};

use daemon::Daemon;
use master::{Master, document, task};
use serde_json::{Value, json};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mesos-dns")).args(arguments).output().unwrap()
}

/// What the program prints; it must say that all is well.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the rules.
fn rules(steps: &Value) -> Vec<&str> {
    steps.as_array().unwrap().iter().map(|step| step["rule"].as_str().unwrap()).collect()
}

fn cluster() -> Value {
    let mut sick = task("web", 1, &["10.30.0.2"]);
    sick["statuses"][0]["healthy"] = json!(false);
    let mut idle = task("web", 2, &["10.30.0.3"]);
    idle["state"] = json!("TASK_STAGING");
    document(vec![task("web", 0, &["10.30.0.1"]), sick, idle, task("My_App", 3, &["10.30.0.4"])])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_document_explain_alike() {
    let master = Master::start(&cluster()).await;
    let members = json!({
        "masters": [master.address().to_string()], "refreshSeconds": 1,
        "resolvers": ["127.0.0.1:9"], "zoneResolvers": {"corp": ["127.0.0.2:9"]}, "externalon": true,
    });
    let daemon = Daemon::start(members.clone());
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    let told = daemon.json("/v2/explain?name=web.marathon.mesos").await;
    assert_eq!(
        (&told["verdict"]["outcome"], &told["verdict"]["rcode"]),
        (&json!("answer"), &json!("NOERROR"))
    );
    assert_eq!(told["question"], json!({"name": "web.marathon.mesos.", "type": "A", "client": "127.0.0.1"}));
    assert_eq!((&told["data"]["state"], &told["data"]["origin"]), (&json!("live"), &json!("poll")));
    let [record] = &**told["records"].as_array().unwrap() else { panic!("{told:#}") };
    assert_eq!(
        (&record["data"], &record["position"], &record["ttl"]),
        (&json!("10.30.0.1"), &json!(1), &json!(5))
    );
    assert_eq!(record["contributors"][0]["task"]["id"], "web.0");
    assert_eq!(rules(&record["contributors"][0]["why"]), ["running", "name-as-label", "address-reachable"]);
    let dropped: Vec<_> = told["dropped"].as_array().unwrap().iter().collect();
    let of = |id: &str| {
        let found = dropped.iter().find(|dropped| dropped["candidate"]["task"]["id"] == id);
        *found.unwrap_or_else(|| panic!("{id}: {told:#}"))
    };
    assert_eq!(
        (rules(&of("web.1")["butFor"]), &of("web.1")["data"]),
        (vec!["enough-healthy"], &json!("A 10.30.0.2"))
    );
    assert_eq!((rules(&of("web.2")["butFor"]), dropped.len()), (vec!["not-running"], 2));

    // The same of a document, by the command; and by the command of the server.
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("state.json"), cluster().to_string()).unwrap();
    fs::write(path("config.json"), members.to_string()).unwrap();
    let url = format!("http://{}", daemon.http);
    let config = path("config.json");
    let explain = |source: &str, more: &[&str]| {
        let common = ["--config", &config, "explain", "--from", source];
        printed(&[&common, more].concat())
    };
    let json_of = |source: &str, more: &[&str]| -> Value {
        serde_json::from_str(&explain(source, &[more, &["--output", "json"]].concat())).unwrap()
    };
    for question in
        [&["web.marathon.mesos"][..], &["_web._tcp.marathon.mesos"], &["my_app.marathon.mesos", "AAAA"]]
    {
        let (live, dead) = (json_of(&url, question), json_of(&path("state.json"), question));
        for part in ["question", "verdict", "dropped", "path", "nearMisses", "nearest"] {
            assert_eq!(live[part], dead[part], "{part} of {question:?}");
        }
        let contributors = |told: &Value| -> Vec<Value> {
            let records = told["records"].as_array().unwrap().iter();
            let mut all: Vec<_> =
                records.map(|record| json!([record["data"], record["contributors"]])).collect();
            all.sort_by_key(Value::to_string);
            all
        };
        assert_eq!(contributors(&live), contributors(&dead), "{question:?}");
        assert_eq!(dead["data"]["origin"], "document");
    }

    let missed = json_of(&url, &["my_app.marathon.mesos"]);
    assert_eq!(missed["verdict"]["outcome"], "no-name");
    assert_eq!(missed["nearest"], "marathon.mesos.");
    assert_eq!(
        missed["nearMisses"][0],
        json!({"name": "my-app.marathon.mesos.", "written": "My_App.marathon.mesos."})
    );

    let outside = json_of(&url, &["printer.corp", "--client", "10.1.2.3"]);
    assert_eq!(
        outside["forward"],
        json!({"name": "printer.corp.", "zone": "corp.", "servers": ["127.0.0.2:9"]})
    );
    assert_eq!(rules(&outside["verdict"]["why"]), ["forwarded", "route-zone"]);
    let denied = json_of(&url, &["example.org", "--client", "192.0.2.1"]);
    assert_eq!(denied["verdict"]["outcome"], "refused");
    assert_eq!(rules(&denied["verdict"]["why"]), ["forwarded", "recursion-denied"]);
    assert_eq!(json_of(&url, &["localhost"])["verdict"]["outcome"], "local");

    let page = explain(&path("state.json"), &["web.marathon.mesos"]);
    for part in [
        "web.marathon.mesos. A, asked by 127.0.0.1",
        "=> answer (NOERROR)",
        "1. web.marathon.mesos. 5 A 10.30.0.1",
        "from task web.0 of framework \"marathon\"",
        "not: [not-running] only tasks that run have names: TASK_STAGING",
        "(see healthyMinimumPercent)",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said() {
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::following(master.address()).await;
    for (query, detail) in [
        ("", "name is missing"),
        ("?name=a..b", "is no name"),
        ("?name=a&type=nothing", "is no type"),
        ("?name=a&client=me", "is no address"),
    ] {
        let (status, body) = daemon.get(&format!("/v2/explain{query}")).await;
        assert_eq!(status, 400, "{query}: {body}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert!(told["detail"].as_str().unwrap().contains(detail), "{query}: {body}");
    }
    let failed = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let url = format!("http://{}", daemon.http);
    for (arguments, code, part) in [
        (&["explain"][..], 2, "required"),
        (&["explain", "a..b", "--from", &url], 1, "is no name"),
        (&["explain", "a", "--from", "/nowhere/state.json"], 1, "cannot read"),
        (&["explain", "a", "--from", "http://127.0.0.1:1"], 1, "nobody answers"),
    ] {
        let (status, told) = failed(arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
    let closed = Daemon::start(json!({"masters": [master.address().to_string()], "enumerationOn": false}));
    closed.until_ready("loaded", |ready| ready["ready"] == true).await;
    assert_eq!(closed.get("/v2/explain?name=web.marathon.mesos").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_as_old_as_the_version_that_brought_it() {
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "refreshSeconds": 1}));
    let first = daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let more = document(vec![task("web", 0, &["10.30.0.1"]), task("new", 4, &["10.30.0.9"])]);
    master.shows(&more);
    daemon.until_ready("changed", |ready| ready["version"] != first["version"]).await;
    let since = |told: &Value| told["records"][0]["since"].clone();
    let new = since(&daemon.json("/v2/explain?name=new.marathon.mesos").await);
    assert_eq!(new["by"], json!(["document"]));
    assert_eq!((&new["isExact"], new["version"].as_u64() > first["version"].as_u64()), (&json!(true), true));
    let web = since(&daemon.json("/v2/explain?name=web.marathon.mesos").await);
    assert_eq!(web["isExact"], false);
}
