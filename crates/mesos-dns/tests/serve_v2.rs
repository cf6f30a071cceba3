//! The v2 API as the real program serves it: what is in the lists, how pages go on, and what is said of bad requests.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{collections::BTreeSet, net::SocketAddr, process::Command};

use daemon::Daemon;
use hyper::{Response, body::Bytes};
use master::{Master, document, document_of, ordinary, task};
use mesos_dns_sim::client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Two agents in places, and tasks with labels, ports and health.
fn cluster() -> Value {
    let mut web = task("web", 0, &["10.30.0.1"]);
    web["labels"] = json!([{"key": "dns.alias", "value": "shop,front"}, {"key": "dns.ttl", "value": "7"}]);
    web["discovery"] = json!({"visibility": "CLUSTER", "name": "web", "version": "1.4", "ports": {"ports": [
        {"number": 8080, "name": "http", "protocol": "tcp"}, {"number": 9090, "name": "admin", "protocol": "tcp"},
    ]}});
    let mut sick = task("web", 1, &["10.30.0.2"]);
    sick["statuses"][0]["healthy"] = json!(false);
    let mut staged = task("job", 2, &[]);
    staged["state"] = json!("TASK_STAGING");
    let mut document = document(vec![web, sick, staged]);
    document["slaves"][0]["domain"] =
        json!({"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}});
    document
}

async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, Response<Bytes>) {
    let response = client::http(address, path, headers).await.unwrap();
    (response.status().as_u16(), response)
}

fn text(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_else(|| panic!("no {key}: {item}")).to_owned()
}

/// All pages of a list.
async fn pages(daemon: &Daemon, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut next): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let page = daemon.json(&format!("{path}limit={limit}{next}")).await;
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => {
                assert_eq!(page["total"], items.len(), "{path}");
                return items;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_tasks() {
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::following(master.address()).await;
    let page = daemon.json("/v2/tasks").await;
    assert_eq!((&page["total"], page.get("next")), (&json!(3), None));
    let web = daemon.json("/v2/tasks/web.0").await["item"].clone();
    assert_eq!(page["items"][1], web);
    assert_eq!(web["framework"], json!({"id": "20260101-0000", "name": "marathon"}));
    assert_eq!(web["agent"], json!({"id": "20260101-S0", "name": "10.20.0.1"}));
    assert_eq!(web["place"], json!({"region": "eu", "zone": "eu-1"}));
    assert_eq!(
        (&web["state"], &web["health"], &web["answered"]),
        (&json!("TASK_RUNNING"), &json!("unknown"), &json!(true))
    );
    assert_eq!(web["labels"], json!({"dns.alias": "shop,front", "dns.ttl": "7"}));
    assert_eq!(web["discovery"], json!({"name": "web", "visibility": "cluster", "version": "1.4"}));
    assert_eq!(web["addresses"], json!(["10.30.0.1"]));
    let port = |number: u16, name: &str| json!({"port": number, "name": name, "protocols": ["tcp"], "addresses": ["10.30.0.1"]});
    assert_eq!(web["ports"], json!([port(8080, "http"), port(9090, "admin")]));
    let names: BTreeSet<&str> = web["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for name in ["web.marathon.mesos.", "shop.marathon.mesos.", "_http._web._tcp.marathon.mesos."] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    // Filters, one and several, each by what it is about.
    for (query, ids) in [
        ("framework=marathon", &["job.2", "web.0", "web.1"][..]),
        ("framework=20260101-0000&name=w*", &["web.0", "web.1"]),
        ("framework=chronos", &[]),
        ("agent=10.20.0.2", &["web.1"]),
        ("agent=20260101-S0", &["job.2", "web.0"]),
        ("label=dns.alias", &["web.0"]),
        ("label=dns.alias:front&label=dns.ttl:7", &["web.0"]),
        ("label=dns.alias:front&label=dns.ttl:8", &[]),
        ("zone=eu-1&region=eu", &["job.2", "web.0"]),
        ("region=us", &[]),
        ("health=unhealthy", &["web.1"]),
        ("state=TASK_STAGING", &["job.2"]),
        ("name=web&health=unknown", &["web.0"]),
    ] {
        let page = daemon.json(&format!("/v2/tasks?{query}")).await;
        let found: Vec<String> =
            page["items"].as_array().unwrap().iter().map(|item| text(item, "id")).collect();
        assert_eq!(
            (found.as_slice(), &page["total"]),
            (ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>().as_slice(), &json!(ids.len())),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_members_and_status() {
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::following(master.address()).await;
    let services = daemon.json("/v2/services").await;
    assert_eq!(services["total"], 1, "{services}");
    let web = &services["items"][0];
    let counts = ["instances", "healthy", "unhealthy", "unknown"].map(|key| web[key].as_u64().unwrap());
    assert_eq!((text(web, "name"), counts), ("web".to_owned(), [2, 0, 1, 1]));
    let names: Vec<&str> = web["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        names.contains(&"web.marathon.mesos.") && names.iter().all(|name| !name.contains("-s0.")),
        "{names:?}"
    );

    let agents = daemon.json("/v2/agents?zone=eu-1").await;
    assert_eq!((&agents["total"], &agents["items"][0]["tasks"]), (&json!(1), &json!(2)));
    assert_eq!(agents["items"][0]["addresses"], json!(["10.20.0.1"]));
    let frameworks = daemon.json("/v2/frameworks?name=mara*").await;
    let marathon = &frameworks["items"][0];
    assert_eq!(
        (text(marathon, "domain"), &marathon["tasks"], &marathon["port"]),
        ("marathon.mesos.".to_owned(), &json!(3), &json!(15001))
    );

    let status = daemon.json("/v2/status").await;
    assert_eq!((&status["state"], &status["updates"]), (&json!("live"), &json!("poll")));
    assert_eq!(status["counts"]["tasks"], 3);
    assert_eq!(status["leader"]["address"], master.address().to_string());
    assert_eq!(status["zone"]["domain"], "mesos");
    let config = daemon.json("/v2/config").await;
    let keys = config["keys"].as_array().unwrap();
    let key = |name: &str| keys.iter().find(|key| key["key"] == name).unwrap();
    assert_eq!(key("refreshSeconds")["value"], 1);
    assert_eq!((&key("refreshSeconds")["default"], &key("ttl")["origin"]), (&json!(60), &json!("default")));
    assert!(text(key("refreshSeconds"), "origin").starts_with("file, line "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_make_the_list_and_records_the_zone() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    for path in
        ["/v2/tasks?", "/v2/services?", "/v2/agents?", "/v2/records?", "/v2/records?name=_many*&type=SRV&"]
    {
        let whole = pages(&daemon, path, 1000).await;
        assert!(!whole.is_empty(), "{path}");
        for limit in [whole.len() / 100 + 1, 7, whole.len().min(1000)] {
            assert_eq!(pages(&daemon, path, limit).await, whole, "{path} {limit}");
        }
    }
    let a = pages(&daemon, "/v2/records?name=web.marathon.mesos&type=A&", 100).await;
    assert_eq!(
        a[0],
        json!({"name": "web.marathon.mesos.", "type": "A", "ttl": 5, "data": "10.30.0.1", "static": false})
    );
    assert_eq!(a.len(), 3);
    let below = pages(&daemon, "/v2/records?below=slave.mesos&", 500).await;
    assert!(below.iter().all(|record| text(record, "name").ends_with("slave.mesos.")) && below.len() > 1);
    assert_eq!(
        daemon.json("/v2/records?limit=1").await["total"],
        daemon.json("/v2/status").await["counts"]["records"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_asked_for_once() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    let (status, first) = get(daemon.http, "/v2/tasks?limit=1", &[]).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!((status, tag.starts_with("\"v1.")), (200, true), "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let (status, same) = get(daemon.http, "/v2/tasks?limit=1", &[("if-none-match", &known)]).await;
        assert_eq!(
            (status, same.body().len(), same.headers()["etag"].to_str().unwrap()),
            (304, 0, &*tag),
            "{known}"
        );
    }
    master.shows(&document(vec![task("web", 0, &["10.30.0.9"])]));
    daemon.until_ready("changed", |ready| ready["version"] != 1).await;
    let (status, other) = get(daemon.http, "/v2/tasks?limit=1", &[("if-none-match", &tag)]).await;
    assert_eq!(status, 200);
    assert_ne!(other.headers()["etag"].to_str().unwrap(), tag);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_told_what_would_be_good() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    for (path, headers, status, part) in [
        ("/v2/tasks?nome=web", &[][..], 400, "this path takes framework, name"),
        ("/v2/tasks?name=a&name=b", &[], 400, "name is given twice"),
        ("/v2/tasks?limit=0", &[], 400, "a number from 1 to 1000"),
        ("/v2/tasks?limit=ten", &[], 400, "a number from 1 to 1000"),
        ("/v2/tasks?cursor=%21", &[], 400, "next"),
        ("/v2/tasks?health=fine", &[], 400, "healthy, unhealthy, unknown"),
        ("/v2/tasks?state=RUNNING", &[], 400, "TASK_RUNNING"),
        ("/v2/tasks?label=env:prod", &[], 400, "only these are kept: dns.alias"),
        ("/v2/records?type=MX2", &[], 400, "A, AAAA, CNAME"),
        ("/v2/records?below=a..b", &[], 400, "a name"),
        ("/v2/problems?kind=x", &[], 400, "agent-without-address"),
        ("/v2/watch?since=x", &[("accept", "application/json")], 400, "is no version"),
        ("/v2/watch?wait=601", &[("accept", "application/json")], 400, "from 0 to 600"),
        ("/v2/watch?wait=1", &[("accept", "text/event-stream")], 400, "application/json"),
        ("/v2/tasks/nobody", &[], 404, "no task \"nobody\""),
        ("/v2/nothing", &[], 404, "no such path"),
        ("/v2/tasks", &[("accept", "text/html")], 406, "application/json"),
        ("/v2/watch", &[("accept", "text/html")], 406, "text/event-stream, application/json"),
    ] {
        let (found, response) = get(daemon.http, path, headers).await;
        let kind = response.headers()["content-type"].to_str().unwrap();
        let body: Value =
            serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{path}: {response:?}"));
        assert_eq!(
            (found, kind, &body["status"]),
            (status, "application/problem+json", &json!(status)),
            "{path}"
        );
        assert!(text(&body, "detail").contains(part) && body["type"] == "about:blank", "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    let allowed = "GET, HEAD, OPTIONS";
    for path in
        ["/v2/tasks", "/v2/records", "/v2/watch", "/v2/prometheus/sd", "/v2/status", "/v2/openapi.json"]
    {
        let response = client::post(daemon.http, path, &[], "").await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
            (405, allowed),
            "{path}"
        );
        let (head, body) = raw(daemon.http, &format!("HEAD {path} HTTP/1.1")).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{path}: {head} {body}");
        let (head, body) = raw(daemon.http, &format!("OPTIONS {path} HTTP/1.1")).await;
        assert!(
            head.starts_with("HTTP/1.1 204 ") && head.contains(allowed) && body.is_empty(),
            "{path}: {head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_name_is_refused() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    for path in ["/v2/tasks", "/v2/watch", "/v2/openapi.json", "/v2/prometheus/sd"] {
        let (head, body) = raw_to(daemon.http, "evil.example", &format!("GET {path} HTTP/1.1")).await;
        assert!(
            head.starts_with("HTTP/1.1 421 ") && body.contains("httpAllowHosts"),
            "{path}: {head} {body}"
        );
    }
}

/// Head and body of an answer to a request line.
async fn raw(address: SocketAddr, line: &str) -> (String, String) {
    raw_to(address, "localhost", line).await
}

async fn raw_to(address: SocketAddr, host: &str, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_any_data() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let daemon = Daemon::start(json!({"masters": [closed.to_string()]}));
    for path in ["/v2/tasks", "/v2/records", "/v2/prometheus/sd", "/v2/watch", "/v2/problems"] {
        let (status, response) = get(daemon.http, path, &[]).await;
        assert_eq!((status, response.headers()["retry-after"].to_str().unwrap()), (503, "2"), "{path}");
    }
    assert_eq!(daemon.json("/v2/status").await["state"], "loading");
    assert_eq!(daemon.get("/v2/config").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_can_be_switched_off() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "enumerationOn": false}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    for (path, status) in [("/v2/tasks", 404), ("/v2/watch", 404), ("/v2/records", 404), ("/v2/status", 200)]
    {
        assert_eq!(daemon.get(path).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_finds_each_port_of_each_task() {
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::following(master.address()).await;
    let all = daemon.json("/v2/prometheus/sd").await;
    let targets = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|group| text(&json!({"t": group["targets"][0]}), "t")).collect()
    };
    let expected = ["10.30.0.1:8080", "10.30.0.1:9090", "10.20.0.2:31002", "10.20.0.2:31003"];
    assert_eq!(targets(&all), expected.map(str::to_owned).into());
    let http = daemon.json("/v2/prometheus/sd?port=http").await;
    assert_eq!(targets(&http), ["10.30.0.1:8080".to_owned()].into());
    let labels = &http[0]["labels"];
    for (label, value) in [
        ("task_id", "web.0"),
        ("service_name", "web"),
        ("framework_name", "marathon"),
        ("agent_hostname", "10.20.0.1"),
        ("port_name", "http"),
        ("port_protocol", "tcp"),
        ("health", "unknown"),
        ("zone", "eu-1"),
        ("region", "eu"),
        ("version", "1.4"),
    ] {
        assert_eq!(labels[format!("__meta_mesos_{label}")], value, "{labels}");
    }
    assert_eq!(daemon.json("/v2/prometheus/sd?framework=nobody").await, json!([]));
    assert_eq!(targets(&daemon.json("/v2/prometheus/sd?label=dns.ttl:7&port=9090").await).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_server_has_all_that_one_of_its_source_has() {
    let master = Master::start(&cluster()).await;
    let members = json!({
        "masters": [master.address().to_string()], "extraNames": ["text", "ports"],
        "records": [{"name": "note", "type": "TXT", "value": "by hand", "ttl": 99}],
    });
    let daemon = Daemon::start(members);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let dump = |source: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
        let config = format!("-config={}", daemon.file().display());
        let output = command.args([&config, "dump", source]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        // The serial of a document is the time of the dump.
        text.lines().filter(|line| !line.contains(" IN SOA ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let of_server = dump(&format!("http://{}", daemon.http));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    std::fs::write(&file, document_of(master.address(), &cluster()).to_string()).unwrap();
    assert_eq!(of_server, dump(file.to_str().unwrap()));
    for part in [" 7 IN A 10.30.0.1", " 7 IN TXT ", "note.mesos. 99 IN TXT \"by hand\""] {
        assert!(of_server.iter().any(|line| line.contains(part)), "{part} in {of_server:#?}");
    }
    let shown = daemon.json("/v2/records?name=note.mesos").await["items"][0].clone();
    assert_eq!((&shown["static"], &shown["ttl"]), (&json!(true), &json!(99)));
}
