//! Whose an element is that cannot be used, or not all of it.
//!
//! What is to be told is who should look, so this reads as leniently as can be: in either shape, and whatever of it can
//! be read. Only what was left out is read like this; all else is never read twice.

use std::sync::Arc;

use super::{
    super::{
        super::json::{JsonError, Reader, Wanted},
        shape::Kind,
    },
    operator::read_id,
};
use crate::cluster::{Omission, SkippedPart, Whose};

/// Bytes of an id or a name that are told. Longer ones are cut; real ones have some dozens.
const TEXT_BYTES_MAX: usize = 512;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mesos) enum Thing {
    Agent,
    Framework,
    Task,
}

/// Who something is, as far as that can be read; what cannot is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::mesos) struct Identity {
    agent: String,
    pub(in crate::mesos) framework: String,
    task: String,
    name: String,
    /// The name that a task announces, which goes before its own.
    announced: String,
}

impl Identity {
    /// That of a thing, from its bytes.
    pub(in crate::mesos) fn read(thing: Thing, json: &[u8]) -> Self {
        let mut identity = Self::default();
        // What cannot be read ends it, and what was read before counts.
        _ = identity.members(thing, &mut Reader::new(json), true);
        identity
    }

    fn members(
        &mut self,
        thing: Thing,
        reader: &mut Reader<'_>,
        is_outermost: bool,
    ) -> Result<(), JsonError> {
        reader.object(|member, reader| {
            let text = match member {
                b"agent_info" | b"framework_info" | b"status" if is_outermost => {
                    reader.lenient(|reader| self.members(thing, reader, false))?;
                    return Ok(Wanted::Yes);
                }
                b"agent_id" | b"slave_id" => &mut self.agent,
                b"discovery" => {
                    self.announced = reader.lenient(announced)?.unwrap_or_default();
                    return Ok(Wanted::Yes);
                }
                b"framework_id" => &mut self.framework,
                b"hostname" if thing == Thing::Agent => &mut self.name,
                b"id" => match thing {
                    Thing::Agent => &mut self.agent,
                    Thing::Framework => &mut self.framework,
                    Thing::Task => &mut self.task,
                },
                b"name" => &mut self.name,
                b"task_id" => &mut self.task,
                _ => return Ok(Wanted::No),
            };
            *text = id(reader)?;
            Ok(Wanted::Yes)
        })
    }

    /// What to tell of a part that was left out so often. `at`: where it stands.
    pub(in crate::mesos) fn omission(
        &self,
        thing: Thing,
        part: SkippedPart,
        count: u64,
        at: u64,
    ) -> Omission {
        let known = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Arc::from);
        let mut whose = Whose { framework: known(&self.framework), ..Whose::default() };
        whose.agent = known(&self.agent).filter(|_| thing != Thing::Framework);
        whose.task = known(&self.task).filter(|_| thing == Thing::Task);
        let id = match thing {
            Thing::Agent => &whose.agent,
            Thing::Framework => &whose.framework,
            Thing::Task => &whose.task,
        };
        whose.at = id.is_none().then_some(at);
        let name = if self.announced.is_empty() { &self.name } else { &self.announced };
        Omission { part, whose, name: name.as_str().into(), count }
    }
}

impl From<Kind> for Thing {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Agent | Kind::RecoveredAgent => Self::Agent,
            Kind::Framework => Self::Framework,
            Kind::Task | Kind::UnreachableTask => Self::Task,
        }
    }
}

/// A text, or one in an object of one member `value`: ids are written either way. Anything else is empty.
fn id(reader: &mut Reader<'_>) -> Result<String, JsonError> {
    let text = match reader.peek() {
        Some(b'{') => reader.lenient(read_id)?.unwrap_or_default(),
        _ => reader.hint()?,
    };
    Ok(cut(&text))
}

/// The name in discovery information.
fn announced(reader: &mut Reader<'_>) -> Result<String, JsonError> {
    let mut name = String::new();
    reader.object(|member, reader| {
        match member {
            b"name" => name = cut(&reader.hint()?),
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(name)
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(thing: Thing, json: &str, expected: [&str; 4]) {
        let Omission { whose, name, .. } =
            Identity::read(thing, json.as_bytes()).omission(thing, SkippedPart::Label, 1, 77);
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        let found = [text(&whose.agent), text(&whose.framework), text(&whose.task), name.to_string()];
        assert_eq!(found, expected, "{json}");
        let own = match thing {
            Thing::Agent => &whose.agent,
            Thing::Framework => &whose.framework,
            Thing::Task => &whose.task,
        };
        assert_eq!(whose.at, own.is_none().then_some(77), "{json}");
    }

    #[test]
    fn both_shapes() {
        check(Thing::Agent, r#"{"pid":5,"id":"S0","hostname":"n"}"#, ["S0", "", "", "n"]);
        check(
            Thing::Agent,
            r#"{"agent_info":{"id":{"value":"S0"},"hostname":"n"},"pid":[]}"#,
            ["S0", "", "", "n"],
        );
        check(
            Thing::Framework,
            r#"{"framework_info":{"name":"marathon","id":{"value":"F"},"hostname":"n"}}"#,
            ["", "F", "", "marathon"],
        );
        check(
            Thing::Task,
            r#"{"id":"t","slave_id":"S0","framework_id":"F","name":"a","discovery":{"ports":7,"name":"web"}}"#,
            ["S0", "F", "t", "web"],
        );
        let operator = r#"{"task_id":{"value":"t"},"agent_id":{"value":"S0"},"framework_id":{"value":"F"}}"#;
        check(Thing::Task, operator, ["S0", "F", "t", ""]);
        let update =
            r#"{"status":{"task_id":{"value":"t"},"timestamp":"soon"},"framework_id":{"value":"F"}}"#;
        check(Thing::Task, update, ["", "F", "t", ""]);
    }

    #[test]
    fn what_can_be_read_is_told() {
        for json in ["", "5", "null", "[]", "{}", r#"{"id":5,"name":{"x":1}}"#, r#"{"id":"","task_id":{}}"#] {
            check(Thing::Task, json, ["", "", "", ""]);
        }
        check(Thing::Task, r#"{"id":"t","name":"#, ["", "", "t", ""]);
        check(Thing::Task, r#"{"status":7,"discovery":[],"name":"a","id":"t"}"#, ["", "", "t", "a"]);
        let nested = r#"{"status":{"status":{"task_id":"inner"},"name":"a"}}"#;
        check(Thing::Task, nested, ["", "", "", "a"]);
        let long = "ö".repeat(TEXT_BYTES_MAX);
        check(Thing::Task, &format!(r#"{{"id":"{long}"}}"#), ["", "", &long[..TEXT_BYTES_MAX], ""]);
    }
}
