//! Converts agents' names into names that Earcon allows. Deterministic; different names stay
//! different where possible.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

/// Longest KPI name, label key and label value, in bytes.
const MAX_KPI: usize = 128;
const MAX_KEY: usize = 64;
const MAX_VALUE: usize = 256;

/// A KPI name: characters other than letters, digits, `.`, `_`, `:` or `-` become `_`. Leading ones
/// that are not letters or digits are removed.
pub(super) fn kpi(name: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    shorten(replace(name, legal, '_'), MAX_KPI)
}

/// A label key: characters other than letters, digits, `_` or `.` become `_`. A leading digit or
/// dot gets a `_` in front.
pub(super) fn key(key: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let replaced = replace(key, legal, '_');
    let starts_well = replaced.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    shorten(if starts_well { replaced } else { Cow::Owned(format!("_{replaced}")) }, MAX_KEY)
}

/// A label value: `,` becomes `;` and control characters become spaces.
pub(super) fn value(value: &str) -> Cow<'_, str> {
    let without_commas = if value.contains(',') { Cow::Owned(value.replace(',', ";")) } else { Cow::Borrowed(value) };
    let clean = if without_commas.contains(char::is_control) {
        Cow::Owned(without_commas.replace(char::is_control, " "))
    } else {
        without_commas
    };
    shorten(clean, MAX_VALUE)
}

fn replace(text: &str, legal: impl Fn(char) -> bool, with: char) -> Cow<'_, str> {
    if text.chars().all(&legal) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if legal(c) { c } else { with }).collect())
}

/// Texts that are too long end in eight digits of their hash, so that texts with the same beginning
/// stay different.
fn shorten(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let mut end = max - 9;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}_{:08x}", &text[..end], xxh3_64(text.as_bytes()) as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use earcon_model::{KpiName, Labels};

    #[test]
    fn legal_names_stay_and_others_are_made_legal() {
        assert_eq!(kpi("node_cpu_seconds_total"), "node_cpu_seconds_total");
        assert_eq!(kpi("_hidden/rate %"), "hidden_rate__");
        assert_eq!(key("k8s.pod/name"), "k8s.pod_name");
        assert_eq!(key("9lives"), "_9lives");
        assert_eq!(value("a,b\tc"), "a;b c");
        assert_ne!(value(&format!("{}x", "é".repeat(200))), value(&format!("{}y", "é".repeat(200))));
    }

    proptest! {
        #[test]
        fn every_name_becomes_legal(name in "\\PC{0,200}", label in "\\PC{0,200}", text in "(?s).{1,300}") {
            let made = kpi(&name);
            prop_assert!(made.is_empty() || KpiName::new(&made).is_ok(), "{made}");
            prop_assert!(Labels::from_pairs([(key(&label), value(&text))]).is_ok());
        }
    }
}
