//! Counts what is wrong with the names of the cluster, and remembers since when.
//!
//! What is a problem decides [`core::problems`](mesos_dns_core::problems); here stands when to count: after a change,
//! on a thread that steps back behind everything else, and then not again for [`COUNT_INTERVAL`] at least: as much longer
//! as keeps it to a small share of one processor. Neither the publisher nor a query waits for it. `/v2/problems` shows what
//! was counted, `/metrics` has the numbers, and the log tells of each problem once.

mod metrics;

use std::{
    collections::{BTreeMap, HashMap},
    io, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use mesos_dns_core::{
    cluster::Skipped,
    problems::{self, Key, Kind, Listed, Owner, Problem, Stands},
};
use tokio::{sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use metrics::ProblemMetrics;

use crate::{
    publish::{Board, Published},
    system::{Rank, step_back},
};

/// Least time between two counts.
pub const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Longest time between two counts, however long one takes.
pub const COUNT_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// A count may take one part in so many of the time of one processor.
const COUNT_SHARE: u32 = 100;

/// New problems of one count that the log tells one by one.
pub const LOGGED_MAX: usize = 20;

/// Where what was counted last can be found; nothing before the first data.
pub type Shown = Arc<ArcSwapOption<Counted>>;

/// What was wrong with one version.
#[derive(Debug)]
pub struct Counted {
    /// Which version.
    pub version: u64,
    /// When it was counted, as Unix time in seconds.
    pub at: u64,
    /// All kinds.
    pub kinds: BTreeMap<Kind, Seen>,
    /// What could not be used of the last document of the master.
    pub skipped: Skipped,
}

/// The problems of one kind.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many there are.
    pub total: u64,
    /// The first of them, each with the Unix time in seconds at which it was counted first.
    pub problems: Vec<(u64, Problem)>,
}

/// Counts, see the head of this file.
pub struct Counter {
    board: Arc<Board>,
    shown: Shown,
    metrics: ProblemMetrics,
    /// Since when each problem that is listed has been known.
    since: HashMap<Key, u64>,
}

impl Counter {
    /// Counts what is wrong with what this board shows.
    pub fn new(board: Arc<Board>, shown: Shown, metrics: ProblemMetrics) -> Self {
        Self { board, shown, metrics, since: HashMap::new() }
    }

    /// Counts after changes until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut versions = self.board.subscribe();
        // What was published before counts as well.
        versions.mark_changed();
        loop {
            tokio::select! {
                Ok(()) = versions.changed() => {}
                () = shutdown.cancelled() => return,
            }
            let published = self.board.load();
            if !published.zone.is_loaded() {
                continue;
            }
            let begin = Instant::now();
            match count(published.clone()).await {
                Ok(found) => self.handle_count(&published, found, begin.elapsed()),
                Err(error) => {
                    self.metrics.failures.inc();
                    warn!(%error, "the problems of the cluster cannot be counted");
                }
            }
            drop(published);
            tokio::select! {
                () = sleep(pause(begin.elapsed())) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn handle_count(&mut self, published: &Published, found: BTreeMap<Kind, Listed>, took: Duration) {
        let now = unix_seconds();
        let before = mem::take(&mut self.since);
        let mut new = Vec::new();
        let mut kinds = BTreeMap::new();
        for (kind, Listed { total, problems }) in found {
            self.metrics.show(kind, total);
            let mut seen = Seen { total, problems: Vec::with_capacity(problems.len()) };
            for problem in problems {
                let key = problem.key();
                let known = before.get(&key).copied();
                if known.is_none() {
                    new.push(problem.clone());
                }
                let since = known.unwrap_or(now);
                self.since.insert(key, since);
                seen.problems.push((since, problem));
            }
            kinds.insert(kind, seen);
        }
        self.metrics.counted(took);
        tell(&new);
        let (version, skipped) = (published.version, published.skipped);
        self.shown.store(Some(Arc::new(Counted { version, at: now, kinds, skipped })));
    }
}

/// Counts on a thread of its own.
async fn count(published: Arc<Published>) -> io::Result<BTreeMap<Kind, Listed>> {
    let (done, counted) = oneshot::channel();
    let count = move || {
        step_back(Rank::Last);
        // Nobody waits for it any more if the process ends.
        _ = done.send(problems::find(&published.cluster, &published.policy));
    };
    thread::Builder::new().name("problems".to_owned()).spawn(count)?;
    counted.await.map_err(|_| io::Error::other("counting them broke down"))
}

/// Tells of new problems: the first few one by one, what is wrong before what is meant, and how many more there are.
fn tell(new: &[Problem]) {
    let of = |stands| new.iter().filter(move |problem| problem.kind.stands() == stands);
    for problem in of(Stands::Wrong).chain(of(Stands::Meant)).take(LOGGED_MAX) {
        let owner = problem.owners.first().cloned().unwrap_or_default();
        let Owner { agent, framework, task, at } = owner;
        let (agent, framework, task) = (agent.as_deref(), framework.as_deref(), task.as_deref());
        let (kind, names, tasks) = (problem.kind.name(), &problem.names, problem.tasks);
        let reason = problem.kind.reason();
        match problem.kind.stands() {
            Stands::Wrong => warn!(kind, agent, framework, task, at, ?names, tasks, "{reason}"),
            Stands::Meant => info!(kind, agent, framework, task, at, ?names, tasks, "{reason}"),
        }
    }
    let more = new.len().saturating_sub(LOGGED_MAX);
    if more > 0 {
        info!(more, "further problems are in /v2/problems");
    }
}

/// How long to wait after a count that took so long: a large cluster that always changes must not be counted all the time.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(COUNT_SHARE).clamp(COUNT_INTERVAL, COUNT_INTERVAL_MAX)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_count_is_followed_by_a_long_pause() {
        let pauses = [0, 49, 400, 60_000].map(|took| pause(Duration::from_millis(took)).as_secs());
        assert_eq!(pauses, [5, 5, 40, 300]);
    }
}
