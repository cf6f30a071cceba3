//! From an event on the stream to the answer that shows it, and what a change costs.

use std::{thread, time::Duration};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    figures::{Figures, Millis},
    process::Process,
    prompter::moment,
    script::MARK,
    table::Table,
    watcher::{Sight, Watcher},
};

use crate::rig::Rig;

/// Changes per second, and each which of them is watched.
const RATES: [(u32, u32); 3] = [(1, 1), (100, 5), (1000, 50)];

/// Fewest changes that are watched.
const WATCHED_MIN: u32 = 30;

/// How long nothing happens, to see what that costs.
const IDLE: Duration = Duration::from_secs(5);

/// A mark that nobody watches comes and goes this seldom.
const UNWATCHED: usize = usize::MAX;

pub(crate) fn table() -> Table {
    Table::new(
        "From an event on the stream to the answer that shows it, ms",
        &[
            "tasks",
            "changes/s",
            "watched",
            "p50",
            "p99",
            "max",
            "a question's round trip, p50",
            "p99",
            "told late, max",
        ],
    )
}

pub(crate) fn costs() -> Table {
    Table::new(
        "Processor time per change",
        &["tasks", "changes/s", "changes", "microseconds per change", "idle, ms per s"],
    )
}

pub(crate) fn measure(rig: &mut Rig, seconds: u32, table: &mut Table) -> anyhow::Result<()> {
    for (rate, mark_every) in RATES {
        let count = (rate * seconds).max(WATCHED_MIN * mark_every);
        rig.master.ask(&format!("prepare {count} {mark_every}"))?;
        let watcher = Watcher::start(rig.port, MARK)?;
        let told = rig.master.ask(&format!("play {rate}"))?;
        thread::sleep(Duration::from_millis(500));
        let sight = watcher.stop().context("the watcher")?;
        let mut words = told.split_whitespace();
        let late = moment(words.next().unwrap_or_default())?;
        let marks = words.map(moment).collect::<Result<Vec<_>, _>>()?;
        let delays = delays(&marks, &sight)?;
        table.add(vec![
            rig.tasks.to_string(),
            rate.to_string(),
            delays.len().to_string(),
            Millis(delays.median()).to_string(),
            Millis(delays.per_mille(990)).to_string(),
            Millis(delays.max()).to_string(),
            Millis(sight.round_trips.median()).to_string(),
            Millis(sight.round_trips.per_mille(990)).to_string(),
            Millis(late).to_string(),
        ]);
    }
    Ok(())
}

/// From each time that the master told of the mark to the answer that showed it.
fn delays(marks: &[Duration], sight: &Sight) -> anyhow::Result<Figures> {
    let seen = sight.turns.len();
    ensure!(seen == marks.len(), "{} changes were told and {seen} seen", marks.len());
    ensure!(sight.unanswered == 0, "{} questions were not answered", sight.unanswered);
    Ok(marks.iter().zip(&sight.turns).map(|(told, (seen, _))| seen.saturating_sub(*told)).collect())
}

pub(crate) fn processor(
    rig: &mut Rig,
    daemon: &Process,
    seconds: u32,
    table: &mut Table,
) -> anyhow::Result<()> {
    for (rate, _) in &RATES[1..] {
        let count = rate * seconds;
        rig.master.ask(&format!("prepare {count} {UNWATCHED}"))?;
        daemon.settle(0.2)?;
        let before = daemon.processor()?;
        thread::sleep(IDLE);
        let idle = (daemon.processor()? - before).as_secs_f64() / IDLE.as_secs_f64();
        let before = daemon.processor()?;
        rig.master.ask(&format!("play {rate}"))?;
        let used = (daemon.processor()? - before).as_secs_f64() - idle * f64::from(seconds);
        table.add(vec![
            rig.tasks.to_string(),
            rate.to_string(),
            count.to_string(),
            format!("{:.0}", used * 1e6 / f64::from(count)),
            format!("{:.1}", idle * 1e3),
        ]);
    }
    Ok(())
}
