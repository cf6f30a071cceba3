//! One writer, many readers: from updates of the cluster to the version that is served.
//!
//! The [`Publisher`] runs on a thread of its own, because compiling a large zone takes longer than any
//! network task may be held up. It owns the zone; what it hands out is immutable and swapped in by one
//! atomic store, so that readers never wait and never see half of two versions.

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use mesos_dns_core::{
    cluster::{self, Cluster, Document, Hosts, Masters, TaskChange},
    records::Policy,
    table::Seed,
    wire::Name,
    zone::{self, Serial, Snapshot, Soa, Zone},
};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, info, warn};

/// A first load of at least this many tasks is worth several threads.
const LARGE_LOAD: usize = 5_000;

/// Pieces that wait to be put in, at most.
const LOAD_WAITING_MAX: usize = 4;

/// Most threads of a first load: one that puts in cannot keep up with more.
const LOAD_THREADS_MAX: usize = 4;

/// What readers see: one version of the zone and the cluster it was made from, never half of two.
pub struct Published {
    /// The compiled zone, also the source of every v1 body.
    pub zone: Arc<Snapshot>,
    /// The cluster the zone was made from.
    pub cluster: Cluster,
    /// How names were made.
    pub policy: Arc<Policy>,
    /// Counts publications from 1; 0 is the empty start, before any data (`zone.is_loaded()` is false).
    pub version: u64,
}

/// Where readers find the current version.
pub struct Board {
    current: ArcSwap<Published>,
    version: watch::Sender<u64>,
}

impl Board {
    /// A board that shows a zone without data.
    pub fn new(policy: Arc<Policy>, soa: Arc<Soa>) -> Self {
        let zone = Arc::new(Snapshot::loading(policy.apex.clone(), soa));
        let start = Published { zone, cluster: Cluster::default(), policy, version: 0 };
        Self { current: ArcSwap::from_pointee(start), version: watch::Sender::new(0) }
    }

    /// The current version. Hold it for one query or one whole transfer.
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// The place of the current version, for readers that look many times a second.
    pub fn current(&self) -> &ArcSwap<Published> {
        &self.current
    }

    /// Tells when a newer version was published.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn post(&self, published: Published) {
        let version = published.version;
        self.current.store(Arc::new(published));
        self.version.send_replace(version);
    }
}

/// A fetched snapshot of the cluster, checked and complete.
pub struct Update {
    /// The leader's document.
    pub document: Document,
    /// The masters list in effect when it was fetched (behaviour spec section 2).
    pub listed: Vec<Arc<str>>,
    /// Addresses of every host name in the document and the list.
    pub hosts: Hosts,
    /// Takes the cluster that is believed in from now on: the next document is compared with it. The watcher
    /// sends nothing more until it has it.
    pub applied: oneshot::Sender<Cluster>,
}

/// What the publisher is told.
pub enum Order {
    /// A new view of the cluster.
    Update(Box<Update>),
    /// Other names or other SOA fields, after a reload of the configuration.
    Settings(Box<(Arc<Policy>, Arc<Soa>)>),
    /// Nothing more comes.
    Stop,
}

/// The writer.
pub struct Publisher {
    board: Arc<Board>,
    metrics: Arc<PublishMetrics>,
    policy: Arc<Policy>,
    soa: Arc<Soa>,
    seed: Seed,
    zone: Zone,
    cluster: Cluster,
    serial: Serial,
    /// Content changed again within the second of the present serial.
    awaits_serial: bool,
    version: u64,
}

impl Publisher {
    /// A writer for this board. `seed` starts the hash functions.
    pub fn new(
        board: Arc<Board>,
        metrics: Arc<PublishMetrics>,
        policy: Arc<Policy>,
        soa: Arc<Soa>,
        seed: Seed,
    ) -> Self {
        let zone = fresh_zone(&policy, seed);
        let cluster = Cluster::default();
        Self {
            board,
            metrics,
            policy,
            soa,
            seed,
            zone,
            cluster,
            serial: Serial(0),
            awaits_serial: false,
            version: 0,
        }
    }

    /// Takes orders until told to stop.
    ///
    /// An order that panics is counted and dropped, and the zone is built anew from the last good cluster:
    /// nothing half-changed is ever published.
    pub fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match orders.recv_timeout(self.patience()) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
            };
            if catch_unwind(AssertUnwindSafe(|| self.take(order))).is_err() {
                self.metrics.panics.inc();
                error!("publishing broke down; the zone is built anew from the last good cluster");
                self.rebuild();
            }
        }
    }

    fn take(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Update(update)) => self.update(*update),
            Some(Order::Settings(settings)) => self.change_settings(settings.0, settings.1),
            Some(Order::Stop) => {}
            None => self.label(),
        }
    }

    /// How long to wait for an order: until a serial that is due can be given.
    fn patience(&self) -> Duration {
        if self.awaits_serial { Duration::from_millis(50) } else { Duration::from_secs(3600) }
    }

    fn update(&mut self, update: Update) {
        let masters =
            Masters { leader: update.document.leader.as_deref().map(Arc::from), listed: update.listed };
        let (next, mut touched) =
            cluster::apply(&self.cluster, update.document, masters, update.hosts, self.seed);
        let tasks = touched.tasks.len();
        if self.version == 0 {
            load(&mut self.zone, &self.policy, &next, &mut touched.tasks);
        }
        self.zone.update(&self.policy, &self.cluster, &next, &touched);
        let is_changed = self.zone.compile().is_changed;
        self.metrics.updates.inc();
        self.metrics.tasks_generated.inc_by(tasks as u64);
        let is_touched = tasks > 0 || !touched.is_empty();
        if is_touched {
            self.cluster = next;
        }
        if is_changed || self.version == 0 {
            self.publish(tasks);
        } else if is_touched {
            // Names and addresses are as they were, so the zone keeps its version; the API shows the rest.
            self.post();
        }
        // Nobody waits for it any more if the watcher was stopped meanwhile.
        let _ = update.applied.send(self.cluster.clone());
    }

    fn change_settings(&mut self, policy: Arc<Policy>, soa: Arc<Soa>) {
        if *policy == *self.policy && *soa == *self.soa {
            return;
        }
        (self.policy, self.soa) = (policy, soa);
        if self.version == 0 {
            self.zone = fresh_zone(&self.policy, self.seed);
            self.board.post(Published {
                zone: Arc::new(Snapshot::loading(self.policy.apex.clone(), self.soa.clone())),
                cluster: Cluster::default(),
                policy: self.policy.clone(),
                version: 0,
            });
            return;
        }
        let tasks = self.rebuild();
        self.publish(tasks);
    }

    /// Builds the zone from the cluster alone; returns how many tasks that took.
    fn rebuild(&mut self) -> usize {
        let mut everything = self.cluster.everything();
        let tasks = everything.tasks.len();
        self.zone = fresh_zone(&self.policy, self.seed);
        load(&mut self.zone, &self.policy, &self.cluster, &mut everything.tasks);
        self.zone.update(&self.policy, &Cluster::default(), &self.cluster, &everything);
        self.zone.compile();
        tasks
    }

    /// Publishes changed content.
    fn publish(&mut self, tasks: usize) {
        self.version += 1;
        let now = unix_seconds();
        // The serial is the time of the change: it neither runs ahead of the clock nor falls over a restart.
        self.awaits_serial = now <= self.serial.0;
        if !self.awaits_serial {
            self.serial = Serial(now);
        }
        self.post();
        let withheld = self.zone.withheld();
        if withheld.special > 0 && self.version == 1 {
            warn!(withheld.special, "frameworks or tasks withheld: their names are reserved");
        }
        let (records, names, serial) = (self.zone.records(), self.metrics.names.get(), self.serial.0);
        if self.version == 1 {
            info!(serial, records, names, tasks, "first data, zone published");
        } else {
            debug!(serial, records, names, tasks, "zone published");
        }
    }

    /// Gives changed content its serial once the second of the former one is over.
    fn label(&mut self) {
        let now = unix_seconds();
        if self.awaits_serial && now > self.serial.0 {
            self.awaits_serial = false;
            self.serial = Serial(now);
            self.version += 1;
            self.post();
        }
    }

    fn post(&mut self) {
        let snapshot = self.zone.snapshot(self.soa.clone(), self.serial);
        let metrics = &self.metrics;
        metrics.publications.inc();
        metrics.records.set(gauge(snapshot.records()));
        metrics.names.set(gauge(snapshot.names() as u64));
        metrics.tasks.set(gauge(self.cluster.tasks.len() as u64));
        metrics.agents.set(gauge(self.cluster.agents.len() as u64));
        metrics.frameworks.set(gauge(self.cluster.frameworks.len() as u64));
        metrics.serial.set(i64::from(snapshot.serial()));
        let withheld = snapshot.withheld();
        metrics.withheld_special.set(i64::from(withheld.special));
        metrics.withheld_ports.set(i64::from(withheld.ports));
        metrics.unencodable.set(i64::from(withheld.unencodable));
        self.board.post(Published {
            zone: Arc::new(snapshot),
            cluster: self.cluster.clone(),
            policy: self.policy.clone(),
            version: self.version,
        });
    }
}

/// Fills an empty zone, if there are many tasks: all cores make nodes, this thread puts them in. Takes the tasks.
fn load(zone: &mut Zone, policy: &Policy, cluster: &Cluster, new: &mut Vec<TaskChange>) {
    if new.len() < LARGE_LOAD {
        return;
    }
    let pieces = zone::plan(std::mem::take(new));
    let loader = zone.loader();
    let mut filler = zone.fill(loader.estimate(policy, cluster, &pieces));
    let next = AtomicUsize::new(0);
    let (send, made) = sync_channel(LOAD_WAITING_MAX);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(LOAD_THREADS_MAX) {
            let (send, loader, pieces, next) = (send.clone(), loader.clone(), &pieces, &next);
            scope.spawn(move || {
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver is there until the last piece is taken, unless it panicked.
                    let _ = send.send(loader.make(policy, cluster, piece));
                }
            });
        }
        drop(send);
        made.iter().for_each(|made| filler.take(made));
    });
    filler.finish();
}

fn fresh_zone(policy: &Policy, seed: Seed) -> Zone {
    let mut zone = Zone::new(policy.apex.clone(), Name::parse(&policy.server_name).ok(), seed);
    zone.add_server(policy);
    zone
}

fn unix_seconds() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Serials wrap in 2106, as RFC 1982 foresees.
    now.as_secs() as u32
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//------------ PublishMetrics ------------------------------------------------

/// What the publisher counts.
#[derive(Debug, Default)]
pub struct PublishMetrics {
    panics: Counter,
    updates: Counter,
    publications: Counter,
    tasks_generated: Counter,
    records: Gauge,
    names: Gauge,
    tasks: Gauge,
    agents: Gauge,
    frameworks: Gauge,
    serial: Gauge,
    withheld_special: Gauge,
    withheld_ports: Gauge,
    unencodable: Gauge,
}

impl PublishMetrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let zone = registry.sub_registry_with_prefix("zone");
        zone.register("panics", "Faults of this program met while publishing", self.panics.clone());
        zone.register("updates", "Views of the cluster taken over", self.updates.clone());
        zone.register("publications", "Versions published", self.publications.clone());
        zone.register("tasks_generated", "Tasks whose records were made anew", self.tasks_generated.clone());
        for (name, help, metric) in [
            ("records", "Records that DNS answers", &self.records),
            ("names", "Names, empty non-terminals included", &self.names),
            ("tasks", "Tasks that have not ended", &self.tasks),
            ("agents", "Agents", &self.agents),
            ("frameworks", "Frameworks", &self.frameworks),
            ("serial", "SOA serial", &self.serial),
            (
                "withheld_special",
                "Frameworks and records withheld because their name is reserved",
                &self.withheld_special,
            ),
            (
                "withheld_ports",
                "Ports withheld because they cannot exist or are too many",
                &self.withheld_ports,
            ),
            ("unencodable_records", "Records that only the HTTP API can show", &self.unencodable),
        ] {
            zone.register(name, help, metric.clone());
        }
    }
}
