//! What a request asks for, or why it gets nothing.

use hyper::{Method, Request, Uri, body::Body};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    accept::{accepts_json, preferred, sends_json},
    dashboard::Asset,
    metrics::RouteName,
    refusal::{METHODS, Refusal},
    v2::V2,
};

/// What is kept as it is in a path segment (RFC 3986 section 3.3); all else is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Something that can be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A file of the dashboard, by its place in the list of them.
    Dashboard(usize),
    Health,
    Metrics,
    Ready,
    V1(V1),
    V2(V2),
}

/// A path of the original.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum V1 {
    Axfr,
    Config,
    Enumerate,
    Hosts(String),
    Ports,
    Services(String),
    Version,
}

impl Route {
    /// Finds the route of a path. Switched off, the enumerations are unknown paths.
    pub(super) fn find(uri: &Uri, is_enumeration_on: bool) -> Result<Self, Refusal> {
        let mut segments = segments(uri)?;
        segments.pop_if(|last| last.is_empty());
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Ok(match segments.as_slice() {
            [] => Self::Dashboard(Asset::page()),
            ["ui", name] => Self::Dashboard(Asset::named(name).ok_or(Refusal::NotFound)?),
            ["health"] => Self::Health,
            ["metrics"] => Self::Metrics,
            ["ready"] => Self::Ready,
            ["v2", rest @ ..] => Self::V2(V2::find(rest, is_enumeration_on).ok_or(Refusal::NotFound)?),
            ["v1", rest @ ..] => Self::V1(V1::find(rest, is_enumeration_on).ok_or(Refusal::NotFound)?),
            _ => return Err(Refusal::NotFound),
        })
    }

    /// Whether the request may have this: its method, its body, what it accepts, in this order.
    pub(super) fn check<B: Body>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let methods = match self {
            Self::V1(_) => "GET",
            Self::V2(_) => METHODS,
            // Load balancers ask by HEAD. The v1 paths have always refused it.
            Self::Dashboard(_) | Self::Health | Self::Metrics | Self::Ready => "GET, HEAD",
        };
        if !methods.split(", ").any(|method| method == request.method().as_str()) {
            return Err(Refusal::MethodNotAllowed(methods));
        }
        match self {
            Self::V1(_) => {
                let has_body = request.body().size_hint().exact().is_some_and(|length| length > 0);
                if has_body && !sends_json(request) {
                    return Err(Refusal::UnsupportedMediaType);
                }
                if accepts_json(request) {
                    Ok(())
                } else {
                    Err(Refusal::NotAcceptable(&["application/json"]))
                }
            }
            Self::V2(path) if request.method() != Method::OPTIONS => {
                let kind = preferred(request.headers(), path.kinds());
                kind.map(drop).ok_or(Refusal::NotAcceptable(path.kinds()))
            }
            // Programs that ask for something else find nothing here, as ever.
            Self::Dashboard(page) if *page == Asset::page() => {
                preferred(request.headers(), &["text/html"]).map(drop).ok_or(Refusal::NotFound)
            }
            _ => Ok(()),
        }
    }

    /// Whether it tells nothing of the cluster, so that no token is needed.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Dashboard(_) | Self::Health | Self::Ready => true,
            Self::Metrics | Self::V1(_) => false,
            Self::V2(path) => path.is_public(),
        }
    }

    /// The label in the metrics.
    pub(super) fn name(&self) -> RouteName {
        match self {
            Self::Dashboard(_) => RouteName::Dashboard,
            Self::Health => RouteName::Health,
            Self::Metrics => RouteName::Metrics,
            Self::Ready => RouteName::Ready,
            Self::V1(V1::Axfr) => RouteName::Axfr,
            Self::V1(V1::Config) => RouteName::Config,
            Self::V1(V1::Enumerate) => RouteName::Enumerate,
            Self::V1(V1::Hosts(_)) => RouteName::Hosts,
            Self::V1(V1::Ports) => RouteName::Ports,
            Self::V1(V1::Services(_)) => RouteName::Services,
            Self::V1(V1::Version) => RouteName::Version,
            Self::V2(path) => path.name(),
        }
    }
}

impl V1 {
    fn find(segments: &[&str], is_enumeration_on: bool) -> Option<Self> {
        Some(match segments {
            ["axfr"] if is_enumeration_on => Self::Axfr,
            ["config"] => Self::Config,
            ["enumerate"] if is_enumeration_on => Self::Enumerate,
            ["hosts", host] => Self::Hosts((*host).to_owned()),
            ["hosts", _, "ports"] => Self::Ports,
            ["services", service] => Self::Services((*service).to_owned()),
            ["version"] => Self::Version,
            _ => return None,
        })
    }
}

/// The decoded segments of a path, the last one empty where it ends in a slash.
///
/// As in the original, escapes are decoded first, so that an escaped slash parts segments, and a path
/// with empty or dot segments is answered with its clean form. What climbs above the root, and control
/// characters, have no honest use and are refused.
fn segments(uri: &Uri) -> Result<Vec<String>, Refusal> {
    let path = decode(uri.path()).ok_or(Refusal::BadRequest)?;
    let rest = path.strip_prefix('/').ok_or(Refusal::NotFound)?;
    if rest.contains(|character: char| character.is_control()) {
        return Err(Refusal::BadRequest);
    }
    let written: Vec<&str> = rest.split('/').collect();
    let mut clean: Vec<&str> = Vec::with_capacity(written.len());
    for segment in &written {
        match *segment {
            "" | "." => {}
            ".." => _ = clean.pop().ok_or(Refusal::BadRequest)?,
            plain => clean.push(plain),
        }
    }
    if rest.ends_with('/') || clean.is_empty() {
        clean.push("");
    }
    if clean == written {
        return Ok(clean.into_iter().map(str::to_owned).collect());
    }
    let escaped: Vec<String> =
        clean.iter().map(|segment| utf8_percent_encode(segment, SEGMENT).to_string()).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Err(Refusal::Moved(format!("/{}{query}", escaped.join("/"))))
}

/// Undoes percent escapes; `None` where one is broken or the result is no UTF-8.
fn decode(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};
    use hyper::{body::Bytes, header::ALLOW};

    use super::*;
    use crate::http::reply::Reply;

    fn find(path: &str) -> Result<Route, Refusal> {
        Route::find(&path.parse().unwrap(), true)
    }

    #[test]
    fn routes() {
        for (path, route) in [
            ("/v1/version", Route::V1(V1::Version)),
            ("/v1/version/", Route::V1(V1::Version)),
            ("/v1%2Fversion", Route::V1(V1::Version)),
            ("/v1/version?x=y", Route::V1(V1::Version)),
            ("/v1/config", Route::V1(V1::Config)),
            ("/v1/axfr", Route::V1(V1::Axfr)),
            ("/v1/enumerate", Route::V1(V1::Enumerate)),
            ("/v1/hosts/a.mesos", Route::V1(V1::Hosts("a.mesos".into()))),
            ("/v1/hosts/A%20b.mesos/", Route::V1(V1::Hosts("A b.mesos".into()))),
            ("/v1/hosts/%E6%97%A5.mesos", Route::V1(V1::Hosts("日.mesos".into()))),
            ("/v1/hosts/%252e%252e", Route::V1(V1::Hosts("%2e%2e".into()))),
            ("/v1/hosts/a+b", Route::V1(V1::Hosts("a+b".into()))),
            ("/v1/hosts/a/ports", Route::V1(V1::Ports)),
            ("/v1/hosts/a%2fports", Route::V1(V1::Ports)),
            ("/v1/hosts/ports", Route::V1(V1::Hosts("ports".into()))),
            ("/v1/services/_a._tcp.m.mesos", Route::V1(V1::Services("_a._tcp.m.mesos".into()))),
            ("/", Route::Dashboard(0)),
            ("/?x=y", Route::Dashboard(0)),
            ("/ui/LICENSES", Route::Dashboard(1)),
            ("/health", Route::Health),
            ("/ready", Route::Ready),
            ("/v2/problems", Route::V2(V2::Problems)),
            ("/v2/problems/?x=y", Route::V2(V2::Problems)),
            ("/v2/config", Route::V2(V2::Config)),
            ("/v2/prometheus/sd", Route::V2(V2::Targets)),
            ("/v2/tasks/a%20b", Route::V2(V2::Task("a b".into()))),
            ("/v2/explain?name=a%26b", Route::V2(V2::Explain)),
            ("/metrics", Route::Metrics),
        ] {
            assert_eq!(find(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn unknown_paths() {
        for path in [
            "*",
            "/ui",
            "/ui/",
            "/ui/index.html",
            "/ui/app.js/x",
            "/v1",
            "/v1/",
            "/V1/version",
            "/v1/hosts",
            "/v1/hosts/",
            "/v1/services/",
            "/v1/hosts/a/b",
            "/v1/hosts/a/ports/b",
            "/v1/version/x",
            "/v2",
            "/v2/",
            "/v2/configs",
            "/v2/tasks/a/b",
            "/etc/passwd",
        ] {
            assert_eq!(find(path), Err(Refusal::NotFound), "{path}");
        }
        for path in ["/v1/axfr", "/v1/enumerate"] {
            assert_eq!(Route::find(&path.parse().unwrap(), false), Err(Refusal::NotFound), "{path}");
        }
    }

    #[test]
    fn unclean_paths_are_sent_to_their_clean_form() {
        for (path, clean) in [
            ("//v1/version", "/v1/version"),
            ("/v1//version/", "/v1/version/"),
            ("/v1/./version?a=b", "/v1/version?a=b"),
            ("/v1/hosts/../config", "/v1/config"),
            ("/v1/hosts/%2e%2E/config", "/v1/config"),
            ("/v1/hosts/a%2F%2Fb", "/v1/hosts/a/b"),
            ("/v1/version/.", "/v1/version"),
            ("/v1/..", "/"),
            ("//evil.example/%0d%0a", ""),
            ("//evil.example/x", "/evil.example/x"),
            ("/v1/./hosts/a%20b%3Fc", "/v1/hosts/a%20b%3Fc"),
        ] {
            let expected =
                if clean.is_empty() { Refusal::BadRequest } else { Refusal::Moved(clean.to_owned()) };
            assert_eq!(find(path), Err(expected), "{path}");
        }
    }

    /// Every path of up to five of these parts: where a path is sent to, nothing is left to clean.
    #[test]
    fn clean_paths_stay() {
        let parts =
            ["/", "/", ".", "..", "%2e", "%2F", "%25", "a b", ";"].map(|part| part.replace(' ', "%20"));
        let mut paths = vec!["/".to_owned()];
        let mut moved = 0;
        for _ in 0..5 {
            paths =
                paths.iter().flat_map(|path| parts.iter().map(move |part| format!("{path}{part}"))).collect();
            for path in &paths {
                if let Err(Refusal::Moved(to)) = find(path) {
                    moved += 1;
                    assert!(to.starts_with('/') && !to.starts_with("//"), "{path} {to}");
                    assert!(
                        !matches!(find(&to), Err(Refusal::Moved(_) | Refusal::BadRequest)),
                        "{path} {to}"
                    );
                }
            }
        }
        assert!(moved > 1000, "{moved}");
    }

    #[test]
    fn paths_without_an_honest_use() {
        for path in [
            "/..",
            "/../etc/passwd",
            "/v1/../../etc/passwd",
            "/v1/hosts/..%2f..%2f..%2fetc%2fpasswd",
            "/v1/hosts/a%00b",
            "/v1/hosts/a%0d%0ab",
            "/v1/hosts/%7f",
            "/v1/hosts/%",
            "/v1/hosts/%4",
            "/v1/hosts/%zz",
            "/v1/hosts/%+1",
            "/v1/hosts/%c0%ae",
            "/v1/hosts/%ff",
        ] {
            assert_eq!(find(path), Err(Refusal::BadRequest), "{path}");
        }
    }

    fn check(route: &Route, method: Method, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = if body.is_empty() {
            route.check(&request.body(Empty::<Bytes>::new()).unwrap())
        } else {
            route.check(&request.body(Full::<Bytes>::from(body.to_owned())).unwrap())
        };
        let refusal = checked.err()?;
        let response = refusal.response();
        let status = response.status().as_u16();
        let Reply::Whole(Some(text)) = response.into_body() else { panic!("no text") };
        Some((status, String::from_utf8(text.to_vec()).unwrap()))
    }

    #[test]
    fn method_then_body_then_accept() {
        let json = ("content-type", "application/json; charset=utf-8");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let html = ("accept", "text/html");
        let not_allowed = Some((405, "405: Method Not Allowed".to_owned()));
        let unsupported = Some((415, "415: Unsupported Media Type".to_owned()));
        let not_acceptable = Some((406, "406: Not Acceptable".to_owned()));
        for method in [Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::DELETE] {
            assert_eq!(
                check(&Route::V1(V1::Version), method.clone(), &[form, html], "x"),
                not_allowed,
                "{method}"
            );
        }
        for (headers, body, expected) in [
            (&[][..], "", &None),
            (&[], "{}", &None),
            (&[json], "{}", &None),
            (&[form], "", &None),
            (&[form], "x", &unsupported),
            (&[form, html], "x", &unsupported),
            (&[html], "", &not_acceptable),
            (&[("accept", "application/*")], "", &not_acceptable),
            (&[("accept", "")], "", &None),
            (&[("accept", "*/*")], "", &None),
            (&[("accept", "text/html, application/json;q=0.9")], "", &None),
            (&[("accept", "text/html"), ("accept", "*/* ;q=0.1")], "", &None),
        ] {
            assert_eq!(
                check(&Route::V1(V1::Version), Method::GET, headers, body),
                *expected,
                "{headers:?} {body}"
            );
        }
    }

    #[test]
    fn only_who_takes_pages_gets_the_page() {
        let page = Route::Dashboard(Asset::page());
        for accept in ["text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "*/*", "", "text/*"] {
            assert_eq!(check(&page, Method::GET, &[("accept", accept)], ""), None, "{accept}");
        }
        for accept in ["application/json", "text/plain", "text/html;q=0"] {
            assert_eq!(check(&page, Method::GET, &[("accept", accept)], "").unwrap().0, 404, "{accept}");
        }
        assert_eq!(check(&page, Method::POST, &[], "").unwrap().0, 405);
    }

    #[test]
    fn our_own_paths_are_less_strict() {
        let html = ("accept", "application/openmetrics-text");
        for route in [Route::Health, Route::Metrics, Route::Ready] {
            assert_eq!(check(&route, Method::HEAD, &[html], ""), None);
            assert_eq!(check(&route, Method::GET, &[html], ""), None);
            assert_eq!(check(&route, Method::POST, &[], "").unwrap().0, 405);
            let request = Request::builder().method(Method::POST).body(Empty::<Bytes>::new()).unwrap();
            let response = route.check(&request).unwrap_err().response();
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
    }
}
