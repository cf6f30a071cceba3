//! The dashboard: one page for people, at `/`, and its parts below `/ui/`.
//!
//! It is in the program, loads nothing from elsewhere, and reads the public API alone: what it shows, everybody who may read
//! `/v2/` and `/metrics` can have. So the page itself needs no token; it asks for one when the API does.
//!
//! Names on it are chosen by tenants. The page writes them as text, never as markup, and the policy that it is sent with
//! lets nothing run but its own files, whatever a name may hold.
//!
//! Two libraries are in `dashboard/`, as published; `dashboard/LICENSES` is theirs and is served with them.

use std::sync::LazyLock;

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
        X_FRAME_OPTIONS,
    },
};
use openssl::sha::sha256;

use super::{
    reply::{Reply, TEXT, reply, whole},
    v2::is_known,
};

/// What may happen on the page: its own files and its own server. No script or style in the markup, no frame, no form that
/// leads elsewhere; text becomes markup through the templates of the library alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html",
);

/// The files are small and change with the program: browsers ask each time whether they did.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");

/// A file of the dashboard.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its name below `/ui/`; the page itself is at `/`.
    name: &'static str,
    kind: HeaderValue,
    text: &'static str,
}

/// Puts a file into the program.
macro_rules! asset {
    ($name:literal, $kind:ident) => {
        Asset { name: $name, kind: $kind, text: include_str!(concat!("dashboard/", $name)) }
    };
}

/// All files; the page is the first.
static ASSETS: [Asset; 15] = [
    asset!("index.html", HTML),
    asset!("LICENSES", TEXT),
    asset!("api.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("charts.js", SCRIPT),
    asset!("explain.js", SCRIPT),
    asset!("icon.svg", SVG),
    asset!("lists.js", SCRIPT),
    asset!("lit-html.js", SCRIPT),
    asset!("overview.js", SCRIPT),
    asset!("reports.js", SCRIPT),
    asset!("search.js", SCRIPT),
    asset!("style.css", CSS),
    asset!("uplot.css", CSS),
    asset!("uplot.js", SCRIPT),
];

/// What each file is known by, in their order.
static ENTITIES: LazyLock<Vec<String>> = LazyLock::new(|| ASSETS.iter().map(Asset::entity).collect());

impl Asset {
    /// The page.
    pub(super) fn page() -> usize {
        0
    }

    /// The file of this name below `/ui/`.
    pub(super) fn named(name: &str) -> Option<usize> {
        ASSETS.iter().skip(1).position(|asset| asset.name == name).map(|position| position + 1)
    }

    fn entity(&self) -> String {
        let digest = sha256(self.text.as_bytes());
        format!("\"{}\"", data_encoding::HEXLOWER.encode(&digest[..8]))
    }
}

/// Answers with one of the files.
pub(super) fn answer(index: usize, headers: &HeaderMap) -> Response<Reply> {
    let (asset, entity) = (&ASSETS[index], &ENTITIES[index]);
    let mut response = if is_known(headers, entity) {
        reply(StatusCode::NOT_MODIFIED, asset.kind.clone(), Reply::Whole(None))
    } else {
        whole(StatusCode::OK, asset.kind.clone(), asset.text)
    };
    let entity = HeaderValue::from_str(entity).expect("hexadecimal digits in quotes");
    let same_origin = HeaderValue::from_static("same-origin");
    response.headers_mut().extend([
        (CACHE_CONTROL, CACHING),
        (CONTENT_SECURITY_POLICY, POLICY),
        (ETAG, entity),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone()),
        (HeaderName::from_static("cross-origin-resource-policy"), same_origin),
        (VARY, HeaderValue::from_static("accept")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ]);
    response
}

#[cfg(test)]
mod tests {
    use hyper::header::IF_NONE_MATCH;

    use super::*;

    const PAGE: &str = include_str!("dashboard/index.html");

    fn body(response: Response<Reply>) -> String {
        match response.into_body() {
            Reply::Whole(bytes) => String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap(),
            Reply::Streamed(_) => panic!("a stream"),
        }
    }

    #[test]
    fn every_part_that_a_part_names_is_there() {
        let mut named = 0;
        for asset in &ASSETS {
            let imports = asset.text.split("from './").skip(1);
            for rest in asset.text.split("\"ui/").skip(1).chain(imports) {
                let is_part =
                    |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
                let name = &rest[..rest.find(|character| !is_part(character)).unwrap_or(rest.len())];
                assert!(Asset::named(name).is_some(), "{} names {name:?}", asset.name);
                named += 1;
            }
        }
        assert!(named > 8, "{named}");
        assert_eq!((Asset::named("index.html"), Asset::named("../mod.rs")), (None, None));
    }

    /// Libraries name their homes in comments; nothing else names a place outside.
    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in &ASSETS {
            let is_known = |rest: &str| {
                ["www.w3.org/2000/svg", "github.com/leeoniya/uPlot", "www.npmjs.com/"]
                    .iter()
                    .any(|known| rest.starts_with(known))
            };
            for scheme in ["http://", "https://", "ws://", "wss://"] {
                for rest in asset.text.split(scheme).skip(1) {
                    let rest: String = rest.chars().take(40).collect();
                    assert!(is_known(&rest), "{}: {scheme}{rest}", asset.name);
                }
            }
            for outside in ["\"//", "'//", "@import", "sourceMappingURL", "url("] {
                assert!(!asset.text.contains(outside), "{}: {outside}", asset.name);
            }
        }
    }

    /// Neither script nor style nor handler in the markup, and no way for a text to become markup.
    #[test]
    fn texts_stay_texts() {
        for inline in [" style=", " onclick=", "<style", "<script>"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        let libraries = ["lit-html.js", "uplot.js"];
        for asset in ASSETS.iter().filter(|asset| asset.kind == SCRIPT && !libraries.contains(&asset.name)) {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "unsafe", "new Function"] {
                assert!(!asset.text.contains(way), "{}: {way}", asset.name);
            }
        }
        let policy = POLICY.to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
    }

    #[test]
    fn libraries_are_listed_with_their_licences() {
        let listed = ASSETS.iter().find(|asset| asset.name == "LICENSES").unwrap().text;
        for part in [
            "lit-html 3.3.3 (lit-html.js)",
            "Google LLC",
            "uPlot 1.6.32 (uplot.js, uplot.css)",
            "Leon Sorokin",
        ] {
            assert!(listed.contains(part), "{part}");
        }
        // Those without a line here are ours.
        let ours = |asset: &&Asset| {
            asset.text.contains("SPDX-License-Identifier") || asset.text.contains("uPlot (v")
        };
        let foreign: Vec<&str> = ASSETS.iter().filter(ours).map(|asset| asset.name).collect();
        assert!(
            foreign.iter().all(|name| listed.contains(name)) && foreign.contains(&"lit-html.js"),
            "{foreign:?}"
        );
    }

    #[test]
    fn files_that_are_known_are_not_sent_again() {
        let mut headers = HeaderMap::new();
        let first = answer(0, &headers);
        let entity = first.headers()[ETAG].clone();
        assert_eq!((first.status(), body(first).as_str()), (StatusCode::OK, PAGE));
        headers.insert(IF_NONE_MATCH, entity.clone());
        let again = answer(0, &headers);
        assert_eq!((again.status(), &again.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &entity));
        assert_eq!(body(again), "");
        assert_eq!(answer(1, &headers).status(), StatusCode::OK);
    }
}
