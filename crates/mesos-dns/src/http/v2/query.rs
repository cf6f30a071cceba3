//! The parameters of a request: only those that are known, each once, each of a value that can be meant.

use std::{fmt::Display, str::FromStr};

use hyper::Uri;
use percent_encoding::percent_decode_str;

use super::super::refusal::Refusal;

/// Items of a page, unless asked otherwise.
const LIMIT: usize = 100;

/// Most items of a page.
pub(super) const LIMIT_MAX: usize = 1000;

/// Parameters that may be given several times: each has to be met.
const REPEATABLE: [&str; 1] = ["label"];

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads them; what is not known is refused, so that a misspelled filter is not taken for none.
    pub(super) fn read(uri: &Uri, known: &'static [&'static str]) -> Result<Self, Refusal> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        let members = uri.query().unwrap_or_default().split('&').filter(|member| !member.is_empty());
        for member in members {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = match known {
                    [] => "this path takes none".to_owned(),
                    known => format!("this path takes {}", known.join(", ")),
                };
                return Err(Refusal::Invalid(format!("there is no parameter {name:?}: {known}")));
            };
            if !REPEATABLE.contains(name) && read.iter().any(|(other, _)| other == name) {
                return Err(Refusal::Invalid(format!("{name} is given twice")));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter, read by `read`; `allowed` says what it may be.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        allowed: impl Display,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Refusal::Invalid(format!("{name}={text:?} is of no use: write {allowed}"));
        read(text).map(Some).ok_or_else(wrong)
    }

    /// A number within these borders.
    pub(super) fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        (least, most): (T, T),
    ) -> Result<Option<T>, Refusal> {
        let allowed = format!("a number from {least} to {most}");
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        self.parsed(name, allowed, |text| {
            text.parse().ok().filter(|number| is_plain(text) && (&least..=&most).contains(&number))
        })
    }

    /// How many items a page is to have.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        Ok(self.number("limit", (1, LIMIT_MAX))?.unwrap_or(LIMIT))
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::Invalid("a parameter is no UTF-8".to_owned()))?;
    match decoded.chars().any(char::is_control) {
        true => Err(Refusal::Invalid("a parameter has control characters in it".to_owned())),
        false => Ok(decoded.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Query, Refusal> {
        Query::read(&format!("/?{query}").parse().unwrap(), &["name", "label", "limit"])
    }

    #[test]
    fn what_is_read() {
        let query = read("name=a%2Fb+c&&label=x&label=y:z&limit=7").unwrap();
        assert_eq!((query.text("name"), query.limit()), (Some("a/b c"), Ok(7)));
        assert_eq!(query.all("label").collect::<Vec<_>>(), ["x", "y:z"]);
        assert_eq!(read("").unwrap().limit(), Ok(LIMIT));
        assert_eq!(read("name").unwrap().text("name"), Some(""));
    }

    #[test]
    fn what_is_refused_says_why() {
        for (query, part) in [
            ("nome=x", "takes name, label, limit"),
            ("name=x&name=y", "twice"),
            ("name=%ff", "UTF-8"),
            ("name=%00", "control"),
        ] {
            let Err(Refusal::Invalid(text)) = read(query) else { panic!("{query}") };
            assert!(text.contains(part), "{text}");
        }
        for limit in ["0", "1001", "-1", "+5", "1e2", "", "99999999999999999999999"] {
            let refused = read(&format!("limit={limit}")).unwrap().limit();
            assert!(
                matches!(&refused, Err(Refusal::Invalid(text)) if text.contains("1 to 1000")),
                "{refused:?}"
            );
        }
    }
}
