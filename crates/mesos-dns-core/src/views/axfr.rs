//! `/v1/axfr`: the whole zone as one object.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::zone::{Listed, ListedName, Snapshot};

/// The body of `/v1/axfr`. It holds a pointer per name; values are made while they are written.
pub struct Axfr<'a> {
    /// `TTL` of every record, in seconds.
    pub ttl: u32,
    /// `Serial` of the zone.
    pub serial: u32,
    /// `RefreshSeconds`, as configured.
    pub refresh_seconds: i64,
    /// `Mname`, as configured (`SOAMname`), with the trailing dot.
    pub mname: &'a str,
    /// `Rname`, as configured (`SOARname`), with the trailing dot.
    pub rname: &'a str,
    /// `Domain`, without the trailing dot.
    pub domain: &'a str,
    /// The zone.
    pub zone: &'a Snapshot,
}

impl Serialize for Axfr<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Axfr", 7)?;
        body.serialize_field("TTL", &self.ttl)?;
        body.serialize_field("Serial", &self.serial)?;
        body.serialize_field("RefreshSeconds", &self.refresh_seconds)?;
        body.serialize_field("Mname", self.mname)?;
        body.serialize_field("Rname", self.rname)?;
        body.serialize_field("Domain", self.domain)?;
        body.serialize_field("Records", &Records(&self.zone.listed_names()))?;
        body.end()
    }
}

/// The three tables, in the order of the original.
struct Records<'a>(&'a [ListedName<'a>]);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tables = serializer.serialize_struct("Records", 3)?;
        tables.serialize_field("As", &Rows(self.0, |listed| texts(listed.a)))?;
        tables.serialize_field("AAAAs", &Rows(self.0, |listed| texts(listed.aaaa)))?;
        tables.serialize_field("SRVs", &Rows(self.0, |listed| texts(listed.srv.into_iter().map(Target))))?;
        tables.end()
    }
}

/// One table: each name that has values of its type.
struct Rows<'a>(&'a [ListedName<'a>], fn(Listed) -> Vec<String>);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|name| {
            let mut listed = name.listed();
            let name = std::mem::take(&mut listed.name);
            let values = self.1(listed);
            (!values.is_empty()).then_some((name, values))
        }))
    }
}

fn texts(values: impl IntoIterator<Item: ToString>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// An SRV value as the v1 API spells it: `target.:port`.
struct Target((String, u16));

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, port) = &self.0;
        write!(f, "{target}:{port}")
    }
}
