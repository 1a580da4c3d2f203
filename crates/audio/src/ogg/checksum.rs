//! The checksum of Ogg pages: CRC-32 with the polynomial 0x04C11DB7, most significant bit first.
//! The register starts at 0 and is not inverted (RFC 3533 §6).
//!
//! Such a checksum is linear, so that of a whole follows from those of its parts:
//! `crc(a ‖ b) = crc(a) · x^(8·|b|) + crc(b)` in GF(2)\[x\] modulo the polynomial.

const POLYNOMIAL: u32 = 0x04C1_1DB7;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut register = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            register = (register << 1) ^ (if register >> 31 == 1 { POLYNOMIAL } else { 0 });
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
};

/// The checksum of `bytes`, continuing from the checksum `before` of the preceding bytes.
pub(super) fn checksum(before: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(before, |register, byte| (register << 8) ^ TABLE[usize::from((register >> 24) as u8 ^ byte)])
}

/// The factor for the checksum of a part that is followed by `length` bytes.
pub(super) fn shift(length: usize) -> u32 {
    let (mut power, mut square, mut rest) = (1, 0x100, length);
    while rest > 0 {
        if rest & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        rest >>= 1;
    }
    power
}

/// The product of two polynomials.
pub(super) fn multiply(a: u32, b: u32) -> u32 {
    (0..32).rev().fold(0, |product, bit| {
        let carried = (product << 1) ^ (POLYNOMIAL & (product >> 31).wrapping_neg());
        carried ^ (a & (b >> bit & 1).wrapping_neg())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksum_matches_the_reference_value() {
        // CRC-32/MPEG-2 starts with all ones. With a register of 0 the same polynomial gives this
        // for "123456789".
        assert_eq!(checksum(0, b"123456789"), 0x89A1_897F);
    }

    proptest! {
        #[test]
        fn checksum_of_a_whole_follows_from_its_parts(a in proptest::collection::vec(any::<u8>(), 0..60), b in proptest::collection::vec(any::<u8>(), 0..600)) {
            let parts = multiply(checksum(0, &a), shift(b.len())) ^ checksum(0, &b);
            prop_assert_eq!(checksum(checksum(0, &a), &b), parts);
        }
    }
}
