//! Colours and progress: where somebody looks, and nowhere else.
//!
//! `anstream` decides about colours: none where the output is no terminal, or where `NO_COLOR` is set.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Time without a word; what is done by then is not spoken of.
const QUIET: Duration = Duration::from_secs(1);

/// Time between two words.
const PACE: Duration = Duration::from_millis(500);

/// Good, or what came.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// Bad, or what went.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Beside the point.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// A text in a colour; without one where the output takes none.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a text with colours to standard output, or without them. `false`: nobody reads any more.
pub(crate) fn show(text: &str) -> io::Result<bool> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Says something about the work itself, on standard error.
pub(crate) fn remark(text: &str) {
    let style = match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => Style::new(),
        _ => FAINT,
    };
    let _ = writeln!(io::stderr(), "{}", painted(style, text));
}

/// Tells on standard error what is being done, once it has taken longer than a second; only on a terminal. Gone when dropped.
pub(crate) struct Progress {
    /// How much was done so far, in whatever is counted.
    done: Arc<AtomicU64>,
    teller: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins. `unit`: what [`Progress::add`] counts.
    pub(crate) fn start(what: impl Into<String>, unit: &'static str) -> Self {
        let (what, done) = (what.into(), Arc::new(AtomicU64::new(0)));
        let teller = io::stderr().is_terminal().then(|| {
            let (stop, stopped) = mpsc::channel();
            let done = done.clone();
            (stop, thread::spawn(move || tell(&what, unit, &done, &stopped)))
        });
        Self { done, teller }
    }

    /// Counts what was done.
    pub(crate) fn add(&self, more: u64) {
        self.done.fetch_add(more, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, teller)) = self.teller.take() {
            drop(stop);
            let _ = teller.join();
        }
    }
}

fn tell(what: &str, unit: &str, done: &AtomicU64, stopped: &mpsc::Receiver<()>) {
    let began = Instant::now();
    let mut wait = QUIET;
    while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        wait = PACE;
        let (seconds, done) = (began.elapsed().as_secs(), done.load(Ordering::Relaxed));
        let count = if done == 0 { String::new() } else { format!(", {done} {unit}") };
        // From the beginning of the line, which is cleared behind it.
        let _ = write!(io::stderr(), "\r{what} ... {seconds} s{count}\x1b[K");
    }
    if wait == PACE {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
