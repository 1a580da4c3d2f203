use earcon_model::KpiName;

use super::*;
use crate::credential::Secret;
use crate::role::{Permission, Permissions, Role};

fn credential(secret: u8) -> Credential<KeyId> {
    Credential::new(KeyId::from_random([1; 8]), Secret::from_random([secret; 32]))
}

fn key(secret: u8) -> ApiKey {
    let credential = credential(secret);
    let user = UserId::from_random([2; 10]);
    ApiKey {
        id: credential.id,
        name: Name::new("telegraf").unwrap(),
        owner: KeyOwner::User(user),
        organisation: OrganisationId::new("acme").unwrap(),
        reach: Reach::All,
        scope: Scope::ingest_only(),
        secret: credential.hash(),
        previous: None,
        created_by: user,
        created_ms: 1_000,
        expires_ms: Some(9_000),
        last_used_ms: None,
        revoked_ms: None,
    }
}

#[test]
fn key_is_valid_with_its_secret_until_it_expires_or_is_revoked() {
    let key = key(7);
    assert_eq!(key.check(&credential(7), 8_999), Ok(()));
    assert_eq!(key.check(&credential(7), 9_000), Err(KeyRefused::Expired));
    assert_eq!(key.revoke(2_000).check(&credential(7), 3_000), Err(KeyRefused::Revoked));
    assert_eq!(key.revoke(2_000).revoke(5_000).revoked_ms, Some(2_000));
    for state in [key.clone(), key.revoke(2_000), ApiKey { expires_ms: Some(0), ..key }] {
        assert_eq!(state.check(&credential(8), 3_000), Err(KeyRefused::Unknown), "a wrong secret learns nothing");
    }
}

#[test]
fn old_secret_stays_valid_for_the_overlap_of_a_rotation() {
    let rotated = key(7).rotate(&credential(8), 500, 1_000);
    assert_eq!(rotated.check(&credential(8), 1_400), Ok(()));
    assert_eq!(rotated.check(&credential(7), 1_499), Ok(()));
    assert_eq!(rotated.check(&credential(7), 1_500), Err(KeyRefused::Rotated));
    let twice = rotated.rotate(&credential(9), 500, 1_100);
    assert_eq!(twice.check(&credential(7), 1_200), Err(KeyRefused::Unknown), "two secrets at most");
    assert_eq!(twice.check(&credential(8), 1_200), Ok(()));
    let at_once = key(7).rotate(&credential(8), 0, 1_000);
    assert_eq!(at_once.check(&credential(7), 1_000), Err(KeyRefused::Rotated));
    let longest = key(7).rotate(&credential(8), i64::MAX, 1_000).previous.unwrap();
    assert_eq!(longest.until_ms, 1_000 + LONGEST_OVERLAP_MS);
}

#[test]
fn last_use_is_stored_once_an_hour() {
    let used = key(7).used(LAST_USED_STEP_MS + 5).unwrap();
    assert_eq!(used.last_used_ms, Some(LAST_USED_STEP_MS));
    assert_eq!(used.used(2 * LAST_USED_STEP_MS - 1), None);
    assert_eq!(used.used(5), None, "a clock that was set back");
    assert!(used.used(2 * LAST_USED_STEP_MS).is_some());
}

#[test]
fn record_is_stored_without_the_secret() {
    let (key, text) = (key(7), serde_json::to_string(&key(7)).unwrap());
    assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap(), key);
    let shown = credential(7).reveal();
    assert!(shown.starts_with(&key.prefix()) && !text.contains(&shown[16..40]));
}

#[test]
fn scope_never_exceeds_the_rights_of_its_creator() {
    let editor = Role::Editor.permissions();
    assert!(Scope::ingest_only().checked(editor).is_ok());
    let viewer = Role::Viewer.permissions();
    assert_eq!(Scope::ingest_only().checked(viewer), Err(ScopeError::TooMuch(Permission::Ingest)));
    assert_eq!(Scope::of(Permissions::NONE).checked(editor), Err(ScopeError::Nothing));
    for role in Role::ALL {
        for other in Role::ALL {
            let scope = Scope::of(other.permissions()).checked(role.permissions());
            assert_eq!(scope.is_ok(), other <= role, "{role} {other}");
        }
    }
}

#[test]
fn limited_key_has_no_permission_that_its_limit_does_not_limit() {
    let all = Permissions::ALL;
    let mix = Scope { mix: Some("night".into()), ..Scope::listen_only() };
    assert!(mix.admits_mix("night") && !mix.admits_mix("default"));
    assert!(mix.clone().checked(all).is_ok());
    let reading = Scope { permissions: Permissions::of(&[Permission::Listen, Permission::Read]), ..mix.clone() };
    assert_eq!(reading.checked(all), Err(ScopeError::Unlimited(Permission::Read)));
    assert_eq!(Scope { mix: Some("../a".into()), ..mix }.checked(all), Err(ScopeError::Mix));

    let pattern = |text| KpiPattern::new(text);
    let some = Scope { kpis: Some(pattern("shop.*").unwrap()), ..Scope::ingest_only() };
    let admits = |text| some.admits_kpi(&KpiName::new(text).unwrap());
    assert!(admits("shop.orders") && !admits("shopping") && !admits("other"));
    assert!(some.clone().checked(all).is_ok());
    let deleting = Scope { permissions: Permissions::of(&[Permission::DeleteData]), ..some };
    assert_eq!(deleting.checked(all), Err(ScopeError::Unlimited(Permission::DeleteData)));
    assert!(pattern("orders").unwrap().matches("orders") && !pattern("orders").unwrap().matches("orders.eu"));
    assert!(pattern("*").unwrap().matches("anything"));
    for illegal in ["", "**", "a*b", "*a", "a b*", ".*"] {
        assert_eq!(pattern(illegal), Err(ScopeError::Pattern), "{illegal}");
    }
    assert!(!Scope::ingest_only().admits_mix("default"), "a key without listen hears nothing");
}
