//! Logarithm and exponential of base 2, from IEEE additions, multiplications and divisions only.
//!
//! The functions of the platform's mathematics library differ in the last bit between platforms and
//! versions. A replay must reproduce every score exactly, on any platform. Scores need about seven
//! digits, so short series are enough. Nothing else in `streams` calls a transcendental function.

/// log₁₀ of 2, to convert [`log2`] into decades.
pub(super) const LOG10_OF_2: f64 = std::f64::consts::LOG10_2;

/// 1/k! for k from 0 to 10.
const INVERSE_FACTORIALS: [f64; 11] = {
    let mut factors = [1.0; 11];
    let mut k = 1;
    while k < factors.len() {
        factors[k] = factors[k - 1] / k as f64;
        k += 1;
    }
    factors
};

/// Logarithm of base 2 of a positive, normal number, to about 1e-9.
///
/// Splits off the exponent and brings the mantissa into [√½, √2). Then sums the artanh series ln m
/// = 2·(t + t³/3 + t⁵/5 + …) with t = (m−1)/(m+1).
pub(super) fn log2(x: f64) -> f64 {
    debug_assert!(x >= f64::MIN_POSITIVE && x.is_finite());
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let series =
        1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square * (1.0 / 9.0 + square / 11.0))));
    f64::from(exponent) + 2.0 * std::f64::consts::LOG2_E * t * series
}

/// 2 to the power `-x` for `x >= 0`, to about 1e-9; 0 from `x = 1000` on.
pub(super) fn exp2_neg(x: f64) -> f64 {
    debug_assert!(x >= 0.0);
    if x >= 1000.0 {
        return 0.0;
    }
    let whole = x as u32;
    let rest = -(x - f64::from(whole)) * std::f64::consts::LN_2;
    // The series of the exponential function, innermost term first.
    let sum = INVERSE_FACTORIALS.iter().rev().fold(0.0, |sum, factor| sum * rest + factor);
    sum * f64::from_bits((1023 - u64::from(whole)) << 52)
}

/// The larger of two numbers that are not NaN; the second if they are equal. `f64::max` costs six
/// instructions instead of one, and may return either of two zeros.
#[inline(always)]
pub(super) fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The smaller of two numbers that are not NaN; the second if they are equal.
#[inline(always)]
pub(super) fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform_to_eight_digits() {
        for i in 1..20_000 {
            let x = f64::from(i) * 0.37;
            assert!((log2(x) - x.log2()).abs() < 2e-8, "log2({x})");
            let y = f64::from(i) * 0.003;
            assert!((exp2_neg(y) - (-y).exp2()).abs() < 1e-8, "exp2(-{y})");
        }
    }

    #[test]
    fn powers_of_two_are_exact() {
        for exponent in -1000..1000 {
            assert_eq!(log2(2f64.powi(exponent)), f64::from(exponent));
        }
        assert_eq!(exp2_neg(0.0), 1.0);
        assert_eq!(exp2_neg(10.0), 1.0 / 1024.0);
        assert_eq!(exp2_neg(5000.0), 0.0);
    }
}
