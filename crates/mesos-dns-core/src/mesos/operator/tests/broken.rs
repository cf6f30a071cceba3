//! Streams that are lost.

use super::*;
use crate::mesos::state::{self, BATCH_BYTES};

/// The stream is lost alike however it is cut, and stays lost.
fn check(bytes: &[u8], said_before: usize, expected: &str) {
    for piece in (1..=70).chain([bytes.len()]) {
        let mut stream = Stream::new(Limits::default());
        let (heard, error) = hear_in(&mut stream, bytes, piece);
        let error = error.expect("it is lost");
        assert_eq!((heard.len(), &*text(&error)), (said_before, expected), "{}", bytes.escape_ascii());
        assert_eq!(hear_in(&mut stream, EMPTY.as_bytes(), 5), (Vec::new(), Some(error)));
    }
}

/// An error and its causes.
fn text(error: &StreamError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn framing() {
    let framing = "the framing of the event stream is broken";
    let (good, empty) = (stream([EMPTY, r#"{"type":"HEARTBEAT"}"#]), stream([EMPTY]));
    let after = |bytes: &[u8]| [good.as_slice(), bytes].concat();
    check(b"<html>", 0, &format!("{framing}: \"<\" at byte 0 is no part of a record's length"));
    check(
        &after(b"\n"),
        2,
        &format!("{framing}: \"\\n\" at byte {} is no part of a record's length", good.len()),
    );
    check(
        &after(b"2\n{} 2\n"),
        3,
        &format!("{framing}: \" \" at byte {} is no part of a record's length", good.len() + 4),
    );
    let at = empty.len() + 7;
    check(
        &[&*empty, b"16777217\n{}"].concat(),
        1,
        &format!("{framing}: the record at byte {at} exceeds 16777216 bytes"),
    );
    check(b"8589934593\n{", 0, &format!("{framing}: the record at byte 9 exceeds 8589934592 bytes"));
    check(b"018446744073709551615", 0, &format!("{framing}: the record at byte 11 exceeds 8589934592 bytes"));
}

#[test]
fn something_else_first() {
    let check_first = |event: &str, begins: &str| {
        let expected = format!("the event stream begins with {begins:?} instead of a snapshot");
        check(&stream([event]), 0, &expected);
        check(&stream([r#"{"type":"HEARTBEAT"}"#, event]), 1, &expected);
    };
    check_first(r#"{"type":"TASK_ADDED","task_added":{"task":{}}}"#, "TASK_ADDED");
    check_first(r#"{"type":"GET_STATE","get_state":{}}"#, "GET_STATE");
    check_first("{}", "");
    check_first(r#"{"type":5,"subscribed":{"get_state":{}}}"#, "");
    check_first(&format!(r#"{{"type":"{}"}}"#, "x".repeat(99)), &"x".repeat(40));
    let heartbeat = r#"{"subscribed":{"get_state":{"get_tasks":{"tasks":[{}]}}},"type":"HEARTBEAT"}"#;
    check_first(heartbeat, "HEARTBEAT");
    let large = heartbeat.replace("[{}]", &format!("[{{\"x\":\"{}\"}}]", "x".repeat(BATCH_BYTES)));
    let expected = Some(StreamError::NotSubscribed { event: "HEARTBEAT".into() });
    assert_eq!(hear(&stream([large]), 1 << 16), (Vec::new(), expected));
}

#[test]
fn snapshots() {
    let check_snapshot = |event: &str, reason: &str| {
        let expected = format!("the snapshot of the event stream cannot be used: state document is {reason}");
        check(&stream([event.as_bytes(), EMPTY.as_bytes()]), 0, &expected);
    };
    check_snapshot(" ", "empty");
    check_snapshot(
        r#"{"type":"SUBSCRIBED","subscribed":{"get_state":{"get_tasks":{"tasks":[{}"#,
        "cut: it ends after 72 bytes, inside subscribed.get_state.get_tasks.tasks",
    );
    check_snapshot(
        r#"{"type":"SUBSCRIBED","subscribed":{"get_state":{"get_frameworks":{"frameworks":[{}"#,
        "cut: it ends after 82 bytes, inside subscribed.get_state.get_frameworks.frameworks",
    );
    check_snapshot(
        r#"{"subscribed":{"get_state":{"get_agents":{"agents":{}}}}}"#,
        "malformed at byte 53, in subscribed.get_state.get_agents: agents is not a list",
    );
    check_snapshot(
        r#"{"subscribed":{"get_state":{"get_tasks":{"orphan_tasks":1}}}}"#,
        "malformed at byte 57, in subscribed.get_state.get_tasks: orphan_tasks is not a list",
    );
    check_snapshot(
        r#"{"subscribed":{"get_state":{"get_tasks":[]}}}"#,
        "malformed at byte 42, in subscribed.get_state: get_tasks is not an object",
    );
    check_snapshot(
        r#"{"subscribed":{"get_state":7}}"#,
        "malformed at byte 28, in subscribed: get_state is not an object",
    );
    check_snapshot(
        r#"{"subscribed":"x"}"#,
        "malformed at byte 17, in the outermost object: subscribed is not an object",
    );
    check_snapshot(
        r#"{"subscribed":{"get_state":{"get_tasks":{"tasks":[{]]}}}}"#,
        "malformed at byte 51, in subscribed.get_state.get_tasks.tasks: a bracket closes one of the other kind",
    );
    // What is only good to know costs nothing.
    document(&subscribed(r#""get_tasks":{"unreachable_tasks":{}}"#));
}

#[test]
fn events_that_are_no_json() {
    for event in
        ["x", "5", "[]", "{", "{\"type\":\"HEARTBEAT\"} x", "{\"type\"}", "{\"a\":[}", "\"HEARTBEAT\""]
    {
        let bytes = stream([EMPTY, event]);
        let end = bytes.len();
        for piece in [1, 7, end] {
            let (heard, error) = hear(&[&*bytes, &stream([EMPTY])].concat(), piece);
            assert_eq!(heard.len(), 1, "{event}");
            assert!(
                matches!(error, Some(StreamError::NotJson { at, .. }) if at == end as u64),
                "{event}: {error:?}"
            );
        }
    }
    let cause = "a comma or the end of the object is expected at byte 19";
    let bytes = stream([EMPTY, r#"{"type":"HEARTBEAT""#]);
    let expected = format!("the event before byte {} of the stream is no JSON object: {cause}", bytes.len());
    check(&bytes, 1, &expected);
}

#[test]
fn limits() {
    let snapshot = state::Limits { body_bytes: 500, element_bytes: 100, tasks: 3, agents: 2, frameworks: 1 };
    let limits = Limits { snapshot, event_bytes: 300 };
    let check = |event: &str, expected: Option<&str>| {
        let bytes = stream([event]);
        for piece in [1, 10, bytes.len()] {
            let (heard, error) = hear_in(&mut Stream::new(limits), &bytes, piece);
            assert_eq!(error.as_ref().map(text).as_deref(), expected, "{event}");
            assert_eq!(heard.is_empty(), expected.is_some(), "{event}");
        }
    };
    let too_many = |what: &str| {
        format!("the snapshot of the event stream cannot be used: state document has more than {what}")
    };
    check(&subscribed(r#""get_tasks":{"tasks":[{},{}],"unreachable_tasks":[{}]}"#), None);
    check(
        &subscribed(r#""get_tasks":{"tasks":[{},{}],"unreachable_tasks":[{},{}]}"#),
        Some(&too_many("3 tasks")),
    );
    check(
        &subscribed(r#""get_agents":{"agents":[{}],"recovered_agents":[{},{}]}"#),
        Some(&too_many("2 agents")),
    );
    check(&subscribed(r#""get_frameworks":{"frameworks":[{},{}]}"#), Some(&too_many("1 frameworks")));
    let long = "the framing of the event stream is broken: the record at byte 2 exceeds 500 bytes";
    check(&subscribed(&format!("\"x\":\"{}\"", "x".repeat(500))), Some(long));
    // Another limit holds for what follows.
    let event = |length: usize| format!(r#"{{"type":"HEARTBEAT","x":"{}"}}"#, "x".repeat(length));
    for (length, lost) in [(200, false), (400, true)] {
        let bytes = stream([EMPTY, &event(length)]);
        let (heard, error) = hear_in(&mut Stream::new(limits), &bytes, 9);
        assert_eq!((heard.len(), error.is_some()), (if lost { 1 } else { 2 }, lost));
    }
    // A task that is too large costs only itself.
    let large = subscribed(&format!(
        r#""get_tasks":{{"tasks":[{{"x":"{}"}},{{"task_id":{{"value":"t"}},"framework_id":{{"value":"F"}}}}]}}"#,
        "x".repeat(150)
    ));
    let (heard, error) = hear_in(&mut Stream::new(limits), &stream([large]), 50);
    let [Heard::Snapshot(document)] = &*heard else { panic!("{error:?}") };
    assert_eq!((document.tasks.len(), document.skipped.tasks), (1, 1));
}
