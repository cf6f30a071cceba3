//! Asks for one name without pause, and notes when it came and went.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{figures::Figures, question::Question};
use crate::clock;

/// Longest wait for an answer; then the question is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// A watcher at work, in a thread of its own.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Sight>>,
}

/// What was seen.
#[derive(Debug)]
pub struct Sight {
    /// When the first answer came that shows the name there, or gone, by the clock all processes share.
    pub turns: Vec<(Duration, bool)>,
    /// How long each question took: nothing can be seen sooner.
    pub round_trips: Figures,
    /// Questions that were not answered in time.
    pub unanswered: usize,
}

impl Watcher {
    /// Begins to ask the server on this port of loopback; the first answer has come when this returns.
    ///
    /// # Errors
    ///
    /// No socket is to be had, or nothing answers.
    pub fn start(port: u16, name: &str) -> io::Result<Self> {
        let mut question = Question::new(port, name, PATIENCE)?;
        let first = question.ask()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        Ok(Self { stop, thread: thread::spawn(move || watch(question, first, &seen)) })
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// The server was not there.
    pub fn stop(self) -> io::Result<Sight> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the watcher panicked")))
    }
}

fn watch(mut question: Question, first: bool, stop: &AtomicBool) -> io::Result<Sight> {
    let (mut turns, mut round_trips, mut unanswered) = (Vec::new(), Vec::new(), 0);
    let mut before = first;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        match question.ask() {
            Ok(now) => {
                round_trips.push(asked.elapsed());
                if now != before {
                    turns.push((clock::now(), now));
                    before = now;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => unanswered += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(Sight { turns, round_trips: round_trips.into_iter().collect(), unanswered })
}
