//! The one writer: takes orders, changes the zone, publishes.
//!
//! The first change of a quiet zone is published at once. While more keep coming, they are gathered for
//! [`PUBLISH_INTERVAL`]: each version costs a little whatever is in it, and a burst of a thousand events becomes a
//! handful of versions.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::{
    cluster::{Change, Cluster, Masters, Skipped, Subject, Touched},
    mesos::state::Saved,
    records,
    table::Seed,
    watch::{
        believe::{Incomplete, Why},
        knowledge::{Held, Knowledge, Origin},
    },
    zone::{Compiled, Delta, Serial, Zone},
};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::{
    Board, Order, PublishMetrics, Published, Reign, Report, Settings, Taken,
    cause::{Cause, Causes},
    former::{Former, LOOK_AGAIN},
    freshness::{Arrival, Arrivals},
    load,
};

/// Least time between two versions while changes keep coming.
pub const PUBLISH_INTERVAL: Duration = Duration::from_millis(2);

/// Most orders that are taken before a version is published, however many wait.
const ORDERS_MAX: usize = 256;

/// How long to wait for orders when nothing else is due.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How often to look whether a serial can be given.
const SERIAL_PATIENCE: Duration = Duration::from_millis(50);

/// The writer.
pub struct Publisher {
    board: Arc<Board>,
    metrics: Arc<PublishMetrics>,
    settings: Settings,
    seed: Seed,
    knowledge: Knowledge,
    zone: Zone,
    /// What the zone was made from.
    cluster: Cluster,
    /// The way from the version before to the one that is waiting to be published.
    delta: Delta,
    serial: Serial,
    /// Content changed again within the second of the present serial.
    awaits_serial: bool,
    /// What is waiting to be published.
    waiting: Waiting,
    /// What brought it.
    causes: Causes,
    /// Before this moment nothing is published.
    next: Instant,
    version: u64,
    told: Option<Why>,
    /// When the snapshot file was written that everything is from, until a master speaks.
    restored: Option<u64>,
    reign: Arc<Reign>,
    /// What could not be used of the last document.
    skipped: Skipped,
    doubts: watch::Sender<Doubts>,
    former: Former,
    /// Events that no version shows yet.
    arrivals: Arrivals,
    /// It was told which tasks have other addresses than the original would give them.
    has_told_moved: bool,
}

/// Counts what makes a reader of events look at the state again. One that sees a number change acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// Events were lost on the way: a stream has to begin anew.
    pub lost: u64,
    /// An event concerned something unknown: the state should be compared soon.
    pub odd: u64,
    /// The operator vouches for the leader: the state should be read at once.
    pub released: u64,
}

/// How much of a version is waiting to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    #[default]
    Nothing,
    /// Names and addresses are as they were: the API shows the rest.
    Values,
    /// Records came or went.
    Content,
}

impl Publisher {
    /// A writer for this board. `seed` starts the hash functions.
    pub fn new(board: Arc<Board>, metrics: Arc<PublishMetrics>, settings: Settings, seed: Seed) -> Self {
        Self {
            board,
            metrics,
            seed,
            knowledge: Knowledge::new(settings.believe, seed),
            zone: fresh_zone(&settings, seed),
            settings,
            cluster: Cluster::default(),
            delta: Delta::Everything,
            serial: Serial(0),
            awaits_serial: false,
            waiting: Waiting::Nothing,
            causes: Causes::default(),
            next: Instant::now(),
            version: 0,
            told: None,
            restored: None,
            reign: Arc::default(),
            skipped: Skipped::default(),
            doubts: watch::Sender::default(),
            former: Former::default(),
            arrivals: Arrivals::default(),
            has_told_moved: false,
        }
    }

    /// For whoever reads events.
    pub fn doubts(&self) -> watch::Receiver<Doubts> {
        self.doubts.subscribe()
    }

    /// Goes on from what an earlier process kept, and publishes it. Call it before anything else.
    ///
    /// It is taken for a document of the leader at that time, so that the next leader's is compared with it like
    /// with any other. A zone that is as it was keeps its serial.
    pub fn restore(&mut self, saved: Saved) {
        let Saved { about, document, listed, hosts } = saved;
        let work =
            catch_unwind(AssertUnwindSafe(|| self.take_document(document, listed, hosts, Origin::Polled)));
        match work {
            Ok(Ok(_)) => {}
            Ok(Err(incomplete)) => return warn!(error = %incomplete, "the snapshot file is not used"),
            Err(_) => {
                self.metrics.panics.inc();
                error!("the snapshot file broke something down; it is not used");
                self.knowledge = Knowledge::new(self.settings.believe, self.seed);
                self.zone = fresh_zone(&self.settings, self.seed);
                (self.cluster, self.waiting) = (Cluster::default(), Waiting::Nothing);
                return;
            }
        }
        if about.serial > unix_seconds() {
            warn!(
                serial = about.serial,
                "the serial of the snapshot file lies in the future; it stays until then"
            );
        }
        self.restored = Some(about.saved_at);
        self.serial = Serial(about.serial);
        let zone = self.zone.snapshot(self.settings.soa.clone(), self.serial);
        if zone.content_hash() != about.content_hash || self.settings.soa.to_string() != about.soa {
            self.number();
        }
        self.waiting = Waiting::Nothing;
        self.version += 1;
        self.post();
        self.metrics.by_type.count(&self.board.load().zone);
        self.metrics.changed.set(Instant::now());
        let (serial, tasks) = (self.serial.0, self.cluster.tasks.len());
        info!(serial, records = self.zone.records(), tasks, saved_at = about.saved_at, "old data published");
        self.tell_moved();
    }

    /// Takes orders until told to stop.
    ///
    /// An order that panics is counted and dropped, and everything is built anew from the last good cluster:
    /// nothing half-changed is ever published.
    pub fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let first = match orders.recv_timeout(self.patience()) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
            };
            let mut stops = false;
            let work = catch_unwind(AssertUnwindSafe(|| {
                let more = orders.try_iter().take(ORDERS_MAX);
                for order in first.into_iter().chain(more) {
                    stops |= matches!(order, Order::Stop);
                    self.take(order);
                }
                self.work(Instant::now());
            }));
            if work.is_err() {
                self.metrics.panics.inc();
                error!("publishing broke down; the zone is built anew from the last good cluster");
                self.begin_anew();
            }
            if stops {
                return;
            }
        }
    }

    fn take(&mut self, order: Order) {
        self.causes.note(Cause::of(&order));
        match order {
            Order::Changes(changes, arrival) => self.change(changes, arrival),
            Order::Comparing => self.knowledge.expect_comparison(),
            Order::Hosts(hosts) => self.knowledge.handle_hosts(hosts),
            Order::Masters(masters) => self.knowledge.handle_masters(masters),
            Order::Release => self.release(),
            Order::Report(report) => self.report(*report),
            Order::Settings(settings) => self.configure(*settings),
            Order::Stop => {}
        }
    }

    /// How long to wait for orders.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let until = |moment: Instant| moment.saturating_duration_since(now);
        let is_waiting = self.waiting > Waiting::Nothing || self.knowledge.is_touched();
        let publication = is_waiting.then(|| until(self.next));
        let serial = self.awaits_serial.then_some(SERIAL_PATIENCE);
        let knowledge = self.knowledge.poll_timeout().map(until);
        let former = (!self.former.is_empty()).then_some(LOOK_AGAIN);
        [publication, serial, knowledge, former].into_iter().flatten().min().unwrap_or(PATIENCE)
    }

    /// What follows from the orders taken, and what is due.
    fn work(&mut self, now: Instant) {
        if self.knowledge.poll_timeout().is_some_and(|due| due <= now) {
            self.knowledge.handle_timeout(now);
            self.causes.note(Some(Cause::Time));
        }
        if now >= self.next {
            self.flush();
        }
        self.label();
        self.former.let_go(now);
    }

    //--- Orders

    fn change(&mut self, changes: Vec<Change>, arrival: Option<Arrival>) {
        let now = Instant::now();
        let is_event = |change: &&Change| !matches!(change, Change::Omitted(_));
        let events = changes.iter().filter(is_event).count();
        if let Some(arrival) = arrival {
            self.arrivals.note(events, arrival);
        }
        self.metrics.changes.inc_by(events as u64);
        let subjects = changes.into_iter().map(|change| self.knowledge.handle_change(change, now));
        let unknown = subjects.filter(|subject| *subject == Subject::Unknown).count() as u64;
        if unknown > 0 {
            self.metrics.unknown_tasks.inc_by(unknown);
            self.doubts.send_modify(|doubts| doubts.odd += 1);
        }
    }

    fn release(&mut self) {
        self.metrics.releases.inc();
        warn!("the operator vouches for the leader: what it does not show is dropped");
        self.knowledge.release(Instant::now());
        self.doubts.send_modify(|doubts| doubts.released += 1);
    }

    fn report(&mut self, report: Report) {
        // What events said before comes before.
        self.flush();
        self.causes.note(Some(Cause::Document));
        let taken = self.take_document(report.document, report.listed, report.hosts, report.origin);
        // Whoever sent it finds it published.
        self.tell_held();
        self.publish();
        // Nobody waits for it any more if the watcher was stopped meanwhile.
        let _ = report.taken.send(taken);
    }

    fn take_document(
        &mut self,
        document: mesos_dns_core::cluster::Document,
        listed: Vec<Arc<str>>,
        hosts: mesos_dns_core::cluster::Hosts,
        origin: Origin,
    ) -> Result<Taken, Incomplete> {
        let masters = Masters { leader: document.leader.as_deref().map(Arc::from), listed };
        let reign = Reign { pid: document.pid.clone(), elected_time: document.elected_time };
        let skipped = document.skipped;
        let verdict = self.knowledge.handle_document(document, masters, hosts, origin, Instant::now())?;
        if *self.reign != reign {
            self.reign = Arc::new(reign);
        }
        if mem::replace(&mut self.skipped, skipped) != skipped {
            self.waiting = self.waiting.max(Waiting::Values);
        }
        if self.restored.take().is_some() {
            info!("a master has spoken: what the snapshot file said is confirmed or corrected");
            self.waiting = self.waiting.max(Waiting::Values);
        }
        self.metrics.updates.inc();
        self.metrics.drift.inc_by(verdict.drift as u64);
        if verdict.drift > 0 {
            warn!(corrected = verdict.drift, "the state shows what no event told");
        }
        self.follow(verdict.touched);
        if self.version == 0 {
            // The first data, even if there is none.
            self.waiting = Waiting::Content;
        }
        Ok(Taken { again: verdict.again })
    }

    fn configure(&mut self, settings: Settings) {
        self.knowledge.configure(settings.believe);
        let before = mem::replace(&mut self.settings, settings);
        let is_same = Settings { believe: self.settings.believe, ..before } == self.settings;
        if is_same {
            return;
        }
        if self.version == 0 {
            self.zone = fresh_zone(&self.settings, self.seed);
            let (policy, soa) = (self.settings.policy.clone(), self.settings.soa.clone());
            self.show(Published::loading(policy, soa));
        } else {
            self.rebuild();
            self.waiting = Waiting::Content;
        }
    }

    //--- The zone

    /// Publishes what is known now.
    fn flush(&mut self) {
        let touched = self.knowledge.take();
        self.follow(touched);
        self.tell_held();
        let before = self.version;
        self.publish();
        self.arrivals.settle(self.version != before, &self.metrics.freshness);
    }

    /// Brings the zone to what is known now.
    fn follow(&mut self, mut touched: Touched) {
        if touched.is_empty() {
            return;
        }
        let next = self.knowledge.cluster().clone();
        let tasks = touched.tasks.len();
        if self.cluster.tasks.is_empty() {
            load::load(&mut self.zone, &self.settings.policy, &next, &mut touched.tasks);
        }
        self.zone.update(&self.settings.policy, &self.cluster, &next, &touched);
        self.metrics.tasks_generated.inc_by(tasks as u64);
        let Compiled { is_changed, delta, owners_compiled, bytes_copied } = self.zone.compile();
        self.metrics.owners_compiled.inc_by(owners_compiled);
        self.metrics.bytes_copied.inc_by(bytes_copied);
        self.cluster = next;
        self.delta = delta;
        self.waiting = self.waiting.max(if is_changed { Waiting::Content } else { Waiting::Values });
    }

    /// Builds the zone from the cluster alone.
    fn rebuild(&mut self) {
        let mut everything = self.cluster.everything();
        self.zone = fresh_zone(&self.settings, self.seed);
        load::load(&mut self.zone, &self.settings.policy, &self.cluster, &mut everything.tasks);
        self.zone.update(&self.settings.policy, &Cluster::default(), &self.cluster, &everything);
        self.zone.compile();
        self.delta = Delta::Everything;
    }

    /// After a fault of ours: what was being changed is in doubt, the last good cluster is not.
    fn begin_anew(&mut self) {
        self.knowledge = Knowledge::with(self.cluster.clone(), self.settings.believe, self.seed);
        self.rebuild();
        self.waiting = Waiting::Content;
        self.doubts.send_modify(|doubts| doubts.lost += 1);
    }

    //--- Publishing

    /// Publishes what is waiting.
    fn publish(&mut self) {
        let causes = mem::take(&mut self.causes);
        if self.waiting == Waiting::Nothing {
            return;
        }
        // Before the first document there is nothing to publish, whatever events say.
        if self.version == 0 && self.waiting < Waiting::Content {
            return;
        }
        if mem::take(&mut self.waiting) < Waiting::Content {
            return self.post();
        }
        self.version += 1;
        let delta = mem::replace(&mut self.delta, Delta::Records(Vec::new()));
        let is_followed = self.metrics.by_type.follow(&delta);
        self.board.note(|journal| journal.push(self.version, delta));
        self.board.chronicle(self.version, causes);
        self.number();
        self.post();
        self.metrics.changed.set(Instant::now());
        if !is_followed {
            // It takes a while, and is served meanwhile.
            self.metrics.by_type.count(&self.board.load().zone);
        }
        self.tell_moved();
        let (records, names, serial) = (self.zone.records(), self.metrics.names.get(), self.serial.0);
        if self.version > 1 {
            return debug!(serial, records, names, "zone published");
        }
        info!(serial, records, names, tasks = self.cluster.tasks.len(), "first data, zone published");
        let special = self.zone.withheld().special;
        if special > 0 {
            warn!(special, "Frameworks or tasks withheld: their names are reserved");
        }
    }

    /// Gives changed content its serial: the time of the change. It neither runs ahead of the clock nor falls over a
    /// restart, so it may have to wait.
    fn number(&mut self) {
        let now = unix_seconds();
        self.awaits_serial = now <= self.serial.0;
        if !self.awaits_serial {
            self.serial = Serial(now);
            self.board.note(|journal| journal.label(self.serial));
        }
    }

    /// Gives changed content its serial once the second of the former one is over.
    fn label(&mut self) {
        if self.awaits_serial && unix_seconds() > self.serial.0 {
            self.number();
            self.post();
        }
    }

    fn post(&mut self) {
        let zone = self.zone.snapshot(self.settings.soa.clone(), self.serial);
        let published = Published {
            zone: Arc::new(zone.partial(self.knowledge.is_partial())),
            cluster: self.cluster.clone(),
            policy: self.settings.policy.clone(),
            held: self.knowledge.held(),
            restored: self.restored,
            reign: self.reign.clone(),
            skipped: self.skipped,
            version: self.version,
            posting: 0,
        };
        self.metrics.show(&published);
        self.show(published);
        self.next = Instant::now() + PUBLISH_INTERVAL;
    }

    fn show(&mut self, published: Published) {
        let before = self.board.post(published);
        self.former.keep(before, Instant::now());
    }

    /// Says once, with the first tasks, which of them have other addresses than the original would give them.
    fn tell_moved(&mut self) {
        if self.has_told_moved || self.cluster.tasks.is_empty() {
            return;
        }
        self.has_told_moved = true;
        let moved = records::moved(&self.cluster, &self.settings.policy);
        if moved.tasks > 0 {
            let examples: Vec<String> = moved.examples.iter().map(ToString::to_string).collect();
            info!(
                tasks = moved.tasks,
                examples = examples.join("; "),
                r#"tasks have the address that works for their network, not the one of the original; "IPSources": ["netinfo", "mesos", "host"] keeps the old"#
            );
        }
    }

    /// Says once when something begins to be held, for another reason, or no longer.
    fn tell_held(&mut self) {
        let held = self.knowledge.held();
        let board = self.board.current().load();
        let is_shown = board.held == held && board.zone.is_partial() == self.knowledge.is_partial();
        drop(board);
        if !is_shown && self.version > 0 {
            self.waiting = self.waiting.max(Waiting::Values);
        }
        let why = held.as_ref().map(|held| held.why);
        if why == self.told {
            return;
        }
        self.told = why;
        match held {
            Some(Held { why, tasks, agents }) => {
                self.metrics.count_held(why);
                warn!(?why, tasks, agents, "holding what the leader does not show");
            }
            None => info!("nothing is held any more that the leader does not show"),
        }
    }
}

fn fresh_zone(settings: &Settings, seed: Seed) -> Zone {
    Zone::of(&settings.policy, settings.healthy_minimum_percent, seed)
}

fn unix_seconds() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Serials wrap in 2106, as RFC 1982 foresees.
    now.as_secs() as u32
}
