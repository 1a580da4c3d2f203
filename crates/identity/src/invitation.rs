//! Invitations: one-time secrets that make their bearer a member.
//!
//! An invitation is bound to nothing but its secret: an e-mail address would have to be verified.

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

use crate::credential::{Credential, HashedSecret};
use crate::id::{InvitationId, UserId};
use crate::membership::Grant;
use crate::name::Name;

/// Longest life of an invitation, milliseconds: 14 days.
pub const LONGEST_MS: i64 = 14 * 86_400_000;

/// An invitation into an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The name of the record.
    pub id: InvitationId,
    /// The organisation.
    pub organisation: OrganisationId,
    /// What the new member may do.
    pub grant: Grant,
    /// For whom, as a note of the person who made it.
    pub note: Option<Name>,
    /// The hash of the secret.
    pub secret: HashedSecret,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// Who used it, and when.
    pub used: Option<Used>,
}

/// The use of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// The new member.
    pub by: UserId,
    /// When.
    pub at_ms: i64,
}

/// Why an invitation does not admit its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvitationRefused {
    /// The secret is another one.
    #[error("the invitation is unknown")]
    Unknown,
    /// It was used.
    #[error("the invitation was used already")]
    Used,
    /// It is too old.
    #[error("the invitation has expired")]
    Expired,
}

impl Invitation {
    /// A new invitation, and the credential to show once. Its life is cut to [`LONGEST_MS`].
    pub fn new(
        credential: &Credential<InvitationId>,
        (organisation, grant): (OrganisationId, Grant),
        note: Option<Name>,
        created_by: UserId,
        (now_ms, life_ms): (i64, i64),
    ) -> Self {
        Self {
            id: credential.id,
            organisation,
            grant,
            note,
            secret: credential.hash(),
            created_by,
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(life_ms.clamp(0, LONGEST_MS)),
            used: None,
        }
    }

    /// Checks the credential without using the invitation.
    ///
    /// # Errors
    /// [`InvitationRefused`]. Only the right secret learns whether it was used or has expired.
    pub fn check(&self, presented: &Credential<InvitationId>, now_ms: i64) -> Result<(), InvitationRefused> {
        if !self.secret.is(&presented.hash()) {
            Err(InvitationRefused::Unknown)
        } else if self.used.is_some() {
            Err(InvitationRefused::Used)
        } else if now_ms >= self.expires_ms {
            Err(InvitationRefused::Expired)
        } else {
            Ok(())
        }
    }

    /// The invitation after its use.
    ///
    /// # Errors
    /// [`InvitationRefused`].
    pub fn accept(
        &self,
        presented: &Credential<InvitationId>,
        by: UserId,
        now_ms: i64,
    ) -> Result<Self, InvitationRefused> {
        self.check(presented, now_ms)?;
        Ok(Self { used: Some(Used { by, at_ms: now_ms }), ..self.clone() })
    }

    /// Whether it can still be used.
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.used.is_none() && now_ms < self.expires_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Secret;
    use crate::membership::Reach;
    use crate::role::Role;

    fn credential(secret: u8) -> Credential<InvitationId> {
        Credential::new(InvitationId::from_random([1; 8]), Secret::from_random([secret; 32]))
    }

    fn invitation(life_ms: i64) -> Invitation {
        let acme = OrganisationId::new("acme").unwrap();
        let grant = Grant::local(&acme, Role::Viewer, Reach::All).unwrap();
        Invitation::new(&credential(7), (acme, grant), None, UserId::from_random([2; 10]), (1_000, life_ms))
    }

    #[test]
    fn invitation_admits_once_and_until_it_expires() {
        let by = UserId::from_random([3; 10]);
        let open = invitation(500);
        assert!(open.is_open(1_499) && !open.is_open(1_500));
        assert_eq!(open.check(&credential(7), 1_499), Ok(()));
        assert_eq!(open.accept(&credential(7), by, 1_500), Err(InvitationRefused::Expired));
        let used = open.accept(&credential(7), by, 1_200).unwrap();
        assert_eq!(used.used, Some(Used { by, at_ms: 1_200 }));
        assert_eq!(used.accept(&credential(7), by, 1_201), Err(InvitationRefused::Used));
        assert!(!used.is_open(1_201));
    }

    #[test]
    fn wrong_secret_learns_nothing_about_the_invitation() {
        let by = UserId::from_random([3; 10]);
        let used = invitation(500).accept(&credential(7), by, 1_200).unwrap();
        for record in [invitation(500), invitation(0), used] {
            assert_eq!(record.check(&credential(8), 1_100), Err(InvitationRefused::Unknown));
        }
    }

    #[test]
    fn life_is_bounded() {
        assert_eq!(invitation(i64::MAX).expires_ms, 1_000 + LONGEST_MS);
        assert_eq!(invitation(-5).expires_ms, 1_000);
    }
}
