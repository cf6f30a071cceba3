//! What to believe of the health of a task: good news at once, bad news once it has lasted.
//!
//! A check that fails now and then would take an instance out of the answers and put it back all day, and with it the
//! load of its clients. So a task that was not unhealthy is believed to be only when it has been reported so for
//! [`UNHEALTHY_AFTER`] without any other result between. One that was unhealthy when it was first seen is believed to
//! be at once: nobody's instance is taken away. So is recovery: what works again may be used again.
//!
//! What is believed stands in [`Task::healthy`]; the rooms behind this one know nothing of reports. Here is only
//! remembered who is reported to be unhealthy and not yet believed to be: never more than there are unhealthy tasks, each
//! for [`UNHEALTHY_AFTER`]. A report stands until there is another one, so nothing of this depends on how often somebody
//! looks.
//!
//! Told what was reported and when; no clock.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::cluster::{Task, TaskKey};

/// How long a task must have been reported as unhealthy before it is believed to be.
///
/// Longer than a hiccup, and half of what Mesos waits between two checks by default (`interval_seconds`, 10): most checks
/// that pass again with their next try are noticed.
pub const UNHEALTHY_AFTER: Duration = Duration::from_secs(5);

/// Who is reported to be unhealthy and not yet believed to be, and when that is over. See the head of this file.
#[derive(Debug, Default)]
pub struct Damping {
    suspects: HashMap<TaskKey, Instant>,
}

impl Damping {
    /// All that is known of a task was reported again: leaves in it what to believe. `before` is what stands under its
    /// ids so far; what ran elsewhere was another one.
    pub fn handle_task(&mut self, before: Option<&Task>, task: &mut Task, now: Instant) {
        let before = before.filter(|before| before.agent_id == task.agent_id);
        match before {
            Some(before) => task.healthy = self.handle_result(before, task.healthy, now),
            None => self.forget(&task.framework_id, &task.id),
        }
    }

    /// What to believe of a known task of which this is reported.
    pub fn handle_result(&mut self, before: &Task, reported: Option<bool>, now: Instant) -> Option<bool> {
        let is_news = before.healthy != Some(false);
        if reported != Some(false) || !is_news {
            self.forget(&before.framework_id, &before.id);
            return reported;
        }
        let key = (before.framework_id.clone(), before.id.clone());
        let due = *self.suspects.entry(key).or_insert(now.checked_add(UNHEALTHY_AFTER).unwrap_or(now));
        if due > now {
            return before.healthy;
        }
        self.forget(&before.framework_id, &before.id);
        reported
    }

    /// A task ended, or another one has its id.
    pub fn forget(&mut self, framework_id: &Arc<str>, id: &str) {
        // Nearly always there is nobody, and a document tells of every task.
        if !self.suspects.is_empty() {
            self.suspects.remove(&(framework_id.clone(), Box::from(id)));
        }
    }

    /// Forgets those that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(&TaskKey) -> bool) {
        self.suspects.retain(|key, _| is_there(key));
    }

    /// When to call [`Damping::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.suspects.values().min().copied()
    }

    /// Those that have been reported as unhealthy for long enough; from now on they are believed to be.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<TaskKey> {
        self.suspects.extract_if(|_, due| *due <= now).map(|(key, _)| key).collect()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.suspects.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.suspects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::task;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is believed after each of these reports, with the seconds at which they come.
    #[track_caller]
    fn check(reports: &[(u64, Option<bool>)], believed: &[Option<bool>]) {
        let (mut damping, start) = (Damping::default(), Instant::now());
        let mut known: Option<Task> = None;
        let mut found = Vec::new();
        for (at, healthy) in reports {
            let mut reported = Task { healthy: *healthy, ..task("t", "web", "f", "a") };
            damping.handle_task(known.as_ref(), &mut reported, start + SECOND * u32::try_from(*at).unwrap());
            found.push(reported.healthy);
            known = Some(reported);
        }
        assert_eq!(found, believed, "{reports:?}");
    }

    #[test]
    fn bad_news_has_to_last() {
        let (good, bad, unknown) = (Some(true), Some(false), None);
        check(&[(0, good), (1, bad), (5, bad), (6, bad)], &[good, good, good, bad]);
        check(&[(0, unknown), (1, bad), (5, bad), (6, bad)], &[unknown, unknown, unknown, bad]);
        // Whatever comes between begins the time anew.
        check(&[(0, good), (1, bad), (5, good), (6, bad), (10, bad)], &[good; 5]);
        check(&[(0, good), (1, bad), (5, unknown), (6, bad)], &[good, good, unknown, unknown]);
    }

    #[test]
    fn good_news_and_first_news_are_believed_at_once() {
        let (good, bad, unknown) = (Some(true), Some(false), None);
        check(&[(0, bad), (1, bad), (2, good), (2, bad)], &[bad, bad, good, good]);
        check(&[(0, bad), (1, unknown)], &[bad, unknown]);
        check(&[(0, good), (1, bad), (9, bad), (9, good)], &[good, good, bad, good]);
    }

    #[test]
    fn who_is_suspected_is_told_when_the_time_is_over() {
        let (mut damping, start) = (Damping::default(), Instant::now());
        let well = Task { healthy: Some(true), ..task("t", "web", "f", "a") };
        assert_eq!(damping.handle_result(&well, Some(false), start), Some(true));
        assert_eq!(damping.handle_result(&well, Some(false), start + SECOND), Some(true));
        let due = start + UNHEALTHY_AFTER;
        assert_eq!((damping.len(), damping.poll_timeout()), (1, Some(due)));
        assert_eq!(damping.handle_timeout(due - SECOND), []);
        assert_eq!(damping.handle_timeout(due), [("f".into(), "t".into())]);
        assert!(damping.is_empty());

        // One that runs elsewhere, or of which the end was seen, is another one.
        damping.handle_result(&well, Some(false), start);
        let mut other = Task { healthy: Some(false), ..task("t", "web", "f", "b") };
        damping.handle_task(Some(&well), &mut other, start);
        assert_eq!((other.healthy, damping.is_empty()), (Some(false), true));
        damping.handle_result(&well, Some(false), start);
        damping.forget(&well.framework_id, "another");
        assert!(!damping.is_empty());
        damping.forget(&well.framework_id, "t");
        assert!(damping.is_empty());
    }
}
