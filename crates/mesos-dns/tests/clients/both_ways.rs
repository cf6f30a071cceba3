//! From a name to its addresses, and from each of them back: by the C libraries and by Java, which believes the name of
//! an address only if that name leads to it again.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use mesos_dns_sim::upstream::{Scene, Upstream};
use tempfile::TempDir;

use super::{
    master::task,
    namespace::text_of,
    programs::{built, says, set},
    *,
};

/// Prints the addresses of a name, or the name of an address, or that there is none.
const BOTH_WAYS: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void print(const struct addrinfo *found, int what) {
  char text[1025];
  int error = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0, what);
  puts(!error ? text : error == EAI_NONAME ? "no such name" : gai_strerror(error));
}

int main(int count, char **words) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = 0;
  int error = getaddrinfo(words[2], 0, &hints, &found);
  if (error) puts(error == EAI_NONAME ? "no such name" : gai_strerror(error));
  for (; found; found = found->ai_next) print(found, strcmp(words[1], "name") ? NI_NAMEREQD : NI_NUMERICHOST);
  return 0;
}
"#;

/// Builds the program in Java; `None`, and a line that says so, where there is no compiler for it.
fn look_up(place: &TempDir) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/LookUp.java");
    let Ok(built) = run(Command::new("javac").arg("-d").arg(place.path()).arg(source)) else {
        eprintln!("skipped: javac is not installed (apt-get install default-jdk-headless)");
        return None;
    };
    assert!(built.status.success(), "{}", text_of(&built));
    Some(place.path().to_owned())
}

/// How a program is asked: `name` and a name, `address` and an address.
type Asks<'a> = Box<dyn Fn(&str, &str) -> BTreeSet<String> + 'a>;

/// All programs that are there, by what they are.
fn programs(place: &TempDir) -> Vec<(&'static str, Asks<'_>)> {
    let mut all: Vec<(&str, Asks<'_>)> = Vec::new();
    if client("getent", &["hosts", "localhost"]).is_some() {
        all.push(("getent", Box::new(getent)));
    }
    for compiler in ["cc", "musl-gcc"] {
        if let Some(program) = built(compiler, BOTH_WAYS, place) {
            let asks = move |how: &str, what: &str| says(program.to_str().unwrap(), &[how, what]).unwrap();
            all.push((compiler, Box::new(asks)));
        }
    }
    if look_up(place).is_some() {
        all.push(("java", Box::new(|how, what| java(place, how, what))));
    }
    all
}

fn java(place: &TempDir, how: &str, what: &str) -> BTreeSet<String> {
    says("java", &["-cp", place.path().to_str().unwrap(), "LookUp", how, what]).unwrap()
}

fn getent(how: &str, what: &str) -> BTreeSet<String> {
    let (base, column) = if how == "name" { ("ahosts", 0) } else { ("hosts", 1) };
    let lines = client("getent", &[base, what]).unwrap();
    if lines == ["status 2"] {
        return set(["no such name"]);
    }
    assert_eq!(lines.last().unwrap(), "status 0", "{lines:?}");
    let found = lines[..lines.len() - 1].iter();
    found.map(|line| line.split_whitespace().nth(column).unwrap().to_owned()).collect()
}

/// Addresses as everybody spells them: Java does not shorten them.
fn plain(found: BTreeSet<String>) -> BTreeSet<String> {
    let plain = |text: String| text.parse::<IpAddr>().map_or(text, |address| address.to_string());
    found.into_iter().map(plain).collect()
}

/// The resolver of the site: it knows an agent by its name, and one address by a name that leads nowhere.
fn site() -> Upstream {
    let soa = "@ 60 SOA ns.example.test. root.example.test. 1 3600 600 86400 30";
    let scene = json!({"zones": [
        {"zone": "example.test", "records": [soa, "node-1 60 A 10.20.0.1"]},
        {"zone": "10.in-addr.arpa", "records": [soa, "7.7.7 60 PTR liar.example.test."]},
    ]});
    Upstream::start(&Scene::read(scene.to_string().as_bytes()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_lead_to_addresses_and_back() {
    if !is_inside("both_ways::names_lead_to_addresses_and_back") {
        return;
    }
    let place = Place::new();
    let mut document = document(vec![
        task("web", 0, &["10.30.0.1", "fd00:30::1"]),
        task("web", 1, &["10.30.0.2"]),
        task("web", 2, &["10.30.0.3"]),
    ]);
    document["slaves"][0]["hostname"] = json!("node-1.example.test");
    let (master, upstream) = (Master::start(&document).await, site());
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "port": 53, "externalon": true,
        "resolvers": [upstream.address().to_string()],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    let instances = [
        (["10.30.0.1", "fd00:30::1"].as_slice(), "-s0.marathon.mesos"),
        (&["10.30.0.2"], "-s1.marathon.mesos"),
        (&["10.30.0.3"], "-s0.marathon.mesos"),
    ];
    // What the first program found; the others find the same.
    let mut names: Vec<String> = Vec::new();
    for (program, asks) in programs(&place.0) {
        let (to, back) = (|name: &str| plain(asks("name", name)), |address: &str| asks("address", address));
        let all = set(instances.iter().flat_map(|(addresses, _)| addresses.iter().copied()));
        assert_eq!(to("web.marathon.mesos"), all, "{program}");
        for (number, (addresses, end)) in instances.iter().enumerate() {
            let found = back(addresses[0]);
            let name = found.first().unwrap();
            assert!(
                found.len() == 1 && name.starts_with("web-") && name.ends_with(end),
                "{program}: {found:?}"
            );
            if names.len() == number {
                names.push(name.clone());
            }
            assert_eq!(name, &names[number], "{program}");
            assert_eq!(to(name), set(addresses.iter().copied()), "{program}: {name}");
            for address in *addresses {
                assert_eq!(&back(address), &found, "{program}: {address}");
            }
        }
        // An agent, and what has no name.
        assert_eq!(to("node-1.example.test"), set(["10.20.0.1"]), "{program}");
        assert_eq!(back("10.20.0.1"), set(["node-1.example.test"]), "{program}");
        assert_eq!(back("10.20.0.2"), set(["no such name"]), "{program}");
        assert_eq!(to("nobody.marathon.mesos"), set(["no such name"]), "{program}");
        // A name that leads nowhere: only Java looks.
        let believed = if program == "java" { "no such name" } else { "liar.example.test" };
        assert_eq!(back("10.7.7.7"), set([believed]), "{program}");
        if program == "java" {
            for (name, found) in [
                ("1.0.30.10.in-addr.arpa", format!("{}.", names[0])),
                ("1.0.20.10.in-addr.arpa", "node-1.example.test.".to_owned()),
                ("2.0.20.10.in-addr.arpa", "no such name".to_owned()),
            ] {
                assert_eq!(asks("naming", name), set([found.as_str()]), "{name}");
            }
        }
    }
}
