//! Streams made by hand: good, odd and broken ones. Captured ones are in `tests/operator_streams.rs`.

mod broken;
mod events;
mod laws;
mod snapshot;

use super::{
    super::state::{Decoder, Part, assemble},
    *,
};
use crate::cluster::{Change, Document};

/// What a master said; a snapshot is already put together.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Snapshot(Box<Document>),
    Heartbeat,
    Change(Change),
    Passed(Passed),
}

/// A snapshot of an empty cluster.
const EMPTY: &str = r#"{"type":"SUBSCRIBED","subscribed":{"get_state":{}}}"#;

/// The bytes of a stream with these events.
fn stream<E: AsRef<[u8]>>(events: impl IntoIterator<Item = E>) -> Vec<u8> {
    let record = |event: E| [format!("{}\n", event.as_ref().len()).as_bytes(), event.as_ref()].concat();
    events.into_iter().flat_map(record).collect()
}

/// Takes a stream in pieces; what was said, and what ended it.
fn hear_in(stream: &mut Stream, bytes: &[u8], piece: usize) -> (Vec<Heard>, Option<StreamError>) {
    let (mut decoder, mut parts, mut heard) = (Decoder::default(), Vec::<Part>::new(), Vec::new());
    for mut piece in bytes.chunks(piece.max(1)) {
        loop {
            heard.push(match stream.push(&mut piece) {
                Ok(None) => break,
                Ok(Some(Said::Batch(batch))) => {
                    parts.push(decoder.decode(batch));
                    continue;
                }
                Ok(Some(Said::Snapshot(outline))) => {
                    Heard::Snapshot(Box::new(assemble(*outline, std::mem::take(&mut parts))))
                }
                Ok(Some(Said::Heartbeat)) => Heard::Heartbeat,
                Ok(Some(Said::Change(change))) => Heard::Change(change),
                Ok(Some(Said::Passed(passed))) => Heard::Passed(passed),
                Err(error) => return (heard, Some(error)),
            });
        }
        assert!(piece.is_empty(), "it read everything");
    }
    (heard, None)
}

fn hear(bytes: &[u8], piece: usize) -> (Vec<Heard>, Option<StreamError>) {
    hear_in(&mut Stream::new(Limits::default()), bytes, piece)
}

/// The document of a stream that consists of this snapshot.
fn document(event: &str) -> Document {
    let bytes = stream([event]);
    let (mut heard, error) = hear(&bytes, bytes.len());
    assert_eq!(error, None, "{event}");
    let Some(Heard::Snapshot(document)) = heard.pop() else { panic!("no snapshot: {event}") };
    *document
}

/// A snapshot with these members of `get_state`.
fn subscribed(get_state: &str) -> String {
    format!(r#"{{"type":"SUBSCRIBED","subscribed":{{"get_state":{{{get_state}}}}}}}"#)
}
