//! Sentences match the numbers: each number and each direction in the sentences of 10,000 anomalies
//! is read back and compared with the anomaly.

mod reading;
mod series;

use std::collections::HashSet;

use earcon::explain::rarity::{RarityCounter, comparison};
use earcon::live::sentence::sentence;
use earcon::live::wire::WireAnomaly;
use earcon_client::TimeZone;
use earcon_model::{Anomaly, Direction, EpisodeEnd, Feature, Incident, Labels};
use reading::{Said, Written, read};
use series::{Course, Dice};

const ANOMALIES: usize = 10_000;
const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati"];

#[test]
fn every_number_of_ten_thousand_sentences_is_that_of_its_anomaly() {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("EARCON_SEED").map_or(clock.as_nanos() as u64, |seed| seed.parse().unwrap());
    eprintln!("EARCON_SEED={seed}");
    let mut dice = Dice(seed);
    let (mut ids, mut seen) = (HashSet::new(), HashSet::new());
    while ids.len() < ANOMALIES {
        let course = Course::run(&mut dice);
        for anomaly in &course.found {
            ids.insert(anomaly.id);
            for anomaly in [anomaly.clone(), odd(anomaly, &mut dice)] {
                let said = check(&anomaly, &course, &mut dice);
                seen.insert(format!("{} / {:?}", said.what, said.over));
            }
        }
    }
    // All that a sentence can say is among them.
    for what in ["is above the expected range", "is below the expected range", "repeats the same value"] {
        for over in ["None", "in the range expected by then", "series ended", "deleted samples"] {
            let found = seen.iter().any(|one| one.starts_with(what) && one.contains(over));
            assert!(found, "seed {seed}: {what}, {over}: {seen:?}");
        }
    }
}

/// The check itself can fail: each wrong number and word is noticed.
#[test]
fn wrong_sentences_are_noticed() {
    let mut dice = Dice(5);
    let ended =
        |anomaly: &Anomaly| anomaly.end == Some(EpisodeEnd::SeriesEnded) && anomaly.reason != Feature::Volatility;
    let (anomaly, written) = loop {
        let Course { found, kind, .. } = Course::run(&mut dice);
        let written = Written { symbol: kind.symbol, factor: kind.factor };
        let factor = |anomaly: &&Anomaly| sentence(anomaly).contains(" times as far ") && kind.kpi == "gauge";
        if let Some(anomaly) = found.iter().filter(factor).find(|anomaly| ended(anomaly)) {
            break (anomaly.clone(), written);
        }
    };
    let right = sentence(&anomaly);
    check_text(&anomaly, &right, &written);
    let opposite = if right.contains("above") { ("above", "below") } else { ("below", "above") };
    let mut wrong = vec![
        right.replace(opposite.0, opposite.1),
        right.replace("series ended", "series stalled"),
        right.replace("anomalous sample", "anomalous samplx"),
    ];
    let digits = right.char_indices().filter(|(_, letter)| letter.is_ascii_digit());
    wrong.extend(digits.map(|(at, digit)| {
        let other = if digit == '9' { '0' } else { (digit as u8 + 1) as char };
        format!("{}{other}{}", &right[..at], &right[at + 1..])
    }));
    for text in wrong {
        let noticed = std::panic::catch_unwind(|| check_text(&anomaly, &text, &written)).is_err();
        assert!(noticed, "{text}\n{right}");
    }
}

/// Sometimes the anomaly of a detector that does not know its band, or knows one end of it.
fn odd(anomaly: &Anomaly, dice: &mut Dice) -> Anomaly {
    let mut odd = anomaly.clone();
    match dice.below(40) {
        0 => (odd.peak_expected, odd.peak_lower, odd.peak_upper) = (f64::NAN, f64::NAN, f64::NAN),
        1 => (odd.peak_lower, odd.peak_upper) = (f64::NAN, f64::NAN),
        2 => odd.peak_lower = f64::NAN,
        3 => odd.peak_lower = -f64::MAX,
        4 => odd.peak_upper = f64::MAX,
        5 => odd.peak_value = odd.peak_expected,
        _ => {}
    }
    odd
}

fn name_of(kpi: &str, labels: &Labels) -> String {
    let labels: Vec<String> = labels.pairs().map(|(key, value)| format!("{key}:{value}")).collect();
    if labels.is_empty() { kpi.to_owned() } else { format!("{kpi} ({})", labels.join(", ")) }
}

/// Checks all sentences of an anomaly, and returns what the first says.
fn check(anomaly: &Anomaly, course: &Course, dice: &mut Dice) -> Said {
    let text = sentence(anomaly);
    let written = Written { symbol: course.kind.symbol, factor: course.kind.factor };
    let said = check_text(anomaly, &text, &written);
    let name = name_of(anomaly.kpi.as_str(), &anomaly.labels);
    check_wire(anomaly, &text, &name, &written, dice);
    check_title(anomaly, &said, &name);
    check_comparison(anomaly, course);
    said
}

fn check_text(anomaly: &Anomaly, text: &str, written: &Written) -> Said {
    let name = name_of(anomaly.kpi.as_str(), &anomaly.labels);
    let said = read(text, &name, written).unwrap_or_else(|| panic!("not understood: {text}\n{anomaly:?}"));
    let problem = |what: &str| format!("{what}: {text}\n{said:?}\n{anomaly:?}");
    assert!(said.value.is(anomaly.peak_value), "{}", problem("value"));
    check_side(anomaly, &said, &problem);
    check_expected(anomaly, &said, &problem);
    check_factor(anomaly, &said, &problem);
    check_times(anomaly, &said, &problem);
    said
}

fn check_side(anomaly: &Anomaly, said: &Said, problem: &dyn Fn(&str) -> String) {
    let (above, below) = (anomaly.peak_value > anomaly.peak_upper, anomaly.peak_value < anomaly.peak_lower);
    let right = match said.what.as_str() {
        "repeats the same value" => anomaly.reason == Feature::Volatility,
        "is above the expected range" => above && anomaly.reason != Feature::Volatility,
        "is below the expected range" => below && anomaly.reason != Feature::Volatility,
        "is anomalous" => !above && !below && anomaly.reason != Feature::Volatility,
        _ => false,
    };
    assert!(right, "{}", problem("what"));
    let Some([low, high]) = said.range else { return };
    // The numbers as they are written agree with the words.
    let (low, high) = (low.map_or(f64::NEG_INFINITY, |low| low.value), high.map_or(f64::INFINITY, |high| high.value));
    let shown = said.value.value;
    assert!(!above || shown > high, "{}", problem("above"));
    assert!(!below || shown < low, "{}", problem("below"));
    let expected = said.expected.expect("the range follows it").value;
    let noise = 1e-12 * expected.abs();
    assert!((low - noise..=high + noise).contains(&expected), "{}", problem("expected inside of the range"));
}

fn check_expected(anomaly: &Anomaly, said: &Said, problem: &dyn Fn(&str) -> String) {
    let repeats = anomaly.reason == Feature::Volatility;
    assert!(!repeats || (said.expected.is_none() && said.range.is_none()), "{}", problem("of a repetition"));
    if let Some(expected) = said.expected {
        assert!(expected.is(anomaly.peak_expected), "{}", problem("expected"));
    }
    assert_eq!(said.expected.is_some(), anomaly.peak_expected.is_finite() && !repeats, "{}", problem("expected"));
    let ends = [anomaly.peak_lower, anomaly.peak_upper];
    if ends.iter().any(|end| end.is_nan()) || repeats {
        assert!(said.range.is_none(), "{}", problem("range"));
        return;
    }
    for (said, actual) in said.range.expect("a range").into_iter().zip(ends) {
        let right = said.map_or(actual.abs() == f64::MAX, |said| said.is(actual));
        assert!(right, "{}", problem("range"));
    }
}

fn check_factor(anomaly: &Anomaly, said: &Said, problem: &dyn Fn(&str) -> String) {
    let Anomaly { peak_value: value, peak_expected: expected, peak_lower: lower, peak_upper: upper, .. } = anomaly;
    let edge = if value > upper { upper } else { lower };
    let outside = value > upper || value < lower;
    let factor = (value - expected) / (edge - expected);
    // A value that repeats, and the mean of several values, have no distance in a range.
    let comparable = !matches!(anomaly.reason, Feature::Volatility | Feature::Slope);
    let due = outside && comparable && edge != expected && factor >= 1.05;
    let right = match said.factor.as_deref() {
        None => !due,
        Some("more than 100") => due && factor > 100.0,
        Some(text) => {
            let said: f64 = text.parse().unwrap();
            let digit = if factor < 9.95 { 0.05 } else { 0.5 };
            due && factor <= 100.0 && (said - factor).abs() <= digit + 1e-9
        }
    };
    assert!(right, "{}: {factor}", problem("factor"));
}

fn check_times(anomaly: &Anomaly, said: &Said, problem: &dyn Fn(&str) -> String) {
    let second = |ms: i64| ms.div_euclid(1_000) * 1_000;
    assert_eq!(said.since_ms, second(anomaly.opened_at_ms), "{}", problem("since"));
    assert_eq!(said.until_ms, anomaly.closed_at_ms.map(|_| second(anomaly.last_at_ms)), "{}", problem("until"));
    assert_eq!(said.samples, anomaly.samples, "{}", problem("samples"));
    let over = anomaly.end.map(|end| match end.as_str() {
        "calm" => "its values were in the range expected by then",
        "series_ended" => "its series ended",
        "stalled" => "its series stalled",
        "deleted" => "a person deleted samples of it",
        "other_side" => "its values crossed to the other side",
        other => panic!("an end without words: {other}"),
    });
    assert_eq!(said.over.as_deref(), over, "{}", problem("end"));
}

/// A client writes the same sentence in UTC, and one with the same times in its own zone.
fn check_wire(anomaly: &Anomaly, text: &str, name: &str, written: &Written, dice: &mut Dice) {
    let json = serde_json::to_string(&WireAnomaly::from_anomaly(anomaly)).unwrap();
    let received: earcon_client::Anomaly = serde_json::from_str(&json).unwrap();
    assert_eq!((received.sentence.as_str(), &text[..received.finding.len()]), (text, received.finding.as_str()));
    assert_eq!(earcon_client::sentence(&received, &TimeZone::UTC), text);
    let zone = TimeZone::get(dice.pick::<&str>(&ZONES)).unwrap();
    let local = earcon_client::sentence(&received, &zone);
    let (of_zone, of_utc) = (read(&local, name, written).unwrap(), read(text, name, written).unwrap());
    assert_eq!((of_zone.since_ms, of_zone.until_ms), (of_utc.since_ms, of_utc.until_ms), "{local}\n{text}");
}

/// An incident says of its first member what the sentence says.
fn check_title(anomaly: &Anomaly, said: &Said, name: &str) {
    let mut incident = Incident::example(&[anomaly.kpi.as_str()]);
    let member = &mut incident.members[0];
    (member.labels, member.direction, member.reason) = (anomaly.labels.clone(), anomaly.direction, anomaly.reason);
    incident.members_total = 1 + anomaly.samples % 3;
    let others = match incident.members_total {
        1 => String::new(),
        all => format!(", with {} other series", all - 1),
    };
    if said.what != "is anomalous" {
        assert_eq!(incident.title(), format!("{name} {}{others}", said.what));
    }
}

/// The comparison with history has the right share, count, hour and side.
fn check_comparison(anomaly: &Anomaly, course: &Course) {
    let mut counter = RarityCounter::new(anomaly.peak_value, anomaly.direction);
    counter.add_day(course.values.iter().copied());
    let (hour, zone) = (anomaly.opened_at_ms / 3_600_000 % 24, "Europe/Berlin");
    let text = comparison(anomaly, counter.finish().as_ref(), hour, zone);
    let less = |value: &&f64| match anomaly.direction {
        Direction::Above => **value < anomaly.peak_value,
        Direction::Below => **value > anomaly.peak_value,
    };
    let (count, less) = (course.values.len(), course.values.iter().filter(less).count());
    let percent = (10_000 * less / count) as f64 / 100.0;
    let Some(text) = text else {
        let silent = anomaly.reason == Feature::Slope && percent < 90.0;
        assert!(anomaly.reason == Feature::Volatility || silent, "{anomaly:?}");
        return;
    };
    assert_ne!(anomaly.reason, Feature::Volatility, "{text}");
    let rest = text.strip_prefix("Its value was ").unwrap();
    let (side, rest) = rest.split_once(" than in ").unwrap();
    assert_eq!(side, if anomaly.direction == Direction::Above { "higher" } else { "lower" }, "{text}");
    let (share, rest) = rest.split_once(" of the ").unwrap();
    let said = share.strip_suffix(" %").map_or(100.0, |percent| percent.parse::<f64>().unwrap());
    assert!((said - percent).abs() < 1e-9 && (share == "all") == (less == count), "{text}: {percent}");
    let (samples, rest) = rest.split_once(' ').unwrap();
    assert_eq!(samples.replace(',', "").parse(), Ok(count), "{text}");
    let hours = format!("({hour:02}:00 to {:02}:00, {zone})", hour + 1);
    assert_eq!(rest, format!("samples at this hour {hours} in the one day that is known."), "{text}");
}
