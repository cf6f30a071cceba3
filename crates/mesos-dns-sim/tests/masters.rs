//! Simulated masters answer as real ones do.

use std::{io::Read, net::SocketAddr, time::Duration};

use axum::http::{StatusCode, header};
use mesos_dns_sim::{
    client::{self, HTTP_BODY_BYTES_MAX},
    life::{self, Life},
    master::{Fault, Masters, Profile, Settings},
    render::Knowledge,
};
use serde_json::Value;

const START: Duration = Duration::from_secs(1_700_000_000);

async fn masters(tasks: usize, settings: Settings) -> Masters {
    let (_, cluster) = Life::new(life::Settings { seed: 5, tasks, churn: 0.0 }, START);
    Masters::start(cluster, Settings { ports: vec![0, 0], ..settings }).await.unwrap()
}

async fn state(server: SocketAddr) -> Value {
    let response = client::http(server, "/master/state", &[]).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(response.body()).unwrap()
}

/// Running tasks, agents, recovered agents, frameworks.
fn counts(state: &Value) -> (usize, usize, usize, usize) {
    let length = |value: &Value| value.as_array().map_or(0, Vec::len);
    let frameworks = state["frameworks"].as_array().unwrap();
    let tasks = frameworks.iter().map(|framework| length(&framework["tasks"])).sum();
    (tasks, length(&state["slaves"]), length(&state["recovered_slaves"]), frameworks.len())
}

#[tokio::test]
async fn the_leader_answers_and_standbys_redirect() {
    let masters = masters(100, Settings::default()).await;
    let leader = masters.address(0);
    assert_eq!(counts(&state(leader).await), (100, 3, 0, 4));
    for (target, location) in [
        ("/state", format!("//{leader}/master/state")),
        ("/master/state/?x=1", format!("//{leader}/master/state?x=1")),
        ("/redirect", format!("//{leader}")),
    ] {
        let response = client::http(masters.address(1), target, &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{target}");
        assert_eq!(response.headers()[header::LOCATION], location, "{target}");
        assert!(response.body().is_empty());
    }
    masters.depose(START);
    for master in 0..2 {
        let response = client::http(masters.address(master), "/state", &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.body(), "No leader elected");
        let response = client::http(masters.address(master), "/health", &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn every_endpoint_answers_json() {
    let masters = masters(30, Settings::default()).await;
    for (target, member) in [
        ("/state", "frameworks"),
        ("/master/slaves", "slaves"),
        ("/frameworks", "frameworks"),
        ("/tasks", "tasks"),
        ("/state-summary", "slaves"),
        ("/flags", "flags"),
        ("/version", "version"),
    ] {
        let response = client::http(masters.address(0), target, &[]).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{target}");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], response.body().len().to_string(), "{target}");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert!(body.get(member).is_some(), "{target}");
    }
    for target in ["/state.json", "/nothing", "/redirect/x", "/a/../state"] {
        let response = client::http(masters.address(0), target, &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{target}");
    }
    let page = client::http(masters.address(0), "/tasks?limit=7&offset=28&order=asc", &[]).await.unwrap();
    let page: Value = serde_json::from_slice(page.body()).unwrap();
    assert_eq!(page["tasks"].as_array().unwrap().len(), 2);
    let wrapped = client::http(masters.address(0), "/version?jsonp=tell", &[]).await.unwrap();
    assert!(wrapped.body().starts_with(b"tell({") && wrapped.body().ends_with(b"});"));
}

#[tokio::test]
async fn large_bodies_are_compressed_if_the_client_likes() {
    let masters = masters(30, Settings::default()).await;
    let server = masters.address(0);
    let zip = [("accept-encoding", "gzip")];
    let small = client::http(server, "/version", &zip).await.unwrap();
    assert!(!small.headers().contains_key(header::CONTENT_ENCODING));
    let plain = client::http(server, "/state", &[]).await.unwrap();
    let zipped = client::http(server, "/state", &zip).await.unwrap();
    assert_eq!(zipped.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(zipped.body().len() * 4 < plain.body().len());
    let mut unzipped = Vec::new();
    let decoder = flate2::read::GzDecoder::new(&zipped.body()[..]);
    decoder.take(HTTP_BODY_BYTES_MAX as u64).read_to_end(&mut unzipped).unwrap();
    assert_eq!(unzipped, *plain.body());
}

#[tokio::test]
async fn a_new_leader_learns_step_by_step() {
    let masters = masters(100, Settings::default()).await;
    masters.kill(0).await;
    client::http(masters.address(0), "/health", &[]).await.unwrap_err();
    let standby = client::http(masters.address(1), "/state", &[]).await.unwrap();
    assert_eq!(standby.status(), StatusCode::TEMPORARY_REDIRECT);

    let elected = START + Duration::from_secs(60);
    masters.elect(1, Knowledge::Nothing, elected);
    let empty = state(masters.address(1)).await;
    assert_eq!(counts(&empty), (0, 0, 0, 0));
    assert_eq!(empty["elected_time"], elected.as_secs_f64());
    assert_eq!(empty["leader"], empty["pid"]);

    masters.know(Knowledge::Agents(0));
    assert_eq!(counts(&state(masters.address(1)).await), (0, 0, 3, 0));
    masters.know(Knowledge::Agents(2));
    let partial = state(masters.address(1)).await;
    let (tasks, agents, recovered, _) = counts(&partial);
    assert!(tasks > 0 && tasks < 100, "{tasks}");
    assert_eq!((agents, recovered), (2, 1));
    assert!(partial["frameworks"][0].get("pid").is_none() && partial["frameworks"][0]["recovered"] == true);
    masters.know(Knowledge::Everything);
    assert_eq!(counts(&state(masters.address(1)).await), (100, 3, 0, 4));

    masters.revive(0, elected).await.unwrap();
    let redirect = client::http(masters.address(0), "/state", &[]).await.unwrap();
    assert_eq!(redirect.headers()[header::LOCATION], format!("//{}/master/state", masters.address(1)));

    masters.elect_slowly(0, 1e9, elected);
    assert_eq!(counts(&state(masters.address(0)).await), (100, 3, 0, 4));
}

#[tokio::test]
async fn lost_agents_take_their_tasks_along() {
    let masters = masters(100, Settings::default()).await;
    let there = masters.cluster().tasks.values().filter(|task| task.agent == 1).count();
    masters.change(|cluster| cluster.lose_agent(1, START));
    let cut = state(masters.address(0)).await;
    assert_eq!(counts(&cut).0, 100 - there);
    assert_eq!(cut["unreachable_slaves"], 1.0);
    masters.change(|cluster| cluster.return_agent(1, START));
    assert_eq!(counts(&state(masters.address(0)).await).0, 100);
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let credentials = Some(("reader".to_owned(), "se:cret".to_owned()));
    let masters = masters(4, Settings { credentials, ..Settings::default() }).await;
    let server = masters.address(0);
    let refused = client::http(server, "/state", &[]).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Basic realm=\"mesos-master-readonly\"");
    let right = [("authorization", "Basic cmVhZGVyOnNlOmNyZXQ=")];
    assert_eq!(client::http(server, "/state", &right).await.unwrap().status(), StatusCode::OK);
    assert_eq!(client::http(server, "/version", &[]).await.unwrap().status(), StatusCode::OK);
    let seen: Vec<_> = masters.requests(0).into_iter().map(|request| request.authorization).collect();
    assert_eq!(seen, [None, Some(right[0].1.to_owned()), None]);
}

#[tokio::test]
async fn old_masters_know_one_path_and_do_not_redirect() {
    let masters = masters(10, Settings { profile: Profile::Old, ..Settings::default() }).await;
    let missing = client::http(masters.address(0), "/master/state", &[]).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    for (master, tasks) in [(0, 10), (1, 0)] {
        let response = client::http(masters.address(master), "/master/state.json", &[]).await.unwrap();
        let state: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(counts(&state).0, tasks);
        assert_eq!(state.get("elected_time").is_some(), master == 0);
    }
}

#[tokio::test]
async fn faults_show() {
    let masters = masters(100, Settings::default()).await;
    let server = masters.address(0);
    for zip in [&[][..], &[("accept-encoding", "gzip")]] {
        masters.fault(0, Fault::Cut { after_bytes: 1000 });
        client::http(server, "/state", zip).await.unwrap_err();
        masters.fault(0, Fault::Drip { every: Duration::from_nanos(1) });
        assert_eq!(client::http(server, "/version", zip).await.unwrap().status(), StatusCode::OK);
        masters.fault(0, Fault::Html);
        assert!(client::http(server, "/state", zip).await.unwrap().body().starts_with(b"<html>"));
        masters.fault(0, Fault::Unavailable);
        let response = client::http(server, "/state", zip).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    masters.fault(0, Fault::Silent);
    let silent = client::http(server, "/state", &[]);
    tokio::time::timeout(Duration::from_millis(200), silent).await.unwrap_err();
    masters.fault(0, Fault::None);
    assert_eq!(counts(&state(server).await).0, 100);
}
