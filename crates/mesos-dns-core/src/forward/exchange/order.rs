//! Who is next, and when.

use std::time::{Duration, Instant};

use super::{
    Exchange, PATIENCE_ILL, TRY_MIN,
    turn::{Candidate, Try, Turn, Why},
};
use crate::forward::{health::Standing, later, resolved::Resolved};

impl Exchange<'_> {
    /// Whether there is a turn left, and time for it.
    pub(super) fn can_ask(&self, now: Instant) -> bool {
        !(self.urgent.is_empty() && self.waiting.is_empty()) && later(now, TRY_MIN) <= self.end
    }

    /// The turn that is due now, if any.
    pub(super) fn next_turn(&mut self, now: Instant, hedge: impl FnOnce() -> bool) -> Option<Turn> {
        if let Some(turn) = self.urgent.pop_front() {
            return Some(turn);
        }
        if self.denial.is_some() {
            return None;
        }
        let turn = *self.waiting.front()?;
        let all = |passed: fn(&Try) -> Instant| {
            self.open.iter().filter(|open| open.holds(&turn)).all(|open| passed(open) <= now)
        };
        if all(|open| open.overdue) {
            self.waiting.pop_front();
            return Some(turn);
        }
        if !self.may_hedge || !self.is_hedge(&turn) || !all(|open| open.usual) {
            return None;
        }
        self.may_hedge = false;
        if !hedge() {
            return None;
        }
        self.waiting.pop_front();
        Some(Turn { why: Why::Early, ..turn })
    }

    /// How long the next server waits for this turn's.
    pub(super) fn patience(&self, turn: &Turn, candidate: &Candidate) -> Duration {
        let is_ill = candidate.outlook.standing == Standing::Ill && turn.round == 1;
        if is_ill && self.waiting.front().is_some_and(|next| next.round == 1) {
            return PATIENCE_ILL.min(self.share);
        }
        candidate.outlook.patience.saturating_mul(turn.round_factor()).min(self.share)
    }

    /// Whether this turn could go early: to a well server that was not asked yet.
    pub(super) fn is_hedge(&self, turn: &Turn) -> bool {
        turn.round == 1 && self.is_well(turn)
    }

    /// Whether this turn's server is well.
    pub(super) fn is_well(&self, turn: &Turn) -> bool {
        let well = |candidate: &Candidate| candidate.outlook.standing == Standing::Well;
        self.candidates.get(turn.server).is_some_and(well)
    }

    /// Whether a server said what it cannot do; half an answer is more than that.
    pub(super) fn has_error(&self) -> bool {
        matches!(self.best, Some(Resolved::Reply(_) | Resolved::Code(..)))
    }

    /// Whether there is an error to be told and only ill servers could still do better. They get one turn for
    /// that: else each name that fails would cost the whole budget as long as a server is dead.
    pub(super) fn waits_for_the_ill(&self) -> bool {
        let asks_none = self.urgent.is_empty() && self.waiting.is_empty();
        asks_none && self.has_error() && !self.open.iter().any(|open| self.is_well(&open.turn))
    }
}
