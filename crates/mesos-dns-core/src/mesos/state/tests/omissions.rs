//! Whose it is that is left out of a document.

use super::*;
use crate::cluster::{Counts, OMISSIONS_MAX, Omission, SkippedPart, Whose};

/// What was left out, a line for each: what, whose, where, its name, how often.
fn lines(document: &Document) -> Vec<String> {
    let line = |omission: &Omission| {
        let Whose { agent, framework, task, at } = &omission.whose;
        let whose: Vec<_> = [agent, framework, task].into_iter().flatten().map(|id| &**id).collect();
        let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
        format!("{:?} {}{at} {:?} {}", omission.part, whose.join("/"), &*omission.name, omission.count)
    };
    document.omissions.iter().map(line).collect()
}

/// Checks what is left out of a text; `<0>` is where the element begins that is marked so in the text.
fn check(shape: Shape, text: &str, expected: &[&str]) {
    let (mut plain, mut places, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('^') {
        plain += before;
        places.push(plain.len());
        rest = behind;
    }
    plain += rest;
    let document = decode_as(shape, plain.as_bytes()).expect(text);
    let place = |(number, place): (usize, &usize)| (format!("<{number}>"), place.to_string());
    let places: Vec<_> = places.iter().enumerate().map(place).collect();
    let fill =
        |line: &&str| places.iter().fold((*line).to_owned(), |line, (mark, place)| line.replace(mark, place));
    assert_eq!(lines(&document), expected.iter().map(fill).collect::<Vec<_>>(), "{plain}");
    // The counters and the lines are two accounts of one thing.
    check_counters(&document);
}

/// Of everything that was counted there is an owner, as far as all are listed.
pub(super) fn check_counters(document: &Document) {
    let mut counts = Counts::default();
    document.omissions.iter().for_each(|omission| counts.add(omission.part, omission.count));
    for part in SkippedPart::ALL {
        assert_eq!(counts.get(part), part.count(&document.skipped), "{part:?}: {document:?}");
    }
}

#[test]
fn nothing() {
    check(Shape::State, SMALL, &[]);
    let document = decode(SMALL.as_bytes()).expect("well formed");
    assert!(document.omissions.is_empty());
}

#[test]
fn of_state() {
    check(
        Shape::State,
        r#"{"slaves":[{"id":"S0","hostname":"n0","pid":5},^[],{"id":"S1","hostname":"n1","pid":"bad"}],
        "recovered_slaves":[^7],"frameworks":[^5,{"id":"F","pid":"bad","name":"marathon","tasks":[
        {"id":"a","name":"web","resources":{"ports":"[x, 1-y]"},"labels":[{"key":"dns.ttl","value":"x"}]},
        {"id":"b","discovery":{"name":"api"},"resources":7,"slave_id":"S0"},^{"name":"nobody"},{"id":"c","state":"TASK_LOST",
        "resources":{"ports":"[x]"}},{"id":"d","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[
        {"ip_address":"nowhere"}]}}],"container":{"docker":{"network":"BRIDGE","port_mappings":[{"host_port":0}]}}}],
        "unreachable_tasks":[^{}]},{"id":"G","name":[],"tasks":[{"id":"e","name":"lost"}]},^{"name":"x"}]}"#,
        &[
            "Framework  at <2> \"\" 1",
            "FrameworkAddress F \"marathon\" 1",
            "Framework G \"\" 1",
            "Framework  at <5> \"x\" 1",
            "Agent S0 \"n0\" 1",
            "Agent  at <0> \"\" 1",
            "Agent  at <1> \"\" 1",
            "Label F/a \"web\" 1",
            "PortRange F/a \"web\" 2",
            "Task S0/F/b \"api\" 1",
            "Task F at <3> \"nobody\" 1",
            "PortMapping F/d \"\" 1",
            "TaskAddress F/d \"\" 1",
            "Task F at <4> \"\" 1",
            "Task e \"lost\" 1",
        ],
    );
}

#[test]
fn of_the_operator_api() {
    check(
        Shape::Operator,
        r#"{"type":"GET_STATE","get_state":{"get_agents":{"agents":[{"agent_info":{"id":{"value":"S0"},"hostname":7}},^5]},
        "get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"F"},"name":{}}},^{}]},"get_tasks":{"tasks":[
        {"task_id":{"value":"a"},"framework_id":{"value":"F"},"name":"web","labels":{"labels":[{"key":"dns.weight"}]}},
        {"task_id":{"value":"b"},"framework_id":{"value":"F"},"statuses":7},{"task_id":{"value":"c"},"name":"x"},^null]}}}"#,
        &[
            "Agent S0 \"\" 1",
            "Agent  at <0> \"\" 1",
            "Framework F \"\" 1",
            "Framework  at <1> \"\" 1",
            "Label F/a \"web\" 1",
            "Task F/b \"\" 1",
            "Task c \"x\" 1",
            "Task  at <2> \"\" 1",
        ],
    );
}

#[test]
fn what_is_too_large() {
    let limits = Limits { element_bytes: 64, ..Limits::default() };
    let long = "x".repeat(200);
    let text =
        format!(r#"{{"frameworks":[{{"id":"F","tasks":[{{"id":"{long}"}}]}},{{"tasks":[["{long}"]]}}]}}"#);
    let mut splitter = Splitter::new(limits);
    assert!(splitter.push(&mut text.as_bytes()).expect("well formed").is_none());
    let (outline, last) = splitter.finish().expect("complete");
    let document = assemble(outline, vec![Decoder::default().decode(last)]);
    let places: Vec<_> =
        ["{\"id\":\"x", "[\"x", "{\"tasks\":[["].map(|begin| text.find(begin).unwrap()).into();
    assert_eq!(
        lines(&document),
        [
            format!("Task F at {} \"\" 1", places[0]),
            format!("Task  at {} \"\" 1", places[1]),
            format!("Framework  at {} \"\" 1", places[2]),
        ]
    );
    check_counters(&document);
}

/// However many threads there are, the first of each part are listed, and the rest is counted.
#[test]
fn many_with_several_decoders() {
    let long = "y".repeat(100);
    let task = |number: u64| match number % 3 {
        0 => format!(r#"{{"id":"{number}","x":"{long}"}}"#),
        1 => format!(r#"{{"id":"{number}","resources":{{"ports":"[x,y]"}},"x":"{long}"}}"#),
        _ => format!(r#"{{"id":"{number}","resources":5,"x":"{long}"}}"#),
    };
    let tasks: Vec<_> = (0..9000).map(task).collect();
    let text = format!(r#"{{"frameworks":[{{"id":"F","tasks":[{}]}}]}}"#, tasks.join(","));
    let one = decode(text.as_bytes()).expect("well formed");
    let mut splitter = Splitter::new(Limits::default());
    let (mut piece, mut batches) = (text.as_bytes(), Vec::new());
    while let Some(batch) = splitter.push(&mut piece).expect("well formed") {
        batches.push(batch);
    }
    let (outline, last) = splitter.finish().expect("complete");
    batches.push(last);
    assert!(batches.len() > 4);
    let mut decoders = [Decoder::default(), Decoder::default(), Decoder::default()];
    let decode = |(number, batch): (usize, Batch)| decoders[(number * number) % 3].decode(batch);
    let mut parts: Vec<_> = batches.into_iter().enumerate().map(decode).collect();
    parts.reverse();
    let many = assemble(outline, parts);
    assert_eq!(many, one);
    assert_eq!((one.skipped.tasks, one.skipped.port_ranges), (3000, 6000));
    let ids: Vec<_> = one.omissions.iter().map(|omission| omission.whose.task.clone().unwrap()).collect();
    let expected = (0..9000).filter(|number| number % 3 > 0).take(2 * OMISSIONS_MAX as usize);
    assert_eq!(ids, expected.map(|number| number.to_string().into()).collect::<Vec<std::sync::Arc<str>>>());
}
