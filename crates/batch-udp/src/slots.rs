//! The memory that the kernel reads and writes: one allocation that never moves.
//!
//! The headers of messages point into it and stay as they are from call to call. Making 64 of them anew for each
//! call costs more than the datagrams themselves where few are waiting, which is so on every server that is not
//! overloaded.

use std::{mem, net::SocketAddr, ptr::NonNull};

use crate::{
    address::{CONTROL_BYTES, Control, Local, peer, write_source},
    batch::{BATCH, QUERY_BYTES_MAX, REPLY_BYTES_MAX},
};

/// Buffers and headers of all slots. Queries are in `incoming`, replies in `outgoing`; a header leads to the buffers
/// of its own slot, but for those of `outgoing`, which stand without gaps.
struct Slots {
    queries: [[u8; QUERY_BYTES_MAX]; BATCH],
    replies: [[u8; REPLY_BYTES_MAX]; BATCH],
    peers: [libc::sockaddr_storage; BATCH],
    controls: [Control; BATCH],
    incoming: [libc::mmsghdr; BATCH],
    incoming_parts: [libc::iovec; BATCH],
    outgoing: [libc::mmsghdr; BATCH],
    outgoing_parts: [libc::iovec; BATCH],
}

/// The one owner of [`Slots`]. It is used through this pointer alone, so that the pointers in the headers stay good.
pub(crate) struct Memory(NonNull<Slots>);

// SAFETY: the pointer is the only way to the allocation, which nothing ties to a thread.
unsafe impl Send for Memory {}

impl Memory {
    pub(crate) fn new() -> Self {
        // SAFETY: all of it is integers, arrays of them, and raw pointers, for which zero is valid.
        let slots: Box<Slots> = unsafe { Box::new_zeroed().assume_init() };
        let slots = Box::into_raw(slots);
        for slot in 0..BATCH {
            // SAFETY: `slots` was allocated above, nobody else knows it, and the places are within its arrays. No
            // reference is made, so that the pointers written here stay valid as long as the allocation.
            unsafe {
                let part = &raw mut (*slots).incoming_parts[slot];
                (*part).iov_base = (&raw mut (*slots).queries[slot]).cast();
                (*part).iov_len = QUERY_BYTES_MAX;
                let header = &raw mut (*slots).incoming[slot].msg_hdr;
                (*header).msg_name = (&raw mut (*slots).peers[slot]).cast();
                (*header).msg_iov = part;
                (*header).msg_iovlen = 1;
                (*header).msg_control = (&raw mut (*slots).controls[slot]).cast();
                let header = &raw mut (*slots).outgoing[slot].msg_hdr;
                (*header).msg_iov = &raw mut (*slots).outgoing_parts[slot];
                (*header).msg_iovlen = 1;
            }
        }
        // SAFETY: a pointer out of a box is not null.
        let mut memory = Self(unsafe { NonNull::new_unchecked(slots) });
        memory.offer(BATCH);
        memory
    }

    /// Makes the first `count` slots ready to receive: says how much room there is, which the kernel overwrote.
    pub(crate) fn offer(&mut self, count: usize) {
        for slot in 0..count.min(BATCH) {
            // SAFETY: the allocation is ours alone, and the place within its array.
            let header = unsafe { &mut (*self.0.as_ptr()).incoming[slot].msg_hdr };
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_controllen = CONTROL_BYTES as _;
        }
    }

    /// For `recvmmsg`, all slots.
    pub(crate) fn incoming(&mut self) -> *mut libc::mmsghdr {
        // SAFETY: the allocation is alive; only the address is taken.
        unsafe { (&raw mut (*self.0.as_ptr()).incoming).cast() }
    }

    /// For `sendmmsg`, those from the first that [`Memory::post`] wrote.
    pub(crate) fn outgoing(&mut self) -> *mut libc::mmsghdr {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.0.as_ptr()).outgoing).cast() }
    }

    /// What the kernel said of a slot that it filled.
    pub(crate) fn header(&self, slot: usize) -> &libc::mmsghdr {
        // SAFETY: the allocation is alive, the kernel is not at it while `self` is borrowed.
        unsafe { &(*self.0.as_ptr()).incoming[slot] }
    }

    pub(crate) fn peer(&self, slot: usize) -> Option<SocketAddr> {
        // SAFETY: as above.
        peer(unsafe { &(*self.0.as_ptr()).peers[slot] })
    }

    /// The bytes that came into a slot, and the room for the reply to them.
    pub(crate) fn buffers(&mut self, slot: usize, length: usize) -> (&[u8], &mut [u8; REPLY_BYTES_MAX]) {
        let length = length.min(QUERY_BYTES_MAX);
        let slots = self.0.as_ptr();
        // SAFETY: the allocation is alive and borrowed for as long as the two are; they are in different fields.
        unsafe { (&(&(*slots).queries)[slot][..length], &mut (*slots).replies[slot]) }
    }

    /// Makes the outgoing message number `place` the reply in `slot`.
    pub(crate) fn post(&mut self, place: usize, slot: usize, length: usize, local: Option<Local>) {
        let slots = self.0.as_ptr();
        // SAFETY: the allocation is alive and ours alone, and the places are within its arrays, as indexing checks.
        // Pointers come from the allocation and not from references, so they stay valid as long as it.
        unsafe {
            let part = &raw mut (*slots).outgoing_parts[place];
            (*part).iov_base = (&raw mut (*slots).replies[slot]).cast();
            (*part).iov_len = length.min(REPLY_BYTES_MAX);
            let header = &raw mut (*slots).outgoing[place].msg_hdr;
            (*header).msg_name = (&raw mut (*slots).peers[slot]).cast();
            (*header).msg_namelen = (*slots).incoming[slot].msg_hdr.msg_namelen;
            (*header).msg_control = std::ptr::null_mut();
            (*header).msg_controllen = 0;
            if let Some(local) = local {
                (*header).msg_controllen = write_source(&mut (*slots).controls[slot], local) as _;
                (*header).msg_control = (&raw mut (*slots).controls[slot]).cast();
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made from a box, and not used again.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
