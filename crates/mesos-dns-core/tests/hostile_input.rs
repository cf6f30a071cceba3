//! The fuzz targets, run here by a small loop of its own: mutations of captured bytes for every reader.
//!
//! libFuzzer finds more, but needs a build of its own (`make fuzz`). This runs with all other tests, its course follows
//! from the seed, and it fails in the same functions. `HOSTILE_INPUTS` sets another number per target.

#[path = "../src/answer/tests/dice.rs"]
mod dice;
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

use dice::Dice;
use targets::TARGETS;

/// Inputs per target in a run of the gate.
const INPUTS: usize = 2_000;

/// Longest input, in bytes: a long document is cut from it, as each is read whole.
const INPUT_BYTES_MAX: usize = 6_000;

/// Octets that mean something to one reader or another.
const ODD: &[u8] = b"\0\x01\x3f\x40\xc0\xff\"\\{}[],:.-09e\n";

/// Well-formed input for a target: what the fuzzers start from, and captured bytes.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seeds = Vec::new();
    for entry in fs::read_dir(root.join("fuzz/seeds").join(target)).into_iter().flatten() {
        seeds.push(fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(!seeds.is_empty(), "no seeds for {target}");
    seeds
}

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.roll(seeds.len())].clone();
    if input.len() > INPUT_BYTES_MAX {
        let at = dice.roll(input.len() - INPUT_BYTES_MAX);
        input = input[at..at + INPUT_BYTES_MAX].to_vec();
    }
    for _ in 0..=dice.roll(5) {
        let at = dice.roll(input.len());
        match dice.roll(8) {
            0 => input.truncate(at),
            1 => drop(input.splice(at..at, std::iter::repeat_n(dice.roll(256) as u8, dice.roll(70)))),
            2 => input.insert(at, ODD[dice.roll(ODD.len())]),
            3 if at < input.len() => drop(input.remove(at)),
            4 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len());
                input.truncate(at);
                input.extend(&other[from..other.len().min(from + INPUT_BYTES_MAX)]);
            }
            5 => {
                let end = (at + dice.roll(60)).min(input.len());
                let again = input[at..end].to_vec();
                drop(input.splice(at..at, again));
            }
            _ if at < input.len() => input[at] ^= 1 << dice.roll(8),
            _ => {}
        }
    }
    input
}

#[test]
fn every_reader_stands_any_bytes() {
    let inputs = std::env::var("HOSTILE_INPUTS").ok().map_or(INPUTS, |text| text.parse().unwrap());
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        let mut dice = Dice(0x5eed);
        for seed in &seeds {
            target(seed);
        }
        for round in 0..inputs {
            let input = mutated(&seeds, &mut dice);
            let ran = std::panic::catch_unwind(|| target(&input));
            assert!(ran.is_ok(), "{name}, round {round}: {}", input.escape_ascii());
        }
    }
}
