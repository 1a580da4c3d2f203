//! Makes names of other systems legal in Earcon: the one place for all protocols and files.
//!
//! Two different names never become one. A name that is legal stays as it is. From any other, what
//! is illegal is replaced or cut, and sixteen digits of a hash of the whole name are appended. Text
//! of any script is legal, so such names stay readable. It is composed first (Unicode NFC): equal
//! characters then have equal bytes. One name in two such spellings is one name, but never within
//! one request, see [`spelling`].

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use earcon_model::{KpiName, Labels};

/// Bytes of the hash and the `_` in front of it.
const HASH: usize = 17;

/// Where a text comes from that becomes a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A sender, who may write anything: a text that looks like a made name is another name.
    Sender,
    /// An owner of data, who knows the names of Earcon: a made name stays.
    Owner,
    /// [`joined`], which has appended a hash already.
    Joined,
}

/// The name of a KPI that a sender names. At the start, characters other than letters and digits
/// are removed. A name that ends like a made one gets a hash too: it is not the one that was made.
/// `None` if the text is empty.
pub fn kpi_name(text: &str) -> Option<KpiName> {
    made(text, KpiName::MAX_BYTES, Origin::Sender)
}

/// The same, with room for a suffix of this many bytes.
pub fn kpi_name_for_suffix(text: &str, suffix: usize) -> Option<KpiName> {
    made(text, KpiName::MAX_BYTES - suffix, Origin::Sender)
}

/// The same for a file or a rule, which may hold names that Earcon has made: they stay.
pub fn own_kpi_name(text: &str) -> Option<KpiName> {
    made(text, KpiName::MAX_BYTES, Origin::Owner)
}

/// The same for a name that ends in the hash of [`joined`].
pub(crate) fn joined_kpi_name(text: &str) -> Option<KpiName> {
    made(text, KpiName::MAX_BYTES, Origin::Joined)
}

fn made(text: &str, longest: usize, origin: Origin) -> Option<KpiName> {
    let text = composed(text);
    if text.len() <= longest
        && !(origin == Origin::Sender && ends_in_hash(&text))
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
    let hash = if origin == Origin::Joined { xxh3_64_with_seed(text.as_bytes(), 1) } else { hash(&text) };
    KpiName::new(&hashed(readable, hash, longest)).ok()
}

/// The name made of parts with dots between them, before it is made legal. Parts before `dotted`
/// may contain dots. A name with a dot in any other part ends in a hash, like one that is illegal:
/// `a.b` and `c` are `a.b.c`, so `a` and `b.c` are not.
///
/// Returns the name, and whether it has got a hash: then [`joined_kpi_name`] makes it legal.
pub(crate) fn joined(parts: &[&str], dotted: usize) -> (String, bool) {
    let name = parts.join(".");
    if !parts.iter().skip(dotted).any(|part| part.contains('.')) {
        return (name, false);
    }
    let parts: Vec<_> = parts.iter().map(|part| composed(part)).collect();
    // No control character is legal in a name, so the parts stay apart.
    (hashed(&name, hash(&parts.join("\u{1f}")), name.len() + HASH), true)
}

/// The key of a label that a sender names. A digit or a dot at the start gets a `_` in front.
pub fn label_key(text: &str) -> Cow<'_, str> {
    made_key(text, Origin::Sender)
}

/// The same for a file, which may hold keys that Earcon has made: they stay.
pub fn own_label_key(text: &str) -> Cow<'_, str> {
    made_key(text, Origin::Owner)
}

fn made_key(text: &str, origin: Origin) -> Cow<'_, str> {
    let text = composed(text);
    if Labels::allows_key(&text) && !(origin == Origin::Sender && ends_in_hash(&text)) {
        return text;
    }
    let mut replaced = replace(&text, Labels::allows_in_key);
    if !replaced.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        replaced.insert(0, '_');
    }
    Cow::Owned(hashed(&replaced, hash(&text), Labels::MAX_KEY_BYTES))
}

/// The value of a label of a sender: `,` becomes `;`, and control characters become spaces.
pub fn label_value(text: &str) -> Cow<'_, str> {
    made_value(text, Origin::Sender)
}

/// The same for a file, which may hold values that Earcon has made: they stay.
pub fn own_label_value(text: &str) -> Cow<'_, str> {
    made_value(text, Origin::Owner)
}

fn made_value(text: &str, origin: Origin) -> Cow<'_, str> {
    let illegal = |c: char| c == ',' || c.is_control();
    let is_kept = !(origin == Origin::Sender && ends_in_hash(text));
    if text.len() <= Labels::MAX_VALUE_BYTES && is_kept && !text.contains(illegal) {
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
    Cow::Owned(hashed(&replaced, hash(text), Labels::MAX_VALUE_BYTES))
}

/// Whether a text ends like one that was made: in `_` and the digits of a hash.
fn ends_in_hash(text: &str) -> bool {
    let Some((_, [b'_', digits @ ..])) = text.as_bytes().split_last_chunk::<HASH>() else { return false };
    digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
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

/// A number that differs between texts of different bytes.
pub fn fingerprint(text: &str) -> u64 {
    hash(text)
}

fn replace(text: &str, legal: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if legal(c) { c } else { '_' }).collect()
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The text, cut if it is too long, and the hash of the original.
fn hashed(text: &str, hash: u64, longest: usize) -> String {
    let mut end = text.len().min(longest - HASH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{hash:016x}", text[..end].trim_end_matches('_'))
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
        let plain = ("a.b.c".to_owned(), false);
        assert_eq!([joined(&["a.b", "c"], 1), joined(&["a", "b", "c"], 0)], [plain.clone(), plain]);
        let joined = |parts: &[&str], dotted| joined(parts, dotted).0;
        let hash = |text: &str| format!("{:016x}", xxh3_64(text.as_bytes()));
        assert_eq!(joined(&["a", "b.c"], 1), format!("a.b.c_{}", hash("a\u{1f}b.c")));
        assert_eq!(joined(&["a", "é.c"], 1).split_once('_').unwrap().1, hash("a\u{1f}é.c"));
        assert_eq!(joined(&["a", "e\u{301}.c"], 1).split_once('_').unwrap().1, hash("a\u{1f}é.c"), "composed");
        let names =
            [joined(&["a.b", "c"], 1), joined(&["a", "b.c"], 1), joined(&["a.b", "c"], 0), joined(&["a.b.c"], 0)];
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 4, "{names:?}");
    }

    #[test]
    fn no_sent_name_is_one_that_was_made_of_another() {
        for sent in ["disk used %", "_hidden", "€", &"n".repeat(200), "a,b"] {
            let name = kpi(sent);
            assert_ne!(kpi(&name), name, "{sent}");
            assert_eq!(own_kpi_name(&name).unwrap().as_str(), name, "{sent}");
            let (key, value) = (label_key(sent), label_value(sent));
            let is_made = |made: &str| made != sent;
            assert_ne!(is_made(&key), label_key(&key) == key, "{sent}");
            assert_ne!(is_made(&value), label_value(&value) == value, "{sent}");
        }
        let twice = joined_kpi_name("a b_0123456789abcdef");
        assert_ne!(twice, kpi_name("a b_0123456789abcdef"), "also when the joined name is illegal");
        for usual in ["a_0123456789abcde", "a_0123456789abcdeg", "a_0123456789ABCDEF", "a-0123456789abcdef"] {
            assert_eq!((kpi(usual).as_str(), &*label_value(usual)), (usual, usual));
        }
    }

    #[test]
    fn the_manual_has_the_names_that_are_made() {
        let manual = include_str!("../../../docs/ingest.md");
        let disk = format!("`{}` for `disk used %`", kpi("disk used %"));
        assert!(manual.contains(&disk), "{disk}");
        let field = format!("`a b.c=2` | a name with a hash, such as `{}`", joined(&["a", "b.c"], 1).0);
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
                assert_ne!(kpi(&name), kpi(&other));
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
        fn names_of_files_that_were_made_stay(name in "(?s).{1,200}") {
            if let Some(made) = kpi_name(&name) {
                prop_assert_eq!(own_kpi_name(made.as_str()), Some(made));
            }
            let key = label_key(&name).into_owned();
            prop_assert_eq!(own_label_key(&key), key.as_str());
            let value = label_value(&name).into_owned();
            prop_assert_eq!(own_label_value(&value), value.as_str());
        }
    }
}
