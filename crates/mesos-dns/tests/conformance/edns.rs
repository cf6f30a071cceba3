//! E: EDNS and cookies.

use rustix::process::Signal;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_e2_e5_e7_e8_edns_compliance() {
    let (_master, daemon) = serving(json!({})).await;
    let soa = || query(0, "mesos", SOA);
    let cookie: &[u8] = b"cookies!";
    let unknown: &[(u16, &[u8])] = &[(100, b""), (8, b"\0\x01\0\0"), (65001, b"whatever")];
    for (row, message, expected) in [
        ("E1: none sent, none told", soa(), "NOERROR aa ra 1/1/0/0"),
        ("E1", with_opt(soa(), 4096, 0, 0, &[]), "NOERROR aa ra 1/1/0/0 opt0 1232"),
        ("E1: unknown options", with_opt(soa(), 4096, 0, 0, unknown), "NOERROR aa ra 1/1/0/0 opt0 1232"),
        ("E2", with_opt(soa(), 4096, 1, 0, &[]), "BADVERS 1/0/0/0 opt0 1232"),
        ("E2", with_opt(soa(), 4096, 100, 0x80, unknown), "BADVERS 1/0/0/0 opt0 1232"),
        ("E2", with_opt(soa(), 4096, 255, 0x8000, &[]), "BADVERS 1/0/0/0 opt0 1232 do"),
        ("E5", with_opt(soa(), 4096, 0, 0x8000, &[]), "NOERROR aa ra 1/1/0/0 opt0 1232 do"),
        (
            "E5: reserved flags are cleared",
            with_opt(soa(), 4096, 0, 0x7fff, &[]),
            "NOERROR aa ra 1/1/0/0 opt0 1232",
        ),
        ("E7: below 512", with_opt(soa(), 100, 0, 0, &[]), "NOERROR aa ra 1/1/0/0 opt0 1232"),
        ("E8", with_opt(soa(), 65535, 0, 0, &[]), "NOERROR aa ra 1/1/0/0 opt0 1232"),
        ("two OPT", with_opt(with_opt(soa(), 512, 0, 0, &[]), 512, 0, 0, &[]), "FORMERR 0/0/0/0"),
        (
            "a name on OPT",
            [&with_opt(soa(), 512, 0, 0, &[])[..23], b"\x01a\0\0\x29\x02\0\0\0\0\0\0\0"].concat(),
            "FORMERR 0/0/0/0",
        ),
        ("cut OPT", with_opt(soa(), 512, 0, 0, &[(3, b"")])[..36].to_vec(), "FORMERR 0/0/0/0"),
        (
            "E17: a cookie",
            with_opt(soa(), 512, 0, 0, &[(10, cookie)]),
            "NOERROR aa ra 1/1/0/0 opt0 1232 cookie",
        ),
        ("E17: bad length", with_opt(soa(), 512, 0, 0, &[(10, b"short")]), "FORMERR 0/0/0/0"),
        ("E17: bad length", with_opt(soa(), 512, 0, 0, &[(10, &[1; 41])]), "FORMERR 0/0/0/0"),
        (
            "NSID that nobody gave us",
            with_opt(soa(), 512, 0, 0, &[(3, b"")]),
            "NOERROR aa ra 1/1/0/0 opt0 1232",
        ),
        (
            "keepalive over UDP",
            with_opt(soa(), 512, 0, 0, &[(12, b"\0\0")]),
            "NOERROR aa ra 1/1/0/0 opt0 1232",
        ),
    ] {
        assert_eq!(told(&udp(daemon.dns, &message).await), expected, "{row}");
        assert_eq!(told(&tcp(daemon.dns, &message).await), expected, "{row}");
    }
    let keepalive = with_opt(soa(), 512, 0, 0, &[(11, b"")]);
    assert_eq!(told(&udp(daemon.dns, &keepalive).await), "NOERROR aa ra 1/1/0/0 opt0 1232");
    let reply = tcp(daemon.dns, &keepalive).await;
    assert_eq!(told(&reply), "NOERROR aa ra 1/1/0/0 opt0 1232 keepalive");
    assert_eq!(option(&reply, 11).unwrap(), [0, 100], "ten seconds, in tenths");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e7_e8_t1_t2_sizes() {
    let (_master, daemon) = serving(json!({})).await;
    let many = || query(0, "_many._tcp.marathon.mesos", 33);
    for (message, limit, opt) in [
        (many(), 512, false),
        (with_opt(many(), 0, 0, 0, &[]), 512, true),
        (with_opt(many(), 512, 0, 0, &[]), 512, true),
        (with_opt(many(), 900, 0, 0, &[]), 900, true),
        (with_opt(many(), 1232, 0, 0, &[]), 1232, true),
        (with_opt(many(), 4096, 0, 0, &[]), 1232, true),
        (with_opt(many(), 65535, 0, 0, &[(10, b"cookies!")]), 1232, true),
    ] {
        let reply = udp(daemon.dns, &message).await;
        let line = told(&reply);
        assert!(reply.len() <= limit && reply.len() + 120 > limit, "{limit}: {}", reply.len());
        assert!(line.starts_with("NOERROR aa tc ra 1/") && line.contains(" opt0 1232") == opt, "{line}");
        strict::strict(&reply, &message, limit).unwrap();
        // Over TCP it is whole, and the same each time.
        let (whole, again) = (tcp(daemon.dns, &message).await, tcp(daemon.dns, &message).await);
        assert!(told(&whole).starts_with("NOERROR aa ra 1/120/0/60"), "{}", told(&whole));
        assert_eq!(records(&whole), records(&again));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e17_cookies_over_replicas_reloads_and_rotations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cookie");
    let (old, new) = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100");
    std::fs::write(&path, old).unwrap();
    let members = json!({ "cookieSecretFile": path, "externalon": true, "resolvers": ["127.0.0.1:9"] });
    let (_one_master, mut one) = serving(members.clone()).await;
    let (_two_master, two) = serving(members).await;
    let ask = |cookie: &[u8]| with_opt(query(0x0100, "mesos", SOA), 1232, 0, 0, &[(10, cookie)]);
    // No question, only a cookie: the code tells whether it is good (RFC 7873 section 5.4).
    let only = |cookie: &[u8]| {
        let mut bare = vec![0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bare = with_opt(bare, 1232, 0, 0, &[(10, cookie)]);
        bare
    };
    let given = option(&udp(one.dns, &ask(b"cookies!")).await, 10).unwrap();
    assert_eq!((given.len(), &given[..12]), (24, &b"cookies!\x01\0\0\0"[..]));
    for server in [one.dns, two.dns] {
        assert_eq!(told(&udp(server, &only(&given)).await), "NOERROR 0/0/0/0 opt0 1232 cookie");
        assert_eq!(option(&tcp(server, &ask(&given)).await, 10).unwrap(), given, "a good one stays");
        let mut wrong = given.clone();
        wrong[23] ^= 1;
        assert_eq!(told(&udp(server, &only(&wrong)).await), "BADCOOKIE 0/0/0/0 opt0 1232 cookie");
        let reply = udp(server, &ask(&wrong)).await;
        assert_eq!(told(&reply), "NOERROR aa rd ra 1/1/0/0 opt0 1232 cookie");
        assert_eq!(
            told(&udp(server, &only(&option(&reply, 10).unwrap())).await),
            "NOERROR 0/0/0/0 opt0 1232 cookie"
        );
    }
    // What is answered on the way of forwarded queries has the cookie, too.
    let elsewhere = with_opt(query(0x0100, "localhost", A), 1232, 0, 0, &[(10, &given)]);
    for reply in [udp(one.dns, &elsewhere).await, tcp(one.dns, &elsewhere).await] {
        assert_eq!(told(&reply), "NOERROR aa rd ra 1/1/0/0 opt0 1232 cookie");
        assert_eq!(option(&reply, 10).unwrap(), given);
    }
    // A new secret in front, the former behind: the cookie is still good, and replaced.
    let reload = |daemon: &Daemon, text: &str| {
        std::fs::write(&path, text).unwrap();
        daemon.signal(Signal::HUP);
    };
    let until = async |cookie: &[u8], expected: &str| {
        while !told(&udp(one.dns, &only(cookie)).await).starts_with(expected) {
            tokio::time::sleep(daemon::LOOK).await;
        }
    };
    reload(&one, &format!("{new}\n{old}\n"));
    let renewed = loop {
        let renewed = option(&udp(one.dns, &ask(&given)).await, 10).unwrap();
        if renewed != given {
            break renewed;
        }
        tokio::time::sleep(daemon::LOOK).await;
    };
    assert_eq!(told(&udp(one.dns, &only(&given)).await), "NOERROR 0/0/0/0 opt0 1232 cookie");
    // A file that is none leaves the secrets in force.
    reload(&one, "nonsense");
    one.logged("reload failed");
    assert_eq!(told(&udp(one.dns, &only(&renewed)).await), "NOERROR 0/0/0/0 opt0 1232 cookie");
    // The former one is gone: its cookies are no longer good.
    reload(&one, new);
    until(&given, "BADCOOKIE").await;
    until(&renewed, "NOERROR").await;
    // No file any more: a secret of its own, which the next reload keeps.
    one.rewrite(json!({ "cookieSecretFile": "", "nsid": "one" }));
    one.signal(Signal::HUP);
    while !told(&udp(one.dns, &only(&renewed)).await).starts_with("BADCOOKIE") {
        tokio::time::sleep(daemon::LOOK).await;
    }
    let own = option(&udp(one.dns, &ask(b"cookies!")).await, 10).unwrap();
    one.rewrite(json!({ "nsid": "uno" }));
    one.signal(Signal::HUP);
    let named = with_opt(query(0, "mesos", SOA), 1232, 0, 0, &[(3, b"")]);
    while option(&udp(one.dns, &named).await, 3).as_deref() != Some(b"uno") {
        tokio::time::sleep(daemon::LOOK).await;
    }
    assert_eq!(told(&udp(one.dns, &only(&own)).await), "NOERROR 0/0/0/0 opt0 1232 cookie");
}
