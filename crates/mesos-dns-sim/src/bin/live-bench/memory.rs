//! Start and memory, beside Knot's memory for the same zone.

use std::{
    fs::File,
    io,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    figures::Figures,
    process::{Memory, Process, free_port, start_answering},
    rivals::{self, KNOT, Place, installed},
    table::Table,
};

use crate::rig::Rig;

pub(crate) fn starts() -> Table {
    Table::new(
        "Start to first answer, from a stream",
        &["tasks", "median, s", "fastest, s", "slowest, s", "processor, s"],
    )
}

pub(crate) fn table() -> Table {
    Table::new(
        "Memory",
        &["tasks", "peak, MiB", "settled, MiB", "settled, bytes per task", "Knot, MiB", "ratio to Knot"],
    )
}

/// Starts the program several times; the last one stays.
pub(crate) fn start(rig: &mut Rig, rounds: usize, table: &mut Table) -> anyhow::Result<Process> {
    let (mut times, mut processor) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..rounds.max(1) {
        drop(last.take());
        let (daemon, time) = rig.start()?;
        times.push(time);
        processor.push(daemon.processor()?);
        last = Some(daemon);
    }
    let (times, processor): (Figures, Figures) =
        (times.into_iter().collect(), processor.into_iter().collect());
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    table.add(vec![
        rig.tasks.to_string(),
        seconds(times.median()),
        seconds(times.per_mille(0)),
        seconds(times.max()),
        seconds(processor.median()),
    ]);
    last.context("nothing was started")
}

pub(crate) fn measure(rig: &mut Rig, daemon: &Process, table: &mut Table) -> anyhow::Result<()> {
    let Memory { resident, peak } = daemon.settled_memory()?;
    let (knot, ratio) = match knot(rig)? {
        Some(knot) => (format!("{knot:.0}"), format!("{:.2}", resident / knot)),
        None => ("skipped: not installed".to_owned(), String::new()),
    };
    let per_task = resident * f64::from(1 << 20) / rig.tasks as f64;
    table.add(vec![
        rig.tasks.to_string(),
        format!("{peak:.0}"),
        format!("{resident:.0}"),
        format!("{per_task:.0}"),
        knot,
        ratio,
    ]);
    Ok(())
}

/// Knot's settled memory for the zone of the master's cluster; `None` if Knot is not installed.
fn knot(rig: &mut Rig) -> anyhow::Result<Option<f64>> {
    let Some(program) = installed(KNOT) else { return Ok(None) };
    let port = free_port()?;
    let zone = rig.folder.join("zone");
    let dump = Command::new(&rig.program)
        .args(["dump", &format!("http://127.0.0.1:{}", rig.master.port)])
        .stdout(File::create(&zone)?)
        .status()?;
    ensure!(dump.success(), "the zone cannot be dumped");
    // It asked the master for its state.
    rig.master.document()?;
    let arguments = rivals::knot(Place { folder: &rig.folder, port, zone: &zone, limit: 0, tls: None })?;
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    match start_answering(&mut command, port, "leader.mesos") {
        Ok((knot, _)) => Ok(Some(knot.settled_memory()?.resident)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("knotd does not answer"),
    }
}
