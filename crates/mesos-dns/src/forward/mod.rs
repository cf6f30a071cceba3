//! Sockets, clock and dice for `core::forward`: names that are not ours, asked of other servers.
//!
//! [`Forwarder::answer`] takes a query as it came and gives the reply as it goes. The core decides whether
//! and whom to ask and what counts as an answer; here stand the sockets (`upstream`), the shares, and
//! what servers have done lately, so that an operator hears of a server that fell silent once and not with
//! each query.
//!
//! Every wait in here ends with a deadline of the core's exchange, so a call to `answer` lasts at most as
//! long as the budget. Dropping the future gives back what it held.

mod metrics;
mod own;
mod upstream;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use mesos_dns_core::forward::{
    Decision, Policy, Settings, Transport,
    admission::{Admission, Limit, Ticket},
    exchange::{Answer, Exchange, Heard, Transmit},
    message::{Ede, Query, Question, Rcode},
    route::Group,
};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

pub use self::{metrics::ForwardMetrics, own::own_addresses};
use self::{
    metrics::{Ended, Outcome},
    upstream::Upstream,
};
use crate::metrics::LegacyCounters;

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
    admission: Mutex<Admission>,
    metrics: Arc<ForwardMetrics>,
    legacy: Arc<LegacyCounters>,
}

/// The settings in force, and the servers they name.
struct Active {
    policy: Policy,
    /// Every server that is asked. One that is ourselves is not here.
    upstreams: HashMap<SocketAddr, Arc<Upstream>>,
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
        let active = Active::new(settings, own, &HashMap::new(), &metrics);
        Self { active: ArcSwap::from_pointee(active), admission: Mutex::default(), metrics, legacy }
    }

    /// Puts other settings in force. Queries under way end by the old ones.
    pub fn replace(&self, settings: Settings, own: &[SocketAddr]) {
        let before = self.active.load_full();
        let active = Active::new(settings, own, &before.upstreams, &self.metrics);
        self.active.store(Arc::new(active));
    }

    /// The reply to a query: under its identifier, with its question in its spelling, of a size the client
    /// takes. `None` if what came is no query and is to be met with silence.
    pub async fn answer(&self, query: &[u8], client: Client) -> Option<Vec<u8>> {
        let metrics = &*self.metrics;
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
            Decision::Ask(group) => match self.admit(&client, group, &query.question) {
                Ok(_held) => self.ask(&active, group, &query, client.transport).await,
                Err(limit) => {
                    metrics.limited(limit);
                    (Outcome::Limited, query.reply(Rcode::SERVFAIL, Ede::Other))
                }
            },
        };
        metrics.replied(outcome);
        Some(reply)
    }

    /// Queries outstanding now.
    pub fn outstanding(&self) -> u32 {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).outstanding()
    }

    /// Asks the servers of a group until one answers or time is up.
    async fn ask(
        &self,
        active: &Active,
        group: &Group,
        query: &Query<'_>,
        client: Transport,
    ) -> (Outcome, Vec<u8>) {
        let started = Instant::now();
        let servers: Vec<SocketAddr> =
            group.servers.iter().filter(|server| active.upstreams.contains_key(server)).copied().collect();
        let budget = active.policy.budget();
        let mut exchange = Exchange::new(query, &servers, client, budget, started.into_std());
        while let Some(transmit) = exchange.poll_transmit(Instant::now().into_std(), rand::random()) {
            let ended = self.attempt(&mut exchange, &transmit).await;
            self.metrics.tried(&transmit, ended);
            self.count_legacy(ended);
            if let Some(upstream) = active.upstreams.get(&transmit.server) {
                upstream.note(ended);
            }
        }
        self.metrics.seconds.observe(started.elapsed().as_secs_f64());
        match exchange.finish() {
            Answer::Reply(reply) => {
                if reply.is_empty() {
                    self.legacy.non_mesos_nxdomain.inc();
                }
                let outcome = if reply.rcode().is_failure() { Outcome::Error } else { Outcome::Answered };
                (outcome, reply.for_client(query, client, active.policy.truncation()))
            }
            Answer::Code(rcode, ede) => (Outcome::Failed, query.reply(rcode, ede)),
        }
    }

    /// One try at one server, to its end.
    async fn attempt(&self, exchange: &mut Exchange<'_>, transmit: &Transmit) -> Ended {
        let Some(deadline) = exchange.poll_timeout() else { return Ended::Timeout };
        let hear = |message: &[u8]| {
            let heard = exchange.handle_message(message);
            if matches!(heard, Heard::Stray | Heard::StraysMax) {
                self.metrics.strays.inc();
            }
            heard
        };
        let asked = async {
            match transmit.transport {
                Transport::Udp => upstream::ask_udp(transmit.server, &transmit.message, hear).await,
                Transport::Tcp => upstream::ask_tcp(transmit.server, &transmit.message, hear).await,
            }
        };
        match timeout_at(deadline.into(), asked).await {
            Ok(Ok(heard)) => Ended::Heard(heard),
            Ok(Err(error)) => {
                debug!(server = %transmit.server, transport = ?transmit.transport, %error, "asking failed");
                exchange.handle_failure();
                Ended::Failure
            }
            Err(_) => {
                exchange.handle_timeout();
                Ended::Timeout
            }
        }
    }

    fn admit(&self, client: &Client, group: &Group, question: &Question<'_>) -> Result<Held<'_>, Limit> {
        let (now, client) = (Instant::now().into_std(), client.address.ip());
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = admission.admit(now, client, group.zone.as_ref(), question)?;
        Ok(Held { admission: &self.admission, ticket: Some(ticket) })
    }

    /// The original counts exchanges with servers, whatever they were about. (Whole queries are counted where
    /// they come in.)
    fn count_legacy(&self, ended: Ended) {
        let legacy = &*self.legacy;
        legacy.non_mesos_forwarded.inc();
        match ended {
            Ended::Heard(Heard::Answer | Heard::Error(_) | Heard::Truncated) => {
                legacy.non_mesos_success.inc()
            }
            Ended::Heard(_) | Ended::Failure | Ended::Timeout => legacy.non_mesos_failed.inc(),
        };
    }
}

impl Active {
    /// Prepares settings. A server that was known before keeps what is known of it.
    fn new(
        settings: Settings,
        own: &[SocketAddr],
        before: &HashMap<SocketAddr, Arc<Upstream>>,
        metrics: &ForwardMetrics,
    ) -> Self {
        let policy = Policy::new(settings);
        let mut upstreams = HashMap::new();
        for server in policy.groups().flat_map(|group| &group.servers) {
            if own::is_own(*server, own) {
                metrics.own_servers.inc();
                warn!(%server, "server is this process itself; it is not asked");
            } else {
                let known = before.get(server).cloned();
                upstreams.entry(*server).or_insert_with(|| known.unwrap_or_else(|| Upstream::new(*server)));
            }
        }
        Self { policy, upstreams }
    }
}

/// A place among the outstanding queries, given back when dropped.
struct Held<'a> {
    admission: &'a Mutex<Admission>,
    ticket: Option<Ticket>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.admission.lock().unwrap_or_else(PoisonError::into_inner).release(ticket);
        }
    }
}
