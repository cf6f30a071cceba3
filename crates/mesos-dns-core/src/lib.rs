//! Decides: from what Mesos says to what DNS answers.
//!
//! ```text
//!     watch -- master: state document or event stream    dns, http
//!        | bytes                                            v
//!  mesos::decode > cluster > records::contribution > zone::compile > publish > answer::decide > Send
//!     (bytes to     (plain     (pure, per task)   (counted, then  (one          |
//!      values)       values)                       compiled)       swap)        +-> forward > upstream
//! ```
//!
//! Nothing in here has a socket, a clock, a file, a thread or a random source; time, random numbers and
//! looked-up addresses are arguments. The rooms, in the order in which data passes them:
//!
//! - [`config`]: what the operator asked for: the JSON file, its defaults, its rules.
//! - [`watch`]: whom to ask, when, after which failure.
//! - [`mesos`]: what the master and ZooKeeper say, from bytes to values.
//! - [`cluster`]: what we believe: agents, frameworks, tasks; and what an update touches.
//! - [`records`]: which names a task has: a pure function.
//! - [`zone`]: the counted union of all contributions, and its immutable versions.
//! - [`answer`]: what to do with one query.
//! - [`forward`]: whom to ask for names that are not ours.
//! - [`explain`]: why a question gets its answer: the rooms above, listened to.
//! - [`problems`]: what is wrong with the names of a cluster, as data.
//! - [`views`]: the bodies of the HTTP API.
//! - [`wire`] and [`table`]: names on the wire, and tables whose versions share what did not change.

// No input may end the process, so nothing outside tests may panic on one; and what `clippy.toml` beside this
// crate's manifest lists stays outside (files, sockets, clocks).
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used,
    )
)]

pub mod answer;
pub mod cluster;
pub mod config;
pub mod explain;
pub mod forward;
pub mod mesos;
pub mod problems;
pub mod records;
pub mod table;
#[cfg(test)]
mod test_support;
pub mod views;
pub mod watch;
pub mod wire;
pub mod zone;
