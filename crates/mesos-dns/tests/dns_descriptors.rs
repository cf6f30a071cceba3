//! The DNS server while file descriptors are used up. Apart from the other tests, as it uses up those of its whole
//! process.

#[path = "support/fixture.rs"]
mod fixture;

use std::{fs::File, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use mesos_dns::{
    dns::{self, Carrier, Clients, ConnectionLimits, Exit, Shared},
    metrics::Metrics,
    publish::Board,
};
use mesos_dns_core::answer::{RateLimiter, Settings};
use mesos_dns_sim::client::{self, Query};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn idle_connections_go_and_accepting_recovers() {
    let (metrics, registry) = Metrics::new();
    let (outside, _handed_on) = tokio::sync::mpsc::channel(1);
    let shared = Arc::new(Shared {
        board: Arc::new(Board::new(fixture::policy(), fixture::soa())),
        settings: ArcSwap::from_pointee(Settings { idle: PATIENCE * 4, ..Settings::default() }),
        standing: Arc::default(),
        limiter: RateLimiter::new([0; 16]),
        exit: Exit::new((), outside),
        metrics: metrics.dns.clone(),
    });
    let mut sockets = dns::bind("127.0.0.1:0".parse().unwrap(), 1, Vec::new(), Vec::new()).unwrap();
    let address = sockets.address;
    let shutdown = CancellationToken::new();
    let clients = Arc::new(Clients::new(ConnectionLimits { connections: 1000, per_client: 1000 }, &shutdown));
    let listener = sockets.tcp.remove(0);
    let served = tokio::spawn(dns::serve_tcp(listener, Carrier::Plain, shared, clients, shutdown.clone()));

    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    ask(&mut idle).await;
    let mut taken = Vec::new();
    let cause = loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(cause) => break cause,
        }
    };
    assert_eq!(cause.kind(), io::Error::from_raw_os_error(24).kind(), "{cause}");
    // One for the client; none is left for the server, unless the idle connection gives up its own.
    taken.pop();
    let mut client = TcpStream::connect(address).await.unwrap();
    timeout(PATIENCE, ask(&mut client)).await.expect("an answer");
    assert_eq!(timeout(PATIENCE, idle.read(&mut [0])).await.expect("it was closed").unwrap_or(0), 0);
    assert!(metric(&registry, "dns_accept_errors_total") >= 1.0);
    assert_eq!(metric(&registry, "dns_connections_evicted_total"), 1.0);
    // With descriptors to be had, all is as before.
    drop(taken);
    ask(&mut TcpStream::connect(address).await.unwrap()).await;
    ask(&mut client).await;
    // A pause after each failure, not a busy loop.
    assert!(metric(&registry, "dns_accept_errors_total") < 100.0);
    shutdown.cancel();
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}

async fn ask(stream: &mut TcpStream) {
    let query = Query::new("a.mesos", domain::base::iana::Rtype::A).message(1).unwrap();
    stream.write_all(&client::framed(&query)).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply[3] & 15, 2, "no data yet");
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("mesos_dns_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}
