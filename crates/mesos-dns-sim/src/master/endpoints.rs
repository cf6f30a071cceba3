//! What a master answers, endpoint by endpoint (`mesos-api.md` section 2).

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
};
use data_encoding::BASE64;
use hyper::body::Incoming;

use super::{Fault, Profile, REQUESTS_MAX, Shared, body};
use crate::{
    cluster::Cluster,
    render::{self, Face, Knowledge, Order, Page, View},
};

/// The part a master plays while it answers one request.
struct Scene {
    cluster: Arc<Cluster>,
    master: Face,
    leader: Option<Face>,
    elected: Option<Duration>,
    knowledge: Knowledge,
}

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

/// Answers one request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    master: usize,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, _) = request.into_parts();
    let (fault, scene) = open(&shared, master, &parts.uri, &parts.headers);
    Ok(match fault {
        Fault::Silent => std::future::pending().await,
        Fault::Unavailable => plain(StatusCode::SERVICE_UNAVAILABLE, "out of order"),
        Fault::Html => html(),
        _ => route(&shared, scene, fault, &parts.method, &parts.uri, &parts.headers).await,
    })
}

/// Notes the request and looks at the stage once, so that one answer never mixes two scenes.
fn open(shared: &Shared, master: usize, uri: &Uri, headers: &HeaderMap) -> (Fault, Scene) {
    let cluster = shared.cluster();
    let mut stage = shared.stage();
    let leads = stage.leader == Some(master);
    let scene = Scene {
        master: stage.masters[master].face.clone(),
        leader: stage.leader.map(|leader| stage.masters[leader].face.clone()),
        elected: leads.then_some(stage.elected),
        knowledge: if leads { stage.knowledge(cluster.agents.len()) } else { Knowledge::Nothing },
        cluster,
    };
    let text =
        |name| headers.get(name).map(|value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into());
    let seat = &mut stage.masters[master];
    if seat.requests.len() == REQUESTS_MAX {
        seat.requests.pop_front();
    }
    seat.requests.push_back(super::Request {
        target: uri.to_string(),
        authorization: text(header::AUTHORIZATION),
        accept_encoding: text(header::ACCEPT_ENCODING),
    });
    (seat.fault, scene)
}

async fn route(
    shared: &Shared,
    scene: Scene,
    fault: Fault,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response<Body> {
    let Some(path) = canonical(uri.path()) else { return plain(StatusCode::NOT_FOUND, "") };
    let query = uri.query().unwrap_or_default();
    let endpoint = path.split('/').nth(2).unwrap_or_default();
    let open = matches!(path.as_str(), "/version" | "/master/health");
    if !open && !authorized(shared, headers) {
        return unauthorized();
    }
    if *method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let document = match endpoint {
        "health" => return plain(StatusCode::OK, ""),
        "redirect" if path == "/master/redirect" => return redirect(&scene, "", ""),
        "flags" => Document::Flags,
        "frameworks" => Document::Frameworks { id: parameter(query, "framework_id") },
        "slaves" => Document::Slaves { id: parameter(query, "slave_id") },
        "state" if shared.profile == Profile::Current => Document::State,
        "state.json" if shared.profile == Profile::Old => Document::State,
        "state-summary" => Document::Summary,
        "tasks" => Document::Tasks(page(query)),
        _ if path == "/version" => Document::Version,
        _ => return plain(StatusCode::NOT_FOUND, ""),
    };
    let redirects =
        shared.profile == Profile::Current && !matches!(document, Document::Flags | Document::Version);
    if redirects && scene.elected.is_none() {
        return redirect(&scene, &path, query);
    }
    let jsonp = parameter(query, "jsonp");
    let gzip = accepts_gzip(headers);
    body::respond(jsonp, gzip, fault, move |out| render(&scene, &document, out)).await
}

fn render(scene: &Scene, document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let view = View {
        cluster: &scene.cluster,
        master: &scene.master,
        leader: scene.leader.as_ref(),
        elected: scene.elected,
        knowledge: scene.knowledge,
    };
    match document {
        Document::Flags => render::flags(out),
        Document::Frameworks { id } => render::frameworks(view, id.as_deref(), out),
        Document::Slaves { id } => render::slaves(view, id.as_deref(), out),
        Document::State => render::state(view, out),
        Document::Summary => render::summary(view, out),
        Document::Tasks(page) => render::tasks(view, page, out),
        Document::Version => render::version(out),
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
fn redirect(scene: &Scene, path: &str, query: &str) -> Response<Body> {
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

fn unauthorized() -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "");
    let realm = HeaderValue::from_static("Basic realm=\"mesos-master-readonly\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
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
fn accepts_gzip(headers: &HeaderMap) -> bool {
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
