use super::*;

/// The table of the module's documentation as it is compiled.
fn documented() -> Vec<(String, Vec<(Role, String)>)> {
    let text = include_str!("../role.rs");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let columns = [Role::Viewer, Role::Listener, Role::Operator, Role::Editor, Role::Admin, Role::Owner];
    rows.map(|row| {
        let (name, _) = row.split_once('`').unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), columns.len() + 2, "{row}");
        (name.to_owned(), columns.into_iter().zip(cells[1..7].iter().map(|cell| (*cell).to_owned())).collect())
    })
    .collect()
}

#[test]
fn roles_have_the_permissions_of_the_documented_table() {
    let (own, acme) = (OrganisationId::default_organisation(), OrganisationId::new("acme").unwrap());
    let rows = documented();
    let mut named: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let mut all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    named.sort_unstable();
    all.sort_unstable();
    assert_eq!(named, all);
    for (name, cells) in &rows {
        let permission = *Permission::ALL.iter().find(|permission| permission.as_str() == name).unwrap();
        for (role, cell) in cells {
            let there = (role.permissions_in(&own).has(permission), role.permissions_in(&acme).has(permission));
            let expected = match cell.as_str() {
                "x" => (true, true),
                "in `default`" => (true, false),
                "" => (false, false),
                other => panic!("{other}"),
            };
            assert_eq!(there, expected, "{name} of {role}");
        }
    }
}

#[test]
fn each_role_has_all_rights_of_the_one_below() {
    for pair in Role::ALL.windows(2) {
        assert!(pair[0] < pair[1] && pair[0].permissions().is_within(pair[1].permissions()), "{pair:?}");
        assert_ne!(pair[0].permissions(), pair[1].permissions());
    }
}

#[test]
fn nobody_grants_more_than_they_have() {
    for role in Role::ALL {
        for other in Role::ALL {
            assert_eq!(role.may_grant(other), role >= Role::Admin && other <= role, "{role} {other}");
        }
    }
}

#[test]
fn sets_are_stored_by_name_and_unknown_names_are_refused() {
    let set = Permissions::of(&[Permission::Ingest, Permission::EditMixes]);
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"["ingest","edit-mixes"]"#);
    assert_eq!(serde_json::from_str::<Permissions>(r#"["edit-mixes","ingest"]"#).unwrap(), set);
    assert!(serde_json::from_str::<Permissions>(r#"["everything"]"#).is_err());
    for permission in Permission::ALL {
        assert_eq!(serde_json::to_string(permission).unwrap(), format!("\"{permission}\""));
    }
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
        assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
    }
    assert_eq!("root".parse::<Role>(), Err(UnknownRole));
}

#[test]
fn set_operations_are_those_of_bits() {
    let (a, b) = (Permissions::of(&[Permission::Read]), Permissions::of(&[Permission::Listen]));
    assert_eq!(a.and(b).within(b), b);
    assert_eq!(a.and(b).without(b), a);
    assert!(a.within(b).is_none() && a.is_within(a.and(b)) && !a.and(b).is_within(a));
    assert_eq!(Permissions::ALL.iter().count(), Permission::ALL.len());
    assert!(Permissions::SERVER.is_within(Permissions::ORGANISATION));
}
