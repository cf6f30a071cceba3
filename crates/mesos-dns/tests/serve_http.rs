//! The HTTP server over real sockets: what clients get, byte for byte, and what hostile ones do not.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use mesos_dns::{
    http::{Api, Limit, Settings, Standing, State, TRANSFERS_MAX, Tokens, listener},
    metrics::Metrics,
    publish::{self, Board, Order, Orders, Publisher, Report},
};
use mesos_dns_core::{
    cluster::{AddressSource, Agent, Document, Endpoint, Framework, Host, Hosts, PortRange, Task, TaskState},
    config::{Config, File, Surroundings},
    mesos::state,
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    views,
    watch::{believe, knowledge::Origin},
    wire::Name,
    zone::Soa,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longest time anything in here may take.
const PATIENCE: Duration = Duration::from_secs(30);

//------------ Server --------------------------------------------------------

/// A server on loopback over a board that tests publish to.
struct Server {
    address: SocketAddr,
    api: Arc<Api>,
    board: Arc<Board>,
    metrics: Metrics,
    orders: Orders,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(limits: listener::Limits) -> Self {
        let name = |text| Name::parse(text).unwrap();
        let policy = Arc::new(Policy {
            domain: "mesos".into(),
            apex: name("mesos."),
            rules: Rules::Rfc1123,
            addresses: Addresses::Sources(vec![
                AddressSource::NetInfo,
                AddressSource::Mesos,
                AddressSource::Host,
            ]),
            health: Health::Ignore,
            places: Vec::new(),
            extra: mesos_dns_core::records::Extra::default(),
            server_name: "ns1.mesos.".into(),
            server_addresses: vec!["10.0.0.9".parse().unwrap()],
        });
        let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
        let (refresh, retry, expire, minimum, ttl, weight) = (60, 600, 86400, 60, 60, 1);
        let soa = Arc::new(Soa { mname, rname, refresh, retry, expire, minimum, ttl, weight });
        let (metrics, registry) = Metrics::new();
        let board = Arc::new(Board::new(policy.clone(), soa.clone()));
        let (orders, received) = Orders::channel();
        let believe = believe::Settings { hold: PATIENCE, loss_percent: 100, loss_minimum: 1 };
        let rules = publish::Settings { policy, soa, healthy_minimum_percent: 1, believe };
        let publisher = Publisher::new(board.clone(), metrics.publish.clone(), rules, Seed(1));
        // Ends when the test drops its end of the channel.
        thread::spawn(move || publisher.run(&received));
        let standing = || Standing {
            state: State::Stale,
            reasons: vec!["masters away".into()],
            age: Some(Duration::from_millis(1500)),
        };
        let (http, legacy) = (metrics.http.clone(), metrics.legacy.clone());
        let api = Arc::new(Api::new(settings(), board.clone(), standing, http, legacy, registry));
        let socket = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(listener::serve(socket, None, api.clone(), limits, shutdown.clone()));
        Self { address, api, board, metrics, orders, shutdown, served }
    }

    /// Publishes a document and waits until readers see it.
    async fn publish(&self, document: Document) {
        let mut versions = self.board.subscribe();
        let report = Report {
            document: Document { leader: Some("10.0.0.1:5050".into()), complete: true, ..document },
            listed: vec!["10.0.0.1:5050".into(), "10.0.0.2:5050".into()],
            hosts: Hosts::default(),
            origin: Origin::Polled,
            taken: oneshot::channel().0,
        };
        self.orders.send(Order::Report(Box::new(report))).await.unwrap();
        timeout(PATIENCE, versions.changed()).await.unwrap().unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    async fn get_with(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}"
        );
        Answer::parse(&self.exchange(request.as_bytes()).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with("GET", path, "", "").await
    }

    /// Waits until a limit was reached this often.
    async fn reaches(&self, limit: Limit, times: u64) {
        let reached = async {
            while self.metrics.http.times_reached(limit) < times {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{limit:?} not reached"));
    }
}

fn settings() -> Settings {
    Settings {
        version: "v1.2.3".into(),
        mailbox: "root.ns1.mesos.".into(),
        refresh_seconds: 60,
        is_enumeration_on: true,
        allowed_hosts: vec!["api.example".into()],
        file: "/etc/mesos-dns/config.json".into(),
        rows: Vec::new(),
        tokens: Tokens::default(),
        config: config(r#"{"masters": ["10.0.0.1:5050"], "ttl": 60}"#),
    }
}

/// The body of `/v1/config` for a file with this text.
fn config(text: &str) -> Box<dyn Fn(u32) -> Vec<u8> + Send + Sync> {
    let file = File::parse("/etc/mesos-dns/config.json", text.as_bytes());
    let Ok(config) = file.and_then(|file| Config::build(file, &Surroundings::unread())) else {
        panic!("refused: {text}");
    };
    Box::new(move |serial| views::text(&config.v1(serial)))
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends it as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    String::from_utf8(bytes).unwrap()
}

/// A parsed answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Joins chunks; panics unless the last, empty one is there.
fn unchunk(text: &str) -> String {
    let (mut rest, mut body) = (text, String::new());
    loop {
        let (length, after) = rest.split_once("\r\n").expect("chunk size");
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(after, "\r\n");
            return body;
        }
        body.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").expect("chunk end");
    }
}

//------------ Clusters ------------------------------------------------------

fn agent(id: &str, host: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new(host), port: 5051 });
    Agent { id: id.into(), hostname: "".into(), address, place: None }
}

fn framework(id: &str, name: &str, host: &str, port: Option<u16>) -> Framework {
    Framework { id: id.into(), name: name.into(), host: Some(Host::new(host)), port }
}

fn task(id: &str, name: &str, agent: &str, ports: (u32, u32)) -> Task {
    Task {
        id: id.into(),
        name: name.into(),
        framework_id: "fw-1".into(),
        agent_id: agent.into(),
        state: TaskState::Running,
        healthy: None,
        is_checked: false,
        container: None,
        labels: None,
        ports: [PortRange { first: ports.0, last: ports.1 }].into(),
        addresses: [].into(),
        discovery: None,
    }
}

/// The cluster of the worked example.
fn worked_example() -> Document {
    state::decode(include_bytes!("../../../test-data/v1/state.json")).unwrap()
}

/// Tasks of the large cluster: its listings are some 7 MB, more than a connection's buffers take.
const LARGE: usize = 1500;

/// A cluster whose listings do not fit into the buffers of a connection.
fn large() -> Document {
    Document {
        agents: vec![agent("a-S0", "10.0.1.10")],
        frameworks: vec![framework("fw-1", "marathon", "10.0.0.5", None)],
        tasks: (0..LARGE)
            .map(|n| task(&format!("t{n}"), &format!("service-{n}-with-a-long-name"), "a-S0", (31001, 31004)))
            .collect(),
        ..Document::default()
    }
}

fn limits() -> listener::Limits {
    listener::Limits::default()
}

//------------ Bodies --------------------------------------------------------

#[tokio::test]
async fn before_the_first_data() {
    let server = Server::start(limits());
    for path in ["/v1/version", "/v1/config", "/v1/hosts/a", "/v1/services/a", "/v1/axfr", "/v1/enumerate"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
    let ready = server.get("/ready").await;
    let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!((ready.status, &body["ready"], &body["state"]), (503, &false.into(), &"loading".into()));
    // What is wrong with a request is told all the same.
    assert_eq!(server.get("/v1/nothing").await.status, 404);
    assert_eq!(server.get_with("POST", "/v1/axfr", "", "").await.status, 405);
}

#[tokio::test]
async fn bodies_are_those_of_the_original() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let serial = server.board.load().zone.serial().to_string();
    for (path, body) in [
        (
            "/v1/version",
            "{\n  \"Service\": \"Mesos-DNS\",\n  \"URL\": \"https://github.com/mesosphere/mesos-dns\",\n  \
             \"Version\": \"v1.2.3\"\n }"
                .to_owned(),
        ),
        ("/v1/config", include_str!("../../../test-data/v1/config.json").replace("1795368105", &serial)),
        ("/v1/axfr", include_str!("../../../test-data/v1/axfr.json").replace("1795368105", &serial)),
        ("/v1/enumerate", include_str!("../../../test-data/v1/enumerate.json").to_owned()),
        (
            "/v1/hosts/MASTER1.*.mesos",
            "[\n  {\n   \"host\": \"master1.mesos.\",\n   \"ip\": \"10.0.0.2\"\n  }\n ]".to_owned(),
        ),
        (
            "/v1/hosts/slave.mesos./",
            "[\n  {\n   \"host\": \"slave.mesos.\",\n   \"ip\": \"10.0.1.10\"\n  },\n  \
             {\n   \"host\": \"slave.mesos.\",\n   \"ip\": \"fd00:1::12\"\n  }\n ]"
                .to_owned(),
        ),
        (
            "/v1/services/_web-ui._udp.marathon.prod.mesos",
            "[\n  {\n   \"service\": \"_web-ui._udp.marathon.prod.mesos\",\n   \
             \"host\": \"web-ui-8c5he-s12.marathon.prod.mesos.\",\n   \"ip\": \"fd00:1::12\",\n   \
             \"port\": \"9090\"\n  }\n ]"
                .to_owned(),
        ),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.body, body, "{path}");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
}

#[tokio::test]
async fn nothing_found_is_one_empty_item() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    for host in ["nobody.mesos", "example.org", ".*", "web.ui.marathon.prod.mesos", "%E6%97%A5"] {
        let answer = server.get(&format!("/v1/hosts/{host}")).await;
        assert_eq!(answer.body, "[\n  {\n   \"host\": \"\",\n   \"ip\": \"\"\n  }\n ]", "{host}");
        let answer = server.get(&format!("/v1/services/{host}")).await;
        let empty =
            "[\n  {\n   \"service\": \"\",\n   \"host\": \"\",\n   \"ip\": \"\",\n   \"port\": \"\"\n  }\n ]";
        assert_eq!((answer.status, answer.body.as_str()), (200, empty), "{host}");
    }
}

#[tokio::test]
async fn hosts_and_services_count_as_ever() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    for path in [
        "/v1/hosts/leader.mesos",
        "/v1/hosts/nobody.mesos",
        "/v1/hosts/web-ui.marathon.prod.mesos",
        "/v1/hosts/notmesos",
        "/v1/hosts/example.org",
        "/v1/services/_leader._tcp.mesos",
        "/v1/services/leader.mesos",
    ] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(
        server.metrics.legacy.to_string(),
        "{MesosRequests:6 MesosSuccess:2 MesosNXDomain:4 MesosFailed:0 NonMesosRequests:1 NonMesosSuccess:0 \
         NonMesosNXDomain:0 NonMesosFailed:1 NonMesosForwarded:0}"
    );
}

#[tokio::test]
async fn refusals_on_the_wire() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let form = "Content-Type: text/plain\r\nContent-Length: 1\r\n";
    for (method, path, headers, body, status, text) in [
        ("GET", "/", "Accept: application/json\r\n", "", 404, "404: Page Not Found"),
        ("GET", "/v1/hosts/", "", "", 404, "404: Page Not Found"),
        ("POST", "/v1/nothing", form, "x", 404, "404: Page Not Found"),
        ("HEAD", "/v1/version", "", "", 405, ""),
        ("OPTIONS", "/v1/version", "", "", 405, "405: Method Not Allowed"),
        ("POST", "/v1/version", form, "x", 405, "405: Method Not Allowed"),
        ("GET", "/v1/version", form, "x", 415, "415: Unsupported Media Type"),
        ("GET", "/v1/version", "Accept: text/html\r\n", "", 406, "406: Not Acceptable"),
        ("GET", "/v1/hosts/a/ports", "", "", 501, "To be implemented..."),
        ("GET", "/v1/../../etc/passwd", "", "", 400, "400: Bad Request"),
        ("GET", "/v1/hosts/%00", "", "", 400, "400: Bad Request"),
        ("GET", "/v1//version", "", "", 301, "301: Moved Permanently"),
    ] {
        let answer = server.get_with(method, path, headers, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{method} {path} {headers:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{method} {path}");
    }
    assert_eq!(server.get("/v1//version?a").await.header("location"), Some("/v1/version?a"));
    let json = "Content-Type: application/json;x=y\r\nContent-Length: 2\r\nAccept: text/html, */*;q=0.1\r\n";
    assert_eq!(server.get_with("GET", "/v1/version", json, "{}").await.status, 200);
    let head = server.get_with("HEAD", "/health", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn foreign_hosts_are_turned_away() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    for (request, status) in [
        ("GET /v1/config HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        ("GET /health HTTP/1.1\r\nHost: leader.mesos.evil.example:80\r\nConnection: close\r\n\r\n", 421),
        ("GET http://evil.example/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421),
        ("GET /ready HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET /ready HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        ("GET /ready HTTP/1.0\r\n\r\n", 200),
        ("GET /ready HTTP/1.1\r\nHost: [::1]:8123\r\nConnection: close\r\n\r\n", 200),
        ("GET /ready HTTP/1.1\r\nHost: API.example:1\r\nConnection: close\r\n\r\n", 200),
        ("GET /ready HTTP/1.1\r\nHost: leader.mesos\r\nConnection: close\r\n\r\n", 200),
    ] {
        assert_eq!(Answer::parse(&server.exchange(request.as_bytes()).await).status, status, "{request:?}");
    }
    assert_eq!(server.metrics.http.times_reached(Limit::Host), 3);
}

#[tokio::test]
async fn readiness_says_how_it_stands() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let ready = server.get("/ready").await;
    let published = server.board.load();
    let expected = format!(
        "{{\n  \"ready\": true,\n  \"state\": \"stale\",\n  \"reasons\": [\n   \"masters away\"\n  ],\n  \
         \"serial\": {},\n  \"version\": 1,\n  \"contentHash\": \"{:016x}\",\n  \"ageSeconds\": 1.5,\n  \
         \"leader\": \"10.0.0.1:5050\"\n }}",
        published.zone.serial(),
        published.zone.content_hash(),
    );
    assert_eq!((ready.status, ready.body.as_str()), (200, expected.as_str()));
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    server.get("/v1/version").await;
    server.get("/nothing").await;
    let answer = server.get("/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(kind));
    for line in [
        "mesos_dns_http_requests_total{route=\"Version\",status=\"200\"} 1",
        "mesos_dns_http_requests_total{route=\"None\",status=\"404\"} 1",
        "mesos_dns_http_limits_reached_total{limit=\"Transfers\"} 0",
        "mesos_dns_http_connections_opened_total 3",
        "mesos_dns_legacy_mesos_requests_total 0",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} in {}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn settings_change_and_a_panic_is_survived() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    server.api.reload(Settings {
        version: "v2".into(),
        is_enumeration_on: false,
        allowed_hosts: Vec::new(),
        config: Box::new(|_| panic!("a handler that breaks")),
        ..settings()
    });
    assert!(server.get("/v1/version").await.body.contains("\"v2\""));
    assert_eq!(server.get("/v1/axfr").await.status, 404);
    assert_eq!(server.get("/v1/enumerate").await.status, 404);
    let allowed = "GET /health HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&server.exchange(allowed.as_bytes()).await).status, 421);
    let broken = server.get("/v1/config").await;
    assert_eq!((broken.status, broken.body.as_str()), (500, "500: Internal Server Error"));
    assert_eq!(server.metrics.http.panics.get(), 1);
    assert_eq!(server.get("/v1/version").await.status, 200);
}

#[tokio::test]
async fn no_body_holds_a_secret() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let file = r#"{"zk": "zk://reader:hunter2@10.0.0.1:2181/mesos", "mesosAuthentication": "basic",
                   "mesosCredentials": {"principal": "dns", "secret": "hunter3"}}"#;
    server.api.reload(Settings { config: config(file), ..settings() });
    let body = server.get("/v1/config").await.body;
    assert!(body.contains("\"Principal\": \"dns\""), "{body}");
    for path in ["/v1/config", "/v1/axfr", "/v1/enumerate", "/ready", "/metrics"] {
        let body = server.get(path).await.body;
        assert!(!body.contains("hunter"), "{path}: {body}");
    }
}

//------------ Connections ---------------------------------------------------

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let one = "GET /v1/hosts/leader.mesos HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let two = "GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let text = server.exchange(format!("{one}{two}{one}{last}").as_bytes()).await;
    let statuses: Vec<&str> = text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"]);
    assert!(text.ends_with("\r\n\r\nalive\n"));
}

#[tokio::test]
async fn oversized_heads_are_cut_off() {
    let server = Server::start(limits());
    server.publish(worked_example()).await;
    let long = "x".repeat(1024 * 1024);
    let many: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    for request in [
        format!("GET /v1/hosts/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", long.repeat(4)),
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
    ] {
        let text = server.exchange(request.as_bytes()).await;
        // Closing with unread bytes may reset the connection and take the answer along.
        let status = text.split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(["414", "431", "closed"].contains(&status.as_str()), "{status}");
    }
    server.reaches(Limit::HeaderSize, 3).await;
    let fitting: String = (0..90).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(server.get_with("GET", "/health", &fitting, "").await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_closed_and_counted() {
    let server = Server::start(limits());
    for junk in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n"]
    {
        let text = server.exchange(junk).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text:?}");
    }
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.metrics.http.malformed.get(), 3);
}

#[tokio::test]
async fn slow_heads_hold_nobody_up() {
    let deadline = Duration::from_millis(500);
    let server = Server::start(listener::Limits { header_deadline: deadline, ..limits() });
    server.publish(worked_example()).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /v1/version HTTP/1.1\r\nHost: loc").await.unwrap();
        slow.push(stream);
    }
    let asked = Instant::now();
    assert_eq!(server.get("/v1/version").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    for mut stream in slow {
        assert_eq!(read_to_end(&mut stream).await, "");
    }
    server.reaches(Limit::HeaderDeadline, 100).await;
}

#[tokio::test]
async fn full_house() {
    let server = Server::start(listener::Limits { connections: 2, ..limits() });
    server.publish(worked_example()).await;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // With room left a connection is kept.
    let mut first = server.connect().await;
    first.write_all(request).await.unwrap();
    let mut answer = vec![0; 512];
    let length = timeout(PATIENCE, first.read(&mut answer)).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&answer[..length]).contains("connection: close"));
    // With none left an answer ends its connection, which lets others in.
    let (mut second, mut third) = (server.connect().await, server.connect().await);
    third.write_all(request).await.unwrap();
    server.reaches(Limit::Connections, 1).await;
    second.write_all(request).await.unwrap();
    assert_eq!(Answer::parse(&read_to_end(&mut second).await).header("connection"), Some("close"));
    assert_eq!(Answer::parse(&read_to_end(&mut third).await).status, 200);
}

#[tokio::test]
async fn one_client_has_its_share() {
    let server = Server::start(listener::Limits { per_client: 2, ..limits() });
    let held = [server.connect().await, server.connect().await];
    let mut third = server.connect().await;
    assert_eq!(read_to_end(&mut third).await, "");
    assert_eq!(server.metrics.http.times_reached(Limit::PerClient), 1);
    drop(held);
    let served = async { while server.exchange(b"GET /health HTTP/1.0\r\n\r\n").await.is_empty() {} };
    timeout(PATIENCE, served).await.unwrap();
}

//------------ Large bodies --------------------------------------------------

/// Asks for the large listing and reads nothing of it but its first bytes.
async fn start_transfer(server: &Server) -> (TcpStream, Vec<u8>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /v1/enumerate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut first = vec![0; 16];
    timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    (stream, first)
}

/// Starts a transfer as soon as one is allowed.
async fn start_when_free(server: &Server) {
    let freed = async { while !start_transfer(server).await.1.starts_with(b"HTTP/1.1 200") {} };
    timeout(PATIENCE, freed).await.unwrap();
}

async fn finish_transfer((mut stream, first): (TcpStream, Vec<u8>)) -> Answer {
    let text = String::from_utf8(first).unwrap() + &read_to_end(&mut stream).await;
    Answer::parse(&text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_streamed_to_a_few_at_a_time() {
    let server = Server::start(limits());
    server.publish(large()).await;
    let mut transfers = Vec::new();
    for _ in 0..TRANSFERS_MAX {
        transfers.push(start_transfer(&server).await);
    }
    let refused = server.get("/v1/axfr").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")));
    assert_eq!(server.metrics.http.times_reached(Limit::Transfers), 1);
    // Everything else goes on.
    assert_eq!(server.get("/v1/hosts/leader.mesos").await.status, 200);
    for transfer in transfers {
        let answer = finish_transfer(transfer).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let tasks = body["frameworks"][0]["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), LARGE);
        assert!(tasks.iter().all(|task| task["records"].as_array().unwrap().len() == 20));
    }
    start_when_free(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_cut_off() {
    let patience = Duration::from_millis(300);
    let server = Server::start(listener::Limits { write_patience: patience, ..limits() });
    server.publish(large()).await;
    let mut transfers = Vec::new();
    for _ in 0..TRANSFERS_MAX {
        transfers.push(start_transfer(&server).await);
    }
    server.reaches(Limit::SlowReader, TRANSFERS_MAX as u64).await;
    // The clients can tell that they have not got everything.
    for (mut stream, first) in transfers {
        let text = String::from_utf8(first).unwrap() + &read_to_end(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200") && !text.ends_with("0\r\n\r\n"));
    }
    start_when_free(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_finishes_what_is_in_hand() {
    let server = Server::start(limits());
    server.publish(large()).await;
    let mut idle = server.connect().await;
    let transfer = start_transfer(&server).await;
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    let answer = finish_transfer(transfer).await;
    assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok());
    timeout(PATIENCE, server.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_does_not_wait_for_ever() {
    let server = Server::start(listener::Limits { drain: Duration::from_millis(200), ..limits() });
    server.publish(large()).await;
    let transfer = start_transfer(&server).await;
    server.shutdown.cancel();
    timeout(PATIENCE, server.served).await.unwrap().unwrap().unwrap();
    drop(transfer);
}
