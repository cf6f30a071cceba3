//! The rules as tables: each row of the behaviour spec, sections 1.2 to 1.7, that accepts or refuses something.
//!
//! [`file`]: how a file is read, broken ones included. [`rules`]: what its values must agree on.
//! [`serving`]: the keys of the DNS server. [`fixed`]: static records. Here: what comes
//! out of a good one.

mod file;
mod fixed;
mod rules;
mod serving;

use super::*;
use crate::cluster::AddressSource;

/// The least a configuration needs, ahead of what a test is about.
fn with_master(members: &str) -> String {
    format!("{{\"masters\": [\"10.0.0.1:5050\"]{}{members}}}", if members.is_empty() { "" } else { ", " })
}

/// Surroundings in which everything that is wanted can be had.
fn surroundings() -> Surroundings {
    Surroundings {
        resolv_conf: Ok("nameserver 10.0.0.53\n".to_owned()),
        interfaces: vec![],
        cores: 4,
        authorities: Ok(()),
        identity: Ok(()),
        iam: Ok(
            r#"{"uid": "dns", "private_key": "PEM-hunter2", "login_endpoint": "https://h/l", "scheme": 1}"#
                .to_owned(),
        ),
        secret: Ok("hunter2\n".to_owned()),
        cookie_secret: Ok("00112233445566778899aabbccddeeff\n".to_owned()),
        http_tokens: Ok("0123456789abcdef\n".to_owned()),
        unusable: Vec::new(),
        zone_files: Vec::new(),
    }
}

fn build_around(text: &str, around: &Surroundings) -> Result<Config, Problems> {
    File::parse("/etc/config.json", text.as_bytes()).and_then(|file| Config::build(file, around))
}

/// The configuration of a text, which must be good.
fn good(text: &str) -> Config {
    match build_around(text, &surroundings()) {
        Ok(config) => config,
        Err(problems) => panic!("{text}: {problems}"),
    }
}

/// All problems of a text, which must be bad, one per line.
fn bad(text: &str) -> String {
    match build_around(text, &surroundings()) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => problems.lines().collect::<Vec<_>>().join("\n"),
    }
}

/// What `/v1/config` shows of one key.
fn shown(config: &Config, key: &str) -> String {
    let members = config.v1(7).0;
    members.into_iter().find(|(name, _)| *name == key).unwrap().1.to_string()
}

fn warnings(text: &str) -> Vec<String> {
    let config = good(text);
    config.warnings.iter().map(|warning| line(config.path(), warning)).collect()
}

#[test]
fn v1_config_is_the_originals_body() {
    // The measured example of the specification, section 7.3; only the TTL's default is ours.
    let measured = r#"{"RefreshSeconds":60,"Port":53,"Timeout":5,"StateTimeoutSeconds":300,"ZkDetectionTimeout":30,"HttpPort":8123,"TTL":5,"SRVRecordDefaultWeight":1,"SOASerial":1795368105,"SOARefresh":60,"SOARetry":600,"SOAExpire":86400,"SOAMinttl":60,"SOAMname":"ns1.mesos.","SOARname":"root.ns1.mesos.","Masters":["10.0.0.1:5050"],"ZoneResolvers":{},"Resolvers":["8.8.8.8"],"IPSources":["netinfo","mesos","host"],"Zk":"","Domain":"mesos","File":"/etc/config.json","Listener":"0.0.0.0","HTTPListener":"0.0.0.0","RecurseOn":true,"DnsOn":true,"HttpOn":true,"ExternalOn":true,"EnforceRFC952":false,"SetTruncateBit":true,"EnumerationOn":true,"MesosHTTPSOn":false,"CACertFile":"","CertFile":"","KeyFile":"","MesosCredentials":{"Principal":"","Secret":""},"IAMConfigFile":"","MesosAuthentication":""}"#;
    let config = good(&with_master(""));
    assert_eq!(serde_json::to_string(&config.v1(1795368105)).unwrap(), measured);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_complete_example_is_read() {
    let config = good(
        r#"{
  "zk": "zk://10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181/mesos",
  "masters": ["10.0.0.1:5050", "10.0.0.2:5050"],
  "mesosAuthentication": "basic",
  "mesosCredentials": {"principal": "dns", "secret": "s3cret"},
  "refreshSeconds": 30, "stateTimeoutSeconds": 60, "zkDetectionTimeout": 30,
  "ttl": 30, "domain": "mesos", "port": 53, "timeout": 5,
  "resolvers": ["10.0.0.53", "[fd00::53]:5353"],
  "zoneResolvers": {"corp.example": ["10.1.0.53"], "weave": ["172.17.0.1:53"]},
  "listener": "0.0.0.0", "httplistener": "127.0.0.1", "httpport": 8123,
  "dnson": true, "httpon": true, "externalon": true, "recurseon": true,
  "enforceRFC952": false, "setTruncateBit": true, "enumerationOn": true,
  "SOAMname": "ns1.mesos", "SOARname": "root@ns1.mesos",
  "IPSources": ["netinfo", "host"]
}"#,
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.zk.as_ref().unwrap().servers.len(), 3);
    assert_eq!(config.refresh_seconds, Duration::from_secs(30));
    assert_eq!(config.zk_detection_timeout, Some(Duration::from_secs(30)));
    assert_eq!((config.ttl, config.negative_ttl), (30, 30));
    let server = |text: &str| Server::plain(text.parse().unwrap());
    assert_eq!(config.resolvers, ["10.0.0.53:53", "[fd00::53]:5353"].map(server));
    assert_eq!(config.zone_resolvers.len(), 2);
    assert_eq!(config.addresses, Addresses::Sources(vec![AddressSource::NetInfo, AddressSource::Host]));
    assert_eq!(
        (config.soa_rname.as_str(), config.responsible.to_string().as_str()),
        ("root.ns1.mesos.", "root.ns1.mesos.")
    );
    let secret = Secret::new("s3cret");
    assert_eq!(config.mesos_authentication, Authentication::Basic { principal: "dns".to_owned(), secret });
    assert_eq!(shown(&config, "MesosCredentials"), r#"{"Principal":"dns","Secret":"******"}"#);
}

#[test]
fn effective_values() {
    let config = good(&with_master(""));
    assert_eq!((config.ttl, config.negative_ttl, config.timeout.as_secs(), config.workers), (5, 5, 5, 4));
    assert_eq!(config.zk_detection_timeout, None);
    assert_eq!((config.recursion_allow.len(), config.query_allow.len()), (9, 2));
    assert_eq!((config.hold_seconds.as_secs(), config.stale_after_seconds.as_secs()), (600, 30));
    assert_eq!((config.mass_loss_percent, config.mass_loss_minimum), (30, 20));
    assert_eq!(config.healthy_minimum_percent, 1);
    assert_eq!(
        (config.health, config.log_format, config.mesos_tls_verify),
        (Health::Prefer, LogFormat::Auto, true)
    );
    let config = good(&with_master(
        r#""ttl": -1, "SOAMinttl": 60, "timeout": 0, "refreshSeconds": 9223372036854775807, "holdSeconds": 1.5,
           "zk": "zk://h/m", "zkDetectionTimeout": 7, "workers": 2, "recursionAllow": ["192.0.2.1"]"#,
    ));
    assert_eq!((config.ttl, config.negative_ttl, config.timeout.as_secs(), config.workers), (0, 60, 5, 2));
    assert_eq!(config.zk_detection_timeout, Some(Duration::from_secs(7)));
    assert_eq!(config.refresh_seconds, Duration::from_secs(SECONDS_MAX));
    assert_eq!(config.hold_seconds, Duration::from_millis(1500));
    assert_eq!(config.recursion_allow[0].to_string(), "192.0.2.1/32");
    for never in
        [r#""zk": "zk://h/m", "zkDetectionTimeout": 0"#, r#""zk": "zk://h/m""#, r#""zkDetectionTimeout": 9"#]
    {
        assert_eq!(good(&with_master(never)).zk_detection_timeout, None, "{never}");
    }
}

/// Section 4.6, where the configuration decides.
#[test]
fn the_servers_own_addresses() {
    let interfaces: Vec<IpAddr> =
        ["127.0.0.1", "10.0.0.9", "::1", "fe80::1"].iter().map(|ip| ip.parse().unwrap()).collect();
    for (listener, own) in [
        ("0.0.0.0", &["10.0.0.9", "fe80::1"][..]),
        ("127.0.0.1", &["127.0.0.1"]),
        ("10.0.0.9", &["10.0.0.9"]),
        ("::", &["::"]),
    ] {
        let config = good(&with_master(&format!(r#""listener": "{listener}""#)));
        let addresses: Vec<String> =
            config.own_addresses(&interfaces).iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, own, "{listener}");
    }
}
