//! How our view of the cluster stands: worked out from what is published and what the watcher last met, told to
//! people (`/ready`), to DNS clients and in the metrics.

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use mesos_dns_core::{
    answer::State,
    explain::Origin,
    watch::{believe::Why, knowledge::Held},
};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    dns::StandingCell,
    http::{Sources, Standing},
    publish::Board,
    watch::{Contact, Source},
};

/// How often DNS clients and metrics are told anew; ages are in seconds.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// What the running watcher tells, and from which age on its data are stale.
pub(super) struct Seen {
    pub(super) contact: watch::Receiver<Contact>,
    pub(super) stale_after: StaleAfter,
}

/// From which age data are stale.
#[derive(Clone, Copy)]
pub(super) struct StaleAfter {
    pub(super) events: Duration,
    pub(super) polls: Duration,
}

impl StaleAfter {
    fn of(self, source: Source) -> Duration {
        match source {
            Source::Events => self.events,
            Source::Polls => self.polls,
        }
    }
}

/// See the head of this file.
#[derive(Clone)]
pub(super) struct View {
    pub(super) board: Arc<Board>,
    pub(super) seen: Arc<ArcSwap<Seen>>,
}

impl View {
    /// How things stand now.
    pub(super) fn look(&self) -> Standing {
        let seen = self.seen.load();
        let contact = seen.contact.borrow().clone();
        let published = self.board.load();
        let is_loaded = published.zone.is_loaded();
        // Data without contact: the first ones, and their watcher is about to say so, or was replaced before it could.
        let first_data = self.board.first_data().filter(|_| is_loaded);
        let contact_age = contact.age(Instant::now()).or(first_data.map(|at| at.elapsed()));
        let restored = published.restored.map(|saved_at| UNIX_EPOCH + Duration::from_secs(saved_at));
        let (age, confirmed) = match restored {
            Some(saved_at) => (Some(saved_at.elapsed().unwrap_or_default()), None),
            None => (contact_age, contact_age),
        };
        let stale_after = seen.stale_after.of(contact.source);
        let state = State::of(is_loaded, confirmed, stale_after, published.held.is_some());
        let mut reasons = contact.reasons();
        reasons.extend(published.held.as_ref().map(sentence));
        if let (Some(saved_at), Some(age)) = (published.restored, age) {
            reasons.push(format!(
                "no master has spoken yet: the data is that of the snapshot file, written {} s ago (Unix time \
                 {saved_at})",
                age.as_secs()
            ));
        }
        if !is_loaded {
            reasons.push("no state document has been read yet".into());
        }
        if published.zone.is_partial() {
            reasons.push(
                "the leader waits for agents of which nothing is known here: names that are not known may be those \
                 of living tasks, and are answered SERVFAIL"
                    .into(),
            );
        }
        Standing { state, reasons, age }
    }

    /// How the data come.
    pub(super) fn origin(&self) -> Origin<'static> {
        match self.seen.load().contact.borrow().source {
            Source::Events => Origin::Events,
            Source::Polls => Origin::Poll,
        }
    }

    /// What is known of where the data come from.
    pub(super) fn sources(&self) -> Sources {
        let contact = self.seen.load().contact.borrow().clone();
        Sources {
            is_following: contact.source == Source::Events,
            last_contact: contact.age(Instant::now()),
            leader_version: contact.version,
        }
    }

    /// Tells DNS clients and metrics how things stand, each second and with each version, until told to stop.
    pub(super) async fn tell(self, cell: Arc<StandingCell>, gauges: Gauges, shutdown: CancellationToken) {
        let mut versions = self.board.subscribe();
        let mut ticks = interval(TELL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = State::Loading;
        loop {
            let Standing { state, age, reasons } = self.look();
            let age = age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
            cell.store(state, age);
            gauges.show(state, age);
            match (told, state) {
                (_, State::Stale) if told != State::Stale => warn!(?age, ?reasons, "the data is stale"),
                (State::Stale, _) if state != State::Stale => info!("the data is no longer stale"),
                _ => {}
            }
            told = state;
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = versions.changed() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// What is held, in a sentence for the operator.
fn sentence(held: &Held) -> String {
    let why = match held.why {
        Why::Empty => "the leader shows an empty cluster",
        Why::Loss => "a large part of the tasks is gone at once",
        Why::Recovering => "the leader waits for agents to come back",
        Why::Settling => "the leader was elected a moment ago",
    };
    let Held { tasks, agents, .. } = held;
    format!("{why}: {tasks} tasks that it does not show are kept for now, {agents} agents are not back")
}

//------------ Gauges --------------------------------------------------------

/// The state and the age of the data, as metrics.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    states: Family<[(&'static str, &'static str); 1], Gauge>,
    age: Gauge,
}

impl Gauges {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "state",
            "1 for the present state, 0 for the others: `loading` (no data), `holding` (something \
                is kept that the leader does not show), `live`, `stale` (no contact for \
                `staleAfterSeconds`, or from a snapshot file)",
            self.states.clone(),
        );
        registry.register(
            "age_seconds",
            "Time since the masters last confirmed the data; -1 before they ever did",
            self.age.clone(),
        );
        self.show(State::Loading, None);
    }

    fn show(&self, present: State, age: Option<u32>) {
        for state in State::ALL {
            let is_present = i64::from(state == present);
            self.states.get_or_create(&[("state", state.label())]).set(is_present);
        }
        self.age.set(age.map_or(-1, i64::from));
    }
}
