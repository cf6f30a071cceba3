//! Names that are not known: what the way through a forwarder adds to the upstream's own time.

use std::{env, io::Write, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    figures::Figures,
    load::{self, Asked},
    table::Table,
};

use crate::rig::{LOAD_ON, Rig, median, pinned};

/// Queries a second: far from what anybody bears, so that nobody waits for another.
const RATE: u32 = 500;

/// p50 and p99 in microseconds, of several rounds.
type Percentiles = Vec<[f64; 2]>;

pub(crate) fn measure(rig: &mut Rig, rounds: usize, seconds: u32) -> anyhow::Result<()> {
    let forwarders = rig.forwarders()?;
    let ports: Vec<(&str, u16)> = std::iter::once(("none, the upstream itself", rig.upstream.port))
        .chain(forwarders.iter().map(|forwarder| (forwarder.name, forwarder.port)))
        .collect();
    let mut all: Vec<Percentiles> = ports.iter().map(|_| Vec::new()).collect();
    let mut unanswered = vec![0; ports.len()];
    for round in 0..rounds {
        for (index, (_, port)) in ports.iter().enumerate() {
            let names = (0..RATE * seconds).map(|number| format!("miss{round}-{index}-{number}.made.test"));
            let asked = steady(*port, RATE, f64::from(seconds), names)?;
            let (percentiles, lost) = percentiles(&asked);
            ensure!(lost < asked.len(), "nothing was answered");
            unanswered[index] += lost;
            all[index].push(percentiles);
        }
    }
    let middle = |rounds: &Percentiles, which: usize| median(rounds.iter().map(|round| round[which]));
    let mut table = Table::new(
        format!("Names that nobody knows, {RATE} a second, UDP, microseconds"),
        &["forwarder", "p50", "p99", "p50 added", "p99 added", "unanswered"],
    );
    let direct = [0, 1].map(|which| middle(&all[0], which));
    for (((name, _), rounds), unanswered) in ports.iter().zip(&all).zip(&unanswered) {
        let [p50, p99] = [0, 1].map(|which| middle(rounds, which));
        table.add(vec![
            (*name).to_owned(),
            format!("{p50:.0}"),
            format!("{p99:.0}"),
            format!("{:.0}", p50 - direct[0]),
            format!("{:.0}", p99 - direct[1]),
            unanswered.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

/// Asks for these names in turn, at a steady rate, from a process on the load's processor.
pub(crate) fn steady(
    port: u16,
    rate: u32,
    seconds: f64,
    names: impl Iterator<Item = String>,
) -> anyhow::Result<Vec<Asked>> {
    let mut command = pinned(LOAD_ON, &env::current_exe()?);
    command.args(["load", &port.to_string(), &rate.to_string(), &seconds.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no way to tell it names")?;
    for name in names {
        writeln!(stdin, "{name}")?;
    }
    drop(stdin);
    let asked = load::read(&mut child.stdout.take().context("no way to hear it")?)?;
    ensure!(child.wait()?.success(), "the load failed");
    Ok(asked)
}

/// p50 and p99 in microseconds, and how many queries were not answered.
pub(crate) fn percentiles(asked: &[Asked]) -> ([f64; 2], usize) {
    let took: Figures = asked.iter().filter_map(|one| one.took).collect();
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    ([500, 990].map(|share| micros(took.per_mille(share))), asked.len() - took.len())
}
