//! The first start: a link, used once, makes the first owner.

use earcon_identity::OwnerLinkId;
use earcon_identity::credential::{Credential, Secret};
use earcon_identity::membership::{Grant, Membership, Reach};
use earcon_identity::owner_link::{OwnerLink, OwnerLinkRefused};
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::role::Role;
use earcon_identity::session::Device;
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;
use crate::sign_in::{NewUser, SignedIn};

impl Accounts {
    /// The text of a new owner link, valid for a day, while there is no owner. An earlier link
    /// ends. `None` if there is an owner.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn owner_link(&self) -> Result<Option<String>, AccountsError> {
        let id = OwnerLinkId::from_random(self.draw());
        let credential = Credential::new(id, Secret::from_random(self.draw()));
        let now_ms = self.now_ms();
        self.change(|view| {
            if view.has_owner() {
                let plan = Plan::nothing(None);
                return Ok(if view.owner_link().is_some() { plan.remove(RecordKey::OwnerLink) } else { plan });
            }
            let link = OwnerLink::new(&credential, now_ms);
            let entry = self.done(&By::system(), view, "owner-link.created", id.to_string());
            let plan = Plan::nothing(Some(credential.reveal())).put(Record::OwnerLink(link));
            Ok(plan.note(OrganisationId::default_organisation(), entry))
        })
        .await
    }

    /// Checks an owner link without using it, for the page that its bearer sees.
    ///
    /// # Errors
    /// `Malformed` and `OwnerLink`.
    pub fn check_owner_link(&self, text: &str) -> Result<(), AccountsError> {
        let presented = Credential::<OwnerLinkId>::parse(text)?;
        let (view, now_ms) = (self.view(), self.now_ms());
        let link = view.owner_link().ok_or(if view.has_owner() {
            OwnerLinkRefused::OwnerExists
        } else {
            OwnerLinkRefused::Unknown
        })?;
        Ok(link.check(&presented, view.has_owner(), now_ms)?)
    }

    /// Uses the owner link: makes a user with a password, who owns the organisation `default` and
    /// so the installation, and signs them in.
    ///
    /// # Errors
    /// `Malformed`, `OwnerLink`, `Exists` for a sign-in name that is taken, `Password`, `Busy`, and
    /// those of the store.
    pub async fn claim_owner_link(&self, text: &str, user: NewUser, device: Device) -> Result<SignedIn, AccountsError> {
        self.check_owner_link(text)?;
        let presented = Credential::<OwnerLinkId>::parse(text)?;
        let user = self.new_local_user(user).await?;
        let start = self.new_session(user.id, device, None);
        let now_ms = self.now_ms();
        let own = OrganisationId::default_organisation();
        self.change(|view| {
            let link = view.owner_link().ok_or(OwnerLinkRefused::Unknown)?;
            link.check(&presented, view.has_owner(), now_ms)?;
            if view.user_by_identity(&user.identity).is_some() {
                return Err(AccountsError::Exists("sign-in name"));
            }
            let grant = Grant::local(&own, Role::Owner, Reach::All)?;
            let actor = earcon_identity::audit::Actor::User { id: user.id, name: user.name.to_string() };
            let from = Some(start.session.device.address.to_string());
            let entry = self.entry(actor, from, "owner-link.used", user.id.to_string(), None);
            Ok(Plan::nothing(start.signed_in())
                .put(Record::User(Box::new(user.clone())))
                .put(Record::Membership(Membership::new(user.id, own.clone(), grant, now_ms)))
                .put(Record::Session(Box::new(start.session.clone())))
                .remove(RecordKey::OwnerLink)
                .note(own.clone(), entry))
        })
        .await
    }
}
