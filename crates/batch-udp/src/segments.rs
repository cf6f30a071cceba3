//! One write that leaves as many datagrams: for whoever has many of one size for one receiver (a load generator).

use std::{io, mem, os::fd::AsRawFd};

use socket2::Socket;

/// Most datagrams of one write that every kernel takes (`UDP_MAX_SEGMENTS`).
pub const SEGMENTS_MAX: usize = 64;

/// Lets the kernel cut each later write to the socket into datagrams of so many bytes (`UDP_SEGMENT`, udp(7)).
pub fn cut_into(socket: &Socket, bytes: u16) -> io::Result<()> {
    let bytes = libc::c_int::from(bytes);
    // SAFETY: the value is an int that lives through the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const bytes).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn one_write_is_many_datagrams() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        let sender = Socket::from(sender);
        cut_into(&sender, 3).unwrap();
        assert_eq!(sender.send(b"onetwosix").unwrap(), 9);
        let mut datagram = [0; 16];
        for expected in [b"one", b"two", b"six"] {
            let length = receiver.recv(&mut datagram).unwrap();
            assert_eq!(&datagram[..length], expected);
        }
    }
}
