//! Sockets, clock and dice for `core::forward`: names that are not ours, asked of other servers.
//!
//! [`Forwarder::answer`] takes a query as it came and gives the reply as it goes. The core decides whether
//! and whom to ask and what counts as an answer. Here answers are remembered (`cache`) and told (`telling`), one
//! exchange serves all who ask the same (`flights`), is driven to its end (`asking`), and has its sockets
//! (`upstream`). Chains that lead into our domain or out of it are followed (`leading`).
//!
//! Every wait in here ends with a deadline of the core's exchange, so a call to `answer` lasts at most as
//! long as the budget. Whoever drops the future ends nothing: the exchange goes on by itself.

mod asking;
mod cache;
mod flights;
mod leading;
mod metrics;
mod own;
mod telling;
mod upstream;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use mesos_dns_core::forward::{
    Decision, Policy, Settings, Transport,
    admission::Limit,
    entry::{Entry, Kind},
    exchange::Candidate,
    key::Key,
    message::{Ede, Query, Rcode},
    route::Group,
    selection::Selection,
    server::Server,
};
use rustls::RootCertStore;
use tokio::{sync::Semaphore, time::Instant};
use tracing::warn;

use self::{
    asking::{Desk, Held},
    flights::{Boarding, Flight, Flights, Passenger},
    leading::Journey,
    metrics::Outcome,
    telling::OwnZone,
    upstream::{Trust, Upstream},
};
pub use self::{
    cache::{Cache, CacheMetrics},
    metrics::ForwardMetrics,
    own::own_addresses,
};
use crate::metrics::LegacyCounters;

/// How much longer an asker waits than its own budget: what a flight brings at the very end of the budget is
/// still on its way then.
const LANDING: Duration = Duration::from_millis(200);

/// Exchanges at a time for which nobody waits, because what they ask for is remembered and popular. They leave
/// most places to those who do wait.
const REFRESHES_MAX: usize = 100;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where the query came from.
    pub address: SocketAddr,
    /// How it came; a reply over UDP is cut to the size the client takes.
    pub transport: Transport,
    /// Options that the OPT record of every reply carries, if the client sent one: what this hop says.
    pub options: Vec<u8>,
}

/// Answers queries that no zone of ours does.
pub struct Forwarder {
    active: ArcSwap<Active>,
    desk: Arc<Desk>,
    refreshes: Arc<Semaphore>,
    own_zone: OwnZone,
}

/// The settings in force, the servers they name, and what is remembered and under way by them: other settings may
/// lead the same question elsewhere.
struct Active {
    policy: Policy,
    /// Every server that is asked. One that is ourselves is not here.
    upstreams: HashMap<Server, Arc<Upstream>>,
    flights: Arc<Flights>,
    cache: Arc<Cache>,
}

impl Forwarder {
    /// A forwarder with these settings. `own` is where this process listens ([`own_addresses`]): a server
    /// found there is left out, and said so once.
    pub fn new(
        settings: Settings,
        own: &[SocketAddr],
        metrics: Arc<ForwardMetrics>,
        legacy: Arc<LegacyCounters>,
    ) -> Self {
        Self::with_desk(settings, own, Desk::new(Trust::system(), metrics, legacy))
    }

    /// The same; servers over TLS are trusted by these roots and not by the system's.
    pub fn with_roots(
        settings: Settings,
        own: &[SocketAddr],
        roots: RootCertStore,
        metrics: Arc<ForwardMetrics>,
        legacy: Arc<LegacyCounters>,
    ) -> Self {
        Self::with_desk(settings, own, Desk::new(Trust::only(roots), metrics, legacy))
    }

    fn with_desk(settings: Settings, own: &[SocketAddr], desk: Desk) -> Self {
        let active = Active::new(settings, own, None, &desk);
        Self {
            active: ArcSwap::from_pointee(active),
            desk: Arc::new(desk),
            refreshes: Arc::new(Semaphore::new(REFRESHES_MAX)),
            own_zone: OwnZone::default(),
        }
    }

    /// Puts other settings in force. Queries under way end by the old ones. What is remembered stays if it still would
    /// be asked from the same servers.
    pub fn replace(&self, settings: Settings, own: &[SocketAddr]) {
        let before = self.active.load_full();
        let active = Active::new(settings, own, Some(&before), &self.desk);
        self.active.store(Arc::new(active));
    }

    /// The rules in force.
    pub fn policy(&self) -> Policy {
        self.active.load().policy.clone()
    }

    /// Forgets answers; tells how many were there to forget.
    pub fn flush(&self, selection: &Selection) -> u64 {
        self.active.load().cache.flush(selection)
    }

    /// The reply to a query: under its identifier, with its question in its spelling, of a size the client
    /// takes. `None` if what came is no query and is to be met with silence.
    pub async fn answer(&self, query: &[u8], client: Client) -> Option<Vec<u8>> {
        let metrics = &*self.desk.metrics;
        metrics.queries.inc();
        let query = match Query::parse(query) {
            Ok(query) => Query { options: client.options.clone(), ..query },
            Err(error) => {
                metrics.replied(Outcome::Malformed);
                return error.reply();
            }
        };
        let active = self.active.load_full();
        let deadline = Instant::now() + active.policy.budget() + LANDING;
        let journey = Journey { active: &active, query: &query, client: &client, deadline };
        if let Some((outcome, reply)) = self.lead_out(&journey).await {
            metrics.replied(outcome);
            return Some(reply);
        }
        let (outcome, reply) = match active.policy.decide(&query, client.address.ip()) {
            Decision::Refuse(refusal) => {
                metrics.refused(refusal);
                (Outcome::Refused, query.reply(Rcode::REFUSED, refusal.ede()))
            }
            Decision::Local(reply) => (Outcome::Local, reply),
            Decision::Ask(group) => match self.know(&journey, group).await {
                Ok((entry, manner)) if entry.leads_to_us().is_some() => {
                    self.lead_in(&journey, (&entry, manner)).await
                }
                Ok((entry, manner)) => self.tell(&journey, &entry, manner),
                Err(limit) => {
                    metrics.limited(limit);
                    (Outcome::Limited, query.reply(Rcode::SERVFAIL, Ede::Other))
                }
            },
        };
        metrics.replied(outcome);
        Some(reply)
    }

    /// Exchanges outstanding now.
    pub fn outstanding(&self) -> u32 {
        self.desk.admission.lock().unwrap_or_else(PoisonError::into_inner).outstanding()
    }

    /// Takes part in the exchange about this question, or begins it. One serves all who wait for the same. Whoever waits
    /// holds the place that comes with it.
    fn board(
        &self,
        active: &Arc<Active>,
        group: &Group,
        key: &Key,
        question: &[u8],
        client: &Client,
    ) -> Result<(Passenger, Option<Held>), Limit> {
        let zone = group.zone.as_ref();
        let asker = self.desk.hold(|admission| admission.admit(client.address.ip(), zone))?;
        match active.flights.board(key, question) {
            Boarding::Loop => {
                self.desk.note_loop(client);
                Err(Limit::Loop)
            }
            Boarding::Joined(passenger) => {
                self.desk.metrics.joined.inc();
                Ok((passenger, Some(asker)))
            }
            Boarding::New(flight, passenger) => {
                // Whoever begins an exchange holds its place as long as that lasts, see `admission`.
                self.fly(active, group, flight, Some(asker))?;
                Ok((passenger, None))
            }
        }
    }

    /// Begins an exchange; `asker` is held until it has ended. It runs by itself, and ends with its budget.
    fn fly(
        &self,
        active: &Arc<Active>,
        group: &Group,
        flight: Flight,
        asker: Option<Held>,
    ) -> Result<(), Limit> {
        let place = self.desk.hold(|admission| admission.open(group.zone.as_ref()))?;
        let servers = group.servers.iter().filter(|server| active.upstreams.contains_key(server));
        let servers: Vec<Server> = servers.cloned().collect();
        let (desk, active) = (self.desk.clone(), active.clone());
        tokio::spawn(async move { desk.fly(&active, &servers, flight, [Some(place), asker]).await });
        Ok(())
    }

    /// Counts how a query ended that was for servers.
    fn outcome(&self, entry: &Entry) -> Outcome {
        if entry.kind() != Kind::Silence && entry.is_negative() {
            self.desk.legacy.non_mesos_nxdomain.inc();
        }
        match entry.kind() {
            Kind::Answer => Outcome::Answered,
            Kind::Error => Outcome::Error,
            Kind::Silence => Outcome::Failed,
        }
    }
}

impl Active {
    /// Prepares settings. A server that was known before keeps what is known of it.
    fn new(settings: Settings, own: &[SocketAddr], before: Option<&Self>, desk: &Desk) -> Self {
        let policy = Policy::new(settings);
        let bytes = policy.settings().cache_bytes;
        let kept = before.filter(|before| before.policy.leads_like(&policy) && before.cache.resize(bytes));
        let (cache, flights) = match (kept, before) {
            // What is under way would be asked of the same servers again.
            (Some(kept), _) => (kept.cache.clone(), kept.flights.clone()),
            (None, before) => {
                if let Some(before) = before {
                    before.cache.leave();
                }
                (Arc::new(Cache::new(bytes, desk.metrics.cache.clone())), Arc::default())
            }
        };
        let mut upstreams = HashMap::new();
        for server in policy.groups().flat_map(|group| &group.servers) {
            if own::is_own(server.address, own) {
                desk.metrics.own_servers.inc();
                warn!(%server, "server is this process itself; it is not asked");
            } else {
                let known = before.and_then(|before| before.upstreams.get(server)).cloned();
                let make = || {
                    known.unwrap_or_else(|| {
                        desk.metrics.ill(server, false);
                        Upstream::new(server, &desk.trust, &desk.metrics)
                    })
                };
                upstreams.entry(server.clone()).or_insert_with(make);
            }
        }
        let known = before.into_iter().flat_map(|before| &before.upstreams);
        for (_, gone) in known.filter(|(server, _)| !upstreams.contains_key(*server)) {
            gone.leave(&desk.metrics);
        }
        Self { policy, upstreams, flights, cache }
    }

    /// Whether nobody who could be asked is well.
    fn all_ill(&self, group: &Group) -> bool {
        group.servers.iter().filter_map(|server| self.upstreams.get(server)).all(|upstream| upstream.is_ill())
    }

    /// These servers and what is known of them. One of them at most is probed.
    fn candidates(&self, servers: &[Server], now: Instant) -> Vec<Candidate> {
        let mut may_probe = true;
        let known = servers.iter().filter_map(|server| self.upstreams.get(server));
        known.map(|upstream| upstream.candidate(now, &mut may_probe)).collect()
    }
}
