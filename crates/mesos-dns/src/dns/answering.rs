//! One query that came in a stream: decided, counted, and handed on if it is for another name.
//!
//! What TCP, TLS and HTTPS have in common. Answers are written into a buffer of the thread, which is borrowed while
//! nothing waits: a connection needs none of its own, and none is cleared for each query.

use std::{cell::RefCell, net::SocketAddr, sync::Arc, time::Instant};

use arc_swap::Guard;
use mesos_dns_core::answer::{
    Action, Peer, Settings, Standing, TCP_PAYLOAD_BYTES_MAX, Transport, decide, fail,
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use super::{
    Shared,
    counts::Asked,
    frames::LENGTH_BYTES,
    guard::{guarded, survived},
    outside::{Late, Leaving, Left},
};
use crate::publish::Published;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of answers from which on they are sent before more is answered. Small queries that came together leave
/// together.
const WRITE_BYTES: usize = 32 * 1024;

/// What a thread needs while it answers.
pub(super) struct Scratch {
    pub(super) received: Box<[u8]>,
    pub(super) outgoing: Outgoing,
    dice: SmallRng,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        received: vec![0; READ_BYTES].into(),
        outgoing: Outgoing { bytes: vec![0; WRITE_BYTES + LENGTH_BYTES + TCP_PAYLOAD_BYTES_MAX].into(), used: 0 },
        dice: SmallRng::from_rng(&mut rand::rng()),
    });
}

/// Lends the scratch of this thread, with nothing outgoing in it.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.outgoing.used = 0;
        work(scratch)
    })
}

/// Replies one behind the other, each with its length in front.
pub(super) struct Outgoing {
    bytes: Box<[u8]>,
    used: usize,
}

impl Outgoing {
    /// What has been written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Whether it is time to send.
    pub(super) fn is_full(&self) -> bool {
        self.used >= WRITE_BYTES
    }

    /// Room for the largest reply.
    fn room(&mut self) -> &mut [u8] {
        let start = self.used + LENGTH_BYTES;
        &mut self.bytes[start..start + TCP_PAYLOAD_BYTES_MAX]
    }

    /// Keeps a reply that was written into the room.
    fn keep(&mut self, length: usize) {
        let prefix = u16::try_from(length).expect("a reply is no longer than its room");
        self.bytes[self.used..self.used + LENGTH_BYTES].copy_from_slice(&prefix.to_be_bytes());
        self.used += LENGTH_BYTES + length;
    }
}

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The reply is in the outgoing bytes.
    Answered,
    /// The reply will be given to whom `late` said.
    HandedOn,
    /// There is none.
    Silent,
}

/// One sitting: queries of one client that are answered from one version.
pub(super) struct Sitting<'a> {
    shared: &'a Shared,
    published: Guard<Arc<Published>>,
    settings: Guard<Arc<Settings>>,
    standing: Standing,
    from: SocketAddr,
    peer: Peer,
    began: Instant,
    /// Messages that came.
    messages: usize,
}

impl<'a> Sitting<'a> {
    pub(super) fn new(shared: &'a Shared, from: SocketAddr, transport: Transport) -> Self {
        let published = shared.board.current().load();
        let standing = shared.standing.load(&published);
        let settings = shared.settings.load();
        let peer = Peer { address: from.ip().to_canonical(), transport };
        Self { shared, published, settings, standing, from, peer, began: Instant::now(), messages: 0 }
    }

    /// Answers one query. `late` makes the one who takes the reply if it comes later.
    pub(super) fn answer(
        &mut self,
        query: &[u8],
        scratch: &mut (&mut Outgoing, &mut impl Rng),
        late: impl FnOnce() -> Late,
    ) -> Outcome {
        let (outgoing, dice) = scratch;
        let (zone, standing, settings, peer) =
            (&self.published.zone, &self.standing, &self.settings, self.peer);
        let action = guarded(
            query,
            outgoing.room(),
            &self.shared.metrics,
            |out| decide(query, zone, standing, settings, peer, dice.random(), out),
            |out| fail(query, standing, settings, peer, out),
        );
        self.messages += 1;
        let counts = self.shared.metrics.counts(peer.transport);
        counts.note(Asked::read(query), peer.address.is_ipv6(), &action);
        match action {
            Action::Send { length, .. } => outgoing.keep(length),
            Action::Drop(_) => return Outcome::Silent,
            Action::Forward => return self.hand_on(query, outgoing, dice.random(), late),
        }
        Outcome::Answered
    }

    /// Answers a query for another name from memory, or hands it on, or fails it at once.
    fn hand_on(
        &mut self,
        query: &[u8],
        outgoing: &mut Outgoing,
        turn: u32,
        late: impl FnOnce() -> Late,
    ) -> Outcome {
        let Self { shared, settings, standing, from, peer, .. } = self;
        let late_counts = shared.metrics.counts(peer.transport);
        let leaving = Leaving { query, from: *from, peer: *peer, settings, standing, turn, late_counts };
        let taken = survived(&shared.metrics, || shared.exit.take(&leaving, outgoing.room(), late));
        let length = match taken.unwrap_or(Left::Refused) {
            Left::Answered(length) => {
                late_counts.passes_on(&outgoing.room()[..length]);
                length
            }
            Left::Later => return Outcome::HandedOn,
            Left::Refused => {
                let action = fail(query, standing, settings, *peer, outgoing.room());
                late_counts.became(&action);
                let Action::Send { length, .. } = action else { return Outcome::Silent };
                length
            }
        };
        outgoing.keep(length);
        Outcome::Answered
    }
}

impl Scratch {
    /// Its parts, to be used at once: what was received, and what answering needs.
    pub(super) fn parts(&mut self) -> (&mut [u8], (&mut Outgoing, &mut SmallRng)) {
        (&mut self.received, (&mut self.outgoing, &mut self.dice))
    }
}

impl Drop for Sitting<'_> {
    /// Counts how long all of them took.
    fn drop(&mut self) {
        if self.messages > 0 {
            self.shared.metrics.counts(self.peer.transport).took(self.messages, self.began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests;
