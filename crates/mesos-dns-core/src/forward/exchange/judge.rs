//! What a reply is worth, and what a try that has ended leaves behind.

use std::time::Instant;

use super::{
    Closed, Denial, Ended, Exchange, Stage,
    turn::{Try, Why},
};
use crate::forward::{
    message::{Ede, HEADER_BYTES, Rcode},
    reply::Reply,
    resolved::Resolved,
    server::Carrier,
    spelling,
};

impl Exchange<'_> {
    /// A reply that belongs to the question of this try.
    pub(super) fn judge(&mut self, mut open: Try, message: &[u8], truncated: bool, now: Instant) {
        let end = HEADER_BYTES.saturating_add(open.question.len());
        let same = message.get(HEADER_BYTES..end) == Some(&open.question[..]);
        let spelled = self.candidates.get(open.turn.server).is_some_and(|asked| asked.outlook.spelled);
        if !same && spelled && open.turn.carrier == Carrier::Udp {
            return self.close(open, Ended::Folded, now);
        }
        open.kept_case = same && spelling::is_mixed(&open.question);
        let reply = Reply::parse(message.to_vec());
        if truncated && open.turn.carrier == Carrier::Udp {
            // Half an answer that says so is of use to a client that can come back over TCP.
            if let Some(reply) = reply {
                self.keep(Resolved::Half(reply));
            }
            return self.close(open, Ended::Truncated, now);
        }
        let Some(reply) = reply else { return self.close(open, Ended::Malformed, now) };
        match reply.rcode() {
            // Extended codes speak of this hop (BADVERS, BADCOOKIE), not of the name.
            rcode if rcode.0 > 15 => {
                self.keep(Resolved::Code(Rcode::SERVFAIL, Ede::Other));
                self.close(open, Ended::Error(rcode), now);
            }
            rcode if rcode.is_failure() => {
                self.keep(Resolved::Reply(reply));
                self.close(open, Ended::Error(rcode), now);
            }
            _ => {
                if reply.is_denial() && self.deny(&open, &reply, now) {
                    // Others may know better.
                } else if self.stage == Stage::Asking {
                    self.best = Some(Resolved::Reply(reply));
                    self.stage = Stage::Answered;
                }
                self.close(open, Ended::Answer, now);
            }
        }
    }

    /// Holds a denial back if it came from a server that was asked early, for as long as those asked before it have
    /// their time. Of several the first counts.
    fn deny(&mut self, open: &Try, reply: &Reply, now: Instant) -> bool {
        let before = |other: &&Try| other.id.0 < open.id.0 && !other.turn.is_beside;
        let until = self.open.iter().filter(before).map(|other| other.overdue).max();
        let Some(until) = until.filter(|until| open.turn.why == Why::Early && now < *until) else {
            return false;
        };
        let resolved = Resolved::Reply(reply.clone());
        self.denial.get_or_insert(Denial { resolved, id: open.id, until });
        self.stage == Stage::Asking
    }

    /// Whether those asked before have had their time, or nothing more is to come from them.
    pub(super) fn denial_stands(&self, now: Instant) -> bool {
        let Some(denial) = &self.denial else { return false };
        let before = |open: &Try| open.id.0 < denial.id.0 && !open.turn.is_beside;
        denial.until <= now || (self.urgent.is_empty() && !self.open.iter().any(before))
    }

    /// Remembers the best so far: half an answer before SERVFAIL before REFUSED before the rest, and of
    /// equals the first.
    pub(super) fn keep(&mut self, resolved: Resolved) {
        let rank = |resolved: &Resolved| match (resolved, resolved.rcode()) {
            (_, Rcode::SERVFAIL) => 2,
            (_, Rcode::REFUSED) => 1,
            (_, Rcode::FORMERR | Rcode::NOTIMP) | (Resolved::Code(..), _) => 0,
            (Resolved::Reply(_) | Resolved::Half(_), _) => 3,
        };
        let better = self.best.as_ref().is_none_or(|best| rank(best) < rank(&resolved));
        if better && self.stage == Stage::Asking {
            self.best = Some(resolved);
        }
        // The ill had their turn; see `waits_for_the_ill`.
        if self.has_error() {
            let waiting = std::mem::take(&mut self.waiting);
            self.waiting = waiting.into_iter().filter(|turn| turn.round == 1 || self.is_well(turn)).collect();
        }
    }

    /// A try has ended. What follows it is sent at once; a server that said anything, or is not there, is not
    /// asked again in another round.
    pub(super) fn close(&mut self, open: Try, ended: Ended, now: Instant) {
        let Some(candidate) = self.candidates.get(open.turn.server) else { return };
        // That TCP is shut says nothing about datagrams.
        let shut = matches!(ended, Ended::Failure(_)) && open.turn.carrier != candidate.server.carrier();
        if self.stage == Stage::Asking && ended != Ended::Silence && !shut {
            self.waiting.retain(|turn| turn.server != open.turn.server || turn.round == 1);
            self.urgent.extend(open.turn.follow(ended, candidate));
        }
        self.closed.push_back(Closed {
            id: open.id,
            server: candidate.server.clone(),
            carrier: open.turn.carrier,
            ended,
            took: now.saturating_duration_since(open.started),
            probe: open.turn.is_probe(),
            kept_case: open.kept_case,
        });
    }
}
