//! Mutating messages: for the tests of this room, and for others that read this file and `dice.rs` (`tests/parsers.rs`,
//! `crates/mesos-dns/tests/conformance.rs`).

use super::dice::Dice;

/// Changes a message in one to four places.
pub(crate) fn mutate(message: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(message.len().max(1)).min(message.len());
        match dice.roll(9) {
            0 => message.truncate(at),
            1 => message.extend(std::iter::repeat_n(dice.roll(256) as u8, dice.roll(40))),
            2 => message.insert(at, [0, 1, 63, 64, 192, 255][dice.roll(6)]),
            3 if at < message.len() => drop(message.remove(at)),
            4 => {
                let other = &seeds[dice.roll(seeds.len())];
                message.truncate(at);
                message.extend(&other[dice.roll(other.len())..]);
            }
            5 if message.len() >= 12 => message[4 + dice.roll(8)] = dice.roll(4) as u8,
            6 if message.len() >= 12 => message[2 + dice.roll(2)] = dice.roll(256) as u8,
            _ if at < message.len() => message[at] ^= 1 << dice.roll(8),
            _ => {}
        }
    }
}
