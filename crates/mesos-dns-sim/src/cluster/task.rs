//! Tasks and what is reported of them.

use std::{net::IpAddr, time::Duration};

/// States a task goes through here, in the order of a usual life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    Staging,
    Starting,
    Running,
    Killing,
    Unreachable,
    Finished,
    Failed,
    Killed,
    Lost,
    GoneByOperator,
}

/// Who made a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The task's executor.
    Executor,
    /// The master itself, which knows no container.
    Master,
}

/// Why a report was made, where Mesos says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    AgentRemoved,
    FrameworkRemoved,
    /// A health check had a result, the same as before or another.
    Health,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Number of its launch, unique.
    pub launch: u64,
    /// Task id.
    pub id: String,
    /// Index of its service.
    pub service: usize,
    /// Index of its agent.
    pub agent: usize,
    /// Latest state.
    pub state: State,
    /// Ports of the agent that it was given, in the order of the service's ports.
    pub ports: Vec<u16>,
    /// Where its container listens.
    pub addresses: Vec<IpAddr>,
    /// Id of its container.
    pub container: String,
    /// Last result of its health check.
    pub healthy: Option<bool>,
    /// What was reported, oldest first.
    pub statuses: Vec<Status>,
}

/// One report on a task.
#[derive(Clone, Debug)]
pub struct Status {
    /// The state reported.
    pub state: State,
    /// When.
    pub at: Duration,
    /// The addresses as known then; none in what the master itself reports.
    pub addresses: Vec<IpAddr>,
    /// Health as known then.
    pub healthy: Option<bool>,
    /// Who says so.
    pub source: Source,
    /// Why.
    pub reason: Option<Reason>,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Staging,
        Self::Starting,
        Self::Running,
        Self::Killing,
        Self::Unreachable,
        Self::Finished,
        Self::Failed,
        Self::Killed,
        Self::Lost,
        Self::GoneByOperator,
    ];

    /// The name Mesos gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "TASK_STAGING",
            Self::Starting => "TASK_STARTING",
            Self::Running => "TASK_RUNNING",
            Self::Killing => "TASK_KILLING",
            Self::Unreachable => "TASK_UNREACHABLE",
            Self::Finished => "TASK_FINISHED",
            Self::Failed => "TASK_FAILED",
            Self::Killed => "TASK_KILLED",
            Self::Lost => "TASK_LOST",
            Self::GoneByOperator => "TASK_GONE_BY_OPERATOR",
        }
    }

    /// Whether nothing follows.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed | Self::Lost | Self::GoneByOperator)
    }
}
