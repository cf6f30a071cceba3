//! Under which names a task is answered, by its state and its health.

use super::{Fitness, Policy};
use crate::cluster::{Task, TaskState};

/// What becomes of unhealthy tasks (`health`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// They stay.
    Ignore,
    /// They go while healthy ones remain.
    Prefer,
    /// They go.
    Require,
}

/// Under which of its names a task is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Under all of them.
    Everywhere(Fitness),
    /// Only under the name that is its alone.
    Alone,
}

impl Presence {
    /// That of a task; `None` if it is not answered at all.
    pub(super) fn of(task: &Task, _policy: &Policy) -> Option<Self> {
        (task.state == TaskState::Running).then_some(Self::Everywhere(Fitness::Fit))
    }

    /// How fit it is under a name that it shares; `None` if it is not there.
    pub(super) fn shared(self) -> Option<Fitness> {
        match self {
            Self::Everywhere(fitness) => Some(fitness),
            Self::Alone => None,
        }
    }
}
