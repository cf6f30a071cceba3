//! Why a request gets nothing, and the answer that says so.

use hyper::{
    Response, StatusCode,
    header::{ALLOW, HeaderValue, LOCATION, RETRY_AFTER},
};

use mesos_dns_core::problems::Kind;

use super::reply::{Reply, TEXT, whole};

/// Why a request gets nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The path or the `Host` cannot be read.
    BadRequest,
    /// Answering it failed; the reason was logged.
    Broken,
    /// As many bodies as allowed are being streamed.
    Busy,
    /// There is no data yet.
    Loading,
    /// Not GET.
    MethodNotAllowed,
    /// Sent to a name that is not ours.
    Misdirected,
    /// The path has a cleaner form.
    Moved(String),
    /// It wants another kind than JSON.
    NotAcceptable,
    /// No such path.
    NotFound,
    /// A path the original promised and never had.
    NotImplemented,
    /// No problems are of the kind that it names.
    UnknownKind,
    /// It brought a body that is not JSON.
    UnsupportedMediaType,
}

impl Refusal {
    /// The answer. Texts up to 415 are those of the original.
    pub(super) fn response(self) -> Response<Reply> {
        let (status, text) = match &self {
            Self::UnknownKind => return unknown_kind(),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "400: Bad Request"),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "500: Internal Server Error"),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "503: Service Unavailable: too many zone listings at a time, try again",
            ),
            Self::Loading => (
                StatusCode::SERVICE_UNAVAILABLE,
                "503: Service Unavailable: the state of the cluster has not been read yet, see /ready",
            ),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed"),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "421: Misdirected Request: this server does not go by that name, see httpAllowHosts",
            ),
            Self::Moved(_) => (StatusCode::MOVED_PERMANENTLY, "301: Moved Permanently"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "406: Not Acceptable"),
            Self::NotFound => (StatusCode::NOT_FOUND, "404: Page Not Found"),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "To be implemented..."),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "415: Unsupported Media Type"),
        };
        let mut response = whole(status, TEXT, text);
        let extra = match &self {
            Self::Busy | Self::Loading => Some((RETRY_AFTER, HeaderValue::from_static("2"))),
            Self::MethodNotAllowed => Some((ALLOW, HeaderValue::from_static("GET"))),
            Self::Moved(to) => HeaderValue::from_str(to).ok().map(|to| (LOCATION, to)),
            _ => None,
        };
        response.headers_mut().extend(extra);
        response
    }
}

/// Whoever asks for a kind that there is not is told which there are.
fn unknown_kind() -> Response<Reply> {
    let kinds = Kind::ALL.map(Kind::name).join(", ");
    whole(StatusCode::BAD_REQUEST, TEXT, format!("400: Bad Request: kind is one of {kinds}"))
}
