//! What is believed of the health of tasks, whatever reports of it: documents, events, another leader, a snapshot file.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::watch::health::UNHEALTHY_AFTER;

const LASTS: u64 = UNHEALTHY_AFTER.as_secs();

fn result(number: u32, healthy: Option<bool>) -> Change {
    Change::TaskUpdated(TaskUpdate {
        framework_id: "f".into(),
        id: number.to_string().into(),
        state: TaskState::Running,
        running: Some(RunningStatus { healthy, addresses: None }),
    })
}

fn ended(number: u32) -> Change {
    Change::TaskEnded { framework_id: "f".into(), id: number.to_string().into() }
}

/// A document in which all is as ever but the health of one task.
fn with(healthy: Option<bool>, number: u32, mut document: Document) -> Document {
    document
        .tasks
        .iter_mut()
        .filter(|task| *task.id == *number.to_string())
        .for_each(|task| task.healthy = healthy);
    document
}

fn settled() -> Document {
    document(1, &[("a", 0..4), ("b", 4..8)], &[])
}

impl Story {
    #[track_caller]
    fn believes(&self, number: u32, healthy: Option<bool>) {
        let id = number.to_string();
        let task = self.knowledge.cluster().tasks.get(("f", &*id));
        assert_eq!(task.map(|task| task.healthy), Some(healthy));
    }

    fn suspects(&self) -> usize {
        self.knowledge.damping.len()
    }
}

#[test]
fn events_and_documents_alike() {
    for origin in [Origin::Polled, Origin::Subscribed, Origin::Compared] {
        let mut story = Story::new();
        story.hears(result(0, Some(true)));
        story.hears(result(0, Some(false)));
        let verdict = story.reads(origin, with(Some(false), 0, settled()));
        assert_eq!(
            (verdict.touched.tasks.len(), verdict.drift),
            (0, 0),
            "{origin:?}: no more than a suspicion"
        );
        story.waits(LASTS - 1);
        story.believes(0, Some(true));
        story.waits(1);
        story.believes(0, Some(false));
        assert_eq!(story.suspects(), 0);
        story.reads(origin, with(Some(true), 0, settled()));
        story.believes(0, Some(true));

        // The other way about: a document begins it, and an event ends it.
        story.reads(origin, with(Some(false), 0, settled()));
        assert_eq!(story.suspects(), 1);
        story.waits(LASTS - 1);
        story.hears(result(0, Some(true)));
        story.waits(LASTS);
        story.believes(0, Some(true));
        assert_eq!(story.suspects(), 0);
    }
}

#[test]
fn an_old_document_reports_nothing_of_what_events_told_since() {
    let mut story = Story::new();
    story.hears(result(0, Some(true)));
    story.knowledge.expect_comparison();
    story.hears(result(0, Some(true)));
    story.reads(Origin::Compared, with(Some(false), 0, settled()));
    assert_eq!(story.suspects(), 0);
    // And the other way about.
    story.hears(result(0, Some(false)));
    story.waits(LASTS - 1);
    story.knowledge.expect_comparison();
    story.hears(result(0, Some(false)));
    story.reads(Origin::Compared, with(Some(true), 0, settled()));
    story.waits(1);
    story.believes(0, Some(false));
}

#[test]
fn what_is_held_is_believed_as_it_was_reported_last() {
    let mut story = Story::new();
    story.hears(result(4, Some(true)));
    story.hears(result(4, Some(false)));
    story.hears(result(5, Some(true)));
    // Its agent is awaited by another leader: nobody reports anything.
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
    story.holds(Some((Why::Recovering, 4, 1)));
    story.believes(4, Some(true));
    story.waits(LASTS);
    story.believes(4, Some(false));
    story.believes(5, Some(true));
    // What comes back is not seen for the first time.
    let back = |number, healthy| Change::TaskAdded(Task { healthy, ..task(number, "b") });
    story.hears(back(4, Some(true)));
    story.hears(back(5, Some(false)));
    story.believes(4, Some(true));
    story.believes(5, Some(true));
    story.waits(LASTS);
    story.believes(5, Some(false));
}

#[test]
fn what_was_read_from_a_file_is_what_was_believed() {
    let saved = with(Some(true), 0, with(Some(false), 1, settled()));
    let mut story = Story { knowledge: Knowledge::new(SETTINGS, Seed(1)), now: Instant::now() };
    story.reads(Origin::Polled, saved);
    story.believes(1, Some(false));
    // The first leader after a start reports both.
    let both = with(Some(false), 0, with(Some(false), 1, settled()));
    story.reads(Origin::Subscribed, both);
    story.believes(0, Some(true));
    story.believes(1, Some(false));
    story.waits(LASTS);
    story.believes(0, Some(false));
}

#[test]
fn who_has_the_id_of_another_is_not_suspected_for_it() {
    let bad = |agent| Task { healthy: Some(false), ..task(0, agent) };
    let fresh = |agent| Task { state: TaskState::Staging, ..task(0, agent) };
    for agent in ["a", "b"] {
        let mut story = Story::new();
        story.hears(result(0, Some(true)));
        story.hears(result(0, Some(false)));
        story.hears(ended(0));
        assert_eq!(story.suspects(), 0);
        story.hears(Change::TaskAdded(fresh(agent)));
        story.waits(LASTS);
        story.believes(0, None);
        // Its own first result is doubted like any.
        story.hears(result(0, Some(false)));
        story.believes(0, None);
        story.waits(LASTS);
        story.believes(0, Some(false));
    }
    // Nobody saw the end of the former one.
    let mut story = Story::new();
    story.hears(result(0, Some(true)));
    story.hears(result(0, Some(false)));
    story.hears(Change::TaskAdded(bad("b")));
    story.believes(0, Some(false));
    assert_eq!(story.suspects(), 0);
    // Whose agent or framework goes is forgotten with it, at the latest when it is due.
    for change in [Change::AgentRemoved("a".into()), Change::FrameworkRemoved("f".into())] {
        let mut story = Story::new();
        story.hears(result(0, Some(true)));
        story.hears(result(0, Some(false)));
        story.hears(change);
        story.waits(LASTS);
        assert_eq!(story.suspects(), 0);
        assert!(story.knowledge.cluster().tasks.get(("f", "0")).is_none());
    }
    // And what a document does not show any more, with the document.
    let mut story = Story::new();
    story.hears(result(0, Some(true)));
    story.hears(result(0, Some(false)));
    story.reads(Origin::Polled, document(1, &[("a", 1..4), ("b", 4..8)], &[]));
    assert_eq!(story.suspects(), 0);
}

//------------ The law ---------------------------------------------------------

const TASKS: u32 = 3;

/// Something that happens, or some time in which nothing does.
#[derive(Clone, Debug)]
enum Step {
    Added(u32, &'static str, Option<bool>),
    Document(Origin, Vec<Option<(&'static str, Option<bool>)>>),
    Ended(u32),
    Killed(u32),
    Result(u32, Option<bool>),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let healthy = || prop_oneof![2 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)];
    let agent = || prop_oneof![3 => Just("a"), 1 => Just("b")];
    let shown = proptest::option::weighted(0.8, (agent(), healthy()));
    let origin = prop_oneof![Just(Origin::Polled), Just(Origin::Subscribed), Just(Origin::Compared)];
    let documents = (origin, proptest::collection::vec(shown, TASKS as usize));
    let step = prop_oneof![
        2 => (0..TASKS, agent(), healthy()).prop_map(|(task, agent, healthy)| Step::Added(task, agent, healthy)),
        2 => documents.prop_map(|(origin, tasks)| Step::Document(origin, tasks)),
        1 => (0..TASKS).prop_map(Step::Ended),
        1 => (0..TASKS).prop_map(Step::Killed),
        6 => (0..TASKS, healthy()).prop_map(|(task, healthy)| Step::Result(task, healthy)),
        6 => (0..4000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What was reported of one task so far.
#[derive(Debug)]
struct Reports {
    agent: &'static str,
    /// The last report that was not bad; `None` if each was.
    other: Option<Option<bool>>,
    /// Since when each was bad.
    bad_since: Option<Instant>,
}

impl Reports {
    fn add(mut self, healthy: Option<bool>, now: Instant) -> Self {
        match healthy {
            Some(false) => _ = self.bad_since.get_or_insert(now),
            other => (self.other, self.bad_since) = (Some(other), None),
        }
        self
    }

    fn believed(&self, now: Instant) -> Option<bool> {
        match (self.other, self.bad_since) {
            (Some(other), Some(since)) if now - since < UNHEALTHY_AFTER => other,
            (_, Some(_)) => Some(false),
            (other, None) => other.flatten(),
        }
    }
}

proptest! {
    /// A task is believed to be unhealthy when it was reported so without a break for long enough, or ever since it was
    /// first seen; everything else at once; and never are more remembered than are reported as unhealthy.
    #[test]
    fn bad_news_is_believed_once_it_has_lasted(steps in steps()) {
        let settings = believe::Settings { loss_minimum: 1000, ..SETTINGS };
        let mut story = Story { knowledge: Knowledge::new(settings, Seed(1)), now: Instant::now() };
        story.reads(Origin::Subscribed, document(1, &[("a", 100..101), ("b", 101..102)], &[]));
        let mut reports: BTreeMap<u32, Reports> = BTreeMap::new();
        for step in steps {
            let now = story.now;
            let report = |reports: &mut BTreeMap<u32, Reports>, number, agent, healthy| {
                let known = reports.remove(&number).filter(|known| known.agent == agent);
                let known = known.unwrap_or(Reports { agent, other: None, bad_since: None });
                reports.insert(number, known.add(healthy, now));
            };
            match step {
                Step::Added(number, agent, healthy) => {
                    story.hears(Change::TaskAdded(Task { healthy, ..task(number, agent) }));
                    report(&mut reports, number, agent, healthy);
                }
                Step::Document(origin, shown) => {
                    let mut document = document(1, &[("a", 100..101), ("b", 101..102)], &[]);
                    reports.retain(|number, _| shown[*number as usize].is_some());
                    for (number, shown) in (0..).zip(&shown) {
                        let Some((agent, healthy)) = *shown else { continue };
                        document.tasks.push(Task { healthy, ..task(number, agent) });
                        report(&mut reports, number, agent, healthy);
                    }
                    story.reads(origin, document);
                }
                Step::Ended(number) => {
                    story.hears(ended(number));
                    reports.remove(&number);
                }
                Step::Killed(number) => {
                    let Change::TaskUpdated(update) = result(number, None) else { unreachable!() };
                    let killed = TaskUpdate { state: TaskState::Killing, running: None, ..update };
                    story.hears(Change::TaskUpdated(killed));
                }
                Step::Result(number, healthy) => {
                    story.hears(result(number, healthy));
                    if let Some(known) = reports.remove(&number) {
                        reports.insert(number, known.add(healthy, now));
                    }
                }
                Step::Wait(millis) => {
                    story.now += Duration::from_millis(millis);
                    story.waits(0);
                }
            }
            for number in 0..TASKS {
                let id = number.to_string();
                let found = story.knowledge.cluster().tasks.get(("f", &*id)).map(|task| task.healthy);
                let expected = reports.get(&number).map(|reports| reports.believed(story.now));
                prop_assert_eq!(found, expected, "task {}", number);
            }
            let bad = reports.values().filter(|reports| reports.bad_since.is_some()).count();
            prop_assert!(story.suspects() <= bad);
        }
    }
}
