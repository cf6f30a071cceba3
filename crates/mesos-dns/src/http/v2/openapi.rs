//! `/v2/openapi.json`: the description of the API (OpenAPI 3.1).
//!
//! It is a file beside this one, written by hand; the tests hold it equal to the routes and their parameters, and
//! `tests/openapi.rs` lets schemathesis try to find an answer that it does not allow.

use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, HeaderValue},
};

use super::super::reply::{JSON, Reply, whole};

/// The description; the version of the program is put in.
const DOCUMENT: &str = include_str!("openapi.json");

/// What stands in the file in place of the version.
const VERSION: &str = "0.0.0-version";

/// Answers with the description.
pub(super) fn answer(version: &str) -> Response<Reply> {
    let text = DOCUMENT.replacen(VERSION, version, 1);
    let mut response = whole(StatusCode::OK, JSON, text);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::{
        super::{
            super::route::{Route, V1},
            ENDPOINTS,
            query::LIMIT_MAX,
        },
        *,
    };

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// Follows a reference within the document.
    fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(place) => document.pointer(place.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }

    #[test]
    fn paths_and_parameters_are_those_of_the_router() {
        let document = document();
        let mut described = BTreeMap::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let Some(path) = path.strip_prefix("/v2/") else { continue };
            let get = &item["get"];
            let parameters: BTreeSet<String> = get["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| resolve(&document, parameter))
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            let kinds: BTreeSet<String> =
                get["responses"]["200"]["content"].as_object().unwrap().keys().cloned().collect();
            assert!(described.insert(path.to_owned(), (parameters, kinds)).is_none());
        }
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let routed: BTreeMap<_, _> = ENDPOINTS
            .iter()
            .map(|endpoint| (endpoint.path.to_owned(), (of(endpoint.parameters), of(endpoint.kinds))))
            .collect();
        assert_eq!(described, routed);
    }

    /// The path of a route as the description writes it. The compiler asks for each new one.
    fn template(route: &Route) -> &'static str {
        match route {
            // For people, and its parts: not described.
            Route::Dashboard(_) => "/",
            Route::Health => "/health",
            Route::Metrics => "/metrics",
            Route::Ready => "/ready",
            Route::V1(V1::Axfr) => "/v1/axfr",
            Route::V1(V1::Config) => "/v1/config",
            Route::V1(V1::Enumerate) => "/v1/enumerate",
            Route::V1(V1::Hosts(_)) => "/v1/hosts/{host}",
            Route::V1(V1::Ports) => "/v1/hosts/{host}/ports",
            Route::V1(V1::Services(_)) => "/v1/services/{service}",
            Route::V1(V1::Version) => "/v1/version",
            // Held against the table above.
            Route::V2(_) => "/v2/",
        }
    }

    #[test]
    fn other_paths_are_those_of_the_router() {
        let document = document();
        let described = document["paths"].as_object().unwrap();
        for path in described.keys() {
            let asked = path.replace(['{', '}'], "");
            let route =
                Route::find(&asked.parse().unwrap(), true).unwrap_or_else(|_| panic!("no route {path}"));
            let template = template(&route);
            assert!(template == path || template == "/v2/" && path.starts_with("/v2/"), "{path}: {template}");
            // Who needs no token is described so.
            let is_open = described[path]["get"]["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(route.is_public(), is_open, "{path}");
        }
        let others = described.keys().filter(|path| !path.starts_with("/v2/"));
        assert_eq!(others.count(), 10, "as many as there are above");
    }

    #[test]
    fn borders_are_those_of_the_code() {
        let document = document();
        let limit = &document["components"]["parameters"]["limit"]["schema"];
        assert_eq!(limit["maximum"], LIMIT_MAX);
        assert!(DOCUMENT.contains(VERSION));
    }
}
