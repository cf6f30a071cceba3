//! Domain names in wire form, lower case, shared.
//!
//! A zone of a million records holds few names many times: as owner, as SRV target, as parent. So a
//! [`Name`] is one counted allocation of its wire bytes and one machine word to hold, and cloning it
//! costs an increment. It is always lower-case (RFC 4343: case never tells two names apart), so that
//! equality is equality of bytes; how a client spelled a name is the business of its question, which
//! is echoed untouched.

use std::{fmt, str};

use triomphe::ThinArc;

/// Longest name in bytes, length octets and root included (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 255;

/// Longest label in bytes (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// A fully qualified domain name: lower-case wire bytes, ending with the root label.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(ThinArc<(), u8>);

impl Name {
    /// The name that consists of these labels, first label leftmost. Letters are folded.
    ///
    /// A label may hold any octet, dots included: nothing is escaped or split here.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NameError> {
        let mut buffer = [0_u8; NAME_BYTES_MAX];
        let mut used = 0_usize;
        for label in labels {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            let length = u8::try_from(label.len()).map_err(|_| NameError::LabelTooLong)?;
            if label.len() > LABEL_BYTES_MAX {
                return Err(NameError::LabelTooLong);
            }
            let end = used.saturating_add(1).saturating_add(label.len());
            // One byte stays free for the root.
            let Some(space) = buffer.get_mut(used..end).filter(|_| end < NAME_BYTES_MAX) else {
                return Err(NameError::NameTooLong);
            };
            if let Some((first, rest)) = space.split_first_mut() {
                *first = length;
                rest.copy_from_slice(label);
                rest.make_ascii_lowercase();
            }
            used = end;
        }
        Ok(Self::from_folded(buffer.get(..=used).unwrap_or_default()))
    }

    /// Reads presentation form: labels parted by dots, `\.` and `\DDD` escapes, the last dot optional.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Self::from_labels([]);
        }
        let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
        let mut bytes = text.strip_suffix('.').filter(|rest| !rest.ends_with('\\')).unwrap_or(text).bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => labels.push(Vec::new()),
                b'\\' => {
                    let octet = unescape(&mut bytes)?;
                    labels.last_mut().ok_or(NameError::EmptyLabel)?.push(octet);
                }
                _ => labels.last_mut().ok_or(NameError::EmptyLabel)?.push(byte),
            }
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }

    /// Reads an uncompressed wire name that fills `bytes` exactly.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NameError> {
        let (root, _) = bytes.split_last().ok_or(NameError::EmptyLabel)?;
        let labels: Vec<&[u8]> = Labels(bytes).collect();
        let written =
            labels.iter().fold(1_usize, |sum, label| sum.saturating_add(label.len()).saturating_add(1));
        if *root != 0 || written != bytes.len() {
            return Err(NameError::EmptyLabel);
        }
        Self::from_labels(labels)
    }

    /// Takes bytes that are known to be a folded wire name.
    fn from_folded(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }

    /// The wire bytes, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0.slice
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        Labels(self.as_wire())
    }

    /// The name with its leftmost label removed; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(*self.as_wire().first()?);
        if first == 0 {
            return None;
        }
        self.as_wire().get(first.checked_add(1)?..).map(Self::from_folded)
    }

    /// Whether this name is `apex` or lies below it.
    pub fn is_within(&self, apex: &Self) -> bool {
        let mut rest = self.as_wire();
        while rest.len() > apex.as_wire().len() {
            let step = rest.first().map_or(1, |length| usize::from(*length).saturating_add(1));
            rest = rest.get(step..).unwrap_or_default();
        }
        rest == apex.as_wire()
    }

    /// How many other holders share this allocation; used by memory figures only.
    pub fn shared(&self) -> usize {
        ThinArc::strong_count(&self.0)
    }
}

impl fmt::Display for Name {
    /// Presentation form with the trailing dot; octets that are not plain are escaped (RFC 4343 section 2.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_wire().len() == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            for octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(*octet))?
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// Walks the labels of an uncompressed wire name; stops at the root or where the bytes end.
struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        if *length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(label)
    }
}

/// Reads what follows a backslash: three decimal digits, or one octet that stands for itself.
fn unescape(bytes: &mut str::Bytes<'_>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first.wrapping_sub(b'0'));
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value.saturating_mul(10).saturating_add(u16::from(digit.wrapping_sub(b'0')));
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

/// Why some bytes are no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A backslash without three digits or an octet behind it.
    #[error("bad escape in name")]
    BadEscape,
    /// Two dots in a row, or a dot in front.
    #[error("empty label in name")]
    EmptyLabel,
    /// Over 63 octets between two dots.
    #[error("label exceeds 63 octets")]
    LabelTooLong,
    /// Over 255 octets in all.
    #[error("name exceeds 255 octets")]
    NameTooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_agree() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("mesos.", b"\x05mesos\0"),
            ("Leader.MESOS", b"\x06leader\x05mesos\0"),
            (r"a\.b.mesos.", b"\x03a.b\x05mesos\0"),
            (r"\000\255x.", b"\x03\x00\xffx\0"),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.as_wire(), wire, "{text}");
            assert_eq!(Name::parse(&name.to_string()).unwrap(), name, "{text}");
            assert_eq!(Name::from_wire(wire).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        let long = |n: usize| "x".repeat(n);
        assert_eq!(Name::parse(&long(64)), Err(NameError::LabelTooLong));
        assert!(Name::parse(&long(63)).is_ok());
        let full = format!("{}.{}.{}.{}", long(63), long(63), long(63), long(61));
        assert_eq!(Name::parse(&full).unwrap().as_wire().len(), NAME_BYTES_MAX);
        assert_eq!(Name::parse(&format!("{full}x")), Err(NameError::NameTooLong));
        for bad in ["", "a..b", ".a", r"a\", r"a\25", r"a\256"] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        for bad in [&b""[..], b"\x05meso\0", b"\x05mesos", b"\0\0", b"\x01a\0b\0"] {
            assert!(Name::from_wire(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn descent() {
        let apex = Name::parse("mesos.").unwrap();
        for (text, inside) in [
            ("mesos", true),
            ("a.mesos", true),
            ("a.b.mesos", true),
            ("xmesos", false),
            (".", false),
            ("mesos.org", false),
        ] {
            assert_eq!(Name::parse(text).unwrap().is_within(&apex), inside, "{text}");
        }
        assert_eq!(Name::parse("a.mesos").unwrap().parent(), Some(apex));
        assert_eq!(Name::parse(".").unwrap().parent(), None);
    }
}
