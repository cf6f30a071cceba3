//! The promise `true`, in made-up time: whatever happens to masters and agents, no answer of the core is wrong.
//!
//! `TRUTH_VIRTUAL_SEEDS=5000` runs so many seeds, `TRUTH_FIRST=500` begins there, `TRUTH_SEED=7` runs one.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mesos_dns_core::watch::subscribe::Updates;
use mesos_dns_sim::{
    master::Fault,
    memory::Knowledge,
    truth::{
        delays::Delays,
        schedule::Schedule,
        trial::{self, Verdict},
        virtual_time::{Guide, MASTERS, Setting},
        world::{AGENTS, Act, Lie},
    },
};

/// Seeds that are run where nothing else is said; a release build has the time for more.
const SEEDS: u64 = if cfg!(debug_assertions) { 40 } else { 1_000 };

/// Failing seeds after which no more are tried.
const FAILURES_MAX: usize = 3;

/// Set where only the fact of a failure counts: the first one is enough, and its schedule need not be small.
const BRIEF: &str = "TRUTH_BRIEF";

fn number(variable: &str) -> Option<u64> {
    env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// What all trials came to.
#[derive(Default)]
struct Sum {
    failed: Vec<Verdict>,
    asked: u64,
    elections: usize,
    published: u64,
    /// By whether streams are followed, and who says where the leader is.
    delays: BTreeMap<(&'static str, &'static str), Delays>,
}

/// How a seed looks at masters, for people.
fn way(setting: &Setting) -> (&'static str, &'static str) {
    let updates = if setting.updates == Updates::Poll { "polls" } else { "streams" };
    let guide = match setting.guide {
        Guide::List => "masters listed",
        Guide::ZooKeeper => "ZooKeeper",
    };
    (updates, guide)
}

#[test]
fn no_answer_is_wrong_whatever_happens() {
    let (first, count) = match number("TRUTH_SEED") {
        Some(seed) => (seed, 1),
        None => (number("TRUTH_FIRST").unwrap_or(1), number("TRUTH_VIRTUAL_SEEDS").unwrap_or(SEEDS)),
    };
    let is_brief = env::var_os(BRIEF).is_some();
    let failures_max = if is_brief { 1 } else { FAILURES_MAX };
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    let started = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || sum.lock().unwrap().failed.len() >= failures_max {
                return;
            }
            let verdict = trial::run(seed);
            let mut sum = sum.lock().unwrap();
            sum.asked += verdict.asked;
            sum.elections += verdict.elections;
            sum.published += verdict.published;
            sum.delays.entry(way(&verdict.setting)).or_default().extend(verdict.delays.clone());
            if !verdict.violations.is_empty() {
                sum.failed.push(verdict);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let mut sum = sum.into_inner().unwrap();
    println!(
        "{} seeds, {} elections, {} versions, {} answers in {:.1} s, violations of {} seeds",
        next.into_inner().min(first + count) - first,
        sum.elections,
        sum.published,
        sum.asked,
        started.elapsed().as_secs_f64(),
        sum.failed.len(),
    );
    for ((updates, guide), delays) in &sum.delays {
        println!("{updates}, {guide}: {delays}");
    }
    sum.failed.sort_by_key(|verdict| verdict.seed);
    let seeds: Vec<u64> = sum.failed.iter().map(|verdict| verdict.seed).collect();
    if let Some(verdict) = sum.failed.into_iter().next() {
        let verdict = if is_brief { verdict } else { verdict.minimised() };
        panic!("seeds {seeds:?} fail; {verdict}");
    }
}

/// A schedule written down, in seconds, for a seed's way of looking at it.
fn check(seed: u64, steps: &[(u64, Act)], end: u64) {
    let steps = steps.iter().map(|(at, act)| (Duration::from_secs(*at), *act));
    check_schedule(seed, Schedule { steps: steps.collect(), end: Duration::from_secs(end) });
}

fn check_schedule(seed: u64, schedule: Schedule) {
    let verdict = trial::run_schedule(seed, Setting::new(seed), schedule);
    assert!(verdict.violations.is_empty(), "{verdict}");
}

#[test]
fn a_lie_is_not_believed_because_something_else_was_true() {
    check(0, &[(10, Act::MassEnd), (35, Act::Lie(Lie::Empty)), (54, Act::Truth)], 120);
    check(0, &[(10, Act::Lie(Lie::Most)), (29, Act::Truth)], 120);
}

#[test]
fn a_document_that_is_cut_is_none() {
    for after_bytes in (1_000..94_000).step_by(3_000) {
        check(0, &[(10, Act::Hurt(Fault::Cut { after_bytes })), (20, Act::Heal)], 30);
    }
}

/// Every way of looking at it.
const WAYS: std::ops::Range<u64> = 0..12;

#[test]
fn a_day_without_any_master_takes_no_name_away() {
    const DAY: u64 = 86_400;
    for seed in WAYS {
        let kills = (0..MASTERS).flat_map(|_| [Act::Kill, Act::Elect(Knowledge::Everything)]);
        let mut steps: Vec<(u64, Act)> = (10..).zip(kills).collect();
        steps.extend((1..=24).map(|hour| (hour * DAY / 24, Act::Ask)));
        steps.push((DAY + 100, Act::Revive));
        steps.push((DAY + 101, Act::Elect(Knowledge::Everything)));
        check(seed, &steps, DAY + 300);
    }
}

#[test]
fn a_stream_that_falls_silent_is_noticed() {
    let silent = Act::Hurt(Fault::HalfOpen { after_bytes: 0 });
    for seed in WAYS {
        // Healed at once, so that all that is late is late for the silence.
        check(seed, &[(20, silent), (21, Act::Heal), (22, Act::MassEnd), (90, Act::Ask)], 100);
    }
}

#[test]
fn what_ended_while_an_agent_was_away_goes_once_it_is_back() {
    /// A service on the last agent that ends.
    const BRIEF: usize = 32;
    for seed in WAYS {
        let mut steps = vec![
            (10, Act::Kill),
            (11, Act::Elect(Knowledge::Agents(0))),
            (12, Act::Learn(Knowledge::Agents(AGENTS - 1))),
            (20, Act::End(BRIEF)),
            (100, Act::Learn(Knowledge::Everything)),
        ];
        steps.extend((105..200).map(|at| (at, Act::Ask)));
        check(seed, &steps, 300);
    }
}

#[test]
fn what_events_say_while_a_document_is_on_its_way_stays() {
    /// Services whose tasks are found elsewhere.
    const SHIFTED: std::ops::Range<usize> = 19..25;
    for seed in WAYS {
        // Some compare in this time, and something happens during it.
        let times = (52_000..62_000).step_by(10).map(Duration::from_millis);
        let steps = times.zip(SHIFTED.cycle().map(Act::Move)).collect();
        check_schedule(seed, Schedule { steps, end: Duration::from_secs(70) });
    }
}
