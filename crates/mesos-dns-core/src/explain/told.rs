//! An explanation as a value: what `/v2/explain` prints and `mesos-dns explain` reads back.
//!
//! It is text through and through, so that a program of one version can show what a server of another one tells.

use serde::{Deserialize, Serialize};

/// Why a question gets its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Explanation {
    /// What was asked.
    pub question: Asked,
    /// From what data it is answered.
    pub data: Source,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The aliases on the way to the name that has the answer.
    pub path: Vec<Alias>,
    /// In which order the records are told, and why.
    pub order: Vec<Step>,
    /// The records, those that are told first, in their order.
    pub records: Vec<Told>,
    /// How many there are, of which [`RECORDS_MAX`](super::RECORDS_MAX) are listed.
    pub records_total: usize,
    /// What would stand there but for a rule.
    pub dropped: Vec<Dropped>,
    /// How many there are, of which [`DROPPED_MAX`](super::DROPPED_MAX) are listed.
    pub dropped_total: usize,
    /// Who is asked for a name that is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// The nearest name above that is there, of a name that is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// Names that differ only by what labels cannot hold.
    pub near_misses: Vec<NearMiss>,
    /// What is wrong with the names concerned.
    pub problems: Vec<Trouble>,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    /// The name, with the trailing dot.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Who asks.
    pub client: String,
}

/// From what data a question is answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// How they come: `events`, `poll`, `snapshot-file` or `document`.
    pub origin: String,
    /// The leading master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// How our view stands: `loading`, `holding`, `live` or `stale`.
    pub state: String,
    /// Seconds since the masters last confirmed them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// Counts the versions of the zone.
    pub version: u64,
    /// The SOA serial.
    pub serial: u32,
}

/// What becomes of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verdict {
    /// In one word: `answer`, `no-data`, `no-name`, `forwarded`, `local`, `refused` or `failed`.
    pub outcome: String,
    /// The response code, if we answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// Whether records were left out for want of space in a datagram.
    pub truncated: bool,
    /// The rules that decided.
    pub why: Vec<Step>,
}

/// A rule that decided, with the value it decided by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// Its name.
    pub rule: String,
    /// What it says.
    pub says: String,
    /// The value that it decided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The key of the configuration that governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
}

/// An alias that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub target: String,
}

/// A record, and why it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// Its owner.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Its data as a zone file has them.
    pub data: String,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its place in this answer, from 1; `None`: it is left out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// What holds for the record, whoever contributes it.
    pub why: Vec<Step>,
    /// Since when it is answered, as far as that is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Who contributes it.
    pub contributors: Vec<Contributor>,
    /// How many do, of which [`CONTRIBUTORS_MAX`](super::CONTRIBUTORS_MAX) are listed.
    pub contributors_total: usize,
}

/// The version that brought a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Since {
    /// Its number.
    pub version: u64,
    /// Its serial, which is the Unix time of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u32>,
    /// Whether that version brought it; else it is at least as old.
    pub is_exact: bool,
    /// What brought that version, if that is known: `document`, `events`, `hosts`, `masters`, `operator`, `time`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
}

/// Somebody who contributes a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contributor {
    /// What it is: `task`, `agent`, `framework`, `masters`, `server` or `static`.
    pub kind: String,
    /// The task's id and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Named>,
    /// The framework's id and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework: Option<Named>,
    /// The agent's id and host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Named>,
    /// The rules by which it contributes the record.
    pub why: Vec<Step>,
    /// Addresses that were considered for it, and why they are not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_taken: Vec<Step>,
}

/// An id with the name that goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// The name, raw.
    pub name: String,
}

/// Something that would stand at the name but for rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dropped {
    /// The data that the record would have; `None`: there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The rules that leave it out: all of them have to change.
    pub but_for: Vec<Step>,
    /// Whose it would be, and what else holds for it.
    pub candidate: Contributor,
}

/// Who is asked for a name that is not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Forward {
    /// The name that is asked for.
    pub name: String,
    /// The suffix that decides; `None`: no zone of its own is set for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The servers, in the order in which they are asked.
    pub servers: Vec<String>,
}

/// A name that is there and nearly the one asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NearMiss {
    /// The name.
    pub name: String,
    /// What it was made of, as somebody wrote it.
    pub written: String,
}

/// A problem that touches the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trouble {
    /// Its kind.
    pub kind: String,
    /// What that means.
    pub reason: String,
    /// The names concerned.
    pub names: Vec<String>,
}

impl Step {
    /// A rule and what it says.
    pub(super) fn new(rule: &str, says: &str) -> Self {
        Self { rule: rule.to_owned(), says: says.to_owned(), ..Self::default() }
    }

    /// The same with the value that it decided by.
    pub(super) fn by(self, value: impl ToString) -> Self {
        Self { value: Some(value.to_string()), ..self }
    }

    /// The same with the key that governs it.
    pub(super) fn set_by(self, key: &str) -> Self {
        Self { setting: Some(key.to_owned()), ..self }
    }
}
