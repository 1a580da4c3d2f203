//! Organisations: making and naming them, and the rules for groups of issuers.

use earcon_identity::Permission;
use earcon_identity::mapping::Mapping;
use earcon_identity::membership::{Grant, Membership, Reach};
use earcon_identity::name::Name;
use earcon_identity::organisation::Organisation;
use earcon_identity::record::{IssuerMapping, Record};
use earcon_identity::role::Role;
use earcon_identity::user::ExternalIdentity;
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;

impl Accounts {
    /// Makes an organisation. A person who makes one becomes its owner. Needs `manage-server`.
    ///
    /// # Errors
    /// `Exists`, `Forbidden`, `Limit`, and those of the store.
    pub async fn create_organisation(
        &self,
        by: &By,
        id: OrganisationId,
        name: Name,
    ) -> Result<Organisation, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need_server(view, Permission::ManageServer, now_ms)?;
            if view.organisation(&id).is_some() {
                return Err(AccountsError::Exists("organisation"));
            }
            let organisation = Organisation::new(id.clone(), name.clone(), now_ms);
            let mut plan = Plan::nothing(organisation.clone()).put(Record::Organisation(organisation));
            if let Ok(user) = by.user() {
                let grant = Grant::local(&id, Role::Owner, Reach::All)?;
                plan = plan.put(Record::Membership(Membership::new(user, id.clone(), grant, now_ms)));
            }
            Ok(plan.note(id.clone(), self.done(by, view, "organisation.created", id.to_string())))
        })
        .await
    }

    /// Gives an organisation another name. Needs `manage-organisation`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, and those of the store.
    pub async fn rename_organisation(
        &self,
        by: &By,
        id: &OrganisationId,
        name: Name,
    ) -> Result<Organisation, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need(view, id, Permission::ManageOrganisation, now_ms)?;
            let old = view.organisation(id).ok_or(AccountsError::NotFound("organisation"))?;
            let organisation = Organisation { name: name.clone(), ..old.clone() };
            let mut entry = self.done(by, view, "organisation.renamed", id.to_string());
            entry.detail = Some(format!("from {} to {name}", old.name));
            let plan = Plan::nothing(organisation.clone()).put(Record::Organisation(organisation));
            Ok(plan.note(id.clone(), entry))
        })
        .await
    }

    /// Replaces the rules for the groups of an issuer, which may concern every organisation. They
    /// hold for each user from their next sign-in or refresh. Needs `manage-server`.
    ///
    /// # Errors
    /// `Forbidden`, `Identity` for the name of an issuer, `NotFound` for a rule about an
    /// organisation that does not exist, and those of the store.
    pub async fn set_mapping(&self, by: &By, issuer: &str, mapping: Mapping) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        ExternalIdentity::new(issuer, "subject")?;
        self.change(|view| {
            by.need_server(view, Permission::ManageServer, now_ms)?;
            if mapping.rules().iter().any(|rule| view.organisation(&rule.organisation).is_none()) {
                return Err(AccountsError::NotFound("organisation of a rule"));
            }
            let record = IssuerMapping { issuer: issuer.into(), mapping: mapping.clone() };
            let mut entry = self.done(by, view, "mapping.replaced", issuer.to_owned());
            entry.detail = Some(format!("{} rules", mapping.rules().len()));
            let plan = Plan::nothing(()).put(Record::Mapping(record));
            Ok(plan.note(OrganisationId::default_organisation(), entry))
        })
        .await
    }
}
