//! The operator API (`mesos-api.md` section 2.7), with its checks in the order of Mesos.
//!
//! Of the two encodings JSON alone is spoken: a call in protobuf is refused as unreadable.

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use serde_json::Value;

use super::{
    body,
    endpoints::{Asked, Stand, accepts_gzip, plain, redirect},
    stream,
};
use crate::{
    master::Fault,
    render::v1::{self, Call},
};

/// Answers one call of somebody who was let in.
pub(super) async fn answer(stand: Stand, asked: &Asked) -> Response<Body> {
    if stand.scene.elected.is_none() {
        return redirect(&stand.scene, "/master/api/v1", "");
    }
    if !stand.scene.is_recovered() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "Master has not finished recovery");
    }
    if asked.method != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match asked.header(header::CONTENT_TYPE) {
        Some(b"application/json" | b"application/x-protobuf") => (),
        None => return plain(StatusCode::BAD_REQUEST, "Expecting 'Content-Type' to be present"),
        Some(_) => {
            let text = "Expecting 'Content-Type' of application/json or application/x-protobuf";
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
        }
    }
    let Some(name) = call(asked) else {
        return plain(StatusCode::BAD_REQUEST, "Failed to parse body into Call protobuf");
    };
    if !accepts_json(asked) {
        let text = "Expecting 'Accept' to allow application/json or application/x-protobuf";
        return plain(StatusCode::NOT_ACCEPTABLE, text);
    }
    match serde_json::from_value(Value::from(name.as_str())) {
        Ok(Call::Subscribe) => subscribe(stand),
        Ok(call) => {
            let gzip = accepts_gzip(&asked.headers);
            let Stand { scene, fault, end, .. } = stand;
            body::respond(None, gzip, fault, end, move |out| v1::answer(scene.view(), call, out)).await
        }
        Err(_) if name == "UNKNOWN" => plain(StatusCode::NOT_IMPLEMENTED, ""),
        Err(_) => plain(StatusCode::BAD_REQUEST, "Failed to convert JSON into Call protobuf"),
    }
}

/// The type of the call in a body, whether or not anybody knows it.
pub(super) fn call(asked: &Asked) -> Option<String> {
    let body: Value = serde_json::from_slice(asked.body.as_ref()?).ok()?;
    Some(body.get("type")?.as_str()?.to_owned())
}

/// Takes a snapshot and subscribes to what comes behind it, in one step.
fn subscribe(stand: Stand) -> Response<Body> {
    let Stand { shared, master, fault, scene, faults, end } = stand;
    let mut stage = shared.stage();
    // What happened since the request was looked at would be neither in its scene nor told.
    let fresh = stage.scene(master);
    if fresh.elected.is_none() || !fresh.is_recovered() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "No leader elected");
    }
    let subscription = stage.subscribe();
    drop(stage);
    let scene = if fault == Fault::EmptyState { scene } else { fresh };
    stream::respond(scene, subscription, shared.beat, faults, end)
}

/// Whether `Accept` admits JSON; one that is missing does.
fn accepts_json(asked: &Asked) -> bool {
    let Some(header) = asked.header(header::ACCEPT) else { return true };
    String::from_utf8_lossy(header).split(',').any(|kind| {
        let (name, weight) = kind.split_once(';').unwrap_or((kind, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|text| text.trim().parse().ok());
        matches!(name.trim(), "application/json" | "application/*" | "*/*") && weight.unwrap_or(1.0_f64) > 0.0
    })
}
