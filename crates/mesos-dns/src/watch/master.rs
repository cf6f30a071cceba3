//! One question to one master: its state document, or who else to ask.
//!
//! Everything an answer can be is told apart here, so that a log line names the cause: nobody there, not
//! TLS, another's certificate, a redirect, a refusal, a document that is cut. What to do about it is decided
//! in [`poll`](mesos_dns_core::watch::poll).
//!
//! Masters since Mesos 0.25 have `/master/state`, earlier ones `/master/state.json`, and those from 0.25 to
//! 1.7 both. Which one worked is remembered per master.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderValue, LOCATION},
};
use mesos_dns_core::{
    cluster::Document,
    mesos::{
        operator::{StreamError, Support},
        state::{Limits, StateError},
    },
    watch::{
        Master,
        believe::{Incomplete, Leadership, leads},
        poll::{Ask, CANDIDATES_MAX, Credentials, Fetch, Outcome},
    },
};
use tokio::time::{Instant, timeout_at};

use super::{
    auth::{Auth, AuthError},
    exchange::{self, Answer, ExchangeError},
    load::{Encoding, LoadError, Loading},
    metrics::{Failure, WatchMetrics},
    stream::{NoStream, Subscribed},
    tls::Tls,
};

/// Where the document is, the newer name first.
const PATHS: [&str; 2] = ["/master/state", "/master/state.json"];

/// Asks masters for their state, and for streams of events.
pub struct Client {
    tls: Option<Tls>,
    auth: Auth,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<WatchMetrics>,
    /// Index into [`PATHS`] of what worked last, by master.
    paths: Mutex<HashMap<String, usize>>,
}

/// What a master answered.
#[derive(Debug)]
pub enum Reply {
    /// The leader's document.
    Document(Box<Document>),
    /// It does not lead; this one does, it says.
    Elsewhere(Master),
    /// It has no stream of events for us.
    NoStream(NoStream),
    /// The leader's stream, with the state it begins with.
    Subscribed(Box<Subscribed>),
}

impl Client {
    /// With `tls`, masters are asked by HTTPS and never otherwise.
    pub fn new(tls: Option<Tls>, auth: Auth, limits: Limits, metrics: Arc<WatchMetrics>) -> Self {
        Self { tls, auth, limits, metrics, paths: Mutex::default() }
    }

    /// Makes one request, to its end or its deadline. Counts how it went. `accepts` tells which streams are good
    /// enough.
    pub async fn fetch(&self, fetch: &Fetch, accepts: impl Fn(Support) -> bool) -> Result<Reply, FetchError> {
        self.metrics.requests.inc();
        let began = Instant::now();
        let asked = async {
            match fetch.ask {
                Ask::Comparison | Ask::State => self.ask(fetch).await,
                Ask::Stream => self.subscribe(fetch, accepts).await,
            }
        };
        let reply = match timeout_at(fetch.deadline.into(), asked).await {
            Ok(reply) => reply,
            Err(_) => Err(FetchError::Timeout),
        };
        match &reply {
            Ok(_) => self.metrics.fetch_seconds.observe(began.elapsed().as_secs_f64()),
            Err(error) => self.metrics.count_failure(error.reason()),
        }
        reply
    }

    async fn ask(&self, fetch: &Fetch) -> Result<Reply, FetchError> {
        let answer = self.find(fetch).await?;
        let head = &answer.response;
        match head.status() {
            StatusCode::OK => {
                let (document, bytes) = read(answer, self.limits, &self.metrics).await?;
                self.metrics.snapshot(bytes);
                match leads(&document, &fetch.master) {
                    Leadership::Answering if document.complete => Ok(Reply::Document(Box::new(document))),
                    Leadership::Answering => Err(FetchError::Incomplete(Incomplete)),
                    Leadership::Other(leader) => Ok(Reply::Elsewhere(leader)),
                    Leadership::Unknown => Err(FetchError::NotLeader),
                }
            }
            status if status.is_redirection() => {
                redirect(head.headers(), self.is_secure()).map(Reply::Elsewhere)
            }
            status => Err(FetchError::Status { status }),
        }
    }

    /// The answer from whichever path this master has, after logging in anew if it wants that.
    async fn find(&self, fetch: &Fetch) -> Result<Answer, FetchError> {
        let first = self.paths().get(&fetch.master.to_string()).copied().unwrap_or_default();
        let answer = self.get(fetch, PATHS[first]).await?;
        if answer.response.status() != StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        drop(answer);
        let other = (first + 1) % PATHS.len();
        let answer = self.get(fetch, PATHS[other]).await?;
        if answer.response.status() == StatusCode::OK {
            let mut paths = self.paths();
            if paths.len() >= CANDIDATES_MAX {
                paths.clear();
            }
            paths.insert(fetch.master.to_string(), other);
        }
        Ok(answer)
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a document.
    pub(super) async fn get(&self, fetch: &Fetch, path: &str) -> Result<Answer, FetchError> {
        let gzip = HeaderValue::from_static("gzip");
        self.send(fetch, || Request::get(path).header(ACCEPT_ENCODING, gzip.clone()).body(Full::default()))
            .await
    }

    /// Calls the operator API.
    pub(super) async fn call(&self, fetch: &Fetch, call: &'static str) -> Result<Answer, FetchError> {
        let json = HeaderValue::from_static("application/json");
        let body = || Full::new(Bytes::from_static(call.as_bytes()));
        self.send(fetch, || Request::post("/api/v1").header(ACCEPT, json.clone()).body(body())).await
    }

    /// Sends a request, and once more if new credentials may help.
    async fn send(
        &self,
        fetch: &Fetch,
        request: impl Fn() -> Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Answer, FetchError> {
        let answer = self.send_once(fetch, request()).await?;
        let refused = answer.response.status() == StatusCode::UNAUTHORIZED;
        if refused && fetch.credentials == Credentials::Send && self.auth.handle_refused() {
            drop(answer);
            return self.send_once(fetch, request()).await;
        }
        Ok(answer)
    }

    async fn send_once(
        &self,
        fetch: &Fetch,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Answer, FetchError> {
        let mut request = request.map_err(|_| FetchError::Exchange(ExchangeError::Name))?;
        if fetch.credentials == Credentials::Send
            && let Some(header) = self.auth.header().await?
        {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        Ok(exchange::send(&fetch.master, self.tls.as_ref(), request).await?)
    }

    /// Whether masters are asked by HTTPS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}

/// Where a redirect leads. Mesos sends `//host:port/path`: the scheme is that of the request, and no redirect
/// may change it.
pub(super) fn redirect(headers: &HeaderMap, secure: bool) -> Result<Master, FetchError> {
    let refused = || FetchError::Redirect {
        location: headers.get(LOCATION).map_or_else(String::new, |value| {
            String::from_utf8_lossy(value.as_bytes()).chars().take(LOCATION_CHARS_SHOWN).collect()
        }),
    };
    let scheme = if secure { "https" } else { "http" };
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
    let absolute = match location.strip_prefix("//") {
        Some(rest) => format!("{scheme}://{rest}"),
        None => location.to_owned(),
    };
    let uri: Uri = absolute.parse().map_err(|_| refused())?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let (Some(authority), Some(found)) = (authority, uri.scheme_str()) else { return Err(refused()) };
    if found != scheme {
        return Err(refused());
    }
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Master::parse(&format!("{}:{port}", authority.host())).ok_or_else(refused)
}

/// Most characters of a useless `Location` that an error shows.
const LOCATION_CHARS_SHOWN: usize = 100;

/// Reads a body into the document, on another thread while it arrives; tells how many bytes came.
pub(super) async fn read(
    answer: Answer,
    limits: Limits,
    metrics: &WatchMetrics,
) -> Result<(Document, usize), FetchError> {
    let Answer { response, connection } = answer;
    let (head, mut body) = response.into_parts();
    let encoding = match head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Encoding::Identity,
        Some(b"gzip" | b"x-gzip") => Encoding::Gzip,
        Some(other) => {
            return Err(FetchError::Encoding { encoding: String::from_utf8_lossy(other).into_owned() });
        }
    };
    let loading = Loading::start(encoding, limits);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(FetchError::Body)?.into_data() else { continue };
        metrics.received_bytes.inc_by(piece.len() as u64);
        bytes += piece.len();
        if loading.push(piece).await.is_err() {
            break;
        }
    }
    drop(connection);
    Ok((loading.finish().await?, bytes))
}

//------------ Errors -------------------------------------------------------------

/// Why a master gave neither a document nor another's address.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It took too long as a whole.
    #[error("no complete answer in time (stateTimeoutSeconds)")]
    Timeout,
    /// Not reached, or no HTTP.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// We have no credentials to show.
    #[error("no credentials")]
    Auth(#[from] AuthError),
    /// A status that helps nobody.
    #[error("the master answered {status}{}", hint(*.status))]
    Status {
        /// Which.
        status: StatusCode,
    },
    /// A redirect to nowhere, or to another scheme.
    #[error("the master sends us to {location:?}, which is not followed")]
    Redirect {
        /// Where to; empty if it does not say.
        location: String,
    },
    /// Another one leads, it says, and we may not go there.
    #[error("the master sends us on to {leader}: in a circle, once too often, or without being configured")]
    SentOn {
        /// Where to.
        leader: String,
    },
    /// The answer is neither plain nor gzip.
    #[error("the answer is encoded as {encoding:?}")]
    Encoding {
        /// How.
        encoding: String,
    },
    /// The document cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The connection broke while the document was read.
    #[error("the answer broke off")]
    Body(#[source] hyper::Error),
    /// The stream ended before its state was complete.
    #[error("the stream ended before its state was complete")]
    Ended,
    /// It does not say who it is.
    #[error("the master does not say who it is (GET_MASTER)")]
    Identity,
    /// It does not lead and does not know who does.
    #[error("the master knows no leader")]
    NotLeader,
    /// Not a stream of events.
    #[error("this is no stream of events")]
    Stream(#[from] StreamError),
    /// Not a whole document.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

/// What an operator would do about a status.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => ": it wants other credentials (mesosAuthentication, mesosCredentials)",
        StatusCode::FORBIDDEN => ": these credentials may not read the state",
        StatusCode::NOT_FOUND => ": this is no Mesos master, or a very old one",
        StatusCode::SERVICE_UNAVAILABLE => ": it knows no leader, or is still recovering",
        _ => "",
    }
}

impl FetchError {
    /// What the search for the leader makes of it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Exchange(ExchangeError::Connect(_)) => Outcome::Absent,
            // The standby of Mesos says so while nobody leads (`src/master/http.cpp`, `redirect`).
            Self::Status { status: StatusCode::SERVICE_UNAVAILABLE } => Outcome::Leaderless,
            _ => Outcome::Failed,
        }
    }

    /// The label it is counted under.
    pub fn reason(&self) -> Failure {
        match self {
            Self::Timeout => Failure::Timeout,
            Self::Exchange(ExchangeError::Name | ExchangeError::Resolve(_)) => Failure::Resolve,
            Self::Exchange(ExchangeError::Connect(_)) => Failure::Connect,
            Self::Exchange(ExchangeError::Tls(_)) => Failure::Tls,
            Self::Exchange(ExchangeError::Http(_)) | Self::Body(_) | Self::Ended => Failure::Http,
            Self::Auth(_) | Self::Status { status: StatusCode::UNAUTHORIZED } => Failure::Auth,
            Self::Status { .. } => Failure::Status,
            Self::Redirect { .. } | Self::SentOn { .. } => Failure::Redirect,
            Self::Load(LoadError::State(StateError::TooLarge { .. } | StateError::TooMany { .. })) => {
                Failure::TooLarge
            }
            Self::Load(_) | Self::Encoding { .. } | Self::Identity | Self::Stream(_) => Failure::Malformed,
            Self::NotLeader => Failure::NotLeader,
            Self::Incomplete(_) => Failure::Incomplete,
        }
    }
}
