//! Leaders that change while a stream runs: what is held, for how long, and what ends it.

mod health;

use super::*;
use crate::cluster::{
    Agent, Endpoint, Framework, Host, Omission, RunningStatus, SkippedPart, TaskState, TaskUpdate, Whose,
};

const HOLD: u64 = 600;

const SETTINGS: believe::Settings =
    believe::Settings { hold: Duration::from_secs(HOLD), loss_percent: 30, loss_minimum: 20 };

fn agent(id: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new("10.0.1.1"), port: 5051 });
    Agent { id: id.into(), hostname: id.into(), address, place: None }
}

fn task(number: u32, agent: &str) -> Task {
    Task {
        id: number.to_string().into(),
        name: "web".into(),
        framework_id: "f".into(),
        agent_id: agent.into(),
        state: TaskState::Running,
        healthy: None,
        is_checked: false,
        container: None,
        labels: None,
        ports: Box::default(),
        addresses: Box::default(),
        discovery: None,
    }
}

/// What a leader shows: which agents are registered, with which tasks, and for which it waits.
fn document(reign: u32, agents: &[(&str, std::ops::Range<u32>)], recovered: &[&str]) -> Document {
    Document {
        pid: Some(format!("10.0.0.{reign}:5050")),
        leader: Some(format!("10.0.0.{reign}:5050")),
        elected_time: Some(1.5e9 + f64::from(reign)),
        agents: agents.iter().map(|(id, _)| agent(id)).collect(),
        recovered_agents: recovered.iter().map(|id| Arc::from(*id)).collect(),
        frameworks: vec![Framework { id: "f".into(), name: "marathon".into(), host: None, port: None }],
        tasks: agents.iter().flat_map(|(id, tasks)| tasks.clone().map(|number| task(number, id))).collect(),
        complete: true,
        ..Document::default()
    }
}

/// A knowledge with a clock.
struct Story {
    knowledge: Knowledge,
    now: Instant,
}

impl Story {
    /// Begins with a settled cluster of two agents, four tasks each.
    fn new() -> Self {
        let mut story = Self { knowledge: Knowledge::new(SETTINGS, Seed(1)), now: Instant::now() };
        story.reads(Origin::Subscribed, document(1, &[("a", 0..4), ("b", 4..8)], &[]));
        story.holds(None);
        story
    }

    fn reads(&mut self, origin: Origin, document: Document) -> Verdict {
        let (masters, hosts) = (Masters::default(), Hosts::default());
        self.knowledge.handle_document(document, masters, hosts, origin, self.now).unwrap()
    }

    fn hears(&mut self, change: Change) {
        self.knowledge.handle_change(change, self.now);
        self.knowledge.take();
    }

    fn waits(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        while self.knowledge.poll_timeout().is_some_and(|due| due <= self.now) {
            self.knowledge.handle_timeout(self.now);
        }
        self.knowledge.take();
    }

    #[track_caller]
    fn knows(&self, agents: usize, tasks: usize) {
        let cluster = self.knowledge.cluster();
        assert_eq!((cluster.agents.len(), cluster.tasks.len()), (agents, tasks));
    }

    #[track_caller]
    fn holds(&self, expected: Option<(Why, usize, usize)>) {
        let held = self.knowledge.held().map(|held| (held.why, held.tasks, held.agents));
        assert_eq!(held, expected);
    }
}

#[test]
fn what_runs_on_agents_that_are_still_away_is_held() {
    let mut story = Story::new();
    let verdict = story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
    assert!(verdict.again.is_some_and(|again| again <= Duration::from_secs(HOLD)));
    story.knows(2, 8);
    story.holds(Some((Why::Recovering, 4, 1)));
    assert!(!story.knowledge.is_partial(), "everything is known");
    // Everything else moves on.
    story.hears(Change::TaskEnded { framework_id: "f".into(), id: "0".into() });
    story.hears(Change::TaskAdded(task(20, "a")));
    story.knows(2, 8);
    let shown = || document(2, &[("a", 1..4), ("a", 20..21)], &["b"]);
    story.waits(HOLD - 1);
    let verdict = story.reads(Origin::Compared, shown());
    assert_eq!(verdict.again, Some(Duration::from_secs(1)));
    story.knows(2, 8);
    // As long as nobody says that it still does not show them, they stay: there may be nobody to say so.
    story.waits(86_400);
    story.knows(2, 8);
    story.reads(Origin::Compared, shown());
    story.knows(1, 4);
    story.holds(None);
}

#[test]
fn an_agent_that_comes_back_has_what_it_tells_and_no_more() {
    for agent_first in [true, false] {
        let mut story = Story::new();
        story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
        let back = [Change::TaskAdded(task(4, "b")), Change::TaskAdded(task(5, "b"))];
        if agent_first {
            story.hears(Change::AgentAdded(agent("b")));
        }
        back.into_iter().for_each(|change| story.hears(change));
        if !agent_first {
            story.hears(Change::AgentAdded(agent("b")));
        }
        story.holds(Some((Why::Recovering, 2, 0)));
        story.knows(2, 8);
        story.waits(9);
        story.knows(2, 8);
        story.waits(1);
        story.knows(2, 6);
        story.holds(None);
    }
}

#[test]
fn an_update_shows_a_task_too() {
    let mut story = Story::new();
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
    let running = Some(RunningStatus { healthy: Some(true), addresses: None });
    let (framework_id, id) = ("f".into(), "4".into());
    story.hears(Change::TaskUpdated(TaskUpdate { framework_id, id, state: TaskState::Running, running }));
    story.holds(Some((Why::Recovering, 3, 1)));
    story.hears(Change::AgentRemoved("b".into()));
    story.holds(None);
    story.knows(1, 4);
}

#[test]
fn a_second_failover_while_holding() {
    let mut story = Story::new();
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
    story.waits(300);
    story.reads(Origin::Subscribed, document(3, &[("b", 4..8)], &["a"]));
    story.knows(2, 8);
    story.holds(Some((Why::Recovering, 4, 1)));
    story.waits(HOLD - 1);
    story.reads(Origin::Compared, document(3, &[("b", 4..8)], &["a"]));
    story.knows(2, 8);
    story.waits(1);
    story.reads(Origin::Compared, document(3, &[("b", 4..8)], &["a"]));
    story.knows(1, 4);
}

#[test]
fn a_stream_s_master_knows_whom_it_waits_for() {
    let mut story = Story::new();
    // Neither registered nor awaited: gone, although the reign is new.
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &[]));
    story.knows(1, 4);
    story.holds(None);
}

#[test]
fn a_large_loss_is_doubted_until_it_is_shown_twice() {
    let mut story = Story::new();
    story.reads(Origin::Subscribed, document(1, &[("a", 0..50), ("b", 50..60)], &[]));
    let verdict = story.reads(Origin::Subscribed, document(2, &[("a", 0..5), ("b", 50..60)], &[]));
    assert_eq!(verdict.again, Some(believe::AGREE_AFTER));
    story.holds(Some((Why::Loss, 45, 0)));
    story.knows(2, 60);
    story.waits(30);
    story.knowledge.expect_comparison();
    story.reads(Origin::Compared, document(2, &[("a", 0..5), ("b", 50..60)], &[]));
    story.knows(2, 15);
    story.holds(None);
}

#[test]
fn the_operator_can_vouch_for_a_loss() {
    let mut story = Story::new();
    story.reads(Origin::Subscribed, document(1, &[("a", 0..50), ("b", 50..60)], &[]));
    story.reads(Origin::Subscribed, document(2, &[("a", 0..5)], &["b"]));
    story.holds(Some((Why::Loss, 55, 1)));
    story.knowledge.release(story.now);
    story.waits(0);
    story.reads(Origin::Compared, document(2, &[("a", 0..5)], &["b"]));
    story.knows(1, 5);
    story.holds(None);
}

#[test]
fn the_operator_can_vouch_for_a_leader_that_waits() {
    for origin in [Origin::Polled, Origin::Compared, Origin::Subscribed] {
        let mut story = Story::new();
        story.reads(origin, document(2, &[("a", 0..4)], &["b"]));
        story.holds(Some((Why::Recovering, 4, 1)));
        story.knowledge.release(story.now);
        // Dropped at once, whatever the master shows next ...
        story.waits(0);
        story.knows(1, 4);
        story.holds(None);
        // ... and not held again by the documents that follow.
        for _ in 0..3 {
            story.reads(origin, document(2, &[("a", 0..4)], &["b"]));
            story.knows(1, 4);
            story.holds(None);
            story.waits(30);
        }
        // Another leader is another matter.
        story.reads(origin, document(3, &[], &["a", "b"]));
        story.holds(Some((Why::Recovering, 4, 2)));
    }
}

#[test]
fn the_operator_can_vouch_for_an_empty_cluster() {
    let mut story = Story::new();
    story.reads(Origin::Polled, document(1, &[], &[]));
    story.holds(Some((Why::Empty, 8, 0)));
    story.knowledge.release(story.now);
    story.reads(Origin::Polled, document(1, &[], &[]));
    story.knows(0, 0);
    story.holds(None);
    story.reads(Origin::Polled, document(1, &[], &[]));
    story.holds(None);
}

#[test]
fn the_operator_can_vouch_for_the_first_leader_of_all() {
    let mut story = Story { knowledge: Knowledge::new(SETTINGS, Seed(1)), now: Instant::now() };
    story.reads(Origin::Subscribed, document(1, &[], &["a"]));
    assert!(story.knowledge.is_partial());
    story.knowledge.release(story.now);
    for _ in 0..2 {
        story.reads(Origin::Compared, document(1, &[], &["a"]));
        assert!(!story.knowledge.is_partial());
        story.holds(None);
    }
}

#[test]
fn a_comparison_finds_what_no_event_told() {
    let mut story = Story::new();
    story.knowledge.expect_comparison();
    // Task 1 ends and task 30 comes after the document was made; it shows neither.
    story.hears(Change::TaskEnded { framework_id: "f".into(), id: "1".into() });
    story.hears(Change::TaskAdded(task(30, "a")));
    // Tasks 6 and 7 are gone, and nobody said so; agent c came silently.
    let shown = document(1, &[("a", 0..4), ("b", 4..6), ("c", 40..41)], &[]);
    let verdict = story.reads(Origin::Compared, shown);
    assert_eq!(verdict.drift, 4);
    story.knows(3, 7);
    let ids: HashSet<&str> = story.knowledge.cluster().tasks.iter().map(|task| &*task.id).collect();
    assert!(ids.contains("30") && !ids.contains("1"), "{ids:?}");
    // Without an expectation there is nothing to tell what is newer: the document counts.
    assert_eq!(story.reads(Origin::Compared, document(1, &[("a", 0..4)], &[])).drift, 5 + 2);
}

#[test]
fn a_comparison_older_than_an_agent_s_return_says_nothing_of_its_tasks() {
    let mut story = Story::new();
    let waiting = || document(2, &[("a", 0..4)], &["b"]);
    story.reads(Origin::Subscribed, waiting());
    story.knowledge.expect_comparison();
    // The agent is back, and half of what it has was told when the older document comes.
    story.hears(Change::AgentAdded(agent("b")));
    story.hears(Change::TaskAdded(task(4, "b")));
    story.hears(Change::TaskAdded(task(5, "b")));
    assert_eq!(story.reads(Origin::Compared, waiting()).drift, 0);
    story.knows(2, 8);
    story.holds(Some((Why::Recovering, 2, 0)));
    story.hears(Change::TaskAdded(task(6, "b")));
    // What it no longer has goes when it should.
    story.waits(10);
    story.knows(2, 7);
    story.holds(None);
}

#[test]
fn the_first_leader_of_all_waits_for_agents_we_never_saw() {
    let mut story = Story { knowledge: Knowledge::new(SETTINGS, Seed(1)), now: Instant::now() };
    story.reads(Origin::Subscribed, document(1, &[("a", 0..4)], &["b", "c"]));
    assert!(story.knowledge.is_partial());
    story.hears(Change::AgentAdded(agent("b")));
    story.waits(10);
    assert!(story.knowledge.is_partial());
    story.hears(Change::AgentRemoved("c".into()));
    story.waits(0);
    assert!(!story.knowledge.is_partial());
}

#[test]
fn a_summary_without_a_scheduler_s_place_takes_none_away() {
    let mut story = Story::new();
    let place =
        |host: Option<&str>, port| Change::FrameworkAt { id: "f".into(), host: host.map(Host::new), port };
    let at = |story: &Story| {
        let framework = story.knowledge.cluster().frameworks.get("f").unwrap();
        (framework.host.clone(), framework.port)
    };
    story.hears(place(Some("10.0.0.9"), None));
    assert_eq!(at(&story), (Some(Host::new("10.0.0.9")), None), "one of the HTTP API");
    let known = (Some(Host::new("10.0.0.9")), Some(8080));
    story.hears(place(Some("10.0.0.9"), Some(8080)));
    // It is known from an agent only, which may know a host for it.
    story.hears(place(None, None));
    assert_eq!(at(&story), known);
    story.hears(place(Some("elsewhere"), None));
    assert_eq!(at(&story), known);
    story.hears(place(Some("10.0.0.10"), Some(8081)));
    assert_eq!(at(&story), (Some(Host::new("10.0.0.10")), Some(8081)));
}

#[test]
fn schedulers_keep_their_addresses_over_a_stream_s_beginning() {
    let mut story = Story::new();
    let host = Some(Host::new("10.0.0.9"));
    story.hears(Change::FrameworkAt { id: "f".into(), host: host.clone(), port: Some(8080) });
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4), ("b", 4..8)], &[]));
    let framework = story.knowledge.cluster().frameworks.get("f").unwrap();
    assert_eq!((&framework.host, framework.port), (&host, Some(8080)));
}

fn omission(task: &str) -> Omission {
    let whose = Whose { framework: Some("f".into()), task: Some(task.into()), ..Whose::default() };
    Omission { part: SkippedPart::Label, whose, name: "web".into(), count: 1 }
}

fn leaving_out(tasks: &[&str], mut document: Document) -> Document {
    tasks.iter().for_each(|task| document.omissions.note(SkippedPart::Label, || omission(task)));
    document
}

fn left_out(story: &Story) -> Vec<String> {
    let omissions = story.knowledge.cluster().omissions.iter();
    let mut tasks: Vec<_> =
        omissions.map(|omission| omission.whose.task.as_deref().unwrap().to_owned()).collect();
    tasks.sort();
    tasks
}

/// What was left out of something goes where that goes.
#[test]
fn what_is_held_keeps_what_was_left_out_of_it() {
    let mut story = Story::new();
    story.reads(Origin::Subscribed, leaving_out(&["1", "5"], document(1, &[("a", 0..4), ("b", 4..8)], &[])));
    assert_eq!(left_out(&story), ["1", "5"]);
    story.reads(Origin::Subscribed, document(2, &[("a", 0..4)], &["b"]));
    story.holds(Some((Why::Recovering, 4, 1)));
    assert_eq!(left_out(&story), ["5"]);
}

#[test]
fn events_know_more_than_the_document_compared_with() {
    let mut story = Story::new();
    let whole = || document(1, &[("a", 0..4), ("b", 4..8)], &[]);
    story.reads(Origin::Subscribed, leaving_out(&["1", "2"], whole()));
    story.knowledge.expect_comparison();
    story.hears(Change::TaskAdded(task(1, "a")));
    story.hears(Change::TaskAdded(task(3, "a")));
    story.hears(Change::Omitted([omission("3")].into()));
    assert_eq!(left_out(&story), ["2", "3"]);
    story.reads(Origin::Compared, leaving_out(&["1", "4"], whole()));
    assert_eq!(left_out(&story), ["3", "4"]);
}
