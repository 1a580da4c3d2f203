//! Who may create workspaces. A request that only sends samples creates none.

use crate::pass::Principal;

/// Who may create workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creators {
    /// The configuration, and requests from this machine.
    Loopback,
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
            (Principal::System, _) | (Principal::Loopback, Creators::Loopback) => Ok(()),
            (Principal::Loopback, Creators::Nobody) => Err(MayNotCreate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_always_creates_and_requests_if_they_may() {
        assert_eq!(Creators::Loopback.may_create(&Principal::Loopback), Ok(()));
        assert_eq!(Creators::Nobody.may_create(&Principal::Loopback), Err(MayNotCreate));
        assert_eq!(Creators::Nobody.may_create(&Principal::System), Ok(()));
    }
}
