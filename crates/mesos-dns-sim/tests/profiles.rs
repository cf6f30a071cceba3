//! Each profile is the Mesos it says it is.

use std::{net::SocketAddr, time::Duration};

use axum::http::{StatusCode, header};
use mesos_dns_core::{cluster::Agent, mesos::state::decode};
use mesos_dns_sim::{
    client,
    life::{self, Life},
    master::{Beat, Masters, Profile, Settings},
    render::Knowledge,
    subscriber::Subscriber,
};
use serde_json::Value;

const START: Duration = Duration::from_secs(1_700_000_000);

async fn masters(profile: Profile) -> Masters {
    let (_, cluster) = Life::new(life::Settings { seed: 5, tasks: 40, churn: 0.0 }, START);
    let beat = Beat::Told { announced: Duration::from_secs(15) };
    let settings = Settings { ports: vec![0, 0], beat, profile, ..Settings::default() };
    Masters::start(cluster, settings).await.unwrap()
}

async fn status(server: SocketAddr, target: &str) -> StatusCode {
    client::http(server, target, &[]).await.unwrap().status()
}

/// The state document as text; most profiles write more than JSON's values tell.
async fn text(server: SocketAddr, profile: Profile) -> String {
    let target = if profile.has_state() { "/master/state" } else { "/master/state.json" };
    let response = client::http(server, target, &[]).await.unwrap();
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[tokio::test]
async fn paths_and_standbys_are_those_of_the_version() {
    use Profile::{Current, Old, V0_25, V0_28, V1_0, V1_4, V1_5, V1_6, V1_9};

    for (profile, state, json, standby, location) in [
        (Old, 404, 200, 200, ""),
        (V0_25, 200, 200, 200, ""),
        (V0_28, 200, 200, 200, ""),
        (V1_0, 200, 200, 307, "/master/state"),
        (V1_4, 200, 200, 307, "/master/state?x=1"),
        (V1_5, 200, 200, 307, "/master/state?x=1"),
        (V1_6, 200, 200, 307, "/master/state?x=1"),
        (V1_9, 200, 404, 307, "/master/state?x=1"),
        (Current, 200, 404, 307, "/master/state?x=1"),
    ] {
        let masters = masters(profile).await;
        assert_eq!(status(masters.address(0), "/state").await, state, "{profile:?}");
        assert_eq!(status(masters.address(0), "/state.json").await, json, "{profile:?}");
        let target = if profile.has_state() { "/state?x=1" } else { "/state.json?x=1" };
        let answer = client::http(masters.address(1), target, &[]).await.unwrap();
        assert_eq!(answer.status(), standby, "{profile:?}");
        if !location.is_empty() {
            let expected = format!("//{}{location}", masters.address(0));
            assert_eq!(answer.headers()[header::LOCATION], expected, "{profile:?}");
        }
    }
}

#[tokio::test]
async fn documents_have_the_members_of_the_version() {
    for profile in Profile::ALL {
        let masters = masters(profile).await;
        let text = text(masters.address(0), profile).await;
        for (needle, expected) in [
            (r#""recovered_slaves":"#, profile.shows_recovery()),
            (r#""unreachable_tasks":"#, profile.shows_recovery()),
            (r#""fault_domain":"#, profile.has_domains()),
            (r#""Infinity""#, profile == Profile::Current),
            (r#""deactivated":"#, profile.has_drain()),
            (r#""health_check":"#, profile.has_drain()),
            (r#""staged_tasks":"#, profile == Profile::Old),
            ("[31000-31000, 31001-31001", profile == Profile::Old),
            (r#""container_status":"#, profile != Profile::Old),
            (r#""ip_address":"#, profile != Profile::Old),
            (r#""ip_addresses":"#, profile.has_container()),
            ("Docker.NetworkSettings.IPAddress", profile == Profile::V0_28),
            (r#""activated_slaves":3.0"#, profile.writes_new_json()),
            (r"\/data\/cassandra", !profile.writes_new_json()),
            (r#""/data/cassandra""#, profile.writes_new_json()),
            (r#""active":true,"active":true"#, profile == Profile::V0_25),
            (r#""orphan_tasks":[]"#, true),
        ] {
            assert_eq!(text.contains(needle), expected, "{profile:?}: {needle}");
        }
    }
}

#[tokio::test]
async fn the_decoder_reads_every_version_alike() {
    let mut portraits = Vec::new();
    for profile in Profile::ALL {
        let masters = masters(profile).await;
        let read = decode(text(masters.address(0), profile).await.as_bytes()).unwrap();
        let mut tasks: Vec<_> = read
            .tasks
            .iter()
            .map(|task| (task.id.clone(), task.name.clone(), task.state, task.ports.clone()))
            .collect();
        tasks.sort_by(|one, other| one.0.cmp(&other.0));
        portraits.push((read.agents, tasks));
    }
    for (portrait, profile) in portraits.iter().zip(Profile::ALL) {
        // Fault domains came with 1.4.
        let place = |agent: &Agent| agent.place.clone().filter(|_| profile.has_domains());
        let agents = portraits[0].0.iter().map(|agent| Agent { place: place(agent), ..agent.clone() });
        assert_eq!(portrait.0, agents.collect::<Vec<_>>());
        // Old masters write the ports of a task one by one.
        let names = |tasks: &[_]| format!("{:?}", tasks.len());
        assert_eq!(names(&portrait.1), names(&portraits[0].1));
    }
    let current: Vec<_> = portraits[0].1.iter().map(|(id, name, state, _)| (id, name, state)).collect();
    for (_, tasks) in &portraits {
        let these: Vec<_> = tasks.iter().map(|(id, name, state, _)| (id, name, state)).collect();
        assert_eq!(these, current);
    }
}

#[tokio::test]
async fn before_1_2_tasks_of_schedulers_that_are_away_are_orphans() {
    let masters = masters(Profile::V1_0).await;
    masters.elect(0, Knowledge::Agents(3), START);
    let state: Value = serde_json::from_str(&text(masters.address(0), Profile::V1_0).await).unwrap();
    assert_eq!(state["frameworks"], Value::Array(Vec::new()));
    assert_eq!(state["orphan_tasks"].as_array().unwrap().len(), 40);
    assert_eq!(state["unregistered_frameworks"].as_array().unwrap().len(), 4);
    masters.know(Knowledge::Everything);
    let state: Value = serde_json::from_str(&text(masters.address(0), Profile::V1_0).await).unwrap();
    assert_eq!(state["orphan_tasks"], Value::Array(Vec::new()));
}

/// The events that a stream of this version brings for the same story.
async fn story(profile: Profile) -> Option<Vec<Value>> {
    let (mut life, cluster) = Life::new(life::Settings { seed: 5, tasks: 40, churn: 0.0 }, START);
    let beat = Beat::Told { announced: Duration::from_secs(15) };
    let settings = Settings { ports: vec![0], beat, profile, ..Settings::default() };
    let masters = Masters::start(cluster, settings).await.unwrap();
    let mut stream = Subscriber::open(masters.address(0)).await.ok()?;
    masters.change(|cluster| {
        let checked = cluster.tasks.values().find(|task| task.healthy == Some(true)).unwrap().launch;
        cluster.report(checked, mesos_dns_sim::cluster::State::Running, Some(false), START);
        cluster.add_agent(START);
        for _ in 0..3 {
            life.start(cluster, 0, None, START);
        }
        life.advance(cluster, START + Duration::from_secs(10));
    });
    masters.beat();
    masters.evict();
    let mut told = Vec::new();
    while let Some(event) = stream.event().await.unwrap() {
        told.push(event);
    }
    Some(told)
}

#[tokio::test]
async fn streams_have_the_quirks_of_the_version() {
    use Profile::{Current, Old, V0_25, V0_28, V1_0, V1_4, V1_5, V1_6, V1_9};

    for profile in [Old, V0_25, V0_28] {
        assert_eq!(story(profile).await, None, "{profile:?}");
    }
    // Health, an agent, three launches of which one is told late.
    for (profile, first, agents, updates, beats) in [
        (V1_0, "SUBSCRIBED", 0, 5, 0),
        (V1_4, "SUBSCRIBED", 1, 5, 0),
        (V1_5, "HEARTBEAT", 1, 5, 2),
        (V1_6, "SUBSCRIBED", 1, 5, 2),
        (V1_9, "SUBSCRIBED", 1, 7, 2),
        (Current, "SUBSCRIBED", 1, 7, 2),
    ] {
        let told = story(profile).await.unwrap();
        let count = |kind: &str| told.iter().filter(|told| told["type"] == kind).count();
        assert_eq!(told[0]["type"], first, "{profile:?}");
        let counts = (count("AGENT_ADDED"), count("TASK_UPDATED"), count("HEARTBEAT"));
        assert_eq!(counts, (agents, updates, beats), "{profile:?}");
        assert_eq!(count("TASK_ADDED"), 3, "{profile:?}");
        let update = &told.iter().find(|told| told["type"] == "TASK_UPDATED").unwrap()["task_updated"];
        // The shape of 1.0 has the task's id and no status.
        assert_eq!(update.get("task_id").is_some(), profile == V1_0);
        assert_eq!(update.get("status").is_some(), profile != V1_0);
        let snapshot = told.iter().find(|told| told["type"] == "SUBSCRIBED").unwrap();
        let empty = snapshot.pointer("/subscribed/get_state/get_tasks/unreachable_tasks");
        assert_eq!(empty.is_some(), profile == Current);
    }
}
