//! The log of a cluster: what happened, in order, each fact with the values of its moment.
//!
//! Facts are what is so, not what anybody is told: which of them a master hears of, and what it tells its
//! subscribers then, decides its [`Memory`](crate::memory::Memory).

use std::{mem, sync::Arc};

use super::{Agent, Framework, State, Status, Task};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A task was launched.
    Launched(Arc<Task>),
    /// Something was reported of a task.
    Reported(Report),
    /// A new agent registered.
    AgentJoined {
        /// Its index.
        at: usize,
        /// The agent.
        agent: Arc<Agent>,
    },
    /// An agent that had been cut off registered again.
    AgentBack {
        /// Its index.
        at: usize,
        /// The agent.
        agent: Arc<Agent>,
        /// Its tasks.
        tasks: Vec<Arc<Task>>,
    },
    /// An agent went in good order, or was removed.
    AgentLeft {
        /// Its index.
        at: usize,
        /// The agent.
        agent: Arc<Agent>,
    },
    /// A scheduler subscribed for the first time.
    FrameworkJoined {
        /// Its index.
        at: usize,
        /// The framework.
        framework: Framework,
    },
    /// A scheduler subscribed again, or its framework calls itself otherwise.
    FrameworkChanged {
        /// Its index.
        at: usize,
        /// The framework.
        framework: Framework,
    },
    /// A framework was torn down.
    FrameworkLeft {
        /// Its index.
        at: usize,
        /// The framework.
        framework: Framework,
    },
}

/// A report on a task, and what was known before it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The task afterwards; its state is the latest its agent knows.
    pub task: Arc<Task>,
    /// What was reported.
    pub status: Status,
    /// The task's state before.
    pub before: State,
    /// The state of the last report before.
    pub last_told: Option<State>,
}

/// Facts that nobody has taken yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    facts: Vec<Fact>,
    recording: bool,
}

impl Log {
    pub(super) fn record(&mut self) {
        self.recording = true;
    }

    /// Makes and keeps a fact if anybody will read it.
    pub(super) fn note(&mut self, fact: impl FnOnce() -> Fact) {
        if self.recording {
            self.facts.push(fact());
        }
    }

    pub(super) fn drain(&mut self) -> Vec<Fact> {
        mem::take(&mut self.facts)
    }
}
