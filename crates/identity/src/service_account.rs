//! Service accounts: programs with keys that outlive the people who made them.

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

use crate::id::{ServiceAccountId, UserId};
use crate::membership::Grant;
use crate::name::Name;

/// A program. It has keys and no sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// The name of the record. Never reused.
    pub id: ServiceAccountId,
    /// The one organisation that it belongs to.
    pub organisation: OrganisationId,
    /// The name, as shown.
    pub name: Name,
    /// The most that its keys may do.
    pub grant: Grant,
    /// A disabled account's keys do nothing.
    pub disabled: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_ms: i64,
}
