//! A pass proves that a check was made: its fields are private, and only an [`Authorizer`] gives
//! one.

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
    sender: u64,
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
        &self.workspace
    }

    /// The principal that was admitted.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

/// The check. It has one rule: requests from this machine may touch every workspace.
///
/// The composition root makes one and hands it to the gateway and the actors. Code without one
/// cannot obtain a pass. The private field keeps other crates from making one without
/// [`Authorizer::new`]; a test allows that call only in the composition root and in tests.
#[derive(Debug, Clone)]
pub struct Authorizer {
    _private: (),
}

impl Authorizer {
    /// The authorizer of a process, for the composition root.
    #[expect(clippy::new_without_default, reason = "a default would be a second way to make one")]
    pub fn new() -> Self {
        Self { _private: () }
    }

    /// A pass for a request from `peer`.
    ///
    /// # Errors
    /// [`Denied::NotLoopback`] for any peer that is not on the loopback interface.
    pub fn admit(&self, peer: IpAddr, workspace: &WorkspaceId) -> Result<WorkspacePass, Denied> {
        if peer.to_canonical().is_loopback() {
            Ok(WorkspacePass { workspace: workspace.clone(), principal: Principal::Loopback, sender: 0 })
        } else {
            Err(Denied::NotLoopback(peer))
        }
    }

    /// A pass for Earcon itself, for a workspace it serves.
    pub fn system(&self, workspace: &WorkspaceId) -> WorkspacePass {
        WorkspacePass { workspace: workspace.clone(), principal: Principal::System, sender: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_let_in() {
        let (authorizer, workspace) = (Authorizer::new(), WorkspaceId::new("local").unwrap());
        assert!(authorizer.admit("127.0.0.1".parse().unwrap(), &workspace).is_ok());
        assert!(authorizer.admit("::1".parse().unwrap(), &workspace).is_ok());
        assert!(authorizer.admit("::ffff:127.0.0.1".parse().unwrap(), &workspace).is_ok());
        assert!(authorizer.admit("192.0.2.1".parse().unwrap(), &workspace).is_err());
    }
}
