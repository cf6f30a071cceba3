//! Static records: in the file itself, in zone files, and what cannot stand together.

use std::collections::BTreeMap;

use super::*;
use crate::{
    records::{Data, ExtraName, FixedOwner, Preference, Rule},
    table::Seed,
    test_support,
    zone::{Serial, Soa, write_zone_file},
};

/// Surroundings with these zone files.
fn with_files(files: &[(&str, &str)]) -> Surroundings {
    let read =
        |(file, text): &(&str, &str)| ZoneFile { file: (*file).into(), text: Ok(text.as_bytes().to_vec()) };
    Surroundings { zone_files: files.iter().map(read).collect(), ..surroundings() }
}

/// Every static record of a configuration, by its name, and the rule of each name.
fn records(config: &Config) -> BTreeMap<String, Vec<String>> {
    let shown = |data: &Data| match data {
        Data::A(address) => address.to_string(),
        Data::Aaaa(address) => address.to_string(),
        Data::Srv { port, target, preference } => {
            let Preference { priority, weight } = preference.unwrap();
            format!("{priority} {weight} {port} {}", target.to_text())
        }
        Data::Other { rtype, rdata } => format!("{rtype} {}", String::from_utf8_lossy(rdata).escape_debug()),
        other => format!("{other:?}"),
    };
    let owner = |(name, FixedOwner { data, rule }): (&Name, &FixedOwner)| {
        let front = if *rule == Rule::Override { "!" } else { "" };
        (format!("{front}{name}"), data.iter().map(shown).collect())
    };
    config.fixed.owners.iter().map(owner).collect()
}

fn of_records(list: &str) -> BTreeMap<String, Vec<String>> {
    records(&good(&with_master(&format!("\"records\": [{list}]"))))
}

#[test]
fn records_in_the_file() {
    for (list, name, data) in [
        (r#"{"name": "db", "type": "A", "value": "10.0.0.7"}"#, "db.mesos.", &["10.0.0.7"][..]),
        (r#"{"Name": "DB.", "TYPE": "A", "value": "10.0.0.7"}"#, "", &[]),
        (r#"{"name": "DB.mesos.", "type": "AAAA", "value": "fd00::7"}"#, "db.mesos.", &["fd00::7"]),
        (r#"{"name": "@", "type": "A", "value": "10.0.0.7", "rule": "override"}"#, "!mesos.", &["10.0.0.7"]),
        (
            r#"{"name": "www", "type": "CNAME", "value": "Web.Example.org."}"#,
            "www.mesos.",
            &[r"5 \u{3}web\u{7}example\u{3}org\0"],
        ),
        (r#"{"name": "www", "type": "CNAME", "value": "db"}"#, "www.mesos.", &[r"5 \u{2}db\u{5}mesos\0"]),
        (
            r#"{"name": "_x._tcp", "type": "SRV", "value": "1  2 443 web.marathon.mesos."}"#,
            "_x._tcp.mesos.",
            &["1 2 443 web.marathon.mesos."],
        ),
        (r#"{"name": "t", "type": "TXT", "value": "a \"b\""}"#, "t.mesos.", &[r#"16 \u{5}a \"b\""#]),
        (r#"{"name": "t", "type": "TXT", "value": ""}"#, "t.mesos.", &[r"16 \0"]),
        // A dot behind a backslash parts nothing, and is no last one.
        (r#"{"name": "a\\.b", "type": "A", "value": "10.0.0.7"}"#, r"a\.b.mesos.", &["10.0.0.7"]),
        (r#"{"name": "a\\.", "type": "A", "value": "10.0.0.7"}"#, r"a\..mesos.", &["10.0.0.7"]),
        (r#"{"name": "x\\.mesos", "type": "A", "value": "10.0.0.7"}"#, r"x\.mesos.mesos.", &["10.0.0.7"]),
        (r#"{"name": "a\\\\.mesos.", "type": "A", "value": "10.0.0.7"}"#, r"a\\.mesos.", &["10.0.0.7"]),
        (r#"{"name": "w", "type": "CNAME", "value": "a\\.b"}"#, "w.mesos.", &[r"5 \u{3}a.b\u{5}mesos\0"]),
        (
            r#"{"name": "s", "type": "SRV", "value": "1 2 3 a\\.b.mesos."}"#,
            "s.mesos.",
            &[r"1 2 3 a\.b.mesos."],
        ),
        (
            r#"{"name": "db", "type": "A", "value": "10.0.0.7", "ttl": 300}"#,
            "db.mesos.",
            &["10.0.0.7", "Ttl(300)"],
        ),
        (r#"{"name": "db", "type": "A", "value": "10.0.0.7", "ttl": 5}"#, "db.mesos.", &["10.0.0.7"]),
    ] {
        if name.is_empty() {
            assert!(
                bad(&with_master(&format!("\"records\": [{list}]"))).contains("db. is not within the domain")
            );
            continue;
        }
        let found = of_records(list);
        assert_eq!(found.len(), 1, "{list}");
        assert_eq!(
            found.get(name).map(Vec::as_slice),
            Some(&data.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..]),
            "{list} {found:?}"
        );
    }
    let long = format!(r#"{{"name": "t", "type": "TXT", "value": "{}"}}"#, "x".repeat(300));
    assert_eq!(of_records(&long)["t.mesos."][0].len(), "16 ".len() + 300 + "\u{fffd}-".len());
    assert!(records(&good(&with_master(r#""records": null, "zoneFiles": null"#))).is_empty());
}

#[test]
fn bad_records_say_how_to_mend_them() {
    for (list, said) in [
        (r#"{"name": "db", "type": "A"}"#, "a record without value; write for example {\"name\""),
        (r#"{"type": "A", "value": "1.2.3.4"}"#, "a record without name"),
        (r#"{"name": "db", "value": "1.2.3.4"}"#, "a record without type"),
        (r#""db A 1.2.3.4""#, "expected an object in the list, found a string"),
        (r#"{"name": "db", "type": "MX", "value": "1 x."}"#, "\"MX\" is not known; write \"A\" or \"AAAA\""),
        (r#"{"name": "db", "type": "A", "value": "fd00::1"}"#, "\"fd00::1\" is no such address"),
        (
            r#"{"name": "db", "type": "A", "value": "1.2.3.4", "ttl": 2147483648}"#,
            "2147483648 is out of range",
        ),
        (r#"{"name": "db", "type": "A", "value": "1.2.3.4", "rule": "replace"}"#, "\"replace\" is not known"),
        (r#"{"name": "db", "type": "A", "value": "1.2.3.4", "prio": 1}"#, "a record has no \"prio\""),
        (
            r#"{"name": "db.mesos", "type": "A", "value": "1.2.3.4"}"#,
            "would be \"db.mesos.mesos.\"; write \"db.mesos.\"",
        ),
        (r#"{"name": "db.org.", "type": "A", "value": "1.2.3.4"}"#, "db.org. is not within the domain"),
        (r#"{"name": "a..b", "type": "A", "value": "1.2.3.4"}"#, "\"a..b\" is no name that DNS can carry"),
        (r#"{"name": "a\\", "type": "A", "value": "1.2.3.4"}"#, "is no name that DNS can carry"),
        (r#"{"name": "a\\300", "type": "A", "value": "1.2.3.4"}"#, "is no name that DNS can carry"),
        (r#"{"name": "", "type": "A", "value": "1.2.3.4"}"#, "\"\" is no name that DNS can carry"),
        (r#"{"name": "*.db", "type": "A", "value": "1.2.3.4"}"#, "is a wildcard, and none is answered"),
        (
            r#"{"name": "_status", "type": "TXT", "value": "x"}"#,
            "is the name that tells how this server stands",
        ),
        (
            r#"{"name": "w", "type": "CNAME", "value": "db.org"}"#,
            "\"db.org\" may be a whole name or one of the domain; write \"db.org.\", or \"db.org.mesos.\"",
        ),
        (
            r#"{"name": "@", "type": "CNAME", "value": "db.org."}"#,
            "mesos. is the domain itself, which cannot be an alias",
        ),
        (
            r#"{"name": "s", "type": "SRV", "value": "1 2 web"}"#,
            "\"1 2 web\" is no SRV record; write priority",
        ),
        (r#"{"name": "s", "type": "SRV", "value": "1 2 70000 web"}"#, "is no SRV record"),
        (
            r#"{"name": "w", "type": "A", "value": "1.2.3.4"}, {"name": "w", "type": "CNAME", "value": "x"}"#,
            "a CNAME stands alone, and the name has a record in records, line 1",
        ),
        (
            r#"{"name": "w", "type": "A", "value": "1.2.3.4"}, {"name": "w", "type": "A", "value": "1.2.3.5", "rule": "override"}"#,
            "the name has another rule than in records, line 1",
        ),
    ] {
        let said_of = bad(&with_master(&format!("\"records\": [{list}]")));
        assert!(said_of.starts_with("/etc/config.json:1:") && said_of.contains("\"records\": "), "{said_of}");
        assert!(said_of.contains(said), "{list}: {said_of}");
    }
}

#[test]
fn zone_files_stand_beside_records() {
    let file = "$TTL 60\n@ SOA ns.x. root.x. 1 2 3 4 5\n@ NS ns.x.\nmail MX 10 mail.example.org.\nweb 5 A 10.0.0.1\nweb A 10.0.0.1\nodd TYPE65280 \\# 1 aa\n";
    let text = with_master(
        r#""zoneFiles": [{"file": "a.zone", "rule": "override"}, "b.zone"], "records": [{"name": "b", "type": "A", "value": "10.0.0.3"}]"#,
    );
    let config = build_around(&text, &with_files(&[("a.zone", file), ("b.zone", "b A 10.0.0.2")])).unwrap();
    let found = records(&config);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["!mail.mesos.", "!odd.mesos.", "!web.mesos.", "b.mesos."]);
    // The smallest TTL counts for the name, and the record is there once.
    assert_eq!(found["!web.mesos."], ["10.0.0.1"]);
    assert_eq!(found["!mail.mesos."][1], "Ttl(60)");
    assert_eq!(found["b.mesos."], ["10.0.0.3", "10.0.0.2"]);
    let said: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "\"zoneFiles\": a.zone:2: SOA and NS of the domain itself are ours; it is left out",
            "\"zoneFiles\": a.zone:3: SOA and NS of the domain itself are ours; it is left out",
        ]
    );
}

/// Nobody is kept from starting by an alias that leads nowhere, but it is said where it is.
#[test]
fn aliases_that_lead_nowhere_are_told() {
    let said = |records: &[(&str, &str)], file: &str| -> Vec<String> {
        let shown = |(name, value): &(&str, &str)| {
            let value = value.escape_default();
            format!(r#"{{"name": "{name}", "type": "CNAME", "value": "{value}"}}"#)
        };
        let list: Vec<String> = records.iter().map(shown).collect();
        let members = format!("\"zoneFiles\": [\"a.zone\"], \"records\": [{}]", list.join(", "));
        let config = build_around(&with_master(&members), &with_files(&[("a.zone", file)])).unwrap();
        config.warnings.iter().map(ToString::to_string).collect()
    };
    let circle = "lead one of them to a name that has other records";
    assert_eq!(
        said(&[("a", "b"), ("c", "a")], "\nb CNAME a\nx CNAME x\n"),
        [
            format!(
                "\"records\": a.mesos. is an alias of itself: a.mesos. -> b.mesos. -> a.mesos.; {circle}"
            ),
            format!(
                "\"zoneFiles\": a.zone:3: x.mesos. is an alias of itself: x.mesos. -> x.mesos.; {circle}"
            ),
        ]
    );
    let chain = |count: usize| -> String { (0..count).map(|n| format!("c{n} CNAME c{}\n", n + 1)).collect() };
    assert!(said(&[], &chain(8)).is_empty());
    let long = said(&[], &chain(10));
    assert_eq!(long.len(), 2, "{long:?}");
    assert!(long[0].contains("a.zone:1: c0.mesos. leads through more than 8 aliases"), "{long:?}");
    // What the cluster may have some day, and what it never has.
    let possible = [
        "web",
        "web.marathon",
        "x.a_b.marathon",
        "_x._tcp.web",
        "_leader._tcp",
        "s1._agent",
        "master1",
        "@",
        "slave",
    ];
    let impossible = ["x.leader", "a.master1", "x.ns", "_db", "x._db", "a_b", "a b", "_net", "x.a\\.b"];
    let whole = |name: &str| if name == "@" { "@".to_owned() } else { format!("{name}.mesos.") };
    for name in possible {
        assert!(said(&[("a", &whole(name))], "").is_empty(), "{name}");
    }
    for name in impossible {
        let told = said(&[("a", &whole(name))], "");
        assert!(
            told.len() == 1 && told[0].contains("which neither the cluster nor a static record can be"),
            "{name} {told:?}"
        );
    }
    assert!(said(&[("a", "_db")], "_db A 10.0.0.1").is_empty(), "a static record is there");
    assert!(said(&[("a", "x._db.other.")], "").is_empty(), "others name theirs as they like");
    let status = said(&[("a", "_status")], "");
    assert!(status[0].contains("_status.mesos., which tells how this server stands"), "{status:?}");
}

#[test]
fn bad_zone_files_are_told_line_by_line() {
    let file = "a A 10.0.0.1\nb A nowhere\nx.org. A 10.0.0.1\nsub NS ns.sub\nd DNAME x.\na CNAME b\ns RRSIG A 8 2 60 20300101000000 20200101000000 1 mesos. AAAA\n* A 10.0.0.1\nkey DS 1 8 2 aa\n";
    let text = with_master(r#""zoneFiles": ["a.zone"]"#);
    let problems = build_around(&text, &with_files(&[("a.zone", file)])).unwrap_err();
    let said: Vec<String> = problems.lines().collect();
    for (line, (number, part)) in said.iter().zip([
        (2, ""),
        (3, "x.org. is not within the domain"),
        (4, "sub.mesos. would be a zone of its own"),
        (5, "d.mesos. would be an alias of all names below it"),
        (6, "a CNAME stands alone, and the name has a record in a.zone, line 1"),
        (7, "s.mesos. is part of a signed zone"),
        (8, "*.mesos. is a wildcard"),
        (9, "key.mesos. would be a zone of its own"),
    ]) {
        assert!(line.starts_with("/etc/config.json:1:"), "{line}");
        assert!(line.contains(&format!("\"zoneFiles\": a.zone:{number}: {part}")), "{line}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
    assert!(bad(&text).contains("cannot read \"a.zone\": not read; give a file"), "{}", bad(&text));
    let many = with_files(&[("a.zone", &"x A nowhere\n".repeat(1000))]);
    assert_eq!(build_around(&text, &many).unwrap_err().remarks.len(), REMARKS_MAX);
    for (list, said) in [
        ("{}", "expected a list of zone files, found an object"),
        ("[{}]", "a zone file without file"),
        ("[1]", "expected an object in the list, found a number"),
        (r#"[{"file": "x", "origin": "y"}]"#, "a zone file has no \"origin\""),
        (r#"[{"file": "x", "rule": "x"}]"#, "\"x\" is not known; write \"fill\" or \"override\""),
    ] {
        let problems = bad(&with_master(&format!("\"zoneFiles\": {list}")));
        assert!(problems.contains(said), "{list}: {problems}");
    }
}

#[test]
fn there_is_a_limit_to_static_records() {
    let file: String = (0..=FIXED_RECORDS_MAX).map(|n| format!("x{n} A 10.0.0.1\n")).collect();
    let text = with_master(r#""zoneFiles": ["a.zone"]"#);
    let problems = build_around(&text, &with_files(&[("a.zone", &file)])).unwrap_err();
    assert_eq!(problems.remarks.len(), 1);
    assert!(problems.to_string().contains("there are more than 100000 static records"), "{problems}");
}

/// What is dumped is read again as it was, whatever is in its names.
#[test]
fn dumped_and_read_again() {
    let file = "a\\.b A 10.0.0.1\nx\\\\y\\032z\\;\\@ 77 TXT \"q\\\"\\000\"\nmx MX 1 a\\.b\nw CNAME a\\.b.mesos.\n_s SRV 0 1 2 a\\.b\n";
    let text = with_master(r#""zoneFiles": ["a.zone"]"#);
    let first = build_around(&text, &with_files(&[("a.zone", file)])).unwrap();
    assert_eq!(records(&first).len(), 5);
    let zone = crate::zone::Zone::new(test_support::name("mesos."), None, Seed(1));
    let mut zone = zone.with_fixed(&first.fixed);
    let _ = zone.compile();
    let mut dumped = Vec::new();
    let soa = Soa { ttl: 5, ..test_support::soa() };
    let snapshot = zone.snapshot(Arc::new(soa), Serial(1));
    write_zone_file(&snapshot, &mut dumped).unwrap();
    let dumped = String::from_utf8(dumped).unwrap();
    let again = build_around(&text, &with_files(&[("a.zone", &dumped)])).unwrap();
    assert_eq!(records(&again), records(&first), "{dumped}");
    // The v1 API escapes nothing else, and takes no such name for the one with another label.
    assert_eq!(snapshot.listed(r"a\.b.mesos.").unwrap().name, r"a\.b.mesos.");
    assert!(snapshot.listed("a.b.mesos.").is_none());
    assert_eq!(snapshot.listed("_s.mesos.").unwrap().srv, [(r"a\.b.mesos.".to_owned(), 2)]);
}

#[test]
fn words() {
    let config = good(&with_master(r#""extraNames": ["ports", "browse"], "visibility": "external""#));
    assert!(config.extra_names.has(ExtraName::Ports) && config.extra_names.has(ExtraName::Browse));
    assert!(!config.extra_names.has(ExtraName::Agents));
    assert_eq!(config.visibility, Visibility::External);
    assert_eq!(good(&with_master(r#""extraNames": null"#)).extra_names, ExtraNames::default());
    for (members, said) in [
        (r#""extraNames": ["port"]"#, "\"port\" is not known; write a list of \"agents\", \"places\""),
        (r#""extraNames": ["ports", "ports"]"#, "\"ports\" is given twice; remove one of them"),
        (r#""extraNames": "ports""#, "expected a list of text, found a string"),
        (
            r#""visibility": "all""#,
            "\"all\" is not known; write \"framework\" or \"cluster\" or \"external\"",
        ),
    ] {
        assert!(bad(&with_master(members)).contains(said), "{members}: {}", bad(&with_master(members)));
    }
}
