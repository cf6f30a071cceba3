//! Answers over UDP at full load while the zone is read anew: a thousand changes of which nobody was told.
//!
//! Knot and NSD read the zone file on a signal. Ours reads its configuration on one, and gets the state anew from
//! the master at the same time.

use std::{fs, thread, time::Duration};

use anyhow::ensure;
use mesos_dns_sim::bench::table::Table;

use crate::{
    Bench,
    drive::{Driven, Transport, round},
    queries::Queries,
    servers::{ECHO, OURS, touch},
};

/// Seconds of load: the slowest reads the zone for half of them.
const SECONDS: u32 = 8;

/// Seconds before something happens.
const BEFORE: Duration = Duration::from_secs(1);

/// What nobody was told of.
const CHANGES: usize = 1000;

pub(crate) const HEAD: &[&str] = &[
    "server",
    "queries/s",
    "under a reload",
    "CPU per query, us",
    "under a reload",
    "lost, %",
    "under a reload",
];

pub(crate) fn measure(bench: &mut Bench<'_>, queries: &Queries, table: &mut Table) -> anyhow::Result<()> {
    ensure!(bench.master.is_live(), "a document cannot change: leave --document out");
    let all = || bench.servers.all.iter().filter(|server| server.name != ECHO);
    let usual = all().map(|server| round(server, queries, Transport::Udp, SECONDS, || Ok(())));
    let usual = usual.collect::<anyhow::Result<Vec<_>>>()?;
    bench.master.keep_secret(CHANGES)?;
    bench.master.dump(bench.program, bench.folder)?;
    // The kernel is not to write the new file to the disk while somebody is measured.
    fs::File::open(bench.zone)?.sync_all()?;
    for (server, usual) in all().zip(usual) {
        let reloading = round(server, queries, Transport::Udp, SECONDS, || {
            thread::sleep(BEFORE);
            touch(bench.zone)?;
            server.reload()?;
            if server.name == OURS {
                bench.master.begin_anew()?;
            }
            Ok(())
        })?;
        // Nor is the next one to wait for this one's reload.
        server.settle()?;
        table.add(row(server.name, usual, reloading));
    }
    Ok(())
}

fn row(name: &str, usual: Driven, reloading: Driven) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend([usual.per_second, reloading.per_second].map(|number| format!("{number:.0}")));
    row.extend([usual.micros, reloading.micros].map(|number| format!("{number:.2}")));
    row.extend([usual.lost, reloading.lost].map(|number| format!("{number:.2}")));
    row
}
