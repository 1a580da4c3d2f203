use super::*;

fn local() -> (Authorizer, WorkspaceId) {
    (Authorizer::new(), WorkspaceId::new("local").unwrap())
}

#[test]
fn without_accounts_only_this_machine_is_let_in() {
    let (authorizer, workspace) = local();
    let identify = |peer: &str| authorizer.identify(peer.parse().unwrap(), &Shown::Nothing);
    for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let caller = identify(here).unwrap();
        let pass = authorizer.admit(&caller, &workspace, Permission::DeleteData, 0).unwrap();
        assert_eq!((pass.principal().to_string().as_str(), pass.permissions()), ("local", Permissions::ALL));
        assert!(authorizer.admit_to_server(&caller, Permission::ManageServer, 0).is_ok());
    }
    assert_eq!(identify("192.0.2.1").unwrap_err(), Denied::Elsewhere("192.0.2.1".parse().unwrap()));
}

#[test]
fn with_accounts_nobody_is_let_in_without_credentials() {
    let (authorizer, workspace) = (Authorizer::for_accounts(true), WorkspaceId::new("local").unwrap());
    let here = "127.0.0.1".parse().unwrap();
    assert_eq!(authorizer.identify(here, &Shown::Nothing).unwrap_err(), Denied::NoCredentials);
    for shown in
        [Shown::Key("ek_x"), Shown::Token("a.b.c"), Shown::Cookie(""), Shown::Ticket("t", &workspace, Purpose::Audio)]
    {
        assert!(matches!(authorizer.identify(here, &shown), Err(Denied::Unknown(_))));
    }
}

#[test]
fn pass_of_an_earlier_generation_is_not_current() {
    let (authorizer, workspace) = local();
    let early = authorizer.system(&workspace);
    assert!(authorizer.is_current(&early));
    authorizer.retire(early.key());
    assert!(!authorizer.is_current(&early) && authorizer.is_retired(&workspace));
    assert_eq!(authorizer.system(&workspace).key(), early.key(), "until there is another workspace");
    authorizer.begin_generation(&WorkspaceKey::new(workspace.clone(), 3));
    assert!(!authorizer.is_current(&early));
    let renewed = authorizer.renew(&early.of_sender(7));
    assert!(authorizer.is_current(&renewed) && !authorizer.is_retired(&workspace));
    assert_eq!((renewed.key().as_str(), renewed.sender()), ("local~3", 7));
}
