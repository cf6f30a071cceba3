//! The promise: sockets that a service manager opened are served, by as many workers as ever, and what is asked while
//! nobody runs is answered by who runs next. A socket that no listener has is no silent hole.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    process::Command,
};

use daemon::{Daemon, PATIENCE, Process};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, ordinary};
use mesos_dns_sim::client::{self, Query};
use rustix::{
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
    process::Signal,
};
use serde_json::{Value, json};

/// Above the numbers that the shell and the sockets handed down have.
const ASIDE: i32 = 40;

/// What the service manager does: sockets that are open before the program and after it.
struct Manager {
    sockets: Vec<(&'static str, OwnedFd)>,
}

impl Manager {
    /// The program's command with these sockets from number 3 on, as sd_listen_fds(3) has it.
    fn command(&self) -> (Command, Vec<OwnedFd>) {
        let inherited: Vec<OwnedFd> = self
            .sockets
            .iter()
            .map(|(_, socket)| {
                let copy = fcntl_dupfd_cloexec(socket.as_fd(), ASIDE).unwrap();
                fcntl_setfd(&copy, FdFlags::empty()).unwrap();
                copy
            })
            .collect();
        let moves = inherited.iter().enumerate().map(|(at, socket)| {
            let (to, from) = (at + 3, socket.as_raw_fd());
            format!("exec {to}<&{from} {from}<&-; ")
        });
        let names: Vec<&str> = self.sockets.iter().map(|(name, _)| *name).collect();
        let script = format!(
            "{}LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={} exec \"$@\"",
            moves.collect::<String>(),
            names.len(),
            names.join(":")
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_mesos-dns")]);
        (command, inherited)
    }

    fn start(&self, members: Value) -> Daemon {
        let (command, _inherited) = self.command();
        Daemon::start_by(command, members)
    }
}

/// A port that is free for both transports, with both sockets.
fn both() -> (SocketAddr, UdpSocket, TcpListener) {
    for _ in 0..50 {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if let Ok(udp) = UdpSocket::bind(address) {
            return (address, udp, tcp);
        }
    }
    panic!("no port is free for both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_outlive_the_program() {
    let master = Master::start(&ordinary()).await;
    let (dns, udp, tcp) = both();
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let http_address = http.local_addr().unwrap();
    // As socket units without `NonBlocking=` leave them to us, or with it: either mode is the wrong one for somebody.
    udp.set_nonblocking(true).unwrap();
    let manager = Manager { sockets: vec![("dns", udp.into()), ("dns", tcp.into()), ("http", http.into())] };
    let members = || {
        json!({
            "masters": [master.address().to_string()], "port": dns.port(), "httpport": http_address.port(), "workers": 3,
        })
    };
    let query = Query::new("web.marathon.mesos", Rtype::A);

    let mut first = manager.start(members());
    assert_eq!((first.dns, first.http), (dns, http_address));
    first.until_ready("loaded", |ready| ready["ready"] == true).await;
    for _ in 0..20 {
        assert_eq!(client::udp(dns, &query).await.unwrap().rcode(), Rcode::NOERROR);
    }
    assert_eq!(client::tcp(dns, &query).await.unwrap().rcode(), Rcode::NOERROR);
    first.signal(Signal::TERM);
    assert_eq!(first.ends().0.code(), Some(0));

    // Nobody runs; the question waits in the socket.
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.connect(dns).unwrap();
    asker.set_read_timeout(Some(PATIENCE)).unwrap();
    asker.send(&query.message(7).unwrap()).unwrap();
    let second = manager.start(members());
    let mut reply = [0; 512];
    let length = asker.recv(&mut reply).unwrap();
    assert!(length > 12 && reply[..2] == [0, 7], "{:?}", &reply[..length]);
    second.until_ready("loaded", |ready| ready["ready"] == true).await;
    assert_eq!(client::tcp(dns, &query).await.unwrap().rcode(), Rcode::NOERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_handed_down_is_bound() {
    let master = Master::start(&ordinary()).await;
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let manager = Manager { sockets: vec![("mesos-dns.socket", tcp.into())] };
    let daemon = manager.start(json!({"masters": [master.address().to_string()], "port": port}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let query = Query::new("web.marathon.mesos", Rtype::A);
    assert_eq!(client::udp(daemon.dns, &query).await.unwrap().rcode(), Rcode::NOERROR);
    assert_eq!(client::tcp(daemon.dns, &query).await.unwrap().rcode(), Rcode::NOERROR);
}

#[test]
fn a_socket_that_no_listener_has_ends_the_start() {
    let (address, udp, _tcp) = both();
    for (name, port) in [("dns", 0), ("http", address.port())] {
        let manager = Manager { sockets: vec![(name, udp.try_clone().unwrap().into())] };
        let (command, _inherited) = manager.command();
        let mut process = Process::start_by(command, json!({"masters": ["127.0.0.1:1"], "port": port}));
        let (status, log) = process.ends();
        assert_eq!(status.code(), Some(1), "{name}");
        let said = log.iter().any(|line| {
            line.as_str().is_some_and(|line| line.contains(&format!("UDP on {address}, named \"{name}\"")))
        });
        assert!(said || name == "http", "{log:?}");
    }
}
