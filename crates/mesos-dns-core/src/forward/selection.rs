//! Which of the remembered names are meant.

use std::fmt;

use crate::wire::Name;

/// Names to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// A name and all below it.
    Below(Name),
    /// One name.
    Name(Name),
}

impl Selection {
    /// Whether a name is among them.
    pub fn holds(&self, name: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Below(suffix) => name.is_within(suffix),
            Self::Name(one) => name == one,
        }
    }
}

/// For people: `all`, `all below example.com.`, `www.example.com.`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Below(suffix) => write!(f, "all below {suffix}"),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        let name = |text| Name::parse(text).unwrap();
        let held = |selection: Selection| {
            let names = [".", "com", "example.com", "a.Example.com", "xexample.com", "example.com.org"];
            names.into_iter().filter(|text| selection.holds(&name(text))).collect::<Vec<_>>()
        };
        assert_eq!(held(Selection::All).len(), 6);
        assert_eq!(held(Selection::Name(name("EXAMPLE.com"))), ["example.com"]);
        assert_eq!(held(Selection::Below(name("Example.com"))), ["example.com", "a.Example.com"]);
        assert_eq!(held(Selection::Below(name("."))).len(), 6);
        assert_eq!(Selection::Below(name("Example.com")).to_string(), "all below example.com.");
    }
}
