//! How a file is read: what is accepted, what is refused and how that is said, what is only odd.

use proptest::prelude::*;

use super::*;

/// Section 1.2: case, repetition, `null`, lists.
#[test]
fn keys_are_read_as_the_original_reads_them() {
    for (members, key, value) in [
        (r#""httpport": 1"#, "HttpPort", "1"),
        (r#""HttpPort": 1"#, "HttpPort", "1"),
        (r#""HTTPPORT": 1"#, "HttpPort", "1"),
        (r#""http\u0070ort": 1"#, "HttpPort", "1"),
        (r#""ttl": 1, "TTL": 2"#, "TTL", "2"),
        (r#""ttl": 1, "ttl": null"#, "TTL", "1"),
        (r#""ttl": null"#, "TTL", "5"),
        (r#""ttl": -0"#, "TTL", "0"),
        (r#""ttl": -7"#, "TTL", "-7"),
        (r#""timeout": 0"#, "Timeout", "0"),
        (r#""port": 0"#, "Port", "0"),
        (r#""domain": null"#, "Domain", r#""mesos""#),
        (r#""domain": "DC1.Mesos""#, "Domain", r#""dc1.mesos""#),
        (r#""dnson": null"#, "DnsOn", "true"),
        (r#""IPSources": ["host"]"#, "IPSources", r#"["host"]"#),
        (r#""externalon": false, "resolvers": null"#, "Resolvers", "null"),
        (r#""externalon": false, "resolvers": []"#, "Resolvers", "[]"),
        (r#""externalon": false, "resolvers": ["not an address"]"#, "Resolvers", r#"["not an address"]"#),
        (r#""zoneResolvers": null"#, "ZoneResolvers", "null"),
        (
            r#""zoneResolvers": {"a": ["9.9.9.9"]}, "ZONERESOLVERS": {"b": ["9.9.9.8"]}"#,
            "ZoneResolvers",
            r#"{"a":["9.9.9.9"],"b":["9.9.9.8"]}"#,
        ),
        (r#""zoneResolvers": {"a": ["9.9.9.9"], "a": ["9.9.9.8"]}"#, "ZoneResolvers", r#"{"a":["9.9.9.8"]}"#),
        (r#""zoneResolvers": {"a": ["9.9.9.9"]}, "zoneResolvers": null"#, "ZoneResolvers", "null"),
        (
            r#""zoneResolvers": {"Corp.Example": ["9.9.9.9"]}"#,
            "ZoneResolvers",
            r#"{"corp.example":["9.9.9.9"]}"#,
        ),
        (
            r#""mesosCredentials": {"PRINCIPAL": "a"}, "mesoscredentials": {"secret": "b"}"#,
            "MesosCredentials",
            r#"{"Principal":"a","Secret":"******"}"#,
        ),
        (
            r#""mesosCredentials": {"principal": "a", "secret": null}, "mesosCredentials": null"#,
            "MesosCredentials",
            r#"{"Principal":"a","Secret":""}"#,
        ),
        (r#""file": "elsewhere""#, "File", r#""elsewhere""#),
        (r#""SOASerial": 99"#, "SOASerial", "7"),
        (r#""SOAMname": "NS1.Mesos...""#, "SOAMname", r#""NS1.Mesos.""#),
        (r#""SOARname": "a@b@c.""#, "SOARname", r#""a.b.c.""#),
        (r#""zk": "zk://u:hunter2@h/mesos""#, "Zk", r#""zk://******@h/mesos""#),
    ] {
        let config = good(&with_master(members));
        assert_eq!(shown(&config, key), value, "{members}");
        assert!(!format!("{config:?}").contains("hunter2"), "{members}");
    }
    // `null` alone leaves all defaults, and so lacks only the cluster.
    let problem = bad(" null\n");
    assert_eq!(problem.lines().count(), 1);
    assert!(problem.contains("specify Mesos masters or Zookeeper"), "{problem}");
}

/// Broken files and broken values: where, which key, what, and how to mend it.
#[test]
fn broken_files_say_how_to_mend_them() {
    let nested = format!("{{\"masters\": {}", "[".repeat(100_000));
    for (text, parts) in [
        ("", &["config.json:1:1: ", "the file is empty", "write one JSON object"][..]),
        (" \n\t", &[":1:1: ", "the file is empty"]),
        ("[]", &[":1:1: ", "expected one JSON object, found a list", "begin the file with {"]),
        ("\n\"masters\"", &[":2:1: ", "found a string"]),
        ("42", &["found a number"]),
        ("nul", &["found null"]),
        ("masters:\n - 10.0.0.1:5050\n", &[":1:1: ", "found no JSON"]),
        ("\u{feff}{}", &[":1:1: ", "byte order mark", "save it as UTF-8 without one"]),
        ("{} {}", &[":1:4: ", "trailing characters", "remove what follows"]),
        ("{\"ttl\": 1}\n}", &[":2:1: ", "near \"ttl\"", "remove what follows"]),
        ("{\"ttl\": 1", &[":1:9: ", "near \"ttl\"", "EOF", "ends too early"]),
        ("{\n  \"domain\": \"mesos\n}", &[":2:", "near \"domain\"", "control character", "close the string"]),
        ("{\n  \"ttl\": 1,\n}", &[":3:1: ", "near \"ttl\"", "trailing comma", "remove the comma"]),
        ("{\n  \"ttl\": 1\n  \"port\": 2\n}", &[":3:3: ", "near \"ttl\"", "put a comma between"]),
        ("{\n  // the port\n  \"port\": 2\n}", &[":2:3: ", "double quotes", "no comments"]),
        ("{port: 2}", &[":1:2: ", "put keys in double quotes"]),
        ("{'port': 2}", &[":1:2: ", "put keys in double quotes"]),
        ("{\"port\" 2}", &[":1:9: ", "expected `:`", "write \"key\": value"]),
        ("{\"port\": 053}", &[":1:11: ", "near \"port\"", "without leading zeros"]),
        ("{\"dnson\": True}", &[":1:11: ", "near \"dnson\"", "lower-case"]),
        ("{\"domain\": mesos}", &["near \"domain\"", "text needs double quotes"]),
        (r#"{"caCertFile": "C:\mesos"}"#, &["near \"caCertFile\"", "write a backslash as"]),
        (&nested, &["near \"masters\"", "ends too early"]),
        (
            r#"{"port": "53"}"#,
            &[
                ":1:10: \"port\": ",
                "expected a whole number from 0 to 65535, found a string",
                "without quotes",
            ],
        ),
        (r#"{"port": 5.3}"#, &["\"port\": 5.3 is no whole number", "write a whole number from 0 to 65535"]),
        (r#"{"port": 65536}"#, &["\"port\": 65536 is out of range"]),
        (r#"{"httpport": -1}"#, &["\"httpport\": -1 is out of range"]),
        (r#"{"ttl": 1e2}"#, &["\"ttl\": 1e2 is no whole number"]),
        (r#"{"ttl": 2147483648}"#, &["\"ttl\": 2147483648 is out of range", "to 2147483647"]),
        (r#"{"timeout": 9223372036854775808}"#, &["\"timeout\": 9223372036854775808 is out of range"]),
        (r#"{"srvRecordDefaultWeight": 65536}"#, &["\"srvRecordDefaultWeight\": 65536 is out of range"]),
        (r#"{"SOARefresh": -1}"#, &["\"SOARefresh\": -1 is out of range"]),
        (r#"{"SOASerial": "1"}"#, &["\"SOASerial\": expected a whole number"]),
        (r#"{"refreshSeconds": 0}"#, &["\"refreshSeconds\": 0 is out of range", "of at least 1"]),
        (r#"{"refreshSeconds": -5}"#, &["\"refreshSeconds\": -5 is out of range"]),
        (r#"{"dnson": "yes"}"#, &["\"dnson\": expected true or false, found a string", "without quotes"]),
        (r#"{"dnson": 1}"#, &["\"dnson\": expected true or false, found a number"]),
        (r#"{"domain": 1}"#, &["\"domain\": expected text, found a number", "put it in double quotes"]),
        (
            r#"{"masters": "10.0.0.1:5050"}"#,
            &[":1:13: \"masters\": ", "expected a list of text, found a string", "in square brackets"],
        ),
        (
            r#"{"masters": ["a:1", 2]}"#,
            &[":1:21: \"masters\": ", "expected text in the list, found a number"],
        ),
        (r#"{"masters": [null]}"#, &["\"masters\": expected text in the list, found null"]),
        (
            r#"{"zoneResolvers": ["9.9.9.9"]}"#,
            &["\"zoneResolvers\": expected an object, found a list", "corp.example"],
        ),
        (r#"{"zoneResolvers": {"a": "9.9.9.9"}}"#, &["\"zoneResolvers\": expected a list of text"]),
        (
            r#"{"mesosCredentials": "hunter2"}"#,
            &["\"mesosCredentials\": expected an object, found a string", "principal"],
        ),
        (
            r#"{"mesosCredentials": {"secret": 2002}}"#,
            &["\"mesosCredentials\": expected text, found a number"],
        ),
        (r#"{"cacheSize": "64MB"}"#, &["\"cacheSize\": expected a size, found \"64MB\"", "KiB, MiB, GiB"]),
        (r#"{"holdSeconds": -1}"#, &["\"holdSeconds\": -1 is out of range", "write seconds from 0"]),
        (r#"{"holdSeconds": "10s"}"#, &["\"holdSeconds\": expected a number of seconds, found a string"]),
        (
            r#"{"recursionAllow": ["10.0.0.0/33"]}"#,
            &["\"recursionAllow\": \"10.0.0.0/33\" is no prefix", "10.0.0.0/8"],
        ),
        (
            r#"{"queryAllow": ["10.1.2.3/8"]}"#,
            &["\"10.1.2.3/8\" has bits set behind the prefix", "write \"10.0.0.0/8\""],
        ),
        (
            r#"{"logFormat": "xml"}"#,
            &["\"logFormat\": \"xml\" is not known", "\"auto\" or \"json\" or \"text\""],
        ),
        (r#"{"health": true}"#, &["\"health\": expected text", "put it in double quotes"]),
        (r#"{"workers": 1025}"#, &["\"workers\": 1025 is out of range"]),
        (r#"{"massLossPercent": 101}"#, &["\"massLossPercent\": 101 is out of range", "from 0 to 100"]),
    ] {
        let said = bad(text);
        assert!(said.starts_with("/etc/config.json:"), "{said}");
        for part in parts {
            assert!(said.contains(part), "{text:.60}: no {part:?} in {said:?}");
        }
        assert!(!said.contains("hunter2") && !said.contains("2002"), "{said}");
    }
    let said = File::parse("c", b"{\n\"domain\": \"\xff\"}").unwrap_err().to_string();
    assert_eq!(said, "c:2:12: not UTF-8 text; save the file as UTF-8");
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let said = bad("{\n\"port\": \"x\",\n\"ttl\": 1.5}");
    assert_eq!(said.lines().count(), 2, "{said}");
    let problems = build_around("{\"domain\": \"a..b\", \"IPSources\": []}", &surroundings()).unwrap_err();
    assert_eq!(problems.remarks.len(), 3);
    let first = problems.to_string();
    assert!(first.contains("specify Mesos masters") && first.contains("(and 2 more;"), "{first}");
    assert_eq!(first.lines().count(), 1);
}

/// A megabyte of keys costs no more than reading it: anything quadratic runs into the time limit of tests.
#[test]
fn hostile_files_are_read_in_linear_time() {
    for member in ["\"x\":1,", "\"ttl\":1,", "\"ttl\":1,\n", "\"ttl\":\"\","] {
        let text = format!("{{{}\"masters\":[\"a:1\"]}}", member.repeat((1 << 20) / member.len()));
        match build_around(&text, &surroundings()) {
            Ok(config) => assert_eq!(config.warnings.len(), REMARKS_MAX, "{member}"),
            Err(problems) => assert_eq!(problems.remarks.len(), REMARKS_MAX, "{member}"),
        }
    }
    let zones = "\"a\":[\"9.9.9.9\"],".repeat(50_000);
    good(&with_master(&format!("\"zoneResolvers\": {{{zones}\"b\":[\"9.9.9.9\"]}}")));
}

#[test]
fn what_is_odd_is_reported_by_name() {
    for (members, said) in [
        (r#""masterz": []"#, "1:32: \"masterz\": is not known; did you mean \"masters\"?"),
        (r#""HTTPPorts": 1"#, "\"HTTPPorts\": is not known; did you mean \"httpport\"?"),
        (r#""refreshSecond": 1"#, "\"refreshSecond\": is not known; did you mean \"refreshSeconds\"?"),
        (r#""zzz": 1"#, "\"zzz\": is not known; it has no effect"),
        (r#""a\nb": 1"#, r#""a\nb": is not known"#),
        (r#""ttl": 1, "TTL": 2"#, "1:42: \"ttl\": is given more than once; the last value counts"),
        (
            r#""mesosCredentials": {"pricipal": "x"}"#,
            "\"mesosCredentials.pricipal\": is not known; did you mean \"principal\"?",
        ),
        (r#""email": "x""#, "\"email\": has no effect; remove it"),
        (
            r#""reversednson": false"#,
            "\"reversednson\": is a key of another Mesos-DNS; write \"reversePrefixes\": []",
        ),
        (r#""reversednson": true"#, "remove it: private addresses are told by name"),
        (r#""ResolvSubnetFirst": true"#, "is a key of another Mesos-DNS; write \"answers\": \"nearest\""),
        (r#""places": {"10.1.0.0/16": "eu/a"}"#, "\"places\": has no effect; write"),
        (r#""secretsDir": "x""#, "\"secretsDir\": is not in force in this version"),
        (
            r#""health": "require", "healthyMinimumPercent": 50"#,
            "\"healthyMinimumPercent\": has no effect unless health is \"prefer\"",
        ),
        (r#""ttl": -1"#, "\"ttl\": is negative"),
        (r#""timeout": -1"#, "\"timeout\": is negative; 5 seconds are used"),
        (
            r#""mesosHTTPSOn": true, "mesosTLSVerify": false"#,
            "\"mesosTLSVerify\": certificates of masters are not verified",
        ),
        (
            r#""mesosCredentials": {"principal": "x"}"#,
            "credentials are given, but mesosAuthentication is not",
        ),
        (r#""IAMConfigFile": "x""#, "an IAM file is given, but mesosAuthentication is not"),
        (r#""zkDetectionTimeout": 5"#, "\"zkDetectionTimeout\": has no effect without zk"),
    ] {
        let warnings = warnings(&with_master(members));
        assert_eq!(warnings.len(), 1, "{members}: {warnings:?}");
        assert!(warnings[0].starts_with("/etc/config.json:1:") && warnings[0].contains(said), "{warnings:?}");
    }
    assert!(warnings(&with_master(r#""health": "ignore", "mesosTLSVerify": false"#)).is_empty());
    assert!(
        warnings(&with_master(r#""extraNames": ["places"], "places": {"10.1.0.0/16": "eu/a"}"#)).is_empty()
    );
    let many: Vec<String> = (0..1000).map(|number| format!("\"x{number}\": 1")).collect();
    assert_eq!(warnings(&with_master(&many.join(","))).len(), REMARKS_MAX);
}

/// A file with a secret in each place that can hold one.
const SECRETIVE: &str = r#"{"zk": "zk://u:hunter2@h:2181/m", "masters": ["10.0.0.1:5050"], "ttl": 30,
    "mesosAuthentication": "basic", "mesosCredentials": {"principal": "p", "secret": "hunter2"},
    "zoneResolvers": {"corp": ["9.9.9.9"]}, "ns": {"password": "hunter2"}}"#;

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = File::parse("c", &bytes);
    }

    /// Whatever a slip of the keyboard does to a file, it does not show the secret: not in a problem, not in a
    /// warning, not in what is shown of the result.
    #[test]
    fn no_slip_shows_a_secret(at in 0..SECRETIVE.len(), cut in 0_usize..3, typed in "[ -~]{0,3}") {
        let end = (at + cut).min(SECRETIVE.len());
        let text = [&SECRETIVE[..at], &typed, &SECRETIVE[end..]].concat();
        let said = match build_around(&text, &surroundings()) {
            Ok(config) => {
                let rows = config.rows();
                format!("{config:?} {:?} {rows:?}", config.v1(7))
            }
            Err(problems) => format!("{problems:?} {}", problems.lines().collect::<String>()),
        };
        // A slip within the secret itself leaves another one.
        let harmless = !["unter2", "hunte"].iter().any(|part| said.contains(part));
        prop_assert!(harmless, "{text}\n{said}");
    }
}
