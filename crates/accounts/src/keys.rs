//! API keys: making, rotating and revoking them.

use earcon_identity::api_key::Scope;
use earcon_identity::credential::{Credential, Secret};
use earcon_identity::membership::Reach;
use earcon_identity::name::Name;
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::{AccountsView, ApiKey, KeyId, KeyOwner, Permission, Permissions, Principal};
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::{By, Caller};
use crate::error::AccountsError;
use crate::ledger::Plan;

/// The wish for a key.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The name that a person gives it.
    pub name: Name,
    /// Who answers for it. `None`: the caller.
    pub owner: Option<KeyOwner>,
    /// The workspaces.
    pub reach: Reach,
    /// What it may do there.
    pub scope: Scope,
    /// When it ends.
    pub expires_ms: Option<i64>,
}

impl Accounts {
    /// Makes a key. Its text is returned once. A member may make keys of their own, within their
    /// own rights. Keys of service accounts, and of the server itself, need `manage-keys`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Scope`, `Membership`, `State` for an end that has passed, `Limit`,
    /// and those of the store.
    pub async fn create_key(
        &self,
        by: &By,
        organisation: &OrganisationId,
        wish: NewKey,
    ) -> Result<(ApiKey, String), AccountsError> {
        let now_ms = self.now_ms();
        let reach = wish.reach.clone().checked(organisation)?;
        if wish.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(AccountsError::State("the end of the key has passed"));
        }
        let credential = Credential::new(KeyId::from_random(self.draw()), Secret::from_random(self.draw()));
        self.change(|view| {
            let maker = by.maker(view).ok_or(AccountsError::NotAUser)?;
            let owner = wish.owner.unwrap_or(KeyOwner::User(maker));
            let most = self.most_for_key(by, view, organisation, (owner, &reach), now_ms)?;
            let key = ApiKey {
                id: credential.id,
                name: wish.name.clone(),
                owner,
                organisation: organisation.clone(),
                reach: reach.clone(),
                scope: wish.scope.clone().checked(most)?,
                secret: credential.hash(),
                previous: None,
                created_by: maker,
                created_ms: now_ms,
                expires_ms: wish.expires_ms,
                last_used_ms: None,
                revoked_ms: None,
            };
            let mut entry = self.done(by, view, "key.created", key.prefix());
            let permissions: Vec<_> = key.scope.permissions.iter().map(Permission::as_str).collect();
            entry.detail = Some(format!("{}: {}", key.name, permissions.join(", ")));
            let plan = Plan::nothing((key.clone(), credential.reveal())).put(Record::ApiKey(Box::new(key)));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Gives a key another secret, whose text is returned once. The old secret stays valid for
    /// `overlap_ms`. A person rotates their own keys. Those of service accounts need `manage-keys`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `State` for a key that was revoked, and those of the store.
    pub async fn rotate_key(
        &self,
        by: &By,
        organisation: &OrganisationId,
        id: KeyId,
        overlap_ms: i64,
    ) -> Result<(ApiKey, String), AccountsError> {
        let (now_ms, credential) = (self.now_ms(), Credential::new(id, Secret::from_random(self.draw())));
        self.change(|view| {
            let key = manageable(by, view, organisation, id, now_ms)?;
            key.valid(now_ms).map_err(|_| AccountsError::State("the key was revoked or has expired"))?;
            // The new text goes to the caller. They must not act in the name of another person, nor
            // do more than they may.
            match key.owner {
                KeyOwner::User(owner) if by.user().is_ok_and(|user| user == owner) => {}
                KeyOwner::User(_) => {
                    return Err(AccountsError::State("a person rotates their own keys; revoke it instead"));
                }
                KeyOwner::Service(_) => {
                    let rights = by.need(view, organisation, Permission::ManageKeys, now_ms)?;
                    let most = rights.and(self.in_reach(by, view, &key.reach, organisation, now_ms));
                    key.scope.clone().checked(most)?;
                }
            }
            let rotated = key.rotate(&credential, overlap_ms, now_ms);
            let entry = self.done(by, view, "key.rotated", key.prefix());
            let plan = Plan::nothing((rotated.clone(), credential.reveal())).put(Record::ApiKey(Box::new(rotated)));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Revokes a key. The owner of a key may do it; others need `manage-keys`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, and those of the store.
    pub async fn revoke_key(&self, by: &By, organisation: &OrganisationId, id: KeyId) -> Result<ApiKey, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let key = manageable(by, view, organisation, id, now_ms)?;
            if key.revoked_ms.is_some() {
                return Ok(Plan::nothing(key.clone()));
            }
            let revoked = key.revoke(now_ms);
            let entry = self.done(by, view, "key.revoked", key.prefix());
            let plan = Plan::nothing(revoked.clone()).put(Record::ApiKey(Box::new(revoked)));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Deletes a key that was revoked or has expired. As [`revoke_key`](Self::revoke_key).
    ///
    /// # Errors
    /// `State` for a key that is still valid; `NotFound`, `Forbidden`, and those of the store.
    pub async fn delete_key(&self, by: &By, organisation: &OrganisationId, id: KeyId) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let key = manageable(by, view, organisation, id, now_ms)?;
            if key.valid(now_ms).is_ok() {
                return Err(AccountsError::State("a key is revoked before it is deleted"));
            }
            let entry = self.done(by, view, "key.deleted", key.prefix());
            Ok(Plan::nothing(()).remove(RecordKey::ApiKey(id)).note(organisation.clone(), entry))
        })
        .await
    }

    /// The most that a new key may do: within the rights of its maker and of its owner.
    fn most_for_key(
        &self,
        by: &By,
        view: &AccountsView,
        organisation: &OrganisationId,
        (owner, reach): (KeyOwner, &Reach),
        now_ms: i64,
    ) -> Result<Permissions, AccountsError> {
        let own = self.in_reach(by, view, reach, organisation, now_ms).and(by.rights(view, organisation, now_ms));
        if own.is_none() {
            return Err(AccountsError::NotFound("organisation"));
        }
        match owner {
            // A key that makes keys would outlive its own revocation.
            KeyOwner::User(user) if by.user().is_ok_and(|caller| caller == user) => Ok(own),
            KeyOwner::User(_) => Err(AccountsError::State("a person makes their own keys; use a service account")),
            KeyOwner::Service(service) => {
                by.need(view, organisation, Permission::ManageKeys, now_ms)?;
                let found = view.service_account(service).filter(|service| service.organisation == *organisation);
                let service = found.ok_or(AccountsError::NotFound("service account"))?;
                if !reach.is_within(&service.grant.reach) {
                    return Err(AccountsError::State("the service account has not all of these workspaces"));
                }
                Ok(own.within(service.grant.role.permissions_in(organisation)))
            }
        }
    }

    /// The rights of the caller in every workspace of a reach.
    fn in_reach(
        &self,
        by: &By,
        view: &AccountsView,
        reach: &Reach,
        organisation: &OrganisationId,
        now_ms: i64,
    ) -> Permissions {
        match (by.caller, reach) {
            (Caller::Loopback | Caller::System, _) => Permissions::ALL,
            (Caller::Of(principal), Reach::Only(list)) => list.iter().fold(Permissions::ALL, |rights, workspace| {
                rights.within(view.authorise(&principal, workspace, now_ms).permissions)
            }),
            (Caller::Of(Principal::User { user, .. }), Reach::All) => view
                .membership(organisation, user)
                .and_then(|member| member.role_over_all())
                .map_or(Permissions::NONE, |role| role.permissions_in(organisation)),
            (Caller::Of(Principal::Key(id)), Reach::All) => view
                .api_key(id)
                .filter(|key| key.organisation == *organisation && key.reach == Reach::All)
                .map_or(Permissions::NONE, |key| key.scope.permissions),
        }
    }
}

/// The key that the caller wants to change, if they may.
fn manageable<'a>(
    by: &By,
    view: &'a AccountsView,
    organisation: &OrganisationId,
    id: KeyId,
    now_ms: i64,
) -> Result<&'a ApiKey, AccountsError> {
    let key = view.api_key(id).filter(|key| key.organisation == *organisation);
    let own = key.filter(|key| by.live_user(view, now_ms).is_ok_and(|user| key.owner == KeyOwner::User(user)));
    if let Some(key) = own {
        return Ok(key);
    }
    by.need(view, organisation, Permission::ManageKeys, now_ms)?;
    key.ok_or(AccountsError::NotFound("key"))
}
