//! The promise: whoever wants encryption gets it, over TLS and HTTPS, with the clients people use; certificates change
//! under open connections; and the end costs nobody an answer.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/dig.rs"]
mod dig;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "forward/knot.rs"]
mod knot;
#[path = "support/master.rs"]
mod master;
#[path = "support/rival.rs"]
mod rival;

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use certificates::{Authority, Valid};
use daemon::{Daemon, LOOK, PATIENCE, Process};
use data_encoding::BASE64URL_NOPAD;
use dig::Tool;
use domain::base::{
    Message,
    iana::{Rcode, Rtype},
    opt::Padding,
};
use master::{Master, ordinary};
use mesos_dns_sim::client::{self, Query};
use openssl::ssl::{SslConnector, SslMethod};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_openssl::SslStream;

/// Whom the certificates are for.
const NAME: &str = "dns.example";

/// A program that serves in three ways, with its certificates.
struct Encrypted {
    _master: Master,
    daemon: Daemon,
    tls: SocketAddr,
    https: SocketAddr,
    authority: Authority,
    directory: tempfile::TempDir,
}

impl Encrypted {
    async fn start(members: serde_json::Value) -> Self {
        let directory = daemon::folder();
        let authority = Authority::new("an authority");
        authority.write(directory.path().join("ca.pem"));
        let (certificate, key) = authority.issue(directory.path(), &[NAME, "127.0.0.1"], Valid::Now);
        let master = Master::start(&ordinary()).await;
        let listener = |protocol: &str| json!({"address": "127.0.0.1", "port": 0, "protocol": protocol, "certFile": certificate, "keyFile": key});
        let mut all = json!({
            "masters": [master.address().to_string()],
            "listeners": [{"address": "127.0.0.1", "port": 0}, listener("tls"), listener("https")],
        });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let daemon = Daemon::start(all);
        daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
        let addresses = daemon.all_dns();
        Self { _master: master, daemon, tls: addresses[1], https: addresses[2], authority, directory }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Shakes hands, offering these protocols; the certificate must be ours.
    async fn connect(&self, server: SocketAddr, alpn: &[u8]) -> SslStream<TcpStream> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_ca_file(self.ca()).unwrap();
        builder.set_alpn_protos(alpn).unwrap();
        let ssl = builder.build().configure().unwrap().into_ssl(NAME).unwrap();
        let mut stream = SslStream::new(ssl, TcpStream::connect(server).await.unwrap()).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        stream
    }

    /// The serial number of the certificate that is shown now.
    async fn serial(&self) -> String {
        serial(&self.connect(self.tls, b"\x03dot").await)
    }

    /// What curl gets for a path: version, status, body, and the header `cache-control`.
    fn curl(&self, arguments: &[&str], target: &str) -> (String, Vec<u8>) {
        let mut command = Command::new("curl");
        command.arg("--silent").arg("--cacert").arg(self.ca()).args(["--max-time", "30"]);
        command.args(["--resolve", &format!("{NAME}:{}:127.0.0.1", self.https.port())]);
        let body = self.directory.path().join("body");
        _ = fs::remove_file(&body);
        command.arg("--output").arg(&body);
        command.args([
            "--write-out",
            "%{http_version} %{http_code} %header{cache-control} %header{content-type}",
        ]);
        command.args(arguments).arg(format!("https://{NAME}:{}{target}", self.https.port()));
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), fs::read(&body).unwrap_or_default())
    }
}

fn serial(stream: &SslStream<TcpStream>) -> String {
    let certificate = stream.ssl().peer_certificate().unwrap();
    certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string()
}

fn has(tool: &str) -> bool {
    let is_there =
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        eprintln!("skipped: {tool} is not installed");
    }
    is_there
}

fn web(id: u16) -> Vec<u8> {
    Query::new("web.marathon.mesos", Rtype::A).message(id).unwrap()
}

/// The next message of a stream.
async fn message(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let read = async {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await.map(|_| message)
    };
    timeout(PATIENCE, read).await.expect("a reply").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_people_use() {
    let served = Encrypted::start(json!({})).await;
    let ca = served.ca();
    let ca = ca.display();
    for tool in Tool::installed() {
        let tls = format!("+tls +tls-ca={ca} +tls-hostname={NAME}");
        let https = match tool {
            Tool::Dig => format!("+https +tls-ca={ca} +tls-hostname={NAME}"),
            Tool::Kdig => format!("+https=/dns-query +tls-ca={ca} +tls-hostname={NAME}"),
        };
        let get = match tool {
            Tool::Dig => https.replace("+https", "+https-get"),
            Tool::Kdig => format!("{https} +https-get"),
        };
        for (server, how) in [(served.tls, &tls), (served.https, &https), (served.https, &get)] {
            let reply = tool.ask(server, &format!("{how} web.marathon.mesos A"));
            assert_eq!(
                reply.data(),
                ["10.30.0.1", "10.30.0.2", "10.30.0.3"],
                "{tool:?} {how}: {}",
                reply.text
            );
            // Larger than a datagram, whole.
            let reply = tool.ask(server, &format!("{how} _many._tcp.marathon.mesos SRV"));
            assert_eq!(
                (reply.answer.len(), reply.flags.contains("tc")),
                (120, false),
                "{tool:?} {how}: {}",
                reply.text
            );
            let reply = tool.ask(server, &format!("{how} nobody.mesos A"));
            assert!(reply.text.contains("status: NXDOMAIN"), "{tool:?} {how}: {}", reply.text);
            // Who trusts somebody else gets nothing.
            let other = Authority::new("another").write(served.directory.path().join("other.pem"));
            let how = how.replace("ca.pem", "other.pem");
            let reply = tool.ask(server, &format!("{how} web.marathon.mesos A"));
            assert!(reply.answer.is_empty(), "{tool:?} {how} {}: {}", other.display(), reply.text);
        }
        assert!(served.daemon.metric("dns_queries_total{transport=\"tls\"}").await >= 3.0);
        assert!(served.daemon.metric("dns_queries_total{transport=\"https\"}").await >= 6.0);
    }
    if has("openssl") {
        for (alpn, told) in [("dot", "ALPN protocol: dot"), ("h2", "no application protocol")] {
            let mut client = Command::new("openssl")
                .args([
                    "s_client",
                    "-connect",
                    &served.tls.to_string(),
                    "-alpn",
                    alpn,
                    "-verify_return_error",
                ])
                .args(["-verify_hostname", NAME, "-CAfile"])
                .arg(served.ca())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            client.stdin.take().unwrap().write_all(b"Q\n").unwrap_or_default();
            let output = client.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(text.contains(told), "{alpn}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_in_tls_are_those_of_tcp() {
    let served = Encrypted::start(json!({})).await;
    let mut stream = served.connect(served.tls, b"\x03dot").await;
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"dot"[..]));
    // Many at once, then one behind a pause, then a response, which is ignored.
    let many: Vec<u8> = (0..500).flat_map(|id| client::framed(&web(id))).collect();
    stream.write_all(&many).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let reply = message(&mut stream).await;
        assert_eq!(reply[7], 3);
        seen.insert(u16::from_be_bytes([reply[0], reply[1]]));
    }
    assert_eq!(seen, (0..500).collect());
    stream.write_all(&client::framed(&[[9, 9, 0x81, 0x80].as_slice(), &web(1)[4..]].concat())).await.unwrap();
    stream.write_all(&client::framed(&web(7))).await.unwrap();
    assert_eq!(message(&mut stream).await[..2], [0, 7]);
    // What is no TLS ends with its connection, and nobody else notices.
    let mut plain = TcpStream::connect(served.tls).await.unwrap();
    plain.write_all(&client::framed(&web(1))).await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, plain.read_to_end(&mut rest)).await.expect("it ends");
    assert!(ended.is_err() || rest.len() < 20, "an alert at most: {rest:x?}");
    stream.write_all(&client::framed(&web(8))).await.unwrap();
    assert_eq!(message(&mut stream).await[..2], [0, 8]);
    assert_eq!(served.daemon.metric("dns_tls_handshake_failures_total").await, 1.0);
    // A client that ends in order is told the same.
    Pin::new(&mut stream).shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0])).await.expect("it ends").unwrap_or(0), 0);
}

/// Replies are padded for those who pad their queries, ours and forwarded ones alike, whatever they hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_replies_are_padded_wherever_they_come_from() {
    let Some(knot) = knot::start().await else {
        eprintln!("skipped: knotd is not installed (apt-get install knot)");
        return;
    };
    let zones = json!({"dead.test": ["127.0.0.1:9"]});
    let members =
        json!({"externalon": true, "resolvers": [knot.address.to_string()], "zoneResolvers": zones});
    let served = Encrypted::start(members).await;
    let mut stream = served.connect(served.tls, b"\x03dot").await;
    for (id, (name, rcode, least)) in [
        ("web.marathon.mesos", Rcode::NOERROR, 468),
        ("www.example.test", Rcode::NOERROR, 468),
        ("many.example.test", Rcode::NOERROR, 200 * 16),
        ("nobody.example.test", Rcode::NXDOMAIN, 468),
        ("www.dead.test", Rcode::SERVFAIL, 468),
        ("localhost", Rcode::NOERROR, 468),
    ]
    .into_iter()
    .enumerate()
    {
        let query = Query::new(name, Rtype::A).edns(1232).message(id as u16).unwrap();
        // The OPT record is the last one; the option goes behind it.
        let padding = [&query[..query.len() - 1], b"\x04\0\x0c\0\0"].concat();
        for (query, is_padded) in [(padding, true), (query, false)] {
            stream.write_all(&client::framed(&query)).await.unwrap();
            let reply = message(&mut stream).await;
            let read = Message::from_octets(&reply[..]).unwrap();
            assert_eq!(read.header().rcode(), rcode, "{name}");
            let options = read.opt().unwrap();
            let padding = options.opt().iter::<Padding<_>>().filter_map(Result::ok).count();
            assert_eq!(padding, usize::from(is_padded), "{name}");
            assert_eq!(reply.len() % 468 == 0 && reply.len() >= least, is_padded, "{name}: {}", reply.len());
        }
    }
    if let Some(kdig) = Tool::installed().into_iter().find(|tool| *tool == Tool::Kdig) {
        let ca = served.ca();
        let verified = format!("+tls-ca={} +tls-hostname={NAME} +padding=64", ca.display());
        for (server, how) in [(served.tls, "+tls"), (served.https, "+https=/dns-query")] {
            let reply = kdig.ask(server, &format!("{how} {verified} www.example.test A"));
            assert_eq!(reply.answer.len(), 2, "{}", reply.text);
            assert!(reply.text.contains("Received 468 B"), "{}", reply.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_says_what_is_wrong() {
    if !has("curl") {
        return;
    }
    let served = Encrypted::start(json!({})).await;
    let query = |message: &[u8]| format!("/dns-query?dns={}", BASE64URL_NOPAD.encode(message));
    let file = |name: &str, bytes: &[u8]| {
        let path = served.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        format!("@{}", path.display())
    };
    let nobody = Query::new("nobody.mesos", Rtype::A).message(0).unwrap();
    let outside = Query::new("www.example.com", Rtype::A).message(0).unwrap();
    let mut response = web(0);
    response[2] = 0x80;
    let mut broken = web(0);
    broken[5] = 2;
    let (good, large) = (file("good", &web(3)), file("large", &[0; 5000]));
    let dns = "Content-Type: application/dns-message";
    for version in ["--http1.1", "--http2"] {
        let number = if version == "--http2" { "2" } else { "1.1" };
        let post = |body: &str| served.curl(&[version, "-H", dns, "--data-binary", body], "/dns-query");
        // What DNS can say is said by DNS.
        let message = "application/dns-message";
        for (asked, (told, body), age, code, count) in [
            ("a name by GET", served.curl(&[version], &query(&web(0))), 5, 0, 3),
            ("a name by POST", post(&good), 5, 0, 3),
            ("no such name", served.curl(&[version], &query(&nobody)), 5, 3, 0),
            ("a name that is not ours", served.curl(&[version], &query(&outside)), 0, 5, 0),
            ("a malformed query", served.curl(&[version], &query(&broken)), 0, 1, 0),
        ] {
            assert_eq!(told, format!("{number} 200 max-age={age} {message}"), "{asked}");
            assert_eq!((body[3] & 15, body[7]), (code, count), "{asked}");
        }
        let (told, body) = served.curl(&[version, "--head"], &query(&web(0)));
        assert!(told.starts_with(&format!("{number} 200 max-age=5")), "{told} {body:?}");
        // The rest is HTTP's.
        for (arguments, target, status) in [
            (vec![], "/dns-query".to_owned(), 400),
            (vec![], "/dns-query?dns=A".to_owned(), 400),
            (vec![], "/dns-query?dns=AA+A".to_owned(), 400),
            (vec![], query(&response), 400),
            (vec![], query(&[0; 11]), 400),
            (vec![], query(&[0; 5000]), 414),
            (vec![], "/".to_owned(), 404),
            (vec![], "/dns-query/".to_owned(), 404),
            (vec!["--request", "PUT", "-H", dns, "--data-binary", &good], "/dns-query".to_owned(), 405),
            (vec!["--request", "DELETE"], "/dns-query".to_owned(), 405),
            (vec!["--data-binary", &good], "/dns-query".to_owned(), 415),
            (
                vec!["-H", "Content-Type: application/dns-json", "--data-binary", &good],
                "/dns-query".to_owned(),
                415,
            ),
            (vec!["-H", dns, "--data-binary", &large], "/dns-query".to_owned(), 413),
            (vec!["-H", dns, "--data-binary", ""], "/dns-query".to_owned(), 400),
            (vec!["-H", dns, "--data-binary", &good], "/".to_owned(), 404),
        ] {
            let (told, _) = served.curl(&[&[version], &arguments[..]].concat(), &target);
            let expected = format!("{number} {status} no-store text/plain; charset=utf-8");
            assert_eq!(told, expected, "{arguments:?} {target:.40}");
        }
        // Too many and too large headers, too long a path: refused before we see them.
        let header = format!("X-Large: {}", "x".repeat(20_000));
        let (told, _) = served.curl(&[version, "-H", &header], &query(&web(0)));
        assert!(told.contains(" 431 ") || told.contains(" 000 "), "{told}");
    }
    assert!(served.daemon.metric("dns_https_responses_total{status=\"405\"}").await == 4.0);
    assert_eq!(served.daemon.metric("dns_panics_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_open_connections() {
    let served = Encrypted::start(json!({})).await;
    let mut open = served.connect(served.tls, b"\x03dot").await;
    let first = serial(&open);
    // A key that belongs to nothing: told, counted, and of no effect.
    let key = served.directory.path().join("key.pem");
    let good_key = fs::read(&key).unwrap();
    let other = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    fs::write(&key, other.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let told = served.daemon.logged("the new certificate is of no use");
    assert!(told["error"].to_string().contains("certificate.pem"), "{told}");
    assert_eq!(served.serial().await, first);
    // A reload with it is refused as a whole.
    served.daemon.signal(Signal::HUP);
    let told = served.daemon.logged("reload failed");
    assert!(told["error"].to_string().contains("cannot use"), "{told}");
    assert_eq!(served.serial().await, first);
    // A new pair, by itself.
    fs::write(&key, good_key).unwrap();
    served.authority.issue(served.directory.path(), &[NAME], Valid::Now);
    let mut now = served.serial().await;
    let until = async {
        while now == first {
            tokio::time::sleep(LOOK).await;
            now = served.serial().await;
        }
    };
    timeout(PATIENCE, until).await.expect("the new certificate");
    // And by a reload, at once: nothing else is looked at in between.
    served.authority.issue(served.directory.path(), &[NAME], Valid::Now);
    served.daemon.signal(Signal::HUP);
    served.daemon.logged("configuration reloaded");
    assert_ne!(served.serial().await, now);
    // Who was connected before is served as before. It was idle all the time, but not for ten seconds.
    open.write_all(&client::framed(&web(5))).await.unwrap_or_default();
    assert!(served.daemon.metric("dns_certificates_replaced_total").await >= 2.0);
    assert!(served.daemon.metric("dns_certificate_failures_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_certificate_is_shown_and_told_before() {
    let served = Encrypted::start(json!({})).await;
    let hour = 3600;
    let is_near = |end: f64, from_now: i64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        (now as i64 + from_now - 600..=now as i64 + from_now).contains(&(end as i64))
    };
    let soon = "a certificate ends soon";
    let ended = "a certificate has ended";
    // By itself, before any reload, and for each listener.
    until_end(&served, served.tls, |end| is_near(end, 24 * hour)).await;
    until_end(&served, served.https, |end| is_near(end, 24 * hour)).await;
    for (valid, from_now, told) in [(Valid::EndsSoon, hour, soon), (Valid::Expired, -24 * hour, ended)] {
        served.authority.issue(served.directory.path(), &[NAME], valid);
        served.daemon.signal(Signal::HUP);
        until_end(&served, served.tls, |end| is_near(end, from_now)).await;
        until_end(&served, served.https, |end| is_near(end, from_now)).await;
        let told = served.daemon.logged(told);
        assert!(is_near(told["end"].as_f64().unwrap(), from_now), "{told}");
    }
    // Nothing of a good one; and each is told once for each listener, however often the files are looked at.
    served.authority.issue(served.directory.path(), &[NAME], Valid::Now);
    until_end(&served, served.tls, |end| is_near(end, 24 * hour)).await;
    until_end(&served, served.https, |end| is_near(end, 24 * hour)).await;
    assert_eq!(served.daemon.count_logged(soon), 2);
}

/// Waits until the end of a listener's certificate, as it is shown, is like this.
async fn until_end(served: &Encrypted, listener: SocketAddr, is: impl Fn(f64) -> bool) {
    let name = format!("mesos_dns_dns_certificate_end_seconds{{listener=\"{listener}\"}} ");
    let started = Instant::now();
    loop {
        let (_, text) = served.daemon.get("/metrics").await;
        let end = text.lines().find_map(|line| line.strip_prefix(&name));
        if end.is_some_and(|end| is(end.parse().unwrap())) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{name}: {end:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_certificate_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = Authority::new("an authority").issue(directory.path(), &[NAME], Valid::Now);
    for (certificate, key, said) in [
        (Path::new("/nowhere").to_owned(), key.clone(), "cannot read /nowhere"),
        (write("empty", ""), key.clone(), "no PEM certificate in"),
        (certificate.clone(), certificate.clone(), "cannot use"),
        (
            certificate.clone(),
            write("junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "cannot use",
        ),
    ] {
        let listener = json!({"address": "127.0.0.1", "port": 0, "protocol": "tls", "certFile": certificate, "keyFile": key});
        let mut process = Process::start(json!({"masters": ["127.0.0.1:9"], "listeners": [listener]}));
        let (status, log) = process.ends();
        let log = format!("{log:?}");
        assert!(!status.success() && log.contains("listeners") && log.contains(said), "{said}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_cost_nobody_anything() {
    let served = Encrypted::start(json!({"tcpPerClient": 300, "tcpIdleSeconds": 40})).await;
    // Handshakes that never go on, half a record, half a request, half a message.
    let mut slow = Vec::new();
    for number in 0..120 {
        let server = if number % 2 == 0 { served.tls } else { served.https };
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..number % 9]).await.unwrap();
        slow.push(stream);
    }
    let mut half = served.connect(served.tls, b"\x03dot").await;
    half.write_all(&[0, 40, 1, 2]).await.unwrap();
    let mut request = served.connect(served.https, b"\x08http/1.1").await;
    request.write_all(b"GET /dns-query?dns=AAAA HTTP/1.1\r\nHost: dns").await.unwrap();
    let mut body = served.connect(served.https, b"\x08http/1.1").await;
    let head = "POST /dns-query HTTP/1.1\r\nHost: dns\r\nContent-Type: application/dns-message\r\nContent-Length: 40\r\n\r\nxy";
    body.write_all(head.as_bytes()).await.unwrap();
    // Others are served meanwhile.
    let mut stream = served.connect(served.tls, b"\x03dot").await;
    for id in 0..10 {
        stream.write_all(&client::framed(&web(id))).await.unwrap();
        assert_eq!(message(&mut stream).await[7], 3);
        let answer =
            client::udp(served.daemon.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
        assert_eq!(answer.answers().unwrap().len(), 3);
    }
    // And each of them is given up, whatever it is waiting for; the one in use stays.
    for stream in &mut slow {
        let ended = timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("it ends");
        assert!(matches!(ended, Ok(_) | Err(_)));
    }
    assert!(timeout(PATIENCE, half.read(&mut [0])).await.expect("it ends").is_ok_and(|read| read == 0));
    let mut text = String::new();
    _ = timeout(PATIENCE, body.read_to_string(&mut text)).await.expect("it ends");
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    _ = timeout(PATIENCE, request.read_to_string(&mut text)).await.expect("it ends");
    stream.write_all(&client::framed(&web(1))).await.unwrap();
    assert_eq!(message(&mut stream).await[7], 3);
    assert!(served.daemon.metric("dns_tls_handshake_failures_total").await >= 120.0);
    assert!(served.daemon.metric("dns_connections_cut_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_answered_before_the_end() {
    let resolver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let members = json!({"externalon": true, "resolvers": [resolver.local_addr().unwrap().to_string()]});
    let mut served = Encrypted::start(members).await;
    let outside = Query::new("www.example.test", Rtype::A).message(77).unwrap();
    let mut tls = served.connect(served.tls, b"\x03dot").await;
    tls.write_all(&client::framed(&outside)).await.unwrap();
    let mut https = served.connect(served.https, b"\x08http/1.1").await;
    let request = format!(
        "GET /dns-query?dns={} HTTP/1.1\r\nHost: {NAME}\r\n\r\n",
        BASE64URL_NOPAD.encode(&Query::new("www2.example.test", Rtype::A).message(78).unwrap())
    );
    https.write_all(request.as_bytes()).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut query = [0; 512];
        let (length, from) =
            timeout(PATIENCE, resolver.recv_from(&mut query)).await.expect("a query").unwrap();
        waiting.push((query[..length].to_vec(), from));
    }
    // These were connected before, and ask while the program is given no time to see it. One connects only now.
    let mut before =
        [served.connect(served.tls, b"\x03dot").await, served.connect(served.tls, b"\x03dot").await];
    let mut plain = TcpStream::connect(served.daemon.dns).await.unwrap();
    served.daemon.signal(Signal::STOP);
    for stream in &mut before {
        stream.write_all(&(0..50).flat_map(|id| client::framed(&web(id))).collect::<Vec<_>>()).await.unwrap();
    }
    plain.write_all(&(0..50).flat_map(|id| client::framed(&web(id))).collect::<Vec<_>>()).await.unwrap();
    let mut newcomer = TcpStream::connect(served.daemon.dns).await.unwrap();
    newcomer.write_all(&client::framed(&web(9))).await.unwrap();
    served.daemon.signal(Signal::TERM);
    served.daemon.signal(Signal::CONT);
    served.daemon.logged("stopping");
    for (mut query, from) in waiting {
        // The query, as a reply without records.
        (query[2], query[3]) = (0x81, 0x80);
        resolver.send_to(&query, from).await.unwrap();
    }
    for stream in &mut before {
        for _ in 0..50 {
            assert_eq!(message(stream).await[7], 3);
        }
    }
    for _ in 0..50 {
        assert_eq!(message(&mut plain).await[7], 3);
    }
    assert_eq!(plain.read(&mut [0]).await.unwrap(), 0, "closed in order");
    assert_eq!(message(&mut newcomer).await[7], 3);
    assert_eq!(message(&mut tls).await[..2], [0, 77]);
    let mut text = Vec::new();
    _ = timeout(PATIENCE, https.read_to_end(&mut text)).await.expect("it ends");
    assert!(text.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&text));
    let (status, log) = served.daemon.ends();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(!log.iter().any(|line| line["message"] == "some answers did not end in time"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room() {
    let served =
        Encrypted::start(json!({"tcpConnections": 200, "tcpPerClient": 2000, "tcpIdleSeconds": 40})).await;
    let mut used = TcpStream::connect(served.daemon.dns).await.unwrap();
    let mut ask = async |id| {
        used.write_all(&client::framed(&web(id))).await.unwrap();
        assert_eq!(message(&mut used).await[7], 3);
    };
    ask(0).await;
    // Ten times as many as there are seats: each newcomer is served, and who uses a seat keeps it.
    let mut open = Vec::new();
    for number in 0..2000_u16 {
        let mut stream = TcpStream::connect(served.daemon.dns).await.unwrap();
        if number % 20 == 0 {
            stream.write_all(&client::framed(&web(number))).await.unwrap();
            assert_eq!(message(&mut stream).await[7], 3);
            ask(number).await;
            assert!(served.daemon.metric("dns_connections{transport=\"tcp\"}").await <= 264.0);
        }
        open.push(stream);
    }
    // The first ones have gone, the last ones stay.
    assert_eq!(timeout(PATIENCE, open[0].read(&mut [0])).await.expect("it was closed").unwrap_or(0), 0);
    let last = open.last_mut().unwrap();
    last.write_all(&client::framed(&web(1))).await.unwrap();
    assert_eq!(message(last).await[7], 3);
    assert!(served.daemon.metric("dns_connections_evicted_total").await >= 1700.0);
    ask(1).await;
    let mut tls = served.connect(served.tls, b"\x03dot").await;
    tls.write_all(&client::framed(&web(1))).await.unwrap();
    assert_eq!(message(&mut tls).await[7], 3);
    let answer = client::udp(served.daemon.dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
    assert_eq!(answer.answers().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_descriptors_are_shared_out() {
    let master = Master::start(&ordinary()).await;
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mesos-dns")]);
    let members = json!({
        "listener": "127.0.0.1", "masters": [master.address().to_string()],
        "tcpConnections": 5000, "tcpPerClient": 5000,
    });
    let process = Process::start_by(command, members);
    let serving = process.logged("serving");
    let address = |key: &str| -> SocketAddr {
        let text = serving[key].as_str().unwrap();
        text.trim_start_matches("Some(").trim_matches(['[', ']', ')']).parse().unwrap()
    };
    let (dns, http) = (address("dns"), address("http"));
    process.logged("fewer connections than asked for");
    // Many more than there can be: the oldest go, and whoever comes is served, by HTTP too.
    let mut open = Vec::new();
    for _ in 0..400 {
        open.push(TcpStream::connect(dns).await.unwrap());
    }
    let mut last = TcpStream::connect(dns).await.unwrap();
    last.write_all(&client::framed(&web(1))).await.unwrap();
    message(&mut last).await;
    assert_eq!(client::http(http, "/health", &[]).await.unwrap().status(), 200);
    client::udp(dns, &Query::new("web.marathon.mesos", Rtype::A)).await.unwrap();
    drop(open);
    tokio::time::timeout(Duration::from_secs(30), TcpStream::connect(dns)).await.unwrap().unwrap();
}
