//! A flood of distinct names, one popular name among each four: whether the popular ones stay known, and what becomes
//! of memory and sockets.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use mesos_dns_sim::bench::table::Table;

use crate::{
    dnsperf::{self, Length},
    hits::popular,
    rig::{Forwarder, Rig},
};

/// Names that everybody asks for.
const POPULAR: usize = 1_000;

/// One in so many queries is for one of them.
const EACH: usize = 4;

/// Parts of the flood after which memory is looked at.
const PARTS: usize = 4;

pub(crate) fn measure(rig: &mut Rig, names: usize) -> anyhow::Result<()> {
    let mut table = Table::new(
        format!("{names} distinct names, one popular of {POPULAR} in each {EACH} queries"),
        &[
            "forwarder",
            "names so far",
            "queries/s",
            "popular answered from memory, %",
            "before, %",
            "resident, MiB",
            "sockets, most",
            "lost",
            "SERVFAIL",
        ],
    );
    let file = dnsperf::write(&rig.folder.join("popular"), popular(POPULAR))?;
    for forwarder in &rig.forwarders()? {
        dnsperf::run(forwarder.port, &file, Length::Once)?;
        let asked = rig.upstream.asked()?;
        let run = dnsperf::run(forwarder.port, &file, Length::Seconds(1))?;
        let before = known(run.completed, rig.upstream.asked()? - asked, 0.0);
        for part in 0..PARTS {
            let random = names / PARTS;
            let flood = dnsperf::write(&rig.folder.join("flood"), flood(part * random, random))?;
            let asked = rig.upstream.asked()?;
            let (run, sockets) = watched(forwarder, || dnsperf::run(forwarder.port, &flood, Length::Once))?;
            let run = run?;
            let share = known(run.sent - random as f64, rig.upstream.asked()? - asked, random as f64);
            table.add(vec![
                forwarder.name.to_owned(),
                ((part + 1) * random).to_string(),
                format!("{:.0}", run.per_second),
                format!("{share:.1}"),
                format!("{before:.1}"),
                format!("{:.0}", forwarder.resident()?),
                sockets.to_string(),
                format!("{:.0}", run.sent - run.completed),
                format!("{:.0}", run.failed),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// The share of popular queries that the upstream did not hear of, in percent; each other one it must hear of.
fn known(popular: f64, upstream: u64, others: f64) -> f64 {
    let missed = (upstream as f64 - others).clamp(0.0, popular);
    (popular - missed) / popular * 100.0
}

/// So many names that were never asked for, and popular ones among them.
fn flood(first: usize, count: usize) -> impl Iterator<Item = String> {
    let popular: Vec<String> = popular(POPULAR).collect();
    (first..first + count).flat_map(move |number| {
        let one = (number % (EACH - 1) == 0).then(|| popular[number / (EACH - 1) % POPULAR].clone());
        std::iter::once(format!("random{number}.made.test")).chain(one)
    })
}

/// Does this, and tells how many sockets the forwarder had at most meanwhile.
fn watched<T: Send>(forwarder: &Forwarder, work: impl FnOnce() -> T) -> anyhow::Result<(T, usize)> {
    let (most, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let folder = format!("/proc/{}/fd", forwarder.id());
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                let sockets = fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| {
                    fs::read_link(entry.path())
                        .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
                });
                most.fetch_max(sockets.count(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let done = work();
        ends.store(true, Ordering::Relaxed);
        done
    });
    Ok((done, most.into_inner()))
}
