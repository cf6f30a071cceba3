//! Programs with a resolver of their own, side by side: dnspython, `dig`, `kdig`, `drill`, and a small C program with
//! each C library. All of them find the same.

use std::{collections::BTreeSet, fs, path::PathBuf};

use tempfile::TempDir;

use super::*;

/// What dnspython makes of a question: it reads every reply to the last octet.
const DNSPYTHON: &str = "
import dns.resolver, sys
try:
    for found in dns.resolver.resolve(sys.argv[1], sys.argv[2]): print(found.to_text())
except dns.resolver.NXDOMAIN: print('no such name')
except dns.resolver.NoAnswer: print('no such type')
except dns.resolver.NoNameservers: print('no answer')
";

/// Prints the addresses of a name, or that there is none, and how many SRV records a reply of the library holds.
const STUB: &str = r#"
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **words) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = 0;
  int error = count > 2 ? 0 : getaddrinfo(words[1], 0, &hints, &found);
  if (error) puts(error == EAI_NONAME ? "no such name" : error == EAI_AGAIN ? "no answer" : gai_strerror(error));
  for (char text[64]; found; found = found->ai_next)
    if (!getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST)) puts(text);
  static unsigned char reply[65535];
  if (count > 2 && res_query(words[1], 1, 33, reply, sizeof reply) > 12) printf("%d\n", reply[6] << 8 | reply[7]);
  return 0;
}
"#;

/// Builds a C program with this compiler; `None`, and a line that says so, without it.
pub(crate) fn built(compiler: &str, text_in_c: &str, place: &TempDir) -> Option<PathBuf> {
    let source = place.path().join("program.c");
    fs::write(&source, text_in_c).unwrap();
    let program = place.path().join(compiler);
    let built = run(Command::new(compiler).arg("-o").arg(&program).arg(&source));
    let Ok(built) = built else {
        eprintln!("skipped: {compiler} is not installed (apt-get install build-essential musl-tools)");
        return None;
    };
    assert!(built.status.success(), "{}", text(&built.stderr));
    Some(program)
}

/// What a program prints, as a set; `None`, and a line that says so, where it is missing.
pub(crate) fn says(program: &str, arguments: &[&str]) -> Option<BTreeSet<String>> {
    let lines = client(program, arguments)?;
    let (told, end) = lines.split_at(lines.iter().position(|line| line.starts_with("status")).unwrap());
    assert_eq!(end[0], "status 0", "{program} {arguments:?}: {told:?} {end:?}");
    // Remarks, as that TCP was needed, are not what was found.
    let told = told.iter().filter(|line| !line.is_empty() && !line.starts_with(';'));
    Some(told.cloned().collect())
}

/// The data of the records of this type in what `drill` prints.
fn drill(name: &str, rtype: &str) -> Option<BTreeSet<String>> {
    let lines = says("drill", &["-a", "@127.0.0.1", name, rtype])?;
    let data = |line: &String| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(3) == Some(&rtype)).then(|| fields[4..].join(" "))
    };
    Some(lines.iter().filter_map(data).collect())
}

pub(crate) fn set<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    lines.into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resolvers_of_all_kinds_find_the_same() {
    if !is_inside("programs::resolvers_of_all_kinds_find_the_same") {
        return;
    }
    let place = Place::new();
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "port": 53}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;

    // Debian's Python, for which Debian's package is.
    let has_dnspython = run(Command::new("/usr/bin/python3").args(["-c", "import dns.resolver"]));
    let has_dnspython = has_dnspython.is_ok_and(|tried| tried.status.success());
    if !has_dnspython {
        eprintln!("skipped: dnspython is not installed (apt-get install python3-dnspython)");
    }
    let python = |name: &str, rtype: &str| {
        has_dnspython.then(|| says("/usr/bin/python3", &["-c", DNSPYTHON, name, rtype])).flatten()
    };
    let many: Vec<String> = (0..60).map(|number| format!("10.31.0.{number}")).collect();
    let many: BTreeSet<String> = many.into_iter().collect();
    let web = ["10.30.0.1", "10.30.0.2", "10.30.0.3"];
    let mut services: Option<BTreeSet<String>> = None;
    for (name, rtype, expected) in [
        ("web.marathon.mesos", "A", Some(set(web))),
        ("WEB.Marathon.Mesos", "AAAA", Some(set(["fd00:30::1"]))),
        // Does not fit a datagram: comes over TCP.
        ("many.marathon.mesos", "A", Some(many.clone())),
        ("_web._tcp.marathon.mesos", "SRV", None),
    ] {
        let found = [
            python(name, rtype),
            says("dig", &["+short", "@127.0.0.1", name, rtype]),
            says("kdig", &["+short", "@127.0.0.1", name, rtype]),
            drill(name, rtype),
        ];
        for (number, found) in found.into_iter().enumerate() {
            let Some(found) = found else { continue };
            match &expected {
                Some(expected) => assert_eq!(&found, expected, "{name} {rtype}, program {number}"),
                // Ports and targets are as many as the program before this one found, and the same.
                None => assert_eq!(&found, services.get_or_insert(found.clone()), "program {number}"),
            }
        }
    }
    assert!(services.is_none_or(|services| services.len() == 6));
    for (name, rtype, expected) in [
        ("nobody.marathon.mesos", "A", "no such name"),
        ("web.marathon.mesos", "TXT", "no such type"),
        ("_tcp.marathon.mesos", "SRV", "no such type"),
    ] {
        assert!(python(name, rtype).is_none_or(|found| found == set([expected])), "{name} {rtype}");
    }

    for compiler in ["cc", "musl-gcc"] {
        let Some(program) = built(compiler, STUB, &place.0) else { continue };
        let asks = |arguments: &[&str]| says(program.to_str().unwrap(), arguments).unwrap();
        let both = set(web.into_iter().chain(["fd00:30::1"]));
        assert_eq!(asks(&["web.marathon.mesos"]), both, "{compiler}");
        assert_eq!(asks(&["WEB"]), both, "{compiler}: by the search list");
        assert_eq!(asks(&["nobody.marathon.mesos"]), set(["no such name"]), "{compiler}");
        assert_eq!(asks(&["_web._tcp.marathon.mesos", "SRV"]), set(["6"]), "{compiler}");
        // musl asks over TCP since 1.2.4; before, it takes what there is in a truncated reply.
        let found = asks(&["many.marathon.mesos"]);
        assert!(found.len() > 20 && found.is_subset(&many), "{compiler}: {found:?}");
        assert!(found == many || compiler == "musl-gcc", "{compiler}: {found:?}");
    }
}
