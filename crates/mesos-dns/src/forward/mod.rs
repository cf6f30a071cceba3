//! Sockets, clock and dice for `core::forward`: names that are not ours, asked of other servers.
//!
//! [`Forwarder::answer`] takes a query as it came and gives the reply as it goes. The core decides whether
//! and whom to ask and what counts as an answer. Here one exchange serves all who ask the same (`flights`), is
//! driven to its end (`asking`), and has its sockets (`upstream`).
//!
//! Every wait in here ends with a deadline of the core's exchange, so a call to `answer` lasts at most as
//! long as the budget. Whoever drops the future ends nothing: the exchange goes on by itself.

mod asking;
mod flights;
mod metrics;
mod own;
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
    exchange::Candidate,
    key::Key,
    message::{Ede, Query, Rcode},
    resolved::Resolved,
    route::Group,
    server::Server,
};
use rustls::RootCertStore;
use tokio::time::{Instant, timeout};
use tracing::warn;

use self::{
    asking::{Desk, Held},
    flights::{Boarding, Flight, Flights},
    metrics::Outcome,
    upstream::{Trust, Upstream},
};
pub use self::{metrics::ForwardMetrics, own::own_addresses};
use crate::metrics::LegacyCounters;

/// How much longer an asker waits than its own budget: what a flight brings at the very end of the budget is
/// still on its way then.
const LANDING: Duration = Duration::from_millis(200);

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
}

/// The settings in force, the servers they name, and what is under way by them: other settings may lead the
/// same question elsewhere.
struct Active {
    policy: Policy,
    /// Every server that is asked. One that is ourselves is not here.
    upstreams: HashMap<Server, Arc<Upstream>>,
    flights: Arc<Flights>,
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
        let active = Active::new(settings, own, &HashMap::new(), &desk);
        Self { active: ArcSwap::from_pointee(active), desk: Arc::new(desk) }
    }

    /// Puts other settings in force. Queries under way end by the old ones.
    pub fn replace(&self, settings: Settings, own: &[SocketAddr]) {
        let before = self.active.load_full();
        let active = Active::new(settings, own, &before.upstreams, &self.desk);
        self.active.store(Arc::new(active));
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
        let (outcome, reply) = match active.policy.decide(&query, client.address.ip()) {
            Decision::Refuse(refusal) => {
                metrics.refused(refusal);
                (Outcome::Refused, query.reply(Rcode::REFUSED, refusal.ede()))
            }
            Decision::Local(reply) => (Outcome::Local, reply),
            Decision::Ask(group) => match self.resolve(&active, group, &query, &client).await {
                Ok(resolved) => {
                    let reply = resolved.for_client(&query, client.transport, active.policy.truncation());
                    (self.outcome(&resolved), reply)
                }
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

    /// What the servers of this group say to this question. One exchange serves all who wait for the same.
    async fn resolve(
        &self,
        active: &Arc<Active>,
        group: &Group,
        query: &Query<'_>,
        client: &Client,
    ) -> Result<Arc<Resolved>, Limit> {
        let (now, zone, key) = (Instant::now().into_std(), group.zone.as_ref(), Key::of(query));
        let asker = self.desk.hold(|admission| admission.admit(now, client.address.ip(), zone, &key))?;
        let mut asker = Some(asker);
        let passenger = match active.flights.board(&key, query.question.octets) {
            Boarding::Loop => {
                self.desk.note_loop(client);
                return Err(Limit::Loop);
            }
            Boarding::Joined(passenger) => {
                self.desk.metrics.joined.inc();
                passenger
            }
            Boarding::New(flight, passenger) => {
                // Whoever begins an exchange holds its place as long as that lasts, see `admission`.
                self.fly(active, group, flight, asker.take())?;
                passenger
            }
        };
        let arrived = timeout(active.policy.budget().saturating_add(LANDING), passenger.arrive()).await;
        let failed = || Arc::new(Resolved::Code(Rcode::SERVFAIL, Ede::Other));
        Ok(arrived.ok().flatten().unwrap_or_else(failed))
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

    /// Counts how a query ended that went to servers.
    fn outcome(&self, resolved: &Resolved) -> Outcome {
        let (Resolved::Reply(reply) | Resolved::Half(reply)) = resolved else { return Outcome::Failed };
        if reply.is_empty() {
            self.desk.legacy.non_mesos_nxdomain.inc();
        }
        if reply.rcode().is_failure() { Outcome::Error } else { Outcome::Answered }
    }
}
impl Active {
    /// Prepares settings. A server that was known before keeps what is known of it.
    fn new(
        settings: Settings,
        own: &[SocketAddr],
        before: &HashMap<Server, Arc<Upstream>>,
        desk: &Desk,
    ) -> Self {
        let policy = Policy::new(settings);
        let mut upstreams = HashMap::new();
        for server in policy.groups().flat_map(|group| &group.servers) {
            if own::is_own(server.address, own) {
                desk.metrics.own_servers.inc();
                warn!(%server, "server is this process itself; it is not asked");
            } else {
                let known = before.get(server).cloned();
                let make = || known.unwrap_or_else(|| Upstream::new(server, &desk.trust));
                upstreams.entry(server.clone()).or_insert_with(make);
            }
        }
        for gone in before.keys().filter(|server| !upstreams.contains_key(*server)) {
            desk.metrics.forget(gone);
        }
        Self { policy, upstreams, flights: Arc::default() }
    }

    /// These servers and what is known of them. One of them at most is probed.
    fn candidates(&self, servers: &[Server], now: Instant) -> Vec<Candidate> {
        let mut may_probe = true;
        let known = servers.iter().filter_map(|server| self.upstreams.get(server));
        known.map(|upstream| upstream.candidate(now, &mut may_probe)).collect()
    }
}
