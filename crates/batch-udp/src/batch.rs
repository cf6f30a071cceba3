//! The slots, and the two system calls.

use std::{io, mem, net::SocketAddr, os::fd::AsRawFd, ptr};

use socket2::Socket;

use crate::{
    address::{CONTROL_BYTES, Control, Local, local, write_source},
    slots::Memory,
};

/// Datagrams per system call at most.
pub const BATCH: usize = 64;

/// Longest query read, in bytes; the rest of a longer one is cut off, and its count tells.
///
/// An odd number of cache lines, as below: at a distance of 4096 bytes the beginnings of all slots would compete for
/// the same few places of the processor's first cache.
pub const QUERY_BYTES_MAX: usize = 65 * 64;

/// Longest reply sent, in bytes: a datagram that is not fragmented has room for 1,232.
pub const REPLY_BYTES_MAX: usize = 21 * 64;

/// Everything one worker needs to receive and answer datagrams, allocated once: a third of a MiB.
pub struct Batch {
    memory: Memory,
    received: usize,
    /// Per slot what is known of it; see [`Slot`].
    slots: [Slot; BATCH],
}

/// What is known of a slot besides its bytes.
#[derive(Clone, Copy, Default)]
struct Slot {
    length: usize,
    is_cut: bool,
    local: Option<Local>,
    /// Bytes of the reply; 0 is none.
    reply: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Allocates the buffers.
    pub fn new() -> Self {
        Self { memory: Memory::new(), received: 0, slots: [Slot::default(); BATCH] }
    }

    /// Asks the kernel to tell with each datagram which address it was sent to, if that is not always the one the
    /// socket is bound to. Call it once per socket, when it is bound.
    pub fn prepare(socket: &Socket) -> io::Result<()> {
        let bound = socket.local_addr()?.as_socket();
        if bound.is_some_and(|bound| !bound.ip().is_unspecified()) {
            return Ok(());
        }
        let on: libc::c_int = 1;
        let (level, option) = match bound.is_some_and(|bound| bound.is_ipv6()) {
            true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        };
        // SAFETY: the value is an int that lives through the call, and its size is given.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw const on).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits for at least one datagram (or the receive timeout of the socket, an error of the kind
    /// `WouldBlock`) and takes as many as are there. Returns how many.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        // A failed call may have written into the first slot, too.
        self.memory.offer(self.received.max(1));
        self.received = 0;
        // SAFETY: the headers lead to buffers of `memory`, which outlives the call, and have the lengths given
        // with them. The raw system call is used because some C libraries emulate this one.
        let count = unsafe {
            libc::syscall(
                libc::SYS_recvmmsg,
                socket.as_raw_fd(),
                self.memory.incoming(),
                BATCH as libc::c_uint,
                libc::MSG_WAITFORONE,
                ptr::null_mut::<libc::timespec>(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        for (number, slot) in self.slots.iter_mut().enumerate().take(count) {
            let header = self.memory.header(number);
            *slot = Slot {
                length: header.msg_len as usize,
                is_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                local: local(&header.msg_hdr),
                reply: 0,
            };
        }
        self.received = count;
        Ok(count)
    }

    /// Shows the datagrams received last, in order, with their numbers and the room for their replies. `answer`
    /// returns the length of the reply (0 is none), or `None` to leave it as it was, which is none at first. Replies
    /// wait for [`Batch::send`].
    ///
    /// What comes from port 0 or from a family that we do not serve cannot be answered, and is not shown.
    pub fn answer(
        &mut self,
        mut answer: impl FnMut(usize, Datagram<'_>, &mut [u8; REPLY_BYTES_MAX]) -> Option<usize>,
    ) {
        for number in 0..self.received {
            let Some(peer) = self.memory.peer(number).filter(|peer| peer.port() != 0) else { continue };
            let slot = &mut self.slots[number];
            let (bytes, reply) = self.memory.buffers(number, slot.length);
            let datagram = Datagram { bytes, is_cut: slot.is_cut, peer, local: slot.local };
            if let Some(length) = answer(number, datagram, reply) {
                slot.reply = length;
            }
        }
    }

    /// Sends the replies. Returns how many were sent and how many the kernel refused; a refused reply (no route, a
    /// firewall) concerns one client and never the rest.
    pub fn send(&mut self, socket: &Socket) -> Sent {
        let mut count = 0;
        for (number, slot) in self.slots.iter_mut().enumerate().take(self.received) {
            let length = mem::take(&mut slot.reply);
            if length > 0 {
                self.memory.post(count, number, length, slot.local);
                count += 1;
            }
        }
        self.post(socket, count)
    }

    /// Sends the first `count` messages. The call stops at the first one that cannot be sent: that one is skipped.
    fn post(&mut self, socket: &Socket, count: usize) -> Sent {
        let mut result = Sent::default();
        let mut next = 0;
        while next < count {
            // SAFETY: there are `count` messages, of which `next` are done; every pointer in them leads to buffers of
            // `memory`, which outlive the call.
            let sent = unsafe {
                libc::syscall(
                    libc::SYS_sendmmsg,
                    socket.as_raw_fd(),
                    self.memory.outgoing().add(next),
                    (count - next) as libc::c_uint,
                    libc::MSG_NOSIGNAL,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => {
                    result.sent += sent;
                    next += sent;
                }
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    result.refused += 1;
                    next += 1;
                }
            }
        }
        result
    }
}

/// One received datagram.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    /// What was received.
    pub bytes: &'a [u8],
    /// Whether more was sent than [`QUERY_BYTES_MAX`].
    pub is_cut: bool,
    /// Who sent it.
    pub peer: SocketAddr,
    /// Where it came to, if the kernel said.
    pub local: Option<Local>,
}

/// What became of the replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Given to the network.
    pub sent: usize,
    /// Refused by the kernel.
    pub refused: usize,
}

/// Sends one datagram from the address its query came to.
///
/// For replies that are ready later than their batch.
pub fn send_one(socket: &Socket, bytes: &[u8], peer: SocketAddr, local: Option<Local>) -> io::Result<()> {
    let name = socket2::SockAddr::from(peer);
    let mut control = Control([0; CONTROL_BYTES]);
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: integers and null pointers, for which zero is valid.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = name.as_ptr().cast_mut().cast();
    header.msg_namelen = name.len();
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    if let Some(local) = local {
        header.msg_controllen = write_source(&mut control, local) as _;
        header.msg_control = control.0.as_mut_ptr().cast();
    }
    // SAFETY: every pointer in `header` leads to a buffer that outlives the call; sending only reads them.
    let sent = unsafe {
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
