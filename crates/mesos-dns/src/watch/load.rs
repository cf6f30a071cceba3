//! From the body of an answer to a document: on several threads, while it arrives, in bounded memory.
//!
//! ```text
//!   push --pieces--> splitter (unzips, cuts) --batches--> decoders --parts--> assembled at the end
//! ```
//!
//! What waits between the threads is bounded in number, and everything that waits has a bounded size, so a document
//! of any length takes the memory of its values and a few mebibytes. A slow decoder slows the splitter down, that
//! one whoever pushes, and that one the master.
//!
//! The threads end with the body: once a [`Loading`] is finished or dropped, no piece can come any more, the
//! splitter ends, and with it the [decoders](super::decoding).

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use mesos_dns_core::{
    cluster::Document,
    mesos::state::{Batch, Limits, Outline, Part, Splitter, StateError, assemble},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::decoding::Decoding;

/// Pieces of the body that wait for the splitter. A connection reads at most some 400 KiB at once, so these are three
/// mebibytes.
pub const PIECES_MAX: usize = 8;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `Content-Encoding: gzip`.
    Gzip,
    /// Not at all.
    Identity,
}

/// A document that is being read.
#[derive(Debug)]
pub struct Loading {
    pieces: mpsc::Sender<Bytes>,
    outline: JoinHandle<Result<Outline, LoadError>>,
    decoding: Decoding,
}

/// The document was refused already; [`Loading::finish`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Loading {
    /// Gets ready for a body. Belongs on a runtime.
    pub fn start(encoding: Encoding, limits: Limits) -> Self {
        let (pieces, mut arriving) = mpsc::channel(PIECES_MAX);
        let decoding = Decoding::start();
        let cutter = Cutter { splitter: Splitter::new(limits), batches: decoding.batches().clone() };
        let outline = spawn_blocking(move || split(&mut arriving, encoding, cutter));
        Self { pieces, outline, decoding }
    }

    /// Hands on the next piece of the body; waits while the threads are behind.
    pub async fn push(&self, piece: Bytes) -> Result<(), Refused> {
        self.pieces.send(piece).await.map_err(|_| Refused)
    }

    /// The body is complete: waits for the rest of the work.
    pub async fn finish(self) -> Result<Document, LoadError> {
        drop(self.pieces);
        let outline = self.outline.await.unwrap_or(Err(LoadError::Panicked))?;
        assembled(outline, self.decoding.finish().await?).await
    }
}

/// Puts a document together, on a thread that may take its time: there can be a million tasks.
pub async fn assembled(outline: Outline, parts: Vec<Part>) -> Result<Document, LoadError> {
    spawn_blocking(move || assemble(outline, parts)).await.map_err(|_| LoadError::Panicked)
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is of no use.
    #[error(transparent)]
    State(#[from] StateError),
    /// What was announced as gzip is not, or is cut.
    #[error("state document is not valid gzip")]
    Gzip(#[source] io::Error),
    /// A fault of ours, which the thread has logged.
    #[error("a thread that reads state documents panicked")]
    Panicked,
}

fn split(
    pieces: &mut mpsc::Receiver<Bytes>,
    encoding: Encoding,
    mut cutter: Cutter,
) -> Result<Outline, LoadError> {
    match encoding {
        Encoding::Identity => {
            while let Some(piece) = pieces.blocking_recv() {
                cutter.cut(&piece)?;
            }
        }
        Encoding::Gzip => {
            let mut unzip = MultiGzDecoder::new(cutter);
            while let Some(piece) = pieces.blocking_recv() {
                unzip.write_all(&piece).map_err(unzip_error)?;
            }
            cutter = unzip.finish().map_err(unzip_error)?;
        }
    }
    cutter.finish()
}

/// Told apart: what the splitter said on the way through, and what is wrong with the gzip.
fn unzip_error(error: io::Error) -> LoadError {
    error.downcast().unwrap_or_else(LoadError::Gzip)
}

/// The splitter, and where its batches go. Plain text is written into it.
struct Cutter {
    splitter: Splitter,
    batches: mpsc::Sender<Batch>,
}

impl Cutter {
    fn cut(&mut self, mut piece: &[u8]) -> Result<(), LoadError> {
        while let Some(batch) = self.splitter.push(&mut piece)? {
            self.send(batch)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Outline, LoadError> {
        let (outline, last) = self.splitter.finish()?;
        self.batches.blocking_send(last).map_err(|_| LoadError::Panicked)?;
        Ok(outline)
    }

    fn send(&self, batch: Batch) -> Result<(), LoadError> {
        self.batches.blocking_send(batch).map_err(|_| LoadError::Panicked)
    }
}

impl Write for Cutter {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.cut(plain).map_err(io::Error::other)?;
        Ok(plain.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::{Compression, write::GzEncoder};
    use mesos_dns_core::mesos::state::decode;

    use super::*;

    /// A document of many batches.
    fn large() -> Vec<u8> {
        let task = |number: usize| {
            format!(
                r#"{{"id":"t{number}","state":"TASK_RUNNING","labels":[{{"key":"{}"}}]}}"#,
                "x".repeat(500)
            )
        };
        let tasks: Vec<_> = (0..8000).map(task).collect();
        format!(r#"{{"slaves":[],"frameworks":[{{"tasks":[{}],"id":"F"}}]}}"#, tasks.join(",")).into_bytes()
    }

    fn zip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).expect("memory is there");
        encoder.finish().expect("memory is there")
    }

    async fn load(
        body: &[u8],
        encoding: Encoding,
        limits: Limits,
        piece: usize,
    ) -> Result<Document, LoadError> {
        let loading = Loading::start(encoding, limits);
        for piece in body.chunks(piece) {
            if loading.push(Bytes::copy_from_slice(piece)).await.is_err() {
                break;
            }
        }
        loading.finish().await
    }

    async fn check_refused(body: &[u8], encoding: Encoding, limits: Limits, expected: &str) {
        let error = load(body, encoding, limits, 1000).await.expect_err("of no use");
        assert_eq!(error.to_string(), expected);
    }

    /// How many decoders there are in this process.
    fn decoders() -> usize {
        let threads = fs::read_dir("/proc/self/task").expect("Linux").flatten();
        let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
        names.filter(|name| name.trim() == "state-decoder").count()
    }

    #[tokio::test]
    async fn equal_to_decoding_at_once() {
        let plain = large();
        let expected = decode(&plain).expect("well formed");
        assert_eq!(expected.tasks.len(), 8000);
        for piece in [700, 64 << 10, plain.len()] {
            let found = load(&plain, Encoding::Identity, Limits::default(), piece).await;
            assert_eq!(found.expect("well formed"), expected, "pieces of {piece}");
            let found = load(&zip(&plain), Encoding::Gzip, Limits::default(), piece).await;
            assert_eq!(found.expect("well formed"), expected, "zipped, pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn refused() {
        let plain = large();
        let limits = Limits::default();
        check_refused(b"", Encoding::Identity, limits, "state document is empty").await;
        let cut = &plain[..plain.len() - 1];
        let expected = format!(
            "state document is cut: it ends after {} bytes, inside the outermost object",
            plain.len() - 1
        );
        check_refused(cut, Encoding::Identity, limits, &expected).await;
        check_refused(&zip(cut), Encoding::Gzip, limits, &expected).await;
        let expected = "state document has more than 10 tasks";
        check_refused(&plain, Encoding::Identity, Limits { tasks: 10, ..limits }, expected).await;
        check_refused(&zip(&plain), Encoding::Gzip, Limits { tasks: 10, ..limits }, expected).await;
        let bomb = zip(&vec![b' '; 10 << 20]);
        let expected = "state document exceeds 1048576 bytes";
        check_refused(&bomb, Encoding::Gzip, Limits { body_bytes: 1 << 20, ..limits }, expected).await;
    }

    #[tokio::test]
    async fn bad_gzip() {
        let (plain, limits) = (large(), Limits::default());
        let zipped = zip(&plain);
        let expected = "state document is not valid gzip";
        check_refused(&plain, Encoding::Gzip, limits, expected).await;
        check_refused(b"", Encoding::Gzip, limits, expected).await;
        check_refused(&zipped[..zipped.len() - 1], Encoding::Gzip, limits, expected).await;
        check_refused(&zipped[..zipped.len() / 2], Encoding::Gzip, limits, expected).await;
        let expected = r#"state document is not a JSON object, it begins with "\u{1f}�\u{8}\0\0\0\0\0\u{4}�"#;
        let error = load(&zipped, Encoding::Identity, limits, 1000).await.expect_err("no JSON");
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_stays_behind() {
        let plain = large();
        for half in [0, plain.len() / 2] {
            let loading = Loading::start(Encoding::Identity, Limits::default());
            for piece in plain[..half].chunks(10_000) {
                loading.push(Bytes::copy_from_slice(piece)).await.expect("half a document is not refused");
            }
            while decoders() == 0 {
                tokio::task::yield_now().await;
            }
            drop(loading);
            while decoders() != 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_early() {
        let loading = Loading::start(Encoding::Identity, Limits::default());
        let mut pushed = 0;
        while loading.push(Bytes::from_static(b"<html>")).await.is_ok() {
            pushed += 1;
            assert!(pushed <= 2 * PIECES_MAX, "nobody says no");
        }
        assert!(matches!(loading.finish().await, Err(LoadError::State(StateError::NotJson { .. }))));
    }
}
