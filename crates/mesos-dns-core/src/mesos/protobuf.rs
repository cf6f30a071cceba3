//! Just enough of protobuf to read one small message.
//!
//! Only masters up to 0.23 write it, and only one message of nine fields matters: a library and its code
//! generator would be more than what they replace. Everything read here borrows from the input, nothing is
//! allocated by a length found in it.

use std::borrow::Cow;

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// A field promises more bytes than there are.
    #[error("ends inside a field")]
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    #[error("holds a number of more than 64 bits")]
    Varint,
    /// A tag with field number 0 or a number beyond 2^29 - 1.
    #[error("holds a field with an impossible number")]
    Field,
    /// A known field with another type than it must have.
    #[error("holds field {field} with the wrong type")]
    Type {
        /// The field's number.
        field: u32,
    },
    /// Groups, which no message here has, and the two types that do not exist.
    #[error("holds field {field} of an unknown wire type")]
    WireType {
        /// The field's number.
        field: u32,
    },
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// The number that the message's definition gives it.
    pub number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Fixed,
    Varint(u64),
}

impl<'a> Field<'a> {
    /// A string or an embedded message.
    pub(super) fn bytes(&self) -> Result<&'a [u8], ProtobufError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(ProtobufError::Type { field: self.number }),
        }
    }

    /// A 32-bit number; higher bits are cut, as every protobuf reader does.
    pub(super) fn number(&self) -> Result<u32, ProtobufError> {
        match self.value {
            Value::Varint(number) => Ok((number & u64::from(u32::MAX)) as u32),
            _ => Err(ProtobufError::Type { field: self.number }),
        }
    }

    /// A string; bytes that are not UTF-8 become U+FFFD.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, ProtobufError> {
        self.bytes().map(String::from_utf8_lossy)
    }
}

/// The fields of a message in the order written; after an error it ends.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, ProtobufError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = read_field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn read_field<'a>(input: &mut &'a [u8]) -> Result<Field<'a>, ProtobufError> {
    let tag = read_varint(input)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
    let number = number.ok_or(ProtobufError::Field)?;
    let value = match tag & 7 {
        0 => Value::Varint(read_varint(input)?),
        1 => take(input, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(read_varint(input)?).map_err(|_| ProtobufError::Truncated)?;
            Value::Bytes(take(input, length)?)
        }
        5 => take(input, 4).map(|_| Value::Fixed)?,
        _ => return Err(ProtobufError::WireType { field: number }),
    };
    Ok(Field { number, value })
}

fn read_varint(input: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(ProtobufError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(ProtobufError::Varint);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(ProtobufError::Varint)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], ProtobufError> {
    let (taken, rest) = input.split_at_checked(length).ok_or(ProtobufError::Truncated)?;
    *input = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(message: &[u8], expected: Result<(), ProtobufError>) {
        let found: Result<Vec<_>, _> = fields(message).collect();
        assert_eq!(found.map(|_| ()), expected, "{message:x?}");
    }

    #[test]
    fn numbers() {
        for (bytes, number) in [
            (&b"\x08\x00"[..], 0),
            (b"\x08\x96\x01", 150),
            (b"\x08\xff\xff\xff\xff\x0f", u32::MAX),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", u32::MAX),
        ] {
            let field = fields(bytes).next().expect("one field").expect("well formed");
            assert_eq!((field.number, field.number()), (1, Ok(number)), "{bytes:x?}");
            assert_eq!(field.bytes(), Err(ProtobufError::Type { field: 1 }));
        }
    }

    #[test]
    fn refused() {
        check(b"", Ok(()));
        check(b"\x0a\x03abc\x15abcd\x19abcdefgh", Ok(()));
        check(b"\x0a\x03ab", Err(ProtobufError::Truncated));
        check(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Err(ProtobufError::Truncated));
        check(b"\x08\x80", Err(ProtobufError::Truncated));
        check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Err(ProtobufError::Varint));
        check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01", Err(ProtobufError::Varint));
        check(b"\x00", Err(ProtobufError::Field));
        check(b"\x0b", Err(ProtobufError::WireType { field: 1 }));
        check(b"\x0f", Err(ProtobufError::WireType { field: 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}
