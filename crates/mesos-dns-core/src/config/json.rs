//! JSON with places: a value together with where in the file it stands.
//!
//! The file is split into its members without reading their values, so that each value can be read by the type
//! its key asks for, and a problem found long after, when values are compared, still names line and column.
//! The parser is `serde_json`, whose raw values are slices of the text; a place is found from where the slice
//! begins.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::remark::{Place, Remark, quote};

/// Farthest column that is told, in bytes; a file of one long line would otherwise be counted through for each of its keys.
const COLUMN_MAX: usize = 10_000;

/// A whole text, with the offsets at which its lines begin.
pub(super) struct Source<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Finds the lines of a text.
    pub(super) fn new(text: &'a str) -> Self {
        let behind = |(offset, _): (usize, &str)| offset.saturating_add(1);
        Self { text, lines: std::iter::once(0).chain(text.match_indices('\n').map(behind)).collect() }
    }

    /// The text as one value; whether it is JSON shows when it is read.
    pub(super) fn json(&'a self) -> Json<'a> {
        Json { source: self, raw: self.text }
    }

    /// The place of a byte offset.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        let counted = before.get(..before.floor_char_boundary(COLUMN_MAX)).unwrap_or_default();
        Place { line, column: counted.chars().count().saturating_add(1) }
    }
}

/// One JSON value, not yet read.
#[derive(Clone, Copy)]
pub(super) struct Json<'a> {
    source: &'a Source<'a>,
    /// The value: a slice of the text.
    raw: &'a str,
}

/// One `"key": value` of an object, in the order of the file.
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) place: Place,
    pub(super) value: Json<'a>,
}

impl<'a> Json<'a> {
    /// Where the value begins.
    pub(super) fn place(self) -> Place {
        self.source.place(self.offset(self.raw))
    }

    /// How far a slice of the file is from its beginning.
    fn offset(self, slice: &str) -> usize {
        slice.as_ptr().addr().saturating_sub(self.source.text.as_ptr().addr())
    }

    /// Whether the value is `null`.
    pub(super) fn is_null(self) -> bool {
        self.raw.trim() == "null"
    }

    /// The text of a value that is known to be no string, list or object.
    pub(super) fn literal(self) -> &'a str {
        self.raw
    }

    /// What the value is, for a sentence.
    pub(super) fn kind(self) -> &'static str {
        match self.raw.trim_start().bytes().next() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "true or false",
            Some(b'n') => "null",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(_) => "no JSON",
            None => "nothing",
        }
    }

    /// The text of a string; `None` if the value is no string.
    pub(super) fn text(self) -> Option<String> {
        serde_json::from_str(self.raw).ok()
    }

    /// The elements of a list; `None` if the value is no list.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        let raws: Vec<&'a RawValue> = serde_json::from_str(self.raw).ok()?;
        Some(raws.into_iter().map(|raw| Self { source: self.source, raw: raw.get() }).collect())
    }

    /// The members of an object, in order, repeated ones too.
    ///
    /// # Errors
    ///
    /// The syntax error, with the key near it and a guess how to mend it.
    pub(super) fn members(self) -> Result<Vec<Member<'a>>, Remark> {
        let mut pairs = Pairs::default();
        let mut reader = serde_json::Deserializer::from_str(self.raw);
        let outcome = pairs.deserialize(&mut reader).and_then(|()| reader.end());
        if let Err(error) = outcome {
            return Err(self.syntax_remark(&error, pairs.0.last().map(|(key, _)| key.as_ref())));
        }
        let member = |(key, raw): (Cow<'a, str>, Option<&'a RawValue>)| {
            let value = Self { source: self.source, raw: raw?.get() };
            // A key with escapes was copied: its value is the nearest place that is known.
            let place = match &key {
                Cow::Borrowed(text) => self.source.place(self.offset(text).saturating_sub(1)),
                Cow::Owned(_) => value.place(),
            };
            Some(Member { key, place, value })
        };
        Ok(pairs.0.into_iter().filter_map(member).collect())
    }

    /// Turns the parser's error into a remark.
    fn syntax_remark(self, error: &serde_json::Error, key: Option<&str>) -> Remark {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        let near = key.map_or(String::new(), |key| format!(" near {}", quote(key)));
        let place = Place { line: error.line().max(1), column: error.column().max(1) };
        Remark::new(format!("not valid JSON{near}: {what}"), mend(what)).at(place)
    }
}

/// What usually causes a syntax error.
fn mend(what: &str) -> &'static str {
    const MENDS: [(&str, &str); 10] = [
        ("trailing comma", "remove the comma before the closing bracket"),
        ("trailing characters", "the file must be one JSON object: remove what follows its closing }"),
        ("EOF", "the file ends too early: a closing \", ] or } is missing, or it was cut off"),
        ("key must be a string", "put keys in double quotes; JSON has no comments"),
        ("expected `,`", "put a comma between values, and a closing bracket after the last"),
        ("expected `:`", "write \"key\": value"),
        ("control character", "close the string on its line; write a line break inside it as \\n"),
        ("invalid escape", "write a backslash as \\\\"),
        ("invalid number", "write numbers as 10 or 0.5, without leading zeros or units"),
        ("expected value", "text needs double quotes; true, false and null are lower-case; no comments"),
    ];
    let found = MENDS.iter().find(|(part, _)| what.contains(part));
    found.map_or("mend the JSON at this place", |(_, mend)| mend)
}

/// The pairs of an object read so far; a key without a value is where reading failed.
#[derive(Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Option<&'a RawValue>)>);

impl<'a> DeserializeSeed<'a> for &mut Pairs<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut Pairs<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            self.0.push((key, None));
            let value = map.next_value()?;
            if let Some((_, place)) = self.0.last_mut() {
                *place = Some(value);
            }
        }
        Ok(())
    }
}

/// A key, borrowed from the text where it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let source = Source::new("abc\néx");
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 1, 4), (4, 2, 1), (6, 2, 2), (7, 2, 3)] {
            assert_eq!(source.place(offset), Place { line, column }, "{offset}");
        }
        assert_eq!(Source::new(&"x".repeat(100_000)).place(50_000).column, COLUMN_MAX + 1);
        assert_eq!(Source::new("").place(0), Place { line: 1, column: 1 });
    }

    #[test]
    fn members_know_their_places() {
        let source = Source::new("{\n \"a\": [1,\n  \"é\"], \"\\u0062\" : null }");
        let members = source.json().members().unwrap();
        let places: Vec<_> = members.iter().map(|member| (&*member.key, member.place.to_string())).collect();
        // The second key holds an escape, so its value's place stands for it.
        assert_eq!(places, [("a", "2:2".to_owned()), ("b", "3:20".to_owned())]);
        let elements = members[0].value.elements().unwrap();
        assert_eq!(elements[1].place().to_string(), "3:3");
        assert_eq!(elements[1].text().as_deref(), Some("é"));
    }
}
