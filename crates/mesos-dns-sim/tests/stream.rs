//! Streams tell what happens, all of it, once and in order.

#[path = "support/mirror.rs"]
mod mirror;

use std::{collections::BTreeSet, time::Duration};

use mesos_dns_sim::{
    client,
    life::{self, Life},
    master::{Beat, Masters, Settings},
    render::Knowledge,
    subscriber::Subscriber,
};
use mirror::Mirror;
use serde_json::Value;

const START: Duration = Duration::from_secs(1_700_000_000);

/// Announced, and never due.
const TOLD: Beat = Beat::Told { announced: Duration::from_secs(15) };

async fn start(tasks: usize, churn: f64, settings: Settings) -> (Life, Masters) {
    let (life, cluster) = Life::new(life::Settings { seed: 5, tasks, churn }, START);
    let masters = Masters::start(cluster, Settings { ports: vec![0, 0], ..settings }).await.unwrap();
    (life, masters)
}

async fn document(masters: &Masters, master: usize) -> Mirror {
    let state = client::http(masters.address(master), "/state", &[]).await.unwrap();
    Mirror::of_document(&serde_json::from_slice(state.body()).unwrap())
}

/// Opens a stream and reads its snapshot and the heartbeat behind it.
async fn open(masters: &Masters, master: usize) -> (Subscriber, Mirror) {
    let mut stream = Subscriber::open(masters.address(master)).await.unwrap();
    let snapshot = stream.event().await.unwrap().unwrap();
    assert_eq!(snapshot["type"], "SUBSCRIBED");
    assert_eq!(snapshot["subscribed"]["heartbeat_interval_seconds"], 15.0);
    assert_eq!(stream.event().await.unwrap().unwrap()["type"], "HEARTBEAT");
    let mirror = Mirror::new(&snapshot);
    (stream, mirror)
}

/// Asks for a heartbeat on the only stream, and reads the events up to it.
async fn events(masters: &Masters, stream: &mut Subscriber) -> Vec<Value> {
    masters.beat();
    up_to_heartbeat(stream).await
}

async fn up_to_heartbeat(stream: &mut Subscriber) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = stream.event().await.unwrap().expect("the stream goes on");
        if event["type"] == "HEARTBEAT" {
            return events;
        }
        events.push(event);
    }
}

async fn follow(masters: &Masters, stream: &mut Subscriber, mirror: &mut Mirror) {
    masters.beat();
    apply(stream, mirror).await;
}

async fn apply(stream: &mut Subscriber, mirror: &mut Mirror) {
    for event in up_to_heartbeat(stream).await {
        mirror.apply(&event).unwrap_or_else(|wrong| panic!("{wrong}: {event}"));
    }
}

#[tokio::test]
async fn snapshot_and_events_make_what_the_documents_say() {
    let (mut life, masters) = start(100, 50.0, Settings { beat: TOLD, ..Settings::default() }).await;
    let mut streams = Vec::new();
    for second in 1..=30 {
        masters.change(|cluster| life.advance(cluster, START + Duration::from_secs(second)));
        if second % 10 == 5 {
            streams.push(open(&masters, 0).await);
        }
        let document = document(&masters, 0).await;
        masters.beat();
        for (stream, mirror) in &mut streams {
            apply(stream, mirror).await;
            assert_eq!(*mirror, document, "second {second}");
        }
    }
    assert_eq!(masters.subscribers(), 3);
}

#[tokio::test]
async fn streams_opened_while_the_cluster_changes_lose_nothing() {
    let (mut life, masters) = start(40, 100.0, Settings { beat: TOLD, ..Settings::default() }).await;
    let changing = async {
        for tenth in 1..=200 {
            masters.change(|cluster| life.advance(cluster, START + Duration::from_millis(100) * tenth));
            tokio::task::yield_now().await;
        }
    };
    let opening = async {
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(open(&masters, 0).await);
        }
        streams
    };
    let ((), mut streams) = tokio::join!(changing, opening);
    let document = document(&masters, 0).await;
    masters.beat();
    for (stream, mirror) in &mut streams {
        apply(stream, mirror).await;
        assert_eq!(*mirror, document);
    }
}

#[tokio::test]
async fn what_befalls_agents_and_frameworks_is_told() {
    let (_, masters) = start(100, 0.0, Settings { beat: TOLD, ..Settings::default() }).await;
    let (mut stream, mut mirror) = open(&masters, 0).await;
    let later = START + Duration::from_secs(100);
    masters.change(|cluster| cluster.lose_agent(1, later));
    follow(&masters, &mut stream, &mut mirror).await;
    let busy: BTreeSet<String> = masters
        .cluster()
        .agents
        .iter()
        .filter(|agent| agent.is_registered())
        .map(|agent| agent.id.clone())
        .collect();
    assert_eq!(mirror.agents.len(), 3, "no event tells that an agent is cut off");
    assert_eq!(mirror.clone().without_idle_agents(&busy), document(&masters, 0).await);
    masters.change(|cluster| cluster.return_agent(1, later));
    masters.change(|cluster| cluster.reincarnate(2, later));
    masters.change(|cluster| cluster.rename_framework(0, "marathon-2"));
    masters.change(|cluster| cluster.tear_down(1, later));
    follow(&masters, &mut stream, &mut mirror).await;
    assert_eq!(mirror, document(&masters, 0).await);
    assert_eq!(mirror.frameworks.values().filter(|name| *name == "marathon-2").count(), 1);
}

#[tokio::test]
async fn agents_that_come_back_to_a_new_leader_are_told_one_by_one() {
    let (_, masters) = start(400, 0.0, Settings { beat: TOLD, ..Settings::default() }).await;
    let (mut old, _) = open(&masters, 0).await;
    masters.elect(1, Knowledge::Agents(0), START + Duration::from_secs(60));
    // The body of a stream that its master leaves is not finished.
    while let Ok(Some(_)) = old.event().await {}
    let (mut stream, mut mirror) = open(&masters, 1).await;
    assert_eq!(mirror, Mirror::default());
    let agents = masters.cluster().agents.len();
    for back in 1..=agents {
        masters.know(Knowledge::Agents(back));
        follow(&masters, &mut stream, &mut mirror).await;
        assert_eq!(mirror.agents.len(), back);
        assert_eq!(mirror, document(&masters, 1).await, "{back} agents are back");
    }
    masters.know(Knowledge::Everything);
    let told = events(&masters, &mut stream).await;
    assert!(told.iter().all(|event| event["type"] == "FRAMEWORK_UPDATED"), "{told:?}");
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn one_stream_too_many_ends_the_oldest() {
    let settings = Settings { beat: TOLD, subscribers_max: 2, ..Settings::default() };
    let (_, masters) = start(10, 0.0, settings).await;
    let (mut oldest, _) = open(&masters, 0).await;
    let (mut second, _) = open(&masters, 0).await;
    let (mut third, _) = open(&masters, 0).await;
    while let Ok(Some(_)) = oldest.event().await {}
    assert_eq!(masters.subscribers(), 2);
    masters.beat();
    assert!(up_to_heartbeat(&mut second).await.is_empty());
    assert!(up_to_heartbeat(&mut third).await.is_empty());
}

#[tokio::test]
async fn heartbeats_come_by_themselves() {
    let beat = Beat::Every(Duration::from_millis(20));
    let (_, masters) = start(10, 0.0, Settings { beat, ..Settings::default() }).await;
    let mut stream = Subscriber::open(masters.address(0)).await.unwrap();
    let snapshot = stream.event().await.unwrap().unwrap();
    assert_eq!(snapshot["subscribed"]["heartbeat_interval_seconds"], 0.02);
    for _ in 0..5 {
        assert_eq!(stream.event().await.unwrap().unwrap()["type"], "HEARTBEAT");
    }
}

#[tokio::test]
async fn a_killed_master_takes_its_streams_along() {
    let (_, masters) = start(10, 0.0, Settings { beat: TOLD, ..Settings::default() }).await;
    let (mut stream, _) = open(&masters, 0).await;
    masters.kill(0).await;
    assert!(!matches!(stream.event().await, Ok(Some(_))));
    assert_eq!(masters.subscribers(), 0);
}
