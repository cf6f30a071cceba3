//! How leniently JSON is read, in one place.
//!
//! What Mesos writes is not always what a strict reader takes: members come twice, names and strings hold bytes
//! that are not UTF-8, numbers are written as `5`, `5.0` or `5e0`, and the original matched the names of members
//! whatever their case. The objects that [`object!`] defines know which members they want; the rest is here:
//! unknown members are passed over, of a repeated one the last counts, `null` is the same as missing.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Defines objects by the members that are wanted of them: field, type, and the member's name in lower case.
///
/// What `derive(Deserialize)` would make refuses a member that comes twice, and tells `null` from missing. A macro,
/// because written out each object takes a dozen lines in which only these names differ.
macro_rules! object {
    ($($(#[$about:meta])* struct $object:ident<$de:lifetime> {
        $($(#[$doc:meta])* $field:ident: $type:ty = $name:literal,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug, Default)]
        struct $object<$de> {
            $($(#[$doc])* $field: $type,)*
        }

        impl<$de> $crate::mesos::json::Object<$de> for $object<$de> {
            fn member<M>(&mut self, name: &[u8], members: &mut M) -> Result<(), M::Error>
            where
                M: serde::de::MapAccess<$de>,
            {
                match name {
                    $($name => self.$field = $crate::mesos::json::value(members)?,)*
                    _ => $crate::mesos::json::skip(members)?,
                }
                Ok(())
            }
        }

        impl<$de> serde::Deserialize<$de> for $object<$de> {
            fn deserialize<D: serde::Deserializer<$de>>(input: D) -> Result<Self, D::Error> {
                $crate::mesos::json::deserialize(input)
            }
        }
    )*};
}

pub(super) use object;

/// An object of which some members are wanted.
pub(super) trait Object<'de>: Default {
    /// Takes the value of the member `name` (in lower case) from `members`, or passes over it.
    fn member<M: MapAccess<'de>>(&mut self, name: &[u8], members: &mut M) -> Result<(), M::Error>;
}

/// A value that is wanted; the default where it is `null`.
pub(super) fn value<'de, T, M>(members: &mut M) -> Result<T, M::Error>
where
    T: Deserialize<'de> + Default,
    M: MapAccess<'de>,
{
    members.next_value::<Option<T>>().map(Option::unwrap_or_default)
}

/// Passes over a value of any shape.
pub(super) fn skip<'de, M: MapAccess<'de>>(members: &mut M) -> Result<(), M::Error> {
    members.next_value::<IgnoredAny>().map(|_| ())
}

/// Reads an object, or `null` in place of one.
pub(super) fn deserialize<'de, T: Object<'de>, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    input.deserialize_any(ObjectVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for ObjectVisitor<T> {
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

/// The name of a member, in lower case.
struct Name<'de>(Cow<'de, [u8]>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let name = input.deserialize_bytes(BytesVisitor)?;
        Ok(Name(match name.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => name,
        }))
    }
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
        input.deserialize_bytes(BytesVisitor).map(|bytes| Text(lossy(bytes)))
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

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
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

//------------ Flag ----------------------------------------------------------

/// A boolean, or `None` for anything else: what is only good to know must not cost what is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flag(pub Option<bool>);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(FlagVisitor).map(Flag)
    }
}

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = Option<bool>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a boolean")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

//------------ Numbers that are none -----------------------------------------

/// Numbers that are not JSON, and that some masters write all the same.
const NOT_NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The text with each bare `Infinity` and `NaN` made `null`; `None` if there is none.
///
/// A master built against a system's RapidJSON writes unlimited `limits` like that. Rare enough to be looked for
/// only after a text was refused.
pub(super) fn without_infinity(text: &[u8]) -> Option<Vec<u8>> {
    let (mut clean, mut found) = (Vec::with_capacity(text.len()), false);
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let not_number = NOT_NUMBERS.iter().find(|word| rest.starts_with(word));
        let length = match not_number {
            Some(word) => word.len(),
            None if byte == b'"' => string_length(rest),
            None => 1,
        };
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        clean.extend_from_slice(if not_number.is_some() { b"null" } else { taken });
        found |= not_number.is_some();
        rest = after;
    }
    found.then_some(clean)
}

/// Length of the string at the beginning of `text`, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    object! {
        struct Thing<'de> {
            text: Text<'de> = b"text",
            number: f64 = b"number",
            flag: Flag = b"flag",
            things: Vec<Thing<'de>> = b"things",
        }
    }

    fn check(json: &[u8], expected: Option<&str>) {
        let found = serde_json::from_slice::<Thing<'_>>(json).ok().map(|thing| {
            format!("{} {} {:?} {}", thing.text.0, thing.number, thing.flag.0, thing.things.len())
        });
        assert_eq!(found.as_deref(), expected, "{}", json.escape_ascii());
    }

    #[test]
    fn lenient() {
        check(b"{}", Some(" 0 None 0"));
        check(b"null", Some(" 0 None 0"));
        check(br#"{"text":"a","number":5,"flag":true,"things":[{},null]}"#, Some("a 5 Some(true) 2"));
        check(br#"{"text":"a","x":[{"y":1e999}],"text":"b","number":5e0}"#, Some("b 5 None 0"));
        check(br#"{"TEXT":"a","te\u0078t":"b","Number":5.0}"#, Some("b 5 None 0"));
        check(br#"{"text":null,"number":null,"flag":null,"things":null}"#, Some(" 0 None 0"));
        check(b"{\"text\":\"a\xffb\",\"\xfe\":\"\xff\"}", Some("a\u{fffd}b 0 None 0"));
        check(b"{\"text\":\"a\x01\\u0001\\/\"}", Some("a\u{1}\u{1}/ 0 None 0"));
        for flag in ["1", "-1", "1.5", "\"true\"", "[1,[2]]", "{\"a\":{}}", "null"] {
            check(format!("{{\"flag\":{flag},\"number\":7}}").as_bytes(), Some(" 7 None 0"));
        }
    }

    #[test]
    fn half_a_surrogate_pair() {
        let thing: Thing<'_> = serde_json::from_slice(br#"{"text":"a\ud800b"}"#).expect("lenient");
        assert!(thing.text.0.starts_with("a\u{fffd}") && thing.text.0.ends_with('b'));
    }

    #[test]
    fn wrong_types() {
        for json in [
            r#"{"text":5}"#,
            r#"{"text":["a"]}"#,
            r#"{"number":"5"}"#,
            r#"{"number":1e999}"#,
            r#"{"things":{}}"#,
            r#"{"things":[5]}"#,
            "[]",
            "5",
            "\"a\"",
        ] {
            check(json.as_bytes(), None);
        }
    }

    #[test]
    fn infinity() {
        let check = |text: &str, expected: Option<&str>| {
            let found = without_infinity(text.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        };
        check(r#"{"a":Infinity,"b":[-Infinity,NaN]}"#, Some(r#"{"a":null,"b":[null,null]}"#));
        check(r#"{"a\"":"Infinity","b":"\\"}"#, None);
        check(r#"{"a":"\\",":NaN":NaN}"#, Some(r#"{"a":"\\",":NaN":null}"#));
        check(r#"{"a":"Infinity"#, None);
        check("", None);
    }
}
