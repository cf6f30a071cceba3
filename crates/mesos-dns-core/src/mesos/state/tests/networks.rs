//! What is only good to know: networks, places, labels, visibility. Good, odd, and shared where it is the same.

use std::sync::Arc;

use super::*;
use crate::cluster::{
    Container, DnsLabels, NetworkMode, Place, PortKind, PortMapping, PortScope, Protocol, Skipped, Task,
    Visibility,
};

/// The task with these members, and what was left out.
fn task(members: &str) -> (Task, Skipped) {
    let document = with_task(&format!(r#""id":"t","state":"TASK_RUNNING",{members}"#));
    let [_, task, _] = &*document.tasks else { panic!("three tasks") };
    (task.clone(), document.skipped)
}

fn check_container(container: &str, expected: Option<(NetworkMode, &[&str], &[PortMapping])>, bad: u64) {
    let (task, skipped) = task(&format!(r#""container":{container}"#));
    let expected = expected.map(|(mode, networks, mappings)| {
        let networks = networks.iter().map(|name| Arc::from(*name)).collect();
        Arc::new(Container { mode, networks, mappings: mappings.into() })
    });
    assert_eq!(task.container, expected, "{container}");
    assert_eq!(skipped, Skipped { port_mappings: bad, ..Skipped::default() }, "{container}");
}

fn mapping(host: u16, container: u16, protocol: Protocol) -> PortMapping {
    PortMapping { host, container, protocol }
}

#[test]
fn ways_of_being_attached() {
    let check = |container: &str, mode: NetworkMode, networks: &[&str]| {
        let expected = (mode, networks) != (NetworkMode::Unsaid, &[]);
        check_container(container, expected.then_some((mode, networks, &[])), 0);
    };
    let docker = |rest: &str| format!(r#"{{"type":"DOCKER","docker":{{"image":"x",{rest}}}}}"#);
    check(&docker(r#""network":"HOST""#), NetworkMode::Host, &[]);
    check(&docker(r#""network":"BRIDGE""#), NetworkMode::Bridge, &[]);
    check(&docker(r#""network":"NONE""#), NetworkMode::Detached, &[]);
    check(&docker(r#""network":"FROM_THE_FUTURE""#), NetworkMode::Unsaid, &[]);
    check(
        &docker(r#""network":"USER"},"network_infos":[{"name":"dcos"}],"x":{"y":1"#),
        NetworkMode::Named,
        &["dcos"],
    );
    // Mesos's own containerizer looks at its networks alone.
    check(r#"{"type":"MESOS","docker":{"network":"HOST"}}"#, NetworkMode::Unsaid, &[]);
    check(r#"{"type":"MESOS","mesos":{}}"#, NetworkMode::Unsaid, &[]);
    check(r#"{"type":"MESOS","network_infos":[{"name":"cni-a"}]}"#, NetworkMode::Named, &["cni-a"]);
    check(
        r#"{"network_infos":[{"name":"b"},{"name":"a"},{"name":"b"},{}],"type":"MESOS"}"#,
        NetworkMode::Named,
        &["b", "a"],
    );
    check(
        r#"{"type":"MESOS","network_infos":[{"ip_addresses":[{"protocol":"IPv4"}]}]}"#,
        NetworkMode::Named,
        &[],
    );
    check(r#"{"type":"MESOS","network_infos":[{"ip_addresses":[]}]}"#, NetworkMode::Unsaid, &[]);
    check(r#"{"type":"MESOS","network_infos":[{}]}"#, NetworkMode::Unsaid, &[]);
    // Of any other shape: whatever there is to know.
    check(r#"{"docker":{"network":"BRIDGE"}}"#, NetworkMode::Bridge, &[]);
    check(r#"{"type":7,"docker":{"network":[]},"network_infos":{}}"#, NetworkMode::Unsaid, &[]);
    check(
        r#"{"type":"MESOS","docker":null,"network_infos":[5,{"name":{}},{"name":"a"}]}"#,
        NetworkMode::Named,
        &["a"],
    );
    for container in ["null", "{}", "[]", "7", r#""x""#, r#"{"type":"DOCKER","docker":null}"#] {
        check(container, NetworkMode::Unsaid, &[]);
    }
}

#[test]
fn port_mappings() {
    let bridge = |mappings: &str| {
        format!(r#"{{"type":"DOCKER","docker":{{"network":"BRIDGE","port_mappings":{mappings}}}}}"#)
    };
    let check = |mappings: &str, expected: &[PortMapping], bad: u64| {
        check_container(&bridge(mappings), Some((NetworkMode::Bridge, &[], expected)), bad);
    };
    check(
        r#"[{"host_port":31000,"container_port":80,"protocol":"tcp"},{"container_port":53.0,"host_port":3.1001e4,
        "protocol":"UDP"},{"host_port":31002,"container_port":9},{"host_port":31003,"container_port":9,"protocol":"sctp"}]"#,
        &[
            mapping(31000, 80, Protocol::Tcp),
            mapping(31001, 53, Protocol::Udp),
            mapping(31002, 9, Protocol::Tcp),
            mapping(31003, 9, Protocol::Any),
        ],
        0,
    );
    check(
        r#"[{"host_port":0,"container_port":80},{"host_port":1,"container_port":65536},{"host_port":-1,"container_port":5},
        {"host_port":1.5,"container_port":5},{"container_port":5},{"host_port":"1","container_port":5},7,null,{},
        {"host_port":1,"container_port":65535,"protocol":[]}]"#,
        &[mapping(1, 65535, Protocol::Tcp)],
        9,
    );
    check("{}", &[], 0);
    check("null", &[], 0);
    check_container(
        r#"{"type":"MESOS","network_infos":[{"name":"a","port_mappings":[{"host_port":1,"container_port":2},
        {"host_port":3,"container_port":4,"protocol":"tcp"}]},{"name":"b","port_mappings":[{"host_port":5,"container_port":6,
        "protocol":"udp"}]}],"docker":{"port_mappings":[{"host_port":7,"container_port":8}]}}"#,
        Some((
            NetworkMode::Named,
            &["a", "b"],
            &[mapping(1, 2, Protocol::Any), mapping(3, 4, Protocol::Tcp), mapping(5, 6, Protocol::Udp)],
        )),
        0,
    );
}

#[test]
fn more_than_one_task_may_have() {
    let many = |item: &str, count: usize| {
        (1..=count).map(|n| item.replace('#', &n.to_string())).collect::<Vec<_>>().join(",")
    };
    let (mappings, networks) = (
        many(r##"{"host_port":#,"container_port":#}"##, TASK_MAPPINGS_MAX + 2),
        many(r##"{"name":"n#"}"##, TASK_NETWORKS_MAX + 3),
    );
    let aliases = many("a#", TASK_ALIASES_MAX + 4);
    let (task, skipped) = task(&format!(
        r#""container":{{"type":"DOCKER","docker":{{"network":"USER","port_mappings":[{mappings}]}},"network_infos":[{networks}]}},
        "labels":[{{"key":"dns.alias","value":"{aliases}"}}]"#
    ));
    let container = task.container.expect("it asks for networks");
    assert_eq!((container.mappings.len(), container.networks.len()), (TASK_MAPPINGS_MAX, TASK_NETWORKS_MAX));
    assert_eq!(task.labels.map(|labels| labels.aliases.len()), Some(TASK_ALIASES_MAX));
    assert_eq!(skipped, Skipped { over_limit: 2 + 3 + 4, ..Skipped::default() });
}

#[test]
fn networks_of_addresses() {
    let check = |networks: &str, expected: &[(&str, Option<&str>)]| {
        let (task, skipped) = task(&format!(
            r#""statuses":[{{"state":"TASK_RUNNING","container_status":{{"network_infos":{networks}}}}}]"#
        ));
        let found: Vec<_> = task
            .addresses
            .iter()
            .map(|at| (at.address.to_string(), at.network.as_deref().map(String::as_str)))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(text, name)| ((*text).to_owned(), *name)).collect();
        assert_eq!((found, skipped), (expected, Skipped::default()), "{networks}");
    };
    check(
        r#"[{"name":"a","ip_addresses":[{"ip_address":"9.0.0.1"},{"ip_address":"fd00::1"}]},
        {"ip_addresses":[{"ip_address":"9.0.0.2"}],"name":"b"},{"ip_addresses":[{"ip_address":"9.0.0.3"}]},
        {"name":"c","ip_address":"9.0.0.4"}]"#,
        &[
            ("9.0.0.1", Some("a")),
            ("fd00::1", Some("a")),
            ("9.0.0.2", Some("b")),
            ("9.0.0.3", None),
            ("9.0.0.4", Some("c")),
        ],
    );
    // Agents add the containerizer's entries to those of the executor.
    check(
        r#"[{"ip_addresses":[{"ip_address":"9.0.0.1"}]},{"name":"a","ip_addresses":[{"ip_address":"9.0.0.1"}]},
        {"name":"b","ip_addresses":[{"ip_address":"9.0.0.1"}]}]"#,
        &[("9.0.0.1", Some("a"))],
    );
    check(r#"[{"name":{"x":1},"ip_address":"9.0.0.1"}]"#, &[("9.0.0.1", None)]);
    check(r#"[{"name":"","ip_address":"9.0.0.1"},{"name":"a"}]"#, &[("9.0.0.1", None)]);
}

#[test]
fn labels_for_us() {
    let check = |labels: &str, expected: &DnsLabels, bad: u64| {
        let (task, skipped) = task(&format!(r#""labels":{labels}"#));
        let found = task.labels.map(|labels| *labels);
        let expected = Some(expected.clone()).filter(|labels| *labels != DnsLabels::default());
        assert_eq!(found, expected, "{labels}");
        assert_eq!(skipped, Skipped { labels: bad, ..Skipped::default() }, "{labels}");
    };
    let none = DnsLabels::default();
    let aliases = |names: &[&str]| DnsLabels {
        aliases: names.iter().map(|name| Arc::from(*name)).collect(),
        ..DnsLabels::default()
    };
    let all =
        DnsLabels { ttl: Some(5), weight: Some(10), priority: Some(0), ..aliases(&["www", "shop.web"]) };
    let list = r#"[{"key":"HAPROXY_GROUP","value":"x"},{"key":"dns.alias","value":" www, shop.web,,www"},
        {"key":"dns.ttl","value":"5"},{"value":"10","key":"dns.weight"},{"key":"dns.priority","value":" 0 "},{"key":"dns.x"}]"#;
    check(list, &all, 0);
    check(&format!(r#"{{"labels":{list}}}"#), &all, 0);
    check(
        r#"[{"key":"d\u006es.alias","value":"a"},{"key":"dns.alias","value":"b"}]"#,
        &aliases(&["a", "b"]),
        0,
    );
    check(
        r#"[{"key":"dns.ttl","value":"5"},{"key":"dns.ttl","value":"6"}]"#,
        &DnsLabels { ttl: Some(6), ..none.clone() },
        0,
    );
    check(
        r#"[{"key":"dns.ttl","value":"2147483647"},{"key":"dns.weight","value":"65535"}]"#,
        &DnsLabels { ttl: Some(i32::MAX as u32), weight: Some(u16::MAX), ..none.clone() },
        0,
    );
    check(
        r#"[{"key":"dns.ttl","value":"2147483648"},{"key":"dns.weight","value":"65536"},{"key":"dns.priority","value":"-1"},
        {"key":"dns.ttl"},{"key":"dns.ttl","value":"5s"},{"key":"dns.ttl","value":5},{"key":"dns.priority","value":"+5"}]"#,
        &none,
        7,
    );
    check(
        r#"[{"key":"DNS.ttl","value":"5"},{"key":"dns.alias","value":" , "},{"key":"ttl","value":"dns."}]"#,
        &none,
        0,
    );
    check(
        r#"[5,null,[],{"key":{}},{"key":"dns.ttl","value":"7"}]"#,
        &DnsLabels { ttl: Some(7), ..none.clone() },
        0,
    );
    for odd in ["null", "7", "{}", "[]", r#""dns.ttl""#, r#"{"labels":7,"x":"dns."}"#] {
        check(odd, &none, 0);
    }
}

#[test]
fn ports_and_who_sees_them() {
    let check = |port: &str, scope: PortScope, visibility: Option<Visibility>| {
        let (task, skipped) =
            task(&format!(r#""discovery":{{"name":"x","ports":{{"ports":[{{"number":1,{port}}}]}}}}"#));
        let discovery = task.discovery.expect("it has a name");
        let kind = PortKind { scope, visibility, ..PortKind::default() };
        assert_eq!(*discovery.ports[0].kind, kind, "{port}");
        assert_eq!(skipped, Skipped::default(), "{port}");
    };
    let scope = |value: &str| {
        format!(
            r#""labels":{{"labels":[{{"key":"VIP_0","value":"/a:1"}},{{"key":"network-scope","value":{value}}}]}}"#
        )
    };
    check(&scope(r#""host""#), PortScope::Host, None);
    check(&scope(r#""container""#), PortScope::Container, None);
    check(&scope(r#""elsewhere""#), PortScope::Unsaid, None);
    check(&scope("{}"), PortScope::Unsaid, None);
    check(r#""labels":[{"key":"network-scope","value":"host"}]"#, PortScope::Host, None);
    check(r#""labels":7,"visibility":"CLUSTER""#, PortScope::Unsaid, Some(Visibility::Cluster));
    check(r#""visibility":"EXTERNAL""#, PortScope::Unsaid, Some(Visibility::External));
    check(r#""visibility":"FRAMEWORK""#, PortScope::Unsaid, Some(Visibility::Framework));
    check(r#""visibility":"FROM_THE_FUTURE""#, PortScope::Unsaid, None);
    check(r#""visibility":5"#, PortScope::Unsaid, None);
    let check = |members: &str, expected: Visibility, version: &str| {
        let (task, _) = task(&format!(r#""discovery":{{"name":"x"{members}}}"#));
        let discovery = task.discovery.expect("it has a name");
        let found = discovery.version.as_ref().map_or("", |version| version);
        assert_eq!((discovery.visibility, found), (expected, version), "{members}");
    };
    check("", Visibility::Framework, "");
    check(r#","visibility":"CLUSTER","version":"1.2""#, Visibility::Cluster, "1.2");
    check(r#","version":null,"visibility":"EXTERNAL""#, Visibility::External, "");
    check(r#","version":7,"visibility":{}"#, Visibility::Framework, "");
}

#[test]
fn health_checks() {
    for (members, expected) in [
        (r#""health_check":{"type":"HTTP"}"#, true),
        (r#""health_check":{}"#, true),
        (r#""health_check":null"#, false),
        (r#""health_check":[]"#, false),
        (r#""x":1"#, false),
    ] {
        assert_eq!(task(members).0.is_checked, expected, "{members}");
    }
}

#[test]
fn fault_domains() {
    let check = |domain: &str, expected: Option<(&str, &str)>| {
        let (flat, info) = (
            format!(r#"{{"slaves":[{{"id":"S","pid":"s@10.0.0.1:5","domain":{domain}}}]}}"#),
            format!(
                r#"{{"get_state":{{"get_agents":{{"agents":[{{"pid":"s@10.0.0.1:5","agent_info":{{"id":{{"value":"S"}},"domain":{domain}}}}}]}}}}}}"#
            ),
        );
        let expected = expected.map(|(region, zone)| Place { region: region.into(), zone: zone.into() });
        for (shape, document) in [(Shape::State, flat), (Shape::Operator, info)] {
            let found = decode_as(shape, document.as_bytes()).expect(domain);
            let [agent] = &*found.agents else { panic!("one agent: {document}") };
            assert_eq!(agent.place.as_deref(), expected.as_ref(), "{document}");
            assert!(agent.address.is_some());
            assert_eq!(found.skipped, Skipped::default());
        }
    };
    check(r#"{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"eu-a"}}}"#, Some(("eu", "eu-a")));
    check(r#"{"fault_domain":{"region":{"name":"eu"}}}"#, None);
    check(r#"{"fault_domain":{"region":{"name":""},"zone":{"name":"eu-a"}}}"#, None);
    check(r#"{"fault_domain":{"region":"eu","zone":{"name":"eu-a"}}}"#, None);
    for odd in ["null", "7", "[]", "{}", r#"{"fault_domain":[]}"#] {
        check(odd, None);
    }
}

#[test]
fn what_is_the_same_is_shared() {
    let task = r#""state":"TASK_RUNNING","statuses":[{"state":"TASK_RUNNING","container_status":{"network_infos":[{"name":"dcos",
        "ip_address":"9.0.0.1"}]}}],"container":{"type":"MESOS","network_infos":[{"name":"dcos"}]},"discovery":{"name":"x",
        "version":"1","ports":{"ports":[{"number":1,"labels":{"labels":[{"key":"network-scope","value":"host"}]}}]}}"#;
    let document = format!(
        r#"{{"slaves":[{{"id":"S","domain":{{"fault_domain":{{"region":{{"name":"eu"}},"zone":{{"name":"a"}}}}}}}},
        {{"id":"T","domain":{{"fault_domain":{{"region":{{"name":"eu"}},"zone":{{"name":"a"}}}}}}}}],
        "frameworks":[{{"id":"F","tasks":[{{"id":"1",{task}}},{{"id":"2",{task}}}]}}]}}"#
    );
    let document = decode(document.as_bytes()).expect("well formed");
    let ([one, two], [here, there]) = (&*document.tasks, &*document.agents) else { panic!("two of each") };
    let places = here.place.as_ref().zip(there.place.as_ref());
    assert!(places.is_some_and(|(one, two)| Arc::ptr_eq(one, two)));
    let containers = one.container.as_ref().zip(two.container.as_ref());
    assert!(containers.is_some_and(|(one, two)| Arc::ptr_eq(one, two)));
    let name = |task: &Task| task.addresses[0].network.clone().expect("its network has a name");
    assert!(Arc::ptr_eq(&name(one), &name(two)));
    let discovery = one.discovery.as_ref().zip(two.discovery.as_ref());
    assert!(discovery.is_some_and(|(one, two)| {
        let versions = one.version.as_ref().zip(two.version.as_ref());
        versions.is_some_and(|(one, two)| Arc::ptr_eq(one, two))
            && Arc::ptr_eq(&one.ports[0].kind, &two.ports[0].kind)
    }));
}
