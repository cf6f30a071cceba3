//! Answers: their bodies and their headers.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{
    Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
    header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use tokio::sync::mpsc::Receiver;

/// Plain text.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// JSON.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Server-sent events.
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
/// A JSON value on each line.
pub(super) const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// What is wrong with a request (RFC 9457).
pub(super) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The body of an answer.
pub(super) enum Reply {
    /// All of it.
    Whole(Option<Bytes>),
    /// What somebody is still writing.
    Streamed(Receiver<Piece>),
}

/// One step of a streamed body.
pub(super) enum Piece {
    /// More of it.
    Chunk(Bytes),
    /// That was all. A stream that ends without this was cut, and the client must see that.
    End,
}

/// A streamed body that its writer did not finish.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body was cut short")
    }
}

impl std::error::Error for Cut {}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(pieces) => pieces.poll_recv(context).map(|piece| match piece {
                Some(Piece::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
                Some(Piece::End) => None,
                None => Some(Err(Cut)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

/// An answer of this kind. Browsers are told to believe the kind, as names in here come from tenants.
pub(super) fn reply(status: StatusCode, kind: HeaderValue, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A text that is at hand.
pub(super) fn whole(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response<Reply> {
    reply(status, kind, Reply::Whole(Some(body.into())))
}
