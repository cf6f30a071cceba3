//! What can happen to a [`World`](super::World).

use crate::{master::Fault, render::Knowledge};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// A service gets its next version, if it has tasks.
    Move(usize),
    /// A service gets tasks, if it has none.
    Begin(usize),
    /// A service's tasks end.
    End(usize),
    /// A check of this task of a service fails, and goes on failing.
    Sicken(usize, usize),
    /// It passes.
    Cure(usize, usize),
    /// A third of all tasks ends at once.
    MassEnd,
    /// And begins again.
    MassBegin,
    /// The framework calls itself something else.
    Rename,
    /// The scheduler of a framework goes on elsewhere.
    MoveScheduler(usize),
    /// It disconnects; its framework's tasks run on.
    Disconnect(usize),
    /// It is back.
    Reconnect(usize),
    /// The passing framework is torn down, with all its tasks.
    TearDown,
    /// Another one of its name subscribes, and has tasks.
    Subscribe,
    /// The leader dies; nobody leads.
    Kill,
    /// The leader loses the lead and lives on.
    Depose,
    /// The next living master leads, knowing so much.
    Elect(Knowledge),
    /// The leader learns so much more.
    Learn(Knowledge),
    /// All dead masters live again, as standbys.
    Revive,
    /// The leader misbehaves.
    Hurt(Fault),
    /// All masters behave.
    Heal,
    /// An agent cannot be reached: its tasks are unreachable.
    Lose(usize),
    /// It can again.
    Return(usize),
    /// A settled leader leaves out what lives.
    Lie(Lie),
    /// It says all again.
    Truth,
    /// Everything is asked, whether or not anything happened.
    Ask,
    /// The program is killed and started again, on the same ports.
    Restart,
}

/// What a lying leader leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Everything.
    Empty,
    /// The tasks of most agents.
    Most,
}

impl Lie {
    /// Agents, the first ones, whose tasks a lie leaves out.
    pub(super) const MOST: usize = 4;
}
