//! The questions of the authoriser to the service of accounts.

use earcon_identity::token::Purpose;
use earcon_identity::{AccountsView, Principal};
use earcon_model::WorkspaceId;

/// The accounts of the installation, as this node knows them. Every method reads memory alone.
pub trait KnownAccounts: Send + Sync {
    /// The owner of an API key.
    ///
    /// # Errors
    /// The reason for the sender.
    fn of_key(&self, text: &str) -> Result<Principal, String>;
    /// The owner of an access token.
    ///
    /// # Errors
    /// The reason for the sender.
    fn of_token(&self, text: &str) -> Result<Principal, String>;
    /// The owner of a ticket. It is used up.
    ///
    /// # Errors
    /// The reason for the sender.
    fn of_ticket(&self, text: &str, workspace: &WorkspaceId, purpose: Purpose) -> Result<Principal, String>;
    /// Calls a function with all accounts.
    fn read(&self, reading: &mut dyn FnMut(&AccountsView));
}
