//! One question upstream, from the first try to the outcome.
//!
//! Servers have their turns in the order they were configured, the ill ones last; a due probe goes beside the
//! first. Each try has an identifier and a spelling of its own. What happens to it decides what comes next:
//!
//! ```text
//!  an answer (also NXDOMAIN)  -> done
//!  TC                         -> the same server again, over TCP
//!  another spelling           -> not believed: the same server again, over TCP
//!  FORMERR, NOTIMP            -> the same server again, without EDNS; then the next
//!  SERVFAIL, REFUSED          -> the next server; kept in case nobody does better
//!  malformed, network error   -> the next server
//!  too many strays            -> somebody guesses: the same server again, over TCP
//!  silence                    -> the next server; this one again after all others
//! ```
//!
//! Nobody waits for silence to be certain. When all open tries have lasted longer than *usual*, the next server
//! is asked early, if the caller's allowance has one to spend; when they have lasted longer than *patience*,
//! it is asked in any case. Earlier tries stay open, up to [`OPEN_MAX`], so a late answer counts; whoever
//! answers first wins; but when a server that was asked early denies that there is anything, those asked before it keep
//! their time to say otherwise: the order of servers is the operator's word on whom to believe. What does not belong to an open try is a stray: it changes nothing. Only silent servers
//! are asked again: a datagram may have been lost, but an answer would not change.
//!
//! When there is an outcome, tries may stay open a little longer ([`Exchange::poll_timeout`] goes on): that is
//! how a slow server is told from a dead one.
//!
//! The caller owns sockets, clock and dice: it sends what [`Exchange::poll_transmit`] gives, waits until
//! [`Exchange::poll_timeout`], reports with the `handle_*` functions, and stops listening to what
//! [`Exchange::poll_closed`] names.

mod judge;
mod order;
mod turn;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use self::turn::{Candidate, Closed, Ended, Fault, Transmit, TryId};
use self::turn::{Try, Turn, Why};
use super::{
    health::Standing,
    key::Key,
    later,
    message::{Ede, Rcode},
    reply::{Belongs, belongs},
    resolved::Resolved,
    spelling::{self, Letters},
};

/// Longest life of one try.
pub const TRY_MAX: Duration = Duration::from_secs(2);

/// Shortest wait worth a try; with less than that left of the budget, no further one begins.
pub const TRY_MIN: Duration = Duration::from_millis(50);

/// How often a silent server is asked. The third question reaches a server that loses one datagram in three
/// with 96 % certainty, and is asked over TCP, which passes where datagrams do not; the fourth is there for
/// the end of a long budget. After that it is not loss but absence.
pub const ROUNDS_MAX: u8 = 4;

/// The round that is asked over TCP.
const ROUND_TCP: u8 = 3;

/// Most tries open at the same time.
pub const OPEN_MAX: usize = 3;

/// Longest first wait with an ill server while there are others: it is not expected to answer.
pub const PATIENCE_ILL: Duration = Duration::from_millis(100);

/// How many messages that do not belong a try may see. One is a late or doubled reply; this many on a
/// random port within two seconds are guesses at our identifier (RFC 5452 section 9.2).
pub const STRAYS_MAX: u8 = 16;

/// One question upstream.
#[derive(Debug)]
pub struct Exchange<'a> {
    key: &'a Key,
    candidates: Vec<Candidate>,
    end: Instant,
    /// A server's part of the budget, so that each has its turn.
    share: Duration,
    /// What is sent at once: what follows a reply, and probes.
    urgent: VecDeque<Turn>,
    /// What is sent when the open tries have had their time.
    waiting: VecDeque<Turn>,
    open: Vec<Try>,
    closed: VecDeque<Closed>,
    next_id: TryId,
    /// Whether the caller may still grant an early turn; asked once for each.
    may_hedge: bool,
    best: Option<Resolved>,
    /// What a server that was asked early denied.
    denial: Option<Denial>,
    stage: Stage,
    network_error: bool,
    is_lacking: bool,
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    /// There is an answer, not yet taken.
    Answered,
    /// The outcome was taken.
    Told,
}

/// An answer without records, from a server that was asked before its turn.
#[derive(Debug)]
struct Denial {
    resolved: Resolved,
    /// The try it came from: those before it may know better.
    id: TryId,
    /// Until then.
    until: Instant,
}

/// Random numbers for one try.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    /// The identifier.
    pub id: u16,
    /// The spelling.
    pub letters: Letters,
}

/// What became of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Heard {
    /// It ended the try.
    Taken,
    /// It did not belong; if the try is still open, wait on.
    Stray,
}

impl<'a> Exchange<'a> {
    /// Begins: nothing is sent yet. The budget counts from `now`.
    pub fn new(key: &'a Key, candidates: Vec<Candidate>, budget: Duration, now: Instant) -> Self {
        let shares = u32::try_from(candidates.len()).unwrap_or(u32::MAX).max(1);
        let turns = |standing| {
            let server = move |(index, candidate): (usize, &Candidate)| {
                (candidate.outlook.standing == standing).then(|| Turn::first(index, candidate))
            };
            candidates.iter().enumerate().filter_map(server)
        };
        let mut waiting: VecDeque<Turn> = turns(Standing::Well).collect();
        let mut urgent = VecDeque::new();
        // Where nobody is well, the one that is due is simply the first.
        match waiting.pop_front() {
            Some(first) => {
                urgent.push_back(first);
                urgent.extend(turns(Standing::Probed).map(|turn| Turn { is_beside: true, ..turn }));
            }
            None => waiting.extend(turns(Standing::Probed)),
        }
        waiting.extend(turns(Standing::Ill));
        Self {
            key,
            candidates,
            end: later(now, budget),
            share: budget.checked_div(shares).unwrap_or(budget).max(TRY_MIN),
            urgent,
            waiting,
            open: Vec::new(),
            closed: VecDeque::new(),
            next_id: TryId(0),
            may_hedge: false,
            best: None,
            denial: None,
            stage: Stage::Asking,
            network_error: false,
            is_lacking: false,
        }
    }

    /// What to send next, by these dice, if it is time. `hedge` says whether a server may be asked early.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        dice: &Dice,
        hedge: impl FnOnce() -> bool,
    ) -> Option<Transmit> {
        if self.stage != Stage::Asking || later(now, TRY_MIN) > self.end {
            return None;
        }
        let turn = self.next_turn(now, hedge)?;
        let candidate = self.candidates.get(turn.server)?;
        let mut question = self.key.question();
        if candidate.outlook.spelled {
            spelling::spell(&mut question, &dice.letters);
        }
        let transmit = Transmit {
            id: self.next_id,
            server: candidate.server.clone(),
            carrier: turn.carrier,
            message: self.key.query(dice.id, &question, turn.edns),
            question: question.clone(),
            hedge: turn.why == Why::Early,
            probe: turn.is_probe(),
        };
        let patience = self.patience(&turn, candidate);
        let started = Try::new(self.next_id, turn, dice.id, question, &candidate.outlook, patience, now);
        let lasts = !self.has_error() || self.is_well(&turn);
        self.waiting.extend(turn.next_round(candidate).filter(|_| lasts));
        if self.open.len() >= OPEN_MAX {
            // All have had their time, or this would not be due; the oldest makes room.
            let oldest = self.open.remove(0);
            self.close(oldest, Ended::Silence, now);
        }
        self.open.push(started);
        self.next_id = self.next_id.next();
        self.may_hedge = true;
        Some(transmit)
    }

    /// When to call again at the latest, [`Exchange::handle_timeout`] first; `None` when all is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stage == Stage::Told {
            return self.open.iter().map(|open| open.silent).min();
        }
        let mut times: Vec<Instant> = self.open.iter().map(|open| open.dies).collect();
        times.push(self.end);
        if let Some(denial) = &self.denial {
            times.push(denial.until);
        } else if let Some(turn) = self.waiting.front() {
            let early = self.may_hedge && self.is_hedge(turn);
            let holding = self.open.iter().filter(|open| open.holds(turn));
            let due = holding.map(|open| if early { open.usual } else { open.overdue }).max();
            times.extend(due.filter(|due| later(*due, TRY_MIN) <= self.end));
        }
        if self.waits_for_the_ill() {
            times.extend(self.open.iter().map(|open| open.overdue).max());
        }
        times.into_iter().min()
    }

    /// A message came for this try.
    pub fn handle_message(&mut self, id: TryId, message: &[u8], now: Instant) -> Heard {
        let Some(at) = self.open.iter().position(|open| open.id == id) else { return Heard::Stray };
        let Some(open) = self.open.get_mut(at) else { return Heard::Stray };
        let belongs = belongs(message, open.wire_id, self.key);
        if belongs == Belongs::No {
            open.strays = open.strays.saturating_add(1);
            if open.strays >= STRAYS_MAX {
                let open = self.open.remove(at);
                self.close(open, Ended::Strays, now);
            }
            return Heard::Stray;
        }
        let open = self.open.remove(at);
        match belongs {
            Belongs::Bare(rcode) => {
                self.keep(Resolved::Code(rcode, Ede::Other));
                self.close(open, Ended::Error(rcode), now);
            }
            Belongs::Yes(flags) => self.judge(open, message, flags.truncated(), now),
            Belongs::No => {}
        }
        Heard::Taken
    }

    /// This try failed before an answer could come.
    pub fn handle_failure(&mut self, id: TryId, fault: Fault, now: Instant) {
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            if self.stage == Stage::Asking {
                self.network_error = true;
                self.is_lacking |= fault == Fault::Here;
            }
            let open = self.open.remove(at);
            self.close(open, Ended::Failure(fault), now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let told = self.stage == Stage::Told;
        let dead = |open: &Try| (if told { open.silent } else { open.dies }) <= now;
        while let Some(at) = self.open.iter().position(dead) {
            let open = self.open.remove(at);
            self.close(open, Ended::Silence, now);
        }
    }

    /// The outcome, once: the answer, or else the best that was seen, or else SERVFAIL.
    pub fn poll_resolved(&mut self, now: Instant) -> Option<Resolved> {
        let over = match self.stage {
            Stage::Asking => {
                now >= self.end
                    || self.denial_stands(now)
                    || (self.open.is_empty() && !self.can_ask(now))
                    || (self.waits_for_the_ill() && self.open.iter().all(|open| open.overdue <= now))
            }
            Stage::Answered => true,
            Stage::Told => false,
        };
        if !over {
            return None;
        }
        let asking = std::mem::replace(&mut self.stage, Stage::Told) == Stage::Asking;
        if let Some(denial) = self.denial.take().filter(|_| asking) {
            return Some(denial.resolved);
        }
        let reason = if self.network_error { Ede::NetworkError } else { Ede::NoReachableAuthority };
        Some(self.best.take().unwrap_or(Resolved::Code(Rcode::SERVFAIL, reason)))
    }

    /// Whether somebody was not asked for want of something here: then a failure says nothing of the question.
    pub fn is_lacking(&self) -> bool {
        self.is_lacking
    }

    /// The next try that has ended: nothing more is expected from there.
    pub fn poll_closed(&mut self) -> Option<Closed> {
        self.closed.pop_front()
    }

    /// Ends all open tries.
    pub fn abandon(&mut self, now: Instant) {
        self.stage = Stage::Told;
        for open in std::mem::take(&mut self.open) {
            self.close(open, Ended::Abandoned, now);
        }
    }
}

#[cfg(test)]
mod tests;
