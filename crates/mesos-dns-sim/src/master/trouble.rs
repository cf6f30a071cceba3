//! What happens to a body on its way: it is cut, dripped, or stops.

use std::io;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Fault,
    body::{PIECES_MAX, Piece},
    line::End,
};

/// Passes pieces on as a master with the fault of the moment would, until the source ends or crashes.
pub(super) fn pass(
    source: mpsc::Receiver<Piece>,
    faults: watch::Receiver<Fault>,
    end: End,
    crash: CancellationToken,
) -> mpsc::Receiver<Piece> {
    let (out, receiver) = mpsc::channel(PIECES_MAX);
    let passage = Passage { source, faults, end, out, crash, passed: 0 };
    tokio::spawn(passage.run());
    receiver
}

struct Passage {
    source: mpsc::Receiver<Piece>,
    faults: watch::Receiver<Fault>,
    end: End,
    out: mpsc::Sender<Piece>,
    crash: CancellationToken,
    passed: usize,
}

impl Passage {
    async fn run(mut self) {
        loop {
            let piece = tokio::select! {
                () = self.out.closed() => return,
                () = self.crash.cancelled() => return self.fail().await,
                piece = self.source.recv() => piece,
            };
            let Some(Ok(mut piece)) = piece else {
                if matches!(self.fault(), Fault::Cut { .. }) {
                    self.fail().await;
                }
                return;
            };
            let fault = self.fault();
            let limit = match fault {
                Fault::Cut { after_bytes } | Fault::Reset { after_bytes } => Some(after_bytes),
                Fault::HalfOpen { after_bytes } => Some(after_bytes),
                _ => None,
            };
            let left = limit.map(|limit| limit.saturating_sub(self.passed));
            let over = left.is_some_and(|left| piece.len() >= left);
            piece.truncate(left.unwrap_or(usize::MAX));
            self.passed += piece.len();
            tokio::select! {
                () = self.crash.cancelled() => return self.fail().await,
                sent = self.send(piece, fault) => if sent.is_err() { return },
            }
            match fault {
                Fault::Cut { .. } if over => return self.fail().await,
                Fault::Reset { .. } if over => {
                    self.end.reset();
                    return self.fail().await;
                }
                // Whoever is cut off cannot say farewell either: it stays so until the client gives up.
                Fault::HalfOpen { .. } if over => return self.out.closed().await,
                _ => (),
            }
        }
    }

    fn fault(&self) -> Fault {
        *self.faults.borrow()
    }

    async fn send(&self, piece: Bytes, fault: Fault) -> Result<(), mpsc::error::SendError<Piece>> {
        let Fault::Drip { every } = fault else { return self.out.send(Ok(piece)).await };
        for place in 0..piece.len() {
            if !every.is_zero() {
                tokio::time::sleep(every).await;
            }
            self.out.send(Ok(piece.slice(place..=place))).await?;
        }
        Ok(())
    }

    async fn fail(&self) {
        _ = self.out.send(Err(io::ErrorKind::ConnectionReset.into())).await;
    }
}
