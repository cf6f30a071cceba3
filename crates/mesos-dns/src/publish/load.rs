//! The load of a whole cluster: more work than all that follows, so it takes more than one core.

use std::{
    mem,
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use mesos_dns_core::{
    cluster::{Cluster, TaskChange},
    records::Policy,
    zone::{self, Zone},
};

/// A load of at least this many tasks is worth several threads.
const LARGE_LOAD: usize = 5_000;

/// Names to make room for per task; what the mixture of the benchmark comes to.
const NAMES_PER_TASK: usize = 5;

/// Pieces that wait to be put in, at most.
const LOAD_WAITING_MAX: usize = 4;

/// Most threads of a load: one that puts in cannot keep up with more.
const LOAD_THREADS_MAX: usize = 4;

/// Fills an empty zone, if there are many tasks: all cores make nodes, this thread puts them in. Takes the tasks.
pub(super) fn load(zone: &mut Zone, policy: &Policy, cluster: &Cluster, new: &mut Vec<TaskChange>) {
    if new.len() < LARGE_LOAD {
        return;
    }
    let mut tasks = mem::take(new);
    let (pieces, tasks) = (zone::plan(&mut tasks), &tasks);
    zone.reserve(tasks.len().saturating_mul(NAMES_PER_TASK));
    let (loader, next) = (zone.loader(), AtomicUsize::new(0));
    let (send, made) = sync_channel(LOAD_WAITING_MAX);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(LOAD_THREADS_MAX) {
            let (send, loader, pieces, next) = (send.clone(), loader.clone(), &pieces, &next);
            scope.spawn(move || {
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver is there until the last piece is taken, unless it panicked.
                    let _ = send.send(loader.make(policy, cluster, &tasks[piece.clone()]));
                }
            });
        }
        drop(send);
        made.iter().for_each(|made| zone.take(made));
    });
}
