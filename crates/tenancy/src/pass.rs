//! A pass proves that a check was made: its fields are private, and only an
//! [`Authorizer`](crate::Authorizer) gives one.

use earcon_identity::{Permission, Permissions};
use earcon_model::{KpiName, OrganisationId, WorkspaceId, WorkspaceKey};

use crate::principal::Principal;

/// Proof that a request may access a workspace. Every port method that reads or writes tenant data
/// takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspacePass {
    pub(crate) key: WorkspaceKey,
    pub(crate) principal: Principal,
    pub(crate) sender: u64,
    pub(crate) permissions: Permissions,
    /// The right that the request asked for. Without it an open stream ends.
    pub(crate) asked: Option<Permission>,
}

impl WorkspacePass {
    /// The same pass for one of several senders, which take turns.
    #[must_use]
    pub fn of_sender(self, sender: u64) -> Self {
        Self { sender, ..self }
    }

    /// The connection that sends, 0 for Earcon itself.
    pub fn sender(&self) -> u64 {
        self.sender
    }

    /// The workspace of the pass.
    pub fn workspace(&self) -> &WorkspaceId {
        self.key.workspace()
    }

    /// The name under which shared stores keep the workspace. It has the generation that the
    /// workspace had when the pass was made: records written with an older pass belong to the
    /// workspace that was deleted.
    pub fn key(&self) -> &WorkspaceKey {
        &self.key
    }

    /// The principal that was admitted.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the principal had a right when the pass was made.
    pub fn has(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    /// All rights that the principal had when the pass was made.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Whether the principal may hear a mix.
    pub fn may_hear(&self, mix: &str) -> bool {
        self.permissions.has(Permission::Listen)
            && self.principal.account().is_none_or(|account| account.scope().admits_mix(mix))
    }

    /// Whether the principal is a key that is limited to some KPIs.
    pub fn is_limited_to_some_kpis(&self) -> bool {
        self.principal.account().is_some_and(|account| account.scope().kpis.is_some())
    }

    /// Whether the limits of the principal include a KPI.
    pub fn may_touch(&self, kpi: &KpiName) -> bool {
        self.principal.account().is_none_or(|account| account.scope().admits_kpi(kpi))
    }
}

/// Proof that a request may do one thing to an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationPass {
    pub(crate) organisation: OrganisationId,
    pub(crate) principal: Principal,
    pub(crate) permissions: Permissions,
}

impl OrganisationPass {
    /// The organisation.
    pub fn organisation(&self) -> &OrganisationId {
        &self.organisation
    }

    /// The principal that was admitted.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// All rights that the principal had over the organisation as a whole.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }
}
