//! Sockets that the service manager opened: which listener gets which.
//!
//! The configuration stays the one that says what is served. A socket goes to the listener with its address and its
//! transport; where it has the name `dns` or `http` (`FileDescriptorName=`), to one of that kind only. What nobody
//! takes ends the start: clients would wait at it for ever.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use socket2::{Socket, Type};

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// DNS, plain or encrypted.
    Dns,
    /// The HTTP API.
    Http,
}

impl Purpose {
    /// What socket units call it.
    fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Http => "http",
        }
    }
}

/// The sockets that are not given to a listener yet.
#[derive(Debug, Default)]
pub(super) struct Handed(Vec<Open>);

/// One of them.
#[derive(Debug)]
struct Open {
    name: String,
    address: SocketAddr,
    kind: Type,
    socket: Socket,
}

impl Handed {
    /// Takes what the service manager left for us.
    pub(super) fn take() -> anyhow::Result<Self> {
        let handed =
            process_start::handed_down().context("the sockets handed down cannot be taken (LISTEN_FDS)")?;
        handed
            .into_iter()
            .map(|one| Open::new(one.name, one.descriptor.into()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Those of this purpose, transport and address, in the order in which they came.
    pub(super) fn of(&mut self, purpose: Purpose, kind: Type, address: SocketAddr) -> Vec<Socket> {
        let other = match purpose {
            Purpose::Dns => Purpose::Http.name(),
            Purpose::Http => Purpose::Dns.name(),
        };
        let is = |open: &mut Open| open.kind == kind && open.name != other && is_same(open.address, address);
        self.0.extract_if(.., is).map(|open| open.socket).collect()
    }

    /// Whether all have found their listener.
    pub(super) fn are_placed(&self) -> anyhow::Result<()> {
        let Some(Open { name, address, kind, .. }) = self.0.first() else { return Ok(()) };
        let transport = if *kind == Type::DGRAM { "UDP" } else { "TCP" };
        bail!(
            "the service manager handed down a socket for {transport} on {address}, named {name:?}, and no listener of \
             the configuration has that address: let the socket unit and the configuration say the same"
        )
    }
}

impl Open {
    fn new(name: String, socket: Socket) -> anyhow::Result<Self> {
        let what = || format!("a socket handed down, named {name:?}, cannot be used");
        let kind = socket.r#type().with_context(what)?;
        let address = socket.local_addr().with_context(what)?.as_socket();
        let is_ready = match kind {
            Type::DGRAM => true,
            Type::STREAM => socket.is_listener().with_context(what)?,
            _ => false,
        };
        let address =
            address.filter(|_| is_ready).with_context(what).context("it does not listen for UDP or TCP")?;
        Ok(Self { name, address, kind, socket })
    }
}

/// Whether a socket has the address that was asked for. A wildcard is one in either family: which of them it serves is
/// the socket unit's choice.
fn is_same(socket: SocketAddr, wanted: SocketAddr) -> bool {
    let (one, other) = (socket.ip().to_canonical(), wanted.ip().to_canonical());
    socket.port() == wanted.port() && (one == other || (one.is_unspecified() && other.is_unspecified()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn open(name: &str, socket: impl Into<Socket>) -> anyhow::Result<Open> {
        Open::new(name.to_owned(), socket.into())
    }

    #[test]
    fn a_socket_goes_to_the_listener_with_its_address() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = tcp.local_addr().unwrap();
        let udp = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let there = udp[0].local_addr().unwrap();
        let [first, second] = udp;
        let mut handed = Handed(vec![
            open("dns", first).unwrap(),
            open("http", tcp).unwrap(),
            open("mesos-dns.socket", second).unwrap(),
        ]);
        assert!(handed.of(Purpose::Dns, Type::STREAM, here).is_empty(), "its name says that it is for HTTP");
        assert!(handed.of(Purpose::Http, Type::DGRAM, here).is_empty());
        assert_eq!(handed.of(Purpose::Http, Type::STREAM, here).len(), 1);
        assert_eq!(handed.of(Purpose::Dns, Type::DGRAM, there).len(), 1);
        assert!(handed.of(Purpose::Dns, Type::DGRAM, there).is_empty(), "given once");
        let error = handed.are_placed().unwrap_err().to_string();
        assert!(error.contains("UDP on 127.0.0.1:") && error.contains("mesos-dns.socket"), "{error}");
        let last = handed.0[0].address;
        assert_eq!(handed.of(Purpose::Dns, Type::DGRAM, last).len(), 1);
        handed.are_placed().unwrap();
    }

    #[test]
    fn wildcards_are_one() {
        for (socket, wanted, expected) in [
            ("0.0.0.0:53", "[::]:53", true),
            ("[::]:53", "0.0.0.0:53", true),
            ("[::ffff:127.0.0.1]:53", "127.0.0.1:53", true),
            ("[::]:53", "[::]:54", false),
            ("[::]:53", "[::1]:53", false),
            ("0.0.0.0:53", "127.0.0.1:53", false),
        ] {
            assert_eq!(
                is_same(socket.parse().unwrap(), wanted.parse().unwrap()),
                expected,
                "{socket} {wanted}"
            );
        }
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(open("dns", connected).is_err());
        let (unix, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(open("dns", unix).is_err());
    }
}
