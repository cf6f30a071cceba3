//! Snapshots, good and odd.

use std::time::Duration;

use super::*;
use crate::{
    cluster::{Endpoint, Host, PortRange, Skipped},
    mesos::state::{Shape, decode, decode_as},
};

fn ids(document: &Document) -> Vec<(&str, &str)> {
    document.tasks.iter().map(|task| (&*task.framework_id, &*task.id)).collect()
}

fn task(framework: &str, id: &str) -> String {
    format!(
        r#"{{"task_id":{{"value":"{id}"}},"framework_id":{{"value":"{framework}"}},"state":"TASK_RUNNING"}}"#
    )
}

#[test]
fn members_in_any_order() {
    let event = format!(
        r#"{{"subscribed":{{"x":[{{}}],"get_state":{{"get_agents":{{"recovered_agents":[{{"hostname":"h","id":{{"value":"S1"}}}}],
        "agents":[{{"pid":"slave(1)@10.0.0.1:5051","agent_info":{{"id":{{"value":"S0"}},"hostname":"n"}}}}]}},"get_executors":
        {{"executors":[{{}}]}},"get_tasks":{{"completed_tasks":[{}],"orphan_tasks":[{}],"pending_tasks":[{}],"tasks":[{},{}],
        "unreachable_tasks":[{}]}},"get_frameworks":{{"completed_frameworks":[{{"framework_info":{{"id":{{"value":"old"}}}}}}],
        "frameworks":[{{"active":true,"framework_info":{{"name":"marathon","id":{{"value":"F"}},"hostname":"h"}}}}]}}}},
        "heartbeat_interval_seconds":15.0}},"type":"SUBSCRIBED"}}"#,
        task("F", "done"),
        task("G", "orphan"),
        task("F", "pending"),
        task("F", "t"),
        task("F", "ended").replace("RUNNING", "KILLED"),
        task("F", "gone").replace("RUNNING", "UNREACHABLE"),
    );
    let found = document(&event);
    assert_eq!(ids(&found), [("G", "orphan"), ("F", "t")]);
    assert_eq!(found.unreachable, [("F".into(), "gone".into())]);
    let [agent] = &*found.agents else { panic!("one agent") };
    let address = Endpoint { host: Host::new("10.0.0.1"), port: 5051 };
    assert_eq!((&*agent.id, &*agent.hostname, &agent.address), ("S0", "n", &Some(address)));
    assert_eq!(found.recovered_agents, ["S1".into()]);
    let [framework] = &*found.frameworks else { panic!("one framework") };
    assert_eq!((&*framework.id, &*framework.name, framework.port), ("F", "marathon", None));
    assert_eq!(framework.host, Some(Host::new("h")));
    assert!(found.complete);
    assert_eq!(found.skipped, Skipped::default());
}

#[test]
fn empty_and_missing_are_alike() {
    let empty = Document { complete: true, ..Document::default() };
    for members in [
        "",
        r#""get_tasks":{},"get_frameworks":{},"get_agents":{},"get_executors":{}"#,
        r#""get_tasks":{"tasks":[],"unreachable_tasks":[],"orphan_tasks":[]},"get_agents":{"agents":[],"recovered_agents":[]}"#,
        r#""get_tasks":null,"get_frameworks":{"frameworks":null},"get_agents":{"agents":null,"recovered_agents":null}"#,
        r#""get_tasks":{"tasks":null,"unreachable_tasks":null,"orphan_tasks":null}"#,
    ] {
        assert_eq!(document(&subscribed(members)), empty, "{members}");
    }
    for event in [
        r#"{"type":"SUBSCRIBED"}"#,
        r#"{"type":"SUBSCRIBED","subscribed":null}"#,
        r#"{"type":"SUBSCRIBED","subscribed":{"get_state":null}}"#,
        r#"{"type":"SUBSCRIBED","subscribed":{"get_state":{},"get_state":null}}"#,
    ] {
        assert_eq!(document(event), Document::default(), "{event}");
    }
}

#[test]
fn the_last_of_two_counts() {
    let (a, b, c) = (task("F", "a"), task("F", "b"), task("F", "c"));
    let check = |members: &str, expected: &[(&str, &str)]| {
        assert_eq!(ids(&document(&subscribed(members))), expected, "{members}");
    };
    check(&format!(r#""get_tasks":{{"tasks":[{a}],"tasks":[{b}]}}"#), &[("F", "b")]);
    check(
        &format!(r#""get_tasks":{{"tasks":[{a}]}},"get_tasks":{{"tasks":[{b},{c}]}}"#),
        &[("F", "b"), ("F", "c")],
    );
    check(&format!(r#""get_tasks":{{"tasks":[{a}]}},"get_tasks":{{}}"#), &[]);
    check(&format!(r#""GET_tasks":{{"Tasks":[{a}]}}"#), &[("F", "a")]);
    let both = r#""get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"F"}}}]},"get_agents":{"agents":[{
        "agent_info":{"id":{"value":"S"}},"pid":"x@10.0.0.1:1"}],"recovered_agents":[{"id":{"value":"R"}}]}"#;
    let found = document(&subscribed(both));
    assert_eq!((found.frameworks.len(), found.agents.len(), found.recovered_agents.len()), (1, 1, 1));
    let found = document(&subscribed(&format!(r#"{both},"get_frameworks":{{}},"get_agents":null"#)));
    assert_eq!(found, Document { complete: true, ..Document::default() });
    let twice = format!(
        r#"{{"type":"HEARTBEAT","type":"SUBSCRIBED","subscribed":{{"get_state":{{"get_tasks":{{"tasks":[{a}]}},"get_agents":
        {{"agents":[{{"agent_info":{{"id":{{"value":"S"}}}},"pid":"x@10.0.0.1:1"}}]}}}}}},"subscribed":{{"get_state":{{}}}}}}"#
    );
    let found = document(&twice);
    assert_eq!((found.agents.len(), found.tasks.len(), found.complete), (0, 0, true));
}

#[test]
fn elements_of_no_use_cost_only_themselves() {
    let found = document(&subscribed(&format!(
        r#""get_tasks":{{"tasks":[5,null,{{}},{{"task_id":{{"value":"t"}}}},{{"framework_id":{{"value":"F"}}}},{},[]],
        "unreachable_tasks":[{{}},7,{}]}},"get_agents":{{"agents":[5,{{"agent_info":{{"id":"S"}}}},{{"pid":"a@10.0.0.1:1",
        "agent_info":{{"id":{{"value":"S"}}}}}}],"recovered_agents":[{{"id":"S1"}},{{"id":{{"value":"S2"}}}}]}},
        "get_frameworks":{{"frameworks":[null,{{}},{{"framework_info":{{"id":{{"value":"F"}},"name":{{}}}}}},
        {{"framework_info":{{"id":{{"value":"G"}}}}}}]}}"#,
        task("F", "good"),
        task("F", "gone"),
    )));
    assert_eq!(ids(&found), [("F", "good")]);
    assert_eq!(found.unreachable, [("F".into(), "gone".into())]);
    assert_eq!((found.agents.len(), found.recovered_agents.len(), found.frameworks.len()), (1, 1, 1));
    let expected = Skipped { tasks: 8, agents: 3, frameworks: 3, ..Skipped::default() };
    assert_eq!(found.skipped, expected);
}

#[test]
fn the_answer_of_get_state_has_the_same_shape() {
    let state = format!(r#"{{"get_tasks":{{"tasks":[{}]}}}}"#, task("F", "t"));
    let answer = format!(r#"{{"type":"GET_STATE","get_state":{state}}}"#);
    let answer = decode_as(Shape::Operator, answer.as_bytes()).expect("an answer");
    assert_eq!(answer, document(&format!(r#"{{"type":"SUBSCRIBED","subscribed":{{"get_state":{state}}}}}"#)));
    // Neither shape is taken for the other.
    let nested = br#"{"slaves":[],"frameworks":[{"id":"F","tasks":[{"id":"t"}]}]}"#;
    assert_eq!(decode_as(Shape::Operator, nested), Ok(Document::default()));
    let flat = format!(r#"{{"type":"GET_STATE","get_state":{state}}}"#);
    assert_eq!(decode(flat.as_bytes()), Ok(Document::default()));
}

#[test]
fn many_batches_keep_their_order() {
    let pad = "y".repeat(1000);
    let task = |number: usize| {
        format!(
            r#"{{"task_id":{{"value":"{number}"}},"framework_id":{{"value":"F"}},"x":"{pad}","resources":[{{"name":"ports",
            "ranges":{{"range":[{{"begin":{number},"end":{number}}}]}}}}]}}"#
        )
    };
    let tasks: Vec<_> = (0..2000).map(task).collect();
    let event = subscribed(&format!(r#""get_tasks":{{"tasks":[{}]}}"#, tasks.join(",")));
    let bytes = stream([&*event, r#"{"type":"HEARTBEAT"}"#]);
    for piece in [bytes.len(), 64 << 10, 999] {
        let (heard, error) = hear(&bytes, piece);
        let [Heard::Snapshot(document), Heard::Heartbeat] = &*heard else { panic!("{error:?}") };
        assert_eq!(document.tasks.len(), 2000);
        for (number, task) in document.tasks.iter().enumerate() {
            assert_eq!(*task.id, *number.to_string());
            assert_eq!(*task.ports, [PortRange { first: number as u32, last: number as u32 }]);
        }
    }
}

#[test]
fn heartbeats_may_come_first() {
    let heartbeat = r#"{"type":"HEARTBEAT"}"#;
    let bytes = stream([heartbeat, heartbeat, EMPTY, heartbeat]);
    for piece in 1..=bytes.len() {
        let (heard, error) = hear(&bytes, piece);
        let heartbeats = [Heard::Heartbeat, Heard::Heartbeat];
        assert!(matches!(&*heard, [.., Heard::Snapshot(_), Heard::Heartbeat]), "{error:?}");
        assert_eq!(heard.get(..2), Some(&heartbeats[..]));
    }
}

#[test]
fn interval_of_heartbeats() {
    let check = |seconds: &str, expected: Option<Duration>| {
        let event = EMPTY.replace("}}}", &format!("}},\"heartbeat_interval_seconds\":{seconds}}}}}"));
        let mut listener = Stream::new(Limits::default());
        assert_eq!(listener.heartbeat_interval(), None);
        let (heard, error) = hear_in(&mut listener, &stream([event]), 7);
        assert_eq!((heard.len(), error), (1, None));
        assert_eq!(listener.heartbeat_interval(), expected, "{seconds}");
    };
    check("15.0", Some(Duration::from_secs(15)));
    check("1.5e1", Some(Duration::from_secs(15)));
    check("0.25", Some(Duration::from_millis(250)));
    check("1e300", None);
    check("1e9", Some(HEARTBEAT_INTERVAL_MAX));
    for odd in ["0", "-1", "null", "\"15\"", "Infinity", "[]"] {
        check(odd, None);
    }
}
