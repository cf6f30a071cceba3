//! The running program, measured while a simulated master tells it of changes: `live-bench PATH-OF-MESOS-DNS`.
//!
//! For each size of cluster: from start to the first answer; memory, beside Knot's for the same zone; from an event on
//! the stream to the answer that shows it; processor time per change; how long answers take while much changes. The
//! program, the master and whoever asks are processes of their own, on loopback.

mod answers;
mod changes;
mod memory;
mod rig;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use mesos_dns_sim::bench::{
    feed, load,
    question::query,
    table::{self, Table},
};

use rig::Rig;

/// Measures a running mesos-dns.
#[derive(Parser)]
#[command(name = "live-bench", args_conflicts_with_subcommands = true)]
struct Args {
    /// The program to measure, a release build
    #[arg(required = true)]
    program: Option<PathBuf>,
    /// Sizes of the cluster; 1000000 needs 12 GB and takes minutes
    #[arg(long, value_name = "TASKS", value_delimiter = ',', default_values_t = [10_000, 100_000])]
    sizes: Vec<usize>,
    /// What to measure
    #[arg(long, value_name = "PARTS", value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Starts per size
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement of changes and answers
    #[arg(long, value_name = "N", default_value_t = 20)]
    seconds: u32,
    /// Queries per second
    #[arg(long, value_name = "N", default_value_t = 5000)]
    load: u32,
    #[command(subcommand)]
    part: Option<Process>,
}

/// Parts of the measurement. A start is always made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Memory,
    Changes,
    Processor,
    Answers,
}

/// What runs in a process of its own.
#[derive(Subcommand)]
enum Process {
    /// The master
    #[command(hide = true)]
    Master { tasks: usize },
    /// The load
    #[command(hide = true)]
    Load { port: u16, rate: u32, seconds: f64, names: Vec<String> },
}

impl Part {
    const ALL: [Self; 4] = [Self::Memory, Self::Changes, Self::Processor, Self::Answers];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// The same cluster every time.
const SEED: u64 = 7;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match &args.part {
        Some(Process::Master { tasks }) => Ok(feed::run(*tasks, SEED)?),
        Some(Process::Load { port, rate, seconds, names }) => {
            let (here, queries) = (IpAddr::from(Ipv4Addr::LOCALHOST), names.iter().map(|name| query(name)));
            let queries: Vec<Vec<u8>> = queries.collect();
            let time = Duration::from_secs_f64(*seconds);
            let asked = load::run(here, (here, *port).into(), &queries, *rate, time)?;
            Ok(load::write(&asked, &mut io::stdout().lock())?)
        }
        None => measure(&args),
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let program = args.program.as_ref().context("which program?")?;
    println!("{}\n", table::machine());
    let mut tables =
        [memory::starts(), memory::table(), changes::table(), changes::costs(), answers::table()];
    for tasks in &args.sizes {
        let mut rig = Rig::new(program, *tasks)?;
        let daemon = memory::start(&mut rig, args.rounds, &mut tables[0])?;
        if args.parts.contains(&Part::Memory) {
            memory::measure(&mut rig, &daemon, &mut tables[1])?;
        }
        if args.parts.contains(&Part::Changes) {
            changes::measure(&mut rig, args.seconds, &mut tables[2])?;
        }
        if args.parts.contains(&Part::Processor) {
            changes::processor(&mut rig, &daemon, args.seconds, &mut tables[3])?;
        }
        if args.parts.contains(&Part::Answers) {
            answers::measure(&mut rig, &daemon, args, &mut tables[4])?;
        }
    }
    tables.iter().filter(|table| !table.is_empty()).for_each(Table::print);
    Ok(())
}
