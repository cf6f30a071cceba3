//! One request after the other: which master to ask, and when.
//!
//! A *round* looks for the leader's document: it tries the candidates, first the one that gave the last
//! document and then in their order, until one gives it.
//! A *try* begins at one candidate and may be sent on, by a redirect or by the `leader` member of a
//! document, to exactly the host and port named there. Only a candidate may send us on, and only
//! candidates get our credentials: a forged answer leads to one request without secrets, no further.
//!
//! Rounds follow each other at the configured period, measured from the end of the one before, so that a
//! slow master is asked less often. After a failed round we back off; a new leader is asked at once, but
//! never within [`ROUND_MIN`] of the last request: a leader that flaps costs each master a connection per
//! second and no more. Masters that know of no leader, or send us on to one where nobody listens, are electing
//! another: that takes seconds, so the pause stays the least one.
//!
//! What is asked for is the state, or a stream of events. A master that has no stream for us is asked for its state
//! in the same round. Once a stream runs there is nothing to search: the search rests until the stream ends
//! ([`subscribe`](super::subscribe) says when), and then goes on at once.
//!
//! Like all state machines here: `handle_*` says what happened, `poll_*` asks what to do.

use std::time::{Duration, Instant};

use super::Master;

/// How often a try may be sent on. Loops are possible while two masters disagree.
pub const HOPS_MAX: usize = 3;

/// Least time from the last request of one round to the start of the next.
pub const ROUND_MIN: Duration = Duration::from_secs(1);

/// Least pause after a failed round; doubles with each further one.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest pause between failed rounds.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Most candidates of a round. Clusters have three to seven masters.
pub const CANDIDATES_MAX: usize = 64;

/// What the operator chose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Pause between the end of one successful round and the start of the next.
    pub refresh: Duration,
    /// Time for one try: connecting, redirects and the body together.
    pub timeout: Duration,
}

/// What a master is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Its state, to compare with what a stream said.
    Comparison,
    /// Its state.
    State,
    /// A stream of events, which begins with the state.
    Stream,
}

/// One request to make now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Whom to ask.
    pub master: Master,
    /// What for.
    pub ask: Ask,
    /// Whether this host may see our credentials.
    pub credentials: Credentials,
    /// When to give up, whatever is happening.
    pub deadline: Instant,
}

/// Whether new candidates come with a new leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    /// Somebody else leads, or the same one after a restart.
    Changed,
    /// As before.
    Same,
}

/// What a host may see of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It is configured, or listed in ZooKeeper.
    Send,
    /// Somebody sent us there.
    Withhold,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The leader's document; the round is over. If given, the next one follows after this time already.
    Found {
        /// Sooner than the refresh period, for example while agents come back.
        again: Option<Duration>,
    },
    /// Nobody listens there.
    Absent,
    /// Not the leader, who is there.
    Elsewhere(Master),
    /// Nothing to be had from this one.
    Failed,
    /// It knows of no leader.
    Leaderless,
    /// The leader, or another master, has no stream for us: it is to be asked for its state.
    NoStream,
    /// The leader's stream, which goes on; the round is over, and so is the search.
    Streaming,
}

/// How long a stream lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Long enough to have been of use.
    Long,
    /// It ended soon after it began.
    Short,
}

/// What becomes of the try after an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The leader was found.
    Done,
    /// The next request goes to the same master, for its state.
    Again,
    /// The next request goes to the master named in the outcome.
    Follow,
    /// The next candidate is due. So it is if a master sent us on once too often, in a circle, or may not
    /// send us on at all.
    Next,
    /// As for [`Step::Next`], and there is no other candidate: the round has failed.
    Failed,
}

/// The state of the search. See the head of this file.
#[derive(Debug)]
pub struct Poll {
    settings: Settings,
    candidates: Vec<Master>,
    round: Option<Round>,
    /// When the last request was made.
    asked: Option<Instant>,
    /// When the next round may begin; `None` while there is nobody to ask or a round is running.
    due: Option<Instant>,
    failures: u32,
    /// The candidate that gave the last document: it is tried first.
    found: Option<Master>,
    /// Whether a stream runs and nothing is searched for.
    rests: bool,
}

/// A round that is running.
#[derive(Debug)]
struct Round {
    began: Instant,
    /// Which candidate is tried next.
    next: usize,
    /// Whom this round has asked, each at most once.
    asked: Vec<Master>,
    hops: usize,
    /// What it saw of the masters besides.
    seen: Seen,
    ask: Ask,
    deadline: Instant,
    /// The request that is due or running.
    state: State,
}

/// What tells an election from a master in trouble.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// A candidate knew of no leader, or of another one than itself.
    led_elsewhere: bool,
    /// A master that was there had nothing for us.
    failed: bool,
}

#[derive(Debug)]
enum State {
    Due(Master),
    Running(Master),
}

impl Poll {
    /// Nobody to ask yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            candidates: Vec::new(),
            round: None,
            asked: None,
            due: None,
            failures: 0,
            found: None,
            rests: false,
        }
    }

    /// Whether a request is running whose outcome is to be reported.
    pub fn is_asking(&self) -> bool {
        matches!(&self.round, Some(Round { state: State::Running(_), .. }))
    }

    /// New candidates, the presumed leader first. If the leader is another one than before, the running
    /// request or stream is to be given up and the new leader asked at once.
    pub fn handle_masters(&mut self, mut candidates: Vec<Master>, leader: Leader, now: Instant) {
        candidates.truncate(CANDIDATES_MAX);
        self.candidates = candidates;
        let is_busy = self.rests || self.round.is_some() || self.due.is_some();
        if leader == Leader::Same && is_busy {
            return;
        }
        self.round = None;
        self.found = None;
        self.rests = false;
        let earliest = self.asked.map_or(now, |asked| after(asked, ROUND_MIN));
        self.due = (!self.candidates.is_empty()).then_some(earliest.max(now));
        self.failures = 0;
    }

    /// The state is wanted at once, if no request runs.
    pub fn handle_wish(&mut self, now: Instant) {
        if let Some(due) = &mut self.due {
            let earliest = self.asked.map_or(now, |asked| after(asked, ROUND_MIN));
            *due = (*due).min(earliest.max(now));
        }
    }

    /// A comparison was asked for outside of a round: requests keep their distance to it.
    pub fn handle_comparison(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// How the running request ended. `dice` are random bits, for the back-off.
    pub fn handle_outcome(&mut self, outcome: Outcome, now: Instant, dice: u64) -> Step {
        let Some(Round { state: State::Running(asked), .. }) = &self.round else { return Step::Next };
        let asked = asked.clone();
        self.see(&asked, &outcome);
        match outcome {
            Outcome::Found { again } => {
                self.finish(asked, again, now);
                Step::Done
            }
            Outcome::Elsewhere(leader) if self.may_follow(&asked, &leader) => {
                self.follow(leader);
                Step::Follow
            }
            Outcome::Absent | Outcome::Elsewhere(_) | Outcome::Failed | Outcome::Leaderless => {
                self.next_candidate(now, dice)
            }
            Outcome::NoStream => {
                self.ask_for_state(asked, now);
                Step::Again
            }
            Outcome::Streaming => {
                self.round = None;
                self.failures = 0;
                self.found = Some(asked);
                self.rests = true;
                Step::Done
            }
        }
    }

    /// The stream ended: the search goes on at once, or after a pause if the stream was of no use.
    pub fn handle_stream_end(&mut self, life: Life, now: Instant, dice: u64) {
        if !std::mem::take(&mut self.rests) {
            return;
        }
        let earliest = self.asked.map_or(now, |asked| after(asked, ROUND_MIN));
        self.due = Some(match life {
            Life::Long => earliest.max(now),
            Life::Short => after(now, self.next_backoff(dice)),
        });
    }

    /// The request to make now, if any; a new round asks for `wanted`. The caller makes it and then reports its
    /// outcome.
    pub fn poll_transmit(&mut self, wanted: Ask, now: Instant) -> Option<Fetch> {
        if self.round.is_none() && self.due.is_some_and(|due| due <= now) {
            self.begin(wanted, now);
        }
        let State::Due(master) = &self.round.as_ref()?.state else { return None };
        let master = master.clone();
        let known = self.is_candidate(&master);
        let round = self.round.as_mut()?;
        self.asked = Some(now);
        round.asked.push(master.clone());
        round.state = State::Running(master.clone());
        let credentials = if known { Credentials::Send } else { Credentials::Withhold };
        Some(Fetch { master, ask: round.ask, credentials, deadline: round.deadline })
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) next. `None`: after the next `handle_*`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.round {
            None => self.due,
            Some(Round { state: State::Due(_), began, .. }) => Some(*began),
            Some(Round { state: State::Running(_), .. }) => None,
        }
    }

    fn begin(&mut self, ask: Ask, now: Instant) {
        self.due = None;
        let first = self.found.as_ref().filter(|found| self.is_candidate(found));
        let Some(first) = first.or(self.candidates.first()).cloned() else { return };
        let deadline = after(now, self.settings.timeout);
        let state = State::Due(first);
        self.round = Some(Round {
            began: now,
            next: 0,
            asked: Vec::new(),
            hops: 0,
            seen: Seen::default(),
            ask,
            deadline,
            state,
        });
    }

    fn see(&mut self, asked: &Master, outcome: &Outcome) {
        let is_candidate = self.is_candidate(asked);
        let Some(round) = &mut self.round else { return };
        round.seen.led_elsewhere |=
            is_candidate && matches!(outcome, Outcome::Elsewhere(_) | Outcome::Leaderless);
        round.seen.failed |= *outcome == Outcome::Failed;
    }

    /// Asks the same master again, for its state.
    fn ask_for_state(&mut self, master: Master, now: Instant) {
        let deadline = after(now, self.settings.timeout);
        if let Some(round) = &mut self.round {
            round.asked.retain(|asked| asked.at != master.at);
            (round.ask, round.deadline, round.state) = (Ask::State, deadline, State::Due(master));
        }
    }

    fn is_candidate(&self, master: &Master) -> bool {
        self.candidates.iter().any(|candidate| candidate.at == master.at)
    }

    /// Whether a master may send us there: only a candidate, not for ever, and not in a circle.
    fn may_follow(&self, from: &Master, to: &Master) -> bool {
        let open =
            |round: &Round| round.hops < HOPS_MAX && round.asked.iter().all(|before| before.at != to.at);
        self.is_candidate(from) && self.round.as_ref().is_some_and(open)
    }

    fn follow(&mut self, to: Master) {
        // ZooKeeper may know a name for it.
        let known = self.candidates.iter().find(|candidate| candidate.at == to.at).cloned();
        if let Some(round) = &mut self.round {
            round.hops = round.hops.saturating_add(1);
            round.state = State::Due(known.unwrap_or(to));
        }
    }

    /// Turns to the next candidate that this round did not ask yet, or ends the round as failed.
    fn next_candidate(&mut self, now: Instant, dice: u64) -> Step {
        let Some(round) = &mut self.round else { return Step::Failed };
        while let Some(candidate) = self.candidates.get(round.next) {
            round.next = round.next.saturating_add(1);
            if round.asked.iter().all(|before| before.at != candidate.at) {
                round.hops = 0;
                round.deadline = after(now, self.settings.timeout);
                round.state = State::Due(candidate.clone());
                return Step::Next;
            }
        }
        if round.seen.led_elsewhere && !round.seen.failed {
            self.failures = 0;
        }
        self.round = None;
        self.due = Some(after(now, self.next_backoff(dice)));
        Step::Failed
    }

    fn next_backoff(&mut self, dice: u64) -> Duration {
        let pause = backoff(self.failures, dice);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// The round found the document. A master that took long is left alone for as long.
    fn finish(&mut self, master: Master, again: Option<Duration>, now: Instant) {
        let took =
            self.round.take().map_or(Duration::ZERO, |round| now.saturating_duration_since(round.began));
        let pause = again.map_or(self.settings.refresh, |again| again.min(self.settings.refresh));
        self.failures = 0;
        self.found = Some(master);
        self.due = Some(after(now, pause.max(took).max(ROUND_MIN)));
    }
}

/// The pause after this many earlier failures: a time that doubles with each, and by chance all of it or down
/// to half of it.
pub fn backoff(failures: u32, dice: u64) -> Duration {
    let whole = BACKOFF_MIN.saturating_mul(2 << failures.min(8)).min(BACKOFF_MAX);
    let half = whole.checked_div(2).unwrap_or(whole);
    let share = (dice >> 32) as u32;
    let chance = Duration::from_secs_f64(half.as_secs_f64() * f64::from(share) / f64::from(u32::MAX));
    half.saturating_add(chance)
}

/// A moment later. Durations come from the configuration; one beyond the clock's range means now.
pub(super) fn after(moment: Instant, pause: Duration) -> Instant {
    moment.checked_add(pause).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
