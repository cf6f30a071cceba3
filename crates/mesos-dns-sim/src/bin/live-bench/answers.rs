//! How long answers take under a steady load while the program is busy otherwise, beside what they take when it is not.

use std::{env, thread, time::Duration};

use anyhow::ensure;
use mesos_dns_sim::{
    bench::{
        figures::{Figures, Millis},
        load::{Asked, Load},
        process::Process,
        prompter::moment,
        table::Table,
    },
    clock,
};

use crate::{Args, rig::Rig};

/// Names that are asked for.
const NAMES: usize = 200;

/// How often the stream breaks, and how often the state is compared.
const TIMES: usize = 3;

/// Time between two of those: a stream that ends sooner is not begun again at once, and states are not compared
/// oftener.
const APART: Duration = Duration::from_secs(16);

/// Share of a processor that answering this load needs; whoever uses more is busy otherwise.
const ANSWERING: f64 = 0.35;

/// From and until when.
type Window = (Duration, Duration);

pub(crate) fn table() -> Table {
    Table::new(
        "Answers over UDP under a steady load, ms",
        &[
            "tasks",
            "meanwhile",
            "queries",
            "unanswered",
            "p50",
            "p99",
            "p99.9",
            "max",
            "p99.9 to idle",
            "asked late, p99.9",
        ],
    )
}

pub(crate) fn measure(rig: &mut Rig, daemon: &Process, args: &Args, table: &mut Table) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.seconds.into());
    let always: Window = (Duration::ZERO, Duration::MAX);
    rig.master.ask(&format!("prepare {} 1000", 1000 * args.seconds))?;
    daemon.settle(0.2)?;

    let load = start(rig, args.load, time)?;
    let idle = Row::new(&load.end()?, &[always])?;
    idle.add(rig, "nothing", &idle, table);

    let load = start(rig, args.load, time)?;
    rig.master.ask("play 1000")?;
    Row::new(&load.end()?, &[always])?.add(rig, "1000 changes/s", &idle, table);

    rig.master.ask("render")?;
    let load = start(rig, args.load, APART * TIMES as u32)?;
    let mut windows = Vec::new();
    for _ in 0..TIMES {
        let began = moment(&rig.master.ask("close")?)?;
        rig.master.stream()?;
        daemon.settle(ANSWERING)?;
        windows.push((began, clock::now()));
        thread::sleep((began + APART).saturating_sub(clock::now()));
    }
    let row = Row::new(&load.end()?, &windows)?;
    row.add(rig, &format!("a new stream, {} s", seconds(&windows)), &idle, table);

    let load = start(rig, args.load, APART * TIMES as u32)?;
    let mut windows = Vec::new();
    for _ in 0..TIMES {
        rig.master.ask("riddle")?;
        let began = rig.master.document()?;
        daemon.settle(ANSWERING)?;
        windows.push((began, clock::now()));
    }
    let row = Row::new(&load.end()?, &windows)?;
    row.add(rig, &format!("a comparison, {} s", seconds(&windows)), &idle, table);
    Ok(())
}

/// How long such a window is on average.
fn seconds(windows: &[Window]) -> String {
    let all: Duration = windows.iter().map(|(from, until)| *until - *from).sum();
    format!("{:.1}", all.as_secs_f64() / windows.len() as f64)
}

fn start(rig: &mut Rig, rate: u32, time: Duration) -> anyhow::Result<Load> {
    let names = rig.master.ask(&format!("names {NAMES}"))?;
    let mut arguments = vec!["load".to_owned(), rig.port.to_string(), rate.to_string()];
    arguments.push(time.as_secs_f64().to_string());
    arguments.extend(names.split(' ').map(str::to_owned));
    Ok(Load::start(&env::current_exe()?, &arguments)?)
}

/// What was asked within some windows.
struct Row {
    took: Figures,
    late: Figures,
    unanswered: usize,
}

impl Row {
    fn new(asked: &[Asked], windows: &[Window]) -> anyhow::Result<Self> {
        let within = |one: &&Asked| windows.iter().any(|(from, until)| (*from..*until).contains(&one.at));
        let asked: Vec<&Asked> = asked.iter().filter(within).collect();
        ensure!(!asked.is_empty(), "nothing was asked meanwhile");
        let took: Figures = asked.iter().filter_map(|one| one.took).collect();
        let unanswered = asked.len() - took.len();
        Ok(Self { took, late: asked.iter().map(|one| one.late).collect(), unanswered })
    }

    fn add(&self, rig: &Rig, meanwhile: &str, idle: &Self, table: &mut Table) {
        let ratio = self.took.per_mille(999).as_secs_f64() / idle.took.per_mille(999).as_secs_f64();
        let mut row = vec![rig.tasks.to_string(), meanwhile.to_owned()];
        row.extend([(self.took.len() + self.unanswered).to_string(), self.unanswered.to_string()]);
        row.extend([500, 990, 999, 1000].map(|share| Millis(self.took.per_mille(share)).to_string()));
        row.extend([format!("{ratio:.1}"), Millis(self.late.per_mille(999)).to_string()]);
        table.add(row);
    }
}
