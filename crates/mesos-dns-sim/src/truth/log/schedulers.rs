//! Until when a scheduler's place may be answered. Apart, as documents keep it for other reasons than tasks.

use std::time::Duration;

use super::{Judge, SETTLE, Version};

/// From when until when.
type Span = (Duration, Duration);

impl Judge {
    /// Until when a framework's scheduler may be where it was before `next`.
    pub(super) fn of_scheduler(&self, of: usize, next: &Version) -> Duration {
        if let Some(since) = next.waited {
            return self.unreturned(since, next.born);
        }
        let spans: Vec<Span> = self.hidden(of).collect();
        self.settle(next.born, self.fresh_after(next.born), &spans, Duration::ZERO)
    }

    /// Whether what was said before a moment may stand beside what is said after it: something was in the way.
    pub fn lingers(&self, born: Duration, deadline: Duration) -> bool {
        deadline > self.fresh_after(born)
    }

    /// Until when a scheduler may be named that did not return: each reign waits for it anew, and for agents, and
    /// what ends the waiting is told by nobody.
    fn unreturned(&self, since: Duration, born: Duration) -> Duration {
        let agents = self.agents.iter().map(|(_, from, until)| (*from, *until));
        let spans: Vec<Span> = self.away.iter().chain(&self.doubtful).copied().chain(agents).collect();
        let seen = |elected: Duration| self.of_leader(elected).saturating_add(SETTLE).max(born);
        let gone = |seen: Duration| self.settle(seen, self.fresh_after(seen), &spans, self.more());
        let mut deadline = gone(seen(since)).saturating_add(self.more());
        for elected in self.elections.iter().filter(|elected| **elected > since) {
            if *elected <= deadline {
                deadline = deadline.max(gone(seen(*elected)).saturating_add(self.more()));
            }
        }
        deadline
    }

    /// When it could not be seen where this scheduler is. What a document in doubt left out, no event tells later.
    fn hidden(&self, of: usize) -> impl Iterator<Item = Span> {
        let unknown = self.schedulers.iter().filter(move |(other, ..)| *other == of);
        let unknown = unknown.map(|(_, from, until)| (*from, *until));
        let doubtful = self.doubtful.iter().map(|(from, until)| (*from, until.saturating_add(self.more())));
        self.away.iter().copied().chain(doubtful).chain(unknown)
    }

    /// When a framework that was torn down may be kept: whoever was not told finds it missing in the document of a reign
    /// that settles, or waits for its tasks on agents that are not back.
    pub(super) fn kept(&self, of: usize, at: Duration) -> Vec<(usize, Duration, Duration)> {
        let hidden: Vec<Span> = self.hidden(of).collect();
        let known = |spans: &[Span]| self.settle(at, self.fresh_after(at), spans, Duration::ZERO);
        let is_told = !self.bounds.polls && known(&hidden) <= self.fresh_after(at);
        let agents = self.agents.iter().map(|(_, from, until)| (*from, until.saturating_add(self.more())));
        let agents: Vec<Span> = agents.filter(|_| !is_told).collect();
        let mut known = known(&[hidden, agents.clone()].concat());
        let mut kept = Vec::new();
        for elected in [Duration::ZERO].iter().chain(&self.elections) {
            let settled = self.of_leader(*elected).saturating_add(SETTLE).saturating_add(self.more());
            let is_new = *elected > at;
            if *elected <= known && settled > at && (is_new || !is_told) && *elected > Duration::ZERO {
                known = known.max(self.fresh_after(settled).saturating_add(self.more()));
                kept.push((of, at.max(*elected), settled));
            }
        }
        let agents = agents.into_iter().filter(|(from, until)| *from <= known && *until > at);
        kept.extend(agents.map(|(from, until)| (of, at.max(from), until)));
        kept
    }

    fn fresh_after(&self, at: Duration) -> Duration {
        at.saturating_add(self.bounds.fresh)
    }
}
