//! Names that people choose, and e-mail addresses. Both are labels: nothing is looked up by them.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Why a text is no name or no address. Fit to show to the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name breaks its rule.
    #[error("a name has 1 to 100 characters, no control characters and no marks that change the direction of text")]
    Name,
    /// An address breaks its rule.
    #[error("an e-mail address has one @ with text on both sides, no spaces and at most 254 bytes")]
    Email,
}

/// The name of a person, an organisation or a key, as shown. In Unicode's composed form, without
/// spaces at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

impl Name {
    /// Most characters of a name.
    pub const MAX_CHARACTERS: usize = 100;

    /// Validates a name. Spaces at its ends are removed.
    ///
    /// # Errors
    /// [`NameError::Name`] for a text that is empty, too long, or could pass for another one.
    pub fn new(text: &str) -> Result<Self, NameError> {
        // The limit comes before the copy: the text may be a whole request.
        if text.len() > 16 * Self::MAX_CHARACTERS {
            return Err(NameError::Name);
        }
        let text: String = text.trim().nfc().collect();
        let legal = text.chars().all(|c| !c.is_control() && !is_invisible(c));
        let count = text.chars().count();
        if legal && (1..=Self::MAX_CHARACTERS).contains(&count) { Ok(Self(text.into())) } else { Err(NameError::Name) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters without a shape of their own that change how others are shown: directions, joiners
/// of zero width, line separators.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address as a label of a user. It does not identify the user: an issuer may give it to
/// another person later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(Box<str>);

impl Email {
    /// Longest address, in bytes.
    pub const MAX_BYTES: usize = 254;

    /// Validates the form of an address, not whether it exists.
    ///
    /// # Errors
    /// [`NameError::Email`] for any other text.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let sides = text.split_once('@');
        let whole = sides.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
        let legal = text.chars().all(|c| !c.is_control() && !c.is_whitespace() && !is_invisible(c));
        if whole && legal && text.len() <= Self::MAX_BYTES { Ok(Self(text.into())) } else { Err(NameError::Email) }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or(&*self.0, |(local, _)| local)
    }
}

impl TryFrom<String> for Email {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0.into()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_pass_for_another_are_refused() {
        assert_eq!(Name::new("  Ada Łukasz ").unwrap().as_str(), "Ada Łukasz");
        assert_eq!(Name::new("e\u{301}").unwrap(), Name::new("é").unwrap(), "one form");
        for illegal in ["", "  ", "a\nb", "a\u{202e}b", "a\u{200b}b", &"a".repeat(101), &"a".repeat(10_000)] {
            assert_eq!(Name::new(illegal), Err(NameError::Name), "{illegal:?}");
        }
        assert!(serde_json::from_str::<Name>("\"a\\u0000\"").is_err());
    }

    #[test]
    fn addresses_have_the_form_of_one() {
        assert_eq!(Email::new("ada@example.org").unwrap().local_part(), "ada");
        for illegal in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", &format!("{}@b", "a".repeat(254))] {
            assert_eq!(Email::new(illegal), Err(NameError::Email), "{illegal:?}");
        }
    }
}
