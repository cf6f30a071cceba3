//! The options of a reply's OPT record: what this hop has to say to a client that speaks EDNS.
//!
//! An option is sent only to those who sent it or asked for it, but for the extended error, which any client with
//! EDNS may be told (RFC 8914 section 2). Names that the forwarder answers get the same options, as the hop is the
//! same: a client that knows our cookies throws away a reply without one (RFC 7873 section 5.3).

use super::{Peer, Settings, Transport, cookie::COOKIE_BYTES, padding::zeroes};
use crate::wire::{Edns, Query, option};

/// Bytes before the data of an option: code and length.
const OPTION_HEAD_BYTES: usize = 4;

/// Bytes of an Extended DNS Error option without text (RFC 8914 section 2).
pub(super) const EDE_BYTES: usize = 6;

/// What to tell a client in the OPT record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) dnssec_ok: bool,
    cookie: Option<[u8; COOKIE_BYTES]>,
    nsid: Option<&'a [u8]>,
    keepalive: Option<[u8; 2]>,
    extended_error: Option<[u8; 2]>,
    is_padded: bool,
}

impl<'a> Options<'a> {
    /// What this client is to be told at this second of Unix time.
    pub(super) fn new(edns: &Edns<'_>, settings: &'a Settings, peer: Peer, now: u32) -> Self {
        let cookies = settings.cookies.as_ref().zip(edns.cookie);
        let is_encrypted = matches!(peer.transport, Transport::Tls | Transport::Https);
        // Over UDP the option must be ignored (RFC 7828 section 3.2.1), and HTTP has a way of its own.
        let is_stream = matches!(peer.transport, Transport::Tcp | Transport::Tls);
        Self {
            dnssec_ok: edns.dnssec_ok,
            cookie: cookies.map(|(secrets, cookie)| secrets.renew(&cookie, peer.address, now)),
            nsid: Some(settings.nsid.as_slice()).filter(|nsid| edns.wants_nsid && !nsid.is_empty()),
            keepalive: (edns.wants_keepalive && is_stream).then(|| deciseconds(settings)),
            extended_error: None,
            is_padded: edns.wants_padding && is_encrypted,
        }
    }

    /// Says why, in place of what was said before.
    pub(super) fn explain(&mut self, code: u16) {
        self.extended_error = Some(code.to_be_bytes());
    }

    /// Most bytes that the data will need, padding not counted: that takes what is left.
    pub(super) fn bytes_max(&self) -> usize {
        let said = self.pieces().filter(|(code, _)| *code != option::EXTENDED_ERROR);
        said.fold(EDE_BYTES, add)
    }

    /// Bytes of the data, padding not counted.
    pub(super) fn bytes(&self) -> usize {
        self.pieces().fold(0, add)
    }

    /// Zeroes to be sent as padding, if any, behind a message of this length, that may be `limit` long.
    pub(super) fn padding(&self, length: usize, limit: usize) -> Option<usize> {
        if self.is_padded { zeroes(length, limit) } else { None }
    }

    /// The options, each as its code and its data.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let pieces = [
            (option::COOKIE, self.cookie.as_ref().map(<[u8; COOKIE_BYTES]>::as_slice)),
            (option::NSID, self.nsid),
            (option::TCP_KEEPALIVE, self.keepalive.as_ref().map(<[u8; 2]>::as_slice)),
            (option::EXTENDED_ERROR, self.extended_error.as_ref().map(<[u8; 2]>::as_slice)),
        ];
        pieces.into_iter().filter_map(|(code, data)| Some((code, data?)))
    }
}

/// Adds the bytes of one option.
fn add(sum: usize, (_, data): (u16, &[u8])) -> usize {
    sum.saturating_add(OPTION_HEAD_BYTES).saturating_add(data.len())
}

/// How long an idle connection is kept, in tenths of a second (RFC 7828 section 3.1).
fn deciseconds(settings: &Settings) -> [u8; 2] {
    let tenths = settings.idle.as_millis().checked_div(100).unwrap_or_default();
    u16::try_from(tenths).unwrap_or(u16::MAX).to_be_bytes()
}

/// What this hop has to say in the reply to a query that is forwarded.
///
/// The reply comes later and from elsewhere, but this is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The options as they stand in the OPT record. Empty if the client sent no EDNS.
    pub options: Vec<u8>,
    /// Whether the whole reply is to be [padded](super::pad).
    pub is_padded: bool,
}

impl Hop {
    /// What the client of a query wants to be told.
    pub fn new(query: &Query<'_>, settings: &Settings, peer: Peer, now: u32) -> Self {
        let Some(edns) = &query.edns else { return Self::default() };
        let options = Options::new(edns, settings, peer, now);
        let mut written = Vec::with_capacity(options.bytes());
        for (code, data) in options.pieces() {
            written.extend(code.to_be_bytes());
            written.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
            written.extend(data);
        }
        Self { options: written, is_padded: options.is_padded }
    }
}
