//! What masters and ZooKeeper say.

use mesos_dns_core::mesos::{
    master_info::MasterInfo,
    members::Format,
    operator::{Limits, Master, Stream},
    pid::Pid,
    state::{self, Shape},
};

/// A state document, in both shapes, and the file with the last cluster.
pub fn state_document(data: &[u8]) {
    _ = state::decode(data);
    _ = state::decode_as(Shape::Operator, data);
    _ = state::decode_saved(data);
}

/// A node of ZooKeeper, in both forms.
pub fn master_info(data: &[u8]) {
    _ = MasterInfo::decode(Format::Json, data);
    _ = MasterInfo::decode(Format::Protobuf, data);
    _ = std::str::from_utf8(data).map(Pid::parse);
}

/// A stream as it comes: whole and cut in two, it says the same.
pub fn event_stream(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let at = usize::from(*cut).min(stream.len());
    let (front, back) = stream.split_at(at);
    assert_eq!(told(&[stream]), told(&[front, back]), "cut at {at}");
}

/// One event after a small snapshot.
pub fn operator_event(data: &[u8]) {
    _ = Master::decode(data);
    let subscribed =
        br#"{"type":"SUBSCRIBED","subscribed":{"get_state":{},"heartbeat_interval_seconds":15.0}}"#;
    let framed = |record: &[u8]| [format!("{}\n", record.len()).as_bytes(), record].concat();
    _ = told(&[&framed(subscribed), &framed(data)]);
}

/// How many things a stream says of the events after the snapshot, and how it is lost, if it is.
///
/// Not how many batches the snapshot comes in: that may follow the pieces.
fn told(pieces: &[&[u8]]) -> (usize, Option<String>) {
    use mesos_dns_core::mesos::operator::Said;
    let mut stream = Stream::new(Limits::default());
    let mut said = 0;
    for piece in pieces {
        let mut piece = *piece;
        loop {
            match stream.push(&mut piece) {
                Ok(Some(Said::Batch(_))) => {}
                Ok(Some(_)) => said += 1,
                Ok(None) if piece.is_empty() => break,
                Ok(None) => {}
                Err(error) => return (said, Some(error.to_string())),
            }
        }
    }
    (said, None)
}
