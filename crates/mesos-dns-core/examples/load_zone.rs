//! How long does a zone take to be filled, and how large is it? `load_zone STATE [WORKERS [ROUNDS]]`
//!
//! Decodes a state document, applies it, and fills a zone as the daemon does at its start. Prints the time on the
//! clock and the processor time of each step; the latter depends less on what else the machine does.

use std::{
    env, fs,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{self, AddressSource, Cluster, Hosts, Masters, TaskChange},
    mesos::state,
    problems,
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    wire::Name,
    zone::{self, Zone},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut arguments = env::args().skip(1);
    let file = arguments.next().expect("usage: load_zone STATE [WORKERS [ROUNDS]]");
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (workers, rounds) = (number(2), number(3));
    let policy = Policy {
        domain: "mesos".into(),
        apex: Name::parse("mesos.").expect("a name"),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![
            AddressSource::NetInfo,
            AddressSource::Mesos,
            AddressSource::Host,
        ]),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: Vec::new(),
    };
    for _ in 0..rounds {
        let document = state::decode(&fs::read(&file).expect("a readable file")).expect("a state document");
        let masters = Masters { leader: Some("127.0.0.1:5050".into()), listed: Vec::new() };
        let none = Cluster::default();
        let clock = Clock::start();
        let (cluster, mut touched) = cluster::apply(&none, document, masters, Hosts::default(), Seed(1));
        clock.show("apply");
        let before = resident_bytes();
        let whole = Clock::start();
        let mut zone = Zone::new(policy.apex.clone(), None, Seed(2));
        load(&mut zone, &policy, &cluster, std::mem::take(&mut touched.tasks), workers);
        let clock = Clock::start();
        zone.update(&policy, &none, &cluster, &touched);
        zone.compile();
        clock.show("compile");
        whole.show("zone in all");
        println!("{} records, {} KiB more resident", zone.records(), (resident_bytes() - before) >> 10);
        let (clock, before) = (Clock::start(), forget_peak());
        let found = problems::find(&cluster, &policy);
        clock.show("problems");
        println!("{} KiB for a moment", peak_bytes().saturating_sub(before) >> 10);
        println!("{} problems", found.values().map(|listed| listed.total).sum::<u64>());
    }
}

fn load(zone: &mut Zone, policy: &Policy, cluster: &Cluster, tasks: Vec<TaskChange>, workers: usize) {
    let clock = Clock::start();
    let pieces = zone::plan(tasks);
    clock.show("plan");
    let loader = zone.loader();
    let names = loader.estimate(policy, cluster, &pieces);
    println!("{names} names expected");
    let mut filler = zone.fill(names);
    clock.show("  and fill");
    let (next, pieces) = (AtomicUsize::new(0), &pieces);
    let (send, made) = mpsc::sync_channel(4);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (send, loader, next) = (send.clone(), loader.clone(), &next);
            scope.spawn(move || {
                let clock = Clock::start();
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    send.send(loader.make(policy, cluster, piece)).expect("a receiver");
                }
                clock.show("  make");
            });
        }
        drop(send);
        let clock = Clock::start();
        made.iter().for_each(|made| filler.take(made));
        clock.show("  take");
    });
    filler.finish();
    clock.show("load");
}

struct Clock(Instant, Duration);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor_time())
    }

    fn show(&self, what: &str) {
        let (wall, processor) = (self.0.elapsed(), processor_time().saturating_sub(self.1));
        println!("{what:<12} {wall:>12.3?} {processor:>12.3?}");
    }
}

/// How long this thread has been running.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default())
}

/// Memory of the process that is in use.
fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

/// Makes the kernel forget how much memory the process had at most; returns how much it has.
fn forget_peak() -> usize {
    fs::write("/proc/self/clear_refs", "5").expect("it is ours");
    peak_bytes()
}

/// Most memory of the process that was in use.
fn peak_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kibibytes << 10
}
