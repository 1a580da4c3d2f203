//! Service accounts.

use earcon_identity::membership::{Grant, Reach};
use earcon_identity::name::Name;
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::role::Role;
use earcon_identity::service_account::ServiceAccount;
use earcon_identity::{KeyOwner, Permission, ServiceAccountId};
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;

impl Accounts {
    /// Makes a service account. Needs `manage-keys`, and a role that is not below the given one. A
    /// program is never an owner.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `RoleTooHigh`, `Membership`, `Limit`, and those of the store.
    pub async fn create_service_account(
        &self,
        by: &By,
        organisation: &OrganisationId,
        name: Name,
        (role, reach): (Role, Reach),
    ) -> Result<ServiceAccount, AccountsError> {
        let now_ms = self.now_ms();
        let grant = Grant::local(organisation, role, reach)?;
        let id = ServiceAccountId::from_random(self.draw());
        self.change(|view| {
            by.need(view, organisation, Permission::ManageKeys, now_ms)?;
            by.may_grant(view, organisation, role)?;
            if role == Role::Owner {
                return Err(AccountsError::RoleTooHigh);
            }
            let service = ServiceAccount {
                id,
                organisation: organisation.clone(),
                name: name.clone(),
                grant: grant.clone(),
                disabled: false,
                created_by: by.maker(view).ok_or(AccountsError::NotAUser)?,
                created_ms: now_ms,
            };
            let mut entry = self.done(by, view, "service-account.created", id.to_string());
            entry.detail = Some(format!("{name}, as {role}"));
            let plan = Plan::nothing(service.clone()).put(Record::ServiceAccount(service));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Disables a service account or enables it again: its keys do nothing meanwhile. Needs
    /// `manage-keys`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, and those of the store.
    pub async fn set_service_account_disabled(
        &self,
        by: &By,
        organisation: &OrganisationId,
        id: ServiceAccountId,
        disabled: bool,
    ) -> Result<ServiceAccount, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need(view, organisation, Permission::ManageKeys, now_ms)?;
            let found = view.service_account(id).filter(|service| service.organisation == *organisation);
            let old = found.ok_or(AccountsError::NotFound("service account"))?;
            by.may_grant(view, organisation, old.grant.role)?;
            let service = ServiceAccount { disabled, ..old.clone() };
            let action = if disabled { "service-account.disabled" } else { "service-account.enabled" };
            let entry = self.done(by, view, action, id.to_string());
            let plan = Plan::nothing(service.clone()).put(Record::ServiceAccount(service));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Deletes a service account with its keys. Needs `manage-keys`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, and those of the store.
    pub async fn delete_service_account(
        &self,
        by: &By,
        organisation: &OrganisationId,
        id: ServiceAccountId,
    ) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need(view, organisation, Permission::ManageKeys, now_ms)?;
            let found = view.service_account(id).filter(|service| service.organisation == *organisation);
            let old = found.ok_or(AccountsError::NotFound("service account"))?;
            by.may_grant(view, organisation, old.grant.role)?;
            let mut plan = Plan::nothing(()).remove(RecordKey::ServiceAccount(id));
            for key in view.api_keys_of(organisation).filter(|key| key.owner == KeyOwner::Service(id)) {
                plan = plan.remove(RecordKey::ApiKey(key.id));
            }
            Ok(plan.note(organisation.clone(), self.done(by, view, "service-account.deleted", id.to_string())))
        })
        .await
    }
}
