//! The masters of a world: who lives, who leads, what the leader has learnt, who misbehaves.

use std::time::Duration;

use crate::{
    master::Fault,
    render::{Face, Knowledge},
};

/// The masters.
#[derive(Clone, Debug)]
pub struct Stage {
    /// By number.
    pub masters: Vec<Seat>,
    /// Who leads; it may be dead.
    pub leader: Option<usize>,
    /// When it was elected.
    pub elected: Duration,
    /// What it has learnt since.
    pub knowledge: Knowledge,
    /// Since when documents of a leader can be read; `None` while none can.
    pub(super) shows_since: Option<Duration>,
}

/// One master.
#[derive(Clone, Debug)]
pub struct Seat {
    /// As others see it.
    pub face: Face,
    /// Whether anybody listens.
    pub is_alive: bool,
    /// What it does wrong.
    pub fault: Fault,
}

impl Stage {
    pub(super) fn new(faces: Vec<Face>) -> Self {
        let seat = |face| Seat { face, is_alive: true, fault: Fault::None };
        Self {
            masters: faces.into_iter().map(seat).collect(),
            leader: Some(0),
            elected: Duration::ZERO,
            knowledge: Knowledge::Everything,
            shows_since: Some(Duration::ZERO),
        }
    }

    /// Whether there is a leader whose documents can be read.
    pub fn answers(&self) -> bool {
        self.leader.is_some_and(|leader| {
            let seat = &self.masters[leader];
            seat.is_alive && seat.fault == Fault::None
        })
    }

    /// Whether documents of a leader can be read, whatever becomes of its streams: enough to learn that somebody was
    /// waited for in vain.
    pub(super) fn shows_documents(&self) -> bool {
        self.leader.is_some_and(|leader| {
            let seat = &self.masters[leader];
            let spares = matches!(seat.fault, Fault::None | Fault::NoHeartbeat | Fault::CutRecord { .. });
            seat.is_alive && spares
        })
    }

    /// Whether somebody who asks any of the masters may be kept waiting.
    pub(super) fn hangs(&self) -> bool {
        let slow = |fault| matches!(fault, Fault::Silent | Fault::Drip { .. } | Fault::HalfOpen { .. });
        self.masters.iter().any(|seat| seat.is_alive && slow(seat.fault))
    }

    pub(super) fn note(&mut self, now: Duration) {
        self.shows_since = self.shows_documents().then(|| self.shows_since.unwrap_or(now));
    }

    pub(super) fn kill(&mut self) {
        if let Some(leader) = self.leader {
            self.masters[leader].is_alive = false;
        }
    }

    /// Lets the next living master lead; false if there is none.
    pub(super) fn elect(&mut self, knowledge: Knowledge, now: Duration) -> bool {
        let count = self.masters.len();
        let first = self.leader.map_or(0, |leader| leader + 1);
        let next =
            (first..first + count).map(|master| master % count).find(|master| self.masters[*master].is_alive);
        let Some(next) = next else { return false };
        (self.leader, self.elected, self.knowledge) = (Some(next), now, knowledge);
        true
    }

    /// A leader does not forget. Tells whether it learnt anything.
    pub(super) fn learn(&mut self, knowledge: Knowledge) -> bool {
        let much = |knowledge| match knowledge {
            Knowledge::Nothing => 0,
            Knowledge::Agents(agents) => agents + 1,
            Knowledge::Everything => usize::MAX,
        };
        let learns = self.leader.is_some() && much(knowledge) > much(self.knowledge);
        if learns {
            self.knowledge = knowledge;
        }
        learns
    }

    /// A master that died leading does not lead when it is back.
    pub(super) fn revive(&mut self) {
        self.leader = self.leader.filter(|leader| self.masters[*leader].is_alive);
        self.masters.iter_mut().for_each(|seat| seat.is_alive = true);
    }

    pub(super) fn hurt(&mut self, fault: Fault) {
        if let Some(leader) = self.leader {
            self.masters[leader].fault = fault;
        }
    }

    pub(super) fn heal(&mut self) {
        self.masters.iter_mut().for_each(|seat| seat.fault = Fault::None);
    }
}
