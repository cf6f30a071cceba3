//! From what was true and what was answered to what is wrong with it.
//!
//! A pure function. For each answer it looks for a version of the name that the answer can be: one whose time,
//! from its birth to its deadline, meets the time between question and answer, and that is not older than what
//! the same client was told before. If there is none, the reason tells which law is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{
    history::{Client, History, Question, Run, Seen, Set, Sign, SignRun, Source, Span, Witness, text},
    log::{Judge, Log, Outage, Subject, Timeline},
};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// Every answer is one version's, whole and unmixed.
    Whole,
    /// No client is told an older version after a newer one.
    Forward,
    /// A name that exists without a break is never denied; after the first data, nothing is left unanswered.
    Steady,
    /// Nobody is called the leader who never was, or beyond the bound is no more.
    Leader,
    /// What changed is answered within the bound.
    Fresh,
    /// What ended is gone within the bound.
    Gone,
    /// Serials do not fall, rise with changes and only with them; replicas that see the same say the same.
    Serial,
    /// Everything that was answered could be kept and checked.
    Complete,
}

/// A broken law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// When the answer came that broke it.
    pub at: Duration,
    /// What happened, for people.
    pub story: String,
}

/// Between two signs so close to each other nothing changes and changes back.
const UNSEEN_MAX: Duration = Duration::from_millis(500);

/// Everything that is wrong, in the order of time.
pub fn check(log: &Log, history: &History) -> Vec<Violation> {
    let judge = log.judge();
    let mut violations = Vec::new();
    if history.is_full() {
        let story = "more answers than can be kept".into();
        violations.push(Violation { law: Law::Complete, at: Duration::ZERO, story });
    }
    let lives = Lives::new(log, history);
    let timed: Vec<Timed<'_>> = log.timelines.iter().map(|timeline| Timed::new(&judge, timeline)).collect();
    for (client, question, runs) in history.runs() {
        let timed = &timed[question];
        Asker { client, question: &timed.timeline.question, lives: &lives, timed }
            .check(runs, &mut violations);
    }
    check_signs(log, &judge, &timed, history, &mut violations);
    violations.sort_by_key(|violation| violation.at);
    violations
}

/// The laws that are broken, each once.
pub fn laws(violations: &[Violation]) -> String {
    let laws: BTreeSet<Law> = violations.iter().map(|violation| violation.law).collect();
    let laws: Vec<String> = laws.iter().map(|law| format!("{law:?}")).collect();
    laws.join(", ")
}

/// A timeline and its deadlines.
struct Timed<'a> {
    timeline: &'a Timeline,
    /// By version: until when it may be answered, and whether its data may stand beside newer ones.
    ends: Vec<(Duration, bool)>,
    /// Whether tasks of a blend may be known one by one.
    by_task: bool,
}

impl<'a> Timed<'a> {
    fn new(judge: &Judge, timeline: &'a Timeline) -> Self {
        let ends = (0..timeline.versions.len()).map(|version| {
            let Some(deadline) = judge.deadline(timeline, version) else { return (Duration::MAX, false) };
            let next = timeline.versions[version + 1].born;
            let blends = match &timeline.subject {
                Subject::Leader => false,
                Subject::Scheduler(_) => judge.lingers(next, deadline),
                Subject::Tasks { agents, .. } => judge.blends(agents, next, deadline),
            };
            (deadline, blends)
        });
        let is_of_tasks = matches!(timeline.subject, Subject::Tasks { .. });
        Self { timeline, ends: ends.collect(), by_task: is_of_tasks && judge.tells_tasks() }
    }

    /// Whether a version may be answered in this time.
    fn is_open(&self, version: usize, span: Span) -> bool {
        self.timeline.versions[version].born <= span.received && span.sent <= self.ends[version].0
    }

    /// The versions this set can be, whatever the time.
    fn exact(&self, set: &Set) -> Vec<usize> {
        (0..self.ends.len()).filter(|version| self.timeline.versions[*version].set == *set).collect()
    }

    /// The first open version from `floor` on that this set is, alone or with what is left of older ones.
    fn find(&self, set: &Set, span: Span, floor: usize) -> Option<usize> {
        let versions = &self.timeline.versions;
        (floor..versions.len())
            .filter(|version| self.is_open(*version, span))
            .find(|version| versions[*version].set == *set || self.is_blend(*version, set, span))
    }

    /// Whether a set is this version together with older ones of which each may still be there, and is whole.
    fn is_blend(&self, newest: usize, set: &Set, span: Span) -> bool {
        let versions = &self.timeline.versions;
        let older = (0..newest).filter(|older| self.ends[*older].1 && self.is_open(*older, span));
        if self.by_task {
            // A document to compare with is ahead of events that are on their way: what they tell of some tasks of a
            // version is known from it before, of others not yet.
            let open = (0..newest).filter(|older| self.is_open(*older, span));
            let open: Vec<&Set> = open.chain([newest]).map(|version| &versions[version].set).collect();
            let is_known = |datum| open.iter().any(|set| set.contains(datum));
            return !set.is_disjoint(&versions[newest].set) && set.iter().all(is_known);
        }
        let parts = older.map(|older| &versions[older].set).filter(|part| part.is_subset(set));
        let mut union = versions[newest].set.clone();
        if !union.is_subset(set) {
            return false;
        }
        parts.for_each(|part| union.extend(part));
        union == *set
    }
}

/// One client and its question.
struct Asker<'a> {
    client: Client,
    question: &'a Question,
    lives: &'a Lives,
    timed: &'a Timed<'a>,
}

impl Asker<'_> {
    fn check(&self, runs: &[Run], violations: &mut Vec<Violation>) {
        let mut floor = 0;
        for run in runs {
            // Both ends of a run; a run of one has only one.
            let spans = if run.count == 1 { &[run.first][..] } else { &[run.first, run.last][..] };
            for span in spans {
                match self.check_one(&run.seen, *span, floor) {
                    Ok(version) => floor = version.unwrap_or(floor),
                    Err((law, why)) => {
                        violations.push(self.violation(law, &why, &run.seen, *span));
                        break;
                    }
                }
            }
        }
    }

    /// The version that an answer is.
    fn check_one(&self, seen: &Seen, span: Span, floor: usize) -> Result<Option<usize>, (Law, String)> {
        let Some(set) = seen.set() else { return self.check_failure(seen, span).map(|()| None) };
        let timed = self.timed;
        if let Some(version) = timed.find(set, span, floor) {
            return Ok(Some(version));
        }
        let versions = &timed.timeline.versions;
        let is_leader = timed.timeline.subject == Subject::Leader;
        if let Some(older) = timed.find(set, span, 0) {
            // What an agent that came back does not have any more goes last.
            if timed.by_task && timed.ends[older].1 {
                return Ok(None);
            }
            let why = format!("it had been told {} before", text(&versions[floor].set));
            return Err((Law::Forward, why));
        }
        let exact = timed.exact(set);
        let past: Vec<usize> =
            exact.iter().copied().filter(|version| versions[*version].born <= span.received).collect();
        let Some(last) = past.last().copied() else {
            return Err(match (is_leader, set.is_empty(), exact.first()) {
                (_, true, _) => (Law::Steady, "it never ended".into()),
                (true, ..) => (Law::Leader, "this one never led before".into()),
                (false, _, None) => (Law::Whole, self.nearest(timed, span)),
                (false, _, Some(_)) => (Law::Whole, "it is not there yet".into()),
            });
        };
        let ended = versions.get(last + 1).map_or(span.sent, |next| next.born);
        let why = format!(
            "{} since {:.3} s, to be known by {:.3} s",
            versions.get(last + 1).map_or_else(String::new, |next| text(&next.set)),
            ended.as_secs_f64(),
            timed.ends[last].0.as_secs_f64(),
        );
        let is_gone = versions.iter().rev().find(|version| version.born <= span.sent);
        Err(match () {
            () if is_leader => (Law::Leader, why),
            () if set.is_empty() && floor > last => (Law::Steady, why),
            () if set.is_empty() => (Law::Fresh, why),
            () if is_gone.is_some_and(|version| version.set.is_empty()) => (Law::Gone, why),
            () => (Law::Fresh, why),
        })
    }

    /// A failure is allowed while the program does not run, and SERVFAIL until its first data too.
    fn check_failure(&self, seen: &Seen, span: Span) -> Result<(), (Law, String)> {
        let is_excused = match seen {
            Seen::Silence => self.lives.is_down(self.client.replica, span),
            Seen::ServFail => self.lives.is_loading(self.client.replica, span),
            _ => false,
        };
        if is_excused { Ok(()) } else { Err((Law::Steady, "there was data to answer from".into())) }
    }

    /// What should have been there, for people.
    fn nearest(&self, timed: &Timed<'_>, span: Span) -> String {
        let versions = &timed.timeline.versions;
        let open = (0..versions.len()).filter(|version| timed.is_open(*version, span));
        let open: Vec<String> = open.map(|version| text(&versions[version].set)).collect();
        format!("it could be: {}", open.join("; or "))
    }

    fn violation(&self, law: Law, why: &str, seen: &Seen, span: Span) -> Violation {
        let Client { replica, number } = self.client;
        let story = format!("{} gave {seen} to client {number} of replica {replica}: {why}", self.question);
        Violation { law, at: span.received, story }
    }
}

//------------ Lives --------------------------------------------------------------

/// When each replica ran, and when it first had data.
struct Lives {
    outages: Vec<Outage>,
    /// By replica: when a life began, and when its first data was seen.
    first_data: BTreeMap<usize, Vec<(Duration, Duration)>>,
}

impl Lives {
    fn new(log: &Log, history: &History) -> Self {
        let mut first_data: BTreeMap<usize, Vec<(Duration, Duration)>> = BTreeMap::new();
        for (client, _, runs) in history.runs() {
            let lives = first_data.entry(client.replica).or_insert_with(|| {
                let starts = log.outages.iter().filter(|outage| outage.replica == client.replica);
                let starts = std::iter::once(Duration::ZERO).chain(starts.map(|outage| outage.until));
                starts.map(|start| (start, Duration::MAX)).collect()
            });
            for run in runs.iter().filter(|run| run.seen.set().is_some()) {
                for span in [run.first, run.last] {
                    let life = lives.iter_mut().rev().find(|(start, _)| *start <= span.sent);
                    if let Some((_, first)) = life {
                        *first = (*first).min(span.received);
                    }
                }
            }
        }
        Self { outages: log.outages.clone(), first_data }
    }

    fn is_down(&self, replica: usize, span: Span) -> bool {
        let mut outages = self.outages.iter().filter(|outage| outage.replica == replica);
        outages.any(|outage| outage.from <= span.received && span.sent <= outage.until)
    }

    fn is_loading(&self, replica: usize, span: Span) -> bool {
        let lives = self.first_data.get(&replica).into_iter().flatten();
        let life = lives.rev().find(|(start, _)| *start <= span.received);
        life.is_none_or(|(_, first)| span.sent <= *first) || self.is_down(replica, span)
    }
}

//------------ Serials and hashes -------------------------------------------------

/// A time in which nothing was under way, and what a replica said in it.
struct Quiet<'a> {
    from: Duration,
    until: Duration,
    said: BTreeMap<Witness, &'a SignRun>,
}

fn check_signs(
    log: &Log,
    judge: &Judge,
    timed: &[Timed<'_>],
    history: &History,
    violations: &mut Vec<Violation>,
) {
    let mut broken = |at: Duration, story: String| violations.push(Violation { law: Law::Serial, at, story });
    for (witness, runs) in history.signs() {
        for pair in runs.windows(2) {
            let (before, after) = (pair[0].sign.serial, pair[1].sign.serial);
            // RFC 1982: the difference as a signed number.
            if (after.wrapping_sub(before) as i32) < 0 {
                broken(
                    pair[1].first.received,
                    format!("the serial of {witness} fell from {before} to {after}"),
                );
            }
        }
        for same in runs.chunk_by(|before, after| before.sign.serial == after.sign.serial) {
            // What changes again within a second has the serial of the first change until that second is over.
            let (first, last) = (&same[0], &same[same.len() - 1]);
            if first.sign.hash != last.sign.hash
                && last.last.sent > first.first.received.saturating_add(log.bounds.serial)
            {
                let (before, after) = (first.sign, last.sign);
                broken(
                    last.last.received,
                    format!("{witness} changed without a new serial: {before} and {after}"),
                );
            }
        }
    }
    check_idle_serials(log, history, &mut broken);
    let mut quiet: Vec<Quiet<'_>> = quiet(log, judge, timed)
        .into_iter()
        .map(|(from, until)| Quiet { from, until, said: BTreeMap::new() })
        .collect();
    for (witness, runs) in history.signs() {
        for time in &mut quiet {
            let within = |run: &&SignRun| run.last.sent > time.from && run.first.received < time.until;
            for run in runs.iter().filter(within) {
                if let Some(other) = time.said.insert(witness, run) {
                    broken(
                        run.first.received,
                        format!("{witness} went from {} to {} and nothing had changed", other.sign, run.sign),
                    );
                }
            }
        }
    }
    for time in &quiet {
        let mut hashes = time.said.values().filter_map(|run| run.sign.hash);
        let first = hashes.next();
        if hashes.any(|hash| Some(hash) != first) {
            let said: Vec<String> = time.said.values().map(|run| run.sign.to_string()).collect();
            broken(time.until, format!("replicas that see the same say {}", said.join(" and ")));
        }
    }
}

/// Content that stays may get one more serial, that of its last change; a second one is for nothing.
fn check_idle_serials(log: &Log, history: &History, broken: &mut impl FnMut(Duration, String)) {
    for (witness, runs) in history.signs() {
        let is_next = |before: &SignRun, after: &SignRun| {
            let down = |outage: &Outage| {
                outage.replica == witness.replica
                    && outage.from <= after.first.received
                    && before.last.sent <= outage.until
            };
            before.sign.hash.is_some()
                && before.sign.hash == after.sign.hash
                && after.first.received.saturating_sub(before.last.sent) < UNSEEN_MAX
                && !log.outages.iter().any(down)
        };
        for same in runs.chunk_by(is_next).filter(|same| same.len() > 2) {
            let (first, last) = (same[0].sign, &same[same.len() - 1]);
            broken(last.first.received, format!("{witness} went from {first} to {} for nothing", last.sign));
        }
    }
}

/// Times in which everything that was true was known and stayed so.
fn quiet(log: &Log, judge: &Judge, timed: &[Timed<'_>]) -> Vec<(Duration, Duration)> {
    let serial = log.bounds.serial;
    let changes = timed.iter().flat_map(|timed| {
        let next = timed.timeline.versions.iter().skip(1).map(|version| version.born);
        next.zip(timed.ends.iter().map(|(end, _)| *end))
    });
    let start = (Duration::ZERO, log.bounds.start + log.bounds.fresh);
    let mut busy: Vec<_> = changes.chain(judge.busy()).chain([start]).collect();
    busy.sort_unstable();
    let mut quiet = Vec::new();
    let mut since = Duration::ZERO;
    for (from, until) in busy {
        if from > since {
            quiet.push((since, from));
        }
        since = since.max(until.saturating_add(serial));
    }
    if since < Duration::MAX {
        quiet.push((since, Duration::MAX));
    }
    quiet
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hash {
            Some(hash) => write!(f, "serial {} hash {hash:016x}", self.serial),
            None => write!(f, "serial {}", self.serial),
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Dns => "the SOA",
            Source::Http => "/ready",
        };
        write!(f, "{source} of replica {} to client {}", self.replica, self.client)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} broken at {:.3} s: {}", self.law, self.at.as_secs_f64(), self.story)
    }
}

#[cfg(test)]
mod tests;
