//! What events leave out, and what they set right of that.

use std::sync::Arc;

use super::{
    super::{Omission, SkippedPart},
    Change, Model, Task, TaskUpdate,
};

impl Model {
    /// Takes in what of an event could not be used.
    pub(super) fn omit(&mut self, omissions: Box<[Omission]>) {
        omissions.into_iter().for_each(|omission| self.cluster.omissions.add(omission));
        self.touched.omissions = true;
    }

    /// What an event says anew is no longer left out, nor is what belongs to something that is gone.
    pub(super) fn set_right(&mut self, change: &Change) {
        let omissions = &mut self.cluster.omissions;
        let all = &SkippedPart::ALL;
        self.touched.omissions |= match change {
            Change::AgentAdded(agent) => omissions.forget_agent(&agent.id),
            Change::AgentRemoved(id) => {
                let tasks = self.tasks_on.get(id).map_or(&[][..], Vec::as_slice);
                let forget = |had_any, task: &Arc<Task>| {
                    had_any | omissions.forget_task(&task.framework_id, &task.id, all)
                };
                tasks.iter().fold(false, forget) | omissions.forget_agent(id)
            }
            Change::FrameworkAdded(framework) => {
                omissions.forget_framework(&framework.id, SkippedPart::Framework)
            }
            Change::FrameworkAt { id, .. } => omissions.forget_framework(id, SkippedPart::FrameworkAddress),
            Change::FrameworkRemoved(id) => omissions.forget_all_of(id),
            Change::Omitted(_) => false,
            Change::TaskAdded(task) => omissions.forget_task(&task.framework_id, &task.id, all),
            Change::TaskEnded { framework_id, id } => omissions.forget_task(framework_id, id, all),
            Change::TaskUpdated(TaskUpdate { framework_id, id, running, .. }) => {
                let tells_addresses = running.as_ref().is_some_and(|status| status.addresses.is_some());
                let is_known = self.cluster.tasks.get((&**framework_id, &**id)).is_some();
                let parts = match tells_addresses {
                    true => &[SkippedPart::Task, SkippedPart::TaskAddress][..],
                    false => &[SkippedPart::Task],
                };
                is_known && omissions.forget_task(framework_id, id, parts)
            }
        };
    }
}
