//! What a good client gets while junk arrives at several times what a server can do.
//!
//! The good client has a network of its own and stays below the limit of answers; the junk comes from other networks.
//! Whatever the kernel drops because the socket's buffer is full is dropped blindly, so the good client's share of
//! it is that of all.

use std::{fs, path::Path, time::Duration};

use mesos_dns_sim::bench::{
    figures::{Figures, Millis},
    junk::Junk,
    process::{Process, Queue},
    table::Table,
};

use crate::{
    drive::{Transport, round},
    latency::{CAPACITY_SECONDS, start},
    master::on_load,
    queries::Queries,
    servers::{ECHO, Server, Servers},
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
    let (kind, port) = (junk.to_string(), server.port.to_string());
    let (rate, seconds) = ((capacity * TIMES).to_string(), SECONDS.to_string());
    let before = dropped(server.port);
    let arguments = on_load(&["junk", &kind, &port, &rate, &seconds])?;
    let (_process, mut lines) = Process::talk(Path::new("taskset"), &arguments, Queue::Middle)?;
    lines.hear("begun")?;
    let asked = start(server, queries, GOOD_RATE, SECONDS - 2, GOOD_FROM)?.end()?;
    let sent: f64 = lines.hear("sent")?.parse()?;
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

/// Datagrams to this port of loopback for which there was no room so far (`proc(5)`, `/proc/net/udp`).
fn dropped(port: u16) -> u64 {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let own = format!("0100007F:{port:04X}");
    let lines = text.lines().filter(|line| line.split_whitespace().nth(1) == Some(&own));
    lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}
