//! The kinds of value a key can have: how each is read, and how it is shown.
//!
//! Reading is as strict as the original's: no fraction where a whole number is wanted, no number in quotes, every
//! number within the range of its type. `null` leaves a value as it was, except that it empties lists and
//! `zoneResolvers`. What is wrong is said in terms of what to write instead.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value as Shown;

use super::{
    json::Json,
    remark::{Place, Remark, quote},
};

/// Longest time a key can ask for, in seconds: ten years, far from where adding it to a clock overflows.
pub const SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// One kind of value.
pub(super) trait Value {
    /// The members an object of this kind knows; others are reported. Empty for all other kinds.
    const MEMBERS: &'static [&'static str] = &[];

    /// Whether `null` is a value of its own and does not just leave the old one.
    const NULL_IS_EMPTY: bool = false;

    /// The kind, for the reference and for "write ... instead".
    fn kind() -> String;

    /// Replaces the value by what the file says.
    ///
    /// # Errors
    ///
    /// Why the file's value is not of this kind, and what to write.
    fn read(&mut self, json: Json<'_>) -> Result<(), Remark>;

    /// The value as `/v1/config` and `check` show it, secrets masked.
    fn shown(&self) -> Shown;
}

/// "expected this, found that", with what to write if the value only has quotes too many or too few.
pub(super) fn mismatch(expected: &str, json: Json<'_>) -> Remark {
    let mend = match json.kind() {
        "a string" if !expected.starts_with("text") => format!("write {expected}, without quotes"),
        "a number" | "true or false" if expected.starts_with("text") => "put it in double quotes".to_owned(),
        _ => String::new(),
    };
    Remark::new(format!("expected {expected}, found {}", json.kind()), mend).at(json.place())
}

//------------ Numbers ---------------------------------------------------------

/// Reads a whole number between two bounds.
fn whole(json: Json<'_>, min: i64, max: i64) -> Result<i64, Remark> {
    let expected = || range_text(min, max);
    if json.kind() != "a number" {
        return Err(mismatch(&expected(), json));
    }
    let literal = json.literal();
    let number = literal.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| {
        let what = if literal.contains(['.', 'e', 'E']) { "is no whole number" } else { "is out of range" };
        Remark::new(format!("{} {what}", cut(literal)), format!("write {}", expected())).at(json.place())
    })
}

/// A number as written, cut if it is absurdly long.
fn cut(literal: &str) -> &str {
    literal.get(..40).unwrap_or(literal)
}

/// The bounds of a whole number in words.
fn range_text(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (_, i64::MAX) => format!("a whole number of at least {min}"),
        _ => format!("a whole number from {min} to {max}"),
    }
}

/// Implements the original's number types, each with the whole range of its type.
macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn kind() -> String {
                range_text(i64::from(<$type>::MIN), i64::from(<$type>::MAX))
            }

            fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
                let number = whole(json, i64::from(<$type>::MIN), i64::from(<$type>::MAX))?;
                *self = <$type>::try_from(number).unwrap_or_default();
                Ok(())
            }

            fn shown(&self) -> Shown {
                Shown::from(*self)
            }
        }
    )*};
}

whole_numbers!(i64, i32, u16, u32);

/// A whole number with bounds of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> Value for Whole<MIN, MAX> {
    fn kind() -> String {
        range_text(MIN, MAX)
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        self.0 = whole(json, MIN, MAX)?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(self.0)
    }
}

/// A duration, written in seconds, fractions allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Seconds {
    /// That many whole seconds.
    pub(super) const fn new(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Value for Seconds {
    fn kind() -> String {
        "seconds, fractions allowed".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.kind() != "a number" {
            return Err(mismatch("a number of seconds", json));
        }
        let number = json.literal().parse::<f64>().ok();
        let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
        let in_range = duration.filter(|duration| *duration <= Duration::from_secs(SECONDS_MAX));
        self.0 = in_range.ok_or_else(|| {
            let what = format!("{} is out of range", cut(json.literal()));
            Remark::new(what, format!("write seconds from 0 to {SECONDS_MAX}")).at(json.place())
        })?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        match self.0.subsec_nanos() {
            0 => Shown::from(self.0.as_secs()),
            _ => Shown::from(self.0.as_secs_f64()),
        }
    }
}

/// A number of bytes, written as a number or with a unit: `"64MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads `64MiB`, `64 MiB` and `67108864`.
    fn parse(text: &str) -> Option<u64> {
        const UNITS: [(&str, u64); 4] =
            [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        let unit = UNITS.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size)));
        let (number, size) = unit.unwrap_or((text, 1));
        number.trim_end().parse::<u64>().ok()?.checked_mul(size)
    }
}

impl Value for Bytes {
    fn kind() -> String {
        "bytes, or text such as \"64MiB\"".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let text = json.text().unwrap_or_else(|| json.literal().to_owned());
        self.0 = Self::parse(&text).ok_or_else(|| {
            let mend = "write a number of bytes, or a number with KiB, MiB, GiB or TiB in quotes";
            Remark::new(format!("expected a size, found {}", quote(&text)), mend).at(json.place())
        })?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(self.0)
    }
}

//------------ Words -----------------------------------------------------------

impl Value for bool {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        *self = match json.literal() {
            "true" => true,
            "false" => false,
            _ => return Err(mismatch("true or false", json)),
        };
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(*self)
    }
}

impl Value for String {
    fn kind() -> String {
        "text".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        *self = json.text().ok_or_else(|| mismatch("text", json))?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(self.as_str())
    }
}

/// A choice between a few words.
pub(super) trait Word: Copy + PartialEq + 'static {
    /// The words and what they mean, in the order of the reference.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this choice.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
    }
}

impl<W: Word> Value for W {
    fn kind() -> String {
        let words: Vec<String> = W::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        words.join(" or ")
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let Some(text) = json.text() else {
            return Err(mismatch(&format!("text: {}", Self::kind()), json));
        };
        let found = W::WORDS.iter().find(|(word, _)| *word == text);
        *self = found.map(|(_, choice)| *choice).ok_or_else(|| {
            Remark::new(format!("{} is not known", quote(&text)), format!("write {}", Self::kind()))
                .at(json.place())
        })?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(self.word())
    }
}

/// Anything at all: a key whose feature is not built yet, or one that is ignored. Only that it was given is kept,
/// as it might hold a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anything(pub bool);

impl Value for Anything {
    fn kind() -> String {
        "anything".to_owned()
    }

    fn read(&mut self, _: Json<'_>) -> Result<(), Remark> {
        self.0 = true;
        Ok(())
    }

    fn shown(&self) -> Shown {
        if self.0 { Shown::from("(given)") } else { Shown::Null }
    }
}

//------------ Lists -----------------------------------------------------------

/// A text in a list, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As written.
    pub text: String,
    /// `None` if it is a default or came from elsewhere.
    pub place: Option<Place>,
}

/// A list of texts. `None` is `null`, which `/v1/config` tells from an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Option<Vec<Item>>);

impl List {
    /// A list that stands in no file.
    pub(super) fn of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self(Some(texts.into_iter().map(|text| Item { text: text.into(), place: None }).collect()))
    }

    /// The elements; none for `null`.
    pub(super) fn items(&self) -> &[Item] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The elements as plain texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().iter().map(|item| item.text.clone()).collect()
    }
}

impl Value for List {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        "list of text".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.is_null() {
            self.0 = None;
            return Ok(());
        }
        let Some(elements) = json.elements() else {
            let wrong = mismatch("a list of text", json);
            return Err(Remark {
                mend: "write it in square brackets: [\"…\", \"…\"]".to_owned(), ..wrong
            });
        };
        let item = |element: Json<'_>| match element.text() {
            Some(text) => Ok(Item { text, place: Some(element.place()) }),
            None => Err(mismatch("text in the list", element)),
        };
        self.0 = Some(elements.into_iter().map(item).collect::<Result<_, _>>()?);
        Ok(())
    }

    fn shown(&self) -> Shown {
        match &self.0 {
            Some(items) => items.iter().map(|item| Shown::from(item.text.as_str())).collect(),
            None => Shown::Null,
        }
    }
}

/// A list of networks as prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(pub Vec<IpNet>);

impl Prefixes {
    /// Reads one prefix; an address alone is a prefix of full length.
    pub(super) fn parse(item: &Item) -> Result<IpNet, Remark> {
        let wrong = |what, mend: String| {
            Err(Remark::new(format!("{} {what}", quote(&item.text)), mend).at(item.place))
        };
        let network = match (item.text.parse::<IpNet>(), item.text.parse::<std::net::IpAddr>()) {
            (Ok(network), _) => network,
            (_, Ok(address)) => IpNet::from(address),
            _ => return wrong("is no prefix", "write it as \"10.0.0.0/8\" or \"fd00::/8\"".to_owned()),
        };
        if network.trunc() != network {
            return wrong("has bits set behind the prefix", format!("write \"{}\"", network.trunc()));
        }
        Ok(network)
    }
}

/// A value that may be missing, where that is not the same as any value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

impl<T: Value + Default> Value for Given<T> {
    fn kind() -> String {
        T::kind()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let mut value = T::default();
        value.read(json)?;
        self.0 = Some(value);
        Ok(())
    }

    fn shown(&self) -> Shown {
        self.0.as_ref().map_or(Shown::Null, T::shown)
    }
}

impl Value for Prefixes {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        "list of prefixes".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let mut list = List::default();
        list.read(json)?;
        self.0 = list.items().iter().map(Self::parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        self.0.iter().map(|network| Shown::from(network.to_string())).collect()
    }
}
