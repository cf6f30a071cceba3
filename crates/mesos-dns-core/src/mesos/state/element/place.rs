//! Where an agent stands (`DomainInfo`): plain protobuf JSON, so the same in both shapes.

use std::{borrow::Cow, sync::Arc};

use super::{
    super::super::json::{JsonError, Reader, Wanted},
    Elements,
};
use crate::cluster::Place;

impl Elements {
    /// `None` unless region and zone have names.
    pub(super) fn place(&mut self, raw: &RawPlace<'_>) -> Option<Arc<Place>> {
        let is_known = !raw.region.is_empty() && !raw.zone.is_empty();
        is_known.then(|| self.names.place(&raw.region, &raw.zone))
    }
}

//------------ Raw shapes ----------------------------------------------------

#[derive(Default)]
pub(super) struct RawPlace<'a> {
    region: Cow<'a, str>,
    zone: Cow<'a, str>,
}

impl<'a> RawPlace<'a> {
    /// It is only good to know, so of any shape.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let place = reader.lenient(|reader| {
            let mut place = Self::default();
            reader.object(|name, reader| {
                match name {
                    b"fault_domain" => place = Self::read_fault_domain(reader)?,
                    _ => return Ok(Wanted::No),
                }
                Ok(Wanted::Yes)
            })?;
            Ok(place)
        })?;
        Ok(place.unwrap_or_default())
    }

    fn read_fault_domain(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut place = Self::default();
        reader.object(|name, reader| {
            match name {
                b"region" => place.region = read_name(reader)?,
                b"zone" => place.zone = read_name(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(place)
    }
}

fn read_name<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    let mut text = Cow::Borrowed("");
    reader.object(|name, reader| {
        match name {
            b"name" => text = reader.text()?,
            _ => return Ok(Wanted::No),
        }
        Ok(Wanted::Yes)
    })?;
    Ok(text)
}
