//! What is a problem and what is none.

use std::fmt::Write;

use super::*;
use crate::{
    cluster::{
        self, Agent, Discovery, DiscoveryPort, Document, Endpoint, Framework, Host, Hosts, Masters,
        PortRange, Task,
    },
    records::Health,
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

/// All that is found, a line each: kind, owners, names, tasks.
fn found(agents: Vec<Agent>, frameworks: Vec<Framework>, tasks: Vec<Task>) -> String {
    let document = Document { agents, frameworks, tasks, ..Document::default() };
    let empty = Cluster::default();
    let cluster = cluster::apply(&empty, document, Masters::default(), Hosts::default(), Seed(1)).0;
    let mut text = String::new();
    for (kind, listed) in find(&cluster, &policy()) {
        assert_eq!(listed.total as usize, listed.problems.len());
        for problem in listed.problems {
            assert_eq!(problem.kind, kind);
            let owner = |owner: &Owner| {
                let parts = [owner.agent.as_deref(), owner.framework.as_deref(), owner.task.as_deref()];
                parts.into_iter().flatten().collect::<Vec<_>>().join("/")
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
