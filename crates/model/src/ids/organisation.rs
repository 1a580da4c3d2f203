//! Organisations, and the part of a workspace's identifier that names one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::IdError;

/// Who owns workspaces: a company or a team, with its own members, keys and audit log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct OrganisationId(Arc<str>);

impl OrganisationId {
    /// Length of the longest identifier, in bytes.
    pub const MAX_BYTES: usize = 31;
    /// The organisation that always exists. Its name is left out of the identifiers of its
    /// workspaces.
    pub const DEFAULT: &str = "default";

    /// Validates `text`: 1–31 characters of `a-z0-9-`, starting with a letter or digit.
    ///
    /// # Errors
    /// [`IdError::Organisation`] for any other text.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let legal = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if starts_well && legal && text.len() <= Self::MAX_BYTES {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Organisation)
        }
    }

    /// The organisation `default`.
    pub fn default_organisation() -> Self {
        Self(Self::DEFAULT.into())
    }

    /// Whether this is the organisation `default`.
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for OrganisationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl TryFrom<String> for OrganisationId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_follows_its_rule() {
        for legal in ["default", "acme", "7", "a-b-c", &"a".repeat(31)] {
            assert_eq!(OrganisationId::new(legal).unwrap().as_str(), legal);
        }
        for illegal in ["", "-a", "Acme", "a.b", "a_b", "a b", "é", &"a".repeat(32)] {
            assert_eq!(OrganisationId::new(illegal), Err(IdError::Organisation), "{illegal}");
        }
    }
}
