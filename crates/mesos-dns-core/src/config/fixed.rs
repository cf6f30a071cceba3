//! `records` and `zoneFiles`: what the operator adds to the domain, as written; `gather` makes one set of it.

use serde_json::{Map, Value as Shown};

use super::{
    json::{Json, Member},
    remark::{Place, Remark, quote},
    value::{Value, Word, mismatch},
};
use crate::{
    config::zone_file::Entry,
    records::Rule,
    wire::{Name, rtype},
};

/// Most records in `records`: more belong into a zone file.
const RECORDS_MAX: usize = 10_000;

/// Most zone files.
const ZONE_FILES_MAX: usize = 64;

/// Longest text of a TXT record, in bytes; no client that looks for one takes more.
const TEXT_BYTES_MAX: usize = 4096;

/// Longest TTL there is (RFC 2181 section 8).
pub(super) const TTL_MAX: u32 = i32::MAX as u32;

/// The key `records`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(pub Vec<WrittenRecord>);

/// One of its records, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRecord {
    pub(super) place: Place,
    name: String,
    kind: Kind,
    value: String,
    ttl: Option<u32>,
    pub(super) rule: Rule,
}

/// The key `zoneFiles`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneFiles(pub Vec<WrittenFile>);

/// One of the files, and where it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    pub(super) place: Place,
    pub(super) file: String,
    pub(super) rule: Rule,
}

/// Types of records that can stand in the configuration itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    A,
    Aaaa,
    Cname,
    Srv,
    Txt,
}

impl Word for Kind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("A", Self::A),
        ("AAAA", Self::Aaaa),
        ("CNAME", Self::Cname),
        ("SRV", Self::Srv),
        ("TXT", Self::Txt),
    ];
}

//------------ Reading ---------------------------------------------------------

/// The elements of a list that is no longer than `max`.
fn elements<'a>(json: Json<'a>, what: &str, max: usize, example: &str) -> Result<Vec<Json<'a>>, Remark> {
    let Some(elements) = json.elements() else {
        let wrong = mismatch(&format!("a list of {what}"), json);
        return Err(Remark { mend: format!("write [{example}]"), ..wrong });
    };
    if elements.len() > max {
        let said = format!("has more than {max} {what}");
        return Err(Remark::new(said, "put them into a zone file").at(json.place()));
    }
    Ok(elements)
}

/// The members of an object in the list that say anything.
fn members<'a>(json: Json<'a>, example: &str) -> Result<Vec<Member<'a>>, Remark> {
    if json.kind() != "an object" {
        let wrong = mismatch("an object in the list", json);
        return Err(Remark { mend: format!("write {example}"), ..wrong });
    }
    Ok(json.members()?.into_iter().filter(|member| !member.value.is_null()).collect())
}

/// A member that is none.
fn unknown(what: &str, member: &Member<'_>, known: &str) -> Remark {
    Remark::new(format!("{what} has no {}", quote(&member.key)), format!("write {known}")).at(member.place)
}

impl Value for Records {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        format!("list of objects: name, type ({}), value, ttl, rule ({})", Kind::kind(), Rule::kind())
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        self.0.clear();
        if json.is_null() {
            return Ok(());
        }
        let all = elements(json, "records", RECORDS_MAX, WrittenRecord::EXAMPLE)?;
        self.0 = all.into_iter().map(WrittenRecord::read).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        self.0.iter().map(WrittenRecord::shown).collect()
    }
}

impl WrittenRecord {
    const EXAMPLE: &'static str = r#"{"name": "db", "type": "A", "value": "10.0.0.7"}"#;

    fn read(json: Json<'_>) -> Result<Self, Remark> {
        let (mut name, mut kind, mut value) = (None, None, None);
        let (mut ttl, mut rule) = (None, Rule::Fill);
        for member in members(json, Self::EXAMPLE)? {
            match member.key.to_ascii_lowercase().as_str() {
                "name" => name.get_or_insert_with(String::new).read(member.value)?,
                "type" => kind.get_or_insert_with(Kind::default).read(member.value)?,
                "value" => value.get_or_insert_with(String::new).read(member.value)?,
                "ttl" => {
                    let mut seconds = super::Whole::<0, { TTL_MAX as i64 }>(0);
                    seconds.read(member.value)?;
                    ttl = u32::try_from(seconds.0).ok();
                }
                "rule" => rule.read(member.value)?,
                _ => return Err(unknown("a record", &member, "name, type, value, ttl, rule")),
            }
        }
        let lacks = |what: &str| {
            let mend = format!("write for example {}", Self::EXAMPLE);
            Remark::new(format!("a record without {what}"), mend).at(json.place())
        };
        Ok(Self {
            place: json.place(),
            name: name.ok_or_else(|| lacks("name"))?,
            kind: kind.ok_or_else(|| lacks("type"))?,
            value: value.ok_or_else(|| lacks("value"))?,
            ttl,
            rule,
        })
    }

    fn shown(&self) -> Shown {
        let mut shown = Map::new();
        let texts = [
            ("name", self.name.as_str()),
            ("type", self.kind.word()),
            ("value", self.value.as_str()),
            ("rule", self.rule.word()),
        ];
        shown.extend(texts.map(|(key, text)| (key.to_owned(), Shown::from(text))));
        if let Some(ttl) = self.ttl {
            shown.insert("ttl".to_owned(), Shown::from(ttl));
        }
        Shown::Object(shown)
    }

    /// The record itself; `ttl` if it has none of its own.
    pub(super) fn entry(&self, apex: &Name, ttl: u32) -> Result<Entry, Remark> {
        let owner = owner(&self.name, apex)?;
        let (rtype, rdata) = match self.kind {
            Kind::A => (rtype::A, address::<std::net::Ipv4Addr>(&self.value, "10.0.0.7")?.octets().to_vec()),
            Kind::Aaaa => {
                (rtype::AAAA, address::<std::net::Ipv6Addr>(&self.value, "fd00::7")?.octets().to_vec())
            }
            Kind::Cname => (rtype::CNAME, target(&self.value, apex)?.as_wire().to_vec()),
            Kind::Srv => (rtype::SRV, service(&self.value, apex)?),
            Kind::Txt => (rtype::TXT, text(&self.value)?),
        };
        Ok(Entry { owner, rtype, ttl: self.ttl.unwrap_or(ttl), rdata })
    }
}

impl Value for ZoneFiles {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        format!("list of paths, or of objects: file, rule ({})", Rule::kind())
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        self.0.clear();
        if json.is_null() {
            return Ok(());
        }
        let all = elements(json, "zone files", ZONE_FILES_MAX, WrittenFile::EXAMPLE)?;
        self.0 = all.into_iter().map(WrittenFile::read).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        let one = |written: &WrittenFile| {
            let texts = [("file", written.file.as_str()), ("rule", written.rule.word())];
            Shown::Object(texts.into_iter().map(|(key, text)| (key.to_owned(), Shown::from(text))).collect())
        };
        self.0.iter().map(one).collect()
    }
}

impl WrittenFile {
    const EXAMPLE: &'static str = r#"{"file": "/etc/mesos-dns/extra.zone", "rule": "fill"}"#;

    fn read(json: Json<'_>) -> Result<Self, Remark> {
        let mut written = Self { place: json.place(), file: String::new(), rule: Rule::Fill };
        if let Some(path) = json.text() {
            written.file = path;
        } else {
            for member in members(json, Self::EXAMPLE)? {
                match member.key.to_ascii_lowercase().as_str() {
                    "file" => written.file.read(member.value)?,
                    "rule" => written.rule.read(member.value)?,
                    _ => return Err(unknown("a zone file", &member, "file, rule")),
                }
            }
        }
        if written.file.is_empty() {
            let mend = format!("write for example {}", Self::EXAMPLE);
            return Err(Remark::new("a zone file without file", mend).at(json.place()));
        }
        Ok(written)
    }
}

//------------ Values ----------------------------------------------------------

/// The owner of a record: relative to the domain unless it ends with a dot, as in zone files.
fn owner(text: &str, apex: &Name) -> Result<Name, Remark> {
    let folded = text.to_ascii_lowercase();
    let domain = apex.to_string();
    let bare = domain.trim_end_matches('.');
    if folded == bare || folded.strip_suffix(bare).is_some_and(is_whole) {
        let what = format!(
            "{} without a dot at its end would be {}",
            quote(text),
            quote(&format!("{text}.{domain}"))
        );
        return Err(Remark::new(what, format!("write {}", quote(&format!("{text}.")))));
    }
    relative(text, apex)
}

/// Where a record leads. A name of several labels has to say by its last dot that it is whole: forgetting that dot is
/// the oldest mistake there is, and what it leads to exists nowhere.
fn target(text: &str, apex: &Name) -> Result<Name, Remark> {
    if dots(text).next().is_some() && !is_whole(text) {
        let what = format!("{} may be a whole name or one of the domain", quote(text));
        let mend = format!("write {}, or {}", quote(&format!("{text}.")), quote(&format!("{text}.{apex}")));
        return Err(Remark::new(what, mend));
    }
    relative(text, apex)
}

fn relative(text: &str, apex: &Name) -> Result<Name, Remark> {
    if text == "@" {
        return Ok(apex.clone());
    }
    let name = Name::parse(text).and_then(|name| match is_whole(text) {
        true => Ok(name),
        false => Name::from_labels(name.labels().chain(apex.labels())),
    });
    name.map_err(|error| {
        let what = format!("{} is no name that DNS can carry: {error}", quote(text));
        Remark::new(what, "write a name such as \"db\", or @ for the domain itself")
    })
}

/// Whether a name says by its last dot that it ends with the root.
fn is_whole(text: &str) -> bool {
    dots(text).last().is_some_and(|dot| dot.checked_add(1) == Some(text.len()))
}

/// Where the dots are that part labels. One behind a backslash belongs to its label.
fn dots(text: &str) -> impl Iterator<Item = usize> {
    let mut is_escaped = false;
    text.bytes().enumerate().filter_map(move |(at, octet)| {
        let is_plain = !std::mem::take(&mut is_escaped);
        is_escaped = is_plain && octet == b'\\';
        (is_plain && octet == b'.').then_some(at)
    })
}

fn address<A: std::str::FromStr>(text: &str, example: &str) -> Result<A, Remark> {
    text.parse().map_err(|_| {
        Remark::new(
            format!("{} is no such address", quote(text)),
            format!("write for example {}", quote(example)),
        )
    })
}

/// `<priority> <weight> <port> <target>`, as zone files have it.
fn service(text: &str, apex: &Name) -> Result<Vec<u8>, Remark> {
    let wrong = || {
        let mend = "write priority, weight, port and target: \"0 1 443 web\"";
        Remark::new(format!("{} is no SRV record", quote(text)), mend)
    };
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [priority, weight, port, host] = parts.as_slice() else { return Err(wrong()) };
    let mut rdata = Vec::new();
    for number in [priority, weight, port] {
        rdata.extend(number.parse::<u16>().map_err(|_| wrong())?.to_be_bytes());
    }
    rdata.extend(target(host, apex)?.as_wire());
    Ok(rdata)
}

/// One text, as as many strings as it takes.
fn text(text: &str) -> Result<Vec<u8>, Remark> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Remark::new(format!("the text is longer than {TEXT_BYTES_MAX} bytes"), "shorten it"));
    }
    let mut rdata = Vec::new();
    for piece in text.as_bytes().chunks(usize::from(u8::MAX)) {
        rdata.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
        rdata.extend(piece);
    }
    // A TXT record has one string at least.
    if rdata.is_empty() {
        rdata.push(0);
    }
    Ok(rdata)
}
