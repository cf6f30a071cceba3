//! A master that shows one document, or whatever else a test puts in its place.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    daemon::{LOOK, PATIENCE},
    http_peer::{Answer, Peer},
};

/// The master.
pub struct Master {
    peer: Peer,
    says: Arc<Mutex<Vec<u8>>>,
}

impl Master {
    /// Starts it; it leads, and this is its document.
    pub async fn start(document: &Value) -> Self {
        let says: Arc<Mutex<Vec<u8>>> = Arc::default();
        let said = says.clone();
        let peer = Peer::start(move |_| Answer::Send(said.lock().unwrap().clone())).await;
        let master = Self { peer, says };
        master.shows(document);
        master
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// Shows this document from now on, as its own.
    pub fn shows(&self, document: &Value) {
        self.says("200 OK", "application/json", document_of(self.address(), document).to_string().as_bytes());
    }

    /// Answers everything with this from now on.
    pub fn says(&self, status: &str, content_type: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.says_raw([head.as_bytes(), body].concat());
    }

    /// Answers everything with these bytes from now on.
    pub fn says_raw(&self, bytes: Vec<u8>) {
        *self.says.lock().unwrap() = bytes;
    }

    /// Waits until it was asked once more.
    pub async fn is_asked(&self) {
        let (before, started) = (self.peer.count(), Instant::now());
        while self.peer.count() == before {
            assert!(started.elapsed() < PATIENCE, "not asked any more");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The document as a master that listens here would show it.
pub fn document_of(address: SocketAddr, document: &Value) -> Value {
    let mut document = document.clone();
    let pid = json!(format!("master@{address}"));
    (document["pid"], document["leader"]) = (pid.clone(), pid);
    // What says the same in other words would contradict it.
    document.as_object_mut().unwrap().remove("leader_info");
    document
}

/// A document of `test-data`.
pub fn captured(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// A document with two agents and one framework, Marathon, that runs these tasks.
pub fn document(tasks: Vec<Value>) -> Value {
    json!({
        "version": "1.11.0", "elected_time": 1_600_000_001.0, "recovered_slaves": [], "orphan_tasks": [],
        "slaves": [
            {"id": "20260101-S0", "hostname": "10.20.0.1", "pid": "slave(1)@10.20.0.1:5051", "active": true},
            {"id": "20260101-S1", "hostname": "10.20.0.2", "pid": "slave(1)@10.20.0.2:5051", "active": true},
        ],
        "frameworks": [{
            "id": "20260101-0000", "name": "marathon", "active": true,
            "pid": "scheduler-1@10.20.1.1:15001", "tasks": tasks,
        }],
    })
}

/// Running task number `number` of a service, with two ports of its agent and these addresses of its own.
pub fn task(name: &str, number: usize, addresses: &[&str]) -> Value {
    let port = 31_000 + 2 * number;
    let addresses: Vec<Value> =
        addresses.iter().map(|address| json!({"ip_addresses": [{"ip_address": address}]})).collect();
    json!({
        "id": format!("{name}.{number}"), "name": name, "framework_id": "20260101-0000",
        "slave_id": format!("20260101-S{}", number % 2), "state": "TASK_RUNNING",
        "resources": {"cpus": 0.1, "ports": format!("[{port}-{}]", port + 1)},
        "statuses": [{
            "state": "TASK_RUNNING", "timestamp": 1_600_000_100.0,
            "container_status": {"network_infos": addresses},
        }],
    })
}

/// Three `web`, one of them with an IPv6 address too, and sixty `many`.
pub fn ordinary() -> Value {
    let mut tasks = vec![
        task("web", 0, &["10.30.0.1", "fd00:30::1"]),
        task("web", 1, &["10.30.0.2"]),
        task("web", 2, &["10.30.0.3"]),
    ];
    tasks.extend((0..60).map(|number| task("many", number, &[&format!("10.31.0.{number}")])));
    document(tasks)
}
