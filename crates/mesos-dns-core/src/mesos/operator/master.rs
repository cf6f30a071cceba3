//! Who a master is, and whether its stream can be relied on.

use std::{fmt, time::Duration};

use super::super::{
    json::{JsonError, Reader, Wanted},
    pid::host_port,
};
use crate::cluster::Document;

/// How often a stream with [`Support::Lossy`] is to be compared with a new snapshot.
pub const LOSSY_RECONCILE: Duration = Duration::from_secs(60);

/// What the answer of `GET_MASTER` says, each as far as it is there. Only the leader answers it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Master {
    /// Its address (`pid`), as `host:port` text.
    pub pid: Option<String>,
    /// Its version as written, for example `1.12.0`.
    pub version: Option<String>,
    /// Unix time in seconds at which it was elected (since 1.5).
    pub elected_time: Option<f64>,
    /// What it calls itself.
    pub hostname: Option<String>,
}

impl Master {
    /// Reads an answer. What is missing or of the wrong type is `None`; so is everything after a text that breaks off.
    pub fn decode(json: &[u8]) -> Self {
        let mut master = Self::default();
        // What was read up to the error holds, the rest is missing.
        _ = Reader::new(json).object(|name, reader| match name {
            b"get_master" => object(reader, |name, reader| master.member(name, reader)),
            _ => Ok(Wanted::No),
        });
        master
    }

    fn member(&mut self, name: &[u8], reader: &mut Reader<'_>) -> Result<Wanted, JsonError> {
        match name {
            b"elected_time" => self.elected_time = Reader::new(reader.raw()?).number().unwrap_or_default(),
            b"master_info" => return object(reader, |name, reader| self.info(name, reader)),
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    }

    fn info(&mut self, name: &[u8], reader: &mut Reader<'_>) -> Result<Wanted, JsonError> {
        match name {
            b"hostname" => self.hostname = text(reader)?,
            b"pid" => self.pid = text(reader)?.as_deref().and_then(host_port),
            b"version" => self.version = text(reader)?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    }

    /// Whether its stream can be relied on.
    pub fn support(&self) -> Support {
        self.version.as_deref().and_then(Version::parse).map_or(Support::None, Version::support)
    }

    /// Tells a snapshot of this master whose it is: it does not say so itself.
    pub fn sign(&self, document: &mut Document) {
        document.version = self.version.clone().unwrap_or_default();
        document.pid.clone_from(&self.pid);
        document.leader.clone_from(&self.pid);
        document.elected_time = self.elected_time;
    }
}

/// Reads an object by itself, so that one of the wrong type costs only what is in it.
fn object<'a>(
    reader: &mut Reader<'a>,
    each: impl FnMut(&[u8], &mut Reader<'a>) -> Result<Wanted, JsonError>,
) -> Result<Wanted, JsonError> {
    _ = Reader::new(reader.raw()?).object(each);
    Ok(Wanted::Yes)
}

/// A string that is not empty.
fn text(reader: &mut Reader<'_>) -> Result<Option<String>, JsonError> {
    let text = Reader::new(reader.raw()?).text().unwrap_or_default();
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

//------------ Version -------------------------------------------------------

/// A version of Mesos; what follows the numbers, as in `1.12.0-dev`, is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1 in `1.12.0`.
    pub major: u32,
    /// 12 in `1.12.0`.
    pub minor: u32,
    /// 0 in `1.12.0`, and where it is not there.
    pub patch: u32,
}

/// How far a stream can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// 1.7 and newer: it tells every change of a task.
    Full,
    /// 1.5 and 1.6: it can swallow the address of a task that just started (MESOS-9000) and changes of health, so it
    /// is compared with a snapshot every [`LOSSY_RECONCILE`].
    Lossy,
    /// Older or unknown: no heartbeats, lost events, or no stream at all.
    None,
}

impl Version {
    /// Reads `1.12.0`, `1.12.0-dev`, `1.12`; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (numbers, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        if !matches!(rest.chars().next(), None | Some('-' | '+' | '~' | ' ')) {
            return None;
        }
        let mut numbers = numbers.split('.').map(|number| number.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        let patch = numbers.next().unwrap_or(Some(0))?;
        // A fourth number is a packager's.
        Some(Self { major, minor, patch })
    }

    /// Whether its stream can be relied on.
    pub fn support(self) -> Support {
        match (self.major, self.minor) {
            (0, _) | (1, 0..5) => Support::None,
            (1, 5 | 6) => Support::Lossy,
            _ => Support::Full,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn real_answer() {
        let json = include_bytes!("../../../../../test-data/real-1.12/v1-GET_MASTER.json");
        let expected = Master {
            pid: Some("127.0.0.1:15050".to_owned()),
            version: Some("1.12.0".to_owned()),
            elected_time: Some(1795370046.699798),
            hostname: Some("127.0.0.1".to_owned()),
        };
        let master = Master::decode(json);
        assert_eq!((&master, master.support()), (&expected, Support::Full));
        let mut document = Document::default();
        master.sign(&mut document);
        assert_eq!((&document.pid, &document.leader), (&expected.pid, &expected.pid));
        assert_eq!((document.elected_time, &*document.version), (expected.elected_time, "1.12.0"));
    }

    #[test]
    fn each_is_optional() {
        let check =
            |json: &str, expected: Master| assert_eq!(Master::decode(json.as_bytes()), expected, "{json}");
        let version = |text: &str| Master { version: Some(text.to_owned()), ..Master::default() };
        check("", Master::default());
        check("<html>", Master::default());
        check("{}", Master::default());
        check(r#"{"type":"GET_MASTER","get_master":null}"#, Master::default());
        check(r#"{"get_master":[{"elected_time":5}]}"#, Master::default());
        check(
            r#"{"get_master":{"master_info":7,"elected_time":5}}"#,
            Master { elected_time: Some(5.0), ..Master::default() },
        );
        check(
            r#"{"get_master":{"master_info":{"pid":"nobody","hostname":"","version":"1.7.0"},"elected_time":"x"}}"#,
            version("1.7.0"),
        );
        check(r#"{"get_master":{"master_info":{"pid":[],"version":"1","hostname":{}}}}"#, version("1"));
        check(r#"{"GET_MASTER":{"master_info":{"version":"1.5.0","version":"1.6.0"}}} x"#, version("1.6.0"));
        check(r#"{"get_master":{"master_info":{"version":"1.6.0"}},"x":"#, version("1.6.0"));
    }

    #[test]
    fn versions() {
        let check = |text: &str, expected: Option<(u32, u32, u32)>, support: Support| {
            let found = Version::parse(text);
            assert_eq!(found.map(|found| (found.major, found.minor, found.patch)), expected, "{text:?}");
            assert_eq!(found.map_or(Support::None, Version::support), support, "{text:?}");
        };
        check("1.12.0", Some((1, 12, 0)), Support::Full);
        check("1.12.0-dev", Some((1, 12, 0)), Support::Full);
        check("1.7.0", Some((1, 7, 0)), Support::Full);
        check("1.7.0-rc3", Some((1, 7, 0)), Support::Full);
        check("2.0", Some((2, 0, 0)), Support::Full);
        check("1.11.0.2", Some((1, 11, 0)), Support::Full);
        check("1.6.2", Some((1, 6, 2)), Support::Lossy);
        check("1.5.0", Some((1, 5, 0)), Support::Lossy);
        check("1.4.11", Some((1, 4, 11)), Support::None);
        check("1.0.1", Some((1, 0, 1)), Support::None);
        check("0.28.0", Some((0, 28, 0)), Support::None);
        for text in [
            "",
            "1",
            "1.",
            "1..2",
            ".1.2",
            "1.7.x",
            "v1.7.0",
            "one",
            "-1.7.0",
            " 1.7",
            "1.7.4294967296",
            "1.7.",
            "１.7",
        ] {
            check(text, None, Support::None);
        }
        assert!(Version::parse("1.12.0") > Version::parse("1.7.5"));
        assert_eq!(
            Version::parse("1.12.0-dev").map(|version| version.to_string()).as_deref(),
            Some("1.12.0")
        );
    }

    proptest! {
        #[test]
        fn any_text(text: String, bytes: Vec<u8>) {
            _ = Version::parse(&text);
            _ = Master::decode(&bytes);
        }
    }
}
