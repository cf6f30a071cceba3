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
        let forward = registry.sub_registry_with_prefix("forward");
        self.cache.register(forward.sub_registry_with_prefix("cache"));
        forward.register("queries", "Queries for names that are not ours", self.queries.clone());
        forward.register("joined", "Queries served by an exchange that was under way", self.joined.clone());
        forward.register("replies", "How these queries ended for the client", self.replies.clone());
        forward.register("refusals", "Queries refused, by reason", self.refusals.clone());
        forward.register("limits", "Queries turned away, by the limit they met", self.limits.clone());
        forward.register("tries", "Messages sent to servers, by what became of them", self.tries.clone());
        let help = "Queries sent early, because the server asked before was slower than usual";
        forward.register("hedges", help, self.hedges.clone());
        forward.register(
            "probes",
            "Queries sent to ill servers to see if they are well",
            self.probes.clone(),
        );
        let help = "Smoothed time of a server's answers";
        forward.register_with_unit("server_time", help, Unit::Seconds, self.times.clone());
        forward.register("server_ill", "Whether a server is held ill and asked last", self.ill.clone());
        forward.register("strays", "Messages from servers that belong to no question", self.strays.clone());
        let help = "Configured servers left out because they are this process";
        forward.register("own_servers", help, self.own_servers.clone());
        let help = "Time to the outcome of queries that went to servers";
        forward.register_with_unit("exchange", help, Unit::Seconds, self.seconds.clone());
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
        if sent.hedge {
            self.hedges.get_or_create(&asked(&sent.server)).inc();
        }
        if sent.probe {
            self.probes.get_or_create(&asked(&sent.server)).inc();
        }
    }

    /// A query has come to its end.
    pub(super) fn tried(&self, closed: &Closed) {
        let transport = match closed.carrier {
            Carrier::Udp => "udp",
            Carrier::Tcp => "tcp",
            Carrier::Tls => "tls",
        };
        let result = match closed.ended {
            Ended::Abandoned => "abandoned",
            Ended::Answer => "answer",
            Ended::Error(_) => "error",
            Ended::Failure(_) => "failure",
            Ended::Folded => "folded",
            Ended::Malformed => "malformed",
            Ended::Silence => "timeout",
            Ended::Strays => "strays",
            Ended::Truncated => "truncated",
        };
        let server = closed.server.to_string();
        self.tries.get_or_create(&Tried { server, transport, result }).inc();
    }

    /// How long this server takes, once that is known.
    pub(super) fn took(&self, server: &Server, smoothed: Option<Duration>) {
        if let Some(smoothed) = smoothed {
            self.times.get_or_create(&asked(server)).set(smoothed.as_secs_f64());
        }
    }

    pub(super) fn ill(&self, server: &Server, is_ill: bool) {
        self.ill.get_or_create(&asked(server)).set(is_ill.into());
    }

    /// This server is asked no more.
    pub(super) fn forget(&self, server: &Server) {
        self.times.remove(&asked(server));
        self.ill.remove(&asked(server));
    }
}

fn asked(server: &Server) -> Asked {
    Asked { server: server.to_string() }
}
