//! Broken documents, and broken elements in good ones.

use super::*;
use crate::cluster::Skipped;

fn check(document: impl AsRef<[u8]>, expected: &str) {
    let document = document.as_ref();
    let error = decode(document).expect_err("a broken document");
    assert_eq!(error.to_string(), expected, "{}", document.escape_ascii());
    let pieces = decode_pieces(document.chunks(1)).expect_err("a broken document");
    match error {
        // What a foreign document begins with is told as far as it is known.
        StateError::NotJson { .. } => assert!(matches!(pieces, StateError::NotJson { .. })),
        error => assert_eq!(pieces, error, "in pieces"),
    }
}

#[test]
fn not_a_state_document() {
    check("", "state document is empty");
    check(" \r\n\t", "state document is empty");
    check(
        "<!DOCTYPE html><html><head><title>502 Bad Gateway</title>",
        "state document is not a JSON object, it begins with \"<!DOCTYPE html><html><head><title>502 Ba\"",
    );
    check("No leader elected", "state document is not a JSON object, it begins with \"No leader elected\"");
    check("[{}]", "state document is not a JSON object, it begins with \"[{}]\"");
    check("\x1f\u{8b}\x08", "state document is not a JSON object, it begins with \"\\u{1f}\\u{8b}\\u{8}\"");
    check("cb({})", "state document is not a JSON object, it begins with \"cb({})\"");
}

#[test]
fn cut_anywhere() {
    for length in 0..SMALL.len() {
        let cut = SMALL.as_bytes().get(..length).expect("in range");
        let error = decode(cut).expect_err("cut");
        match length {
            0 => assert_eq!(error, StateError::Empty),
            _ => assert!(
                matches!(error, StateError::Truncated { bytes, .. } if bytes == length as u64),
                "{error}"
            ),
        }
    }
    check("{", "state document is cut: it ends after 1 bytes, inside the outermost object");
    check(
        r#"{"frameworks":[{"id":"F"},{"tasks":[{"id":"#,
        "state document is cut: it ends after 42 bytes, inside frameworks[1].tasks",
    );
}

#[test]
fn broken_structure() {
    let check = |document: &str, reason: &str| {
        check(document, &format!("state document is malformed at byte {reason}"))
    };
    check("{} x", "3, in what follows the outermost object: the end is expected, not \"x\"");
    check("{}{}", "2, in what follows the outermost object: the end is expected, not \"{\"");
    check("{]", "1, in the outermost object: the name of a member is expected, not \"]\"");
    check("{,}", "1, in the outermost object: the name of a member is expected, not \",\"");
    check(r#"{"a":1,}"#, "7, in the outermost object: the name of a member is expected, not \"}\"");
    check(r#"{"a" 1}"#, "5, in the outermost object: a colon is expected, not \"1\"");
    check(r#"{"a":}"#, "5, in the outermost object: a value is expected, not \"}\"");
    check(r#"{"a":1 2}"#, "7, in the outermost object: a comma or the end of it is expected, not \"2\"");
    check(r#"{"a":{"b":[}]}"#, "11, in the outermost object: a bracket closes one of the other kind");
    check(r#"{"slaves":[,]}"#, "11, in slaves: a value is expected, not \",\"");
    check(r#"{"slaves":[{},]}"#, "14, in slaves: a value is expected, not \"]\"");
    check(r#"{"slaves":[{}}"#, "13, in slaves: a comma or the end of it is expected, not \"}\"");
    check(
        r#"{"frameworks":[{"id":"F"}{}]}"#,
        "25, in frameworks: a comma or the end of it is expected, not \"{\"",
    );
    check(
        r#"{"frameworks":[{"tasks":[{}{}]}]}"#,
        "27, in frameworks[0].tasks: a comma or the end of it is expected, not \"{\"",
    );
    check("{\"a\":\x01}", "5, in the outermost object: a value is expected, not \"\\x01\"");
}

#[test]
fn wrong_types_of_the_document() {
    let check = |document: &str, reason: &str| {
        check(document, &format!("state document is malformed at byte {reason}"))
    };
    check(r#"{"leader":5}"#, "11, in the outermost object: leader is not a string");
    check(r#"{"slaves":{}}"#, "12, in the outermost object: slaves is not a list");
    check(r#"{"slaves":"no"}"#, "14, in the outermost object: slaves is not a list");
    check(r#"{"recovered_slaves":0}"#, "21, in the outermost object: recovered_slaves is not a list");
    check(r#"{"frameworks":true}"#, "18, in the outermost object: frameworks is not a list");
    let document = decode(br#"{"version":5,"pid":[],"elected_time":"x","leader":"nobody"}"#);
    assert_eq!(document, Ok(Document::default()));
}

#[test]
fn depth_bombs() {
    let reason = "more than 127 objects and lists are nested";
    let bomb = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    check(&bomb, &format!("state document is malformed at byte 132, in the outermost object: {reason}"));
    let bomb = format!(r#"{{"slaves":[{}"#, r#"{"id":"#.repeat(100_000));
    check(&bomb, &format!("state document is malformed at byte 773, in slaves: {reason}"));
    let deep = format!(r#""id":"t","x":{}{}"#, "[".repeat(126), "]".repeat(126));
    assert_eq!(with_task(&deep).tasks.len(), 3);
}

#[test]
fn limits() {
    let check = |limits: Limits, document: &str, expected: &str| {
        let mut splitter = Splitter::new(limits);
        let error = splitter.push(&mut document.as_bytes()).expect_err("too much");
        assert_eq!(error.to_string(), expected);
    };
    let limits = Limits { body_bytes: 100, element_bytes: 40, tasks: 3, agents: 2, frameworks: 1 };
    check(limits, &" ".repeat(101), "state document exceeds 100 bytes");
    check(limits, r#"{"slaves":[{},{}],"recovered_slaves":[{}"#, "state document has more than 2 agents");
    let document = r#"{"frameworks":[{"tasks":[{},{}]},{"tasks":[{},{}]"#;
    check(limits, document, "state document has more than 3 tasks");
    let document = r#"{"frameworks":[{"tasks":[{},{}],"unreachable_tasks":[{},{}]"#;
    check(limits, document, "state document has more than 3 tasks");
    let document = r#"{"frameworks":[{"id":"F"},{"id":"G"}"#;
    check(limits, document, "state document has more than 1 frameworks");
}

#[test]
fn oversized_elements_cost_only_themselves() {
    let large = "x".repeat(40);
    let document = format!(
        r#"{{"slaves":[{{"id":"{large}"}},{{"id":"S"}}],"frameworks":[{{"id":"F","name":"{large}"}},{{"id":"{large}"}},
        {{"{large}":1,"id":"G","tasks":[{{"id":"{large}"}},{{"id":"t"}},[{large}]]}}]}}"#
    );
    for size in [1, 10, 1000] {
        let mut splitter = Splitter::new(Limits { element_bytes: 40, ..Limits::default() });
        for mut piece in document.as_bytes().chunks(size) {
            assert!(splitter.push(&mut piece).expect("well formed").is_none());
        }
        let (outline, batch) = splitter.finish().expect("complete");
        let document = assemble(outline, vec![Decoder::default().decode(batch)]);
        assert_eq!((document.agents.len(), document.frameworks.len(), document.tasks.len()), (1, 1, 1));
        assert_eq!(
            document.skipped,
            Skipped { agents: 1, agent_addresses: 1, frameworks: 2, tasks: 2, ..Skipped::default() }
        );
    }
}

#[test]
fn wrong_types_cost_only_their_task() {
    let wrong: [&str; 4] = ["5", "true", "\"x\"", "{}"];
    let shapes = [
        (r#""id":@"#, "\"x\""),
        (r#""id":"t","name":@"#, "\"x\""),
        (r#""id":"t","slave_id":@"#, "\"x\""),
        (r#""id":"t","state":@"#, "\"x\""),
        (r#""id":"t","resources":@"#, "{}"),
        (r#""id":"t","resources":{"ports":@}"#, "\"x\""),
        (r#""id":"t","statuses":@"#, "[]"),
        (r#""id":"t","statuses":[@]"#, "{}"),
        (r#""id":"t","statuses":[{"state":@}]"#, "\"x\""),
        (r#""id":"t","statuses":[{"timestamp":@}]"#, "5"),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","labels":@}]"#, "[]"),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","labels":[@]}]"#, "{}"),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","labels":[{"key":@}]}]"#, "\"x\""),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","labels":[{"value":@}]}]"#, "\"x\""),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":@}]"#, "{}"),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":@}}]"#, "[]"),
        (r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[@]}}]"#, "{}"),
        (
            r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_addresses":@}]}}]"#,
            "[]",
        ),
        (
            r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_addresses":[@]}]}}]"#,
            "{}",
        ),
        (
            r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_addresses":[{"ip_address":@}]}]}}]"#,
            "\"x\"",
        ),
        (
            r#""id":"t","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_address":@}]}}]"#,
            "\"x\"",
        ),
        (r#""id":"t","discovery":@"#, "{}"),
        (r#""id":"t","discovery":{"name":@}"#, "\"x\""),
        (r#""id":"t","discovery":{"ports":@}"#, "{}"),
        (r#""id":"t","discovery":{"ports":{"ports":@}}"#, "[]"),
        (r#""id":"t","discovery":{"ports":{"ports":[@]}}"#, "{}"),
        (r#""id":"t","discovery":{"ports":{"ports":[{"number":@}]}}"#, "5"),
        (r#""id":"t","discovery":{"ports":{"ports":[{"name":@}]}}"#, "\"x\""),
        (r#""id":"t","discovery":{"ports":{"ports":[{"protocol":@}]}}"#, "\"x\""),
    ];
    for (shape, right) in shapes {
        for wrong in wrong.iter().filter(|wrong| **wrong != right) {
            let members = shape.replace('@', wrong);
            let document = with_task(&members);
            assert_eq!(document.skipped, Skipped { tasks: 1, ..Skipped::default() }, "{members}");
            assert_eq!(document.tasks.len(), 2, "{members}");
        }
        let document = with_task(&shape.replace('@', right));
        assert_eq!((document.tasks.len(), document.skipped.tasks), (3, 0), "{shape}");
    }
}

#[test]
fn broken_elements_cost_only_themselves() {
    for members in
        ["", r#""name":"x""#, r#""id":"""#, r#""id":null"#, r#""id""#, r#""id":"t",,"#, r#""id":"\x""#]
    {
        let document = with_task(members);
        assert_eq!(document.skipped, Skipped { tasks: 1, ..Skipped::default() }, "{members}");
    }
    let document = decode(
        br#"{"slaves":[5,null,{},{"id":7},{"id":"A","pid":5},{"id":"A","hostname":5},{"id":"B"},{"id":"C","pid":"x"}],
        "recovered_slaves":[5,{},{"id":"D"}],"frameworks":[5,null,[],{},{"id":5,"tasks":[{"id":"t"}]},{"id":"F","name":5},
        {"id":"G","tasks":{}},{"id":"H","tasks":[5,"x",null,[{"id":"t"}]]}]}"#,
    )
    .expect("well formed");
    assert_eq!(document.agents.iter().map(|agent| &*agent.id).collect::<Vec<_>>(), ["B", "C"]);
    assert_eq!(document.recovered_agents.iter().map(|id| &**id).collect::<Vec<_>>(), ["D"]);
    assert_eq!(document.frameworks.iter().map(|framework| &*framework.id).collect::<Vec<_>>(), ["H"]);
    assert_eq!(document.tasks, []);
    let expected = Skipped { agents: 8, agent_addresses: 2, frameworks: 7, tasks: 5, ..Skipped::default() };
    assert_eq!(document.skipped, expected);
}
