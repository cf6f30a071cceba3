//! Each scenario in `test-data/scenarios/` is played in made-up time, with a subscriber that notes what it is told.
//!
//! The notes stand beside the scenario as `NAME.told.txt`; `UPDATE_SCENARIOS=1` writes them anew, for the diff to be
//! read. A time is that of the script; equal events in a row are counted.

#[path = "support/mirror.rs"]
mod mirror;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mesos_dns_sim::{
    client,
    master::{Beat, Fault, Masters, Settings},
    scenario::{Action, Player, Scenario, Told},
    subscriber::Subscriber,
};
use mirror::Mirror;
use serde_json::Value;

const START: Duration = Duration::from_secs(1_700_000_000);

/// How long nothing must come while a master misbehaves until that is called silence.
const SILENCE: Duration = Duration::from_millis(300);

/// Time that is played behind the last step where things happen by themselves for ever.
const REST: Duration = Duration::from_secs(10);

/// Somebody who listens, starts over when a stream ends, and takes notes.
#[derive(Default)]
struct Listener {
    stream: Option<(Subscriber, Mirror)>,
    /// Whether everything that was told could be applied.
    sound: bool,
    notes: Vec<(String, String, usize)>,
    /// What was believed when the last stream ended.
    last: Mirror,
    now: String,
}

impl Listener {
    fn note(&mut self, text: String) {
        match self.notes.last_mut() {
            Some((now, last, count)) if *now == self.now && *last == text => *count += 1,
            Some((_, last, _)) if text.starts_with("no stream") && *last == text => (),
            _ => self.notes.push((self.now.clone(), text, 1)),
        }
    }

    async fn open(&mut self, masters: &Masters, patience: Duration) {
        let master = masters.leader().unwrap_or_default();
        let opening = Subscriber::open(masters.address(master));
        match tokio::time::timeout(patience, opening).await {
            Ok(Ok(stream)) => {
                self.note(format!("the stream of master {master} opens"));
                self.stream = Some((stream, Mirror::default()));
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                self.note(format!("no stream: master {master} refuses"));
            }
            Ok(Err(error)) => self.note(format!("no stream: master {master} answers {error}")),
            Err(_) => self.note(format!("no stream: master {master} is silent")),
        }
    }

    /// Reads up to the next heartbeat.
    async fn read(&mut self, patience: Duration) {
        loop {
            let Some((stream, _)) = &mut self.stream else { return };
            match tokio::time::timeout(patience, stream.record()).await {
                Ok(Ok(Some(record))) if record.is_empty() => self.note("an empty record".into()),
                Ok(Ok(Some(record))) => {
                    let event: Value = serde_json::from_slice(&record).unwrap();
                    if event["type"] == "HEARTBEAT" {
                        return;
                    }
                    self.hear(&event);
                }
                Ok(Ok(None)) => return self.end("the stream ends".into()),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return self.end(format!("the stream is broken: {error}"));
                }
                Ok(Err(_)) => return self.end("the stream breaks off".into()),
                Err(_) => return self.end("the stream is silent and given up".into()),
            }
        }
    }

    fn end(&mut self, text: String) {
        self.note(text);
        if let Some((_, mirror)) = self.stream.take() {
            self.last = mirror;
        }
    }

    fn hear(&mut self, event: &Value) {
        self.note(portrait(event));
        let Some((_, mirror)) = &mut self.stream else { return };
        if event["type"] == "SUBSCRIBED" {
            *mirror = Mirror::new(event);
        } else {
            self.sound &= mirror.apply(event).is_ok();
        }
    }
}

/// An event in a line.
fn portrait(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let detail = match kind {
        "SUBSCRIBED" => {
            let state = &event["subscribed"]["get_state"];
            format!(
                "{} tasks, {} agents, {} recovered, {} frameworks",
                count(&state["get_tasks"]["tasks"]),
                count(&state["get_agents"]["agents"]),
                count(&state["get_agents"]["recovered_agents"]),
                count(&state["get_frameworks"]["frameworks"]),
            )
        }
        "TASK_ADDED" => text(&event["task_added"]["task"]["state"]),
        "TASK_UPDATED" => {
            let update = &event["task_updated"];
            let healthy = match update["status"]["healthy"].as_bool() {
                Some(true) => ", healthy",
                Some(false) => ", unhealthy",
                None => "",
            };
            let (state, told) = (text(&update["state"]), text(&update["status"]["state"]));
            let late = if state == told { String::new() } else { format!(", told {told}") };
            format!("{state}{late}{healthy}")
        }
        "AGENT_ADDED" => text(&event["agent_added"]["agent"]["agent_info"]["id"]["value"])[37..].to_owned(),
        "AGENT_REMOVED" => text(&event["agent_removed"]["agent_id"]["value"])[37..].to_owned(),
        "FRAMEWORK_ADDED" | "FRAMEWORK_UPDATED" => {
            let framework = &event[kind.to_ascii_lowercase()]["framework"];
            let recovered = if framework["recovered"] == true { ", recovered" } else { "" };
            text(&framework["framework_info"]["name"]) + recovered
        }
        "FRAMEWORK_REMOVED" => text(&event["framework_removed"]["framework_info"]["name"]),
        _ => String::new(),
    };
    format!("{kind} {detail}")
}

/// Plays a scenario and returns the notes.
async fn play(scenario: &Scenario) -> String {
    let (mut player, cluster) = Player::new(scenario, START);
    let beat = Beat::Told { announced: scenario.heartbeat };
    let masters = Masters::start(cluster, Settings { beat, ..scenario.settings(&[]) }).await.unwrap();
    let mut listener = Listener { sound: true, now: "0.000".into(), ..Listener::default() };
    let (mut silent, mut trouble) = (vec![false; scenario.masters], false);
    let end = START + scenario.steps.last().map_or(Duration::ZERO, |step| step.at) + REST;
    let mut due = Some(START);
    while let Some(now) = due.filter(|due| *due <= end) {
        let told = player.advance(&masters, now).await.unwrap();
        listener.now = format!("{:.3}", (now - START).as_secs_f64());
        for told in told {
            let Told::Step { action, .. } = told else { continue };
            listener.notes.push((listener.now.clone(), format!("# {action:?}"), 1));
            if let Action::Fault { master, fault, .. } = action {
                silent[master] = matches!(fault, Fault::HalfOpen { .. } | Fault::NoHeartbeat | Fault::Silent);
                trouble = true;
            }
        }
        let patience = if silent.contains(&true) { SILENCE } else { client::TIMEOUT };
        match listener.stream {
            Some(_) => masters.beat(),
            None => listener.open(&masters, patience).await,
        }
        // Where masters have no heartbeat, all is read at the end.
        if scenario.profile.has_heartbeat() {
            listener.read(patience).await;
        }
        due = player.next_due();
    }
    if let (Some((_, mirror)), Some(leader), true) = (&listener.stream, masters.leader(), !trouble) {
        let mut mirror = mirror.clone();
        if !scenario.profile.has_heartbeat() {
            masters.evict();
            listener.read(client::TIMEOUT).await;
            mirror = std::mem::take(&mut listener.last);
        }
        assert!(listener.sound, "something told could not be applied");
        let state = client::http(masters.address(leader), "/state", &[]).await.unwrap();
        let mut document = Mirror::of_document(&serde_json::from_slice(state.body()).unwrap());
        if !scenario.profile.tells_statuses() {
            // Such streams do not tell all addresses.
            mirror.forget_addresses();
            document.forget_addresses();
        }
        assert_eq!((&mirror.tasks, &mirror.frameworks), (&document.tasks, &document.frameworks));
        assert!(document.agents.keys().all(|agent| mirror.agents.contains_key(agent)));
    }
    let notes = listener.notes.into_iter().map(|(now, text, count)| match count {
        1 => format!("{now:>8}  {text}\n"),
        _ => format!("{now:>8}  {text} ({count} times)\n"),
    });
    notes.collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/scenarios")
}

#[tokio::test]
async fn every_scenario_is_told_as_noted() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert!(files.len() >= 15, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let scenario =
            Scenario::read(&fs::read(&file).unwrap()).unwrap_or_else(|error| panic!("{file:?}: {error:?}"));
        let notes = play(&scenario).await;
        let beside = file.with_extension("told.txt");
        if env::var_os("UPDATE_SCENARIOS").is_some() {
            fs::write(&beside, &notes).unwrap();
        } else if fs::read_to_string(&beside).unwrap_or_default() != notes {
            wrong.push(format!("{}:\n{notes}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "not as noted (UPDATE_SCENARIOS=1 notes it anew):\n{}", wrong.join("\n"));
}
