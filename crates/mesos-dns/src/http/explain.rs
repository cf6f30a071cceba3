//! `/v2/explain`: why a question gets its answer.

use std::sync::Arc;

use hyper::{Response, StatusCode, header::HeaderValue};
use mesos_dns_core::{
    explain::{Question, told::Explanation},
    views,
};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    Api,
    refusal::Refusal,
    reply::{JSON, Reply, reply, whole},
};

/// A problem with a request (RFC 9457).
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Explains the answer to a question. It is called on a thread on which it may take its time.
pub type Explain = Arc<dyn Fn(&Question) -> Explanation + Send + Sync>;

impl Api {
    /// The members of the query are `name`, and, if wanted, `type` and `client`.
    pub(super) fn explain(&self, query: &str) -> Result<Response<Reply>, Refusal> {
        let explain = self.explain.clone().ok_or(Refusal::NotFound)?;
        let question = match read(query) {
            Ok(question) => question,
            Err(detail) => return Ok(bad_request(&detail)),
        };
        let body = self.stream(move |chunks| views::print(chunks, &explain(&question)))?;
        Ok(reply(StatusCode::OK, JSON, body))
    }
}

fn read(query: &str) -> Result<Question, String> {
    let member = |wanted: &str| {
        let found = query.split('&').find_map(|member| member.strip_prefix(wanted)?.strip_prefix('='));
        let decoded = found.map(|text| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()));
        decoded.transpose().map_err(|_| format!("{wanted:?} is not UTF-8"))
    };
    let name =
        member("name")?.ok_or("\"name\" is missing: /v2/explain?name=NAME&type=TYPE&client=ADDRESS")?;
    let (rtype, client) = (member("type")?, member("client")?);
    let question = Question::read(&name, rtype.as_deref(), client.as_deref(), rand::random());
    question.map_err(|error| error.to_string())
}

fn bad_request(detail: &str) -> Response<Reply> {
    let body = json!({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": detail});
    whole(StatusCode::BAD_REQUEST, PROBLEM, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let question = read("type=srv&name=%5Fweb._tcp.mesos&client=10.0.0.1&x=y").unwrap();
        assert_eq!((question.name.to_string().as_str(), question.rtype), ("_web._tcp.mesos.", 33));
        assert_eq!(question.client.to_string(), "10.0.0.1");
        for (query, part) in [
            ("", "\"name\" is missing"),
            ("names=x", "\"name\" is missing"),
            ("name=a..b", "no name"),
            ("name=a&type=x", "no type"),
            ("name=a&client=", "no address"),
            ("name=%ff", "not UTF-8"),
        ] {
            let told = read(query).unwrap_err();
            assert!(told.contains(part), "{query}: {told}");
        }
    }
}
