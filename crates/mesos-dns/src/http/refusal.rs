//! Why a request gets nothing, and the answer that says so.

use std::borrow::Cow;

use hyper::{
    Response, StatusCode,
    header::{ALLOW, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use super::reply::{PROBLEM, Reply, TEXT, whole};

/// Why a request gets nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The path or the `Host` cannot be read.
    BadRequest,
    /// Answering it failed; the reason was logged.
    Broken,
    /// As many bodies as allowed are being streamed.
    Busy,
    /// A parameter is wrong: which, and what it may be.
    Invalid(String),
    /// There is no data yet.
    Loading,
    /// Not a method that the path has; which it has.
    MethodNotAllowed(&'static str),
    /// Sent to a name that is not ours.
    Misdirected,
    /// The path has a cleaner form.
    Moved(String),
    /// It wants a kind that the path does not have; which it has.
    NotAcceptable(&'static [&'static str]),
    /// No such path.
    NotFound,
    /// A path the original promised and never had.
    NotImplemented,
    /// The path is right, and there is no such thing.
    NoSuch(String),
    /// As many watchers as allowed are there.
    TooManyWatchers,
    /// It has no token, or a wrong one.
    Unauthorized,
    /// It brought a body that is not JSON.
    UnsupportedMediaType,
}

/// Methods of the v2 paths.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

/// The body of a problem (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    about: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy | Self::Loading | Self::TooManyWatchers => StatusCode::SERVICE_UNAVAILABLE,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Moved(_) => StatusCode::MOVED_PERMANENTLY,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::NotFound | Self::NoSuch(_) => StatusCode::NOT_FOUND,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The answer as text. Texts up to 415 are those of the original.
    pub(super) fn response(self) -> Response<Reply> {
        let text = match &self {
            Self::BadRequest | Self::Invalid(_) => "400: Bad Request",
            Self::Broken => "500: Internal Server Error",
            Self::Busy => "503: Service Unavailable: too many zone listings at a time, try again",
            Self::Loading => {
                "503: Service Unavailable: the state of the cluster has not been read yet, see /ready"
            }
            Self::MethodNotAllowed(_) => "405: Method Not Allowed",
            Self::Misdirected => {
                "421: Misdirected Request: this server does not go by that name, see httpAllowHosts"
            }
            Self::Moved(_) => "301: Moved Permanently",
            Self::NotAcceptable(_) => "406: Not Acceptable",
            Self::NotFound | Self::NoSuch(_) => "404: Page Not Found",
            Self::NotImplemented => "To be implemented...",
            Self::TooManyWatchers => "503: Service Unavailable: too many watchers",
            Self::Unauthorized => "401: Unauthorized: a token is needed, see httpTokensFile",
            Self::UnsupportedMediaType => "415: Unsupported Media Type",
        };
        let response = whole(self.status(), TEXT, text);
        self.headed(response)
    }

    /// The answer as a problem, with what is wrong and what would be right.
    pub(super) fn problem(self) -> Response<Reply> {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or_default();
        let detail = self.detail();
        let body = Problem { about: "about:blank", title, status: status.as_u16(), detail: &detail };
        let response = whole(status, PROBLEM, super::v2::text(&body));
        self.headed(response)
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::BadRequest => "the path, or the Host, cannot be read".into(),
            Self::Broken => "this is a fault of the server; its log says more".into(),
            Self::Busy => "too many lists are being made at a time: try again".into(),
            Self::Invalid(what) | Self::NoSuch(what) => what.clone().into(),
            Self::Loading => "the state of the cluster has not been read yet, see /v2/status".into(),
            Self::MethodNotAllowed(methods) => format!("this path has {methods}").into(),
            Self::Misdirected => "this server does not go by that name, see the key httpAllowHosts".into(),
            Self::Moved(to) => format!("it is at {to}").into(),
            Self::NotAcceptable(kinds) => format!("this path sends {}", kinds.join(", ")).into(),
            Self::NotFound => "there is no such path, or enumerationOn is false; see /v2/openapi.json".into(),
            Self::NotImplemented => "there is no such thing yet".into(),
            Self::TooManyWatchers => "as many clients watch as this server takes: try again later".into(),
            Self::Unauthorized => "send Authorization: Bearer, with a token of the httpTokensFile".into(),
            Self::UnsupportedMediaType => "a body would have to be JSON".into(),
        }
    }

    fn headed(self, mut response: Response<Reply>) -> Response<Reply> {
        let extra = match &self {
            Self::Busy | Self::Loading => Some((RETRY_AFTER, HeaderValue::from_static("2"))),
            Self::TooManyWatchers => Some((RETRY_AFTER, HeaderValue::from_static("30"))),
            Self::MethodNotAllowed(methods) => Some((ALLOW, HeaderValue::from_static(methods))),
            Self::Moved(to) => HeaderValue::from_str(to).ok().map(|to| (LOCATION, to)),
            Self::Unauthorized => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="mesos-dns""#)))
            }
            _ => None,
        };
        response.headers_mut().extend(extra);
        response
    }
}
