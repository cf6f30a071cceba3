//! More than a server can answer: how much it answers then, and what a good client gets while it is junk.
//!
//! The good client has a network of its own and stays below the limit of answers; the junk comes from other networks.
//! Whatever the kernel drops because the socket's buffer is full is dropped blindly, so the good client's share of
//! it is that of all.

use std::{fs, path::Path, time::Duration};

use mesos_dns_sim::bench::{
    figures::{Figures, Millis},
    junk::Junk,
    process::{Lines, Process, Queue},
    table::Table,
};

use crate::{
    drive::{Transport, round},
    latency::{CAPACITY_SECONDS, start},
    master::on_load,
    queries::Queries,
    servers::{ECHO, KNOT, Server, Servers},
};

/// Answers that a network is sent in a second, as shipped.
pub(crate) const LIMIT: u32 = 200;

/// The good client: where it is, and what it asks for in a second.
const GOOD_FROM: &str = "127.9.9.9";
const GOOD_RATE: u32 = 150;

/// How much junk, in what the server can do.
const TIMES: f64 = 4.0;

/// Seconds of junk; the good client asks a second less.
const SECONDS: u32 = 6;

/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Queries per second that nobody here can answer.
const TOO_MANY: f64 = 1_000_000.0;

pub(crate) const CAPACITY_HEAD: &[&str] =
    &["server", "arrive/s", "answered/s", "to Knot", "CPU per query, us", "to echo", "to Knot"];

pub(crate) const HEAD: &[&str] = &[
    "server",
    "junk",
    "capacity, queries/s",
    "junk/s",
    "junk to capacity",
    "dropped by the kernel, %",
    "good asked",
    "good answered within 1 s, %",
    "good p50, ms",
    "p99",
];

/// How much each answers while more arrives than it can answer: what the kernel does not drop. Here the load generator
/// is at no end, as it reads no replies.
pub(crate) fn capacity(servers: &Servers, queries: &Queries, table: &mut Table) -> anyhow::Result<()> {
    let file = queries.file.display().to_string();
    let mut all = Vec::new();
    for server in &servers.all {
        let (before, dropped_before) = (server.processor()?, dropped(server.port));
        let mut flood = Flood::start(server, TOO_MANY, &["--queries", &file])?;
        let sent = flood.end()?;
        let answered = sent - (dropped(server.port) - dropped_before) as f64;
        let used = server.processor()? - before;
        all.push((server.name, sent, answered, used.as_secs_f64() * 1e6 / answered));
    }
    let of = |name: &str| all.iter().find(|(server, ..)| *server == name);
    let ratio =
        |mine: f64, other: Option<f64>| other.map_or("-".to_owned(), |other| format!("{:.2}", mine / other));
    let seconds = f64::from(SECONDS);
    for (name, sent, answered, micros) in &all {
        table.add(vec![
            (*name).to_owned(),
            format!("{:.0}", sent / seconds),
            format!("{:.0}", answered / seconds),
            ratio(*answered, of(KNOT).map(|knot| knot.2)),
            format!("{micros:.2}"),
            ratio(*micros, of(ECHO).map(|echo| echo.3)),
            ratio(*micros, of(KNOT).map(|knot| knot.3)),
        ]);
    }
    Ok(())
}

/// `unlimited` are the same servers without a limit, for what they can do.
pub(crate) fn measure(
    unlimited: &Servers,
    servers: &Servers,
    queries: &Queries,
    table: &mut Table,
) -> anyhow::Result<()> {
    for (server, free) in servers.all.iter().zip(&unlimited.all).filter(|(server, _)| server.name != ECHO) {
        let capacity = round(free, queries, Transport::Udp, CAPACITY_SECONDS, || Ok(()))?.per_second;
        for junk in Junk::ALL {
            table.add(flood(server, queries, junk, capacity)?);
        }
    }
    Ok(())
}

fn flood(server: &Server, queries: &Queries, junk: Junk, capacity: f64) -> anyhow::Result<Vec<String>> {
    let kind = junk.to_string();
    let before = dropped(server.port);
    let mut flood = Flood::start(server, capacity * TIMES, &[&kind])?;
    let asked = start(server, queries, GOOD_RATE, SECONDS - 2, GOOD_FROM)?.end()?;
    let sent = flood.end()?;
    let lost = (dropped(server.port) - before) as f64 / sent;
    let took: Figures = asked.iter().filter_map(|one| one.took).filter(|took| *took <= PATIENCE).collect();
    let per_second = sent / f64::from(SECONDS);
    Ok(vec![
        server.name.to_owned(),
        kind,
        format!("{capacity:.0}"),
        format!("{per_second:.0}"),
        format!("{:.1}", per_second / capacity),
        format!("{:.1}", lost * 100.0),
        asked.len().to_string(),
        format!("{:.1}", took.len() as f64 / asked.len() as f64 * 100.0),
        Millis(took.median()).to_string(),
        Millis(took.per_mille(990)).to_string(),
    ])
}

/// A flood that comes from a process of its own.
struct Flood {
    lines: Lines,
    _process: Process,
}

impl Flood {
    /// Begins to send, so many messages each second.
    fn start(server: &Server, rate: f64, what: &[&str]) -> anyhow::Result<Self> {
        let (port, rate, seconds) = (server.port.to_string(), rate.to_string(), SECONDS.to_string());
        let arguments = on_load(&[&["flood", &port, &rate, &seconds], what].concat())?;
        let (process, mut lines) = Process::talk(Path::new("taskset"), &arguments, Queue::Middle)?;
        lines.hear("begun")?;
        Ok(Self { lines, _process: process })
    }

    /// Waits for its end; returns how many messages were sent.
    fn end(&mut self) -> anyhow::Result<f64> {
        Ok(self.lines.hear("sent")?.parse()?)
    }
}

/// Datagrams to this port of loopback for which there was no room so far (`proc(5)`, `/proc/net/udp`).
fn dropped(port: u16) -> u64 {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let own = format!("0100007F:{port:04X}");
    let lines = text.lines().filter(|line| line.split_whitespace().nth(1) == Some(&own));
    lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}
