//! How long does a state document on disk take to become values? `decode_state FILE [DECODERS [ROUNDS [operator]]]`
//!
//! Reads the file into memory, then decodes it as the daemon does, with a splitter and some decoders side by side.
//! With `operator`, the file is an answer of `GET_STATE`. Prints for each round the time on the clock and the processor time of each thread (the first depends on what else
//! the machine does, the second less), and after the first one by how much the process grew.

use std::{
    env, fs,
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::Document,
    mesos::state::{Batch, Decoder, Limits, Part, Shape, Splitter, StateError, assemble},
};

/// As a body arrives.
const PIECE_BYTES: usize = 64 << 10;

fn main() {
    let mut arguments = env::args().skip(1);
    let file = arguments.next().expect("usage: decode_state FILE [DECODERS [ROUNDS [operator]]]");
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (decoders, rounds) = (number(2), number(5));
    let shape = if arguments.any(|word| word == "operator") { Shape::Operator } else { Shape::State };
    let bytes = fs::read(&file).expect("a readable file");
    for round in 0..rounds {
        let before = resident_bytes();
        let (begin, cpu) = (Instant::now(), processor_time());
        let (document, decoding) = decode(shape, &bytes, decoders).expect("a state document");
        let (wall, splitting) = (begin.elapsed(), processor_time() - cpu);
        let tasks = document.tasks.len();
        println!(
            "{tasks} tasks in {wall:.3?}; processor time: splitter {splitting:.3?}, decoders {decoding:.3?}"
        );
        if round == 0 {
            println!("{} KiB more resident", resident_bytes().saturating_sub(before) >> 10);
        }
    }
}

fn decode(shape: Shape, bytes: &[u8], decoders: usize) -> Result<(Document, Vec<Duration>), StateError> {
    let (send, receive) = mpsc::sync_channel::<Batch>(2 * decoders);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let work = || -> (Vec<Part>, Duration) {
            let mut decoder = Decoder::default();
            let next = || receive.lock().expect("not poisoned").recv().ok();
            let parts = std::iter::from_fn(next).map(|batch| decoder.decode(batch)).collect();
            (parts, processor_time())
        };
        let workers: Vec<_> = (0..decoders).map(|_| scope.spawn(work)).collect();
        let mut splitter = Splitter::with_shape(shape, Limits::default());
        for mut piece in bytes.chunks(PIECE_BYTES) {
            while let Some(batch) = splitter.push(&mut piece)? {
                send.send(batch).expect("decoders are there");
            }
        }
        let (outline, last) = splitter.finish()?;
        send.send(last).expect("decoders are there");
        drop(send);
        let done = workers.into_iter().map(|worker| worker.join().expect("no panic"));
        let (parts, times): (Vec<_>, Vec<_>) = done.unzip();
        Ok((assemble(outline, parts.into_iter().flatten().collect()), times))
    })
}

/// How long this thread has been running.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default())
}

/// Memory of the process that is in use.
fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}
