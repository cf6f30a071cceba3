//! What the values of a file must agree on, among themselves and with the machine.

use super::*;

/// Section 1.4: with everything wrong, the first problem is the original's first, and so on down.
#[test]
fn rules_are_checked_in_order() {
    let everything = r#"{"dnson": false, "httpon": false, "masters": ["x"], "resolvers": ["x"], "IPSources": [],
        "stateTimeoutSeconds": 0, "domain": "", "SOAMname": "a..b", "certFile": "x",
        "mesosAuthentication": "x", "listener": "x", "zk": "x"}"#;
    let said = bad(everything);
    let order = [
        "either DNS or HTTP",
        "error validating masters",
        "error validating resolvers",
        "IPSources validation failed: empty ip sources",
        "Invalid HTTP Timeout: 0",
        "is not a valid domain name",
        "\"SOAMname\"",
        "Missing private key",
        "unregistered factory requested",
        "\"listener\"",
        "\"zk\"",
    ];
    let positions: Vec<_> = order.iter().map(|part| said.find(part).expect(part)).collect();
    assert!(positions.is_sorted(), "{said}");
    assert_eq!(said.lines().count(), order.len(), "{said}");
}

/// Sections 1.4 and 1.5, row by row.
#[test]
fn rules_accept_and_refuse() {
    for members in [
        r#""dnson": false"#,
        r#""httpon": false"#,
        r#""masters": ["m1.example:5050"]"#,
        r#""masters": ["10.0.0.1:5050", "10.0.0.1:5051"]"#,
        r#""resolvers": ["9.9.9.9", "9.9.9.9:5353", "fd00::53", "[fd00::53]:5353"]"#,
        r#""resolvers": ["tls://9.9.9.9#dns.quad9.net", "9.9.9.9"]"#,
        r#""zoneResolvers": {"x.corp": ["tls://[fd00::53]:8853#dns.corp"]}"#,
        r#""zoneResolvers": {"x.corp": ["9.9.9.9"], "y-x.corp": ["9.9.9.9"]}"#,
        // Ruling 24: nested zones are fine, and so is a zone above the domain.
        r#""zoneResolvers": {"a.corp": ["9.9.9.9"], "corp": ["9.9.9.9"]}"#,
        r#""domain": "dc1.mesos", "zoneResolvers": {"mesos": ["9.9.9.9"]}"#,
        r#""zoneResolvers": {"xmesos": ["9.9.9.9"], "mesos.org": ["9.9.9.9"]}"#,
        r#""externalon": false, "zoneResolvers": {"mesos": [], "a..b": ["x"]}"#,
        r#""domain": "a""#,
        r#""domain": "-a-.1.b--c""#,
        r#""IPSources": ["host", "docker", "mesos", "netinfo"]"#,
        r#""stateTimeoutSeconds": 1"#,
        r#""listener": "::""#,
        r#""listener": "127.0.0.1""#,
        r#""httplistener": "localhost""#,
        r#""httplistener": """#,
        r#""ns": 1, "email": {}, "mname": "x""#,
        r#""zk": "zk://h/mesos""#,
        r#""certFile": "c", "keyFile": "k", "caCertFile": "a""#,
        r#""mesosAuthentication": "basic", "mesosCredentials": {"principal": "p"}"#,
        r#""mesosAuthentication": "basic", "mesosCredentials": {"secret": "s"}"#,
        r#""mesosAuthentication": "basic", "mesosCredentials": {"secretFile": "s"}"#,
        r#""mesosAuthentication": "iam", "IAMConfigFile": "i""#,
        r#""health": "prefer", "healthyMinimumPercent": 50"#,
        r#""health": "require""#,
        r#""workers": 3"#,
        r#""holdSeconds": 0.25"#,
        r#""recursionAllow": ["192.0.2.1", "fd00::/8"]"#,
    ] {
        good(&with_master(members));
    }
    for (members, parts) in [
        (
            r#""dnson": false, "httpon": false"#,
            &[":1:41:", "\"dnson\"", "either DNS or HTTP server should be on", "set dnson or httpon"][..],
        ),
        (r#""masters": []"#, &["specify Mesos masters or Zookeeper in config.json", "add \"masters\""]),
        (
            r#""masters": ["10.0.0.1"]"#,
            &[":1:44: \"masters\"", "error validating masters: \"10.0.0.1\" has no port", "such as"],
        ),
        (r#""masters": [""], "zk": "zk://h/m""#, &["error validating masters"]),
        (&format!(r#""adminSocket": "/{}""#, "x".repeat(107)), &["\"adminSocket\"", "too long for a socket"]),
        (r#""adminSocket": "/a\u0000b""#, &["\"adminSocket\"", "NUL"]),
        (r#""adminSocket": "/a", "snapshotFile": "/a""#, &["\"adminSocket\"", "is the snapshotFile too"]),
        (r#""user": "root""#, &["\"user\": cannot be root"]),
        (r#""user": "mesos-dns", "group": "00""#, &["\"group\": cannot be root"]),
        (
            r#""resolvers": ["dns.example"]"#,
            &["\"resolvers\"", "illegal ip specified: \"dns.example\"", "not a name"],
        ),
        (
            r#""resolvers": ["9.9.9.9", "9.9.9.9:53"]"#,
            &[":1:57:", "duplicate found: 9.9.9.9:53", "remove one"],
        ),
        (
            r#""resolvers": ["tls://9.9.9.9"]"#,
            &[
                ":1:46: \"resolvers\"",
                "does not say which name its certificate is for",
                "tls://9.9.9.9#dns.example",
            ],
        ),
        (
            r#""zoneResolvers": {"corp": ["https://9.9.9.9"]}"#,
            &[
                "\"zoneResolvers\"",
                "asks in a way that is not known: \"https\"",
                "tls://10.0.0.53#dns.example",
            ],
        ),
        (
            r#""zoneResolvers": {"corp": []}"#,
            &[":1:50: \"zoneResolvers\"", "field ZoneResolver \"corp\" is empty"],
        ),
        (r#""zoneResolvers": {"corp": null}"#, &["field ZoneResolver \"corp\" is empty"]),
        (r#""zoneResolvers": {"a_b": ["9.9.9.9"]}"#, &["\"a_b\" is not a valid domain name"]),
        (r#""zoneResolvers": {"": ["9.9.9.9"]}"#, &["\"\" is not a valid domain name"]),
        (r#""zoneResolvers": {"corp": ["x"]}"#, &["\"zoneResolvers\"", "illegal ip specified: \"x\""]),
        (
            r#""zoneResolvers": {"mesos": ["9.9.9.9"]}"#,
            &["can't specify ZoneResolver for Mesos domain (mesos)"],
        ),
        (
            r#""zoneResolvers": {"foo.mesos": ["9.9.9.9"]}"#,
            &["ambiguous zone resolvers: .foo.mesos is masked by .mesos"],
        ),
        // Q19: case tells no two zones apart.
        (
            r#""zoneResolvers": {"MESOS": ["9.9.9.9"]}"#,
            &["can't specify ZoneResolver for Mesos domain (mesos)"],
        ),
        (r#""domain": "Mesos", "zoneResolvers": {"mesos": ["9.9.9.9"]}"#, &["can't specify ZoneResolver"]),
        (r#""zoneResolvers": {"Corp": ["9.9.9.9"], "corp": ["9.9.9.9"]}"#, &["zone \"corp\" is given twice"]),
        (r#""IPSources": []"#, &["IPSources validation failed: empty ip sources"]),
        (r#""IPSources": null"#, &["IPSources validation failed: empty ip sources"]),
        (r#""IPSources": ["host", "host"]"#, &["duplicate ip source specified: \"host\""]),
        (r#""IPSources": ["rkt"]"#, &["invalid ip source \"rkt\"", "netinfo, mesos, docker or host"]),
        (r#""IPSources": ["Host"]"#, &["invalid ip source \"Host\"", "lower case"]),
        (
            r#""stateTimeoutSeconds": 0"#,
            &["\"stateTimeoutSeconds\"", "Invalid HTTP Timeout: 0", "at least 1"],
        ),
        (r#""stateTimeoutSeconds": -1"#, &["Invalid HTTP Timeout: -1"]),
        (r#""domain": """#, &["\"domain\"", "\"\" is not a valid domain name"]),
        (r#""domain": ".mesos""#, &["not a valid domain name", "none at the ends"]),
        (r#""domain": "mesos.""#, &["\"mesos.\" is not a valid domain name"]),
        (r#""domain": "a..b""#, &["not a valid domain name"]),
        (r#""domain": "a_b""#, &["not a valid domain name"]),
        (r#""domain": "mésos""#, &["not a valid domain name"]),
        (r#""SOAMname": "a..b""#, &["\"SOAMname\"", "no name that DNS can carry: empty label"]),
        (r#""listener": """#, &["\"listener\"", "\"\" is no IP address", "0.0.0.0"]),
        (r#""listener": "localhost""#, &["\"localhost\" is no IP address"]),
        (r#""zk": "zk://h/u:hunter2@h/mesos""#, &["\"zk\"", "slash before its @"]),
        (r#""zk": "zk://u:hunter2h:1/mesos""#, &["\"zk\"", "server 1 of the list"]),
        (r#""zk": "h1:2181""#, &["\"zk\"", "failed to create master detector", "list it in masters"]),
        (r#""certFile": "c""#, &["\"certFile\"", "Missing private key", "set keyFile"]),
        (r#""keyFile": "k""#, &["\"keyFile\"", "Missing certificate", "set certFile"]),
        (r#""mesosAuthentication": "Basic""#, &["unregistered factory requested: \"Basic\"", "lower case"]),
        (r#""mesosAuthentication": "digest""#, &["unregistered factory requested"]),
        (r#""mesosAuthentication": "basic""#, &["invalid HTTP Basic configuration", "principal"]),
        (
            r#""mesosAuthentication": "iam""#,
            &["missing configuration for specified authentication mechanism", "IAMConfigFile"],
        ),
        (
            r#""mesosAuthentication": "basic", "mesosCredentials": {"secret": "hunter2", "secretFile": "f"}"#,
            &["both secret and secretFile"],
        ),
    ] {
        let said = bad(&with_master(members));
        for part in parts {
            assert!(said.contains(part), "{members}: no {part:?} in {said:?}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
    let long = bad(&with_master(&format!(r#""domain": "{}""#, "x".repeat(64))));
    assert!(long.contains("label exceeds 63 octets; shorten it"), "{long}");
}

/// What the shell found, and what became of it.
#[test]
fn surroundings_are_judged() {
    let failing = || Err("no such file".to_owned());
    let unloaded = || Err("no such file".to_owned());
    let iam = |text: &str| Surroundings { iam: Ok(text.to_owned()), ..surroundings() };
    let with_iam = r#""mesosAuthentication": "iam", "IAMConfigFile": "iam.json""#;
    let idle_iam = r#""IAMConfigFile": "iam.json""#;
    let with_secret = r#""mesosAuthentication": "basic", "mesosCredentials": {"secretFile": "s"}"#;
    let around = surroundings;
    for (members, around, parts) in [
        (
            r#""resolvers": []"#,
            Surroundings { resolv_conf: failing(), ..around() },
            &["cannot read /etc/resolv.conf: no such file", "list servers in resolvers"][..],
        ),
        (
            r#""resolvers": null"#,
            Surroundings { resolv_conf: Ok("nameserver dns".to_owned()), ..around() },
            &["\"resolvers\": error validating resolvers: illegal ip specified: \"dns\""],
        ),
        (
            r#""certFile": "c", "keyFile": "k""#,
            Surroundings { identity: unloaded(), ..around() },
            &["\"certFile\": no such file", "PEM"],
        ),
        (
            r#""caCertFile": "a""#,
            Surroundings { authorities: unloaded(), ..around() },
            &["\"caCertFile\": no such file", "at least one certificate"],
        ),
        (
            with_secret,
            Surroundings { secret: failing(), ..around() },
            &["cannot read secretFile \"s\": no such file"],
        ),
        (
            with_secret,
            Surroundings { secret: Ok("\n".to_owned()), ..around() },
            &["invalid HTTP Basic configuration"],
        ),
        (
            with_iam,
            Surroundings { iam: failing(), ..around() },
            &["\"IAMConfigFile\": cannot use \"iam.json\": no such file"],
        ),
        (
            idle_iam,
            Surroundings { iam: failing(), ..around() },
            &["\"IAMConfigFile\": cannot use \"iam.json\": no such file"],
        ),
        (idle_iam, iam("uid: hunter2"), &["it is no JSON object", "private_key and login_endpoint"]),
        (with_iam, iam("[]"), &["it is no JSON object"]),
        (with_iam, iam(r#"{"uid": "u", "private_key": ["hunter2"]}"#), &["private_key is no text"]),
        (with_iam, iam(r#"{"uid": "u", "login_endpoint": "hunter2"}"#), &["login_endpoint is no URL"]),
        (with_iam, iam(r#"{"uid": "u", "private_key": "k"}"#), &["invalid HTTP IAM configuration"]),
        (
            with_iam,
            iam(r#"{"uid": "", "private_key": "k", "login_endpoint": "http://h"}"#),
            &["invalid HTTP IAM configuration"],
        ),
    ] {
        let problems = build_around(&with_master(members), &around).unwrap_err().to_string();
        for part in parts {
            assert!(problems.contains(part), "{members}: no {part:?} in {problems:?}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
    let config = good(&with_master(with_iam));
    let Authentication::Iam { uid, private_key, login_endpoint } = &config.mesos_authentication else {
        panic!("no IAM");
    };
    assert_eq!(
        (uid.as_str(), private_key.reveal(), login_endpoint.as_str()),
        ("dns", "PEM-hunter2", "https://h/l")
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = good(&with_master(with_secret));
    let expected = Authentication::Basic { principal: String::new(), secret: Secret::new("hunter2") };
    assert_eq!(config.mesos_authentication, expected);
    assert_eq!(shown(&config, "MesosCredentials"), r#"{"Principal":"","Secret":"******"}"#);
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// Section 1.6.
#[test]
fn an_empty_list_of_resolvers_means_the_systems() {
    let around = Surroundings {
        resolv_conf: Ok("nameserver 127.0.0.1\nnameserver 10.0.0.53\nnameserver 127.0.0.53\n".to_owned()),
        interfaces: vec!["127.0.0.1".parse().unwrap()],
        ..surroundings()
    };
    for members in [r#""resolvers": []"#, r#""resolvers": null"#] {
        let config = build_around(&with_master(members), &around).unwrap();
        let server = |text: &str| Server::plain(text.parse().unwrap());
        assert_eq!(config.resolvers, ["10.0.0.53:53", "127.0.0.53:53"].map(server));
        assert!(config.follows_system());
        assert_eq!(shown(&config, "Resolvers"), r#"["10.0.0.53","127.0.0.53"]"#);
        let row = config.rows().into_iter().find(|row| row.canonical == "Resolvers").unwrap();
        assert_eq!(row.origin, Origin::Derived("/etc/resolv.conf"));
    }
    let file = |members: &str| File::parse("c", with_master(members).as_bytes()).unwrap();
    assert!(file(r#""resolvers": []"#).wants().resolv_conf);
    assert!(!file("").wants().resolv_conf);
    assert!(!file(r#""resolvers": [], "externalon": false"#).wants().resolv_conf);
    let none = Surroundings { resolv_conf: Ok(String::new()), ..surroundings() };
    assert!(build_around(&with_master(r#""resolvers": []"#), &none).unwrap().resolvers.is_empty());
}

#[test]
fn the_systems_servers_are_followed() {
    let config = good(&with_master(r#""resolvers": []"#));
    assert_eq!(config.with_system("search x\nnameserver 10.0.0.53\n", &[]), Ok(None), "as they were");
    let text = "nameserver 10.0.0.54\nnameserver 10.0.0.55\n";
    let after = config.with_system(text, &["10.0.0.55".parse().unwrap()]).unwrap().unwrap();
    assert_eq!(after.resolvers, [Server::plain("10.0.0.54:53".parse().unwrap())]);
    assert_eq!(shown(&after, "Resolvers"), r#"["10.0.0.54"]"#);
    assert!(after.follows_system());
    assert_eq!(
        Config { resolvers: config.resolvers.clone(), settings: config.settings.clone(), ..after },
        config
    );
    for (text, what) in [
        ("", "names no server"),
        ("nameserver 10.0.0.55\n", "names no server but this machine"),
        ("nameserver 10.0.0.55\nnameserver dns\n", "illegal ip specified: \"dns\""),
    ] {
        let wrong = config.with_system(text, &["10.0.0.55".parse().unwrap()]).unwrap_err().to_string();
        assert!(wrong.contains(what), "{wrong}");
    }
    let text = "nameserver dns\nnameserver 10.0.0.56\n";
    let after = config.with_system(text, &[]).unwrap().unwrap();
    assert_eq!(shown(&after, "Resolvers"), r#"["10.0.0.56"]"#, "what can be used");
    let alone = Surroundings { resolv_conf: Ok(String::new()), ..surroundings() };
    let alone = build_around(&with_master(r#""resolvers": []"#), &alone).unwrap();
    assert_eq!(alone.with_system("# nobody", &[]), Ok(None), "nobody was asked before");
    assert!(!good(&with_master("")).follows_system());
    assert!(!good(&with_master(r#""resolvers": [], "externalon": false"#)).follows_system());
}

#[test]
fn servers_are_shown_as_written() {
    let config = good(&with_master(r#""resolvers": ["TLS://9.9.9.9:853#dns.quad9.net", "9.9.9.9:53"]"#));
    assert_eq!(shown(&config, "Resolvers"), r#"["TLS://9.9.9.9:853#dns.quad9.net","9.9.9.9:53"]"#);
    assert_eq!(config.resolvers[0].to_string(), "tls://9.9.9.9:853#dns.quad9.net");
}

#[test]
fn addresses_are_chosen_by_ip_sources_only_where_the_file_sets_them() {
    use crate::records::{Addresses, Networks, Reach};
    assert_eq!(good(&with_master("")).addresses, Addresses::Auto(Networks::default()));
    assert_eq!(good(&with_master(r#""addresses": "auto""#)).addresses, Addresses::Auto(Networks::default()));
    let declared = good(&with_master(r#""networks": {"calico": "routable", "172.17.0.0/16": "local"}"#));
    let names = vec![("calico".into(), Reach::Routable)];
    let prefixes = vec![("172.17.0.0/16".parse().unwrap(), Reach::Local)];
    assert_eq!(declared.addresses, Addresses::Auto(Networks { names, prefixes }));
    assert!(declared.warnings.is_empty());
    let both = r#""addresses": "auto", "networks": {"a": "local"}, "IPSources": ["host"]"#;
    assert_eq!(good(&with_master(both)).addresses, Addresses::Sources(vec![AddressSource::Host]));
    let told = warnings(&with_master(both)).join("\n");
    assert!(told.contains(r#""addresses": has no effect beside IPSources; remove one of them"#), "{told}");
    assert!(told.contains(r#""networks": has no effect beside IPSources"#), "{told}");
    let wrong = bad(&with_master(r#""addresses": "host""#));
    assert!(wrong.contains(r#""host" is not known; write "auto""#), "{wrong}");
    let wrong = bad(&with_master(r#""networks": {"10.0.0.1/8": "local"}"#));
    assert!(
        wrong.contains(r#""networks": "10.0.0.1/8" has bits set behind the prefix; write "10.0.0.0/8""#),
        "{wrong}"
    );
}
