//! Who is told an answer, as far as the reply shows it.
//!
//! Two readers make one: that of this room, and that of [`wire`], which allocates nothing and has read
//! the query already where datagrams are answered.

use super::{
    Transport,
    key::KeyView,
    message::{Edns, Flags, Query, UDP_PAYLOAD_BYTES_DEFAULT, UDP_PAYLOAD_BYTES_MAX},
};
use crate::wire;

/// What a reply repeats of its query, or depends on.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The client's identifier.
    pub id: u16,
    /// The client's flags.
    pub flags: Flags,
    /// The question as it was spelled.
    pub question: &'a [u8],
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns>,
}

impl<'a> Asker<'a> {
    /// Who asks this.
    pub fn of(query: &Query<'a>) -> Self {
        Self { id: query.id, flags: query.flags, question: query.question.octets, edns: query.edns }
    }

    /// Who asks this, as the quicker reader read it.
    pub fn of_wire(query: &wire::Query<'a>) -> Self {
        let edns = query
            .edns
            .map(|edns| Edns { udp_payload_bytes: edns.udp_payload_bytes, dnssec_ok: edns.dnssec_ok });
        Self { id: query.id, flags: Flags(query.flags), question: query.question, edns }
    }

    /// Whether the client wants to know if the answer is authentic (RFC 6840 section 5.8).
    pub fn wants_authentic(&self) -> bool {
        self.flags.has(Flags::AD) || self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Most bytes that a reply may have.
    pub fn reply_bytes_max(&self, transport: Transport) -> usize {
        let bytes = match (transport, self.edns) {
            (Transport::Tcp, _) => u16::MAX,
            (Transport::Udp, None) => UDP_PAYLOAD_BYTES_DEFAULT,
            (Transport::Udp, Some(edns)) => {
                edns.udp_payload_bytes.clamp(UDP_PAYLOAD_BYTES_DEFAULT, UDP_PAYLOAD_BYTES_MAX)
            }
        };
        usize::from(bytes)
    }
}

/// What a query asks, for a look-up that allocates nothing.
pub fn key_of_wire<'a>(query: &'a wire::Query<'_>) -> KeyView<'a> {
    KeyView {
        name: query.name.view(),
        qtype: query.qtype,
        qclass: query.class,
        dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
        checking_disabled: query.flags & wire::FLAG_CD != 0,
    }
}
