//! The v2 API: what is known, in lists with filters, pages and versions; changes as they come.
//!
//! - `query`: the parameters of a request. `page`: tags of versions, and places in lists.
//! - `lists`: agents, frameworks, services, tasks, records. `discovery`: targets for Prometheus.
//! - `status`: how things stand, and what is configured. `problems`: what is wrong with names. `explain`: why a question gets
//!   its answer.
//! - `watch`: changes, as a stream or one at a time; `feed` is the stream.
//! - `openapi`: the description of all that; [`ENDPOINTS`] is what it is held against.
//!
//! A list is made by a walk over a whole version. That is done on threads for blocking work, a few at a time, and never
//! in the way of others.

mod discovery;
mod explain;
mod feed;
mod lists;
mod openapi;
mod page;
mod problems;
mod query;
mod status;
mod watch;

use std::sync::Arc;

use hyper::{Request, Response, StatusCode, body::Body};
use tokio::sync::Semaphore;

use super::{
    Api,
    metrics::{Limit, RouteName},
    refusal::Refusal,
    reply::Reply,
};
pub use explain::Explain;
use page::Instance;
pub(super) use page::is_known;
use query::Query;

/// Lists that are made at the same time. Others wait.
const LISTS_MAX: usize = 4;

/// Requests that wait for a list; whoever comes later is asked to come again.
const LISTS_WAITING_MAX: usize = 64;

/// Watchers at the same time, where file descriptors are no matter.
pub const WATCHERS_MAX: usize = 10_000;

/// A path of the v2 API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum V2 {
    Agents,
    Config,
    Explain,
    Frameworks,
    OpenApi,
    Problems,
    Records,
    Services,
    Status,
    Targets,
    Task(String),
    Tasks,
    Watch,
}

/// What there is to know of a path: for routing, for the reader of parameters, and for the description.
pub(super) struct Endpoint {
    /// The segments behind `/v2/`; `{id}` stands for any one.
    path: &'static str,
    /// The parameters that it knows.
    parameters: &'static [&'static str],
    /// What it can send.
    kinds: &'static [&'static str],
    /// Whether it lists what is in the cluster, so that `enumerationOn` hides it.
    is_enumeration: bool,
}

const JSON_ONLY: &[&str] = &["application/json"];
const TASK_PARAMETERS: &[&str] =
    &["framework", "name", "agent", "label", "zone", "region", "health", "state", "limit", "cursor"];

/// All paths.
pub(super) const ENDPOINTS: [Endpoint; 13] = [
    Endpoint::list("agents", &["name", "zone", "region", "limit", "cursor"]),
    Endpoint::plain("config"),
    Endpoint::list("explain", &["name", "type", "client"]),
    Endpoint::list("frameworks", &["name", "limit", "cursor"]),
    Endpoint::plain("openapi.json"),
    Endpoint::list("problems", &["kind"]),
    Endpoint {
        kinds: &["application/json", "application/x-ndjson"],
        ..Endpoint::list("records", &["name", "below", "type", "limit", "cursor"])
    },
    Endpoint::list("services", TASK_PARAMETERS),
    Endpoint::plain("status"),
    Endpoint::list("prometheus/sd", &["framework", "name", "label", "port", "health", "zone", "region"]),
    Endpoint::list("tasks/{id}", &["framework"]),
    Endpoint::list("tasks", TASK_PARAMETERS),
    Endpoint {
        kinds: &["text/event-stream", "application/json"],
        ..Endpoint::list("watch", &["name", "below", "type", "framework", "since", "wait"])
    },
];

impl Endpoint {
    const fn plain(path: &'static str) -> Self {
        Self { path, parameters: &[], kinds: JSON_ONLY, is_enumeration: false }
    }

    const fn list(path: &'static str, parameters: &'static [&'static str]) -> Self {
        Self { path, parameters, kinds: JSON_ONLY, is_enumeration: true }
    }
}

impl V2 {
    /// The route of these segments behind `/v2/`.
    pub(super) fn find(segments: &[&str], is_enumeration_on: bool) -> Option<Self> {
        let found = match segments {
            ["agents"] => Self::Agents,
            ["config"] => Self::Config,
            ["explain"] => Self::Explain,
            ["frameworks"] => Self::Frameworks,
            ["openapi.json"] => Self::OpenApi,
            ["problems"] => Self::Problems,
            ["prometheus", "sd"] => Self::Targets,
            ["records"] => Self::Records,
            ["services"] => Self::Services,
            ["status"] => Self::Status,
            ["tasks"] => Self::Tasks,
            ["tasks", id] => Self::Task((*id).to_owned()),
            ["watch"] => Self::Watch,
            _ => return None,
        };
        Some(found).filter(|route| is_enumeration_on || !route.endpoint().is_enumeration)
    }

    /// What there is to know of it.
    pub(super) fn endpoint(&self) -> &'static Endpoint {
        let path = match self {
            Self::Agents => "agents",
            Self::Config => "config",
            Self::Explain => "explain",
            Self::Frameworks => "frameworks",
            Self::OpenApi => "openapi.json",
            Self::Problems => "problems",
            Self::Records => "records",
            Self::Services => "services",
            Self::Status => "status",
            Self::Targets => "prometheus/sd",
            Self::Task(_) => "tasks/{id}",
            Self::Tasks => "tasks",
            Self::Watch => "watch",
        };
        let found = ENDPOINTS.iter().find(|endpoint| endpoint.path == path);
        found.expect("every path has its row: a test looks at each")
    }

    /// The label in the metrics.
    pub(super) fn name(&self) -> RouteName {
        match self {
            Self::Agents => RouteName::V2Agents,
            Self::Config => RouteName::V2Config,
            Self::Explain => RouteName::Explain,
            Self::Frameworks => RouteName::V2Frameworks,
            Self::OpenApi => RouteName::V2OpenApi,
            Self::Problems => RouteName::Problems,
            Self::Records => RouteName::V2Records,
            Self::Services => RouteName::V2Services,
            Self::Status => RouteName::V2Status,
            Self::Targets => RouteName::V2PrometheusSd,
            Self::Task(_) => RouteName::V2Task,
            Self::Tasks => RouteName::V2Tasks,
            Self::Watch => RouteName::V2Watch,
        }
    }

    /// Whether nothing of the cluster is in it.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Self::OpenApi)
    }

    /// The kinds that it can send, the usual one first.
    pub(super) fn kinds(&self) -> &'static [&'static str] {
        self.endpoint().kinds
    }
}

/// What the lists and the watchers need.
pub(super) struct State {
    instance: Instance,
    lists: Semaphore,
    waiting: Semaphore,
    watchers: Arc<Semaphore>,
    watchers_max: usize,
}

impl State {
    /// With room for so many watchers.
    pub(super) fn new(watchers: usize) -> Self {
        Self {
            instance: Instance::new(),
            lists: Semaphore::new(LISTS_MAX),
            waiting: Semaphore::new(LISTS_WAITING_MAX),
            watchers: Arc::new(Semaphore::new(watchers)),
            watchers_max: watchers,
        }
    }
}

impl State {
    /// How many watch.
    fn watching(&self) -> usize {
        self.watchers_max.saturating_sub(self.watchers.available_permits())
    }
}

impl Api {
    /// Answers a v2 path.
    pub(super) async fn answer_v2<B: Body>(
        &self,
        route: &V2,
        request: &Request<B>,
    ) -> Result<Response<Reply>, Refusal> {
        let query = Query::read(request.uri(), route.endpoint().parameters)?;
        match route {
            V2::Agents => self.list(request, query, lists::agents).await,
            V2::Config => Ok(self.effective_config()),
            V2::Explain => self.explain(request.method(), &query),
            V2::Frameworks => self.list(request, query, lists::frameworks).await,
            V2::OpenApi => Ok(openapi::answer(&self.settings.load().version)),
            V2::Problems => self.problems(request.method(), &query),
            V2::Records => self.records(request, query).await,
            V2::Services => self.list(request, query, lists::services).await,
            V2::Status => Ok(self.status()),
            V2::Targets => self.targets(request.method(), &query),
            V2::Task(id) => {
                let id = id.clone();
                self.list(request, query, move |version, query| lists::task(version, query, &id)).await
            }
            V2::Tasks => self.list(request, query, lists::tasks).await,
            V2::Watch => self.watch(request, &query).await,
        }
    }

    /// Room for making a list, after those that came before.
    async fn list_turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        let busy = |_| {
            self.metrics.reached(Limit::Lists);
            Refusal::Busy
        };
        let _waiting = self.v2.waiting.try_acquire().map_err(busy)?;
        Ok(self.v2.lists.acquire().await.expect("nobody closes this semaphore"))
    }
}

/// A value as JSON for machines, with a newline at its end.
pub(super) fn text(value: &impl serde::Serialize) -> Vec<u8> {
    // Our values have text keys only, and a vector takes everything: there is nothing to fail.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}

/// An answer of JSON.
fn json(body: &impl serde::Serialize) -> Response<Reply> {
    super::reply::whole(StatusCode::OK, super::reply::JSON, text(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_route() {
        for endpoint in &ENDPOINTS {
            let path = endpoint.path.replace("{id}", "x");
            let segments: Vec<&str> = path.split('/').collect();
            let route = V2::find(&segments, true).unwrap_or_else(|| panic!("no route {path}"));
            assert_eq!(route.endpoint().path, endpoint.path);
            assert_eq!(V2::find(&segments, false).is_none(), endpoint.is_enumeration, "{path}");
        }
        assert_eq!(V2::find(&["tasks", "a", "b"], true), None);
    }
}
