//! One stream of events: from the request to the last byte.
//!
//! `Client::subscribe` asks the master who it is, subscribes, and reads the state with which the stream begins;
//! [`Events`] is the rest of it. Reading never waits for anybody: a master keeps what its readers do not take, in its own
//! memory, so a reader that is behind ends the stream instead.
//!
//! The operator API does not tell where schedulers are. The master's summary does, a small document; it is read beside
//! the stream's beginning and again when a framework subscribes.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{StatusCode, body::Incoming};
use mesos_dns_core::{
    cluster::{Change, Document, Host},
    mesos::{
        operator::{self, EventType, Passed, Said, Seen, Support},
        state,
    },
    watch::{poll::Fetch, subscribe::End},
};
use tokio::{task::JoinSet, time::timeout_at};

use super::{
    decoding::Decoding,
    exchange::Answer,
    load::assembled,
    master::{Client, FetchError, Reply, redirect},
};

/// Largest answer that says who a master is.
const IDENTITY_BYTES_MAX: usize = 64 << 10;

/// Most events that are handed over at once.
const EVENTS_AT_ONCE_MAX: usize = 1_000;

/// A stream whose state was read.
#[derive(Debug)]
pub struct Subscribed {
    /// What the master showed when the stream began.
    pub document: Document,
    /// How good the stream is.
    pub support: Support,
    /// What comes after.
    pub events: Events,
}

/// Why a master has no stream for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoStream {
    /// It has no operator API.
    #[error("it has no operator API ({0})")]
    NoApi(StatusCode),
    /// Somebody answers there who is no operator API.
    #[error("what it answers to calls of the operator API is something else")]
    Foreign,
    /// It is too old.
    #[error("Mesos {version:?} has no stream that tells everything (1.7 or newer is needed)")]
    TooOld {
        /// As it says.
        version: String,
    },
    /// Our credentials do not suffice for it.
    #[error(
        "these credentials may not read the operator API ({0}); it is guarded by the realm mesos-master-readwrite"
    )]
    NotAllowed(StatusCode),
}

/// Where schedulers are, by framework id.
pub type Schedulers = HashMap<Arc<str>, (Option<Host>, Option<u16>)>;

impl Client {
    /// Subscribes to a master's events, and reads the state with which they begin.
    pub(super) async fn subscribe(
        &self,
        fetch: &Fetch,
        accepts: impl Fn(Support) -> bool,
    ) -> Result<Reply, FetchError> {
        let (identity, support) = match self.identify(fetch).await? {
            Ok(identity) => {
                let support = identity.support();
                if !accepts(support) {
                    let version = identity.version.unwrap_or_default();
                    return Ok(Reply::NoStream(NoStream::TooOld { version }));
                }
                (identity, support)
            }
            Err(reply) => return Ok(reply),
        };
        let answer = self.call(fetch, r#"{"type":"SUBSCRIBE"}"#).await?;
        if let Some(reply) = self.refusal(&answer)? {
            return Ok(reply);
        }
        let (opened, schedulers) =
            tokio::join!(open(answer, self.limits, &self.metrics), self.schedulers(fetch));
        let (mut document, events) = opened?;
        place(&mut document, &schedulers.unwrap_or_default());
        identity.sign(&mut document);
        Ok(Reply::Subscribed(Box::new(Subscribed { document, support, events })))
    }

    /// Where schedulers are, according to the master's summary.
    pub(super) async fn schedulers(&self, fetch: &Fetch) -> Result<Schedulers, FetchError> {
        let asked = async {
            let answer = self.get(fetch, "/master/state-summary").await?;
            match answer.response.status() {
                StatusCode::OK => {
                    super::master::read(answer, self.limits, &self.metrics).await.map(|(summary, _)| summary)
                }
                status => Err(FetchError::Status { status }),
            }
        };
        let summary = timeout_at(fetch.deadline.into(), asked).await.unwrap_or(Err(FetchError::Timeout))?;
        let place =
            |framework: mesos_dns_core::cluster::Framework| (framework.id, (framework.host, framework.port));
        Ok(summary.frameworks.into_iter().map(place).collect())
    }

    /// Who a master is; or what else to tell of it.
    async fn identify(&self, fetch: &Fetch) -> Result<Result<operator::Master, Reply>, FetchError> {
        let answer = self.call(fetch, r#"{"type":"GET_MASTER"}"#).await?;
        if let Some(reply) = self.refusal(&answer)? {
            return Ok(Err(reply));
        }
        let Answer { response, connection } = answer;
        let body = Limited::new(response.into_body(), IDENTITY_BYTES_MAX).collect().await;
        drop(connection);
        match body {
            Ok(body) => Ok(Ok(operator::Master::decode(&body.to_bytes()))),
            Err(error) if error.is::<LengthLimitError>() => Ok(Err(Reply::NoStream(NoStream::Foreign))),
            Err(_) => Err(FetchError::Identity),
        }
    }

    /// What an answer means that is not the one wanted; `None` if it is.
    fn refusal(&self, answer: &Answer) -> Result<Option<Reply>, FetchError> {
        let head = &answer.response;
        let status = head.status();
        Ok(Some(match status {
            StatusCode::OK => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Reply::NoStream(NoStream::NotAllowed(status)),
            StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::NOT_IMPLEMENTED => Reply::NoStream(NoStream::NoApi(status)),
            status if status.is_redirection() => {
                Reply::Elsewhere(redirect(head.headers(), self.is_secure())?)
            }
            status => return Err(FetchError::Status { status }),
        }))
    }
}

/// Puts the schedulers' addresses into a stream's first document.
fn place(document: &mut Document, schedulers: &Schedulers) {
    for framework in &mut document.frameworks {
        (framework.host, framework.port) = schedulers.get(&framework.id).cloned().unwrap_or_default();
    }
}

/// Reads the state with which a stream begins.
async fn open(
    answer: Answer,
    limits: state::Limits,
    metrics: &super::metrics::WatchMetrics,
) -> Result<(Document, Events), FetchError> {
    let Answer { response, connection } = answer;
    let mut events = Events {
        body: response.into_body(),
        _connection: connection,
        stream: operator::Stream::new(operator::Limits { snapshot: limits, ..operator::Limits::default() }),
        rest: Bytes::new(),
    };
    let decoding = Decoding::start();
    let mut received = 0;
    let outline = loop {
        match events.say()? {
            Some(Said::Batch(batch)) => {
                // Closed only if all decoders panicked, which the end tells.
                _ = decoding.batches().send(batch).await;
            }
            Some(Said::Snapshot(outline)) => break outline,
            Some(_) => {}
            None => {
                let bytes = events.read().await?.ok_or(FetchError::Ended)?;
                metrics.received_bytes.inc_by(bytes as u64);
                received += bytes;
            }
        }
    };
    metrics.snapshot(received);
    let parts = decoding.finish().await?;
    Ok((assembled(*outline, parts).await?, events))
}

//------------ Events --------------------------------------------------------

/// The events of a stream, after its beginning.
pub struct Events {
    body: Incoming,
    /// Ends the connection when dropped.
    _connection: JoinSet<()>,
    stream: operator::Stream,
    /// What was read and not looked at yet.
    rest: Bytes,
}

/// What came at once.
#[derive(Debug, Default)]
pub struct Heard {
    /// What happened, in its order.
    pub changes: Vec<Change>,
    /// Whether a framework subscribed: where its scheduler is stands elsewhere.
    pub frameworks: bool,
    /// How many events there were, by type.
    pub by_type: [u64; EventType::ALL.len()],
    /// When agents made the statuses that updates of tasks tell of, in seconds of Unix time by their clocks.
    pub status_times: Vec<f64>,
    /// Events of unknown types.
    pub unknown: u64,
    /// Events that lack something.
    pub malformed: u64,
}

impl Events {
    /// The time between heartbeats, if the master announced it.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.stream.heartbeat_interval()
    }

    /// Waits for the next bytes, and tells what is in them; nothing if they hold no whole event, or a heartbeat.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Heard, End> {
        let heard = self.hear()?;
        if !heard.is_nothing() {
            return Ok(heard);
        }
        match self.read().await {
            Ok(Some(_)) => self.hear(),
            Ok(None) | Err(_) => Err(End::Closed),
        }
    }

    /// All that the bytes at hand say, up to a limit.
    fn hear(&mut self) -> Result<Heard, End> {
        let mut heard = Heard::default();
        while heard.changes.len() < EVENTS_AT_ONCE_MAX {
            let Some(said) = self.say().map_err(|_| End::Malformed)? else { break };
            heard.note(said, self.stream.seen());
        }
        Ok(heard)
    }

    /// What the bytes at hand say next; `None` if more are needed.
    fn say(&mut self) -> Result<Option<Said>, FetchError> {
        let mut piece: &[u8] = &self.rest;
        let said = self.stream.push(&mut piece)?;
        let used = self.rest.len() - piece.len();
        self.rest.advance(used);
        Ok(said)
    }

    /// Reads more bytes; `None` at the end of the stream.
    async fn read(&mut self) -> Result<Option<usize>, FetchError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(piece) = frame.map_err(FetchError::Body)?.into_data() {
                self.rest = piece;
                return Ok(Some(self.rest.len()));
            }
        }
        Ok(None)
    }
}

/// What was read of it is not for logs: it can hold megabytes.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Heard {
    fn note(&mut self, said: Said, Seen { event, status_time }: Seen) {
        // What was left out of an event is told after it, and is none itself.
        let is_event = !matches!(said, Said::Batch(_) | Said::Snapshot(_) | Said::Change(Change::Omitted(_)));
        self.by_type[event as usize] += u64::from(is_event);
        match said {
            Said::Change(change) => {
                self.frameworks |= matches!(change, Change::FrameworkAdded(_));
                self.changes.push(change);
                self.status_times.extend(status_time.filter(|_| is_event));
            }
            Said::Passed(Passed::Malformed { .. }) => self.malformed += 1,
            Said::Passed(Passed::Unknown(_)) => self.unknown += 1,
            // The state came already, and that the master lives is told by the bytes.
            Said::Batch(_) | Said::Snapshot(_) | Said::Heartbeat => {}
        }
    }

    fn is_nothing(&self) -> bool {
        self.by_type.iter().all(|count| *count == 0)
    }
}
