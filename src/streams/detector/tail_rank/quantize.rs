//! Quantizes a number to sixteen bits in the order of the numbers, so that ranks compare integers.
//!
//! One bit of sign, seven of exponent and eight of mantissa: half a percent of resolution from 2⁻⁶³
//! to 2⁶⁴. Values are therefore scaled by a power of two first. Smaller magnitudes become 0, larger
//! ones the largest code. IEEE half precision has two more bits of mantissa, but overflows at
//! 65,504 and is not ordered as an integer.

/// A quantized number. Comparing codes compares numbers; [`NONE`] is less than all of them.
pub(super) type Code = i16;

/// No number.
pub(super) const NONE: Code = i16::MIN;

const DROPPED_BITS: u32 = 15;
const LOWEST_EXPONENT: u32 = 63;
const OFFSET: u32 = LOWEST_EXPONENT << 8;

/// The code of a number that is not NaN, rounded to nearest. Negation negates the code.
pub(super) fn encode(number: f32) -> Code {
    debug_assert!(!number.is_nan());
    let magnitude = (number.to_bits() & 0x7fff_ffff) + (1 << (DROPPED_BITS - 1));
    let code = (magnitude >> DROPPED_BITS).saturating_sub(OFFSET).min(0x7fff) as i16;
    if number < 0.0 { -code } else { code }
}

/// The number of a code. [`NONE`] has no number.
pub(super) fn decode(code: Code) -> f32 {
    let magnitude = u32::from(code.unsigned_abs().min(0x7fff));
    let number = if magnitude == 0 { 0.0 } else { f32::from_bits((magnitude + OFFSET) << DROPPED_BITS) };
    if code < 0 { -number } else { number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_have_the_order_of_numbers(a in -1e12..1e12f32, b in -1e12..1e12f32) {
            let ordered = if a <= b { encode(a) <= encode(b) } else { encode(a) >= encode(b) };
            prop_assert!(ordered, "{a} {b}");
            prop_assert_eq!(encode(-a), -encode(a));
            prop_assert!((decode(encode(a)) - a).abs() <= a.abs() / 500.0 + 1e-18);
            prop_assert_eq!(encode(decode(encode(a))), encode(a));
        }
    }

    #[test]
    fn tiny_and_huge_numbers_have_codes() {
        assert_eq!([0.0, -0.0, 1e-30, -1e-30].map(encode), [0; 4]);
        assert_eq!([f32::MAX, f32::INFINITY].map(encode), [i16::MAX; 2]);
        assert_eq!([f32::MIN, f32::NEG_INFINITY].map(encode), [-i16::MAX; 2]);
        assert!(decode(i16::MAX).is_finite());
        assert_eq!(decode(encode(1.0)), 1.0);
    }
}
