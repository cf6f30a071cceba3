//! What is remembered of a server: how long it takes, and whether it is well.
//!
//! ```text
//!       3 silent tries in a row, a network error, 25 errors in a row
//!  well ---------------------------------------------------------------> ill
//!   ^                                                                     | pause: 1 s, doubled with
//!   |                     one answer                                      v each probe up to 30 s
//!   +--------------------------------------------------------------- probed by a live query
//! ```
//!
//! Time is smoothed as TCP does it (RFC 6298): from it follow the [`usual`](Outlook::usual) time, after which
//! another server may be asked early, and the [`patience`](Outlook::patience), after which it must be. An ill
//! server is asked last. It is probed beside a well one, so no client waits for the result, and by one query
//! for each pause, so a dead server costs next to nothing.
//!
//! SERVFAIL and REFUSED speak of names, and strangers choose those: only many in a row with nothing good in
//! between make a server ill, and only an answer makes it well again. So does silence, where the server said something
//! else meanwhile: for some names a server takes longer than anybody waits.

use std::time::{Duration, Instant};

use super::{
    exchange::{Closed, Ended, Fault, TRY_MAX},
    later,
};

/// Shortest time after which another server is asked early.
pub const USUAL_MIN: Duration = Duration::from_millis(10);

/// Shortest patience, and what there is with a server of which nothing is known. Two dead servers of which
/// nothing is known cost a client twice as much.
pub const PATIENCE_MIN: Duration = Duration::from_millis(350);

/// Silent tries in a row that make a server ill, if it says nothing at all meanwhile.
pub const SILENT_MAX: u32 = 3;

/// Errors in a row that make a server ill, and silent tries of a server that does speak.
pub const ERRORS_MAX: u32 = 25;

/// Errors make no server ill that answered a question so short a time ago. They cost little: the next server is asked
/// at once.
pub const GOOD_MIN: Duration = Duration::from_secs(10);

/// First pause between probes of an ill server.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Longest pause between probes.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Replies in a changed spelling, with none ever in the right one, after which a server is asked in lower case.
pub const FOLDED_MAX: u8 = 2;

/// What is remembered of one server.
#[derive(Debug, Default)]
pub struct Health {
    /// Smoothed time and its deviation, once there was an answer.
    time: Option<(Duration, Duration)>,
    silent: u32,
    errors: u32,
    /// When it last said anything, and when that was an answer.
    heard: Option<Instant>,
    answered: Option<Instant>,
    ill: Option<Illness>,
    case: Case,
}

#[derive(Debug)]
struct Illness {
    since: Instant,
    cause: Cause,
    pause: Duration,
    /// When the next probe is due.
    probe: Instant,
}

/// Why a server is held ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It said nothing.
    Silence,
    /// The network said that it is not there, or the connection broke.
    Network,
    /// It answered nothing but errors.
    Errors,
}

/// What a server does to the spelling of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Never seen to keep it, and seen so often to change it.
    Unknown(u8),
    Keeps,
    Folds,
}

impl Default for Case {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

/// What an exchange needs to know of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Whether it is well.
    pub standing: Standing,
    /// How long it takes at most, usually.
    pub usual: Duration,
    /// How long to wait before somebody else is asked in any case.
    pub patience: Duration,
    /// Whether questions are spelled anew for it.
    pub spelled: bool,
}

/// Whether a server is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is asked in its turn.
    Well,
    /// It is asked last.
    Ill,
    /// It is ill, and whoever got this word is to probe it.
    Probed,
}

/// A change that an operator should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was well.
    FellIll(Cause),
    /// It was ill for so long.
    Recovered(Duration),
}

impl Health {
    /// What is to be expected of this server. With `may_probe`, a due probe is handed out, once.
    pub fn outlook(&mut self, now: Instant, may_probe: bool) -> Outlook {
        let standing = match &mut self.ill {
            None => Standing::Well,
            Some(ill) if may_probe && ill.probe <= now => {
                // A probe lasts as long as a try at most: till then there is no second one, whatever becomes
                // of this one.
                ill.probe = later(now, ill.pause.max(TRY_MAX));
                Standing::Probed
            }
            Some(_) => Standing::Ill,
        };
        let (usual, patience) = self.time.map_or((PATIENCE_MIN, PATIENCE_MIN), |(smoothed, deviation)| {
            let usual = smoothed.saturating_add(deviation.saturating_mul(4)).clamp(USUAL_MIN, TRY_MAX);
            (usual, usual.saturating_mul(2).clamp(PATIENCE_MIN, TRY_MAX))
        });
        Outlook { standing, usual, patience, spelled: self.case != Case::Folds }
    }

    /// Takes note of how a try ended. `dice` spreads probes.
    pub fn note(&mut self, now: Instant, closed: &Closed, dice: u32) -> Option<Change> {
        if closed.kept_case {
            self.case = Case::Keeps;
        }
        if matches!(
            closed.ended,
            Ended::Answer | Ended::Truncated | Ended::Error(_) | Ended::Malformed | Ended::Folded
        ) {
            self.heard = Some(now);
        }
        // That TCP is shut says nothing about a server that is asked over UDP first.
        let main = closed.carrier == closed.server.carrier();
        match closed.ended {
            Ended::Answer | Ended::Truncated => {
                if main {
                    self.sample(closed.took);
                }
                (self.silent, self.errors, self.answered) = (0, 0, Some(now));
                self.recover(now)
            }
            Ended::Error(_) | Ended::Malformed | Ended::Folded => {
                self.silent = 0;
                if closed.ended == Ended::Folded {
                    self.fold();
                } else {
                    self.errors = self.errors.saturating_add(1);
                }
                let is_good = |answered| now.saturating_duration_since(answered) < GOOD_MIN;
                if self.errors >= ERRORS_MAX && !self.answered.is_some_and(is_good) {
                    return self.fall_ill(now, Cause::Errors, closed.probe, dice);
                }
                let speaks = self.ill.as_ref().is_some_and(|ill| ill.cause != Cause::Errors);
                if speaks { self.recover(now) } else { None }
            }
            Ended::Failure(Fault::There) if main => self.fall_ill(now, Cause::Network, closed.probe, dice),
            Ended::Silence if main => {
                self.silent = self.silent.saturating_add(1);
                let speaks =
                    self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < closed.took);
                let max = if speaks { ERRORS_MAX } else { SILENT_MAX };
                if self.silent < max && self.ill.is_none() {
                    return None;
                }
                self.fall_ill(now, Cause::Silence, closed.probe, dice)
            }
            Ended::Failure(_) | Ended::Silence | Ended::Strays | Ended::Abandoned => None,
        }
    }

    /// The smoothed time of an answer, once there was one.
    pub fn smoothed(&self) -> Option<Duration> {
        self.time.map(|(smoothed, _)| smoothed)
    }

    /// Whether it is held ill.
    pub fn is_ill(&self) -> bool {
        self.ill.is_some()
    }

    /// RFC 6298 section 2.
    fn sample(&mut self, took: Duration) {
        let part = |whole: Duration, share: u32, of: u32| {
            whole.saturating_mul(share).checked_div(of).unwrap_or_default()
        };
        self.time = Some(match self.time {
            None => (took, part(took, 1, 2)),
            Some((smoothed, deviation)) => {
                let off = smoothed.abs_diff(took);
                (
                    part(smoothed, 7, 8).saturating_add(part(took, 1, 8)),
                    part(deviation, 3, 4).saturating_add(part(off, 1, 4)),
                )
            }
        });
    }

    fn fold(&mut self) {
        if let Case::Unknown(seen) = self.case {
            let seen = seen.saturating_add(1);
            self.case = if seen < FOLDED_MAX { Case::Unknown(seen) } else { Case::Folds };
        }
    }

    fn recover(&mut self, now: Instant) -> Option<Change> {
        let ill = self.ill.take()?;
        Some(Change::Recovered(now.saturating_duration_since(ill.since)))
    }

    /// It is ill, for the first time or still: then only a probe that failed makes the pause longer.
    fn fall_ill(&mut self, now: Instant, cause: Cause, probe: bool, dice: u32) -> Option<Change> {
        match &mut self.ill {
            Some(ill) if probe => {
                ill.pause = ill.pause.saturating_mul(2).min(PAUSE_MAX);
                ill.probe = later(now, jittered(ill.pause, dice));
                None
            }
            Some(_) => None,
            None => {
                let probe = later(now, jittered(PAUSE_MIN, dice));
                self.ill = Some(Illness { since: now, cause, pause: PAUSE_MIN, probe });
                Some(Change::FellIll(cause))
            }
        }
    }
}

/// A pause made longer or shorter by up to a quarter, so that many who saw a server die do not come back as one.
fn jittered(pause: Duration, dice: u32) -> Duration {
    let percent = 75_u32.saturating_add(dice.checked_rem(51).unwrap_or_default());
    pause.saturating_mul(percent).checked_div(100).unwrap_or(pause)
}

#[cfg(test)]
mod tests;
