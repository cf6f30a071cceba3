//! Answers side by side: `dns-bench PATH-OF-MESOS-DNS`.
//!
//! A datagram echo, Knot, NSD and mesos-dns serve one zone at the same time, each with one worker on one processor.
//! dnsperf on another asks each in turn, round by round. What differs between two of them is theirs: what the machine
//! does meanwhile happens to all. The zone is what `mesos-dns dump` writes; ours follows the stream of a master that
//! tells it of 100 changes a second while it is asked. The parts besides each stand in a file of their own.

mod compare;
mod drive;
mod flood;
mod instructions;
mod latency;
mod master;
mod queries;
mod reload;
mod servers;

use std::{
    env, fmt, fs, io,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use mesos_dns_sim::bench::{
    document, echo, feed,
    junk::{self, Junk},
    load,
    rivals::Identity,
    table::{self, Table},
};

use drive::{Driven, Transport};
use master::Master;
use queries::Queries;
use servers::{Servers, Setup};

/// Measures mesos-dns beside other servers.
#[derive(Parser)]
#[command(name = "dns-bench", args_conflicts_with_subcommands = true)]
struct Args {
    /// The program to measure, a release build
    #[arg(required = true)]
    program: Option<PathBuf>,
    /// Sizes of the simulated cluster, the smallest first
    #[arg(long, value_name = "TASKS", value_delimiter = ',', default_values_t = [10_000, 100_000])]
    sizes: Vec<usize>,
    /// A state document to take instead; then nothing changes
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// What to measure: flood and instructions with the first size only, streams, latency, reload and swap with the last
    #[arg(long, value_name = "PARTS", value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// How to ask
    #[arg(long, value_name = "TRANSPORTS", value_delimiter = ',', default_values_t = Transport::ALL)]
    transports: Vec<Transport>,
    /// Rounds; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Seconds per round and server
    #[arg(long, value_name = "N", default_value_t = 3)]
    seconds: u32,
    #[command(subcommand)]
    part: Option<Process>,
}

/// Parts of the measurement. Some answers are always compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Answers,
    Capacity,
    Latency,
    Swap,
    Reload,
    Flood,
    Instructions,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Answers,
        Self::Capacity,
        Self::Latency,
        Self::Swap,
        Self::Reload,
        Self::Flood,
        Self::Instructions,
    ];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// What runs in a process of its own.
#[derive(Subcommand)]
enum Process {
    /// The master of a document
    #[command(hide = true)]
    Master { document: PathBuf },
    /// The master of a simulated cluster
    #[command(hide = true)]
    Feed { tasks: usize },
    /// The echo
    #[command(hide = true)]
    Echo { address: SocketAddr },
    /// Queries at a steady rate
    #[command(hide = true)]
    Load { from: IpAddr, port: u16, rate: u32, seconds: f64, queries: PathBuf },
    /// Junk, or more queries than can be answered
    #[command(hide = true)]
    Flood {
        port: u16,
        rate: f64,
        seconds: f64,
        kind: Option<Junk>,
        #[arg(long)]
        queries: Option<PathBuf>,
    },
}

/// What is measured.
struct Bench<'a> {
    program: &'a Path,
    folder: &'a Path,
    zone: &'a Path,
    servers: &'a Servers,
    master: &'a mut Master,
}

/// The same cluster every time.
const SEED: u64 = 7;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match &args.part {
        Some(process) => process.run(),
        None => measure(&args),
    }
}

impl Process {
    fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Master { document } => document::serve(&fs::read(document)?),
            Self::Feed { tasks } => feed::run(*tasks, SEED)?,
            Self::Echo { address } => echo::run(*address)?,
            Self::Load { from, port, rate, seconds, queries } => {
                let server = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                let time = Duration::from_secs_f64(*seconds);
                let asked = load::run(*from, server, &queries::read(queries)?, *rate, time)?;
                load::write(&asked, &mut io::stdout().lock())?;
            }
            Self::Flood { port, rate, seconds, kind, queries } => {
                let messages = match queries {
                    Some(queries) => queries::read(queries)?,
                    None => kind.context("what?")?.messages(),
                };
                println!("begun");
                io::stdout().flush()?;
                println!("sent {}", junk::run(messages, *port, *rate, Duration::from_secs_f64(*seconds))?);
            }
        }
        Ok(())
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let program = args.program.as_ref().context("which program?")?;
    println!("{}\n", table::machine());
    let folder = env::temp_dir().join(format!("dns-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measured = match &args.document {
        Some(document) => Master::still(document)
            .and_then(|master| measure_one(args, program, &folder, master, "given", &args.parts)),
        None => args.sizes.iter().enumerate().try_for_each(|(number, tasks)| {
            let (is_first, is_last) = (number == 0, number + 1 == args.sizes.len());
            let wanted = |part: &&Part| match part {
                Part::Answers | Part::Capacity => true,
                Part::Flood | Part::Instructions => is_first,
                Part::Latency | Part::Reload | Part::Swap => is_last,
            };
            let parts: Vec<Part> = args.parts.iter().filter(wanted).copied().collect();
            measure_one(args, program, &folder, Master::live(*tasks)?, &tasks.to_string(), &parts)
        }),
    };
    _ = fs::remove_dir_all(folder);
    measured
}

fn measure_one(
    args: &Args,
    program: &Path,
    folder: &Path,
    mut master: Master,
    tasks: &str,
    parts: &[Part],
) -> anyhow::Result<()> {
    let zone = master.dump(program, folder)?;
    let identity = Identity::make(folder);
    let setup = Setup { program, folder, zone: &zone, identity: identity.as_ref(), limit: 0, under: &[] };
    let servers = Servers::start(setup, &mut master)?;
    let [plain, mixed] = &Queries::of(&zone, folder)?;
    for queries in [plain, mixed] {
        compare(&servers, queries, &format!("{tasks} tasks"))?;
    }
    let mut bench = Bench { program, folder, zone: &zone, servers: &servers, master: &mut master };
    for part in parts {
        let title = |text: &str| format!("{tasks} tasks, {text}");
        match part {
            Part::Answers => answers(args, &mut bench, tasks, [plain, mixed])?,
            Part::Capacity => table(
                title("mixed queries, udp, more than can be answered"),
                flood::CAPACITY_HEAD,
                |table| flood::capacity(&servers, mixed, table),
            )?,
            Part::Latency => table(title("how long answers take, ms"), latency::HEAD, |table| {
                latency::at_half(&mut bench, mixed, table)
            })?,
            Part::Swap => table(
                title("how long answers take while 100,000 records change, ms"),
                latency::HEAD,
                |table| latency::while_swapping(&mut bench, mixed, table),
            )?,
            Part::Reload => {
                table(title("mixed queries, udp, under a reload"), reload::HEAD, |table| {
                    reload::measure(&mut bench, mixed, table)
                })?;
                compare(&servers, mixed, &format!("{tasks} tasks, after the reload"))?;
            }
            Part::Flood => table(title("a good client while junk arrives"), flood::HEAD, |table| {
                let mut another = bench.master.another()?;
                let limited = Servers::start(Setup { limit: flood::LIMIT, ..setup }, &mut another)?;
                flood::measure(&servers, &limited, plain, table)
            })?,
            Part::Instructions => table(title("instructions per query"), instructions::HEAD, |table| {
                instructions::measure(setup, &mut bench.master.another()?, mixed, table)
            })?,
        }
    }
    Ok(())
}

/// Compares some answers with Knot's; any difference ends it all.
fn compare(servers: &Servers, queries: &Queries, title: &str) -> anyhow::Result<()> {
    let (compared, differing) = compare::compare(servers, queries)?;
    println!("{title}, {}: {compared} answers compared with Knot's\n", queries.title);
    ensure!(differing.is_empty(), "answers differ from Knot's: {differing:#?}");
    Ok(())
}

/// Both mixtures over UDP, streams with the mixed one.
fn answers(
    args: &Args,
    bench: &mut Bench<'_>,
    tasks: &str,
    [plain, mixed]: [&Queries; 2],
) -> anyhow::Result<()> {
    for transport in &args.transports {
        let mixtures = if *transport == Transport::Udp { &[plain, mixed][..] } else { &[mixed] };
        for queries in mixtures {
            let driven = drive::drive(bench, queries, *transport, args.rounds, args.seconds)?;
            let title = format!("{tasks} tasks, {}, {transport}", queries.title);
            tell(title, bench.servers, &driven)?;
        }
    }
    Ok(())
}

fn table(
    title: String,
    head: &'static [&'static str],
    fill: impl FnOnce(&mut Table) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut table = Table::new(title, head);
    fill(&mut table)?;
    if !table.is_empty() {
        table.print();
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
