//! What the forwarder counts.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use mesos_dns_core::forward::{
    Refusal,
    admission::Limit,
    exchange::{Closed, Ended, Transmit},
    server::{Carrier, Server},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::cache::CacheMetrics;

/// Counters of the forwarder. Queries less replies is what is outstanding.
#[derive(Debug)]
pub struct ForwardMetrics {
    /// Queries taken in.
    pub queries: Counter,
    /// What is remembered.
    pub cache: Arc<CacheMetrics>,
    /// Queries that joined an exchange under way for the same question.
    pub joined: Counter,
    replies: Family<Replied, Counter>,
    refusals: Family<Refused, Counter>,
    limits: Family<Limited, Counter>,
    tries: Family<Tried, Counter>,
    hedges: Family<Asked, Counter>,
    probes: Family<Asked, Counter>,
    times: Family<Asked, Gauge<f64, AtomicU64>>,
    tries_seconds: Family<Asked, Histogram, fn() -> Histogram>,
    in_flight: Family<Open, Gauge>,
    outstanding: Gauge,
    connections: Family<Asked, Gauge>,
    ill: Family<Asked, Gauge>,
    /// Messages on a socket of ours that belonged to no question of ours: late, doubled or forged.
    pub strays: Counter,
    /// Configured servers left out because they are ourselves, counted at each start and reload.
    pub own_servers: Counter,
    /// Time from a query to its outcome, for queries that went to servers.
    pub seconds: Histogram,
}

/// How a query ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Outcome {
    /// With a server's answer.
    Answered,
    /// With a server's error, no other having done better.
    Error,
    /// With an error of ours: no server sent anything that could be passed on.
    Failed,
    /// With SERVFAIL: a limit was reached.
    Limited,
    /// With an answer of ours.
    Local,
    /// With FORMERR, NOTIMP or nothing.
    Malformed,
    /// With REFUSED of ours.
    Refused,
}

impl Outcome {
    /// All of them, to be shown as 0 from the start.
    const ALL: [Self; 7] = [
        Self::Answered,
        Self::Error,
        Self::Failed,
        Self::Limited,
        Self::Local,
        Self::Malformed,
        Self::Refused,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replied {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    limit: &'static str,
}

/// Labels of a try. The server is one the operator configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tried {
    server: String,
    transport: &'static str,
    result: &'static str,
}

/// Labels of tries under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Open {
    server: String,
    transport: &'static str,
}

/// The server, one that the operator configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    server: String,
}

impl Default for ForwardMetrics {
    fn default() -> Self {
        Self {
            queries: Counter::default(),
            cache: Arc::default(),
            joined: Counter::default(),
            replies: Family::default(),
            refusals: Family::default(),
            limits: Family::default(),
            tries: Family::default(),
            hedges: Family::default(),
            probes: Family::default(),
            times: Family::default(),
            tries_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 13))
            }),
            in_flight: Family::default(),
            outstanding: Gauge::default(),
            connections: Family::default(),
            ill: Family::default(),
            strays: Counter::default(),
            own_servers: Counter::default(),
            // From a cache next door (1 ms) to the longest budget (16 s).
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
        }
    }
}

impl ForwardMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.begin_all();
        let forward = registry.sub_registry_with_prefix("forward");
        self.cache.register(forward.sub_registry_with_prefix("cache"));
        forward.register(
            "queries",
            "Queries taken in; less all replies, it is what is outstanding",
            self.queries.clone(),
        );
        forward.register(
            "joined",
            "Queries served by an exchange that was under way for the same question",
            self.joined.clone(),
        );
        forward.register(
            "replies",
            "How they ended: `Answered`, `Error` (a server's, none did better), `Failed` (no \
                server answered), `Limited`, `Local`, `Malformed`, `Refused`",
            self.replies.clone(),
        );
        forward.register(
            "refusals",
            "REFUSED: `client` (not in `recursionAllow`), `kind` (type or class), `no_recursion`, \
                `no_servers`, `off`, `own_domain`",
            self.refusals.clone(),
        );
        forward.register(
            "limits",
            "SERVFAIL because of a limit: `total` (1000 exchanges), `zone` (500), `client` (200), \
                `askers` (10,000 queries that wait), `loop` (a question of ours that came back)",
            self.limits.clone(),
        );
        forward.register(
            "tries",
            "Messages sent to servers, over `udp`, `tcp` or `tls`: `answer`, `error`, `malformed`, \
                `folded` (another spelling), `strays`, `truncated`, `failure` (network), `timeout`, \
                `abandoned` (the answer had come from another server)",
            self.tries.clone(),
        );
        let help = "Of these, sent early, as the server before was slower than usual";
        forward.register("hedges", help, self.hedges.clone());
        forward.register(
            "probes",
            "Of these, sent to an ill server to see whether it is well",
            self.probes.clone(),
        );
        let help = "From sending a query to a server to its answer or error, for those that had one";
        forward.register_with_unit("try", help, Unit::Seconds, self.tries_seconds.clone());
        let help = "Queries to servers that wait; over udp each has a socket of its own";
        forward.register("in_flight", help, self.in_flight.clone());
        forward.register(
            "connections",
            "Connections to servers, shared by queries",
            self.connections.clone(),
        );
        let help = "Exchanges with servers under way; 1000 at most";
        forward.register("outstanding", help, self.outstanding.clone());
        let help = "Smoothed time of a server's answers";
        forward.register_with_unit("server_time", help, Unit::Seconds, self.times.clone());
        forward.register("server_ill", "1 while a server is held ill and asked last", self.ill.clone());
        forward.register(
            "strays",
            "Messages that belonged to no question: late, doubled or forged",
            self.strays.clone(),
        );
        let help = "Configured servers left out because they are this process, at each start and reload";
        forward.register("own_servers", help, self.own_servers.clone());
        let help = "From the first message to the outcome, for each question that went to servers";
        forward.register_with_unit("exchange", help, Unit::Seconds, self.seconds.clone());
    }

    /// Has every member with a fixed name shown from the start: what is counted for the first time is seen to rise.
    fn begin_all(&self) {
        for outcome in Outcome::ALL {
            drop(self.replies.get_or_create(&Replied { outcome }));
        }
        for reason in ["client", "kind", "no_recursion", "no_servers", "off", "own_domain"] {
            drop(self.refusals.get_or_create(&Refused { reason }));
        }
        for limit in ["askers", "client", "loop", "total", "zone"] {
            drop(self.limits.get_or_create(&Limited { limit }));
        }
    }

    /// Shows a server, as a configuration would.
    #[cfg(test)]
    pub(crate) fn exemplify(&self) {
        let server = Server::plain("192.0.2.53:53".parse().unwrap());
        drop(self.hedges.get_or_create(&asked(&server)));
        drop(self.probes.get_or_create(&asked(&server)));
        drop(self.tries_seconds.get_or_create(&asked(&server)));
        drop(self.connections(&server));
        self.took(&server, Some(Duration::ZERO));
        self.ill(&server, false);
        for carrier in [Carrier::Udp, Carrier::Tcp, Carrier::Tls] {
            drop(self.in_flight.get_or_create(&open(&server, carrier)));
            for result in RESULTS {
                let (server, transport) = (server.to_string(), transport(carrier));
                drop(self.tries.get_or_create(&Tried { server, transport, result }));
            }
        }
    }

    pub(super) fn replied(&self, outcome: Outcome) {
        self.replies.get_or_create(&Replied { outcome }).inc();
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Client => "client",
            Refusal::Kind => "kind",
            Refusal::NoRecursion => "no_recursion",
            Refusal::NoServers => "no_servers",
            Refusal::Off => "off",
            Refusal::OwnDomain => "own_domain",
        };
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    pub(super) fn limited(&self, limit: Limit) {
        let limit = match limit {
            Limit::Askers => "askers",
            Limit::Total => "total",
            Limit::Zone => "zone",
            Limit::Client => "client",
            Limit::Loop => "loop",
        };
        self.limits.get_or_create(&Limited { limit }).inc();
    }

    /// A query goes out.
    pub(super) fn sent(&self, sent: &Transmit) {
        self.in_flight.get_or_create(&open(&sent.server, sent.carrier)).inc();
        if sent.hedge {
            self.hedges.get_or_create(&asked(&sent.server)).inc();
        }
        if sent.probe {
            self.probes.get_or_create(&asked(&sent.server)).inc();
        }
    }

    /// A query has come to its end.
    pub(super) fn tried(&self, closed: &Closed) {
        let transport = transport(closed.carrier);
        self.in_flight.get_or_create(&open(&closed.server, closed.carrier)).dec();
        let result = RESULTS[result(closed.ended)];
        if matches!(closed.ended, Ended::Answer | Ended::Error(_) | Ended::Folded | Ended::Truncated) {
            self.tries_seconds.get_or_create(&asked(&closed.server)).observe(closed.took.as_secs_f64());
        }
        let server = closed.server.to_string();
        self.tries.get_or_create(&Tried { server, transport, result }).inc();
    }

    /// How long this server takes, once that is known.
    pub(super) fn took(&self, server: &Server, smoothed: Option<Duration>) {
        if let Some(smoothed) = smoothed {
            self.times.get_or_create(&asked(server)).set(smoothed.as_secs_f64());
        }
    }

    /// So many exchanges are under way.
    pub(super) fn under_way(&self, exchanges: u32) {
        self.outstanding.set(exchanges.into());
    }

    /// Counts connections to this server.
    pub(super) fn connections(&self, server: &Server) -> Gauge {
        self.connections.get_or_create(&asked(server)).clone()
    }

    pub(super) fn ill(&self, server: &Server, is_ill: bool) {
        self.ill.get_or_create(&asked(server)).set(is_ill.into());
    }

    /// This server is asked no more.
    pub(super) fn forget(&self, server: &Server) {
        self.times.remove(&asked(server));
        self.ill.remove(&asked(server));
        self.connections.remove(&asked(server));
    }
}

fn asked(server: &Server) -> Asked {
    Asked { server: server.to_string() }
}

fn open(server: &Server, carrier: Carrier) -> Open {
    Open { server: server.to_string(), transport: transport(carrier) }
}

fn transport(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Udp => "udp",
        Carrier::Tcp => "tcp",
        Carrier::Tls => "tls",
    }
}

/// What can become of a try.
const RESULTS: [&str; 9] =
    ["abandoned", "answer", "error", "failure", "folded", "malformed", "timeout", "strays", "truncated"];

/// Which of [`RESULTS`].
fn result(ended: Ended) -> usize {
    match ended {
        Ended::Abandoned => 0,
        Ended::Answer => 1,
        Ended::Error(_) => 2,
        Ended::Failure(_) => 3,
        Ended::Folded => 4,
        Ended::Malformed => 5,
        Ended::Silence => 6,
        Ended::Strays => 7,
        Ended::Truncated => 8,
    }
}
