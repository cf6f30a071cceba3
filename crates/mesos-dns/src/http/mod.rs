//! What HTTP clients reach.
//!
//! The v1 API as it always was, whether we are alive and ready, and the metrics. A request passes
//! these rooms in this order:
//!
//! - [`listener`]: connections and their limits.
//! - `host`: whether the name it was sent to is ours; `route`: what is asked for; `refusal`: why not.
//! - `v1`, `v2`, `health`: the answers; large ones leave through `stream`.
//!
//! - [`admin`]: for the operator of this machine alone, over a Unix socket (`socket`).
//!
//! Every answer is made from one published version and by plain functions. Nothing in here waits for
//! the cluster: what is not known is said to be not known.

pub mod admin;
mod health;
mod host;
pub mod listener;
mod metrics;
mod refusal;
mod reply;
mod route;
mod socket;
mod stream;
mod v1;
mod v2;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arc_swap::ArcSwap;
use hyper::{HeaderMap, Request, Response, body::Body};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::{debug, error};

use crate::{metrics::LegacyCounters, problems::Shown, publish::Board};
use host::Hosts;
use refusal::Refusal;
use reply::Reply;
use route::Route;

pub use admin::Admin;
pub use health::Standing;
pub use listener::{Limits, bind, serve};
pub use mesos_dns_core::answer::State;
pub use metrics::{HttpMetrics, Limit, RouteName};
pub use socket::{PrivateSocket, SocketError};

/// Bodies that are streamed at the same time. Each holds a version of the zone, a pointer per name and
/// a thread; whoever comes later is asked to come again.
pub const TRANSFERS_MAX: usize = 4;

/// What the operator decided about the API. A reload replaces it.
pub struct Settings {
    /// Version of the program, as `/v1/version` shows it.
    pub version: String,
    /// Mailbox of the person responsible (`SOARname`), normalised, with the trailing dot.
    pub mailbox: String,
    /// `refreshSeconds`, as `/v1/axfr` shows it.
    pub refresh_seconds: i64,
    /// Whether `/v1/axfr` and `/v1/enumerate` are offered (`enumerationOn`).
    pub is_enumeration_on: bool,
    /// Further names this server goes by (`httpAllowHosts`): exact names, or `*.` and a suffix.
    pub allowed_hosts: Vec<String>,
    /// Writes the body of `/v1/config`, given the current serial.
    pub config: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
}

/// The API: everything that is needed to answer a request.
pub struct Api {
    settings: ArcSwap<Settings>,
    board: Arc<Board>,
    standing: Box<dyn Fn() -> Standing + Send + Sync>,
    metrics: Arc<HttpMetrics>,
    legacy: Arc<LegacyCounters>,
    registry: Registry,
    problems: Shown,
    transfers: Arc<Semaphore>,
    /// Names of this machine.
    machine: Vec<String>,
}

impl Api {
    /// An API over this board. `standing` tells how the data on it stands, whenever somebody asks.
    pub fn new(
        settings: Settings,
        board: Arc<Board>,
        standing: impl Fn() -> Standing + Send + Sync + 'static,
        metrics: Arc<HttpMetrics>,
        legacy: Arc<LegacyCounters>,
        registry: Registry,
    ) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            board,
            standing: Box::new(standing),
            metrics,
            legacy,
            registry,
            problems: Shown::default(),
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            machine: host::machine_names(),
        }
    }

    /// Shows the problems that are counted here; else there are none to show.
    pub fn showing(self, problems: Shown) -> Self {
        Self { problems, ..self }
    }

    /// Puts other settings in force, for requests that come from now on.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Answers a request. A panic on the way is an answer too, and counted.
    fn respond<B: Body>(&self, request: &Request<B>) -> Response<Reply> {
        let answered = catch_unwind(AssertUnwindSafe(|| match self.admit(request) {
            Ok(route) => {
                (route.name(), self.answer(&route, request.headers()).unwrap_or_else(Refusal::response))
            }
            Err((name, refusal)) => (name, refusal.response()),
        }));
        let (name, response) = answered.unwrap_or_else(|_| {
            self.metrics.panics.inc();
            error!(path = request.uri().path(), "answering a request panicked");
            (RouteName::None, Refusal::Broken.response())
        });
        self.metrics.served(name, response.status());
        debug!(method = %request.method(), path = request.uri().path(), status = %response.status(), "request");
        response
    }

    /// What a request asks for, or why it gets nothing. The order of the checks is the original's.
    fn admit<B: Body>(&self, request: &Request<B>) -> Result<Route, (RouteName, Refusal)> {
        let settings = self.settings.load();
        let policy = &self.board.load().policy;
        let hosts = Hosts { policy, machine: &self.machine, allowed: &settings.allowed_hosts };
        hosts.check(request).map_err(|refusal| {
            if matches!(refusal, Refusal::Misdirected) {
                self.metrics.reached(Limit::Host);
            }
            (RouteName::None, refusal)
        })?;
        let route = Route::find(request.uri(), settings.is_enumeration_on)
            .map_err(|refusal| (RouteName::None, refusal))?;
        route.check(request).map_err(|refusal| (route.name(), refusal))?;
        Ok(route)
    }

    fn answer(&self, route: &Route, headers: &HeaderMap) -> Result<Response<Reply>, Refusal> {
        match route {
            Route::Health => Ok(health::health()),
            Route::Ready => Ok(health::ready(&self.board.load(), &(self.standing)())),
            Route::Metrics => health::metrics(&self.registry, headers),
            Route::Problems(kind) => self.problems(*kind),
            Route::V1(path) => self.answer_v1(path),
        }
    }
}
