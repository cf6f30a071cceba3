//! One set of static records from `records` and `zoneFiles`, and what cannot stand in it.

use std::collections::{HashMap, hash_map};

use super::{
    Surroundings, aliases,
    fixed::TTL_MAX,
    keys::Settings,
    remark::{REMARKS_MAX, Remark, quote},
    zone_file::{self, Entry},
};
use crate::{
    answer::is_status,
    records::{Data, Fixed, FixedOwner, Owner, Preference, Rule},
    wire::{Name, rtype},
};

/// Most static records in all. The zone would hold more; a file of more was not written by hand.
pub const FIXED_RECORDS_MAX: usize = 100_000;

/// Types that no data can have: those of queries, and OPT (RFC 6895 section 3.1).
const META: std::ops::RangeInclusive<u16> = 128..=255;

/// What a zone says of the key of one that it delegates (RFC 4034 section 5).
const DS: u16 = 43;

/// What signers add to a zone, besides signatures (RFC 4034, RFC 5155).
const NSEC: u16 = 47;
const NSEC3: u16 = 50;
const NSEC3PARAM: u16 = 51;

/// Static records, and what is odd about them.
pub(super) type Gathered = (Fixed, Vec<Remark>);

/// All static records.
///
/// # Errors
///
/// Everything that is wrong, as far as it is to be told.
pub(super) fn fixed(settings: &Settings, around: &Surroundings) -> Result<Gathered, Vec<Remark>> {
    // A bad domain is another rule's to tell.
    let Ok(apex) = Name::parse(&settings.domain.value) else { return Ok(Gathered::default()) };
    let ttl = u32::try_from(settings.ttl.value).unwrap_or(0);
    let mut gathering =
        Gathering { apex: &apex, ttl, owners: HashMap::new(), count: 0, odd: Vec::new(), wrong: Vec::new() };
    for written in &settings.records.value.0 {
        let source = Source { key: "records", file: None, line: 0, place: written.place };
        match written.entry(&apex, ttl) {
            Ok(entry) => gathering.take(entry, written.rule, source),
            Err(remark) => gathering.wrong.push(source.remark(remark)),
        }
    }
    for written in &settings.zone_files.value.0 {
        let source =
            |line| Source { key: "zoneFiles", file: Some(&written.file), line, place: written.place };
        match around.zone_file(&written.file) {
            Ok(text) => zone_file::read(text, &apex, ttl, |line, outcome| {
                if gathering.wrong.len() >= REMARKS_MAX {
                    return;
                }
                match outcome {
                    Ok(entry) => gathering.take(entry, written.rule, source(line)),
                    Err(fault) => {
                        let remark = Remark::new(fault.to_string(), fault.mend());
                        gathering.wrong.push(source(line).remark(remark));
                    }
                }
            }),
            Err(reason) => {
                let what = format!("cannot read {}: {reason}", quote(&written.file));
                let remark = Remark::new(what, "give a file that this user may read");
                gathering.wrong.push(remark.about("zoneFiles").at(written.place));
            }
        }
    }
    gathering.finish()
}

/// Where a record was written.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    key: &'static str,
    /// The zone file; `None`: the configuration itself.
    file: Option<&'a str>,
    line: usize,
    place: super::remark::Place,
}

impl Source<'_> {
    /// A remark about what stands here.
    pub(super) fn remark(&self, remark: Remark) -> Remark {
        let what = match self.file {
            Some(file) => format!("{file}:{}: {}", self.line, remark.what),
            None => remark.what,
        };
        Remark { what, ..remark }.about(self.key).at(self.place)
    }

    /// The place in a sentence.
    fn text(&self) -> String {
        match self.file {
            Some(file) => format!("{file}, line {}", self.line),
            None => format!("records, line {}", self.place.line),
        }
    }
}

/// What was gathered so far.
struct Gathering<'a> {
    apex: &'a Name,
    ttl: u32,
    owners: HashMap<Name, AtName<'a>>,
    count: usize,
    odd: Vec<Remark>,
    wrong: Vec<Remark>,
}

/// What was gathered for one name.
pub(super) struct AtName<'a> {
    rule: Rule,
    ttl: u32,
    /// Types and data.
    pub(super) data: Vec<(u16, Vec<u8>)>,
    /// Where the first of them was written.
    pub(super) first: Source<'a>,
}

impl<'a> Gathering<'a> {
    /// Takes one record, or says why not.
    fn take(&mut self, entry: Entry, rule: Rule, source: Source<'a>) {
        match refusal(&entry, self.apex) {
            Some(Refusal::Ours) => {
                if self.odd.len() < REMARKS_MAX {
                    let remark = Remark::new("SOA and NS of the domain itself are ours", "it is left out");
                    self.odd.push(source.remark(remark));
                }
            }
            Some(Refusal::Wrong(what, mend)) => {
                let what = format!("{} {what}", entry.owner);
                self.wrong.push(source.remark(Remark::new(what, mend)));
            }
            None => {
                if let Err(remark) = self.put(entry, rule, source) {
                    self.wrong.push(source.remark(remark));
                }
            }
        }
    }

    /// Puts a record beside those of its name.
    fn put(&mut self, entry: Entry, rule: Rule, source: Source<'a>) -> Result<(), Remark> {
        let Entry { owner, rtype, ttl, rdata } = entry;
        let at = match self.owners.entry(owner) {
            hash_map::Entry::Occupied(there) => there.into_mut(),
            hash_map::Entry::Vacant(place) => {
                place.insert(AtName { rule, ttl, data: Vec::new(), first: source })
            }
        };
        if at.rule != rule {
            let what = format!("the name has another rule than in {}", at.first.text());
            return Err(Remark::new(what, "give all records of a name one rule"));
        }
        at.ttl = at.ttl.min(ttl);
        if at.data.iter().any(|(there, other)| *there == rtype && *other == rdata) {
            return Ok(());
        }
        let is_alias = |rtype: u16| rtype == rtype::CNAME;
        if is_alias(rtype) && !at.data.is_empty() || at.data.iter().any(|(there, _)| is_alias(*there)) {
            let what = format!("a CNAME stands alone, and the name has a record in {}", at.first.text());
            return Err(Remark::new(what, "remove one of them"));
        }
        self.count = self.count.saturating_add(1);
        if self.count == FIXED_RECORDS_MAX.saturating_add(1) {
            let what = format!("there are more than {FIXED_RECORDS_MAX} static records");
            return Err(Remark::new(what, "serve them elsewhere, and name that server in zoneResolvers"));
        }
        if self.count <= FIXED_RECORDS_MAX {
            at.data.push((rtype, rdata));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Gathered, Vec<Remark>> {
        if !self.wrong.is_empty() {
            return Err(self.wrong);
        }
        self.odd.extend(aliases::remarks(&self.owners, self.apex));
        self.odd.truncate(REMARKS_MAX);
        let default = self.ttl;
        let owner = |(name, at): (Name, AtName<'_>)| {
            let mut data: Vec<Data> = at.data.into_iter().map(|(rtype, rdata)| data(rtype, rdata)).collect();
            if at.ttl != default {
                data.push(Data::Ttl(at.ttl));
            }
            (name, FixedOwner { data, rule: at.rule })
        };
        Ok((Fixed { owners: self.owners.into_iter().map(owner).collect() }, self.odd))
    }
}

/// Why a record is not taken.
enum Refusal {
    /// It speaks of what we say ourselves; every whole zone file has such.
    Ours,
    /// It cannot be answered as it is meant.
    Wrong(&'static str, &'static str),
}

fn refusal(entry: &Entry, apex: &Name) -> Option<Refusal> {
    let is_apex = entry.owner == *apex;
    let wrong = |what, mend| Some(Refusal::Wrong(what, mend));
    if !entry.owner.is_within(apex) {
        return wrong("is not within the domain", "write a name of the domain, or serve it elsewhere");
    }
    if entry.ttl > TTL_MAX {
        return wrong("has a TTL above 2147483647", "write a TTL in seconds");
    }
    if entry.owner.labels().any(|label| label == b"*") {
        return wrong("is a wildcard, and none is answered", "write each name");
    }
    if is_status(entry.owner.as_wire(), apex) {
        return wrong("is the name that tells how this server stands", "write another name");
    }
    match entry.rtype {
        rtype::SOA | rtype::NS if is_apex => Some(Refusal::Ours),
        rtype::SOA | rtype::NS | DS => {
            wrong("would be a zone of its own, and none is delegated", "write its records, or remove it")
        }
        rtype::CNAME if is_apex => {
            wrong("is the domain itself, which cannot be an alias", "write an address")
        }
        rtype::DNAME => wrong("would be an alias of all names below it", "write a CNAME for each name"),
        rtype::RRSIG | NSEC | NSEC3 | NSEC3PARAM => {
            wrong("is part of a signed zone, and this one is not signed", "give the file from before signing")
        }
        0 | rtype::OPT => wrong("has a type that no data can have", "remove it"),
        meta if META.contains(&meta) => wrong("has a type that no data can have", "remove it"),
        _ => None,
    }
}

/// The data of a record, in wire form, as the zone takes it.
fn data(rtype: u16, rdata: Vec<u8>) -> Data {
    let address = match rtype {
        rtype::A => <[u8; 4]>::try_from(rdata.as_slice()).ok().map(|octets| Data::A(octets.into())),
        rtype::AAAA => <[u8; 16]>::try_from(rdata.as_slice()).ok().map(|octets| Data::Aaaa(octets.into())),
        rtype::SRV => service(&rdata),
        _ => None,
    };
    address.unwrap_or_else(|| Data::Other { rtype, rdata: rdata.into() })
}

fn service(rdata: &[u8]) -> Option<Data> {
    let (numbers, target) = rdata.split_first_chunk::<6>()?;
    let [p0, p1, w0, w1, t0, t1] = *numbers;
    let preference =
        Preference { priority: u16::from_be_bytes([p0, p1]), weight: u16::from_be_bytes([w0, w1]) };
    Some(Data::Srv {
        port: u16::from_be_bytes([t0, t1]),
        target: Owner::from(Name::from_wire(target).ok()?),
        preference: Some(preference),
    })
}
