//! A pass proves that a check was made: its fields are private, and only [`Authorizer`] mints it.

use std::net::IpAddr;

use earcon_model::WorkspaceId;

/// The principal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person on this machine, without credentials.
    Loopback,
    /// Earcon itself, working on behalf of the workspace it owns.
    System,
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Principal::Loopback => "local",
            Principal::System => "system",
        })
    }
}

/// Why a pass was denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The peer is not on this machine, and there is no authentication that could admit it.
    #[error("only requests from this machine are accepted, this one came from {0}")]
    NotLoopback(IpAddr),
}

/// Proof that a request may access a workspace. Every port method that reads or writes tenant data
/// takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspacePass {
    workspace: WorkspaceId,
    principal: Principal,
}

impl WorkspacePass {
    /// The workspace of the pass.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// The principal that was admitted.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

/// The check. Its only rule so far: people on this machine may access every workspace.
#[derive(Debug, Clone, Copy, Default)]
pub struct Authorizer;

impl Authorizer {
    /// A pass for a request from `peer`.
    ///
    /// # Errors
    /// [`Denied::NotLoopback`] for any peer that is not on the loopback interface.
    pub fn admit(&self, peer: IpAddr, workspace: &WorkspaceId) -> Result<WorkspacePass, Denied> {
        if peer.to_canonical().is_loopback() {
            Ok(WorkspacePass { workspace: workspace.clone(), principal: Principal::Loopback })
        } else {
            Err(Denied::NotLoopback(peer))
        }
    }

    /// A pass for Earcon's own actors of a workspace this node owns.
    pub fn system(&self, workspace: &WorkspaceId) -> WorkspacePass {
        WorkspacePass { workspace: workspace.clone(), principal: Principal::System }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_let_in() {
        let workspace = WorkspaceId::new("local").unwrap();
        assert!(Authorizer.admit("127.0.0.1".parse().unwrap(), &workspace).is_ok());
        assert!(Authorizer.admit("::1".parse().unwrap(), &workspace).is_ok());
        assert!(Authorizer.admit("::ffff:127.0.0.1".parse().unwrap(), &workspace).is_ok());
        assert!(Authorizer.admit("192.0.2.1".parse().unwrap(), &workspace).is_err());
    }
}
