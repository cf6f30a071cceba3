//! What a simulated server holds and does wrong, as data.
//!
//! A scene is a JSON object; `sim-upstream --scene FILE` plays any, and some stand in `test-data/upstream/`.
//!
//! | member | default | |
//! | --- | --- | --- |
//! | `about` | | one sentence: what this shows |
//! | `seed` | 1 | all chance comes from it |
//! | `zones` | none | what is known: a list of [`Zone`]; all else is refused |
//! | `rules` | none | what goes wrong: a list of [`Rule`] |
//! | `udp_bytes_max` | 1232 | largest datagram, whatever larger size the asker takes |
//! | `tcp` | true | whether connections are accepted |
//!
//! A zone has a name, `zone`, and `records` as a zone file has them, a line each. If it is `made`, every other name in
//! it exists too, and says itself what is there (the table is in the head of `made.rs`); `ttl` (60) and `negative_ttl`
//! (30) are those of what is made.
//!
//! A rule says for which queries it holds, and the fault (the table in the head of `fault.rs`):
//!
//! | member | default | |
//! | --- | --- | --- |
//! | `name` | `"*"` | this name; `*.zone` for those below; `*` for all |
//! | `transport` | any | `udp`, `tcp` or `tls` |
//! | `edns` | any | whether there is an OPT record |
//! | `after` | 0 | so many of these queries go unharmed first |
//! | `times` | all | so many are harmed then |
//! | `share` | 1 | of these, the part that is harmed, by chance |
//! | `fault` | | what happens |
//!
//! All rules that hold act, in their order.

use serde::Deserialize;

use super::{fault::Fault, query::Transport};

/// A scene as it was written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What this shows.
    #[serde(default)]
    pub about: String,
    /// The source of all chance.
    #[serde(default = "one")]
    pub seed: u64,
    /// What is known.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// What goes wrong.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Largest datagram.
    #[serde(default = "payload")]
    pub udp_bytes_max: usize,
    /// Whether connections are accepted.
    #[serde(default = "yes")]
    pub tcp: bool,
}

/// A zone of the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its name; empty for the root.
    pub zone: String,
    /// Its records, as in a zone file.
    #[serde(default)]
    pub records: Vec<String>,
    /// Whether all other names are made up.
    #[serde(default)]
    pub made: bool,
    /// TTL of what is made up.
    #[serde(default = "minute")]
    pub ttl: u32,
    /// TTL of the SOA that is made up.
    #[serde(default = "half_minute")]
    pub negative_ttl: u32,
}

/// What goes wrong, and with which queries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which names.
    #[serde(default = "every")]
    pub name: String,
    /// Which way they come.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// With or without EDNS.
    #[serde(default)]
    pub edns: Option<bool>,
    /// How many go unharmed first.
    #[serde(default)]
    pub after: u64,
    /// How many are harmed then.
    #[serde(default)]
    pub times: Option<u64>,
    /// The part of these that is harmed.
    #[serde(default = "whole")]
    pub share: f64,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// This fault, whatever is asked.
    pub fn always(fault: Fault) -> Self {
        Self::of("*", fault)
    }

    /// This fault for these names.
    pub fn of(name: impl Into<String>, fault: Fault) -> Self {
        Self { name: name.into(), transport: None, edns: None, after: 0, times: None, share: 1.0, fault }
    }
}

/// Why a scene cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// It is no JSON, or not of the right form; the source says where.
    #[error("scene is malformed")]
    Malformed(#[source] serde_json::Error),
    /// A name is none.
    #[error("{name:?} is no name: {why}")]
    Name {
        /// What stands there.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Records of a zone are none.
    #[error("records of {zone:?}: {why}")]
    Records {
        /// Which zone, or what they are added to.
        zone: String,
        /// What is wrong, and where.
        why: String,
    },
}

impl Scene {
    /// Reads a scene.
    ///
    /// # Errors
    ///
    /// [`SceneError::Malformed`]; what is in it is read when a server starts.
    pub fn read(json: &[u8]) -> Result<Self, SceneError> {
        serde_json::from_slice(json).map_err(SceneError::Malformed)
    }

    /// A resolver without faults: `example.test` with records of many kinds, and `made.test` with whatever names.
    pub fn ordinary() -> Self {
        let text = include_bytes!("../../../../test-data/upstream/ordinary.json");
        Self::read(text).expect("the tests have read it")
    }

    /// The same with these rules.
    pub fn with(self, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { rules: rules.into_iter().collect(), ..self }
    }
}

fn one() -> u64 {
    1
}

fn payload() -> usize {
    1232
}

fn yes() -> bool {
    true
}

fn minute() -> u32 {
    60
}

fn half_minute() -> u32 {
    30
}

fn every() -> String {
    "*".to_owned()
}

fn whole() -> f64 {
    1.0
}
