//! What the server holds: records by owner, and zones whose names are made up when they are asked for.
//!
//! An answer is found here as a resolver would find it: aliases are followed as far as they lead to names that
//! are held, a name that is not there comes with the SOA of its zone. What travels with it, and what goes wrong
//! on the way, is not decided here.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{
    base::{Name, iana::Class, name::ToName, rdata::ComposeRecordData},
    zonefile::inplace::{Entry, Zonefile},
};

use super::{
    made::Made,
    scene::{SceneError, Zone},
};

/// Aliases that are followed for one query.
const ALIASES_MAX: usize = 32;

/// Types by their numbers, as far as something depends on them.
pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
const ANY: u16 = 255;

/// Response codes, as far as something depends on them.
pub(super) const NOERROR: u8 = 0;
pub(super) const NXDOMAIN: u8 = 3;
pub(super) const REFUSED: u8 = 5;

/// A record, its names spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// In wire form.
    pub(super) owner: Vec<u8>,
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    pub(super) data: Vec<u8>,
}

/// What there is to say about a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rcode: u8,
    pub(super) answer: Vec<Record>,
    pub(super) authority: Vec<Record>,
}

/// Everything that is held, by names in wire form and lower case.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Owners with records, and the names between them and their zone, which have none.
    nodes: HashMap<Vec<u8>, Vec<Record>>,
    zones: HashMap<Vec<u8>, Apex>,
}

#[derive(Debug)]
struct Apex {
    soa: Record,
    made: Option<Made>,
}

impl Store {
    /// Reads the records of these zones.
    pub(super) fn new(zones: &[Zone]) -> Result<Self, SceneError> {
        let mut store = Self::default();
        for zone in zones {
            let apex = wire(&zone.zone)?;
            let records = parse(&zone.zone, &zone.records)?;
            let soa = records.iter().find(|record| record.rtype == SOA && record.owner == apex).cloned();
            let soa = soa.unwrap_or_else(|| made_soa(&apex, zone.negative_ttl));
            store.nodes.entry(apex.clone()).or_default();
            for record in records {
                store.plant(&apex, record);
            }
            store.zones.insert(apex, Apex { soa, made: zone.made.then_some(Made { ttl: zone.ttl }) });
        }
        Ok(store)
    }

    fn plant(&mut self, apex: &[u8], record: Record) {
        let mut name = record.owner.clone();
        while name.len() > apex.len() {
            self.nodes.entry(name.clone()).or_default();
            name.drain(..=usize::from(name[0]));
        }
        self.nodes.entry(record.owner.clone()).or_default().push(record);
    }

    /// What there is at this name, which is in lower case.
    pub(super) fn find(&self, name: &[u8], qtype: u16) -> Found {
        let mut found = Found { rcode: NOERROR, ..Found::default() };
        let mut name = name.to_vec();
        for _ in 0..ALIASES_MAX {
            let Some(apex) = self.apex(&name) else {
                // An alias may lead to where others know more.
                found.rcode = if found.answer.is_empty() { REFUSED } else { NOERROR };
                return found;
            };
            let Some(records) = self.records(apex, &name, qtype) else {
                found.rcode = NXDOMAIN;
                found.authority.push(apex.soa.clone());
                return found;
            };
            let alias = records.iter().find(|record| record.rtype == CNAME && qtype != CNAME);
            match alias {
                Some(alias) => {
                    name.clone_from(&alias.data);
                    found.answer.push(alias.clone());
                }
                None => {
                    let asked = |record: &&Record| record.rtype == qtype || qtype == ANY;
                    let before = found.answer.len();
                    found.answer.extend(records.iter().filter(asked).cloned());
                    if found.answer.len() == before {
                        found.authority.push(apex.soa.clone());
                    }
                    return found;
                }
            }
        }
        found
    }

    /// The records of a name; `None` if it is not there.
    fn records(&self, apex: &Apex, name: &[u8], qtype: u16) -> Option<std::borrow::Cow<'_, [Record]>> {
        match (self.nodes.get(name), apex.made) {
            (Some(records), _) => Some(records.into()),
            (None, Some(made)) => made.records(name, qtype).map(Into::into),
            (None, None) => None,
        }
    }

    /// The zone that a name is in.
    fn apex(&self, name: &[u8]) -> Option<&Apex> {
        let mut rest = name;
        loop {
            if let Some(apex) = self.zones.get(rest) {
                return Some(apex);
            }
            let length = usize::from(*rest.first().filter(|length| **length > 0)?);
            rest = rest.get(length + 1..)?;
        }
    }
}

/// A name in wire form and lower case.
pub(super) fn wire(name: &str) -> Result<Vec<u8>, SceneError> {
    let parsed: Result<Name<Vec<u8>>, _> = if name.is_empty() { ".".parse() } else { name.parse() };
    let parsed =
        parsed.map_err(|error| SceneError::Name { name: name.to_owned(), why: error.to_string() })?;
    Ok(parsed.as_slice().to_ascii_lowercase())
}

/// Records as a zone file has them, a line each; names without a dot at their end are below `origin`.
pub(super) fn parse(origin: &str, lines: &[String]) -> Result<Vec<Record>, SceneError> {
    let wrong = |why: String| SceneError::Records { zone: origin.to_owned(), why };
    let name: Name<Bytes> = if origin.is_empty() { ".".parse() } else { origin.parse() }
        .map_err(|error| SceneError::Name { name: origin.to_owned(), why: format!("{error}") })?;
    // The parser wants its last line ended.
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let mut file = Zonefile::from(text.as_str()).allow_invalid();
    file.set_origin(name);
    file.set_default_class(Class::IN);
    let mut records = Vec::new();
    for entry in file {
        let Entry::Record(record) = entry.map_err(|error| wrong(error.to_string()))? else {
            return Err(wrong("other files are not read".to_owned()));
        };
        let mut data = Vec::new();
        record.data().compose_rdata(&mut data).unwrap_or_else(|never| match never {});
        records.push(Record {
            owner: record.owner().to_vec().as_slice().to_ascii_lowercase(),
            rtype: record.rtype().to_int(),
            ttl: record.ttl().as_secs(),
            data,
        });
    }
    Ok(records)
}

/// The SOA of a zone that is given none.
fn made_soa(apex: &[u8], negative_ttl: u32) -> Record {
    let mut data = [b"\x02ns", apex, b"\x04root", apex].concat();
    for number in [1, 3600, 600, 86_400, negative_ttl] {
        data.extend_from_slice(&u32::to_be_bytes(number));
    }
    Record { owner: apex.to_vec(), rtype: SOA, ttl: negative_ttl, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let records = [
            "@ 300 SOA ns root 1 2 3 4 30",
            "www 60 A 192.0.2.1",
            "www 60 AAAA 2001:db8::1",
            "alias 60 CNAME www",
            "far 60 CNAME www.elsewhere.example.",
            "round 60 CNAME round",
            "a.b.c 60 TXT \"deep\"",
            "_x._tcp 60 SRV 1 2 3 www",
        ];
        let zone = |json: serde_json::Value| serde_json::from_value(json).unwrap();
        Store::new(&[
            zone(serde_json::json!({"zone": "example.test", "records": records})),
            zone(serde_json::json!({"zone": "made.test", "made": true, "ttl": 7, "negative_ttl": 9})),
        ])
        .unwrap()
    }

    fn check(name: &str, qtype: u16, rcode: u8, answers: usize, authorities: usize) -> Found {
        let found = store().find(&wire(name).unwrap(), qtype);
        let told = (found.rcode, found.answer.len(), found.authority.len());
        assert_eq!(told, (rcode, answers, authorities), "{name} {qtype}: {found:?}");
        found
    }

    #[test]
    fn what_a_resolver_would_find() {
        check("WWW.example.test", A, NOERROR, 1, 0);
        check("www.example.test", 15, NOERROR, 0, 1);
        check("www.example.test", ANY, NOERROR, 2, 0);
        check("alias.example.test", AAAA, NOERROR, 2, 0);
        check("alias.example.test", CNAME, NOERROR, 1, 0);
        check("alias.example.test", TXT, NOERROR, 1, 1);
        check("far.example.test", A, NOERROR, 1, 0);
        check("round.example.test", A, NOERROR, ALIASES_MAX, 0);
        check("b.c.example.test", A, NOERROR, 0, 1);
        check("nobody.example.test", A, NXDOMAIN, 0, 1);
        check("www.example", A, REFUSED, 0, 0);
        let soa = &check("nobody.made.test", A, NOERROR, 1, 0).answer[0];
        assert_eq!(soa.ttl, 7);
        let soa = &check("none.made.test", A, NXDOMAIN, 0, 1).authority[0];
        assert_eq!((soa.rtype, soa.ttl), (SOA, 9));
    }

    #[test]
    fn records_that_nobody_can_read_are_said() {
        let zone = |records: &[&str]| {
            serde_json::from_value::<Zone>(serde_json::json!({"zone": "x.test", "records": records})).unwrap()
        };
        for (bad, what) in [("www 60 A 192.0.2.256", "x.test"), ("$INCLUDE file", "x.test")] {
            let error = Store::new(&[zone(&[bad])]).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
