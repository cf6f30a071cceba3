//! How long a new leader is not named. A figure, no law: the laws are in [`checker`](super::checker).

use std::{fmt, time::Duration};

use super::{
    history::{Client, History, Run},
    log::{Log, Scope, Subject, Timeline, Trouble, Version},
};
use crate::bench::figures::{Figures, Millis};

/// What became of new leaders, once for each client that asked.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    /// From when a new leader could first be seen until the first answer that named it.
    pub named: Vec<Duration>,
    /// How many led no more before they were named.
    pub missed: usize,
}

/// The delays that these clients saw. `seen` says since when a reign, or its leader, could be seen; of what could not be
/// seen at all nothing is expected.
pub fn leader_delays(
    log: &Log,
    history: &History,
    client: impl Fn(Client) -> bool,
    seen: impl Fn(&Version) -> Option<Duration>,
) -> Delays {
    let is_leader = |timeline: &Timeline| timeline.subject == Subject::Leader;
    let mut delays = Delays::default();
    let Some(question) = log.timelines.iter().position(is_leader) else { return delays };
    let versions = &log.timelines[question].versions;
    for (_, _, runs) in history.runs().filter(|(who, asked, _)| *asked == question && client(*who)) {
        for (number, version) in versions.iter().enumerate().skip(1) {
            let over = versions.get(number + 1).map_or(Duration::MAX, |next| next.born);
            let Some(seen) = seen(version).filter(|seen| *seen < over) else { continue };
            match runs.iter().find(|run| names(run, version, over)) {
                Some(run) => delays.named.push(run.first.received.saturating_sub(seen)),
                // Nobody looks for a leader after the end.
                None if over < Duration::MAX => delays.missed += 1,
                None => {}
            }
        }
    }
    delays
}

/// Since when a new leader could be read, for those who have to ask masters.
pub fn readable(log: &Log) -> impl Fn(&Version) -> Option<Duration> {
    |version| {
        let covers = |trouble: &&Trouble| trouble.scope == Scope::All && trouble.from <= version.born;
        let ends = log.troubles.iter().filter(covers).map(|trouble| trouble.until);
        Some(ends.max().unwrap_or_default().max(version.born))
    }
}

/// Whether a run of answers names a leader while it leads.
fn names(run: &Run, version: &Version, over: Duration) -> bool {
    run.last.received >= version.born && run.first.received < over && run.seen.set() == Some(&version.set)
}

impl Delays {
    /// Adds what others saw.
    pub fn extend(&mut self, other: Self) {
        self.named.extend(other.named);
        self.missed += other.missed;
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures: Figures = self.named.iter().copied().collect();
        write!(
            f,
            "{} new leaders named after p50 {}, p99 {}, max {} ms; {} led no more before",
            figures.len(),
            Millis(figures.median()),
            Millis(figures.per_mille(990)),
            Millis(figures.max()),
            self.missed
        )
    }
}
