//! Where does each record of a stream begin and end?
//!
//! The stream of operator events is a series of records: a decimal length, a line feed, as many bytes. It is cut into
//! pieces anywhere, also inside a length. [`Records`] hands out the bytes of the record under way as they come and
//! keeps none, so a first record of hundreds of megabytes costs nothing here.
//!
//! After a fault nothing in a stream can be found again: it is lost as a whole.

/// Most bytes of one event after the snapshot. Real ones have a few kilobytes, with what executors put into them a
/// few megabytes.
pub const EVENT_BYTES_MAX: u64 = 16 << 20;

/// Most digits of a length: those of 2^64.
const DIGITS_MAX: u8 = 20;

/// Why a stream is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A length is something other than digits and a line feed.
    #[error("\"{}\" at byte {at} is no part of a record's length", byte.escape_ascii())]
    NotALength {
        /// Position of the byte in the stream, from 0.
        at: u64,
        /// What stands there.
        byte: u8,
    },
    /// A record is longer than the limit. Nothing of it was read.
    #[error("the record at byte {at} exceeds {limit_bytes} bytes")]
    TooLong {
        /// Position in the stream, at the end of its length as far as it was read.
        at: u64,
        /// The limit.
        limit_bytes: u64,
    },
}

/// A stream, read up to some point.
#[derive(Debug)]
pub struct Records {
    /// Bytes that were consumed.
    offset: u64,
    next: Next,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    /// A digit of a length or its end.
    Length { digits: u8, bytes: u64 },
    /// So many bytes of the record under way, never 0.
    Data { left: u64 },
}

const LENGTH: Next = Next::Length { digits: 0, bytes: 0 };

impl Default for Records {
    fn default() -> Self {
        Self { offset: 0, next: LENGTH }
    }
}

impl Records {
    /// What `piece` has of the record under way or of the next one; `None` if it has nothing but lengths, which are
    /// taken from it.
    ///
    /// A record longer than `limit_bytes` is an error; one of no bytes is none.
    pub fn data<'a>(
        &mut self,
        piece: &mut &'a [u8],
        limit_bytes: u64,
    ) -> Result<Option<&'a [u8]>, RecordError> {
        while let Some((&byte, rest)) = piece.split_first() {
            let Next::Length { digits, bytes } = self.next else { break };
            self.next = self.length(digits, bytes, byte, limit_bytes)?;
            self.offset = self.offset.saturating_add(1);
            *piece = rest;
        }
        let Next::Data { left } = self.next else { return Ok(None) };
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        Ok(piece.get(..length).filter(|data| !data.is_empty()))
    }

    fn length(&self, digits: u8, bytes: u64, byte: u8, limit_bytes: u64) -> Result<Next, RecordError> {
        let at = self.offset;
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                let longer = bytes.checked_mul(10).and_then(|bytes| bytes.checked_add(digit));
                let fits = longer.filter(|bytes| *bytes <= limit_bytes && digits < DIGITS_MAX);
                let bytes = fits.ok_or(RecordError::TooLong { at, limit_bytes })?;
                Ok(Next::Length { digits: digits.saturating_add(1), bytes })
            }
            b'\n' if digits > 0 && bytes > 0 => Ok(Next::Data { left: bytes }),
            b'\n' if digits > 0 => Ok(LENGTH),
            byte => Err(RecordError::NotALength { at, byte }),
        }
    }

    /// Takes so many bytes of what [`data`](Self::data) told from the piece. Says whether the record is complete.
    pub fn consume(&mut self, piece: &mut &[u8], bytes: usize) -> bool {
        *piece = piece.get(bytes..).unwrap_or_default();
        self.offset = self.offset.saturating_add(bytes as u64);
        match &mut self.next {
            Next::Length { .. } => false,
            Next::Data { left } => {
                *left = left.saturating_sub(bytes as u64);
                let ended = *left == 0;
                if ended {
                    self.next = LENGTH;
                }
                ended
            }
        }
    }

    /// Position in the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1000;

    /// The records of a stream that arrives in pieces, the last one as far as it came.
    fn records(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, RecordError> {
        let (mut records, mut found) = (Records::default(), vec![Vec::new()]);
        for mut piece in stream.chunks(piece) {
            while let Some(data) = records.data(&mut piece, LIMIT)? {
                found.last_mut().unwrap().extend_from_slice(data);
                if records.consume(&mut piece, data.len()) {
                    found.push(Vec::new());
                }
            }
            assert!(piece.is_empty());
        }
        assert_eq!(records.offset(), stream.len() as u64);
        Ok(found)
    }

    fn check(stream: &str, expected: &[&str]) {
        for piece in 1..=stream.len().max(1) {
            let found = records(stream.as_bytes(), piece).expect(stream);
            let found: Vec<_> = found.iter().map(|record| String::from_utf8_lossy(record)).collect();
            assert_eq!(found, expected, "{stream:?} in pieces of {piece}");
        }
    }

    #[test]
    fn framing() {
        check("", &[""]);
        check("5\nhello3\nyou", &["hello", "you", ""]);
        check("2\n\n\n1\n7", &["\n\n", "7", ""]);
        check("0\n0\n1\nx00\n", &["x", ""]);
        check("00000000000000000003\nabc", &["abc", ""]);
        check("12\nhalf", &["half"]);
        check("1", &[""]);
    }

    #[test]
    fn faults() {
        let check = |stream: &str, expected: &str| {
            for piece in 1..=stream.len() {
                let error = records(stream.as_bytes(), piece).expect_err(stream);
                assert_eq!(error.to_string(), expected, "{stream:?} in pieces of {piece}");
            }
        };
        check("\n", "\"\\n\" at byte 0 is no part of a record's length");
        check("1\nx\n", "\"\\n\" at byte 3 is no part of a record's length");
        check("{\"type\"", "\"{\" at byte 0 is no part of a record's length");
        check("5\r\nhello", "\"\\r\" at byte 1 is no part of a record's length");
        check("-5\nhello", "\"-\" at byte 0 is no part of a record's length");
        check(" 5\nhello", "\" \" at byte 0 is no part of a record's length");
        check("5 \nhello", "\" \" at byte 1 is no part of a record's length");
        check("1\nxx1\n", "\"x\" at byte 3 is no part of a record's length");
        check("1001\n", "the record at byte 3 exceeds 1000 bytes");
        check("1\nx18446744073709551616\n", "the record at byte 6 exceeds 1000 bytes");
        check("000000000000000000003\n", "the record at byte 20 exceeds 1000 bytes");
    }

    #[test]
    fn largest_length() {
        let mut records = Records::default();
        let mut piece = &b"18446744073709551615\nx"[..];
        assert_eq!(records.data(&mut piece, u64::MAX), Ok(Some(&b"x"[..])));
        assert!(!records.consume(&mut piece, 1));
        let mut piece = &b"18446744073709551616\nx"[..];
        let error = Records::default().data(&mut piece, u64::MAX).expect_err("too long");
        assert_eq!(error, RecordError::TooLong { at: 19, limit_bytes: u64::MAX });
    }

    proptest! {
        #[test]
        fn what_is_framed_comes_out(written: Vec<Vec<u8>>, piece in 1usize..50) {
            let stream: Vec<u8> = written
                .iter()
                .flat_map(|record| [format!("{}\n", record.len()).into_bytes(), record.clone()].concat())
                .collect();
            let mut expected = written;
            expected.retain(|record| !record.is_empty());
            expected.push(Vec::new());
            prop_assert_eq!(records(&stream, piece), Ok(expected));
        }

        #[test]
        fn any_bytes(stream in "[0-9\n]{0,30}", piece in 1usize..10) {
            prop_assert_eq!(records(stream.as_bytes(), piece), records(stream.as_bytes(), 1));
        }
    }
}
