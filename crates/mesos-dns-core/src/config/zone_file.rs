//! Zone files: text to records (RFC 1035 section 5.1, RFC 3597).
//!
//! The reader is that of the `domain` crate. It stops for good at the first thing it does not understand, and its
//! records do not tell where they stood. So a file is cut into its entries first, and each is read by a reader that is
//! as it was after the last good one: every fault of a file is found at once, each with its line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::{
    base::name::ToLabelIter,
    base::{
        Name as Origin,
        iana::{Class, Rtype},
        rdata::{ComposeRecordData, ParseAnyRecordData},
    },
    dep::octseq::Parser,
    rdata::{AllRecordData, ZoneRecordData},
    zonefile::inplace::{Entry as Scanned, ScannedRecord, Zonefile},
};

use crate::wire::{Name, NameError};

/// One record as written, its names spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it stands.
    pub(super) owner: Name,
    /// Its type.
    pub(super) rtype: u16,
    /// In seconds.
    pub(super) ttl: u32,
    /// Its data in wire form, lower-case where case means nothing (RFC 4034 section 6.2).
    pub(super) rdata: Vec<u8>,
}

/// Reads a zone file. Names in it are relative to `apex` until it says otherwise, and records without a TTL have
/// `ttl`. Calls `tell` with each record or fault, and the line where its entry begins.
pub(super) fn read(text: &[u8], apex: &Name, ttl: u32, mut tell: impl FnMut(usize, Result<Entry, Fault>)) {
    let mut reader = Zonefile::from(format!("$TTL {ttl}\n").as_str());
    if let Ok(origin) = Origin::bytes_from_str(&apex.to_string()) {
        reader.set_origin(origin);
    }
    reader.set_default_class(Class::IN);
    for Cut { line, entry, is_open } in Cuts::new(text) {
        if is_open {
            // The reader would look for the end beyond the end.
            tell(line, Err(Fault::Open));
            break;
        }
        let before = reader.clone();
        reader.extend_from_slice(entry);
        if !entry.ends_with(b"\n") {
            reader.extend_from_slice(b"\n");
        }
        loop {
            // The reader panics on a few odd texts. What it was given then is dropped with it.
            let outcome = catch_unwind(AssertUnwindSafe(|| reader.next_entry()));
            let fault = match outcome {
                Ok(Ok(None)) => break,
                Ok(Ok(Some(Scanned::Record(record)))) => {
                    tell(line, spelled_out(&record));
                    continue;
                }
                Ok(Ok(Some(Scanned::Include { .. }))) => Fault::Include,
                Ok(Err(error)) => Fault::of_reader(&error.to_string()),
                Err(_) => Fault::Odd,
            };
            tell(line, Err(fault));
            reader = before;
            break;
        }
    }
}

/// A record without anything of the reader in it.
fn spelled_out(record: &ScannedRecord) -> Result<Entry, Fault> {
    let mut labels: Vec<&[u8]> = record.owner().iter_labels().map(|label| label.as_slice()).collect();
    // The root. The reader takes one more dot for one more label.
    labels.pop_if(|label| label.is_empty());
    let owner = Name::from_labels(labels).map_err(Fault::of_name)?;
    let mut rdata: Vec<u8> = Vec::new();
    record.data().compose_canonical_rdata(&mut rdata).map_err(|_| Fault::Unreadable)?;
    // So it does in data, which then are none of their type.
    let fault = if matches!(record.data(), ZoneRecordData::Unknown(_)) { Fault::Data } else { Fault::Odd };
    let rdata = understood(record.rtype(), &rdata).ok_or(fault)?;
    if leads_to_at(record.rtype(), &rdata) {
        return Err(Fault::At);
    }
    Ok(Entry { owner, rtype: record.rtype().to_int(), ttl: record.ttl().as_secs(), rdata })
}

/// Whether a name in the data begins with a label `@`. The reader knows what it stands for in front of a record only, and
/// no host is called so.
fn leads_to_at(rtype: Rtype, rdata: &[u8]) -> bool {
    let name = match rtype {
        Rtype::CNAME | Rtype::PTR => Some(rdata),
        Rtype::MX | Rtype::SVCB | Rtype::HTTPS => rdata.get(2..),
        Rtype::SRV => rdata.get(6..),
        _ => None,
    };
    name.is_some_and(|name| name.starts_with(b"\x01@"))
}

/// Data as they were read, or written as bytes (RFC 3597 section 5): those of a type we know are lower-case where case
/// means nothing. `None` if they are none of their type: clients could not read a message that holds them.
fn understood(rtype: Rtype, rdata: &[u8]) -> Option<Vec<u8>> {
    let mut parser = Parser::from_ref(rdata);
    let data = AllRecordData::parse_any_rdata(rtype, &mut parser).ok()?;
    let mut canonical: Vec<u8> = Vec::new();
    data.compose_canonical_rdata(&mut canonical).ok()?;
    // A text has one string at least; what differs in more than case had compressed names, which lead nowhere in here.
    let is_whole = parser.remaining() == 0 && (rtype != Rtype::TXT || !rdata.is_empty());
    (is_whole && canonical.eq_ignore_ascii_case(rdata)).then_some(canonical)
}

/// Why an entry of a zone file was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// `@` in the data of a record.
    #[error("@ stands for the domain in front of a record only")]
    At,
    /// `$INCLUDE`: files are read where they are named, by whoever may.
    #[error("$INCLUDE is not followed")]
    Include,
    /// Bytes that its type does not have.
    #[error("the bytes are no data of this type")]
    Data,
    /// What the reader breaks down on.
    #[error("the entry is malformed")]
    Odd,
    /// The file ends within a bracket or a quote.
    #[error("a bracket or a quote is not closed")]
    Open,
    /// What the reader says.
    #[error("{0}")]
    Syntax(String),
    /// Larger than a record can be.
    #[error("the record is too large")]
    Unreadable,
}

impl Fault {
    fn of_name(error: NameError) -> Self {
        match error {
            NameError::EmptyLabel | NameError::BadEscape => Self::Odd,
            NameError::LabelTooLong | NameError::NameTooLong => Self::Unreadable,
        }
    }

    /// The reader's text without its own line and column, which count from where we cut; its shortest ones spelled out.
    fn of_reader(text: &str) -> Self {
        let what = text.splitn(3, ':').nth(2).unwrap_or(text).trim();
        let what = match what {
            "expected rtype" => "expected a TTL in seconds, a class or a type",
            "short buffer" | "unexpected end of entry" => "the entry ends too early",
            "trailing tokens" => "more follows than the type has data",
            what => what,
        };
        Self::Syntax(what.to_owned())
    }

    /// What to do about it.
    pub(super) fn mend(&self) -> &'static str {
        match self {
            Self::At => "write the domain, with its last dot",
            Self::Include => "list the other file in zoneFiles",
            Self::Data => "write it as text, without \\#",
            Self::Open => "close it",
            Self::Odd | Self::Syntax(_) => "write it as RFC 1035 section 5.1 says",
            Self::Unreadable => "shorten it",
        }
    }
}

//------------ Cuts ------------------------------------------------------------

/// Cuts a zone file into entries: a line each, or several where a bracket or a quote is open.
struct Cuts<'a> {
    rest: &'a [u8],
    line: usize,
}

/// One entry.
struct Cut<'a> {
    /// Where it begins.
    line: usize,
    entry: &'a [u8],
    /// Whether a bracket or a quote is still open at its end, which is that of the file.
    is_open: bool,
}

impl<'a> Cuts<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 1 }
    }
}

impl<'a> Iterator for Cuts<'a> {
    type Item = Cut<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut open, mut quoted, mut comment, mut escaped) = (0_usize, false, false, false);
        let mut lines = 0_usize;
        let end = self.rest.iter().position(|octet| {
            if *octet == b'\n' {
                lines = lines.saturating_add(1);
                (comment, escaped) = (false, false);
                return open == 0 && !quoted;
            }
            match octet {
                _ if comment => {}
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b';' => comment = true,
                b'(' => open = open.saturating_add(1),
                b')' => open = open.saturating_sub(1),
                _ => {}
            }
            false
        });
        let length = end.map_or(self.rest.len(), |end| end.saturating_add(1));
        let (entry, rest) = self.rest.split_at_checked(length)?;
        let line = self.line;
        self.rest = rest;
        self.line = line.saturating_add(lines);
        Some(Cut { line, entry, is_open: open > 0 || quoted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        read(text.as_bytes(), &Name::parse("mesos.").unwrap(), 5, |line, outcome| {
            lines.push(match outcome {
                Ok(Entry { owner, rtype, ttl, rdata }) => {
                    let hex: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
                    format!("{line} {owner} {ttl} {rtype} {hex}")
                }
                Err(fault) => format!("{line} {fault}"),
            });
        });
        lines
    }

    #[test]
    fn records_and_their_lines() {
        let text = "; of the operator\n\
            \n\
            db        A 10.0.0.1 ; one\r\n\
            \x20         60 IN AAAA fd00::1\n\
            $TTL 300\n\
            mail (\n  MX 10\n  Mail.Example.ORG. )\n\
            @ TXT \"a b\" c\\\"d \"e;(f\"\n\
            $ORIGIN sub.mesos.\n\
            odd IN TYPE65280 \\# 3 a1b2c3\n\
            odd A \\# 4 0a000002\n\
            *.x CNAME y";
        assert_eq!(
            lines(text),
            [
                "3 db.mesos. 5 1 0a000001",
                "4 db.mesos. 60 28 fd000000000000000000000000000001",
                "6 mail.mesos. 300 15 000a046d61696c076578616d706c65036f726700",
                "9 mesos. 300 16 036120620363226404653b2866",
                "11 odd.sub.mesos. 300 65280 a1b2c3",
                "12 odd.sub.mesos. 300 1 0a000002",
                "13 *.x.sub.mesos. 300 5 017903737562056d65736f7300",
            ]
        );
    }

    #[test]
    fn faults_are_all_told_and_cost_only_themselves() {
        let text = "a A nowhere\n\
            b A 10.0.0.1\n\
            $INCLUDE other.zone\n\
            c 1h A 10.0.0.2\n\
            d CH A 10.0.0.3\n\
            e A 10.0.0.4 10.0.0.5\n\
            $GENERATE 1-3 x$ A 10.0.0.$\n\
            f. A 10.0.0.6\n\
            g A (\n10.0.0.7";
        let said = lines(text);
        let numbers: Vec<&str> = said.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9"], "{said:#?}");
        assert!(
            said[1].ends_with("b.mesos. 5 1 0a000001") && said[7].ends_with("f. 5 1 0a000006"),
            "{said:#?}"
        );
    }

    #[test]
    fn bytes_have_to_be_data_of_their_type() {
        let bad = [
            "TYPE1 \\# 3 010203",
            "TYPE28 \\# 4 01020304",
            "TYPE5 \\# 2 0561",
            "TYPE5 \\# 2 c000",
            "CNAME \\# 2 c00c",
            "TYPE15 \\# 5 000a0161c0",
            "TYPE15 \\# 6 000a0161c002",
            "TYPE15 \\# 1 00",
            "TYPE16 \\# 0",
            "TYPE16 \\# 2 0541",
            "TYPE33 \\# 3 010203",
            "TYPE12 \\# 3 000000",
        ];
        for text in bad {
            assert_eq!(lines(&format!("a {text}")), ["1 the bytes are no data of this type"], "{text}");
        }
        for (text, read) in [
            ("TYPE15 \\# 5 000a014100", "15 000a016100"),
            ("TYPE16 \\# 2 0141", "16 0141"),
            ("TYPE65280 \\# 0", "65280 "),
        ] {
            assert_eq!(lines(&format!("a {text}")), [format!("1 a.mesos. 5 {read}")], "{text}");
        }
    }

    /// They would lead to a host called `@`.
    #[test]
    fn an_at_sign_is_no_target() {
        for text in ["CNAME @", "PTR @", "MX 1 @", "SRV 1 2 3 @", "SVCB 1 @", "HTTPS 0 @", "CNAME \\@.mesos."]
        {
            assert_eq!(
                lines(&format!("a {text}")),
                ["1 @ stands for the domain in front of a record only"],
                "{text}"
            );
        }
        assert_eq!(lines("@ MX 320 a")[0], "1 mesos. 5 15 01400161056d65736f7300");
    }

    /// The reader has a label for each dot.
    #[test]
    fn names_have_no_empty_labels() {
        let bad = [
            "a.. A 10.0.0.1",
            "a..b A 10.0.0.1",
            ".a A 10.0.0.1",
            "a CNAME b..",
            "a CNAME b..c",
            "a MX 1 b..",
            "a SRV 0 1 2 b..",
            "a PTR b..c.",
            "a NAPTR 1 2 \"\" \"\" \"\" b..",
        ];
        for text in bad {
            let said = lines(text);
            assert!(said.len() == 1 && !said[0].contains("mesos."), "{text} {said:?}");
        }
        assert_eq!(lines("a MX 1 ."), ["1 a.mesos. 5 15 000100"]);
        assert_eq!(lines(". A 10.0.0.1"), ["1 . 5 1 0a000001"]);
    }

    /// A file is outside bytes, even if the operator's.
    #[test]
    fn nothing_makes_it_panic() {
        use proptest::prelude::*;
        let pieces = [
            "a", "\\", "\"", "(", ")", ";", "\n", " ", "\t", "@", "$", "TTL", "$ORIGIN", "A", "TXT", "\\#",
            "1", "\\000", "\r", ".", "IN", "\u{e9}", "$TTL", "$INCLUDE", "10.0.0.1", "TYPE1", "SOA", "\\9",
            "NSEC", "SVCB", "port=1", "LOC",
        ];
        proptest!(ProptestConfig::with_cases(1024), |(text in prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60))| {
            lines(&text.concat());
            lines(&text.join(" "));
        });
        proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..200))| {
            read(&bytes, &Name::parse("mesos.").unwrap(), 5, |_, _| ());
        });
    }
}
