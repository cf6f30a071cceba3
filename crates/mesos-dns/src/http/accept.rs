//! Kinds of bodies: what a request sends, and what it takes.

use hyper::{
    HeaderMap, Request,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};

/// Whether the body is JSON. A body of no declared kind passes: GET requests have none that counts.
pub(super) fn sends_json<B>(request: &Request<B>) -> bool {
    match request.headers().get(CONTENT_TYPE).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(kind)) => {
            kind.split(',').any(|kind| media_type(kind).eq_ignore_ascii_case("application/json"))
        }
        Some(Err(_)) => false,
    }
}

/// Whether the answer may be JSON, as the original reads that.
pub(super) fn accepts_json<B>(request: &Request<B>) -> bool {
    let mut accepted = request.headers().get_all(ACCEPT).iter().peekable();
    let says_nothing = accepted.peek().is_none_or(|first| first.is_empty());
    says_nothing
        || accepted.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).any(|kind| {
            let kind = media_type(kind);
            kind == "*/*" || kind.eq_ignore_ascii_case("application/json")
        })
}

/// Which of these kinds a request likes best (RFC 9110 section 12.5.1); the first of those it likes alike, `None` if it
/// takes none of them.
pub(super) fn preferred(headers: &HeaderMap, kinds: &[&'static str]) -> Option<&'static str> {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<(&str, f32)> = lines
        .flat_map(|line| line.split(','))
        .map(|range| (media_type(range), quality(range)))
        .filter(|(kind, _)| !kind.is_empty())
        .collect();
    if ranges.is_empty() {
        return kinds.first().copied();
    }
    let mut best: Option<(&'static str, f32)> = None;
    for kind in kinds {
        let wanted = wish(&ranges, kind);
        if wanted > 0.0 && best.is_none_or(|(_, quality)| wanted > quality) {
            best = Some((kind, wanted));
        }
    }
    best.map(|(kind, _)| kind)
}

/// How much a kind is wanted: the range that fits it most closely says so.
fn wish(ranges: &[(&str, f32)], kind: &str) -> f32 {
    let family = kind.split('/').next().unwrap_or_default();
    let closeness = |range: &str| match range.split_once('/') {
        _ if range.eq_ignore_ascii_case(kind) => 3,
        Some((range, "*")) if range.eq_ignore_ascii_case(family) => 2,
        Some(("*", "*")) => 1,
        _ => 0,
    };
    let closest =
        ranges.iter().map(|(range, quality)| (closeness(range), *quality)).filter(|(close, _)| *close > 0);
    closest.max_by_key(|(close, _)| *close).map_or(0.0, |(_, quality)| quality)
}

/// The weight of a range: 1 unless it says otherwise.
fn quality(range: &str) -> f32 {
    let parameters = range.split(';').skip(1).map(str::trim);
    let said = parameters
        .filter_map(|parameter| parameter.strip_prefix("q="))
        .find_map(|text| text.trim().parse().ok());
    said.unwrap_or(1.0)
}

/// A media type without its parameters.
fn media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_that_is_liked_best() {
        let kinds = &["application/json", "text/event-stream"];
        for (accept, expected) in [
            ("", Some("application/json")),
            ("*/*", Some("application/json")),
            ("text/event-stream", Some("text/event-stream")),
            ("text/*", Some("text/event-stream")),
            ("application/*;q=0.5, text/event-stream;q=0.4", Some("application/json")),
            ("application/json;q=0.1, */*", Some("text/event-stream")),
            ("*/*, application/json;q=0, text/event-stream; q=0", None),
            ("text/html", None),
            ("Application/JSON", Some("application/json")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(preferred(&headers, kinds), expected, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new(), kinds), Some("application/json"));
    }
}
