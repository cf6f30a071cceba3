//! What was true when, and until when somebody may be excused for not knowing.
//!
//! A name's [`Timeline`] lists the versions of its data. A version may be answered from the moment it was
//! true until its *deadline*: the bound after something else became true, put off by each [`Trouble`] that
//! kept everybody from seeing it. Nothing in here depends on who asks or what was answered.

mod schedulers;

use std::time::Duration;

use super::history::{Question, Set};

/// Longest pause of a program that backs off after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How long something that ended may be doubted, or its end not be noticed after trouble.
const MEMORY: Duration = Duration::from_secs(120);

/// So many tasks at least must be missing at once for that to be doubted.
const LOSS_MIN: usize = 20;

/// How long a new reign may count as settling: in it, an agent that is not named is waited for.
pub(super) const SETTLE: Duration = Duration::from_secs(75);

/// The times that are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From a change to its answer while all is well.
    pub fresh: Duration,
    /// The same for what no event tells.
    pub quiet: Duration,
    /// How long a stream that died without an end may pass for one that lives.
    pub silence: Duration,
    /// How long what an agent does not have any more may still be expected of it once it is back.
    pub rejoin: Duration,
    /// Whether documents may be polled: what one of a reign that settles does not show is kept.
    pub polls: bool,
    /// How long one master that does not answer may hold a reader up.
    pub timeout: Duration,
    /// How many masters there are.
    pub masters: u32,
    /// How long a large loss is doubted.
    pub agree: Duration,
    /// How long a lost agent's or a vanished cluster's records are kept.
    pub hold: Duration,
    /// From a start of the program to its first data, while all is well.
    pub start: Duration,
    /// From a change to its serial, beyond `fresh`.
    pub serial: Duration,
}

impl Bounds {
    /// How long after trouble of this length a reader may still be backing off: it pauses twice as long
    /// after each failure, so never longer than twice the time it has been failing.
    fn recovery(&self, length: Duration, hangs: bool) -> Duration {
        let tries = if hangs { self.timeout * self.masters } else { Duration::ZERO };
        let pause = (length + tries * 2) * 2 + Duration::from_secs(2);
        pause.min(BACKOFF_MAX) + tries
    }
}

/// Everything that was true.
#[derive(Clone, Debug)]
pub struct Log {
    /// The times that are allowed.
    pub bounds: Bounds,
    /// By the number of the question.
    pub timelines: Vec<Timeline>,
    /// What kept anybody from knowing.
    pub troubles: Vec<Trouble>,
    /// When how many tasks ended. Many that become known at once may be doubted.
    pub ends: Vec<(Duration, usize)>,
    /// When agents were cut off. Events tell so of their tasks, and nothing of themselves.
    pub lost: Vec<Duration>,
    /// When which frameworks were torn down.
    pub torn_down: Vec<(Duration, usize)>,
    /// When masters were elected.
    pub elections: Vec<Duration>,
    /// When each replica did not run: from its end until it was started again.
    pub outages: Vec<Outage>,
}

/// The versions of one name's data.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The name and type.
    pub question: Question,
    /// What it tells of.
    pub subject: Subject,
    /// Oldest first; each is true until the next one is.
    pub versions: Vec<Version>,
}

/// What a name tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Who leads.
    Leader,
    /// Where this framework's scheduler is.
    Scheduler(usize),
    /// Tasks.
    Tasks {
        /// On these agents.
        agents: Vec<usize>,
        /// Whether no event tells of them.
        is_quiet: bool,
    },
}

/// One version.
#[derive(Clone, Debug)]
pub struct Version {
    /// Since when it is true.
    pub born: Duration,
    /// The data; empty where there are none.
    pub set: Set,
    /// If it came to be because an agent or scheduler did not return in time: since when it was waited for.
    pub waited: Option<Duration>,
    /// For how long it need not be believed once it is known.
    pub doubted: Duration,
}

/// A time in which the truth could not be seen.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// From when.
    pub from: Duration,
    /// Until when; `Duration::MAX` if it never ended.
    pub until: Duration,
    /// What could not be seen.
    pub scope: Scope,
    /// Whether whoever looked was kept waiting.
    pub hangs: bool,
    /// Until when whoever listens may not have noticed.
    pub silent_until: Duration,
}

/// What cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anything at all: no leader answers.
    All,
    /// What is on this agent: the leader does not know it.
    Agent(usize),
    /// What is on this agent, which cannot be reached, in the reign that began then. While a reign settles it
    /// may be taken for one that is not back yet.
    Settling(usize, Duration),
    /// Where this framework's scheduler is: the leader does not know it.
    Scheduler(usize),
    /// Anything at all: the machine stood still.
    Stall,
    /// Tasks: the leader leaves many of them out.
    Tasks,
}

/// A time without the program.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Of which replica.
    pub replica: usize,
    /// From when.
    pub from: Duration,
    /// When it was started again.
    pub until: Duration,
}

impl Log {
    /// Nothing yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            timelines: Vec::new(),
            troubles: Vec::new(),
            ends: Vec::new(),
            lost: Vec::new(),
            torn_down: Vec::new(),
            elections: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// Adds a question whose truth will be noted; its number.
    pub fn add(&mut self, question: Question, subject: Subject) -> usize {
        self.timelines.push(Timeline { question, subject, versions: Vec::new() });
        self.timelines.len() - 1
    }

    /// Notes what is true of a question from now on, if it is new.
    pub fn note(&mut self, question: usize, set: Set, waited: Option<Duration>, now: Duration) {
        self.push(question, Version { born: now, set, waited, doubted: Duration::ZERO });
    }

    /// The same of what need not be believed for some time: the version before is as right until then.
    pub fn note_doubted(&mut self, question: usize, set: Set, doubted: Duration, now: Duration) {
        self.push(question, Version { born: now, set, waited: None, doubted });
    }

    fn push(&mut self, question: usize, version: Version) {
        let versions = &mut self.timelines[question].versions;
        if versions.last().is_none_or(|last| last.set != version.set) {
            versions.push(version);
        }
    }

    /// The versions of a question that were true at some time since.
    pub fn since(&self, question: usize, since: Duration) -> &[Version] {
        let versions = &self.timelines[question].versions;
        let first = versions.iter().rposition(|version| version.born <= since).unwrap_or(0);
        &versions[first..]
    }

    /// Since when somebody may not know what ended; generously. `is_quiet`: no event tells it.
    pub fn unknown_since(&self, is_quiet: bool, now: Duration) -> Duration {
        let recent = self.troubles.iter().filter(|trouble| trouble.until.saturating_add(MEMORY) > now);
        let since = recent.map(|trouble| trouble.from).min().unwrap_or(now).saturating_sub(MEMORY);
        if is_quiet { since.min(now.saturating_sub(self.bounds.quiet)) } else { since }
    }

    /// Begins or ends trouble of a scope.
    pub fn trouble(&mut self, scope: Scope, is_on: bool, now: Duration) {
        let open =
            self.troubles.iter_mut().find(|trouble| trouble.scope == scope && trouble.until == Duration::MAX);
        match (open, is_on) {
            (None, true) => {
                let (until, silent_until) = (Duration::MAX, Duration::ZERO);
                self.troubles.push(Trouble { from: now, until, scope, hangs: false, silent_until })
            }
            (Some(open), false) => open.until = now,
            _ => {}
        }
    }

    /// Whoever looks now is kept waiting.
    pub fn hang(&mut self) {
        let open = self.troubles.iter_mut().filter(|trouble| trouble.until == Duration::MAX);
        open.filter(|trouble| trouble.scope == Scope::All).for_each(|trouble| trouble.hangs = true);
    }

    /// Streams are silent from now on. What lasts goes on: a stream may be begun and fall silent again and again.
    pub fn silence(&mut self, now: Duration, lasts: bool) {
        let silence = self.bounds.silence;
        let open = self.troubles.iter_mut().filter(|trouble| trouble.until == Duration::MAX);
        for trouble in open.filter(|trouble| trouble.scope == Scope::All) {
            if lasts || trouble.silent_until.is_zero() {
                trouble.silent_until = now + silence;
            }
        }
    }

    /// All deadlines, ready to be asked for.
    pub fn judge(&self) -> Judge {
        Judge::new(self)
    }
}

/// The log with everything in it that only later became clear.
pub struct Judge {
    bounds: Bounds,
    /// In which nobody could be read, with the time that a reader may need afterwards.
    away: Vec<(Duration, Duration)>,
    /// In which tasks could not be seen or an end was doubted.
    doubtful: Vec<(Duration, Duration)>,
    agents: Vec<(usize, Duration, Duration)>,
    /// By framework: when its scheduler was not known, or might be named although it was torn down.
    schedulers: Vec<(usize, Duration, Duration)>,
    /// Until when it was not known of agents that were cut off.
    lost: Vec<(Duration, Duration)>,
    elections: Vec<Duration>,
}

impl Judge {
    fn new(log: &Log) -> Self {
        let mut judge = Self {
            bounds: log.bounds,
            away: away(log),
            doubtful: Vec::new(),
            agents: Vec::new(),
            schedulers: Vec::new(),
            lost: Vec::new(),
            elections: log.elections.clone(),
        };
        for trouble in &log.troubles {
            let (from, until) = (trouble.from, trouble.until);
            match trouble.scope {
                Scope::All | Scope::Stall => {}
                Scope::Agent(agent) => {
                    judge.agents.push((agent, from, until.saturating_add(log.bounds.rejoin)));
                }
                Scope::Settling(agent, elected) => {
                    let settled =
                        judge.of_leader(elected).saturating_add(SETTLE).saturating_add(judge.more());
                    judge.agents.push((agent, from, until.min(settled)));
                }
                Scope::Scheduler(of) => judge.schedulers.push((of, from, until)),
                Scope::Tasks => judge.doubtful.push((from, until)),
            }
        }
        let losses: Vec<_> = judge.losses(log).into_iter().map(|at| (at, judge.doubted_until(at))).collect();
        judge.doubtful.extend(losses);
        let known = |at: &Duration| (*at, judge.put_off(*at, |_| true, true, judge.more()));
        judge.lost = log.lost.iter().map(known).collect();
        let kept = log.torn_down.iter().flat_map(|(at, of)| judge.kept(*of, *at));
        let kept: Vec<_> = kept.collect();
        judge.schedulers.extend(kept);
        judge
    }

    /// Until when a former leader may still be named after another one was elected.
    pub fn of_leader(&self, at: Duration) -> Duration {
        self.put_off(at, |_| false, false, Duration::ZERO)
    }

    /// Until when a version of a timeline may be answered; `None` if it is the last.
    pub fn deadline(&self, timeline: &Timeline, version: usize) -> Option<Duration> {
        let next = timeline.versions.get(version + 1)?;
        let agents = match &timeline.subject {
            Subject::Leader => return Some(self.of_leader(next.born)),
            Subject::Scheduler(of) => return Some(self.of_scheduler(*of, next)),
            Subject::Tasks { agents, .. } => agents,
        };
        let is_quiet = matches!(timeline.subject, Subject::Tasks { is_quiet: true, .. });
        let more = next.doubted.saturating_add(if is_quiet { self.more() } else { Duration::ZERO });
        Some(match next.waited {
            None => self.put_off(next.born, |agent| agents.contains(&agent), true, more),
            Some(since) => self.waited(since, next.born),
        })
    }

    /// Whether, between these moments, tasks on these agents that ended could stand beside those that came for them.
    pub fn blends(&self, on: &[usize], from: Duration, until: Duration) -> bool {
        let tells_tasks = self.tells_tasks();
        let agents = self.agents.iter().filter(|(agent, ..)| tells_tasks && on.contains(agent));
        let agents = agents.map(|(_, from, until)| (*from, *until));
        self.doubtful.iter().copied().chain(agents).any(|(begin, end)| begin <= until && from <= end)
    }

    /// Whether what an agent has is told task by task once it is back, what it no longer has by nobody.
    pub fn tells_tasks(&self) -> bool {
        !self.bounds.rejoin.is_zero()
    }

    /// How much later than others something is known that no event tells.
    fn more(&self) -> Duration {
        self.bounds.quiet.saturating_sub(self.bounds.fresh)
    }

    /// When everything that ever kept anybody from knowing is over for good; for quiet times.
    pub fn busy(&self) -> impl Iterator<Item = (Duration, Duration)> {
        let span = |(_, from, until): &(usize, Duration, Duration)| (*from, *until);
        let known = self.agents.iter().chain(&self.schedulers).map(span);
        let all = self.away.iter().chain(&self.doubtful).chain(&self.lost).copied().chain(known);
        all.map(|(from, until)| (from, until.saturating_add(self.bounds.fresh)))
    }

    /// When so much ended that it may be doubted: together with what had ended before and nobody may have noticed.
    fn losses(&self, log: &Log) -> Vec<Duration> {
        let known = |at| self.put_off(at, |_| true, true, self.more());
        let known: Vec<_> = log.ends.iter().map(|(at, count)| (*at, known(*at), *count)).collect();
        let at_once = |now: Duration| -> usize {
            known.iter().filter(|(at, by, _)| *at <= now && now <= *by).map(|(_, _, count)| count).sum()
        };
        known.iter().map(|(at, ..)| *at).filter(|at| at_once(*at) >= LOSS_MIN).collect()
    }

    /// The bound after `at`, put off by whatever stood in the way.
    fn put_off(&self, at: Duration, on: impl Fn(usize) -> bool, tasks: bool, more: Duration) -> Duration {
        let agents =
            self.agents.iter().filter(|(agent, ..)| on(*agent)).map(|(_, from, until)| (*from, *until));
        let doubtful = self.doubtful.iter().filter(|_| tasks).copied();
        let spans: Vec<_> = self.away.iter().copied().chain(agents).chain(doubtful).collect();
        let first = at.saturating_add(self.bounds.fresh).saturating_add(more);
        self.settle(at, first, &spans, more)
    }

    /// Until when what expires at this time may stay: it is looked at then, and if that fails, only much later.
    fn expired(&self, at: Duration) -> Duration {
        let spans: Vec<_> = self.away.iter().chain(&self.doubtful).copied().collect();
        self.settle(at, at.saturating_add(self.bounds.fresh), &spans, self.more())
    }

    /// Puts a deadline off as long as anything begins before it and ends after `at`.
    fn settle(
        &self,
        at: Duration,
        mut deadline: Duration,
        spans: &[(Duration, Duration)],
        more: Duration,
    ) -> Duration {
        loop {
            let later = spans
                .iter()
                .filter(|(from, until)| *from < deadline && *until > at)
                .map(|(_, until)| until.saturating_add(self.bounds.fresh).saturating_add(more))
                .max();
            match later {
                Some(later) if later > deadline => deadline = later,
                _ => return deadline,
            }
        }
    }

    /// Until when tasks may be kept that ended with many others: two looks at it, so far apart, and anything in
    /// between may begin that anew.
    fn doubted_until(&self, at: Duration) -> Duration {
        let more = self.bounds.agree.saturating_add(self.bounds.quiet);
        let agents = self.agents.iter().map(|(_, from, until)| (*from, *until));
        let spans: Vec<_> = self.away.iter().chain(&self.doubtful).copied().chain(agents).collect();
        let first = at.saturating_add(self.bounds.fresh).saturating_add(more);
        self.settle(at, first, &spans, more)
    }

    /// Until when tasks may be kept whose agent did not return: the hold time, and again in each reign that
    /// began before anybody noticed its end.
    fn waited(&self, since: Duration, born: Duration) -> Duration {
        let hold = self.bounds.hold;
        let seen = self.of_leader(since).saturating_add(hold).max(born);
        let mut deadline = self.expired(seen);
        for elected in self.elections.iter().filter(|elected| **elected > since) {
            if *elected <= deadline {
                let seen = self.of_leader(*elected).saturating_add(hold);
                deadline = deadline.max(self.expired(seen));
            }
        }
        deadline
    }
}

/// When nobody could be read. Trouble that begins before a reader has recovered from the one before is the same.
fn away(log: &Log) -> Vec<(Duration, Duration)> {
    let bounds = &log.bounds;
    let all = log.troubles.iter().filter(|trouble| trouble.scope == Scope::All);
    let ends = |trouble: &Trouble| trouble.until.max(trouble.silent_until);
    let all = all.map(|trouble| (trouble.from, ends(trouble), trouble.hangs));
    // With the leader its streams end, and one that was short is not followed by another at once.
    let tells_tasks = !bounds.rejoin.is_zero();
    let elections = log.elections.iter().filter(|_| tells_tasks).map(|elected| (*elected, *elected, false));
    let mut spans: Vec<_> = all.chain(elections).collect();
    spans.sort_unstable();
    let recovered = |from: Duration, until: Duration, hangs| {
        let length = until.saturating_sub(from).min(BACKOFF_MAX);
        until.saturating_add(bounds.recovery(length, hangs))
    };
    let mut merged: Vec<(Duration, Duration, bool)> = Vec::new();
    for (from, until, hangs) in spans {
        match merged.last_mut() {
            Some((begin, end, hung))
                if from <= recovered(*begin, *end, *hung).saturating_add(bounds.fresh) =>
            {
                (*end, *hung) = (until.max(*end), hangs || *hung);
            }
            _ => merged.push((from, until, hangs)),
        }
    }
    // Who did not run did not fail, and backs off from nothing.
    let outages = log.outages.iter().map(|outage| (outage.from, outage.until.saturating_add(bounds.start)));
    let stalls = log.troubles.iter().filter(|trouble| trouble.scope == Scope::Stall);
    let still = stalls.map(|stall| (stall.from, stall.until));
    let away = merged.into_iter().map(|(from, until, hangs)| (from, recovered(from, until, hangs)));
    away.chain(outages).chain(still).collect()
}
