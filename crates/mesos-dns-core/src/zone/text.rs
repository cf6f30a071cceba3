//! A zone as a standard zone file (RFC 1035 section 5), for other servers to load and people to read.

use std::io::{self, Write};

use super::{Node, Snapshot};

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
    for node in nodes {
        let name = node.name();
        for item in node.a() {
            writeln!(out, "{name} IN A {}", item.address)?;
        }
        for item in node.aaaa() {
            writeln!(out, "{name} IN AAAA {}", item.address)?;
        }
        for item in node.srv() {
            writeln!(out, "{name} IN SRV 0 {} {} {}", soa.weight, item.port, item.target)?;
        }
    }
    Ok(())
}
