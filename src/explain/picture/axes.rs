//! Round numbers and round times for axes.

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const STEPS: [i64; 25] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    56 * DAY,
    112 * DAY,
    364 * DAY,
];

/// At most about `most` round numbers in `low..=high`.
pub(super) fn numbers(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low) / most.max(1) as f64;
    if !(rough.is_normal() && rough > 0.0) {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first).clamp(0.0, 50.0) as usize;
    (0..=count).map(|i| (first + i as f64) * step + 0.0).collect()
}

/// At most about `most` round local times in the range, as moments, with their texts.
pub(super) fn times(from_ms: i64, to_ms: i64, most: usize, local_ms: &dyn Fn(i64) -> i64) -> Vec<(i64, String)> {
    let rough = (to_ms - from_ms).max(1) / most.max(1) as i64;
    let step = STEPS.into_iter().find(|step| *step >= rough).unwrap_or(364 * DAY);
    let first = local_ms(from_ms).div_euclid(step) + 1;
    let mut found = Vec::new();
    for number in first..first.saturating_add(60) {
        let wanted = number.saturating_mul(step);
        // The offset is that of about the same time; a tick next to a change of the clocks may be
        // off by it.
        let guess = from_ms.saturating_add(wanted.saturating_sub(local_ms(from_ms)));
        let at_ms = guess.saturating_sub(local_ms(guess).saturating_sub(wanted));
        if at_ms > to_ms {
            break;
        }
        found.push((at_ms, text(wanted, step)));
    }
    found
}

fn text(local_ms: i64, step: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond(local_ms) else { return String::new() };
    let format = match step {
        ..MINUTE => "%H:%M:%S",
        DAY.. => "%b %d",
        _ if local_ms.rem_euclid(DAY) == 0 => "%b %d",
        _ => "%H:%M",
    };
    at.strftime(format).to_string()
}
