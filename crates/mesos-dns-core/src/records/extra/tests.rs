//! What labels and `extraNames` add, and that no label gets out of its framework.

mod original;

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        AddressSource, Cluster, Discovery, Endpoint, Framework, Host, Hosts, Place, PortKind, PortRange,
        TaskAddress,
    },
    records::{Area, Withheld, contribution},
    test_support,
};

const ALL: [ExtraName; 5] =
    [ExtraName::Agents, ExtraName::Browse, ExtraName::Places, ExtraName::Ports, ExtraName::Text];

fn policy(names: &[ExtraName]) -> Policy {
    let extra = Extra { names: names.iter().copied().collect(), weight: 7, ..Extra::default() };
    Policy { extra, ..test_support::policy() }
}

fn agent() -> Agent {
    Agent {
        id: "6e8f-S12".into(),
        hostname: "Node-7.rack1".into(),
        address: Some(Endpoint { host: Host::new("10.0.1.10"), port: 5051 }),
        place: Some(Arc::new(Place { region: "eu-west".into(), zone: "EU_West.1a".into() })),
    }
}

fn framework() -> Framework {
    Framework { id: "f".into(), name: "marathon".into(), host: None, port: None }
}

fn task(labels: Option<DnsLabels>, discovery: Option<Discovery>) -> Task {
    Task {
        ports: [PortRange { first: 31001, last: 31001 }].into(),
        addresses: [TaskAddress {
            source: AddressSource::NetInfo,
            address: "172.16.0.4".parse().unwrap(),
            network: None,
        }]
        .into(),
        discovery: discovery.map(Box::new),
        labels: labels.map(Box::new),
        ..test_support::task("api.0001", "web", "f", "6e8f-S12")
    }
}

fn discovery(name: &str, ports: Vec<DiscoveryPort>) -> Discovery {
    Discovery {
        name: name.into(),
        ports: ports.into(),
        version: Some(Arc::new("1.2".into())),
        ..Discovery::default()
    }
}

fn labels(aliases: &[&str]) -> DnsLabels {
    DnsLabels { aliases: aliases.iter().map(|alias| Arc::from(*alias)).collect(), ..DnsLabels::default() }
}

/// The data as a zone file would have it, more or less.
fn shown(data: &Data) -> String {
    match data {
        Data::A(address) => format!("A {address}"),
        Data::Aaaa(address) => format!("AAAA {address}"),
        Data::Srv { port, target, preference } => match preference {
            Some(Preference { priority, weight }) => {
                format!("SRV {priority} {weight} {port} {}", target.to_text())
            }
            None => format!("SRV {port} {}", target.to_text()),
        },
        Data::Other { rtype: rtype::PTR, rdata } => format!("PTR {}", Name::from_wire(rdata).unwrap()),
        Data::Other { rdata, .. } => {
            let mut strings = Vec::new();
            let mut rest = &rdata[..];
            while let Some((length, after)) = rest.split_first() {
                strings.push(String::from_utf8_lossy(&after[..usize::from(*length)]).into_owned());
                rest = &after[usize::from(*length)..];
            }
            format!("TXT {}", strings.join(" "))
        }
        Data::Ttl(seconds) => format!("TTL {seconds}"),
        other => format!("{other:?}"),
    }
}

fn listed(task: &Task, policy: &Policy) -> (BTreeSet<String>, Withheld) {
    let mut lines = BTreeSet::new();
    let withheld = contribution(task, &framework(), &agent(), &Cluster::default(), policy, &mut |record| {
        lines.insert(format!("{} {}", record.owner.to_text(), shown(&record.data)));
    });
    (lines, withheld)
}

/// What these policies and labels add to the records of a task, and what they take away.
fn difference(with: &Task, policy: &Policy, without: &Task, plain: &Policy) -> (Vec<String>, Vec<String>) {
    let (more, fewer) = (listed(with, policy).0, listed(without, plain).0);
    (more.difference(&fewer).cloned().collect(), fewer.difference(&more).cloned().collect())
}

fn added_by_names(names: &[ExtraName], task: &Task) -> Vec<String> {
    let (more, fewer) = difference(task, &policy(names), task, &policy(&[]));
    assert!(fewer.is_empty(), "{fewer:#?}");
    more
}

#[test]
fn an_alias_is_a_further_name_of_the_service() {
    let (with, without) = (task(Some(labels(&["API_v1", "web", "", "api.v1"])), None), task(None, None));
    let (more, fewer) = difference(&with, &policy(&[]), &without, &policy(&[]));
    assert_eq!(
        more,
        [
            "_api-v1._tcp.marathon.mesos. SRV 31001 api-v1-wkx1q-s12.marathon.slave.mesos.",
            "_api-v1._tcp.marathon.slave.mesos. SRV 31001 api-v1-wkx1q-s12.marathon.slave.mesos.",
            "_api-v1._udp.marathon.mesos. SRV 31001 api-v1-wkx1q-s12.marathon.slave.mesos.",
            "_api-v1._udp.marathon.slave.mesos. SRV 31001 api-v1-wkx1q-s12.marathon.slave.mesos.",
            "api-v1-wkx1q-s12.marathon.mesos. A 172.16.0.4",
            "api-v1-wkx1q-s12.marathon.slave.mesos. A 10.0.1.10",
            "api-v1.marathon.mesos. A 172.16.0.4",
            "api-v1.marathon.slave.mesos. A 10.0.1.10",
        ]
    );
    assert!(fewer.is_empty());
}

#[test]
fn a_task_says_how_long_and_how_often_it_is_asked() {
    let chosen = DnsLabels { ttl: Some(1_000_000), weight: Some(30), ..DnsLabels::default() };
    let (lines, _) = listed(&task(Some(chosen), None), &policy(&[]));
    for line in [
        "web.marathon.mesos. TTL 86400",
        "web-wkx1q-s12.marathon.slave.mesos. TTL 86400",
        "_web._tcp.marathon.mesos. TTL 86400",
        "_web._tcp.marathon.mesos. SRV 0 30 31001 web-wkx1q-s12.marathon.slave.mesos.",
    ] {
        assert!(lines.contains(line), "{line} in {lines:#?}");
    }
    let chosen = DnsLabels { priority: Some(2), ..DnsLabels::default() };
    let (lines, _) = listed(&task(Some(chosen), None), &policy(&[]));
    // The weight of all, where none is asked for.
    assert!(lines.contains("_web._tcp.marathon.mesos. SRV 2 7 31001 web-wkx1q-s12.marathon.slave.mesos."));
    assert!(!lines.iter().any(|line| line.contains("TTL")));
}

#[test]
fn names_of_places() {
    let added = added_by_names(&[ExtraName::Places], &task(None, None));
    for line in [
        "eu-west-1a._zone.web.marathon.mesos. A 172.16.0.4",
        "eu-west._region.web.marathon.mesos. A 172.16.0.4",
        "eu-west-1a._zone._web._tcp.marathon.mesos. SRV 31001 web-wkx1q-s12.marathon.slave.mesos.",
    ] {
        assert!(added.contains(&line.to_owned()), "{line} in {added:#?}");
    }
    // Two shared names of addresses and four of services, in two places; none at the instance's own.
    assert_eq!(added.len(), (2 + 4) * 2);
}

/// What the operator says of an agent's address is where it is, if it does not say so itself; for all names alike.
#[test]
fn places_by_address() {
    let place = |zone: &str| Arc::new(Place { region: "eu".into(), zone: zone.into() });
    let places = [("10.0.0.0/8", "wide"), ("10.0.1.0/24", "rack-1"), ("fd00::/8", "six")];
    let places = places.map(|(prefix, zone)| (prefix.parse().unwrap(), place(zone))).to_vec();
    let policy = Policy { places, ..policy(&ALL) };
    let zones = |agent: &Agent, hosts: Hosts| {
        let (cluster, mut zones) = (Cluster { hosts: hosts.into(), ..Cluster::default() }, BTreeSet::new());
        contribution(&task(None, None), &framework(), agent, &cluster, &policy, &mut |record| {
            let owner = record.owner.to_text();
            if let Some((zone, _)) = owner.split_once("._zone.") {
                zones.insert(format!("name {zone}"));
            }
            let shown = shown(&record.data);
            zones.extend(shown.split(' ').filter(|word| word.starts_with("zone=")).map(str::to_owned));
            if let Data::Reverse(reverse) = &record.data {
                zones.insert(format!("{:?}", reverse.spot.as_ref().unwrap().area));
            }
        });
        zones
    };
    let all_say = |zone: &str| {
        [format!("name {zone}"), format!("zone={zone}"), format!("{:?}", Area::Place(place(zone)))].into()
    };
    let silent = |host: &str| test_support::agent("6e8f-S12", host);
    assert_eq!(zones(&silent("10.0.1.10"), Hosts::default()), all_say("rack-1"), "the longest prefix");
    assert_eq!(zones(&silent("10.9.1.10"), Hosts::default()), all_say("wide"));
    let mut two = Hosts::default();
    two.insert("node".into(), ["192.0.2.1", "fd00::1"].map(|text| text.parse().unwrap()));
    assert_eq!(zones(&silent("node"), two), all_say("six"), "the address of which anything is said");
    assert_eq!(
        zones(&silent("192.0.2.1"), Hosts::default()),
        [format!("{:?}", Area::V4([192, 0, 2]))].into()
    );
    let says = Agent { place: Some(place("own")), ..silent("10.0.1.10") };
    assert_eq!(zones(&says, Hosts::default()), all_say("own"));
}

#[test]
fn names_of_ports_text_and_browsing() {
    let task = task(
        None,
        Some(discovery(
            "Web.UI",
            vec![DiscoveryPort::new(80, "http", "tcp"), DiscoveryPort::new(9, "", "tcp")],
        )),
    );
    assert_eq!(
        added_by_names(&[ExtraName::Ports], &task),
        [
            "_http._tcp.Web.UI.marathon.mesos. SRV 80 Web.UI-wkx1q-s12.marathon.mesos.",
            "_http._tcp.web-ui.marathon.mesos. SRV 80 web-ui-wkx1q-s12.marathon.mesos.",
        ]
    );
    let text = "TXT task=api.0001 agent=6e8f-S12 region=eu-west zone=EU_West.1a version=1.2";
    assert_eq!(
        added_by_names(&[ExtraName::Text], &task),
        [
            format!("Web.UI-wkx1q-s12.marathon.mesos. {text}"),
            format!("web-ui-wkx1q-s12.marathon.mesos. {text}"),
        ]
    );
    let instance = "web-ui-wkx1q-s12._http._tcp.marathon.mesos.";
    assert_eq!(
        added_by_names(&[ExtraName::Browse], &task),
        [
            format!("_http._tcp.marathon.mesos. PTR {instance}"),
            "_services._dns-sd._udp.marathon.mesos. PTR _http._tcp.marathon.mesos.".into(),
            "b._dns-sd._udp.mesos. PTR marathon.mesos.".into(),
            format!("{instance} SRV 80 web-ui-wkx1q-s12.marathon.mesos."),
            format!("{instance} {text}"),
        ]
    );
}

/// Nobody's task keeps others from being found, or has all of them asked for again and again.
#[test]
fn a_task_has_no_say_in_the_ttl_of_what_all_services_share() {
    let ports = vec![DiscoveryPort::new(80, "http", "tcp")];
    let asked = DnsLabels { ttl: Some(86_400), ..DnsLabels::default() };
    let task = task(Some(asked), Some(discovery("web", ports)));
    let policy = policy(&[ExtraName::Browse]);
    let (mut own, mut shared) = (Vec::new(), Vec::new());
    contribution(&task, &framework(), &agent(), &Cluster::default(), &policy, &mut |record| {
        let owner = record.owner.to_text();
        if matches!(record.data, Data::Ttl(_)) {
            own.push(owner);
        } else if matches!(record.data, Data::Other { rtype: rtype::PTR, .. }) {
            shared.push(owner);
        }
    });
    assert_eq!(shared.len(), 3, "{shared:?}");
    assert!(shared.iter().all(|owner| !own.contains(owner)), "{own:?}");
    assert!(own.iter().any(|owner| owner == "web.marathon.mesos."), "{own:?}");
    assert!(own.iter().any(|owner| owner.ends_with("._http._tcp.marathon.mesos.")), "{own:?}");
}

#[test]
fn strings_of_a_text_are_cut() {
    let mut long = task(None, None);
    long.id = "é".repeat(200).into();
    let added = added_by_names(&[ExtraName::Text], &long);
    let text = added[0].split(" TXT ").nth(1).unwrap();
    let first = text.split(' ').next().unwrap();
    assert_eq!((first.len(), first.chars().filter(|one| *one == 'é').count()), (255, 125), "{first}");
}

#[test]
fn names_of_agents() {
    let named = |hostname: &str, id: &str| {
        let mut lines = Vec::new();
        let agent = Agent { hostname: hostname.into(), id: id.into(), ..agent() };
        crate::records::agent(&agent, &Hosts::default(), &policy(&[ExtraName::Agents]), &mut |record| {
            if !matches!(record.data, Data::Reverse(_)) {
                lines.push(format!("{} {}", record.owner.to_text(), shown(&record.data)));
            }
        });
        lines.retain(|line| line.contains("_agent"));
        lines
    };
    assert_eq!(
        named("Node-7.rack1", "6e8f-S12"),
        ["node-7.rack1._agent.mesos. A 10.0.1.10", "6e8f-s12._agent.mesos. A 10.0.1.10"]
    );
    assert_eq!(named("", "S1"), ["s1._agent.mesos. A 10.0.1.10"]);
    assert_eq!(named("s1", "S1"), ["s1._agent.mesos. A 10.0.1.10"]);
    // Special names have what the agent says, whether or not it can be reached from elsewhere.
    let mut lines = Vec::new();
    let local = Agent { address: Some(Endpoint { host: Host::new("127.0.0.1"), port: 5051 }), ..agent() };
    crate::records::agent(&local, &Hosts::default(), &policy(&[ExtraName::Agents]), &mut |record| {
        if matches!(record.data, Data::A(_)) {
            lines.push(format!("{} {}", record.owner.to_text(), shown(&record.data)));
        }
    });
    assert_eq!(
        lines,
        ["slave.mesos.", "node-7.rack1._agent.mesos.", "6e8f-s12._agent.mesos."]
            .map(|name| format!("{name} A 127.0.0.1"))
    );
    // Nobody's name may hold what only we put there.
    assert_eq!(named("x._agent", "日本"), ["x.agent._agent.mesos. A 10.0.1.10"]);
}

/// Where agents call themselves by their address, the name by their id is the one there is.
#[test]
fn addresses_of_agents_without_a_host_name_are_told_by_their_id() {
    let told = |hostname: &str, id: &str, names: &[ExtraName]| {
        let mut told = Vec::new();
        let agent = Agent { hostname: hostname.into(), id: id.into(), ..agent() };
        crate::records::agent(&agent, &Hosts::default(), &policy(names), &mut |record| {
            if matches!(record.data, Data::Reverse(_)) {
                told.push(record.owner.name().map(ToString::to_string));
            }
        });
        told
    };
    let name = |text: &str| [Some(text.to_owned())];
    assert_eq!(told("10.0.1.10", "6e8f-S12", &[]), [None]);
    assert_eq!(told("10.0.1.10", "6e8f-S12", &[ExtraName::Agents]), name("6e8f-s12._agent.mesos."));
    assert_eq!(told("node7.rack1", "6e8f-S12", &[ExtraName::Agents]), name("node7.rack1."));
    assert_eq!(told("10.0.1.10", "日本", &[ExtraName::Agents]), [None]);
}

/// The node of a name with nothing but a TTL would be there, and empty.
#[test]
fn what_dns_cannot_carry_has_no_ttl() {
    // With the underscore of its service it fits a label; with its hash it does not, and services lead there.
    let service = discovery(&"x".repeat(60), vec![DiscoveryPort::new(80, "http", "tcp")]);
    let chosen = DnsLabels { ttl: Some(7), ..DnsLabels::default() };
    let (task, mut records) = (task(Some(chosen), Some(service)), Vec::new());
    let policy = policy(&[]);
    contribution(&task, &framework(), &agent(), &Cluster::default(), &policy, &mut |record| {
        records.push(record)
    });
    let has_ttl = |record: &&Record| matches!(record.data, Data::Ttl(_));
    let owners: BTreeSet<_> = records.iter().filter(has_ttl).map(|record| record.owner.to_text()).collect();
    let plain = ["marathon", "marathon.slave"].map(|zone| format!("{}.{zone}.mesos.", "x".repeat(60)));
    assert_eq!(owners, plain.into());
}

#[test]
fn raw_names_with_labels_of_ours_are_withheld() {
    for name in ["x._net", "_zone.web", "a._REGION.b", "_Agent"] {
        let (lines, withheld) = listed(&task(None, Some(discovery(name, vec![]))), &policy(&[]));
        let raw = format!("{name}.marathon");
        assert!(!lines.is_empty() && !lines.iter().any(|line| line.starts_with(&raw)), "{lines:#?}");
        assert_eq!(withheld.special, 1, "{name}");
    }
    for name in ["x_net", "_netx.y", "_http._tcp.web", "web"] {
        assert_eq!(listed(&task(None, Some(discovery(name, vec![]))), &policy(&[])).1.special, 0, "{name}");
    }
}

#[test]
fn who_is_not_meant_to_be_seen_is_not() {
    use Visibility::{Cluster, External, Framework};
    let port = |visibility: Option<Visibility>| DiscoveryPort {
        number: 80,
        kind: Arc::new(PortKind {
            name: "http".into(),
            protocol: "tcp".into(),
            visibility,
            ..PortKind::default()
        }),
    };
    let seen = |least, of_task, of_port: Option<Visibility>| {
        let service = Discovery { visibility: of_task, ..discovery("web", vec![port(of_port)]) };
        let extra = Extra { visibility: least, ..Extra::default() };
        let (lines, withheld) =
            listed(&task(None, Some(service)), &Policy { extra, ..test_support::policy() });
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        (has("web.marathon.mesos."), has("_http._web._tcp"), has("_web._tcp.marathon.slave"), withheld.hidden)
    };
    for (least, of_task, of_port, expected) in [
        (Framework, Framework, None, (true, true, true, 0)),
        (Cluster, Framework, None, (false, false, false, 1)),
        (Cluster, Cluster, None, (true, true, true, 0)),
        (Cluster, External, Some(Framework), (true, false, true, 1)),
        (External, Cluster, Some(External), (true, true, false, 0)),
        (External, External, Some(Cluster), (true, false, true, 1)),
    ] {
        assert_eq!(seen(least, of_task, of_port), expected, "{least:?} {of_task:?} {of_port:?}");
    }
    // Without discovery information nobody said anything.
    let extra = Extra { visibility: External, ..Extra::default() };
    assert!(!listed(&task(None, None), &Policy { extra, ..test_support::policy() }).0.is_empty());
}

proptest! {
    /// Whatever a tenant writes into labels, names, ports and versions: what it adds stays below its framework, under
    /// no label that is ours but the places of its agent, and fits DNS.
    #[test]
    fn labels_stay_within_their_framework(
        aliases in prop::collection::vec("(leader|slave|_net|mesos|\\.|_|@|[a-zA-Z0-9]|.){0,12}", 0..4),
        name in "(leader|slave|_tcp|mesos|\\.|_|[a-z]){0,12}",
        ports in prop::collection::vec(("(leader|_|\\.|[a-z]){0,6}", "(tcp|udp|_|\\.){0,3}"), 0..3),
        (ttl, weight, priority) in (any::<Option<u32>>(), any::<Option<u16>>(), any::<Option<u16>>()),
    ) {
        let chosen = DnsLabels {
            aliases: aliases.iter().map(|alias| Arc::from(alias.as_str())).collect(),
            ttl,
            weight,
            priority,
        };
        let ports = ports.iter().map(|(name, protocol)| DiscoveryPort::new(80, name.as_str(), protocol.as_str()));
        let task = task(Some(chosen), Some(discovery(&name, ports.collect())));
        let (policy, apex) = (policy(&ALL), test_support::name("mesos."));
        let ends = ["marathon.mesos.", "marathon.slave.mesos."].map(test_support::name);
        let places = ["eu-west-1a", "eu-west"];
        let mut wrong = Vec::new();
        contribution(&task, &framework(), &agent(), &Cluster::default(), &policy, &mut |record| {
            let Some(owner) = record.owner.name() else { return };
            let browsing = owner.to_string() == "b._dns-sd._udp.mesos.";
            let labels: Vec<String> = owner.labels().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
            // Below a label with an underscore stand the services that have always stood there.
            let is_ours = |pair: &[String]| RESERVED.contains(&pair[1].as_str()) && !pair[0].starts_with('_');
            let is_place = labels.windows(2).all(|pair| !is_ours(pair) || places.contains(&pair[0].as_str()));
            let is_below = ends.iter().any(|end| owner.is_within(end) && owner != end);
            if !(is_below || browsing) || !is_place || !owner.is_within(&apex) || labels[0] == "_framework" {
                wrong.push(owner.to_string());
            }
        });
        prop_assert!(wrong.is_empty(), "{:?}", wrong);
    }
}
