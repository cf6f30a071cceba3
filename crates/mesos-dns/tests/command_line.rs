//! The promise: the command line of the original works, a bad configuration says how to mend it, and no secret
//! comes out. All with the real binary.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use mesos_dns_core::config::{Key, Standing, keys};
use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    symm::Cipher,
    x509::{X509, X509Builder, X509NameBuilder},
};
use tempfile::TempDir;

/// Runs the program in a directory and waits for its end; every invocation here ends by itself.
fn run(directory: &Path, args: &[&str]) -> Output {
    program(directory, args).output().unwrap()
}

fn program(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
    command.args(args).current_dir(directory).stdin(Stdio::null());
    for name in ["HOME", "USERPROFILE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_in_force(key: &Key) -> bool {
    matches!(key.standing, Standing::Original | Standing::Ours)
}

/// A directory with one file in it.
fn with_file(name: &str, text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

/// Checks a configuration and gives the status with everything that was printed.
fn check(directory: &Path, config: &str) -> (Option<i32>, String) {
    fs::write(directory.join("config.json"), config).unwrap();
    let output = run(directory, &["check", "config.json"]);
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn version_and_help() {
    let directory = tempfile::tempdir().unwrap();
    for args in
        [&["-version"][..], &["--version"], &["-version=true", "-config=nowhere"], &["-v=1", "-version"]]
    {
        let output = run(directory.path(), args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(stdout(&output), format!("{}\n", mesos_dns::args::VERSION), "{args:?}");
    }
    for args in [&["-h"][..], &["-help"]] {
        let output = run(directory.path(), args);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{args:?}");
        assert!(stderr(&output).contains("Usage: mesos-dns"), "{args:?}");
    }
    let help = run(directory.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in [
        "Usage: mesos-dns",
        "demo",
        "check",
        "dump",
        "completions",
        "--config",
        "Examples:",
        "query leader.mesos @127.0.0.1:8053",
        "Exit status",
    ] {
        assert!(stdout(&help).contains(part), "{part}");
    }
    let completions = run(directory.path(), &["completions", "bash"]);
    assert_eq!(completions.status.code(), Some(0));
    assert!(stdout(&completions).contains("complete"));
}

#[test]
fn wrong_command_lines_end_with_status_2() {
    let directory = tempfile::tempdir().unwrap();
    for args in [
        &["-bogus"][..],
        &["--bogus"],
        &["-v=x"],
        &["-v"],
        &["-v", "-config=config.json"],
        &["-config"],
        &["bogus"],
        &["-config=x", "bogus"],
        &["-version", "-bogus"],
        &["-logtostderr=perhaps"],
        &["demo", "--tasks", "many"],
        &["demo", "--dns-port", "65536"],
        &["dump"],
        &["completions", "abacus"],
        &["query"],
        &["query", "a", "--timeout", "0"],
        &["status", "--output", "xml"],
        &["dump", "--diff", "a"],
    ] {
        let output = run(directory.path(), args);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{args:?}");
        let said = stderr(&output);
        assert!(
            said.starts_with("error: ") && said.contains("--help") && said.contains("Usage: mesos-dns"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn serve_ends_with_status_1_and_one_line() {
    let directory = with_file("bad.json", "{\n  \"masters\": [\"10.0.0.1\"]\n}");
    let place = fs::canonicalize(directory.path()).unwrap();
    let place = place.to_str().unwrap();
    for (args, said) in [
        (
            &["-config=bad.json"][..],
            format!(
                "mesos-dns: {place}/bad.json:2:15: \"masters\": error validating masters: \"10.0.0.1\" has no port; "
            ),
        ),
        (&["-config", "./x/../bad.json", "-v=1"], format!("mesos-dns: {place}/bad.json:2:15: \"masters\": ")),
        (&["serve", "--config=bad.json"], format!("mesos-dns: {place}/bad.json:2:15: \"masters\": ")),
        (
            &[],
            format!(
                "mesos-dns: missing configuration file: \"{place}/config.json\" (name one with -config=FILE; "
            ),
        ),
        (&["-config="], "mesos-dns: missing configuration file: ".to_owned()),
        (&["-config=a~/b"], format!("mesos-dns: missing configuration file: \"{place}/a./b\" ")),
    ] {
        let output = run(directory.path(), args);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{args:?}");
        assert!(stderr(&output).starts_with(&said), "{args:?}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn the_home_directory_is_found() {
    let directory = tempfile::tempdir().unwrap();
    for (profile, home, path) in [
        (Some("/p"), Some("/h"), "/p/c.json"),
        (Some(""), Some("/h"), "/h/c.json"),
        (None, Some("/h"), "/h/c.json"),
    ] {
        let mut command = program(directory.path(), &["-config=~/c.json"]);
        command.envs(profile.map(|profile| ("USERPROFILE", profile)));
        command.envs(home.map(|home| ("HOME", home)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&format!("{path:?}")), "{}", stderr(&output));
    }
}

#[test]
fn check_shows_every_value_and_where_it_comes_from() {
    let directory = tempfile::tempdir().unwrap();
    let config = r#"{
  "zk": "zk://dns:hunter2@10.0.0.1:2181/mesos/",
  "mesosAuthentication": "basic",
  "mesosCredentials": {"principal": "dns", "secret": "hunter3"},
  "Ttl": 30,
  "refreshsecond": 5,
  "secretsDir": "x"
}"#;
    let (status, said) = check(directory.path(), config);
    assert_eq!(status, Some(0), "{said}");
    let squeezed = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "/config.json is good.",
        "config.json:6:3: \"refreshsecond\": is not known; did you mean \"refreshSeconds\"?",
        "config.json:7:3: \"secretsDir\": is not in force in this version",
        "ttl file, line 5 30 s",
        "port default 53",
        "zk file, line 2 \"zk://******@10.0.0.1:2181/mesos/\"",
        "mesosCredentials file, line 4 {\"Principal\":\"dns\",\"Secret\":\"******\"}",
        "one per core",
        "ZooKeeper at 10.0.0.1:2181, path /mesos, with a user",
        "HTTP Basic as \"dns\"",
        "records live for 30 s; that a name is not there, for 30 s",
    ] {
        assert!(squeezed.contains(part), "no {part:?} in {said}");
    }
    let values = said.split("What that means").next().unwrap();
    for key in keys() {
        let is_shown = values.contains(&format!("\n  {} ", key.spelling));
        assert_eq!(is_shown, is_in_force(&key), "{}", key.spelling);
    }
    assert!(!said.contains("hunter"), "{said}");
    // The file of the flag is the default.
    fs::rename(directory.path().join("config.json"), directory.path().join("other.json")).unwrap();
    let output = run(directory.path(), &["-config=other.json", "check"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("/other.json is good."));
}

#[test]
fn check_ends_with_status_3_and_tells_all_problems() {
    let directory = tempfile::tempdir().unwrap();
    let (status, said) = check(
        directory.path(),
        "{\"domain\": \"a..b\",\n \"zk\": \"zk://dns:hunter2@h:0/m\",\n \"mesosCredentials\": {\"secret\": \"hunter3\"}}",
    );
    assert_eq!(status, Some(3));
    assert_eq!(said.lines().filter(|line| line.starts_with("error: /")).count(), 2, "{said}");
    assert!(
        said.contains("config.json:1:12: \"domain\": ") && said.contains("config.json:2:8: \"zk\": "),
        "{said}"
    );
    assert!(!said.contains("hunter"), "{said}");
    let output = run(directory.path(), &["check", "nowhere.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("missing configuration file") && stderr(&output).contains("No such file")
    );
    let (status, said) = check(directory.path(), &format!("{{\"masters\": [\"{}\"]}}", "x".repeat(5 << 20)));
    assert_eq!(status, Some(3));
    assert!(said.contains("larger than") && said.len() < 1000, "{said:.1000}");
}

#[test]
fn the_examples_are_good() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["config.json", "config-full.json"] {
        let output = run(&examples, &["check", name]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        assert!(!stdout(&output).contains("warning:"), "{name}: {}", stdout(&output));
    }
    // The full one lists every key that has an effect, but for one beside which `addresses` has none, and those of a newer
    // Mesos-DNS, for which there are keys of ours.
    let full = fs::read_to_string(examples.join("config-full.json")).unwrap();
    for key in keys() {
        let listed = full.contains(&format!("\"{}\"", key.spelling));
        let is_left_out =
            ["SOASerial", "file", "IPSources", "reversednson", "ResolvSubnetFirst"].contains(&key.spelling);
        assert_eq!(listed, is_in_force(&key) && !is_left_out, "{}", key.spelling);
    }
}

//------------ Files that the configuration names ------------------------------

fn key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn certificate(key: &PKey<Private>) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "mesos-dns test").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

#[test]
fn certificates_must_load() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (key(), key());
    let locked = ours.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"hunter2").unwrap();
    for (name, bytes) in [
        ("cert.pem", certificate(&ours).to_pem().unwrap()),
        ("key.pem", ours.private_key_to_pem_pkcs8().unwrap()),
        ("other.pem", other.private_key_to_pem_pkcs8().unwrap()),
        ("locked.pem", locked),
        ("junk.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
        ("empty.pem", Vec::new()),
    ] {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let config = |members: &str| format!("{{\"masters\": [\"10.0.0.1:5050\"], {members}}}");
    let good =
        r#""certFile": "cert.pem", "keyFile": "key.pem", "caCertFile": "cert.pem", "mesosHTTPSOn": true"#;
    let (status, said) = check(directory.path(), &config(good));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("HTTPS, verified by cert.pem"), "{said}");
    for (members, parts) in [
        (r#""certFile": "cert.pem""#, &["\"certFile\": Missing private key"][..]),
        (r#""keyFile": "key.pem""#, &["\"keyFile\": Missing certificate"]),
        (r#""certFile": "cert.pem", "keyFile": "nowhere.pem""#, &["cannot read nowhere.pem: No such file"]),
        (r#""certFile": "cert.pem", "keyFile": "other.pem""#, &["other.pem is not the key of cert.pem"]),
        (r#""certFile": "cert.pem", "keyFile": "locked.pem""#, &["cannot use locked.pem"]),
        (r#""certFile": "cert.pem", "keyFile": "cert.pem""#, &["cannot use cert.pem"]),
        (r#""certFile": "empty.pem", "keyFile": "key.pem""#, &["no PEM certificate in empty.pem"]),
        (
            r#""caCertFile": "nowhere.pem""#,
            &["\"caCertFile\": CACertFile open failed: nowhere.pem: No such file"],
        ),
        (r#""caCertFile": "empty.pem""#, &["\"caCertFile\": CACertFile parsing failed: empty.pem"]),
        (r#""caCertFile": "junk.pem""#, &["\"caCertFile\": CACertFile parsing failed: junk.pem"]),
        (r#""caCertFile": "key.pem""#, &["\"caCertFile\": CACertFile parsing failed: key.pem"]),
        (r#""caCertFile": ".""#, &["\"caCertFile\": CACertFile open failed: .: Is a directory"]),
    ] {
        let (status, said) = check(directory.path(), &config(members));
        assert_eq!(status, Some(3), "{members}: {said}");
        for part in parts {
            assert!(said.contains(part), "{members}: no {part:?} in {said:?}");
        }
    }
}

#[test]
fn check_says_how_other_names_are_asked() {
    let directory = tempfile::tempdir().unwrap();
    let config = |members: &str| format!("{{\"masters\": [\"10.0.0.1:5050\"], {members}}}");
    let members = r#""resolvers": ["tls://9.9.9.9#dns.quad9.net", "10.0.0.53"],
        "zoneResolvers": {"corp": ["tls://[fd00::53]:8853#dns.corp"]}"#;
    let (status, said) = check(directory.path(), &config(members));
    assert_eq!(status, Some(0), "{said}");
    let effect =
        "forwarded to tls://9.9.9.9:853#dns.quad9.net, 10.0.0.53:53; corp. to tls://[fd00::53]:8853#dns.corp";
    assert!(said.contains(effect), "{said}");
    for (members, what) in [
        (r#""resolvers": ["tls://9.9.9.9"]"#, "does not say which name its certificate is for"),
        (r#""resolvers": ["tls://dns.quad9.net#dns.quad9.net"]"#, "illegal ip specified: \"dns.quad9.net\""),
        (r#""zoneResolvers": {"corp": ["https://9.9.9.9"]}"#, "asks in a way that is not known: \"https\""),
    ] {
        let (status, said) = check(directory.path(), &config(members));
        assert!(status == Some(3) && said.contains(what), "{members}: {said}");
    }
}

#[test]
fn secrets_come_from_files_and_stay_there() {
    let directory = with_file("secret", "hunter2\n");
    let iam = r#"{"uid": "dns", "private_key": "hunter3", "login_endpoint": "https://login.example/"}"#;
    fs::write(directory.path().join("iam.json"), iam).unwrap();
    fs::write(directory.path().join("broken.json"), iam.replace(':', " ")).unwrap();
    let config = |members: &str| format!("{{\"masters\": [\"10.0.0.1:5050\"], {members}}}");
    for (members, expected, part) in [
        (
            r#""mesosAuthentication": "basic", "mesosCredentials": {"principal": "dns", "secretFile": "secret"}"#,
            0,
            "HTTP Basic as \"dns\"",
        ),
        (
            r#""mesosAuthentication": "basic", "mesosCredentials": {"principal": "dns", "secretFile": "nowhere"}"#,
            3,
            "cannot read secretFile \"nowhere\": No such file",
        ),
        (
            r#""mesosAuthentication": "iam", "IAMConfigFile": "iam.json""#,
            0,
            "IAM as \"dns\" through \"https://login.example/\"",
        ),
        (
            r#""mesosAuthentication": "iam", "IAMConfigFile": "broken.json""#,
            3,
            "cannot use \"broken.json\": it is no JSON object",
        ),
        (
            r#""mesosAuthentication": "iam", "IAMConfigFile": "secret""#,
            3,
            "cannot use \"secret\": it is no JSON object",
        ),
        (
            r#""mesosAuthentication": "iam", "IAMConfigFile": "nowhere""#,
            3,
            "cannot use \"nowhere\": No such file",
        ),
    ] {
        let (status, said) = check(directory.path(), &config(members));
        assert_eq!(status, Some(expected), "{members}: {said}");
        assert!(said.contains(part), "{members}: {said}");
        assert!(!said.contains("hunter"), "{members}: {said}");
    }
}
