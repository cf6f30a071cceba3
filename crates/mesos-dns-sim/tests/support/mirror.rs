//! What a careful reader of a stream believes: the rules of `mesos-api.md` section 5.9, as plainly as they can be
//! written, on untyped JSON. It is compared with what the masters' documents say.

// Each test uses a part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A view kept from a snapshot and events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// State by framework id and task id, of tasks that have not ended; with the addresses that they run at.
    pub(crate) tasks: BTreeMap<(String, String), (String, Vec<String>)>,
    /// Addresses by id.
    pub(crate) agents: BTreeMap<String, String>,
    /// Names by id.
    pub(crate) frameworks: BTreeMap<String, String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_last(state: &str) -> bool {
    !matches!(state, "TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING" | "TASK_KILLING")
}

/// The addresses of a status, if it has any and says that the task runs.
fn addresses(status: &Value) -> Option<Vec<String>> {
    let running = matches!(status["state"].as_str(), Some("TASK_RUNNING" | "TASK_KILLING"));
    let infos = each(&status["container_status"]["network_infos"]);
    let found: Vec<String> =
        infos.flat_map(|info| each(&info["ip_addresses"])).map(|at| text(&at["ip_address"])).collect();
    (running && !found.is_empty()).then_some(found)
}

impl Mirror {
    /// From `SUBSCRIBED` or the answer to `GET_STATE`.
    pub(crate) fn new(event: &Value) -> Self {
        let state = match event.get("subscribed") {
            Some(subscribed) => &subscribed["get_state"],
            None => &event["get_state"],
        };
        let mut mirror = Self::default();
        each(&state["get_agents"]["agents"]).for_each(|agent| mirror.agent(agent));
        each(&state["get_frameworks"]["frameworks"]).for_each(|framework| mirror.framework(framework));
        each(&state["get_tasks"]["tasks"]).for_each(|task| mirror.task(task));
        mirror
    }

    /// From `/state`.
    pub(crate) fn of_document(state: &Value) -> Self {
        let mut mirror = Self::default();
        for agent in each(&state["slaves"]) {
            mirror.agents.insert(text(&agent["id"]), text(&agent["pid"]));
        }
        for framework in each(&state["frameworks"]) {
            let id = text(&framework["id"]);
            mirror.frameworks.insert(id.clone(), text(&framework["name"]));
            for task in each(&framework["tasks"]) {
                let at = each(&task["statuses"]).filter_map(addresses).last().unwrap_or_default();
                mirror.tasks.insert((id.clone(), text(&task["id"])), (text(&task["state"]), at));
            }
        }
        mirror
    }

    /// Applies an event; `task` etc. unknown so far are an error, as is a type that nobody knows.
    pub(crate) fn apply(&mut self, event: &Value) -> Result<(), String> {
        match event["type"].as_str() {
            Some("HEARTBEAT") => (),
            Some("AGENT_ADDED") => self.agent(&event["agent_added"]["agent"]),
            Some("AGENT_REMOVED") => {
                let id = text(&event["agent_removed"]["agent_id"]["value"]);
                self.agents.remove(&id).ok_or_else(|| format!("no agent {id}"))?;
            }
            Some("FRAMEWORK_ADDED") => self.framework(&event["framework_added"]["framework"]),
            Some("FRAMEWORK_UPDATED") => self.framework(&event["framework_updated"]["framework"]),
            Some("FRAMEWORK_REMOVED") => {
                let id = text(&event["framework_removed"]["framework_info"]["id"]["value"]);
                self.frameworks.remove(&id).ok_or_else(|| format!("no framework {id}"))?;
                self.tasks.retain(|(framework, _), _| *framework != id);
            }
            Some("TASK_ADDED") => self.task(&event["task_added"]["task"]),
            Some("TASK_UPDATED") => self.update(&event["task_updated"])?,
            other => return Err(format!("an event {other:?}")),
        }
        Ok(())
    }

    /// Without agents that no task runs on: a stream tells of an agent's tasks only, when the agent is cut off.
    pub(crate) fn without_idle_agents(mut self, busy: &BTreeSet<String>) -> Self {
        self.agents.retain(|id, _| busy.contains(id));
        self
    }

    /// Leaves the tasks' states alone.
    pub(crate) fn forget_addresses(&mut self) {
        self.tasks.values_mut().for_each(|(_, addresses)| addresses.clear());
    }

    fn agent(&mut self, agent: &Value) {
        self.agents.insert(text(&agent["agent_info"]["id"]["value"]), text(&agent["pid"]));
    }

    fn framework(&mut self, framework: &Value) {
        let info = &framework["framework_info"];
        self.frameworks.insert(text(&info["id"]["value"]), text(&info["name"]));
    }

    fn task(&mut self, task: &Value) {
        let key = (text(&task["framework_id"]["value"]), text(&task["task_id"]["value"]));
        let at = each(&task["statuses"]).filter_map(addresses).last().unwrap_or_default();
        let state = text(&task["state"]);
        match is_last(&state) {
            true => _ = self.tasks.remove(&key),
            false => _ = self.tasks.insert(key, (state, at)),
        }
    }

    fn update(&mut self, update: &Value) -> Result<(), String> {
        let status = &update["status"];
        let key = (text(&update["framework_id"]["value"]), text(&status["task_id"]["value"]));
        let state = text(&update["state"]);
        if is_last(&state) {
            // Of tasks that are out of reach a second end may be told.
            self.tasks.remove(&key);
            return Ok(());
        }
        let task = self.tasks.get_mut(&key).ok_or_else(|| format!("no task {key:?}"))?;
        task.0 = state;
        task.1 = addresses(status).unwrap_or_else(|| task.1.clone());
        Ok(())
    }
}
