//! A simulated Mesos cluster to point a program at, or to write one state document of.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Parser;
use mesos_dns_sim::{
    clock,
    life::{self, Life},
    master::{Masters, Settings},
    render::{self, Face, View},
    scenario::{Player, Scenario, Told},
};

/// A simulated Mesos cluster: masters on 127.0.0.1, the first of them leading, and tasks that come and go.
#[derive(Parser)]
#[command(name = "sim-cluster")]
struct Args {
    /// Port of a master; repeat it for more masters, 0 lets the system choose
    #[arg(long = "port", value_name = "PORT", default_values_t = [5050])]
    ports: Vec<u16>,
    /// Tasks in the cluster
    #[arg(long, value_name = "N", default_value_t = 100)]
    tasks: usize,
    /// The same seed gives the same cluster and the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Events per second, on average; 0: nothing ever changes
    #[arg(long, value_name = "RATE", default_value_t = 1.0)]
    churn: f64,
    /// Write the state document of the first master to this file instead of serving it (`-` for stdout)
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    write: Option<PathBuf>,
    /// Play this scenario, which also says how many tasks and masters there are; see test-data/scenarios
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tasks", "seed", "churn"])]
    scenario: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match (&args.write, &args.scenario) {
        (Some(file), _) => write(&args, file),
        (None, Some(file)) => tokio::runtime::Runtime::new()?.block_on(play(&args, file)),
        (None, None) => tokio::runtime::Runtime::new()?.block_on(serve(&args)),
    }
}

fn settings(args: &Args) -> life::Settings {
    life::Settings { seed: args.seed, tasks: args.tasks, churn: args.churn }
}

fn write(args: &Args, file: &PathBuf) -> anyhow::Result<()> {
    let (_, cluster) = Life::new(settings(args), clock::now());
    let port = args.ports.first().copied().unwrap_or(5050);
    let master = Face { id: "written".into(), address: ([127, 0, 0, 1], port).into(), started: cluster.born };
    let target: Box<dyn Write> = match file.to_str() {
        Some("-") => Box::new(io::stdout().lock()),
        _ => Box::new(File::create(file).with_context(|| format!("cannot create {}", file.display()))?),
    };
    let mut out = BufWriter::with_capacity(1 << 20, target);
    render::state(View::settled(&cluster, &master), &mut out)
        .and_then(|()| out.flush())
        .context("cannot write the document")
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let (life, cluster) = Life::new(settings(args), clock::now());
    let ports = args.ports.clone();
    let masters = Masters::start(cluster, Settings { ports, ..Settings::default() })
        .await
        .with_context(|| format!("cannot listen on ports {:?} of 127.0.0.1", args.ports))?;
    introduce(&masters);
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = clock::live(&masters, life, |change| println!("{change}")) => tokio::signal::ctrl_c().await?,
    }
    Ok(())
}

async fn play(args: &Args, file: &PathBuf) -> anyhow::Result<()> {
    let json = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let scenario = Scenario::read(&json).with_context(|| format!("cannot play {}", file.display()))?;
    let start = clock::now();
    let (player, cluster) = Player::new(&scenario, start);
    let masters = Masters::start(cluster, scenario.settings(&args.ports))
        .await
        .with_context(|| format!("cannot listen on ports {:?} of 127.0.0.1", args.ports))?;
    println!("{}", scenario.about);
    introduce(&masters);
    let tell = |told: &Told| {
        println!("{:8.1} s  {told}", told.at().saturating_sub(start).as_secs_f64());
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        played = clock::play(&masters, player, tell) => {
            played?;
            println!("The scenario is over; the masters stay as they are.");
            tokio::signal::ctrl_c().await?;
        }
    }
    Ok(())
}

fn introduce(masters: &Masters) {
    for master in 0..masters.len() {
        let part = if masters.leader() == Some(master) { "leads" } else { "stands by" };
        println!("http://{}/master/state {part}", masters.address(master));
    }
}
