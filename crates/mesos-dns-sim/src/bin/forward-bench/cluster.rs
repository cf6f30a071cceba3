//! Names of the cluster, asked for at a steady rate, while the forwarder has a hard time: what is ours must not feel it.

use std::thread;

use mesos_dns_sim::bench::table::Table;

use crate::{
    dnsperf::{self, Length},
    misses::{percentiles, steady},
    rig::{Forwarder, Rig, median},
};

/// Names that are asked for, and how many queries a second.
const NAMES: usize = 200;
const RATE: u32 = 2_000;

/// Other names a second, in the flood; and in the time before, to fill a cache.
const FLOOD: u32 = 5_000;
const FILL: usize = 300_000;

/// What the forwarder has to bear meanwhile.
const MEANWHILE: [(&str, Option<&str>); 3] = [
    ("nothing", None),
    ("other names", Some("[]")),
    ("other names, the upstream silent", Some(r#"[{"fault": "silent"}]"#)),
];

/// What was measured under one heading: percentiles of each round in microseconds, and queries without an answer.
#[derive(Default)]
struct Rounds {
    percentiles: Vec<[f64; 2]>,
    unanswered: usize,
}

pub(crate) fn measure(rig: &mut Rig, rounds: usize, seconds: u32) -> anyhow::Result<()> {
    let ours = rig.ours(&[rig.upstream.port])?;
    let names = rig.cluster_names(NAMES)?;
    let seconds = seconds.max(2);
    let mut all: Vec<Rounds> = MEANWHILE.iter().map(|_| Rounds::default()).collect();
    for round in 0..rounds {
        for ((_, rules), measured) in MEANWHILE.iter().zip(&mut all) {
            let Some(rules) = rules else {
                measured.take(&ours, &names, seconds)?;
                continue;
            };
            rig.upstream.rule(rules)?;
            let kind = rules.len();
            let others =
                (0..FLOOD * (seconds + 2)).map(|number| format!("flood{number}-{round}-{kind}.made.test"));
            let file = dnsperf::write(&rig.folder.join("flood"), others)?;
            thread::scope(|scope| {
                let flood = scope.spawn(|| dnsperf::run(ours.port, &file, Length::Rate(seconds + 1, FLOOD)));
                let taken = measured.take(&ours, &names, seconds);
                // With a silent upstream it may end without a single answer, which is no failure here.
                _ = flood.join();
                taken
            })?;
            rig.upstream.rule("[]")?;
        }
    }
    let others = (0..FILL).map(|number| format!("ttl3600-fill{number}.made.test"));
    let file = dnsperf::write(&rig.folder.join("flood"), others)?;
    dnsperf::run(ours.port, &file, Length::Once)?;
    let mut full = Rounds::default();
    for _ in 0..rounds {
        full.take(&ours, &names, seconds)?;
    }
    let mut table = Table::new(
        format!("Names of the cluster at {RATE} a second, other names at {FLOOD}, UDP, microseconds"),
        &["meanwhile", "p50", "p99", "p99 to idle", "unanswered"],
    );
    let idle = all[0].middle(1);
    let after = format!("nothing, after {FILL} other names");
    let titles = MEANWHILE.iter().map(|(title, _)| *title).chain([after.as_str()]);
    for (title, measured) in titles.zip(all.iter().chain([&full])) {
        table.add(vec![
            title.to_owned(),
            format!("{:.0}", measured.middle(0)),
            format!("{:.0}", measured.middle(1)),
            format!("{:.2}", measured.middle(1) / idle),
            measured.unanswered.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

impl Rounds {
    /// One round: asks for names of the cluster.
    fn take(&mut self, ours: &Forwarder, names: &[String], seconds: u32) -> anyhow::Result<()> {
        let asked = steady(ours.port, RATE, f64::from(seconds), names.iter().cloned())?;
        let (percentiles, unanswered) = percentiles(&asked);
        self.percentiles.push(percentiles);
        self.unanswered += unanswered;
        Ok(())
    }

    fn middle(&self, which: usize) -> f64 {
        median(self.percentiles.iter().map(|round| round[which]))
    }
}
