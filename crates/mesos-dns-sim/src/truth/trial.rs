//! One seed in virtual time; and if it fails, the least of its schedule that still does.

use std::{fmt, time::Duration};

use super::{
    checker::{Violation, check, laws},
    schedule::{Profile, Schedule},
    virtual_time,
    world::World,
};

/// Most runs to spend on making a schedule small.
const RUNS_MAX: usize = 400;

/// Violations that a report shows.
const SHOWN_MAX: usize = 5;

/// What a trial came to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its seed.
    pub seed: u64,
    /// The schedule.
    pub schedule: Schedule,
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Questions that were answered.
    pub asked: u64,
    /// Masters that were elected.
    pub elections: usize,
    /// Versions that were published.
    pub published: u64,
}

/// Runs a seed.
pub fn run(seed: u64) -> Verdict {
    let world = world(seed);
    let hold = world.log().bounds.hold.as_millis();
    let profile = Profile::virtual_time(u64::try_from(hold).unwrap_or(u64::MAX));
    run_schedule(seed, Schedule::new(seed, &profile, &world))
}

/// Runs a schedule with what else the seed decides.
pub fn run_schedule(seed: u64, schedule: Schedule) -> Verdict {
    let ran = virtual_time::run(world(seed), &schedule, seed);
    let log = ran.world.log();
    Verdict {
        seed,
        violations: check(log, &ran.history),
        asked: ran.history.asked(),
        elections: log.elections.len(),
        published: ran.published,
        schedule,
    }
}

/// A world of which the seed decides how often it is looked at, and how long what is missing is kept: as by
/// default, or less, so that other things happen in the meantime.
fn world(seed: u64) -> World {
    let hold = [600, 90, 45][(seed % 3) as usize];
    let refresh = [5, 1, 2, 10][(seed / 3 % 4) as usize];
    virtual_time::world(Duration::from_secs(refresh), Duration::from_secs(hold))
}

impl Verdict {
    /// Leaves out of a failing schedule what it does not need to break the same law: halves first, single steps last.
    pub fn minimised(self) -> Self {
        let Some(law) = self.violations.first().map(|violation| violation.law) else { return self };
        let mut least = self;
        let mut runs = 0;
        let mut size = least.schedule.steps.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < least.schedule.steps.len() && runs < RUNS_MAX {
                runs += 1;
                let fewer = run_schedule(least.seed, least.schedule.without(at..at + size));
                match fewer.violations.first() {
                    Some(violation) if violation.law == law => least = fewer,
                    _ => at += size,
                }
            }
            size /= 2;
        }
        least
    }
}

/// How to see it again, what is wrong, and what led to it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.violations.len();
        writeln!(
            f,
            "seed {} breaks {} ({count} times); again: TRUTH_SEED={} cargo nextest run -p mesos-dns-sim --test truth",
            self.seed,
            laws(&self.violations),
            self.seed
        )?;
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(f, "  {violation}")?;
        }
        writeln!(f, "with this schedule:")?;
        self.schedule.fmt(f)
    }
}
