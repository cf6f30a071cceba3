//! Names of the cluster, asked for at a steady rate, while the forwarder has a hard time: what is ours must not feel it.

use std::thread;

use mesos_dns_sim::bench::table::Table;

use crate::{
    dnsperf::{self, Length},
    misses::{percentiles, steady},
    rig::{Forwarder, Rig},
};

/// Names that are asked for, and how many queries a second.
const NAMES: usize = 200;
const RATE: u32 = 2_000;

/// Other names a second, in the flood; and in the time before, to fill a cache.
const FLOOD: u32 = 5_000;
const FILL: usize = 300_000;

pub(crate) fn measure(rig: &mut Rig, seconds: u32) -> anyhow::Result<()> {
    let ours = rig.ours(&[rig.upstream.port])?;
    let names = rig.cluster_names(NAMES)?;
    let mut table = Table::new(
        format!("Names of the cluster at {RATE} a second, UDP, microseconds"),
        &["meanwhile", "p50", "p99", "p99 to idle", "unanswered"],
    );
    let seconds = seconds.max(2);
    let ask = |_: &Forwarder| steady(ours.port, RATE, f64::from(seconds), names.iter().cloned());
    let ([idle50, idle99], lost) = percentiles(&ask(&ours)?);
    let mut add = |meanwhile: &str, [p50, p99]: [f64; 2], unanswered: usize| {
        let cells = [format!("{p50:.0}"), format!("{p99:.0}"), format!("{:.2}", p99 / idle99)];
        let mut row = vec![meanwhile.to_owned()];
        row.extend(cells);
        row.push(unanswered.to_string());
        table.add(row);
    };
    add("nothing", [idle50, idle99], lost);

    for (meanwhile, rules) in [
        (format!("{FLOOD} other names a second"), "[]"),
        (format!("{FLOOD} other names a second, the upstream silent"), r#"[{"fault": "silent"}]"#),
    ] {
        rig.upstream.rule(rules)?;
        let others =
            (0..FLOOD * (seconds + 2)).map(|number| format!("flood{number}-{}.made.test", rules.len()));
        let file = dnsperf::write(&rig.folder.join("flood"), others)?;
        let asked = thread::scope(|scope| {
            let flood = scope.spawn(|| dnsperf::run(ours.port, &file, Length::Rate(seconds + 1, FLOOD)));
            let asked = ask(&ours);
            _ = flood.join();
            asked
        })?;
        let (times, unanswered) = percentiles(&asked);
        add(&meanwhile, times, unanswered);
    }
    rig.upstream.rule("[]")?;
    let others = (0..FILL).map(|number| format!("ttl3600-fill{number}.made.test"));
    let file = dnsperf::write(&rig.folder.join("flood"), others)?;
    dnsperf::run(ours.port, &file, Length::Once)?;
    let (times, unanswered) = percentiles(&ask(&ours)?);
    add(&format!("nothing, after {FILL} other names"), times, unanswered);
    table.print();
    Ok(())
}
