//! Labels by which the owner of a task tells us something.
//!
//! A task can have many labels, and long ones: an SDK scheduler has 34 kB of them. Almost none has one that is for
//! us. So the bytes are searched for what all of ours begin with, before anything is read.

use memchr::memmem::Finder;

use super::{
    super::{
        super::json::{JsonError, Reader, Wanted},
        TASK_ALIASES_MAX,
    },
    Elements,
};
use crate::cluster::{DnsLabels, Skipped};

/// What the names of our labels begin with.
pub(in crate::mesos::state) const PREFIX: &str = "dns.";

/// Longest TTL (RFC 2181 section 8).
const TTL_MAX: u32 = i32::MAX as u32;

/// Finds labels that may be ours.
pub(super) struct Search(Finder<'static>);

impl Default for Search {
    fn default() -> Self {
        Self(Finder::new(PREFIX))
    }
}

impl Search {
    /// Whether there may be one of ours; an escape may hide a letter of its name.
    fn finds_any(&self, json: &[u8]) -> bool {
        self.0.find(json).is_some() || memchr::memchr(b'\\', json).is_some()
    }
}

impl Elements {
    /// `None` if there is none of ours. What cannot be read is left out and counted.
    pub(super) fn labels(&mut self, json: &[u8], skipped: &mut Skipped) -> Option<Box<DnsLabels>> {
        if !self.search.finds_any(json) {
            return None;
        }
        let (names, mut labels, mut odd) = (&mut self.names, DnsLabels::default(), 0u64);
        let (mut aliases, mut over_limit) = (Vec::new(), 0u64);
        let read = read(&mut Reader::new(json), |key, value| match key.strip_prefix(PREFIX) {
            Some("alias") => {
                for alias in value.split(',').map(str::trim).filter(|alias| !alias.is_empty()) {
                    let alias = names.get(alias);
                    if aliases.len() >= TASK_ALIASES_MAX {
                        over_limit = over_limit.saturating_add(1);
                    } else if !aliases.contains(&alias) {
                        aliases.push(alias);
                    }
                }
            }
            Some("priority") => set(&mut labels.priority, number(value, u32::from(u16::MAX)), &mut odd),
            Some("ttl") => set(&mut labels.ttl, number(value, TTL_MAX), &mut odd),
            Some("weight") => set(&mut labels.weight, number(value, u32::from(u16::MAX)), &mut odd),
            _ => {}
        });
        odd = odd.saturating_add(u64::from(read.is_err()));
        skipped.labels = skipped.labels.saturating_add(odd);
        skipped.over_limit = skipped.over_limit.saturating_add(over_limit);
        labels.aliases = aliases.into();
        (labels != DnsLabels::default()).then(|| Box::new(labels))
    }
}

/// The last of several counts, if it can be read.
fn set<T: TryFrom<u32>>(field: &mut Option<T>, number: Option<u32>, odd: &mut u64) {
    match number.and_then(|number| T::try_from(number).ok()) {
        Some(number) => *field = Some(number),
        None => *odd = odd.saturating_add(1),
    }
}

/// A number in digits alone, up to this one.
fn number(text: &str, most: u32) -> Option<u32> {
    let text = Some(text.trim()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|number| *number <= most)
}

/// Tells keys and values of labels, whichever shape they have: a list, or that list in an object of one member of the
/// same name. What is no label is passed over.
pub(super) fn read(reader: &mut Reader<'_>, mut each: impl FnMut(&str, &str)) -> Result<(), JsonError> {
    if reader.peek() != Some(b'{') {
        return reader.lenient(|reader| list(reader, &mut each)).map(|_| ());
    }
    reader.object(|name, reader| {
        match name {
            b"labels" => reader.lenient(|reader| list(reader, &mut each))?,
            _ => return Ok(Wanted::No),
        };
        Ok(Wanted::Yes)
    })
}

fn list(reader: &mut Reader<'_>, each: &mut impl FnMut(&str, &str)) -> Result<(), JsonError> {
    reader.list(|reader| {
        let label = reader.lenient(|reader| {
            let (mut key, mut value) = (None, None);
            reader.object(|name, reader| {
                match name {
                    b"key" => key = Some(reader.hint()?),
                    b"value" => value = Some(reader.hint()?),
                    _ => return Ok(Wanted::No),
                }
                Ok(Wanted::Yes)
            })?;
            Ok((key.unwrap_or_default(), value.unwrap_or_default()))
        })?;
        if let Some((key, value)) = label {
            each(&key, &value);
        }
        Ok(())
    })
}
