//! A pass proves that a check was made: its fields are private, and only an [`Authorizer`] gives
//! one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use earcon_model::{WorkspaceId, WorkspaceKey};

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
    key: WorkspaceKey,
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
}

/// The check. It has one rule: requests from this machine may touch every workspace.
///
/// The composition root makes one and hands it to the gateway and the actors. Code without one
/// cannot obtain a pass. The private field keeps other crates from making one without
/// [`Authorizer::new`]; a test allows that call only in the composition root and in tests.
#[derive(Debug, Clone)]
pub struct Authorizer {
    generations: Arc<RwLock<HashMap<WorkspaceId, Generation>>>,
}

/// The latest generation of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Generation {
    number: u64,
    /// It is deleted, or it is being deleted.
    retired: bool,
}

impl Authorizer {
    /// The authorizer of a process, for the composition root.
    #[expect(clippy::new_without_default, reason = "a default would be a second way to make one")]
    pub fn new() -> Self {
        Self { generations: Arc::default() }
    }

    /// A pass for a request from `peer`.
    ///
    /// # Errors
    /// [`Denied::NotLoopback`] for any peer that is not on the loopback interface.
    pub fn admit(&self, peer: IpAddr, workspace: &WorkspaceId) -> Result<WorkspacePass, Denied> {
        if peer.to_canonical().is_loopback() {
            Ok(WorkspacePass { principal: Principal::Loopback, ..self.system(workspace) })
        } else {
            Err(Denied::NotLoopback(peer))
        }
    }

    /// A pass for Earcon itself, for a workspace it serves.
    pub fn system(&self, workspace: &WorkspaceId) -> WorkspacePass {
        let number = self.latest(workspace).map_or(0, |latest| latest.number);
        self.system_in(WorkspaceKey::new(workspace.clone(), number))
    }

    /// A pass for Earcon itself, for one generation of a workspace.
    pub fn system_in(&self, key: WorkspaceKey) -> WorkspacePass {
        WorkspacePass { key, principal: Principal::System, sender: 0 }
    }

    /// The same pass for the present generation of its workspace. For passes that are kept.
    pub fn renew(&self, pass: &WorkspacePass) -> WorkspacePass {
        WorkspacePass { key: self.system(pass.workspace()).key, ..pass.clone() }
    }

    /// Passes from now on are for this generation of the workspace.
    pub fn begin_generation(&self, key: &WorkspaceKey) {
        self.set(key, false);
    }

    /// The workspace of this generation is deleted, or it is being deleted.
    pub fn retire(&self, key: &WorkspaceKey) {
        self.set(key, true);
    }

    /// The latest generation of the workspace that this process knows, deleted or not.
    pub fn generation(&self, workspace: &WorkspaceId) -> Option<u64> {
        self.latest(workspace).map(|latest| latest.number)
    }

    /// Whether the workspace of the pass is the present one of its name, as far as this process
    /// knows. False from the beginning of its deletion on.
    pub fn is_current(&self, pass: &WorkspacePass) -> bool {
        let latest = self.latest(pass.workspace()).unwrap_or_default();
        !latest.retired && latest.number == pass.key.generation()
    }

    /// Whether the latest workspace of this name is deleted, or it is being deleted.
    pub fn is_retired(&self, workspace: &WorkspaceId) -> bool {
        self.latest(workspace).is_some_and(|latest| latest.retired)
    }

    fn latest(&self, workspace: &WorkspaceId) -> Option<Generation> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).get(workspace).copied()
    }

    fn set(&self, key: &WorkspaceKey, retired: bool) {
        let latest = Generation { number: key.generation(), retired };
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.insert(key.workspace().clone(), latest);
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

    #[test]
    fn pass_of_an_earlier_generation_is_not_current() {
        let (authorizer, workspace) = (Authorizer::new(), WorkspaceId::new("local").unwrap());
        let early = authorizer.system(&workspace);
        assert!(authorizer.is_current(&early));
        authorizer.retire(early.key());
        assert!(!authorizer.is_current(&early) && authorizer.is_retired(&workspace));
        assert_eq!(authorizer.system(&workspace).key(), early.key(), "until there is another workspace");
        authorizer.begin_generation(&WorkspaceKey::new(workspace.clone(), 3));
        assert!(!authorizer.is_current(&early));
        let renewed = authorizer.renew(&early.of_sender(7));
        assert!(authorizer.is_current(&renewed) && !authorizer.is_retired(&workspace));
        assert_eq!((renewed.key().as_str(), renewed.sender()), ("local~3", 7));
    }
}
