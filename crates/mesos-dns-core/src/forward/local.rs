//! The few names a resolver answers by itself.
//!
//! `localhost` and the reverse names of loopback have the addresses everybody knows (RFC 6761 section 6.3,
//! RFC 6303); `invalid` (RFC 6761 section 6.4), `onion` (RFC 7686) and the reverse of "this network" hold
//! nothing. Sending them on would tell strangers what our clients look for, and let strangers answer.
//! Private reverse zones are not here: inside a company somebody does serve them.
//!
//! What these zones say follows Unbound: each has a SOA and an NS record at its apex, and every name below
//! `localhost` has the addresses of `localhost`.

use super::{
    draft::Section,
    message::{Flags, Query, Rcode},
};
use crate::wire::{
    CLASS_IN, Name,
    rtype::{A, AAAA, ANY, NS, PTR, SOA as SOA_TYPE},
};

/// Lifetime of everything said here, in seconds; the answers never change.
const TTL: u32 = 10_800;

const LOCALHOST: &[u8] = b"\x09localhost\0";

/// Mname `localhost.`, rname `nobody.invalid.`, serial 1, then refresh, retry, expire and minimum.
const SOA: &[u8] = b"\x09localhost\0\x06nobody\x07invalid\0\
    \0\0\0\x01\0\0\x0e\x10\0\0\x04\xb0\0\x09\x3a\x80\0\0\x2a\x30";

/// `1.0.….0.ip6.arpa.`, the reverse name of `::1`.
const LOOPBACK_V6: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";

/// One zone that is answered locally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalZone {
    apex: Name,
    content: Content,
}

/// What a local zone holds besides SOA and NS.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// Loopback addresses at every name.
    Addresses,
    /// A PTR record to `localhost.` at one name.
    Pointer(Name),
    /// Nothing.
    Nothing,
}

impl LocalZone {
    /// All of them.
    pub fn all() -> Vec<Self> {
        // These names are constant and valid, and a test counts the zones.
        let name = |text| Name::parse(text).ok();
        let pointer = |text| name(text).map(Content::Pointer);
        [
            ("localhost.", Some(Content::Addresses)),
            ("invalid.", Some(Content::Nothing)),
            ("onion.", Some(Content::Nothing)),
            ("0.in-addr.arpa.", Some(Content::Nothing)),
            ("127.in-addr.arpa.", pointer("1.0.0.127.in-addr.arpa.")),
            (LOOPBACK_V6, pointer(LOOPBACK_V6)),
        ]
        .into_iter()
        .filter_map(|(apex, content)| Some(Self { apex: name(apex)?, content: content? }))
        .collect()
    }

    /// The name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The answer to a query in this zone; `None` if it is for another class than IN.
    pub fn answer(&self, query: &Query<'_>) -> Option<Vec<u8>> {
        if query.question.qclass != CLASS_IN {
            return None;
        }
        let name = &query.question.name;
        // ANY gets one RRset (RFC 8482): the first.
        let asked = |rtype| query.question.qtype == rtype || query.question.qtype == ANY;
        let found = self.records(name).into_iter().find(|(rtype, _)| asked(*rtype));
        let rcode = if self.exists(name) { Rcode::NOERROR } else { Rcode::NXDOMAIN };
        let mut draft = query.draft(rcode, Flags::AA | Flags::RA);
        match found {
            Some((rtype, data)) => draft.record(Section::Answer, name.as_wire(), rtype, TTL, data),
            None => draft.record(Section::Authority, self.apex.as_wire(), SOA_TYPE, TTL, SOA),
        }
        draft.own_opt(query.edns, &query.options, None);
        Some(draft.finish())
    }

    /// Type and data of each record at this name. No type comes twice.
    fn records(&self, name: &Name) -> Vec<(u16, &'static [u8])> {
        let mut records: Vec<(u16, &[u8])> = match &self.content {
            Content::Addresses => {
                vec![(A, &[127, 0, 0, 1]), (AAAA, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]
            }
            Content::Pointer(owner) if owner == name => vec![(PTR, LOCALHOST)],
            Content::Pointer(_) | Content::Nothing => Vec::new(),
        };
        if *name == self.apex {
            records.extend([(SOA_TYPE, SOA), (NS, LOCALHOST)]);
        }
        records
    }

    /// Whether there is something at this name or below it.
    fn exists(&self, name: &Name) -> bool {
        match &self.content {
            Content::Addresses => true,
            Content::Pointer(owner) => *name == self.apex || owner.is_within(name),
            Content::Nothing => *name == self.apex,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::base::{Message, iana::Rtype};

    use super::*;
    use crate::forward::message::tests::{query, query_edns};

    /// Asks; tells response code, answers and authority as `dig` prints them.
    fn ask(name: &str, qtype: u16) -> String {
        let bytes = query(name, qtype);
        let query = Query::parse(&bytes).unwrap();
        let zone =
            LocalZone::all().into_iter().find(|zone| query.question.name.is_within(zone.apex())).unwrap();
        let reply = zone.answer(&query).unwrap();
        let message = Message::from_octets(&reply[..]).unwrap();
        let header = message.header();
        assert!(header.qr() && header.aa() && header.ra() && header.rd() && message.opt().is_none());
        let records = message.answer().unwrap().chain(message.authority().unwrap());
        let records = records.map(|record| {
            let record = record.unwrap().into_any_record::<domain::rdata::AllRecordData<_, _>>().unwrap();
            format!(" {}", record.to_string().replace("IN ", "").replace(". 10800 ", ". "))
        });
        format!("{}{}", header.rcode(), records.collect::<String>())
    }

    #[test]
    fn what_every_resolver_knows() {
        assert_eq!(LocalZone::all().len(), 6);
        let soa = "SOA localhost. nobody.invalid. 1 3600 1200 604800 10800";
        let v6 = LOOPBACK_V6.trim_end_matches('.');
        for (name, qtype, expected) in [
            ("localhost", 1, "NOERROR localhost. A 127.0.0.1".into()),
            ("LocalHost", 28, "NOERROR localhost. AAAA ::1".into()),
            ("db.localhost", 1, "NOERROR db.localhost. A 127.0.0.1".into()),
            ("db.localhost", 16, format!("NOERROR localhost. {soa}")),
            ("localhost", 255, "NOERROR localhost. A 127.0.0.1".into()),
            ("localhost", 6, format!("NOERROR localhost. {soa}")),
            ("localhost", 2, "NOERROR localhost. NS localhost.".into()),
            ("1.0.0.127.in-addr.arpa", 12, "NOERROR 1.0.0.127.in-addr.arpa. PTR localhost.".into()),
            ("1.0.0.127.in-addr.arpa", 1, format!("NOERROR 127.in-addr.arpa. {soa}")),
            ("0.127.in-addr.arpa", 12, format!("NOERROR 127.in-addr.arpa. {soa}")),
            ("2.0.0.127.in-addr.arpa", 12, format!("NXDOMAIN 127.in-addr.arpa. {soa}")),
            ("0.0.0.0.in-addr.arpa", 12, format!("NXDOMAIN 0.in-addr.arpa. {soa}")),
            (v6, 12, format!("NOERROR {v6}. PTR localhost.")),
            (v6, 2, format!("NOERROR {v6}. NS localhost.")),
            ("a.invalid", 1, format!("NXDOMAIN invalid. {soa}")),
            ("invalid", 1, format!("NOERROR invalid. {soa}")),
            ("abc.onion", 1, format!("NXDOMAIN onion. {soa}")),
        ] {
            assert_eq!(ask(name, qtype), expected, "{name} {}", Rtype::from_int(qtype));
        }
    }

    #[test]
    fn edns_and_other_classes() {
        let zone = &LocalZone::all()[0];
        let bytes = query_edns("localhost", 1, 4096, true);
        let reply = zone.answer(&Query::parse(&bytes).unwrap()).unwrap();
        assert!(Message::from_octets(&reply[..]).unwrap().opt().is_some_and(|opt| opt.dnssec_ok()));
        let mut chaos = query("localhost", 16);
        *chaos.last_mut().unwrap() = 3;
        assert_eq!(zone.answer(&Query::parse(&chaos).unwrap()), None);
    }
}
