//! The reading end of a stream of events in made-up time: bytes on their way, and what the decoder makes of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use mesos_dns_core::{
    cluster::{Change, Document},
    mesos::{
        operator::{Limits, Passed, Said, Stream},
        state::{Decoder, assemble},
    },
};
use rand::RngExt;

use super::{
    shown::{Told, heartbeat},
    stage::Stage,
};
use crate::{life::Dice, master::Fault};

/// A subscription.
pub(super) struct Subscriber {
    stream: Stream,
    reign: (usize, Duration),
    /// Records told before are in the snapshot, or were sent.
    position: usize,
    way: VecDeque<(Duration, Sent)>,
    next_beat: Duration,
    beat: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Everything that is to come is on its way.
    Closed,
    /// Nothing will come any more, not even an end.
    Deaf,
}

enum Sent {
    Bytes(Arc<[u8]>),
    End,
}

/// What came.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) changes: Vec<Change>,
    pub(super) is_alive: bool,
    pub(super) is_odd: bool,
    pub(super) has_ended: bool,
}

impl Subscriber {
    /// Reads the snapshot; `None` if it breaks off.
    pub(super) fn open(
        snapshot: &[u8],
        told: &Told,
        beat: Duration,
        now: Duration,
    ) -> Option<(Self, Document)> {
        let mut stream = Stream::new(Limits::default());
        let (mut decoder, mut parts, mut rest) = (Decoder::default(), Vec::new(), snapshot);
        let outline = loop {
            match stream.push(&mut rest).ok()?? {
                Said::Batch(batch) => parts.push(decoder.decode(batch)),
                Said::Snapshot(outline) => break *outline,
                _ => {}
            }
        };
        let subscriber = Self {
            stream,
            reign: told.reign?,
            position: told.records.len(),
            way: VecDeque::new(),
            next_beat: now + beat,
            beat,
            state: State::Open,
        };
        Some((subscriber, assemble(outline, parts)))
    }

    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.stream.heartbeat_interval()
    }

    /// When something comes, or is to be sent by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let beat = (self.state == State::Open).then_some(self.next_beat);
        self.way.front().map(|(due, _)| *due).into_iter().chain(beat).min()
    }

    /// Sends what the master told since; `latency` draws how long that takes.
    pub(super) fn follow(
        &mut self,
        stage: &Stage,
        told: &Told,
        now: Duration,
        dice: &mut Dice,
        latency: Duration,
    ) {
        if self.state != State::Open {
            return;
        }
        let (leader, _) = self.reign;
        let seat = &stage.masters[leader];
        if matches!(seat.fault, Fault::HalfOpen { .. }) {
            self.state = State::Deaf;
            return;
        }
        if told.reign != Some(self.reign) || !seat.is_alive || matches!(seat.fault, Fault::Cut { .. }) {
            return self.close(now, dice, latency);
        }
        for record in &told.records[self.position..] {
            if matches!(seat.fault, Fault::CutRecord { .. }) {
                self.send(Sent::Bytes(record[..record.len() / 2].into()), now, dice, latency);
                return self.close(now, dice, latency);
            }
            self.send(Sent::Bytes(record.clone()), now, dice, latency);
        }
        self.position = told.records.len();
        if self.next_beat <= now {
            self.next_beat = now + self.beat;
            if seat.fault != Fault::NoHeartbeat {
                self.send(Sent::Bytes(heartbeat().into()), now, dice, latency);
            }
        }
    }

    fn close(&mut self, now: Duration, dice: &mut Dice, latency: Duration) {
        self.send(Sent::End, now, dice, latency);
        self.state = State::Closed;
    }

    /// What is sent together may come together, or not.
    fn send(&mut self, sent: Sent, now: Duration, dice: &mut Dice, latency: Duration) {
        let before = self.way.back().map_or(now, |(due, _)| *due).max(now);
        let together = self.way.back().is_some() && dice.random_bool(0.8);
        let due = if together { before } else { before.max(now + latency.mul_f64(dice.random())) };
        self.way.push_back((due, sent));
    }

    /// Reads what came by now.
    pub(super) fn hear(&mut self, now: Duration, dice: &mut Dice) -> Heard {
        let mut heard = Heard::default();
        while let Some((_, sent)) = self.way.pop_front_if(|(due, _)| *due <= now) {
            let Sent::Bytes(bytes) = sent else {
                heard.has_ended = true;
                return heard;
            };
            heard.is_alive = true;
            let (first, second) = bytes.split_at(dice.random_range(0..=bytes.len()));
            for mut piece in [first, second] {
                loop {
                    match self.stream.push(&mut piece) {
                        Ok(Some(Said::Change(change))) => heard.changes.push(change),
                        Ok(Some(Said::Passed(Passed::Malformed { .. }))) => heard.is_odd = true,
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => {
                            heard.has_ended = true;
                            return heard;
                        }
                    }
                }
            }
        }
        heard
    }
}
