//! What holds for any stream.

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::mesos::state::{Shape, StateError, decode, decode_as};

/// Events, good and odd ones.
const EVENTS: [&str; 12] = [
    r#"{"type":"HEARTBEAT"}"#,
    r#"{"type":"TASK_ADDED","task_added":{"task":{"task_id":{"value":"t"},"framework_id":{"value":"F"},"state":"TASK_STAGING",
    "resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]}}]}}}"#,
    r#"{"type":"TASK_UPDATED","task_updated":{"framework_id":{"value":"F"},"state":"TASK_RUNNING","status":{"task_id":{"value":
    "t"},"state":"TASK_RUNNING","healthy":true,"data":"\"}{","container_status":{"network_infos":[{"ip_addresses":
    [{"ip_address":"10.0.0.1"}]}]}}}}"#,
    r#"{"type":"TASK_UPDATED","task_updated":{"framework_id":{"value":"F"},"state":"TASK_LOST","status":{"task_id":{"value":"t"}}}}"#,
    r#"{"type":"AGENT_ADDED","agent_added":{"agent":{"agent_info":{"id":{"value":"S"},"hostname":"h"},"pid":"s@10.0.0.1:1"}}}"#,
    r#"{"type":"AGENT_REMOVED","agent_removed":{"agent_id":{"value":"S"}}}"#,
    r#"{"type":"FRAMEWORK_ADDED","framework_added":{"framework":{"framework_info":{"id":{"value":"F"},"name":"marathon"}}}}"#,
    r#"{"type":"FRAMEWORK_REMOVED","framework_removed":{"framework_info":{"id":{"value":"F"}}}}"#,
    r#"{"type":"OFFERS"}"#,
    r#"{"type":"TASK_ADDED","task_added":7}"#,
    "",
    " {} ",
];

//------------ One task in both shapes ---------------------------------------

/// A cluster of which both shapes are written.
#[derive(Clone, Debug)]
struct Thing {
    id: String,
    state: &'static str,
    agent: String,
    ports: Vec<(u16, u16)>,
    statuses: Vec<Status>,
    discovery: Option<(String, Vec<u16>)>,
    /// What both shapes write alike.
    alike: Vec<(&'static str, Value)>,
    labels: Vec<(&'static str, &'static str)>,
    unreachable: bool,
}

/// State, time, health, addresses, label.
type Status = (&'static str, u8, Option<bool>, Vec<String>, Option<&'static str>);

fn thing() -> impl Strategy<Value = Thing> {
    let state = || select(vec!["TASK_RUNNING", "TASK_RUNNING", "TASK_STARTING", "TASK_KILLED", "TASK_NEW"]);
    let address = select(vec!["10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "nowhere"]).prop_map(str::to_owned);
    let label = prop::option::of(select(vec!["10.0.0.2", "", "odd"]));
    let status = (state(), 0u8..4, any::<Option<bool>>(), prop::collection::vec(address, 0..3), label);
    let ports = prop::collection::vec((1u16..40, 0u16..5), 0..5)
        .prop_map(|ports| ports.into_iter().map(|(first, more)| (first, first + more)).collect());
    let discovery = prop::option::of(("[a-z]{0,4}", prop::collection::vec(any::<u16>(), 0..3)));
    let fields = ("[a-z0-9]{1,3}", state(), "S[0-3]", ports, prop::collection::vec(status, 0..4), discovery);
    let containers = [
        json!({"type": "DOCKER", "docker": {"network": "BRIDGE", "port_mappings": [{"host_port": 5, "container_port": 6}]}}),
        json!({"type": "MESOS", "network_infos": [{"name": "a", "ip_addresses": [{}]}, {"name": "b"}]}),
        json!({"type": "DOCKER", "docker": {"network": "HOST", "port_mappings": [{"host_port": 0}]}}),
        json!("odd"),
    ];
    let alike = prop::collection::vec(
        prop_oneof![
            select(containers.to_vec()).prop_map(|container| ("container", container)),
            select(vec![json!({}), json!(null)]).prop_map(|check| ("health_check", check)),
        ],
        0..3,
    );
    let label = select(vec![
        ("dns.alias", "a,b"),
        ("dns.ttl", "5"),
        ("dns.ttl", "odd"),
        ("dns.weight", "7"),
        ("other", "x"),
    ]);
    (fields, alike, prop::collection::vec(label, 0..3), any::<bool>()).prop_map(
        |((id, state, agent, ports, statuses, discovery), alike, labels, unreachable)| Thing {
            id,
            state,
            agent,
            ports,
            statuses,
            discovery,
            alike,
            labels,
            unreachable,
        },
    )
}

impl Thing {
    fn common(&self) -> Value {
        let ports = |ports: &[u16]| {
            let port = |port: &u16| {
                let scope = if port.is_multiple_of(2) { "host" } else { "container" };
                let labels = json!({"labels": [{"key": "network-scope", "value": scope}]});
                json!({"number": port, "visibility": "CLUSTER", "labels": labels})
            };
            ports.iter().map(port).collect::<Value>()
        };
        let mut common = json!({
            "name": format!("task {}", self.id),
            "state": self.state,
            "discovery": self.discovery.as_ref().map(|(name, numbers)| {
                json!({"name": name, "version": name, "visibility": "EXTERNAL", "ports": {"ports": ports(numbers)}})
            }),
        });
        self.alike.iter().for_each(|(name, value)| common[name] = value.clone());
        common
    }

    fn labels(&self) -> Value {
        self.labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
    }

    fn statuses(&self, labels: impl Fn(Value) -> Value) -> Value {
        let status = |(state, timestamp, healthy, addresses, label): &Status| {
            let addresses: Value = addresses.iter().map(|text| json!({"ip_address": text})).collect();
            let label = json!([{"key": "Docker.NetworkSettings.IPAddress", "value": label}]);
            json!({
                "state": state, "timestamp": timestamp, "healthy": healthy, "labels": labels(label),
                "container_status": {"network_infos": [{"ip_addresses": addresses, "name": format!("n{timestamp}")}]},
            })
        };
        self.statuses.iter().map(status).collect()
    }

    /// As `/state` has it, its ports sorted and joined by a set of numbers.
    fn nested(&self) -> Value {
        let numbers: std::collections::BTreeSet<u16> =
            self.ports.iter().flat_map(|(first, last)| *first..=*last).collect();
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        let text: Vec<_> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let mut task = self.common();
        task["id"] = self.id.clone().into();
        task["slave_id"] = self.agent.clone().into();
        task["statuses"] = self.statuses(|labels| labels);
        task["labels"] = self.labels();
        task["resources"] = json!({"cpus": 0.1, "ports": format!("[{}]", text.join(", "))});
        task
    }

    /// As the operator API has it, each range in a resource of its own.
    fn flat(&self, framework: &str) -> Value {
        let resource = |(first, last): &(u16, u16)| json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": first, "end": last}]}});
        let mut task = self.common();
        task["task_id"] = json!({"value": self.id});
        task["framework_id"] = json!({"value": framework});
        task["agent_id"] = json!({"value": self.agent});
        task["statuses"] = self.statuses(|labels| json!({"labels": labels}));
        task["labels"] = json!({"labels": self.labels()});
        task["resources"] = self.ports.iter().map(resource).collect();
        task
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_shapes_mean_the_same(
        frameworks in prop::collection::vec(prop::collection::vec(thing(), 0..4), 0..4),
        agents in prop::collection::vec("[a-z]{1,5}", 0..3),
    ) {
        let (mut flat, mut flat_unreachable, mut infos) = (Vec::new(), Vec::new(), Vec::new());
        let nested: Value = frameworks.iter().enumerate().map(|(number, things)| {
            let id = format!("F{number}");
            let of = |wanted| things.iter().filter(move |thing| thing.unreachable == wanted);
            flat.extend(of(false).map(|thing| thing.flat(&id)));
            flat_unreachable.extend(of(true).map(|thing| thing.flat(&id)));
            infos.push(json!({"framework_info": {"id": {"value": id}, "name": "web", "hostname": "h"}}));
            let tasks = |wanted| of(wanted).map(Thing::nested).collect::<Value>();
            json!({"id": id, "name": "web", "hostname": "h", "tasks": tasks(false), "unreachable_tasks": tasks(true)})
        }).collect();
        let domain = json!({"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "a"}}});
        let slaves: Value = agents.iter().map(|name| {
            json!({"id": name, "hostname": name, "pid": "s@10.0.0.1:5", "domain": domain})
        }).collect();
        let infos_of_agents: Value = agents.iter().map(|name| {
            json!({"agent_info": {"id": {"value": name}, "hostname": name, "domain": domain}, "pid": "s@10.0.0.1:5"})
        }).collect();
        let recovered: Value = agents.iter().map(|name| json!({"id": {"value": name}})).collect();
        let nested = json!({"slaves": slaves, "recovered_slaves": slaves, "frameworks": nested});
        let flat = json!({"get_state": {
            "get_tasks": {"tasks": flat, "unreachable_tasks": flat_unreachable},
            "get_frameworks": {"frameworks": infos},
            "get_agents": {"agents": infos_of_agents, "recovered_agents": recovered},
        }});
        let (nested, flat) = (nested.to_string(), flat.to_string());
        prop_assert_eq!(decode(nested.as_bytes()), decode_as(Shape::Operator, flat.as_bytes()), "{}\n{}", nested, flat);
    }

    /// However a stream is cut, it says the same. Each event says one thing, and perhaps what was left out of it, except
    /// for an empty record.
    #[test]
    fn pieces_do_not_matter(events in prop::collection::vec(select(EVENTS.to_vec()), 0..8), piece in 1usize..400) {
        let bytes = stream([EMPTY].iter().chain(&events));
        let (heard, error) = hear(&bytes, bytes.len());
        prop_assert_eq!(error, None);
        let is_event = |heard: &&Heard| !matches!(heard, Heard::Change(Change::Omitted(_)));
        prop_assert_eq!(heard.iter().filter(is_event).count(), 1 + events.iter().filter(|event| !event.is_empty()).count());
        prop_assert_eq!(hear(&bytes, piece).0, heard);
    }

    /// One byte changed: lost or not, alike in one piece and in many, and what was said before is said.
    #[test]
    fn one_byte_changed(
        events in prop::collection::vec(select(EVENTS.to_vec()), 1..4),
        at: prop::sample::Index,
        byte: u8,
        piece in 1usize..100,
    ) {
        let good = stream([EMPTY].iter().chain(&events));
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = hear(&bytes, bytes.len());
        let pieces = hear(&bytes, piece);
        prop_assert_eq!(&pieces.0, &changed.0);
        match (pieces.1, changed.1) {
            // What a foreign text begins with is told as far as it is known.
            (Some(StreamError::Snapshot(StateError::NotJson { .. })), whole) => {
                let alike = matches!(whole, Some(StreamError::Snapshot(StateError::NotJson { .. })));
                prop_assert!(alike);
            }
            (pieces, whole) => prop_assert_eq!(pieces, whole),
        }
        let before = hear(&good[..at], at.max(1)).0;
        prop_assert_eq!(changed.0.get(..before.len()), Some(&*before));
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>, piece in 1usize..40) {
        prop_assert_eq!(hear(&bytes, piece).0, hear(&bytes, bytes.len()).0);
        let framed = stream([&bytes]);
        prop_assert_eq!(hear(&framed, piece).0, hear(&framed, framed.len()).0);
        let (heard, _) = hear(&[stream([EMPTY]), framed].concat(), piece);
        prop_assert!(matches!(heard.first(), Some(Heard::Snapshot(_))));
    }
}
