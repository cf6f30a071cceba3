//! The promise: an explanation names what decided. Whatever it names is changed, and the answer changes.
//!
//! For each document, each name in it and each name that would be there but for a rule: every rule that is given for a
//! record is turned round, and the record goes or is another one; every rule that is given for what was left out is
//! turned round, and it comes. Documents of third parties are read from `MESOS_DNS_FIXTURES`, as in `golden.rs`.

mod captured;
#[path = "explain/flip.rs"]
mod flip;
#[path = "explain/world.rs"]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
};

use captured::{fixtures, json_files, root};
use flip::{Effect, flip};
use mesos_dns_core::{
    answer::Settings,
    cluster::{AddressSource, Agent, Hosts, Masters, TaskState, Visibility},
    config::{Config, File, Surroundings},
    explain::told::{Contributor, Dropped, Explanation, Step, Told},
    mesos::state,
    records::{Addresses, Data, Extra, ExtraName, Fixed, FixedOwner, Health, Networks, Policy, Rule, Rules},
    wire::Name,
    zone::Soa,
};
use serde_json::{Value, json};
use world::{Made, TYPES, World};

/// Names that are looked at where there are very many, spread over all of them.
const NAMES_MAX: usize = 30;

/// How many names of a document are looked at.
#[derive(Clone, Copy)]
enum Breadth {
    Every,
    Some,
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn policy() -> Policy {
    Policy {
        domain: "mesos".into(),
        apex: name("mesos."),
        rules: Rules::Rfc1123,
        addresses: Addresses::Auto(Networks::default()),
        health: Health::Prefer,
        places: Vec::new(),
        extra: Extra { weight: 1, ..Extra::default() },
        server_name: "ns1.mesos.".into(),
        server_addresses: vec!["10.0.0.53".parse().unwrap()],
    }
}

/// Policies that decide differently about everything there is to decide.
fn policies() -> Vec<Policy> {
    use AddressSource::{Docker, Host, Mesos, NetInfo};
    let every = [ExtraName::Agents, ExtraName::Browse, ExtraName::Places, ExtraName::Ports, ExtraName::Text];
    vec![
        policy(),
        Policy {
            addresses: Addresses::Sources(vec![NetInfo, Mesos, Host]),
            health: Health::Ignore,
            ..policy()
        },
        Policy {
            health: Health::Require,
            rules: Rules::Rfc952,
            extra: Extra {
                names: every.into_iter().collect(),
                visibility: Visibility::External,
                weight: 1,
                ..Extra::default()
            },
            ..policy()
        },
        Policy { addresses: Addresses::Sources(vec![Docker, Host]), ..policy() },
    ]
}

fn world(document: &[u8], policy: Policy) -> World {
    let document = state::decode(document).unwrap();
    let leader = document.leader.as_deref().map(Arc::from);
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    World {
        document,
        masters: Masters { leader, listed: Vec::new() },
        hosts: Hosts::default(),
        policy,
        settings: Settings::default(),
        soa: Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 60, ttl: 60, weight: 1 },
        healthy_minimum: 1,
    }
}

/// The same in which nobody is left out for what can change: names that would be there.
fn lenient(world: &World) -> World {
    let mut lenient = world.clone();
    for task in &mut lenient.document.tasks {
        (task.state, task.healthy) = (TaskState::Running, Some(true));
    }
    lenient.policy.extra.visibility = Visibility::Framework;
    let unknown = world.document.tasks.iter().map(|task| task.agent_id.clone());
    let unknown: BTreeSet<_> =
        unknown.filter(|id| world.document.agents.iter().all(|agent| agent.id != *id)).collect();
    let agent = |id| Agent { id, hostname: "lenient".into(), address: None, place: None };
    lenient.document.agents.extend(unknown.into_iter().map(agent));
    lenient
}

//------------ The law ---------------------------------------------------------

/// How often each rule was turned round.
type Turned = BTreeMap<String, usize>;

/// Turns round all rules of all explanations.
fn check(world: &World, breadth: Breadth, what: &str, turned: &mut Turned) {
    let made = world.made();
    let lenient = lenient(world).made();
    let mut names: BTreeSet<Name> = made.names().into_iter().chain(lenient.names()).collect();
    names.extend(RESERVED.map(name));
    let is_worth = |name: &Name, rtype| {
        let has = |made: &Made| records_at(made, name, rtype) > 0;
        rtype == 1 || RESERVED.map(self::name).contains(name) || has(&made) || has(&lenient)
    };
    let every = match breadth {
        Breadth::Every => 1,
        Breadth::Some => names.len().div_ceil(NAMES_MAX).max(1),
    };
    let mut worlds = Worlds::default();
    for name in names.iter().step_by(every) {
        worlds.explained.clear();
        for rtype in TYPES.into_iter().filter(|rtype| is_worth(name, *rtype)) {
            let explanation = made.explain(name, rtype);
            let case = Case { world, what, name, rtype, explanation: &explanation };
            case.agrees_with(&made);
            case.turn_records(turned, &mut worlds);
            case.turn_dropped(turned, &mut worlds);
        }
    }
}

/// Worlds in which rules are turned round, and what is explained in them: many records hang on the same.
#[derive(Default)]
struct Worlds {
    made: BTreeMap<String, (Made, Effect)>,
    explained: BTreeMap<(String, u16), Explanation>,
}

/// How many records of a type stand at a name.
fn records_at(made: &Made, name: &Name, rtype: u16) -> usize {
    made.zone.find(name.as_wire()).map_or(0, |node| match rtype {
        1 => node.a().len(),
        28 => node.aaaa().len(),
        33 => node.srv().len() + node.preferred().len(),
        other => node.others(other).count(),
    })
}

/// Names that tasks would have if they were not ours.
const RESERVED: [&str; 2] = ["top.slave.mesos.", "x._zone.y.marathon.mesos."];

/// Rules that hold for everybody alike.
const OF_ALL: [&str; 12] = [
    "extra-name",
    "hidden",
    "hidden-port",
    "master",
    "network-declared",
    "prefix-declared",
    "server",
    "static-fill",
    "too-few-healthy",
    "ttl",
    "ttl-label",
    "ttl-static",
];

impl Worlds {
    /// What is explained, and what it has to change, where these steps are otherwise.
    fn turn(
        &mut self,
        case: &Case<'_>,
        rtype: u16,
        steps: &[Step],
        who: &Contributor,
    ) -> (&Explanation, Effect) {
        let is_of_all = steps.iter().all(|step| OF_ALL.contains(&&*step.rule));
        let of = if is_of_all { String::new() } else { format!("{:?}", ids(who)) };
        let rules: Vec<_> = steps.iter().map(|step| (&step.rule, &step.value)).collect();
        let key = format!("{rules:?} {of}");
        let (made, effect) = self.made.entry(key.clone()).or_insert_with(|| {
            let mut world = case.world.clone();
            let effects: Vec<Effect> = steps.iter().map(|step| flip(&mut world, step, who)).collect();
            (world.made(), effects.into_iter().max().unwrap())
        });
        let explained = self.explained.entry((key, rtype)).or_insert_with(|| made.explain(case.name, rtype));
        (explained, *effect)
    }
}

struct Case<'a> {
    world: &'a World,
    what: &'a str,
    name: &'a Name,
    rtype: u16,
    explanation: &'a Explanation,
}

impl Case<'_> {
    /// What is explained is what is there, and all of it has its reasons.
    fn agrees_with(&self, made: &Made) {
        let Explanation { records, records_total, dropped, verdict, .. } = self.explanation;
        let at = || format!("{}: {} {}: {:#?}", self.what, self.name, self.rtype, self.explanation);
        let node = made.zone.find(self.name.as_wire());
        let there = records_at(made, self.name, self.rtype);
        assert_eq!(there, *records_total, "{}", at());
        let outcome = match (node, there) {
            (None, _) => "no-name",
            (Some(_), 0) => "no-data",
            (Some(_), _) => "answer",
        };
        assert_eq!(verdict.outcome, outcome, "{}", at());
        for told in records {
            assert!(!told.contributors.is_empty(), "{}", at());
            assert!(told.position.is_some() || verdict.truncated, "{}", at());
            assert!(
                told.contributors.iter().all(|who| who.kind == "static" || !who.why.is_empty()),
                "{}",
                at()
            );
        }
        assert!(dropped.iter().all(|dropped| !dropped.but_for.is_empty()), "{}", at());
    }

    fn turn_records(&self, turned: &mut Turned, worlds: &mut Worlds) {
        for told in &self.explanation.records {
            for who in &told.contributors {
                for step in told.why.iter().chain(&who.why) {
                    let (after, effect) = worlds.turn(self, self.rtype, std::slice::from_ref(step), who);
                    let is_it = |other: &&Told| (&other.data, other.ttl) == (&told.data, told.ttl);
                    let still = after.records.iter().find(is_it);
                    let same = still.and_then(|told| {
                        Some((told, told.contributors.iter().find(|other| is_same(other, who))?))
                    });
                    let is_turned = match effect {
                        Effect::Goes => same.is_none(),
                        Effect::Yields => same.is_none_or(|(told, who)| {
                            told.why.iter().chain(&who.why).all(|other| other != step)
                        }),
                        Effect::Comes | Effect::Moves => false,
                    };
                    assert!(is_turned, "{}", self.fails(step, who, after));
                    *turned.entry(step.rule.clone()).or_default() += 1;
                }
                self.turn_not_taken(who, turned, worlds);
            }
        }
    }

    /// What spoke against an address is otherwise: then it does not speak against it any more.
    fn turn_not_taken(&self, who: &Contributor, turned: &mut Turned, worlds: &mut Worlds) {
        for step in &who.not_taken {
            for rtype in [1, 28] {
                let (after, _) = worlds.turn(self, rtype, std::slice::from_ref(step), who);
                let same = after.records.iter().flat_map(|told| &told.contributors);
                let mut steps = same.filter(|other| is_same(other, who)).flat_map(|who| &who.not_taken);
                assert!(steps.all(|other| other != step), "{}", self.fails(step, who, after));
            }
            *turned.entry(step.rule.clone()).or_default() += 1;
        }
    }

    /// Where several rules leave something out, all of them have to change.
    fn turn_dropped(&self, turned: &mut Turned, worlds: &mut Worlds) {
        for Dropped { data, but_for, candidate } in &self.explanation.dropped {
            let (after, effect) = worlds.turn(self, self.rtype, but_for, candidate);
            let comes = after.records.iter().any(|told| {
                let is_it = data.as_ref().is_none_or(|data| *data == format!("{} {}", told.rtype, told.data));
                is_it && told.contributors.iter().any(|other| is_same(other, candidate))
            });
            let stays = after.dropped.iter().any(|other| {
                (&other.data, &other.but_for) == (data, but_for) && is_same(&other.candidate, candidate)
            });
            // Of what has no data nobody knows the family that its address would have.
            let has_to_come = effect == Effect::Comes && !(data.is_none() && self.rtype == 28);
            assert!(!stays && (comes || !has_to_come), "{}", self.fails(&but_for[0], candidate, after));
            for step in but_for {
                *turned.entry(step.rule.clone()).or_default() += 1;
            }
        }
    }

    fn fails(&self, step: &Step, who: &Contributor, after: &Explanation) -> String {
        let Self { what, name, rtype, explanation, .. } = self;
        format!(
            "{what}: {name} {rtype}: nothing hangs on {step:#?} of {who:#?}\nbefore {explanation:#?}\nafter {after:#?}"
        )
    }
}

fn is_same(one: &Contributor, other: &Contributor) -> bool {
    ids(one) == ids(other)
}

/// By what contributors are told apart.
fn ids(who: &Contributor) -> (&str, [Option<&str>; 3]) {
    let ids = [&who.task, &who.framework, &who.agent].map(|named| named.as_ref().map(|named| &*named.id));
    (&who.kind, ids)
}

fn report(turned: &Turned) {
    let rules: Vec<String> = turned.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    println!("turned round: {}", rules.join(", "));
}

//------------ The documents ---------------------------------------------------

fn check_documents(files: &[PathBuf], policies: &[Policy], breadth: Breadth) -> Turned {
    let mut turned = Turned::new();
    for file in files {
        for (number, policy) in policies.iter().enumerate() {
            let world = world(&fs::read(file).unwrap(), policy.clone());
            check(&world, breadth, &format!("{} {number}", file.display()), &mut turned);
        }
    }
    report(&turned);
    turned
}

#[test]
fn our_documents() {
    let files = json_files(&root().join("test-data/ours"));
    let turned = check_documents(&files, &policies()[..1], Breadth::Every);
    for rule in ["running", "not-running", "address-reachable", "host-for-want", "agent-address"] {
        assert!(turned.contains_key(rule), "{rule}");
    }
}

#[test]
fn our_documents_by_other_rules() {
    let files = json_files(&root().join("test-data/ours"));
    let turned = check_documents(&files, &policies()[1..], Breadth::Some);
    for rule in ["address-source", "address-outranked", "extra-name", "port-as-listed"] {
        assert!(turned.contains_key(rule), "{rule}");
    }
}

#[test]
fn what_a_master_answered() {
    let files = [root().join("test-data/real-1.12/state.json")];
    check_documents(&files, &policies(), Breadth::Every);
}

#[test]
fn documents_of_third_parties() {
    let others = fixtures();
    let files = json_files(&others.join("state"));
    if files.is_empty() {
        println!("skipped: documents of third parties (no {})", others.join("state").display());
    }
    check_documents(&files, &policies()[..1], Breadth::Some);
}

#[test]
fn shapes_of_tasks() {
    let mut turned = Turned::new();
    for file in json_files(&root().join("test-data/shapes")) {
        let shape: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let leader = shape["leader"].as_str().unwrap_or("10.0.0.1:5050");
        let document = json!({
            "pid": format!("master@{leader}"),
            "leader": format!("master@{leader}"),
            "slaves": [shape["agent"]],
            "frameworks": [{
                "id": shape["task"]["framework_id"],
                "name": shape["framework"].as_str().unwrap_or("marathon"),
                "tasks": [shape["task"]],
            }],
        });
        let mut members = json!({"masters": ["10.0.0.1:5050"], "externalOn": false});
        for (key, value) in shape["config"].as_object().into_iter().flatten() {
            members[key] = value.clone();
        }
        let config = File::parse("shape", members.to_string().as_bytes()).unwrap();
        let config = Config::build(config, &Surroundings::unread()).unwrap();
        let policy = Policy { addresses: config.addresses.clone(), ..policy() };
        let mut world = world(document.to_string().as_bytes(), policy);
        for (host, addresses) in shape["hosts"].as_object().into_iter().flatten() {
            let addresses: Vec<_> = addresses
                .as_array()
                .unwrap()
                .iter()
                .map(|text| text.as_str().unwrap().parse().unwrap())
                .collect();
            world.hosts.insert(Arc::from(&**host), addresses);
        }
        check(&world, Breadth::Every, &file.display().to_string(), &mut turned);
    }
    report(&turned);
    for rule in [
        "host-network",
        "address-on-bridge",
        "address-mapped",
        "network-declared",
        "prefix-declared",
        "port-mapped",
        "port-of-agent",
        "network-name",
    ] {
        assert!(turned.contains_key(rule), "{rule}");
    }
}

/// What no captured document has: labels, places, health of every kind, visibility, static records, reserved names.
#[test]
fn rare_things() {
    check_rare(
        &[(Health::Prefer, Visibility::Framework, 1), (Health::Prefer, Visibility::External, 90)],
        &[
            "agent-unknown",
            "agent-without-address",
            "alias-label",
            "enough-healthy",
            "extra-name",
            "hidden",
            "hidden-port",
            "impossible-port",
            "killing",
            "master",
            "name-as-is",
            "none-healthy",
            "preference-label",
            "reserved-framework",
            "reserved-name",
            "scheduler",
            "server",
            "static-fill",
            "static-not-needed",
            "static-override",
            "too-few-healthy",
            "ttl-label",
            "ttl-static",
            "unhealthy",
        ],
    );
}

#[test]
fn rare_things_by_other_rules() {
    check_rare(
        &[(Health::Require, Visibility::External, 1), (Health::Ignore, Visibility::Framework, 1)],
        &["killed", "unchecked-alone", "unhealthy-alone"],
    );
}

fn check_rare(rules: &[(Health, Visibility, u8)], expected: &[&str]) {
    let mut turned = Turned::new();
    let document = rare_document().to_string();
    let every = [ExtraName::Agents, ExtraName::Browse, ExtraName::Places, ExtraName::Ports, ExtraName::Text];
    for (health, visibility, healthy_minimum) in rules.iter().copied() {
        let extra = Extra { names: every.into_iter().collect(), visibility, weight: 1, fixed: fixed() };
        let policy = Policy { health, extra, ..policy() };
        let world = World { healthy_minimum, ..world(document.as_bytes(), policy) };
        check(&world, Breadth::Every, &format!("rare {health:?} {visibility:?}"), &mut turned);
    }
    report(&turned);
    for rule in expected {
        assert!(turned.contains_key(*rule), "{rule} of {turned:?}");
    }
}

fn fixed() -> Arc<Fixed> {
    let owner = |text: &str, rule| {
        let data = vec![Data::A([10, 7, 7, 7].into()), Data::Ttl(7)];
        (name(text), FixedOwner { data, rule })
    };
    let owners = [
        owner("db.marathon.mesos.", Rule::Override),
        owner("static.mesos.", Rule::Fill),
        owner("web.marathon.mesos.", Rule::Fill),
    ];
    Arc::new(Fixed { owners: owners.into() })
}

fn rare_document() -> Value {
    let task = |id: &str, name: &str, agent: &str, more: Value| {
        let mut task = json!({
            "id": id, "name": name, "framework_id": "F0", "slave_id": agent, "state": "TASK_RUNNING",
            "resources": {"ports": "[31000-31001]"},
            "statuses": [{"state": "TASK_RUNNING", "timestamp": 1.0, "container_status": {"network_infos": [
                {"ip_addresses": [{"ip_address": format!("10.1.0.{}", id.len() + usize::from(id.as_bytes()[id.len() - 1]))}]},
            ]}}],
        });
        for (key, value) in more.as_object().unwrap() {
            task[key] = value.clone();
        }
        task
    };
    let health = |is_healthy: bool, last: u8| {
        json!({"health_check": {}, "statuses": [{"state": "TASK_RUNNING", "timestamp": 1.0, "healthy": is_healthy,
            "container_status": {"network_infos": [{"ip_addresses": [{"ip_address": format!("10.2.0.{last}")}]}]}}]})
    };
    let discovery = |name: &str, visibility: &str, ports: Value| json!({"discovery": {"name": name, "visibility": visibility, "ports": {"ports": ports}}});
    let port = |number: i64, name: &str| json!({"number": number, "name": name, "protocol": "tcp"});
    let label = |key: &str, value: &str| json!({"key": key, "value": value});
    let tasks = json!([
        task("web.1", "web", "A-S1", health(true, 1)),
        task("web.2", "web", "A-S2", health(false, 2)),
        task("web.3", "web", "A-S2", health(false, 3)),
        task("sick.1", "sick", "A-S1", health(false, 4)),
        task("new.1", "new", "A-S1", json!({"health_check": {}})),
        task("going.1", "going", "A-S1", json!({"state": "TASK_KILLING"})),
        task("idle.1", "idle", "A-S1", json!({"state": "TASK_STAGING"})),
        task("lost.1", "lost", "A-S9", json!({})),
        task("bare.1", "bare", "A-S3", json!({"statuses": []})),
        task("db.1", "db", "A-S1", json!({})),
        task(
            "tuned.1",
            "tuned",
            "A-S1",
            json!({"labels": [
                label("dns.alias", "Other_Name"), label("dns.ttl", "33"), label("dns.weight", "9"), label("dns.priority", "2"),
            ]})
        ),
        task(
            "seen.1",
            "seen",
            "A-S1",
            discovery(
                "My.Seen",
                "EXTERNAL",
                json!([port(31000, "http"), port(0, "none"), port(70000, "far")])
            )
        ),
        task("unseen.1", "unseen", "A-S2", discovery("unseen", "FRAMEWORK", json!([port(31000, "http")]))),
        task(
            "half.1",
            "half",
            "A-S2",
            discovery(
                "half",
                "FRAMEWORK",
                json!([
                    {"number": 31000, "name": "http", "protocol": "tcp", "visibility": "EXTERNAL"}, port(31001, "admin"),
                ])
            )
        ),
        task("ours.1", "ours", "A-S1", discovery("x._zone.y", "EXTERNAL", json!([port(31000, "http")]))),
        task("top.1", "top", "A-S1", json!({"framework_id": "F1"})),
    ]);
    let of = |framework: &str| {
        let own = tasks.as_array().unwrap().iter().filter(|task| task["framework_id"] == framework);
        own.cloned().collect::<Vec<Value>>()
    };
    let place = json!({"fault_domain": {"region": {"name": "east"}, "zone": {"name": "East_1"}}});
    json!({
        "pid": "master@10.0.0.1:5050", "leader": "master@10.0.0.1:5050",
        "slaves": [
            {"id": "A-S1", "hostname": "node1.example", "pid": "slave(1)@10.0.0.11:5051", "domain": place},
            {"id": "A-S2", "hostname": "node2.example", "pid": "slave(1)@10.0.0.12:5051"},
            {"id": "A-S3", "hostname": "node3.example"},
        ],
        "frameworks": [
            {"id": "F0", "name": "marathon", "pid": "scheduler@10.0.0.2:8080", "tasks": of("F0")},
            {"id": "F1", "name": "slave", "tasks": of("F1")},
        ],
    })
}
