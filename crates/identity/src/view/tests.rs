use earcon_model::WorkspaceId;

use super::*;
use crate::api_key::{KeyOwner, KeyRefused, Scope};
use crate::credential::{Credential, Secret};
use crate::membership::{Grant, MembershipError, Reach};
use crate::name::Name;
use crate::role::{Permission, Permissions, Role};
use crate::session::{Device, Ended, SessionRefused};
use crate::token::{AccessToken, Holder};

const NOW_MS: i64 = 1_000_000;

fn acme() -> OrganisationId {
    OrganisationId::new("acme").unwrap()
}

fn shop() -> WorkspaceId {
    WorkspaceId::new("acme.shop").unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn user(number: u8) -> User {
    let identity = ExternalIdentity::new("https://id.example", &format!("user-{number}")).unwrap();
    User::external(UserId::from_random([number; 10]), identity, name("Ada"), None, 1)
}

fn member(number: u8, role: Role) -> Membership {
    Membership::new(user(number).id, acme(), Grant::local(&acme(), role, Reach::All).unwrap(), 1)
}

fn session(number: u8, of: u8) -> Session {
    let id = SessionId::from_random([number; 8]);
    Session::begin(id, user(of).id, [number; 32], Device::default(), None, NOW_MS).0
}

fn principal(session: &Session) -> Principal {
    Principal::User { user: session.user, session: session.id }
}

fn key(number: u8, owner: KeyOwner, scope: Scope) -> (ApiKey, Credential<KeyId>) {
    let credential = Credential::new(KeyId::from_random([number; 8]), Secret::from_random([number; 32]));
    let key = ApiKey {
        id: credential.id,
        name: name("key"),
        owner,
        organisation: acme(),
        reach: Reach::All,
        scope,
        secret: credential.hash(),
        previous: None,
        created_by: user(1).id,
        created_ms: 1,
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
    };
    (key, credential)
}

/// Users 1 (owner), 2 (editor), 3 (of no organisation), each with the session of their number.
fn view() -> AccountsView {
    let mut view = AccountsView::new(Limits::default(), SessionPolicy::default());
    view.put(Record::Organisation(Organisation::new(acme(), name("Acme"), 1)));
    for number in 1..=3 {
        view.put(Record::User(Box::new(user(number))));
        view.put(Record::Session(Box::new(session(number, number))));
    }
    view.put(Record::Membership(member(1, Role::Owner)));
    view.put(Record::Membership(member(2, Role::Editor)));
    view
}

fn rights(view: &AccountsView, principal: &Principal, workspace: &str) -> Permissions {
    view.authorise(principal, &WorkspaceId::new(workspace).unwrap(), NOW_MS).permissions
}

#[test]
fn session_gives_the_rights_of_its_user_in_their_organisation_alone() {
    let view = view();
    let editor = principal(&session(2, 2));
    assert_eq!(rights(&view, &editor, "acme.shop"), Role::Editor.permissions());
    for foreign in ["shop", "other.shop", "acm.shop"] {
        assert_eq!(rights(&view, &editor, foreign), Permissions::NONE, "{foreign}");
    }
    assert_eq!(rights(&view, &principal(&session(3, 3)), "acme.shop"), Permissions::NONE);
    let other = OrganisationId::new("other").unwrap();
    let owner = principal(&session(1, 1));
    let over = |organisation: &OrganisationId| view.authorise_organisation(&owner, organisation, NOW_MS).permissions;
    assert!(over(&acme()).has(Permission::ManageOrganisation) && !over(&acme()).has(Permission::ManageServer));
    assert_eq!(over(&other), Permissions::NONE);
    assert!(view.knows_organisation(&editor, &acme()) && !view.knows_organisation(&editor, &other));
}

#[test]
fn session_that_ended_or_of_a_disabled_user_gives_nothing() {
    let mut view = view();
    let editor = session(2, 2);
    let token = AccessToken { user: editor.user, session: editor.id, expires_ms: i64::MAX };
    assert_eq!(view.authenticate_session(&token, NOW_MS), Ok(principal(&editor)));
    let stolen = AccessToken { user: user(1).id, ..token };
    assert_eq!(view.authenticate_session(&stolen, NOW_MS), Err(SessionRefused::Unknown), "a session has one user");
    let late_ms = NOW_MS + SessionPolicy::default().idle_ms;
    assert_eq!(view.authenticate_session(&token, late_ms), Err(SessionRefused::Expired));
    assert_eq!(view.authorise(&principal(&editor), &shop(), late_ms), Access::NONE);

    assert!(view.is_alive(&principal(&editor), NOW_MS) && !view.is_alive(&principal(&editor), late_ms));
    view.put(Record::Session(Box::new(editor.end(Ended::Revoked, NOW_MS))));
    assert!(!view.is_alive(&principal(&editor), NOW_MS));
    assert_eq!(view.authenticate_session(&token, NOW_MS), Err(SessionRefused::Ended));
    assert_eq!(rights(&view, &principal(&editor), "acme.shop"), Permissions::NONE);

    view.put(Record::Session(Box::new(editor.clone())));
    view.put(Record::User(Box::new(User { disabled: true, ..user(2) })));
    assert_eq!(view.authenticate_session(&token, NOW_MS), Err(SessionRefused::Ended));
    assert_eq!(rights(&view, &principal(&editor), "acme.shop"), Permissions::NONE);
    let over = view.authorise_organisation(&principal(&editor), &acme(), NOW_MS);
    assert_eq!(over, Access::NONE);
}

#[test]
fn key_may_do_what_it_lists_and_its_owner_may() {
    let mut view = view();
    let editor = KeyOwner::User(user(2).id);
    let wide = Scope::of(Permissions::of(&[Permission::Ingest, Permission::DeleteData]));
    let (key, credential) = key(7, editor, wide);
    view.put(Record::ApiKey(Box::new(key.clone())));
    let principal = view.authenticate_key(&credential, NOW_MS).unwrap();
    let ingest = Permissions::of(&[Permission::Ingest]);
    assert_eq!(rights(&view, &principal, "acme.shop"), ingest, "an editor deletes nothing");
    assert_eq!(rights(&view, &principal, "shop"), Permissions::NONE);
    assert_eq!(view.authorise(&principal, &shop(), NOW_MS).scope, Some(&key.scope));

    view.put(Record::Membership(member(2, Role::Viewer)));
    assert_eq!(rights(&view, &principal, "acme.shop"), Permissions::NONE, "its owner was lowered");
    view.put(Record::Membership(member(2, Role::Owner)));
    assert_eq!(rights(&view, &principal, "acme.shop"), key.scope.permissions);
    view.put(Record::ApiKey(Box::new(key.revoke(NOW_MS))));
    assert_eq!(rights(&view, &principal, "acme.shop"), Permissions::NONE);
    view.put(Record::ApiKey(Box::new(key)));
    view.put(Record::User(Box::new(User { disabled: true, ..user(2) })));
    assert_eq!(view.authenticate_key(&credential, NOW_MS), Err(KeyRefused::OwnerDisabled));
    assert_eq!(rights(&view, &principal, "acme.shop"), Permissions::NONE);
    let unknown = Credential::new(KeyId::from_random([9; 8]), Secret::from_random([7; 32]));
    assert_eq!(view.authenticate_key(&unknown, NOW_MS), Err(KeyRefused::Unknown));
}

#[test]
fn key_for_some_workspaces_gives_nothing_elsewhere() {
    let mut view = view();
    let (key, credential) = key(7, KeyOwner::User(user(1).id), Scope::of(Permissions::ALL));
    let reach = Reach::only(&acme(), vec![shop()]).unwrap();
    view.put(Record::ApiKey(Box::new(ApiKey { reach, ..key.clone() })));
    let principal = view.authenticate_key(&credential, NOW_MS).unwrap();
    assert!(rights(&view, &principal, "acme.shop").has(Permission::Read));
    assert_eq!(rights(&view, &principal, "acme.other"), Permissions::NONE);
    assert_eq!(view.authorise_organisation(&principal, &acme(), NOW_MS), Access::NONE);
    view.put(Record::ApiKey(Box::new(key)));
    let over = view.authorise_organisation(&principal, &acme(), NOW_MS).permissions;
    assert!(over.has(Permission::ManageKeys) && !over.has(Permission::Read));
}

#[test]
fn service_account_bounds_its_keys() {
    let mut view = view();
    let service = ServiceAccount {
        id: ServiceAccountId::from_random([5; 10]),
        organisation: acme(),
        name: name("agent"),
        grant: Grant::local(&acme(), Role::Editor, Reach::All).unwrap(),
        disabled: false,
        created_by: user(1).id,
        created_ms: 1,
    };
    let (key, credential) = key(7, KeyOwner::Service(service.id), Scope::of(Permissions::ALL));
    view.put(Record::ServiceAccount(service.clone()));
    view.put(Record::ApiKey(Box::new(key)));
    let principal = view.authenticate_key(&credential, NOW_MS).unwrap();
    assert_eq!(rights(&view, &principal, "acme.shop"), Role::Editor.permissions());
    view.put(Record::ServiceAccount(ServiceAccount { disabled: true, ..service.clone() }));
    assert_eq!(view.authenticate_key(&credential, NOW_MS), Err(KeyRefused::OwnerDisabled));
    let other = OrganisationId::new("other").unwrap();
    view.put(Record::ServiceAccount(ServiceAccount { organisation: other, ..service }));
    assert_eq!(view.authenticate_key(&credential, NOW_MS), Err(KeyRefused::OwnerDisabled));
}

#[test]
fn last_owner_cannot_be_removed_lowered_or_disabled() {
    let mut view = view();
    let last = Err(MembershipError::LastOwner(acme()));
    let (owner, editor) = (user(1).id, user(2).id);
    assert_eq!(view.owner_after_change(&acme(), owner, None), last);
    assert_eq!(view.owner_after_change(&acme(), owner, Some(&member(1, Role::Admin))), last);
    assert_eq!(view.owner_without(owner), last);
    assert_eq!((view.owner_after_change(&acme(), editor, None), view.owner_without(editor)), (Ok(()), Ok(())));
    assert!(view.has_owner());
    view.put(Record::Membership(member(2, Role::Owner)));
    assert_eq!(view.owner_without(owner), Ok(()));
    view.put(Record::User(Box::new(User { disabled: true, ..user(2) })));
    assert_eq!(view.owner_without(owner), last, "the other owner cannot act");
    view.remove(&RecordKey::Membership(acme(), owner));
    assert!(!view.has_owner());
}

#[test]
fn indexes_follow_their_records() {
    let mut view = view();
    let old = user(1).identity;
    let moved = ExternalIdentity::new("https://other.example", "user-1").unwrap();
    view.put(Record::User(Box::new(User { identity: moved.clone(), ..user(1) })));
    assert_eq!(view.user_by_identity(&old), None);
    assert_eq!(view.user_by_identity(&moved).map(|user| user.id), Some(user(1).id));
    view.remove(&RecordKey::User(user(1).id));
    assert_eq!(view.user_by_identity(&moved), None);
    assert_eq!(view.sessions_of(user(2).id).count(), 1);
    view.remove(&RecordKey::Session(session(2, 2).id));
    assert_eq!(view.sessions_of(user(2).id).count(), 0);
    assert_eq!(view.members_of(&acme()).count(), 2);
    view.remove(&RecordKey::Membership(acme(), user(2).id));
    assert_eq!((view.members_of(&acme()).count(), view.memberships_of(user(2).id).count()), (1, 0));
}

#[test]
fn records_beyond_a_limit_have_no_room_and_replacements_do() {
    let limits = Limits { users: 3, sessions_of_user: 1, keys_of_organisation: 1, ..Limits::default() };
    let mut view = AccountsView { limits, ..view() };
    assert_eq!(view.room_for(&Record::User(Box::new(user(3)))), Ok(()));
    let full = LimitReached { of: "users", most: 3 };
    assert_eq!(view.room_for(&Record::User(Box::new(user(4)))), Err(full));
    let full = LimitReached { of: "sessions of a user", most: 1 };
    assert_eq!(view.room_for(&Record::Session(Box::new(session(9, 1)))), Err(full));
    assert_eq!(view.room_for(&Record::Session(Box::new(session(1, 1)))), Ok(()));
    let key = |number| Record::ApiKey(Box::new(key(number, KeyOwner::User(user(1).id), Scope::ingest_only()).0));
    assert_eq!(view.room_for(&key(1)), Ok(()));
    view.put(key(1));
    assert_eq!(view.room_for(&key(1)), Ok(()));
    assert_eq!(view.room_for(&key(2)), Err(LimitReached { of: "keys of an organisation", most: 1 }));
}

#[test]
fn names_of_records_are_different_and_records_are_read_back() {
    let view = view();
    let records = [
        Record::Organisation(view.organisation(&acme()).unwrap().clone()),
        Record::User(Box::new(user(1))),
        Record::Membership(member(1, Role::Owner)),
        Record::Session(Box::new(session(1, 1))),
        Record::ApiKey(Box::new(key(1, KeyOwner::User(user(1).id), Scope::ingest_only()).0)),
    ];
    let mut texts: Vec<String> = records.iter().map(|record| record.key().text()).collect();
    for record in &records {
        let text = serde_json::to_string(record).unwrap();
        let read: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read.key(), record.key());
        assert_eq!(RecordKey::parse(&record.key().text()), Some(record.key()));
    }
    let others = [RecordKey::of_issuer("https://id.example"), RecordKey::OwnerLink, RecordKey::SigningKeys];
    assert!(others.iter().all(|key| RecordKey::parse(&key.text()).as_ref() == Some(key)));
    for odd in ["", "user", "user/", "user/x", "members/a", "owner-link/x", "version", "member/acme"] {
        assert_eq!(RecordKey::parse(odd), None, "{odd}");
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), records.len());
    let holder = Holder::from(principal(&session(1, 1)));
    assert_eq!(Principal::from(holder), principal(&session(1, 1)));
}
