//! What a process does once, before it starts threads, with a safe face.
//!
//! - [`handed_down`]: the sockets that a service manager opened for us.
//! - [`give_up_root`], [`keep_only_binding`]: who was started as root does not stay it.
//! - [`look_up_without_plug_ins`]: how a static program finds the addresses of host names.
//!
//! Why a crate of its own: each needs one call that Rust counts as `unsafe`, and no other room may use it. Why not
//! libraries: those at hand drop the privileges of one thread only, or do not say which socket has which name.

mod names;
mod root;
mod sockets;

pub use names::look_up_without_plug_ins;
pub use root::{give_up_root, keep_only_binding};
pub use sockets::{Handed, handed_down};
