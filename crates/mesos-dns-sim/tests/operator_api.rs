//! The operator API answers as that of a real master: its checks in their order, and documents that show the same
//! cluster as those of old.

#[path = "support/mirror.rs"]
mod mirror;

use std::time::Duration;

use axum::http::{StatusCode, header};
use mesos_dns_sim::{
    client,
    life::{self, Life},
    master::{Masters, Profile, Settings},
    render::Knowledge,
};
use mirror::Mirror;
use serde_json::{Value, json};

const START: Duration = Duration::from_secs(1_700_000_000);

const JSON: (&str, &str) = ("content-type", "application/json");

async fn masters(settings: Settings) -> Masters {
    let (_, cluster) = Life::new(life::Settings { seed: 5, tasks: 100, churn: 0.0 }, START);
    Masters::start(cluster, Settings { ports: vec![0, 0], ..settings }).await.unwrap()
}

async fn call(masters: &Masters, name: &str) -> Value {
    let body = json!({"type": name}).to_string();
    let response = client::post(masters.address(0), "/master/api/v1", &[JSON], &body).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["type"], name);
    answer
}

#[tokio::test]
async fn every_call_is_answered_under_its_name() {
    let masters = masters(Settings::default()).await;
    for (name, member, inner) in [
        ("GET_AGENTS", "get_agents", "agents"),
        ("GET_EXECUTORS", "get_executors", "executors"),
        ("GET_FRAMEWORKS", "get_frameworks", "frameworks"),
        ("GET_HEALTH", "get_health", "healthy"),
        ("GET_MASTER", "get_master", "master_info"),
        ("GET_STATE", "get_state", "get_tasks"),
        ("GET_TASKS", "get_tasks", "tasks"),
        ("GET_VERSION", "get_version", "version_info"),
    ] {
        let answer = call(&masters, name).await;
        assert!(answer[member].get(inner).is_some(), "{name}");
    }
    assert_eq!(masters.requests(0)[0].call.as_deref(), Some("GET_AGENTS"));
}

#[tokio::test]
async fn checks_come_in_the_order_of_mesos() {
    let masters = masters(Settings::default()).await;
    let wrong = ("content-type", "application/json; charset=utf-8");
    let stream = ("accept", "application/recordio");
    let many = ("accept", "text/html, application/json;q=0.5");
    let state = r#"{"type":"GET_MASTER","unknown":1}"#;
    for (headers, body, status) in [
        (&[][..], state, 400),
        (&[wrong], "{", 415),
        (&[("content-type", "Application/JSON")], state, 415),
        (&[JSON], "{", 400),
        (&[JSON, stream], "{", 400),
        (&[JSON, stream], state, 406),
        (&[JSON, many], state, 200),
        (&[JSON, ("accept", "*/*")], state, 200),
        (&[JSON], r#"{"type":"GET_NOTHING"}"#, 400),
        (&[JSON], r#"{"type":"UNKNOWN"}"#, 501),
    ] {
        let response = client::post(masters.address(0), "/api/v1", headers, body).await.unwrap();
        assert_eq!(response.status(), status, "{headers:?} {body}");
    }
    let get = client::http(masters.address(0), "/api/v1", &[]).await.unwrap();
    assert_eq!(
        (get.status(), get.headers()[header::ALLOW].as_bytes()),
        (StatusCode::METHOD_NOT_ALLOWED, &b"POST"[..])
    );

    // A standby redirects before it looks at anything.
    let standby = client::http(masters.address(1), "/api/v1", &[]).await.unwrap();
    assert_eq!(standby.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(standby.headers()[header::LOCATION], format!("//{}/master/api/v1", masters.address(0)));
    masters.elect(1, Knowledge::Nothing, START);
    let early = client::http(masters.address(1), "/api/v1", &[]).await.unwrap();
    assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(early.body(), "Master has not finished recovery");
    masters.depose(START);
    let nobody = client::post(masters.address(1), "/api/v1", &[JSON], state).await.unwrap();
    assert_eq!(
        (nobody.status(), &nobody.body()[..]),
        (StatusCode::SERVICE_UNAVAILABLE, &b"No leader elected"[..])
    );
}

#[tokio::test]
async fn credentials_come_before_all() {
    let credentials = Some(("reader".to_owned(), "secret".to_owned()));
    let masters = masters(Settings { credentials, ..Settings::default() }).await;
    for master in 0..2 {
        let refused = client::http(masters.address(master), "/api/v1", &[]).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Basic realm=\"mesos-master-readwrite\"");
    }
}

#[tokio::test]
async fn both_interfaces_show_one_cluster() {
    let masters = masters(Settings::default()).await;
    masters.elect(0, Knowledge::Agents(0), START);
    for knowledge in [Knowledge::Agents(0), Knowledge::Agents(2), Knowledge::Everything] {
        masters.know(knowledge);
        let old = client::http(masters.address(0), "/state", &[]).await.unwrap();
        let old: Value = serde_json::from_slice(old.body()).unwrap();
        let new = call(&masters, "GET_STATE").await;
        assert_eq!(Mirror::new(&new), Mirror::of_document(&old), "{knowledge:?}");
        let waits = new["get_state"]["get_agents"]["recovered_agents"].as_array().unwrap().len();
        assert_eq!(waits, old["recovered_slaves"].as_array().unwrap().len());
    }
}

#[tokio::test]
async fn old_masters_leave_out_empty_lists_or_have_no_such_api() {
    let masters = masters(Settings { profile: Profile::V1_9, ..Settings::default() }).await;
    let state = call(&masters, "GET_STATE").await;
    assert!(state["get_state"]["get_agents"].get("recovered_agents").is_none());
    let current = self::masters(Settings::default()).await;
    assert_eq!(call(&current, "GET_STATE").await["get_state"]["get_agents"]["recovered_agents"], json!([]));
    let old = self::masters(Settings { profile: Profile::V0_28, ..Settings::default() }).await;
    let missing = client::post(old.address(0), "/api/v1", &[JSON], "{}").await.unwrap();
    assert_ne!(missing.status(), StatusCode::OK);
}
