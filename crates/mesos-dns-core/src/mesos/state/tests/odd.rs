//! Documents that are odd, and still mean something.

use std::sync::Arc;

use super::*;
use crate::cluster::{
    AddressSource, Agent, Discovery, DiscoveryPort, Endpoint, Framework, Host, Noted, PortRange, Skipped,
    Task, TaskAddress, TaskState,
};

#[test]
fn one_of_everything() {
    let address = |source, text: &str| TaskAddress {
        source,
        address: text.parse().expect("an address"),
        network: None,
    };
    let task = Task {
        id: "web.1".into(),
        name: "web".into(),
        framework_id: "F0".into(),
        agent_id: "S0".into(),
        state: TaskState::Running,
        healthy: Some(true),
        is_checked: false,
        ports: [PortRange { first: 31000, last: 31001 }, PortRange { first: 7, last: 7 }].into(),
        addresses: [
            address(AddressSource::Docker, "172.17.0.2"),
            address(AddressSource::NetInfo, "172.17.0.2"),
            address(AddressSource::NetInfo, "fd00::2"),
        ]
        .into(),
        discovery: Some(Box::new(Discovery {
            name: "a\\\"bé".into(),
            ports: [DiscoveryPort::new(31000, "http", "tcp")].into(),
            ..Discovery::default()
        })),
        container: None,
        labels: None,
    };
    let expected = Document {
        version: "1.11.0".to_owned(),
        pid: Some("10.0.0.1:5050".to_owned()),
        leader: Some("10.0.0.1:5050".to_owned()),
        elected_time: Some(1600000001.5),
        agents: vec![Agent {
            id: "S0".into(),
            hostname: "node0".into(),
            place: None,
            address: Some(Endpoint { host: Host::new("10.0.1.10"), port: 5051 }),
        }],
        recovered_agents: vec!["S1".into()],
        frameworks: vec![Framework {
            id: "F0".into(),
            name: "marathon".into(),
            host: Some(Host::new("10.0.0.5")),
            port: Some(15101),
        }],
        tasks: vec![task],
        unreachable: Vec::new(),
        skipped: Skipped::default(),
        omissions: Noted::default(),
        complete: true,
    };
    assert_eq!(decode(SMALL.as_bytes()), Ok(expected));
}

#[test]
fn borders_anywhere() {
    let whole = decode(SMALL.as_bytes()).expect("well formed");
    for border in 0..=SMALL.len() {
        let (left, right) = SMALL.as_bytes().split_at(border);
        assert_eq!(decode_pieces([left, right]).as_ref(), Ok(&whole), "border at {border}");
    }
    for size in [1, 2, 3, 7, 63, 64, 65] {
        assert_eq!(decode_pieces(SMALL.as_bytes().chunks(size)).as_ref(), Ok(&whole), "pieces of {size}");
    }
}

#[test]
fn many_batches_keep_their_order() {
    let task = |number: usize| format!(r#"{{"id":"{number}","x":"{}"}}"#, "y".repeat(1000));
    let tasks: Vec<_> = (0..2000).map(task).collect();
    let list = tasks.join(",");
    let document =
        format!(r#"{{"frameworks":[{{"id":"F","tasks":[{list}]}},{{"tasks":[{list}],"id":"G"}}]}}"#);
    let found = decode(document.as_bytes()).expect("well formed");
    let expected = |id: &'static str| (0..2000).map(move |number| (id, number.to_string()));
    let found: Vec<_> = found.tasks.iter().map(|task| (&*task.framework_id, task.id.to_string())).collect();
    assert_eq!(found, expected("F").chain(expected("G")).collect::<Vec<_>>());
}

#[test]
fn duplicate_members() {
    let document = decode(
        br#"{"slaves":[{"id":"A","id":"B"}],"slaves":[{"id":"C"}],"leader":"m@a:1","leader":"m@b:1","frameworks":[
        {"id":"F","tasks":[{"id":"lost"}],"active":true,"active":true}],"frameworks":[{"id":"G","name":"x","name":"y",
        "tasks":[{"id":"superseded"}],"tasks":[{"id":"kept","state":"TASK_LOST","state":"TASK_STAGING"}]}]}"#,
    )
    .expect("well formed");
    assert_eq!(document.leader.as_deref(), Some("b:1"));
    assert_eq!(document.agents.iter().map(|agent| &*agent.id).collect::<Vec<_>>(), ["C"]);
    assert_eq!(document.frameworks.iter().map(|framework| &*framework.name).collect::<Vec<_>>(), ["y"]);
    assert_eq!(
        document.tasks.iter().map(|task| (&*task.framework_id, &*task.id)).collect::<Vec<_>>(),
        [("G", "kept")]
    );
}

#[test]
fn duplicate_members_of_a_task() {
    let document = with_task(
        r#""id":"t","statuses":[{"state":"TASK_RUNNING","healthy":true,"container_status":{"network_infos":
        [{"ip_address":"10.0.0.1"}],"network_infos":[{"ip_addresses":[{"ip_address":"10.0.0.2"}],"ip_addresses":
        [{"ip_address":"10.0.0.3","ip_address":"10.0.0.4"}]}]},"healthy":false}],"discovery":{"name":"x","ports":
        {"ports":[{"number":1}],"ports":[{"number":2}]}},"resources":{"ports":"[1-1]"},"resources":{"ports":"[2-2]"}"#,
    );
    let [_, task, _] = &*document.tasks else { panic!("three tasks") };
    let addresses: Vec<_> = task.addresses.iter().map(|found| found.address.to_string()).collect();
    assert_eq!((&*addresses, task.healthy), (&["10.0.0.4".to_owned()][..], Some(false)));
    let discovery = task.discovery.as_ref().expect("it has a name");
    assert_eq!(discovery.ports.iter().map(|port| port.number).collect::<Vec<_>>(), [2]);
    assert_eq!(*task.ports, [PortRange { first: 2, last: 2 }]);
}

#[test]
fn members_in_any_case() {
    let document = decode(
        br#"{"LEADER":"m@a:1","Slaves":[{"ID":"S","Pid":"x@10.0.0.1:5"}],"Frame\u0077orks":[{"Id":"F","TASKS":
        [{"Id":"t","STATE":"TASK_RUNNING","Slave_ID":"S"}]}]}"#,
    )
    .expect("well formed");
    assert_eq!(document.leader.as_deref(), Some("a:1"));
    assert!(document.complete && document.agents.iter().all(|agent| agent.address.is_some()));
    let [task] = &*document.tasks else { panic!("one task") };
    assert_eq!((&*task.agent_id, task.state), ("S", TaskState::Running));
}

#[test]
fn null_is_missing() {
    let document = decode(
        br#"{"slaves":null,"frameworks":[{"id":"F","name":null,"pid":null,"hostname":null,"tasks":null}],"leader":null,
        "pid":null,"version":null,"elected_time":null,"recovered_slaves":null}"#,
    )
    .expect("well formed");
    let framework = Framework { id: "F".into(), name: "".into(), host: None, port: None };
    assert_eq!(document, Document { frameworks: vec![framework], ..Document::default() });
    let members = r#""id":"t","statuses":[null],"discovery":null,"resources":null,"name":null"#;
    assert_eq!(with_task(members).tasks.len(), 3);
}

#[test]
fn unreachable_tasks() {
    let document = decode(
        br#"{"slaves":[],"frameworks":[{"unreachable_tasks":[{"id":"a","state":"TASK_UNREACHABLE","framework_id":"other"},{},
        {"id":"b","state":"TASK_LOST"}],"id":"F","tasks":[{"id":"c"}]},{"id":"G","unreachable_tasks":null},
        {"id":"H","unreachable_tasks":{}},{"id":"I","unreachable_tasks":[{"id":"x"}],"unreachable_tasks":[{"id":"d"}]},
        {"unreachable_tasks":[{"id":"nobody's"}]}]}"#,
    )
    .expect("well formed");
    let found: Vec<_> = document.unreachable.iter().map(|(framework, id)| (&**framework, &**id)).collect();
    assert_eq!(found, [("F", "a"), ("F", "b"), ("I", "d")]);
    assert_eq!(document.tasks.iter().map(|task| &*task.id).collect::<Vec<_>>(), ["c"]);
    assert_eq!(document.frameworks.len(), 4);
    assert_eq!(document.skipped, Skipped { tasks: 1, frameworks: 1, ..Skipped::default() });
}

#[test]
fn equal_texts_share_their_memory() {
    let document = with_task(r#""id":"t","name":"web","slave_id":"web""#);
    let [_, task, _] = &*document.tasks else { panic!("three tasks") };
    assert!(Arc::ptr_eq(&task.name, &task.agent_id));
}

fn check_status(statuses: &str, addresses: &[&str], healthy: Option<bool>, bad: u64) {
    let document = with_task(&format!(r#""id":"t","state":"TASK_RUNNING","statuses":{statuses}"#));
    let [_, task, _] = &*document.tasks else { panic!("three tasks") };
    let found: Vec<_> =
        task.addresses.iter().map(|found| format!("{:?} {}", found.source, found.address)).collect();
    assert_eq!(found, addresses, "{statuses}");
    assert_eq!((task.healthy, document.skipped.task_addresses), (healthy, bad), "{statuses}");
}

#[test]
fn deciding_status() {
    let status = |state: &str, timestamp: &str, last: u8| {
        format!(
            r#"{{"state":"TASK_{state}","timestamp":{timestamp},"container_status":{{"network_infos":[{{"ip_address":"10.0.0.{last}"}}]}}}}"#
        )
    };
    for (statuses, last) in [
        (vec![status("RUNNING", "1", 1), status("RUNNING", "2", 2)], Some(2)),
        (vec![status("RUNNING", "2", 1), status("RUNNING", "1", 2)], Some(1)),
        (vec![status("RUNNING", "2", 1), status("RUNNING", "2.0", 2)], Some(1)),
        (vec![status("RUNNING", "1", 1), status("STARTING", "3", 2), status("KILLING", "4", 3)], Some(1)),
        (vec![status("RUNNING", "null", 1), status("RUNNING", "-0.5", 2)], Some(1)),
        (vec![status("RUNNING", "-1", 1)], None),
        (vec![status("STARTING", "1", 1)], None),
        (vec![], None),
    ] {
        let expected: Vec<_> = last.map(|last| format!("NetInfo 10.0.0.{last}")).into_iter().collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check_status(&format!("[{}]", statuses.join(",")), &expected, None, 0);
    }
}

#[test]
fn addresses_of_a_status() {
    let check = |status: &str, addresses: &[&str], bad| {
        check_status(&format!(r#"[{{"state":"TASK_RUNNING",{status}}}]"#), addresses, None, bad);
    };
    // The single address counts only where the list is empty.
    check(
        r#""container_status":{"network_infos":[{"ip_addresses":[{"protocol":"IPv4"}],"ip_address":"10.0.0.1"},
        {"ip_addresses":[],"ip_address":"10.0.0.2"},{"ip_address":""},{}]}"#,
        &["NetInfo 10.0.0.2"],
        0,
    );
    // Twice in one source is once; in two sources it is twice.
    check(
        r#""container_status":{"network_infos":[{"ip_addresses":[{"ip_address":"10.0.0.2"},{"ip_address":"10.0.0.1"}]},
        {"ip_addresses":[{"ip_address":"::ffff:10.0.0.2"}]}]},"labels":[{"key":"Docker.NetworkSettings.IPAddress",
        "value":"10.0.0.2"},{"key":"MesosContainerizer.NetworkSettings.IPAddress","value":"10.0.0.3"},
        {"key":"docker.networksettings.ipaddress","value":"10.0.0.4"},{"value":"10.0.0.5"}]"#,
        &["Docker 10.0.0.2", "Mesos 10.0.0.3", "NetInfo 10.0.0.2", "NetInfo 10.0.0.1"],
        0,
    );
    check(
        r#""container_status":{"network_infos":[{"ip_addresses":[{"ip_address":"not-an-ip"},{"ip_address":"10.0.0.256"},
        {"ip_address":"fe80::1%eth0"},{"ip_address":"FD00::0:1"}]}]}"#,
        &["NetInfo fd00::1"],
        3,
    );
    check_status(r#"[{"state":"TASK_RUNNING","healthy":false}]"#, &[], Some(false), 0);
    check_status(r#"[{"state":"TASK_RUNNING","healthy":"odd"}]"#, &[], None, 0);
}

#[test]
fn states() {
    for (state, expected) in [
        ("TASK_KILLING", Some(TaskState::Killing)),
        ("TASK_RUNNING", Some(TaskState::Running)),
        ("TASK_STAGING", Some(TaskState::Staging)),
        ("TASK_STARTING", Some(TaskState::Starting)),
        ("TASK_UNREACHABLE", Some(TaskState::Unreachable)),
        ("TASK_UNKNOWN", Some(TaskState::Other)),
        ("TASK_FROM_THE_FUTURE", Some(TaskState::Other)),
        ("task_running", Some(TaskState::Other)),
        ("", Some(TaskState::Other)),
        ("TASK_DROPPED", None),
        ("TASK_ERROR", None),
        ("TASK_FAILED", None),
        ("TASK_FINISHED", None),
        ("TASK_GONE", None),
        ("TASK_GONE_BY_OPERATOR", None),
        ("TASK_KILLED", None),
        ("TASK_LOST", None),
    ] {
        let document = with_task(&format!(r#""id":"t","state":"{state}""#));
        let found = document.tasks.iter().find(|task| *task.id == *"t").map(|task| task.state);
        assert_eq!((found, document.skipped), (expected, Skipped::default()), "{state}");
    }
}

#[test]
fn discovery() {
    let check = |discovery: &str, expected: Option<&[(i64, &str, &str)]>| {
        let document = with_task(&format!(r#""id":"t","discovery":{discovery}"#));
        let [_, task, _] = &*document.tasks else { panic!("three tasks") };
        let ports = task.discovery.as_ref().map(|discovery| {
            let port = |port: &DiscoveryPort| {
                (port.number, port.kind.name.to_string(), port.kind.protocol.to_string())
            };
            discovery.ports.iter().map(port).collect::<Vec<_>>()
        });
        let expected = expected.map(|ports| {
            ports
                .iter()
                .map(|(number, name, protocol)| (*number, name.to_string(), protocol.to_string()))
                .collect()
        });
        assert_eq!(ports, expected, "{discovery}");
    };
    check("{}", None);
    check(r#"{"name":"","ports":{"ports":[{"number":1}]}}"#, None);
    check(r#"{"name":"x"}"#, Some(&[]));
    check(
        r#"{"name":"x","ports":{"ports":[{"number":5.0},{"number":5e0,"protocol":"udp,tcp"},{"number":-1},
        {"number":99999},{"name":"n"},{"number":1e300}]}}"#,
        Some(&[
            (5, "", ""),
            (5, "", "udp,tcp"),
            (-1, "", ""),
            (99999, "", ""),
            (0, "n", ""),
            (i64::MAX, "", ""),
        ]),
    );
}

#[test]
fn frameworks_without_pid() {
    let check = |members: &str, host: Option<&str>, port: Option<u16>, bad: u64| {
        let document = format!(r#"{{"frameworks":[{{"id":"F",{members}}}]}}"#);
        let document = decode(document.as_bytes()).expect(members);
        let [framework] = &*document.frameworks else { panic!("one framework") };
        assert_eq!((framework.host.clone(), framework.port), (host.map(Host::new), port), "{members}");
        assert_eq!(document.skipped, Skipped { framework_addresses: bad, ..Skipped::default() }, "{members}");
    };
    check(r#""hostname":"h.example""#, Some("h.example"), None, 0);
    check(r#""hostname":"","pid":"s@10.0.0.1:9""#, Some("10.0.0.1"), Some(9), 0);
    check(r#""hostname":"h","pid":"s@10.0.0.1""#, Some("h"), None, 1);
    check(r#""hostname":"h","pid":"""#, Some("h"), None, 1);
    check(r#""hostname":"h","pid":5"#, Some("h"), None, 1);
    check(r#""hostname":[],"pid":"s@[fd00::1]:9""#, Some("fd00::1"), Some(9), 1);
    check(r#""active":false"#, None, None, 0);
}

#[test]
fn invalid_utf8_and_odd_bytes() {
    let document = b"{\"frameworks\":[{\"id\":\"F\xff\",\"name\":\"\xc3\x28\",\"tasks\":[{\"id\":\"t\x80\",\"name\":\"a\x00b\",\
        \"\xfe\":\"\xfe\",\"slave_id\":\"\\ud800\"}]}]}";
    let document = decode(document).expect("well formed");
    let [framework] = &*document.frameworks else { panic!("one framework") };
    assert_eq!((&*framework.id, &*framework.name), ("F\u{fffd}", "\u{fffd}("));
    let [task] = &*document.tasks else { panic!("one task") };
    assert_eq!((&*task.id, &*task.name), ("t\u{fffd}", "a\0b"));
    assert!(task.agent_id.starts_with('\u{fffd}'));
}

#[test]
fn numbers_that_are_none() {
    for members in [
        r#""id":"t","limits":{"cpus":Infinity,"mem":-Infinity,"x":NaN}"#,
        r#""id":"t","statuses":[{"state":"TASK_RUNNING","timestamp":NaN}]"#,
        r#""id":"t","x":123456789012345678901234567890123456789012345678901234567890,"y":1e999999"#,
    ] {
        let document = with_task(members);
        assert_eq!((document.tasks.len(), document.skipped), (3, Skipped::default()), "{members}");
    }
}
