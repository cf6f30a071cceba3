//! One question to one master: every kind of answer, right and wrong, and what we make of it.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/http_peer.rs"]
mod http_peer;

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use http_peer::{Answer, Peer, Request, reply};
use mesos_dns::watch::{
    auth::{self, Auth},
    exchange::ExchangeError,
    load::LoadError,
    master::{Client, FetchError, Reply},
    metrics::{Failure, WatchMetrics},
};
use mesos_dns_core::{
    cluster::Document,
    mesos::state::{Limits, StateError},
    watch::{
        Master,
        poll::{Ask, Credentials, Fetch},
    },
};
use openssl::{hash::MessageDigest, sign::Verifier};

/// Time for one request that is meant to succeed or to fail by itself.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How large a document may be here.
const LIMITS: Limits =
    Limits { body_bytes: 8 << 20, element_bytes: 1 << 20, tasks: 1000, agents: 1000, frameworks: 1000 };

/// The document of a master that leads.
const STATE: &str = r#"{"version":"1.11.0","pid":"master@10.0.0.1:5050","leader":"master@10.0.0.1:5050",
    "elected_time":1.5e9,"slaves":[{"id":"S1","pid":"slave(1)@10.0.1.1:5051","hostname":"a"}],
    "recovered_slaves":[],"frameworks":[{"id":"F","name":"marathon","tasks":[
    {"id":"web.1","name":"web","framework_id":"F","slave_id":"S1","state":"TASK_RUNNING"}]}]}"#;

/// A client and what it counts.
struct Asker {
    client: Client,
    metrics: Arc<WatchMetrics>,
}

impl Asker {
    fn new(settings: &auth::Settings) -> Self {
        let metrics: Arc<WatchMetrics> = Arc::default();
        let auth = Auth::new(settings, None, metrics.clone()).unwrap();
        Self { client: Client::new(None, auth, LIMITS, metrics.clone()), metrics }
    }

    fn basic() -> Self {
        Self::new(&auth::Settings::Basic { principal: "dns".into(), secret: "s3cret".into() })
    }

    async fn asks(&self, peer: &Peer) -> Result<Reply, FetchError> {
        self.asks_within(peer, Credentials::Send, TIMEOUT).await
    }

    async fn asks_within(
        &self,
        peer: &Peer,
        credentials: Credentials,
        limit: Duration,
    ) -> Result<Reply, FetchError> {
        let master = Master::parse(&peer.address.to_string()).unwrap();
        let fetch = Fetch { master, ask: Ask::State, credentials, deadline: Instant::now() + limit };
        self.client.fetch(&fetch, |_| false).await
    }
}

/// Asks, without credentials, a peer that always answers this.
async fn ask(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Result<Reply, FetchError> {
    Asker::new(&auth::Settings::None).asks(&Peer::start(answer).await).await
}

fn document(reply: Result<Reply, FetchError>) -> Document {
    match reply {
        Ok(Reply::Document(document)) => *document,
        other => panic!("{other:?}"),
    }
}

fn elsewhere(reply: Result<Reply, FetchError>) -> String {
    match reply {
        Ok(Reply::Elsewhere(master)) => master.to_string(),
        other => panic!("{other:?}"),
    }
}

fn is_state(reply: Result<Reply, FetchError>) {
    let document = document(reply);
    assert_eq!(document.agents.len(), 1);
    assert_eq!(document.tasks.len(), 1);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn asks_as_the_original_does() {
    let peer = Peer::start(|_| reply("200 OK", &[], STATE.as_bytes())).await;
    is_state(Asker::new(&auth::Settings::None).asks(&peer).await);
    let request = peer.last();
    assert!(request.head.starts_with("GET /master/state HTTP/1.1\r\n"), "{}", request.head);
    for (name, value) in [
        ("host", peer.address.to_string().as_str()),
        ("user-agent", "Mesos-DNS"),
        ("content-type", "application/json"),
        ("accept-encoding", "gzip"),
        ("connection", "close"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn reads_gzip_chunked_and_endless_bodies() {
    is_state(ask(|_| reply("200 OK", &["Content-Encoding: gzip"], &gzip(STATE.as_bytes()))).await);
    is_state(
        ask(|_| {
            let chunk = format!("{:x}\r\n{STATE}\r\n0\r\n\r\n", STATE.len());
            Answer::Send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").into())
        })
        .await,
    );
    is_state(ask(|_| Answer::Send(format!("HTTP/1.1 200 OK\r\n\r\n{STATE}").into())).await);
}

#[tokio::test]
async fn remembers_the_path_that_worked() {
    let old = Peer::start(|request| match request.path() {
        "/master/state.json" => reply("200 OK", &[], STATE.as_bytes()),
        _ => reply("404 Not Found", &[], b""),
    })
    .await;
    let asker = Asker::new(&auth::Settings::None);
    is_state(asker.asks(&old).await);
    assert_eq!(old.count(), 2);
    is_state(asker.asks(&old).await);
    assert_eq!(old.count(), 3);
    // The master is replaced by a newer one, which no longer has it.
    let upgraded = Peer::start({
        let upgraded = AtomicUsize::new(0);
        move |request: &Request| {
            let now = if upgraded.fetch_add(1, Ordering::SeqCst) < 2 {
                "/master/state.json"
            } else {
                "/master/state"
            };
            if request.path() == now {
                reply("200 OK", &[], STATE.as_bytes())
            } else {
                reply("404 Not Found", &[], b"")
            }
        }
    })
    .await;
    is_state(asker.asks(&upgraded).await);
    is_state(asker.asks(&upgraded).await);
    let error = ask(|_| reply("404 Not Found", &[], b"")).await.unwrap_err();
    assert!(error.to_string().contains("no Mesos master"), "{error}");
}

#[tokio::test]
async fn redirects_are_understood_as_mesos_means_them() {
    let to = |status: &'static str, location: &'static str| {
        ask(move |_| reply(status, &[&format!("Location: {location}")], b""))
    };
    assert_eq!(
        elsewhere(to("307 Temporary Redirect", "//10.0.0.2:5050/master/state").await),
        "10.0.0.2:5050"
    );
    assert_eq!(
        elsewhere(to("307 Temporary Redirect", "//[fd00::2]:5050/master/state").await),
        "[fd00::2]:5050"
    );
    assert_eq!(elsewhere(to("302 Found", "http://M2.Example:5051").await), "m2.example:5051");
    assert_eq!(elsewhere(to("307 Temporary Redirect", "//m2.example/master/state").await), "m2.example:80");
    for location in
        ["https://10.0.0.2:5050/", "/master/state", "//user@10.0.0.2:5050/", "ftp://10.0.0.2:21/", "", "//"]
    {
        let error = to("307 Temporary Redirect", location).await.unwrap_err();
        assert!(matches!(error, FetchError::Redirect { .. }), "{location}: {error}");
    }
    let error = ask(|_| reply("307 Temporary Redirect", &[], b"")).await.unwrap_err();
    assert_eq!(error.reason(), Failure::Redirect);
}

#[tokio::test]
async fn only_the_leaders_document_counts() {
    let with = |pid: &str, leader: &str| {
        let body = STATE.replace("\"pid\":\"master@10.0.0.1:5050\"", pid);
        let body = body.replace("\"leader\":\"master@10.0.0.1:5050\",", leader);
        ask(move |_| reply("200 OK", &[], body.as_bytes()))
    };
    let standby = r#""leader":"master@10.0.0.9:5050","#;
    assert_eq!(elsewhere(with(r#""pid":"master@10.0.0.2:5050""#, standby).await), "10.0.0.9:5050");
    let error = with(r#""pid":"master@10.0.0.2:5050""#, "").await.unwrap_err();
    assert!(matches!(error, FetchError::NotLeader), "{error}");
    let error = ask(|_| {
        reply("200 OK", &[], br#"{"pid":"master@10.0.0.1:5050","leader":"master@10.0.0.1:5050","slaves":[]}"#)
    })
    .await
    .unwrap_err();
    assert!(matches!(error, FetchError::Incomplete(_)), "{error}");
}

#[tokio::test]
async fn every_failure_is_told_apart() {
    let html = b"<html><body>It works!</body></html>";
    let cut = &STATE.as_bytes()[..STATE.len() / 2];
    let cases: [(&str, Failure, Vec<u8>); 12] = [
        ("503", Failure::Status, b"HTTP/1.1 503 No\r\nContent-Length: 17\r\n\r\nNo leader elected".to_vec()),
        ("500", Failure::Status, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("403", Failure::Status, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("401", Failure::Auth, b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("HTML", Failure::Malformed, plain(html, html.len())),
        ("empty", Failure::Malformed, plain(b"", 0)),
        ("cut JSON", Failure::Malformed, plain(cut, cut.len())),
        ("wrong length", Failure::Http, plain(STATE.as_bytes(), STATE.len() + 1)),
        ("no HTTP", Failure::Http, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("nothing", Failure::Http, Vec::new()),
        (
            "endless header",
            Failure::Http,
            [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(1 << 16)].concat(),
        ),
        (
            "unknown encoding",
            Failure::Malformed,
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
    ];
    for (name, failure, bytes) in cases {
        let asker = Asker::new(&auth::Settings::None);
        let peer = Peer::start(move |_| Answer::Send(bytes.clone())).await;
        let error = asker.asks(&peer).await.expect_err(name);
        assert_eq!(error.reason(), failure, "{name}: {error}");
        assert_eq!(asker.metrics.failures(failure), 1, "{name}");
    }
}

fn plain(body: &[u8], length: usize) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

#[tokio::test]
async fn broken_gzip_is_refused() {
    let whole = gzip(STATE.as_bytes());
    let cut = whole[..whole.len() / 2].to_vec();
    let error = ask(move |_| reply("200 OK", &["Content-Encoding: gzip"], &cut)).await.unwrap_err();
    assert_eq!(error.reason(), Failure::Malformed, "{error}");
    let error = ask(|_| reply("200 OK", &["Content-Encoding: gzip"], STATE.as_bytes())).await.unwrap_err();
    assert_eq!(error.reason(), Failure::Malformed, "{error}");
}

#[tokio::test]
async fn the_deadline_is_for_the_whole() {
    let asker = Asker::new(&auth::Settings::None);
    let head = b"HTTP/1.1 200 OK\r\n\r\n[".to_vec();
    let slow = [
        ("silent", Peer::start(|_| Answer::Hang(Vec::new())).await),
        ("stops", Peer::start(move |_| Answer::Hang(head.clone())).await),
        ("drips", Peer::start(|_| Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await),
    ];
    for (name, peer) in slow {
        let began = Instant::now();
        let error =
            asker.asks_within(&peer, Credentials::Send, Duration::from_millis(300)).await.expect_err(name);
        assert!(matches!(error, FetchError::Timeout), "{name}: {error}");
        assert!(began.elapsed() < TIMEOUT / 2, "{name}");
    }
    assert_eq!(asker.metrics.failures(Failure::Timeout), 3);
}

#[tokio::test]
async fn nobody_there() {
    let peer = Peer::start(|_| Answer::Send(Vec::new())).await;
    let asker = Asker::new(&auth::Settings::None);
    let master = Master::parse(&peer.address.to_string()).unwrap();
    drop(peer);
    let (credentials, deadline) = (Credentials::Send, Instant::now() + TIMEOUT);
    let fetch = Fetch { master, ask: Ask::State, credentials, deadline };
    let error = asker.client.fetch(&fetch, |_| false).await.unwrap_err();
    assert!(matches!(error, FetchError::Exchange(ExchangeError::Connect(_))), "{error}");
}

#[tokio::test]
async fn basic_credentials_go_where_they_may() {
    let peer = Peer::start(|request| match request.header("authorization") {
        Some("Basic ZG5zOnMzY3JldA==") => reply("200 OK", &[], STATE.as_bytes()),
        _ => reply("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"mesos-master-readonly\""], b""),
    })
    .await;
    is_state(Asker::basic().asks(&peer).await);
    let error = Asker::basic().asks_within(&peer, Credentials::Withhold, TIMEOUT).await.unwrap_err();
    assert_eq!(peer.last().header("authorization"), None);
    assert!(error.to_string().contains("mesosCredentials"), "{error}");
    assert_eq!(peer.count(), 2, "the same credentials are not tried twice");
}

/// An identity service that hands out `token-1`, `token-2` and so on.
async fn identity_service() -> Peer {
    let issued = AtomicUsize::new(0);
    Peer::start(move |request| {
        assert!(request.head.starts_with("POST /acs/api/v1/auth/login HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/json"));
        let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
        reply("200 OK", &[], format!(r#"{{"token":"token-{number}"}}"#).as_bytes())
    })
    .await
}

/// A service account at this identity service.
fn service_account(service: &Peer) -> auth::Settings {
    let login_endpoint = format!("http://{}/acs/api/v1/auth/login", service.address);
    auth::Settings::Iam {
        uid: "dns \"1\"".into(),
        private_key: certificates::private_key_pem(),
        login_endpoint,
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_renewed_when_refused() {
    let service = identity_service().await;
    let good = Arc::new(Mutex::new("token=token-1"));
    let wanted = good.clone();
    let peer = Peer::start(move |request| {
        if request.header("authorization") == Some(*wanted.lock().unwrap()) {
            return reply("200 OK", &[], STATE.as_bytes());
        }
        reply("401 Unauthorized", &["WWW-Authenticate: acsjwt"], b"")
    })
    .await;
    let asker = Asker::new(&service_account(&service));
    is_state(asker.asks(&peer).await);
    is_state(asker.asks(&peer).await);
    assert_eq!((service.count(), peer.count()), (1, 2));
    *good.lock().unwrap() = "token=token-2";
    is_state(asker.asks(&peer).await);
    assert_eq!((service.count(), peer.count()), (2, 4));
    *good.lock().unwrap() = "token=none of them";
    let error = asker.asks(&peer).await.unwrap_err();
    assert_eq!(error.reason(), Failure::Auth);
    assert_eq!((service.count(), peer.count()), (3, 6), "once and no more");
    assert_eq!(asker.metrics.logins.get(), 3);
    // Nobody who may not see credentials costs a login.
    asker.asks_within(&peer, Credentials::Withhold, TIMEOUT).await.unwrap_err();
    assert_eq!((service.count(), peer.count()), (3, 7));
}

#[tokio::test]
async fn the_login_token_is_signed() {
    let service = identity_service().await;
    let peer = Peer::start(|_| reply("200 OK", &[], STATE.as_bytes())).await;
    is_state(Asker::new(&service_account(&service)).asks(&peer).await);
    let login: serde_json::Value = serde_json::from_slice(&service.last().body).unwrap();
    assert_eq!(login["uid"], "dns \"1\"");
    let token = login["token"].as_str().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    assert_eq!(decode(head), br#"{"alg":"RS256","typ":"JWT"}"#);
    let claims = String::from_utf8(decode(claims)).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let expires: u64 = claims.strip_prefix("{\"exp\":").unwrap().split(',').next().unwrap().parse().unwrap();
    assert!((now + 3500..=now + 3600).contains(&expires), "{claims}");
    assert!(claims.ends_with(r#","uid":"dns \"1\""}"#), "{claims}");
    let key = certificates::public_key();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    assert!(verifier.verify_oneshot(&decode(signature), signed.as_bytes()).unwrap());
}

#[tokio::test]
async fn tokens_near_their_end_are_renewed() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let lives = Mutex::new(vec![100_000, 10]);
    let service = Peer::start(move |_| {
        let life = lives.lock().unwrap().pop().unwrap();
        let claims = BASE64URL_NOPAD.encode(format!(r#"{{"exp":{}}}"#, now + life).as_bytes());
        reply("200 OK", &[], format!(r#"{{"token":"h.{claims}.s"}}"#).as_bytes())
    })
    .await;
    let peer = Peer::start(|_| reply("200 OK", &[], STATE.as_bytes())).await;
    let asker = Asker::new(&service_account(&service));
    for _ in 0..3 {
        is_state(asker.asks(&peer).await);
    }
    assert_eq!(service.count(), 2);
}

#[tokio::test]
async fn a_login_that_fails_says_so_without_secrets() {
    for (status, body, text) in [
        ("401 Unauthorized", "{}", "IAM authentication failed"),
        ("200 OK", "{}", "malformed"),
        ("200 OK", "<html>", "malformed"),
        ("200 OK", "{\"token\":\"a\\nb\"}", "malformed"),
    ] {
        let service = Peer::start(move |_| reply(status, &[], body.as_bytes())).await;
        let peer = Peer::start(|_| reply("200 OK", &[], STATE.as_bytes())).await;
        let asker = Asker::new(&service_account(&service));
        let error = asker.asks(&peer).await.unwrap_err();
        assert_eq!(error.reason(), Failure::Auth);
        let shown = format!("{error:?}");
        assert!(source(&error).contains(text), "{shown}");
        assert!(!shown.contains("PRIVATE") && !shown.contains("eyJ"), "{shown}");
        assert_eq!(peer.count(), 0);
    }
}

fn source(error: &FetchError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

#[test]
fn useless_credentials_are_named() {
    let key = certificates::private_key_pem();
    let account = |key: &str, endpoint: &str| auth::Settings::Iam {
        uid: "dns".into(),
        private_key: key.into(),
        login_endpoint: endpoint.into(),
    };
    let good = "https://leader.mesos/acs/api/v1/auth/login";
    for (settings, text) in [
        (account("hush-hush", good), "not an RSA key"),
        (account(&key, "leader.mesos"), "not an http or https URL"),
        (account(&key, "ftp://leader.mesos/"), "not an http or https URL"),
    ] {
        let error = Auth::new(&settings, None, Arc::default()).err().unwrap();
        assert!(error.to_string().contains(text), "{error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
    assert!(Auth::new(&account(&key, good), None, Arc::default()).is_ok());
    let secret = auth::Settings::Basic { principal: "dns".into(), secret: "hush".into() };
    assert!(!format!("{secret:?}").contains("hush"));
}

#[tokio::test]
async fn a_bomb_is_cut_off() {
    // A list of agents that is megabytes of blanks, of which the network sees a few kilobytes.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"{\"slaves\":[").unwrap();
    encoder.write_all(&vec![b' '; 9 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let error = ask(move |_| reply("200 OK", &["Content-Encoding: gzip"], &bomb)).await.unwrap_err();
    assert!(matches!(error, FetchError::Load(LoadError::State(StateError::TooLarge { .. }))), "{error}");
}
