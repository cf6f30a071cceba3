//! The first load of a large cluster: more work than all that follows, so it takes more than one core.

use std::{
    sync::{Arc, mpsc::sync_channel},
    thread,
};

use mesos_dns_core::{
    cluster::{Cluster, TaskChange},
    records::Policy,
    zone::{Made, Zone},
};

/// A first load of more tasks than this is worth a second thread.
pub(super) const LARGE_LOAD: usize = 5_000;

/// Names to make room for per task; what the mixture of the benchmark comes to.
const NAMES_PER_TASK: usize = 5;

/// Tasks whose records are handed over at a time.
const LOAD_CHUNK: usize = 256;

/// Chunks that wait to be put in, at most: some 10,000 records.
const LOAD_WAITING_MAX: usize = 4;

/// Fills an empty zone: one core makes the records, another puts them in.
pub(super) fn load(zone: &mut Zone, policy: &Policy, cluster: &Cluster, mut tasks: Vec<TaskChange>) {
    // Tasks of one name share most owners: one after the other they find them in the cache.
    tasks.sort_unstable_by_key(|change| change.new.as_ref().map(|task| Arc::as_ptr(&task.name).addr()));
    zone.reserve(tasks.len().saturating_mul(NAMES_PER_TASK));
    thread::scope(|scope| {
        let (send, made) = sync_channel(LOAD_WAITING_MAX);
        let tasks = &tasks;
        scope.spawn(move || {
            for some in tasks.chunks(LOAD_CHUNK) {
                // The receiver is there until the last chunk is taken, unless it panicked.
                let _ = send.send(Made::of(policy, cluster, some));
            }
        });
        made.iter().for_each(|made| zone.take(&made));
    });
}
