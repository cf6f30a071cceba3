//! What is written to be read back is read back, and nothing else is.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

use super::*;
use crate::{
    cluster::{
        AddressSource, Agent, Cluster, Container, Discovery, DiscoveryPort, DnsLabels, Endpoint, Framework,
        Host, Hosts, Masters, NetworkMode, Place, PortKind, PortMapping, PortRange, PortScope, Protocol,
        Task, TaskAddress, TaskState, Visibility, apply,
    },
    mesos::pid::Pid,
    table::Seed,
};

//------------ Any cluster -----------------------------------------------------

fn text() -> impl Strategy<Value = Arc<str>> {
    let odd = select(vec!["", "\"", "\\", "}]", "\u{0}\n\u{7f}", "é€😀", "\u{fffd}", "a@b:1", "mesos_dns"]);
    prop_oneof!["[a-z0-9.-]{1,8}", "\\PC{0,12}", odd.prop_map(str::to_owned)].prop_map(Arc::from)
}

fn id() -> impl Strategy<Value = Arc<str>> {
    text().prop_filter("ids are not empty", |id| !id.is_empty())
}

fn address() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(|address| address.to_canonical())
}

/// Whatever a decoder makes of an address; `None` where it makes nothing.
fn endpoint() -> impl Strategy<Value = Option<Endpoint>> {
    let host = prop_oneof![
        "[a-z0-9.-]{1,8}",
        "[\\[\\]a:% \"]{1,5}",
        "\\PC{1,9}",
        address().prop_map(|address| address.to_string()),
        address().prop_map(|address| format!("[{address}]")),
        select(vec!["[[x]", "[a:b]", "[", "\"x", "[fe80::1%eth0]"]).prop_map(str::to_owned),
    ];
    (host, any::<u16>())
        .prop_map(|(host, port)| Pid::parse(&format!("slave(1)@{host}:{port}")).map(|pid| pid.endpoint()))
}

fn agent() -> impl Strategy<Value = Agent> {
    let place = option::of((id(), id()).prop_map(|(region, zone)| Arc::new(Place { region, zone })));
    (id(), text(), endpoint(), place).prop_map(|(id, hostname, address, place)| Agent {
        id,
        hostname,
        address,
        place,
    })
}

fn framework() -> impl Strategy<Value = Framework> {
    (id(), text(), endpoint(), text()).prop_map(|(id, name, pid, hostname)| {
        let port = pid.as_ref().map(|pid| pid.port);
        let hostname = Some(hostname).filter(|name| !name.is_empty());
        let host = pid.map(|pid| pid.host).or(hostname.map(|name| Host::new(&name)));
        Framework { id, name, host, port }
    })
}

fn addresses() -> impl Strategy<Value = Box<[TaskAddress]>> {
    let source = select(vec![AddressSource::Docker, AddressSource::Mesos, AddressSource::NetInfo]);
    vec((source, address(), option::of(id())), 0..5).prop_map(|found| {
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(source, address, network)| {
                // Only statuses name networks.
                let network = network.filter(|_| source == AddressSource::NetInfo);
                let network = network.map(|name| Arc::new(name.to_string()));
                TaskAddress { source, address, network }
            })
            .collect();
        found.sort_by_key(|address| address.source);
        let mut seen = Vec::new();
        found.retain(|address| {
            let key = (address.source, address.address);
            !seen.contains(&key) && {
                seen.push(key);
                true
            }
        });
        found.into()
    })
}

fn visibility() -> impl Strategy<Value = Visibility> {
    select(vec![Visibility::Framework, Visibility::Cluster, Visibility::External])
}

fn discovery() -> impl Strategy<Value = Discovery> {
    let number = prop_oneof![0..=70_000i64, select(vec![-1, i64::MIN, i64::MAX, 1 << 53])];
    let scope = select(vec![PortScope::Container, PortScope::Host, PortScope::Unsaid]);
    let kind = (text(), text(), scope, option::of(visibility()))
        .prop_map(|(name, protocol, scope, visibility)| PortKind { name, protocol, scope, visibility });
    let port = (number, kind).prop_map(|(number, kind)| DiscoveryPort { number, kind: kind.into() });
    let version = option::of(id().prop_map(|version| Arc::new(version.to_string())));
    (id(), visibility(), version, vec(port, 0..4)).prop_map(|(name, visibility, version, ports)| Discovery {
        name,
        visibility,
        version,
        ports: ports.into(),
    })
}

/// What says nothing of networks is never kept.
fn container() -> impl Strategy<Value = Option<Arc<Container>>> {
    let mode = select(vec![
        NetworkMode::Bridge,
        NetworkMode::Detached,
        NetworkMode::Host,
        NetworkMode::Named,
        NetworkMode::Unsaid,
    ]);
    let protocol = select(vec![Protocol::Any, Protocol::Tcp, Protocol::Udp]);
    let port = || 1..=u16::MAX;
    let mapping = (port(), port(), protocol).prop_map(|(host, container, protocol)| PortMapping {
        host,
        container,
        protocol,
    });
    (mode, vec(id(), 0..3), vec(mapping, 0..3)).prop_map(|(mode, networks, mappings)| {
        let mut names: Vec<Arc<str>> = Vec::new();
        networks.into_iter().for_each(|name| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        let says_something = mode != NetworkMode::Unsaid || !names.is_empty() || !mappings.is_empty();
        let container = Container { mode, networks: names.into(), mappings: mappings.into() };
        says_something.then(|| Arc::new(container))
    })
}

fn labels() -> impl Strategy<Value = Option<Box<DnsLabels>>> {
    let alias = "[a-z.]{1,5}( x)?|\\PC{1,4}".prop_map(|text| text.trim().replace(',', "-"));
    let alias =
        alias.prop_filter("aliases are not empty", |alias| !alias.is_empty()).prop_map(Arc::<str>::from);
    let numbers = (option::of(0..=i32::MAX as u32), any::<Option<u16>>(), any::<Option<u16>>());
    (vec(alias, 0..3), numbers).prop_map(|(mut aliases, (ttl, weight, priority))| {
        aliases.sort();
        aliases.dedup();
        let labels = DnsLabels { aliases: aliases.into(), ttl, weight, priority };
        (labels != DnsLabels::default()).then(|| Box::new(labels))
    })
}

fn task(frameworks: Vec<Arc<str>>) -> impl Strategy<Value = Task> {
    let framework = prop_oneof![4 => select(frameworks), 1 => id()];
    let state = select(vec![
        TaskState::Killing,
        TaskState::Other,
        TaskState::Running,
        TaskState::Staging,
        TaskState::Starting,
        TaskState::Unreachable,
    ]);
    let ports = vec((any::<u32>(), any::<u32>()), 0..4).prop_map(|ranges| {
        let range = |(a, b): (u32, u32)| PortRange { first: a.min(b), last: a.max(b) };
        ranges.into_iter().map(range).collect::<Box<[_]>>()
    });
    let what = (id(), text(), framework, text(), state);
    let health = (any::<Option<bool>>(), any::<bool>());
    let how = (ports, addresses(), option::of(discovery()), container(), labels());
    (what, health, how).prop_map(|(what, (healthy, is_checked), how)| {
        let (id, name, framework_id, agent_id, state) = what;
        let (ports, addresses, discovery, container, labels) = how;
        let (id, discovery) = ((&*id).into(), discovery.map(Box::new));
        Task {
            id,
            name,
            framework_id,
            agent_id,
            state,
            healthy,
            is_checked,
            ports,
            addresses,
            discovery,
            container,
            labels,
        }
    })
}

fn masters() -> impl Strategy<Value = Masters> {
    let address = || {
        (address(), 1..=u16::MAX).prop_map(|(ip, port)| format!("{}", std::net::SocketAddr::new(ip, port)))
    };
    let listed = prop_oneof![address(), "[a-z]{1,5}:[1-9]", Just(String::new())].prop_map(Arc::from);
    (option::of(address().prop_map(Arc::from)), vec(listed, 0..4))
        .prop_map(|(leader, listed)| Masters { leader, listed })
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let hosts = btree_map(text(), vec(address(), 0..3), 0..4);
    let tasks = |frameworks: Vec<Framework>| {
        let mut ids: Vec<_> = frameworks.iter().map(|framework| framework.id.clone()).collect();
        ids.push("f".into());
        (Just(frameworks), vec(task(ids), 0..8))
    };
    (vec(agent(), 0..5), vec(framework(), 0..4).prop_flat_map(tasks), masters(), hosts).prop_map(
        |(agents, (frameworks, tasks), masters, names)| {
            let mut hosts = Hosts::default();
            names.into_iter().for_each(|(name, addresses)| hosts.insert(name, addresses));
            let document = Document { agents, frameworks, tasks, ..Document::default() };
            apply(&Cluster::default(), document, masters, hosts, Seed(1)).0
        },
    )
}

/// Everything in it, in an order that does not depend on how it came there.
fn contents(cluster: &Cluster) -> impl PartialEq + std::fmt::Debug + use<> {
    fn sorted<T: Clone>(
        items: impl Iterator<Item = Arc<T>>,
        key: impl Fn(&T) -> String,
    ) -> BTreeMap<String, Arc<T>> {
        items.map(|item| (key(&item), item)).collect()
    }
    (
        sorted(cluster.agents.iter().cloned(), |agent| agent.id.to_string()),
        sorted(cluster.frameworks.iter().cloned(), |framework| framework.id.to_string()),
        sorted(cluster.tasks.iter().cloned(), |task| format!("{:?}", (&task.framework_id, &task.id))),
        cluster.masters.clone(),
        cluster.hosts.clone(),
    )
}

fn about() -> impl Strategy<Value = About> {
    let elected = option::of(0.0..2e9);
    let times = (any::<u64>(), any::<u32>(), any::<u64>());
    (times, text(), option::of("[a-z]{1,5}:[1-9]"), elected).prop_map(
        |((saved_at, serial, content_hash), soa, pid, elected_time)| About {
            saved_at,
            serial,
            content_hash,
            soa: soa.to_string(),
            pid,
            elected_time,
        },
    )
}

fn written(cluster: &Cluster, about: &About) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(cluster, about, &mut bytes).expect("memory takes everything");
    bytes
}

fn restored(saved: Saved, seed: u64) -> Cluster {
    let Saved { document, listed, hosts, .. } = saved;
    let masters = Masters { leader: document.leader.as_deref().map(Arc::from), listed };
    apply(&Cluster::default(), document, masters, hosts, Seed(seed)).0
}

//------------ The laws ----------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read_back(cluster in cluster(), about in about()) {
        let bytes = written(&cluster, &about);
        let saved = decode_saved(&bytes).expect("our own file");
        prop_assert_eq!(&saved.about, &about);
        prop_assert_eq!(contents(&restored(saved, 2)), contents(&cluster), "{}", String::from_utf8_lossy(&bytes));
        // It is a state document for whoever does not know better, and JSON for everybody.
        prop_assert!(decode(&bytes).expect("a state document").complete);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
    }

    #[test]
    fn equal_clusters_give_equal_files(cluster in cluster(), about in about()) {
        let bytes = written(&cluster, &about);
        let again = restored(decode_saved(&bytes).expect("our own file"), 77);
        prop_assert_eq!(written(&again, &about), bytes);
    }

    #[test]
    fn a_part_of_a_file_is_no_file(cluster in cluster(), about in about(), cut: prop::sample::Index) {
        let bytes = written(&cluster, &about);
        let whole = bytes.trim_ascii_end();
        let part = whole.get(..cut.index(whole.len())).expect("shorter");
        prop_assert!(decode_saved(part).is_err());
    }

    /// Whatever is in a file, reading it ends.
    #[test]
    fn any_bytes(cluster in cluster(), about in about(), changes: Vec<(prop::sample::Index, u8)>) {
        let mut bytes = written(&cluster, &about);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        _ = decode_saved(&bytes);
    }
}

#[test]
fn foreign_and_damaged_files() {
    let check = |json: &str, expected: &str| {
        let error = decode_saved(json.as_bytes()).expect_err(json);
        assert!(error.to_string().starts_with(expected), "{json}: {error}");
    };
    let foreign = "it is no saved cluster";
    for json in ["", " ", "[]", "{}", "<html>", SMALL, r#"{"version":"1","mesos_dns":{"format":1}}"#, "\u{0}"]
    {
        check(json, foreign);
    }
    check(r#"{"mesos_dns":"#, "its member mesos_dns is malformed: it is missing");
    check(r#"{"mesos_dns":{"#, "its member mesos_dns is malformed");
    check(r#"{"mesos_dns":{"format":1}}"#, "its member mesos_dns is malformed: missing field");
    check(r#"{"mesos_dns":{"format":2,"new":[]}}"#, "its format is 2, and 1 is known");
    check(r#"{"mesos_dns":[]}"#, "its format is 0");
    let good = String::from_utf8(written(&Cluster::default(), &About::default())).expect("UTF-8");
    assert_eq!(decode_saved(good.as_bytes()).map(|saved| saved.about), Ok(About::default()));
    check(&good.replace("\"slaves\"", "\"servants\""), "parts of it are damaged or missing");
    check(&good.replace("\"slaves\": [", "\"slaves\": [{}"), "parts of it are damaged or missing");
    check(&good.replace("]}", "] }x"), "it cannot be read");
}
