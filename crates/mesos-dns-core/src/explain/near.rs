//! Names near one that is not there.
//!
//! Who asks for `My_App.marathon.mesos` means the task of that name, whose label is `my-app`. So names are compared
//! without what labels cannot hold, both as they are and as somebody wrote them.

use std::collections::BTreeSet;

use super::{Known, told::NearMiss};
use crate::{
    records::{Data, Maker},
    wire::Name,
    zone::Snapshot,
};

/// Most names that are told.
const MISSES_MAX: usize = 10;

/// The nearest name above that is there.
pub(super) fn nearest(name: &Name, zone: &Snapshot) -> Option<String> {
    let mut above = name.parent();
    while let Some(name) = above.filter(|name| name.is_within(zone.apex())) {
        if zone.find(name.as_wire()).is_some() {
            return Some(name.to_string());
        }
        above = name.parent();
    }
    None
}

/// Names that are there and differ only by what labels cannot hold.
pub(super) fn misses(name: &Name, known: &Known<'_>) -> Vec<NearMiss> {
    let Known { cluster, policy, zone, .. } = *known;
    let asked = bare(&name.to_string());
    let mut misses = BTreeSet::new();
    let mut maker = Maker::new(cluster, policy);
    for task in cluster.tasks.iter() {
        let agent = cluster.agents.get(&*task.agent_id);
        let framework = cluster.frameworks.get(&*task.framework_id);
        let (Some(agent), Some(framework)) = (agent, framework) else { continue };
        let written = format!("{}.{}.{}.", task.service_name(), framework.name, policy.domain);
        let is_written = bare(&written) == asked;
        let mut met = None;
        maker.contribution(task, framework, agent, &mut |record| {
            let is_known = matches!(record.data, Data::Reverse(_)) || met.as_ref() == Some(&record.owner);
            if is_known || misses.len() >= MISSES_MAX {
                return;
            }
            let there =
                record.owner.name().filter(|owner| *owner != name && zone.find(owner.as_wire()).is_some());
            let text = there.map(ToString::to_string);
            let is_first = is_written && met.is_none();
            if let Some(name) = text.filter(|text| is_first || bare(text) == asked) {
                misses.insert(NearMiss { name, written: written.clone() });
            }
            met = Some(record.owner);
        });
    }
    misses.into_iter().collect()
}

/// A name without what labels cannot hold, in lower case.
fn bare(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_labels_cannot_hold_is_left_out() {
        for (one, other) in [
            ("My_App.marathon.mesos.", "my-app.marathon.mesos."),
            ("/prod/web.marathon.mesos.", "prodweb.marathon.mesos."),
            ("a.b.marathon.mesos.", "a-b.marathon.mesos."),
        ] {
            assert_eq!(bare(one), bare(other));
        }
        assert_ne!(bare("web.marathon.mesos."), bare("web2.marathon.mesos."));
    }
}
