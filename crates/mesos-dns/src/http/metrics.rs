//! What the HTTP server counts.

use hyper::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters of the HTTP server.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Connections accepted.
    pub opened: Counter,
    /// Connections ended.
    pub closed: Counter,
    /// Failed `accept` calls; each is waited out.
    pub accept_errors: Counter,
    /// Requests that were no HTTP, or broke off.
    pub malformed: Counter,
    /// Handlers that panicked.
    pub panics: Counter,
    /// TLS handshakes that failed.
    pub handshake_failures: Counter,
    /// Clients that read a stream of changes.
    pub watchers: Gauge,
    /// Streams that could not go on from the version of their reader.
    pub watch_resets: Counter,
    requests: Family<Served, Counter>,
    limits: Family<Reached, Counter>,
}

/// Labels of one served request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    route: RouteName,
    status: u16,
}

/// What was asked for, as a label. A client chooses among these and cannot add any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(missing_docs, reason = "the variants are the paths")]
pub enum RouteName {
    Axfr,
    Config,
    Dashboard,
    Enumerate,
    Explain,
    Health,
    Hosts,
    Metrics,
    None,
    Ports,
    Problems,
    Ready,
    Services,
    V2Agents,
    V2Config,
    V2Frameworks,
    V2OpenApi,
    V2PrometheusSd,
    V2Records,
    V2Services,
    V2Status,
    V2Task,
    V2Tasks,
    V2Watch,
    Version,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reached {
    limit: Limit,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Limit {
    /// All connections are in use: accepting pauses.
    Connections,
    /// The head of a request did not arrive in time, or the connection stayed idle.
    HeaderDeadline,
    /// Too many or too large header lines, or too long a request line.
    HeaderSize,
    /// A `Host` that is none of ours.
    Host,
    /// As many lists as allowed wait to be made.
    Lists,
    /// One client has its share of connections.
    PerClient,
    /// A client takes its answer too slowly.
    SlowReader,
    /// A request without a token, or with a wrong one.
    Token,
    /// A streamed body took too long as a whole.
    TransferTime,
    /// As many bodies as allowed are being streamed.
    Transfers,
    /// As many clients as allowed watch.
    Watchers,
}

impl Limit {
    /// All of them, to be shown as 0 from the start.
    const ALL: [Self; 11] = [
        Self::Connections,
        Self::HeaderDeadline,
        Self::HeaderSize,
        Self::Host,
        Self::Lists,
        Self::PerClient,
        Self::SlowReader,
        Self::Token,
        Self::TransferTime,
        Self::Transfers,
        Self::Watchers,
    ];
}

impl HttpMetrics {
    /// Counts one answered request.
    pub fn served(&self, route: RouteName, status: StatusCode) {
        self.requests.get_or_create(&Served { route, status: status.as_u16() }).inc();
    }

    /// Counts that a limit was reached.
    pub fn reached(&self, limit: Limit) {
        self.limits.get_or_create(&Reached { limit }).inc();
    }

    /// How often a limit was reached.
    pub fn times_reached(&self, limit: Limit) -> u64 {
        self.limits.get_or_create(&Reached { limit }).get()
    }

    /// Puts all of them under `http`.
    pub fn register(&self, registry: &mut Registry) {
        let http = registry.sub_registry_with_prefix("http");
        http.register("connections_opened", "Connections accepted", self.opened.clone());
        http.register(
            "connections_closed",
            "Connections ended; the difference is what is open",
            self.closed.clone(),
        );
        http.register("accept_errors", "Failed accept calls", self.accept_errors.clone());
        http.register(
            "malformed_requests",
            "Requests that were no HTTP, or broke off",
            self.malformed.clone(),
        );
        http.register("panics", "Handlers that panicked; answered 500", self.panics.clone());
        let help = "TLS handshakes of HTTP clients that failed";
        http.register("handshake_failures", help, self.handshake_failures.clone());
        http.register("watchers", "Clients that read a stream of changes", self.watchers.clone());
        let help = "Times that a watcher was told to read the whole anew";
        http.register("watch_resets", help, self.watch_resets.clone());
        http.register(
            "requests",
            "Requests answered; what was asked for is named like the path",
            self.requests.clone(),
        );
        http.register(
            "limits_reached",
            "`Connections` (accepting pauses), `PerClient`, `HeaderDeadline`, `HeaderSize`, `Host` \
                (a name that is not ours), `SlowReader`, `TransferTime`, `Transfers` (listings at a \
                time)",
            self.limits.clone(),
        );
        for limit in Limit::ALL {
            drop(self.limits.get_or_create(&Reached { limit }));
        }
    }
}
