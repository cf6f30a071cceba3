//! The ports: free, ours, or somebody else's; and whether the server that has them answers.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use domain::base::{MessageBuilder, Name, Rtype};
use mesos_dns_core::config::{Config, Protocol as Carried};

use super::Finding;
use crate::{
    commands::query::{listener, over_tcp, over_udp},
    system::{Holder, Protocol, holder},
};

/// Time for our own server's answer.
const WAIT: Duration = Duration::from_secs(1);

/// The name of our program, as the kernel tells it.
const US: &str = "mesos-dns";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_serving = false;
    for listener in config.listeners.iter().filter(|_| config.dns_on) {
        let protocols = match listener.protocol {
            Carried::Dns => &[Protocol::Udp, Protocol::Tcp][..],
            Carried::Https | Carried::Tls => &[Protocol::Tcp],
        };
        for protocol in protocols {
            let taken = port(listener.address, *protocol);
            is_serving |= taken.is_ours;
            findings.push(taken.finding);
        }
    }
    if config.http_on {
        let host = config.http_listener.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        findings.push(port((host, config.http_port).into(), Protocol::Tcp).finding);
    }
    if let Some(server) = listener(config).filter(|_| is_serving) {
        findings.extend(answers(config, server).await);
    }
    findings
}

/// How a port stands.
struct Taken {
    finding: Finding,
    is_ours: bool,
}

fn port(address: SocketAddr, protocol: Protocol) -> Taken {
    let transport = if protocol == Protocol::Udp { "UDP" } else { "TCP" };
    let check = format!("{transport} port {}", address.port());
    let bound = match protocol {
        Protocol::Udp => UdpSocket::bind(address).map(drop),
        Protocol::Tcp => TcpListener::bind(address).map(drop),
    };
    let holder = holder(address.port(), protocol);
    let is_ours = bound.is_err() && holder.as_ref().is_some_and(|holder| holder.command == US);
    let finding = match bound {
        Ok(()) => Finding::ok(check, format!("free on {}", address.ip())),
        Err(error) => not_bound(check, address, &error, holder.as_ref()),
    };
    Taken { finding, is_ours }
}

/// Why a port is not to be had, and what to do about it.
fn not_bound(check: String, address: SocketAddr, error: &io::Error, holder: Option<&Holder>) -> Finding {
    match (error.kind(), holder) {
        (io::ErrorKind::AddrInUse, Some(holder)) if holder.command == US => {
            Finding::ok(check, format!("held by mesos-dns (process {})", holder.pid))
        }
        (io::ErrorKind::AddrInUse, Some(holder)) => {
            let told = format!("held by {} (process {})", holder.command, holder.pid);
            Finding::fail(check, told, leave(&holder.command, address))
        }
        (io::ErrorKind::AddrInUse, None) => Finding::warn(
            check,
            "held by a process that this user cannot see",
            "run doctor as root, or `ss -lnptu`, to see whose it is",
        ),
        (io::ErrorKind::PermissionDenied, _) => Finding::warn(
            check,
            "this user may not bind it",
            "start as root, which is given up afterwards, or with CAP_NET_BIND_SERVICE, as the service unit does",
        ),
        (io::ErrorKind::AddrNotAvailable, _) => Finding::fail(
            check,
            format!("{} is no address of this machine", address.ip()),
            "set \"listener\" or \"httplistener\" to an address that `ip address` shows",
        ),
        _ => Finding::fail(check, error.to_string(), "choose another port or address"),
    }
}

/// How a program that is known to hold the port of DNS is made to leave it.
fn leave(command: &str, address: SocketAddr) -> String {
    let other = format!("or have mesos-dns listen on another address or port than {address}");
    match command {
        // The kernel keeps fifteen letters.
        "systemd-resolve" => format!(
            "set DNSStubListener=no in /etc/systemd/resolved.conf and restart systemd-resolved, {other}"
        ),
        "dnsmasq" => {
            format!("set port=0 in dnsmasq.conf, or bind-interfaces with listen-address=127.0.0.1, {other}")
        }
        "named" | "unbound" | "coredns" | "pdns_recursor" => {
            format!("let {command} forward the domain to mesos-dns on another port, {other}")
        }
        _ => format!("stop {command}, {other}"),
    }
}

/// Whether the server that runs here answers, over both transports: many forget the second in their firewall.
async fn answers(config: &Config, server: SocketAddr) -> Vec<Finding> {
    let Some(message) = soa(config) else { return Vec::new() };
    let over_udp = over_udp(server, &message, WAIT).await;
    let over_tcp = over_tcp(server, &message, WAIT).await;
    [("UDP", over_udp), ("TCP", over_tcp)]
        .into_iter()
        .map(|(transport, heard)| {
            let check = format!("answers over {transport}");
            match heard {
                Ok(_) => Finding::ok(check, format!("{server} answers for {}", config.apex)),
                Err(error) => {
                    let mend =
                        format!("look at the log; let the firewall pass {transport} port {}", server.port());
                    Finding::fail(check, format!("{error:#}"), mend)
                }
            }
        })
        .collect()
}

fn soa(config: &Config) -> Option<Vec<u8>> {
    let name = Name::from_octets(config.apex.as_wire().to_vec()).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(rand::random());
    let mut builder = builder.question();
    builder.push((name, Rtype::SOA)).ok()?;
    Some(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_port_is_free_or_somebodys() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let taken = port(address, Protocol::Tcp);
        let us = Holder::of(std::process::id()).command;
        assert_eq!(taken.finding.verdict, if us == US { Verdict::Ok } else { Verdict::Fail });
        assert!(taken.finding.told.contains(&us), "{:?}", taken.finding);
        drop(tcp);
        assert_eq!(port(address, Protocol::Tcp).finding.verdict, Verdict::Ok);
    }

    #[test]
    fn each_holder_is_answered_in_its_way() {
        let address: SocketAddr = "0.0.0.0:53".parse().unwrap();
        let told = |command: &str, kind: io::ErrorKind| {
            let holder = Holder { pid: 7, command: command.to_owned() };
            not_bound("x".into(), address, &kind.into(), Some(&holder))
        };
        for (command, part) in [
            ("systemd-resolve", "DNSStubListener"),
            ("dnsmasq", "port=0"),
            ("named", "forward"),
            ("x", "stop x"),
        ] {
            let finding = told(command, io::ErrorKind::AddrInUse);
            assert!(finding.mend.unwrap().contains(part), "{command}");
            assert_eq!(finding.verdict, Verdict::Fail);
        }
        assert_eq!(told(US, io::ErrorKind::AddrInUse).verdict, Verdict::Ok);
        assert_eq!(told("x", io::ErrorKind::PermissionDenied).verdict, Verdict::Warn);
        assert_eq!(told("x", io::ErrorKind::AddrNotAvailable).verdict, Verdict::Fail);
    }
}
