//! How JSON is written: before Mesos 1.7 `/` is escaped and whole numbers have no fraction.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::profile::Profile;

/// Writes a value as this Mesos would.
pub(super) fn write(value: &impl Serialize, profile: Profile, out: &mut dyn Write) -> io::Result<()> {
    if profile.writes_new_json() {
        return serde_json::to_writer(out, value).map_err(Into::into);
    }
    value.serialize(&mut Serializer::with_formatter(out, Old)).map_err(Into::into)
}

/// The writer of old.
struct Old;

impl Formatter for Old {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let whole = value.fract() == 0.0 && value.abs() < 1e15;
        if whole { write!(writer, "{value:.0}") } else { CompactFormatter.write_f64(writer, value) }
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for (place, piece) in text.split('/').enumerate() {
            if place > 0 {
                writer.write_all(b"\\/")?;
            }
            writer.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_masters_write_otherwise() {
        let value = serde_json::json!([2.0, 0.1, "a/b\n", 1.6e12]);
        for (profile, expected) in [
            (Profile::V1_6, r#"[2,0.1,"a\/b\n",1600000000000]"#),
            (Profile::V1_9, r#"[2.0,0.1,"a/b\n",1600000000000.0]"#),
        ] {
            let mut out = Vec::new();
            write(&value, profile, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
