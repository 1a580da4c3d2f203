//! Times as texts, for messages to people.

const DAY_MS: i64 = 86_400_000;
/// The last millisecond of the year 9999, and the first of the year 0.
const LATEST_MS: i64 = 253_402_300_799_999;
const EARLIEST_MS: i64 = -62_167_219_200_000;

/// A time in milliseconds since 1970 UTC as RFC 3339, such as `2026-01-01T12:00:05Z`. It has
/// milliseconds if there are some. A time beyond the years 0 to 9999 stays a number.
pub fn rfc3339(ms: i64) -> String {
    if !(EARLIEST_MS..=LATEST_MS).contains(&ms) {
        return format!("{ms} ms since 1970");
    }
    let (day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(day);
    let (hour, minute, second, milli) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a day since 1970 in the Gregorian calendar. The algorithm is
/// `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_826_245_007, "2000-02-29T12:10:45.007Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59Z"),
            (LATEST_MS, "9999-12-31T23:59:59.999Z"),
            (EARLIEST_MS, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9223372036854775807 ms since 1970"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
