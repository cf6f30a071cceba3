//! What a fault of this program may cost: the query that met it its answer, and nobody else anything.
//!
//! Whatever answers datagrams or messages runs in here. A fault is counted and logged with the query, which is what is
//! needed to find it. The query gets SERVFAIL: the one that says what can be said of it, or, should the fault lie
//! in reading it, a bare one for which nothing is read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use data_encoding::HEXLOWER;
use mesos_dns_core::answer::{Action, Reason, Silence};
use tracing::error;

use super::DnsMetrics;

/// Bytes of a query that are logged. Longer ones do not come from anybody's resolver.
const LOGGED_BYTES_MAX: usize = 600;

/// Bytes of a header, and with it of a bare reply (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;

/// What `answer` makes of a query; if it panics, what `fail` does; and if that panics too, a bare SERVFAIL.
pub(super) fn guarded(
    query: &[u8],
    out: &mut [u8],
    metrics: &DnsMetrics,
    answer: impl FnOnce(&mut [u8]) -> Action,
    fail: impl FnOnce(&mut [u8]) -> Action,
) -> Action {
    if let Ok(action) = catch_unwind(AssertUnwindSafe(|| answer(out))) {
        return action;
    }
    metrics.panics.inc();
    let query_begins = HEXLOWER.encode(&query[..query.len().min(LOGGED_BYTES_MAX)]);
    error!(query = query_begins, "answering a query panicked");
    catch_unwind(AssertUnwindSafe(|| fail(out))).unwrap_or_else(|_| bare(query, out))
}

/// Does what concerns many queries. `None` if it panicked: what was not done by then is lost, and the caller goes on.
pub(super) fn survived<T>(metrics: &DnsMetrics, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        metrics.panics.inc();
        error!("answering a batch of queries panicked");
    }
    done
}

/// SERVFAIL with nothing but a header, with what stands at fixed places in the query: its identifier, opcode and RD.
/// A response is never answered, not even so.
fn bare(query: &[u8], out: &mut [u8]) -> Action {
    let (Some([i0, i1, flags, ..]), Some(space)) =
        (query.first_chunk::<HEADER_BYTES>(), out.first_chunk_mut::<HEADER_BYTES>())
    else {
        return Action::Drop(Silence::Short);
    };
    if flags & 0x80 != 0 {
        return Action::Drop(Silence::Response);
    }
    // QR, what the query has of opcode and RD, and the response code 2.
    *space = [*i0, *i1, 0x80 | flags & 0x79, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    Action::Send { length: HEADER_BYTES, reason: Reason::Overloaded, is_truncated: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Action = Action::Send { length: 1, reason: Reason::Success, is_truncated: false };

    /// What becomes of a query that nothing can be read of without a panic.
    fn hopeless(query: &[u8], out: &mut [u8]) -> (Action, u64) {
        let metrics = DnsMetrics::default();
        let action = guarded(query, out, &metrics, |_| panic!("reading"), |_| panic!("reading again"));
        (action, metrics.panics.get())
    }

    #[test]
    fn without_a_fault_nothing_happens() {
        let metrics = DnsMetrics::default();
        let mut out = [0; 100];
        let written = |out: &mut [u8]| {
            out[0] = 7;
            SENT
        };
        assert_eq!(guarded(b"query", &mut out, &metrics, written, |_| unreachable!()), SENT);
        assert_eq!((out[0], survived(&metrics, || 5), metrics.panics.get()), (7, Some(5), 0));
    }

    #[test]
    fn a_fault_is_answered_and_counted_once() {
        let metrics = DnsMetrics::default();
        let mut out = [0; 100];
        assert_eq!(guarded(b"query", &mut out, &metrics, |_| panic!("deciding"), |_| SENT), SENT);
        assert_eq!(metrics.panics.get(), 1);
        assert_eq!(survived(&metrics, || panic!("sending")), None::<()>);
        assert_eq!(metrics.panics.get(), 2);
    }

    #[test]
    fn what_cannot_be_read_gets_a_header() {
        let mut out = [0xff; 100];
        let query = b"\xab\xcd\x21\x30\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        let (action, panics) = hopeless(query, &mut out);
        assert!(matches!(action, Action::Send { length: 12, .. }), "{action:?}");
        // An opcode that is none of ours comes back as it was.
        assert_eq!((&out[..12], panics), (&b"\xab\xcd\xa1\x02\0\0\0\0\0\0\0\0"[..], 1));
        let response = [&query[..2], &[0xa1], &query[3..]].concat();
        assert_eq!(hopeless(&response, &mut out).0, Action::Drop(Silence::Response));
        assert_eq!(hopeless(&query[..11], &mut out).0, Action::Drop(Silence::Short));
        assert_eq!(hopeless(query, &mut out[..11]).0, Action::Drop(Silence::Short));
    }
}
