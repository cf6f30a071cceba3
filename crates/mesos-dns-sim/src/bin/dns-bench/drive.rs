//! The load: dnsperf, round by round, and what it and the kernel say.

use std::{fmt, path::Path, process::Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::{
    Bench,
    master::Master,
    queries::Queries,
    servers::{LOAD_ON, OURS, Server, pinned},
};

/// Seconds of the round that does not count.
const WARM_UP_SECONDS: u32 = 2;

/// How queries travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    /// TCP with a thousand connections.
    TcpMany,
    Tls,
    Https,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::TcpMany, Self::Tls, Self::Https];

    /// dnsperf's name for it.
    fn mode(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp | Self::TcpMany => "tcp",
            Self::Tls => "dot",
            Self::Https => "doh",
        }
    }

    /// Clients, and queries that are on their way at once. Over HTTPS that is one for each client: dnsperf 2.10 passes
    /// over replies that come together.
    fn clients(self) -> [&'static str; 2] {
        match self {
            Self::Udp | Self::Tcp | Self::Tls => ["20", "400"],
            Self::TcpMany => ["1000", "2000"],
            Self::Https => ["100", "100"],
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
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

/// Asks each server in turn, in so many rounds, ours while changes come; `None` for those that do not speak this way.
pub(crate) fn drive(
    bench: &mut Bench<'_>,
    queries: &Queries,
    transport: Transport,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<Vec<Option<Driven>>> {
    let Bench { servers, master, .. } = bench;
    let mut all: Vec<Vec<Driven>> = servers.all.iter().map(|_| Vec::new()).collect();
    for number in 0..=rounds {
        for (server, driven) in servers.all.iter().zip(&mut all) {
            if server.port_for(transport).is_none() {
                continue;
            }
            let seconds = if number == 0 { WARM_UP_SECONDS } else { seconds };
            let round = usual_round(server, master, queries, transport, seconds)?;
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

/// Asks one server for some seconds; while it is ours, changes come.
pub(crate) fn usual_round(
    server: &Server,
    master: &mut Master,
    queries: &Queries,
    transport: Transport,
    seconds: u32,
) -> anyhow::Result<Driven> {
    if server.name != OURS {
        return round(server, queries, transport, seconds, || Ok(()));
    }
    master.change(seconds)?;
    let driven = round(server, queries, transport, seconds, || Ok(()))?;
    master.changed()?;
    Ok(driven)
}

/// Asks one server for some seconds, while something else happens.
pub(crate) fn round(
    server: &Server,
    queries: &Queries,
    transport: Transport,
    seconds: u32,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Driven> {
    let port = server.port_for(transport).context("it does not speak this way")?.to_string();
    let before = server.processor()?;
    let [clients, outstanding] = transport.clients();
    let mut command = pinned(LOAD_ON, Path::new("dnsperf"));
    command.args(["-s", "127.0.0.1", "-p", &port, "-m", transport.mode()]);
    command.args(["-B", "-d"]).arg(&queries.file);
    command.args(["-l", &seconds.to_string(), "-c", clients, "-T", "1", "-q", outstanding, "-t", "1"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let child = child.context("dnsperf cannot be started")?;
    let done = meanwhile();
    let output = child.wait_with_output()?;
    done?;
    ensure!(output.status.success(), "dnsperf failed");
    let used = server.processor()?.saturating_sub(before);
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
