//! Scenarios: what happens to a cluster and its masters, and when, as data.
//!
//! A scenario is a JSON object; those in `test-data/scenarios/` are played by the tests, and any by
//! `sim-cluster --scenario FILE`.
//!
//! | member | default | |
//! | --- | --- | --- |
//! | `about` | | one sentence: what this shows |
//! | `tasks` | | tasks to start with; 40 to an agent, three agents at least |
//! | `seed` | 1 | all chance comes from it |
//! | `churn` | 0 | events per second that happen by themselves |
//! | `masters` | 2 | the first of them leads from the beginning |
//! | `profile` | `"1.11"` | which Mesos: [`Profile`] |
//! | `heartbeat` | 15 | seconds between heartbeats |
//! | `subscribers_max` | 1000 | streams at once |
//! | `steps` | | a list of `{"at": SECONDS, "do": ACTION}` |
//!
//! Times count from the start. An action is a word (`"depose"`) or an object of one member
//! (`{"lose_agents": [1]}`): the variants of [`Action`], in lower case. Agents, frameworks, services and masters are
//! named by their index from 0; a task by its service, of which the oldest living task is meant.

mod player;

use std::time::Duration;

use serde::Deserialize;

pub use player::{Player, Told};

use crate::{
    catalogue::Flavour,
    master::{Beat, Fault, Settings, seconds},
    profile::Profile,
};

/// Most agents, frameworks or tasks that a step may name or make.
const COUNT_MAX: usize = 1_000_000;

/// A scenario as it was written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What this shows.
    pub about: String,
    /// Tasks to start with.
    pub tasks: usize,
    /// The source of all chance.
    #[serde(default = "one")]
    pub seed: u64,
    /// Events per second that happen by themselves.
    #[serde(default)]
    pub churn: f64,
    /// How many masters there are.
    #[serde(default = "two")]
    pub masters: usize,
    /// Which Mesos.
    #[serde(default)]
    pub profile: Profile,
    /// Time between heartbeats.
    #[serde(default = "fifteen", deserialize_with = "seconds")]
    pub heartbeat: Duration,
    /// Streams at once.
    #[serde(default = "thousand")]
    pub subscribers_max: usize,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, from the start.
    #[serde(deserialize_with = "seconds")]
    pub at: Duration,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// New agents register, so many.
    AddAgents(usize),
    /// A scheduler subscribes for the first time, and launches a task of each of its services.
    AddFramework {
        /// Its name.
        name: String,
        /// Its manner of naming.
        manner: Manner,
        /// How many services it has; they come behind all others.
        services: usize,
    },
    /// These agents come back to a new leader that waits for them.
    AgentsBack(Vec<usize>),
    /// Every stream gets a heartbeat.
    Beat,
    /// The agents that a new leader waits for come back, one each so often; then the schedulers.
    ComeBack {
        /// Time between two of them.
        #[serde(deserialize_with = "seconds")]
        every: Duration,
        /// Agents that do not.
        #[serde(default)]
        never: Vec<usize>,
    },
    /// An operator keeps new tasks away from agents.
    Deactivate(Vec<usize>),
    /// Nobody leads any more.
    Depose,
    /// A scheduler disconnects.
    DisconnectFramework(usize),
    /// A master is elected, and has not read the registry.
    Elect(usize),
    /// A task ends, well or badly.
    End {
        /// A task of this service.
        service: usize,
        /// Whether it ends well.
        well: bool,
    },
    /// The oldest stream ends, as when somebody subscribes who is one too many.
    Evict,
    /// A master misbehaves from now on, or for so many requests.
    Fault {
        /// Which master.
        master: usize,
        /// What it does; `none` ends it.
        fault: Fault,
        /// For so many requests.
        #[serde(default)]
        requests: Option<u32>,
    },
    /// A health check has a result.
    Health {
        /// A task of this service.
        service: usize,
        /// What the check found.
        healthy: bool,
    },
    /// The connections of agents break.
    Interrupt(Vec<usize>),
    /// A master dies.
    Kill(usize),
    /// A task is launched.
    Launch {
        /// Of this service.
        service: usize,
        /// With this id instead of one in the framework's manner.
        #[serde(default)]
        id: Option<String>,
    },
    /// Agents are cut off; their tasks become unreachable.
    LoseAgents(Vec<usize>),
    /// An operator declares agents gone.
    MarkGone(Vec<usize>),
    /// A new leader has read the registry.
    Recover,
    /// A scheduler subscribes again.
    ReconnectFramework(usize),
    /// The machines of agents start over: old ids are removed, new ones register.
    Reincarnate(Vec<usize>),
    /// Agents go for good.
    RemoveAgents(Vec<usize>),
    /// A framework calls itself otherwise.
    RenameFramework {
        /// Which.
        framework: usize,
        /// Its name from now on.
        name: String,
    },
    /// A running task says again that it runs.
    RepeatRunning {
        /// A task of this service.
        service: usize,
    },
    /// An agent's process is restarted.
    RestartAgent {
        /// Which.
        agent: usize,
        /// Where it listens from now on.
        port: u16,
    },
    /// Agents that were cut off come back.
    ReturnAgents(Vec<usize>),
    /// A dead master is started again.
    Revive(usize),
    /// These schedulers come back to a new leader.
    SchedulersBack(Vec<usize>),
    /// A task is killed.
    Stop {
        /// A task of this service.
        service: usize,
    },
    /// A framework is torn down.
    TearDown(usize),
}

/// How a framework names things, as scenarios write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Manner {
    Aurora,
    Chronos,
    Marathon,
    Sdk,
}

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is no JSON, or not of the right form; the source says where.
    #[error("scenario is malformed")]
    Malformed(#[source] serde_json::Error),
    /// It asks for too much or too little.
    #[error("`{member}` is {value}; it may be {range}")]
    OutOfRange {
        /// Which member.
        member: &'static str,
        /// What stands there.
        value: f64,
        /// What may stand there.
        range: &'static str,
    },
    /// A step names something that does not exist then.
    #[error("step at {} s: there is no {what} {index}", .at.as_secs_f64())]
    Unknown {
        /// When.
        at: Duration,
        /// What is named.
        what: &'static str,
        /// Which one.
        index: usize,
    },
    /// A master's port cannot be had again.
    #[error("step at {} s: master {master} cannot listen", .at.as_secs_f64())]
    Port {
        /// When.
        at: Duration,
        /// Which master.
        master: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// It is malformed, or a number is out of range. Whether the things it names exist shows when it is played.
    pub fn read(json: &[u8]) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_json::from_slice(json).map_err(ScenarioError::Malformed)?;
        let range = |member, value: f64, range, right: bool| match right {
            true => Ok(()),
            false => Err(ScenarioError::OutOfRange { member, value, range }),
        };
        range("tasks", scenario.tasks as f64, "up to a million", scenario.tasks <= COUNT_MAX)?;
        range("masters", scenario.masters as f64, "1 to 100", (1..=100).contains(&scenario.masters))?;
        range("churn", scenario.churn, "0 to 100000", (0.0..=1e5).contains(&scenario.churn))?;
        let heartbeat = scenario.heartbeat;
        range("heartbeat", heartbeat.as_secs_f64(), "0.001 and more", heartbeat >= Duration::from_millis(1))?;
        let most = scenario.subscribers_max;
        range("subscribers_max", most as f64, "1 and more", most > 0)?;
        for step in &scenario.steps {
            let count = match &step.action {
                Action::AddAgents(count) => *count,
                Action::AddFramework { services, .. } => *services,
                _ => 0,
            };
            range("do", count as f64, "up to a million", count <= COUNT_MAX)?;
        }
        Ok(scenario)
    }

    /// How to start the masters: on these ports, as far as they go, and on free ones.
    pub fn settings(&self, ports: &[u16]) -> Settings {
        let free = std::iter::repeat(0);
        Settings {
            ports: ports.iter().copied().chain(free).take(self.masters).collect(),
            profile: self.profile,
            beat: Beat::Every(self.heartbeat),
            subscribers_max: self.subscribers_max,
            ..Settings::default()
        }
    }
}

impl From<Manner> for Flavour {
    fn from(manner: Manner) -> Self {
        match manner {
            Manner::Aurora => Self::Aurora,
            Manner::Chronos => Self::Chronos,
            Manner::Marathon => Self::Marathon,
            Manner::Sdk => Self::Sdk,
        }
    }
}

fn one() -> u64 {
    1
}

fn two() -> usize {
    2
}

fn fifteen() -> Duration {
    Duration::from_secs(15)
}

fn thousand() -> usize {
    1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        let error = Scenario::read(json.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    }

    #[test]
    fn a_scenario_is_read_with_its_defaults() {
        let json = br#"{"about": "x", "tasks": 5, "profile": "1.5.0", "steps": [
            {"at": 1, "do": "depose"},
            {"at": 1.5, "do": {"come_back": {"every": 0.25}}},
            {"at": 2, "do": {"fault": {"master": 0, "fault": {"drip": {"every": 0.001}}, "requests": 1}}},
            {"at": 2, "do": {"fault": {"master": 0, "fault": "none"}}}
        ]}"#;
        let scenario = Scenario::read(json).unwrap();
        assert_eq!((scenario.seed, scenario.masters, scenario.profile), (1, 2, Profile::V1_5));
        assert_eq!(
            scenario.steps[1].action,
            Action::ComeBack { every: Duration::from_millis(250), never: vec![] }
        );
        assert_eq!(scenario.settings(&[5050]).ports, [5050, 0]);
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (json, expected) in [
            ("{", "scenario is malformed: EOF"),
            (
                r#"{"about": "x", "tasks": 1, "steps": [], "speed": 2}"#,
                "unknown field `speed`, expected one of",
            ),
            (
                r#"{"about": "x", "tasks": 1, "steps": [{"at": 1, "do": "explode"}]}"#,
                "unknown variant `explode`",
            ),
            (
                r#"{"about": "x", "tasks": 1, "steps": [{"at": -1, "do": "beat"}]}"#,
                "-1 is no number of seconds",
            ),
            (
                r#"{"about": "x", "tasks": 1, "steps": [{"at": 1, "do": {"lose_agents": 1}}]}"#,
                "expected a sequence",
            ),
            (r#"{"about": "x", "tasks": 1e9, "steps": []}"#, "scenario is malformed"),
            (
                r#"{"about": "x", "tasks": 2000000, "steps": []}"#,
                "`tasks` is 2000000; it may be up to a million",
            ),
            (
                r#"{"about": "x", "tasks": 1, "masters": 0, "steps": []}"#,
                "`masters` is 0; it may be 1 to 100",
            ),
            (
                r#"{"about": "x", "tasks": 1, "profile": "2.0", "steps": []}"#,
                "unknown variant `2.0`, expected one of `1.11`",
            ),
        ] {
            assert!(error(json).contains(expected), "{json}: {}", error(json));
        }
    }
}
