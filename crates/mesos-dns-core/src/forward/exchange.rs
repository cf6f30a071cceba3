//! One query upstream, from the first try to the outcome.
//!
//! Servers are asked one after the other, in the order they were configured, each with an identifier of its
//! own. What happens to a try decides what comes next:
//!
//! ```text
//!  an answer (also NXDOMAIN)  -> done
//!  TC                         -> the same server again, over TCP
//!  FORMERR, NOTIMP            -> the same server again, without EDNS; then the next
//!  SERVFAIL, REFUSED          -> the next server; kept in case nobody does better
//!  malformed                  -> the next server
//!  network error              -> the next server
//!  too many strays            -> somebody guesses: the same server again, over TCP
//!  silence                    -> the next server; this one again after all others
//! ```
//!
//! What does not belong to the open try is a stray: it changes nothing and the waiting goes on. Each try
//! gets the smaller of [`TRY_MAX`] and its share of the whole budget; nothing lasts past the budget's end.
//! Only silent servers are asked again: a datagram may have been lost, but an answer would not change.
//!
//! The caller owns sockets, clock and dice: it sends what [`Exchange::poll_transmit`] gives, waits until
//! [`Exchange::poll_timeout`], and reports with the `handle_*` functions.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Transport,
    key::Key,
    message::{Ede, Rcode},
    reply::{Belongs, Reply, belongs},
    resolved::Resolved,
};

/// Longest wait for one try.
pub const TRY_MAX: Duration = Duration::from_secs(2);

/// Shortest wait worth a try; with less than that left of the budget, no further one begins.
pub const TRY_MIN: Duration = Duration::from_millis(50);

/// How often a silent server is asked. The third question reaches a server that loses one datagram in three
/// with 96 % certainty; after that it is not loss but absence.
pub const ROUNDS_MAX: u8 = 3;

/// How many messages that do not belong a try may see. One is a late or doubled reply; this many on a
/// random port within two seconds are guesses at our identifier (RFC 5452 section 9.2).
pub const STRAYS_MAX: u8 = 16;

/// One query upstream.
#[derive(Debug)]
pub struct Exchange<'a> {
    key: &'a Key,
    end: Instant,
    share: Duration,
    waiting: VecDeque<Turn>,
    open: Option<Try>,
    best: Option<Resolved>,
    answered: bool,
    network_error: bool,
}

/// A server's turn: how it is to be asked.
#[derive(Clone, Copy, Debug)]
struct Turn {
    server: SocketAddr,
    transport: Transport,
    edns: bool,
    round: u8,
}

/// A turn under way.
#[derive(Debug)]
struct Try {
    turn: Turn,
    id: u16,
    deadline: Instant,
    strays: u8,
}

/// A message to send, on a fresh socket connected to the server.
#[derive(Debug)]
pub struct Transmit {
    /// Whom to ask.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// What to send.
    pub message: Vec<u8>,
}

/// What became of a message that was received. All but [`Heard::Stray`] end the try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Heard {
    /// The answer; the exchange is over.
    Answer,
    /// A response code that says the server cannot or will not.
    Error(Rcode),
    /// It belonged, but could not be read.
    Malformed,
    /// It did not belong; wait on.
    Stray,
    /// It did not belong, and it was one too many.
    StraysMax,
    /// It was cut; TCP comes next.
    Truncated,
}

impl<'a> Exchange<'a> {
    /// Begins: nothing is sent yet. The budget counts from `now`.
    pub fn new(key: &'a Key, servers: &[SocketAddr], budget: Duration, now: Instant) -> Self {
        let shares = u32::try_from(servers.len()).unwrap_or(u32::MAX).max(1);
        let turn =
            |server: &SocketAddr| Turn { server: *server, transport: Transport::Udp, edns: true, round: 1 };
        Self {
            key,
            end: later(now, budget),
            share: budget.checked_div(shares).unwrap_or(budget).min(TRY_MAX),
            waiting: servers.iter().map(turn).collect(),
            open: None,
            best: None,
            answered: false,
            network_error: false,
        }
    }

    /// What to send next, with this identifier. `None` while a try is open, and when the exchange is over.
    pub fn poll_transmit(&mut self, now: Instant, id: u16) -> Option<Transmit> {
        if self.open.is_some() || self.answered || later(now, TRY_MIN) > self.end {
            return None;
        }
        let turn = self.waiting.pop_front()?;
        let deadline = later(now, self.share).min(self.end);
        self.open = Some(Try { turn, id, deadline, strays: 0 });
        let message = self.key.query(id, &self.key.question(), turn.edns);
        Some(Transmit { server: turn.server, transport: turn.transport, message })
    }

    /// When the open try ends; `None` if none is open.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.deadline)
    }

    /// A message came from the server of the open try.
    pub fn handle_message(&mut self, message: &[u8]) -> Heard {
        let Some(open) = &mut self.open else { return Heard::Stray };
        match belongs(message, open.id, self.key) {
            Belongs::No => {
                open.strays = open.strays.saturating_add(1);
                if open.strays < STRAYS_MAX {
                    return Heard::Stray;
                }
                self.close(Follow::OverTcp);
                Heard::StraysMax
            }
            Belongs::Bare(rcode) => self.refused(rcode, Resolved::Code(rcode, Ede::Other)),
            Belongs::Yes(flags) => self.judge(message, flags.truncated()),
        }
    }

    /// The open try has lasted long enough.
    pub fn handle_timeout(&mut self) {
        self.close(Follow::NextRound);
    }

    /// The open try failed before an answer could come: no route, nobody listens, the connection broke.
    pub fn handle_failure(&mut self) {
        self.network_error = true;
        self.close(Follow::Nothing);
    }

    /// The end: the answer, or else the best that was seen, or else SERVFAIL.
    pub fn finish(self) -> Resolved {
        let reason = if self.network_error { Ede::NetworkError } else { Ede::NoReachableAuthority };
        self.best.unwrap_or(Resolved::Code(Rcode::SERVFAIL, reason))
    }

    /// A reply that belongs.
    fn judge(&mut self, message: &[u8], truncated: bool) -> Heard {
        let reply = Reply::parse(message.to_vec());
        if truncated && self.open.as_ref().is_some_and(|open| open.turn.transport == Transport::Udp) {
            // Half an answer that says so is of use to a client that can come back over TCP.
            if let Some(reply) = reply {
                self.keep(Resolved::Half(reply));
            }
            self.close(Follow::OverTcp);
            return Heard::Truncated;
        }
        let Some(reply) = reply else {
            self.close(Follow::Nothing);
            return Heard::Malformed;
        };
        match reply.rcode() {
            // Extended codes speak of this hop (BADVERS, BADCOOKIE), not of the name.
            rcode if rcode.0 > 15 => self.refused(rcode, Resolved::Code(Rcode::SERVFAIL, Ede::Other)),
            rcode if rcode.is_failure() => self.refused(rcode, Resolved::Reply(reply)),
            _ => {
                self.best = Some(Resolved::Reply(reply));
                self.answered = true;
                self.close(Follow::Nothing);
                Heard::Answer
            }
        }
    }

    /// The server cannot or will not answer.
    fn refused(&mut self, rcode: Rcode, answer: Resolved) -> Heard {
        self.keep(answer);
        let unknown_edns = matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP);
        self.close(if unknown_edns { Follow::WithoutEdns } else { Follow::Nothing });
        Heard::Error(rcode)
    }

    /// Remembers the best so far: half an answer before SERVFAIL before REFUSED before the rest, and of
    /// equals the first.
    fn keep(&mut self, answer: Resolved) {
        let rank = |answer: &Resolved| match (answer, answer.rcode()) {
            (_, Rcode::SERVFAIL) => 2,
            (_, Rcode::REFUSED) => 1,
            (_, Rcode::FORMERR | Rcode::NOTIMP) | (Resolved::Code(..), _) => 0,
            (Resolved::Reply(_) | Resolved::Half(_), _) => 3,
        };
        if self.best.as_ref().is_none_or(|best| rank(best) < rank(&answer)) {
            self.best = Some(answer);
        }
    }

    /// Ends the open try.
    fn close(&mut self, follow: Follow) {
        let Some(Try { turn, .. }) = self.open.take() else { return };
        let udp = turn.transport == Transport::Udp;
        match follow {
            Follow::OverTcp if udp => self.waiting.push_front(Turn { transport: Transport::Tcp, ..turn }),
            Follow::WithoutEdns if turn.edns => self.waiting.push_front(Turn { edns: false, ..turn }),
            // TCP repeats what is lost by itself, and passes where datagrams do not: the last round uses it.
            Follow::NextRound if udp && turn.round < ROUNDS_MAX => {
                let round = turn.round.saturating_add(1);
                let transport = if round < ROUNDS_MAX { Transport::Udp } else { Transport::Tcp };
                self.waiting.push_back(Turn { transport, round, ..turn });
            }
            _ => {}
        }
    }
}

/// How the server of a finished try is asked again, if at all.
#[derive(Clone, Copy, Debug)]
enum Follow {
    Nothing,
    NextRound,
    OverTcp,
    WithoutEdns,
}

fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests;
