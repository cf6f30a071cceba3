//! The HTTP server while file descriptors are used up. Apart from the other tests, as it uses up those
//! of its whole process.

#[path = "support/fixture.rs"]
mod fixture;

use std::{fs::File, io, sync::Arc, time::Duration};

use mesos_dns::{
    http::{Api, Settings, Standing, State, Tokens, listener},
    metrics::Metrics,
    publish::Board,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn accepting_pauses_and_recovers() {
    let board = Arc::new(Board::new(fixture::policy(), fixture::soa()));
    let (metrics, registry) = Metrics::new();
    let settings = Settings {
        version: String::new(),
        mailbox: String::new(),
        refresh_seconds: 60,
        is_enumeration_on: true,
        allowed_hosts: Vec::new(),
        file: String::new(),
        rows: Vec::new(),
        tokens: Tokens::default(),
        config: Box::new(|_| Vec::new()),
    };
    let standing = || Standing { state: State::Loading, reasons: Vec::new(), age: None };
    let api = Api::new(settings, board, standing, metrics.http.clone(), metrics.legacy.clone(), registry);
    let socket = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(listener::serve(
        socket,
        None,
        Arc::new(api),
        listener::Limits::default(),
        shutdown.clone(),
    ));

    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
    let mut taken = Vec::new();
    let cause = loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(cause) => break cause,
        }
    };
    assert_eq!(cause.kind(), io::Error::from_raw_os_error(24).kind(), "{cause}");
    // One for the client; none is left for the server.
    taken.pop();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let failed = async {
        while metrics.http.accept_errors.get() < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, failed).await.unwrap();
    drop(taken);
    let mut text = String::new();
    timeout(PATIENCE, client.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.0 200") && text.ends_with("alive\n"), "{text}");
    // A pause after each failure, not a busy loop.
    assert!(metrics.http.accept_errors.get() < 1000);
    shutdown.cancel();
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}
