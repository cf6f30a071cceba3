//! Names that are known: how many queries a second, what each costs, and whether the upstream hears of them.

use mesos_dns_sim::bench::table::Table;

use crate::{
    dnsperf::{self, Length},
    rig::{Rig, median},
};

/// Names that are asked for again and again; their TTL is an hour.
const POPULAR: usize = 1_000;

/// One round with one server.
struct Round {
    per_second: f64,
    micros: f64,
    lost: f64,
    upstream: f64,
}

pub(crate) fn measure(rig: &mut Rig, rounds: usize, seconds: u32) -> anyhow::Result<()> {
    let forwarders = rig.forwarders()?;
    let names = popular(POPULAR);
    let file = dnsperf::write(&rig.folder.join("popular"), names)?;
    for forwarder in &forwarders {
        dnsperf::run(forwarder.port, &file, Length::Once)?;
    }
    let mut all: Vec<Vec<Round>> = forwarders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (forwarder, driven) in forwarders.iter().zip(&mut all) {
            let (used, asked) = (forwarder.processor()?, rig.upstream.asked()?);
            let run = dnsperf::run(forwarder.port, &file, Length::Seconds(seconds))?;
            let used = forwarder.processor()? - used;
            driven.push(Round {
                per_second: run.per_second,
                micros: used.as_secs_f64() * 1e6 / run.completed,
                lost: (run.sent - run.completed) / run.sent * 100.0,
                upstream: (rig.upstream.asked()? - asked) as f64 / run.completed * 1e3,
            });
        }
    }
    let mut table = Table::new(
        format!("{POPULAR} popular names, UDP"),
        &[
            "forwarder",
            "queries/s",
            "CPU per query, us",
            "asked upstream, of 1000",
            "lost, %",
            "resident, MiB",
        ],
    );
    for (forwarder, rounds) in forwarders.iter().zip(&all) {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
        table.add(vec![
            forwarder.name.to_owned(),
            format!("{:.0}", of(|round| round.per_second)),
            format!("{:.2}", of(|round| round.micros)),
            format!("{:.1}", of(|round| round.upstream)),
            format!("{:.2}", of(|round| round.lost)),
            format!("{:.0}", forwarder.resident()?),
        ]);
    }
    table.print();
    Ok(())
}

/// Names whose TTL outlasts the measuring.
pub(crate) fn popular(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("ttl3600-popular{number}.made.test"))
}
