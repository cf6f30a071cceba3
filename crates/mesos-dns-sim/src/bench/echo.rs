//! Sends datagrams back: what the kernel costs, and no server can do without.

use std::{io, net::SocketAddr};

use batch_udp::Batch;
use socket2::{Domain, Socket, Type};

/// Bytes of datagrams that may wait, as a server has it.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Sends every datagram back with the mark of a response, for ever.
///
/// # Errors
///
/// The address cannot be bound, or nothing more comes.
pub fn run(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    let mut batch = Batch::new();
    loop {
        batch.receive(&socket)?;
        batch.answer(|_, datagram, reply| {
            let length = datagram.bytes.len().min(reply.len());
            let reply = reply.get_mut(..length)?;
            reply.copy_from_slice(datagram.bytes.get(..length)?);
            // QR and AA.
            *reply.get_mut(2)? |= 0x84;
            Some(length)
        });
        batch.send(&socket);
    }
}
