//! Members: their roles, and users who may no longer sign in.

use earcon_identity::membership::{Grant, Membership, Reach};
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::role::Role;
use earcon_identity::session::Ended;
use earcon_identity::user::User;
use earcon_identity::{AccountsView, Permission, UserId};
use earcon_model::OrganisationId;

use crate::accounts::{Accounts, organisations_of};
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;

impl Accounts {
    /// Gives a member another role by a person's decision. The last owner keeps theirs. Needs
    /// `manage-members`, and a role that is not below the old one and the new one.
    ///
    /// # Errors
    /// `NotFound` for a user who is no member, `Forbidden`, `RoleTooHigh`, `Membership`, and those
    /// of the store.
    pub async fn set_member(
        &self,
        by: &By,
        organisation: &OrganisationId,
        user: UserId,
        (role, reach): (Role, Reach),
    ) -> Result<Membership, AccountsError> {
        let now_ms = self.now_ms();
        let grant = Grant::local(organisation, role, reach)?;
        self.change(|view| {
            let member = changeable(by, view, organisation, user, now_ms)?;
            by.may_grant(view, organisation, role)?;
            let changed = member.with_local(Some(grant.clone())).ok_or(AccountsError::NotFound("member"))?;
            view.owner_after_change(organisation, user, Some(&changed))?;
            let mut entry = self.done(by, view, "member.changed", user.to_string());
            entry.detail = Some(format!("to {role}"));
            let plan = Plan::nothing(changed.clone()).put(Record::Membership(changed));
            Ok(plan.note(organisation.clone(), entry))
        })
        .await
    }

    /// Removes a member. Their keys of the organisation end, their sessions go on in their other
    /// organisations. A member may leave without any permission. The last owner stays.
    ///
    /// # Errors
    /// As [`set_member`](Self::set_member).
    pub async fn remove_member(
        &self,
        by: &By,
        organisation: &OrganisationId,
        user: UserId,
    ) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let leaves = by.live_user(view, now_ms).is_ok_and(|caller| caller == user)
                && view.membership(organisation, user).is_some();
            if !leaves {
                changeable(by, view, organisation, user, now_ms)?;
            }
            view.owner_after_change(organisation, user, None)?;
            let mut plan = Plan::nothing(()).remove(RecordKey::Membership(organisation.clone(), user));
            let owner = earcon_identity::KeyOwner::User(user);
            for key in view.api_keys_of(organisation).filter(|key| key.owner == owner && key.revoked_ms.is_none()) {
                plan = plan.put(Record::ApiKey(Box::new(key.revoke(now_ms))));
            }
            let action = if leaves { "member.left" } else { "member.removed" };
            Ok(plan.note(organisation.clone(), self.done(by, view, action, user.to_string())))
        })
        .await
    }

    /// Disables a user on the whole installation, or enables them again. Their sessions end, and
    /// their keys do nothing while they are disabled. The last owner of an organisation cannot be
    /// disabled. Needs `manage-server`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Membership`, and those of the store.
    pub async fn set_user_disabled(&self, by: &By, user: UserId, disabled: bool) -> Result<User, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.need_server(view, Permission::ManageServer, now_ms)?;
            let old = view.user(user).ok_or(AccountsError::NotFound("user"))?;
            if old.disabled == disabled {
                return Ok(Plan::nothing(old.clone()));
            }
            if disabled {
                view.owner_without(user)?;
            }
            let changed = User { disabled, ..old.clone() };
            let mut plan = Plan::nothing(changed.clone()).put(Record::User(Box::new(changed)));
            if disabled {
                plan = end_sessions(plan, view, user, None, (Ended::Disabled, now_ms));
            }
            let action = if disabled { "user.disabled" } else { "user.enabled" };
            for organisation in organisations_of(view, user) {
                plan = plan.note(organisation, self.done(by, view, action, user.to_string()));
            }
            Ok(plan)
        })
        .await
    }
}

/// The membership that the caller wants to change, if they may.
fn changeable<'a>(
    by: &By,
    view: &'a AccountsView,
    organisation: &OrganisationId,
    user: UserId,
    now_ms: i64,
) -> Result<&'a Membership, AccountsError> {
    by.need(view, organisation, Permission::ManageMembers, now_ms)?;
    let member = view.membership(organisation, user).ok_or(AccountsError::NotFound("member"))?;
    if let Some(role) = member.highest() {
        by.may_grant(view, organisation, role)?;
    }
    Ok(member)
}

/// The plan with the ends of a user's live sessions, but for one.
pub(crate) fn end_sessions<T>(
    mut plan: Plan<T>,
    view: &AccountsView,
    user: UserId,
    but: Option<earcon_identity::SessionId>,
    (why, now_ms): (Ended, i64),
) -> Plan<T> {
    for session in view.sessions_of(user).filter(|session| session.ended.is_none() && Some(session.id) != but) {
        plan = plan.put(Record::Session(Box::new(session.end(why, now_ms))));
    }
    plan
}
