//! Instructions per query, counted by callgrind, which sees what a program does and not how long it takes.
//!
//! The server runs as it does otherwise and is asked over UDP. While it is stopped, a few queries are put into its
//! socket: so it finds the same number waiting each time, and the count is nearly the same in each run. What it
//! does besides is taken away, as the difference of two counts. The kernel's part is not in it.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use mesos_dns_sim::bench::table::Table;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    master::Master,
    queries::Queries,
    servers::{Server, Setup, knot, ours},
};

/// Queries that wait when the server looks.
const WAITING: [usize; 2] = [1, 10];

/// Rounds of so many queries that are counted: the difference of both is what counts.
const FEW: usize = 100;
const MANY: usize = 1100;

/// How long a server may take; it is fifty times slower than it is.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const HEAD: &[&str] = &["server", "queries waiting", "instructions per query", "again"];

pub(crate) fn measure(
    setup: Setup<'_>,
    master: &mut Master,
    queries: &Queries,
    table: &mut Table,
) -> anyhow::Result<()> {
    let valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !valgrind.is_ok_and(|status| status.success()) {
        eprintln!("skipped: valgrind is not installed");
        return Ok(());
    }
    let file = setup.folder.join("callgrind");
    let out = format!("--callgrind-out-file={}", file.display());
    let under = ["valgrind", "--tool=callgrind", "-q", &out].map(str::to_owned);
    let setup = Setup { under: &under, ..setup };
    if let Some(server) = knot(setup)? {
        count(&server, queries, &file, table)?;
    }
    count(&ours(setup, master)?, queries, &file, table)
}

fn count(server: &Server, queries: &Queries, file: &Path, table: &mut Table) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, server.port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let messages = queries.all.iter().map(|query| query.message(0)).collect::<Result<Vec<_>, _>>()?;
    let mut dumps = Dumps { server, file, count: 0 };
    server.process().settle(0.2)?;
    for waiting in WAITING {
        let mut per_query = || -> anyhow::Result<f64> {
            let mut spent = [0.0; 2];
            for (spent, rounds) in spent.iter_mut().zip([FEW, MANY]) {
                dumps.next()?;
                for messages in messages.chunks(waiting).take(rounds) {
                    ask(server, &socket, messages)?;
                }
                *spent = dumps.next()?;
            }
            Ok((spent[1] - spent[0]) / ((MANY - FEW) * waiting) as f64)
        };
        let (once, again) = (per_query()?, per_query()?);
        table.add(vec![
            server.name.to_owned(),
            waiting.to_string(),
            format!("{once:.0}"),
            format!("{again:.0}"),
        ]);
    }
    Ok(())
}

/// Puts queries into the socket of a server that is stopped, lets it go on, and waits for all answers.
fn ask(server: &Server, socket: &UdpSocket, messages: &[Vec<u8>]) -> anyhow::Result<()> {
    signal(server, Signal::STOP)?;
    stopped(server)?;
    for message in messages {
        socket.send(message)?;
    }
    signal(server, Signal::CONT)?;
    let mut reply = [0; 1500];
    for _ in messages {
        socket.recv(&mut reply).context("an answer is missing")?;
    }
    Ok(())
}

fn signal(server: &Server, signal: Signal) -> anyhow::Result<()> {
    let process = Pid::from_raw(server.process().id() as i32).context("it has no number")?;
    Ok(kill_process(process, signal)?)
}

/// Waits until all threads of a server stand still.
fn stopped(server: &Server) -> anyhow::Result<()> {
    let began = Instant::now();
    let stands = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('T'))
    };
    while !fs::read_dir(format!("/proc/{}/task", server.process().id()))?.flatten().all(stands) {
        ensure!(began.elapsed() < PATIENCE, "{} does not stop", server.name);
    }
    Ok(())
}

/// What callgrind writes down when it is asked to, each time from zero.
struct Dumps<'a> {
    server: &'a Server,
    file: &'a Path,
    count: usize,
}

impl Dumps<'_> {
    /// Instructions since the last time.
    fn next(&mut self) -> anyhow::Result<f64> {
        self.count += 1;
        let process = self.server.process().id().to_string();
        let mut command = Command::new("callgrind_control");
        command.args(["--dump", &process]).stdout(Stdio::null()).stderr(Stdio::null());
        ensure!(command.status()?.success(), "callgrind cannot be asked");
        let file = self.file.with_extension(self.count.to_string());
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
            if let Some(totals) = totals {
                fs::remove_file(&file)?;
                return Ok(totals.trim().parse()?);
            }
        }
        bail!("callgrind did not write {}", file.display())
    }
}
