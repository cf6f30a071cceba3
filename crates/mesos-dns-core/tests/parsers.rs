//! One message, three readers: ours, the `domain` crate's and hickory's must see the same query, or a line here says
//! why not.
//!
//! Messages are well-formed queries, mutated; their course follows from the seed. `PARSED_MESSAGES` sets another number.

#[path = "../src/answer/tests/dice.rs"]
mod dice;
#[path = "parsers/explained.rs"]
mod explained;
#[path = "../src/answer/tests/mutate.rs"]
mod mutate;
#[path = "parsers/readers.rs"]
mod readers;

use std::collections::BTreeMap;

use dice::Dice;
use explained::{EXPLAINED, Explained, Facts};
use mutate::mutate;
use readers::{Reader, Seen};

/// Messages in a run of the gate.
const MESSAGES: usize = 100_000;

/// Well-formed queries: with and without EDNS, options and further records.
fn seeds() -> Vec<Vec<u8>> {
    let options: [&[u8]; 6] = [
        b"",
        b"\0\x0a\0\x08cookies!",
        b"\0\x0a\0\x18cookies!\x01\0\0\0\x65\x53\xf1\0abcdefgh\0\x03\0\0",
        b"\0\x08\0\x07\0\x01\x18\0\xc0\0\x02\0\x0c\0\x03\0\0\0",
        b"\0\x0b\0\0\xff\xfe\0\x01x",
        b"\0\x03\0\0\0\x03\0\0",
    ];
    let address = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01";
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let mut seeds = vec![
        // A name that points into the header, at a zero, and two OPT records.
        b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\xc0\x04\0\x01\0\x01".to_vec(),
        [&b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x02\0\0\x01\0\x01"[..], opt, opt].concat(),
    ];
    for name in [
        &b"\x03WeB\x08marathon\x05mesos\0"[..],
        b"\x04_web\x04_tcp\x05mesos\0",
        b"\0",
        b"\x03a.b\x02\xff\0\0",
    ] {
        for qtype in [1_u16, 6, 28, 33, 41, 252, 255, 999] {
            let question = [name, &qtype.to_be_bytes(), b"\0\x01"].concat();
            seeds.push([&b"\xab\xcd\x01\x20\0\x01\0\0\0\0\0\0"[..], &question].concat());
            seeds.push([&b"\xab\xcd\0\x10\0\x01\0\0\0\x01\0\0"[..], &question, address].concat());
            for options in options {
                let opt = [&b"\0\0\x29\x04\xd0\0\0\x80\0\0"[..], &[options.len() as u8], options].concat();
                seeds.push([&b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01"[..], &question, &opt].concat());
            }
        }
    }
    seeds
}

/// One of the seeds, three times in four changed.
fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut message = seeds[dice.roll(seeds.len())].clone();
    if dice.roll(4) > 0 {
        mutate(&mut message, seeds, dice);
    }
    message
}

/// In one word, how two readers disagree; `None`: they do not.
fn disagreement(ours: &Result<Seen, String>, theirs: &Result<Seen, String>) -> Option<&'static str> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => None,
        (Ok(_), Ok(_)) => Some("both read it, otherwise"),
        (Ok(_), Err(_)) => Some("only we read it"),
        (Err(_), Ok(_)) => Some("only they read it"),
        (Err(_), Err(_)) => None,
    }
}

#[test]
fn three_readers_see_the_same() {
    let wanted = std::env::var("PARSED_MESSAGES").ok().map_or(MESSAGES, |text| text.parse().unwrap());
    let (seeds, mut dice) = (seeds(), Dice(0x5eed));
    let mut counted: BTreeMap<(Reader, usize), usize> = BTreeMap::new();
    let mut without_reason = Vec::new();
    let mut read = 0;
    for _ in 0..wanted {
        let message = mutated(&seeds, &mut dice);
        let ours = readers::ours(&message);
        read += usize::from(ours.is_ok());
        let facts = Facts::of(&message);
        for (reader, theirs) in
            [(Reader::Domain, readers::domain(&message)), (Reader::Hickory, readers::hickory(&message))]
        {
            let Some(how) = disagreement(&ours, &theirs) else { continue };
            let explained = |(_, holds): &Explained| holds(&facts, reader, ours.is_ok());
            match EXPLAINED.iter().position(explained) {
                Some(number) => *counted.entry((reader, number)).or_default() += 1,
                None => without_reason.push(format!(
                    "{how}: {reader:?}\n  {}\n  {ours:?}\n  {theirs:?}",
                    message.escape_ascii()
                )),
            }
        }
    }
    println!("{wanted} messages, {read} of them queries to us");
    for ((reader, number), count) in &counted {
        println!("{count:>7}  {reader:?}: {}", EXPLAINED[*number].0);
    }
    let shown = &without_reason[..without_reason.len().min(20)];
    assert!(without_reason.is_empty(), "{} without explanation:\n{}", without_reason.len(), shown.join("\n"));
    for (number, (why, _)) in EXPLAINED.iter().enumerate() {
        let is_used = counted.keys().any(|(_, used)| *used == number);
        assert!(is_used || wanted < MESSAGES, "nothing differs so any more: {why}");
    }
}
