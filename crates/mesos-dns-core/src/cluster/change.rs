//! One thing that a master reports while it happens, as values.
//!
//! A state document says how things are, an event what became of one of them. Both end in the same
//! [`Touched`](super::Touched), so nothing behind this room knows which of the two it was.

use std::sync::Arc;

use super::{Agent, Framework, Host, Omission, Task, TaskAddress, TaskState};

/// What one event of the operator API says, as far as names depend on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An agent registered, or did so again: replaces what was known under its id.
    AgentAdded(Agent),
    /// An agent left for good.
    AgentRemoved(Arc<str>),
    /// A framework subscribed, again, or with other information: replaces what was known under its id.
    ///
    /// The operator API does not tell a scheduler's address (`pid`), so host and port of this value mean
    /// nothing: what was known of them stays, and [`Change::FrameworkAt`] tells more.
    FrameworkAdded(Framework),
    /// Where a framework's scheduler is, as another document of the master says.
    FrameworkAt {
        /// The framework's id.
        id: Arc<str>,
        /// See [`Framework::host`].
        host: Option<Host>,
        /// See [`Framework::port`].
        port: Option<u16>,
    },
    /// A framework was torn down, and its tasks with it.
    FrameworkRemoved(Arc<str>),
    /// Something of the event before this could not be used, or nothing of it.
    Omitted(Box<[Omission]>),
    /// A task that has not ended entered its framework: a launch, or its agent came back with it. Replaces
    /// what was known under its ids.
    TaskAdded(Task),
    /// A task ended, or its agent cannot be reached any more.
    TaskEnded {
        /// The framework it belongs to.
        framework_id: Arc<str>,
        /// Its id there.
        id: Box<str>,
    },
    /// Something became known of a task that has not ended.
    TaskUpdated(TaskUpdate),
}

/// What a `TASK_UPDATED` says. It holds neither name nor ports: these are remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskUpdate {
    /// The framework the task belongs to.
    pub framework_id: Arc<str>,
    /// The task's id there.
    pub id: Box<str>,
    /// Latest state known to the agent (`state`, not that of the status, which can be older).
    pub state: TaskState,
    /// What the status says, if it is one of a running task; any other says nothing of addresses and health.
    pub running: Option<RunningStatus>,
}

/// The status of a running task.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStatus {
    /// Result of the health check; `None` means unknown, not unhealthy.
    pub healthy: Option<bool>,
    /// Addresses by source; `None` if the status has no container status (the master made it): those known
    /// before stay.
    pub addresses: Option<Box<[TaskAddress]>>,
}
