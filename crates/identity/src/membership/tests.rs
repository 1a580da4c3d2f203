use proptest::prelude::*;

use super::*;
use crate::role::Permission;

fn acme() -> OrganisationId {
    OrganisationId::new("acme").unwrap()
}

fn workspace(text: &str) -> WorkspaceId {
    WorkspaceId::new(text).unwrap()
}

fn user(number: u8) -> UserId {
    UserId::from_random([number; 10])
}

fn member(number: u8, role: Role) -> Membership {
    Membership::new(user(number), acme(), Grant::local(&acme(), role, Reach::All).unwrap(), 1)
}

#[test]
fn member_has_no_rights_in_another_organisation() {
    let owner = member(1, Role::Owner);
    assert!(owner.in_workspace(&workspace("acme.shop")).has(Permission::DeleteData));
    for foreign in ["shop", "acmeshop.shop", "acm.shop", "other.shop"] {
        assert_eq!(owner.in_workspace(&workspace(foreign)), Permissions::NONE, "{foreign}");
    }
    assert!(!owner.in_organisation().has(Permission::ManageServer), "only default manages the server");
    let own = OrganisationId::default_organisation();
    let grant = Grant::local(&own, Role::Owner, Reach::All).unwrap();
    assert!(Membership::new(user(1), own, grant, 1).in_organisation().has(Permission::ManageServer));
}

#[test]
fn grant_for_some_workspaces_gives_nothing_in_others_and_nothing_over_the_organisation() {
    let reach = Reach::only(&acme(), vec![workspace("acme.b"), workspace("acme.a"), workspace("acme.b")]).unwrap();
    assert_eq!(reach, Reach::Only(vec![workspace("acme.a"), workspace("acme.b")]));
    let admin = Membership::new(user(1), acme(), Grant::local(&acme(), Role::Admin, reach).unwrap(), 1);
    assert!(admin.in_workspace(&workspace("acme.b")).has(Permission::DeleteData));
    assert!(!admin.in_workspace(&workspace("acme.b")).has(Permission::ManageMembers));
    assert_eq!(admin.in_workspace(&workspace("acme.c")), Permissions::NONE);
    assert_eq!((admin.in_organisation(), admin.role_over_all()), (Permissions::NONE, None));
    assert_eq!(admin.highest(), Some(Role::Admin));
}

#[test]
fn reach_that_breaks_its_rule_is_refused() {
    assert_eq!(Reach::only(&acme(), vec![]), Err(MembershipError::NoWorkspace));
    let foreign = workspace("shop");
    assert_eq!(Reach::only(&acme(), vec![foreign.clone()]), Err(MembershipError::ForeignWorkspace(foreign)));
    let many: Vec<_> = (0..=MOST_WORKSPACES).map(|number| workspace(&format!("acme.w{number}"))).collect();
    assert_eq!(Reach::only(&acme(), many), Err(MembershipError::TooManyWorkspaces(MOST_WORKSPACES + 1)));
    let one = Reach::only(&acme(), vec![workspace("acme.a")]).unwrap();
    assert_eq!(Grant::local(&acme(), Role::Owner, one.clone()), Err(MembershipError::LimitedOwner));
    let unsorted: Grant =
        serde_json::from_str(r#"{"role":"viewer","reach":{"only":["acme.b","acme.a"]},"source":"local"}"#).unwrap();
    assert!(unsorted.checked(&acme()).unwrap().reach.covers(&workspace("acme.a")), "a stored list is sorted again");
    assert!(one.is_within(&Reach::All) && !Reach::All.is_within(&one) && one.is_within(&one));
}

#[test]
fn last_owner_who_can_act_must_remain() {
    let (owner, other, admin) = (member(1, Role::Owner), member(2, Role::Owner), member(3, Role::Admin));
    let last = Err(MembershipError::LastOwner(acme()));
    assert_eq!(keeps_an_owner(&acme(), [(&owner, true), (&admin, true)]), Ok(()));
    assert_eq!(keeps_an_owner(&acme(), [(&other, false), (&owner, true)]), Ok(()));
    assert_eq!(keeps_an_owner(&acme(), [(&admin, true)]), last);
    assert_eq!(keeps_an_owner(&acme(), [(&owner, false), (&admin, true)]), last, "a disabled owner cannot act");
    assert_eq!(keeps_an_owner(&acme(), []), last);
    let mapped = Grant { source: Source::Groups, ..owner.grants[0].clone() };
    let mapped = Membership { grants: vec![mapped], ..owner };
    assert_eq!(keeps_an_owner(&acme(), [(&mapped, true)]), last, "an issuer may take the group away");
}

#[test]
fn group_rules_replace_only_their_own_grants() {
    let mapped = |role| Grant { role, reach: Reach::All, source: Source::Groups };
    let editor = member(1, Role::Editor);
    let both = editor.with_groups(vec![mapped(Role::Viewer), mapped(Role::Admin)]).unwrap().unwrap();
    assert_eq!(both.highest(), Some(Role::Admin));
    assert_eq!(both.with_groups(vec![]).unwrap().unwrap(), editor);
    let without_local = both.with_local(None).unwrap();
    assert_eq!(without_local.grants, [mapped(Role::Viewer), mapped(Role::Admin)]);
    assert_eq!(without_local.with_groups(vec![]).unwrap(), None);
    assert_eq!(editor.with_local(None), None);
    let many = vec![mapped(Role::Viewer); MOST_GRANTS];
    assert_eq!(editor.with_groups(many), Err(MembershipError::TooManyGrants(MOST_GRANTS + 1)));
}

proptest! {
    #[test]
    fn rights_in_a_workspace_never_exceed_the_highest_role(
        grants in prop::collection::vec((0_usize..6, 0_u8..4), 1..6),
        name in "[a-c]",
    ) {
        let grants = grants.into_iter().map(|(role, reach)| {
            let reach = match reach {
                0 => Reach::All,
                number => Reach::Only(vec![workspace(&format!("acme.{}", char::from(b'`' + number)))]),
            };
            Grant { role: Role::ALL[role], reach, source: Source::Groups }
        });
        let member = Membership { grants: grants.collect(), ..member(1, Role::Viewer) };
        let rights = member.in_workspace(&workspace(&format!("acme.{name}")));
        prop_assert!(rights.is_within(member.highest().unwrap().permissions_in(&acme())));
        let covering = member.grants.iter().filter(|grant| grant.reach.covers(&workspace(&format!("acme.{name}"))));
        prop_assert_eq!(rights.is_none(), covering.count() == 0);
        prop_assert_eq!(member.in_workspace(&workspace(&name)), Permissions::NONE);
    }
}
