//! What a master says through its operator API: the event stream, and who it is.
//!
//! ```text
//!   pieces of the body          SUBSCRIBED        Batch, Batch, ... Snapshot
//!  ------------------> Records ============> Splitter =====================> as for state documents
//!                         |
//!                         +---- later records: kept until complete ---> Change, Heartbeat, Passed
//! ```
//!
//! A stream begins with everything the master knows, possibly hundreds of megabytes in one record, and goes on with
//! what happens. A [`Stream`] takes it piece by piece and says one thing after the other. The snapshot is never held:
//! it is cut into batches like a [state document](super::state), which any number of threads decode. Events are
//! small, and decoded here.
//!
//! Three things can go wrong. If the *framing* or the *snapshot* is broken, or an event is no JSON, the stream is lost
//! with a [`StreamError`], and nothing of it may be used that was not said before. An *event* of no use costs itself:
//! it is [`Passed`]. A *part* of one (a port range, an address) is left out and counted in
//! [`Skipped`](crate::cluster::Skipped).
//!
//! Not in here: what the changes mean for the cluster, and when a silent stream is dead.

mod event;
mod master;
mod stream;

pub use event::{EventType, Passed, Seen};
pub use master::{LOSSY_RECONCILE, Master, Support, Version};
pub use stream::{HEARTBEAT_INTERVAL_MAX, Limits, Said, Stream, StreamError};

#[cfg(test)]
mod tests;
