//! Members of organisations.

use earcon_model::OrganisationId;

use super::AccountsView;
use crate::id::UserId;
use crate::membership::{Membership, MembershipError, keeps_an_owner};

impl AccountsView {
    /// The membership of a user in an organisation.
    pub fn membership(&self, organisation: &OrganisationId, user: UserId) -> Option<&Membership> {
        self.memberships_of(user).find(|member| member.organisation == *organisation)
    }

    /// The memberships of a user, in the order of the organisations.
    pub fn memberships_of(&self, user: UserId) -> impl Iterator<Item = &Membership> {
        self.memberships.get(&user).into_iter().flatten()
    }

    /// The members of an organisation, in the order of their identifiers.
    pub fn members_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = &Membership> {
        let users = self.members.get(organisation).into_iter().flatten();
        users.filter_map(move |user| self.membership(organisation, *user))
    }

    /// Whether any organisation has an owner who can sign in. Without one, the owner link works.
    pub fn has_owner(&self) -> bool {
        let enabled = |user: &UserId| self.users.get(user).is_some_and(|user| !user.disabled);
        self.memberships.iter().any(|(user, list)| enabled(user) && list.iter().any(Membership::is_owner))
    }

    /// Checks that the organisation keeps an owner if a member's record becomes `after`, or goes.
    ///
    /// # Errors
    /// [`MembershipError::LastOwner`].
    pub fn owner_after_change(
        &self,
        organisation: &OrganisationId,
        user: UserId,
        after: Option<&Membership>,
    ) -> Result<(), MembershipError> {
        if !self.membership(organisation, user).is_some_and(Membership::is_owner) {
            return Ok(());
        }
        let others = self.members_of(organisation).filter(|member| member.user != user);
        keeps_an_owner(organisation, others.chain(after).map(|member| (member, self.may_act(member.user))))
    }

    /// Checks that every organisation keeps an owner if a user is disabled or removed.
    ///
    /// # Errors
    /// [`MembershipError::LastOwner`].
    pub fn owner_without(&self, user: UserId) -> Result<(), MembershipError> {
        self.memberships_of(user).try_for_each(|member| self.owner_after_change(&member.organisation, user, None))
    }

    fn may_act(&self, user: UserId) -> bool {
        self.users.get(&user).is_some_and(|user| !user.disabled)
    }

    pub(super) fn put_membership(&mut self, membership: Membership) {
        self.members.entry(membership.organisation.clone()).or_default().insert(membership.user);
        let list = self.memberships.entry(membership.user).or_default();
        match list.binary_search_by(|known| known.organisation.cmp(&membership.organisation)) {
            Ok(at) => list[at] = membership,
            Err(at) => list.insert(at, membership),
        }
    }

    pub(super) fn remove_membership(&mut self, organisation: &OrganisationId, user: UserId) {
        if let Some(list) = self.memberships.get_mut(&user) {
            list.retain(|member| member.organisation != *organisation);
            if list.is_empty() {
                self.memberships.remove(&user);
            }
        }
        if let Some(users) = self.members.get_mut(organisation) {
            users.remove(&user);
            if users.is_empty() {
                self.members.remove(organisation);
            }
        }
    }
}
