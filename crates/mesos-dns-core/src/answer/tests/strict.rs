//! Reading replies strictly: for the tests of this room, and for those that send the same over
//! sockets (`crates/mesos-dns/tests/conformance.rs` reads this file too).

use domain::{
    base::{
        Message,
        name::ToLabelIter,
        opt::{AllOptData, Opt},
    },
    rdata::AllRecordData,
};

/// Reads a reply to its last byte; what is wrong with it, if anything.
pub(crate) fn strict(reply: &[u8], query: &[u8], limit: usize) -> Result<(), String> {
    if reply.len() > limit {
        return Err(format!("{} bytes of {limit}", reply.len()));
    }
    let message = Message::from_octets(reply).map_err(|error| error.to_string())?;
    let (header, counts) = (message.header(), message.header_counts());
    if !header.qr() || reply[..2] != query[..2] || header.z() {
        return Err("header".into());
    }
    let mut question = message.question();
    for asked in question.by_ref() {
        let asked = asked.map_err(|error| error.to_string())?;
        let end = 12 + usize::from(asked.qname().compose_len()) + 4;
        if query[12..end] != reply[12..end] {
            return Err("question".into());
        }
    }
    let (mut opts, mut end) = (0, question.pos());
    let mut section = question.answer().map_err(|error| error.to_string())?;
    for count in [counts.ancount(), counts.nscount(), counts.arcount()] {
        for _ in 0..count {
            let record = section.next().ok_or("too few records")?.map_err(|error| error.to_string())?;
            record.to_any_record::<AllRecordData<_, _>>().map_err(|error| error.to_string())?;
            if let Ok(Some(opt)) = record.to_record::<Opt<_>>() {
                let all: Result<Vec<_>, _> = opt.data().iter::<AllOptData<_, _>>().collect();
                all.map_err(|error| error.to_string())?;
                opts += 1;
            }
        }
        end = section.pos();
        match section.next_section() {
            Ok(Some(next)) => section = next,
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    if opts > 1 || end != reply.len() {
        return Err(format!("{opts} OPT, read to {end}"));
    }
    Ok(())
}
