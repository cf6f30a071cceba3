//! Keys whose value is a word, or a list of such.

use serde_json::Value as Shown;

use super::{
    json::Json,
    remark::{Remark, quote},
    value::{List, Value, Word},
};
use crate::{
    cluster::Visibility,
    records::{ExtraName, Rule},
};

/// A list of words of one kind, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<W>(pub Vec<W>);

impl<W: Word> Value for Words<W> {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        let words: Vec<String> = W::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("list of {}", words.join(", "))
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let mut list = List::default();
        list.read(json)?;
        let mut words = Vec::new();
        for item in list.items() {
            let wrong = |what: String, mend: String| Err(Remark::new(what, mend).at(item.place));
            let Some((_, word)) = W::WORDS.iter().find(|(word, _)| *word == item.text) else {
                return wrong(
                    format!("{} is not known", quote(&item.text)),
                    format!("write a {}", Self::kind()),
                );
            };
            if words.contains(word) {
                return wrong(
                    format!("{} is given twice", quote(&item.text)),
                    "remove one of them".to_owned(),
                );
            }
            words.push(*word);
        }
        self.0 = words;
        Ok(())
    }

    fn shown(&self) -> Shown {
        self.0.iter().map(|word| Shown::from(word.word())).collect()
    }
}

impl Word for ExtraName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("agents", Self::Agents),
        ("places", Self::Places),
        ("ports", Self::Ports),
        ("text", Self::Text),
        ("browse", Self::Browse),
    ];
}

impl Word for Visibility {
    const WORDS: &'static [(&'static str, Self)] =
        &[("framework", Self::Framework), ("cluster", Self::Cluster), ("external", Self::External)];
}

impl Word for Rule {
    const WORDS: &'static [(&'static str, Self)] = &[("fill", Self::Fill), ("override", Self::Override)];
}
