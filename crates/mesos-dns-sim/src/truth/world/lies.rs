//! A settled leader that leaves out what lives.

use std::time::Duration;

use super::{Lie, World};
use crate::render::Knowledge;

/// Longest time for which a leader leaves tasks out that live. Two documents half a minute apart that agree
/// are believed, and must be.
pub(super) const LIE_MAX: Duration = Duration::from_secs(20);

impl World {
    /// Only a leader that knew everything can leave much out without being believed; and not again before
    /// everybody must have seen that it said all.
    pub(super) fn may_lie(&self, lie: Lie, now: Duration) -> bool {
        let bounds = &self.log.bounds;
        let rest = bounds.quiet + bounds.agree;
        let quiet = self.last_lie.is_none_or(|last| last + rest < now);
        let hurt = self
            .log
            .troubles
            .iter()
            .map(|trouble| trouble.until)
            .any(|until| until.saturating_add(rest) > now);
        self.lie.is_none() && quiet && !hurt && self.is_settled_for(lie)
    }

    /// Whether the leader knows everything, and it is so much that leaving this out shows.
    pub(super) fn is_settled_for(&self, lie: Lie) -> bool {
        let reachable = self.cluster.agents.iter().all(|agent| agent.is_registered());
        self.stage.answers()
            && self.stage.knowledge == Knowledge::Everything
            && reachable
            && (lie == Lie::Empty || self.services.has_chaff(&self.cluster))
    }

    /// The leader's list of agents it waits for may be read again only now.
    pub(super) fn end_lie(&mut self, now: Duration) {
        if self.lie.take().is_some() {
            self.last_lie = Some(now);
            self.waiting.iter_mut().flatten().for_each(|since| *since = now);
        }
    }
}
