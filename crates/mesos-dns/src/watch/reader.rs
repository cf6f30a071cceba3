//! Reads a stream of events in a task of its own, and hands on what it says.
//!
//! Events go straight to the publisher. Whoever watches over the stream is told only what it has to act on. If the
//! publisher cannot keep up, the stream ends: waiting for it would let the events pile up in the master.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{Change, Host},
    watch::subscribe::{End, HEARTBEAT},
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    metrics::WatchMetrics,
    stream::{Events, Heard},
};
use crate::publish::{Arrival, NotTaken, Order, Orders};

/// Notices that wait for whoever watches over the stream.
const NOTICES_MAX: usize = 64;

/// A stream that is being read. Dropping it ends the stream.
pub struct Reader {
    task: JoinSet<End>,
    notices: mpsc::Receiver<Notice>,
}

/// What has to be acted on.
#[derive(Debug)]
pub enum Notice {
    /// The master lives.
    Alive(Instant),
    /// A framework subscribed: where is its scheduler?
    Frameworks,
    /// Agents are named by these host names.
    Names(Vec<Arc<str>>),
    /// Something was odd.
    Odd,
}

impl Reader {
    /// Begins to read.
    pub fn start(events: Events, orders: Orders, metrics: Arc<WatchMetrics>) -> Self {
        let (sender, notices) = mpsc::channel(NOTICES_MAX);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut reading = Reading { events, orders, metrics, notices: sender, told: Instant::now() };
            loop {
                if let Err(end) = reading.step().await {
                    return end;
                }
            }
        });
        Self { task, notices }
    }

    /// Waits for something to act on; an error is the end of the stream. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Notice, End> {
        match self.notices.recv().await {
            Some(notice) => Ok(notice),
            // The task has ended, or panicked.
            None => Err(self.task.join_next().await.and_then(Result::ok).unwrap_or(End::Closed)),
        }
    }
}

/// The task.
struct Reading {
    events: Events,
    orders: Orders,
    metrics: Arc<WatchMetrics>,
    notices: mpsc::Sender<Notice>,
    /// When it was last told that the master lives.
    told: Instant,
}

impl Reading {
    /// One read.
    async fn step(&mut self) -> Result<(), End> {
        let heard = self.events.next().await?;
        let now = Instant::now();
        let alive = now.duration_since(self.told) >= self.alive_every();
        if alive {
            self.told = now;
            // Whoever is too busy to take it hears of it the next time.
            _ = self.notices.try_send(Notice::Alive(now));
        }
        self.count(&heard, now);
        let names = names(&heard.changes);
        let Heard { changes, frameworks, malformed, status_times, .. } = heard;
        if !changes.is_empty() {
            let arrival = Arrival { received: now, status_times };
            self.orders.try_send(Order::Changes(changes, Some(arrival))).map_err(
                |refused| match refused {
                    NotTaken::Full => End::Overrun,
                    NotTaken::Gone => End::Dropped,
                },
            )?;
        }
        if !names.is_empty() {
            self.notice(Notice::Names(names)).await?;
        }
        if frameworks {
            self.notice(Notice::Frameworks).await?;
        }
        if malformed > 0 {
            self.notice(Notice::Odd).await?;
        }
        Ok(())
    }

    async fn notice(&self, notice: Notice) -> Result<(), End> {
        self.notices.send(notice).await.map_err(|_| End::Dropped)
    }

    /// Often enough to notice that heartbeats are missing, and no oftener.
    fn alive_every(&self) -> Duration {
        (self.events.heartbeat().unwrap_or(HEARTBEAT) / 2).min(Duration::from_secs(1))
    }

    fn count(&self, heard: &Heard, now: Instant) {
        self.metrics.heard(&heard.by_type, now);
        self.metrics.events_unknown.inc_by(heard.unknown);
        self.metrics.events_malformed.inc_by(heard.malformed);
    }
}

/// Host names in events.
fn names(changes: &[Change]) -> Vec<Arc<str>> {
    let hosts = changes.iter().filter_map(|change| match change {
        Change::AgentAdded(agent) => agent.address.as_ref().map(|at| &at.host),
        _ => None,
    });
    let names = hosts.filter_map(|host| match host {
        Host::Name(name) => Some(name.clone()),
        Host::Address(_) => None,
    });
    names.collect()
}
