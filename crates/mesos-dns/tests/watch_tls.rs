//! Masters by HTTPS, against `openssl s_server`: what is trusted, what is not, and what the user is told.

#[path = "support/certificates.rs"]
mod certificates;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use certificates::{Authority, Valid};
use mesos_dns::watch::{
    auth::{self, Auth},
    exchange::ExchangeError,
    master::{Client, FetchError, Reply},
    metrics::{Failure, WatchMetrics},
    tls::{ClientFiles, Settings, SetupError, Tls, TlsError},
};
use mesos_dns_core::{
    mesos::state::Limits,
    watch::{
        Master,
        poll::{Ask, Credentials, Fetch},
    },
};
use tempfile::TempDir;

/// What a master offers if `LIBPROCESS_SSL_CIPHERS` is not set.
const MESOS_CIPHERS: &str = "AES128-SHA:AES256-SHA:RC4-SHA:DHE-RSA-AES128-SHA:DHE-DSS-AES128-SHA:\
                             DHE-RSA-AES256-SHA:DHE-DSS-AES256-SHA";

/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A master that serves one fixed state document by HTTPS. Killed when dropped.
struct SslMaster {
    process: Child,
    address: SocketAddr,
}

impl SslMaster {
    fn start(directory: &Path, (certificate, key): &(PathBuf, PathBuf), arguments: &[&str]) -> Self {
        let body = r#"{"version":"1.11.0","pid":"master@127.0.0.1:5050","leader":"master@127.0.0.1:5050",
            "elected_time":1.5e9,"slaves":[],"recovered_slaves":[],"frameworks":[]}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        fs::create_dir_all(directory.join("master")).unwrap();
        fs::write(directory.join("master/state"), head + body).unwrap();
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        // It prints `ACCEPT 127.0.0.1:port`. The rest is drained so that it never waits for us.
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let accepts = lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let address = accepts.expect("s_server listens").parse().unwrap();
        Self { process, address }
    }
}

impl Drop for SslMaster {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// One request to this address, where ZooKeeper says that the master is called `name`.
async fn ask(address: SocketAddr, name: Option<&str>, settings: &Settings) -> Result<Reply, FetchError> {
    let metrics: Arc<WatchMetrics> = Arc::default();
    let auth = Auth::new(&auth::Settings::None, None, metrics.clone()).unwrap();
    let client = Client::new(Some(Tls::new(settings).unwrap()), auth, Limits::default(), metrics.clone());
    let master = Master { name: name.map(Arc::from), ..Master::parse(&address.to_string()).unwrap() };
    let (credentials, deadline) = (Credentials::Send, Instant::now() + TIMEOUT);
    let fetch = Fetch { master, ask: Ask::State, credentials, deadline };
    let reply = client.fetch(&fetch, |_| false).await;
    assert_eq!(metrics.failures(Failure::Tls), u64::from(tls_error(&reply).is_some()));
    reply
}

fn tls_error<T>(reply: &Result<T, FetchError>) -> Option<&TlsError> {
    match reply {
        Err(FetchError::Exchange(ExchangeError::Tls(error))) => Some(error),
        _ => None,
    }
}

fn is_document(reply: &Result<Reply, FetchError>) {
    assert!(matches!(reply, Ok(Reply::Document(document)) if document.version == "1.11.0"), "{reply:?}");
}

fn is_refused(reply: &Result<Reply, FetchError>, text: &str) {
    let error = tls_error(reply).unwrap_or_else(|| panic!("{reply:?}"));
    assert!(error.to_string().contains(text), "{error}");
}

fn trusting(file: &Path) -> Settings {
    Settings { ca_file: Some(file.to_owned()), ..Settings::default() }
}

/// An authority, its file, and a directory for all files.
fn authority() -> (TempDir, Authority, PathBuf) {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new("the operator's own");
    let file = authority.write(directory.path().join("ca.pem"));
    (directory, authority, file)
}

#[tokio::test]
async fn the_default_ciphers_of_mesos_work() {
    let (directory, authority, ca) = authority();
    let files = authority.issue(directory.path(), &["127.0.0.1"], Valid::Now);
    let master = SslMaster::start(directory.path(), &files, &["-tls1_2", "-cipher", MESOS_CIPHERS]);
    is_document(&ask(master.address, None, &trusting(&ca)).await);
    // Each of them alone, too, as far as OpenSSL still has it.
    for cipher in ["AES128-SHA", "AES256-SHA", "DHE-RSA-AES128-SHA", "DHE-RSA-AES256-SHA"] {
        let master = SslMaster::start(directory.path(), &files, &["-tls1_2", "-cipher", cipher]);
        is_document(&ask(master.address, None, &trusting(&ca)).await);
    }
    let modern = SslMaster::start(directory.path(), &files, &["-tls1_3"]);
    is_document(&ask(modern.address, None, &trusting(&ca)).await);
}

#[tokio::test]
async fn only_what_is_trusted_is_believed() {
    let (directory, authority, ca) = authority();
    let files = authority.issue(directory.path(), &["127.0.0.1"], Valid::Now);
    let master = SslMaster::start(directory.path(), &files, &[]);
    is_document(&ask(master.address, None, &trusting(&ca)).await);
    let other = Authority::new("somebody else").write(directory.path().join("other.pem"));
    is_refused(&ask(master.address, None, &trusting(&other)).await, "not trusted");
    is_refused(&ask(master.address, None, &Settings::default()).await, "not trusted");
    is_document(&ask(master.address, None, &Settings { insecure: true, ..Settings::default() }).await);
}

#[tokio::test]
async fn an_authority_in_the_middle_is_enough() {
    let (directory, authority, _) = authority();
    let middle = authority.below("a department");
    let ca = middle.write(directory.path().join("middle.pem"));
    let files = middle.issue(directory.path(), &["127.0.0.1"], Valid::Now);
    let master = SslMaster::start(directory.path(), &files, &[]);
    is_document(&ask(master.address, None, &trusting(&ca)).await);
}

#[tokio::test]
async fn expired_certificates_are_refused() {
    let (directory, authority, ca) = authority();
    let files = authority.issue(directory.path(), &["127.0.0.1"], Valid::Expired);
    let master = SslMaster::start(directory.path(), &files, &[]);
    is_refused(&ask(master.address, None, &trusting(&ca)).await, "expired");
}

#[tokio::test]
async fn a_certificate_must_be_for_the_master() {
    let (directory, authority, ca) = authority();
    let files = authority.issue(directory.path(), &["m1.example", "*.masters.example"], Valid::Now);
    let master = SslMaster::start(directory.path(), &files, &[]);
    let ask = |name, settings| {
        let address = master.address;
        async move { ask(address, name, &settings).await }
    };
    let named = |name: &str| Settings { server_name: Some(name.into()), ..trusting(&ca) };
    is_refused(&ask(None, trusting(&ca)).await, "for m1.example, *.masters.example, not for 127.0.0.1");
    is_refused(&ask(Some("m2.example"), trusting(&ca)).await, "not for 127.0.0.1 or m2.example");
    is_refused(&ask(Some("a.b.masters.example"), trusting(&ca)).await, "not for");
    is_document(&ask(Some("m1.example"), trusting(&ca)).await);
    is_document(&ask(Some("M1.Example"), trusting(&ca)).await);
    is_document(&ask(Some("m7.masters.example"), trusting(&ca)).await);
    // The operator's word is the last.
    is_document(&ask(None, named("m1.example")).await);
    is_refused(&ask(Some("m1.example"), named("m9.example")).await, "not for m9.example");
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (directory, authority, ca) = authority();
    let files = authority.issue(directory.path(), &["127.0.0.1"], Valid::Now);
    let demand = ["-tls1_2", "-cipher", MESOS_CIPHERS, "-Verify", "1", "-verify_return_error", "-CAfile"];
    let demand = [&demand[..], &[ca.to_str().unwrap()]].concat();
    let master = SslMaster::start(directory.path(), &files, &demand);
    is_refused(&ask(master.address, None, &trusting(&ca)).await, "client certificate");
    let (certificate, key) = files;
    let client = Some(ClientFiles { certificate, key });
    is_document(&ask(master.address, None, &Settings { client, ..trusting(&ca) }).await);
}

#[tokio::test]
async fn plain_http_on_the_port_is_named() {
    let (_directory, _, ca) = authority();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        hello
    });
    is_refused(&ask(address, None, &trusting(&ca)).await, "does not speak TLS");
    let hello = answering.await.unwrap();
    assert_eq!(hello[0], 22, "a TLS handshake record, and no request");
}

#[test]
fn useless_files_are_named() {
    let (directory, authority, ca) = authority();
    let (certificate, key) = authority.issue(directory.path(), &[], Valid::Now);
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "nothing in here").unwrap();
    let missing = directory.path().join("missing.pem");
    let check = |settings: Settings, file: &Path| {
        let error = Tls::new(&settings).err().expect("refused");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        error
    };
    assert!(matches!(check(trusting(&missing), &missing), SetupError::Read { .. }));
    assert!(matches!(check(trusting(&empty), &empty), SetupError::NoCertificates { .. }));
    let client = |certificate: &Path, key: &Path| Settings {
        client: Some(ClientFiles { certificate: certificate.to_owned(), key: key.to_owned() }),
        ..trusting(&ca)
    };
    check(client(&empty, &key), &empty);
    check(client(&certificate, &empty), &empty);
    let foreign = directory.path().join("foreign.pem");
    let other = openssl::rsa::Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
    fs::write(&foreign, other).unwrap();
    check(client(&certificate, &foreign), &foreign);
    assert!(Tls::new(&client(&certificate, &key)).is_ok());
}
