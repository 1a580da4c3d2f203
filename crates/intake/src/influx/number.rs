//! Parses the numbers of line protocol.

/// Powers of ten that an `f64` holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A field's value: a float, an integer (`1i`), an unsigned integer (`1u`) or a boolean (1 or 0).
/// `None` if it is not valid.
pub(super) fn value(text: &[u8]) -> Option<f64> {
    let (last, before) = text.split_last()?;
    match last {
        b'0'..=b'9' | b'.' => float(text),
        b'i' => Some(std::str::from_utf8(before).ok()?.parse::<i64>().ok()? as f64),
        b'u' => Some(std::str::from_utf8(before).ok()?.parse::<u64>().ok()? as f64),
        _ => match text {
            b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(1.0),
            b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(0.0),
            _ => None,
        },
    }
}

/// A timestamp.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits fit into 64 bits.
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// A decimal number. With digits up to 2^53 and an exact power of ten, one division rounds
/// correctly (Clinger, How to read floating point numbers accurately, 1990). Other numbers take the
/// slow path.
fn float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let (mut mantissa, mut fraction, mut seen_point): (u64, usize, bool) = (0, 0, false);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && mantissa < 1 << 50 {
            mantissa = mantissa * 10 + u64::from(digit);
            fraction += usize::from(seen_point);
        } else if *byte == b'.' && !seen_point {
            seen_point = true;
        } else {
            return the_long_way(text);
        }
    }
    if mantissa > 1 << 53 || fraction >= EXACT.len() || digits.len() == usize::from(seen_point) {
        return the_long_way(text);
    }
    let value = mantissa as f64 / EXACT[fraction];
    Some(if negative { -value } else { value })
}

fn the_long_way(text: &[u8]) -> Option<f64> {
    // Rust parses words such as "inf", which are not numbers in Influx.
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_of_values_are_distinguished() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("-1.50", Some(-1.5)),
            ("1e3", Some(1_000.0)),
            ("1.e-3", Some(0.001)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-12i", Some(-12.0)),
            ("18446744073709551615u", Some(18_446_744_073_709_551_615.0)),
            ("T", Some(1.0)),
            ("false", Some(0.0)),
            ("1e999", None),
            ("-1u", None),
            ("1.5i", None),
            ("inf", None),
            ("NaN", None),
            ("", None),
            (".", None),
            ("-", None),
            ("-.", None),
            ("1.2.3", None),
            ("0x10", None),
            ("tru", None),
        ] {
            assert_eq!(value(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer(b"9223372036854775808"), None);
    }

    proptest! {
        #[test]
        fn floats_arrive_to_the_bit(number in any::<f64>().prop_filter("finite", |n| n.is_finite()), digits in 0usize..19) {
            for text in [format!("{number}"), format!("{number:e}"), format!("{:.digits$}", number % 1e9)] {
                let expected: f64 = text.parse().unwrap();
                prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()), "{}", text);
            }
        }

        #[test]
        fn integers_arrive(number: i64) {
            prop_assert_eq!(integer(number.to_string().as_bytes()), Some(number));
        }
    }
}
