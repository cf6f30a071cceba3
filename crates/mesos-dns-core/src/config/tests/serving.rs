//! The keys of the DNS server: where it listens, what it knows clients by, how much it sends them.

use super::*;

fn listening(members: &str) -> Vec<String> {
    let config = good(&with_master(members));
    config.listeners.iter().map(|one| format!("{} {}", one.protocol, one.address)).collect()
}

#[test]
fn listeners_stand_in_place_of_listener_and_port() {
    for (members, expected) in [
        ("", &["dns 0.0.0.0:53"][..]),
        (r#""listener": "127.0.0.1", "port": 5353"#, &["dns 127.0.0.1:5353"]),
        (r#""listeners": null"#, &["dns 0.0.0.0:53"]),
        (r#""listeners": [{"address": "10.0.0.1"}]"#, &["dns 10.0.0.1:53"]),
        (
            r#""listeners": [{"Address": "10.0.0.1", "PORT": 5353, "protocol": "dns"}, {"address": "::", "certFile": null}]"#,
            &["dns 10.0.0.1:5353", "dns [::]:53"],
        ),
        (
            r#""listeners": [{"address": "127.0.0.1", "port": 0}, {"address": "127.0.0.1", "port": 0}]"#,
            &["dns 127.0.0.1:0", "dns 127.0.0.1:0"],
        ),
    ] {
        assert_eq!(listening(members), expected, "{members}");
    }
    let said = warnings(&with_master(r#""port": 53, "listeners": [{"address": "::1"}]"#));
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("\"port\": has no effect beside listeners"), "{said:?}");
}

#[test]
fn own_addresses_are_those_of_all_listeners() {
    let interfaces: Vec<IpAddr> = ["127.0.0.1", "10.0.0.9"].iter().map(|ip| ip.parse().unwrap()).collect();
    let text = r#""listeners": [{"address": "10.0.0.7"}, {"address": "0.0.0.0", "port": 54}, {"address": "10.0.0.9", "port": 55}]"#;
    let own: Vec<String> =
        good(&with_master(text)).own_addresses(&interfaces).iter().map(IpAddr::to_string).collect();
    assert_eq!(own, ["10.0.0.7", "10.0.0.9"]);
    // Where DNS is only encrypted, nobody finds a name server, unless it is so everywhere.
    let tls = r#"{"address": "10.0.0.8", "protocol": "tls", "certFile": "/c", "keyFile": "/k"}"#;
    for (listeners, expected) in
        [(format!("{tls}, {{\"address\": \"10.0.0.7\"}}"), "10.0.0.7"), (tls.to_owned(), "10.0.0.8")]
    {
        let config = good(&with_master(&format!(r#""listeners": [{listeners}]"#)));
        assert_eq!(config.own_addresses(&interfaces), [expected.parse::<IpAddr>().unwrap()], "{listeners}");
    }
}

#[test]
fn bad_listeners_say_how_to_mend_them() {
    for (members, said) in [
        (r#""listeners": {}"#, "expected a list of listeners, found an object; write [{"),
        (r#""listeners": []"#, "the list of listeners is empty"),
        (r#""listeners": ["10.0.0.1"]"#, "expected an object in the list, found a string"),
        (r#""listeners": [{}]"#, "\"\" is no IP address"),
        (r#""listeners": [{"address": "dns.example"}]"#, "\"dns.example\" is no IP address"),
        (r#""listeners": [{"address": 1}]"#, "expected text, found a number"),
        (r#""listeners": [{"address": "::", "port": 65536}]"#, "65536 is out of range"),
        (r#""listeners": [{"address": "::", "port": "53"}]"#, "without quotes"),
        (
            r#""listeners": [{"address": "::", "protocol": "quic"}]"#,
            "\"quic\" is not known; write \"dns\" or",
        ),
        (
            r#""listeners": [{"address": "::", "prot": "dns"}]"#,
            "a listener has no \"prot\"; write address, port",
        ),
        (r#""listeners": [{"address": "::", "keyFile": "k"}]"#, "protocol \"dns\" has no certificate"),
        (
            r#""listeners": [{"address": "::", "protocol": "tls"}]"#,
            "protocol \"tls\" needs certFile and keyFile",
        ),
        (
            r#""listeners": [{"address": "::", "protocol": "https", "certFile": "c"}]"#,
            "protocol \"https\" needs certFile and keyFile",
        ),
        (
            r#""listeners": [{"address": "10.0.0.1"}, {"address": "10.0.0.1", "port": 53}]"#,
            "10.0.0.1:53 is listened on twice",
        ),
        (r#""rateLimit": -1"#, "-1 is out of range"),
        (r#""cacheSize": "100KiB""#, "\"cacheSize\": 102400 bytes are too few; write at least \"1MiB\""),
        (r#""cacheSize": 1"#, "1 bytes are too few"),
        (r#""rateLimitExempt": ["10.0.0.1/8"]"#, "has bits set behind the prefix"),
    ] {
        let problems = bad(&with_master(members));
        assert!(
            problems.starts_with("/etc/config.json:1:") && problems.contains(said),
            "{members}: {problems}"
        );
    }
    let many = vec![r#"{"address": "::"}"#; 65].join(",");
    let problems = bad(&with_master(&format!(r#""listeners": [{many}]"#)));
    assert!(problems.contains("more than 64 listeners"), "{problems}");
    let long = "x".repeat(65);
    assert!(bad(&with_master(&format!(r#""nsid": "{long}""#))).contains("\"nsid\": is longer than 64 bytes"));
    assert_eq!(good(&with_master(r#""nsid": "dns-1""#)).nsid, "dns-1");
}

#[test]
fn encrypted_listeners_have_ports_and_certificates_of_their_own() {
    let text = with_master(
        r#""listeners": [
            {"address": "::", "protocol": "tls", "certFile": "/c", "keyFile": "/k"},
            {"address": "::", "protocol": "https", "certFile": "/c", "keyFile": "/k2"}
        ]"#,
    );
    let config = good(&text);
    let listening = |one: &Listener| format!("{} {}", one.protocol, one.address);
    assert_eq!(
        config.listeners.iter().map(listening).collect::<Vec<_>>(),
        ["tls [::]:853", "https [::]:443"]
    );
    let files = config.listeners[1].certificate.as_ref().unwrap();
    assert_eq!((files.cert_file.as_str(), files.key_file.as_str()), ("/c", "/k2"));
    let file = File::parse("/etc/config.json", text.as_bytes()).unwrap();
    assert_eq!(file.wants().identities, [("/c", "/k"), ("/c", "/k2")]);
    // The one pair that is of no use is told, with its place.
    let unusable = Unusable {
        cert_file: "/c".to_owned(),
        key_file: "/k2".to_owned(),
        reason: "/k2 is not the key of /c".to_owned(),
    };
    let around = Surroundings { unusable: vec![unusable], ..surroundings() };
    let problems = build_around(&text, &around).unwrap_err().to_string();
    assert!(
        problems.contains(":3:13: \"listeners\": /k2 is not the key of /c; give a PEM file"),
        "{problems}"
    );
}

#[test]
fn limits_of_connections() {
    let limits = |members: &str| {
        let config = good(&with_master(members));
        (config.tcp_connections, config.tcp_per_client, config.tcp_idle_seconds)
    };
    assert_eq!(limits(""), (None, 64, Duration::from_secs(10)));
    let members = r#""tcpConnections": 9, "tcpPerClient": 2, "tcpIdleSeconds": 0.5"#;
    assert_eq!(limits(members), (Some(9), 2, Duration::from_millis(500)));
    for (members, said) in [
        (r#""tcpConnections": -1"#, "-1 is out of range"),
        (r#""tcpPerClient": 0"#, "0 is out of range"),
        (r#""tcpIdleSeconds": 0"#, "\"tcpIdleSeconds\": 0 s is out of range; write seconds from 0.1 to 40"),
        (r#""tcpIdleSeconds": 41"#, "\"tcpIdleSeconds\": 41 s is out of range"),
    ] {
        let problems = bad(&with_master(members));
        assert!(problems.contains(said), "{members}: {problems}");
    }
}

#[test]
fn rate_limits_are_on_outside_private_networks() {
    let config = good(&with_master(""));
    assert_eq!(config.rate_limit, 200);
    assert_eq!(config.rate_limit_exempt, config.recursion_allow);
    let config = good(&with_master(r#""rateLimit": 0, "rateLimitExempt": ["192.0.2.0/24"]"#));
    assert_eq!((config.rate_limit, config.rate_limit_exempt.len()), (0, 1));
}

#[test]
fn a_cookie_secret_is_never_told() {
    let text = with_master(r#""cookieSecretFile": "/etc/cookie""#);
    let around = |secret: &str| Surroundings { cookie_secret: Ok(secret.to_owned()), ..surroundings() };
    let secret = "0123456789abcdef0123456789abcdef";
    let config = build_around(&text, &around(secret)).unwrap();
    assert!(config.cookie_secrets.is_some());
    assert!(!format!("{config:?} {:?}", config.rows()).contains("0123"));
    assert_eq!(good(&with_master("")).cookie_secrets, None);
    for (bad, said) in [
        ("", "there is no secret in it"),
        ("0123456789abcdef", "a line does not have 32 hexadecimal digits"),
        ("0123456789abcdef0123456789abcdeg", "a line does not have 32 hexadecimal digits"),
    ] {
        let problems = build_around(&text, &around(bad)).unwrap_err().to_string();
        assert!(problems.contains("\"cookieSecretFile\": cannot use \"/etc/cookie\": "), "{problems}");
        assert!(problems.contains(said) && !problems.contains("0123"), "{problems}");
    }
    let failing = Surroundings { cookie_secret: Err("no such file".to_owned()), ..surroundings() };
    assert!(build_around(&text, &failing).unwrap_err().to_string().contains("no such file"));
}

#[test]
fn what_is_remembered_of_others() {
    for (members, bytes, stale) in [
        ("", 64 << 20, 86_400.0),
        (r#""cacheSize": 0"#, 0, 86_400.0),
        (r#""cacheSize": "1MiB", "serveStaleSeconds": 0.5"#, 1 << 20, 0.5),
        (r#""cacheSize": "8 GiB", "serveStaleSeconds": 0"#, 8 << 30, 0.0),
    ] {
        let config = good(&with_master(members));
        let found = (config.cache_size, config.serve_stale_seconds.as_secs_f64());
        assert_eq!(found, (bytes, stale), "{members}");
        assert!(warnings(&with_master(members)).is_empty(), "{members}");
    }
}

#[test]
fn names_of_addresses_and_nearness() {
    use crate::wire::{Name, ReverseName};
    let apex = |members: &str, name: &str| {
        let zones = good(&with_master(members)).reverse.zones();
        zones.apex_bits(ReverseName::read(Name::parse(name).unwrap().view()).unwrap())
    };
    let ten = r#""reversePrefixes": ["10.0.0.0/8"], "zoneResolvers": {"1.10.in-addr.arpa": ["192.0.2.1"]}"#;
    assert_eq!(apex(ten, "4.3.2.10.in-addr.arpa"), Some(8));
    assert_eq!(apex(ten, "4.3.1.10.in-addr.arpa"), None, "sent elsewhere");
    assert_eq!(apex(r#""reversePrefixes": ["0.0.0.0/0"]"#, "1.0.0.127.in-addr.arpa"), None, "stays local");
    assert_eq!(apex(r#""reversePrefixes": ["127.0.0.0/8"]"#, "1.0.0.127.in-addr.arpa"), Some(8));
    let reverse = |members: &str| good(&with_master(members)).reverse;
    assert!(matches!(reverse(""), Reversing::Learned(_)));
    assert!(matches!(reverse(r#""reversednson": true"#), Reversing::Learned(_)));
    assert!(matches!(reverse(r#""reversePrefixes": null"#), Reversing::Learned(_)));
    assert_eq!(reverse(r#""reversePrefixes": []"#), Reversing::Off);
    assert_eq!(reverse(r#""reversednson": false"#), Reversing::Off);
    let both = r#""reversednson": false, "reversePrefixes": ["10.0.0.0/8"]"#;
    assert!(matches!(reverse(both), Reversing::Listed(_)), "ours says more");

    let answers = |members: &str| good(&with_master(members)).answers;
    assert_eq!((answers(""), answers(r#""answers": "nearest""#)), (Ranking::Shuffle, Ranking::Nearest));
    assert_eq!(answers(r#""ResolvSubnetFirst": true"#), Ranking::Nearest);
    assert_eq!(answers(r#""ResolvSubnetFirst": true, "answers": "shuffle""#), Ranking::Shuffle);
    let most = |members: &str| good(&with_master(members)).max_answers;
    assert_eq!((most(""), most(r#""maxAnswers": 0"#), most(r#""maxAnswers": 3"#)), (None, None, Some(3)));
    let placed = good(&with_master(r#""places": {"10.1.0.0/16": "eu/a/b", "fd00::/8": "us/x"}"#));
    let shown: Vec<String> =
        placed.places.iter().map(|(net, place)| format!("{net} {} {}", place.region, place.zone)).collect();
    assert_eq!(shown, ["10.1.0.0/16 eu a/b", "fd00::/8 us x"]);
    for (members, said) in [
        (r#""places": {"10.1.0.1/16": "eu/a"}"#, "has bits set behind the prefix"),
        (r#""places": {"10.1.0.0/16": "eu"}"#, "\"eu\" is no place; write \"region/zone\""),
        (r#""places": {"10.1.0.0/16": "/a"}"#, "is no place"),
        (r#""places": ["10.1.0.0/16"]"#, "expected an object"),
        (r#""answers": "near""#, "\"near\" is not known"),
        (r#""reversePrefixes": ["10.1"]"#, "is no prefix"),
    ] {
        assert!(bad(&with_master(members)).contains(said), "{members}: {}", bad(&with_master(members)));
    }
}
