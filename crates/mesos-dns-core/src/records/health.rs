//! Under which names a task is answered, by its state and its health.
//!
//! Whether enough others are healthy is no question of one task: here it says of each record how fit it is, and the
//! [`zone`](crate::zone) decides per name what is answered. Health has been damped before ([`watch::health`]
//! (crate::watch::health)); a pure function cannot know how long something has lasted.

use super::{
    Fitness, Policy,
    extra::{self, Shown},
};
use crate::cluster::{Task, TaskState};

/// What becomes of unhealthy tasks (`health`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// They stay, and a task that is being killed goes at once with all its names, as in the original.
    Ignore,
    /// They go while healthy ones remain.
    Prefer,
    /// They go, and so does a task whose check has not passed yet.
    Require,
}

/// Under which of its names a task is answered, by the reason for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It runs: under all of them.
    Running,
    /// It runs and is unhealthy: under all of them, while too few others are fit.
    Unhealthy,
    /// It is being killed: only under the name that is its alone.
    KillingAlone,
    /// It is unhealthy: only under the name that is its alone.
    UnhealthyAlone,
    /// Its check has not passed yet: only under the name that is its alone.
    UncheckedAlone,
    /// It is being killed: under none.
    Killing,
    /// It does not run, or not any more: under none.
    NotRunning,
}

/// Whether a task is answered at all, under whatever name.
pub fn is_answered(task: &Task, policy: &Policy) -> bool {
    Presence::of(task, policy).is_answered() && !is_invisible(task, policy)
}

/// Whether a task would be answered if it were meant to be seen by more (`visibility`).
pub fn is_hidden(task: &Task, policy: &Policy) -> bool {
    Presence::of(task, policy).is_answered() && is_invisible(task, policy)
}

fn is_invisible(task: &Task, policy: &Policy) -> bool {
    extra::shown(task, policy.extra.visibility) == Shown::Nothing
}

impl Presence {
    /// That of a task.
    ///
    /// One that is being killed may still serve whom it serves, and they find it by its own name until it ends;
    /// nobody new shall come.
    pub(crate) fn of(task: &Task, policy: &Policy) -> Self {
        let is_unhealthy = task.healthy == Some(false);
        match (task.state, policy.health) {
            (TaskState::Running, Health::Ignore) => Self::Running,
            (TaskState::Running, Health::Prefer) if is_unhealthy => Self::Unhealthy,
            (TaskState::Running, Health::Prefer) => Self::Running,
            // Unknown is not unhealthy: without a check there will never be a result.
            (TaskState::Running, Health::Require) => match task.healthy {
                Some(false) => Self::UnhealthyAlone,
                None if task.is_checked => Self::UncheckedAlone,
                None | Some(true) => Self::Running,
            },
            (TaskState::Killing, Health::Prefer | Health::Require) => Self::KillingAlone,
            (TaskState::Killing, Health::Ignore) => Self::Killing,
            _ => Self::NotRunning,
        }
    }

    /// Whether it is answered at all.
    pub(crate) fn is_answered(self) -> bool {
        !matches!(self, Self::Killing | Self::NotRunning)
    }

    /// How fit it is under a name that it shares; `None` if it is not there.
    pub(crate) fn shared(self) -> Option<Fitness> {
        match self {
            Self::Running => Some(Fitness::Fit),
            Self::Unhealthy => Some(Fitness::Unfit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{policy, task};

    #[test]
    fn state_and_health_decide_where_a_task_is_answered() {
        let (fit, unfit) = (Some(Some(Fitness::Fit)), Some(Some(Fitness::Unfit)));
        let (alone, nowhere) = (Some(None), None);
        // The state, whether there is a check, its result; where it is under ignore, prefer and require.
        for (state, is_checked, healthy, expected) in [
            (TaskState::Running, false, None, [fit, fit, fit]),
            (TaskState::Running, false, Some(true), [fit, fit, fit]),
            // Masters older than 1.8 do not tell that there is a check.
            (TaskState::Running, false, Some(false), [fit, unfit, alone]),
            (TaskState::Running, true, None, [fit, fit, alone]),
            (TaskState::Running, true, Some(true), [fit, fit, fit]),
            (TaskState::Running, true, Some(false), [fit, unfit, alone]),
            (TaskState::Killing, false, None, [nowhere, alone, alone]),
            (TaskState::Killing, true, Some(true), [nowhere, alone, alone]),
            (TaskState::Killing, true, Some(false), [nowhere, alone, alone]),
            (TaskState::Staging, true, None, [nowhere; 3]),
            (TaskState::Starting, false, Some(true), [nowhere; 3]),
            (TaskState::Unreachable, false, Some(true), [nowhere; 3]),
            (TaskState::Other, false, Some(true), [nowhere; 3]),
        ] {
            let task = Task { state, is_checked, healthy, ..task("t", "web", "f", "a") };
            let found = [Health::Ignore, Health::Prefer, Health::Require].map(|health| {
                let policy = Policy { health, ..policy() };
                let presence = Presence::of(&task, &policy);
                assert_eq!(is_answered(&task, &policy), presence.is_answered());
                presence.is_answered().then(|| presence.shared())
            });
            assert_eq!(found, expected, "{state:?}, check: {is_checked}, healthy: {healthy:?}");
        }
    }
}
