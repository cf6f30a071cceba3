//! What clients of the original are told stays what it is, whatever further names there are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// All records of some tasks, by owner, type and data; of those of the second framework, too.
fn of_all(
    tasks: &[(u8, Task)],
    frameworks: &[Framework; 2],
    names: &[ExtraName],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut cluster = Cluster::default();
    frameworks.iter().for_each(|framework| _ = cluster.frameworks.insert(Arc::new(framework.clone())));
    let (policy, mut sets) = (policy(names), BTreeMap::<String, BTreeSet<String>>::new());
    let mut take = |record: Record| {
        let kind = match &record.data {
            Data::Other { rtype, .. } => rtype.to_string(),
            Data::Reverse(_) | Data::Ttl(_) => return,
            data => shown(data).split(' ').next().unwrap_or_default().to_owned(),
        };
        let Some(owner) = record.owner.name() else { return };
        sets.entry(format!("{owner} {kind}")).or_default().insert(shown(&record.data).to_lowercase());
    };
    for framework in frameworks {
        crate::records::framework(framework, &Hosts::default(), &policy, &mut take);
    }
    crate::records::agent(&agent(), &Hosts::default(), &policy, &mut take);
    for (at, task) in tasks {
        let framework = &frameworks[usize::from(at % 2)];
        contribution(task, framework, &agent(), &cluster, &policy, &mut take);
    }
    sets
}

/// A framework called like a service of another is what stands below that service's name.
#[test]
fn names_for_ports_make_way() {
    let service = |name: &str| Some(discovery(name, vec![DiscoveryPort::new(80, "http", "tcp")]));
    let has = |name: &str, other: &str, owner: &str| {
        let frameworks = [framework(), Framework { name: other.into(), id: "g".into(), ..framework() }];
        let sets = of_all(&[(0, task(None, service(name)))], &frameworks, &[ExtraName::Ports]);
        sets.contains_key(&format!("{owner}.marathon.mesos. SRV"))
    };
    assert!(has("web", "other", "_http._tcp.web"));
    assert!(has("web", "api.marathon", "_http._tcp.web"));
    assert!(!has("web", "Web.marathon", "_http._tcp.web"));
    assert!(
        has("Web.UI", "web-ui.other", "_http._tcp.web-ui") && has("Web.UI", "other", "_http._tcp.web.ui")
    );
    assert!(!has("Web.UI", "web.ui.marathon", "_http._tcp.web.ui"));
    assert!(!has("x._tcp", "other", "_http._tcp.x._tcp") && has("x._tcp", "other", "_http._tcp.x--tcp"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// What clients of the original ask for is what it was, with all further names.
    #[test]
    fn further_names_leave_those_of_the_original_alone(
        other in "(web|Web\\.UI|x\\._tcp|http|_web)?\\.?marathon|other|_http\\._tcp\\.web",
        tasks in prop::collection::vec(
            (
                any::<u8>(),
                "(http|web|Web\\.UI|_http|framework|_services)",
                prop::option::of("(_?(http|web|tcp|zone|eu-west|services|net)[._]){0,3}(_tcp|_udp|web|Web\\.UI|_zone|tcp)"),
                prop::collection::vec(("(http|web|zone|tcp|Web\\.UI)?", "(tcp|udp|http|web|net|zone)?"), 0..3),
                prop::collection::vec("(http|web|zone)", 0..2),
            ),
            1..6,
        ),
    ) {
        let frameworks = [framework(), Framework { name: other.into(), id: "g".into(), ..framework() }];
        let tasks: Vec<(u8, Task)> = tasks.into_iter().enumerate().map(|(id, (at, name, discovered, ports, aliases))| {
            let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let ports = ports.iter().map(|(name, protocol)| DiscoveryPort::new(80 + id as i64, name.as_str(), protocol.as_str()));
            let discovered = discovered.map(|name| discovery(&name, ports.collect()));
            let task = task(Some(labels(&aliases)), discovered);
            (at, Task { id: format!("task.{id}").into(), name: name.into(), ..task })
        }).collect();
        let (without, with) = (of_all(&tasks, &frameworks, &[]), of_all(&tasks, &frameworks, &ALL));
        for (owner, records) in &without {
            prop_assert_eq!(with.get(owner), Some(records), "{}", owner);
        }
    }
}
