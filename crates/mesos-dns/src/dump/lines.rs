//! The records of a running server as it tells them: one on each line, in the order of a zone file.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use anyhow::Context;
use bytes::Bytes;
use serde::Deserialize;

/// The records of a server: their head, and the lines behind it.
pub(super) struct Lines {
    head: Head,
    body: Bytes,
}

/// The first line.
#[derive(Deserialize)]
struct Head {
    serial: u32,
    zone: InCommon,
}

/// What all records have in common.
#[derive(Deserialize)]
struct InCommon {
    domain: String,
    mname: String,
    rname: String,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
    ttl: u32,
}

/// One record.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    pub(super) rtype: Cow<'a, str>,
    pub(super) ttl: u32,
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

impl Lines {
    /// Reads the head; the lines are read when they are written.
    pub(super) fn new(body: Bytes) -> anyhow::Result<Self> {
        let end = body.iter().position(|byte| *byte == b'\n').context("the server's /v2/records is cut")?;
        let head =
            serde_json::from_slice(&body[..end]).context("the server's /v2/records is not understood")?;
        Ok(Self { head, body: body.slice(end + 1..) })
    }

    /// Writes them as [`write_zone_file`](mesos_dns_core::zone::write_zone_file) does.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Head { serial, zone } = &self.head;
        let InCommon { domain, mname, rname, refresh, retry, expire, minimum, ttl } = zone;
        // The dot is what makes it absolute.
        let apex = format!("{domain}.");
        writeln!(out, "$TTL {ttl}")?;
        writeln!(out, "{apex} IN SOA {mname} {rname} {serial} {refresh} {retry} {expire} {minimum}")?;
        writeln!(out, "{apex} IN NS {mname}")?;
        for line in self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Line { name, rtype, ttl, data } = serde_json::from_slice(line)?;
            match ttl == zone.ttl {
                true => writeln!(out, "{name} IN {rtype} {data}")?,
                false => writeln!(out, "{name} {ttl} IN {rtype} {data}")?,
            }
        }
        Ok(())
    }
}
