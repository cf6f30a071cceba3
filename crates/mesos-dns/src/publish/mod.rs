//! One writer, many readers: from what is known of the cluster to the version that is served.
//!
//! The [`Publisher`] runs on a thread of its own, because compiling a large zone takes longer than any
//! network task may be held up. It owns what we know of the cluster and the zone made from it; what it hands
//! out is immutable and swapped in by one atomic store, so that readers never wait and never see half of two
//! versions.

mod cause;
mod former;
mod freshness;
mod load;
mod metrics;
mod orders;
mod records;
mod writer;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use mesos_dns_core::{
    cluster::{Change, Cluster, Document, Hosts, Masters, Skipped},
    records::Policy,
    watch::{
        believe::{self, Incomplete},
        knowledge::{Held, Origin},
    },
    zone::{Journal, Mark, Snapshot, Soa, Step},
};
use tokio::sync::{oneshot, watch};

use cause::{Causes, Chronicle};
pub use freshness::Arrival;
pub use metrics::PublishMetrics;
pub use orders::{NotTaken, Orders};
pub use writer::{Doubts, PUBLISH_INTERVAL, Publisher};

/// What readers see: one version of the zone and the cluster it was made from, never half of two.
pub struct Published {
    /// The compiled zone, also the source of every v1 body.
    pub zone: Arc<Snapshot>,
    /// The cluster the zone was made from.
    pub cluster: Cluster,
    /// How names were made.
    pub policy: Arc<Policy>,
    /// What is held although the leader does not show it.
    pub held: Option<Held>,
    /// When the snapshot file was written that all this is from, as Unix time in seconds; `None` once a master has
    /// spoken.
    pub restored: Option<u64>,
    /// Whose reign it is.
    pub reign: Arc<Reign>,
    /// What could not be used of the last document.
    pub skipped: Skipped,
    /// Counts publications from 1; 0 is the empty start, before any data (`zone.is_loaded()` is false).
    pub version: u64,
    /// Counts what was shown: versions, and what changed beside the zone without making one. The board counts.
    pub posting: u64,
}

/// The time in which one master leads, as its documents name it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reign {
    /// Its own address.
    pub pid: Option<String>,
    /// When it was elected, as Unix time in seconds.
    pub elected_time: Option<f64>,
}

/// Where readers find the current version.
pub struct Board {
    current: ArcSwap<Published>,
    version: watch::Sender<u64>,
    journal: Mutex<Journal>,
    chronicle: Mutex<Chronicle>,
    first_data: OnceLock<Instant>,
}

impl Board {
    /// A board that shows a zone without data.
    pub fn new(policy: Arc<Policy>, soa: Arc<Soa>) -> Self {
        let current = ArcSwap::from_pointee(Published::loading(policy, soa));
        let journal = Mutex::new(Journal::new(0, None));
        let (version, first_data) = (watch::Sender::new(0), OnceLock::new());
        Self { current, version, journal, chronicle: Mutex::default(), first_data }
    }

    /// The steps from this version to the newest one; `None` if they are not kept any more, or were too many: then
    /// only the whole zone helps. The newest step can be younger than what [`Board::load`] gave before.
    pub fn since(&self, version: u64) -> Option<Vec<Step>> {
        self.journal().since(version).map(|steps| steps.cloned().collect())
    }

    /// The steps that lead to this version, as far as they are kept, and the version that the first of them begins with.
    pub fn steps(&self, version: u64) -> (u64, Vec<Step>) {
        let journal = self.journal();
        let oldest = journal.oldest().version;
        let steps = journal.since(oldest).into_iter().flatten();
        (oldest, steps.take_while(|step| step.mark.version <= version).cloned().collect())
    }

    /// The step that leads on from this version; the newest version if that is it, or if there is no way on from it.
    pub fn next_step(&self, version: u64) -> Next {
        let journal = self.journal();
        match journal.since(version).map(|mut steps| steps.next().cloned()) {
            Some(Some(step)) => Next::Step(step),
            Some(None) => Next::Newest,
            None => Next::Gap(journal.newest()),
        }
    }

    /// What brought a version, in words; nothing if that is not known any more.
    pub fn causes(&self, version: u64) -> Vec<&'static str> {
        self.chronicle.lock().unwrap_or_else(PoisonError::into_inner).of(version)
    }

    fn chronicle(&self, version: u64, causes: Causes) {
        self.chronicle.lock().unwrap_or_else(PoisonError::into_inner).push(version, causes);
    }

    fn note(&self, note: impl FnOnce(&mut Journal)) {
        note(&mut self.journal());
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current version. Hold it for one query or one whole transfer.
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// The place of the current version, for readers that look many times a second.
    pub fn current(&self) -> &ArcSwap<Published> {
        &self.current
    }

    /// When data were shown for the first time.
    pub fn first_data(&self) -> Option<Instant> {
        self.first_data.get().copied()
    }

    /// Tells when a newer version was published.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Shows a version; returns the one before, which readers may still hold.
    fn post(&self, published: Published) -> Arc<Published> {
        let version = published.version;
        if published.zone.is_loaded() {
            self.first_data.get_or_init(Instant::now);
        }
        // Only the writer posts, so nobody counts beside it.
        let published = Published { posting: self.current.load().posting.wrapping_add(1), ..published };
        let former = self.current.swap(Arc::new(published));
        self.version.send_replace(version);
        former
    }
}

/// What follows a version.
pub enum Next {
    /// It is not known, or lies too far back, or too much changed: only the whole of this one helps.
    Gap(Mark),
    /// Nothing yet.
    Newest,
    /// This.
    Step(Step),
}

impl Published {
    /// The start: no data yet.
    fn loading(policy: Arc<Policy>, soa: Arc<Soa>) -> Self {
        let zone = Arc::new(Snapshot::loading(policy.apex.clone(), soa));
        let (held, restored, reign, skipped) = (None, None, Arc::default(), Skipped::default());
        Self {
            zone,
            cluster: Cluster::default(),
            policy,
            held,
            restored,
            reign,
            skipped,
            version: 0,
            posting: 0,
        }
    }
}

/// The leader's document, complete, with all that is needed to take it in.
pub struct Report {
    /// What it says.
    pub document: Document,
    /// The masters list in effect when it was fetched (behaviour spec section 2).
    pub listed: Vec<Arc<str>>,
    /// Addresses of every host name in the document and the list.
    pub hosts: Hosts,
    /// How it came.
    pub origin: Origin,
    /// Is told what became of it. Whoever sends documents waits for this before the next one.
    pub taken: oneshot::Sender<Result<Taken, Incomplete>>,
}

/// A document was taken in.
#[derive(Clone, Debug)]
pub struct Taken {
    /// When to look again, if sooner than usual.
    pub again: Option<Duration>,
}

/// What the publisher is told.
pub enum Order {
    /// What events say, in their order; if they came just now, how they did.
    Changes(Vec<Change>, Option<Arrival>),
    /// A document to compare with is being asked for.
    Comparing,
    /// Host names were looked up.
    Hosts(Hosts),
    /// Other masters are there, or another one leads.
    Masters(Masters),
    /// The operator vouches for the leader: nothing is held any more.
    Release,
    /// A new view of the cluster.
    Report(Box<Report>),
    /// Other names, other SOA fields, or other rules for what to believe, after a reload of the configuration.
    Settings(Box<Settings>),
    /// Nothing more comes.
    Stop,
}

/// What the operator chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How names are made.
    pub policy: Arc<Policy>,
    /// SOA, NS, and what all records carry.
    pub soa: Arc<Soa>,
    /// Share of healthy tasks of a name, in percent, below which the unhealthy ones are answered too.
    pub healthy_minimum_percent: u8,
    /// How long and when to keep what the leader does not show.
    pub believe: believe::Settings,
}

#[cfg(test)]
mod tests;
