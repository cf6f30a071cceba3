//! Turns of servers and the tries that come of them: what an exchange keeps count of, and what it tells.

use std::time::{Duration, Instant};

use super::{ROUND_TCP, ROUNDS_MAX, TRY_MAX};
use crate::forward::{
    health::{Outlook, Standing},
    later,
    message::Rcode,
    server::{Carrier, Server},
};

/// Shortest time after which a try may be held silent once there is an answer from elsewhere.
const SILENCE_MIN: Duration = Duration::from_millis(800);

/// A server that may be asked, and what is known of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which.
    pub server: Server,
    /// What is to be expected of it.
    pub outlook: Outlook,
}

/// Names a try within its exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TryId(pub(super) u32);

/// A message to send: over UDP on a fresh socket connected to the server.
#[derive(Debug)]
pub struct Transmit {
    /// The try.
    pub id: TryId,
    /// Whom to ask.
    pub server: Server,
    /// How.
    pub carrier: Carrier,
    /// What to send.
    pub message: Vec<u8>,
    /// The question in it.
    pub question: Vec<u8>,
    /// Whether an earlier try could still be answered in the usual time of its server, or little more.
    pub hedge: bool,
    /// Whether it probes an ill server.
    pub probe: bool,
}

/// A try that has ended.
#[derive(Debug)]
pub struct Closed {
    /// The try.
    pub id: TryId,
    /// Who was asked.
    pub server: Server,
    /// How.
    pub carrier: Carrier,
    /// With what.
    pub ended: Ended,
    /// After what time.
    pub took: Duration,
    /// Whether it probed an ill server.
    pub probe: bool,
    /// Whether the server was seen to keep a spelling that we drew.
    pub kept_case: bool,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With an answer, NXDOMAIN included.
    Answer,
    /// With a response code that says the server cannot or will not.
    Error(Rcode),
    /// With a reply that could not be read.
    Malformed,
    /// With a reply in another spelling, which may be forged.
    Folded,
    /// With a reply that was cut.
    Truncated,
    /// With too many messages that did not belong.
    Strays,
    /// With an error of the network.
    Failure(Fault),
    /// With nothing.
    Silence,
    /// By us: the answer had come from elsewhere.
    Abandoned,
}

/// Whose an error of the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Ours: no descriptor, no port, no memory.
    Here,
    /// The server's, or that of the way to it.
    There,
}

impl TryId {
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

//------------ Turn -----------------------------------------------------------

/// A server's turn: how it is to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Its place among the candidates.
    pub(super) server: usize,
    pub(super) carrier: Carrier,
    pub(super) edns: bool,
    pub(super) round: u8,
    pub(super) why: Why,
    /// Whether it goes out beside another one.
    pub(super) is_beside: bool,
}

/// Why a server has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is next.
    Due,
    /// Another one is slower than usual.
    Early,
    /// It said something that has to be asked again.
    Follow,
    /// It is ill, and may be well again.
    Probe,
}

impl Turn {
    pub(super) fn first(server: usize, candidate: &Candidate) -> Self {
        let why = match candidate.outlook.standing {
            Standing::Probed => Why::Probe,
            Standing::Ill | Standing::Well => Why::Due,
        };
        Self { server, carrier: candidate.server.carrier(), edns: true, round: 1, why, is_beside: false }
    }

    pub(super) fn is_probe(&self) -> bool {
        self.why == Why::Probe
    }

    /// How much more patience each round has than the one before; a connection may have to come about first.
    pub(super) fn round_factor(&self) -> u32 {
        if self.why == Why::Follow {
            return 2;
        }
        1_u32.checked_shl(u32::from(self.round).saturating_sub(1)).unwrap_or(1)
    }

    /// How this server is asked again if it stays silent.
    pub(super) fn next_round(&self, candidate: &Candidate) -> Option<Self> {
        let round = self.round.checked_add(1).filter(|round| *round <= ROUNDS_MAX)?;
        let carrier = if round == ROUND_TCP { candidate.server.stream() } else { candidate.server.carrier() };
        Some(Self { carrier, round, why: Why::Due, is_beside: false, ..*self })
    }

    /// How this server is asked again after what it said, if at all.
    pub(super) fn follow(&self, ended: Ended, candidate: &Candidate) -> Option<Self> {
        let follow = Self { why: Why::Follow, is_beside: false, ..*self };
        match ended {
            // TCP repeats what is lost by itself: there is no further round.
            Ended::Truncated | Ended::Folded | Ended::Strays if self.carrier == Carrier::Udp => {
                Some(Self { carrier: candidate.server.stream(), round: ROUNDS_MAX, ..follow })
            }
            Ended::Error(Rcode::FORMERR | Rcode::NOTIMP) if self.edns => Some(Self { edns: false, ..follow }),
            _ => None,
        }
    }
}

//------------ Try ------------------------------------------------------------

/// A turn under way.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) id: TryId,
    pub(super) turn: Turn,
    pub(super) wire_id: u16,
    /// The question as we spelled it.
    pub(super) question: Vec<u8>,
    pub(super) started: Instant,
    /// From when on another server may be asked early.
    pub(super) usual: Instant,
    /// From when on another server is asked.
    pub(super) overdue: Instant,
    /// From when on it is held silent if there is an answer from elsewhere.
    pub(super) silent: Instant,
    /// When it ends.
    pub(super) dies: Instant,
    pub(super) strays: u8,
    pub(super) kept_case: bool,
}

impl Try {
    pub(super) fn new(
        id: TryId,
        turn: Turn,
        wire_id: u16,
        question: Vec<u8>,
        outlook: &Outlook,
        patience: Duration,
        now: Instant,
    ) -> Self {
        let silence = outlook.patience.saturating_mul(2).clamp(SILENCE_MIN, TRY_MAX);
        Self {
            id,
            turn,
            wire_id,
            question,
            started: now,
            usual: later(now, outlook.usual.min(patience)),
            overdue: later(now, patience),
            silent: later(now, silence),
            dies: later(now, TRY_MAX),
            strays: 0,
            kept_case: false,
        }
    }

    /// Whether this turn waits for the try to have its time. Nobody who was not asked yet waits for a probe.
    pub(super) fn holds(&self, next: &Turn) -> bool {
        !self.turn.is_beside || next.round > 1
    }
}
