//! The pass for the accounts of the installation, which belong to no workspace.

use crate::authorizer::Authorizer;

/// Proof that the holder manages accounts: users, keys, sessions, the audit log. The composition
/// root hands it to the service of accounts, which checks the rights of each request itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsPass(());

impl Authorizer {
    /// The pass for the service of accounts.
    pub fn accounts(&self) -> AccountsPass {
        AccountsPass(())
    }
}
