//! The accounts as the authoriser asks for them.

use earcon_identity::token::{Purpose, Tokens};
use earcon_identity::{AccountsView, Permission, Principal};
use earcon_model::{OrganisationId, WorkspaceId};
use earcon_tenancy::KnownAccounts;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::proofs::Proof;

impl KnownAccounts for Accounts {
    fn of_key(&self, text: &str) -> Result<Principal, String> {
        self.authenticate(Proof::Key(text)).map_err(|error| error.to_string())
    }

    fn of_token(&self, text: &str) -> Result<Principal, String> {
        self.authenticate(Proof::Token(text)).map_err(|error| error.to_string())
    }

    fn of_ticket(&self, text: &str, workspace: &WorkspaceId, purpose: Purpose) -> Result<Principal, String> {
        self.use_ticket(text, workspace, purpose).map_err(|error| error.to_string())
    }

    fn read(&self, reading: &mut dyn FnMut(&AccountsView)) {
        reading(&self.view());
    }
}

impl Accounts {
    /// Checks a permission over an organisation, for what this service only shows.
    ///
    /// # Errors
    /// `NotFound` if the caller must not know of the organisation, `Forbidden` if they know of it.
    pub fn check(&self, by: &By, organisation: &OrganisationId, permission: Permission) -> Result<(), AccountsError> {
        by.need(&self.view(), organisation, permission, self.now_ms()).map(drop)
    }
}

impl Accounts {
    /// When an access token ends. `None` for a text that is none.
    pub fn token_ends_ms(&self, text: &str) -> Option<i64> {
        let view = self.view();
        let tokens = Tokens::new(&self.shared.settings.issuer, view.signing_keys()?);
        tokens.read_access(text, self.now_ms()).ok().map(|token| token.expires_ms)
    }
}
