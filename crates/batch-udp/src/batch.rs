//! The slots, and the two system calls.

use std::{io, mem, net::SocketAddr, os::fd::AsRawFd, ptr};

use socket2::Socket;

use crate::address::{CONTROL_BYTES, Control, Local, local, peer, write_source};

/// Datagrams per system call at most.
pub const BATCH: usize = 64;

/// Longest query read, in bytes; the rest of a longer one is cut off, and its count tells.
pub const QUERY_BYTES_MAX: usize = 4096;

/// Longest reply sent, in bytes.
pub const REPLY_BYTES_MAX: usize = 4096;

/// Everything one worker needs to receive and answer datagrams, allocated once.
pub struct Batch {
    queries: Box<[[u8; QUERY_BYTES_MAX]; BATCH]>,
    replies: Box<[[u8; REPLY_BYTES_MAX]; BATCH]>,
    peers: Box<[libc::sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    received: usize,
    /// Per slot: bytes received, and where.
    lengths: [usize; BATCH],
    locals: [Option<Local>; BATCH],
    truncated: [bool; BATCH],
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Allocates the buffers: about half a MiB.
    pub fn new() -> Self {
        // SAFETY: `sockaddr_storage` consists of integers, for which zero is valid.
        let peers = unsafe { mem::zeroed() };
        Self {
            queries: zeroed(),
            replies: zeroed(),
            peers: Box::new(peers),
            controls: Box::new([Control([0; CONTROL_BYTES]); BATCH]),
            received: 0,
            lengths: [0; BATCH],
            locals: [None; BATCH],
            truncated: [false; BATCH],
        }
    }

    /// Asks the kernel to tell with each datagram which address it was sent to. Call it once per socket.
    pub fn prepare(socket: &Socket) -> io::Result<()> {
        let on: libc::c_int = 1;
        let is_v6 = socket.local_addr()?.is_ipv6();
        let (level, option) = match is_v6 {
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
        self.received = 0;
        // SAFETY: integers and null pointers, for which zero is valid.
        let (mut headers, mut vectors): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
            unsafe { mem::zeroed() };
        for slot in 0..BATCH {
            vectors[slot] =
                libc::iovec { iov_base: self.queries[slot].as_mut_ptr().cast(), iov_len: QUERY_BYTES_MAX };
            let header = &mut headers[slot].msg_hdr;
            header.msg_name = (&raw mut self.peers[slot]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut vectors[slot];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[slot].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
        }
        // SAFETY: every pointer in `headers` leads to a buffer that outlives the call and has the length
        // given with it. The raw system call is used because some C libraries emulate this one.
        let count = unsafe {
            libc::syscall(
                libc::SYS_recvmmsg,
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_WAITFORONE,
                ptr::null_mut::<libc::timespec>(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in headers.iter().enumerate().take(count) {
            self.lengths[slot] = header.msg_len as usize;
            self.truncated[slot] = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            self.locals[slot] = local(&header.msg_hdr);
        }
        self.received = count;
        Ok(count)
    }

    /// The datagrams received last: each with its sender, the address it came to, its bytes, and the
    /// space for a reply. `answer` returns the length of the reply; 0 means none.
    ///
    /// Then sends the replies. Returns how many were sent and how many the kernel refused; a refused
    /// reply (no route, a firewall) concerns one client and never the rest.
    pub fn answer(
        &mut self,
        socket: &Socket,
        mut answer: impl FnMut(Datagram<'_>, &mut [u8; REPLY_BYTES_MAX]) -> usize,
    ) -> Sent {
        // SAFETY: integers and null pointers, for which zero is valid.
        let (mut headers, mut vectors): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
            unsafe { mem::zeroed() };
        let mut count = 0;
        for slot in 0..self.received {
            let Some(peer) = peer(&self.peers[slot]).filter(|peer| peer.port() != 0) else { continue };
            let datagram = Datagram {
                bytes: &self.queries[slot][..self.lengths[slot].min(QUERY_BYTES_MAX)],
                is_cut: self.truncated[slot],
                peer,
                local: self.locals[slot],
            };
            let length = answer(datagram, &mut self.replies[slot]).min(REPLY_BYTES_MAX);
            if length == 0 {
                continue;
            }
            vectors[count] =
                libc::iovec { iov_base: self.replies[slot].as_mut_ptr().cast(), iov_len: length };
            let header = &mut headers[count].msg_hdr;
            header.msg_name = (&raw mut self.peers[slot]).cast();
            header.msg_namelen = match peer {
                SocketAddr::V4(_) => mem::size_of::<libc::sockaddr_in>(),
                SocketAddr::V6(_) => mem::size_of::<libc::sockaddr_in6>(),
            } as libc::socklen_t;
            header.msg_iov = &raw mut vectors[count];
            header.msg_iovlen = 1;
            if let Some(local) = self.locals[slot] {
                header.msg_controllen = write_source(&mut self.controls[slot], local) as _;
                header.msg_control = self.controls[slot].0.as_mut_ptr().cast();
            }
            count += 1;
        }
        self.received = 0;
        send(socket, &mut headers[..count])
    }
}

/// One received datagram.
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

/// Sends all messages. The call stops at the first one that cannot be sent: that one is skipped.
fn send(socket: &Socket, headers: &mut [libc::mmsghdr]) -> Sent {
    let mut result = Sent::default();
    let mut next = 0;
    while next < headers.len() {
        let rest = &mut headers[next..];
        // SAFETY: every pointer in `rest` leads to buffers of the batch, which outlive the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_sendmmsg,
                socket.as_raw_fd(),
                rest.as_mut_ptr(),
                rest.len() as libc::c_uint,
                libc::MSG_NOSIGNAL,
            )
        };
        match usize::try_from(count) {
            Ok(count) if count > 0 => {
                result.sent += count;
                next += count;
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

/// A zeroed array on the heap, made without passing through the stack.
fn zeroed<const N: usize>() -> Box<[[u8; N]; BATCH]> {
    let slots = vec![[0_u8; N]; BATCH].into_boxed_slice();
    slots.try_into().unwrap_or_else(|_| unreachable!("made with that many"))
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
