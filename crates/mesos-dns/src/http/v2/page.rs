//! Tags of versions, and places in lists.
//!
//! Versions are counted from the start of the process, so a number alone means something else after a restart. A tag has
//! the process in it too: who comes back with an old one is told that it is old.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use hyper::{
    HeaderMap,
    header::{HeaderValue, IF_NONE_MATCH},
};
use serde::Serialize;

use super::super::refusal::Refusal;
use crate::publish::Published;

/// One run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instance(u32);

/// A version of this process: `17-5f3a9c1e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) version: u64,
    pub(super) instance: Instance,
}

impl Instance {
    /// One that is like no other.
    pub(super) fn new() -> Self {
        Self(rand::random())
    }

    /// The tag of a version.
    pub(super) fn tag(self, version: u64) -> Tag {
        Tag { version, instance: self }
    }

    /// The version that a client has: a tag of ours, or a bare number, which is believed. `Ok(None)`: a tag of another
    /// process.
    pub(super) fn version_of(self, text: &str) -> Result<Option<u64>, Refusal> {
        let wrong =
            || Refusal::Invalid(format!("{text:?} is no version: write the id of an event, or a number"));
        let (version, instance) = match text.split_once('-') {
            None => (text, None),
            Some((version, instance)) => {
                let is_ours = instance.len() == 8 && instance.bytes().all(|digit| digit.is_ascii_hexdigit());
                let read = u32::from_str_radix(instance, 16).ok().filter(|_| is_ours);
                (version, Some(read.ok_or_else(wrong)?))
            }
        };
        let is_number = !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit());
        let version: u64 = version.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
        Ok(instance.is_none_or(|instance| instance == self.0).then_some(version))
    }

    /// What a list of a version is known by. What stands beside the zone can change without a new version.
    pub(super) fn entity(self, published: &Published) -> String {
        format!("\"v{}.{}-{:08x}\"", published.version, published.posting, self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.version, self.instance.0)
    }
}

/// Whether a client has this already (RFC 9110 section 13.1.2).
pub(in crate::http) fn is_known(headers: &HeaderMap, entity: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::to_str);
    let mut tags = lines.flatten().flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == entity)
}

/// A page as it is sent.
#[derive(Serialize)]
pub(super) struct Sent<'a, P> {
    /// Of which version.
    pub(super) version: u64,
    /// The same, with the process: for `since` of `/v2/watch`.
    pub(super) id: &'a str,
    pub(super) serial: u32,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    #[serde(flatten)]
    pub(super) page: &'a P,
}

/// A place in a list as an opaque text.
pub(super) fn cursor(parts: &[String]) -> String {
    // As JSON: names that tenants choose may have any character in them.
    BASE64URL_NOPAD.encode(&serde_json::to_vec(parts).unwrap_or_default())
}

/// The parts of a place in a list; `None` if the text is none of ours.
pub(super) fn parts<const N: usize>(cursor: &str) -> Option<[String; N]> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let parts: Vec<String> = serde_json::from_slice(&bytes).ok()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        for place in [["fw/1 é", "a b"], ["", ""], ["a\0b", "\0"], ["\n\"\\", "]"]] {
            let place = place.map(str::to_owned);
            assert_eq!(parts::<2>(&cursor(&place)), Some(place.clone()));
            assert_eq!(parts::<1>(&cursor(&place)), None);
        }
        for bad in ["", "=", "!!", "_w"] {
            assert_eq!((parts::<1>(bad), parts::<2>(bad)), (None, None), "{bad}");
        }
    }

    #[test]
    fn versions_of_another_process_are_told_apart() {
        let ours = Instance(0x5f3a_9c1e);
        let tag = ours.tag(17).to_string();
        assert_eq!(tag, "17-5f3a9c1e");
        assert_eq!(ours.version_of(&tag), Ok(Some(17)));
        assert_eq!(Instance(1).version_of(&tag), Ok(None));
        assert_eq!(ours.version_of("17"), Ok(Some(17)));
        for bad in ["", "-", "17-", "x", "17-5f3a9c1", "-5f3a9c1e", "+1", "17-5f3a9c1e-"] {
            assert!(matches!(ours.version_of(bad), Err(Refusal::Invalid(_))), "{bad}");
        }
    }
}
