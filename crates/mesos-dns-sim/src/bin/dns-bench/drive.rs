//! The load: dnsperf, round by round, and what it and the kernel say.

use std::{fmt, path::Path, process::Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::{
    queries::Queries,
    servers::{ECHO, LOAD_ON, Server, Servers, pinned},
};

/// Seconds of the round that does not count.
const WARM_UP_SECONDS: u32 = 2;

/// How queries travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Udp, Self::Tcp];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driven {
    pub(crate) per_second: f64,
    /// Processor time per query that was answered, in microseconds.
    pub(crate) micros: f64,
    /// Queries that were not answered, in percent.
    pub(crate) lost: f64,
}

/// Asks each server in turn, in so many rounds; `None` for those that do not speak this way.
pub(crate) fn drive(
    servers: &Servers,
    queries: &Queries,
    transport: Transport,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<Vec<Option<Driven>>> {
    let mut all: Vec<Vec<Driven>> = servers.all.iter().map(|_| Vec::new()).collect();
    for number in 0..=rounds {
        for (server, driven) in servers.all.iter().zip(&mut all) {
            if transport == Transport::Tcp && server.name == ECHO {
                continue;
            }
            let seconds = if number == 0 { WARM_UP_SECONDS } else { seconds };
            let round = round(server, queries, transport, seconds)?;
            if number > 0 {
                driven.push(round);
            }
        }
    }
    Ok(all.into_iter().map(middle).collect())
}

fn middle(rounds: Vec<Driven>) -> Option<Driven> {
    let median = |of: fn(&Driven) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some(Driven {
        per_second: median(|round| round.per_second)?,
        micros: median(|round| round.micros)?,
        lost: median(|round| round.lost)?,
    })
}

fn round(server: &Server, queries: &Queries, transport: Transport, seconds: u32) -> anyhow::Result<Driven> {
    let before = server.processor()?;
    let mut command = pinned(LOAD_ON, Path::new("dnsperf"));
    command.args(["-s", "127.0.0.1", "-p", &server.port.to_string(), "-m", &transport.to_string()]);
    command.args(["-B", "-d"]).arg(&queries.file);
    command.args(["-l", &seconds.to_string(), "-c", "20", "-T", "1", "-q", "400", "-t", "1"]);
    let output = command.stderr(Stdio::inherit()).output().context("dnsperf cannot be started")?;
    ensure!(output.status.success(), "dnsperf failed");
    let used = server.processor()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |title: &str| -> Option<f64> {
        let rest = text.split(title).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let told = || format!("dnsperf says of {}:\n{text}", server.name);
    let sent = number("Queries sent:").with_context(told)?;
    let completed = number("Queries completed:").with_context(told)?;
    ensure!(completed > 0.0, told());
    Ok(Driven {
        per_second: number("Queries per second:").with_context(told)?,
        micros: used.as_secs_f64() * 1e6 / completed,
        lost: number("Queries lost:").with_context(told)? / sent * 100.0,
    })
}
