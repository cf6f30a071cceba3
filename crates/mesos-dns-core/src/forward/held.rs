//! What is remembered for one question, and what to do with it.
//!
//! Two things can be remembered at the same time: the last answer, and that it failed since. A failure does not
//! push out the answer, which may still be told as stale; and while it is remembered nobody is asked again
//! (RFC 9520). Pure, given the time; whoever holds many of these says where and how many.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::entry::{Entry, Freshness, Manner};

/// How long a failure is remembered at first, and by how much longer after each further one: doubled, up to
/// [`FAILURE_MAX`].
///
/// RFC 9520 section 3.2 asks for at least one second, at most five minutes, and growth in between. One second is
/// what a name costs that failed by bad luck. Thirty is as long as one that is in use stays away after its servers
/// came back; a question every half minute hurts no server.
pub const FAILURE_MIN: Duration = Duration::from_secs(1);

/// Longest time for which a failure is remembered.
pub const FAILURE_MAX: Duration = Duration::from_secs(30);

/// A failure this long after the last one ended is not its continuation.
const FAILURE_MEMORY: Duration = Duration::from_secs(60);

/// What is remembered for one question.
#[derive(Clone, Debug, Default)]
pub struct Held {
    answer: Option<Arc<Entry>>,
    failure: Option<Arc<Entry>>,
}

/// What to do about a question.
#[derive(Clone, Debug)]
pub enum Found {
    /// Tell this.
    Tell {
        /// What.
        entry: Arc<Entry>,
        /// As what.
        manner: Manner,
        /// Whether to ask for it anew meanwhile.
        refresh: bool,
    },
    /// Ask. If nobody answers, or not soon, there may be a stale answer.
    Ask(Option<Arc<Entry>>),
}

impl Held {
    /// What is remembered from now on, given what was (`before`) and what came; `None` if that is nothing. And what
    /// came, to be told to those who wait for it.
    pub fn after(before: Option<&Self>, came: Entry, stale_max: Duration) -> (Option<Self>, Arc<Entry>) {
        let now = came.came();
        if came.is_failure() {
            let lifetime = Self::failure_lifetime(before, now);
            let came = Arc::new(came.living(lifetime));
            let answer = before.and_then(|before| before.answer.clone());
            let answer = answer.filter(|answer| answer.freshness(now, stale_max) != Freshness::Gone);
            return (Some(Self { answer, failure: Some(came.clone()) }), came);
        }
        let came = Arc::new(came);
        if came.is_half() {
            // Somebody has more of it: what is there stays as good as it was.
            return (before.cloned(), came);
        }
        // What is not worth keeping ends what was kept all the same: the server has said something else.
        let worth_keeping = !came.lifetime().is_zero();
        (worth_keeping.then(|| Self { answer: Some(came.clone()), failure: None }), came)
    }

    /// What to do about the question now.
    pub fn find(&self, now: Instant, stale_max: Duration) -> Found {
        let failure = self.failure.as_ref().filter(|entry| is_in_force(entry, now));
        let Some(answer) = &self.answer else {
            return Self::failed(failure);
        };
        let entry = answer.clone();
        match answer.freshness(now, stale_max) {
            Freshness::Fresh => {
                answer.touch();
                Found::Tell { entry, manner: Manner::Current, refresh: false }
            }
            Freshness::Aging => {
                let refresh = answer.touch() && failure.is_none();
                Found::Tell { entry, manner: Manner::Current, refresh }
            }
            Freshness::Stale if failure.is_some() => {
                Found::Tell { entry, manner: Manner::Stale, refresh: false }
            }
            Freshness::Stale => Found::Ask(Some(entry)),
            Freshness::Gone => Self::failed(failure),
        }
    }

    fn failed(failure: Option<&Arc<Entry>>) -> Found {
        match failure {
            Some(entry) => Found::Tell { entry: entry.clone(), manner: Manner::Remembered, refresh: false },
            None => Found::Ask(None),
        }
    }

    /// Bytes of memory behind it.
    pub fn memory_bytes(&self) -> usize {
        let bytes = |entry: &Option<Arc<Entry>>| entry.as_ref().map_or(0, |entry| entry.memory_bytes());
        bytes(&self.answer).saturating_add(bytes(&self.failure))
    }

    /// For how long a failure that comes now is remembered.
    fn failure_lifetime(before: Option<&Self>, now: Instant) -> Duration {
        let last = before.and_then(|before| before.failure.as_ref());
        let recent = last.filter(|last| {
            now.saturating_duration_since(last.came()) < last.lifetime().saturating_add(FAILURE_MEMORY)
        });
        recent.map_or(FAILURE_MIN, |last| last.lifetime().saturating_mul(2).min(FAILURE_MAX))
    }
}

fn is_in_force(failure: &Entry, now: Instant) -> bool {
    now.saturating_duration_since(failure.came()) < failure.lifetime()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forward::{
            believe::believe,
            key::Key,
            message::{Ede, Query, Rcode, tests::query},
            reply::{Reply, tests::reply},
            resolved::Resolved,
        },
        wire::Name,
    };

    const DAY: Duration = Duration::from_secs(86_400);

    fn came(resolved: &Resolved, now: Instant) -> Entry {
        let asked = query("www.example.com", 1);
        let key = Key::of(&Query::parse(&asked).unwrap());
        believe(&key, resolved, &Name::parse("mesos").unwrap(), now)
    }

    /// An answer that lives for a minute.
    fn answer() -> Reply {
        Reply::parse(reply(&query("www.example.com", 1), 1, true)).unwrap()
    }

    fn dead() -> Resolved {
        Resolved::Code(Rcode::SERVFAIL, Ede::NoReachableAuthority)
    }

    fn describe(found: &Found) -> String {
        match found {
            Found::Tell { entry, manner, refresh } => {
                format!("{manner:?} {}{}", entry.rcode().0, if *refresh { " refresh" } else { "" })
            }
            Found::Ask(stale) => format!("ask{}", if stale.is_some() { " or stale" } else { "" }),
        }
    }

    #[test]
    fn the_life_of_an_answer() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (held, told) = Held::after(None, came(&Resolved::Reply(answer()), start), DAY);
        let held = held.unwrap();
        assert!(held.memory_bytes() == told.memory_bytes() && !told.is_failure());
        let find = |seconds| describe(&held.find(at(seconds), DAY));
        // Asked for the first time when it is old: not popular.
        assert_eq!(find(55.0), "Current 0");
        assert_eq!(find(55.0), "Current 0 refresh");
        assert_eq!(find(1.0), "Current 0");
        assert_eq!(find(60.0), "ask or stale");
        assert_eq!(find(86_460.0), "ask");
        assert_eq!(describe(&held.find(at(60.0), Duration::ZERO)), "ask");
    }

    #[test]
    fn failures_are_remembered_and_grow() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (mut held, told) = Held::after(None, came(&dead(), start), DAY);
        assert_eq!(told.lifetime(), FAILURE_MIN);
        let find = |held: &Option<Held>, seconds| describe(&held.as_ref().unwrap().find(at(seconds), DAY));
        assert_eq!(find(&held, 0.9), "Remembered 2");
        assert_eq!(find(&held, 1.0), "ask");
        let mut now = 1.0;
        let mut lifetimes = Vec::new();
        for _ in 0..7 {
            let (after, told) = Held::after(held.as_ref(), came(&dead(), at(now)), DAY);
            lifetimes.push(told.lifetime().as_secs());
            now += told.lifetime().as_secs_f64();
            held = after;
        }
        assert_eq!(lifetimes, [2, 4, 8, 16, 30, 30, 30]);
        let later = at(now + 60.0);
        let (_, told) = Held::after(held.as_ref(), came(&dead(), later), DAY);
        assert_eq!(told.lifetime(), FAILURE_MIN, "that was another trouble");
        let (cured, _) = Held::after(held.as_ref(), came(&Resolved::Reply(answer()), at(now)), DAY);
        let (again, told) = Held::after(cured.as_ref(), came(&dead(), at(now + 1.0)), DAY);
        assert_eq!((told.lifetime(), find(&again, now + 1.0)), (FAILURE_MIN, "Current 0".into()));
    }

    #[test]
    fn a_failure_leaves_the_answer() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (held, _) = Held::after(None, came(&Resolved::Reply(answer()), start), DAY);
        let (held, told) = Held::after(held.as_ref(), came(&dead(), at(58.5)), DAY);
        assert!(told.is_failure());
        let held = held.unwrap();
        held.find(at(0.0), DAY);
        assert_eq!(describe(&held.find(at(59.0), DAY)), "Current 0", "nobody is asked now");
        assert_eq!(describe(&held.find(at(59.6), DAY)), "Current 0 refresh");
        let (held, _) = Held::after(Some(&held), came(&dead(), at(61.0)), DAY);
        assert_eq!(describe(&held.clone().unwrap().find(at(62.9), DAY)), "Stale 0");
        assert_eq!(describe(&held.clone().unwrap().find(at(63.0), DAY)), "ask or stale");
        // A day later nothing is left of it.
        let (held, _) = Held::after(held.as_ref(), came(&dead(), at(90_000.0)), DAY);
        assert_eq!(describe(&held.unwrap().find(at(90_000.5), DAY)), "Remembered 2");
    }

    #[test]
    fn what_is_not_kept() {
        let now = Instant::now();
        let (held, _) = Held::after(None, came(&Resolved::Reply(answer()), now), DAY);
        let (after, told) = Held::after(held.as_ref(), came(&Resolved::Half(answer()), now), DAY);
        assert!(told.is_half());
        assert_eq!(describe(&after.unwrap().find(now, DAY)), "Current 0", "half an answer changes nothing");
        assert!(Held::after(None, came(&Resolved::Half(answer()), now), DAY).0.is_none());
        let mut brief = reply(&query("www.example.com", 1), 1, true);
        brief[33 + 6..33 + 10].fill(0);
        let brief = came(&Resolved::Reply(Reply::parse(brief).unwrap()), now);
        assert!(brief.lifetime().is_zero(), "TTL 0");
        assert!(Held::after(held.as_ref(), brief, DAY).0.is_none(), "what was said before does not hold");
    }
}
