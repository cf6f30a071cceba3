//! Single events, good and odd.

use super::*;
use crate::cluster::{
    AddressSource, Agent, Container, DnsLabels, Endpoint, Framework, Host, NetworkMode, Omission, Place,
    PortMapping, PortRange, Protocol, RunningStatus, Skipped, TaskAddress, TaskState, TaskUpdate, Whose,
};

/// What is said of one event, and what of it was left out.
fn hear_event(event: impl AsRef<[u8]>) -> (Heard, Skipped) {
    let (heard, _, skipped) = hear_all(event);
    (heard, skipped)
}

/// The same, and whose that was.
fn hear_all(event: impl AsRef<[u8]>) -> (Heard, Vec<Omission>, Skipped) {
    let bytes = stream([EMPTY.as_bytes(), event.as_ref()]);
    let mut stream = Stream::new(Limits::default());
    let (heard, error) = hear_in(&mut stream, &bytes, bytes.len());
    assert_eq!(error, None, "{}", event.as_ref().escape_ascii());
    assert_eq!(hear(&bytes, 1).0, heard, "in pieces");
    match &*heard {
        [Heard::Snapshot(_), heard] => (heard.clone(), Vec::new(), stream.skipped()),
        [Heard::Snapshot(_), heard, Heard::Change(Change::Omitted(omissions))] => {
            (heard.clone(), omissions.to_vec(), stream.skipped())
        }
        _ => panic!("a snapshot, one event, and perhaps what was left out of it: {heard:?}"),
    }
}

fn change(event: impl AsRef<[u8]>) -> Change {
    match hear_event(event.as_ref()) {
        (Heard::Change(change), skipped) if skipped == Skipped::default() => change,
        other => panic!("{}: {other:?}", event.as_ref().escape_ascii()),
    }
}

fn check(event: impl AsRef<[u8]>, expected: Change) {
    assert_eq!(change(&event), expected, "{}", event.as_ref().escape_ascii());
}

fn check_passed(event: impl AsRef<[u8]>, expected: &str) {
    let (heard, skipped) = hear_event(event.as_ref());
    let told = match heard {
        Heard::Passed(Passed::Unknown(name)) => format!("unknown {name}"),
        Heard::Passed(Passed::Malformed { event, reason }) => format!("{event}: {reason}"),
        other => format!("{other:?}"),
    };
    assert_eq!(told, expected, "{}", event.as_ref().escape_ascii());
    assert_eq!(skipped, Skipped::default());
}

fn update(members: &str) -> String {
    format!(r#"{{"type":"TASK_UPDATED","task_updated":{{{members}}}}}"#)
}

/// An update of task `t` of framework `F`: its state, and the members of its status.
fn status(state: &str, status: &str) -> String {
    update(&format!(
        r#""framework_id":{{"value":"F"}},"state":"{state}","status":{{"task_id":{{"value":"t"}},{status}}}"#
    ))
}

fn updated(state: TaskState, running: Option<RunningStatus>) -> Change {
    Change::TaskUpdated(TaskUpdate { framework_id: "F".into(), id: "t".into(), state, running })
}

fn ended() -> Change {
    Change::TaskEnded { framework_id: "F".into(), id: "t".into() }
}

fn net_info(text: &str) -> TaskAddress {
    TaskAddress { source: AddressSource::NetInfo, address: text.parse().expect("an address"), network: None }
}

fn added(members: &str) -> String {
    format!(
        r#"{{"type":"TASK_ADDED","task_added":{{"task":{{"task_id":{{"value":"t"}},"framework_id":{{"value":"F"}},{members}}}}}}}"#
    )
}

#[test]
fn agents() {
    let agent = |hostname: &str, address: Option<&str>| {
        let address = address.map(|host| Endpoint { host: Host::new(host), port: 5051 });
        Change::AgentAdded(Agent { id: "S0".into(), hostname: hostname.into(), address, place: None })
    };
    check(
        r#"{"type":"AGENT_ADDED","agent_added":{"agent":{"agent_info":{"hostname":"node0","port":5051,"id":{"value":"S0"},
        "resources":[]},"active":true,"pid":"slave(1)@10.0.1.10:5051"}}}"#,
        agent("node0", Some("10.0.1.10")),
    );
    // Members in another order and in another case, and twice.
    check(
        r#"{"AGENT_added":{"Agent":{"pid":"x","PID":"slave(1)@[fd00::1]:5051","agent_info":{"id":{"value":"old"}},
        "agent_info":{"id":{"x":[],"value":"S0"},"hostname":null}}},"Type":"AGENT_ADDED"}"#,
        agent("", Some("fd00::1")),
    );
    check(
        r#"{"type":"AGENT_REMOVED","agent_removed":{"agent_id":{"value":"S0"}}}"#,
        Change::AgentRemoved("S0".into()),
    );
    let odd = r#"{"type":"AGENT_ADDED","agent_added":{"agent":{"agent_info":{"id":{"value":"S0"}},"pid":"nowhere"}}}"#;
    let expected = Skipped { agent_addresses: 1, ..Skipped::default() };
    assert_eq!(hear_event(odd), (Heard::Change(agent("", None)), expected));
}

#[test]
fn frameworks() {
    let framework = |name: &str, host: Option<&str>| {
        Change::FrameworkAdded(Framework {
            id: "F".into(),
            name: name.into(),
            host: host.map(Host::new),
            port: None,
        })
    };
    for (event, member) in
        [("FRAMEWORK_ADDED", "framework_added"), ("FRAMEWORK_UPDATED", "framework_updated")]
    {
        let with = |info: &str| {
            format!(
                r#"{{"type":"{event}","{member}":{{"framework":{{"framework_info":{{{info}}},"active":false}}}}}}"#
            )
        };
        check(
            with(r#""id":{"value":"F"},"name":"marathon","hostname":"h.example""#),
            framework("marathon", Some("h.example")),
        );
        check(with(r#""id":{"value":"F"},"hostname":"""#), framework("", None));
        check(
            with(r#""id":{"value":"F"},"name":null,"hostname":"10.0.0.1""#),
            framework("", Some("10.0.0.1")),
        );
    }
    check(
        r#"{"type":"FRAMEWORK_REMOVED","framework_removed":{"framework_info":{"name":"x","id":{"value":"F"}}}}"#,
        Change::FrameworkRemoved("F".into()),
    );
}

#[test]
fn a_task_is_added() {
    let task = |members: &str| match change(added(members)) {
        Change::TaskAdded(task) => task,
        other => panic!("{members}: {other:?}"),
    };
    let found = task(
        r#""name":"web","agent_id":{"value":"S0"},"executor_id":{"value":"e"},"state":"TASK_RUNNING","resources":[
        {"name":"cpus","type":"SCALAR","scalar":{"value":0.1},"ranges":7},
        {"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31009,"end":31010.0}]},"allocation_info":{"role":"a"}},
        {"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31008,"end":31008},{"begin":5e0,"end":5}]},"role":"b"},
        {"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":9}]},"revocable":{}},
        {"name":"ports","type":"SET","set":{"item":["1"]},"ranges":{"range":[{"begin":3,"end":3}]}},
        {"name":"ports","type":"RANGES"}],"statuses":[
        {"state":"TASK_STARTING","timestamp":3,"labels":5,"container_status":{"network_infos":[{"ip_address":"10.9.9.9"}]}},
        {"task_id":{"value":"other"},"state":"TASK_RUNNING","timestamp":2,"healthy":true,"labels":{"labels":[
        {"key":"Docker.NetworkSettings.IPAddress","value":"172.17.0.2"}]},"container_status":{"network_infos":[{"labels":{},
        "ip_addresses":[{"protocol":"IPv4","ip_address":"172.17.0.3"}]}]}}],"limits":{"cpus":{"value":Infinity}},
        "discovery":{"name":"web","ports":{"ports":[{"number":31008,"name":"http","protocol":"tcp"}]}}"#,
    );
    assert_eq!((&*found.id, &*found.framework_id, &*found.agent_id), ("t", "F", "S0"));
    assert_eq!((&*found.name, found.state, found.healthy), ("web", TaskState::Running, Some(true)));
    assert_eq!(*found.ports, [PortRange { first: 5, last: 5 }, PortRange { first: 31008, last: 31010 }]);
    let docker = TaskAddress { source: AddressSource::Docker, ..net_info("172.17.0.2") };
    assert_eq!(*found.addresses, [docker, net_info("172.17.0.3")]);
    assert_eq!(found.discovery.map(|discovery| discovery.ports.len()), Some(1));
    for (state, expected) in [
        ("TASK_STAGING", TaskState::Staging),
        ("TASK_KILLING", TaskState::Killing),
        ("TASK_FROM_THE_FUTURE", TaskState::Other),
        ("", TaskState::Other),
    ] {
        assert_eq!(task(&format!(r#""state":"{state}""#)).state, expected);
    }
}

#[test]
fn a_task_that_is_added_can_have_ended() {
    for state in [
        "FINISHED",
        "FAILED",
        "KILLED",
        "ERROR",
        "LOST",
        "DROPPED",
        "GONE",
        "GONE_BY_OPERATOR",
        "UNREACHABLE",
    ] {
        check(added(&format!(r#""state":"TASK_{state}","statuses":[]"#)), ended());
        check(status(&format!("TASK_{state}"), r#""state":"TASK_RUNNING""#), ended());
    }
}

#[test]
fn a_task_is_updated() {
    let running = |healthy, addresses: Option<&[TaskAddress]>| {
        Some(RunningStatus { healthy, addresses: addresses.map(Into::into) })
    };
    let network = r#""container_status":{"network_infos":[{"ip_addresses":[{"ip_address":"10.0.0.1"}]}]}"#;
    let runs = TaskState::Running;
    check(
        status("TASK_RUNNING", &format!(r#""state":"TASK_RUNNING","healthy":false,{network}"#)),
        updated(runs, running(Some(false), Some(&[net_info("10.0.0.1")]))),
    );
    // Made by the master: says nothing of addresses.
    check(status("TASK_RUNNING", r#""state":"TASK_RUNNING""#), updated(runs, running(None, None)));
    check(
        status("TASK_RUNNING", r#""state":"TASK_RUNNING","container_status":null,"labels":{}"#),
        updated(runs, running(None, None)),
    );
    check(
        status("TASK_RUNNING", r#""state":"TASK_RUNNING","container_status":{}"#),
        updated(runs, running(None, Some(&[]))),
    );
    let mesos = TaskAddress { source: AddressSource::Mesos, ..net_info("10.0.0.7") };
    let label = r#"{"key":"MesosContainerizer.NetworkSettings.IPAddress","value":"10.0.0.7"}"#;
    check(
        status("TASK_RUNNING", &format!(r#""state":"TASK_RUNNING","labels":{{"labels":[{{}},{label}]}}"#)),
        updated(runs, running(None, Some(&[mesos]))),
    );
    // The status lags behind, or is not of a running task: no address counts.
    for (state, expected) in [("RUNNING", runs), ("STARTING", TaskState::Starting), ("X", TaskState::Other)] {
        let event = status(&format!("TASK_{state}"), &format!(r#""state":"TASK_STARTING",{network}"#));
        check(event, updated(expected, None));
    }
    check(
        status("TASK_KILLING", &format!(r#""state":"TASK_RUNNING",{network}"#)),
        updated(TaskState::Killing, running(None, Some(&[net_info("10.0.0.1")]))),
    );
    // Without a state of its own, that of the status.
    let members = r#""framework_id":{"value":"F"},"status":{"task_id":{"value":"t"},"state":"TASK_LOST"}"#;
    check(update(members), ended());
    check(update(&members.replace("LOST", "STAGING")), updated(TaskState::Staging, None));
}

#[test]
fn data_is_passed_over() {
    let data = "x".repeat(6 << 20);
    let event = status("TASK_RUNNING", &format!(r#""state":"TASK_RUNNING","data":"{data}""#));
    let bytes = stream([EMPTY, &event, r#"{"type":"HEARTBEAT"}"#]);
    for piece in [bytes.len(), 1460] {
        let (heard, error) = hear(&bytes, piece);
        assert_eq!((heard.len(), error), (3, None));
        let running = Some(RunningStatus { healthy: None, addresses: None });
        assert_eq!(heard.get(1), Some(&Heard::Change(updated(TaskState::Running, running))));
    }
}

#[test]
fn bytes_that_are_no_text() {
    let event = b"{\"type\":\"TASK_UPDATED\",\"task_updated\":{\"framework_id\":{\"value\":\"F\"},\"x\":\"\xff\",\"state\":\
        \"TASK_KILLED\",\"status\":{\"message\":\"\xfe\xc3\",\"task_id\":{\"value\":\"t\xff\"}}}}";
    check(event, Change::TaskEnded { framework_id: "F".into(), id: "t\u{fffd}".into() });
}

#[test]
fn parts_of_no_use_are_counted() {
    let (heard, skipped) = hear_event(added(
        r#""resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":-1,"end":5},{"end":5},{"begin":7,"end":6},
        {}]}}],"statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_address":"nowhere"}]}}]"#,
    ));
    let Heard::Change(Change::TaskAdded(task)) = heard else { panic!("a task is added: {heard:?}") };
    assert!(task.ports.is_empty() && task.addresses.is_empty());
    assert_eq!(skipped, Skipped { port_ranges: 3, task_addresses: 1, ..Skipped::default() });
}

/// What was left out of an event, a line for each: what, whose, its name, how often.
fn check_omitted(event: impl AsRef<[u8]>, expected: &[&str]) {
    let line = |omission: Omission| {
        let Whose { agent, framework, task, at } = omission.whose;
        let at = at.map(|_| "at".into());
        let whose: Vec<_> = [agent, framework, task, at].into_iter().flatten().collect();
        format!("{:?} {} {:?} {}", omission.part, whose.join("/"), &*omission.name, omission.count)
    };
    let found: Vec<_> = hear_all(event.as_ref()).1.into_iter().map(line).collect();
    assert_eq!(found, expected, "{}", event.as_ref().escape_ascii());
}

#[test]
fn whose_parts_of_no_use_are() {
    check_omitted(
        added(
            r#""name":"web","resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{},{}]}}],"labels":{"labels":[{
            "key":"dns.ttl","value":"x"}]},"discovery":{"name":"api"}"#,
        ),
        &["Label F/t \"api\" 1", "PortRange F/t \"api\" 2"],
    );
    check_omitted(added(r#""statuses":[5]"#), &["Task F/t \"\" 1"]);
    check_omitted(added(r#""framework_id":null,"name":"web""#), &["Task t \"web\" 1"]);
    check_omitted(added(r#""task_id":{}"#), &["Task F/at \"\" 1"]);
    let bad = r#""timestamp":1,"container_status":{"network_infos":[{"ip_address":"nowhere"}]}"#;
    check_omitted(status("TASK_RUNNING", bad), &[]);
    let bad = format!(r#""state":"TASK_RUNNING",{bad}"#);
    check_omitted(status("TASK_RUNNING", &bad), &["TaskAddress F/t \"\" 1"]);
    check_omitted(status("TASK_RUNNING", r#""timestamp":"now""#), &["Task F/t \"\" 1"]);
    let agent = |agent: &str| format!(r#"{{"type":"AGENT_ADDED","agent_added":{{"agent":{{{agent}}}}}}}"#);
    check_omitted(agent(r#""agent_info":{"id":{"value":"S"},"hostname":"n"},"pid":5"#), &["Agent S \"n\" 1"]);
    // Such an agent shows itself that its address is not known.
    check_omitted(agent(r#""agent_info":{"id":{"value":"S"}},"pid":"nowhere""#), &[]);
    let framework = r#"{"framework":{"framework_info":{"id":{"value":"F"},"name":5}}}"#;
    for event in ["FRAMEWORK_ADDED", "FRAMEWORK_UPDATED"] {
        let text = format!(r#"{{"type":"{event}","{}":{framework}}}"#, event.to_lowercase());
        check_omitted(text, &["Framework F \"\" 1"]);
    }
    check_omitted(r#"{"type":"TASK_ADDED"}"#, &["Task at \"\" 1"]);
    for event in [r#"{"type":"AGENT_REMOVED"}"#, r#"{"type":"X"}"#, "{}", r#"{"type":"HEARTBEAT"}"#] {
        check_omitted(event, &[]);
    }
}

#[test]
fn unknown() {
    check_passed(r#"{"type":"AGENT_UPDATED","agent_updated":{}}"#, "unknown AGENT_UPDATED");
    check_passed(r#"{"type":"heartbeat"}"#, "unknown heartbeat");
    let long = format!(r#"{{"type":"{}"}}"#, "ö".repeat(500));
    check_passed(long, &format!("unknown {}", "ö".repeat(40)));
}

#[test]
fn malformed() {
    for event in ["{}", r#"{"type":null}"#, r#"{"type":5}"#, r#"{"type":["TASK_ADDED"]}"#, "null"] {
        check_passed(event, ": it has no type");
    }
    check_passed(EMPTY, "SUBSCRIBED: there was a snapshot before");
    for (event, member) in [
        ("AGENT_ADDED", "agent_added"),
        ("AGENT_REMOVED", "agent_removed"),
        ("FRAMEWORK_ADDED", "framework_added"),
        ("FRAMEWORK_REMOVED", "framework_removed"),
        ("FRAMEWORK_UPDATED", "framework_updated"),
        ("TASK_ADDED", "task_added"),
    ] {
        let lacks = format!("{event}: it lacks what it is about");
        check_passed(format!(r#"{{"type":"{event}"}}"#), &lacks);
        for value in ["{}", "null", "[]", "7"] {
            check_passed(format!(r#"{{"type":"{event}","{member}":{value}}}"#), &lacks);
        }
    }
    for agent in [
        "{}",
        "null",
        "5",
        r#"{"agent_info":{"id":{}}}"#,
        r#"{"agent_info":{"id":"S0"}}"#,
        r#"{"id":{"value":"S0"}}"#,
    ] {
        let event = format!(r#"{{"type":"AGENT_ADDED","agent_added":{{"agent":{agent}}}}}"#);
        check_passed(event, "AGENT_ADDED: its agent cannot be used");
    }
    check_passed(
        r#"{"type":"AGENT_REMOVED","agent_removed":{"agent_id":{"value":""}}}"#,
        "AGENT_REMOVED: its agent has no id",
    );
    check_passed(
        r#"{"type":"FRAMEWORK_REMOVED","framework_removed":{"framework_info":{"id":7}}}"#,
        "FRAMEWORK_REMOVED: its framework has no id",
    );
    check_passed(
        r#"{"type":"FRAMEWORK_UPDATED","framework_updated":{"framework":{"framework_info":{"name":5}}}}"#,
        "FRAMEWORK_UPDATED: its framework cannot be used",
    );
    for members in
        [r#""task_id":{}"#, r#""framework_id":null"#, r#""name":5"#, r#""resources":{}"#, r#""statuses":[5]"#]
    {
        check_passed(added(members), "TASK_ADDED: its task cannot be used");
    }
}

#[test]
fn malformed_updates() {
    let check = |event: String, reason: &str| check_passed(event, &format!("TASK_UPDATED: {reason}"));
    // The shape of Mesos 1.0.
    check(
        update(
            r#""task_id":{"value":"t"},"framework_id":{"value":"F"},"agent_id":{"value":"S"},"state":"TASK_RUNNING""#,
        ),
        "an id is missing",
    );
    check(r#"{"type":"TASK_UPDATED"}"#.to_owned(), "it lacks what it is about");
    check(update(r#""status":{"state":"TASK_RUNNING"},"framework_id":{"value":"F"}"#), "an id is missing");
    check(update(r#""status":{"task_id":{"value":"t"},"state":"TASK_RUNNING"}"#), "an id is missing");
    check(status("", r#""state":"""#), "there is no state");
    check(status("TASK_RUNNING", r#""timestamp":"now""#), "a member has the wrong type");
    check(update(r#""framework_id":"F""#), "a member has the wrong type");
    check(update(r#""status":null,"framework_id":{"value":"F"}"#), "an id is missing");
    let wrong = "a member of the status has the wrong type";
    check(status("TASK_RUNNING", r#""state":"TASK_RUNNING","labels":[]"#), wrong);
    check(status("TASK_RUNNING", r#""state":"TASK_RUNNING","container_status":{"network_infos":{}}"#), wrong);
    // What is of no interest in another state may be of any type.
    super::events::check(
        status("TASK_KILLED", r#""state":"TASK_RUNNING","labels":[],"container_status":7"#),
        ended(),
    );
}

#[test]
fn networks_places_and_labels() {
    let agent = Agent {
        id: "S0".into(),
        hostname: "n".into(),
        address: Some(Endpoint { host: Host::new("10.0.1.10"), port: 5051 }),
        place: Some(Place { region: "eu".into(), zone: "eu-a".into() }.into()),
    };
    check(
        r#"{"type":"AGENT_ADDED","agent_added":{"agent":{"pid":"slave(1)@10.0.1.10:5051","agent_info":{"hostname":"n","domain":
        {"fault_domain":{"region":{"name":"eu"},"zone":{"name":"eu-a"}}},"id":{"value":"S0"}}}}}"#,
        Change::AgentAdded(agent),
    );
    let event = added(
        r#""state":"TASK_STAGING","health_check":{"type":"TCP"},"labels":{"labels":[{"key":"dns.ttl","value":"9"}]},
        "container":{"type":"DOCKER","docker":{"network":"BRIDGE","port_mappings":[{"host_port":31000,"container_port":80}]}}"#,
    );
    let Change::TaskAdded(task) = change(event) else { panic!("a task") };
    let mapping = PortMapping { host: 31000, container: 80, protocol: Protocol::Tcp };
    let container =
        Container { mode: NetworkMode::Bridge, networks: Box::default(), mappings: [mapping].into() };
    assert_eq!((task.is_checked, task.container.as_deref()), (true, Some(&container)));
    assert_eq!(task.labels.as_deref(), Some(&DnsLabels { ttl: Some(9), ..DnsLabels::default() }));
    let named =
        |name: &str| TaskAddress { network: Some(std::sync::Arc::new(name.into())), ..net_info("9.0.0.1") };
    let running = |addresses: [TaskAddress; 1]| {
        Some(RunningStatus { healthy: None, addresses: Some(addresses.into()) })
    };
    check(
        status(
            "TASK_RUNNING",
            r#""state":"TASK_RUNNING","container_status":{"network_infos":[{"ip_addresses":[{"ip_address":"9.0.0.1"}]},
            {"name":"dcos","ip_addresses":[{"ip_address":"9.0.0.1"}]}]}"#,
        ),
        updated(TaskState::Running, running([named("dcos")])),
    );
}

#[test]
fn what_is_told_of_an_event_besides() {
    let seen = |event: &str| {
        let bytes = stream([EMPTY, event]);
        let mut stream = Stream::new(Limits::default());
        assert_eq!(hear_in(&mut stream, &bytes, bytes.len()).1, None);
        stream.seen()
    };
    let update = seen(&status("TASK_RUNNING", r#""state":"TASK_RUNNING","timestamp":1795370315.25"#));
    assert_eq!(update, Seen { event: EventType::TaskUpdated, status_time: Some(1_795_370_315.25) });
    let ended = seen(&status("TASK_FAILED", r#""state":"TASK_FAILED","timestamp":7.5"#));
    assert_eq!(ended.status_time, Some(7.5), "the end of a task is news as well");
    for odd in ["0", "-1", "null"] {
        let status = status("TASK_RUNNING", &format!(r#""state":"TASK_RUNNING","timestamp":{odd}"#));
        assert_eq!(seen(&status).status_time, None, "{odd}");
    }
    for (event, expected) in [
        (r#"{"type":"HEARTBEAT"}"#, EventType::Heartbeat),
        (r#"{"type":"AGENT_REMOVED","agent_removed":{"agent_id":{"value":"S"}}}"#, EventType::AgentRemoved),
        (r#"{"type":"FRAMEWORK_UPDATED"}"#, EventType::FrameworkUpdated),
        (r#"{"type":"SOMETHING_NEW"}"#, EventType::Other),
        (r#"{"type":"heartbeat"}"#, EventType::Other),
        (r#"{}"#, EventType::Other),
    ] {
        assert_eq!(seen(event), Seen { event: expected, status_time: None }, "{event}");
    }
}
