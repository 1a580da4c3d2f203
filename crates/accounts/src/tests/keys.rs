use earcon_identity::api_key::{KeyRefused, LAST_USED_STEP_MS, ScopeError};
use earcon_identity::token::{Purpose, TicketRefused, TokenRefused};
use earcon_identity::{KeyOwner, Permission, Permissions, Scope};
use earcon_model::WorkspaceId;

use super::*;
use crate::{AccountsError, NewKey, Proof, UnknownProof};

fn wish(scope: Scope) -> NewKey {
    NewKey { name: name("telegraf"), owner: None, reach: Reach::All, scope, expires_ms: None }
}

fn shop() -> WorkspaceId {
    WorkspaceId::new("shop").unwrap()
}

fn key_error(accounts: &Accounts, text: &str) -> AccountsError {
    accounts.authenticate(Proof::of(text).unwrap()).unwrap_err()
}

#[tokio::test]
async fn key_proves_its_owner_within_its_scope_until_it_is_revoked() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (_, editor) = fixture.member(&root, &own(), "ada", Role::Editor).await;
    let accounts = &fixture.accounts;
    let (key, text) = accounts.create_key(&editor, &own(), wish(Scope::ingest_only())).await.unwrap();
    let principal = accounts.authenticate(Proof::of(&text).unwrap()).unwrap();
    let rights = accounts.view().authorise(&principal, &shop(), START_MS).permissions;
    assert_eq!(rights, Permissions::of(&[Permission::Ingest]));
    let mistyped = format!("{}{}", &text[..71], if text.ends_with('a') { 'b' } else { 'a' });
    assert!(matches!(key_error(accounts, &mistyped), AccountsError::Malformed(_)));
    assert_eq!(Proof::of("hello"), Err(UnknownProof));

    let (_, next) = accounts.rotate_key(&editor, &own(), key.id, 60_000).await.unwrap();
    assert!(accounts.authenticate(Proof::of(&text).unwrap()).is_ok(), "the overlap");
    fixture.clock.advance(60_000);
    assert!(matches!(key_error(accounts, &text), AccountsError::Key(KeyRefused::Rotated)));
    accounts.revoke_key(&root, &own(), key.id).await.unwrap();
    assert!(matches!(key_error(accounts, &next), AccountsError::Key(KeyRefused::Revoked)));
    accounts.delete_key(&editor, &own(), key.id).await.unwrap();
    assert!(matches!(key_error(accounts, &next), AccountsError::Key(KeyRefused::Unknown)));
    let actions = audited(accounts, &own()).await;
    assert!(actions.ends_with(&["key.created", "key.rotated", "key.revoked", "key.deleted"].map(str::to_owned)));
}

#[tokio::test]
async fn key_never_has_more_rights_than_its_maker() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (_, editor) = fixture.member(&root, &own(), "ada", Role::Editor).await;
    let accounts = &fixture.accounts;
    let deleting = Scope::of(Permissions::of(&[Permission::DeleteData]));
    let refused = accounts.create_key(&editor, &own(), wish(deleting.clone())).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Scope(ScopeError::TooMuch(Permission::DeleteData))), "{refused}");
    let foreign = accounts.create_key(&editor, &acme(), wish(Scope::ingest_only())).await.unwrap_err();
    assert!(matches!(foreign, AccountsError::NotFound("organisation")), "{foreign}");
    let past = NewKey { expires_ms: Some(START_MS), ..wish(Scope::ingest_only()) };
    assert!(matches!(accounts.create_key(&editor, &own(), past).await.unwrap_err(), AccountsError::State(_)));

    let agent =
        accounts.create_service_account(&root, &own(), name("agent"), (Role::Editor, Reach::All)).await.unwrap();
    let owner = Some(KeyOwner::Service(agent.id));
    let of_agent = |scope| NewKey { owner, ..wish(scope) };
    let refused = accounts.create_key(&editor, &own(), of_agent(Scope::ingest_only())).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Forbidden(Permission::ManageKeys)), "{refused}");
    let refused = accounts.create_key(&root, &own(), of_agent(deleting)).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Scope(ScopeError::TooMuch(_))), "no more than its owner: {refused}");
    let (key, text) = accounts.create_key(&root, &own(), of_agent(Scope::ingest_only())).await.unwrap();
    let principal = accounts.authenticate(Proof::of(&text).unwrap()).unwrap();
    let by_key = By::principal(principal, None);
    let refused = accounts.create_key(&by_key, &own(), wish(Scope::ingest_only())).await.unwrap_err();
    assert!(matches!(refused, AccountsError::State(_) | AccountsError::NotFound(_)), "a key makes no keys: {refused}");
    accounts.set_service_account_disabled(&root, &own(), agent.id, true).await.unwrap();
    assert!(matches!(key_error(accounts, &text), AccountsError::Key(KeyRefused::OwnerDisabled)));
    accounts.delete_service_account(&root, &own(), agent.id).await.unwrap();
    assert!(accounts.view().api_key(key.id).is_none());
    let owner = accounts.create_service_account(&root, &own(), name("agent"), (Role::Owner, Reach::All)).await;
    assert!(matches!(owner.unwrap_err(), AccountsError::RoleTooHigh));
}

#[tokio::test]
async fn other_members_do_not_manage_a_key() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let (_, ada) = fixture.member(&root, &own(), "ada", Role::Editor).await;
    let (_, eve) = fixture.member(&root, &own(), "eve", Role::Editor).await;
    let accounts = &fixture.accounts;
    let (key, _) = accounts.create_key(&ada, &own(), wish(Scope::ingest_only())).await.unwrap();
    let refused = accounts.rotate_key(&eve, &own(), key.id, 0).await.unwrap_err();
    assert!(matches!(refused, AccountsError::Forbidden(Permission::ManageKeys)), "{refused}");
    assert!(accounts.revoke_key(&eve, &own(), key.id).await.is_err());
    let impersonation = accounts.rotate_key(&root, &own(), key.id, 0).await.unwrap_err();
    assert!(matches!(impersonation, AccountsError::State(_)), "also an owner gets no text of it: {impersonation}");
    let still = accounts.delete_key(&ada, &own(), key.id).await.unwrap_err();
    assert!(matches!(still, AccountsError::State(_)), "{still}");
}

#[tokio::test]
async fn last_use_of_keys_is_written_down_once_an_hour() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let (key, text) = accounts.create_key(&root, &own(), wish(Scope::ingest_only())).await.unwrap();
    let authenticate = || accounts.authenticate(Proof::of(&text).unwrap()).unwrap();
    assert_eq!(accounts.write_used_keys().await.unwrap(), 0);
    for _ in 0..5 {
        authenticate();
    }
    assert_eq!(accounts.write_used_keys().await.unwrap(), 1);
    let used_ms = accounts.view().api_key(key.id).unwrap().last_used_ms.unwrap();
    assert_eq!(used_ms, START_MS - START_MS.rem_euclid(LAST_USED_STEP_MS));
    authenticate();
    assert_eq!(accounts.write_used_keys().await.unwrap(), 0, "in the same hour");
    fixture.clock.advance(LAST_USED_STEP_MS);
    authenticate();
    assert_eq!(accounts.write_used_keys().await.unwrap(), 1);
}

#[tokio::test]
async fn ticket_opens_one_stream_of_its_workspace() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    let accounts = &fixture.accounts;
    let principal = principal(&owner);
    let (text, _) = accounts.ticket(principal, &shop(), Purpose::Events).unwrap();
    let other = accounts.use_ticket(&text, &WorkspaceId::new("other").unwrap(), Purpose::Events).unwrap_err();
    assert!(matches!(other, AccountsError::Token(TokenRefused::Audience)), "{other}");
    let other = accounts.use_ticket(&text, &shop(), Purpose::Audio).unwrap_err();
    assert!(matches!(other, AccountsError::Token(TokenRefused::Audience)), "{other}");
    assert_eq!(accounts.use_ticket(&text, &shop(), Purpose::Events).unwrap(), principal);
    let again = accounts.use_ticket(&text, &shop(), Purpose::Events).unwrap_err();
    assert!(matches!(again, AccountsError::Ticket(TicketRefused::Used)), "{again}");
    let foreign = WorkspaceId::new("acme.shop").unwrap();
    let none = accounts.ticket(principal, &foreign, Purpose::Events).unwrap_err();
    assert!(matches!(none, AccountsError::NotFound("workspace")), "{none}");

    let (text, _) = accounts.ticket(principal, &shop(), Purpose::Events).unwrap();
    accounts.sign_out(&root).await.unwrap();
    let holder = accounts.use_ticket(&text, &shop(), Purpose::Events).unwrap();
    let rights = accounts.view().authorise(&holder, &shop(), START_MS).permissions;
    assert!(rights.is_none(), "the view decides at each use");
}
