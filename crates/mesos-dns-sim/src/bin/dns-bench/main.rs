//! Answers side by side: `dns-bench PATH-OF-MESOS-DNS`.
//!
//! A datagram echo, Knot, NSD and mesos-dns serve one zone at the same time, each with one worker on one processor.
//! dnsperf on another asks each in turn, round by round. What differs between two of them is theirs: what the machine
//! does meanwhile happens to all. The zone is what `mesos-dns dump` writes.

mod compare;
mod drive;
mod queries;
mod servers;

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use mesos_dns_sim::bench::{
    document, echo,
    table::{self, Table},
};

use drive::{Driven, Transport};
use queries::Queries;
use servers::Servers;

/// Measures mesos-dns beside other servers.
#[derive(Parser)]
#[command(name = "dns-bench", args_conflicts_with_subcommands = true)]
struct Args {
    /// The program to measure, a release build
    #[arg(required = true)]
    program: Option<PathBuf>,
    /// Sizes of the simulated cluster
    #[arg(long, value_name = "TASKS", value_delimiter = ',', default_values_t = [10_000, 100_000])]
    sizes: Vec<usize>,
    /// A state document to take instead
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// How to ask
    #[arg(long, value_name = "TRANSPORTS", value_delimiter = ',', default_values_t = Transport::ALL)]
    transports: Vec<Transport>,
    /// Rounds; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds per round and server
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    #[command(subcommand)]
    part: Option<Process>,
}

/// What runs in a process of its own.
#[derive(Subcommand)]
enum Process {
    /// The master
    #[command(hide = true)]
    Master { document: PathBuf },
    /// The echo
    #[command(hide = true)]
    Echo { address: SocketAddr },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match &args.part {
        Some(Process::Master { document }) => document::serve(&fs::read(document)?),
        Some(Process::Echo { address }) => echo::run(*address)?,
        None => measure(&args)?,
    }
    Ok(())
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let program = args.program.as_ref().context("which program?")?;
    println!("{}\n", table::machine());
    let folder = env::temp_dir().join(format!("dns-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measured = match &args.document {
        Some(document) => measure_document(args, program, &folder, document, "given"),
        None => args.sizes.iter().try_for_each(|tasks| {
            let file = folder.join("state.json");
            fs::write(&file, document::write(*tasks))?;
            measure_document(args, program, &folder, &file, &tasks.to_string())
        }),
    };
    _ = fs::remove_dir_all(folder);
    measured
}

fn measure_document(
    args: &Args,
    program: &Path,
    folder: &Path,
    document: &Path,
    tasks: &str,
) -> anyhow::Result<()> {
    let zone = servers::dump(program, document, folder)?;
    let servers = Servers::start(program, document, folder, &zone)?;
    for queries in Queries::of(&zone, folder)? {
        let (compared, differing) = compare::compare(&servers, &queries)?;
        println!("{tasks} tasks, {}: {compared} answers compared with Knot's\n", queries.title);
        ensure!(differing.is_empty(), "answers differ from Knot's: {differing:#?}");
        for transport in &args.transports {
            let driven = drive::drive(&servers, &queries, *transport, args.rounds, args.seconds)?;
            let title = format!("{tasks} tasks, {}, {transport}", queries.title);
            tell(title, &servers, &driven)?;
        }
    }
    Ok(())
}

fn tell(title: String, servers: &Servers, driven: &[Option<Driven>]) -> anyhow::Result<()> {
    let mut table = Table::new(
        title,
        &[
            "server",
            "queries/s",
            "CPU per query, us",
            "to echo",
            "to Knot",
            "queries/s to Knot",
            "resident, MiB",
            "lost, %",
        ],
    );
    let of = |name: &str| {
        servers.all.iter().zip(driven).find(|(server, _)| server.name == name).and_then(|(_, driven)| *driven)
    };
    let (echo, knot) = (of(servers::ECHO), of(servers::KNOT));
    for (server, driven) in servers.all.iter().zip(driven) {
        let Some(driven) = driven else { continue };
        let ratio = |to: Option<f64>, mine: f64| to.map_or("-".to_owned(), |to| format!("{:.2}", mine / to));
        table.add(vec![
            server.name.to_owned(),
            format!("{:.0}", driven.per_second),
            format!("{:.2}", driven.micros),
            ratio(echo.map(|echo| echo.micros), driven.micros),
            ratio(knot.map(|knot| knot.micros), driven.micros),
            ratio(knot.map(|knot| knot.per_second), driven.per_second),
            format!("{:.0}", server.resident()?),
            format!("{:.2}", driven.lost),
        ]);
    }
    table.print();
    Ok(())
}
