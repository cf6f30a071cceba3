//! From a batch of elements to values.
//!
//! Batches know nothing of each other, so any number of [`Decoder`]s can work at once, each on its own core.

use std::sync::Arc;

use super::{
    element::{
        Elements,
        whose::{Identity, Thing},
    },
    shape::{Kind, Shape},
    split::Batch,
};
use crate::cluster::{Agent, Counts, Framework, OMISSIONS_MAX, Omission, Skipped, SkippedPart, Task};

/// Decodes batches, one after the other. Keep it for all of a document: values of one decoder share their texts.
#[derive(Default)]
pub struct Decoder {
    elements: Elements,
    /// How many omissions it told so far. It meets batches in their order, so these are the first of them.
    noted: Counts,
}

/// The values of one batch.
#[derive(Debug, Default)]
pub struct Part {
    pub(super) sequence: u64,
    pub(super) runs: Vec<Run>,
    pub(super) skipped: Skipped,
    /// Whose that was, each with the number of its list.
    pub(super) omissions: Vec<(u32, Omission)>,
    /// Those that are only counted.
    pub(super) beyond: Counts,
}

/// Neighbouring values of one list.
#[derive(Debug)]
pub(super) struct Run {
    /// The number of the list.
    pub(super) list: u32,
    pub(super) values: Values,
}

/// Values of one kind.
#[derive(Debug)]
pub(super) enum Values {
    Agents(Vec<Agent>),
    Frameworks(Vec<Framework>),
    RecoveredAgents(Vec<Arc<str>>),
    Tasks(Vec<Task>),
    /// Framework id and task id.
    UnreachableTasks(Vec<(Arc<str>, Box<str>)>),
}

impl Decoder {
    /// Turns each element of a batch into its value, or counts why not.
    pub fn decode(&mut self, batch: Batch) -> Part {
        let mut part = Part { sequence: batch.sequence, ..Part::default() };
        for (list, kind, at, json) in batch.elements() {
            if part.runs.last().is_none_or(|run| run.list != list) {
                part.runs.push(Run { list, values: Values::new(kind) });
            }
            let Some(run) = part.runs.last_mut() else { continue };
            let before = part.skipped;
            self.element(batch.shape, json, &mut run.values, &mut part.skipped);
            if part.skipped != before {
                self.note(&mut part, list, before, (kind.into(), at, json));
            }
        }
        part
    }

    /// Notes whose the element is of which something was left out since a moment before.
    fn note(&mut self, part: &mut Part, list: u32, before: Skipped, (thing, at, json): (Thing, u64, &[u8])) {
        let mut identity = None;
        for (left_out, count) in SkippedPart::between(before, part.skipped) {
            if self.noted.get(left_out) >= OMISSIONS_MAX {
                part.beyond.add(left_out, 1);
                continue;
            }
            self.noted.add(left_out, 1);
            let identity = identity.get_or_insert_with(|| Identity::read(thing, json));
            part.omissions.push((list, identity.omission(thing, left_out, count, at)));
        }
    }

    fn element(&mut self, shape: Shape, json: &[u8], values: &mut Values, skipped: &mut Skipped) {
        let elements = &mut self.elements;
        let (read, unusable) = match values {
            Values::Agents(agents) => {
                (elements.agent(shape, json, skipped).map(|agent| agents.push(agent)), &mut skipped.agents)
            }
            Values::Frameworks(frameworks) => {
                let framework = elements.framework(json);
                (framework.map(|framework| frameworks.push(framework)), &mut skipped.frameworks)
            }
            Values::RecoveredAgents(ids) => {
                (elements.recovered_agent(shape, json).map(|id| ids.push(id)), &mut skipped.agents)
            }
            Values::Tasks(tasks) => {
                (elements.task(shape, json, skipped).map(|task| tasks.extend(task)), &mut skipped.tasks)
            }
            Values::UnreachableTasks(tasks) => {
                (elements.task_id(shape, json).map(|task| tasks.push(task)), &mut skipped.tasks)
            }
        };
        *unusable = unusable.saturating_add(u64::from(read.is_none()));
    }
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Agent => Self::Agents(Vec::new()),
            Kind::Framework => Self::Frameworks(Vec::new()),
            Kind::RecoveredAgent => Self::RecoveredAgents(Vec::new()),
            Kind::Task => Self::Tasks(Vec::new()),
            Kind::UnreachableTask => Self::UnreachableTasks(Vec::new()),
        }
    }
}

impl Part {
    /// How many tasks there are in it.
    pub(super) fn tasks(&self) -> usize {
        let tasks = self.runs.iter().map(|run| match &run.values {
            Values::Tasks(tasks) => tasks.len(),
            _ => 0,
        });
        tasks.sum()
    }
}
