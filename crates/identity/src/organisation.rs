//! Organisations: who owns workspaces.

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// A company or a team, with its own members, keys and audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// The identifier, a part of the texts of its workspaces. It never changes.
    pub id: OrganisationId,
    /// The name, as shown.
    pub name: Name,
    /// When it was made.
    pub created_ms: i64,
}

impl Organisation {
    /// A new organisation.
    pub fn new(id: OrganisationId, name: Name, now_ms: i64) -> Self {
        Self { id, name, created_ms: now_ms }
    }

    /// The organisation `default`, which always exists: a single person uses it without knowing.
    pub fn default_organisation(now_ms: i64) -> Self {
        Self::new(OrganisationId::default_organisation(), Name::new("Default").expect("a legal name"), now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_is_stored_and_read_back() {
        let acme = Organisation::new(OrganisationId::new("acme").unwrap(), Name::new("Acme").unwrap(), 5);
        let text = serde_json::to_string(&acme).unwrap();
        assert_eq!(text, r#"{"id":"acme","name":"Acme","created_ms":5}"#);
        assert_eq!(serde_json::from_str::<Organisation>(&text).unwrap(), acme);
        assert!(serde_json::from_str::<Organisation>(r#"{"id":"A","name":"Acme","created_ms":5}"#).is_err());
        assert!(Organisation::default_organisation(1).id.is_default());
    }
}
