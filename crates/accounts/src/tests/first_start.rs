use earcon_identity::owner_link::{LIFE_MS, OwnerLinkRefused};
use earcon_identity::password::PasswordError;
use earcon_identity::{Permission, Principal};

use super::*;
use crate::{AccountsError, Proof};

#[tokio::test]
async fn owner_link_makes_one_owner_once() {
    let fixture = Fixture::new().await;
    let accounts = &fixture.accounts;
    let earlier = accounts.owner_link().await.unwrap().unwrap();
    let link = accounts.owner_link().await.unwrap().unwrap();
    let refused = |text: &str| accounts.check_owner_link(text).unwrap_err().to_string();
    assert_eq!(refused(&earlier), OwnerLinkRefused::Unknown.to_string(), "a newer link ends the earlier one");
    assert!(refused(&link.replace('a', "b")).contains("mistyped"));

    let weak = NewUser { password: "password1234".to_owned(), ..user("root") };
    let weak = accounts.claim_owner_link(&link, weak, device()).await.err().unwrap();
    assert!(matches!(weak, AccountsError::Password(PasswordError::Common)), "{weak}");
    let owner = accounts.claim_owner_link(&link, user("root"), device()).await.unwrap();
    let again = accounts.claim_owner_link(&link, user("other"), device()).await.err().unwrap();
    assert!(matches!(again, AccountsError::OwnerLink(OwnerLinkRefused::OwnerExists)), "{again}");
    assert_eq!(accounts.owner_link().await.unwrap(), None);

    let proof = Proof::of(&owner.access_token).unwrap();
    assert_eq!(accounts.authenticate(proof).unwrap(), principal(&owner));
    let rights = accounts.view().authorise_organisation(&principal(&owner), &own(), START_MS).permissions;
    assert!(rights.has(Permission::ManageServer));
    let actions = audited(accounts, &own()).await;
    assert_eq!(actions, ["owner-link.created", "owner-link.created", "owner-link.used"]);
    let lines = accounts.audit().read(&own(), 1, 10).await.unwrap();
    let code = |line| crate::AuditTrail::record(line).unwrap().entry.code;
    assert!(lines.iter().all(|line| code(line) == env!("CARGO_PKG_VERSION")));
    assert!(!lines.iter().any(|line| line.line.contains(&link[16..40])), "no secret in the log");
}

#[tokio::test]
async fn owner_link_ends_after_a_day_and_with_a_restart_there_is_another() {
    let fixture = Fixture::new().await;
    let link = fixture.accounts.owner_link().await.unwrap().unwrap();
    fixture.clock.advance(LIFE_MS);
    let late = fixture.accounts.claim_owner_link(&link, user("root"), device()).await.err().unwrap();
    assert!(matches!(late, AccountsError::OwnerLink(OwnerLinkRefused::Expired)), "{late}");
    let restarted = fixture.node().await;
    let link = restarted.owner_link().await.unwrap().unwrap();
    restarted.claim_owner_link(&link, user("root"), device()).await.unwrap();
}

#[tokio::test]
async fn of_two_people_with_the_link_one_becomes_the_owner() {
    let fixture = Fixture::new().await;
    let (here, there) = (&fixture.accounts, &fixture.node().await);
    let link = here.owner_link().await.unwrap().unwrap();
    there.refresh().await.unwrap();
    let (one, other) = tokio::join!(
        here.claim_owner_link(&link, user("one"), device()),
        there.claim_owner_link(&link, user("other"), device()),
    );
    assert_ne!(one.is_ok(), other.is_ok());
    here.refresh().await.unwrap();
    assert_eq!(here.view().members_of(&own()).count(), 1);
}

#[tokio::test]
async fn a_new_installation_has_its_organisation_and_a_signing_key() {
    let fixture = Fixture::new().await;
    let id = {
        let view = fixture.accounts.view();
        assert!(view.organisation(&own()).is_some() && !view.has_owner());
        view.signing_keys().unwrap().current().id
    };
    assert_eq!(fixture.node().await.view().signing_keys().unwrap().current().id, id, "not another at each start");
    let stranger = Principal::User {
        user: earcon_identity::UserId::from_random([9; 10]),
        session: earcon_identity::SessionId::from_random([9; 8]),
    };
    let by = By::principal(stranger, None);
    let refused = fixture.accounts.create_organisation(&by, acme(), name("Acme")).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Forbidden(Permission::ManageServer)));
}
