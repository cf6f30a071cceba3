//! How leniently JSON is read, in one place.
//!
//! What Mesos writes is not always what a strict reader takes: members come twice, names and strings hold bytes
//! that are not UTF-8, numbers are written as `5`, `5.0` or `5e0`, and the original matched the names of members
//! whatever their case. A type that implements [`Object`] says which members it wants; the rest is here: unknown
//! members are passed over, of a repeated one the last counts, `null` is the same as missing.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A JSON object of which some members are wanted.
pub(super) trait Object<'de>: Default {
    /// Takes the value of the member `name` (in lower case) from `members`: with [`value`], [`object`] or
    /// [`list`] if it is wanted, else with [`skip`].
    fn member<M: MapAccess<'de>>(&mut self, name: &[u8], members: &mut M) -> Result<(), M::Error>;
}

/// Reads one object from `bytes`, which hold nothing else.
pub(super) fn decode<'de, T: Object<'de>>(bytes: &'de [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Record(record)| record)
}

/// A string or a number; the default where it is `null`.
pub(super) fn value<'de, T: Deserialize<'de> + Default, M: MapAccess<'de>>(
    members: &mut M,
) -> Result<T, M::Error> {
    members.next_value::<Option<T>>().map(Option::unwrap_or_default)
}

/// An object; the default where it is `null`.
pub(super) fn object<'de, T: Object<'de>, M: MapAccess<'de>>(members: &mut M) -> Result<T, M::Error> {
    members.next_value().map(|Record(record)| record)
}

/// A list of objects; empty where it is `null`.
pub(super) fn list<'de, T: Object<'de>, M: MapAccess<'de>>(members: &mut M) -> Result<Vec<T>, M::Error> {
    members.next_value().map(|List(items)| items)
}

/// Passes over a value of any shape.
pub(super) fn skip<'de, M: MapAccess<'de>>(members: &mut M) -> Result<(), M::Error> {
    members.next_value::<IgnoredAny>().map(|_| ())
}

//------------ Text ----------------------------------------------------------

/// A string. Bytes that are not UTF-8, and halves of surrogate pairs, become U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'de>(pub Cow<'de, str>);

impl Text<'_> {
    /// The string, if it is not empty.
    pub(super) fn filled(&self) -> Option<&str> {
        Some(&*self.0).filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Asked for bytes, `serde_json` resolves escapes and leaves the rest of the checking to us.
        input.deserialize_bytes(TextVisitor).map(|bytes| Text(lossy(bytes)))
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}

//------------ Record, List --------------------------------------------------

/// An [`Object`] as `serde` knows it.
struct Record<T>(T);

impl<'de, T: Object<'de>> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(RecordVisitor(PhantomData)).map(Record)
    }
}

struct RecordVisitor<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for RecordVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<T, M::Error> {
        let mut object = T::default();
        while let Some(Name(name)) = members.next_key()? {
            object.member(&name, &mut members)?;
        }
        Ok(object)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

/// A list of [`Object`]s.
struct List<T>(Vec<T>);

impl<'de, T: Object<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ListVisitor(PhantomData)).map(List)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Vec<T>, S::Error> {
        let mut list = Vec::new();
        while let Some(Record(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list)
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }
}

//------------ Name ----------------------------------------------------------

/// The name of a member, in lower case.
struct Name<'de>(Cow<'de, [u8]>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let name = input.deserialize_bytes(TextVisitor)?;
        Ok(Name(match name.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => name,
        }))
    }
}
