//! What a master answers, endpoint by endpoint (`mesos-api.md` section 2).

use std::{convert::Infallible, io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
};
use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::{Detour, Fault, REQUESTS_MAX, Shared, api, body, line::End, stage::Scene};
use crate::render::{self, Order, Page, View};

/// Largest body of a request.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Which document.
enum Document {
    Flags,
    Frameworks { id: Option<String> },
    Slaves { id: Option<String> },
    State,
    Summary,
    Tasks(Page),
    Version,
}

/// A request, read to its end.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Nothing if it was longer than [`REQUEST_BYTES_MAX`].
    pub(super) body: Option<Bytes>,
}

/// How one request is to be answered.
pub(super) struct Stand {
    pub(super) shared: Arc<Shared>,
    pub(super) master: usize,
    pub(super) scene: Scene,
    pub(super) fault: Fault,
    /// The faults to come, for what lasts.
    pub(super) faults: watch::Receiver<Fault>,
    pub(super) end: End,
}

/// Answers one request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    master: usize,
    end: End,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.ok();
    let body = body.map(http_body_util::Collected::to_bytes);
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let stand = open(shared, master, &asked, end);
    Ok(match stand.fault {
        Fault::Silent => std::future::pending().await,
        Fault::Unavailable => plain(StatusCode::SERVICE_UNAVAILABLE, "out of order"),
        Fault::Status { code: 401 } => unauthorized(asked.uri.path()),
        Fault::Status { code } => {
            plain(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "out of order")
        }
        Fault::Redirect { to } => detour(&stand.scene, &asked.uri, to),
        Fault::Html => html(),
        _ => route(stand, &asked).await,
    })
}

/// Notes the request and looks at the stage once, so that one answer never mixes two scenes.
fn open(shared: Arc<Shared>, master: usize, asked: &Asked, end: End) -> Stand {
    let mut stage = shared.stage();
    stage.catch_up();
    let other = (master + 1) % stage.masters.len();
    let other = (other != master).then(|| stage.masters[other].face.clone());
    let scene = stage.scene(master);
    let seat = &mut stage.masters[master];
    if seat.requests.len() == REQUESTS_MAX {
        seat.requests.pop_front();
    }
    seat.requests.push_back(asked.note());
    let (fault, faults) = seat.next_fault();
    drop(stage);
    Stand { master, scene: scene.seen_through(fault, other), fault, faults, end, shared }
}

async fn route(stand: Stand, asked: &Asked) -> Response<Body> {
    let (shared, scene) = (&stand.shared, &stand.scene);
    let profile = shared.profile;
    let Some(path) = canonical(asked.uri.path()) else { return plain(StatusCode::NOT_FOUND, "") };
    let query = asked.uri.query().unwrap_or_default();
    let endpoint = path.split('/').nth(2).unwrap_or_default();
    let open = matches!(path.as_str(), "/version" | "/master/health");
    if !open && !authorized(shared, &asked.headers) {
        return unauthorized(&path);
    }
    if path == "/master/api/v1" && profile.has_operator_api() {
        return api::answer(stand, asked).await;
    }
    if asked.method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let small = profile.has_small_endpoints();
    let document = match endpoint {
        "health" => return plain(StatusCode::OK, ""),
        "redirect" if path == "/master/redirect" => return redirect(scene, "", ""),
        "flags" if small => Document::Flags,
        "frameworks" if small => Document::Frameworks { id: parameter(query, "framework_id") },
        "slaves" => Document::Slaves { id: parameter(query, "slave_id") },
        "state" if profile.has_state() => Document::State,
        "state.json" if profile.has_json_paths() => Document::State,
        "state-summary" if profile.has_state() => Document::Summary,
        "tasks.json" if profile.has_json_paths() => Document::Tasks(page(query)),
        "tasks" => Document::Tasks(page(query)),
        _ if path == "/version" && small => Document::Version,
        _ => return plain(StatusCode::NOT_FOUND, ""),
    };
    let redirects = profile.redirects() && !matches!(document, Document::Flags | Document::Version);
    if redirects && scene.elected.is_none() {
        return redirect(scene, &path, if profile.redirect_keeps_query() { query } else { "" });
    }
    let jsonp = parameter(query, "jsonp");
    let gzip = accepts_gzip(&asked.headers);
    let Stand { scene, fault, end, .. } = stand;
    body::respond(jsonp, gzip, fault, end, move |out| render(scene.view(), &document, out)).await
}

fn render(view: View<'_>, document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    match document {
        Document::Flags => render::flags(view.profile, out),
        Document::Frameworks { id } => render::frameworks(view, id.as_deref(), out),
        Document::Slaves { id } => render::slaves(view, id.as_deref(), out),
        Document::State => render::state(view, out),
        Document::Summary => render::summary(view, out),
        Document::Tasks(page) => render::tasks(view, page, out),
        Document::Version => render::version(view.profile, out),
    }
}

/// The path with its process in front and without slashes behind; `None` for one that climbs.
///
/// A first segment that names no process means the process `master`.
fn canonical(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.contains(&"..") {
        return None;
    }
    let joined = segments.join("/");
    match segments.first() {
        Some(&("master" | "version")) => Some(format!("/{joined}")),
        _ => Some(format!("/master/{joined}")),
    }
}

/// 307 to the leader, with a `Location` that leaves the scheme to the client; 503 where nobody leads.
pub(super) fn redirect(scene: &Scene, path: &str, query: &str) -> Response<Body> {
    let Some(leader) = &scene.leader else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "No leader elected");
    };
    let mark = if query.is_empty() { "" } else { "?" };
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT, "");
    let location = HeaderValue::from_str(&format!("//{}{path}{mark}{query}", leader.address));
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    response
}

fn authorized(shared: &Shared, headers: &HeaderMap) -> bool {
    let Some((user, password)) = &shared.credentials else { return true };
    let expected = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
    headers.get(header::AUTHORIZATION).is_some_and(|given| *given == *expected)
}

fn unauthorized(path: &str) -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "401 Unauthorized.");
    let realm = if path.contains("/api/v1") { "readwrite" } else { "readonly" };
    let challenge = HeaderValue::from_str(&format!("Basic realm=\"mesos-master-{realm}\""));
    response.headers_mut().extend(challenge.ok().map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
    response
}

/// A redirect that leads nowhere.
fn detour(scene: &Scene, uri: &Uri, to: Detour) -> Response<Body> {
    let (address, path, query) = (scene.master.address, uri.path(), uri.query().unwrap_or_default());
    let location = match to {
        Detour::Itself => format!("//{address}{uri}"),
        Detour::Loop => format!("//{address}{path}?{query}x"),
        Detour::Unresolvable => format!("//leader.invalid:{}{uri}", address.port()),
        Detour::Https => format!("https://{address}{uri}"),
    };
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT, "");
    let location = HeaderValue::from_str(&location);
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    response
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn html() -> Response<Body> {
    let mut response = plain(StatusCode::OK, "<html><body>Please log in to the network</body></html>\n");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

impl Asked {
    fn note(&self) -> super::Request {
        let text = |name| self.header(name).map(|bytes| String::from_utf8_lossy(bytes).into());
        super::Request {
            target: self.uri.to_string(),
            authorization: text(header::AUTHORIZATION),
            accept_encoding: text(header::ACCEPT_ENCODING),
            call: api::call(self),
        }
    }

    pub(super) fn header(&self, name: header::HeaderName) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }
}

/// The value of a query parameter, `%XX` decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        let hex = || String::from_utf8(bytes.clone().take(2).collect()).ok();
        match (byte, hex().and_then(|hex| u8::from_str_radix(&hex, 16).ok())) {
            (b'%', Some(octet)) => {
                decoded.push(octet);
                bytes.nth(1);
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

fn page(query: &str) -> Page {
    let number = |name| parameter(query, name).and_then(|text| text.parse().ok());
    let usual = Page::default();
    Page {
        limit: number("limit").unwrap_or(usual.limit),
        offset: number("offset").unwrap_or(usual.offset),
        order: match parameter(query, "order").as_deref() {
            Some("asc") => Order::Ascending,
            _ => Order::Descending,
        },
        framework_id: parameter(query, "framework_id"),
        task_id: parameter(query, "task_id"),
    }
}

/// Whether `Accept-Encoding` admits gzip with a q above 0.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|text| text.trim().parse().ok());
        matches!(name.trim(), "gzip" | "*") && weight.unwrap_or(1.0_f64) > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood_as_mesos_does() {
        for (path, expected) in [
            ("/state", Some("/master/state")),
            ("/state/", Some("/master/state")),
            ("/master/state/", Some("/master/state")),
            ("/state/anything", Some("/master/state/anything")),
            ("//master//state", Some("/master/state")),
            ("/version", Some("/version")),
            ("/master/../state", None),
            ("/", Some("/master/")),
        ] {
            assert_eq!(canonical(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = "limit=5&task_id=a%20b%2Fc+d&empty=&bad=%zz";
        for (name, expected) in [
            ("limit", Some("5")),
            ("task_id", Some("a b/c d")),
            ("empty", Some("")),
            ("bad", Some("%zz")),
            ("x", None),
        ] {
            assert_eq!(parameter(query, name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn gzip_needs_a_weight() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("deflate", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, header.parse().unwrap())]);
            assert_eq!(accepts_gzip(&headers), expected, "{header}");
        }
    }
}
