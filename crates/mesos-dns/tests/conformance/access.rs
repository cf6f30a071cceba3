//! A: amplification and access; several listeners.

use rustix::process::Signal;
use tokio::net::UdpSocket;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_a2_a4_little_is_sent() {
    let (_master, daemon) = serving(json!({ "externalon": true, "resolvers": ["127.0.0.1:9"] })).await;
    // A1: one set, and a small one.
    for name in ["web.marathon.mesos", "_many._tcp.marathon.mesos", "many.marathon.mesos", "mesos"] {
        for message in [query(0, name, 255), with_opt(query(0, name, 255), 4096, 0, 0, &[(10, b"cookies!")])]
        {
            let reply = udp(daemon.dns, &message).await;
            let lines = records(&reply);
            let mut types: Vec<&str> = lines
                .lines()
                .filter(|line| line.starts_with("an "))
                .map(|line| line.split(' ').nth(4).unwrap())
                .collect();
            types.dedup();
            assert!(reply.len() <= 512 && types.len() == 1, "A1: {name}: {} {types:?}", reply.len());
        }
    }
    // A2: nothing of other names without RD, and of theirs no more than a reason.
    for name in ["example.org", "", "mesos.example", "localhost"] {
        let message = query(0, name, A);
        let reply = udp(daemon.dns, &message).await;
        assert_eq!((told(&reply).as_str(), reply.len()), ("REFUSED 1/0/0/0", message.len()), "A2: {name:?}");
        let message = with_opt(message, 1232, 0, 0, &[(10, b"cookies!")]);
        let reply = udp(daemon.dns, &message).await;
        assert_eq!(told(&reply), "REFUSED 1/0/0/0 opt0 1232 cookie ede20", "A2: {name:?}");
        assert!(reply.len() <= message.len() + 40, "A2: {} of {}", reply.len(), message.len());
    }
    // A4: neither kind of transfer, over neither transport; other classes neither.
    for qtype in [251, 252] {
        for name in ["mesos", "web.marathon.mesos", "example.org"] {
            let message = with_opt(query(0x0100, name, qtype), 1232, 0, 0, &[]);
            for reply in [udp(daemon.dns, &message).await, tcp(daemon.dns, &message).await] {
                assert_eq!(told(&reply), "REFUSED rd 1/0/0/0 opt0 1232 ede18", "A4: {name} {qtype}");
            }
        }
    }
    let mut chaos = query(0, "version.bind", 16);
    *chaos.last_mut().unwrap() = 3;
    assert_eq!(told(&udp(daemon.dns, &chaos).await), "REFUSED 1/0/0/0");
}

/// A network of ours stands for all that is not private: what counts is that it is not in the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_recursion_is_for_those_in_the_list() {
    let members = json!({
        "externalon": true, "resolvers": ["127.0.0.1:9"],
        "recursionAllow": ["127.0.0.2/32"], "queryAllow": ["127.0.0.0/16", "::1"],
    });
    let (_master, mut daemon) = serving(members).await;
    let ask = async |from: &str, server: SocketAddr, message: &[u8]| {
        let socket = UdpSocket::bind(from).await.unwrap();
        socket.connect(server).await.unwrap();
        socket.send(message).await.unwrap();
        let mut reply = vec![0; 1500];
        let length = timeout(daemon::PATIENCE, socket.recv(&mut reply)).await.expect("a reply").unwrap();
        reply.truncate(length);
        told(&reply)
    };
    let outside = with_opt(query(0x0100, "localhost", A), 1232, 0, 0, &[]);
    let ours = with_opt(query(0x0100, "mesos", SOA), 1232, 0, 0, &[]);
    let dns = daemon.dns;
    assert_eq!(ask("127.0.0.2:0", dns, &outside).await, "NOERROR aa rd ra 1/1/0/0 opt0 1232");
    assert_eq!(ask("127.0.0.1:0", dns, &outside).await, "REFUSED rd 1/0/0/0 opt0 1232 ede18");
    assert_eq!(
        ask("127.0.0.1:0", dns, &ours).await,
        "NOERROR aa rd ra 1/1/0/0 opt0 1232",
        "the zone stays open"
    );
    for message in [&ours, &outside] {
        assert_eq!(
            ask("127.1.0.1:0", dns, message).await,
            "REFUSED rd 1/0/0/0 opt0 1232 ede18",
            "not even that"
        );
    }
    daemon.rewrite(json!({ "recursionAllow": ["127.0.0.0/8"], "queryAllow": ["127.0.0.0/8"] }));
    daemon.signal(Signal::HUP);
    while ask("127.1.0.1:0", dns, &outside).await != "NOERROR aa rd ra 1/1/0/0 opt0 1232" {
        tokio::time::sleep(daemon::LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_beyond_the_rate_limit() {
    let members = json!({ "rateLimit": 1, "rateLimitExempt": ["127.0.0.0/25"] });
    let (_master, daemon) = serving(members).await;
    let from = async |address: &str| {
        let socket = UdpSocket::bind(address).await.unwrap();
        socket.connect(daemon.dns).await.unwrap();
        socket
    };
    let dns = daemon.dns;
    // Messages are counted once their replies are sent: then all there will be are here.
    let received = async || daemon.metric("dns_queries_total{transport=\"udp\"}").await;
    let burst = async |socket: &UdpSocket, message: &[u8], count: usize| {
        let before = received().await;
        for _ in 0..count {
            socket.send(message).await.unwrap();
        }
        while received().await < before + count as f64 {
            tokio::time::sleep(daemon::LOOK).await;
        }
        let (mut lines, mut reply) = (Vec::new(), vec![0; 1500]);
        while let Ok(received) = timeout(SILENCE, socket.recv(&mut reply)).await {
            lines.push((told(&reply[..received.unwrap()]), reply.clone()));
        }
        lines
    };
    let count = |lines: &[(String, Vec<u8>)], start: &str| {
        lines.iter().filter(|(line, _)| line.starts_with(start)).count()
    };
    let plain = query(0, "web.marathon.mesos", A);
    let limited = from("127.0.1.1:0").await;
    let lines = burst(&limited, &plain, 40).await;
    // One, and, should this take seconds, one for each of them. Of the rest each second one, and small.
    let whole = count(&lines, "NOERROR aa ra 1/3/0/0");
    let small = count(&lines, "NOERROR tc 1/0/0/0");
    assert!((1..10).contains(&whole), "{whole}");
    assert!(
        small >= 15 && whole + small == lines.len() && lines.len() < 30,
        "{whole} {small} {}",
        lines.len()
    );
    let dropped = daemon.metric("dns_rate_limited_total").await;
    assert_eq!(dropped + lines.len() as f64, 40.0);
    assert_eq!(daemon.metric("dns_answers_total{reason=\"slipped\"}").await, small as f64);
    // Its whole network is meant, no other, and no stream.
    assert!(count(&burst(&from("127.0.1.77:0").await, &plain, 6).await, "NOERROR aa ra 1/3/0/0") < 4);
    assert!(count(&burst(&from("127.0.2.1:0").await, &plain, 6).await, "NOERROR aa ra 1/3/0/0") >= 1);
    assert_eq!(count(&burst(&from("127.0.0.1:0").await, &plain, 40).await, "NOERROR aa ra 1/3/0/0"), 40);
    for _ in 0..10 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.1.1:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(dns).await.unwrap();
        stream.write_all(&client::framed(&plain)).await.unwrap();
        assert_eq!(told(&next(&mut stream).await), "NOERROR aa ra 1/3/0/0");
    }
    // Half a cookie earns the other half, and a whole one everything.
    let ask = |cookie: &[u8]| with_opt(plain.clone(), 1232, 0, 0, &[(10, cookie)]);
    let lines = burst(&limited, &ask(b"cookies!"), 20).await;
    let (_, reply) = lines.iter().find(|(line, _)| line.starts_with("BADCOOKIE 1/0/0/0")).expect("BADCOOKIE");
    let length = 12 + 24 + 11 + 28;
    let cookie = option(&reply[..length], 10).unwrap();
    let lines = burst(&limited, &ask(&cookie), 40).await;
    assert_eq!(count(&lines, "NOERROR aa ra 1/3/0/0 opt0 1232 cookie"), 40);
    // Refusals are answers, too.
    let refused = burst(&limited, &query(0, "example.org", A), 20).await;
    assert!(count(&refused, "REFUSED") < 10, "{}", refused.len());
}

/// A limit of one a second, taken away by a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_limit_follows_a_reload() {
    let (_master, mut daemon) = serving(json!({ "rateLimit": 1, "rateLimitExempt": [] })).await;
    let plain = query(0, "web.marathon.mesos", A);
    let before = daemon.metric("dns_rate_limited_total").await;
    while daemon.metric("dns_rate_limited_total").await == before {
        let _ = client::udp_bytes(daemon.dns, &plain, Duration::from_millis(1)).await.unwrap();
    }
    daemon.rewrite(json!({ "rateLimit": 0 }));
    daemon.signal(Signal::HUP);
    daemon.logged("configuration reloaded");
    for _ in 0..40 {
        assert_eq!(told(&udp(daemon.dns, &plain).await), "NOERROR aa ra 1/3/0/0");
    }
}

/// Several addresses, each for UDP and TCP, each answering for itself; IPv6 among them, where there is any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_listeners() {
    let mut addresses = vec!["127.0.0.1", "127.0.0.2", "0.0.0.0"];
    match std::net::UdpSocket::bind("[::1]:0") {
        Ok(_) => addresses.extend(["::1", "::"]),
        Err(error) => eprintln!("skipped: no IPv6 here: {error}"),
    }
    let listeners: Vec<Value> =
        addresses.iter().map(|address| json!({"address": address, "port": 0})).collect();
    let (_master, mut daemon) = serving(json!({ "listeners": listeners, "workers": 1 })).await;
    let all = daemon.all_dns();
    assert_eq!(all.len(), addresses.len());
    let message = query(0, "web.marathon.mesos", A);
    for (address, bound) in addresses.iter().zip(all) {
        let asked: &[&str] = match *address {
            // An IPv4 wildcard is bound as that of both families.
            "0.0.0.0" | "::" if addresses.len() > 3 => &["127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"],
            "0.0.0.0" => &["127.0.0.1", "127.0.0.2", "127.9.9.9"],
            one => &[one],
        };
        for asked in asked {
            let server = SocketAddr::new(asked.parse().unwrap(), bound.port());
            // The client's socket is connected: a reply from elsewhere would not reach it.
            assert_eq!(told(&udp(server, &message).await), "NOERROR aa ra 1/3/0/0", "{server}");
            assert_eq!(told(&tcp(server, &message).await), "NOERROR aa ra 1/3/0/0", "{server}");
        }
    }
    // What is listened on changes with a restart only, and says so.
    daemon.rewrite(json!({ "listeners": [{"address": "127.0.0.1", "port": 0}] }));
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.logged("this key changes only with a restart")["key"], "listeners");
}

/// Workers that are to stay on a processor do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_workers_have_one_processor_each() {
    let (_master, daemon) = serving(json!({ "workers": 2, "pinWorkers": true })).await;
    assert_eq!(told(&udp(daemon.dns, &query(0, "web.marathon.mesos", A)).await), "NOERROR aa ra 1/3/0/0");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    let status = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap());
    let workers: Vec<String> = status.filter(|status| status.starts_with("Name:\tudp-")).collect();
    assert_eq!(workers.len(), 2);
    for status in workers {
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t")).unwrap();
        assert!(allowed.parse::<usize>().is_ok(), "one processor, not {allowed}");
    }
}
