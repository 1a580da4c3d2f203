//! The link that makes the first owner. It exists only while the installation has no owner; there
//! is no default password.

use serde::{Deserialize, Serialize};

use crate::credential::{Credential, HashedSecret};
use crate::id::OwnerLinkId;

/// Life of the link, milliseconds: one day. A restart makes another one.
pub const LIFE_MS: i64 = 86_400_000;

/// The record of the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerLink {
    /// The name of the record.
    pub id: OwnerLinkId,
    /// The hash of the secret.
    pub secret: HashedSecret,
    /// When it ends.
    pub expires_ms: i64,
}

/// Why the link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnerLinkRefused {
    /// There is an owner.
    #[error("this installation has an owner already")]
    OwnerExists,
    /// The secret is another one, or a restart has made another link.
    #[error("the link is unknown; the server's log has the newest one")]
    Unknown,
    /// It is too old.
    #[error("the link has expired; a restart of the server makes another one")]
    Expired,
}

impl OwnerLink {
    /// The link of a credential.
    pub fn new(credential: &Credential<OwnerLinkId>, now_ms: i64) -> Self {
        Self { id: credential.id, secret: credential.hash(), expires_ms: now_ms.saturating_add(LIFE_MS) }
    }

    /// Checks the credential.
    ///
    /// # Errors
    /// [`OwnerLinkRefused`].
    pub fn check(
        &self,
        presented: &Credential<OwnerLinkId>,
        owner_exists: bool,
        now_ms: i64,
    ) -> Result<(), OwnerLinkRefused> {
        if owner_exists {
            Err(OwnerLinkRefused::OwnerExists)
        } else if !self.secret.is(&presented.hash()) {
            Err(OwnerLinkRefused::Unknown)
        } else if now_ms >= self.expires_ms {
            Err(OwnerLinkRefused::Expired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Secret;

    #[test]
    fn link_works_while_there_is_no_owner_and_for_a_day() {
        let credential = |secret| Credential::new(OwnerLinkId::from_random([1; 8]), Secret::from_random([secret; 32]));
        let link = OwnerLink::new(&credential(1), 10);
        assert_eq!(link.check(&credential(1), false, 10 + LIFE_MS - 1), Ok(()));
        assert_eq!(link.check(&credential(1), false, 10 + LIFE_MS), Err(OwnerLinkRefused::Expired));
        assert_eq!(link.check(&credential(2), false, 11), Err(OwnerLinkRefused::Unknown));
        assert_eq!(link.check(&credential(1), true, 11), Err(OwnerLinkRefused::OwnerExists));
    }
}
