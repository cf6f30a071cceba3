//! What is a problem and what is none.

use std::fmt::Write;

use super::*;
use crate::{
    cluster::{
        self, AddressSource, Agent, Container, Discovery, DiscoveryPort, Document, Endpoint, Framework, Host,
        Hosts, Masters, NetworkMode, Noted, OMISSIONS_MAX, Omission, PortKind, PortRange, PortScope,
        SkippedPart, Task, TaskAddress, TaskState, Visibility, Whose,
    },
    records::{Addresses, Extra, Health, Networks},
    table::Seed,
    test_support::{policy, task},
};

fn agent(id: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new("10.0.1.1"), port: 5051 });
    Agent { id: id.into(), hostname: "node".into(), address, place: None }
}

fn framework(id: &str, name: &str) -> Framework {
    Framework { id: id.into(), name: name.into(), host: None, port: None }
}

fn discovered(id: &str, framework: &str, name: &str, ports: &[i64]) -> Task {
    let ports = ports.iter().map(|number| DiscoveryPort::new(*number, "", "tcp")).collect();
    let discovery = Discovery { name: name.into(), ports, ..Discovery::default() };
    Task { discovery: Some(Box::new(discovery)), ..task(id, "x", framework, "a-S0") }
}

fn document(agents: Vec<Agent>, frameworks: Vec<Framework>, tasks: Vec<Task>) -> Document {
    Document { agents, frameworks, tasks, ..Document::default() }
}

fn cluster(document: &Document) -> Cluster {
    let (masters, hosts) = (Masters::default(), Hosts::default());
    cluster::apply(&Cluster::default(), document.clone(), masters, hosts, Seed(1)).0
}

/// All that is found, a line each: kind, owners, names, tasks.
fn found(agents: Vec<Agent>, frameworks: Vec<Framework>, tasks: Vec<Task>) -> String {
    found_in(&document(agents, frameworks, tasks), &policy())
}

fn found_in(document: &Document, policy: &Policy) -> String {
    let mut text = String::new();
    for (kind, listed) in find(&cluster(document), policy) {
        assert_eq!(listed.total as usize, listed.problems.len());
        for problem in listed.problems {
            assert_eq!(problem.kind, kind);
            let owner = |owner: &Owner| {
                let parts = [owner.agent.as_deref(), owner.framework.as_deref(), owner.task.as_deref()];
                let at = owner.at.map(|at| format!("@{at}"));
                let parts = parts.into_iter().flatten().map(str::to_owned).chain(at);
                parts.collect::<Vec<_>>().join("/")
            };
            let owners: Vec<_> = problem.owners.iter().map(owner).collect();
            let (owners, names) = (owners.join(" "), problem.names.join(" "));
            writeln!(text, "{} [{owners}] [{names}] {}", kind.name(), problem.tasks).unwrap();
        }
    }
    text
}

fn check(frameworks: &[(&str, &str)], tasks: Vec<Task>, expected: &str) {
    let frameworks = frameworks.iter().map(|(id, name)| framework(id, name)).collect();
    assert_eq!(found(vec![agent("a-S0")], frameworks, tasks), expected);
}

#[test]
fn instances_of_one_service_are_none() {
    let tasks = (0..5).map(|n| task(&format!("web.{n}"), "web", "F", "a-S0")).collect();
    check(&[("F", "marathon")], tasks, "");
    // Containers of a pod have names of their own and one discovery name.
    let tasks = vec![
        Task { name: "nginx".into(), ..discovered("1", "F", "pod.shop", &[80]) },
        Task { name: "log".into(), ..discovered("2", "F", "pod.shop", &[81]) },
    ];
    check(&[("F", "marathon")], tasks, "");
}

#[test]
fn services_with_one_name() {
    let tasks = vec![
        task("1", "my_job", "F", "a-S0"),
        task("2", "my-job", "F", "a-S0"),
        task("3", "my-job", "F", "a-S0"),
        task("4", "other", "F", "a-S0"),
    ];
    check(
        &[("F", "marathon")],
        tasks,
        "rewritten-name [F/1] [my_job my-job] 1\n\
         task-collision [F/2 F/1] [my-job.marathon.mesos. my-job.marathon.slave.mesos.] 3\n",
    );
    // A raw discovery name reaches into another framework.
    let tasks = vec![discovered("1", "F", "web.prod", &[]), task("2", "web", "G", "a-S0")];
    check(
        &[("F", "marathon"), ("G", "prod.marathon")],
        tasks,
        "task-collision [F/1 G/2] [web.prod.marathon.mesos. web.prod.marathon.slave.mesos.] 2\n",
    );
}

#[test]
fn frameworks_with_one_label() {
    let tasks =
        vec![task("1", "web", "F", "a-S0"), task("2", "web", "G", "a-S0"), task("3", "x", "G", "a-S0")];
    check(
        &[("F", "marathon"), ("G", "Marathon"), ("H", "marathon")],
        tasks,
        "framework-collision [F G] [marathon.mesos] 3\n\
         task-collision [F/1 G/2] [web.marathon.mesos. web.marathon.slave.mesos.] 2\n",
    );
}

/// Whoever may register a framework could put its address at the name of another's service.
#[test]
fn a_scheduler_at_the_name_of_a_service() {
    let scheduler =
        |name: &str, host: &str| Framework { host: Some(Host::new(host)), ..framework("G", name) };
    let found = |other: Framework| {
        let tasks = vec![task("1", "web", "F", "a-S0"), task("2", "web", "F", "a-S0")];
        found(vec![agent("a-S0")], vec![framework("F", "marathon"), other], tasks)
    };
    let expected = "task-collision [G F/1] [web.marathon.mesos.] 2\n";
    assert_eq!(found(scheduler("web.marathon", "10.0.0.66")), expected);
    assert_eq!(found(scheduler("db.marathon", "10.0.0.66")), "");
    // Nobody knows its address, so it has no record.
    assert_eq!(found(scheduler("web.marathon", "nowhere.example")), "");
}

#[test]
fn names_that_are_not_as_written() {
    let tasks = vec![
        task("1", "/prod/web", "F", "a-S0"),
        task("2", "UPPER", "F", "a-S0"),
        discovered("3", "F", "web.prod", &[80]),
        task("4", "日本", "F", "a-S0"),
    ];
    check(
        &[("F", "/team/aurora")],
        tasks,
        "rewritten-name [F/1] [/prod/web prodweb] 1\n\
         rewritten-name [F] [/team/aurora teamaurora] 4\n\
         unencodable-name [F/4] [.teamaurora.mesos. .teamaurora.slave.mesos. -dp1f8-s0.teamaurora.mesos. \
         -dp1f8-s0.teamaurora.slave.mesos.] 1\n",
    );
}

#[test]
fn names_of_ours() {
    let tasks = vec![
        task("1", "web", "F", "a-S0"),
        task("2", "api", "F", "a-S0"),
        discovered("3", "G", "_framework._tcp", &[]),
    ];
    let found = found(vec![agent("a-S0")], vec![framework("F", "slave"), framework("G", "m")], tasks);
    let reserved: Vec<_> = found.lines().filter(|line| line.starts_with("reserved")).collect();
    assert_eq!(
        reserved,
        ["reserved-name [F] [slave] 2", "reserved-name [G/3] [_framework._tcp] 1"],
        "{found}"
    );
}

/// Their schedulers' own names are told of even where there are no tasks, and nobody shares a name that nobody has.
#[test]
fn frameworks_without_a_name() {
    let at = |id, name| Framework { host: Some(Host::new("10.0.0.66")), ..framework(id, name) };
    assert_eq!(
        found(vec![], vec![at("F", ".."), at("G", "*"), at("H", "slave"), at("I", "m")], vec![]),
        "reserved-name [H] [slave] 0\nunencodable-name [F] [..] 0\nunencodable-name [G] [*] 0\n"
    );
}

#[test]
fn what_cannot_be_reached() {
    let lost = Agent { address: None, ..agent("a-S1") };
    let unresolved = Agent {
        address: Some(Endpoint { host: Host::new("nowhere.example"), port: 5051 }),
        hostname: "n2".into(),
        ..agent("a-S2")
    };
    let at = |agent: &str, task: Task| Task { agent_id: agent.into(), ..task };
    let tasks = vec![
        at("a-S1", task("1", "web", "F", "a-S0")),
        task("2", "web", "F", "a-S0"),
        at("a-S9", task("3", "api", "F", "a-S0")),
        task("4", "db", "X", "a-S0"),
        discovered("5", "F", "ports", &[0]),
        discovered("6", "F", "ports", &[70_000]),
        discovered("7", "F", "ports", &[80]),
        Task { ports: [PortRange { first: 1, last: 65_535 }].into(), ..task("8", "many", "F", "a-S0") },
    ];
    let found = found(vec![agent("a-S0"), lost, unresolved], vec![framework("F", "marathon")], tasks);
    assert_eq!(
        found,
        "agent-without-address [a-S1] [node] 1\n\
         agent-without-address [a-S2] [n2] 0\n\
         impossible-port [F/8] [many] 1\n\
         impossible-port [F/5] [ports] 2\n\
         orphaned-task [F/3] [api] 1\n\
         orphaned-task [X/4] [db] 1\n\
         task-without-address [F/1] [web] 1\n"
    );
}

#[test]
fn tasks_that_do_not_run_are_none() {
    let staging = Task { state: cluster::TaskState::Staging, ..task("1", "a_b", "X", "nowhere") };
    check(&[("F", "marathon")], vec![staging], "");
}

#[test]
fn all_are_counted_and_the_first_are_listed() {
    let tasks: Vec<_> =
        (0..LISTED_MAX + 7).map(|n| task(&format!("{n}"), &format!("a_{n:05}"), "F", "a-S0")).collect();
    let (agents, frameworks) = (vec![agent("a-S0")], vec![framework("F", "marathon")]);
    let document = Document { agents, frameworks, tasks, ..Document::default() };
    let empty = Cluster::default();
    let cluster = cluster::apply(&empty, document, Masters::default(), Hosts::default(), Seed(1)).0;
    let found = find(&cluster, &policy());
    assert_eq!(found.len(), Kind::ALL.len());
    let listed = &found[&Kind::RewrittenName];
    assert_eq!((listed.total as usize, listed.problems.len()), (LISTED_MAX + 7, LISTED_MAX));
    assert_eq!(listed.problems[0].names, ["a_00000", "a-00000"]);
    assert_eq!(find(&cluster, &policy()), found, "the same each time");
}

#[test]
fn names_of_kinds() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert!(!kind.reason().is_empty());
    }
    assert_eq!(Kind::named("nothing"), None);
}

/// One that is out of service has only its own name, and must not stand for those that share theirs.
#[test]
fn instances_with_other_names_are_looked_at_too() {
    let ill = |n| Task { healthy: Some(false), ..task(&format!("ill.{n}"), "web", "F", "a-S0") };
    let well = |framework: &str| task("well", "web", framework, "a-S0");
    let tasks = (0..20).map(ill).chain([well("F"), well("G")]).collect();
    let frameworks = vec![framework("F", "marathon"), framework("G", "marathon")];
    let document = Document { agents: vec![agent("a-S0")], frameworks, tasks, ..Document::default() };
    let empty = Cluster::default();
    let cluster = cluster::apply(&empty, document, Masters::default(), Hosts::default(), Seed(1)).0;
    let policy = Policy { health: Health::Require, ..policy() };
    assert_eq!(find(&cluster, &policy)[&Kind::TaskCollision].total, 1);
}

/// Of a task that is known, it is a problem of its service; of others, by what could be read of them.
#[test]
fn what_could_not_be_used() {
    let omission = |part, framework: &str, task: &str, name: &str, at: Option<u64>| {
        let known = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Arc::from);
        let whose = Whose { framework: known(framework), task: known(task), at, ..Whose::default() };
        Omission { part, whose, name: name.into(), count: 3 }
    };
    let mut omissions = Noted::default();
    for omission in [
        omission(SkippedPart::Label, "F", "2", "", None),
        omission(SkippedPart::Label, "F", "1", "", None),
        omission(SkippedPart::PortRange, "F", "1", "", None),
        omission(SkippedPart::Task, "F", "lost.1", "lost", None),
        omission(SkippedPart::Task, "F", "lost.2", "lost", None),
        omission(SkippedPart::Task, "F", "nameless.1", "", None),
        omission(SkippedPart::Task, "F", "nameless.2", "", None),
        omission(SkippedPart::Task, "F", "", "", Some(70)),
        omission(SkippedPart::Task, "F", "", "", Some(50)),
        omission(SkippedPart::Framework, "", "", "", Some(90)),
        omission(SkippedPart::FrameworkAddress, "F", "", "marathon", None),
    ] {
        omissions.note(omission.part, || omission);
    }
    let tasks = vec![task("1", "web", "F", "a-S0"), task("2", "web", "F", "a-S0")];
    let document = Document { omissions, ..document(vec![agent("a-S0")], vec![framework("F", "m")], tasks) };
    assert_eq!(
        found_in(&document, &policy()),
        "skipped-framework [@90] [] 0\n\
         skipped-framework-address [F] [marathon] 0\n\
         skipped-label [F/1 F/2] [web] 2\n\
         skipped-port-range [F/1] [web] 1\n\
         skipped-task [F/@50 F/@70] [] 2\n\
         skipped-task [F/lost.1 F/lost.2] [lost] 2\n\
         skipped-task [F/nameless.1] [] 1\n\
         skipped-task [F/nameless.2] [] 1\n"
    );
    let keys: Vec<_> = find(&cluster(&document), &policy())[&Kind::SkippedTask]
        .problems
        .iter()
        .map(|problem| (problem.key().owner.to_string(), problem.key().name))
        .collect();
    let expected = ["", "lost", "nameless.1", "nameless.2"].map(|name| ("F".to_owned(), name.to_owned()));
    assert_eq!(keys, expected, "where something stands is no part of what it is known by");
}

#[test]
fn what_is_not_listed_is_counted() {
    let mut omissions = Noted::default();
    for number in 0..OMISSIONS_MAX + 30 {
        let whose = Whose { task: Some(number.to_string().into()), ..Whose::default() };
        omissions.note(SkippedPart::Task, || Omission {
            part: SkippedPart::Task,
            whose,
            name: number.to_string().into(),
            count: 1,
        });
    }
    let document = Document { omissions, ..Document::default() };
    let found = find(&cluster(&document), &policy());
    let Listed { total, problems } = &found[&Kind::SkippedTask];
    assert_eq!((*total, problems.len()), (OMISSIONS_MAX + 30, LISTED_MAX));
}

fn at(address: &str, task: Task) -> Task {
    let (source, address) = (AddressSource::NetInfo, address.parse().unwrap());
    Task { addresses: [TaskAddress { source, address, network: None }].into(), ..task }
}

#[test]
fn addresses_and_ports_that_nobody_reaches() {
    let bridge = Container { mode: NetworkMode::Bridge, networks: [].into(), mappings: [].into() };
    let behind = |id: &str, scope: PortScope| {
        let kind = PortKind { scope, protocol: "tcp".into(), ..PortKind::default() };
        let ports = [DiscoveryPort { number: 80, kind: kind.into() }].into();
        let discovery = Discovery { name: "behind".into(), ports, ..Discovery::default() };
        let task = Task { container: Some(Arc::new(bridge.clone())), ..task(id, "x", "F", "a-S0") };
        Task { discovery: Some(Box::new(discovery)), ..task }
    };
    let killing = Task { state: TaskState::Killing, ..at("169.254.0.9", task("5", "late", "F", "a-S0")) };
    let staging = Task { state: TaskState::Staging, ..at("169.254.0.9", task("6", "soon", "F", "a-S0")) };
    let tasks = vec![
        at("127.0.0.1", task("1", "self", "F", "a-S0")),
        at("224.0.0.9", task("2", "self", "F", "a-S0")),
        at("9.0.0.1", task("3", "self", "F", "a-S0")),
        behind("4", PortScope::Container),
        behind("7", PortScope::Host),
        killing,
        staging,
    ];
    let document = document(vec![agent("a-S0")], vec![framework("F", "m")], tasks);
    let auto = Addresses::Auto(Networks::default());
    let policy = Policy { addresses: auto, health: Health::Prefer, ..policy() };
    assert_eq!(
        found_in(&document, &policy),
        "impossible-address [F/5] [late] 1\n\
         impossible-address [F/1] [self] 2\n\
         unreachable-port [F/4] [behind] 1\n"
    );
    // Under `ignore`, who is being killed has no names.
    let ignoring = found_in(&document, &Policy { health: Health::Ignore, ..policy });
    assert!(!ignoring.contains("late") && ignoring.contains("self"), "{ignoring}");
}

#[test]
fn who_is_not_to_be_seen() {
    let seen_by = |id: &str, name: &str, visibility, port: Option<Visibility>| {
        let kind = PortKind { visibility: port, ..PortKind::default() };
        let ports = [DiscoveryPort { number: 80, kind: kind.into() }].into();
        let discovery = Discovery { name: name.into(), visibility, ports, ..Discovery::default() };
        Task { discovery: Some(Box::new(discovery)), ..task(id, "x", "F", "a-S0") }
    };
    let (few, many) = (Visibility::Framework, Visibility::Cluster);
    let tasks = vec![
        seen_by("1", "Hid_den", few, None),
        seen_by("2", "partly", many, Some(few)),
        seen_by("3", "port", few, Some(many)),
        seen_by("4", "shown", many, None),
        // It has no names, so nobody shares one with it.
        seen_by("5", "shown", few, None),
        Task { framework_id: "G".into(), ..seen_by("6", "alone", few, None) },
    ];
    let document = document(vec![agent("a-S0")], vec![framework("F", "m"), framework("G", "G_G")], tasks);
    let extra = Extra { visibility: many, ..Extra::default() };
    assert_eq!(
        found_in(&document, &Policy { extra, ..policy() }),
        "hidden-task [F/1] [Hid_den] 1\n\
         hidden-task [F/2] [partly] 1\n\
         hidden-task [F/4] [shown] 1\n\
         hidden-task [G/6] [alone] 1\n"
    );
    assert_eq!(Kind::HiddenTask.stands(), Stands::Meant);
}

/// The table in the documentation is made of what stands here.
#[test]
fn the_committed_table_has_all_kinds() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    let row = |kind: Kind| {
        let logged = match kind.stands() {
            Stands::Meant => "info",
            Stands::Wrong => "warn",
        };
        format!("| `{}` | {logged} | {} |\n", kind.name(), kind.reason())
    };
    let table: String = Kind::ALL.into_iter().map(row).collect();
    let head = "| kind | log | reason |\n| --- | --- | --- |\n";
    let begin = page.find(head).unwrap() + head.len();
    let rows = |page: &str| page[begin..].lines().take_while(|line| line.starts_with('|')).count();
    let length =
        |page: &str| page[begin..].split_inclusive('\n').take(rows(page)).map(str::len).sum::<usize>();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        page.replace_range(begin..begin + length(&page), &table);
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        &page[begin..begin + length(&page)],
        table,
        "docs/problems.md is old: run this test with UPDATE_DOCS=1"
    );
}
