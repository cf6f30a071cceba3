//! How long answers take, over UDP: at half of what each server can do, and ours while much is swapped.

use std::{path::Path, thread, time::Duration};

use anyhow::ensure;
use mesos_dns_sim::{
    bench::{
        figures::{Figures, Millis},
        load::{Asked, Load},
        table::Table,
    },
    clock,
};

use crate::{
    Bench,
    drive::{Transport, usual_round},
    master::on_load,
    queries::Queries,
    servers::{OURS, Server},
};

/// Seconds in which it is seen what a server can do.
pub(crate) const CAPACITY_SECONDS: u32 = 2;

/// Seconds of a load.
const SECONDS: u32 = 6;

/// Queries per second while much is swapped.
const SWAP_RATE: u32 = 10_000;

/// How often that happens, and the time between: a stream that ends sooner is not begun again at once.
const SWAPS: usize = 4;
const APART: Duration = Duration::from_secs(16);

/// Changes that come at once: each takes or adds some eighteen records.
const SWAP_CHANGES: usize = 5600;

/// Share of a processor that answering takes meanwhile; whoever uses more is busy otherwise.
const ANSWERING: f64 = 0.35;

/// The head of what [`row`] makes.
pub(crate) const HEAD: &[&str] =
    &["server", "meanwhile", "queries/s", "p50", "p99", "p99.9", "max", "unanswered, %", "asked late, p99.9"];

pub(crate) fn at_half(bench: &mut Bench<'_>, queries: &Queries, table: &mut Table) -> anyhow::Result<()> {
    let Bench { servers, master, .. } = bench;
    for server in &servers.all {
        let capacity = usual_round(server, master, queries, Transport::Udp, CAPACITY_SECONDS)?.per_second;
        let rate = (capacity / 2.0) as u32;
        let load = start(server, queries, rate, SECONDS, "127.0.0.1")?;
        if server.name == OURS {
            master.change(SECONDS)?;
            master.changed()?;
        }
        table.add(row(server.name, "half load", rate, load.end()?.iter()));
    }
    Ok(())
}

/// Answers while 100,000 records are swapped, and while nothing happens in between.
pub(crate) fn while_swapping(
    bench: &mut Bench<'_>,
    queries: &Queries,
    table: &mut Table,
) -> anyhow::Result<()> {
    ensure!(bench.master.is_live(), "a document cannot change: leave --document out");
    let ours = bench.servers.ours()?;
    let load = start(ours, queries, SWAP_RATE, APART.as_secs() as u32 * SWAPS as u32, "127.0.0.1")?;
    let (mut swaps, mut rests) = (Vec::new(), Vec::new());
    for _ in 0..SWAPS {
        bench.master.keep_secret(SWAP_CHANGES)?;
        ours.process().settle(ANSWERING)?;
        let began = bench.master.begin_anew()?;
        ours.process().settle(ANSWERING)?;
        let ended = clock::now();
        swaps.push((began, ended));
        thread::sleep((began + APART).saturating_sub(ended));
        rests.push((ended + Duration::from_secs(1), clock::now()));
    }
    let asked = load.end()?;
    let within = |windows: &[(Duration, Duration)], one: &&Asked| {
        windows.iter().any(|(from, until)| (*from..*until).contains(&one.at))
    };
    let seconds: Duration = swaps.iter().map(|(from, until)| *until - *from).sum();
    let swap = format!("a swap, {:.1} s", seconds.as_secs_f64() / SWAPS as f64);
    for (title, windows) in [("nothing", &rests), (&swap, &swaps)] {
        let asked: Vec<&Asked> = asked.iter().filter(|one| within(windows, one)).collect();
        ensure!(!asked.is_empty(), "nothing was asked meanwhile");
        table.add(row(ours.name, title, SWAP_RATE, asked.into_iter()));
    }
    Ok(())
}

/// Asks from an address of loopback, at this rate.
pub(crate) fn start(
    server: &Server,
    queries: &Queries,
    rate: u32,
    seconds: u32,
    from: &str,
) -> anyhow::Result<Load> {
    let file = queries.file.display().to_string();
    let (port, rate, seconds) = (server.port.to_string(), rate.to_string(), seconds.to_string());
    let arguments = on_load(&["load", from, &port, &rate, &seconds, &file])?;
    Ok(Load::start(Path::new("taskset"), &arguments)?)
}

fn row<'a>(
    name: &str,
    meanwhile: &str,
    rate: u32,
    asked: impl ExactSizeIterator<Item = &'a Asked> + Clone,
) -> Vec<String> {
    let took: Figures = asked.clone().filter_map(|one| one.took).collect();
    let unanswered = (asked.len() - took.len()) as f64 / asked.len() as f64;
    let late: Figures = asked.map(|one| one.late).collect();
    let mut row = vec![name.to_owned(), meanwhile.to_owned(), rate.to_string()];
    row.extend([500, 990, 999, 1000].map(|share| Millis(took.per_mille(share)).to_string()));
    row.extend([format!("{:.2}", unanswered * 100.0), Millis(late.per_mille(999)).to_string()]);
    row
}
