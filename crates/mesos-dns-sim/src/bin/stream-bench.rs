//! How large a cluster the simulator can show, and what that costs: `stream-bench [TASKS [STREAMS]]`.
//!
//! A cluster is made, then read over loopback as `/state` and as so many streams at once, whose snapshots are
//! thrown away as they come. Memory is what the kernel says of this process; what grows while streams are open is what
//! they cost. Afterwards everything in the cluster comes back to a new leader, event by event.

use std::{
    env, fs, io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use mesos_dns_sim::{
    clock,
    life::{self, Life},
    master::{Beat, Masters, Settings},
    render::Knowledge,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let (tasks, streams) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(2));
    let began = Instant::now();
    let (_, cluster) = Life::new(life::Settings { seed: 1, tasks, churn: 0.0 }, clock::now());
    let agents = cluster.agents.len();
    println!(
        "{tasks} tasks on {agents} agents made in {:.1} s, {} MiB",
        began.elapsed().as_secs_f64(),
        memory("VmRSS")
    );
    let beat = Beat::Told { announced: Duration::from_secs(15) };
    let masters =
        Masters::start(cluster, Settings { ports: vec![0, 0], beat, ..Settings::default() }).await?;

    read(masters.address(0), "GET /state", "", "/state").await?;
    println!("memory {} MiB, at most {} MiB", memory("VmRSS"), memory("VmHWM"));
    let mut readers = JoinSet::new();
    for stream in 0..streams {
        let server = masters.address(0);
        readers.spawn(async move { subscribe(server, &format!("stream {stream}")).await });
    }
    while let Some(read) = readers.join_next().await {
        read??;
    }
    println!("memory {} MiB, at most {} MiB", memory("VmRSS"), memory("VmHWM"));

    masters.elect(1, Knowledge::Agents(0), clock::now());
    let server = masters.address(1);
    let returning = tokio::spawn(async move { subscribe(server, "the new leader's stream").await });
    while masters.subscribers() == 0 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let steps = 100;
    for step in 1..=steps {
        masters.agents_back((step - 1) * agents / steps..step * agents / steps);
        tokio::task::yield_now().await;
    }
    println!("all agents told in {:.1} s; memory {} MiB", began.elapsed().as_secs_f64(), memory("VmRSS"));
    masters.evict();
    returning.await??;
    println!("memory {} MiB, at most {} MiB", memory("VmRSS"), memory("VmHWM"));
    Ok(())
}

async fn subscribe(server: SocketAddr, name: &str) -> io::Result<()> {
    let body = r#"{"type":"SUBSCRIBE"}"#;
    read(server, "POST /api/v1", body, name).await
}

/// Sends a request and reads to the end: of the answer, of the connection, or of a snapshot.
async fn read(server: SocketAddr, line: &str, body: &str, name: &str) -> io::Result<()> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server).await?;
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await?;
    let (mut bytes, mut first, mut buffer) = (0, None, vec![0; READ_BYTES]);
    loop {
        let length = stream.read(&mut buffer).await?;
        bytes += length;
        first.get_or_insert_with(|| began.elapsed());
        let beats = buffer[..length].windows(12).any(|window| window == br#""HEARTBEAT"}"#);
        let snapshot = beats && name.starts_with("stream");
        if length == 0 || snapshot {
            break;
        }
    }
    println!(
        "{name}: {:.1} MB in {:.1} s, the first byte after {:.1} s",
        bytes as f64 / 1e6,
        began.elapsed().as_secs_f64(),
        first.unwrap_or_default().as_secs_f64(),
    );
    Ok(())
}

/// A line of this process's status, in MiB.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kibibytes = found.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or_default() / 1024
}
