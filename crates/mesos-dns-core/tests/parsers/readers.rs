//! The three readers, and what each saw.

use ::domain::{
    base::{
        Message,
        name::ToLabelIter,
        opt::{AllOptData, Opt},
    },
    rdata::AllRecordData,
};
use hickory_proto::op;
use mesos_dns_core::wire::Query;

/// Whom we are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    /// NLnet Labs' crate `domain`.
    Domain,
    /// The crate `hickory-proto`.
    Hickory,
}

/// What one saw in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u16,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    /// Labels of the name, lower-case, the type and the class.
    pub(crate) question: Option<(Vec<Vec<u8>>, u16, u16)>,
    /// Payload size, version and DO.
    pub(crate) edns: Option<(u16, u8, bool)>,
}

fn folded<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    labels.filter(|label| !label.is_empty()).map(<[u8]>::to_ascii_lowercase).collect()
}

/// Ours.
pub(crate) fn ours(message: &[u8]) -> Result<Seen, String> {
    let query = Query::read(message).map_err(|fault| format!("{fault:?}"))?;
    let labels = || {
        let mut rest = query.name.as_wire();
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(label)
        })
    };
    let has_question = !query.question.is_empty();
    Ok(Seen {
        id: query.id,
        recursion_desired: query.flags & 0x0100 != 0,
        checking_disabled: query.flags & 0x0010 != 0,
        question: has_question.then(|| (folded(labels()), query.qtype, query.class)),
        edns: query.edns.map(|edns| (edns.udp_payload_bytes, edns.version, edns.dnssec_ok)),
    })
}

/// That of `domain`: every section, every record, every option.
pub(crate) fn domain(message: &[u8]) -> Result<Seen, String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let parsed = Message::from_octets(message).map_err(|error| wrong(&error))?;
    let mut seen = Seen {
        id: parsed.header().id(),
        recursion_desired: parsed.header().rd(),
        checking_disabled: parsed.header().cd(),
        question: None,
        edns: None,
    };
    for question in parsed.question() {
        let question = question.map_err(|error| wrong(&error))?;
        let labels = question.qname().iter_labels().map(|label| label.as_slice());
        let found = (folded(labels), question.qtype().to_int(), question.qclass().to_int());
        seen.question.get_or_insert(found);
    }
    let (_, answer, authority, additional) = parsed.sections().map_err(|error| wrong(&error))?;
    for (section, is_additional) in [(answer, false), (authority, false), (additional, true)] {
        for record in section {
            let record = record.map_err(|error| wrong(&error))?;
            record.to_any_record::<AllRecordData<_, _>>().map_err(|error| wrong(&error))?;
            let Ok(Some(opt)) = record.to_record::<Opt<_>>() else { continue };
            for option in opt.data().iter::<AllOptData<_, _>>() {
                option.map_err(|error| wrong(&error))?;
            }
            let [_, version, flags, _] = record.ttl().as_secs().to_be_bytes();
            if is_additional && record.owner().is_root() {
                seen.edns.get_or_insert((record.class().to_int(), version, flags & 0x80 != 0));
            }
        }
    }
    Ok(seen)
}

/// That of hickory, as its own server uses it.
pub(crate) fn hickory(message: &[u8]) -> Result<Seen, String> {
    let parsed = op::Message::from_vec(message).map_err(|error| error.to_string())?;
    let question = parsed.queries().first().map(|query| {
        let labels = folded(query.name().iter());
        (labels, u16::from(query.query_type()), u16::from(query.query_class()))
    });
    let edns = parsed.extensions().as_ref();
    Ok(Seen {
        id: parsed.id(),
        recursion_desired: parsed.recursion_desired(),
        checking_disabled: parsed.checking_disabled(),
        question,
        edns: edns.map(|edns| (edns.max_payload(), edns.version(), edns.flags().dnssec_ok)),
    })
}
