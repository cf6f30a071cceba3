//! What proxies, wrong ports, other programs and failing masters answer.

use serde_json::Value;

/// What a master could say instead of its state.
pub(crate) fn garbage(good: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let good = good.to_string();
    let says = |kind: &str, body: &[u8]| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let json = |body: &str| says("application/json", body.as_bytes());
    let cut = &good[..good.len() * 2 / 3];
    let promised = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{cut}", good.len());
    vec![
        ("nothing", Vec::new()),
        ("empty", json("")),
        ("html", says("text/html", b"<html><body>Please log in</body></html>")),
        ("html said to be json", json("<html><body>Please log in</body></html>")),
        ("cut json", json(cut)),
        ("cut answer", promised.into_bytes()),
        ("null", json("null")),
        ("a list", json("[]")),
        ("a number", json("42")),
        (
            "frameworks of a wrong type",
            json(&good.replace("\"frameworks\":[", "\"frameworks\":[7,\"x\",null,[")),
        ),
        ("no frameworks", json(&good.replace("\"frameworks\"", "\"other\""))),
        ("nothing in it", json("{}")),
        ("more behind it", json(&format!("{good}{good}"))),
        ("nested without end", json(&format!("{{\"x\":{}", "[".repeat(1_000_000)))),
        ("no http", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("503", b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("401", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec()),
        (
            "another's redirect",
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //127.0.0.9:1/\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        ),
        (
            "not the leader",
            json(&good.replace("\"leader\":\"master@127.0.0.1:", "\"leader\":\"master@127.0.0.9:")),
        ),
    ]
}
