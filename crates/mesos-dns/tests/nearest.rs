//! The promise: a client is told what is near it first, if the operator wants that, and no more than it should be told.
//!
//! All addresses that begin with 127 are this machine's, so clients can be wherever we like.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use daemon::{Daemon, LOOK, PATIENCE};
use domain::base::{Message, iana::Rtype};
use master::{Master, document, task};
use mesos_dns_sim::client::{self, Answer, Query, TIMEOUT};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, UdpSocket},
    time::timeout,
};

const WEB: &str = "web.marathon.mesos";

/// So many answers of which each is as likely as any other show all of them, but for one time in a billion.
const ENOUGH: usize = 60;

//------------ Clients ---------------------------------------------------------

/// Asks over UDP from this address.
async fn udp_from(client: Ipv4Addr, server: SocketAddr, query: &Query) -> Answer {
    let socket = UdpSocket::bind((client, 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&query.message(7).unwrap()).await.unwrap();
    let mut reply = vec![0; 4096];
    let length = timeout(TIMEOUT, socket.recv(&mut reply)).await.expect("a reply").unwrap();
    reply.truncate(length);
    Answer(Message::from_octets(Bytes::from(reply)).unwrap())
}

/// Asks over TCP from this address.
async fn tcp_from(client: Ipv4Addr, server: SocketAddr, query: &Query) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    let exchange = async {
        let mut stream = socket.connect(server).await.unwrap();
        stream.write_all(&client::framed(&query.message(7).unwrap())).await.unwrap();
        let mut reply = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut reply).await.unwrap();
        reply
    };
    let reply = timeout(TIMEOUT, exchange).await.expect("a reply");
    Answer(Message::from_octets(Bytes::from(reply)).unwrap())
}

/// The last word of each answer, in their order: an address, a target.
fn ends(answer: &Answer) -> Vec<String> {
    let end = |line: &String| line.rsplit(' ').next().unwrap().trim_end_matches('.').to_owned();
    answer.answers().unwrap().iter().map(end).collect()
}

/// The addresses of the service, as this client is told them.
async fn told(daemon: &Daemon, client: Ipv4Addr) -> Vec<String> {
    ends(&udp_from(client, daemon.dns, &Query::new(WEB, Rtype::A)).await)
}

/// What comes first, and what comes second, in many answers.
async fn first_two(daemon: &Daemon, client: Ipv4Addr) -> [BTreeSet<String>; 2] {
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..ENOUGH {
        seen.iter_mut().zip(told(daemon, client).await).for_each(|(seen, told)| _ = seen.insert(told));
    }
    seen
}

fn set<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
    all.map(str::to_owned).into()
}

//------------ Near ------------------------------------------------------------

/// An agent at each address, and an instance on each agent; an agent may say in which region and zone it is.
fn cluster(agents: &[(&str, Option<[&str; 2]>)]) -> Value {
    let mut document = document(Vec::new());
    let (mut slaves, mut tasks) = (Vec::new(), Vec::new());
    for (number, (address, place)) in agents.iter().enumerate() {
        let id = format!("20260101-S{number}");
        let mut agent = json!({
            "id": id, "hostname": address, "pid": format!("slave(1)@{address}:5051"), "active": true,
        });
        if let Some([region, zone]) = place {
            agent["domain"] = json!({"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}});
        }
        slaves.push(agent);
        let mut instance = task("web", number, &[]);
        instance["slave_id"] = json!(id);
        tasks.push(instance);
    }
    (document["slaves"], document["frameworks"][0]["tasks"]) = (json!(slaves), json!(tasks));
    document
}

async fn serving(master: &Master, members: Value) -> Daemon {
    let mut all = json!({"masters": [master.address().to_string()]});
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let daemon = Daemon::start(all);
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    daemon
}

/// Agents say where they are, the operator says where clients are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_where_the_operator_says() {
    let (a, b, c) = ("10.20.1.1", "10.20.2.1", "10.20.3.1");
    let agents = [(a, Some(["eu", "eu-a"])), (b, Some(["eu", "eu-b"])), (c, Some(["us", "us-a"]))];
    let master = Master::start(&cluster(&agents)).await;
    let places = json!({"127.0.0.2/32": "eu/eu-a", "127.0.0.3/32": "eu/eu-b", "127.0.0.4/32": "us/us-a"});
    let mut daemon = serving(&master, json!({"answers": "nearest", "places": places})).await;
    let client = |last: u8| Ipv4Addr::new(127, 0, 0, last);
    for (last, order) in [(2, [set([a]), set([b])]), (3, [set([b]), set([a])]), (4, [set([c]), set([a, b])])]
    {
        assert_eq!(first_two(&daemon, client(last)).await, order, "{last}");
        // The same over TCP, and for services.
        let near = order[0].first().unwrap();
        let over_tcp = tcp_from(client(last), daemon.dns, &Query::new(WEB, Rtype::A)).await;
        assert_eq!(ends(&over_tcp).first(), Some(near));
        let services = Query::new("_web._tcp.marathon.mesos", Rtype::SRV);
        for _ in 0..ENOUGH {
            let first = ends(&udp_from(client(last), daemon.dns, &services).await).swap_remove(0);
            let target = client::udp(daemon.dns, &Query::new(first.clone(), Rtype::A)).await.unwrap();
            assert_eq!(ends(&target).first(), Some(near), "{first}");
        }
    }
    // Of a client that is nowhere, nothing is near.
    let anywhere = [set([a, b, c]), set([a, b, c])];
    assert_eq!(first_two(&daemon, client(1)).await, anywhere);

    // With a limit, the near one is what is told.
    daemon.rewrite(json!({"maxAnswers": 1}));
    daemon.signal(Signal::HUP);
    until(async || told(&daemon, client(1)).await.len() == 1).await;
    for (last, near) in [(2, a), (3, b), (4, c)] {
        assert_eq!(told(&daemon, client(last)).await, [near]);
    }
    // Without `answers`, a place changes nothing.
    daemon.rewrite(json!({"maxAnswers": 0, "answers": "shuffle"}));
    daemon.signal(Signal::HUP);
    until(async || told(&daemon, client(2)).await.len() == 3).await;
    assert_eq!(first_two(&daemon, client(2)).await, anywhere);
}

/// Nobody says where anything is: what is on an agent is near that agent's instance, else addresses that begin alike are
/// near each other. By the key of another Mesos-DNS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_by_address() {
    let agents = [("127.0.1.1", None), ("127.0.1.2", None), ("127.0.2.1", None)];
    let master = Master::start(&cluster(&agents)).await;
    let daemon = serving(&master, json!({"ResolvSubnetFirst": true})).await;
    let (here, beside, there) = ("127.0.1.1", "127.0.1.2", "127.0.2.1");
    for (client, order) in [
        ("127.0.1.1", [set([here]), set([beside])]),
        ("127.0.1.2", [set([beside]), set([here])]),
        ("127.0.2.1", [set([there]), set([here, beside])]),
        ("127.0.2.9", [set([there]), set([here, beside])]),
        ("127.0.1.9", [set([here, beside]), set([here, beside])]),
        ("127.0.9.9", [set([here, beside, there]), set([here, beside, there])]),
    ] {
        assert_eq!(first_two(&daemon, client.parse().unwrap()).await, order, "{client}");
    }
}

//------------ Few -------------------------------------------------------------

async fn until(is: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is().await {
        assert!(started.elapsed() < PATIENCE, "it never is");
        tokio::time::sleep(LOOK).await;
    }
}

/// Answers hold that many records, which is not called an answer that was cut, and nobody is left out for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_so_many() {
    const MOST: usize = 3;
    /// A hundred and twenty in threes: one is missing after so many answers one time in a billion.
    const ANSWERS: usize = 1000;
    let instances: Vec<String> = (0..60).map(|number| format!("10.31.0.{number}")).collect();
    let tasks = instances.iter().enumerate().map(|(number, address)| task("many", number, &[address]));
    let master = Master::start(&document(tasks.collect())).await;
    let mut daemon = serving(&master, json!({"maxAnswers": MOST})).await;
    let (name, services) = ("many.marathon.mesos", "_many._tcp.marathon.mesos");
    for (query, all) in [(Query::new(name, Rtype::A), 60), (Query::new(services, Rtype::SRV), 120)] {
        let mut seen = BTreeSet::new();
        for _ in 0..ANSWERS {
            let answer = client::udp(daemon.dns, &query).await.unwrap();
            assert!(!answer.0.header().tc());
            let told = answer.answers().unwrap();
            assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), MOST, "{told:?}");
            seen.extend(told);
        }
        assert_eq!(seen.len(), all, "every one has its turn");
        let over_tcp = client::tcp(daemon.dns, &query).await.unwrap();
        assert_eq!(over_tcp.answers().unwrap().len(), MOST);
    }
    // Fewer than the limit are all there; what does not fit is cut as ever.
    for (most, fits) in [(10, 10), (100, 60), (0, 60)] {
        daemon.rewrite(json!({"maxAnswers": most}));
        daemon.signal(Signal::HUP);
        let query = Query::new(name, Rtype::A);
        until(async || client::tcp(daemon.dns, &query).await.unwrap().answers().unwrap().len() == fits).await;
        let over_udp = client::udp(daemon.dns, &query).await.unwrap();
        assert_eq!(over_udp.0.header().tc(), fits == 60);
    }
    assert!(
        instances.contains(&ends(&client::udp(daemon.dns, &Query::new(name, Rtype::A)).await.unwrap())[0])
    );
}
