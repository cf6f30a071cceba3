//! Where does this JSON value end?
//!
//! Most of what a master says is never decoded: history, executors, and everything between two members that are
//! wanted. To pass over it, only strings and brackets matter, so that is all this file looks at, 64 bytes at a
//! time: quotes and brackets of a block become bits of two words, from the quotes follows which bytes are inside
//! strings, and what is left of the brackets is checked one by one. That the kinds of brackets match is checked
//! too; what stands between them is not.
//!
//! A value may arrive in pieces cut anywhere: a [`Scan`] keeps what it must know from one to the next.

/// Deepest nesting of objects and lists within one value. What Mesos writes needs about 20, and deeper for
/// containers inside containers, which an agent ends long before this.
pub const DEPTH_MAX: u32 = u128::BITS - 1;

/// A value of which the end is not yet seen.
pub(super) struct Scan {
    shape: Shape,
    /// The open brackets below a first bit that is always set, the innermost lowest: a set bit is a brace.
    open: u128,
    /// All bits set while inside a string.
    inside: u64,
    /// Whether the last byte was a backslash which escapes the next.
    escaped: bool,
}

#[derive(Clone, Copy)]
enum Shape {
    Container,
    Scalar,
    Text,
}

/// How far a scan came in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All bytes belong to the value, and it goes on.
    More,
    /// So many bytes belong to the value, and it is complete.
    End(usize),
    /// The byte at this position cannot stand there.
    Broken(usize, Fault),
}

/// What can be wrong inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A bracket closes another kind.
    Mismatched,
    /// More than [`DEPTH_MAX`] brackets are open.
    TooDeep,
}

impl Scan {
    /// Begins with the first byte of a value, which is not consumed. `None` if no value begins like this.
    pub(super) fn new(first: u8) -> Option<Self> {
        let shape = match first {
            b'{' | b'[' => Shape::Container,
            b'"' => Shape::Text,
            // Letters for `true`, `false`, `null`, and for `Infinity` and `NaN`, which some masters write.
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Shape::Scalar,
            _ => return None,
        };
        Some(Self { shape, ..Self::container() })
    }

    /// Begins an object or list.
    pub(super) fn container() -> Self {
        Self { shape: Shape::Container, open: 1, inside: 0, escaped: false }
    }

    /// Goes on with the next piece of the text.
    pub(super) fn advance(&mut self, piece: &[u8]) -> Step {
        match self.shape {
            Shape::Container => self.blocks(piece),
            Shape::Scalar => piece.iter().position(ends_scalar).map_or(Step::More, Step::End),
            Shape::Text => self.bytes(piece),
        }
    }

    fn blocks(&mut self, piece: &[u8]) -> Step {
        let (blocks, rest) = piece.as_chunks::<BLOCK>();
        for (block, offset) in blocks.iter().zip((0..).step_by(BLOCK)) {
            match self.block(block) {
                Step::More => (),
                step => return step.after(offset),
            }
        }
        self.bytes(rest).after(piece.len().saturating_sub(rest.len()))
    }

    fn block(&mut self, block: &[u8; BLOCK]) -> Step {
        let bits = Bits::of(block);
        if bits.backslash || self.escaped {
            return self.bytes(block);
        }
        let inside = prefix_xor(bits.quotes) ^ self.inside;
        self.inside = 0u64.wrapping_sub(inside >> 63);
        let mut brackets = bits.brackets & !inside;
        while brackets != 0 {
            let position = brackets.trailing_zeros() as usize;
            brackets &= brackets.wrapping_sub(1);
            match self.bracket(block.get(position).copied().unwrap_or_default()) {
                Step::More => (),
                step => return step.after(position),
            }
        }
        Step::More
    }

    /// One byte after the other: for strings, for blocks with escapes, and for what is left of a piece.
    fn bytes(&mut self, bytes: &[u8]) -> Step {
        for (position, &byte) in bytes.iter().enumerate() {
            match self.byte(byte) {
                Step::More => (),
                step => return step.after(position),
            }
        }
        Step::More
    }

    fn byte(&mut self, byte: u8) -> Step {
        match (byte, self.inside != 0) {
            _ if self.escaped => self.escaped = false,
            (b'\\', true) => self.escaped = true,
            (b'"', _) => return self.quote(),
            (_, false) => return self.bracket(byte),
            _ => (),
        }
        Step::More
    }

    fn quote(&mut self) -> Step {
        self.inside = !self.inside;
        match (self.shape, self.inside) {
            (Shape::Text, 0) => Step::End(1),
            _ => Step::More,
        }
    }

    /// Opens or closes, if it is a bracket at all.
    #[inline(always)]
    fn bracket(&mut self, byte: u8) -> Step {
        // One bit tells the kinds apart, `{` from `[` and `}` from `]`.
        let brace = u128::from(byte >> 5 & 1);
        match byte {
            b'{' | b'[' if self.open.leading_zeros() == 0 => return Step::Broken(0, Fault::TooDeep),
            b'{' | b'[' => self.open = self.open << 1 | brace,
            b'}' | b']' if self.open & 1 != brace => return Step::Broken(0, Fault::Mismatched),
            b'}' | b']' => self.open >>= 1,
            _ => (),
        }
        match self.open {
            1 => Step::End(1),
            _ => Step::More,
        }
    }
}

impl Step {
    /// The same, found `offset` bytes further on.
    fn after(self, offset: usize) -> Self {
        match self {
            Self::More => self,
            Self::End(length) => Self::End(length.saturating_add(offset)),
            Self::Broken(position, fault) => Self::Broken(position.saturating_add(offset), fault),
        }
    }
}

/// Whether a number, `true`, `false` or `null` is over before this byte.
pub(super) fn ends_scalar(byte: &u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
}

//------------ Bits ----------------------------------------------------------

/// Bytes looked at together: as many as a word has bits.
const BLOCK: usize = 64;

/// What stands where in a block; the lowest bit is the first byte.
struct Bits {
    quotes: u64,
    /// Also `Y`, `y`, `_` and DEL, which outside of strings stand only in broken text and in `Infinity`.
    brackets: u64,
    backslash: bool,
}

impl Bits {
    // Written so that the compiler compares as many bytes at once as the machine can, without `unsafe`: whole
    // arrays, each byte on its own, before anything is gathered.
    #[inline(always)]
    fn of(block: &[u8; BLOCK]) -> Self {
        let quotes = block.map(|byte| if byte == b'"' { u8::MAX } else { 0 });
        let brackets = block.map(|byte| if byte | BRACKET_BITS == BRACKET { u8::MAX } else { 0 });
        let backslashes = block.iter().fold(0, |any, byte| any | if *byte == b'\\' { u8::MAX } else { 0 });
        Self { quotes: gather(&quotes), brackets: gather(&brackets), backslash: backslashes != 0 }
    }
}

/// The bits in which the four brackets differ from each other, and what they are with these set.
const BRACKET_BITS: u8 = 0x26;
const BRACKET: u8 = 0x7f;

/// One bit of each byte; each byte has all or none set.
#[inline(always)]
fn gather(bytes: &[u8; BLOCK]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let rows = words.iter().zip(ROWS).fold(0, |rows, (word, row)| rows | u64::from_le_bytes(*word) & row);
    transpose(rows)
}

/// The first bit of each byte, the second, and so on.
const ROWS: [u64; 8] = [
    0x0101_0101_0101_0101,
    0x0202_0202_0202_0202,
    0x0404_0404_0404_0404,
    0x0808_0808_0808_0808,
    0x1010_1010_1010_1010,
    0x2020_2020_2020_2020,
    0x4040_4040_4040_4040,
    0x8080_8080_8080_8080,
];

/// Turns eight rows of eight bits into columns (Hacker's Delight, section 7-3).
#[inline(always)]
fn transpose(mut rows: u64) -> u64 {
    for (distance, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0xf0f0_f0f0)] {
        let swapped = (rows ^ rows >> distance) & mask;
        rows ^= swapped ^ swapped << distance;
    }
    rows
}

/// Each bit becomes the parity of itself and all lower ones.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for distance in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << distance;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scans `text` cut into pieces of `piece` bytes.
    fn scan(text: &[u8], piece: usize) -> Step {
        let mut scan = Scan::new(*text.first().expect("not empty")).expect("begins a value");
        for (part, offset) in text.chunks(piece).zip((0..).step_by(piece)) {
            match scan.advance(part) {
                Step::More => (),
                step => return step.after(offset),
            }
        }
        Step::More
    }

    fn check(text: &str, expected: Step) {
        for piece in [1, 2, 3, 7, 63, 64, 65, 1000] {
            assert_eq!(scan(text.as_bytes(), piece), expected, "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn ends() {
        check("{}", Step::End(2));
        check("{} ,", Step::End(2));
        check("[[],{}]]", Step::End(7));
        check(r#"{"a":"}"}x"#, Step::End(9));
        check(r#"{"a":"\"}","b":"\\"}x"#, Step::End(20));
        check(r#""a\"b"x"#, Step::End(6));
        check(r#""{"x"#, Step::End(3));
        check("12.5e3,", Step::End(6));
        check("null}", Step::End(4));
        check("-Infinity]", Step::End(9));
        check("true", Step::More);
        check(&format!("{{\"{}\":[{}]}} ", "]".repeat(200), "{},".repeat(100)), Step::End(507));
    }

    #[test]
    fn broken() {
        check("{]", Step::Broken(1, Fault::Mismatched));
        check("[{\"a\":[}]}", Step::Broken(7, Fault::Mismatched));
        check(&"[".repeat(127), Step::More);
        check(&"[".repeat(128), Step::Broken(127, Fault::TooDeep));
        check(&"{\"a\":".repeat(10_000), Step::Broken(127 * 5, Fault::TooDeep));
        for first in [b' ', b',', b'}', b']', b':', b'+', b'.', 0, 0xff] {
            assert!(Scan::new(first).is_none(), "{first}");
        }
    }

    #[test]
    fn blocks_equal_bytes() {
        let block: [u8; BLOCK] = std::array::from_fn(|i| b"\"{[a}]\"_\xfb\xa2"[i * 7 % 10]);
        let bits = Bits::of(&block);
        for (i, byte) in block.iter().enumerate() {
            assert_eq!(bits.quotes >> i & 1 == 1, *byte == b'"', "{i}");
            assert_eq!(bits.brackets >> i & 1 == 1, b"{}[]_".contains(byte), "{i}");
        }
        assert!(!bits.backslash);
    }

    proptest! {
        /// However a text is cut, the answer is the same; one byte at a time is the plain way.
        #[test]
        fn pieces_do_not_matter(text in r#"\[["\\{}\[\]a,]{0,400}"#, piece in 1usize..200) {
            prop_assert_eq!(scan(text.as_bytes(), piece), scan(text.as_bytes(), 1));
        }
    }
}
