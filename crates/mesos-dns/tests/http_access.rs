//! Who may read the API: tokens, and TLS whose certificate is replaced while it runs.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{fs, net::SocketAddr, path::Path, time::Instant};

use certificates::{Authority, Valid};
use daemon::{Daemon, LOOK, PATIENCE, Process};
use master::{Master, ordinary};
use mesos_dns_sim::client;
use openssl::ssl::{SslConnector, SslMethod};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn status(server: SocketAddr, path: &str, token: Option<&str>) -> u16 {
    let header = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = header.iter().map(|header| ("authorization", header.as_str())).collect();
    let response = client::http(server, path, &headers).await.unwrap();
    if response.status() == 401 {
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    response.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_open_it_and_are_replaced_by_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let (old, new) = ("the-token-of-before", "the-token-of-today!");
    fs::write(&file, format!("# dashboard\n{old}\n")).unwrap();
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "httpTokensFile": file.to_str().unwrap(),
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let closed = [
        "/v2/tasks",
        "/v2/tasks/web.0",
        "/v2/records",
        "/v2/watch",
        "/v2/status",
        "/v2/config",
        "/v2/problems",
        "/v2/prometheus/sd",
        "/metrics",
        "/v1/version",
        "/v1/axfr",
        "/v1/config",
        "/v1/hosts/web.marathon.mesos",
    ];
    for path in closed {
        assert_eq!(status(daemon.http, path, None).await, 401, "{path}");
        assert_eq!(status(daemon.http, path, Some("the-token-of-nobody")).await, 401, "{path}");
        if path != "/v2/watch" && path != "/v2/problems" {
            assert_eq!(status(daemon.http, path, Some(old)).await, 200, "{path}");
        }
    }
    for path in ["/health", "/ready", "/v2/openapi.json"] {
        assert_eq!(status(daemon.http, path, None).await, 200, "{path}");
    }
    // No difference between what there is not and what one may not see.
    assert_eq!(status(daemon.http, "/v2/tasks/nobody", None).await, 401);
    let mut watcher = watching(daemon.http, old).await;
    fs::write(&file, new).unwrap();
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    // Who watches with a token that is withdrawn is told nothing more.
    let ended = timeout(PATIENCE, watcher.read_to_end(&mut Vec::new())).await;
    assert!(matches!(ended, Ok(Ok(_))), "{ended:?}");
    assert_eq!(status(daemon.http, "/v2/tasks", Some(old)).await, 401);
    assert_eq!(status(daemon.http, "/v2/tasks", Some(new)).await, 200);
    // A file that is of no use changes nothing.
    fs::write(&file, "short").unwrap();
    daemon.signal(Signal::HUP);
    daemon.logged("reload failed");
    assert_eq!(status(daemon.http, "/v2/tasks", Some(new)).await, 200);
}

/// A stream of changes that has begun.
async fn watching(server: SocketAddr, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!("GET /v2/watch HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begun = String::new();
    while !begun.contains("event: here") {
        let mut piece = [0; 4096];
        let length = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(length, 0, "{begun}");
        begun.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    stream
}

#[test]
fn a_bad_file_of_tokens_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "tooshort").unwrap();
    let members = json!({"masters": ["127.0.0.1:1"], "httpTokensFile": file.to_str().unwrap()});
    let (code, log) = Process::start(members).ends();
    let said = format!("{log:?}");
    assert_eq!(code.code(), Some(1));
    assert!(said.contains("a line is no token") && !said.contains("tooshort"), "{said}");
}

/// Status line of an answer over TLS, from a server whose certificate this authority signed.
async fn over_tls(server: SocketAddr, authority: &Path, path: &str) -> Result<String, String> {
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_ca_file(authority).unwrap();
    let ssl = connector.build().configure().unwrap().into_ssl("127.0.0.1").unwrap();
    let stream = TcpStream::connect(server).await.unwrap();
    let mut stream = tokio_openssl::SslStream::new(ssl, stream).unwrap();
    std::pin::Pin::new(&mut stream).connect().await.map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_certificate_that_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let first_ca = first.write(folder.path().join("first.pem"));
    let second_ca = second.write(folder.path().join("second.pem"));
    let (certificate, key) = first.issue(folder.path(), &["127.0.0.1"], Valid::Now);
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()],
        "httpCertFile": certificate.to_str().unwrap(), "httpKeyFile": key.to_str().unwrap(),
    }));
    let ok = Ok("HTTP/1.1 200 OK".to_owned());
    assert_eq!(over_tls(daemon.http, &first_ca, "/health").await, ok);
    assert!(over_tls(daemon.http, &second_ca, "/health").await.is_err());
    // In the clear there is nothing.
    assert!(client::http(daemon.http, "/health", &[]).await.is_err());
    second.issue(folder.path(), &["127.0.0.1"], Valid::Now);
    daemon.signal(Signal::HUP);
    let started = Instant::now();
    while over_tls(daemon.http, &second_ca, "/health").await != ok {
        assert!(started.elapsed() < PATIENCE, "the certificate is not replaced");
        tokio::time::sleep(LOOK).await;
    }
    // One that is of no use leaves the former one.
    fs::write(&certificate, "nonsense").unwrap();
    daemon.signal(Signal::HUP);
    daemon.logged("reload failed");
    assert_eq!(over_tls(daemon.http, &second_ca, "/v2/status").await, ok);
}
