//! Keeps the last good cluster over a restart.
//!
//! - [`mod@file`]: one file, replaced as a whole.
//! - here: when to write it, and what to say if that fails.
//!
//! It is written from what is published, beside everything else: neither the publisher nor a query waits for a disk.
//! Data that came from the file are not written again, so a file is never older than it says.

pub mod file;

use std::{
    io,
    sync::{Arc, Weak},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::mesos::state::About;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use file::{ReadError, SnapshotFile};

use crate::{
    publish::{Board, Published},
    system::{Rank, step_back},
};

/// Least time between two writes.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// Longest wait for the last write, when the process ends.
const LAST_SAVE: Duration = Duration::from_secs(3);

/// What is counted about the file.
#[derive(Clone, Debug, Default)]
pub struct SnapshotMetrics {
    saves: Counter,
    failures: Counter,
    last: Gauge,
}

impl SnapshotMetrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let snapshot = registry.sub_registry_with_prefix("snapshot");
        snapshot.register(
            "saves",
            "Times that the last good cluster was written to `snapshotFile`",
            self.saves.clone(),
        );
        snapshot.register(
            "save_failures",
            "Times that writing it failed; tried again every 10 s",
            self.failures.clone(),
        );
        snapshot.register(
            "last_save_seconds",
            "Unix time of the last write of this process; 0 before the first",
            self.last.clone(),
        );
    }
}

/// Writes the file, see the head of this one.
pub struct Keeper {
    file: SnapshotFile,
    board: Arc<Board>,
    metrics: SnapshotMetrics,
    /// What was written last. Weak: what nobody answers from any more is not kept for this.
    saved: Weak<Published>,
    /// Why the last write failed.
    failure: Option<io::ErrorKind>,
}

/// What came of looking whether there is something to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is nothing new.
    Nothing,
    /// It was written, or that failed.
    Tried,
}

impl Keeper {
    /// Keeps what this board shows.
    pub fn new(file: SnapshotFile, board: Arc<Board>, metrics: SnapshotMetrics) -> Self {
        Self { file, board, metrics, saved: Weak::new(), failure: None }
    }

    /// Writes after changes until told that nothing more is published, and then once more.
    pub async fn run(mut self, finished: CancellationToken) {
        let mut versions = self.board.subscribe();
        // What was published before is news as well.
        versions.mark_changed();
        while !finished.is_cancelled() {
            tokio::select! {
                Ok(()) = versions.changed() => {}
                () = sleep(SAVE_INTERVAL), if self.failure.is_some() => {}
                () = finished.cancelled() => break,
            }
            if self.save().await == Outcome::Tried {
                tokio::select! {
                    () = sleep(SAVE_INTERVAL) => {}
                    () = finished.cancelled() => {}
                }
            }
        }
        if timeout(LAST_SAVE, self.save()).await.is_err() {
            warn!("there was no time to keep the last good cluster");
        }
    }

    /// Writes what is published, if it is news from a master.
    async fn save(&mut self) -> Outcome {
        let published = self.board.load();
        let is_news = published.zone.is_loaded() && published.restored.is_none();
        if !is_news || Weak::ptr_eq(&self.saved, &Arc::downgrade(&published)) {
            return Outcome::Nothing;
        }
        let about = about(&published);
        let (done, written) = oneshot::channel();
        let file = self.file.clone();
        let kept = published.clone();
        let write = move || {
            step_back(Rank::Last);
            // Nobody waits for it any more if the process ends.
            _ = done.send(file.write(&kept.cluster, &about));
        };
        let started = thread::Builder::new().name("snapshot".to_owned()).spawn(write);
        let outcome = match started {
            Ok(_) => written.await.unwrap_or_else(|_| Err(io::Error::other("writing it broke down"))),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => self.handle_saved(&published),
            Err(error) => self.handle_failure(&error),
        }
        Outcome::Tried
    }

    fn handle_saved(&mut self, published: &Arc<Published>) {
        self.saved = Arc::downgrade(published);
        self.metrics.saves.inc();
        self.metrics.last.set(i64::try_from(unix_seconds()).unwrap_or(i64::MAX));
        match self.failure.take() {
            Some(_) => info!(path = %self.file.path().display(), "the last good cluster is kept again"),
            None => debug!(path = %self.file.path().display(), "the last good cluster is kept"),
        }
    }

    fn handle_failure(&mut self, error: &io::Error) {
        self.metrics.failures.inc();
        if self.failure.replace(error.kind()) != Some(error.kind()) {
            warn!(path = %self.file.path().display(), %error, "the last good cluster cannot be kept");
        }
    }
}

/// What the file says besides the cluster.
fn about(published: &Published) -> About {
    About {
        saved_at: unix_seconds(),
        serial: published.zone.serial(),
        content_hash: published.zone.content_hash(),
        soa: published.zone.soa().to_string(),
        pid: published.reign.pid.clone(),
        elected_time: published.reign.elected_time,
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
