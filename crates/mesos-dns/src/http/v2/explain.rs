//! `/v2/explain`: why a question gets its answer.

use std::sync::Arc;

use hyper::{Method, Response, StatusCode};
use mesos_dns_core::{
    explain::{Question, told::Explanation},
    views,
};

use super::{
    super::{
        Api,
        refusal::Refusal,
        reply::{JSON, Reply, reply, whole},
    },
    query::Query,
};

/// Explains the answer to a question. It is called on a thread on which it may take its time.
pub type Explain = Arc<dyn Fn(&Question) -> Explanation + Send + Sync>;

impl Api {
    /// `/v2/explain`: why this name has this answer for this client.
    pub(super) fn explain(&self, method: &Method, query: &Query) -> Result<Response<Reply>, Refusal> {
        let explain = self.explain.clone().ok_or(Refusal::NotFound)?;
        let question = read(query)?;
        if method == Method::HEAD {
            return Ok(whole(StatusCode::OK, JSON, ""));
        }
        let body = self.stream(move |chunks| views::print(chunks, &explain(&question)))?;
        Ok(reply(StatusCode::OK, JSON, body))
    }
}

fn read(query: &Query) -> Result<Question, Refusal> {
    let missing =
        || Refusal::Invalid("name is missing: /v2/explain?name=NAME&type=TYPE&client=ADDRESS".into());
    let name = query.text("name").ok_or_else(missing)?;
    let question = Question::read(name, query.text("type"), query.text("client"), rand::random());
    question.map_err(|error| Refusal::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, Refusal> {
        read(&Query::read(&format!("/?{query}").parse().unwrap(), &["name", "type", "client"])?)
    }

    #[test]
    fn queries() {
        let question = asked("type=srv&name=%5Fweb._tcp.mesos&client=10.0.0.1").unwrap();
        assert_eq!((question.name.to_string().as_str(), question.rtype), ("_web._tcp.mesos.", 33));
        assert_eq!(question.client.to_string(), "10.0.0.1");
        for (query, part) in [
            ("", "name is missing"),
            ("name=a..b", "no name"),
            ("name=a&type=x", "no type"),
            ("name=a&client=", "no address"),
        ] {
            let Err(Refusal::Invalid(told)) = asked(query) else { panic!("{query}") };
            assert!(told.contains(part), "{query}: {told}");
        }
    }
}
