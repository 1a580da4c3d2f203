//! Reads a sentence back into numbers, without the code that writes sentences.

/// A number with the interval of values that it may stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantity {
    pub(super) value: f64,
    /// Half of its last digit.
    pub(super) tolerance: f64,
}

impl Quantity {
    /// Whether it is this number, rounded to at least three digits.
    pub(super) fn is(self, actual: f64) -> bool {
        let error = (self.value - actual).abs();
        let noise = 1e-12 * actual.abs();
        error <= self.tolerance * 1.000_001 + noise && error <= 0.005 * actual.abs() + noise
    }
}

/// What a sentence says.
#[derive(Debug)]
pub(super) struct Said {
    /// What follows the name: `is above the expected range`.
    pub(super) what: String,
    pub(super) value: Quantity,
    pub(super) expected: Option<Quantity>,
    /// Lower and upper end, as far as they are said.
    pub(super) range: Option<[Option<Quantity>; 2]>,
    /// `2.4`, `more than 100`.
    pub(super) factor: Option<String>,
    pub(super) since_ms: i64,
    pub(super) until_ms: Option<i64>,
    pub(super) samples: u32,
    /// Why it is over.
    pub(super) over: Option<String>,
}

/// How the numbers of a KPI are written.
pub(super) struct Written {
    pub(super) symbol: &'static str,
    pub(super) factor: f64,
}

/// Reads a sentence about the series of this name.
pub(super) fn read(sentence: &str, name: &str, unit: &Written) -> Option<Said> {
    let rest = sentence.strip_prefix(name)?.strip_prefix(' ')?.strip_suffix('.')?;
    let (finding, rest) = rest.split_once("; since ")?;
    let (what, numbers) = finding.split_once(": ")?;
    let (numbers, factor) = match numbers.strip_suffix(" times as far from the expected value as the range allows") {
        Some(with) => with.rsplit_once(", ").map(|(numbers, factor)| (numbers, Some(factor.to_owned())))?,
        None => (numbers, None),
    };
    let (value, expected) = match numbers.split_once(" where ") {
        Some((value, expected)) => (value, Some(expected)),
        None => (numbers, None),
    };
    let (expected, range) = match expected.map(|all| all.split_once(" was expected")) {
        None => (None, None),
        Some(None) => return None,
        Some(Some((expected, ""))) => (Some(quantity(expected, unit)?), None),
        Some(Some((expected, range))) => {
            let inner = range.strip_prefix(" (")?.strip_suffix(')')?;
            (Some(quantity(expected, unit)?), Some(ends(inner, unit)?))
        }
    };
    let (when, over) = match rest.split_once("; it is over because ") {
        Some((when, over)) => (when, Some(over.to_owned())),
        None => (rest, None),
    };
    let (times, samples) = when.split_once(" (")?;
    let (samples, noun) = samples.strip_suffix(')')?.split_once(" anomalous ")?;
    let samples: u32 = samples.replace(',', "").parse().ok()?;
    if (samples == 1) != (noun == "sample") || !["sample", "samples"].contains(&noun) {
        return None;
    }
    let (since, until) = match times.split_once(", until ") {
        Some((since, until)) => (since, Some(until)),
        None => (times, None),
    };
    let until_ms = match until {
        Some(until) => Some(time(until)?),
        None => None,
    };
    let value = quantity(value, unit)?;
    Some(Said { what: what.into(), value, expected, range, factor, since_ms: time(since)?, until_ms, samples, over })
}

/// `1.1–2 MB/s`, `-3 to 4`, `5%`, `at least 5`, `at most 5`
fn ends(text: &str, unit: &Written) -> Option<[Option<Quantity>; 2]> {
    if let Some(least) = text.strip_prefix("at least ") {
        return Some([Some(quantity(least, unit)?), None]);
    }
    if let Some(most) = text.strip_prefix("at most ") {
        return Some([None, Some(quantity(most, unit)?)]);
    }
    let Some((low, high)) = text.split_once('–').or_else(|| text.split_once(" to ")) else {
        let both = quantity(text, unit)?;
        return Some([Some(both), Some(both)]);
    };
    let (_, of_high) = split(high);
    Some([Some(quantity(&format!("{low}{of_high}"), unit)?), Some(quantity(high, unit)?)])
}

/// The number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let of_number = |at: usize| match bytes[at] {
        b'0'..=b'9' | b'.' | b',' | b'-' => true,
        b'e' => bytes.get(at + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'-'),
        _ => false,
    };
    let end = (0..bytes.len()).find(|at| !of_number(*at)).unwrap_or(bytes.len());
    text.split_at(end)
}

fn quantity(text: &str, unit: &Written) -> Option<Quantity> {
    let (number, rest) = split(text);
    let number = number.replace(',', "");
    let prefix = rest.trim_start_matches(' ').strip_suffix(unit.symbol)?;
    let scale = match prefix {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "m" => 1e-3,
        "µ" => 1e-6,
        "n" => 1e-9,
        _ => return None,
    };
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let power = 10f64.powi(exponent.parse::<i32>().ok()?);
    let to_value = scale / unit.factor;
    let value = number.parse::<f64>().ok()? * to_value;
    Some(Quantity { value, tolerance: 0.5 * 10f64.powi(-(decimals as i32)) * power * to_value })
}

/// `2026-01-01 13:00:05 UTC`, or with an offset such as `+01:00`, in milliseconds UTC.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(' ');
    let (date, clock, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let numbers = |text: &str, by: char| text.split(by).map(str::parse::<i64>).collect::<Result<Vec<_>, _>>().ok();
    let (date, clock) = (numbers(date, '-')?, numbers(clock, ':')?);
    let offset = match zone.strip_prefix(['+', '-']) {
        None if zone == "UTC" => 0,
        None => return None,
        Some(size) => {
            let size = numbers(size, ':')?;
            let seconds = size[0] * 3_600 + size[1] * 60 + size.get(2).copied().unwrap_or(0);
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    // Days from civil, by H. Hinnant.
    let (year, month) = if date[1] <= 2 { (date[0] - 1, date[1] + 12) } else { (date[0], date[1]) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + date[2] - 719_469;
    Some(((days * 24 + clock[0]) * 3_600 + clock[1] * 60 + clock[2] - offset) * 1_000)
}
