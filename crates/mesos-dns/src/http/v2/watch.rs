//! `/v2/watch`: changes of the zone, as they come.
//!
//! Watchers are fed from the publisher's journal, which is bounded: each remembers the version that it told last and nothing
//! else, so one that reads slowly makes nobody wait and takes no memory. Who asks for a version that the journal does not
//! reach any more is told to read the whole anew.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{CACHE_CONTROL, HeaderValue, VARY},
};
use mesos_dns_core::{
    records::Policy,
    views::v2::{Change, FrameworkNames, Scope, changed},
    zone::{Delta, Step},
};
use serde::Serialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Api,
        accept::preferred,
        metrics::Limit,
        refusal::Refusal,
        reply::{EVENTS, Reply, reply, whole},
    },
    feed::{self, Feed},
    json,
    lists::record_filter,
    query::Query,
};
use crate::publish::Next;

/// Longest time that a poll may wait, in seconds.
const WAIT_MAX: u64 = 600;

/// Time that a poll waits unless it says otherwise.
const WAIT: Duration = Duration::from_secs(30);

/// Most records that one answer to a poll lists; more is told as a reset.
const POLL_RECORDS_MAX: usize = 1000;

/// The answer to a poll.
#[derive(Serialize)]
struct Polled {
    version: u64,
    id: String,
    serial: u32,
    /// Whether the whole has to be read anew: what led here is not known.
    reset: bool,
    changes: Vec<Change>,
}

impl Api {
    /// Answers with a stream of events, or with what changed since a version.
    pub(super) async fn watch<B: Body>(
        &self,
        request: &Request<B>,
        query: &Query,
    ) -> Result<Response<Reply>, Refusal> {
        let is_stream = preferred(request.headers(), super::V2::Watch.kinds()) == Some("text/event-stream");
        let published = self.loaded()?;
        let scope = scope(query, &published.policy)?;
        drop(published);
        let wait = query.number("wait", (0, WAIT_MAX))?;
        let last = last_event(request.headers()).filter(|_| is_stream).or(query.text("since"));
        let since = last.map(|text| self.v2.instance.version_of(text)).transpose()?;
        if is_stream && wait.is_some() {
            return Err(Refusal::Invalid(
                "wait is for Accept: application/json; a stream waits for ever".into(),
            ));
        }
        if request.method() == Method::HEAD {
            let kind = if is_stream { EVENTS } else { super::super::reply::JSON };
            return Ok(headed(whole(StatusCode::OK, kind, "")));
        }
        let seat = self.seat()?;
        let closing = CancellationToken::clone(&self.watching.load());
        // It may have been decided anew who may read since this request was let in.
        self.admit(request).map_err(|(_, refusal)| refusal)?;
        if is_stream {
            let feed = Feed {
                board: self.board.clone(),
                scope,
                since,
                instance: self.v2.instance,
                closing,
                metrics: self.metrics.clone(),
            };
            return Ok(headed(reply(StatusCode::OK, EVENTS, feed::start(feed, seat))));
        }
        let until = Instant::now() + wait.map_or(WAIT, Duration::from_secs);
        Ok(headed(json(&self.poll(since, &scope, (until, closing)).await)))
    }

    /// A place among the watchers.
    fn seat(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.v2.watchers.clone().try_acquire_owned().map_err(|_| {
            self.metrics.reached(Limit::Watchers);
            Refusal::TooManyWatchers
        })
    }

    /// Waits for changes since a version (of another process, if there is `None` in it) until a time, or until told to stop.
    async fn poll(
        &self,
        since: Option<Option<u64>>,
        scope: &Scope,
        (until, closing): (Instant, CancellationToken),
    ) -> Polled {
        let mut versions = self.board.subscribe();
        let mut at = match since {
            // Where to begin is what is asked for.
            None => return self.polled(self.board.load().version, false, Vec::new()),
            Some(None) => return self.polled(self.board.load().version, true, Vec::new()),
            Some(Some(version)) => version,
        };
        loop {
            let (mut changes, mut room) = (Vec::new(), POLL_RECORDS_MAX);
            loop {
                versions.mark_unchanged();
                match self.board.next_step(at) {
                    Next::Gap(mark) => return self.polled(mark.version, true, Vec::new()),
                    Next::Newest => break,
                    Next::Step(step) => {
                        let Some(change) = self.whole_step(&step, scope, room) else {
                            // It is for the next answer; by itself it may be too large for any.
                            if changes.is_empty() {
                                return self.polled(step.mark.version, true, Vec::new());
                            }
                            return self.polled(at, false, changes);
                        };
                        at = step.mark.version;
                        if !change.is_empty() {
                            room -= change.added.len() + change.removed.len();
                            changes.push(change);
                        }
                    }
                }
            }
            if !changes.is_empty() {
                return self.polled(at, false, changes);
            }
            tokio::select! {
                changed = timeout_at(until, versions.changed()) => if !matches!(changed, Ok(Ok(()))) {
                    return self.polled(at, false, Vec::new());
                },
                () = closing.cancelled() => return self.polled(at, false, Vec::new()),
            }
        }
    }

    /// All that is wanted of a step, if it is not more than `most` records.
    fn whole_step(&self, step: &Step, scope: &Scope, most: usize) -> Option<Change> {
        let Delta::Records(moves) = &*step.delta else { return None };
        let published = self.board.load();
        let (change, looked_at) = changed(step.mark, moves, scope, published.zone.soa(), most);
        (looked_at == moves.len()).then_some(change)
    }

    fn polled(&self, version: u64, reset: bool, changes: Vec<Change>) -> Polled {
        let id = self.v2.instance.tag(version).to_string();
        Polled { version, id, serial: self.board.load().zone.serial(), reset, changes }
    }
}

/// Which changes a request wants.
fn scope(query: &Query, policy: &Policy) -> Result<Scope, Refusal> {
    let framework =
        query.parsed("framework", "the name of a framework", |name| FrameworkNames::of(name, policy))?;
    Ok(Scope { records: record_filter(query)?, framework })
}

/// What a client of event streams had last.
fn last_event(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

fn headed(mut response: Response<Reply>) -> Response<Reply> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}
