//! Whether the process is alive, whether it can answer for the cluster, and what it counted.

use std::time::Duration;

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{ACCEPT, HeaderValue},
};
use mesos_dns_core::{answer::State, views};
use prometheus_client::registry::Registry;
use serde::Serialize;

use super::{
    refusal::Refusal,
    reply::{JSON, Reply, TEXT, whole},
};
use crate::{
    metrics::{Format, exposition},
    publish::Published,
};

/// How our view of the cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In one word.
    pub state: State,
    /// Why it is not `live`, each in a sentence for the operator; no secrets.
    pub reasons: Vec<String>,
    /// Time since the masters last confirmed the data; `None` before they ever did.
    pub age: Option<Duration>,
}

/// `/health`: an answer at all is what is asked for.
pub(super) fn health() -> Response<Reply> {
    whole(StatusCode::OK, TEXT, "alive\n")
}

/// The body of `/ready`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ready<'a> {
    ready: bool,
    state: State,
    reasons: &'a [String],
    serial: u32,
    version: u64,
    content_hash: String,
    age_seconds: Option<f64>,
    leader: Option<&'a str>,
    /// When the snapshot file was written that the data is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_at: Option<u64>,
}

/// `/ready`: 200 as soon as there is data to answer from.
///
/// Old data does not make it 503: when the masters are away, all servers of a cluster lose them at the
/// same time, and taking all of them out of service would turn old answers into none.
pub(super) fn ready(published: &Published, standing: &Standing) -> Response<Reply> {
    let body = Ready::new(published, standing);
    let status = if body.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    whole(status, JSON, views::text(&body))
}

impl<'a> Ready<'a> {
    pub(super) fn new(published: &'a Published, standing: &'a Standing) -> Self {
        let is_loaded = published.zone.is_loaded();
        Self {
            ready: is_loaded,
            state: if is_loaded { standing.state } else { State::Loading },
            reasons: &standing.reasons,
            serial: published.zone.serial(),
            version: published.version,
            content_hash: format!("{:016x}", published.zone.content_hash()),
            age_seconds: standing.age.map(|age| (age.as_secs_f64() * 1000.0).round() / 1000.0),
            leader: published.cluster.masters.leader.as_deref(),
            saved_at: published.restored,
        }
    }
}

/// `/metrics`, in the format that is accepted.
pub(super) fn metrics(registry: &Registry, headers: &HeaderMap) -> Result<Response<Reply>, Refusal> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let text = exposition(registry, format).map_err(|_| Refusal::Broken)?;
    Ok(whole(StatusCode::OK, HeaderValue::from_static(format.media_type()), text))
}
