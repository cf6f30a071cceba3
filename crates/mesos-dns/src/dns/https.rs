//! DNS over HTTPS (RFC 8484), over HTTP/1.1 and HTTP/2: requests in, messages out.
//!
//! A request is a query: `GET /dns-query?dns=` with the message in base64url, or `POST /dns-query` with it as the body.
//! Whatever DNS has to say about it, failures included, is said by the message; HTTP only complains of requests that
//! hold no query. How long an answer may be kept is told in `cache-control`.
//!
//! hyper reads and writes. The limits are ours: bytes of a request and their time, requests at once, idle time, and
//! how long a client may take for its answers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use mesos_dns_core::{answer::Transport, forward::lifetime::lifetime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{
    Shared,
    answering::{Outcome, Sitting, with_scratch},
    clients::Visit,
    connection::{DRAIN_MAX, ELSEWHERE, MESSAGE, QUIET},
    frames::{LENGTH_BYTES, QUERY_BYTES_MAX},
    tls::ALPN_HTTP_2,
};
use crate::patience::Patient;

/// Where we answer. RFC 8484 leaves it to us; this is what clients try.
const PATH: &str = "/dns-query";

/// What messages are called.
const MEDIA_TYPE: &str = "application/dns-message";

/// Largest head of a request in bytes: a query in base64url has a third of it.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header lines of a request.
const HEADERS_MAX: usize = 64;

/// Largest body that is read to its end, to be refused in order; in the middle of a larger one we give up.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Requests of one connection that are answered at once.
const REQUESTS_MAX: u32 = 100;

/// Bytes of bodies that a client may send before we have read them: of one request, and of a connection.
const STREAM_WINDOW_BYTES: u32 = 8 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// Largest piece of an answer that waits to be written, in bytes.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A stream that gives up on who takes answers too slowly.
pub(super) fn patient(stream: TcpStream) -> Patient<TcpStream> {
    Patient::new(stream, MESSAGE)
}

/// Serves a connection to its end.
pub(super) async fn serve<S>(stream: TlsStream<S>, from: SocketAddr, shared: Arc<Shared>, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP_2);
    let desk = Arc::new(Desk { shared, from, pace: Pace::new(visit) });
    let service = service_fn({
        let desk = desk.clone();
        move |request| {
            let desk = desk.clone();
            async move { Ok::<_, Infallible>(desk.respond(request).await) }
        }
    });
    let stream = TokioIo::new(stream);
    if is_http_2 {
        converse(&desk, http_2().serve_connection(stream, service)).await;
    } else {
        converse(&desk, http_1().serve_connection(stream, service)).await;
    }
}

fn http_1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(MESSAGE)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    http
}

fn http_2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    http
}

/// Runs a connection until it ends, was idle too long, or has to leave. It gets a moment to end in order.
async fn converse<C: GracefulConnection>(desk: &Desk, connection: C) {
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(desk.idle_until()));
    let leave = desk.pace.visit.leave();
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = leave.cancelled() => break,
            () = timer.as_mut() => {
                let until = desk.idle_until();
                if until <= Instant::now() {
                    break;
                }
                timer.as_mut().reset(until);
            }
        }
    }
    if leave.is_cancelled() && !desk.pace.visit.is_evicted() {
        // The server stops: what was sent before may still arrive.
        timer.as_mut().reset(Instant::now() + QUIET);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = timer.as_mut() => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    // Who has nothing in hand was told; who has gets it, within the limits of whoever makes the reply.
    let mut end = Instant::now() + DRAIN_MAX;
    loop {
        timer.as_mut().reset(end);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = timer.as_mut() => {}
        }
        if desk.pace.visit.is_evicted() || !desk.pace.is_busy() {
            return;
        }
        end = Instant::now() + DRAIN_MAX;
    }
}

//------------ Pace ----------------------------------------------------------

/// How many requests of a connection are in hand, for whoever looks for idle ones.
struct Pace {
    in_hand: AtomicUsize,
    visit: Visit,
    active: std::sync::Mutex<Instant>,
}

/// One request in hand, until dropped.
struct InHand<'a>(&'a Pace);

impl Pace {
    fn new(visit: Visit) -> Self {
        Self { in_hand: AtomicUsize::new(0), visit, active: std::sync::Mutex::new(Instant::now()) }
    }

    fn begin(&self) -> InHand<'_> {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        self.visit.busy();
        InHand(self)
    }

    fn is_busy(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed) > 0
    }

    fn active(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.active.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        *self.0.active() = now;
        if self.0.in_hand.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.visit.idle(now);
        }
    }
}

//------------ Desk ----------------------------------------------------------

/// Where the requests of one connection are answered.
struct Desk {
    shared: Arc<Shared>,
    from: SocketAddr,
    pace: Pace,
}

impl Desk {
    /// Until when the connection may go on as it is.
    fn idle_until(&self) -> Instant {
        let idle = self.shared.settings.load().idle;
        if self.pace.is_busy() { Instant::now() + idle } else { *self.pace.active() + idle }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _in_hand = self.pace.begin();
        let is_head = request.method() == Method::HEAD;
        let mut response = match self.exchange(request).await {
            Ok(reply) => answer(reply),
            Err(complaint) => refuse(complaint),
        };
        if is_head {
            // hyper leaves the body out over HTTP/1.1 only.
            let length = response.body().size_hint().exact().unwrap_or_default();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            *response.body_mut() = Full::default();
        }
        self.shared.metrics.https_responded(response.status());
        response
    }

    async fn exchange(&self, request: Request<Incoming>) -> Result<Bytes, Complaint> {
        let query = query(request).await?;
        match self.decide(&query) {
            Decided::Reply(reply) => Ok(reply),
            Decided::Nothing => Err(Complaint::NoQuery),
            Decided::Later(reply) => match timeout(ELSEWHERE, reply).await {
                Ok(Ok(Some(reply))) => Ok(reply.into()),
                _ => Err(Complaint::NoReply),
            },
        }
    }

    fn decide(&self, query: &[u8]) -> Decided {
        let mut later = None;
        with_scratch(|scratch| {
            let (_, mut parts) = scratch.parts();
            let mut sitting = Sitting::new(&self.shared, self.from, Transport::Https);
            let outcome = sitting.answer(query, &mut parts, || {
                let (taker, reply) = oneshot::channel();
                later = Some(reply);
                // If the request is gone, so is who wanted it.
                Box::new(move |reply| _ = taker.send(reply))
            });
            match (outcome, later) {
                (Outcome::Answered, _) => {
                    Decided::Reply(Bytes::copy_from_slice(&parts.0.bytes()[LENGTH_BYTES..]))
                }
                (Outcome::HandedOn, Some(reply)) => Decided::Later(reply),
                _ => Decided::Nothing,
            }
        })
    }
}

enum Decided {
    Reply(Bytes),
    Later(oneshot::Receiver<Option<Vec<u8>>>),
    Nothing,
}

/// Why there is no message to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Complaint {
    /// Neither GET nor POST.
    Method,
    /// The body is of another kind.
    Media,
    /// What came is no query.
    NoQuery,
    /// Nobody answered; nor was there a failure to tell.
    NoReply,
    /// Another path.
    Path,
    /// The body did not arrive in time.
    Slow,
    /// The body is larger than any query.
    TooLarge,
    /// The query in the path is.
    TooLong,
}

impl Complaint {
    fn status(self) -> StatusCode {
        match self {
            Self::Media => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoQuery => StatusCode::BAD_REQUEST,
            Self::NoReply => StatusCode::BAD_GATEWAY,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooLong => StatusCode::URI_TOO_LONG,
        }
    }
}

/// The query in a request. A body is read to its end before anything is said: clients exist that take an answer in the
/// middle of their request for a failure.
async fn query(request: Request<Incoming>) -> Result<Bytes, Complaint> {
    let (head, body) = request.into_parts();
    let body = timeout(MESSAGE, read(body)).await.map_err(|_| Complaint::Slow)?;
    if head.uri.path() != PATH {
        return Err(Complaint::Path);
    }
    match head.method {
        Method::GET | Method::HEAD => in_path(head.uri.query().unwrap_or_default()),
        Method::POST if is_message(&head.headers) => body,
        Method::POST => Err(Complaint::Media),
        _ => Err(Complaint::Method),
    }
}

/// The query in `dns=`, the first if there are several.
fn in_path(parameters: &str) -> Result<Bytes, Complaint> {
    let mut pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
    let (_, text) = pairs.find(|(key, _)| *key == "dns").ok_or(Complaint::NoQuery)?;
    // RFC 8484 section 6 forbids the padding; clients exist that send it.
    let text = text.trim_end_matches('=');
    let query = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Complaint::NoQuery)?;
    if query.len() > QUERY_BYTES_MAX { Err(Complaint::TooLong) } else { Ok(query.into()) }
}

/// A body, if it is no larger than a query. Of a larger one the rest is read, and kept nowhere, up to a limit.
async fn read(mut body: Incoming) -> Result<Bytes, Complaint> {
    let (mut query, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Complaint::NoQuery)?.into_data() else { continue };
        length += data.len();
        if length > BODY_BYTES_MAX {
            break;
        }
        if length <= QUERY_BYTES_MAX {
            query.extend_from_slice(&data);
        }
    }
    if length > QUERY_BYTES_MAX { Err(Complaint::TooLarge) } else { Ok(query.into()) }
}

/// Whether the body is declared to be a message.
fn is_message(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
}

fn answer(reply: Bytes) -> Response<Full<Bytes>> {
    let age = format!("max-age={}", lifetime(&reply).as_secs());
    let mut response = Response::new(Full::new(reply));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::try_from(age).expect("digits are fine in a header"));
    response
}

fn refuse(complaint: Complaint) -> Response<Full<Bytes>> {
    let status = complaint.status();
    let text = format!("{}\n", status.canonical_reason().unwrap_or_default());
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if complaint == Complaint::Method {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_in_the_path() {
        // The example of RFC 8484 section 4.1.1.
        let example = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
        for parameters in
            [&format!("dns={example}"), &format!("ct=x&dns={example}&dns=AA"), &format!("dns={example}==")]
        {
            let query = in_path(parameters).unwrap();
            assert_eq!((query.len(), &query[12..17]), (33, &b"\x03www\x07"[..]), "{parameters}");
        }
        for parameters in ["", "dns", "DNS=AAAA", "dns=A", "dns=AA+A", "dns=AA/A", "dns=%41%41", "xdns=AAAA"]
        {
            assert_eq!(in_path(parameters).unwrap_err(), Complaint::NoQuery, "{parameters}");
        }
        let longest = BASE64URL_NOPAD.encode(&[0; QUERY_BYTES_MAX]);
        assert_eq!(in_path(&format!("dns={longest}")).unwrap().len(), QUERY_BYTES_MAX);
        let long = BASE64URL_NOPAD.encode(&[0; QUERY_BYTES_MAX + 1]);
        assert_eq!(in_path(&format!("dns={long}")).unwrap_err(), Complaint::TooLong);
    }
}
