//! A zone as a standard zone file (RFC 1035 section 5), for other servers to load and people to read.

use std::{
    fmt,
    io::{self, Write},
};

use super::{Node, Rdata, Snapshot};
use crate::{
    records::Preference,
    wire::{Name, rtype},
};

/// Writes every record that DNS answers, names sorted, absolute and escaped, one record per line.
pub fn write_zone_file(zone: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let soa = zone.soa();
    let apex = zone.apex();
    let (ttl, serial) = (soa.ttl, zone.serial());
    writeln!(out, "$TTL {ttl}")?;
    let (refresh, retry, expire, minimum) = (soa.refresh, soa.retry, soa.expire, soa.minimum);
    writeln!(out, "{apex} IN SOA {} {} {serial} {refresh} {retry} {expire} {minimum}", soa.mname, soa.rname)?;
    writeln!(out, "{apex} IN NS {}", soa.mname)?;
    let mut nodes: Vec<&Node> = zone.nodes().collect();
    nodes.sort_unstable_by(|one, other| one.name().as_wire().cmp(other.name().as_wire()));
    nodes.into_iter().try_for_each(|node| write_node(node, soa.weight, out))
}

fn write_node(node: &Node, weight: u16, out: &mut dyn Write) -> io::Result<()> {
    let name = node.name();
    let ttl = node.ttl().map_or(String::new(), |ttl| format!(" {ttl}"));
    for item in node.a() {
        writeln!(out, "{name}{ttl} IN A {}", item.address)?;
    }
    for item in node.aaaa() {
        writeln!(out, "{name}{ttl} IN AAAA {}", item.address)?;
    }
    for item in node.srv() {
        writeln!(out, "{name}{ttl} IN SRV 0 {weight} {} {}", item.port, item.target)?;
    }
    for item in node.preferred() {
        let Preference { priority, weight } = item.preference;
        writeln!(out, "{name}{ttl} IN SRV {priority} {weight} {} {}", item.port, item.target)?;
    }
    for item in node.all_others() {
        writeln!(out, "{name}{ttl} IN {}", Presented(item.rtype, &item.rdata))?;
    }
    Ok(())
}

impl Rdata {
    /// Type and data as a zone file has them. `weight` is that of services that have none of their own.
    pub fn to_text(&self, weight: u16) -> String {
        match self {
            Self::A(address) => format!("A {address}"),
            Self::Aaaa(address) => format!("AAAA {address}"),
            Self::Srv { port, target, preference } => {
                let Preference { priority, weight } = preference.unwrap_or(Preference::of_all(weight));
                format!("SRV {priority} {weight} {port} {target}")
            }
            Self::Other { rtype, rdata } => Presented(*rtype, rdata).to_string(),
        }
    }
}

/// Type and data of a record as a zone file has them.
struct Presented<'a>(u16, &'a [u8]);

impl fmt::Display for Presented<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rtype, rdata) = self;
        let target = Name::from_wire(rdata).ok();
        match (*rtype, target, strings(rdata)) {
            (rtype::CNAME, Some(target), _) => write!(out, "CNAME {target}"),
            (rtype::PTR, Some(target), _) => write!(out, "PTR {target}"),
            (rtype::TXT, _, Some(strings)) => {
                out.write_str("TXT")?;
                strings.into_iter().try_for_each(|string| write_string(string, out))
            }
            _ => write_unknown(*rtype, rdata, out),
        }
    }
}

/// The character strings of a TXT record (RFC 1035 section 3.3.14); `None` if the data are not what they should be.
fn strings(rdata: &[u8]) -> Option<Vec<&[u8]>> {
    let mut strings = Vec::new();
    let mut rest = rdata;
    while let Some((length, behind)) = rest.split_first() {
        let (string, behind) = behind.split_at_checked(usize::from(*length))?;
        strings.push(string);
        rest = behind;
    }
    (!strings.is_empty()).then_some(strings)
}

fn write_string(string: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_str(" \"")?;
    for octet in string {
        match octet {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*octet))?,
            b' '..=b'~' => write!(out, "{}", char::from(*octet))?,
            _ => write!(out, "\\{octet:03}")?,
        }
    }
    out.write_str("\"")
}

/// The form for types that the reader may not know (RFC 3597 section 5).
fn write_unknown(rtype: u16, rdata: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "TYPE{rtype} \\# {}", rdata.len())?;
    if !rdata.is_empty() {
        out.write_str(" ")?;
    }
    rdata.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_presented() {
        let check = |rtype, rdata: &[u8], expected: &str| {
            assert_eq!(Presented(rtype, rdata).to_string(), expected);
        };
        check(rtype::TXT, b"\x03a b\0\x04\"\\;\xff", r#"TXT "a b" "" "\"\\;\255""#);
        check(rtype::TXT, b"\x03a", r"TYPE16 \# 2 0361");
        check(rtype::TXT, b"", r"TYPE16 \# 0");
        check(rtype::CNAME, b"\x03Web\x05mesos\0", "CNAME web.mesos.");
        check(rtype::PTR, b"\x03a.b\x05mesos\0", r"PTR a\.b.mesos.");
        check(rtype::PTR, b"\x03web", r"TYPE12 \# 4 03776562");
        check(257, b"\0\x05issue", r"TYPE257 \# 7 00056973737565");
    }
}
