//! What an event says of one agent, framework or task.

use super::{
    operator::{RawFramework, read_id},
    *,
};
use crate::cluster::{Change, RunningStatus, TaskUpdate};

/// Where one of the things that an event is about cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mesos) struct Unusable(pub(in crate::mesos) &'static str);

impl Elements {
    /// The id of a removed framework, from its `framework_info`.
    pub(in crate::mesos) fn framework_info_id(&mut self, json: &[u8]) -> Option<Arc<str>> {
        read(json, RawFramework::read_info).map(|raw| self.names.get(raw.id()))
    }

    /// The text of an id, which is not empty.
    pub(in crate::mesos) fn id(&mut self, json: &[u8]) -> Option<Arc<str>> {
        let id = whole(json, read_id).filter(|id| !id.is_empty())?;
        Some(self.names.get(&id))
    }

    /// What a task means that just entered its framework, in whatever state.
    pub(in crate::mesos) fn task_added(&mut self, json: &[u8], skipped: &mut Skipped) -> Option<Change> {
        let raw = read(json, RawTask::read_operator)?;
        Some(match present(&raw.state) {
            Some(state) => Change::TaskAdded(self.living_task(&raw, state, skipped)),
            None => {
                Change::TaskEnded { framework_id: self.names.get(&raw.framework_id), id: (&*raw.id).into() }
            }
        })
    }

    /// What an update of a task means, and the time of its status (0 if it has none); the error says what is missing.
    pub(in crate::mesos) fn task_updated(
        &mut self,
        json: &[u8],
        skipped: &mut Skipped,
    ) -> Result<(Change, f64), Unusable> {
        let raw = whole(json, RawUpdate::read).ok_or(Unusable("a member has the wrong type"))?;
        let status = raw.status;
        if raw.framework_id.is_empty() || raw.id.is_empty() {
            return Err(Unusable("an id is missing"));
        }
        let state = if raw.state.is_empty() { &status.state } else { &raw.state };
        if state.is_empty() {
            return Err(Unusable("there is no state"));
        }
        let (framework_id, id) = (self.names.get(&raw.framework_id), (&*raw.id).into());
        let timestamp = status.timestamp;
        let Some(state) = present(state) else {
            return Ok((Change::TaskEnded { framework_id, id }, timestamp));
        };
        let running = match &*status.state {
            "TASK_RUNNING" => Some(
                self.running_status(status, skipped)
                    .map_err(|_| Unusable("a member of the status has the wrong type"))?,
            ),
            _ => None,
        };
        Ok((Change::TaskUpdated(TaskUpdate { framework_id, id, state, running }), timestamp))
    }

    /// The addresses are `None` only where nothing was said of them.
    fn running_status(
        &mut self,
        mut status: RawStatus<'_>,
        skipped: &mut Skipped,
    ) -> Result<RunningStatus, JsonError> {
        status.unwrap_labels()?;
        let raw = RawAddresses::read(&status)?;
        let said = status.container.is_some_and(|container| container != b"null") || !raw.labels.is_empty();
        let addresses = said.then(|| self.addresses(&raw, skipped));
        Ok(RunningStatus { healthy: status.healthy, addresses })
    }
}

/// The state of a task that is still to be reckoned with. One that is unreachable is not: unlike a document, an event
/// that says so is the end of it.
fn present(state: &str) -> Option<TaskState> {
    living(state).filter(|state| *state != TaskState::Unreachable)
}

/// Reads what is the whole of `json`.
fn whole<'a, T>(json: &'a [u8], value: impl FnOnce(&mut Reader<'a>) -> Result<T, JsonError>) -> Option<T> {
    let mut reader = Reader::new(json);
    let value = value(&mut reader).ok()?;
    reader.end().ok().map(|()| value)
}

//------------ Raw shapes ----------------------------------------------------

/// `task_updated`. In Mesos 1.0, whose stream is not used, it has another shape, without a status.
#[derive(Default)]
struct RawUpdate<'a> {
    framework_id: Cow<'a, str>,
    id: Cow<'a, str>,
    state: Cow<'a, str>,
    status: RawStatus<'a>,
}

impl<'a> RawUpdate<'a> {
    /// Where the status has `data`, it is passed over.
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut update = Self::default();
        reader.object(|name, reader| {
            match name {
                b"framework_id" => update.framework_id = read_id(reader)?,
                b"state" => update.state = reader.text()?,
                b"status" => (update.id, update.status) = read_status(reader)?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(update)
    }
}

/// A status and the id of its task.
fn read_status<'a>(reader: &mut Reader<'a>) -> Result<(Cow<'a, str>, RawStatus<'a>), JsonError> {
    let mut id = Cow::Borrowed("");
    let mut status = RawStatus::default();
    reader.object(|name, reader| {
        match name {
            b"task_id" => id = read_id(reader)?,
            _ => return status.member(name, reader),
        }
        Ok(Wanted::Yes)
    })?;
    Ok((id, status))
}
