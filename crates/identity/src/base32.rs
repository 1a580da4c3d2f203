//! Base32 of RFC 4648 in small letters and without padding: the letters and digits that a person
//! can read out, in one spelling.

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The first `N` characters. The bytes have at least five bits for each, or the missing bits are 0.
pub(crate) fn characters<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    std::array::from_fn(|character| {
        let index = (0..5).fold(0, |index, offset| index << 1 | usize::from(bit(character * 5 + offset)));
        ALPHABET[index]
    })
}

/// All bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    for chunk in bytes.chunks(5) {
        let characters: [u8; 8] = characters(chunk);
        text.extend(characters[..(chunk.len() * 8).div_ceil(5)].iter().map(|byte| char::from(*byte)));
    }
    text
}

/// The value of a character.
fn value(character: u8) -> Option<u32> {
    match character {
        b'a'..=b'z' => Some(u32::from(character - b'a')),
        b'2'..=b'7' => Some(u32::from(character - b'2') + 26),
        _ => None,
    }
}

/// Whether every character belongs to the alphabet.
pub(crate) fn is_base32(text: &[u8]) -> bool {
    text.iter().all(|byte| value(*byte).is_some())
}

/// Exactly `N` bytes. `None` for another length, a foreign character, or bits behind the last byte:
/// each value has one text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let (mut bytes, mut at) = ([0; N], 0);
    // The last `waiting` bits of `bits` are not in a byte yet.
    let (mut bits, mut waiting) = (0_u32, 0);
    for character in text.bytes() {
        bits = bits << 5 | value(character)?;
        waiting += 5;
        if waiting >= 8 {
            waiting -= 8;
            *bytes.get_mut(at)? = (bits >> waiting) as u8;
            at += 1;
        }
    }
    (bits & ((1 << waiting) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_that_of_rfc_4648_in_small_letters() {
        for (bytes, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        assert_eq!(&characters::<8>(b"fooba"), b"mzxw6ytb");
    }

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(decode::<1>("my"), Some(*b"f"));
        for other in ["mz", "MY", "m", "myy", "m1", "m ", "mé"] {
            assert_eq!(decode::<1>(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: [u8; 35]) {
            prop_assert_eq!(decode::<35>(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_is_read_as_the_bytes_of_another(text in "[a-z2-7]{4}") {
            if let Some(bytes) = decode::<2>(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
