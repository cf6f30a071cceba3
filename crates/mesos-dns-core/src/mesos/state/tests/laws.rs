//! What holds for any document.

use proptest::{prelude::*, sample::select};
use serde_json::Value;

use super::{omissions::check_counters, plain::walk, *};
use crate::cluster::Noted;

/// JSON whose objects keep the order of their members.
#[derive(Clone, Debug)]
enum Json {
    Leaf(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The text, each token followed by `blank`.
    fn write(&self, blank: &str) -> String {
        let join = |items: Vec<String>| items.join(&format!(",{blank}"));
        match self {
            Self::Leaf(text) => format!("{text}{blank}"),
            Self::List(items) => {
                format!("[{blank}{}]{blank}", join(items.iter().map(|item| item.write(blank)).collect()))
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Json)| {
                    format!("{}{blank}:{blank}{}", quote(name), value.write(blank))
                };
                format!("{{{blank}{}}}{blank}", join(members.iter().map(member).collect()))
            }
        }
    }

    /// The same with the members of each object the other way round.
    fn reversed(&self) -> Self {
        match self {
            Self::Leaf(_) => self.clone(),
            Self::List(items) => Self::List(items.iter().map(Self::reversed).collect()),
            Self::Object(members) => Self::Object(
                members.iter().rev().map(|(name, value)| (name.clone(), value.reversed())).collect(),
            ),
        }
    }
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

//------------ Any document --------------------------------------------------

fn text() -> impl Strategy<Value = Json> {
    prop_oneof![
        "[a-z0-9.]{1,8}",
        "\\PC{0,12}",
        select(vec!["}]", "\\\"", "\"{[", "\\\\", ""]).prop_map(str::to_owned)
    ]
    .prop_map(|text| Json::Leaf(quote(&text)))
}

fn one_of(choices: &[&'static str]) -> impl Strategy<Value = Json> + use<> {
    select(choices.to_vec()).prop_map(|choice| Json::Leaf(quote(choice)))
}

fn number() -> impl Strategy<Value = Json> {
    select(vec!["0", "5", "5.0", "5e0", "-1", "31000", "1600000000.25", "99999"])
        .prop_map(|text| Json::Leaf(text.to_owned()))
}

/// Any value, for members nobody wants and for wanted ones of the wrong type.
fn noise() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        text(),
        number(),
        select(vec!["null", "true"]).prop_map(|word| Json::Leaf(word.to_owned()))
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::vec(("[a-z]{3}", inner), 0..4).prop_map(unique),
        ]
    })
}

fn unique(mut members: Vec<(String, Json)>) -> Json {
    members.sort_by(|a, b| a.0.cmp(&b.0));
    members.dedup_by(|a, b| a.0 == b.0);
    Json::Object(members)
}

/// An object in which each of these members is mostly there, and seldom something else than it should be.
fn object(members: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let member = |(name, value): (&'static str, BoxedStrategy<Json>)| {
        let odd = prop_oneof![Just(Json::Leaf("null".to_owned())), noise()];
        let value = prop_oneof![40 => value.prop_map(Some), 8 => Just(None), 1 => odd.prop_map(Some)];
        value.prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let members: Vec<_> = members.into_iter().map(member).collect();
    let unknown = prop::collection::vec(("[A-Z]{1,9}_", noise()), 0..3);
    (members, unknown)
        .prop_map(|(members, unknown)| {
            let Json::Object(unknown) = unique(unknown) else { unreachable!("unique makes an object") };
            members.into_iter().flatten().chain(unknown).collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(Json::Object)
        .boxed()
}

fn list(item: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    prop::collection::vec(item, 0..4).prop_map(Json::List).boxed()
}

fn ip() -> impl Strategy<Value = Json> {
    one_of(&["10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:10.0.0.2", "nowhere", ""])
}

fn pid() -> impl Strategy<Value = Json> {
    one_of(&["s(1)@10.0.0.1:5051", "s@[fd00::1]:9", "s@node.example:1", "s@10.0.0.1", "", "a@b@c:1"])
}

fn visibility() -> BoxedStrategy<Json> {
    one_of(&["FRAMEWORK", "CLUSTER", "EXTERNAL", "NEW", ""]).boxed()
}

/// Labels of these keys in either shape.
fn labels(keys: &[&'static str], values: &[&'static str]) -> BoxedStrategy<Json> {
    let label = object(vec![("key", one_of(keys).boxed()), ("value", one_of(values).boxed())]);
    let plain = list(label);
    prop_oneof![plain.clone(), object(vec![("labels", plain)])].boxed()
}

fn mappings() -> BoxedStrategy<Json> {
    list(object(vec![
        ("host_port", number().boxed()),
        ("container_port", number().boxed()),
        ("protocol", one_of(&["tcp", "UDP", "", "sctp"]).boxed()),
    ]))
}

fn container() -> BoxedStrategy<Json> {
    let docker = object(vec![
        ("network", one_of(&["HOST", "BRIDGE", "NONE", "USER", "NEW"]).boxed()),
        ("port_mappings", mappings()),
    ]);
    let network = object(vec![
        ("name", one_of(&["a", "b", ""]).boxed()),
        ("ip_addresses", list(object(vec![("protocol", one_of(&["IPv4"]).boxed())]))),
        ("port_mappings", mappings()),
    ]);
    object(vec![
        ("type", one_of(&["DOCKER", "MESOS", "NEW"]).boxed()),
        ("docker", docker),
        ("network_infos", list(network)),
    ])
}

fn status(states: &[&'static str]) -> BoxedStrategy<Json> {
    let network = object(vec![
        ("ip_addresses", list(object(vec![("ip_address", ip().boxed())]))),
        ("ip_address", ip().boxed()),
        ("name", one_of(&["a", "b", ""]).boxed()),
    ]);
    let keys = ["Docker.NetworkSettings.IPAddress", "MesosContainerizer.NetworkSettings.IPAddress", "other"];
    object(vec![
        ("state", one_of(states).boxed()),
        ("timestamp", number().boxed()),
        ("healthy", select(vec!["true", "false"]).prop_map(|word| Json::Leaf(word.to_owned())).boxed()),
        ("labels", list(object(vec![("key", one_of(&keys).boxed()), ("value", ip().boxed())]))),
        ("container_status", object(vec![("network_infos", list(network))])),
    ])
}

fn task() -> BoxedStrategy<Json> {
    let states =
        ["TASK_RUNNING", "TASK_RUNNING", "TASK_STARTING", "TASK_KILLED", "TASK_UNREACHABLE", "TASK_NEW"];
    let port = object(vec![
        ("number", number().boxed()),
        ("name", text().boxed()),
        ("protocol", text().boxed()),
        ("visibility", visibility()),
        ("labels", labels(&["network-scope", "VIP_0"], &["host", "container", "x"])),
    ]);
    let discovery = object(vec![
        ("name", text().boxed()),
        ("ports", object(vec![("ports", list(port))])),
        ("visibility", visibility()),
        ("version", text().boxed()),
    ]);
    let keys = ["dns.alias", "dns.ttl", "dns.weight", "dns.priority", "dns.new", "other"];
    object(vec![
        ("id", text().boxed()),
        ("name", text().boxed()),
        ("slave_id", text().boxed()),
        ("state", one_of(&states).boxed()),
        ("resources", object(vec![("ports", one_of(&["[1-2, 5-5]", "[]", "[9-8,x,7]", ""]).boxed())])),
        ("statuses", list(status(&states))),
        ("discovery", discovery),
        ("container", container()),
        ("health_check", object(vec![("type", text().boxed())])),
        ("labels", labels(&keys, &["a, b", "5", "-5", "70000", "3000000000", "x"])),
    ])
}

fn document() -> BoxedStrategy<Json> {
    let named = || object(vec![("name", one_of(&["a", "b", ""]).boxed())]);
    let domain = object(vec![("fault_domain", object(vec![("region", named()), ("zone", named())]))]);
    let agent = object(vec![
        ("id", text().boxed()),
        ("hostname", text().boxed()),
        ("pid", pid().boxed()),
        ("domain", domain),
    ]);
    let framework = object(vec![
        ("id", text().boxed()),
        ("name", text().boxed()),
        ("hostname", text().boxed()),
        ("pid", pid().boxed()),
        ("tasks", list(task())),
        ("unreachable_tasks", list(task())),
        ("completed_tasks", list(task())),
    ]);
    object(vec![
        ("version", text().boxed()),
        ("leader", one_of(&["master@10.0.0.1:5050", "master@[fd00::1]:5050", "nobody", ""]).boxed()),
        ("pid", pid().boxed()),
        ("elected_time", number().boxed()),
        ("slaves", list(agent.clone())),
        ("recovered_slaves", list(agent)),
        ("frameworks", list(framework.clone())),
        ("completed_frameworks", list(framework)),
    ])
}

//------------ The laws ------------------------------------------------------

/// The same, whoever left something out and wherever that stands.
fn without_omissions(document: Document) -> Document {
    Document { omissions: Noted::default(), ..document }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn equal_to_the_plain_way(json in document(), blank in "[ \n\t]{0,2}", piece in 1usize..300) {
        let text = json.write(&blank);
        let value: Value = serde_json::from_str(&text).expect("a good generator");
        let found = decode_pieces(text.as_bytes().chunks(piece)).ok();
        found.iter().for_each(check_counters);
        prop_assert_eq!(found.map(without_omissions), walk(&value), "{}", text);
    }

    #[test]
    fn order_of_members_does_not_matter(json in document()) {
        let (found, reversed) = (decode(json.write("").as_bytes()), decode(json.reversed().write(" ").as_bytes()));
        prop_assert_eq!(found.ok().map(without_omissions), reversed.ok().map(without_omissions));
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>, piece in 1usize..40) {
        prop_assert_eq!(decode_pieces(bytes.chunks(piece)).is_ok(), decode(&bytes).is_ok());
    }

    /// One byte changed, but for the first: refused or not, alike in one piece and in many.
    #[test]
    fn one_byte_changed(position in 1..SMALL.len(), byte: u8, piece in 1usize..100) {
        let mut bytes = SMALL.as_bytes().to_vec();
        bytes[position] = byte;
        prop_assert_eq!(decode_pieces(bytes.chunks(piece)), decode(&bytes));
    }
}
