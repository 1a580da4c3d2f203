//! Makes names of other systems legal in Earcon: the one place for all protocols and files.
//!
//! Two different names never become one. A name that is legal stays as it is. From any other, what
//! is illegal is replaced or cut, and sixteen digits of a hash of the whole name are appended. Text
//! of any script is legal, so such names stay readable. It is composed first (Unicode NFC): equal
//! characters then have equal bytes. One name in two such spellings is one name, but never within
//! one request, see [`spelling`].

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use xxhash_rust::xxh3::xxh3_64;

use earcon_model::{KpiName, Labels};

/// Bytes of the hash and the `_` in front of it.
const HASH: usize = 17;

/// The name of a KPI. At the start, characters other than letters and digits are removed. `None` if
/// the text is empty.
pub fn kpi_name(text: &str) -> Option<KpiName> {
    kpi_name_for_suffix(text, 0)
}

/// The same, with room for a suffix of this many bytes.
pub fn kpi_name_for_suffix(text: &str, suffix: usize) -> Option<KpiName> {
    let text = composed(text);
    let longest = KpiName::MAX_BYTES - suffix;
    if text.len() <= longest
        && let Ok(name) = KpiName::new(&text)
    {
        return Some(name);
    }
    if text.is_empty() {
        return None;
    }
    let readable = text.trim_start_matches(|c: char| !c.is_alphanumeric() || !KpiName::allows(c));
    let replaced = replace(readable, KpiName::allows);
    // A name that has no legal character is named by its hash alone.
    let readable = if replaced.is_empty() { "unnamed" } else { &replaced };
    KpiName::new(&hashed(readable, &text, longest)).ok()
}

/// The name made of parts with dots between them, before it is made legal. Parts before `dotted`
/// may contain dots. A name with a dot in any other part ends in a hash, like one that is illegal:
/// `a.b` and `c` are `a.b.c`, so `a` and `b.c` are not.
pub(crate) fn joined(parts: &[&str], dotted: usize) -> String {
    let name = parts.join(".");
    if !parts.iter().skip(dotted).any(|part| part.contains('.')) {
        return name;
    }
    let parts: Vec<_> = parts.iter().map(|part| composed(part)).collect();
    // No control character is legal in a name, so the parts stay apart.
    hashed(&name, &parts.join("\u{1f}"), name.len() + HASH)
}

/// The key of a label. A digit or a dot at the start gets a `_` in front.
pub fn label_key(text: &str) -> Cow<'_, str> {
    let text = composed(text);
    if Labels::allows_key(&text) {
        return text;
    }
    let mut replaced = replace(&text, Labels::allows_in_key);
    if !replaced.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        replaced.insert(0, '_');
    }
    Cow::Owned(hashed(&replaced, &text, Labels::MAX_KEY_BYTES))
}

/// The value of a label: `,` becomes `;`, and control characters become spaces.
pub fn label_value(text: &str) -> Cow<'_, str> {
    let illegal = |c: char| c == ',' || c.is_control();
    if text.len() <= Labels::MAX_VALUE_BYTES && !text.contains(illegal) {
        return Cow::Borrowed(text);
    }
    let legal = |c: char| {
        if c == ',' {
            ';'
        } else if c.is_control() {
            ' '
        } else {
            c
        }
    };
    let replaced: String = text.chars().map(legal).collect();
    Cow::Owned(hashed(&replaced, text, Labels::MAX_VALUE_BYTES))
}

/// The text with composed characters: equal characters have equal bytes.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// Tells spellings of one name apart: 0 for composed characters, else a hash of the bytes. A sender
/// that uses two spellings in one request means two names, so the later one is refused.
pub fn spelling(text: &str) -> u64 {
    match composed(text) {
        Cow::Borrowed(_) => 0,
        Cow::Owned(composed) if composed == text => 0,
        Cow::Owned(_) => xxh3_64(text.as_bytes()).max(1),
    }
}

fn replace(text: &str, legal: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if legal(c) { c } else { '_' }).collect()
}

/// The text, cut if it is too long, and a hash of the original.
fn hashed(text: &str, original: &str, longest: usize) -> String {
    let mut end = text.len().min(longest - HASH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{:016x}", text[..end].trim_end_matches('_'), xxh3_64(original.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn kpi(text: &str) -> String {
        kpi_name(text).map_or_else(String::new, |name| name.as_str().to_owned())
    }

    #[test]
    fn legal_names_stay_in_any_script() {
        for name in ["node_cpu_seconds_total", "raum.温度", "влажность", "größe", "तापमान", "ราคา", "k8s.io:x-y"]
        {
            assert_eq!(kpi(name), name);
        }
        assert_eq!(kpi("e\u{301}tat"), "état", "composed");
        assert_eq!(label_key("größe"), "größe");
        assert_eq!(label_value("Ünïcode: ok"), "Ünïcode: ok");
    }

    #[test]
    fn illegal_names_stay_readable_and_end_in_a_hash() {
        let hash = |text: &str| format!("{:016x}", xxh3_64(text.as_bytes()));
        for (text, readable) in [
            ("Requests / s", "Requests___s"),
            ("_hidden", "hidden"),
            ("disk used %", "disk_used"),
            ("€", "unnamed"),
            ("a\u{202e}b", "a_b"),
        ] {
            assert_eq!(kpi(text), format!("{readable}_{}", hash(text)));
        }
        assert_eq!(kpi(""), "");
        assert_eq!(label_key("9lives"), format!("_9lives_{}", hash("9lives")));
        assert_eq!(label_key("k8s.pod/name"), format!("k8s.pod_name_{}", hash("k8s.pod/name")));
        assert_eq!(label_value("a,b\tc"), format!("a;b c_{}", hash("a,b\tc")));
    }

    #[test]
    fn different_names_stay_different() {
        let long = "n".repeat(127);
        let names = [
            " ", "a/b", "a%b", "a b", " a b", "a b ", "a_b", "a__b", "_a_b", "-a_b", "ä", "ö", "温度/1", "湿度/1", "€",
            "£",
        ];
        let names = names.into_iter().map(str::to_owned).chain([format!("{long}cx"), format!("{long}dx")]);
        let names: Vec<String> = names.collect();
        let distinct = |make: &dyn Fn(&str) -> String| names.iter().map(|name| make(name)).collect::<HashSet<_>>();
        assert_eq!(distinct(&kpi).len(), names.len());
        assert_eq!(distinct(&|name| label_key(name).into_owned()).len(), names.len());
        let values = ["a,b", "a;b", "a\tb", "a b"];
        assert_eq!(values.map(label_value).into_iter().collect::<HashSet<_>>().len(), values.len());
    }

    #[test]
    fn joined_parts_stay_apart() {
        assert_eq!(joined(&["a.b", "c"], 1), "a.b.c");
        assert_eq!(joined(&["a", "b", "c"], 0), "a.b.c");
        let hash = |text: &str| format!("{:016x}", xxh3_64(text.as_bytes()));
        assert_eq!(joined(&["a", "b.c"], 1), format!("a.b.c_{}", hash("a\u{1f}b.c")));
        assert_eq!(joined(&["a", "é.c"], 1).split_once('_').unwrap().1, hash("a\u{1f}é.c"));
        assert_eq!(joined(&["a", "e\u{301}.c"], 1).split_once('_').unwrap().1, hash("a\u{1f}é.c"), "composed");
        let names =
            [joined(&["a.b", "c"], 1), joined(&["a", "b.c"], 1), joined(&["a.b", "c"], 0), joined(&["a.b.c"], 0)];
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 4, "{names:?}");
    }

    #[test]
    fn the_manual_has_the_names_that_are_made() {
        let manual = include_str!("../../../docs/ingest.md");
        let disk = format!("`{}` for `disk used %`", kpi("disk used %"));
        assert!(manual.contains(&disk), "{disk}");
        let field = format!("`a b.c=2` | a name with a hash, such as `{}`", joined(&["a", "b.c"], 1));
        assert!(manual.contains(&field), "{field}");
    }

    #[test]
    fn names_are_kept_apart_by_more_than_32_bits() {
        let (mut halves, mut alike) = (std::collections::HashMap::new(), 0);
        for i in 0..300_000 {
            let name = format!("a {i} %");
            let half = xxh3_64(name.as_bytes()) as u32;
            if let Some(other) = halves.insert(half, name.clone()) {
                alike += 1;
                assert_ne!(hashed("a", &name, 100), hashed("a", &other, 100));
            }
        }
        assert!(alike > 0, "so many names have equal halves of their hashes");
    }

    #[test]
    fn spellings_of_one_name_are_told_apart() {
        assert_eq!([spelling("état"), spelling("温度"), spelling("")], [0; 3]);
        assert_ne!(spelling("e\u{301}tat"), 0);
        assert_ne!(spelling("e\u{301}tat"), spelling("e\u{301}ta\u{308}t"));
        assert_eq!(kpi("e\u{301}tat %"), kpi("état %"));
    }

    #[test]
    fn suffixes_fit() {
        let name = kpi_name_for_suffix(&"x".repeat(200), 8).unwrap();
        assert!(KpiName::new(&format!("{name}.percent")).is_ok());
    }

    proptest! {
        #[test]
        fn every_name_becomes_legal(name in "\\PC{0,200}", label in "(?s).{0,200}", text in "(?s).{1,300}") {
            prop_assert_eq!(kpi_name(&name).is_none(), name.is_empty());
            prop_assert!(Labels::from_pairs([(label_key(&label), label_value(&text))]).is_ok());
        }

        #[test]
        fn made_names_stay(name in "(?s).{1,200}") {
            if let Some(made) = kpi_name(&name) {
                prop_assert_eq!(kpi_name(made.as_str()), Some(made));
            }
            let key = label_key(&name).into_owned();
            prop_assert_eq!(label_key(&key), key.as_str());
        }
    }
}
