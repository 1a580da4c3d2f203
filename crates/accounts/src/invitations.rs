//! Invitations into an organisation.

use earcon_identity::credential::{Credential, Secret};
use earcon_identity::invitation::Invitation;
use earcon_identity::membership::{Grant, Membership, Reach};
use earcon_identity::name::Name;
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::role::Role;
use earcon_identity::session::Device;
use earcon_identity::{AccountsView, InvitationId, Permission, UserId};
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;
use crate::sign_in::{NewUser, SignedIn};

/// The wish for an invitation.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// The role of the new member.
    pub role: Role,
    /// Where it holds.
    pub reach: Reach,
    /// For whom.
    pub note: Option<Name>,
    /// How long it is open, milliseconds; at most 14 days.
    pub life_ms: i64,
}

impl Accounts {
    /// Invites a person. The text of the invitation is returned once. Needs `manage-members`, and a
    /// role that is not below the given one.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `RoleTooHigh`, `Membership`, `Limit`, and those of the store.
    pub async fn invite(
        &self,
        by: &By,
        organisation: &OrganisationId,
        wish: NewInvitation,
    ) -> Result<(Invitation, String), AccountsError> {
        let now_ms = self.now_ms();
        let grant = Grant::local(organisation, wish.role, wish.reach)?;
        let id = InvitationId::from_random(self.draw());
        let credential = Credential::new(id, Secret::from_random(self.draw()));
        self.change(|view| {
            by.need(view, organisation, Permission::ManageMembers, now_ms)?;
            by.may_grant(view, organisation, wish.role)?;
            let maker = by.maker(view).ok_or(AccountsError::NotAUser)?;
            let into = (organisation.clone(), grant.clone());
            let invitation = Invitation::new(&credential, into, wish.note.clone(), maker, (now_ms, wish.life_ms));
            let mut entry = self.done(by, view, "invitation.created", id.to_string());
            entry.detail = Some(format!("as {}", wish.role));
            let plan = Plan::nothing((invitation.clone(), credential.reveal()));
            Ok(plan.put(Record::Invitation(Box::new(invitation))).note(organisation.clone(), entry))
        })
        .await
    }

    /// Takes an invitation back. Needs `manage-members`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, and those of the store.
    pub async fn withdraw_invitation(
        &self,
        by: &By,
        organisation: &OrganisationId,
        id: InvitationId,
    ) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need(view, organisation, Permission::ManageMembers, now_ms)?;
            let found = view.invitation(id).filter(|invitation| invitation.organisation == *organisation);
            found.ok_or(AccountsError::NotFound("invitation"))?;
            let entry = self.done(by, view, "invitation.withdrawn", id.to_string());
            Ok(Plan::nothing(()).remove(RecordKey::Invitation(id)).note(organisation.clone(), entry))
        })
        .await
    }

    /// What an invitation offers, for the page that its bearer sees.
    ///
    /// # Errors
    /// `Malformed` and `Invitation`.
    pub fn read_invitation(&self, text: &str) -> Result<Invitation, AccountsError> {
        let presented = Credential::<InvitationId>::parse(text)?;
        Ok(open(&self.view(), &presented, self.now_ms())?.clone())
    }

    /// Uses an invitation to make a user with a password, a member of the organisation, who is
    /// signed in then.
    ///
    /// # Errors
    /// `Malformed`, `Invitation`, `Exists` for a sign-in name that is taken, `Password`, `Busy`,
    /// `Limit`, and those of the store.
    pub async fn accept_as_new_user(
        &self,
        text: &str,
        user: NewUser,
        device: Device,
    ) -> Result<SignedIn, AccountsError> {
        let presented = Credential::<InvitationId>::parse(text)?;
        open(&self.view(), &presented, self.now_ms())?;
        let user = self.new_local_user(user).await?;
        let start = self.new_session(user.id, device, None);
        let now_ms = self.now_ms();
        self.change(|view| {
            let invitation = open(view, &presented, now_ms)?.clone();
            if view.user_by_identity(&user.identity).is_some() {
                return Err(AccountsError::Exists("sign-in name"));
            }
            let plan = Plan::nothing(start.signed_in()).put(Record::User(Box::new(user.clone())));
            let plan = plan.put(Record::Session(Box::new(start.session.clone())));
            let from = Some(start.session.device.address.to_string());
            self.accept(plan, view, (&invitation, &presented), user.id, (from, now_ms))
        })
        .await
    }

    /// Uses an invitation for a user who has signed in.
    ///
    /// # Errors
    /// `Malformed`, `Invitation`, `NotAUser`, `State` for a member, and those of the store.
    pub async fn accept_as_user(&self, by: &By, text: &str) -> Result<OrganisationId, AccountsError> {
        let presented = Credential::<InvitationId>::parse(text)?;
        let now_ms = self.now_ms();
        self.change(|view| {
            let user = by.live_user(view, now_ms)?;
            let invitation = open(view, &presented, now_ms)?.clone();
            let plan = Plan::nothing(invitation.organisation.clone());
            self.accept(plan, view, (&invitation, &presented), user, (by.from.clone(), now_ms))
        })
        .await
    }

    fn accept<T>(
        &self,
        plan: Plan<T>,
        view: &AccountsView,
        (invitation, presented): (&Invitation, &Credential<InvitationId>),
        user: UserId,
        (from, now_ms): (Option<String>, i64),
    ) -> Result<Plan<T>, AccountsError> {
        let organisation = &invitation.organisation;
        let used = invitation.accept(presented, user, now_ms)?;
        let membership = match view.membership(organisation, user) {
            // An invitation must not take rights away, and the maker did not mean to give more.
            Some(member)
                if member.grants.iter().any(|grant| grant.source == earcon_identity::membership::Source::Local) =>
            {
                return Err(AccountsError::State("you are a member of this organisation already"));
            }
            Some(member) => {
                member.with_local(Some(invitation.grant.clone())).ok_or(AccountsError::NotFound("member"))?
            }
            None => Membership::new(user, organisation.clone(), invitation.grant.clone(), now_ms),
        };
        let actor = earcon_identity::audit::Actor::User {
            id: user,
            name: view.user(user).map_or_else(String::new, |user| user.name.to_string()),
        };
        let detail = Some(format!("as {}", invitation.grant.role));
        let entry = self.entry(actor, from, "invitation.accepted", invitation.id.to_string(), detail);
        let plan = plan.put(Record::Invitation(Box::new(used))).put(Record::Membership(membership));
        Ok(plan.note(organisation.clone(), entry))
    }
}

/// The open invitation of a credential.
fn open<'a>(
    view: &'a AccountsView,
    presented: &Credential<InvitationId>,
    now_ms: i64,
) -> Result<&'a Invitation, AccountsError> {
    let unknown = earcon_identity::invitation::InvitationRefused::Unknown;
    let invitation = view.invitation(presented.id).ok_or(unknown)?;
    invitation.check(presented, now_ms)?;
    // Nobody comes in by the word of a member who could not invite them any more.
    let maker = view.membership(&invitation.organisation, invitation.created_by);
    let may = maker.and_then(Membership::role_over_all).is_some_and(|role| role.may_grant(invitation.grant.role));
    let is_enabled = view.user(invitation.created_by).is_some_and(|user| !user.disabled);
    if may && is_enabled { Ok(invitation) } else { Err(unknown.into()) }
}
