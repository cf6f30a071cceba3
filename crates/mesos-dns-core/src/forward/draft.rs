//! Writing a message: the query that goes upstream, and replies.

use super::message::{Ede, Edns, OPTION_EDE, TYPE_OPT, UDP_PAYLOAD_BYTES_DEFAULT, UDP_PAYLOAD_BYTES_MAX};

/// A message being written.
pub(crate) struct Draft {
    bytes: Vec<u8>,
    counts: [u16; 4],
}

/// The sections behind the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

impl Draft {
    /// Begins with header and question; the question as it is to stand there.
    pub(crate) fn new(id: u16, flags: u16, question: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(usize::from(UDP_PAYLOAD_BYTES_DEFAULT));
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(question);
        Self { bytes, counts: [1, 0, 0, 0] }
    }

    /// Appends a record of class IN. The owner is a whole name in wire form.
    pub(crate) fn record(&mut self, section: Section, owner: &[u8], rtype: u16, ttl: u32, data: &[u8]) {
        self.bytes.extend_from_slice(owner);
        self.bytes.extend_from_slice(&rtype.to_be_bytes());
        self.bytes.extend_from_slice(&1_u16.to_be_bytes());
        self.bytes.extend_from_slice(&ttl.to_be_bytes());
        self.data(data);
        self.count(section, 1);
    }

    /// Appends an OPT record with these options.
    pub(crate) fn opt(&mut self, dnssec_ok: bool, options: &[u8]) {
        let ttl: u32 = if dnssec_ok { 0x8000 } else { 0 };
        self.bytes.push(0);
        self.bytes.extend_from_slice(&TYPE_OPT.to_be_bytes());
        self.bytes.extend_from_slice(&UDP_PAYLOAD_BYTES_MAX.to_be_bytes());
        self.bytes.extend_from_slice(&ttl.to_be_bytes());
        self.data(options);
        self.count(Section::Additional, 1);
    }

    /// Appends the OPT record of a reply of ours, if the client sent one: what this hop has to say, then why.
    pub(crate) fn own_opt(&mut self, client: Option<Edns>, hop: &[u8], ede: Option<Ede>) {
        let Some(client) = client else { return };
        let mut options = hop.to_vec();
        if let Some(ede) = ede {
            options.extend_from_slice(&OPTION_EDE.to_be_bytes());
            options.extend_from_slice(&2_u16.to_be_bytes());
            options.extend_from_slice(&(ede as u16).to_be_bytes());
        }
        self.opt(client.dnssec_ok, &options);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        for (at, count) in [4, 6, 8, 10].into_iter().zip(self.counts) {
            put(&mut self.bytes, at, count);
        }
        self.bytes
    }

    fn data(&mut self, data: &[u8]) {
        // Longer data than a record can have never gets here: it was read from a record, or is ours.
        let length = u16::try_from(data.len()).unwrap_or_default();
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(data.get(..usize::from(length)).unwrap_or_default());
    }

    fn count(&mut self, section: Section, more: u16) {
        if let Some(count) = self.counts.get_mut(section as usize) {
            *count = count.saturating_add(more);
        }
    }
}

/// Writes two octets at a place that is there.
pub(super) fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value.to_be_bytes();
    }
}
