//! The way out: queries for names that are not ours.
//!
//! Most of them were answered a moment ago: such an answer is written at once, by whoever took the query. The rest
//! leaves this room through a bounded channel, and whoever answers it calls back. So neither a worker nor a
//! connection waits for a server.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use mesos_dns_core::{
    answer::{Hop, Peer, Settings, Standing, Transport, pad},
    wire,
};
use tokio::sync::mpsc;

use super::counts::Counts;

/// Most queries for other names that wait to be taken up; beyond it clients get SERVFAIL at once.
pub const OUTSIDE_WAITING_MAX: usize = 1024;

/// Takes the reply to a query; `None` if there is none to give.
pub type Late = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// A query for a name that is not ours.
pub struct Outside {
    /// The query as received.
    pub query: Vec<u8>,
    /// Who asks.
    pub peer: SocketAddr,
    /// How the query came.
    pub transport: Transport,
    /// Options for the OPT record of the reply: what we have to say to this client ourselves.
    pub options: Vec<u8>,
    /// Takes the reply.
    pub reply: Late,
}

/// Answers of other servers that are remembered.
pub trait Memory: Send + Sync {
    /// Writes the reply to a query, if it can be told to its end without waiting for anybody; tells its length.
    fn recall(&self, recalled: &Recalled<'_>, out: &mut [u8]) -> Option<usize>;
}

/// No memory at all.
impl Memory for () {
    fn recall(&self, _: &Recalled<'_>, _: &mut [u8]) -> Option<usize> {
        None
    }
}

/// A query whose answer may be remembered.
pub struct Recalled<'a> {
    /// The query.
    pub query: wire::Query<'a>,
    /// Who asks.
    pub peer: Peer,
    /// When.
    pub now: Instant,
    /// Options for the OPT record of the reply.
    pub options: &'a [u8],
    /// Any number: it decides which of several addresses comes first.
    pub turn: u32,
}

/// Where queries for other names go.
pub struct Exit {
    memory: Box<dyn Memory>,
    waiting: mpsc::Sender<Outside>,
}

/// A query at the exit.
pub(super) struct Leaving<'a> {
    pub(super) query: &'a [u8],
    pub(super) from: SocketAddr,
    pub(super) peer: Peer,
    pub(super) settings: &'a Settings,
    pub(super) standing: &'a Standing,
    pub(super) turn: u32,
    /// Where a reply that comes later is counted.
    pub(super) late_counts: &'a Arc<Counts>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The reply is written, and so long.
    Answered(usize),
    /// The reply will be given to whom `late` said.
    Later,
    /// Too many wait: it is to be failed.
    Refused,
}

impl Exit {
    /// An exit to a memory, and behind it to whoever receives what is sent there.
    pub fn new(memory: impl Memory + 'static, waiting: mpsc::Sender<Outside>) -> Self {
        Self { memory: Box::new(memory), waiting }
    }

    /// Takes a query. `late` makes the one who takes the reply if it comes later.
    pub(super) fn take(&self, leaving: &Leaving<'_>, out: &mut [u8], late: impl FnOnce() -> Late) -> Left {
        let Leaving { query, from, peer, settings, standing, turn, late_counts } = *leaving;
        // Whoever sent it here has read it as well.
        let Ok(read) = wire::Query::read(query) else { return Left::Refused };
        let hop = Hop::new(&read, settings, peer, standing.now.as_secs() as u32);
        // A reply that is to be padded is finished by whoever takes it.
        if !hop.is_padded {
            let recalled = Recalled { query: read, peer, now: Instant::now(), options: &hop.options, turn };
            if let Some(length) = self.memory.recall(&recalled, out) {
                return Left::Answered(length);
            }
        }
        let reply = counted(late(), late_counts.clone());
        let reply = if hop.is_padded { padded(reply) } else { reply };
        let (query, transport) = (query.to_vec(), peer.transport);
        let outside = Outside { query, peer: from, transport, options: hop.options, reply };
        if self.waiting.try_send(outside).is_ok() { Left::Later } else { Left::Refused }
    }
}

/// Counts the reply when it is taken.
fn counted(reply: Late, counts: Arc<Counts>) -> Late {
    Box::new(move |bytes| {
        if let Some(bytes) = &bytes {
            counts.passes_on(bytes);
        }
        reply(bytes);
    })
}

/// Pads the reply before it is taken. Its length is known only when it is finished.
fn padded(reply: Late) -> Late {
    Box::new(move |mut bytes| {
        if let Some(bytes) = &mut bytes {
            pad(bytes);
        }
        reply(bytes);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::fixture::query;

    /// Remembers one name, and tells what it was asked with.
    struct One(&'static str);

    impl Memory for One {
        fn recall(&self, recalled: &Recalled<'_>, out: &mut [u8]) -> Option<usize> {
            if recalled.query.name.view().to_string() != self.0 {
                return None;
            }
            out[..recalled.options.len()].copy_from_slice(recalled.options);
            Some(recalled.options.len())
        }
    }

    /// What becomes of a query for `name` that carries these options, and who was handed it.
    fn take(exit: &Exit, name: &str, transport: Transport, options: &[u8]) -> (Left, Vec<u8>) {
        let mut message = query(7, name, 1);
        if !options.is_empty() {
            message[11] = 1;
            message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.len() as u8]);
            message.extend(options);
        }
        let from = "127.0.0.1:4000".parse().unwrap();
        let peer = Peer { address: "127.0.0.1".parse().unwrap(), transport };
        let settings = Settings { nsid: b"me".to_vec(), ..Settings::default() };
        let (standing, query) = (&Standing::default(), &message[..]);
        let late_counts = &Arc::new(Counts::shared(transport));
        let leaving = Leaving { query, from, peer, settings: &settings, standing, turn: 0, late_counts };
        let mut out = vec![0; 512];
        let left = exit.take(&leaving, &mut out, || Box::new(drop));
        if let Left::Answered(length) = left {
            out.truncate(length);
        }
        (left, out)
    }

    #[test]
    fn what_is_remembered_waits_for_nobody() {
        let (waiting, mut handed_on) = mpsc::channel(1);
        let exit = Exit::new(One("www.example.org."), waiting);
        assert_eq!(take(&exit, "www.example.org.", Transport::Udp, &[]).0, Left::Answered(0));
        // NSID is said by this hop.
        let (left, said) = take(&exit, "www.example.org.", Transport::Tls, &[0, 3, 0, 0]);
        assert_eq!((left, &said[..]), (Left::Answered(6), &b"\0\x03\0\x02me"[..]));
        assert!(handed_on.try_recv().is_err());
        // Padding needs the whole reply.
        assert_eq!(take(&exit, "www.example.org.", Transport::Tls, &[0, 12, 0, 0]).0, Left::Later);
        assert_eq!(take(&exit, "other.example.org.", Transport::Udp, &[]).0, Left::Refused, "one waits");
        assert_eq!(handed_on.try_recv().unwrap().transport, Transport::Tls);
        assert_eq!(take(&exit, "other.example.org.", Transport::Udp, &[]).0, Left::Later);
    }
}
