//! The stream as a whole: first the snapshot, then one event after the other.

use std::time::Duration;

use super::{
    super::{
        json::JsonError,
        recordio::{EVENT_BYTES_MAX, RecordError, Records},
        state::{self, Batch, Outline, Shape, Splitter, StateError, element::Elements},
    },
    event::{self, Passed, Seen},
};
use crate::cluster::{Change, Skipped};

/// Longest interval of heartbeats that is believed. Mesos says 15 seconds.
pub const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Bytes of the buffer for an event in pieces that are kept for the next one.
const BUFFER_BYTES: usize = 64 << 10;

/// How much there may be of what; by default the constants that the fields name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the snapshot: those of a state document.
    pub snapshot: state::Limits,
    /// See [`EVENT_BYTES_MAX`].
    pub event_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { snapshot: state::Limits::default(), event_bytes: EVENT_BYTES_MAX }
    }
}

/// One thing that a master says.
#[derive(Debug)]
pub enum Said {
    /// Part of the snapshot, to be decoded on any thread by a [`Decoder`](state::Decoder), as of a state document.
    Batch(Batch),
    /// The snapshot is complete: [`assemble`](state::assemble) makes a document of this and the decoded batches.
    ///
    /// The document names neither the master nor its version: these come from [`Master`](super::Master).
    Snapshot(Box<Outline>),
    /// The master lives.
    Heartbeat,
    /// Something happened. What of it could not be used is told next ([`Change::Omitted`]).
    Change(Change),
    /// An event of no use, to be counted.
    Passed(Passed),
}

/// Why a stream is lost. What was changed before holds; a snapshot that is not complete is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Where the next record begins cannot be known.
    #[error("the framing of the event stream is broken")]
    Framing(#[from] RecordError),
    /// The snapshot is malformed or too large.
    #[error("the snapshot of the event stream cannot be used")]
    Snapshot(#[from] StateError),
    /// Something else comes first, so what it changes is not known.
    #[error("the event stream begins with {event:?} instead of a snapshot")]
    NotSubscribed {
        /// Its type, shortened; empty if it has none.
        event: Box<str>,
    },
    /// An event is no JSON: neither are those after it to be trusted.
    #[error("the event before byte {at} of the stream is no JSON object")]
    NotJson {
        /// Where it ends in the stream.
        at: u64,
        /// What is wrong in it.
        #[source]
        error: JsonError,
    },
}

/// See the head of the room.
pub struct Stream {
    limits: Limits,
    records: Records,
    phase: Phase,
    /// To be said before anything else is read, the last one first.
    next: Vec<Said>,
    heartbeat_interval: Option<Duration>,
    elements: Elements,
    skipped: Skipped,
    seen: Seen,
}

enum Phase {
    /// Before and in the snapshot. Heartbeats can precede it (1.5.0).
    Snapshot {
        splitter: Box<Splitter>,
        /// Whether a part of it was said already.
        said_batch: bool,
    },
    /// After it. What there is of an event that comes in pieces.
    Events(Vec<u8>),
    Lost(StreamError),
}

impl Stream {
    /// Begins a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            records: Records::default(),
            phase: Phase::snapshot(limits),
            next: Vec::new(),
            heartbeat_interval: None,
            elements: Elements::default(),
            skipped: Skipped::default(),
            seen: Seen::default(),
        }
    }

    /// Takes the next piece of the body from `piece`, of any size, and says what it is told.
    ///
    /// Call again until the piece is used up and there is nothing more to say. After an error there is only that
    /// error.
    pub fn push(&mut self, piece: &mut &[u8]) -> Result<Option<Said>, StreamError> {
        let said = self.advance(piece);
        if let Err(error) = &said {
            self.phase = Phase::Lost(error.clone());
        }
        said
    }

    fn advance(&mut self, piece: &mut &[u8]) -> Result<Option<Said>, StreamError> {
        loop {
            let said = match (self.next.pop(), &self.phase) {
                (Some(said), _) => Some(said),
                (None, Phase::Lost(error)) => return Err(error.clone()),
                (None, phase) => {
                    let limit_bytes = match phase {
                        Phase::Snapshot { .. } => self.limits.snapshot.body_bytes,
                        _ => self.limits.event_bytes,
                    };
                    let Some(data) = self.records.data(piece, limit_bytes)? else { return Ok(None) };
                    self.read(data, piece)?
                }
            };
            if said.is_some() {
                return Ok(said);
            }
        }
    }

    /// Reads what there is of a record, with which `piece` begins.
    fn read(&mut self, mut data: &[u8], piece: &mut &[u8]) -> Result<Option<Said>, StreamError> {
        match &mut self.phase {
            Phase::Snapshot { splitter, said_batch } => {
                let length = data.len();
                let batch = splitter.push(&mut data)?;
                *said_batch |= batch.is_some();
                if self.records.consume(piece, length.saturating_sub(data.len())) {
                    self.end_snapshot()?;
                }
                Ok(batch.map(Said::Batch))
            }
            Phase::Events(buffer) => {
                let ended = self.records.consume(piece, data.len());
                if !(ended && buffer.is_empty()) {
                    buffer.extend_from_slice(data);
                }
                if !ended {
                    return Ok(None);
                }
                let event = if buffer.is_empty() { data } else { buffer.as_slice() };
                let at = self.records.offset();
                let (said, seen, omissions) = event::decode(event, &mut self.elements, &mut self.skipped, at)
                    .map_err(|error| StreamError::NotJson { at, error })?;
                self.seen = seen;
                buffer.clear();
                buffer.shrink_to(BUFFER_BYTES);
                if !omissions.is_empty() {
                    self.next.push(Said::Change(Change::Omitted(omissions.into())));
                }
                Ok(Some(said))
            }
            Phase::Lost(error) => Err(error.clone()),
        }
    }

    /// The snapshot is complete, or what precedes it.
    fn end_snapshot(&mut self) -> Result<(), StreamError> {
        let Phase::Snapshot { splitter, said_batch } =
            std::mem::replace(&mut self.phase, Phase::Events(Vec::new()))
        else {
            return Ok(());
        };
        let (mut outline, last) = splitter.finish()?;
        let event = std::mem::take(&mut outline.event);
        match event.kind.as_deref().unwrap_or_default() {
            "SUBSCRIBED" => {
                self.heartbeat_interval = event.heartbeat_interval.and_then(interval);
                self.next.push(Said::Snapshot(Box::new(outline)));
                self.next.extend(Some(last).filter(|last| !last.is_empty()).map(Said::Batch));
            }
            "HEARTBEAT" if !said_batch && last.is_empty() => {
                self.phase = Phase::snapshot(self.limits);
                self.next.push(Said::Heartbeat);
            }
            other => return Err(StreamError::NotSubscribed { event: event::shorten(other) }),
        }
        Ok(())
    }

    /// How often the master promised to say something at least; known when the snapshot is complete, and `None` where
    /// it promised nothing (before 1.5).
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.heartbeat_interval
    }

    /// What there is to tell of the event after the snapshot that was said last.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// What of the events so far was left out. What of the snapshot was, says its document.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }
}

impl Phase {
    fn snapshot(limits: Limits) -> Self {
        let splitter = Splitter::with_shape(Shape::Operator, limits.snapshot);
        Self::Snapshot { splitter: Box::new(splitter), said_batch: false }
    }
}

fn interval(seconds: f64) -> Option<Duration> {
    let interval = Duration::try_from_secs_f64(seconds).ok().filter(|interval| !interval.is_zero())?;
    Some(interval.min(HEARTBEAT_INTERVAL_MAX))
}
