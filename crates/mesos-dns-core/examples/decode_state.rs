//! How long does a state document on disk take to become values? `decode_state FILE [DECODERS]`
//!
//! Reads the file into memory, then decodes it a few times: on one thread, and with a splitter and some decoders
//! side by side as the daemon does. Prints the wall time of each and how long the splitter alone takes.

use std::{
    env, fs,
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::Document,
    mesos::state::{Batch, Decoder, Limits, Splitter, StateError, assemble, decode},
};

/// As a body arrives.
const PIECE_BYTES: usize = 64 << 10;

fn main() {
    let mut arguments = env::args().skip(1);
    let file = arguments.next().expect("usage: decode_state FILE [DECODERS]");
    let decoders = arguments.next().map_or(2, |number| number.parse().expect("a number of decoders"));
    let bytes = fs::read(&file).expect("a readable file");
    for _ in 0..3 {
        let (split, batches) = time(|| split(&bytes).expect("a state document"));
        let (alone, document) = time(|| decode(&bytes).expect("a state document"));
        let (together, same) = time(|| decode_with(&bytes, decoders).expect("a state document"));
        assert_eq!(document.tasks.len(), same.tasks.len());
        println!(
            "{} bytes, {} tasks: split into {batches} batches {split:.3?}, one thread {alone:.3?}, {decoders} decoders {together:.3?}",
            bytes.len(),
            document.tasks.len(),
        );
    }
}

fn split(bytes: &[u8]) -> Result<usize, StateError> {
    let mut splitter = Splitter::new(Limits::default());
    let mut batches = 0;
    for mut piece in bytes.chunks(PIECE_BYTES) {
        while splitter.push(&mut piece)?.is_some() {
            batches += 1;
        }
    }
    splitter.finish().map(|_| batches + 1)
}

fn decode_with(bytes: &[u8], decoders: usize) -> Result<Document, StateError> {
    let (send, receive) = mpsc::sync_channel::<Batch>(2 * decoders);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let work = || {
            let mut decoder = Decoder::default();
            let next = || receive.lock().expect("not poisoned").recv().ok();
            std::iter::from_fn(next).map(|batch| decoder.decode(batch)).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..decoders).map(|_| scope.spawn(work)).collect();
        let mut splitter = Splitter::new(Limits::default());
        for mut piece in bytes.chunks(PIECE_BYTES) {
            while let Some(batch) = splitter.push(&mut piece)? {
                send.send(batch).expect("decoders are there");
            }
        }
        let (outline, last) = splitter.finish()?;
        send.send(last).expect("decoders are there");
        drop(send);
        let parts = workers.into_iter().flat_map(|worker| worker.join().expect("no panic"));
        Ok(assemble(outline, parts.collect()))
    })
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}
