//! Many datagrams per system call, with a safe face.
//!
//! A DNS server under load spends its time in system calls. `recvmmsg` and `sendmmsg` move up to
//! [`BATCH`] datagrams at once: [`Batch::receive`] fills the slots, the caller reads the queries and
//! writes the replies in place ([`Batch::answer`], as often as wanted), which [`Batch::send`] then sends. All
//! buffers are allocated once.
//!
//! Why a crate of its own: these calls need `unsafe`, and nothing else in the workspace may use it.
//! Why not a library: those at hand either lack one of the calls or cannot set the source address per
//! datagram, which a server bound to the wildcard address needs, because a reply must leave from the
//! address its query came to.

mod address;
mod batch;
mod segments;
mod slots;

pub use address::Local;
pub use batch::{BATCH, Batch, Datagram, QUERY_BYTES_MAX, REPLY_BYTES_MAX, Sent, send_one};
pub use segments::{SEGMENTS_MAX, cut_into};
