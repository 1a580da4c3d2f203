use earcon_identity::invitation::InvitationRefused;
use earcon_identity::membership::MembershipError;
use earcon_identity::{KeyOwner, Permission, Scope};

use super::*;
use crate::{AccountsError, NewKey};

#[tokio::test]
async fn two_nodes_cannot_remove_two_owners_at_once() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let (other, by_other) = fixture.member(&root, &own(), "other", Role::Owner).await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let (own, mine, theirs) = (own(), owner.user, other.user);
    let (one, two) = tokio::join!(here.remove_member(&root, &own, theirs), there.remove_member(&by_other, &own, mine));
    let ok = [&one, &two].into_iter().filter(|result| result.is_ok()).count();
    assert_eq!(ok, 1, "{one:?} {two:?}");
    here.refresh().await.unwrap();
    assert_eq!(here.view().members_of(&own).count(), 1);
    let (last, by_last) = if one.is_ok() { (mine, root) } else { (theirs, by_other) };
    for refused in [
        here.remove_member(&by_last, &own, last).await.unwrap_err(),
        here.set_member(&by_last, &own, last, (Role::Admin, Reach::All)).await.unwrap_err(),
        here.set_user_disabled(&by_last, last, true).await.unwrap_err(),
    ] {
        assert!(matches!(refused, AccountsError::Membership(MembershipError::LastOwner(_))), "{refused}");
    }
}

#[tokio::test]
async fn tenants_know_nothing_of_each_other() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let other = OrganisationId::new("other").unwrap();
    accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    accounts.create_organisation(&root, other.clone(), name("Other")).await.unwrap();
    let (ada, by_ada) = fixture.member(&root, &acme(), "ada", Role::Owner).await;
    let (bob, _) = fixture.member(&root, &other, "bob", Role::Viewer).await;
    let wish = NewInvitation { role: Role::Viewer, reach: Reach::All, note: None, life_ms: DAY_MS };
    let (invitation, _) = accounts.invite(&root, &other, wish.clone()).await.unwrap();
    for refused in [
        accounts.invite(&by_ada, &other, wish).await.map(drop),
        accounts.set_member(&by_ada, &other, bob.user, (Role::Editor, Reach::All)).await.map(drop),
        accounts.remove_member(&by_ada, &other, bob.user).await,
        accounts.remove_member(&by_ada, &acme(), bob.user).await,
        accounts.withdraw_invitation(&by_ada, &acme(), invitation.id).await,
        accounts.rename_organisation(&by_ada, &other, name("Mine")).await.map(drop),
        accounts.revoke_session(&by_ada, bob.session).await,
        accounts.revoke_sessions(&by_ada, bob.user).await,
        accounts.rename_organisation(&by_ada, &OrganisationId::new("none").unwrap(), name("Mine")).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, AccountsError::NotFound(_)), "{refused}");
    }
    for refused in [
        accounts.set_user_disabled(&by_ada, bob.user, true).await.map(drop),
        accounts.create_organisation(&by_ada, OrganisationId::new("more").unwrap(), name("More")).await.map(drop),
    ] {
        assert!(matches!(refused.unwrap_err(), AccountsError::Forbidden(Permission::ManageServer)));
    }
    assert!(accounts.rename_organisation(&by_ada, &acme(), name("Acme Ltd")).await.is_ok());
    let of_acme = audited(accounts, &acme()).await;
    assert_eq!(of_acme, ["organisation.created", "invitation.created", "invitation.accepted", "organisation.renamed"]);
    assert_eq!(ada.user, by_ada.user().unwrap());
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_above_their_own() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let (_, admin) = fixture.member(&root, &own(), "admin", Role::Admin).await;
    let (editor, by_editor) = fixture.member(&root, &own(), "editor", Role::Editor).await;
    let wish = |role| NewInvitation { role, reach: Reach::All, note: None, life_ms: DAY_MS };
    for refused in [
        accounts.invite(&admin, &own(), wish(Role::Owner)).await.map(drop),
        accounts.set_member(&admin, &own(), editor.user, (Role::Owner, Reach::All)).await.map(drop),
        accounts.set_member(&admin, &own(), owner.user, (Role::Viewer, Reach::All)).await.map(drop),
        accounts.remove_member(&admin, &own(), owner.user).await,
    ] {
        assert!(matches!(refused.unwrap_err(), AccountsError::RoleTooHigh));
    }
    let refused = accounts.invite(&by_editor, &own(), wish(Role::Viewer)).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Forbidden(Permission::ManageMembers)));
    accounts.set_member(&admin, &own(), editor.user, (Role::Admin, Reach::All)).await.unwrap();
    accounts.remove_member(&by_editor, &own(), editor.user).await.unwrap();
    assert!(audited(accounts, &own()).await.contains(&"member.left".to_owned()));
}

#[tokio::test]
async fn invitation_admits_once_until_it_is_withdrawn() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let wish = NewInvitation { role: Role::Editor, reach: Reach::All, note: None, life_ms: DAY_MS };
    let (_, text) = accounts.invite(&root, &own(), wish.clone()).await.unwrap();
    assert_eq!(accounts.read_invitation(&text).unwrap().grant.role, Role::Editor);
    let taken = accounts.accept_as_new_user(&text, user("root"), device()).await.err().unwrap();
    assert!(matches!(taken, AccountsError::Exists("sign-in name")), "{taken}");
    let member = accounts.accept_as_user(&root, &text).await.unwrap_err();
    assert!(matches!(member, AccountsError::State(_)), "{member}");
    let ada = accounts.accept_as_new_user(&text, user("ada"), device()).await.unwrap();
    let used = accounts.accept_as_new_user(&text, user("eve"), device()).await.err().unwrap();
    assert!(matches!(used, AccountsError::Invitation(InvitationRefused::Used)), "{used}");

    accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    let (_, text) = accounts.invite(&root, &acme(), wish.clone()).await.unwrap();
    assert_eq!(accounts.accept_as_user(&by(&ada), &text).await.unwrap(), acme());
    let (invitation, text) = accounts.invite(&root, &acme(), wish.clone()).await.unwrap();
    accounts.withdraw_invitation(&root, &acme(), invitation.id).await.unwrap();
    let gone = accounts.read_invitation(&text).unwrap_err();
    assert!(matches!(gone, AccountsError::Invitation(InvitationRefused::Unknown)), "{gone}");
    let (_, text) = accounts.invite(&root, &acme(), wish).await.unwrap();
    fixture.clock.advance(DAY_MS);
    let late = accounts.read_invitation(&text).unwrap_err();
    assert!(matches!(late, AccountsError::Invitation(InvitationRefused::Expired)), "{late}");
}

#[tokio::test]
async fn keys_of_a_member_end_with_the_membership() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (ada, by_ada) = fixture.member(&root, &own(), "ada", Role::Editor).await;
    let accounts = &fixture.accounts;
    let wish =
        NewKey { name: name("key"), owner: None, reach: Reach::All, scope: Scope::ingest_only(), expires_ms: None };
    let (key, _) = accounts.create_key(&by_ada, &own(), wish).await.unwrap();
    assert_eq!(key.owner, KeyOwner::User(ada.user));
    accounts.remove_member(&root, &own(), ada.user).await.unwrap();
    assert!(accounts.view().api_key(key.id).unwrap().revoked_ms.is_some());
}
