//! A master's state document, from Mesos 0.19 to 1.12, from bytes to a [`Document`].
//!
//! The same state in the [shape](Shape) of the operator API is read by the same machinery.
//!
//! ```text
//!   pieces of the body              batches of whole elements             values
//!  ------------------> Splitter ==========================> Decoder ================> assemble
//!                         |            (several at once)                                 ^
//!                         +---- Outline: the small members, and what belongs where ------+
//! ```
//!
//! A document of a large cluster has hundreds of megabytes, of which a tenth is wanted, and it comes as one line
//! over some seconds. So it is never held: a [`Splitter`] takes it piece by piece, cuts it at the borders of agents
//! and tasks and passes over the rest; [`Decoder`]s, as many as there are cores, turn batches of such elements into
//! values; [`assemble`] puts the values in the order of the document. [`decode`] is all three in one call.
//!
//! Two things can go wrong, and they are kept apart. If the *document* is broken (cut, no JSON, `slaves` no list),
//! it is refused as a whole with a [`StateError`]: half a document would take names away from living tasks. If an
//! *element* is of no use (no id, a member of the wrong type), only that one is left out and counted in
//! [`Skipped`](crate::cluster::Skipped).
//!
//! The way back is [`encode`]: a cluster as such a document, for keeping it over a restart; [`decode_saved`] reads it.
//!
//! What is passed over is checked for its strings and brackets only: a master's history cannot make the present
//! unreadable.

mod decode;
pub(super) mod element;
mod encode;
mod intern;
mod outline;
mod ranges;
mod saved;
mod shape;
mod split;

pub use super::scan::DEPTH_MAX;
pub use decode::{Decoder, Part};
pub use encode::encode;
pub use outline::{Outline, assemble};
pub use saved::{About, FORMAT, Saved, SavedError, decode_saved};
pub use shape::Shape;
pub use split::{BATCH_BYTES, Batch, Splitter};

use crate::cluster::Document;

/// Most bytes of one document, after decompression. The largest clusters known write about 600 MB; a million tasks
/// take 1.4 GB in the shape of `/state` and 2.4 GB in that of the operator API.
pub const BODY_BYTES_MAX: u64 = 8 << 30;

/// Most bytes of one agent, one framework, one task, or one small member; a larger one is left out. Real ones stay
/// below 100 kB, but for the frameworks of the operator API: they list every range of ports that their tasks have, 40
/// bytes for a task.
pub const ELEMENT_BYTES_MAX: usize = 64 << 20;

/// Most tasks of one document, ended and unreachable ones included that the master still lists.
pub const TASKS_MAX: usize = 4 << 20;

/// Most agents of one document, recovered ones included.
pub const AGENTS_MAX: usize = 1 << 20;

/// Most frameworks of one document.
pub const FRAMEWORKS_MAX: usize = 1 << 18;

/// Most port ranges and most discovery ports of one task; what comes after is left out.
pub const TASK_PORTS_MAX: usize = 4096;

/// Most addresses of one task. Real ones have a handful, and each is compared with all before it.
pub const TASK_ADDRESSES_MAX: usize = 64;

/// Most networks that one task asks for.
pub const TASK_NETWORKS_MAX: usize = 64;

/// Most port mappings of one task; each port is looked for among them.
pub const TASK_MAPPINGS_MAX: usize = 1024;

/// Most further names that the labels of one task give it.
pub const TASK_ALIASES_MAX: usize = 16;

/// How much one document may be; by default the constants of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`BODY_BYTES_MAX`].
    pub body_bytes: u64,
    /// See [`ELEMENT_BYTES_MAX`].
    pub element_bytes: usize,
    /// See [`TASKS_MAX`].
    pub tasks: usize,
    /// See [`AGENTS_MAX`].
    pub agents: usize,
    /// See [`FRAMEWORKS_MAX`].
    pub frameworks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES_MAX,
            element_bytes: ELEMENT_BYTES_MAX,
            tasks: TASKS_MAX,
            agents: AGENTS_MAX,
            frameworks: FRAMEWORKS_MAX,
        }
    }
}

/// Decodes a document that is in memory as a whole: a file, or a test's.
pub fn decode(document: &[u8]) -> Result<Document, StateError> {
    decode_as(Shape::State, document)
}

/// Decodes a text in memory of this shape.
pub fn decode_as(shape: Shape, document: &[u8]) -> Result<Document, StateError> {
    let mut splitter = Splitter::with_shape(shape, Limits::default());
    let mut decoder = Decoder::default();
    let mut parts = Vec::new();
    let mut rest = document;
    while let Some(batch) = splitter.push(&mut rest)? {
        parts.push(decoder.decode(batch));
    }
    let (outline, last) = splitter.finish()?;
    parts.push(decoder.decode(last));
    Ok(assemble(outline, parts))
}

/// Why a state document was refused. In every case the last good cluster stays in force; the caller, who knows
/// which master sent it, adds that when it logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Nothing, or nothing but blanks.
    #[error("state document is empty")]
    Empty,
    /// Something other than a JSON object, most often a page of HTML. Somebody else answers at that address.
    #[error("state document is not a JSON object, it begins with {begins:?}")]
    NotJson {
        /// Its first characters.
        begins: String,
    },
    /// The connection ended too early, or the master did.
    #[error("state document is cut: it ends after {bytes} bytes, inside {place}")]
    Truncated {
        /// What did arrive.
        bytes: u64,
        /// In what it ends.
        place: String,
    },
    /// Broken JSON, or a member of which everything depends has the wrong type.
    #[error("state document is malformed at byte {at}, in {place}: {reason}")]
    Malformed {
        /// Position of the byte, from 0.
        at: u64,
        /// The list or object it is in.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// Larger than the limit; reading ended there.
    #[error("state document exceeds {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// More agents, frameworks or tasks than the limit; reading ended there.
    #[error("state document has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
