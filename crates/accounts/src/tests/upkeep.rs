use earcon_identity::session::Ended;

use super::*;
use crate::Proof;

#[tokio::test]
async fn sessions_and_invitations_go_a_week_after_their_end() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let (ada, by_ada) = fixture.member(&root, &own(), "ada", Role::Viewer).await;
    let accounts = &fixture.accounts;
    accounts.sign_out(&by_ada).await.unwrap();
    fixture.clock.advance(6 * DAY_MS);
    assert_eq!(accounts.sweep().await.unwrap(), 0);
    assert!(matches!(accounts.view().session(ada.session).unwrap().ended, Some((_, Ended::SignedOut))));
    fixture.clock.advance(2 * DAY_MS + 1);
    assert_eq!(accounts.sweep().await.unwrap(), 2, "the session and the invitation");
    assert!(accounts.view().session(ada.session).is_none());
    assert!(accounts.view().session(owner.session).is_some(), "it expires after a week and goes after another");
    let pass = Authorizer::new().accounts();
    let key = format!("session/{}", ada.session);
    assert!(fixture.store.get(&pass, &key).await.unwrap().is_some(), "the mark of the removal");
    fixture.clock.advance(DAY_MS);
    accounts.sweep().await.unwrap();
    assert!(fixture.store.get(&pass, &key).await.unwrap().is_none());
    assert!(fixture.node().await.view().user(ada.user).is_some());
}

#[tokio::test]
async fn signing_key_is_replaced_when_it_is_old_and_ends_no_token() {
    let fixture = Fixture::new().await;
    let (owner, _) = fixture.owner().await;
    let accounts = &fixture.accounts;
    assert!(!accounts.rotate_signing_key().await.unwrap());
    let mut token = owner.refresh_token.clone();
    for _ in 0..5 {
        fixture.clock.advance(6 * DAY_MS - 60_000);
        token = accounts.refresh_session(&token, None).await.unwrap().refresh_token;
    }
    fixture.clock.advance(60_000);
    let signed_in = accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    fixture.clock.advance(250_000);
    assert!(accounts.rotate_signing_key().await.unwrap());
    assert!(!accounts.rotate_signing_key().await.unwrap());
    assert!(accounts.authenticate(Proof::of(&signed_in.access_token).unwrap()).is_ok());
    let there = fixture.node().await;
    let next = there.sign_in("root", PASSWORD, None, here()).await.unwrap();
    assert!(accounts.authenticate_fresh(Proof::of(&next.access_token).unwrap()).await.is_ok());
}
