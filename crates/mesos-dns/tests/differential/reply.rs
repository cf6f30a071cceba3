//! A reply, read to its last octet, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    base::{
        Message,
        name::ToLabelIter,
        opt::{AllOptData, Opt, UnknownOptData},
    },
    rdata::AllRecordData,
};

/// What one server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) bytes: usize,
    /// The second header word without the response code.
    pub(crate) flags: u16,
    /// All twelve bits of it.
    pub(crate) rcode: u16,
    /// The question, octet for octet.
    pub(crate) question: Vec<u8>,
    /// Records as text, lower-case, with their owner, class and TTL.
    pub(crate) sections: [BTreeSet<String>; 3],
    /// Whether a record stands twice in a section.
    pub(crate) has_twins: bool,
    pub(crate) edns: Option<Edns>,
}

/// What its OPT record said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload_bytes: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// By code; what a repeated one said first.
    pub(crate) options: BTreeMap<u16, Vec<u8>>,
}

impl Reply {
    /// Reads a reply to the message; what is wrong with it, if it cannot be read or is none.
    pub(crate) fn read(bytes: &[u8], query: &[u8]) -> Result<Self, String> {
        let message = Message::from_octets(bytes).map_err(|error| error.to_string())?;
        if !message.header().qr() || bytes[..2] != query[..2] {
            return Err("no response to this".into());
        }
        let mut question = message.question();
        for asked in question.by_ref() {
            asked.map_err(|error| format!("question: {error}"))?.qname().compose_len();
        }
        let flags = u16::from_be_bytes([bytes[2], bytes[3]]);
        let mut reply = Self {
            bytes: bytes.len(),
            flags: flags & !15,
            rcode: flags & 15,
            question: bytes[12..question.pos()].to_vec(),
            sections: Default::default(),
            has_twins: false,
            edns: None,
        };
        let counts = message.header_counts();
        let mut end = question.pos();
        let mut section = question.answer().map_err(|error| error.to_string())?;
        for (index, count) in [counts.ancount(), counts.nscount(), counts.arcount()].into_iter().enumerate() {
            for _ in 0..count {
                let record = section.next().ok_or("too few records")?.map_err(|error| error.to_string())?;
                if let Ok(Some(opt)) = record.to_record::<Opt<_>>() {
                    reply.take_opt(record.class().to_int(), record.ttl().as_secs(), opt.data())?;
                    continue;
                }
                let record =
                    record.to_any_record::<AllRecordData<_, _>>().map_err(|error| error.to_string())?;
                reply.has_twins |= !reply.sections[index].insert(record.to_string().to_lowercase());
            }
            end = section.pos();
            match section.next_section().map_err(|error| error.to_string())? {
                Some(next) => section = next,
                None => break,
            }
        }
        if end == bytes.len() {
            Ok(reply)
        } else {
            Err(format!("{} octets after the end", bytes.len() - end))
        }
    }

    fn take_opt(
        &mut self,
        class: u16,
        ttl: u32,
        opt: &Opt<impl domain::dep::octseq::Octets>,
    ) -> Result<(), String> {
        let [upper, version, flags, _] = ttl.to_be_bytes();
        self.rcode |= u16::from(upper) << 4;
        let mut options = BTreeMap::new();
        for option in opt.iter::<AllOptData<_, _>>() {
            option.map_err(|error| error.to_string())?;
        }
        for option in opt.iter::<UnknownOptData<_>>() {
            let option = option.map_err(|error| error.to_string())?;
            options.entry(option.code().to_int()).or_insert_with(|| option.as_slice().to_vec());
        }
        let edns = Edns { payload_bytes: class, version, dnssec_ok: flags & 0x80 != 0, options };
        if self.edns.replace(edns).is_some() { Err("two OPT records".into()) } else { Ok(()) }
    }

    /// Whether records were left out.
    pub(crate) fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }
}
