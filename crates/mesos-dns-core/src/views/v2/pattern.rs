//! Names that a filter is for.

use crate::wire::NameView;

/// A name, or a text with `*` in it, each of which stands for any number of characters, dots too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; case does not matter.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// A pattern for names of DNS: the dot at their end may be left out.
    pub fn of_name(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        Self(if text.ends_with('.') || text.ends_with('*') { text } else { text + "." })
    }

    /// Whether a name matches, as it is written in zone files.
    pub fn matches_name(&self, name: NameView<'_>) -> bool {
        self.matches(&name.to_string())
    }

    /// Whether a text matches. The time it takes is bounded by the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut parts = self.0.split('*');
        let (Some(first), last) = (parts.next(), parts.next_back()) else { return false };
        let Some(last) = last else { return text == first };
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "Web", true),
            ("WEB", "web", true),
            ("web", "webs", false),
            ("web", "", false),
            ("*", "", true),
            ("*", "x.y", true),
            ("web*", "web", true),
            ("*web", "myweb", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a.b.b.c", true),
            ("a*b*c", "a.c.b", false),
            ("a**c", "abc", true),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn names_may_lack_their_dot() {
        let name = Name::parse("web.marathon.mesos").unwrap();
        for (pattern, expected) in [
            ("web.marathon.mesos", true),
            ("Web.marathon.mesos.", true),
            ("web.*.mesos", true),
            ("web.*", true),
            ("*.mesos", true),
            ("marathon.mesos", false),
        ] {
            assert_eq!(Pattern::of_name(pattern).matches_name(name.view()), expected, "{pattern}");
        }
    }
}
