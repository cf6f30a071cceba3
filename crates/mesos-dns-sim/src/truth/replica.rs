//! One program in made-up time: the core, wired as the daemon wires it.
//!
//! [`Poll`] says whom to ask and [`Subscription`] what for, the world's master writes its document or stream, the
//! decoder reads it, and [`Served`] takes it in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{Change, Document, Masters},
    mesos::{operator::Support, state::decode},
    table::Seed,
    watch::{
        Master,
        believe::{self, Leadership, leads},
        knowledge::Origin,
        poll::{self, Ask, Fetch, Leader, Outcome, Poll, Step},
        subscribe::{self, End, Subscription},
    },
};
use rand::{RngExt, SeedableRng};

use super::{
    served::{Audience, Served},
    shown::Shown,
    stage::Stage,
    subscriber::{Heard, Subscriber},
    virtual_time::{Guide, Setting},
    world::World,
};
use crate::{life::Dice, master::Fault};

/// Longest time that a message is on its way.
pub(super) const LATENCY_MAX: Duration = Duration::from_millis(25);

/// Time for one try.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// What became of a request.
enum Reply {
    Document(Box<Document>),
    Subscribed(Box<(Subscriber, Document, Support)>),
    Elsewhere(Master),
    Absent,
    Failed,
    Leaderless,
}

/// A request on its way.
enum Running {
    There(Fetch, Duration),
    Back(Fetch, Duration, Reply),
}

/// See the head of this file.
pub(super) struct Replica {
    start: Instant,
    dice: Dice,
    setting: Setting,
    poll: Poll,
    subscription: Subscription,
    listed: Vec<Arc<str>>,
    served: Served,
    running: Option<Running>,
    subscriber: Option<Subscriber>,
    /// When the summary comes that was asked for.
    summary: Option<Duration>,
    /// Whose reign ZooKeeper showed, and since when that is on its way or was taken notice of.
    shown: (Option<(usize, Duration)>, Option<Duration>),
    /// The leader as the last document or ZooKeeper names it.
    leader: Option<Arc<str>>,
}

impl Replica {
    pub(super) fn new(number: usize, setting: Setting, world: &World, seed: u64) -> Self {
        let start = Instant::now();
        let addresses = world.stage().masters.iter().map(|seat| seat.face.address.to_string());
        let listed: Vec<Arc<str>> = addresses.map(Arc::from).collect();
        let masters = listed.iter().filter_map(|text| Master::parse(text)).collect();
        let mut poll = Poll::new(poll::Settings { refresh: setting.refresh, timeout: TIMEOUT });
        poll.handle_masters(masters, Leader::Changed, start);
        let (updates, compare) = (setting.updates, setting.compare);
        let believe = believe::Settings { hold: setting.hold, loss_percent: 30, loss_minimum: 20 };
        Self {
            start,
            dice: Dice::seed_from_u64(seed),
            setting,
            poll,
            subscription: Subscription::new(subscribe::Settings { updates, compare, timeout: TIMEOUT }),
            listed,
            served: Served::new(number, start, believe, Seed(seed)),
            running: None,
            subscriber: None,
            summary: None,
            shown: (world.stage().leader.map(|leader| (leader, world.stage().elected)), None),
            leader: None,
        }
    }

    pub(super) fn served(&self) -> &Served {
        &self.served
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let since = |at: Instant| at.saturating_duration_since(self.start);
        let is_idle = self.running.is_none();
        let request = match &self.running {
            Some(Running::There(_, due) | Running::Back(_, due, _)) => Some(*due),
            None => self.poll.poll_timeout().map(since),
        };
        let watched = self.subscription.poll_timeout(is_idle).map(since);
        let stream = self.subscriber.as_ref().and_then(Subscriber::next_due);
        let others = [request, watched, stream, self.summary, self.shown.1, self.served.next_due()];
        others.into_iter().flatten().min()
    }

    pub(super) fn advance(&mut self, shown: &mut Shown, to: &mut Audience<'_>) {
        let now = self.start + to.now;
        self.served.work(to);
        self.look_at_zookeeper(to);
        self.hear(shown, to);
        if self.subscription.poll_silence(now) {
            self.end_stream(End::Silent, to);
        }
        if self.summary.is_some_and(|due| due <= to.now) {
            self.summary = None;
            self.handle_summary(shown, to);
        }
        self.ask(shown, to);
    }

    fn latency(&mut self) -> Duration {
        LATENCY_MAX.mul_f64(self.dice.random())
    }

    //--- ZooKeeper

    /// Takes notice of an election a moment after it.
    fn look_at_zookeeper(&mut self, to: &mut Audience<'_>) {
        if self.setting.guide == Guide::List {
            return;
        }
        let stage = to.world.stage();
        let reign = stage.leader.map(|leader| (leader, stage.elected));
        if reign.is_some() && reign != self.shown.0 {
            self.shown = (reign, Some(to.now + self.latency()));
        }
        let (Some((leader, _)), Some(due)) = self.shown else { return };
        if due > to.now {
            return;
        }
        self.shown.1 = None;
        let mut masters: Vec<Master> = self.listed.iter().filter_map(|text| Master::parse(text)).collect();
        masters[..=leader].rotate_right(1);
        let leader = self.listed[leader].clone();
        self.running = None;
        self.subscription.handle_leader();
        if self.subscription.master().is_some() {
            self.end_stream(End::Dropped, to);
        }
        self.poll.handle_masters(masters, Leader::Changed, self.start + to.now);
        if self.leader.is_some() {
            self.leader = Some(leader.clone());
            self.served.lead(Masters { leader: Some(leader), listed: self.listed.clone() }, to);
        }
    }

    //--- Streams

    fn hear(&mut self, shown: &Shown, to: &mut Audience<'_>) {
        let Some(subscriber) = &mut self.subscriber else { return };
        subscriber.follow(to.world.stage(), shown.told(), to.now, &mut self.dice, LATENCY_MAX);
        let Heard { changes, is_alive, is_odd, has_ended } = subscriber.hear(to.now, &mut self.dice);
        let now = self.start + to.now;
        if is_alive {
            self.subscription.handle_alive(now);
        }
        if changes.iter().any(|change| matches!(change, Change::FrameworkAdded(_))) {
            let there_and_back = self.latency() + self.latency();
            self.summary.get_or_insert(to.now + there_and_back);
        }
        let is_odd = (!changes.is_empty() && self.served.change(changes, to)) || is_odd;
        if is_odd {
            self.subscription.handle_suspicion(now);
        }
        if has_ended {
            self.end_stream(End::Closed, to);
        }
    }

    fn end_stream(&mut self, end: End, to: &Audience<'_>) {
        let now = self.start + to.now;
        (self.subscriber, self.summary) = (None, None);
        let Some((life, _)) = self.subscription.handle_end(end, now) else { return };
        // A comparison with what nobody goes on telling is of no use.
        self.running = None;
        self.poll.handle_stream_end(life, now, self.dice.random());
    }

    fn handle_summary(&mut self, shown: &Shown, to: &mut Audience<'_>) {
        let stage = to.world.stage();
        let asked = self.subscription.master().and_then(|master| position(stage, master));
        match asked.filter(|asked| answers(stage, *asked)) {
            Some(leader) => _ = self.served.change(shown.schedulers(to.world, leader), to),
            None => self.subscription.handle_suspicion(self.start + to.now),
        }
    }

    //--- Requests

    fn ask(&mut self, shown: &mut Shown, to: &mut Audience<'_>) {
        let now = self.start + to.now;
        match self.running.take() {
            None => {
                let wanted = self.subscription.wanted(now);
                let fetch =
                    self.poll.poll_transmit(wanted, now).or_else(|| self.subscription.poll_compare(now));
                let Some(fetch) = fetch else { return };
                if fetch.ask == Ask::Comparison {
                    self.served.expect_comparison();
                }
                self.running = Some(Running::There(fetch, to.now + self.latency()));
            }
            Some(Running::There(fetch, due)) if due <= to.now => {
                let here = to.now + self.latency();
                let deadline = fetch.deadline.saturating_duration_since(self.start);
                let (reply, due) = match self.answer(&fetch, shown, to) {
                    Some(reply) => (reply, here),
                    None => (Reply::Failed, deadline),
                };
                self.running = Some(Running::Back(fetch, due, reply));
            }
            Some(Running::Back(fetch, due, reply)) if due <= to.now => self.handle_reply(&fetch, reply, to),
            waiting => self.running = waiting,
        }
    }

    /// What a master answers; nothing if it keeps us waiting.
    fn answer(&self, fetch: &Fetch, shown: &mut Shown, to: &Audience<'_>) -> Option<Reply> {
        let stage = to.world.stage();
        let Some(asked) = position(stage, &fetch.master) else { return Some(Reply::Failed) };
        let seat = &stage.masters[asked];
        let leads = stage.leader == Some(asked);
        Some(match (seat.is_alive, seat.fault, stage.leader) {
            (true, Fault::Silent | Fault::Drip { .. }, _) => return None,
            (true, Fault::HalfOpen { .. }, _) if leads => return None,
            (false, ..) => Reply::Absent,
            (true, Fault::Html, _) => Reply::Failed,
            (true, Fault::Unavailable, _) => Reply::Leaderless,
            (true, fault, _) if leads => {
                let cut = |bytes: &[u8]| match fault {
                    Fault::Cut { after_bytes } => after_bytes.min(bytes.len()),
                    _ => bytes.len(),
                };
                if fetch.ask == Ask::Stream {
                    self.subscribe(asked, cut, shown, to)
                } else {
                    read(asked, cut, shown, to)
                }
            }
            (true, _, Some(leader)) => {
                let address = stage.masters[leader].face.address.to_string();
                Master::parse(&address).map_or(Reply::Failed, Reply::Elsewhere)
            }
            (true, _, None) => Reply::Leaderless,
        })
    }

    /// The beginning of a stream; masters open one once they have read their registry.
    fn subscribe(
        &self,
        leader: usize,
        cut: impl Fn(&[u8]) -> usize,
        shown: &mut Shown,
        to: &Audience<'_>,
    ) -> Reply {
        if !to.world.memory().is_recovered() {
            // 503, as for a standby that knows of no leader.
            return Reply::Leaderless;
        }
        let snapshot = shown.snapshot(to.world, leader).to_vec();
        let told = shown.told();
        let opened = Subscriber::open(&snapshot[..cut(&snapshot)], told, self.setting.heartbeat, to.now);
        let Some((subscriber, mut document)) = opened else { return Reply::Failed };
        let schedulers = shown.schedulers(to.world, leader);
        place(&mut document, schedulers);
        let identity = shown.identity(to.world, leader);
        identity.sign(&mut document);
        Reply::Subscribed(Box::new((subscriber, document, identity.support())))
    }

    fn handle_reply(&mut self, fetch: &Fetch, reply: Reply, to: &mut Audience<'_>) {
        let now = self.start + to.now;
        if fetch.ask == Ask::Comparison {
            return self.handle_comparison(fetch, reply, to);
        }
        let outcome = match reply {
            Reply::Document(document) => match self.take(fetch, *document, Origin::Polled, to) {
                Ok(again) => Outcome::Found { again },
                Err(outcome) => outcome,
            },
            Reply::Subscribed(subscribed) => {
                let (subscriber, document, support) = *subscribed;
                match self.take(fetch, document, Origin::Subscribed, to) {
                    Ok(again) => {
                        let (heartbeat, dice) = (subscriber.heartbeat(), self.dice.random());
                        self.subscription.handle_begin(fetch, support, heartbeat, now, dice);
                        if let Some(again) = again {
                            self.subscription.handle_again(again, now);
                        }
                        (self.subscriber, self.summary) = (Some(subscriber), None);
                        Outcome::Streaming
                    }
                    Err(outcome) => outcome,
                }
            }
            Reply::Elsewhere(leader) => Outcome::Elsewhere(leader),
            Reply::Absent => Outcome::Absent,
            Reply::Failed => Outcome::Failed,
            Reply::Leaderless => Outcome::Leaderless,
        };
        let step = self.poll.handle_outcome(outcome, now, self.dice.random());
        if step == Step::Failed && fetch.ask == Ask::Stream {
            self.subscription.handle_failed(now);
        }
    }

    fn handle_comparison(&mut self, fetch: &Fetch, reply: Reply, to: &mut Audience<'_>) {
        let now = self.start + to.now;
        self.poll.handle_comparison(now);
        let again = match reply {
            Reply::Document(document) => self.take(fetch, *document, Origin::Compared, to).unwrap_or(None),
            Reply::Subscribed(_)
            | Reply::Elsewhere(_)
            | Reply::Absent
            | Reply::Failed
            | Reply::Leaderless => None,
        };
        self.subscription.handle_compared(now, self.dice.random());
        if let Some(again) = again {
            self.subscription.handle_again(again, now);
        }
    }

    /// The leader's document. Tells when to look again, if soon; or what else it is.
    fn take(
        &mut self,
        fetch: &Fetch,
        document: Document,
        origin: Origin,
        to: &mut Audience<'_>,
    ) -> Result<Option<Duration>, Outcome> {
        match leads(&document, &fetch.master) {
            Leadership::Answering => {}
            Leadership::Other(leader) => return Err(Outcome::Elsewhere(leader)),
            Leadership::Unknown => return Err(Outcome::Failed),
        }
        let leader: Option<Arc<str>> = document.leader.as_deref().map(Arc::from);
        let masters = Masters { leader: leader.clone(), listed: self.listed.clone() };
        let again = self.served.take(document, masters, origin, to).map_err(|_| Outcome::Failed)?;
        self.leader = leader;
        Ok(again)
    }
}

/// A state document, or what is left of it.
fn read(leader: usize, cut: impl Fn(&[u8]) -> usize, shown: &mut Shown, to: &Audience<'_>) -> Reply {
    let bytes = shown.state(to.world, leader);
    let length = cut(bytes);
    let document = match length == bytes.len() {
        true => Ok(shown.document(to.world, leader)),
        false => decode(&bytes[..length]),
    };
    document.map_or(Reply::Failed, |document| Reply::Document(Box::new(document)))
}

/// Puts the schedulers' addresses into a stream's first document.
fn place(document: &mut Document, schedulers: Vec<Change>) {
    for framework in &mut document.frameworks {
        (framework.host, framework.port) = (None, None);
        for change in &schedulers {
            if let Change::FrameworkAt { id, host, port } = change
                && *id == framework.id
            {
                (framework.host, framework.port) = (host.clone(), *port);
            }
        }
    }
}

fn position(stage: &Stage, master: &Master) -> Option<usize> {
    let address = master.to_string();
    stage.masters.iter().position(|seat| seat.face.address.to_string() == address)
}

fn answers(stage: &Stage, master: usize) -> bool {
    let seat = &stage.masters[master];
    stage.leader == Some(master) && seat.is_alive && seat.fault == Fault::None
}
