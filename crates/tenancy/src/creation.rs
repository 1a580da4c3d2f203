//! Who may create workspaces. A request that only sends samples creates none.

use crate::principal::Principal;

/// Who may create workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creators {
    /// The configuration, and callers with the right to manage workspaces.
    Permitted,
    /// The configuration alone.
    Nobody,
}

/// A principal may not create workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("workspaces.create does not allow requests to create workspaces; name it in workspaces.names")]
pub struct MayNotCreate;

impl Creators {
    /// Whether the principal may create a workspace.
    ///
    /// # Errors
    /// If it may not.
    pub fn may_create(self, principal: &Principal) -> Result<(), MayNotCreate> {
        match (principal, self) {
            (Principal::System, _) | (_, Creators::Permitted) => Ok(()),
            (Principal::Loopback | Principal::Account(_), Creators::Nobody) => Err(MayNotCreate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_always_creates_and_requests_if_they_may() {
        assert_eq!(Creators::Permitted.may_create(&Principal::Loopback), Ok(()));
        assert_eq!(Creators::Nobody.may_create(&Principal::Loopback), Err(MayNotCreate));
        assert_eq!(Creators::Nobody.may_create(&Principal::System), Ok(()));
    }
}
