//! `/v2/prometheus/sd`: targets in the form of Prometheus' HTTP service discovery.
//!
//! Its contract: a GET, 200 always where there is a list, the whole list every time, `application/json`. So there are no
//! pages and no 304. A server that has no data yet answers 503, which makes Prometheus keep the targets it has; an empty
//! list would make it drop them.

use hyper::{Method, Response, StatusCode};
use mesos_dns_core::views::v2::{TargetFilter, targets};

use super::{
    super::{
        Api,
        refusal::Refusal,
        reply::{JSON, Reply, reply, whole},
    },
    lists::task_filter,
    query::Query,
};

impl Api {
    /// Answers with all targets that are wanted.
    pub(super) fn targets(&self, method: &Method, query: &Query) -> Result<Response<Reply>, Refusal> {
        let published = self.loaded()?;
        let port = query.text("port").map(str::to_owned);
        let filter = TargetFilter { tasks: task_filter(query)?, port };
        if method == Method::HEAD {
            return Ok(whole(StatusCode::OK, JSON, ""));
        }
        let body = self.stream(move |chunks| targets(published.view(), &filter, chunks))?;
        Ok(reply(StatusCode::OK, JSON, body))
    }
}
