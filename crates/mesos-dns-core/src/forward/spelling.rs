//! The spelling of a question, drawn anew for each try ("0x20").
//!
//! Names mean the same in upper and lower case, and servers send the question back as they got it. So each
//! letter carries a bit that a forged reply has to guess, beside identifier and port. And a question that
//! comes to us in a spelling of our own is our question come back: a loop.

/// Octets behind the name: type and class.
const TAIL: usize = 4;

/// Fewest letters that tell a loop. With fewer, another's drawn spelling is too often the same as ours.
pub const LETTERS_MIN: usize = 8;

/// One bit for each letter of the longest name.
pub type Letters = [u8; 32];

/// Spells the name of a question in lower case by these bits.
pub fn spell(question: &mut [u8], dice: &Letters) {
    let name = question.len().saturating_sub(TAIL);
    let bits = dice.iter().flat_map(|octet| (0..8).map(move |bit| octet & (1 << bit) != 0));
    // The octets of length are below 64, and no letter is.
    let letters = question.iter_mut().take(name).filter(|octet| octet.is_ascii_lowercase());
    for (octet, upper) in letters.zip(bits) {
        if upper {
            octet.make_ascii_uppercase();
        }
    }
}

/// Whether a question has a letter in upper case: only then does its coming back tell that the server keeps
/// the spelling.
pub fn is_mixed(question: &[u8]) -> bool {
    let name = question.len().saturating_sub(TAIL);
    question.iter().take(name).any(u8::is_ascii_uppercase)
}

/// Whether a spelling of ours that comes back tells a loop: it is long enough, nobody would write it, and it
/// is not what the first asker (`first`) wrote.
pub fn is_telling(spelled: &[u8], first: &[u8]) -> bool {
    let name = spelled.get(..spelled.len().saturating_sub(TAIL)).unwrap_or_default();
    let upper = name.iter().filter(|octet| octet.is_ascii_uppercase()).count();
    let lower = name.iter().filter(|octet| octet.is_ascii_lowercase()).count();
    upper > 0 && lower > 0 && upper.saturating_add(lower) >= LETTERS_MIN && spelled != first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::message::tests::query;

    #[test]
    fn letters_and_nothing_else_are_spelled() {
        // Type 0x6161 is no pair of letters, and a label of 97 octets does not exist.
        let plain = query("ab-9.example.com", 0x6161)[12..].to_vec();
        let mut spelled = plain.clone();
        spell(&mut spelled, &[0xff; 32]);
        assert_eq!(spelled, b"\x04AB-9\x07EXAMPLE\x03COM\0aa\0\x01");
        let mut spelled = plain.clone();
        spell(&mut spelled, &[0b0101_0101; 32]);
        assert_eq!(spelled, b"\x04Ab-9\x07ExAmPlE\x03cOm\0aa\0\x01");
        let mut spelled = plain.clone();
        spell(&mut spelled, &[0; 32]);
        assert_eq!(spelled, plain);
    }

    #[test]
    fn what_tells_a_loop() {
        let question = |name: &str| query(name, 0x4141)[12..].to_vec();
        let first = question("www.Example.com");
        for (name, expected) in [
            ("wWw.example.com", true),
            ("www.example.com", false),
            ("WWW.EXAMPLE.COM", false),
            ("www.Example.com", false),
            ("Ab.cd.ef", false),
            ("Ab.cd.ef.gh", true),
        ] {
            assert_eq!(is_telling(&question(name), &first), expected, "{name}");
        }
        assert!(!is_mixed(&question("www.example.com")) && is_mixed(&question("www.examplE.com")));
    }
}
