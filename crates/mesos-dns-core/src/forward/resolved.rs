//! What became of a question, before any client's wishes.
//!
//! One exchange may serve many who asked the same. They differ in identifier, spelling, size, transport and
//! OPT record, so what they share is not a message for one of them but this.

use super::{
    message::{Ede, Rcode},
    reply::Reply,
};

/// How an exchange ended.
#[derive(Debug)]
pub enum Resolved {
    /// With a server's reply: the answer, or the best error that was seen.
    Reply(Reply),
    /// With a reply that was cut and that no server gave whole. Of use to clients who can come back over TCP.
    Half(Reply),
    /// With a response code only.
    Code(Rcode, Ede),
}

impl Resolved {
    /// The response code.
    pub fn rcode(&self) -> Rcode {
        match self {
            Self::Reply(reply) | Self::Half(reply) => reply.rcode(),
            Self::Code(rcode, _) => *rcode,
        }
    }
}
