//! A master that does nothing but tell scripts, at their times: what is measured must not wait for it.
//!
//! It knows the calls of a program that follows its stream, and all that it answers is rendered before. It is told what
//! to do by lines on its standard input, each of which it answers by a line that begins with the same word:
//!
//! - `names N`: names to ask for.
//! - `render`: renders snapshot and state document anew, as the cluster is now.
//! - `stream N`: waits until the Nth stream has begun. `document N`: until the Nth state document was
//!   sent, and answers when it was asked for.
//! - `prepare COUNT MARK_EVERY`: renders changes. `play RATE`: tells them, and answers how late it was at worst, and
//!   when it told of the mark.
//! - `close`: ends the stream. `riddle`: tells something that nobody can know of.
//!
//! All times are nanoseconds of the clock that all processes share.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::script::{Beat, Stage, chunk};
use crate::{
    clock,
    render::{self, Face, View, v1},
};

/// Time between heartbeats, as Mesos has it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Bytes that nobody sends as a request.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What its connections need.
#[derive(Default)]
struct Desk {
    /// Answers, rendered.
    identity: Arc<Vec<u8>>,
    summary: Arc<Vec<u8>>,
    snapshot: Arc<Vec<u8>>,
    document: Arc<Vec<u8>>,
    /// The newest stream.
    stream: Option<TcpStream>,
    streams: usize,
    /// When the state documents that were sent were asked for.
    documents: Vec<Duration>,
}

struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

/// Serves a cluster of so many tasks until its standard input ends; says `port N` first.
///
/// # Errors
///
/// There is no port, or nobody reads what it says.
pub fn run(tasks: usize, seed: u64) -> io::Result<()> {
    let mut stage = Stage::new(tasks, seed);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let face = Face { id: "bench".to_owned(), address, started: stage.cluster.born };
    let shared = Arc::new(Shared { desk: Mutex::default(), changed: Condvar::new() });
    shared.render(&stage, &face)?;
    let serving = shared.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = serving.clone();
            // Whoever asks may leave at any time.
            thread::spawn(move || _ = shared.answer(stream));
        }
    });
    let beating = shared.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(HEARTBEAT);
            _ = beating.tell(&chunk(&v1::heartbeat()));
        }
    });
    let mut out = io::stdout();
    writeln!(out, "port {}", address.port())?;
    let mut beats = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
        let answer = match words[0] {
            "names" => stage.names(number(1) as usize).join(" "),
            "render" => {
                shared.render(&stage, &face)?;
                String::new()
            }
            "stream" => shared.wait(|desk| desk.streams >= number(1) as usize),
            "document" => {
                let last = number(1) as usize;
                shared.wait(|desk| desk.documents.len() >= last);
                shared.desk().documents[last - 1].as_nanos().to_string()
            }
            "prepare" => {
                beats = stage.beats(number(1) as usize, number(2) as usize);
                String::new()
            }
            "play" => shared.play(&std::mem::take(&mut beats), number(1))?,
            "close" => {
                shared.desk().stream = None;
                clock::now().as_nanos().to_string()
            }
            "riddle" => shared.tell(&Stage::riddle()).map(|()| String::new())?,
            _ => String::new(),
        };
        writeln!(out, "{} {answer}", words[0])?;
    }
    Ok(())
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn render(&self, stage: &Stage, face: &Face) -> io::Result<()> {
        let view = View::settled(&stage.cluster, face);
        let (mut identity, mut summary) = (Vec::new(), Vec::new());
        v1::answer(view, v1::Call::GetMaster, &mut identity)?;
        render::summary(view, &mut summary)?;
        let (mut snapshot, mut document) = (Vec::new(), Vec::new());
        v1::subscribed(view, HEARTBEAT, &mut snapshot)?;
        render::state(view, &mut document)?;
        let mut desk = self.desk();
        (desk.identity, desk.summary) = (Arc::new(identity), Arc::new(summary));
        (desk.snapshot, desk.document) = (Arc::new(chunk(&snapshot)), Arc::new(document));
        Ok(())
    }

    /// Waits until something is so; answers when that was.
    fn wait(&self, is_so: impl Fn(&Desk) -> bool) -> String {
        let desk = self.desk();
        let waited = self.changed.wait_while(desk, |desk| !is_so(desk));
        drop(waited);
        clock::now().as_nanos().to_string()
    }

    /// Tells these bytes to the newest stream.
    fn tell(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.desk().stream {
            Some(stream) => stream.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Tells changes at this rate per second.
    fn play(&self, beats: &[Beat], rate: f64) -> io::Result<String> {
        let (start, mut late, mut marks) = (Instant::now(), Duration::ZERO, Vec::new());
        for (number, beat) in beats.iter().enumerate() {
            let due = Duration::from_secs_f64(number as f64 / rate);
            thread::sleep(due.saturating_sub(start.elapsed()));
            late = late.max(start.elapsed().saturating_sub(due));
            if beat.mark.is_some() {
                marks.push(clock::now().as_nanos().to_string());
            }
            self.tell(&beat.bytes)?;
        }
        Ok(format!("{} {}", late.as_nanos(), marks.join(" ")))
    }

    /// Answers one request. A stream stays; everything else is one answer per connection.
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let (target, call) = request(&mut stream)?;
        if call.contains("SUBSCRIBE") {
            return self.subscribe(stream);
        }
        let desk = self.desk();
        let body = match target.as_str() {
            "/master/state" => {
                let (asked, document) = (clock::now(), desk.document.clone());
                drop(desk);
                respond(&mut stream, &document)?;
                self.desk().documents.push(asked);
                self.changed.notify_all();
                return Ok(());
            }
            "/master/state-summary" => desk.summary.clone(),
            _ if call.contains("GET_MASTER") => desk.identity.clone(),
            _ => {
                return stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        };
        drop(desk);
        respond(&mut stream, &body)
    }

    fn subscribe(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let snapshot = self.desk().snapshot.clone();
        stream.write_all(&snapshot)?;
        let mut desk = self.desk();
        desk.stream = Some(stream);
        desk.streams += 1;
        self.changed.notify_all();
        Ok(())
    }
}

/// Reads a request: its target and its body.
pub(super) fn request(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut reader = BufReader::new(stream).take(REQUEST_BYTES_MAX as u64);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while !matches!(line.as_str(), "\r\n" | "") {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; REQUEST_BYTES_MAX.min(length)];
    reader.read_exact(&mut body)?;
    Ok((target, String::from_utf8_lossy(&body).into_owned()))
}

/// Answers a request, and ends the conversation.
pub(super) fn respond(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
