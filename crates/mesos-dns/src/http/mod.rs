//! What HTTP clients reach.
//!
//! The v1 API as it always was, whether we are alive and ready, and the metrics. A request passes
//! these rooms in this order:
//!
//! - [`listener`]: connections and their limits.
//! - `host`: whether the name it was sent to is ours; `route`: what is asked for, and `accept`
//!   in which form; `refusal`: why not.
//! - `tokens`: whether the client may read.
//! - `v1`, `v2`, `health`: the answers; large ones leave through `stream`. `dashboard`: the page for people.
//!
//! - [`admin`]: for the operator of this machine alone, over a Unix socket (`socket`).
//!
//! Every answer is made from one published version and by plain functions. Nothing in here waits for
//! the cluster, but who asks for changes: what is not known is said to be not known.

mod accept;
pub mod admin;
mod clients;
mod dashboard;
mod health;
mod host;
pub mod listener;
mod metrics;
mod refusal;
mod reply;
mod route;
mod socket;
mod stream;
mod tokens;
mod v1;
mod v2;

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{ALLOW, CACHE_CONTROL, HeaderValue},
};
use mesos_dns_core::config::Row;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
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
pub use tokens::Tokens;
pub use v2::Explain;
pub use v2::WATCHERS_MAX;

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
    /// Path of the configuration file, as `/v2/config` shows it.
    pub file: String,
    /// Every key with its value in force, secrets masked.
    pub rows: Vec<Row>,
    /// Who may read.
    pub tokens: Tokens,
    /// Writes the body of `/v1/config`, given the current serial.
    pub config: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
}

/// What is known of where the data come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Whether a stream of events is followed; else the state is asked for now and then.
    pub is_following: bool,
    /// Version of the leader; empty if it is not known.
    pub leader_version: String,
    /// Time since a master last said anything.
    pub last_contact: Option<Duration>,
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
    explain: Option<Explain>,
    sources: Box<dyn Fn() -> Sources + Send + Sync>,
    transfers: Arc<Semaphore>,
    v2: v2::State,
    /// Cancelled when nobody is to be kept waiting any more.
    closing: CancellationToken,
    /// Of those who watch now; cancelled, too, when it is decided anew who may.
    watching: ArcSwap<CancellationToken>,
    started: Instant,
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
        let closing = CancellationToken::new();
        Self {
            settings: ArcSwap::from_pointee(settings),
            board,
            standing: Box::new(standing),
            metrics,
            legacy,
            registry,
            problems: Shown::default(),
            explain: None,
            sources: Box::new(Sources::default),
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            v2: v2::State::new(WATCHERS_MAX),
            watching: ArcSwap::from_pointee(closing.child_token()),
            closing,
            started: Instant::now(),
            machine: host::machine_names(),
        }
    }

    /// Shows the problems that are counted here; else there are none to show.
    pub fn showing(self, problems: Shown) -> Self {
        Self { problems, ..self }
    }

    /// Explains by this; else there are no explanations.
    pub fn explaining(self, explain: Explain) -> Self {
        Self { explain: Some(explain), ..self }
    }

    /// Tells of the sources of the data what this says.
    pub fn asking(self, sources: impl Fn() -> Sources + Send + Sync + 'static) -> Self {
        Self { sources: Box::new(sources), ..self }
    }

    /// Takes so many watchers at most.
    pub fn with_watchers(self, watchers: usize) -> Self {
        Self { v2: v2::State::new(watchers), ..self }
    }

    /// Puts other settings in force, for requests that come from now on. Where these change who may read, nobody goes on
    /// watching as before: who still may comes back, and goes on with the version that it has.
    pub fn reload(&self, settings: Settings) {
        let access = |of: &Settings| (of.tokens.clone(), of.is_enumeration_on);
        let now = access(&settings);
        if access(&self.settings.swap(Arc::new(settings))) != now {
            self.watching.swap(Arc::new(self.closing.child_token())).cancel();
        }
    }

    /// Answers a request. A panic on the way is an answer too, and counted.
    async fn respond<B: Body>(&self, request: &Request<B>) -> Response<Reply> {
        let is_v2 = request.uri().path().starts_with("/v2/");
        let refuse = |refusal: Refusal| if is_v2 { refusal.problem() } else { refusal.response() };
        let answer = async {
            match self.admit(request) {
                Ok(route) => (route.name(), self.answer(&route, request).await.unwrap_or_else(refuse)),
                Err((name, refusal)) => (name, refuse(refusal)),
            }
        };
        let mut answer = pin!(answer);
        let answered =
            poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            });
        let (name, response) = answered.await.unwrap_or_else(|_| {
            self.metrics.panics.inc();
            error!(path = request.uri().path(), "answering a request panicked");
            (RouteName::None, refuse(Refusal::Broken))
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
        if !route.is_public() && !settings.tokens.admit(request.headers()) {
            self.metrics.reached(Limit::Token);
            return Err((route.name(), Refusal::Unauthorized));
        }
        route.check(request).map_err(|refusal| (route.name(), refusal))?;
        Ok(route)
    }

    async fn answer<B: Body>(&self, route: &Route, request: &Request<B>) -> Result<Response<Reply>, Refusal> {
        match route {
            Route::Dashboard(asset) => Ok(dashboard::answer(*asset, request.headers())),
            Route::Health => Ok(health::health()),
            Route::Ready => Ok(health::ready(&self.board.load(), &(self.standing)())),
            Route::Metrics => health::metrics(&self.registry, request.headers()),
            Route::V1(path) => self.answer_v1(path),
            Route::V2(_) if request.method() == Method::OPTIONS => Ok(options()),
            Route::V2(path) => self.answer_v2(path, request).await,
        }
    }
}

/// Which methods there are. Nothing is said of other origins, so that browsers keep them out.
fn options() -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(refusal::METHODS));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
