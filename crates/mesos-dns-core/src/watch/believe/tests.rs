//! Documents of a leader before, while and after it changes, and what of the cluster is left.

use super::*;
use crate::{
    cluster::{Endpoint, Host, Hosts, Masters, apply},
    table::Seed,
    test_support,
};

const SETTINGS: Settings = Settings { hold: Duration::from_secs(600), loss_percent: 30, loss_minimum: 20 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn agent(id: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new("10.0.1.1"), port: 5051 });
    Agent { id: id.into(), hostname: id.into(), address, place: None }
}

fn framework(id: &str, port: Option<u16>) -> Framework {
    let host = port.map(|_| Host::new("10.0.2.1")).or(Some(Host::new("scheduler.example")));
    Framework { id: id.into(), name: "marathon".into(), host, port }
}

fn task(id: u32, agent: &str) -> Task {
    test_support::task(&id.to_string(), "web", "f", agent)
}

/// A leader's document: per agent, which tasks.
fn document(pid: &str, agents: &[(&str, std::ops::Range<u32>)]) -> Document {
    Document {
        pid: Some(pid.into()),
        leader: Some(pid.into()),
        elected_time: Some(1.5e9),
        agents: agents.iter().map(|(id, _)| agent(id)).collect(),
        frameworks: vec![framework("f", Some(8080))],
        tasks: agents.iter().flat_map(|(id, tasks)| tasks.clone().map(|number| task(number, id))).collect(),
        complete: true,
        ..Document::default()
    }
}

/// The watcher's part: judges, restores, applies.
struct Watcher {
    belief: Belief,
    cluster: Cluster,
    now: Instant,
}

impl Watcher {
    fn new(first: Document) -> Self {
        let mut new =
            Self { belief: Belief::new(SETTINGS), cluster: Cluster::default(), now: Instant::now() };
        assert_eq!(new.reads(&first).why, None);
        new
    }

    fn reads(&mut self, document: &Document) -> Kept {
        let mut document = document.clone();
        let kept = self.belief.judge(&self.cluster, &document, Registry::Unknown, self.now).unwrap();
        kept.clone().restore(&mut document);
        let (masters, hosts) = (Masters::default(), Hosts::default());
        self.cluster = apply(&self.cluster, document, masters, hosts, Seed(1)).0;
        kept
    }

    fn reads_at(&mut self, pause: u64, document: &Document) -> Kept {
        self.now += seconds(pause);
        self.reads(document)
    }

    fn believes(&self, agents: usize, frameworks: usize, tasks: usize) {
        let counts = (self.cluster.agents.len(), self.cluster.frameworks.len(), self.cluster.tasks.len());
        assert_eq!(counts, (agents, frameworks, tasks));
    }
}

fn three_agents(pid: &str) -> Document {
    document(pid, &[("a", 0..4), ("b", 4..8), ("c", 8..12)])
}

#[test]
fn leaders_and_others() {
    let check = |pid: Option<&str>, leader: Option<&str>, expected| {
        let document =
            Document { pid: pid.map(Into::into), leader: leader.map(Into::into), ..Document::default() };
        let asked = Master::parse("10.0.0.9:5050").unwrap();
        assert_eq!(leads(&document, &asked), expected, "{pid:?} {leader:?}");
    };
    let other = || Leadership::Other(Master::parse("10.0.0.1:5050").unwrap());
    check(Some("10.0.0.1:5050"), Some("10.0.0.1:5050"), Leadership::Answering);
    check(None, Some("10.0.0.9:5050"), Leadership::Answering);
    check(Some("10.0.0.2:5050"), Some("10.0.0.9:5050"), Leadership::Answering);
    check(Some("10.0.0.2:5050"), Some("10.0.0.1:5050"), other());
    check(None, Some("10.0.0.1:5050"), other());
    check(Some("10.0.0.1:5050"), None, Leadership::Unknown);
    check(Some("10.0.0.1:5050"), Some("nonsense"), Leadership::Unknown);
    check(None, None, Leadership::Unknown);
}

#[test]
fn what_ends_one_by_one_goes_at_once() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..4), ("b", 4..5)])).why, None);
    watcher.believes(2, 1, 5);
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..0)])).why, None);
    watcher.believes(1, 1, 0);
}

#[test]
fn a_failover_loses_nothing() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    // Elected, registry not read.
    let empty = Document { frameworks: Vec::new(), ..document("m2:1", &[]) };
    assert_eq!(watcher.reads_at(10, &empty).why, Some(Why::Settling));
    watcher.believes(3, 1, 12);
    // One agent is back; of its framework only what the agent knows.
    let mut one = document("m2:1", &[("b", 4..8)]);
    one.recovered_agents = vec!["a".into(), "c".into()];
    one.frameworks = vec![framework("f", None)];
    assert_eq!(watcher.reads_at(1, &one).why, Some(Why::Recovering));
    watcher.believes(3, 1, 12);
    assert_eq!(watcher.cluster.frameworks.get("f").unwrap().port, Some(8080));
    // All are back; one task ended meanwhile.
    let all = document("m2:1", &[("a", 1..4), ("b", 4..8), ("c", 8..12)]);
    assert_eq!(watcher.reads_at(1, &all).why, None);
    watcher.believes(3, 1, 11);
}

#[test]
fn a_scheduler_is_awaited_while_any_agent_is() {
    let mut watcher = Watcher::new(document("m1:1", &[("a", 0..4)]));
    // Agent z was given up before, by us; the new leader waits for it, and for the scheduler.
    let mut away = document("m2:1", &[("a", 0..4)]);
    away.frameworks = vec![framework("f", None)];
    away.recovered_agents = vec!["z".into()];
    let port = |watcher: &Watcher| watcher.cluster.frameworks.get("f").unwrap().port;
    let settled = SETTLE.as_secs() + 5;
    for pause in [1, settled, SETTINGS.hold.as_secs() - settled - 2] {
        watcher.reads_at(pause, &away);
        assert_eq!(port(&watcher), Some(8080));
    }
    watcher.reads_at(10, &away);
    assert_eq!(port(&watcher), None);
}

#[test]
fn recovered_agents_are_held_for_the_hold_time() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let mut two = document("m2:1", &[("a", 0..4), ("b", 4..8)]);
    two.recovered_agents = vec!["c".into()];
    assert_eq!(watcher.reads_at(10, &two).why, Some(Why::Recovering));
    assert_eq!(watcher.reads_at(599, &two).why, Some(Why::Recovering));
    watcher.believes(3, 1, 12);
    assert_eq!(watcher.reads_at(1, &two).why, None);
    watcher.believes(2, 1, 8);
}

#[test]
fn an_agent_given_up_goes_at_once() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let mut two = document("m2:1", &[("a", 0..4), ("b", 4..8)]);
    two.recovered_agents = vec!["c".into()];
    watcher.reads_at(100, &two);
    two.recovered_agents.clear();
    assert_eq!(watcher.reads_at(100, &two).why, None);
    watcher.believes(2, 1, 8);
}

#[test]
fn masters_before_1_2_list_no_recovered_agents() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let one = document("m2:1", &[("b", 4..8)]);
    let kept = watcher.reads_at(10, &one);
    assert_eq!((kept.why, kept.again), (Some(Why::Settling), Some(SETTLE_AGAIN)));
    assert_eq!(watcher.reads_at(74, &one).why, Some(Why::Settling));
    watcher.believes(3, 1, 12);
    assert_eq!(watcher.reads_at(1, &one).why, None, "never came back");
    watcher.believes(1, 1, 4);
}

#[test]
fn a_large_loss_needs_two_witnesses() {
    let mut watcher = Watcher::new(document("m1:1", &[("a", 0..70), ("b", 70..100)]));
    let less = document("m1:1", &[("a", 0..69)]);
    let kept = watcher.reads_at(10, &less);
    assert_eq!((kept.why, kept.again), (Some(Why::Loss), Some(AGREE_AFTER)));
    watcher.believes(2, 1, 100);
    assert_eq!(watcher.reads_at(29, &less).why, Some(Why::Loss));
    // What was missed is back in part: the second witness is the first of another loss.
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("b", 80..100)])).why, Some(Why::Loss));
    watcher.believes(2, 1, 100);
    assert_eq!(watcher.reads_at(29, &document("m1:1", &[("b", 80..99)])).why, Some(Why::Loss));
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("b", 80..99)])).why, None);
    watcher.believes(1, 1, 19);
}

#[test]
fn a_second_loss_needs_witnesses_of_its_own() {
    let mut watcher = Watcher::new(document("m1:1", &[("a", 0..70), ("b", 70..100)]));
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..60)])).why, Some(Why::Loss));
    // The first is proven; of the second this is the first witness.
    assert_eq!(watcher.reads_at(30, &document("m1:1", &[("a", 0..30)])).why, Some(Why::Loss));
    watcher.believes(1, 1, 60);
    assert_eq!(watcher.reads_at(29, &document("m1:1", &[])).why, Some(Why::Empty));
    watcher.believes(1, 1, 60);
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[])).why, Some(Why::Empty));
    watcher.believes(1, 1, 30);
    assert_eq!(watcher.reads_at(30, &document("m1:1", &[])).why, None);
    watcher.believes(0, 1, 0);
    // A few more that end meanwhile are no second loss.
    let mut watcher = Watcher::new(document("m1:1", &[("a", 0..100)]));
    assert_eq!(watcher.reads_at(1, &document("m1:1", &[("a", 0..60)])).why, Some(Why::Loss));
    assert_eq!(watcher.reads_at(30, &document("m1:1", &[("a", 0..55)])).why, None);
    watcher.believes(1, 1, 55);
}

#[test]
fn a_doubted_loss_that_never_settles_ends_with_the_hold_time() {
    let mut watcher = Watcher::new(document("m1:1", &[("a", 0..100)]));
    for round in 0..60 {
        let part = if round % 2 == 0 { 0..40 } else { 60..100 };
        assert_eq!(watcher.reads_at(10, &document("m1:1", &[("a", part)])).why, Some(Why::Loss), "{round}");
    }
    assert_eq!(watcher.reads_at(10, &document("m1:1", &[("a", 0..40)])).why, None);
    watcher.believes(1, 1, 40);
}

#[test]
fn losses_below_the_guard_pass() {
    let check = |before: u32, after: u32, expected: Option<Why>| {
        let mut watcher = Watcher::new(document("m1:1", &[("a", 0..before)]));
        assert_eq!(
            watcher.reads_at(1, &document("m1:1", &[("a", 0..after)])).why,
            expected,
            "{before} {after}"
        );
    };
    check(100, 70, None);
    check(100, 69, Some(Why::Loss));
    check(20, 0, Some(Why::Loss));
    check(19, 0, None);
    check(1, 0, None);
}

#[test]
fn an_empty_document_needs_a_settled_master() {
    let empty = |elected_time| Document { elected_time, ..document("m1:1", &[]) };
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let none = Document { elected_time: Some(1.5e9), ..empty(None) };
    assert_eq!(watcher.reads_at(1, &none).why, Some(Why::Empty));
    watcher.believes(3, 1, 12);
    assert_eq!(watcher.reads_at(30, &none).why, None, "a settled master says so twice");
    watcher.believes(0, 1, 0);

    for elected_time in [None, Some(0.0)] {
        let mut watcher = Watcher::new(Document { elected_time, ..three_agents("m1:1") });
        for _ in 0..6 {
            assert_eq!(watcher.reads_at(100, &empty(elected_time)).why, Some(Why::Empty));
        }
        assert_eq!(watcher.reads_at(100, &empty(elected_time)).why, None);
        watcher.believes(0, 1, 0);
    }
}

#[test]
fn a_new_leader_that_stays_empty_is_believed_in_the_end() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let empty = document("m2:1", &[]);
    assert_eq!(watcher.reads_at(1, &empty).why, Some(Why::Settling));
    assert_eq!(watcher.reads_at(75, &empty).why, Some(Why::Empty));
    assert_eq!(watcher.reads_at(29, &empty).why, Some(Why::Empty));
    watcher.believes(3, 1, 12);
    assert_eq!(watcher.reads_at(1, &empty).why, None);
    watcher.believes(0, 1, 0);
}

#[test]
fn incomplete_documents_are_refused() {
    let mut belief = Belief::new(SETTINGS);
    let document = Document { complete: false, ..three_agents("m1:1") };
    let judged = belief.judge(&Cluster::default(), &document, Registry::Unknown, Instant::now());
    assert_eq!(judged.unwrap_err(), Incomplete);
}

/// A document of m1 that misses tasks 4 to 40, those from `from` on because they are unreachable.
fn partition(from: u32) -> Document {
    let unreachable = (from..40).map(|id| ("f".into(), id.to_string().into())).collect();
    Document { unreachable, ..document("m1:1", &[("a", 0..4)]) }
}

#[test]
fn a_loss_that_the_leader_explains_is_not_doubted() {
    let all = document("m1:1", &[("a", 0..4), ("b", 4..40)]);
    let mut watcher = Watcher::new(all.clone());
    assert_eq!(watcher.reads_at(1, &partition(4)).why, None);
    watcher.believes(1, 1, 4);
    // Nineteen of them unexplained are too few to doubt, twenty are not; the explained ones go.
    let mut watcher = Watcher::new(all.clone());
    assert_eq!(watcher.reads_at(1, &partition(23)).why, None);
    watcher.believes(1, 1, 4);
    let mut watcher = Watcher::new(all.clone());
    assert_eq!(watcher.reads_at(1, &partition(24)).why, Some(Why::Loss));
    watcher.believes(2, 1, 24);
    // The same id in another framework explains nothing.
    let mut watcher = Watcher::new(all);
    let mut other = partition(4);
    other.unreachable.iter_mut().for_each(|task| task.0 = "g".into());
    assert_eq!(watcher.reads_at(1, &other).why, Some(Why::Loss));
    watcher.believes(2, 1, 40);
}

#[test]
fn unreachable_tasks_go_even_while_a_reign_settles() {
    let mut watcher = Watcher::new(three_agents("m1:1"));
    let gone = Document {
        unreachable: (4..12).map(|id| ("f".into(), id.to_string().into())).collect(),
        ..document("m2:1", &[("a", 0..4)])
    };
    watcher.reads_at(1, &gone);
    assert_eq!(watcher.cluster.tasks.len(), 4);
}
