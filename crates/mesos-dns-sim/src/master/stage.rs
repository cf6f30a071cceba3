//! Who plays which part, and what the leader tells: all state of the masters, behind one lock.
//!
//! A change of the cluster, the leader's learning of it and what subscribers are told of it are one step, and so
//! is taking a snapshot and subscribing: nothing is lost or told twice between the two. Nothing in here waits.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Fault, Request};
use crate::{
    cluster::Cluster,
    memory::{Event, Knowledge, Memory},
    profile::Profile,
    render::{Face, View, v1},
};

/// Bytes of events that may wait for one subscriber; Mesos has no such limit, and dies of it.
pub const BACKLOG_BYTES_MAX: usize = 256 * 1024 * 1024;

/// All there is.
pub(super) struct Stage {
    pub(super) cluster: Arc<Cluster>,
    pub(super) masters: Vec<Seat>,
    pub(super) leader: Option<usize>,
    memory: Arc<Memory>,
    elected: Duration,
    /// Agents come back at a rate since then.
    learning: Option<(Instant, f64)>,
    subscribers: VecDeque<Subscriber>,
    subscribers_max: usize,
    profile: Profile,
}

/// One master.
pub(super) struct Seat {
    pub(super) face: Face,
    pub(super) fault: watch::Sender<Fault>,
    /// For so many requests more; for ever if absent.
    pub(super) fault_requests: Option<u32>,
    /// `None` while it is dead.
    pub(super) listening: Option<(DropGuard, JoinHandle<()>)>,
    pub(super) requests: VecDeque<Request>,
}

/// The part a master plays while it answers one request.
#[derive(Clone)]
pub(super) struct Scene {
    cluster: Arc<Cluster>,
    pub(super) master: Face,
    pub(super) leader: Option<Face>,
    pub(super) elected: Option<Duration>,
    memory: Arc<Memory>,
    profile: Profile,
}

/// Somebody who is told events. Dropped, the stream ends once everything that waits was taken.
struct Subscriber {
    items: mpsc::UnboundedSender<Item>,
    backlog: Arc<AtomicUsize>,
    crash: CancellationToken,
}

/// The other end.
pub(super) struct Subscription {
    pub(super) items: mpsc::UnboundedReceiver<Item>,
    backlog: Arc<AtomicUsize>,
    /// The stream breaks off as soon as this is cancelled.
    pub(super) crash: CancellationToken,
}

/// What a subscriber is to be told.
pub(super) enum Item {
    /// An event as JSON.
    Event(v1::Raw, Bytes),
    /// That a heartbeat is due.
    Beat,
}

impl Stage {
    pub(super) fn new(mut cluster: Cluster, profile: Profile, subscribers_max: usize) -> Self {
        cluster.record();
        let elected = cluster.born;
        Self {
            cluster: Arc::new(cluster),
            masters: Vec::new(),
            leader: Some(0),
            memory: Arc::new(Memory::default()),
            elected,
            learning: None,
            subscribers: VecDeque::new(),
            subscribers_max,
            profile,
        }
    }

    /// Changes the cluster, and tells.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let cluster = Arc::make_mut(&mut self.cluster);
        let result = change(cluster);
        for fact in cluster.drain() {
            let events = Arc::make_mut(&mut self.memory).hear(fact, &self.cluster, self.profile);
            self.tell(&events);
        }
        result
    }

    /// Makes a master the leader, or nobody; whoever led before is gone, and with it its streams.
    pub(super) fn elect(&mut self, leader: Option<usize>, knowledge: Knowledge, now: Duration) {
        self.subscribers.drain(..).for_each(|subscriber| subscriber.crash.cancel());
        self.leader = leader;
        self.elected = now;
        self.learning = None;
        self.memory = Arc::new(Memory::new(knowledge, &self.cluster, now));
    }

    pub(super) fn elect_slowly(&mut self, leader: usize, agents_per_second: f64, now: Duration) {
        self.elect(Some(leader), Knowledge::Agents(0), now);
        self.learning = Some((Instant::now(), agents_per_second));
    }

    /// Lets the leader learn. One that knows more already, and is to know less, starts over.
    pub(super) fn know(&mut self, knowledge: Knowledge) {
        self.learning = None;
        match knowledge {
            Knowledge::Everything => {
                self.agents_back(0..self.cluster.agents.len());
                self.schedulers_back(0..self.cluster.frameworks.len());
            }
            Knowledge::Agents(back) if *self.memory != Memory::default() => {
                Arc::make_mut(&mut self.memory).recover();
                self.agents_back(0..back);
            }
            _ => self.elect(self.leader, knowledge, self.elected),
        }
    }

    /// Agents that the leader waits for.
    pub(super) fn awaited(&self) -> Vec<usize> {
        self.memory.awaited(&self.cluster)
    }

    pub(super) fn agents_back(&mut self, agents: impl IntoIterator<Item = usize>) {
        let memory = Arc::make_mut(&mut self.memory);
        let events = memory.recall_agents(agents, &self.cluster, self.profile);
        self.tell(&events);
    }

    pub(super) fn schedulers_back(&mut self, schedulers: impl IntoIterator<Item = usize>) {
        let events = Arc::make_mut(&mut self.memory).recall_schedulers(schedulers, &self.cluster);
        self.tell(&events);
    }

    /// Lets everybody come back who is due by now; false once nobody will.
    pub(super) fn catch_up(&mut self) -> bool {
        let Some((since, agents_per_second)) = self.learning else { return false };
        let due = (since.elapsed().as_secs_f64() * agents_per_second) as usize;
        if due > self.cluster.agents.len() {
            self.know(Knowledge::Everything);
        } else {
            self.agents_back(0..due);
        }
        self.learning.is_some()
    }

    /// What a master sees now.
    pub(super) fn scene(&self, master: usize) -> Scene {
        let leads = self.leader == Some(master);
        let nothing = || Arc::new(Memory::new(Knowledge::Nothing, &self.cluster, self.elected));
        Scene {
            cluster: self.cluster.clone(),
            master: self.masters[master].face.clone(),
            leader: self.leader.map(|leader| self.masters[leader].face.clone()),
            elected: leads.then_some(self.elected),
            memory: if leads { self.memory.clone() } else { nothing() },
            profile: self.profile,
        }
    }

    /// Takes a subscriber on; the oldest goes if there are too many.
    pub(super) fn subscribe(&mut self) -> Subscription {
        let (sender, items) = mpsc::unbounded_channel();
        let (crash, backlog) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let (waiting, breaking) = (backlog.clone(), crash.clone());
        self.subscribers.push_back(Subscriber { items: sender, backlog: waiting, crash: breaking });
        self.subscribers.retain(|subscriber| !subscriber.items.is_closed());
        let surplus = self.subscribers.len().saturating_sub(self.subscribers_max);
        self.subscribers.drain(..surplus);
        Subscription { items, backlog, crash }
    }

    /// Subscribers at present.
    pub(super) fn subscribers(&mut self) -> usize {
        self.subscribers.retain(|subscriber| !subscriber.items.is_closed());
        self.subscribers.len()
    }

    /// Ends the oldest stream.
    pub(super) fn evict(&mut self) {
        self.subscribers.pop_front();
    }

    /// Sends every subscriber a heartbeat.
    pub(super) fn beat(&mut self) {
        self.subscribers.retain(|subscriber| subscriber.items.send(Item::Beat).is_ok());
    }

    fn tell(&mut self, events: &[Event]) {
        for event in events {
            if self.subscribers.is_empty() {
                return;
            }
            let Some((raw, text)) = v1::event(&self.cluster, event, self.profile) else { continue };
            let text = Bytes::from(text);
            self.subscribers.retain(|subscriber| subscriber.take(raw, text.clone()));
        }
    }
}

impl Subscriber {
    /// Whether the subscriber can take this; it is let go if not.
    fn take(&self, raw: v1::Raw, text: Bytes) -> bool {
        let waiting = self.backlog.fetch_add(text.len(), Ordering::Relaxed) + text.len();
        waiting <= BACKLOG_BYTES_MAX && self.items.send(Item::Event(raw, text)).is_ok()
    }
}

impl Subscription {
    /// Notes that so many bytes do not wait any more.
    pub(super) fn took(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Scene {
    pub(super) fn view(&self) -> View<'_> {
        View {
            cluster: &self.cluster,
            master: &self.master,
            leader: self.leader.as_ref(),
            elected: self.elected,
            memory: &self.memory,
            profile: self.profile,
        }
    }

    /// Whether the master leads and has read the registry.
    pub(super) fn is_recovered(&self) -> bool {
        self.memory.is_recovered()
    }

    /// The scene as a master with this fault shows it.
    pub(super) fn seen_through(mut self, fault: Fault, other: Option<Face>) -> Self {
        match fault {
            Fault::EmptyState => {
                self.memory = Arc::default();
                self.cluster = Arc::new(Cluster::blank(self.cluster.born));
            }
            Fault::LyingLeader => {
                let address = ([127, 0, 0, 1], 1).into();
                let nobody = || Face { id: "nobody".into(), address, started: self.master.started };
                self.leader = Some(other.unwrap_or_else(nobody));
            }
            Fault::ClockAhead { by } => {
                self.master.started += by;
                self.elected = self.elected.map(|elected| elected + by);
            }
            _ => (),
        }
        self
    }
}
