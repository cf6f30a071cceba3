//! One seed in virtual time; and if it fails, the least of its schedule that still does.

use std::fmt;

use mesos_dns_core::watch::subscribe::Updates;

use super::{
    checker::{Violation, check, laws},
    delays::{Delays, leader_delays, readable},
    schedule::{Profile, Schedule},
    virtual_time::{self, Guide, Setting},
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
    /// How the world was looked at.
    pub setting: Setting,
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
    /// How long new leaders were not named: since ZooKeeper shows them, or since they can be read.
    pub delays: Delays,
}

/// Runs a seed.
pub fn run(seed: u64) -> Verdict {
    let setting = Setting::new(seed);
    let hold = u64::try_from(setting.hold.as_millis()).unwrap_or(u64::MAX);
    let profile = Profile::virtual_time(hold, setting.updates != Updates::Poll);
    let schedule = Schedule::new(seed, &profile, &setting.world());
    run_schedule(seed, setting, schedule)
}

/// Runs a schedule with what else the seed decides.
pub fn run_schedule(seed: u64, setting: Setting, schedule: Schedule) -> Verdict {
    let ran = virtual_time::run(setting, &schedule, seed);
    let log = ran.world.log();
    let delays = match setting.guide {
        Guide::List => leader_delays(log, &ran.history, |_| true, readable(log)),
        Guide::ZooKeeper => leader_delays(log, &ran.history, |_| true, |version| Some(version.born)),
    };
    Verdict {
        seed,
        setting,
        violations: check(log, &ran.history),
        asked: ran.history.asked(),
        elections: log.elections.len(),
        published: ran.published,
        delays,
        schedule,
    }
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
                let fewer = run_schedule(least.seed, least.setting, least.schedule.without(at..at + size));
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
        writeln!(f, "with {:?} and this schedule:", self.setting)?;
        self.schedule.fmt(f)
    }
}
