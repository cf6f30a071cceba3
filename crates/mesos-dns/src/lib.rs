//! Does: the daemon. Sockets, clocks, files and threads around what `mesos-dns-core` decides.
//!
//! A room here is named like the core room it drives, or by its protocol:
//!
//! - [`commands`]: the commands for people. [`ask`]: those that tell a process of this machine what to do.
//! - [`args`]: the command line. [`configuration`]: reading the file and what it names. [`check`]: judging it.
//! - [`explain`]: why a question gets its answer. `document`: what would be served of a state document.
//! - [`daemon`]: all the wiring; the only file that knows every part.
//! - [`watch`]: ZooKeeper, the masters, host names.
//! - [`publish`]: one writer, many readers. [`snapshot`]: the last good cluster on disk.
//! - [`problems`]: what is wrong with names, counted behind everything else.
//! - [`dns`], [`forward`], [`http`]: what clients reach.
//! - [`metrics`], [`logging`], [`system`]: counters; log set-up; signals and the service manager.
//! - `patience`: a stream that gives up on slow readers, for [`dns`] and [`http`].

pub mod args;
pub mod ask;
pub mod check;
pub mod commands;
pub mod configuration;
pub mod daemon;
pub mod demo;
pub mod dns;
mod document;
pub mod dump;
pub mod explain;
pub mod forward;
pub mod http;
pub mod logging;
pub mod metrics;
mod patience;
pub mod problems;
pub mod publish;
pub mod snapshot;
pub mod system;
#[cfg(test)]
#[path = "../tests/support/fixture.rs"]
mod test_support;
pub mod watch;
