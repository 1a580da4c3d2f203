use earcon_identity::session::{Ended, SessionRefused};
use earcon_identity::user::ExternalIdentity;

use super::*;
use crate::{AccountsError, ExternalUser, Proof};

#[tokio::test]
async fn refresh_token_changes_with_each_use_on_any_node() {
    let fixture = Fixture::new().await;
    let (owner, _) = fixture.owner().await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let one = here.refresh_session(&owner.refresh_token, None).await.unwrap();
    let two = there.refresh_session(&one.refresh_token, None).await.unwrap();
    let three = here.refresh_session(&two.refresh_token, None).await.unwrap();
    assert!(one.refresh_token != two.refresh_token && two.refresh_token != three.refresh_token);
    let again = there.refresh_session(&two.refresh_token, None).await.unwrap();
    assert_eq!(again.refresh_token, three.refresh_token, "two tabs at once");
    assert_eq!(there.authenticate(Proof::of(&three.access_token).unwrap()).unwrap(), principal(&owner));
}

#[tokio::test]
async fn reused_token_ends_the_session_on_all_nodes() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let mut versions = there.versions();
    versions.mark_unchanged();
    let renewed = here.refresh_session(&owner.refresh_token, None).await.unwrap();
    fixture.clock.advance(11_000);
    let stolen = here.refresh_session(&owner.refresh_token, None).await.err().unwrap();
    assert!(matches!(stolen, AccountsError::Session(SessionRefused::Reuse)), "{stolen}");
    let owners = here.refresh_session(&renewed.refresh_token, None).await.err().unwrap();
    assert!(matches!(owners, AccountsError::Session(SessionRefused::Ended)), "{owners}");
    there.refresh().await.unwrap();
    assert!(versions.has_changed().unwrap(), "streams learn of it");
    let proof = Proof::of(&renewed.access_token).unwrap();
    assert!(matches!(there.authenticate(proof), Err(AccountsError::Session(SessionRefused::Ended))));
    assert!(audited(here, &own()).await.contains(&"session.reused".to_owned()));
    assert_eq!(root.caller, by(&owner).caller);
}

#[tokio::test]
async fn revoked_session_is_over_at_once_here_and_after_a_refresh_elsewhere() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (ada, by_ada) = fixture.member(&root, &own(), "ada", Role::Viewer).await;
    let (eve, by_eve) = fixture.member(&root, &own(), "eve", Role::Admin).await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let foreign = here.revoke_session(&by_eve, ada.session).await.unwrap_err();
    assert!(matches!(foreign, AccountsError::NotFound("session")), "an admin of a tenant sees no sessions");
    here.revoke_session(&root, ada.session).await.unwrap();
    let alive = |accounts: &Accounts| accounts.authenticate(Proof::of(&ada.access_token).unwrap()).is_ok();
    assert!(!alive(here) && alive(there));
    there.refresh().await.unwrap();
    assert!(!alive(there));
    assert_eq!(here.view().session(ada.session).unwrap().ended, Some((START_MS, Ended::Revoked)));
    here.sign_out(&by_eve).await.unwrap();
    let ended = here.remove_member(&by_eve, &own(), eve.user).await.unwrap_err();
    assert!(matches!(ended, AccountsError::Forbidden(_)), "an ended session does nothing: {ended}");
    assert_eq!(here.view().session(eve.session).unwrap().ended, Some((START_MS, Ended::SignedOut)));
    let again = here.revoke_session(&root, ada.session).await;
    assert!(again.is_ok(), "twice is no error");
    assert!(here.revoke_session(&by_ada, ada.session).await.is_err());
}

#[tokio::test]
async fn session_that_began_on_another_node_is_known_at_its_first_request() {
    let fixture = Fixture::new().await;
    let (owner, _) = fixture.owner().await;
    let there = fixture.node().await;
    let signed_in = fixture.accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    let proof = Proof::of(&signed_in.access_token).unwrap();
    assert!(matches!(there.authenticate(proof), Err(AccountsError::Session(SessionRefused::Unknown))));
    assert_eq!(there.authenticate_fresh(proof).await.unwrap(), principal(&signed_in));

    // Many unknown keys at once lead to one read, or two.
    fixture.store.gets.store(0, Ordering::Relaxed);
    let key = earcon_identity::Credential::new(
        earcon_identity::KeyId::from_random([9; 8]),
        earcon_identity::Secret::from_random([9; 32]),
    );
    let text = key.reveal();
    let requests = (0..50).map(|_| {
        let (there, text) = (there.clone(), text.clone());
        tokio::spawn(async move { there.authenticate_fresh(Proof::of(&text).unwrap()).await.is_err() })
    });
    for request in requests.collect::<Vec<_>>() {
        assert!(request.await.unwrap());
    }
    assert!(fixture.store.gets.load(Ordering::Relaxed) <= 2);
    assert!(there.authenticate(Proof::of(&owner.access_token).unwrap()).is_ok());
}

#[tokio::test]
async fn all_sessions_but_the_own_one_can_be_revoked() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let other = fixture.accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    fixture.accounts.revoke_sessions(&root, owner.user).await.unwrap();
    let view = fixture.accounts.view();
    assert!(view.session(owner.session).unwrap().ended.is_none());
    assert!(view.session(other.session).unwrap().ended.is_some());
}

#[tokio::test]
async fn other_nodes_learn_within_a_step_that_a_session_is_not_idle() {
    let fixture = Fixture::new().await;
    let (owner, _) = fixture.owner().await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let mut token = owner.refresh_token.clone();
    let mut access = owner.access_token.clone();
    for _ in 0..20 {
        fixture.clock.advance(DAY_MS);
        let renewed = here.refresh_session(&token, None).await.unwrap();
        (token, access) = (renewed.refresh_token, renewed.access_token);
        there.refresh().await.unwrap();
    }
    assert!(there.authenticate(Proof::of(&access).unwrap()).is_ok());
}

#[tokio::test]
async fn sessions_of_a_user_are_bounded_and_the_oldest_goes() {
    let fixture = Fixture::new().await;
    let (owner, _) = fixture.owner().await;
    for _ in 0..100 {
        fixture.clock.advance(1_000);
        fixture.accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    }
    let view = fixture.accounts.view();
    assert_eq!(view.sessions_of(owner.user).count(), 100);
    assert!(view.session(owner.session).is_none());
}

#[tokio::test]
async fn issuer_ends_its_sessions() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let mapping = super::external::mapping();
    accounts.set_mapping(&root, "https://id.example", mapping).await.unwrap();
    let identity = ExternalIdentity::new("https://id.example", "ada").unwrap();
    let found = |session: &str| ExternalUser {
        identity: identity.clone(),
        name: name("Ada"),
        email: None,
        groups: vec!["sre".to_owned()],
        issuer_session: Some(session.into()),
    };
    let one = accounts.sign_in_external(found("one"), device()).await.unwrap();
    let two = accounts.sign_in_external(found("two"), device()).await.unwrap();
    let ended = accounts.end_issuer_sessions(None, Some(("https://other.example", "one"))).await.unwrap();
    assert_eq!(ended, 0, "another issuer's session of this name");
    assert_eq!(accounts.end_issuer_sessions(None, Some(("https://id.example", "one"))).await.unwrap(), 1);
    let ends = |session| accounts.view().session(session).unwrap().ended.map(|(_, why)| why);
    assert_eq!((ends(one.session), ends(two.session)), (Some(Ended::Issuer), None));
    assert_eq!(accounts.end_issuer_sessions(Some(&identity), None).await.unwrap(), 1);
    assert_eq!(ends(two.session), Some(Ended::Issuer));
}
