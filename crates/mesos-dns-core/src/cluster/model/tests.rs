//! Events in any order against plain maps, and what they touch against what differs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        AddressSource, Container, DnsLabels, Endpoint, NetworkMode, Noted, OMISSIONS_MAX, Omission, Place,
        SkippedPart, TaskAddress, TaskState, Whose,
    },
    test_support::{policy, soa},
    zone::{Serial, Zone},
};

fn agent(number: u8, place: u8) -> Agent {
    let host = match place % 4 {
        3 => Host::new("node.example"),
        other => Host::new(&format!("10.0.{number}.{other}")),
    };
    let id = format!("S{number}").into();
    Agent { id, hostname: "n".into(), address: Some(Endpoint { host, port: 5051 }), place: None }
}

fn framework(number: u8, name: u8) -> Framework {
    Framework {
        id: format!("F{number}").into(),
        name: ["marathon", "kafka", "slave"][usize::from(name % 3)].into(),
        host: None,
        port: None,
    }
}

fn task(number: u8, framework: u8, agent: u8, version: u8) -> Task {
    let address = TaskAddress {
        source: AddressSource::NetInfo,
        address: [9, 0, number, version].into(),
        network: None,
    };
    Task {
        id: format!("t{number}").into(),
        name: format!("web{}", number % 3).into(),
        framework_id: format!("F{framework}").into(),
        agent_id: format!("S{agent}").into(),
        state: if version.is_multiple_of(5) { TaskState::Staging } else { TaskState::Running },
        healthy: None,
        is_checked: false,
        container: None,
        labels: None,
        ports: Box::default(),
        addresses: Box::new([address]),
        discovery: None,
    }
}

/// An event from four small numbers.
fn event((kind, a, b, c): (u8, u8, u8, u8)) -> Change {
    let (framework_id, id) = (format!("F{}", a % 3).into(), format!("t{}", c % 20).into());
    match kind % 10 {
        0 => Change::AgentAdded(agent(a % 4, b)),
        1 => Change::AgentRemoved(format!("S{}", a % 4).into()),
        2 => Change::FrameworkAdded(framework(a % 3, b)),
        3 if b.is_multiple_of(3) => Change::FrameworkRemoved(framework_id),
        3 | 4 => {
            let host = Some(Host::new(&format!("10.9.9.{}", b % 3)));
            Change::FrameworkAt { id: framework_id, host, port: Some(80) }
        }
        5 => Change::TaskEnded { framework_id, id },
        6 => Change::TaskUpdated(TaskUpdate {
            framework_id,
            id,
            state: if b.is_multiple_of(3) { TaskState::Killing } else { TaskState::Running },
            running: (!b.is_multiple_of(4)).then(|| RunningStatus {
                healthy: Some(b.is_multiple_of(2)),
                addresses: b.is_multiple_of(5).then(|| {
                    let address = [9, 1, c, b].into();
                    [TaskAddress { source: AddressSource::NetInfo, address, network: None }].into()
                }),
            }),
        }),
        _ => Change::TaskAdded(task(c % 20, a % 3, b % 4, b)),
    }
}

/// The tasks as a plain reading of the events leaves them.
#[derive(Default)]
struct Plain {
    tasks: BTreeMap<(String, String), Task>,
    frameworks: BTreeMap<String, String>,
}

impl Plain {
    fn apply(&mut self, change: Change) {
        let key = |framework: &str, id: &str| (framework.to_owned(), id.to_owned());
        match change {
            Change::AgentAdded(_) | Change::FrameworkAt { .. } | Change::Omitted(_) => {}
            Change::AgentRemoved(id) => self.tasks.retain(|_, task| *task.agent_id != *id),
            Change::FrameworkAdded(new) => {
                self.frameworks.insert(new.id.to_string(), new.name.to_string());
            }
            Change::FrameworkRemoved(id) => {
                if self.frameworks.remove(&*id).is_some() {
                    self.tasks.retain(|(of, _), _| **of != *id);
                }
            }
            Change::TaskAdded(task) => {
                self.tasks.insert(key(&task.framework_id, &task.id), task);
            }
            Change::TaskEnded { framework_id, id } => {
                self.tasks.remove(&key(&framework_id, &id));
            }
            Change::TaskUpdated(update) => {
                let Some(task) = self.tasks.get_mut(&key(&update.framework_id, &update.id)) else { return };
                task.state = update.state;
                if let Some(running) = update.running {
                    task.healthy = running.healthy;
                    if let Some(addresses) = running.addresses {
                        task.addresses = addresses;
                    }
                }
            }
        }
    }
}

/// What a zone holds, comparable.
fn fingerprint(zone: &Zone) -> (u64, u64) {
    let snapshot = zone.snapshot(soa().into(), Serial(1));
    (snapshot.content_hash(), snapshot.records())
}

proptest! {
    /// In whatever order events come and however they are grouped, the tasks are as they say, and a zone that is
    /// changed by what was touched equals one that is built from everything.
    #[test]
    fn events_in_any_order(
        events in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..120), group in 1_usize..9
    ) {
        let policy = policy();
        let (mut model, mut plain) = (Model::new(Seed(1)), Plain::default());
        let mut zone = Zone::new(policy.apex.clone(), None, Seed(2));
        for events in events.chunks(group) {
            let before = model.cluster().clone();
            for numbers in events {
                let change = event(*numbers);
                // An agent that nobody knows takes nothing along.
                let known = |id: &str| model.cluster().agents.get(id).is_some();
                if !matches!(&change, Change::AgentRemoved(id) if !known(id)) {
                    plain.apply(change.clone());
                }
                model.change(change);
            }
            let touched = model.take();
            zone.update(&policy, &before, model.cluster(), &touched);
            zone.compile();
            let mut fresh = Zone::new(policy.apex.clone(), None, Seed(3));
            let everything = model.cluster().everything();
            fresh.update(&policy, &Cluster::default(), model.cluster(), &everything);
            fresh.compile();
            prop_assert_eq!(fingerprint(&zone), fingerprint(&fresh));
        }
        let tasks: BTreeMap<(String, String), Task> = model
            .cluster()
            .tasks
            .iter()
            .map(|task| ((task.framework_id.to_string(), task.id.to_string()), Task::clone(task)))
            .collect();
        prop_assert_eq!(&tasks, &plain.tasks);
        for number in 0..4 {
            let id = format!("S{number}");
            let on = model.tasks_on(&id).len();
            prop_assert_eq!(on, tasks.values().filter(|task| *task.agent_id == *id).count());
        }
    }
}

/// A model that knows an agent, a framework and a task.
fn model() -> Model {
    let mut model = Model::new(Seed(1));
    model.change(Change::AgentAdded(agent(1, 1)));
    model.change(Change::FrameworkAdded(framework(1, 0)));
    model.change(Change::TaskAdded(task(1, 1, 1, 1)));
    model.take();
    model
}

#[test]
fn nothing_new_touches_nothing() {
    let mut model = model();
    model.change(Change::AgentAdded(agent(1, 1)));
    model.change(Change::FrameworkAdded(framework(1, 0)));
    model.change(Change::TaskAdded(task(1, 1, 1, 1)));
    let same = RunningStatus { healthy: None, addresses: None };
    let (framework_id, id): (Arc<str>, Box<str>) = ("F1".into(), "t1".into());
    let update = TaskUpdate { framework_id, id, state: TaskState::Running, running: Some(same) };
    assert_eq!(model.change(Change::TaskUpdated(update)), Subject::Known);
    model.change(Change::TaskEnded { framework_id: "F2".into(), id: "t1".into() });
    assert!(model.take().is_empty());
}

#[test]
fn what_an_update_does_not_say_stays() {
    let mut model = model();
    let told = Task {
        is_checked: true,
        container: Some(Arc::new(Container {
            mode: NetworkMode::Named,
            networks: ["a".into()].into(),
            mappings: Box::default(),
        })),
        labels: Some(Box::new(DnsLabels { ttl: Some(5), ..DnsLabels::default() })),
        ..task(1, 1, 1, 1)
    };
    model.change(Change::TaskAdded(told.clone()));
    model.take();
    let address = TaskAddress {
        source: AddressSource::NetInfo,
        address: [9, 0, 0, 9].into(),
        network: Some(Arc::new("a".into())),
    };
    let running = RunningStatus { healthy: Some(true), addresses: Some([address.clone()].into()) };
    let (framework_id, id): (Arc<str>, Box<str>) = ("F1".into(), "t1".into());
    let update = TaskUpdate { framework_id, id, state: TaskState::Running, running: Some(running) };
    model.change(Change::TaskUpdated(update));
    let expected = Task { healthy: Some(true), addresses: [address].into(), ..told };
    let [TaskChange { new: Some(new), .. }] = &*model.take().tasks else { panic!("one task") };
    assert_eq!(**new, expected);
}

#[test]
fn a_document_that_differs_in_what_is_good_to_know_touches() {
    let (agent, framework, task) = (agent(1, 1), framework(1, 0), task(1, 1, 1, 1));
    let container = Container { mode: NetworkMode::Host, networks: Box::default(), mappings: Box::default() };
    let others = [
        Task { is_checked: true, ..task.clone() },
        Task { container: Some(Arc::new(container)), ..task.clone() },
        Task { labels: Some(Box::default()), ..task.clone() },
        Task {
            addresses: task
                .addresses
                .iter()
                .map(|at| TaskAddress { network: Some(Arc::new("a".into())), ..at.clone() })
                .collect(),
            ..task.clone()
        },
    ];
    let document = |agent: &Agent, task: &Task| Document {
        agents: vec![agent.clone()],
        frameworks: vec![framework.clone()],
        tasks: vec![task.clone()],
        ..Document::default()
    };
    let mut model = Model::new(Seed(1));
    let mut replace = |agent: &Agent, task: &Task| {
        let touched = model.replace(document(agent, task), Masters::default(), Hosts::default());
        (touched.agents.len(), touched.tasks.len())
    };
    assert_eq!(replace(&agent, &task), (1, 1));
    assert_eq!(replace(&agent, &task), (0, 0));
    for other in others {
        assert_eq!((replace(&agent, &other), replace(&agent, &task)), ((0, 1), (0, 1)), "{other:?}");
    }
    let place = Some(Arc::new(Place { region: "eu".into(), zone: "a".into() }));
    assert_eq!(replace(&Agent { place, ..agent }, &task), (1, 1));
}

#[test]
fn an_agent_that_moves_touches_its_tasks_only() {
    let mut model = model();
    model.change(Change::AgentAdded(agent(2, 1)));
    model.change(Change::TaskAdded(task(2, 1, 2, 1)));
    model.take();
    model.change(Change::AgentAdded(agent(1, 2)));
    let touched = model.take();
    assert_eq!(touched.agents.len(), 1);
    assert_eq!(touched.tasks.len(), 1);
    assert_eq!(&*touched.tasks[0].new.as_ref().unwrap().id, "t1");
}

#[test]
fn a_scheduler_s_address_comes_from_elsewhere_and_stays() {
    let mut model = model();
    let at = |model: &Model| {
        let framework = model.cluster().frameworks.get("F1").unwrap().clone();
        (framework.name.to_string(), framework.host.clone(), framework.port)
    };
    assert_eq!(at(&model), ("marathon".into(), None, None));
    let host = Some(Host::new("10.0.0.7"));
    model.change(Change::FrameworkAt { id: "F1".into(), host: host.clone(), port: Some(8080) });
    assert_eq!(model.take().frameworks.len(), 1);
    model.change(Change::FrameworkAdded(framework(1, 1)));
    assert_eq!(at(&model), ("kafka".into(), host, Some(8080)));
    assert_eq!(model.take().tasks.len(), 1, "renamed, with its tasks");
    model.change(Change::FrameworkAt { id: "F9".into(), host: None, port: None });
    assert!(model.take().is_empty(), "nobody knows that one");
}

#[test]
fn names_that_are_looked_up_later() {
    let mut model = model();
    model.change(Change::AgentAdded(agent(1, 3)));
    model.take();
    let found = |address: [u8; 4]| {
        let mut hosts = Hosts::default();
        hosts.insert("node.example".into(), [address.into()]);
        hosts
    };
    model.resolve(found([10, 0, 0, 1]));
    let touched = model.take();
    assert_eq!((touched.agents.len(), touched.tasks.len()), (1, 1));
    model.resolve(found([10, 0, 0, 1]));
    assert!(model.take().is_empty());
}

#[test]
fn one_id_in_two_frameworks() {
    let mut model = model();
    model.change(Change::TaskAdded(task(1, 2, 1, 1)));
    assert_eq!(model.cluster().tasks.len(), 2);
    model.change(Change::TaskEnded { framework_id: "F2".into(), id: "t1".into() });
    assert_eq!(model.cluster().tasks.len(), 1);
    assert!(model.take().is_empty(), "came and went");
}

fn omission(part: SkippedPart, agent: &str, framework: &str, task: &str) -> Omission {
    let known = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Arc::from);
    let whose = Whose { agent: known(agent), framework: known(framework), task: known(task), at: None };
    Omission { part, whose, name: "x".into(), count: 1 }
}

/// What is known to be left out, in order.
fn left_out(model: &Model) -> Vec<String> {
    let line = |omission: &Arc<Omission>| {
        let Whose { agent, framework, task, at } = &omission.whose;
        let at = at.map(|at| at.to_string().into());
        let whose: Vec<_> = [agent, framework, task, &at].into_iter().flatten().map(|id| &**id).collect();
        format!("{:?} {}", omission.part, whose.join("/"))
    };
    let mut lines: Vec<_> = model.cluster().omissions.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn what_an_event_left_out_is_known_until_another_sets_it_right() {
    let mut model = Model::new(Seed(1));
    for change in [
        Change::AgentAdded(agent(0, 0)),
        Change::FrameworkAdded(framework(0, 0)),
        Change::TaskAdded(task(0, 0, 0, 0)),
        Change::TaskAdded(task(1, 0, 0, 0)),
    ] {
        model.change(change);
    }
    model.take();
    let omitted = [
        omission(SkippedPart::Label, "S0", "F0", "t0"),
        omission(SkippedPart::TaskAddress, "", "F0", "t0"),
        omission(SkippedPart::Task, "", "F0", "t0"),
        omission(SkippedPart::Label, "", "F0", "t1"),
        omission(SkippedPart::Task, "", "F0", "unknown"),
        omission(SkippedPart::Agent, "S0", "", ""),
        omission(SkippedPart::Agent, "S1", "", ""),
        omission(SkippedPart::Framework, "", "F1", ""),
        omission(SkippedPart::FrameworkAddress, "", "F1", ""),
    ];
    let mut expected = omitted.len();
    let mut check = |model: &mut Model, change: Change, goes: &[&str]| {
        let before = left_out(model);
        let text = format!("{change:?}");
        model.change(change);
        let after = left_out(model);
        let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
        assert_eq!(gone, goes, "{text}");
        expected -= goes.len();
        assert_eq!(after.len(), expected, "{text}");
        assert_eq!(model.take().omissions, !goes.is_empty(), "{text}");
    };
    model.change(Change::Omitted(omitted.clone().into()));
    assert!(model.is_touched() && model.take().omissions);
    // The same again is no news for the table.
    model.change(Change::Omitted(omitted.into()));
    model.take();
    let update = |id: &str, addresses| {
        let running = Some(RunningStatus { healthy: None, addresses });
        let state = TaskState::Running;
        Change::TaskUpdated(TaskUpdate { framework_id: "F0".into(), id: id.into(), state, running })
    };
    check(&mut model, update("unknown", None), &[]);
    check(&mut model, update("t0", None), &["Task F0/t0"]);
    check(&mut model, update("t0", Some(Box::default())), &["TaskAddress F0/t0"]);
    check(&mut model, Change::TaskAdded(task(0, 0, 0, 1)), &["Label S0/F0/t0"]);
    check(&mut model, Change::TaskAdded(task(2, 0, 0, 1)), &[]);
    check(&mut model, Change::AgentAdded(agent(1, 0)), &["Agent S1"]);
    check(&mut model, Change::FrameworkAdded(framework(1, 0)), &["Framework F1"]);
    let at = Change::FrameworkAt { id: "F1".into(), host: None, port: None };
    check(&mut model, at, &["FrameworkAddress F1"]);
    check(&mut model, Change::AgentRemoved("S0".into()), &["Agent S0", "Label F0/t1"]);
    check(&mut model, Change::FrameworkRemoved("F0".into()), &["Task F0/unknown"]);
    assert!(model.cluster().omissions.is_empty());
}

#[test]
fn a_document_replaces_what_was_left_out_before() {
    let mut model = Model::new(Seed(1));
    model.change(Change::Omitted([omission(SkippedPart::Task, "", "F", "event")].into()));
    model.take();
    let document = |tasks: &[&str]| {
        let mut omissions = Noted::default();
        for task in tasks {
            omissions.note(SkippedPart::Task, || omission(SkippedPart::Task, "", "F", task));
        }
        Document { omissions, ..Document::default() }
    };
    let mut replace = |tasks: &[&str]| {
        let touched = model.replace(document(tasks), Masters::default(), Hosts::default());
        (left_out(&model), touched.omissions, touched.is_empty())
    };
    assert_eq!(replace(&["a", "b"]), (vec!["Task F/a".into(), "Task F/b".into()], true, false));
    assert_eq!(replace(&["b", "a"]), (vec!["Task F/a".into(), "Task F/b".into()], false, true));
    assert_eq!(replace(&[]), (vec![], true, false));
    assert_eq!(replace(&[]), (vec![], false, true));
}

/// Whoever makes events can make many.
#[test]
fn only_so_many_are_listed() {
    let mut model = Model::new(Seed(1));
    let more = |model: &mut Model, part, from: u64, to: u64| {
        let omitted = (from..to).map(|number| omission(part, "", "F", &number.to_string()));
        model.change(Change::Omitted(omitted.collect()));
    };
    more(&mut model, SkippedPart::Task, 0, OMISSIONS_MAX + 9);
    more(&mut model, SkippedPart::Label, 0, 3);
    let known =
        |model: &Model| (left_out(model).len() as u64, model.cluster().omissions.beyond(SkippedPart::Task));
    assert_eq!(known(&model), (OMISSIONS_MAX + 3, 9));
    // One comes right, and there is room for one.
    model.change(Change::TaskEnded { framework_id: "F".into(), id: "5".into() });
    more(&mut model, SkippedPart::Task, 20_000, 20_002);
    assert_eq!(known(&model), (OMISSIONS_MAX + 3, 10));
}
