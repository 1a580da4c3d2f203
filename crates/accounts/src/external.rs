//! Users whom an issuer has signed in. The issuer's groups give their roles, by rules.

use earcon_identity::id::UserId;
use earcon_identity::mapping::Mapped;
use earcon_identity::membership::Membership;
use earcon_identity::name::{Email, Name};
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::session::Device;
use earcon_identity::user::{ExternalIdentity, User};
use earcon_identity::{AccountsView, Principal};

use crate::accounts::Accounts;
use crate::error::{AccountsError, SignInRefused};
use crate::ledger::Plan;
use crate::sign_in::SignedIn;

/// A user as an issuer describes them, after its signature was checked.
#[derive(Debug, Clone)]
pub struct ExternalUser {
    /// How the issuer knows them.
    pub identity: ExternalIdentity,
    /// The name, as shown.
    pub name: Name,
    /// A label.
    pub email: Option<Email>,
    /// The groups that the issuer names.
    pub groups: Vec<String>,
    /// The session at the issuer.
    pub issuer_session: Option<Box<str>>,
}

impl Accounts {
    /// Signs in a user of an issuer. A new user is made if a rule gives them a role; a known one
    /// gets the roles that the rules give now.
    ///
    /// # Errors
    /// `SignIn` for a disabled user and for one without any role, `Mapping`, `Limit`, and those of
    /// the store.
    pub async fn sign_in_external(&self, found: ExternalUser, device: Device) -> Result<SignedIn, AccountsError> {
        let known = self.view().user_by_identity(&found.identity).map(|user| user.id);
        let id = known.unwrap_or_else(|| UserId::from_random(self.draw()));
        let start = self.new_session(id, device, found.issuer_session.clone());
        let now_ms = self.now_ms();
        self.change(|view| {
            // Another node may have made the user meanwhile; the next attempt finds them.
            let present = view.user_by_identity(&found.identity);
            if present.is_some_and(|user| user.id != id) {
                return Err(AccountsError::State("this user has just signed in elsewhere; try again"));
            }
            if present.is_some_and(|user| user.disabled) {
                return Err(SignInRefused::Wrong.into());
            }
            let user = match present {
                Some(user) => User { name: found.name.clone(), email: found.email.clone(), ..user.clone() },
                None => User::external(id, found.identity.clone(), found.name.clone(), found.email.clone(), now_ms),
            };
            let plan = Plan::nothing(start.signed_in());
            let (mut plan, roles) = remapped(plan, view, id, &mapped(view, &found)?, now_ms)?;
            if roles == 0 {
                return Err(SignInRefused::Wrong.into());
            }
            if present != Some(&user) {
                plan = plan.put(Record::User(Box::new(user)));
            }
            plan = self.begin_session(plan, view, &start, now_ms);
            let from = Some(start.session.device.address.to_string());
            Ok(self.note_for_user(plan, view, id, ("session.began", from, Some(start.session.id.to_string()))))
        })
        .await
    }

    /// Gives a user the roles of their present groups, between sign-ins: when the session is
    /// refreshed. A user who has no role left loses nothing but the roles.
    ///
    /// # Errors
    /// `NotFound`, `Mapping`, and those of the store.
    pub async fn remap(&self, found: &ExternalUser) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let user = view.user_by_identity(&found.identity).ok_or(AccountsError::NotFound("user"))?;
            let (mut plan, _) = remapped(Plan::nothing(()), view, user.id, &mapped(view, found)?, now_ms)?;
            if !plan.writes.is_empty() {
                plan = self.note_for_user(plan, view, user.id, ("member.remapped", None, None));
            }
            Ok(plan)
        })
        .await
    }

    /// Whether a principal's user is of an issuer, whose word is asked again at a refresh.
    pub fn issuer_of(&self, principal: &Principal) -> Option<Box<str>> {
        let Principal::User { user, .. } = principal else { return None };
        let view = self.view();
        let identity = &view.user(*user)?.identity;
        (!identity.is_local()).then(|| identity.issuer.clone())
    }
}

fn mapped(view: &AccountsView, found: &ExternalUser) -> Result<Mapped, AccountsError> {
    let mapping = view.mapping(&found.identity.issuer);
    Ok(mapping.map(|mapping| mapping.apply(&found.groups)).transpose()?.unwrap_or_default())
}

/// The plan with the memberships that the rules give, and in how many organisations the user has a
/// role then.
fn remapped<T>(
    mut plan: Plan<T>,
    view: &AccountsView,
    user: UserId,
    mapped: &Mapped,
    now_ms: i64,
) -> Result<(Plan<T>, usize), AccountsError> {
    let mut roles = 0;
    for old in view.memberships_of(user) {
        let grants = mapped.grants.iter().find(|(organisation, _)| *organisation == old.organisation);
        let grants = grants.map(|(_, grants)| grants.clone()).unwrap_or_default();
        match old.with_groups(grants)? {
            Some(new) => {
                roles += 1;
                if new != *old {
                    plan = plan.put(Record::Membership(new));
                }
            }
            None => plan = plan.remove(RecordKey::Membership(old.organisation.clone(), user)),
        }
    }
    for (organisation, grants) in &mapped.grants {
        // A rule may be older than the deletion of its organisation.
        if view.membership(organisation, user).is_none() && view.organisation(organisation).is_some() {
            roles += 1;
            let (organisation, grants) = (organisation.clone(), grants.clone());
            plan = plan.put(Record::Membership(Membership { user, organisation, grants, since_ms: now_ms }));
        }
    }
    Ok((plan, roles))
}
