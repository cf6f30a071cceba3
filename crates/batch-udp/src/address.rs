//! Socket addresses and control messages as the kernel lays them out.

use std::{
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Where a datagram came in: the source of its reply (`IP_PKTINFO`, `IPV6_PKTINFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The local address the datagram was sent to.
    pub address: IpAddr,
    /// Index of the interface it came in on.
    pub interface: u32,
}

/// Room for one control message of either family, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CONTROL_BYTES]);

/// `CMSG_SPACE` of the larger of the two: a header of 16 bytes and `in6_pktinfo` of 20, rounded up to 8.
pub(crate) const CONTROL_BYTES: usize = 40;

/// The address a `recvmmsg` slot came from; `None` for a family we do not serve.
pub(crate) fn peer(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a `sockaddr_in`, which is smaller than
            // `sockaddr_storage` and needs no stricter alignment; all bit patterns are valid for it.
            let inet = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(inet.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(address, u16::from_be(inet.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for `sockaddr_in6`.
            let inet = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(inet.sin6_addr.s6_addr);
            let port = u16::from_be(inet.sin6_port);
            Some(SocketAddrV6::new(address, port, inet.sin6_flowinfo, inet.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Finds the packet information among control messages.
pub(crate) fn local(message: &libc::msghdr) -> Option<Local> {
    // SAFETY: `message` was filled by the kernel and its control buffer is alive; the CMSG macros walk
    // within `msg_controllen`, and data is read unaligned with the type its level and type announce.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().read_unaligned();
                    let address = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                    return Some(Local {
                        address: address.into(),
                        interface: info.ipi_ifindex.unsigned_abs(),
                    });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    return Some(Local { address: address.into(), interface: info.ipi6_ifindex });
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
    }
    None
}

/// Writes the control message that makes a reply leave from `local`; returns its length.
pub(crate) fn write_source(control: &mut Control, local: Local) -> usize {
    match local.address {
        IpAddr::V4(address) => {
            // SAFETY: plain integers, for which zero is valid.
            let mut info: libc::in_pktinfo = unsafe { mem::zeroed() };
            info.ipi_spec_dst.s_addr = u32::from_ne_bytes(address.octets());
            write(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(address) => {
            // SAFETY: plain integers, for which zero is valid.
            let mut info: libc::in6_pktinfo = unsafe { mem::zeroed() };
            info.ipi6_addr.s6_addr = address.octets();
            // Only link-local addresses need the interface; for others the routing table knows better.
            info.ipi6_ifindex = if address.is_unicast_link_local() { local.interface } else { 0 };
            write(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write<T: Copy>(control: &mut Control, level: i32, kind: i32, data: T) -> usize {
    let data_bytes = mem::size_of::<T>() as u32;
    // SAFETY: arithmetic on constants.
    let (length, space) = unsafe { (libc::CMSG_LEN(data_bytes), libc::CMSG_SPACE(data_bytes)) };
    assert!(space as usize <= CONTROL_BYTES, "both kinds of packet information fit");
    // SAFETY: the buffer is aligned for `cmsghdr` and holds `CMSG_SPACE` bytes, as just checked; the
    // data goes right behind the header, written unaligned.
    unsafe {
        let header = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_len = length as usize;
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
    }
    space as usize
}
