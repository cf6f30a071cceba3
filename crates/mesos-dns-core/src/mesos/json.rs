//! Reads the JSON of Mesos: fast, and as leniently as it is written.
//!
//! A [`Reader`] offers what comes, in the order of the text, and passes over what is not wanted with a [`Scan`]. It
//! reads what Mesos writes, which is not always JSON: a member can come twice (the last one counts), names and
//! strings hold bytes that are not UTF-8 (they become U+FFFD), a number is `5`, `5.0` or `5e0`, and some masters
//! write a bare `Infinity`. Names are matched whatever their case, as the original matched them. `null` is the same
//! as missing. What is passed over is checked for its strings and brackets only.
//!
//! Why not `serde_json`: its visitors take a dozen lines per object to be told any of this, and most of a task is
//! passed over, which it does byte by byte. With this, a decoder needs a third less time.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::scan::{Scan, Step, ends_scalar};

/// What some masters write in place of a number: those built against a system's RapidJSON.
const NOT_NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} is expected at byte {at}")]
pub struct JsonError {
    expected: &'static str,
    at: usize,
}

/// Whether a member was wanted, and its value read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    No,
    Yes,
}

/// A text, read up to some point.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the beginning.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, rest: text }
    }

    /// Nothing but blanks may be left.
    pub(super) fn end(mut self) -> Result<(), JsonError> {
        self.peek().map_or(Ok(()), |_| self.error("the end"))
    }

    /// Reads an object: `each` gets the name of a member, and either reads its value or says that it does not
    /// want it. A name is offered as written, then in lower case.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&[u8], &mut Self) -> Result<Wanted, JsonError>,
    ) -> Result<(), JsonError> {
        if !self.take(b'{') {
            return self.null("an object");
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.name()?;
            if each(&name, self)? == Wanted::No {
                let folded = name.iter().any(u8::is_ascii_uppercase).then(|| name.to_ascii_lowercase());
                match folded {
                    Some(folded) if each(&folded, self)? == Wanted::Yes => (),
                    _ => self.skip()?,
                }
            }
            if !self.take(b',') {
                return self.expect(b'}', "a comma or the end of the object");
            }
        }
    }

    /// Reads a list: `each` must read one item.
    #[inline]
    pub(super) fn list(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if !self.take(b'[') {
            return self.null("a list");
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.take(b',') {
                return self.expect(b']', "a comma or the end of the list");
            }
        }
    }

    /// Reads a string; `null` is the empty one.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, JsonError> {
        match self.take(b'"') {
            true => self.string().map(lossy),
            false => self.null("a string").map(|()| Cow::Borrowed("")),
        }
    }

    /// Reads a number; `None` if it is `null` or infinite.
    pub(super) fn number(&mut self) -> Result<Option<f64>, JsonError> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) || self.is_no_number() {
            return self.null("a number").map(|()| None);
        }
        let before = self.rest;
        let token = self.scalar();
        let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let text = Some(token).filter(|token| token.iter().all(digits)).map(std::str::from_utf8);
        let number = text.and_then(|text| text.ok()?.parse::<f64>().ok());
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => {
                self.rest = before;
                self.error("a number")
            }
        }
    }

    /// Reads a boolean; anything else is `None`: what is only good to know must not cost what is needed.
    pub(super) fn flag(&mut self) -> Result<Option<bool>, JsonError> {
        match self.peek() {
            Some(b't' | b'f') => Ok(match self.scalar() {
                b"true" => Some(true),
                b"false" => Some(false),
                _ => None,
            }),
            _ => self.skip().map(|()| None),
        }
    }

    /// Reads what is only good to know: in another shape than expected it is passed over, and `None`. Such a thing must
    /// not cost what is needed.
    pub(super) fn lenient<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, JsonError>,
    ) -> Result<Option<T>, JsonError> {
        let before = self.rest;
        match read(self) {
            Ok(value) => Ok(Some(value)),
            Err(_) => {
                self.rest = before;
                self.skip().map(|()| None)
            }
        }
    }

    /// Reads a string that is only good to know; anything else is the empty one.
    pub(super) fn hint(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.lenient(Self::text).map(Option::unwrap_or_default)
    }

    /// Passes over a value of any shape, looking only for its end.
    fn skip(&mut self) -> Result<(), JsonError> {
        self.raw().map(|_| ())
    }

    /// A value of any shape as written, to be read later or never.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], JsonError> {
        match self.peek() {
            Some(b'"') => {
                let before = self.rest;
                self.take(b'"');
                self.raw_string()?;
                let length = before.len().saturating_sub(self.rest.len());
                Ok(before.get(..length).unwrap_or_default())
            }
            Some(b'{' | b'[') => match Scan::container().advance(self.rest) {
                Step::End(length) => Ok(self.cut(length)),
                _ => self.error("a value"),
            },
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => Ok(self.scalar()),
            _ => self.error("a value"),
        }
    }

    //--- Pieces

    /// The name of a member, and the colon after it.
    fn name(&mut self) -> Result<Cow<'a, [u8]>, JsonError> {
        self.expect(b'"', "the name of a member")?;
        let name = self.string()?;
        self.expect(b':', "a colon")?;
        Ok(name)
    }

    /// A string without its quotes, of which the first is already read.
    fn string(&mut self) -> Result<Cow<'a, [u8]>, JsonError> {
        let (raw, escaped) = self.raw_string()?;
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        match unescape(raw) {
            Some(string) => Ok(Cow::Owned(string)),
            None => self.error("a string without broken escapes before this"),
        }
    }

    /// A string as written, and whether it has escapes.
    fn raw_string(&mut self) -> Result<(&'a [u8], bool), JsonError> {
        let mut length = 0usize;
        while let Some(found) = self.rest.get(length..).and_then(find_end) {
            let escaped = length > 0;
            length = length.saturating_add(found);
            if self.rest.get(length) == Some(&b'"') {
                let raw = self.cut(length);
                self.rest = self.rest.get(1..).unwrap_or_default();
                return Ok((raw, escaped));
            }
            length = length.saturating_add(2);
        }
        self.error("the end of this string")
    }

    /// `null`, and what is as good as that.
    fn null(&mut self, expected: &'static str) -> Result<(), JsonError> {
        self.peek();
        match self.is_no_number() || self.rest.starts_with(b"null") {
            true => {
                self.scalar();
                Ok(())
            }
            false => self.error(expected),
        }
    }

    fn is_no_number(&self) -> bool {
        let odd = matches!(self.rest, [b'-', b'I', ..] | [b'I' | b'N', ..]);
        odd && NOT_NUMBERS.iter().any(|word| self.rest.starts_with(word))
    }

    /// A value without quotes or brackets.
    fn scalar(&mut self) -> &'a [u8] {
        self.cut(self.rest.iter().position(ends_scalar).unwrap_or(self.rest.len()))
    }

    fn cut(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// The next byte that is no blank, not yet read.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some((b' ' | b'\t' | b'\r' | b'\n', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        there
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { self.error(expected) }
    }

    #[cold]
    fn error<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        Err(JsonError { expected, at: self.text.len().saturating_sub(self.rest.len()) })
    }
}

//------------ Strings -------------------------------------------------------

/// Words in which [`find_end`] looks by itself.
const WORDS: usize = 3;

/// The first quote or backslash.
///
/// Most strings, and all names, are so short that calling [`memchr2`] costs more than it saves.
#[inline]
fn find_end(text: &[u8]) -> Option<usize> {
    let (mut rest, mut offset) = (text, 0usize);
    for _ in 0..WORDS {
        let Some((word, after)) = rest.split_first_chunk() else { break };
        let word = u64::from_le_bytes(*word);
        let found = equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return Some(offset.saturating_add(found.trailing_zeros() as usize / 8));
        }
        (rest, offset) = (after, offset.saturating_add(8));
    }
    memchr2(b'"', b'\\', rest).map(|found| found.saturating_add(offset))
}

/// The highest bit of each byte that equals `wanted`.
#[inline]
fn equal(word: u64, wanted: u8) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let differs = word ^ u64::from_ne_bytes([wanted; 8]);
    !((differs & LOW).wrapping_add(LOW) | differs | LOW)
}

/// Bytes that are not UTF-8 become U+FFFD.
fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        // `from_utf8_lossy` is made for texts that do need it.
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        },
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}

/// Resolves the escapes of a string; `None` if one is broken. Half a surrogate pair becomes U+FFFD.
fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(plain) = memchr(b'\\', rest) {
        let (before, after) = rest.split_at_checked(plain)?;
        out.extend_from_slice(before);
        let (&escape, after) = after.get(1..)?.split_first()?;
        rest = after;
        match escape {
            b'"' | b'\\' | b'/' => out.push(escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let character = unicode(&mut rest)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// The character of a `\u` escape, of which the four digits come next, and after them maybe its second half.
fn unicode(rest: &mut &[u8]) -> Option<char> {
    let character = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    let (first, after) = hex(rest)?;
    *rest = after;
    if let Some(whole) = character(&[first]) {
        return Some(whole);
    }
    if let Some((second, after)) = after.strip_prefix(b"\\u").and_then(hex)
        && let Some(pair) = character(&[first, second])
    {
        *rest = after;
        return Some(pair);
    }
    Some(char::REPLACEMENT_CHARACTER)
}

fn hex(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = rest.split_first_chunk::<4>()?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.contains('+'))?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Thing<'a> {
        text: Cow<'a, str>,
        number: Option<f64>,
        flag: Option<bool>,
        things: usize,
    }

    fn read(json: &[u8]) -> Result<String, JsonError> {
        let mut reader = Reader::new(json);
        let mut thing = Thing::default();
        reader.object(|name, reader| {
            match name {
                b"flag" => thing.flag = reader.flag()?,
                b"number" => thing.number = reader.number()?,
                b"text" => thing.text = reader.text()?,
                b"things" => {
                    thing.things = 0;
                    reader.list(|reader| {
                        thing.things += 1;
                        reader.object(|_, _| Ok(Wanted::No))
                    })?;
                }
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        reader.end()?;
        let Thing { text, number, flag, things } = thing;
        Ok(format!("{text} {} {flag:?} {things}", number.unwrap_or_default()))
    }

    fn check(json: impl AsRef<[u8]>, expected: &str) {
        let json = json.as_ref();
        assert_eq!(read(json).as_deref(), Ok(expected), "{}", json.escape_ascii());
    }

    fn check_refused(json: impl AsRef<[u8]>, expected: &str) {
        let json = json.as_ref();
        let error = read(json).map_err(|error| error.to_string());
        assert_eq!(error, Err(expected.to_owned()), "{}", json.escape_ascii());
    }

    #[test]
    fn lenient() {
        check("{}", " 0 None 0");
        check(" null ", " 0 None 0");
        check(r#"{"text":"a","number":5,"flag":true,"things":[{},null,{"x":[]}]}"#, "a 5 Some(true) 3");
        check(r#"{ "text" : "a" , "x" : [ { "y" : 1e999 } ] , "text" : "b", "number":5e0 }"#, "b 5 None 0");
        check(r#"{"TEXT":"a","te\u0078t":"b","Number":5.0,"nUMBER":-2.5E1}"#, "b -25 None 0");
        check(r#"{"text":null,"number":null,"flag":null,"things":null}"#, " 0 None 0");
        check(r#"{"things":[{},{}],"things":[],"flag":false,"flag":null}"#, " 0 None 0");
        check(b"{\"text\":\"a\xffb\",\"\xfe\":\"\xff\"}", "a\u{fffd}b 0 None 0");
        check(b"{\"text\":\"a\x01\\u0001\\/\"}", "a\u{1}\u{1}/ 0 None 0");
        check(r#"{"number":Infinity,"x":-Infinity,"y":[NaN],"things":NaN}"#, " 0 None 0");
        check(r#"{"number":-Infinity,"text":"Infinity"}"#, "Infinity 0 None 0");
        for flag in ["1", "-1", "1.5", "\"true\"", "[1,[2]]", "{\"a\":{}}", "null", "tru"] {
            check(format!("{{\"flag\":{flag},\"number\":7}}"), " 7 None 0");
        }
    }

    #[test]
    fn refused() {
        check_refused("", "an object is expected at byte 0");
        check_refused("[]", "an object is expected at byte 0");
        check_refused("{} x", "the end is expected at byte 3");
        check_refused("{", "the name of a member is expected at byte 1");
        check_refused(r#"{"text""#, "a colon is expected at byte 7");
        check_refused(r#"{"text":5}"#, "a string is expected at byte 8");
        check_refused(r#"{"text":["a"]}"#, "a string is expected at byte 8");
        check_refused(r#"{"text":"a"#, "the end of this string is expected at byte 9");
        check_refused(r#"{"text":"a\"#, "the end of this string is expected at byte 9");
        check_refused(
            r#"{"text":"\x"}"#,
            "a string without broken escapes before this is expected at byte 12",
        );
        check_refused(r#"{"text":"a" "b"}"#, "a comma or the end of the object is expected at byte 12");
        check_refused(r#"{"text":"a",}"#, "the name of a member is expected at byte 12");
        check_refused(r#"{"number":"5"}"#, "a number is expected at byte 10");
        check_refused(r#"{"number":1e999}"#, "a number is expected at byte 10");
        check_refused(r#"{"number":1x}"#, "a number is expected at byte 10");
        check_refused(r#"{"number":.5}"#, "a number is expected at byte 10");
        check_refused(r#"{"things":{}}"#, "a list is expected at byte 10");
        check_refused(r#"{"things":[5]}"#, "an object is expected at byte 11");
        check_refused(r#"{"things":[{}}"#, "a comma or the end of the list is expected at byte 13");
        check_refused(r#"{"x":}"#, "a value is expected at byte 5");
        check_refused(r#"{"x":[}]}"#, "a value is expected at byte 5");
        check_refused(r#"{"x":[1"#, "a value is expected at byte 5");
        check_refused(r#"{"x":1"#, "a comma or the end of the object is expected at byte 6");
    }

    #[test]
    fn escapes() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(unescape(raw.as_bytes()).as_deref(), expected.map(str::as_bytes), "{raw}");
        };
        check(r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t"));
        check(r"a\u00e9\u20AC\ud83d\ude00z", Some("aé€😀z"));
        check(r"\ud83d\u0041", Some("\u{fffd}A"));
        check(r"\ud83d\ud83d\ude00", Some("\u{fffd}😀"));
        check(r"\ude00x\ud83d", Some("\u{fffd}x\u{fffd}"));
        check(r"\u0041\u0042", Some("AB"));
        for broken in [r"\", r"\x", r"\u12", r"\u12g4", r"\u+123", r"\U0041"] {
            check(broken, None);
        }
    }

    proptest! {
        /// What a strict reader takes is understood alike.
        #[test]
        fn strings(text: String, ascii: bool) {
            let mut json = serde_json::to_string(&text).expect("a string");
            if ascii {
                let escape = |unit: u16| format!("\\u{unit:04x}");
                json = format!("\"{}\"", text.encode_utf16().map(escape).collect::<String>());
            }
            prop_assert_eq!(Reader::new(json.as_bytes()).text(), Ok(Cow::Owned(text)));
        }

        #[test]
        fn end_of_a_string(text in r#"[a-zé\\"\x7f]{0,60}"#) {
            prop_assert_eq!(find_end(text.as_bytes()), text.find(['"', '\\']));
        }

        #[test]
        fn numbers(number: f64) {
            prop_assume!(number.is_finite());
            let json = serde_json::to_string(&number).expect("a number");
            prop_assert_eq!(Reader::new(json.as_bytes()).number(), Ok(Some(number)));
        }

        #[test]
        fn any_bytes(json: Vec<u8>) {
            _ = read(&json);
        }
    }
}
