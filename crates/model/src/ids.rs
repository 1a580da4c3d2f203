//! Identifiers that a tenant may supply. Each is validated once, when it is made, so that the rest
//! of the program can put it into keys, subjects and paths without escaping.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

pub use labels::Labels;
pub use organisation::OrganisationId;

mod labels;
mod organisation;

/// Why a text is not an identifier. The message names the rule and is fit to show to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The organisation's identifier breaks its rule.
    #[error("organisation must be 1 to 31 characters of a-z, 0-9 and '-', starting with a letter or digit")]
    Organisation,
    /// The workspace identifier breaks its rule.
    #[error(
        "workspace must be 1 to 63 characters of a-z, 0-9, '-' and '_', starting with a letter or digit; the \
         organisation before it, as in acme.shop, is left out for the organisation default"
    )]
    Workspace,
    /// The KPI name breaks its rule.
    #[error("kpi must be 1 to 128 bytes of letters, digits, '.', '_', ':' and '-', starting with a letter or digit")]
    Kpi,
    /// A name or a key is written with characters that are not composed.
    #[error("{what} {text:?} must be composed (Unicode NFC): write {composed:?}, with {right} where it has {wrong}")]
    NotComposed {
        /// Its kind, such as `kpi`.
        what: &'static str,
        /// The text as given.
        text: String,
        /// The same text, composed.
        composed: String,
        /// The first character that differs, as `U+212A`.
        wrong: String,
        /// The character in its place.
        right: String,
    },
    /// A label key breaks its rule.
    #[error("label key {0:?} must be 1 to 64 bytes of letters, digits, '_' and '.', starting with a letter or '_'")]
    LabelKey(String),
    /// A label value breaks its rule.
    #[error("value of label {0:?} must be 1 to 256 bytes without control characters or ','")]
    LabelValue(String),
    /// A label key appears twice.
    #[error("label {0:?} appears twice")]
    LabelTwice(String),
    /// Too many labels on one series.
    #[error("a series has at most {max} labels, got {got}")]
    LabelCount {
        /// How many were given.
        got: usize,
        /// How many are allowed.
        max: usize,
    },
}

/// The tenant: a workspace of an organisation. Every key, subject, table and blob prefix starts
/// with it.
///
/// It is written `organisation.name`, and `name` alone in the organisation `default`. Two
/// workspaces of different organisations may have the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct WorkspaceId(Arc<str>);

impl WorkspaceId {
    /// Validates `text`: a name of 1–63 characters of `a-z0-9-_`, starting with a letter or digit;
    /// before it the organisation and a dot, unless that is `default`.
    ///
    /// # Errors
    /// [`IdError::Workspace`], also for an organisation that breaks its own rule, and for the
    /// organisation `default` in front: one workspace has one text.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let name = match text.split_once('.') {
            Some((organisation, name)) => {
                let organisation = OrganisationId::new(organisation).map_err(|_| IdError::Workspace)?;
                if organisation.is_default() {
                    return Err(IdError::Workspace);
                }
                name
            }
            None => text,
        };
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let legal = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if starts_well && legal && name.len() <= 63 { Ok(Self(text.into())) } else { Err(IdError::Workspace) }
    }

    /// The workspace of this name in an organisation.
    ///
    /// # Errors
    /// [`IdError::Workspace`] for an illegal name.
    pub fn of(organisation: &OrganisationId, name: &str) -> Result<Self, IdError> {
        if name.contains('.') {
            return Err(IdError::Workspace);
        }
        if organisation.is_default() { Self::new(name) } else { Self::new(&format!("{organisation}.{name}")) }
    }

    /// The organisation that owns the workspace.
    pub fn organisation(&self) -> OrganisationId {
        OrganisationId::new(self.organisation_text()).expect("checked when the workspace was made")
    }

    /// The text of [`WorkspaceId::organisation`].
    pub fn organisation_text(&self) -> &str {
        self.0.split_once('.').map_or(OrganisationId::DEFAULT, |(owner, _)| owner)
    }

    /// Whether the organisation owns the workspace.
    pub fn is_of(&self, organisation: &OrganisationId) -> bool {
        self.organisation_text() == organisation.as_str()
    }

    /// The name inside of the organisation.
    pub fn name(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(_, name)| name)
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name under which shared stores keep a workspace: its identifier, and its generation unless
/// that is 0. A workspace that is deleted and made again has another generation, so the new one
/// shares no stored data with the old one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceKey {
    workspace: WorkspaceId,
    generation: u64,
    text: Arc<str>,
}

impl WorkspaceKey {
    /// The key of a generation of a workspace.
    pub fn new(workspace: WorkspaceId, generation: u64) -> Self {
        let text = match generation {
            0 => workspace.0.clone(),
            _ => format!("{}~{generation}", workspace.0).into(),
        };
        Self { workspace, generation, text }
    }

    /// Reads a key. `None` for a text that no key has.
    pub fn parse(text: &str) -> Option<Self> {
        let (workspace, generation) = match text.split_once('~') {
            Some((workspace, generation)) => (workspace, generation.parse().ok()?),
            None => (text, 0),
        };
        let key = Self::new(WorkspaceId::new(workspace).ok()?, generation);
        (key.as_str() == text).then_some(key)
    }

    /// The workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// Which of the workspaces that had this name, one after the other. Grows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The organisation, also if it is `default`, the separator, and the rest of the key. For
    /// stores in which each organisation has a part of its own.
    pub fn with_organisation(&self, separator: char) -> String {
        let rest = self.text.split_once('.').map_or(&*self.text, |(_, rest)| rest);
        format!("{}{separator}{rest}", self.workspace.organisation_text())
    }

    /// The key as text: `a-z0-9-_`, a `.` after the organisation, and a `~` before the generation.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for WorkspaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A named measure such as `checkout.revenue`. One stream owns it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct KpiName(Arc<str>);

impl KpiName {
    /// Length of the longest name.
    pub const MAX_BYTES: usize = 128;

    /// Validates `text`: 1–128 bytes of letters and digits of any script, `.`, `_`, `:` and `-`,
    /// starting with a letter or digit. Characters must be composed (Unicode NFC), so that equal
    /// names have equal bytes.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let starts_well = text.starts_with(char::is_alphanumeric);
        let legal = starts_well && text.len() <= Self::MAX_BYTES && text.chars().all(Self::allows);
        match legal {
            true => check_composed("kpi", text).map(|()| Self(text.into())),
            false => Err(IdError::Kpi),
        }
    }

    /// Whether a name may contain this character.
    pub fn allows(c: char) -> bool {
        matches!(c, '.' | ':' | '-') || is_word_character(c)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both share one text. A comparison that reads no text.
    pub fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The first dot-separated segment: the KPI's *family*, which chooses its timbre.
    pub fn family(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

/// A letter, digit, mark or `_`: what may continue an identifier (Unicode annex 31).
fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && unicode_ident::is_xid_continue(c))
}

/// Whether the text is in Unicode's composed form (NFC).
fn is_composed(text: &str) -> bool {
    text.is_ascii() || unicode_normalization::is_nfc(text)
}

/// Fails if the text is not composed. Such characters mostly look like the right ones.
fn check_composed(what: &'static str, text: &str) -> Result<(), IdError> {
    if is_composed(text) {
        return Ok(());
    }
    let composed: String = unicode_normalization::UnicodeNormalization::nfc(text).collect();
    let point = |c: Option<char>| c.map_or_else(|| "nothing".to_owned(), |c| format!("U+{:04X}", u32::from(c)));
    let (mut wrong, mut right) = (text.chars(), composed.chars());
    let (wrong, right) = loop {
        match (wrong.next(), right.next()) {
            (one, other) if one == other && one.is_some() => {}
            differing => break differing,
        }
    };
    let (wrong, right) = (point(wrong), point(right));
    Err(IdError::NotComposed { what, text: text.to_owned(), composed, wrong, right })
}

/// Position in a workspace's log. Starts at 1, only grows, and is never reused; 0 means "before the
/// first event".
pub type Seq = u64;

/// A stable 128-bit name of a series in its workspace: the hash of KPI and labels, used in storage
/// keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesId(pub u128);

impl SeriesId {
    /// The identifier of the series `labels` of `kpi`.
    pub fn of(kpi: &KpiName, labels: &Labels) -> Self {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        hash.update(kpi.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(labels.as_str().as_bytes());
        Self(hash.digest128())
    }

    /// Sixteen bytes whose order is the order of the identifiers.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl std::str::FromStr for WorkspaceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

macro_rules! text_conversions {
    ($type:ident, $parse:path) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl TryFrom<String> for $type {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                $parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(id: $type) -> String {
                id.as_str().to_owned()
            }
        }
    };
}
text_conversions!(WorkspaceId, WorkspaceId::new);
text_conversions!(KpiName, KpiName::new);
text_conversions!(Labels, Labels::parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_composed_is_told_the_character() {
        let kelvin = KpiName::new("\u{212a}elvin").unwrap_err().to_string();
        assert!(kelvin.ends_with("write \"Kelvin\", with U+004B where it has U+212A"), "{kelvin}");
        let accent = KpiName::new("cafe\u{301}").unwrap_err().to_string();
        assert!(accent.ends_with("with U+00E9 where it has U+0065"), "{accent}");
        assert_eq!(KpiName::new("a b\u{212a}"), Err(IdError::Kpi), "another rule comes first");
        let key = Labels::from_pairs([("\u{2126}", "x")]).unwrap_err().to_string();
        assert!(key.starts_with("label key") && key.contains("U+03A9 where it has U+2126"), "{key}");
    }

    #[test]
    fn bad_identifiers_are_refused_with_their_rule() {
        assert_eq!(WorkspaceId::new("../etc"), Err(IdError::Workspace));
        assert_eq!(WorkspaceId::new(""), Err(IdError::Workspace));
        assert_eq!(KpiName::new("a b"), Err(IdError::Kpi));
        assert_eq!(KpiName::new(".."), Err(IdError::Kpi));
    }

    #[test]
    fn workspace_belongs_to_the_organisation_before_its_dot() {
        let (acme, own) = (OrganisationId::new("acme").unwrap(), OrganisationId::default_organisation());
        for (text, organisation, name) in [("shop", &own, "shop"), ("acme.shop", &acme, "shop")] {
            let workspace = WorkspaceId::new(text).unwrap();
            assert_eq!((&workspace.organisation(), workspace.name()), (organisation, name));
            assert_eq!(WorkspaceId::of(organisation, name), Ok(workspace.clone()));
            assert_eq!((workspace.is_of(&own), workspace.is_of(&acme)), (text == "shop", text != "shop"));
        }
        for strange in ["default.shop", ".shop", "acme.", "acme.shop.x", "Acme.shop", "acme..shop", "a_b.shop"] {
            assert_eq!(WorkspaceId::new(strange), Err(IdError::Workspace), "{strange}");
        }
        assert_eq!(WorkspaceId::of(&acme, "a.b"), Err(IdError::Workspace));
    }

    #[test]
    fn keys_of_workspaces_are_read_back_and_no_name_is_the_key_of_another() {
        let shop = WorkspaceId::new("shop-1").unwrap();
        let key_of = |text: &str| WorkspaceKey::parse(text).unwrap();
        for (generation, text) in [(0, "shop-1"), (7, "shop-1~7"), (u64::MAX, "shop-1~18446744073709551615")] {
            let key = WorkspaceKey::new(shop.clone(), generation);
            assert_eq!((key.as_str(), key.generation()), (text, generation));
            assert_eq!(WorkspaceKey::parse(text), Some(key));
            assert_eq!(WorkspaceId::new(text).is_ok(), generation == 0);
            assert_eq!(key_of(text).with_organisation('='), format!("default={text}"));
            let other = key_of(&format!("acme.{text}"));
            assert_eq!(other.with_organisation('.'), other.as_str());
        }
        for strange in ["", "~1", "Shop", "shop~", "shop~0", "shop~01", "shop~+1", "shop~1~2", "shop~x"] {
            assert_eq!(WorkspaceKey::parse(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn series_ids_do_not_confuse_kpi_and_labels() {
        let kpi = |t| KpiName::new(t).unwrap();
        let labels = |t| Labels::parse(t).unwrap();
        assert_ne!(SeriesId::of(&kpi("a"), &labels("b:c")), SeriesId::of(&kpi("ab"), &labels("c:c")));
        assert_eq!(SeriesId::of(&kpi("a"), &labels("b:c,a:d")), SeriesId::of(&kpi("a"), &labels("a:d,b:c")));
    }
}
