//! Numbers in two bytes, for profiles.
//!
//! One bit of sign, six of exponent and nine of mantissa: a tenth of a percent of resolution from
//! 2⁻³² to 2³¹. The owner divides by a unit near its usual magnitude first. Smaller magnitudes
//! become 0, larger ones the largest.

/// A number in two bytes.
pub(super) type Half = i16;

const DROPPED_BITS: u32 = 14;
const OFFSET: u32 = (127 - 32) << 9;

/// Rounds a number to the nearest half. Negation negates it. NaN becomes the largest.
pub(super) fn encode(number: f32) -> Half {
    let magnitude = (number.to_bits() & 0x7fff_ffff) + (1 << (DROPPED_BITS - 1));
    let half = (magnitude >> DROPPED_BITS).saturating_sub(OFFSET).min(0x7fff) as i16;
    if number < 0.0 { -half } else { half }
}

/// The number of a half.
pub(super) fn decode(half: Half) -> f32 {
    let magnitude = u32::from(half.unsigned_abs().min(0x7fff));
    let number = if magnitude == 0 { 0.0 } else { f32::from_bits((magnitude + OFFSET) << DROPPED_BITS) };
    if half < 0 { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_a_tenth_of_a_percent() {
        let mut number = 1e-9f32;
        while number < 1e9 {
            for signed in [number, -number] {
                let back = decode(encode(signed));
                assert!((back - signed).abs() <= 0.001 * number, "{signed} {back}");
            }
            number *= 1.37;
        }
        assert_eq!((decode(encode(0.0)), decode(encode(1e-30)), decode(encode(-0.0))), (0.0, 0.0, 0.0));
        assert!(decode(encode(f32::INFINITY)) > 1e9 && decode(encode(-1e30)) < -1e9);
        assert_eq!([0.5, 1.0, -3.0].map(|exact| decode(encode(exact))), [0.5, 1.0, -3.0]);
    }
}
