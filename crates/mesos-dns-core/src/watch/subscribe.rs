//! When to use the stream of events, when it is dead, and when to look whether it told everything.
//!
//! A [`Subscription`] watches over one stream at a time; who leads and whom to ask is for
//! [`poll`](super::poll). Three things can be wrong with a stream, and only one of them shows by itself:
//!
//! - It ends. Then there is another one, unless this happens so often that something between us and the master, or
//!   too many readers of the same master, makes streams useless ([`ENDS_MAX`] in [`ENDS_WITHIN`]): for
//!   [`STREAM_AGAIN`] the state is polled instead.
//! - It falls silent without ending: the machine is gone, or a box in between forgot the connection. The master says
//!   something at least once per heartbeat; after [`HEARTBEATS_MISSED`] of them the stream is dead.
//! - It does not tell everything, by design: agents that are lost, schedulers that disconnect, addresses that change
//!   quietly. So the state is asked for now and then and compared, sooner when something was odd.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Master,
    poll::{Ask, Credentials, Fetch, Life, after},
};
use crate::mesos::operator::{LOSSY_RECONCILE, Support};

/// Heartbeats that may be missed in a row.
pub const HEARTBEATS_MISSED: u32 = 3;

/// Time between heartbeats where the master does not announce it; every version that has them uses this.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Shortest and longest time between heartbeats that is believed.
pub const HEARTBEAT_MIN: Duration = Duration::from_millis(20);
/// See [`HEARTBEAT_MIN`].
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(120);

/// So many streams may end ...
pub const ENDS_MAX: usize = 3;
/// ... within this time before they are given up ...
pub const ENDS_WITHIN: Duration = Duration::from_secs(600);
/// ... for this long.
pub const STREAM_AGAIN: Duration = Duration::from_secs(600);

/// A master that cannot or may not give us a stream is asked for one again after this time, or once another leads.
pub const REFUSED_AGAIN: Duration = Duration::from_secs(3600);

/// So many rounds may fail to find a stream ...
pub const FAILURES_MAX: u32 = 3;
/// ... before the state is asked for instead, for this long.
pub const FAILED_AGAIN: Duration = Duration::from_secs(60);

/// A stream that ends earlier was of no use: the next one is not begun at once.
pub const LIFE_MIN: Duration = Duration::from_secs(10);

/// Time from something odd to the comparison; what is on its way should have arrived.
pub const COMPARE_SOON: Duration = Duration::from_secs(2);

/// Least time between comparisons, however odd things are. A state document costs a master much.
pub const COMPARE_MIN: Duration = Duration::from_secs(15);

/// How changes are learnt (`updates`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Updates {
    /// By the stream where there is a good one, else by polling.
    #[default]
    Auto,
    /// By the stream, also where it is known to lose events, and however often it ends.
    Events,
    /// By polling.
    Poll,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The master closed it, or the connection broke.
    Closed,
    /// We ended it: another master leads, or the configuration changed.
    Dropped,
    /// What came was no stream.
    Malformed,
    /// Events came faster than we could take them.
    Overrun,
    /// Nothing came.
    Silent,
}

/// What the operator chose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// See [`Updates`].
    pub updates: Updates,
    /// Time between comparisons (`reconcileSeconds`).
    pub compare: Duration,
    /// Time for one comparison (`stateTimeoutSeconds`).
    pub timeout: Duration,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Subscription {
    settings: Settings,
    stream: Option<Stream>,
    /// Whose stream was the last one.
    last: Option<Master>,
    /// When streams of that master ended of late.
    ends: VecDeque<Instant>,
    /// Until when the state is polled although a stream is wanted.
    polls_until: Option<Instant>,
    /// Rounds in a row that failed to find a stream.
    failures: u32,
}

/// A stream that runs.
#[derive(Debug)]
struct Stream {
    master: Master,
    credentials: Credentials,
    began: Instant,
    /// When something last came.
    alive: Instant,
    /// How long it may be silent.
    patience: Duration,
    every: Duration,
    /// When to compare next; `None` while a comparison runs.
    compare: Option<Instant>,
    /// Whether something odd was met while a comparison ran: it may have come too early to show it.
    is_odd: bool,
    compared: Instant,
}

impl Subscription {
    /// No stream yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, stream: None, last: None, ends: VecDeque::new(), polls_until: None, failures: 0 }
    }

    /// What to ask a leader for.
    pub fn wanted(&self, now: Instant) -> Ask {
        let polls = self.polls_until.is_some_and(|until| now < until);
        if polls || self.settings.updates == Updates::Poll { Ask::State } else { Ask::Stream }
    }

    /// What the operator chose.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The master whose stream runs.
    pub fn master(&self) -> Option<&Master> {
        self.stream.as_ref().map(|stream| &stream.master)
    }

    /// Another master leads: it may have a stream where the former one had none.
    pub fn handle_leader(&mut self) {
        self.polls_until = None;
        self.ends.clear();
    }

    /// This leader has no stream for us. Tells whether that is news.
    pub fn handle_refused(&mut self, now: Instant) -> bool {
        let is_news = self.polls_until.is_none();
        self.polls_until = Some(after(now, REFUSED_AGAIN));
        is_news
    }

    /// A round asked for a stream and failed. What stands between us and the masters may let reads pass.
    pub fn handle_failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX && self.settings.updates != Updates::Events {
            self.failures = 0;
            self.polls_until = Some(after(now, FAILED_AGAIN));
        }
    }

    /// A stream began: its state is taken in. `heartbeat` is what the master announced; `dice` are random bits.
    pub fn handle_begin(
        &mut self,
        fetch: &Fetch,
        support: Support,
        heartbeat: Option<Duration>,
        now: Instant,
        dice: u64,
    ) {
        let every = match support {
            Support::Full => self.settings.compare,
            Support::Lossy | Support::None => self.settings.compare.min(LOSSY_RECONCILE),
        };
        let heartbeat = heartbeat.map(|beat| beat.clamp(HEARTBEAT_MIN, HEARTBEAT_MAX)).unwrap_or(HEARTBEAT);
        if self.last.as_ref().is_none_or(|last| last.at != fetch.master.at) {
            self.ends.clear();
        }
        self.last = Some(fetch.master.clone());
        self.failures = 0;
        self.polls_until = None;
        self.stream = Some(Stream {
            master: fetch.master.clone(),
            credentials: fetch.credentials,
            began: now,
            alive: now,
            patience: heartbeat.saturating_mul(HEARTBEATS_MISSED),
            every,
            compare: Some(after(now, jittered(every, dice))),
            is_odd: false,
            compared: now,
        });
    }

    /// Something came.
    pub fn handle_alive(&mut self, now: Instant) {
        if let Some(stream) = &mut self.stream {
            stream.alive = now;
        }
    }

    /// Something was odd: compare soon.
    pub fn handle_suspicion(&mut self, now: Instant) {
        let Some(stream) = &mut self.stream else { return };
        match &mut stream.compare {
            Some(due) => *due = (*due).min(after(now, COMPARE_SOON).max(after(stream.compared, COMPARE_MIN))),
            None => stream.is_odd = true,
        }
    }

    /// The state is to be looked at again after this time.
    pub fn handle_again(&mut self, again: Duration, now: Instant) {
        if let Some(stream) = &mut self.stream {
            let due = after(now, again);
            stream.compare = Some(stream.compare.map_or(due, |compare| compare.min(due)));
        }
    }

    /// A comparison ended, well or not. `dice` are random bits.
    pub fn handle_compared(&mut self, now: Instant, dice: u64) {
        if let Some(stream) = &mut self.stream {
            stream.compared = now;
            let is_odd = std::mem::take(&mut stream.is_odd);
            let pause = if is_odd { COMPARE_MIN } else { jittered(stream.every, dice) };
            stream.compare = Some(after(now, pause));
        }
    }

    /// The stream ended. Tells how long it lived, and whether streams are given up for now.
    pub fn handle_end(&mut self, end: End, now: Instant) -> Option<(Life, GivesUp)> {
        let stream = self.stream.take()?;
        let lived = now.saturating_duration_since(stream.began);
        let life = if lived < LIFE_MIN { Life::Short } else { Life::Long };
        if end == End::Dropped {
            return Some((Life::Long, GivesUp::No));
        }
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|first| now.saturating_duration_since(*first) > ENDS_WITHIN) {
            self.ends.pop_front();
        }
        if self.ends.len() < ENDS_MAX || self.settings.updates == Updates::Events {
            self.ends.truncate(ENDS_MAX);
            return Some((life, GivesUp::No));
        }
        self.ends.clear();
        self.polls_until = Some(after(now, STREAM_AGAIN));
        // Polling begins at once: nobody else tells what happens.
        Some((Life::Long, GivesUp::Yes))
    }

    /// Whether the stream was silent for too long: it is to be ended.
    pub fn poll_silence(&self, now: Instant) -> bool {
        self.stream.as_ref().is_some_and(|stream| now >= after(stream.alive, stream.patience))
    }

    /// The comparison to make now, if any. The caller makes it and then reports its end.
    pub fn poll_compare(&mut self, now: Instant) -> Option<Fetch> {
        let stream = self.stream.as_mut()?;
        stream.compare.take_if(|due| *due <= now)?;
        let (master, credentials) = (stream.master.clone(), stream.credentials);
        Some(Fetch { master, ask: Ask::Comparison, credentials, deadline: after(now, self.settings.timeout) })
    }

    /// A request for the master's summary, if a stream runs.
    pub fn summary(&self, now: Instant) -> Option<Fetch> {
        let stream = self.stream.as_ref()?;
        let (master, credentials) = (stream.master.clone(), stream.credentials);
        Some(Fetch { master, ask: Ask::State, credentials, deadline: after(now, self.settings.timeout) })
    }

    /// When to ask [`Subscription::poll_silence`] again and, if a comparison could be made,
    /// [`Subscription::poll_compare`].
    pub fn poll_timeout(&self, can_compare: bool) -> Option<Instant> {
        let stream = self.stream.as_ref()?;
        let silent = after(stream.alive, stream.patience);
        let compare = stream.compare.filter(|_| can_compare);
        Some(compare.map_or(silent, |compare| compare.min(silent)))
    }
}

/// Whether a stream of this quality is to be used.
pub fn accepts(settings: Settings, support: Support) -> bool {
    support != Support::None && settings.updates != Updates::Poll
}

/// Whether streams are given up for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesUp {
    /// The next one is asked for.
    No,
    /// The state is polled for [`STREAM_AGAIN`].
    Yes,
}

/// This time, less up to a tenth of it by chance: many servers started at once do not ask at once for ever.
fn jittered(time: Duration, dice: u64) -> Duration {
    let share = f64::from((dice >> 32) as u32) / f64::from(u32::MAX);
    time.saturating_sub(Duration::from_secs_f64(time.as_secs_f64() * share / 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        updates: Updates::Auto,
        compare: Duration::from_secs(300),
        timeout: Duration::from_secs(30),
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fetch() -> Fetch {
        Fetch {
            master: Master::parse("10.0.0.1:5050").unwrap(),
            ask: Ask::Stream,
            credentials: Credentials::Send,
            deadline: Instant::now(),
        }
    }

    /// A subscription with a stream that began now, with heartbeats every 15 s.
    fn streaming(updates: Updates) -> (Subscription, Instant) {
        let now = Instant::now();
        let mut subscription = Subscription::new(Settings { updates, ..SETTINGS });
        assert_eq!(subscription.wanted(now), Ask::Stream);
        subscription.handle_begin(&fetch(), Support::Full, Some(seconds(15)), now, 0);
        (subscription, now)
    }

    #[test]
    fn three_missed_heartbeats_are_the_end() {
        let (mut subscription, now) = streaming(Updates::Auto);
        assert!(!subscription.poll_silence(now + seconds(44)));
        assert!(subscription.poll_silence(now + seconds(45)));
        subscription.handle_alive(now + seconds(44));
        assert!(!subscription.poll_silence(now + seconds(88)));
        assert_eq!(subscription.poll_timeout(true), Some(now + seconds(44 + 45)));
        let ended = subscription.handle_end(End::Silent, now + seconds(89));
        assert_eq!(ended, Some((Life::Long, GivesUp::No)));
        assert_eq!(subscription.poll_timeout(true), None);
    }

    #[test]
    fn odd_heartbeats_are_bounded() {
        for (announced, patience) in
            [(None, 45), (Some(Duration::ZERO), 0), (Some(seconds(1 << 40)), 360), (Some(seconds(1)), 3)]
        {
            let (mut subscription, now) = streaming(Updates::Auto);
            subscription.handle_begin(&fetch(), Support::Full, announced, now, 0);
            assert!(subscription.poll_silence(now + seconds(patience) + seconds(1)), "{announced:?}");
            let earlier = now + seconds(patience).saturating_sub(seconds(1));
            assert!(!subscription.poll_silence(earlier), "{announced:?}");
        }
    }

    #[test]
    fn streams_that_keep_ending_are_given_up_for_a_while() {
        let (mut subscription, mut now) = streaming(Updates::Auto);
        for gives_up in [GivesUp::No, GivesUp::No, GivesUp::Yes] {
            now += seconds(100);
            subscription.handle_begin(&fetch(), Support::Full, None, now, 0);
            now += seconds(20);
            assert_eq!(subscription.handle_end(End::Closed, now), Some((Life::Long, gives_up)));
        }
        assert_eq!(subscription.wanted(now), Ask::State);
        assert_eq!(subscription.wanted(now + STREAM_AGAIN), Ask::Stream);
        subscription.handle_leader();
        assert_eq!(subscription.wanted(now), Ask::Stream, "another master, another chance");

        let (mut subscription, mut now) = streaming(Updates::Events);
        for _ in 0..9 {
            subscription.handle_begin(&fetch(), Support::Full, None, now, 0);
            now += seconds(1);
            assert_eq!(subscription.handle_end(End::Closed, now), Some((Life::Short, GivesUp::No)));
        }
        assert_eq!(subscription.wanted(now), Ask::Stream);
    }

    #[test]
    fn ends_far_apart_and_our_own_do_not_count() {
        let (mut subscription, mut now) = streaming(Updates::Auto);
        for round in 0..12 {
            subscription.handle_begin(&fetch(), Support::Full, None, now, 0);
            now += seconds(301);
            let end = if round % 2 == 0 { End::Dropped } else { End::Closed };
            assert_eq!(subscription.handle_end(end, now), Some((Life::Long, GivesUp::No)), "{round}");
        }
    }

    #[test]
    fn comparisons() {
        let (mut subscription, now) = streaming(Updates::Auto);
        subscription.handle_alive(now + seconds(290));
        assert_eq!(subscription.poll_compare(now + seconds(299)), None);
        let fetch = subscription.poll_compare(now + seconds(300)).unwrap();
        assert_eq!((fetch.ask, fetch.deadline), (Ask::Comparison, now + seconds(330)));
        assert_eq!(subscription.poll_compare(now + seconds(400)), None, "one is running");
        subscription.handle_suspicion(now + seconds(301));
        assert_eq!(subscription.poll_compare(now + seconds(400)), None, "one is running");
        subscription.handle_compared(now + seconds(301), u64::MAX);
        let due = now + seconds(301) + COMPARE_MIN;
        assert_eq!(subscription.poll_timeout(true), Some(due), "it may have come too early");
        let now = due;
        subscription.poll_compare(now).unwrap();
        subscription.handle_compared(now, u64::MAX);
        subscription.handle_alive(now + seconds(280));
        assert_eq!(subscription.poll_timeout(true), Some(now + seconds(270)), "a tenth sooner by chance");
        subscription.handle_suspicion(now + seconds(1));
        assert_eq!(subscription.poll_timeout(true), Some(now + COMPARE_MIN), "not too often");
        subscription.handle_again(seconds(5), now + seconds(1));
        assert_eq!(subscription.poll_timeout(true), Some(now + seconds(6)));
    }

    #[test]
    fn old_masters_are_compared_often_and_older_ones_polled() {
        let (mut subscription, now) = streaming(Updates::Auto);
        subscription.handle_begin(&fetch(), Support::Lossy, None, now, 0);
        subscription.handle_alive(now + seconds(59));
        assert_eq!(subscription.poll_timeout(true), Some(now + LOSSY_RECONCILE));
        assert!(accepts(SETTINGS, Support::Lossy) && !accepts(SETTINGS, Support::None));
        assert!(subscription.handle_refused(now));
        assert!(!subscription.handle_refused(now), "told once");
        assert_eq!(subscription.wanted(now + seconds(3599)), Ask::State);
        assert_eq!(subscription.wanted(now + seconds(3600)), Ask::Stream);
        let mut failing = Subscription::new(SETTINGS);
        for _ in 0..FAILURES_MAX {
            assert_eq!(failing.wanted(now), Ask::Stream);
            failing.handle_failed(now);
        }
        assert_eq!(failing.wanted(now), Ask::State);
        assert_eq!(failing.wanted(now + FAILED_AGAIN), Ask::Stream);
        let polls = Subscription::new(Settings { updates: Updates::Poll, ..SETTINGS });
        assert_eq!(polls.wanted(now), Ask::State);
    }
}
