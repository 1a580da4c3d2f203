//! Numbers with their units, as people read them: `12.5 ms`, `150 MB/s`, `3.2%`, `12,345`.
//!
//! The dashboard writes the same texts in `web/src/format/units.ts`. `tests/quantities.json` holds
//! the cases that both are tested with.

use super::meaning::symbol;

/// How the values of a KPI are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Behind the number; empty for plain numbers.
    symbol: String,
    /// Whether large numbers get a prefix (k, M, G …) before the symbol.
    prefixes: bool,
    /// The value is multiplied by this before it is written.
    factor: f64,
}

/// Units by the suffix of a KPI's name, as in Prometheus. Longer suffixes come first.
const SUFFIXES: [(&str, &str, bool, f64); 13] = [
    ("_bytes_per_second", "B/s", true, 1.0),
    ("_bits_per_second", "bit/s", true, 1.0),
    ("_per_second", "/s", true, 1.0),
    ("_bytes", "B", true, 1.0),
    ("_percent", "%", false, 1.0),
    ("_ratio", "%", false, 100.0),
    ("_celsius", "°C", false, 1.0),
    ("_milliseconds", "s", true, 1e-3),
    ("_ms", "s", true, 1e-3),
    ("_seconds", "s", true, 1.0),
    ("_hertz", "Hz", true, 1.0),
    ("_watts", "W", true, 1.0),
    ("_volts", "V", true, 1.0),
];

const LARGE: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
/// Most decimals that are added to tell two numbers apart.
const MOST_DECIMALS: u8 = 16;
const SMALL: [(f64, &str); 4] = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")];

impl Unit {
    /// A plain number.
    pub fn plain() -> Self {
        Self::new("", true, 1.0)
    }

    /// The unit that was stated for a KPI. Without one, that of the suffix of its name.
    pub fn of_kpi(kpi: &str, stated: Option<&str>) -> Self {
        match stated {
            Some(stated) => Self::stated(stated),
            None => {
                let found = SUFFIXES.iter().find(|(suffix, ..)| kpi.ends_with(suffix));
                found.map_or_else(Self::plain, |(_, symbol, prefixes, factor)| Self::new(symbol, *prefixes, *factor))
            }
        }
    }

    /// A unit as it was stated: a code of UCUM, a word of OpenMetrics, or another text.
    pub fn stated(unit: &str) -> Self {
        let (base, per_second) = unit.strip_suffix("/s").map_or((unit, ""), |base| (base, "/s"));
        let known = match base {
            "By" | "bytes" => Self::new("B", true, 1.0),
            "bit" | "bits" => Self::new("bit", true, 1.0),
            "s" | "seconds" => Self::new("s", true, 1.0),
            "ms" | "milliseconds" => Self::new("s", true, 1e-3),
            "us" => Self::new("s", true, 1e-6),
            "ns" => Self::new("s", true, 1e-9),
            "%" | "percent" => Self::new("%", false, 1.0),
            "ratio" => Self::new("%", false, 100.0),
            "1" => Self::plain(),
            "Hz" => Self::new("Hz", true, 1.0),
            "W" => Self::new("W", true, 1.0),
            "V" => Self::new("V", true, 1.0),
            _ => return Self::new(&symbol(unit), false, 1.0),
        };
        Self { symbol: known.symbol + per_second, ..known }
    }

    fn new(symbol: &str, prefixes: bool, factor: f64) -> Self {
        Self { symbol: symbol.to_owned(), prefixes, factor }
    }

    /// A value with this unit. `–` stands for a value that is not known.
    pub fn write(&self, value: f64) -> String {
        self.write_finer(value, 0)
    }

    /// As [`write`](Self::write), with so many more decimals.
    pub fn write_finer(&self, value: f64, more: u8) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        let value = value * self.factor;
        let (scale, prefix) = self.scale(value.abs());
        self.join(&finer(value / scale, more), prefix)
    }

    /// Both ends of a range in the unit of the larger, with decimals that tell them apart:
    /// `1.1–2 MB/s`, `1.02–1.0203 G`.
    pub fn write_range(&self, low: f64, high: f64) -> String {
        self.write_range_finer(low, high, 0)
    }

    /// As [`write_range`](Self::write_range), with so many more decimals.
    pub fn write_range_finer(&self, low: f64, high: f64, more: u8) -> String {
        if !low.is_finite() || !high.is_finite() {
            return "–".to_owned();
        }
        let (low, high) = (low * self.factor, high * self.factor);
        let (scale, prefix) = self.scale(low.abs().max(high.abs()));
        let ends = |more: u8| (finer(low / scale, more), finer(high / scale, more));
        // One number for a narrow range would say that nothing else is expected.
        let (from, to) = (more..=MOST_DECIMALS).map(ends).find(|(from, to)| from != to).unwrap_or_else(|| ends(more));
        if from == to {
            return self.join(&to, prefix);
        }
        let dash = if low < 0.0 || high < 0.0 { " to " } else { "–" };
        self.join(&format!("{from}{dash}{to}"), prefix)
    }

    /// The numbers of a scale without their unit, all with the same prefix and with decimals that
    /// tell them apart, and their unit with the prefix.
    pub fn write_scale(&self, numbers: &[f64]) -> (Vec<String>, String) {
        let numbers: Vec<f64> = numbers.iter().map(|number| number * self.factor).collect();
        let largest = numbers.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
        let (scale, prefix) = self.scale(largest);
        let texts = |more: u8| numbers.iter().map(|number| finer(number / scale, more)).collect::<Vec<_>>();
        let differ = |texts: &[String]| texts.windows(2).all(|pair| pair[0] != pair[1]);
        let texts = (0..MOST_DECIMALS).map(texts).find(|texts| differ(texts)).unwrap_or_else(|| texts(0));
        (texts, format!("{prefix}{}", self.symbol))
    }

    /// How many more decimals tell a value from one end of a range, whether in the value's own unit
    /// or in that of the range. At most 16.
    pub fn decimals_between(&self, value: f64, end: f64, (low, high): (f64, f64)) -> u8 {
        let [value, end, low, high] = [value, end, low, high].map(|number| number * self.factor);
        let scales = [value.abs(), low.abs().max(high.abs())].map(|magnitude| self.scale(magnitude).0);
        let apart = |more: u8| scales.iter().all(|scale| finer(value / scale, more) != finer(end / scale, more));
        (0..MOST_DECIMALS).find(|more| apart(*more)).unwrap_or(MOST_DECIMALS)
    }

    fn join(&self, number: &str, prefix: &str) -> String {
        let symbol = &self.symbol;
        let attached = prefix.is_empty() && (symbol.is_empty() || symbol.starts_with(['%', '/']));
        let space = if attached { "" } else { " " };
        format!("{number}{space}{prefix}{symbol}")
    }

    fn scale(&self, magnitude: f64) -> (f64, &'static str) {
        if !self.prefixes || magnitude == 0.0 {
            return (1.0, "");
        }
        // Plain counts are written in full up to five digits: 12,345 rather than 12.3 k.
        let first = if self.symbol.is_empty() { 1e5 } else { 1e3 };
        let largest = |all: &[(f64, &'static str)]| all.iter().find(|(size, _)| magnitude >= *size).copied();
        match (self.symbol == "s", magnitude) {
            // Long times are no kiloseconds.
            (true, 1.0..) => (1.0, ""),
            (true, _) => largest(&SMALL).unwrap_or((1e-9, "n")),
            (false, magnitude) if magnitude >= first => largest(&LARGE).unwrap_or((1.0, "")),
            (false, _) => (1.0, ""),
        }
    }
}

/// A number with three or four significant digits, its thousands apart, and no needless zeros.
///
/// Halves are rounded away from zero, before the number becomes a text. So JavaScript and Rust
/// write the same.
pub fn number(value: f64) -> String {
    finer(value, 0)
}

/// A number with so many more decimals.
fn finer(value: f64, more: u8) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if magnitude != 0.0 && !(1e-4..1e12).contains(&magnitude) {
        return scientific(value, 2 + usize::from(more));
    }
    let places = match magnitude {
        1e3.. => 0,
        1e2.. => 1,
        1.0.. => 2,
        1e-1.. => 3,
        1e-2.. => 4,
        1e-3.. => 5,
        _ => 6,
    } + i32::from(more);
    let power = 10f64.powi(places);
    let rounded = (magnitude * power).round() / power;
    let text = format!("{rounded:.*}", places as usize);
    let text = trimmed(&text);
    let (whole, fraction) =
        text.split_once('.').map_or((text, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let sign = if value < 0.0 && rounded != 0.0 { "-" } else { "" };
    format!("{sign}{}{fraction}", thousands(whole))
}

/// `2.5e-7`: at most two decimals, or more if asked for.
fn scientific(value: f64, decimals: usize) -> String {
    // The shortest digits that give the same number, which JavaScript writes too.
    let exact = format!("{:e}", value.abs());
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let power = 10f64.powi(decimals as i32);
    let mantissa = (mantissa.parse::<f64>().unwrap_or(0.0) * power).round() / power;
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (mantissa, exponent) = if mantissa >= 10.0 { (mantissa / 10.0, exponent + 1) } else { (mantissa, exponent) };
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}e{exponent}", trimmed(&format!("{mantissa:.decimals$}")))
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Digits in groups of three when there are more than four.
pub fn thousands(digits: &str) -> String {
    if digits.len() <= 4 {
        return digits.to_owned();
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Cases {
        quantities: Vec<(String, Option<String>, f64, String)>,
        ranges: Vec<(String, Option<String>, f64, f64, String)>,
        symbols: Vec<(String, String)>,
    }

    fn cases() -> Cases {
        serde_json::from_str(include_str!("../tests/quantities.json")).unwrap()
    }

    #[test]
    fn quantities_are_written_as_the_dashboard_writes_them() {
        for (kpi, unit, value, text) in cases().quantities {
            assert_eq!(Unit::of_kpi(&kpi, unit.as_deref()).write(value), text, "{kpi} {unit:?} {value}");
        }
        for (kpi, unit, low, high, text) in cases().ranges {
            assert_eq!(Unit::of_kpi(&kpi, unit.as_deref()).write_range(low, high), text, "{kpi} {unit:?} {low} {high}");
        }
        for (unit, shown) in cases().symbols {
            assert_eq!(symbol(&unit), shown, "{unit}");
        }
    }

    #[test]
    fn decimals_tell_a_value_from_the_end_of_a_range() {
        let plain = Unit::plain();
        assert_eq!(plain.decimals_between(120.0, 105.75, (90.25, 105.75)), 0);
        let more = plain.decimals_between(100.04, 100.01, (90.0, 100.01));
        assert_eq!(plain.write_finer(100.04, more), "100.04");
        assert_eq!(plain.write_range_finer(90.0, 100.01, more), "90–100.01");
        let bytes = Unit::stated("By/s");
        let more = bytes.decimals_between(1e6, 999_999.0, (900e3, 999_999.0));
        assert_eq!(bytes.write_range_finer(900e3, 999_999.0, more), "900–999.999 kB/s");
        let more = plain.decimals_between(1e13 + 1.0, 1e13, (0.0, 1e13));
        assert_ne!(plain.write_finer(1e13 + 1.0, more), plain.write_finer(1e13, more));
        assert_eq!(plain.decimals_between(1.0, 1.0, (0.0, 1.0)), MOST_DECIMALS);
    }

    #[test]
    fn the_numbers_of_a_scale_have_one_unit_and_differ() {
        let written = |unit: &str, numbers: &[f64]| {
            let (texts, unit) = Unit::stated(unit).write_scale(numbers);
            (texts.join(" "), unit)
        };
        assert_eq!(written("By/s", &[0.0, 5e5, 1e6]), ("0 0.5 1".into(), "MB/s".into()));
        assert_eq!(written("1", &[1000.2, 1000.4, 1000.6]), ("1000.2 1000.4 1000.6".into(), String::new()));
        assert_eq!(written("ratio", &[-0.5, 0.5]), ("-50 50".into(), "%".into()));
        assert_eq!(written("ms", &[5.0, 5.0]), ("5 5".into(), "ms".into()));
    }

    #[test]
    fn unknown_values_are_a_dash() {
        let unit = Unit::stated("ms");
        assert_eq!([unit.write(f64::NAN), unit.write_range(1.0, f64::INFINITY)], ["–", "–"]);
    }
}
