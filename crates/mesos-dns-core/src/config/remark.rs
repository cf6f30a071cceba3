//! What is said about one place in the configuration file: a problem or a warning.
//!
//! One shape for both, so that an operator always reads the same four things: where (file, line, column), which
//! key, what is wrong, and how to mend it. A remark never holds a secret: it quotes values only of keys that
//! cannot be one.

use std::fmt;

/// Most remarks kept of one file; a file that earns more is not a configuration, and its log would be flooded.
pub const REMARKS_MAX: usize = 100;

/// Longest piece of the operator's text that a remark quotes, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// A line and a column, both counted from 1; the column counts characters, as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One problem or warning. Its text is one line: what is wrong, then how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where in the file; `None` where the matter is something missing, or a default.
    pub place: Option<Place>,
    /// The key it is about, as the reference spells it.
    pub key: Option<String>,
    /// What is wrong, with the value at hand unless it could be secret.
    pub what: String,
    /// What to do about it; empty if `what` says it all.
    pub mend: String,
}

impl Remark {
    /// A remark without a place.
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place: None, key: None, what: what.into(), mend: mend.into() }
    }

    /// The same, at a place.
    pub(super) fn at(self, place: impl Into<Option<Place>>) -> Self {
        Self { place: place.into(), ..self }
    }

    /// The same, at a place unless it has one.
    pub(super) fn or_at(self, place: impl Into<Option<Place>>) -> Self {
        Self { place: self.place.or(place.into()), ..self }
    }

    /// The same, about a key.
    pub(super) fn about(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{}: ", quote(key))?;
        }
        f.write_str(&self.what)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

/// Why a configuration was refused: never empty, the first one first in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file as the operator knows it.
    pub file: String,
    /// All of them, up to [`REMARKS_MAX`].
    pub remarks: Vec<Remark>,
}

impl Problems {
    /// One line per problem, each with file, line and column.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.remarks.iter().map(|remark| line(&self.file, remark))
    }
}

impl fmt::Display for Problems {
    /// The first problem on one line, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().next().unwrap_or_default())?;
        match self.remarks.len() {
            0 | 1 => Ok(()),
            count => write!(f, " (and {} more; `mesos-dns check` lists all)", count.saturating_sub(1)),
        }
    }
}

impl std::error::Error for Problems {}

/// A remark with its file and place in front, as compilers print them.
pub fn line(file: &str, remark: &Remark) -> String {
    match remark.place {
        Some(place) => format!("{file}:{place}: {remark}"),
        None => format!("{file}: {remark}"),
    }
}

/// The operator's text in quotes: control characters escaped, cut if long.
pub(super) fn quote(text: &str) -> String {
    let mut kept: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    format!("{kept:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_one_short_line() {
        assert_eq!(quote("a\nb\u{1b}[31m"), r#""a\nb\u{1b}[31m""#);
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), QUOTE_CHARS_MAX + 3);
    }
}
