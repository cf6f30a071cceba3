//! One event after the snapshot, from its bytes to what it says.

use super::{
    super::{
        json::{JsonError, Reader, Wanted},
        state::{
            Shape,
            element::{
                Elements, Unusable,
                whose::{Identity, Thing},
            },
        },
    },
    stream::Said,
};
use crate::cluster::{Change, Omission, Skipped, SkippedPart};

/// Characters of an unknown type that are told.
const TYPE_CHARS_MAX: usize = 40;

/// An event of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// A type that we do not know: nothing is lost. Its name, shortened.
    Unknown(Box<str>),
    /// Lacks what it needs, so what it said is not known: look soon at how things are.
    Malformed {
        /// The type, shortened; empty if there is none.
        event: Box<str>,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The types of events, as they are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after the type")]
pub enum EventType {
    AgentAdded,
    AgentRemoved,
    FrameworkAdded,
    FrameworkRemoved,
    FrameworkUpdated,
    Heartbeat,
    /// One that we do not know, or none.
    #[default]
    Other,
    TaskAdded,
    TaskUpdated,
}

impl EventType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::AgentAdded,
        Self::AgentRemoved,
        Self::FrameworkAdded,
        Self::FrameworkRemoved,
        Self::FrameworkUpdated,
        Self::Heartbeat,
        Self::Other,
        Self::TaskAdded,
        Self::TaskUpdated,
    ];

    /// As a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AgentAdded => "agent_added",
            Self::AgentRemoved => "agent_removed",
            Self::FrameworkAdded => "framework_added",
            Self::FrameworkRemoved => "framework_removed",
            Self::FrameworkUpdated => "framework_updated",
            Self::Heartbeat => "heartbeat",
            Self::Other => "other",
            Self::TaskAdded => "task_added",
            Self::TaskUpdated => "task_updated",
        }
    }

    fn of(event: &str) -> Self {
        // Types have no small letters.
        let is_written_so = !event.bytes().any(|byte| byte.is_ascii_lowercase());
        let known = Self::ALL.into_iter().find(|known| event.eq_ignore_ascii_case(known.label()));
        known.filter(|_| is_written_so).unwrap_or_default()
    }
}

/// What can be told of an event besides what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Its type.
    pub event: EventType,
    /// Of an update of a task: when its agent made the status, in seconds of Unix time by that agent's clock.
    pub status_time: Option<f64>,
}

/// Decodes one event, and tells what could not be used of it; an error if it is no JSON object. `at`: where it ends.
pub(super) fn decode(
    json: &[u8],
    elements: &mut Elements,
    skipped: &mut Skipped,
    at: u64,
) -> Result<(Said, Seen, Vec<Omission>), JsonError> {
    let event = event_type(json)?;
    let mut seen = Seen { event: EventType::of(&event), status_time: None };
    if seen.event == EventType::Heartbeat {
        return Ok((Said::Heartbeat, seen, Vec::new()));
    }
    let before = *skipped;
    let said = match change(&event, json, elements, skipped, &mut seen) {
        Ok(Some(change)) => Said::Change(change),
        Ok(None) => Said::Passed(Passed::Unknown(shorten(&event))),
        Err(Unusable(reason)) => Said::Passed(Passed::Malformed { event: shorten(&event), reason }),
    };
    let is_malformed = matches!(said, Said::Passed(Passed::Malformed { .. }));
    if !is_malformed && *skipped == before {
        return Ok((said, seen, Vec::new()));
    }
    let left_out: Vec<_> = SkippedPart::between(before, *skipped).collect();
    let omissions = omissions(&event, json, (!is_malformed).then_some(&left_out), at);
    Ok((said, seen, omissions))
}

/// What could not be used of an event: these parts, or all that it is about.
fn omissions(event: &str, json: &[u8], parts: Option<&Vec<(SkippedPart, u64)>>, at: u64) -> Vec<Omission> {
    let (thing, path, whole): (_, &[&str], _) = match event {
        "AGENT_ADDED" => (Thing::Agent, &["agent_added", "agent"], SkippedPart::Agent),
        "FRAMEWORK_ADDED" => (Thing::Framework, &["framework_added", "framework"], SkippedPart::Framework),
        "FRAMEWORK_UPDATED" => {
            (Thing::Framework, &["framework_updated", "framework"], SkippedPart::Framework)
        }
        "TASK_ADDED" => (Thing::Task, &["task_added", "task"], SkippedPart::Task),
        "TASK_UPDATED" => (Thing::Task, &["task_updated"], SkippedPart::Task),
        // What is gone and what is not known is nobody's who could be told.
        _ => return Vec::new(),
    };
    let identity = Identity::read(thing, inside(json, path).unwrap_or(b"null"));
    let omission = |(part, count): &(_, _)| identity.omission(thing, *part, *count, at);
    parts.map_or(&[(whole, 1)][..], Vec::as_slice).iter().map(omission).collect()
}

/// The type; empty if it is none. Reads to the end, so whatever else is in the event ends there, too.
fn event_type(json: &[u8]) -> Result<String, JsonError> {
    let mut event: &[u8] = b"null";
    let mut reader = Reader::new(json);
    reader.object(|name, reader| {
        match name {
            b"type" => event = reader.raw()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    reader.end()?;
    Ok(Reader::new(event).text().unwrap_or_default().into_owned())
}

/// What an event says; `None` if its type is not known.
fn change(
    event: &str,
    json: &[u8],
    elements: &mut Elements,
    skipped: &mut Skipped,
    seen: &mut Seen,
) -> Result<Option<Change>, Unusable> {
    Ok(Some(match event {
        "AGENT_ADDED" => {
            let agent = elements.agent(Shape::Operator, inside(json, &["agent_added", "agent"])?, skipped);
            Change::AgentAdded(agent.ok_or(Unusable("its agent cannot be used"))?)
        }
        "AGENT_REMOVED" => {
            let id = elements.id(inside(json, &["agent_removed", "agent_id"])?);
            Change::AgentRemoved(id.ok_or(Unusable("its agent has no id"))?)
        }
        "FRAMEWORK_ADDED" => framework(inside(json, &["framework_added", "framework"])?, elements)?,
        "FRAMEWORK_UPDATED" => framework(inside(json, &["framework_updated", "framework"])?, elements)?,
        "FRAMEWORK_REMOVED" => {
            let id = elements.framework_info_id(inside(json, &["framework_removed", "framework_info"])?);
            Change::FrameworkRemoved(id.ok_or(Unusable("its framework has no id"))?)
        }
        "TASK_ADDED" => {
            let task = elements.task_added(inside(json, &["task_added", "task"])?, skipped);
            task.ok_or(Unusable("its task cannot be used"))?
        }
        "TASK_UPDATED" => {
            let (change, timestamp) = elements.task_updated(inside(json, &["task_updated"])?, skipped)?;
            seen.status_time = Some(timestamp).filter(|time| time.is_finite() && *time > 0.0);
            change
        }
        "" => return Err(Unusable("it has no type")),
        "SUBSCRIBED" => return Err(Unusable("there was a snapshot before")),
        _ => return Ok(None),
    }))
}

fn framework(json: &[u8], elements: &mut Elements) -> Result<Change, Unusable> {
    let framework = elements.framework(json).ok_or(Unusable("its framework cannot be used"))?;
    Ok(Change::FrameworkAdded(framework))
}

/// The value that so many members lead to, as written.
fn inside<'a>(mut json: &'a [u8], path: &[&str]) -> Result<&'a [u8], Unusable> {
    for wanted in path {
        let mut found = None;
        let read = Reader::new(json).object(|name, reader| {
            match name == wanted.as_bytes() {
                true => found = Some(reader.raw()?),
                false => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        });
        let found = found.filter(|_| read.is_ok());
        json = found.ok_or(Unusable("it lacks what it is about"))?;
    }
    Ok(json)
}

/// A type as far as it is told.
pub(super) fn shorten(event: &str) -> Box<str> {
    event.chars().take(TYPE_CHARS_MAX).collect::<String>().into()
}
