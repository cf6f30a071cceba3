//! What was asked: counted for ever, kept for a while.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::query::{Asked, Transport};

/// How many queries were taken, by the way they came, and how many connections they came on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In datagrams.
    pub udp: u64,
    /// Over plain connections.
    pub tcp: u64,
    /// Over encrypted connections.
    pub tls: u64,
    /// Connections accepted, of both kinds.
    pub connections: u64,
}

impl Counts {
    /// All queries.
    pub fn queries(self) -> u64 {
        self.udp + self.tcp + self.tls
    }
}

/// What one server was asked.
#[derive(Debug)]
pub(super) struct Log {
    udp: AtomicU64,
    tcp: AtomicU64,
    tls: AtomicU64,
    connections: AtomicU64,
    /// The newest queries.
    kept: Mutex<VecDeque<Asked>>,
    most: usize,
}

impl Log {
    pub(super) fn keeping(most: usize) -> Self {
        let zero = || AtomicU64::new(0);
        let kept = Mutex::default();
        Self { udp: zero(), tcp: zero(), tls: zero(), connections: zero(), kept, most }
    }

    pub(super) fn note(&self, asked: &Asked) {
        let counter = match asked.transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if self.most > 0 {
            let mut kept = self.kept();
            if kept.len() == self.most {
                kept.pop_front();
            }
            kept.push_back(asked.clone());
        }
    }

    pub(super) fn note_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            udp: self.udp.load(Ordering::Relaxed),
            tcp: self.tcp.load(Ordering::Relaxed),
            tls: self.tls.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
