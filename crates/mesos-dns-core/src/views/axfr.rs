//! `/v1/axfr`: the whole zone as one object.

use std::mem;

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
        tables.serialize_field("As", &Rows(self.0, Kind::A))?;
        tables.serialize_field("AAAAs", &Rows(self.0, Kind::Aaaa))?;
        tables.serialize_field("SRVs", &Rows(self.0, Kind::Srv))?;
        tables.end()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    A,
    Aaaa,
    Srv,
}

/// One table: each name that has values of its kind.
struct Rows<'a>(&'a [ListedName<'a>], Kind);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(names, kind) = *self;
        serializer.collect_map(names.iter().filter_map(|name| {
            let mut listed = name.listed();
            let name = mem::take(&mut listed.name);
            let values = Values(listed, kind);
            (!values.is_empty()).then_some((name, values))
        }))
    }
}

/// The values of one kind under one name.
struct Values(Listed, Kind);

impl Values {
    fn is_empty(&self) -> bool {
        match self.1 {
            Kind::A => self.0.a.is_empty(),
            Kind::Aaaa => self.0.aaaa.is_empty(),
            Kind::Srv => self.0.srv.is_empty(),
        }
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Kind::A => serializer.collect_seq(&self.0.a),
            Kind::Aaaa => serializer.collect_seq(&self.0.aaaa),
            Kind::Srv => {
                serializer.collect_seq(self.0.srv.iter().map(|(target, port)| format!("{target}:{port}")))
            }
        }
    }
}
