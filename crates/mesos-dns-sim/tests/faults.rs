//! Each fault shows as its row in the table says.

use std::{io, net::SocketAddr, time::Duration};

use axum::http::{StatusCode, header};
use mesos_dns_sim::{
    client,
    life::{self, Life},
    master::{Beat, Detour, Fault, Masters, Settings},
    render::Knowledge,
    subscriber::Subscriber,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const START: Duration = Duration::from_secs(1_700_000_000);

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time in which nothing must come.
const SILENCE: Duration = Duration::from_millis(200);

async fn masters() -> Masters {
    let (_, cluster) = Life::new(life::Settings { seed: 5, tasks: 100, churn: 0.0 }, START);
    let beat = Beat::Told { announced: Duration::from_secs(15) };
    Masters::start(cluster, Settings { ports: vec![0, 0], beat, ..Settings::default() }).await.unwrap()
}

async fn state(server: SocketAddr) -> Value {
    let response = client::http(server, "/state", &[]).await.unwrap();
    serde_json::from_slice(response.body()).unwrap()
}

async fn wait_for<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waited = timeout(PATIENCE, async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();
}

/// Asks for `/state` on a bare connection.
async fn ask(server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!("GET /state HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn kind(stream: &mut Subscriber) -> String {
    stream.event().await.unwrap().unwrap()["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_master_refuses_connections_and_takes_them_again() {
    let masters = masters().await;
    let server = masters.address(0);
    let mut stream = Subscriber::open(server).await.unwrap();
    masters.fault(0, Fault::Refuse);
    let refuses = || async {
        matches!(TcpStream::connect(server).await, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    };
    wait_for(refuses).await;
    // What stands goes on.
    assert_eq!(kind(&mut stream).await, "SUBSCRIBED");
    masters.fault(0, Fault::None);
    wait_for(|| async { TcpStream::connect(server).await.is_ok() }).await;
    assert_eq!(state(server).await["pid"], format!("master@{server}"));
}

#[tokio::test]
async fn connections_end_as_they_should() {
    let masters = masters().await;
    let server = masters.address(0);
    for (fault, expected) in [
        (Fault::Reset { after_bytes: 1000 }, Some(io::ErrorKind::ConnectionReset)),
        (Fault::Cut { after_bytes: 1000 }, None),
    ] {
        masters.fault(0, fault);
        let (mut stream, mut bytes) = (ask(server).await, Vec::new());
        let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
        assert_eq!(ended.map_err(|error| error.kind()).err(), expected, "{fault:?}");
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        assert!(head.is_none_or(|head| bytes.len() - head - 4 <= 1000), "{fault:?}");
    }
    masters.fault(0, Fault::HalfOpen { after_bytes: 1000 });
    let (mut stream, mut bytes) = (ask(server).await, Vec::new());
    timeout(SILENCE, stream.read_to_end(&mut bytes)).await.unwrap_err();
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert_eq!(bytes.len() - head - 4, 1000);
}

#[tokio::test]
async fn answers_have_the_status_and_are_right_again_when_they_should_be() {
    let masters = masters().await;
    let server = masters.address(0);
    for code in [401, 403, 404, 500, 503] {
        masters.fault_for(0, Fault::Status { code }, 2);
        for expected in [code, code, 200] {
            let response = client::http(server, "/state", &[]).await.unwrap();
            assert_eq!(response.status(), expected);
            let challenged = response.headers().contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(challenged, expected == 401);
        }
    }
    masters.fault(0, Fault::ContentType);
    let response = client::http(server, "/state", &[]).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html");
    serde_json::from_slice::<Value>(response.body()).unwrap();
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let masters = masters().await;
    let server = masters.address(0);
    for (to, location) in [
        (Detour::Itself, format!("//{server}/state?a=b")),
        (Detour::Loop, format!("//{server}/state?a=bx")),
        (Detour::Unresolvable, format!("//leader.invalid:{}/state?a=b", server.port())),
        (Detour::Https, format!("https://{server}/state?a=b")),
    ] {
        masters.fault(0, Fault::Redirect { to });
        let response = client::http(server, "/state?a=b", &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.headers()[header::LOCATION], location);
    }
}

#[tokio::test]
async fn compressed_bodies_are_damaged_or_far_too_large() {
    use std::io::Read;

    let masters = masters().await;
    let server = masters.address(0);
    masters.fault(0, Fault::GzipBroken);
    let response = client::http(server, "/state", &[]).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    flate2::read::GzDecoder::new(&response.body()[..]).read_to_end(&mut Vec::new()).unwrap_err();

    masters.fault(0, Fault::GzipBomb);
    let response = client::http(server, "/state", &[]).await.unwrap();
    let wire = response.body().len();
    assert!(wire < 64 * 1024 * 1024, "{wire}");
    let mut unpacked = flate2::read::GzDecoder::new(&response.body()[..]).take(wire as u64 * 20);
    let mut bytes = vec![0; 1 << 20];
    while let length @ 1.. = unpacked.read(&mut bytes).unwrap() {
        assert!(bytes[..length].iter().all(|byte| *byte == b' '));
    }
    assert_eq!(unpacked.limit(), 0, "it unpacks to at least twenty times its size");
}

#[tokio::test]
async fn documents_lie() {
    let masters = masters().await;
    let server = masters.address(0);
    masters.fault(0, Fault::EmptyState);
    let empty = state(server).await;
    for list in ["slaves", "recovered_slaves", "frameworks"] {
        assert_eq!(empty[list], Value::Array(Vec::new()), "{list}");
    }
    masters.fault(0, Fault::LyingLeader);
    let lying = state(server).await;
    assert_eq!(lying["pid"], format!("master@{server}"));
    assert_eq!(lying["leader"], format!("master@{}", masters.address(1)));
    let by = Duration::from_secs(3600);
    masters.elect(0, Knowledge::Everything, START);
    masters.fault(0, Fault::ClockAhead { by });
    assert_eq!(state(server).await["elected_time"], (START + by).as_secs_f64());
}

#[tokio::test]
async fn faults_reach_streams_under_way() {
    let masters = masters().await;
    let server = masters.address(0);
    let later = START + Duration::from_secs(1);
    let mut stream = Subscriber::open(server).await.unwrap();
    assert_eq!(kind(&mut stream).await, "SUBSCRIBED");
    assert_eq!(kind(&mut stream).await, "HEARTBEAT");
    masters.fault(0, Fault::NoHeartbeat);
    masters.beat();
    masters.change(|cluster| cluster.rename_framework(0, "a"));
    assert_eq!(kind(&mut stream).await, "FRAMEWORK_UPDATED");
    masters.fault(0, Fault::CloseAfter { events: 2 });
    masters.change(|cluster| cluster.rename_framework(0, "b"));
    masters.change(|cluster| cluster.add_agent(later));
    masters.change(|cluster| cluster.add_agent(later));
    assert_eq!(kind(&mut stream).await, "FRAMEWORK_UPDATED");
    assert_eq!(kind(&mut stream).await, "AGENT_ADDED");
    assert_eq!(stream.event().await.unwrap(), None);

    masters.fault(0, Fault::None);
    let mut stream = Subscriber::open(server).await.unwrap();
    assert_eq!(kind(&mut stream).await, "SUBSCRIBED");
    assert_eq!(kind(&mut stream).await, "HEARTBEAT");
    masters.fault(0, Fault::HalfOpen { after_bytes: 0 });
    masters.change(|cluster| cluster.rename_framework(0, "c"));
    masters.beat();
    timeout(SILENCE, stream.record()).await.unwrap_err();
    // Whoever was cut off stays so.
    masters.fault(0, Fault::None);
    masters.beat();
    timeout(SILENCE, stream.record()).await.unwrap_err();
}

#[tokio::test]
async fn streams_begin_wrong() {
    let masters = masters().await;
    let server = masters.address(0);
    masters.fault(0, Fault::NoSubscribed);
    let mut stream = Subscriber::open(server).await.unwrap();
    assert_eq!(kind(&mut stream).await, "HEARTBEAT");
    masters.fault(0, Fault::SplitNumber);
    let mut stream = Subscriber::open(server).await.unwrap();
    assert_eq!(kind(&mut stream).await, "SUBSCRIBED");
    masters.fault(0, Fault::Cut { after_bytes: 5000 });
    let mut stream = Subscriber::open(server).await.unwrap();
    stream.event().await.unwrap_err();
    masters.fault(0, Fault::Drip { every: Duration::ZERO });
    let mut stream = Subscriber::open(server).await.unwrap();
    assert_eq!(kind(&mut stream).await, "SUBSCRIBED");
    masters.fault(0, Fault::Silent);
    let asked = Subscriber::open(server);
    assert!(timeout(SILENCE, asked).await.is_err());
}

#[tokio::test]
async fn an_update_can_be_very_large() {
    let masters = masters().await;
    masters.fault(0, Fault::BigData);
    let mut stream = Subscriber::open(masters.address(0)).await.unwrap();
    let event = stream.until("TASK_UPDATED").await.unwrap();
    assert!(event["task_updated"]["status"]["data"].as_str().unwrap().len() > 5_000_000);
}
