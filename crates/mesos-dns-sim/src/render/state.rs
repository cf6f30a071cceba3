//! The document of `/state`.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{Each, View, agent, flag_values, framework::Framework, recovered, task};
use crate::{cluster::Task, profile::Profile};

pub(super) struct Document<'a>(pub(super) View<'a>);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let profile = view.profile;
        let mut map = serializer.serialize_map(None)?;
        self.master(&mut map)?;
        map.serialize_entry("cluster", "simulated")?;
        map.serialize_entry("flags", &flag_values())?;
        map.serialize_entry(
            "slaves",
            &Each(|| {
                let known = view.agents(|at| view.knows(at));
                known.map(|at| agent::registered(&view.cluster.agents[at], profile))
            }),
        )?;
        if profile.shows_recovery() {
            map.serialize_entry("recovered_slaves", &recovered(view))?;
        }
        let shown = || view.frameworks().filter(|at| !self.is_orphaned(*at));
        let of = |at| Framework { view, framework: at };
        map.serialize_entry("frameworks", &Each(|| shown().map(of)))?;
        map.serialize_entry("completed_frameworks", &Each(|| view.completed_frameworks().map(of)))?;
        map.serialize_entry("orphan_tasks", &Each(|| self.orphans().map(|one| task::task(view, one))))?;
        let missing = || view.frameworks().filter(|at| self.is_orphaned(*at));
        map.serialize_entry(
            "unregistered_frameworks",
            &Each(|| missing().map(|at| &view.cluster.frameworks[at].id)),
        )?;
        map.end()
    }
}

impl Document<'_> {
    fn master<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let view = self.0;
        let profile = view.profile;
        map.serialize_entry("version", profile.version())?;
        map.serialize_entry("build_date", "2020-11-17 18:21:40")?;
        map.serialize_entry("build_time", &1_605_637_300.0)?;
        map.serialize_entry("build_user", "")?;
        map.serialize_entry("start_time", &view.master.started.as_secs_f64())?;
        if let Some(elected) = view.elected {
            map.serialize_entry("elected_time", &elected.as_secs_f64())?;
        }
        map.serialize_entry("id", &view.master.id)?;
        map.serialize_entry("pid", &view.master.pid())?;
        map.serialize_entry("hostname", &view.master.address.ip())?;
        if profile.has_heartbeat() {
            map.serialize_entry("capabilities", &["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"])?;
        }
        let known = view.agents(|at| view.knows(at)).count();
        map.serialize_entry("activated_slaves", &(known as f64))?;
        map.serialize_entry("deactivated_slaves", &0.0)?;
        if profile.shows_recovery() {
            map.serialize_entry("unreachable_slaves", &(view.unreachable_agents() as f64))?;
        }
        if profile == Profile::Old {
            for counter in ["staged_tasks", "started_tasks", "finished_tasks", "killed_tasks", "failed_tasks"]
            {
                map.serialize_entry(counter, &0.0)?;
            }
            map.serialize_entry("lost_tasks", &0.0)?;
        }
        let Some(leader) = view.leader else { return Ok(()) };
        map.serialize_entry("leader", &leader.pid())?;
        if profile.shows_recovery() {
            let (port, hostname) = (leader.address.port(), leader.address.ip());
            let info = json!({"id": leader.id, "pid": leader.pid(), "port": port, "hostname": hostname});
            map.serialize_entry("leader_info", &info)?;
        }
        Ok(())
    }

    /// Before 1.2 a framework is shown only once its scheduler came back.
    fn is_orphaned(&self, framework: usize) -> bool {
        !self.0.profile.shows_recovery() && !self.0.memory.knows_scheduler(framework)
    }

    fn orphans(&self) -> impl Iterator<Item = &Task> {
        self.0.all_tasks().filter(|task| self.is_orphaned(self.0.cluster.service(task).framework))
    }
}
