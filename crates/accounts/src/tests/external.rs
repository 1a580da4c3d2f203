use earcon_identity::mapping::{Mapping, Rule};
use earcon_identity::user::ExternalIdentity;

use super::*;
use crate::{AccountsError, ExternalUser, SignInRefused};

/// `sre` is an operator of `default`.
pub(super) fn mapping() -> Mapping {
    Mapping::new(vec![rule("sre", own(), Role::Operator)]).unwrap()
}

fn rule(group: &str, organisation: OrganisationId, role: Role) -> Rule {
    Rule { group: group.into(), organisation, role, reach: Reach::All }
}

fn found(groups: &[&str]) -> ExternalUser {
    ExternalUser {
        identity: ExternalIdentity::new("https://id.example", "ada").unwrap(),
        name: name("Ada"),
        email: None,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        issuer_session: None,
    }
}

#[tokio::test]
async fn groups_of_an_issuer_give_roles_in_several_organisations_and_take_them_away() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let unknown =
        accounts.set_mapping(&root, "https://id.example", Mapping::new(vec![rule("x", acme(), Role::Viewer)]).unwrap());
    assert!(matches!(unknown.await.unwrap_err(), AccountsError::NotFound(_)));
    accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    let rules =
        vec![rule("sre", own(), Role::Operator), rule("sre", acme(), Role::Viewer), rule("dev", acme(), Role::Editor)];
    accounts.set_mapping(&root, "https://id.example", Mapping::new(rules).unwrap()).await.unwrap();

    let none = accounts.sign_in_external(found(&["other"]), device()).await.err().unwrap();
    assert!(matches!(none, AccountsError::SignIn(SignInRefused::Wrong)), "without a role there is no user");
    assert!(accounts.view().user_by_identity(&found(&[]).identity).is_none());
    let ada = accounts.sign_in_external(found(&["sre", "dev"]), device()).await.unwrap();
    let role =
        |organisation: &OrganisationId| accounts.view().membership(organisation, ada.user).and_then(|m| m.highest());
    assert_eq!((role(&own()), role(&acme())), (Some(Role::Operator), Some(Role::Editor)));
    accounts.remap(&found(&["dev"])).await.unwrap();
    assert_eq!((role(&own()), role(&acme())), (None, Some(Role::Editor)));
    let again = accounts.sign_in_external(found(&["sre"]), device()).await.unwrap();
    assert_eq!((again.user, role(&acme())), (ada.user, Some(Role::Viewer)));
    accounts.remap(&found(&[])).await.unwrap();
    assert_eq!((role(&own()), role(&acme())), (None, None));

    accounts.set_user_disabled(&root, ada.user, true).await.unwrap();
    let disabled = accounts.sign_in_external(found(&["sre"]), device()).await.err().unwrap();
    assert!(matches!(disabled, AccountsError::SignIn(SignInRefused::Wrong)));
}

#[tokio::test]
async fn role_by_a_person_stays_when_groups_change() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    accounts.set_mapping(&root, "https://id.example", mapping()).await.unwrap();
    let ada = accounts.sign_in_external(found(&["sre"]), device()).await.unwrap();
    accounts.set_member(&root, &own(), ada.user, (Role::Editor, Reach::All)).await.unwrap();
    accounts.remap(&found(&[])).await.unwrap();
    let member = accounts.view().membership(&own(), ada.user).cloned().unwrap();
    assert_eq!((member.highest(), member.grants.len()), (Some(Role::Editor), 1));
    assert_eq!(accounts.issuer_of(&principal(&ada)).as_deref(), Some("https://id.example"));
}
