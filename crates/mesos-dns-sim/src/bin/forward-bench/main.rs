//! Forwarders side by side: `forward-bench PATH-OF-MESOS-DNS`.
//!
//! mesos-dns, Unbound and dnsmasq forward to the same simulated upstream, each with one worker on the first processor;
//! the load and the upstream are on the second. Rounds are interleaved, so that what the machine does meanwhile happens
//! to all. Whether a name was asked of the upstream, the upstream says: a server without a cache shows as one that asks
//! for everything.

mod burst;
mod cluster;
mod dead;
mod dnsperf;
mod flood;
mod hits;
mod misses;
mod rig;

use std::{
    env, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use mesos_dns_sim::{
    bench::{document, load, question, table},
    upstream::{Scene, Settings, Upstream, talk},
};

use rig::Rig;

/// Measures mesos-dns as a forwarder beside others.
#[derive(Parser)]
#[command(name = "forward-bench", args_conflicts_with_subcommands = true)]
struct Args {
    /// The program to measure, a release build
    #[arg(required = true)]
    program: Option<PathBuf>,
    /// What to measure
    #[arg(long, value_name = "PARTS", value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Rounds; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds per round and server
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    /// Distinct names of the flood
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    names: usize,
    /// Tasks of the cluster
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    tasks: usize,
    #[command(subcommand)]
    process: Option<Process>,
}

/// One part of the measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Names that are known: queries per second, and processor time for each
    Hits,
    /// Names that are not: what that adds to the time the upstream takes
    Misses,
    /// Many equal questions at once: how often the upstream is asked
    Burst,
    /// The first server is dead: how long answers take
    Dead,
    /// A flood of distinct names: what becomes of popular ones, of memory and sockets
    Flood,
    /// Names of the cluster while the forwarder has a hard time; mesos-dns only
    Cluster,
}

impl Part {
    const ALL: [Self; 6] = [Self::Hits, Self::Misses, Self::Burst, Self::Dead, Self::Flood, Self::Cluster];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// What runs in a process of its own.
#[derive(Subcommand)]
enum Process {
    /// The master
    #[command(hide = true)]
    Master { document: PathBuf },
    /// The upstream
    #[command(hide = true)]
    Upstream,
    /// So many queries a second for the names on standard input
    #[command(hide = true)]
    Load { port: u16, rate: u32, seconds: f64 },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match &args.process {
        Some(Process::Master { document }) => document::serve(&fs::read(document)?),
        Some(Process::Upstream) => upstream()?,
        Some(Process::Load { port, rate, seconds }) => {
            let queries = io::stdin().lines().map(|name| Ok(question::query(&name?)));
            let queries: Vec<Vec<u8>> = queries.collect::<io::Result<_>>()?;
            let (here, time) = (IpAddr::from(Ipv4Addr::LOCALHOST), Duration::from_secs_f64(*seconds));
            let asked = load::run(here, (here, *port).into(), &queries, *rate, time)?;
            load::write(&asked, &mut io::stdout())?;
        }
        None => measure(&args)?,
    }
    Ok(())
}

fn upstream() -> anyhow::Result<()> {
    let upstream = Upstream::start_with(&Scene::ordinary(), Settings { keep: 0, ..Settings::default() })?;
    let address: SocketAddr = upstream.address();
    println!("port {}", address.port());
    Ok(talk(&upstream, io::stdin().lock(), io::stdout())?)
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let program = args.program.as_ref().context("which program?")?;
    println!("{}\n", table::machine());
    let folder = env::temp_dir().join(format!("forward-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measured = measure_in(&folder, program, args);
    _ = fs::remove_dir_all(folder);
    measured
}

fn measure_in(folder: &Path, program: &Path, args: &Args) -> anyhow::Result<()> {
    let mut rig = Rig::new(folder, program, args.tasks)?;
    for part in &args.parts {
        match part {
            Part::Hits => hits::measure(&mut rig, args.rounds, args.seconds)?,
            Part::Misses => misses::measure(&mut rig, args.rounds, args.seconds)?,
            Part::Burst => burst::measure(&mut rig, args.rounds)?,
            Part::Dead => dead::measure(&rig)?,
            Part::Flood => flood::measure(&mut rig, args.names)?,
            Part::Cluster => cluster::measure(&mut rig, args.rounds, args.seconds)?,
        }
    }
    Ok(())
}
