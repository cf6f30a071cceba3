//! The name of a record, in its two lives.
//!
//! DNS folds case and knows no empty or overlong label. The v1 API shows names the way they were
//! generated, capitals and impossible labels included, and tools parse it. An [`Owner`] keeps both
//! forms, the second only where it differs.

use std::sync::Arc;

use crate::wire::{LABEL_BYTES_MAX, Name, NameView};

/// A generated name: owner of a record, or target of an SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    name: Option<Name>,
    spelling: Option<Arc<str>>,
}

impl Owner {
    /// Takes generated text: labels parted by dots, the trailing dot included, nothing escaped.
    pub fn new(text: &str) -> Self {
        match Name::from_plain(text) {
            Ok(name) if text.bytes().any(|octet| octet.is_ascii_uppercase()) => {
                Self { name: Some(name), spelling: Some(Arc::from(text)) }
            }
            Ok(name) => Self { name: Some(name), spelling: None },
            Err(_) => Self::listed_only(text),
        }
    }

    /// A name that only the v1 API shows, whether or not DNS could carry it.
    pub fn listed_only(text: &str) -> Self {
        Self { name: None, spelling: Some(Arc::from(text)) }
    }

    /// The name DNS answers for; `None` if DNS cannot carry it.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The same, given up.
    pub fn into_name(self) -> Option<Name> {
        self.name
    }

    /// The text the v1 API shows, where it is not simply that of the name.
    pub fn spelling(&self) -> Option<&str> {
        self.spelling.as_deref()
    }

    /// The text the v1 API shows, trailing dot included, nothing escaped.
    pub fn to_text(&self) -> String {
        match (&self.spelling, &self.name) {
            (Some(spelling), _) => spelling.to_string(),
            (None, Some(name)) => plain_text(name.view()),
            (None, None) => String::new(),
        }
    }
}

/// A name that both lives spell alike.
impl From<Name> for Owner {
    fn from(name: Name) -> Self {
        Self { name: Some(name), spelling: None }
    }
}

/// A name as the v1 API spells it: labels and dots, nothing escaped but a dot within a label.
///
/// Generated names hold none, so no two of them give the same text; what an operator writes down may.
pub(crate) fn plain_text(name: NameView<'_>) -> String {
    let mut text = String::with_capacity(name.as_wire().len().saturating_add(LABEL_BYTES_MAX / 8));
    for label in name.labels() {
        let label = String::from_utf8_lossy(label);
        match label.contains('.') {
            true => text.push_str(&label.replace('.', "\\.")),
            false => text.push_str(&label),
        }
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lives() {
        for (text, dns, spelled) in [
            ("web.marathon.mesos.", Some("web.marathon.mesos."), false),
            ("Web.UI.marathon.mesos.", Some("web.ui.marathon.mesos."), true),
            ("a b.marathon.mesos.", Some(r"a\032b.marathon.mesos."), false),
            (".marathon.mesos.", None, true),
            ("x..mesos.", None, true),
        ] {
            let owner = Owner::new(text);
            assert_eq!(owner.name().map(ToString::to_string).as_deref(), dns, "{text}");
            assert_eq!(owner.spelling().is_some(), spelled, "{text}");
            assert_eq!(owner.to_text(), text);
        }
        let long = format!("{}.mesos.", "x".repeat(64));
        assert_eq!(Owner::new(&long).name(), None);
        assert_eq!(Owner::new(&long).to_text(), long);
    }
}
