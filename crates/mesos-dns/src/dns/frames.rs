//! Messages in a stream: two octets of length, then that many (RFC 1035 section 4.2.2).
//!
//! What arrives is cut where it lies; only what is not whole yet, or cannot be taken yet, is kept. A connection that
//! waits holds no buffer.

/// Bytes of one query that are looked at. No question is a tenth as long; of longer messages the rest is skipped, and
/// the beginning, which then ends too early, is answered with FORMERR. So a client can make us keep no more than this.
pub(super) const QUERY_BYTES_MAX: usize = 4096;

/// Octets of the length.
pub(super) const LENGTH_BYTES: usize = 2;

/// What to do after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    More,
    /// Keep the rest: there is no room for another answer.
    Wait,
}

/// What has arrived and is not taken yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: Vec<u8>,
    /// Bytes still to come of a message that was taken already.
    skip: usize,
    /// Whether a whole message is held because there was no room for it.
    is_waiting: bool,
}

impl Frames {
    /// Hands each message that is whole to `take`, those held before first, until there is no more or it says to wait.
    /// Gives the number of messages.
    pub(super) fn receive(&mut self, fresh: &[u8], mut take: impl FnMut(&[u8]) -> Next) -> usize {
        let (count, used);
        if self.held.is_empty() {
            (count, used) = self.cut(fresh, &mut take);
            self.held.extend_from_slice(&fresh[used..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(fresh);
            (count, used) = self.cut(&held, &mut take);
            held.drain(..used);
            if !held.is_empty() {
                self.held = held;
            }
        }
        count
    }

    /// Whether a message is held that `receive` can hand out without anything fresh.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Whether a message has begun and is not whole.
    pub(super) fn is_partial(&self) -> bool {
        !self.is_waiting && (self.skip > 0 || !self.held.is_empty())
    }

    fn cut(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8]) -> Next) -> (usize, usize) {
        let (mut count, mut used, mut next) = (0, 0, Next::More);
        self.is_waiting = false;
        loop {
            let skipped = self.skip.min(bytes.len() - used);
            self.skip -= skipped;
            used += skipped;
            let Some((message, rest)) = first(&bytes[used..]) else { return (count, used) };
            if next == Next::Wait {
                self.is_waiting = true;
                return (count, used);
            }
            next = take(message);
            count += 1;
            used += LENGTH_BYTES + message.len();
            self.skip = rest;
        }
    }
}

/// The first message, and how many bytes of it are left out; `None` if it is not there yet.
fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, bytes) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let looked_at = length.min(QUERY_BYTES_MAX);
    Some((bytes.get(..looked_at)?, length - looked_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u16).to_be_bytes()[..], message].concat()
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let messages: Vec<Vec<u8>> = (0..20).map(|number| vec![number; usize::from(number) * 7]).collect();
        let stream: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        for piece in [1, 2, 3, 50, stream.len()] {
            let (mut frames, mut taken) = (Frames::default(), Vec::new());
            let mut count = 0;
            for bytes in stream.chunks(piece) {
                count += frames.receive(bytes, |message| {
                    taken.push(message.to_vec());
                    Next::More
                });
                assert!(!frames.is_waiting());
            }
            assert_eq!((taken.len(), count), (messages.len(), messages.len()), "pieces of {piece}");
            assert!(taken == messages && !frames.is_partial());
            assert_eq!(frames.held.capacity(), 0, "what waits for nothing holds nothing");
        }
    }

    #[test]
    fn what_has_no_room_waits() {
        let (mut frames, mut taken) = (Frames::default(), Vec::new());
        let stream = [framed(b"a"), framed(b"b"), framed(b"c"), vec![0]].concat();
        let mut take = |message: &[u8]| {
            taken.push(message.to_vec());
            Next::Wait
        };
        assert_eq!(frames.receive(&stream, &mut take), 1);
        assert!(frames.is_waiting() && !frames.is_partial());
        assert_eq!(frames.receive(&[], &mut take), 1);
        assert!(frames.is_waiting());
        assert_eq!(frames.receive(&[], &mut take), 1);
        assert!(!frames.is_waiting() && frames.is_partial(), "the last octet begins a message");
        assert_eq!(frames.receive(b"\x01d", &mut take), 1);
        assert!(!frames.is_waiting() && !frames.is_partial());
        assert_eq!(taken, [b"a", b"b", b"c", b"d"]);
    }

    #[test]
    fn of_a_long_message_only_the_beginning_is_kept() {
        let long: Vec<u8> = (0..60_000_u32).map(|number| number as u8).collect();
        let stream = [framed(&long), framed(b"next")].concat();
        for piece in [1, 1000, stream.len()] {
            let (mut frames, mut taken) = (Frames::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                frames.receive(bytes, |message| {
                    taken.push(message.to_vec());
                    Next::More
                });
                assert!(frames.held.len() <= LENGTH_BYTES + QUERY_BYTES_MAX);
            }
            assert_eq!(taken.len(), 2, "pieces of {piece}");
            assert!(taken[0] == long[..QUERY_BYTES_MAX] && taken[1] == b"next");
        }
    }
}
