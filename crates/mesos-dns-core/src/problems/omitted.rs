//! What of the master's words could not be used, as problems.
//!
//! Of a task that is known, it is a problem of its service, as everything else. What cannot be used at all is told under
//! the name that could be read, else by its id; where neither can, by where it stands. Of such things those of one
//! framework are one problem: where they stand changes with every document.

use std::collections::BTreeMap;

use super::{Kind, Listed, OWNERS_MAX, Owner, Problem};
use crate::cluster::{Cluster, Omission};

/// What makes things one problem.
type Group = (Kind, Owner, String);

/// Adds what was left out to what was found.
pub(super) fn find(cluster: &Cluster, found: &mut BTreeMap<Kind, Listed>) {
    if cluster.omissions.is_empty() {
        return;
    }
    let mut omissions: Vec<&Omission> = cluster.omissions.iter().map(|omission| &**omission).collect();
    omissions.sort_unstable_by_key(|omission| (&omission.whose.task, omission.whose.at));
    let mut groups: BTreeMap<Group, Problem> = BTreeMap::new();
    for omission in omissions {
        let (group, owner) = (group(cluster, omission), owner(omission));
        let is_task = owner.task.is_some() || group.0 == Kind::SkippedTask;
        let names = Some(&group.2).filter(|name| !name.is_empty() && !is_id(omission, name));
        let names = names.into_iter().cloned().collect();
        let new = Problem { kind: group.0, owners: Vec::new(), names, tasks: 0 };
        let problem = groups.entry(group).or_insert(new);
        problem.tasks = problem.tasks.saturating_add(u64::from(is_task));
        if problem.owners.len() < OWNERS_MAX {
            problem.owners.push(owner);
        }
    }
    for ((kind, ..), problem) in groups {
        found.entry(kind).or_default().add(problem);
    }
}

fn group(cluster: &Cluster, omission: &Omission) -> Group {
    let (kind, whose) = (Kind::from(omission.part), &omission.whose);
    let of = Owner { framework: whose.framework.clone(), ..Owner::default() };
    let Some(task) = &whose.task else {
        let of = if whose.at.is_some() { of } else { Owner { agent: whose.agent.clone(), ..of } };
        return (kind, of, omission.name.to_string());
    };
    let framework = whose.framework.as_deref().unwrap_or_default();
    let name = match cluster.tasks.get((framework, &**task)) {
        Some(known) => known.service_name(),
        None => &omission.name,
    };
    let name = if name.is_empty() { task } else { name };
    (kind, of, name.to_string())
}

/// Whether a problem is known by the id of its only task, for want of a name.
fn is_id(omission: &Omission, name: &str) -> bool {
    omission.name.is_empty() && omission.whose.task.as_deref() == Some(name)
}

fn owner(omission: &Omission) -> Owner {
    let whose = &omission.whose;
    let task = whose.task.as_deref().map(Box::from);
    // Where a task runs is said only where its framework is not known.
    let agent = whose.agent.clone().filter(|_| task.is_none() || whose.framework.is_none());
    Owner { agent, framework: whose.framework.clone(), task, at: whose.at }
}
