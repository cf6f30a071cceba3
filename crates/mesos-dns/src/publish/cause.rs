//! What brought a version: for whoever asks from where a record comes.

use std::collections::VecDeque;

use mesos_dns_core::zone::JOURNAL_STEPS_MAX;

use super::Order;

/// Something that can bring a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A state document.
    Document,
    /// Events of the master's stream.
    Events,
    /// Host names that were looked up.
    Hosts,
    /// Another leader, or other masters.
    Masters,
    /// The operator: other settings, or a release.
    Operator,
    /// Time: bad health has lasted, or what was held is let go.
    Time,
}

impl Cause {
    const ALL: [Self; 6] =
        [Self::Document, Self::Events, Self::Hosts, Self::Masters, Self::Operator, Self::Time];

    /// What an order brings; `None`: nothing by itself.
    pub(super) fn of(order: &Order) -> Option<Self> {
        Some(match order {
            Order::Changes(..) => Self::Events,
            Order::Hosts(_) => Self::Hosts,
            Order::Masters(_) => Self::Masters,
            Order::Release | Order::Settings(_) => Self::Operator,
            // What came before it is published before it.
            Order::Report(_) | Order::Comparing | Order::Stop => return None,
        })
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Events => "events",
            Self::Hosts => "hosts",
            Self::Masters => "masters",
            Self::Operator => "operator",
            Self::Time => "time",
        }
    }
}

/// Several of them: what came together is published together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Causes(u8);

impl Causes {
    pub(super) fn note(&mut self, cause: Option<Cause>) {
        self.0 |= cause.map_or(0, |cause| 1 << cause as u8);
    }

    fn words(self) -> Vec<&'static str> {
        let own = Cause::ALL.into_iter().filter(|cause| self.0 & 1 << *cause as u8 != 0);
        own.map(Cause::word).collect()
    }
}

/// What brought the last versions, as far back as the journal goes.
#[derive(Debug, Default)]
pub(super) struct Chronicle(VecDeque<(u64, Causes)>);

impl Chronicle {
    pub(super) fn push(&mut self, version: u64, causes: Causes) {
        self.0.push_back((version, causes));
        if self.0.len() > JOURNAL_STEPS_MAX {
            self.0.pop_front();
        }
    }

    /// What brought a version; nothing if that is not known any more.
    pub(super) fn of(&self, version: u64) -> Vec<&'static str> {
        let found = self.0.binary_search_by_key(&version, |(version, _)| *version);
        found.ok().and_then(|at| self.0.get(at)).map(|(_, causes)| causes.words()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_versions_are_known() {
        let mut chronicle = Chronicle::default();
        for version in 1..=JOURNAL_STEPS_MAX as u64 + 1 {
            let mut causes = Causes::default();
            causes.note(Some(Cause::Events));
            causes.note(None);
            causes.note((version % 2 == 0).then_some(Cause::Document));
            chronicle.push(version, causes);
        }
        assert_eq!(chronicle.of(1), [""; 0]);
        assert_eq!(chronicle.of(2), ["document", "events"]);
        assert_eq!(chronicle.of(3), ["events"]);
        assert_eq!(chronicle.of(JOURNAL_STEPS_MAX as u64 + 2), [""; 0]);
    }
}
