//! The promise: where the file names no servers, those of `/etc/resolv.conf` are asked, also when they change; and a
//! file that is broken changes nothing.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;
#[path = "support/namespace.rs"]
mod namespace;

use std::{net::Ipv4Addr, time::Instant};

use daemon::Daemon;
use domain::base::iana::{Rcode, Rtype};
use master::{Master, ordinary};
use mesos_dns_sim::{
    client::{self, Query},
    upstream::{Scene, Settings, Upstream},
};
use namespace::{Place, is_inside};
use serde_json::json;

/// What is logged of a change, and of a file that cannot be followed.
const CHANGED: &str = "the servers of /etc/resolv.conf are asked now";
const BROKEN: &str = "/etc/resolv.conf cannot be followed, the former servers are asked";

/// A server where `resolv.conf` can name it: on port 53.
fn upstream(last: u8) -> Upstream {
    let ip = Ipv4Addr::new(127, 0, 0, last);
    Upstream::start_with(&Scene::ordinary(), Settings { ip, port: 53, ..Settings::default() }).unwrap()
}

/// Waits until this was logged so often.
async fn logged(daemon: &Daemon, message: &str, times: usize) {
    let started = Instant::now();
    while daemon.count_logged(message) < times {
        assert!(started.elapsed() < daemon::PATIENCE, "never logged {times} times: {message}");
        tokio::time::sleep(daemon::LOOK).await;
    }
}

/// Asks for a name that was not asked for before, and tells which of two servers was asked for it.
async fn asked(daemon: &Daemon, name: &str, [first, second]: [&Upstream; 2]) -> [bool; 2] {
    let answer = client::udp(daemon.dns, &Query::new(name, Rtype::A)).await.unwrap();
    assert_eq!((answer.rcode(), answer.answers().unwrap().len()), (Rcode::NOERROR, 1), "{name}");
    [first, second].map(|upstream| upstream.asked_for(name, 1) > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_systems_servers_are_followed() {
    if !is_inside("the_systems_servers_are_followed") {
        return;
    }
    let place = Place::new();
    place.resolv_conf("search example.test\nnameserver 127.0.0.2\n");
    let (first, second) = (upstream(2), upstream(3));
    let both = [&first, &second];
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(
        json!({"masters": [master.address().to_string()], "externalon": true, "resolvers": []}),
    );
    assert_eq!(asked(&daemon, "one.made.test", both).await, [true, false]);

    place.rewrite_resolv_conf("nameserver 127.0.0.3\n");
    logged(&daemon, CHANGED, 1).await;
    assert_eq!(asked(&daemon, "two.made.test", both).await, [false, true]);
    assert_eq!(daemon.json("/v1/config").await["Resolvers"], json!(["127.0.0.3"]));

    place.rewrite_resolv_conf("");
    logged(&daemon, BROKEN, 1).await;
    assert_eq!(asked(&daemon, "three.made.test", both).await, [false, true]);
    place.rewrite_resolv_conf("nameserver ns.example.test\n");
    logged(&daemon, BROKEN, 2).await;
    assert_eq!(asked(&daemon, "four.made.test", both).await, [false, true]);

    // A comment is no change; the order of two servers is one.
    place.rewrite_resolv_conf("# both\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n");
    logged(&daemon, CHANGED, 2).await;
    assert!(asked(&daemon, "five.made.test", both).await[0]);
    assert_eq!((daemon.count_logged(CHANGED), daemon.count_logged(BROKEN)), (2, 2));
}
