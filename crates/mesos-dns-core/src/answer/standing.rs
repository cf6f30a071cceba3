//! How our view of the cluster stands, and the record that says so.
//!
//! A client that gets an old answer should be able to know. So answers from old data carry an extended error
//! (RFC 8914), and one name tells the rest to anybody with `dig`: `_status` below the domain. It is made for each
//! query and not part of the zone: what it says changes every second, and a zone that changes every second would
//! never be the same on two servers.

use std::time::Duration;

use serde::Serialize;

use crate::{wire::Name, zone::Snapshot};

/// The label of the name that tells. Whatever begins with `_` directly below the domain is ours.
const LABEL: &[u8] = b"\x07_status";

/// The states of our view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No data yet.
    #[default]
    Loading,
    /// Something is kept although the masters do not show it.
    Holding,
    /// As the masters say.
    Live,
    /// As the masters said before contact to them was lost, maybe to a process before this one.
    Stale,
}

/// How our view stands at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In one word.
    pub state: State,
    /// Seconds since the masters last confirmed the data; `None` before they ever did.
    pub age: Option<u32>,
    /// Counts the versions of the zone that this process published.
    pub version: u64,
    /// The moment itself: time since the Unix epoch, which cookies and rate limits go by.
    pub now: Duration,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Loading, Self::Holding, Self::Live, Self::Stale];

    /// What the state is, from whether there is data, its age (`None`: no master confirmed it yet), the age from
    /// which it is stale, and whether something is held.
    pub fn of(is_loaded: bool, age: Option<Duration>, stale_after: Duration, is_holding: bool) -> Self {
        match age {
            _ if !is_loaded => Self::Loading,
            Some(age) if age <= stale_after && is_holding => Self::Holding,
            Some(age) if age <= stale_after => Self::Live,
            Some(_) | None => Self::Stale,
        }
    }

    /// In lower case.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Holding => "holding",
            Self::Live => "live",
            Self::Stale => "stale",
        }
    }
}

/// Whether this name, in lower-case wire form, is the one that tells how we stand.
#[inline]
pub(crate) fn is_status(name: &[u8], apex: &Name) -> bool {
    name.strip_prefix(LABEL).is_some_and(|rest| rest == apex.as_wire())
}

/// Most bytes of the data of the status record: five strings with numbers as long as they can be.
const DATA_BYTES_MAX: usize = 128;

/// The data of the status record: strings, each behind its length (RFC 1035 section 3.3.14).
pub(super) struct StatusData {
    bytes: [u8; DATA_BYTES_MAX],
    length: usize,
}

impl StatusData {
    pub(super) fn new(standing: &Standing, zone: &Snapshot) -> Self {
        let mut data = Self { bytes: [0; DATA_BYTES_MAX], length: 0 };
        data.string(b"state=", standing.state.label().as_bytes());
        data.number(b"serial=", u64::from(zone.serial()));
        if let Some(age) = standing.age {
            data.number(b"age=", u64::from(age));
        }
        data.number(b"version=", standing.version);
        data.string(b"hash=", &hex(zone.content_hash()));
        data
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn number(&mut self, key: &[u8], number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = number;
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            let [lowest, ..] = (rest % 10).to_le_bytes();
            (*digit, first) = (b'0' | lowest, place);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.string(key, digits.get(first..).unwrap_or_default());
    }

    fn string(&mut self, key: &[u8], value: &[u8]) {
        let length = u8::try_from(key.len().saturating_add(value.len())).unwrap_or(u8::MAX);
        for part in [&[length], key, value] {
            let end = self.length.saturating_add(part.len());
            let Some(space) = self.bytes.get_mut(self.length..end) else { return };
            space.copy_from_slice(part);
            self.length = end;
        }
    }
}

fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let bytes = number.to_be_bytes();
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    for (digit, half) in digits.iter_mut().zip(halves) {
        *digit = if half < 10 { b'0' | half } else { (b'a' - 10).saturating_add(half) };
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn which_state() {
        let limit = Duration::from_secs(30);
        let of = |is_loaded, age: Option<u64>, holds| {
            State::of(is_loaded, age.map(Duration::from_secs), limit, holds)
        };
        assert_eq!(of(false, None, false), State::Loading);
        assert_eq!(of(false, Some(1), true), State::Loading);
        assert_eq!(of(true, Some(30), false), State::Live);
        assert_eq!(of(true, Some(30), true), State::Holding);
        assert_eq!(of(true, Some(31), true), State::Stale);
        assert_eq!(of(true, None, false), State::Stale);
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(serde_json::to_value(state).unwrap(), state.label());
        }
    }

    #[test]
    fn numbers_as_text() {
        for number in [0, 7, 10, 4_294_967_295, u64::MAX] {
            let mut data = StatusData { bytes: [0; DATA_BYTES_MAX], length: 0 };
            data.number(b"n=", number);
            let text = format!("n={number}");
            assert_eq!(data.as_bytes().split_first(), Some((&(text.len() as u8), text.as_bytes())));
            assert_eq!(hex(number).as_slice(), format!("{number:016x}").as_bytes());
        }
    }
}
