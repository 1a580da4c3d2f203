use earcon_identity::totp::TotpRefused;

use super::*;
use crate::{AccountsError, SignInRefused};

async fn refused(accounts: &Accounts, sign_in_name: &str, password: &str, code: Option<&str>) -> AccountsError {
    accounts.sign_in(sign_in_name, password, code, here()).await.err().unwrap()
}

#[tokio::test]
async fn unknown_name_wrong_password_and_disabled_user_look_the_same() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (ada, _) = fixture.member(&root, &own(), "ada", Role::Viewer).await;
    let accounts = &fixture.accounts;
    let signed_in = accounts.sign_in("Ada", PASSWORD, None, here()).await.unwrap();
    assert!(signed_in.user == ada.user && signed_in.session != ada.session);
    let wrong = |error: AccountsError| matches!(error, AccountsError::SignIn(SignInRefused::Wrong));
    assert!(wrong(refused(accounts, "ada", "another password", None).await));
    assert!(wrong(refused(accounts, "nobody", PASSWORD, None).await));
    assert!(wrong(refused(accounts, "no name!", PASSWORD, None).await));
    accounts.set_user_disabled(&root, ada.user, true).await.unwrap();
    assert!(wrong(refused(accounts, "ada", PASSWORD, None).await));
    let actions = audited(accounts, &own()).await;
    assert_eq!(actions.iter().filter(|action| *action == "session.refused").count(), 4);
}

#[tokio::test]
async fn attempts_are_limited_by_account_and_success_gives_them_back() {
    let fixture = Fixture::new().await;
    fixture.owner().await;
    let accounts = &fixture.accounts;
    for _ in 0..20 {
        accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    }
    let mut tried = 0;
    let limited = loop {
        match refused(accounts, "root", "another password", None).await {
            AccountsError::TooManyAttempts(limited) => break limited,
            _ => tried += 1,
        }
    };
    assert_eq!(tried, 8);
    let error = refused(accounts, "root", PASSWORD, None).await;
    assert!(matches!(error, AccountsError::TooManyAttempts(_)), "also with the right password");
    fixture.clock.advance(limited.retry_after_ms);
    accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
}

#[tokio::test]
async fn second_factor_is_needed_and_each_code_works_once() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let other = accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    let new = accounts.begin_totp(&root).unwrap();
    assert!(new.address.starts_with("otpauth://totp/Earcon:root?"), "{}", new.address);
    let first = new.secret.code_at(START_MS);
    let wrong = accounts.confirm_totp(&root, PASSWORD, new.secret.clone(), "000000").await.unwrap_err();
    assert!(matches!(wrong, AccountsError::Totp(TotpRefused::Wrong)), "{wrong}");
    let recovery = accounts.confirm_totp(&root, PASSWORD, new.secret.clone(), &first).await.unwrap();
    assert!(accounts.view().session(other.session).unwrap().ended.is_some(), "other sessions end");
    assert!(accounts.view().session(owner.session).unwrap().ended.is_none());

    assert!(matches!(
        refused(accounts, "root", PASSWORD, None).await,
        AccountsError::SignIn(SignInRefused::CodeNeeded)
    ));
    let used = refused(accounts, "root", PASSWORD, Some(&first)).await;
    assert!(matches!(used, AccountsError::SignIn(SignInRefused::Code(TotpRefused::Used))), "{used}");
    fixture.clock.advance(60_000);
    let code = new.secret.code_at(START_MS + 60_000);
    let (one, two) = tokio::join!(
        accounts.sign_in("root", PASSWORD, Some(&code), here()),
        accounts.sign_in("root", PASSWORD, Some(&code), here()),
    );
    assert_ne!(one.is_ok(), two.is_ok(), "one code, one sign-in");
    accounts.sign_in("root", PASSWORD, Some(&recovery[0]), here()).await.unwrap();
    let again = refused(accounts, "root", PASSWORD, Some(&recovery[0])).await;
    assert!(matches!(again, AccountsError::SignIn(SignInRefused::Code(TotpRefused::Wrong))), "{again}");
    let wrong = refused(accounts, "root", "another password", Some(&recovery[1])).await;
    assert!(matches!(wrong, AccountsError::SignIn(SignInRefused::Wrong)), "the password comes first");
    accounts.remove_totp(&root, PASSWORD, &recovery[1]).await.unwrap();
    accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
}

#[tokio::test]
async fn changed_password_ends_other_sessions_and_the_old_password() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let other = accounts.sign_in("root", PASSWORD, None, here()).await.unwrap();
    let new = "neun graue esel".to_owned();
    let wrong = accounts.change_password(&root, "another password", new.clone()).await.unwrap_err();
    assert!(matches!(wrong, AccountsError::SignIn(SignInRefused::Wrong)));
    let weak = accounts.change_password(&root, PASSWORD, "short".to_owned()).await.unwrap_err();
    assert!(matches!(weak, AccountsError::Password(_)));
    accounts.change_password(&root, PASSWORD, new.clone()).await.unwrap();
    assert!(matches!(refused(accounts, "root", PASSWORD, None).await, AccountsError::SignIn(_)));
    accounts.sign_in("root", &new, None, here()).await.unwrap();
    let view = accounts.view();
    assert!(view.session(other.session).unwrap().ended.is_some());
    assert!(view.session(owner.session).unwrap().ended.is_none());
}

/// The gateway runs these on any thread.
#[tokio::test]
async fn futures_of_the_service_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let fixture = Fixture::new().await;
    let (accounts, by, id) = (&fixture.accounts, &By::system(), own());
    let secret = earcon_identity::totp::TotpSecret::from_random([1; 20]);
    movable(accounts.sign_in("", "", None, here()));
    movable(accounts.change_password(by, "", String::new()));
    movable(accounts.confirm_totp(by, "", secret, ""));
    movable(accounts.remove_totp(by, "", ""));
    movable(accounts.refresh_session("", None));
    movable(accounts.claim_owner_link("", user("a"), device()));
    movable(accounts.accept_as_new_user("", user("a"), device()));
    movable(accounts.accept_as_user(by, ""));
    movable(accounts.create_organisation(by, id.clone(), name("a")));
    movable(accounts.record(by, &id, ("a.b", String::new(), earcon_identity::audit::Outcome::Done), None));
    movable(accounts.audit().verify(&id, &[]));
    movable(accounts.sweep());
    movable(accounts.write_used_keys());
}

#[tokio::test]
async fn too_many_passwords_at_once_are_refused_instead_of_queued() {
    let fixture = Fixture::new().await;
    let accounts = &fixture.accounts;
    let attempts = (0..10).map(|number| {
        let (accounts, from) = (accounts.clone(), IpAddr::from([192, 0, 2, number]));
        tokio::spawn(
            async move { accounts.sign_in(&format!("u{number}"), PASSWORD, None, (from, device())).await.err() },
        )
    });
    let (mut busy, mut wrong) = (0, 0);
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap().unwrap() {
            AccountsError::Busy => busy += 1,
            AccountsError::SignIn(SignInRefused::Wrong) => wrong += 1,
            error => panic!("{error}"),
        }
    }
    // One runs and two wait. Some may have ended before the last ones began.
    assert!(wrong >= 3 && busy + wrong == 10, "{busy} {wrong}");
}
