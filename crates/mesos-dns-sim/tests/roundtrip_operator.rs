//! What the simulator's operator API means is what the core reads: the snapshot says the same as `/state`, and the
//! changes of a stream lead from one `/state` to the next.

use std::{collections::BTreeMap, time::Duration};

use mesos_dns_core::{
    cluster::{Change, Document, Framework, Skipped, Task},
    mesos::{
        operator::{Limits, Said, Stream},
        state::{Decoder, Shape, assemble, decode, decode_as},
    },
};
use mesos_dns_sim::{
    catalogue::{Flavour, assorted},
    cluster::Cluster,
    life::{Life, Settings},
    memory::Memory,
    profile::Profile,
    render::{
        self, Face, Knowledge, View,
        v1::{self, Call},
    },
};

const START: Duration = Duration::from_secs(1_700_000_000);

const HEARTBEAT: Duration = Duration::from_secs(15);

type Tasks = BTreeMap<(String, String), Task>;

fn master() -> Face {
    Face { id: "m".into(), address: "127.0.0.1:5050".parse().unwrap(), started: START }
}

fn rendered(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    render(&mut out).unwrap();
    out
}

fn tasks(document: &Document) -> Tasks {
    let key = |task: &Task| (task.framework_id.to_string(), task.id.to_string());
    document.tasks.iter().map(|task| (key(task), task.clone())).collect()
}

/// Frameworks without the port of their schedulers, which only `/state` tells.
fn frameworks(document: &Document) -> Vec<Framework> {
    let mut all: Vec<Framework> =
        document.frameworks.iter().map(|one| Framework { port: None, ..one.clone() }).collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn check(new: &Document, old: &Document) {
    assert_eq!(new.skipped, Skipped::default());
    assert!(new.complete);
    assert_eq!(new.agents, old.agents);
    assert_eq!(new.recovered_agents, old.recovered_agents);
    assert_eq!(tasks(new), tasks(old));
    assert_eq!(frameworks(new), frameworks(old));
}

fn check_snapshot(cluster: &Cluster, memory: &Memory, profile: Profile) {
    let master = master();
    let view = View { memory, profile, ..View::settled(cluster, &master) };
    let old = decode(&rendered(|out| render::state(view, out))).unwrap();
    let new = rendered(|out| v1::answer(view, Call::GetState, out));
    check(&decode_as(Shape::Operator, &new).unwrap(), &old);
}

#[test]
fn snapshots_say_what_state_says() {
    let (mut life, mut cluster) = assorted_cluster();
    for second in 1..=10 {
        life.advance(&mut cluster, START + Duration::from_secs(second));
        check_snapshot(&cluster, &Memory::default(), Profile::Current);
    }
    cluster.lose_agent(2, START);
    for profile in [Profile::Current, Profile::V1_9, Profile::V1_6, Profile::V1_5, Profile::V1_4] {
        check_snapshot(&cluster, &Memory::default(), profile);
        for back in 0..=cluster.agents.len() {
            let memory = Memory::new(Knowledge::Agents(back), &cluster, START);
            check_snapshot(&cluster, &memory, profile);
        }
    }
}

/// A cluster in which a framework with every kind of container starts its tasks.
fn assorted_cluster() -> (Life, Cluster) {
    let (mut life, mut cluster) = Life::new(Settings { seed: 3, tasks: 100, churn: 20.0 }, START);
    let framework = cluster.add_framework("lab", Flavour::Assorted, 2 * assorted::COUNT, START);
    let first = cluster.services.iter().position(|service| service.framework == framework).unwrap();
    for service in first..cluster.services.len() {
        life.start(&mut cluster, service, None, START).unwrap();
    }
    (life, cluster)
}

fn follow(tasks: &mut Tasks, change: Change) {
    match change {
        Change::TaskAdded(task) => {
            tasks.insert((task.framework_id.to_string(), task.id.to_string()), task);
        }
        Change::TaskEnded { framework_id, id } => {
            tasks.remove(&(framework_id.to_string(), id.to_string())).expect("a task that was there");
        }
        Change::TaskUpdated(update) => {
            let key = (update.framework_id.to_string(), update.id.to_string());
            let task = tasks.get_mut(&key).expect("a task that was there");
            task.state = update.state;
            if let Some(running) = update.running {
                task.healthy = running.healthy;
                task.addresses = running.addresses.unwrap_or_else(|| task.addresses.clone());
            }
        }
        _ => (),
    }
}

fn framed(text: &[u8]) -> Vec<u8> {
    [format!("{}\n", text.len()).as_bytes(), text].concat()
}

#[test]
fn streams_lead_from_one_state_to_the_next() {
    let master = master();
    let (mut life, mut cluster) = assorted_cluster();
    cluster.record();
    let mut memory = Memory::new(Knowledge::Agents(1), &cluster, START);
    let (mut stream, mut decoder, mut parts) =
        (Stream::new(Limits::default()), Decoder::default(), Vec::new());
    let mut believed = None;
    let view = View { memory: &memory, ..View::settled(&cluster, &master) };
    let mut bytes = framed(&rendered(|out| v1::subscribed(view, HEARTBEAT, out)));
    for second in 1..=40 {
        let mut piece = &bytes[..];
        while let Some(said) = stream.push(&mut piece).unwrap() {
            match said {
                Said::Batch(batch) => parts.push(decoder.decode(batch)),
                Said::Snapshot(outline) => {
                    believed = Some(tasks(&assemble(*outline, std::mem::take(&mut parts))))
                }
                Said::Change(change) => follow(believed.as_mut().expect("a snapshot first"), change),
                Said::Heartbeat => (),
                Said::Passed(passed) => panic!("{passed:?}"),
            }
        }
        let view = View { memory: &memory, ..View::settled(&cluster, &master) };
        let document = decode(&rendered(|out| render::state(view, out))).unwrap();
        assert_eq!(believed.as_ref(), Some(&tasks(&document)), "second {second}");

        let now = START + Duration::from_secs(second);
        let mut events = Vec::new();
        match second {
            10 => events.extend(memory.recall_agents([1, 2], &cluster, Profile::Current)),
            15 => events.extend(memory.recall_schedulers(0..4, &cluster)),
            20 => cluster.lose_agent(0, now),
            25 => cluster.return_agent(0, now),
            30 => cluster.tear_down(1, now),
            _ => (),
        }
        life.advance(&mut cluster, now);
        for fact in cluster.drain() {
            events.extend(memory.hear(fact, &cluster, Profile::Current));
        }
        let texts = events.iter().filter_map(|event| v1::event(&cluster, event, Profile::Current));
        bytes = texts.flat_map(|(_, text)| framed(&text)).collect();
        bytes.extend(framed(&v1::heartbeat()));
    }
    assert_eq!(stream.heartbeat_interval(), Some(HEARTBEAT));
    assert_eq!(stream.skipped(), Skipped::default());
}
