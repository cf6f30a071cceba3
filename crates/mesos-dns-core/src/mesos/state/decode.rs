//! From a batch of elements to values.
//!
//! Batches know nothing of each other, so any number of [`Decoder`]s can work at once, each on its own core.

use std::sync::Arc;

use super::{
    element::Elements,
    split::{Batch, Kind},
};
use crate::cluster::{Agent, Skipped, Task};

/// Decodes batches, one after the other. Keep it for all of a document: values of one decoder share their texts.
#[derive(Default)]
pub struct Decoder {
    elements: Elements,
}

/// The values of one batch.
#[derive(Debug, Default)]
pub struct Part {
    pub(super) sequence: u64,
    pub(super) runs: Vec<Run>,
    pub(super) skipped: Skipped,
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
    RecoveredAgents(Vec<Arc<str>>),
    Tasks(Vec<Task>),
}

impl Decoder {
    /// Turns each element of a batch into its value, or counts why not.
    pub fn decode(&mut self, batch: Batch) -> Part {
        let mut part = Part { sequence: batch.sequence, ..Part::default() };
        for (list, kind, json) in batch.elements() {
            if part.runs.last().is_none_or(|run| run.list != list) {
                part.runs.push(Run { list, values: Values::new(kind) });
            }
            let Some(run) = part.runs.last_mut() else { continue };
            self.element(json, &mut run.values, &mut part.skipped);
        }
        part
    }

    fn element(&mut self, json: &[u8], values: &mut Values, skipped: &mut Skipped) {
        let elements = &mut self.elements;
        let (read, unusable) = match values {
            Values::Agents(agents) => {
                (elements.agent(json, skipped).map(|agent| agents.push(agent)), &mut skipped.agents)
            }
            Values::RecoveredAgents(ids) => {
                (elements.recovered_agent(json).map(|id| ids.push(id)), &mut skipped.agents)
            }
            Values::Tasks(tasks) => {
                (elements.task(json, skipped).map(|task| tasks.extend(task)), &mut skipped.tasks)
            }
        };
        *unusable = unusable.saturating_add(u64::from(read.is_none()));
    }
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Agent => Self::Agents(Vec::new()),
            Kind::RecoveredAgent => Self::RecoveredAgents(Vec::new()),
            Kind::Task => Self::Tasks(Vec::new()),
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
