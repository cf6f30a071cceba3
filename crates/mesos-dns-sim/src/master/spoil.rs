//! Bodies that are complete, and bad JSON.

use std::io::{self, Write};

use super::{Fault, body::Render};

/// Lists that are opened, and never closed.
const DEPTH: usize = 1_000_000;

/// Writes what `render` writes, as a master with this fault would.
pub(super) fn spoil(fault: Fault, render: Render<'_>, out: &mut dyn Write) -> io::Result<()> {
    match fault {
        Fault::Deep => {
            out.write_all(br#"{"frameworks":"#)?;
            out.write_all(&[b'['; DEPTH])
        }
        Fault::NotUtf8 => render(&mut Blot { out, matched: 0 }),
        Fault::Truncated { after_bytes } => render(&mut Head { out, left: after_bytes }),
        _ => render(out),
    }
}

/// Lets the first bytes pass.
struct Head<'a> {
    out: &'a mut dyn Write,
    left: usize,
}

impl Write for Head<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passing = &bytes[..bytes.len().min(self.left)];
        self.left -= passing.len();
        self.out.write_all(passing)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Puts a byte that is no UTF-8 behind the first `"name":"`, however it is cut.
struct Blot<'a> {
    out: &'a mut dyn Write,
    matched: usize,
}

impl Write for Blot<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const START: &[u8] = br#""name":""#;
        for (place, byte) in bytes.iter().enumerate() {
            if self.matched == START.len() {
                break;
            }
            self.matched = match START[self.matched] == *byte {
                true => self.matched + 1,
                false => usize::from(START[0] == *byte),
            };
            if self.matched == START.len() {
                let (before, behind) = bytes.split_at(place + 1);
                self.out.write_all(before)?;
                self.out.write_all(&[0xff])?;
                self.out.write_all(behind)?;
                return Ok(bytes.len());
            }
        }
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
