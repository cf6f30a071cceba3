//! The text form of the v1 bodies.
//!
//! JSON as the original lays it out: one blank in front of every line but the first and one more per
//! level; empty lists and objects closed on the spot; no newline at the end; and five characters that
//! a browser could take for markup or a line end are escaped.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Writes a value as the v1 API lays it out.
///
/// An error is one of the writer. The writer gets many small pieces and should collect them.
pub fn print(writer: impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(writer, Layout::default())).map_err(io::Error::from)
}

/// A small value as the v1 API lays it out.
pub fn text(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    // A vector takes everything, and our values have text keys only: there is nothing to fail.
    let _ = print(&mut text, value);
    text
}

#[derive(Default)]
struct Layout {
    depth: usize,
    /// Whether the list or object that ends now had anything in it.
    has_value: bool,
}

impl Layout {
    fn begin<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_add(1);
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn end<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.has_value {
            self.line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn next<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n ")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b" "))
    }
}

impl Formatter for Layout {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_escaped(*character)) {
            let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            write!(writer, "{plain}\\u{:04x}", u32::from(character))?;
            rest = from.get(character.len_utf8()..).unwrap_or("");
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Characters that JSON allows as they are, but that can end a script or a line where text is embedded.
fn is_escaped(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::views::Version;

    fn check(value: &impl Serialize, expected: &str) {
        assert_eq!(String::from_utf8(text(value)).unwrap(), expected);
    }

    #[test]
    fn layout() {
        let version = "{\n  \"Service\": \"Mesos-DNS\",\n  \"URL\": \"https://github.com/mesosphere/mesos-dns\",\n  \
                       \"Version\": \"v0.9\"\n }";
        check(&Version::new("v0.9"), version);
        check(&json!([]), "[]");
        check(&json!({}), "{}");
        check(&json!([[], {}, null]), "[\n  [],\n  {},\n  null\n ]");
        check(&json!({"a": {"b": [1, true]}}), "{\n  \"a\": {\n   \"b\": [\n    1,\n    true\n   ]\n  }\n }");
        check(&BTreeMap::from([("a<b", 1)]), "{\n  \"a\\u003cb\": 1\n }");
    }

    #[test]
    fn escapes() {
        check(&"plain ü 日本", "\"plain ü 日本\"");
        check(&"<>&\u{2028}\u{2029}", r#""\u003c\u003e\u0026\u2028\u2029""#);
        check(&"a<b>>c\"\\\n\u{1}", r#""a\u003cb\u003e\u003ec\"\\\n\u0001""#);
    }
}
