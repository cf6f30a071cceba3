//! Whoever tells a [`feed`](super::feed), a process of its own, what to do, and counts what it was asked for.

use std::{io, path::Path, time::Duration};

use super::process::{Lines, Process, Queue};

/// A feed that runs.
#[derive(Debug)]
pub struct Prompter {
    /// Where it serves, on loopback.
    pub port: u16,
    lines: Lines,
    /// Streams and documents that it was asked for so far.
    streams: usize,
    documents: usize,
    _process: Process,
}

impl Prompter {
    /// Starts a program that becomes a feed.
    ///
    /// # Errors
    ///
    /// It cannot be started, or is none.
    pub fn start(program: &Path, arguments: &[String], queue: Queue) -> io::Result<Self> {
        let (process, mut lines) = Process::talk(program, arguments, queue)?;
        let port = lines.hear("port")?.parse().map_err(io::Error::other)?;
        Ok(Self { port, lines, streams: 0, documents: 0, _process: process })
    }

    /// Says a line, and waits until it is done.
    ///
    /// # Errors
    ///
    /// The feed has ended.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.lines.ask(line)
    }

    /// Begins to tell the changes that were prepared, at this rate per second.
    ///
    /// # Errors
    ///
    /// The feed has ended.
    pub fn play(&mut self, rate: u32) -> io::Result<()> {
        self.lines.say(&format!("play {rate}"))
    }

    /// Waits until they have all been told.
    ///
    /// # Errors
    ///
    /// The feed has ended.
    pub fn played(&mut self) -> io::Result<String> {
        self.lines.hear("play")
    }

    /// Waits until the next stream has begun.
    ///
    /// # Errors
    ///
    /// The feed has ended.
    pub fn stream(&mut self) -> io::Result<Duration> {
        self.streams += 1;
        moment(&self.ask(&format!("stream {}", self.streams))?)
    }

    /// Waits until the next document was asked for; tells when.
    ///
    /// # Errors
    ///
    /// The feed has ended.
    pub fn document(&mut self) -> io::Result<Duration> {
        self.documents += 1;
        moment(&self.ask(&format!("document {}", self.documents))?)
    }
}

/// A moment as the feed tells it.
///
/// # Errors
///
/// It is none.
pub fn moment(nanoseconds: &str) -> io::Result<Duration> {
    nanoseconds.parse().map(Duration::from_nanos).map_err(io::Error::other)
}
