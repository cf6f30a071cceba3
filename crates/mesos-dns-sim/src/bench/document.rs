//! A state document, and a process that serves it as a master would.

use std::{io::Write, net::TcpListener};

use super::feed::{request, respond};
use crate::{
    clock,
    life::{self, Life},
    render::{self, Face, View},
};

/// The state document of a simulated cluster.
pub fn write(tasks: usize) -> Vec<u8> {
    let (_, cluster) = Life::new(life::Settings { seed: 7, tasks, churn: 0.0 }, clock::now());
    let master = Face { id: "bench".into(), address: ([127, 0, 0, 1], 5050).into(), started: cluster.born };
    let mut bytes = Vec::new();
    render::state(View::settled(&cluster, &master), &mut bytes).expect("memory takes everything");
    bytes
}

/// Answers every request with the document, naming this server as the leader; prints its port first.
pub fn serve(document: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let text = String::from_utf8_lossy(document);
    let pid = text
        .split("\"leader\":")
        .nth(1)
        .and_then(|rest| rest.split('"').nth(1))
        .expect("a leader")
        .to_owned();
    let body = text.replace(&pid, &format!("master@127.0.0.1:{port}"));
    println!("port {port}");
    std::io::stdout().flush().expect("a reader");
    for mut stream in listener.incoming().flatten() {
        let _ = request(&mut stream).and_then(|_| respond(&mut stream, body.as_bytes()));
    }
}
