//! Whole documents: good, odd and broken ones.

mod broken;
mod laws;
mod networks;
mod odd;
mod omissions;
mod plain;
mod saved;

use super::*;

/// A document with one of everything, members in an unusual order.
const SMALL: &str = r#"{"version":"1.11.0","frameworks":[{"tasks":[{"id":"web.1","name":"web","slave_id":"S0","state":
"TASK_RUNNING","resources":{"cpus":0.1,"ports":"[31000-31001, 7-7]"},"limits":{"cpus":Infinity,"mem":"Infinity"},
"statuses":[{"state":"TASK_STARTING","timestamp":3,"container_status":{"network_infos":[{"ip_address":"10.9.9.9"}]}},
{"state":"TASK_RUNNING","timestamp":2.5,"healthy":true,"labels":[{"key":"Docker.NetworkSettings.IPAddress",
"value":"172.17.0.2"}],"container_status":{"network_infos":[{"ip_addresses":[{"ip_address":"172.17.0.2"},{},
{"ip_address":"fd00::2","protocol":"IPv6"}]}]}}],"discovery":{"visibility":"FRAMEWORK","name":"a\\\"b\u00e9","ports":
{"ports":[{"number":31000,"protocol":"tcp","name":"http"}]}}},{"id":"web.2","state":"TASK_FINISHED"}],
"completed_tasks":[{"id":"}]\""}],"id":"F0","name":"marathon","pid":"scheduler-1@10.0.0.5:15101","hostname":"h"}],
"unreachable":{"x":[[]]},"leader":"master@10.0.0.1:5050","pid":"master@10.0.0.1:5050","elected_time":1600000001.5,
"recovered_slaves":[{"id":"S1"}],"slaves":[{"id":"S0","hostname":"node0","pid":"slave(1)@10.0.1.10:5051"}]}"#;

/// Decodes a document that arrives in pieces.
fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Document, StateError> {
    let mut splitter = Splitter::new(Limits::default());
    let (mut decoder, mut parts) = (Decoder::default(), Vec::new());
    for mut piece in pieces {
        while let Some(batch) = splitter.push(&mut piece)? {
            parts.push(decoder.decode(batch));
        }
    }
    let (outline, last) = splitter.finish()?;
    parts.push(decoder.decode(last));
    Ok(assemble(outline, parts))
}

/// The document with one task, described by the members of its object.
fn with_task(members: &str) -> Document {
    let document = format!(
        r#"{{"slaves":[],"frameworks":[{{"id":"F","tasks":[{{"id":"before","state":"TASK_RUNNING"}},{{{members}}},{{"id":"after"}}]}}]}}"#
    );
    let document = decode(document.as_bytes()).expect(members);
    assert_eq!(document.tasks.first().map(|task| &*task.id), Some("before"), "{members}");
    assert_eq!(document.tasks.last().map(|task| &*task.id), Some("after"), "{members}");
    document
}
