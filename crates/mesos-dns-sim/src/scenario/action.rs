//! What a step of a scenario may do.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    catalogue::Flavour,
    master::{Fault, seconds},
};

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
    /// A framework gets one more service, behind all others, and launches a task of it.
    AddService {
        /// Of which framework.
        framework: usize,
        /// What its tasks are called: anything.
        name: String,
        /// What they are called in discovery.
        #[serde(default)]
        discovery: Option<String>,
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
    /// Agents are drained: deactivated, and their tasks killed.
    DrainAgents(Vec<usize>),
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
    Assorted,
    Aurora,
    Chronos,
    Marathon,
    Sdk,
}

impl From<Manner> for Flavour {
    fn from(manner: Manner) -> Self {
        match manner {
            Manner::Assorted => Self::Assorted,
            Manner::Aurora => Self::Aurora,
            Manner::Chronos => Self::Chronos,
            Manner::Marathon => Self::Marathon,
            Manner::Sdk => Self::Sdk,
        }
    }
}
