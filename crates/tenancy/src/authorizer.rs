//! The one place that makes callers and passes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use earcon_identity::token::Purpose;
use earcon_identity::{self as identity, AccountsView, Credential, KeyId, Permission, Permissions, Scope};
use earcon_model::{OrganisationId, WorkspaceId, WorkspaceKey};

use crate::accounts::KnownAccounts;
use crate::pass::{OrganisationPass, WorkspacePass};
use crate::principal::{Account, Caller, Denied, Principal, Shown};

/// The check of callers and of their rights.
///
/// The composition root makes one and hands it to the gateway and the actors. Code without one
/// cannot obtain a pass. The private fields keep other crates from making one without
/// [`Authorizer::new`]; a test allows that call only in the composition root and in tests.
#[derive(Clone)]
pub struct Authorizer {
    /// Every request needs credentials.
    accounts_required: bool,
    accounts: Arc<OnceLock<Arc<dyn KnownAccounts>>>,
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
    /// An authorizer without accounts, which admits this machine to everything.
    #[expect(clippy::new_without_default, reason = "a default would be a second way to make one")]
    pub fn new() -> Self {
        Self { accounts_required: false, accounts: Arc::default(), generations: Arc::default() }
    }

    /// The authorizer of a process, for the composition root. Until it has accounts, it knows none.
    pub fn for_accounts(required: bool) -> Self {
        Self { accounts_required: required, ..Self::new() }
    }

    /// From now on it knows these accounts. Only the first call has an effect.
    pub fn know(&self, accounts: Arc<dyn KnownAccounts>) {
        let _known_before = self.accounts.set(accounts).is_err();
    }

    /// Whether every request needs credentials.
    pub fn are_accounts_required(&self) -> bool {
        self.accounts_required
    }

    /// Who sends a request from `peer` that shows this. A ticket is used up.
    ///
    /// # Errors
    /// [`Denied::NoCredentials`], [`Denied::Unknown`] with the reason, or [`Denied::Elsewhere`].
    pub fn identify(&self, peer: IpAddr, shown: &Shown<'_>) -> Result<Caller, Denied> {
        let known = |who: Result<identity::Principal, String>| who.map_err(Denied::Unknown);
        let accounts =
            || self.accounts.get().ok_or_else(|| Denied::Unknown("this server has no accounts yet".to_owned()));
        let (who, only) = match *shown {
            Shown::Nothing => return self.anonymous(peer),
            Shown::Key(text) => (known(accounts()?.of_key(text))?, None),
            Shown::Token(text) | Shown::Cookie(text) => (known(accounts()?.of_token(text))?, None),
            Shown::Ticket(text, workspace, purpose) => {
                let who = known(accounts()?.of_ticket(text, workspace, purpose))?;
                (who, Some((workspace.clone(), permission_of(purpose))))
            }
        };
        let mut account = self.account(who).ok_or_else(|| Denied::Unknown("the account was removed".to_owned()))?;
        if let Shown::Key(text) = shown {
            account.shown = Credential::<KeyId>::parse(text).ok().map(|credential| credential.hash());
        }
        Ok(Caller { principal: Principal::Account(Arc::new(account)), only })
    }

    /// A pass for a caller who needs a right in a workspace.
    ///
    /// # Errors
    /// [`Denied::Hidden`] without any right there, [`Denied::Lacks`] without this one.
    pub fn admit(
        &self,
        caller: &Caller,
        workspace: &WorkspaceId,
        permission: Permission,
        now_ms: i64,
    ) -> Result<WorkspacePass, Denied> {
        let permissions = self.permissions(caller, workspace, now_ms);
        let has = permissions.has(permission);
        match has {
            true => Ok(WorkspacePass {
                principal: caller.principal.clone(),
                permissions,
                asked: Some(permission),
                ..self.system(workspace)
            }),
            false if permissions.is_none() => Err(Denied::Hidden),
            false => Err(Denied::Lacks(permission)),
        }
    }

    /// A pass for a caller who needs a right over an organisation.
    ///
    /// # Errors
    /// [`Denied::Hidden`] if the caller does not belong to it, [`Denied::Lacks`].
    pub fn admit_to_organisation(
        &self,
        caller: &Caller,
        organisation: &OrganisationId,
        permission: Permission,
        now_ms: i64,
    ) -> Result<OrganisationPass, Denied> {
        let permissions = self.permissions_over(caller, organisation, now_ms);
        if permissions.has(permission) {
            let (organisation, principal) = (organisation.clone(), caller.principal.clone());
            return Ok(OrganisationPass { organisation, principal, permissions });
        }
        if self.belongs_to(caller, organisation) { Err(Denied::Lacks(permission)) } else { Err(Denied::Hidden) }
    }

    /// Checks a right over the installation.
    ///
    /// # Errors
    /// [`Denied::Lacks`].
    pub fn admit_to_server(&self, caller: &Caller, permission: Permission, now_ms: i64) -> Result<(), Denied> {
        let organisation = OrganisationId::default_organisation();
        let permissions = self.permissions_over(caller, &organisation, now_ms);
        if permissions.has(permission) { Ok(()) } else { Err(Denied::Lacks(permission)) }
    }

    /// The rights of a caller over an organisation as a whole.
    pub fn permissions_over(&self, caller: &Caller, organisation: &OrganisationId, now_ms: i64) -> Permissions {
        match (&caller.principal, &caller.only) {
            (Principal::Loopback | Principal::System, _) => Permissions::ALL,
            // A ticket opens a stream and nothing else.
            (Principal::Account(_), Some(_)) => Permissions::NONE,
            (Principal::Account(account), None) => {
                self.read(|view| view.authorise_organisation(account.who(), organisation, now_ms).permissions)
            }
        }
    }

    /// Whether an organisation exists for a caller.
    pub fn belongs_to(&self, caller: &Caller, organisation: &OrganisationId) -> bool {
        match &caller.principal {
            Principal::Loopback | Principal::System => true,
            Principal::Account(account) => self.read(|view| view.knows_organisation(account.who(), organisation)),
        }
    }

    /// Whether a caller may make workspaces in any organisation.
    pub fn may_create_somewhere(&self, caller: &Caller, now_ms: i64) -> bool {
        let organisations: Vec<OrganisationId> =
            self.read(|view| view.organisations().map(|organisation| organisation.id.clone()).collect());
        let own = [OrganisationId::default_organisation()];
        let mut all = organisations.iter().chain(&own);
        all.any(|organisation| self.permissions_over(caller, organisation, now_ms).has(Permission::ManageWorkspaces))
    }

    /// Whether a workspace exists for a caller: they have any right there.
    pub fn sees(&self, caller: &Caller, workspace: &WorkspaceId, now_ms: i64) -> bool {
        !self.permissions(caller, workspace, now_ms).is_none()
    }

    /// Whether a pass would still be given.
    pub fn holds(&self, pass: &WorkspacePass, now_ms: i64) -> bool {
        match (&pass.principal, pass.asked) {
            (Principal::Account(account), Some(asked)) => {
                // The secret of a key may have been replaced since.
                let admits = |view: &AccountsView| match (account.who(), &account.shown) {
                    (identity::Principal::Key(key), Some(shown)) => {
                        view.api_key(*key).is_some_and(|key| key.admits(shown, now_ms))
                    }
                    _ => true,
                };
                self.read(|view| {
                    admits(view) && view.authorise(account.who(), pass.workspace(), now_ms).permissions.has(asked)
                })
            }
            _ => true,
        }
    }

    /// A pass for Earcon itself, for a workspace it serves.
    pub fn system(&self, workspace: &WorkspaceId) -> WorkspacePass {
        let number = self.latest(workspace).map_or(0, |latest| latest.number);
        self.system_in(WorkspaceKey::new(workspace.clone(), number))
    }

    /// A pass for Earcon itself, for one generation of a workspace.
    pub fn system_in(&self, key: WorkspaceKey) -> WorkspacePass {
        WorkspacePass { key, principal: Principal::System, sender: 0, permissions: Permissions::ALL, asked: None }
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

    /// Reads the accounts. The default without any.
    fn read<R: Default>(&self, reading: impl FnOnce(&AccountsView) -> R) -> R {
        let (mut reading, mut result) = (Some(reading), R::default());
        if let Some(accounts) = self.accounts.get() {
            accounts.read(&mut |view| {
                if let Some(reading) = reading.take() {
                    result = reading(view);
                }
            });
        }
        result
    }

    fn anonymous(&self, peer: IpAddr) -> Result<Caller, Denied> {
        if self.accounts_required {
            Err(Denied::NoCredentials)
        } else if peer.to_canonical().is_loopback() {
            Ok(Caller { principal: Principal::Loopback, only: None })
        } else {
            Err(Denied::Elsewhere(peer))
        }
    }

    fn account(&self, who: identity::Principal) -> Option<Account> {
        self.read(|view| match who {
            identity::Principal::User { user, .. } => {
                let user = view.user(user)?;
                Some(Account::new(who, user.name.as_str(), Scope::of(Permissions::ALL)))
            }
            identity::Principal::Key(key) => {
                let key = view.api_key(key)?;
                Some(Account::new(who, &format!("key {}", key.name.as_str()), key.scope.clone()))
            }
        })
    }

    fn permissions(&self, caller: &Caller, workspace: &WorkspaceId, now_ms: i64) -> Permissions {
        let Principal::Account(account) = &caller.principal else { return Permissions::ALL };
        let permissions = self.read(|view| view.authorise(account.who(), workspace, now_ms).permissions);
        match &caller.only {
            None => permissions,
            Some((only, permission)) if only == workspace => permissions.within(Permissions::of(&[*permission])),
            Some(_) => Permissions::NONE,
        }
    }
}

impl std::fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizer").field("accounts_required", &self.accounts_required).finish_non_exhaustive()
    }
}

/// The right that a ticket is for.
fn permission_of(purpose: Purpose) -> Permission {
    match purpose {
        Purpose::Events => Permission::Read,
        Purpose::Ingest => Permission::Ingest,
        Purpose::Audio | Purpose::Whep => Permission::Listen,
    }
}

#[cfg(test)]
mod tests;
