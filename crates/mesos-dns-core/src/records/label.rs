//! Name parts as DNS labels, the way Mesos-DNS has always made them.
//!
//! Clients look services up by these results, so the odd corners (labels that end in hyphens, names
//! that come out empty) are kept as they are; `docs/compatibility.md` lists what the original does.

use sha1::{Digest, Sha1};

/// Which rule labels follow (`enforceRFC952`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Up to 24 octets, must start with a letter (RFC 952).
    Rfc952,
    /// Up to 63 octets (RFC 1123).
    #[default]
    Rfc1123,
}

impl Rules {
    /// Longest label in octets.
    const fn length_max(self) -> usize {
        match self {
            Self::Rfc952 => 24,
            Self::Rfc1123 => 63,
        }
    }

    /// Whether this octet may not stand at the start.
    const fn is_cut_in_front(self, octet: u8) -> bool {
        match self {
            Self::Rfc952 => octet == b'-' || octet.is_ascii_digit(),
            Self::Rfc1123 => octet == b'-',
        }
    }
}

/// Turns a task or discovery name into one label; empty if nothing usable is left.
///
/// Letters are folded; `.` and `_` become `-`; other characters are dropped; hyphens are cut in front
/// (under RFC 952 digits too). When cutting to the longest length exposes hyphens at the end, they are
/// removed and the space is filled with what was cut off, once: the result can then end in hyphens.
pub fn label(part: &str, rules: Rules) -> String {
    let mut text: String = part.chars().filter_map(mapped).collect();
    let cut = text.bytes().take_while(|octet| rules.is_cut_in_front(*octet)).count();
    text.drain(..cut);
    let length = text.len().min(rules.length_max());
    // Only ASCII is left, so every index is a character border.
    let (head, rest) = text.split_at(length);
    let kept = head.trim_end_matches('-');
    let room = length.saturating_sub(kept.len());
    if room == 0 {
        return head.to_owned();
    }
    let tail = rest.trim_start_matches('-');
    let tail = tail.get(..room).unwrap_or(tail);
    [kept, tail].concat()
}

/// Turns a framework name into labels: each part between dots becomes a label, empty ones vanish.
pub fn fragment(name: &str, rules: Rules) -> String {
    let labels: Vec<String> =
        name.split('.').map(|part| label(part, rules)).filter(|part| !part.is_empty()).collect();
    labels.join(".")
}

/// Five characters that tell the tasks of one name apart: the first 25 bits of the SHA-1 of the task
/// id, in z-base-32.
pub fn task_hash(task_id: &str) -> [u8; 5] {
    const ALPHABET: [u8; 32] = *b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let digest = Sha1::digest(task_id.as_bytes());
    let bits = digest.iter().take(4).fold(0_u32, |bits, octet| (bits << 8) | u32::from(*octet));
    [27, 22, 17, 12, 7].map(|shift| ALPHABET.get((bits >> shift) as usize & 31).copied().unwrap_or(b'y'))
}

/// What follows the last hyphen of an agent id, lower-case: `6e8f1c1a-S12` gives `s12`.
pub fn agent_suffix(agent_id: &str) -> String {
    agent_id.rsplit('-').next().unwrap_or_default().to_lowercase()
}

fn mapped(character: char) -> Option<char> {
    match character {
        'a'..='z' | '0'..='9' => Some(character),
        'A'..='Z' => Some(character.to_ascii_lowercase()),
        '-' | '.' | '_' => Some('-'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let hyphens = |n| "-".repeat(n);
        let table: &[(String, &str, &str)] = &[
            (String::new(), "", ""),
            ("---".into(), "", ""),
            ("-_.-".into(), "", ""),
            ("日本".into(), "", ""),
            ("My_App".into(), "my-app", "my-app"),
            ("MY APP".into(), "myapp", "myapp"),
            ("A1_B2.C3".into(), "a1-b2-c3", "a1-b2-c3"),
            ("/prod/web/api".into(), "prodwebapi", "prodwebapi"),
            ("_under_".into(), "under", "under"),
            ("a..b".into(), "a--b", "a--b"),
            ("über-café".into(), "ber-caf", "ber-caf"),
            ("1web".into(), "1web", "web"),
            ("123".into(), "123", ""),
            ("-9-9x-".into(), "9-9x", "x"),
            ("-4abc123".into(), "4abc123", "abc123"),
            ("a---".into(), "a", "a"),
            ("abcdefghijklmnopqrstu---xyz".into(), "abcdefghijklmnopqrstu---xyz", "abcdefghijklmnopqrstuxyz"),
            (
                "abcdefghijklmnopqrst------xyz".into(),
                "abcdefghijklmnopqrst------xyz",
                "abcdefghijklmnopqrstxyz",
            ),
            (
                "abcdefghijklmnopqrstuvw-a-b-c-d-e-f".into(),
                "abcdefghijklmnopqrstuvw-a-b-c-d-e-f",
                "abcdefghijklmnopqrstuvwa",
            ),
            (
                format!("ab{}b-b-b-b-b-b-b-b-b-b-b-b", hyphens(22)),
                &format!("ab{}b-b-b-b-b-b-b-b-b-b-b-b", hyphens(22)),
                "abb-b-b-b-b-b-b-b-b-b-b-",
            ),
            (
                format!("{}------y-", "x".repeat(20)),
                &format!("{}------y", "x".repeat(20)),
                &format!("{}y-", "x".repeat(20)),
            ),
            ("a".repeat(64), &"a".repeat(63), &"a".repeat(24)),
            (format!("{}-b", "a".repeat(62)), &format!("{}b", "a".repeat(62)), &"a".repeat(24)),
            (format!("{}--b", "a".repeat(62)), &format!("{}b", "a".repeat(62)), &"a".repeat(24)),
            (format!("{}----bcdefg", "a".repeat(60)), &format!("{}bcd", "a".repeat(60)), &"a".repeat(24)),
            (format!("{}---b-cdefg", "a".repeat(60)), &format!("{}b-c", "a".repeat(60)), &"a".repeat(24)),
            (format!("{}---b-", "a".repeat(60)), &format!("{}b-", "a".repeat(60)), &"a".repeat(24)),
            (format!("a{}bcd-ef", hyphens(70)), "abcd-ef", "abcd-ef"),
            (format!("abc{}-d-e-f-", hyphens(60)), "abcd-e-f-", "abcd-e-f-"),
            (
                "Batch Jobs AND REPORTS nightly-2.0.1".into(),
                "batchjobsandreportsnightly-2-0-1",
                "batchjobsandreportsnight",
            ),
        ];
        for (input, rfc1123, rfc952) in table {
            assert_eq!(label(input, Rules::Rfc1123), *rfc1123, "{input:?}");
            assert_eq!(label(input, Rules::Rfc952), *rfc952, "{input:?}");
        }
    }

    #[test]
    fn fragments() {
        for (input, rfc1123, rfc952) in [
            ("", "", ""),
            ("...", "", ""),
            ("Marathon.Prod.", "marathon.prod", "marathon.prod"),
            ("marathon-0.7.5", "marathon-0.7.5", "marathon-0"),
            ("/team/a.b", "teama.b", "teama.b"),
            ("*.foo", "foo", "foo"),
            ("10.0.0.1", "10.0.0.1", ""),
            ("999.x", "999.x", "x"),
            ("my fw.x y", "myfw.xy", "myfw.xy"),
        ] {
            assert_eq!(fragment(input, Rules::Rfc1123), rfc1123, "{input:?}");
            assert_eq!(fragment(input, Rules::Rfc952), rfc952, "{input:?}");
        }
    }

    #[test]
    fn hashes_and_suffixes() {
        for (id, hash) in
            [("", "5eh48"), ("a", "o556e"), ("api.0001", "wkx1q"), ("web.0002", "8c5he"), ("日本", "eupgz")]
        {
            assert_eq!(&task_hash(id), hash.as_bytes(), "{id:?}");
        }
        for (id, suffix) in [
            ("6e8f1c1a-7d0b-4f0a-S12", "s12"),
            ("20150102-030405-67-5050-8-3", "3"),
            ("noDash", "nodash"),
            ("trailing-", ""),
            ("", ""),
        ] {
            assert_eq!(agent_suffix(id), suffix, "{id:?}");
        }
    }
}
