//! Which names and addresses does a task get? One file per shape of task, in `test-data/shapes`.
//!
//! Each holds a task as the master writes it, its agent, and the exact records, in the order in which they are made.
//! `UPDATE_SHAPES=1` rewrites what is expected; the diff is to be read. From the same files comes `docs/addresses.md`,
//! rewritten by `UPDATE_DOCS=1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use mesos_dns_core::{
    cluster::{self, Cluster, Hosts, Masters},
    config::{Config, File, Surroundings},
    mesos::state,
    records::{self, Data, Extra, Health, Policy, Record, Rules, Withheld},
    table::Seed,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    /// Chapter of the page.
    group: String,
    title: String,
    why: String,
    /// Members of the configuration.
    #[serde(default)]
    config: Value,
    #[serde(default = "leader")]
    leader: String,
    /// What host names resolve to.
    #[serde(default)]
    hosts: BTreeMap<String, Vec<IpAddr>>,
    #[serde(default = "framework")]
    framework: String,
    agent: Value,
    task: Value,
    /// What was left out.
    withheld: String,
    /// Name, type, value.
    records: Vec<String>,
}

fn leader() -> String {
    "10.0.0.1:5050".to_owned()
}

fn framework() -> String {
    "marathon".to_owned()
}

/// What a task has.
struct Made {
    records: Vec<Record>,
    withheld: Withheld,
}

fn shapes() -> Vec<(PathBuf, Shape)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/shapes");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let shape = serde_json::from_slice(&fs::read(&file).unwrap());
        let shape = shape.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, shape)
    };
    files.into_iter().map(read).collect()
}

fn policy(shape: &Shape) -> Policy {
    let mut members = json!({"masters": ["10.0.0.1:5050"], "externalOn": false});
    for (key, value) in shape.config.as_object().into_iter().flatten() {
        members[key] = value.clone();
    }
    let file = File::parse("shape", members.to_string().as_bytes()).unwrap();
    let config = Config::build(file, &Surroundings::unread()).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    Policy {
        domain: config.domain.clone(),
        apex: config.apex.clone(),
        rules: Rules::Rfc1123,
        addresses: config.addresses.clone(),
        health: Health::Prefer,
        places: Vec::new(),
        extra: Extra::default(),
        server_name: config.soa_mname.clone(),
        server_addresses: Vec::new(),
    }
}

fn made(shape: &Shape) -> Made {
    let framework = &shape.task["framework_id"];
    let document = json!({
        "pid": format!("master@{}", shape.leader),
        "leader": format!("master@{}", shape.leader),
        "slaves": [shape.agent],
        "frameworks": [{"id": framework, "name": shape.framework, "tasks": [shape.task]}],
    });
    let document = state::decode(document.to_string().as_bytes()).unwrap();
    assert_eq!(document.skipped, cluster::Skipped::default(), "{}", shape.title);
    let masters = Masters { leader: Some(Arc::from(&*shape.leader)), listed: Vec::new() };
    let mut hosts = Hosts::default();
    for (name, addresses) in &shape.hosts {
        hosts.insert(Arc::from(&**name), addresses.clone());
    }
    let (cluster, _) = cluster::apply(&Cluster::default(), document, masters, hosts, Seed(1));
    let task = cluster.tasks.iter().next().expect("a task that has not ended");
    let framework = cluster.frameworks.get(&*task.framework_id).unwrap();
    let agent = cluster.agents.get(&*task.agent_id).expect("the agent it runs on");
    let mut records = Vec::new();
    let withheld = records::contribution(task, framework, agent, &cluster, &policy(shape), &mut |record| {
        records.push(record);
    });
    Made { records, withheld }
}

fn line(record: &Record) -> String {
    match &record.data {
        Data::Reverse(claim) => format!("{} PTR {}", claim.address, record.listed_name()),
        Data::Unknown => format!("{} without an address", record.listed_name()),
        _ => format!("{} {} {}", record.listed_name(), record.rtype(), record.listed_value()),
    }
}

/// In words, empty if nothing was left out.
fn withheld(withheld: Withheld) -> String {
    let Withheld { special, hidden, ports, unencodable, addresses, unreachable } = withheld;
    let counts = [
        (special, "reserved names"),
        (hidden, "names or ports that are not for everybody"),
        (ports, "impossible ports"),
        (unencodable, "names that only HTTP shows"),
        (addresses, "impossible addresses"),
        (unreachable, "ports without an address"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect();
    told.join(", ")
}

#[test]
fn every_shape_has_exactly_these_records() {
    let shapes = shapes();
    assert!(shapes.len() >= 40, "{} shapes", shapes.len());
    let mut wrong = String::new();
    for (file, shape) in &shapes {
        let made = made(shape);
        let lines: Vec<String> = made.records.iter().map(line).collect();
        let withheld = withheld(made.withheld);
        if lines == shape.records && withheld == shape.withheld {
            continue;
        }
        if env::var_os("UPDATE_SHAPES").is_some() {
            expect(file, &withheld, &lines);
        }
        let _ = writeln!(wrong, "{}: {withheld:?} {lines:#?}", file.display());
    }
    assert!(wrong.is_empty() || env::var_os("UPDATE_SHAPES").is_some(), "{wrong}");
}

/// Rewrites the end of a file, in which what is expected stands.
fn expect(file: &Path, withheld: &str, records: &[String]) {
    let text = fs::read_to_string(file).unwrap();
    let (given, _) = text.split_once("  \"withheld\": ").expect("it ends with what is expected");
    let records: Vec<String> = records.iter().map(|record| format!("\n    {}", json!(record))).collect();
    let end = if records.is_empty() { String::new() } else { format!("{}\n  ", records.join(",")) };
    let text = format!("{given}  \"withheld\": {},\n  \"records\": [{end}]\n}}\n", json!(withheld));
    fs::write(file, text).unwrap();
}

//------------ The page ------------------------------------------------------

const HEAD: &str = r#"# Which names and addresses will my task get?

<!-- Made from test-data/shapes: `UPDATE_DOCS=1 cargo test -p mesos-dns-core --test shapes` rewrites it. -->

Each task is answered with the address that works for the network it asked for, and each of its ports leads to the
address at which it is open. Nothing has to be configured. Where the file sets `IPSources`, that order decides instead,
as in the original, and no port is looked at. [Decision 19](decisions/0019-an-address-per-task.md) has the reasons.

## In short

The first row that fits decides what stands at the task's name, `<task>.<framework>.<domain>`:

| the task | its name has |
| --- | --- |
| is on the network of its host: it says so, or says nothing of networks, or no address of its own is known, or one of its addresses is the agent's | the agent's addresses, and the other ones that it names (a host with IPv4 and IPv6) |
| has addresses on networks that you declared `routable` in [`networks`](configuration.md), or of which you said nothing and which are neither Docker's bridge nor `mesos-bridge`, while no port of the host is mapped to it | those addresses |
| has other addresses only | the agent's addresses |

`<task>.<framework>.slave.<domain>` has the agent's addresses, always. A task with addresses on two networks or more
has each at `<task>.<network>._net.<framework>.<domain>` too.

And for each port of the discovery information:

| the port is | how that is known | its SRV record leads to |
| --- | --- | --- |
| the host's | the label `network-scope` is `host`, or the number is among the allocated ports or mapped to the container | that port at the agent's addresses |
| the container's, and its address can be reached | the label is `container`, or a port of the host is mapped to that number | that port at the container's addresses |
| the container's, and mapped | the same | the port of the host that leads there, at the agent's addresses |
| the container's, and neither | the same | that port at `<task>-….<network>._net.…`, for clients on the same host; where the network has no name or no address is known, there is no record, and `zone_withheld_unreachable` counts it |
| unknown | none of these | that port at the task's name |

Addresses that mean somebody else to whoever asks are never published: loopback, link-local and multicast ones,
0.0.0.0/8 and 240.0.0.0/4 (`zone_withheld_addresses`). Loopback ones are, as long as the leading master has one itself: that is a
cluster on one machine.

## By example

In all of them the agent is `10.0.0.5` unless said otherwise. The files in
[test-data/shapes](../test-data/shapes) hold each task as the master shows it, and all of its records.
"#;

/// The chapters of the page, in order.
const GROUPS: [&str; 10] = [
    "Docker containerizer",
    "Mesos containerizer",
    "Pods",
    "States",
    "Several addresses",
    "Ports",
    "Declared by the operator",
    "Frameworks",
    "Odd agents and addresses",
    "Older masters",
];

/// The page as the files want it.
fn page() -> String {
    let shapes = shapes();
    let known: BTreeSet<&str> = shapes.iter().map(|(_, shape)| &*shape.group).collect();
    assert_eq!(known, BTreeSet::from(GROUPS));
    let mut page = HEAD.to_owned();
    for group in GROUPS {
        let _ = write!(page, "\n### {group}\n\n| task | its name has | its ports lead to | why |\n");
        page.push_str("| --- | --- | --- | --- |\n");
        for (file, shape) in shapes.iter().filter(|(_, shape)| shape.group == group) {
            page.push_str(&row(file, shape));
        }
    }
    page
}

fn row(file: &Path, shape: &Shape) -> String {
    let made = made(shape);
    let name = file.file_name().unwrap().to_str().unwrap();
    let declared = match shape.config.as_object() {
        Some(members) if !members.is_empty() => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("`\"{key}\": {value}`")).collect();
            format!(", with {}", members.join(", "))
        }
        _ => String::new(),
    };
    let mut addresses = BTreeMap::<String, Vec<String>>::new();
    for record in made.records.iter().filter(|record| matches!(record.rtype(), "A" | "AAAA")) {
        addresses.entry(record.listed_name()).or_default().push(record.listed_value());
    }
    let first = made.records.first().map(Record::listed_name).filter(|name| !name.contains(".slave."));
    let own = first.and_then(|name| addresses.get(&name).cloned()).unwrap_or_default();
    let mut ports = Vec::new();
    for record in &made.records {
        let Data::Srv { port, target, .. } = &record.data else { continue };
        let owner = record.listed_name();
        let is_plain = !owner.contains(".slave.") && owner.split('.').nth(1).is_some_and(is_protocol);
        for address in addresses.get(&target.to_text()).into_iter().flatten().filter(|_| is_plain) {
            let at = if address.contains(':') {
                format!("[{address}]:{port}")
            } else {
                format!("{address}:{port}")
            };
            if !ports.contains(&at) {
                ports.push(at);
            }
        }
    }
    let list = |texts: &[String]| match texts {
        [] => "–".to_owned(),
        texts => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
    };
    let (title, why) = (&shape.title, &shape.why);
    format!(
        "| [{title}](../test-data/shapes/{name}){declared} | {} | {} | {why} |\n",
        list(&own),
        list(&ports),
    )
}

fn is_protocol(label: &str) -> bool {
    matches!(label, "_tcp" | "_udp")
}

#[test]
fn the_committed_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/addresses.md");
    let page = page();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/addresses.md is old: UPDATE_DOCS=1 cargo test -p mesos-dns-core --test shapes"
    );
}
