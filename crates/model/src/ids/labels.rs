//! The labels of a series: its name within its KPI.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering as Memory};

use serde::{Deserialize, Deserializer, de};
use unicode_normalization::UnicodeNormalization;

use super::{IdError, check_composed, is_composed, is_word_character};

/// The labels of one series in canonical form: sorted by key, written `key:value,key:value`.
///
/// Values may hold `:`; they may not hold `,`, so the canonical text has one reading.
///
/// Clones share the text. They also share the [number](Self::number) of the series, which is no
/// part of the value: equality, order and bytes depend on the text alone.
#[derive(Clone)]
pub struct Labels(Arc<Shared>);

/// One cache line of all holders: the parsers' cache, scoring, the live view and history.
struct Shared {
    text: Box<str>,
    /// One more than the number; 0 if there is none.
    number: AtomicU32,
}

impl Labels {
    /// The most labels a series may carry.
    pub const MAX: usize = 16;
    /// Length of the longest key.
    pub const MAX_KEY_BYTES: usize = 64;
    /// Length of the longest value.
    pub const MAX_VALUE_BYTES: usize = 256;

    /// Whether this text is a label key: 1–64 bytes of letters and digits of any script, `_` and
    /// `.`, starting with a letter or `_`, composed (Unicode NFC).
    pub fn allows_key(text: &str) -> bool {
        text.len() <= Self::MAX_KEY_BYTES
            && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && text.chars().all(Self::allows_in_key)
            && is_composed(text)
    }

    /// Whether a label key may contain this character.
    pub fn allows_in_key(c: char) -> bool {
        c == '.' || is_word_character(c)
    }

    fn from_text(text: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Shared { text: text.into(), number: AtomicU32::new(0) }))
    }

    /// No labels at all.
    pub fn none() -> Self {
        Self::from_text("")
    }

    /// Builds the canonical form from pairs in any order.
    ///
    /// # Errors
    /// Names the first key or value that breaks its rule, a key given twice, or too many labels.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, IdError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        if pairs.len() > Self::MAX {
            return Err(IdError::LabelCount { got: pairs.len(), max: Self::MAX });
        }
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        if let Some(twice) = pairs.windows(2).find(|w| w[0].0.as_ref() == w[1].0.as_ref()) {
            return Err(IdError::LabelTwice(twice[0].0.as_ref().to_owned()));
        }
        let mut text = String::new();
        for (key, value) in &pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            check_label(key, value)?;
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push(':');
            text.push_str(value);
        }
        Ok(Self::from_text(text))
    }

    /// Parses the text form `key:value,key:value`; an empty text means no labels.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if is_canonical(text) {
            return Ok(Self::from_text(text));
        }
        let pairs: Vec<(&str, &str)> = text.split(',').map(|pair| pair.split_once(':').unwrap_or((pair, ""))).collect();
        Self::from_pairs(pairs)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.text.is_empty()
    }

    /// The pairs in key order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.text.split(',').filter_map(|pair| pair.split_once(':'))
    }

    /// Whether every pair of `wanted` is among these labels.
    pub fn contains(&self, wanted: &Labels) -> bool {
        wanted.pairs().all(|pair| self.pairs().any(|own| own == pair))
    }

    /// The number of the series in its KPI, counted from 0 in order of first appearance, if it is
    /// known. It is a guess: code that keeps series by number must compare the labels too. A
    /// [`SeriesTable`](crate::SeriesTable) does.
    pub fn number(&self) -> Option<u32> {
        self.0.number.load(Memory::Relaxed).checked_sub(1)
    }

    /// Sets the number, for all clones.
    pub fn set_number(&self, number: u32) {
        self.0.number.store(number.saturating_add(1), Memory::Relaxed);
    }

    /// Whether both share one text. A comparison that reads no text.
    pub fn is_clone_of(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn check_label(key: &str, value: &str) -> Result<(), IdError> {
    if !Labels::allows_key(key) {
        if Labels::allows_key(&key.nfc().collect::<String>()) {
            check_composed("label key", key)?;
        }
        return Err(IdError::LabelKey(key.chars().take(64).collect()));
    }
    if !is_value(value) {
        return Err(IdError::LabelValue(key.to_owned()));
    }
    Ok(())
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.len() <= Labels::MAX_VALUE_BYTES && !value.contains(|c: char| c.is_control() || c == ',')
}

/// Whether the text is in canonical form. The log holds only such texts.
fn is_canonical(text: &str) -> bool {
    let (mut last, mut count) = ("", 0);
    text.is_empty()
        || text.split(',').all(|pair| {
            count += 1;
            let Some((key, value)) = pair.split_once(':') else { return false };
            let later = std::mem::replace(&mut last, key) < key;
            later && count <= Labels::MAX && Labels::allows_key(key) && is_value(value)
        })
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.is_clone_of(other) || self.0.text == other.0.text
    }
}

impl Eq for Labels {}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl Borrow<str> for Labels {
    fn borrow(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Labels").field(&self.0.text).finish()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Labels, E> {
                Labels::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_one_canonical_form() {
        let a = Labels::from_pairs([("region", "eu"), ("az", "1")]).unwrap();
        let b = Labels::parse("region:eu,az:1").unwrap();
        assert_eq!(a, b);
        assert_eq!(a.as_str(), "az:1,region:eu");
        assert_eq!(a.pairs().collect::<Vec<_>>(), [("az", "1"), ("region", "eu")]);
    }

    #[test]
    fn label_values_may_hold_colons_but_not_commas() {
        let url = Labels::from_pairs([("url", "http://x:80/")]).unwrap();
        assert_eq!(Labels::parse(url.as_str()).unwrap(), url);
        assert!(Labels::from_pairs([("a", "x,b:y")]).is_err());
    }

    #[test]
    fn texts_are_checked_alike_whether_canonical_or_not() {
        assert!(matches!(Labels::parse("a:1,a:2"), Err(IdError::LabelTwice(_))));
        assert!(matches!(Labels::parse("a"), Err(IdError::LabelValue(_))));
        assert!(matches!(Labels::parse("1:a"), Err(IdError::LabelKey(_))));
        let many: Vec<String> = (0..17).map(|i| format!("k{i:02}:v")).collect();
        assert!(matches!(Labels::parse(&many.join(",")), Err(IdError::LabelCount { got: 17, .. })));
        assert_eq!(Labels::parse(&many[..16].join(",")).unwrap().pairs().count(), 16);
        let bytes = postcard::to_allocvec("b:1,a:2").unwrap();
        assert_eq!(postcard::from_bytes::<Labels>(&bytes).unwrap().as_str(), "a:2,b:1");
    }

    #[test]
    fn containment_compares_whole_pairs() {
        let own = Labels::parse("az:1,region:eu").unwrap();
        assert!(own.contains(&Labels::parse("region:eu").unwrap()));
        assert!(own.contains(&Labels::none()));
        assert!(!own.contains(&Labels::parse("region:e").unwrap()));
    }

    #[test]
    fn clones_share_the_number_and_equality_ignores_it() {
        let (a, b) = (Labels::parse("az:1").unwrap(), Labels::parse("az:1").unwrap());
        let clone = a.clone();
        assert_eq!(clone.number(), None);
        a.set_number(0);
        assert_eq!((clone.number(), b.number()), (Some(0), None));
        assert!(a == b && a.is_clone_of(&clone) && !a.is_clone_of(&b));
    }
}
