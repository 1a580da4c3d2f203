use std::sync::atomic::Ordering;

use earcon_identity::audit::Head;

use super::*;
use crate::AccountsError;

#[tokio::test]
async fn change_of_a_node_that_died_is_finished_by_the_next_writer_once() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let there = fixture.node().await;
    fixture.store.fails.store(true, Ordering::Relaxed);
    fixture.accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    assert!(fixture.accounts.view().organisation(&acme()).is_some());
    assert!(audited(&fixture.accounts, &acme()).await.is_empty(), "not written yet");

    // Another node reads the change from the record that committed it.
    let pass = Authorizer::new().accounts();
    assert!(fixture.store.get(&pass, "organisation/acme").await.unwrap().is_none());
    there.refresh().await.unwrap();
    assert!(there.view().organisation(&acme()).is_some());
    let blocked = there.rename_organisation(&root, &acme(), name("Other")).await.unwrap_err();
    assert!(matches!(blocked, AccountsError::Store(_)), "nothing is committed before that: {blocked}");
    fixture.store.fails.store(false, Ordering::Relaxed);
    let other = OrganisationId::new("other").unwrap();
    there.create_organisation(&root, other.clone(), name("Other")).await.unwrap();
    fixture.accounts.refresh().await.unwrap();
    let third = OrganisationId::new("third").unwrap();
    fixture.accounts.create_organisation(&root, third, name("Third")).await.unwrap();
    for organisation in [acme(), other] {
        assert_eq!(audited(&there, &organisation).await, ["organisation.created"], "{organisation}");
    }
    let restarted = fixture.node().await;
    assert_eq!(restarted.view().organisations().count(), 4);
    assert!(restarted.view().membership(&acme(), root.user().unwrap()).is_some(), "the whole change");
}

#[tokio::test]
async fn late_writer_changes_nothing() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let slow = Interrupted::of(&fixture.embedded);
    let there = open(&slow, &fixture.embedded, (&fixture.clock, &fixture.random)).await;
    slow.stalls.store(true, Ordering::Relaxed);
    let stalled = {
        let (there, root) = (there.clone(), root.clone());
        tokio::spawn(async move { there.rename_organisation(&root, &own(), name("First")).await.map(drop) })
    };
    while slow.stalls.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    // The first change is committed, and its node is about to write the record.
    fixture.accounts.rename_organisation(&root, &own(), name("Second")).await.unwrap();
    // A start writes the newest change again, so there is one more.
    fixture.accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    slow.gate.notify_one();
    stalled.await.unwrap().unwrap();
    let restarted = fixture.node().await;
    assert_eq!(restarted.view().organisation(&own()).unwrap().name.as_str(), "Second");
    let pass = Authorizer::new().accounts();
    let stored = fixture.store.get(&pass, "organisation/default").await.unwrap().unwrap().value;
    assert!(String::from_utf8(stored).unwrap().contains("Second"));
    let renamed = audited(&restarted, &own()).await.iter().filter(|action| *action == "organisation.renamed").count();
    assert_eq!(renamed, 2);
}

#[tokio::test]
async fn change_on_one_node_is_read_by_another_without_reading_everything() {
    let fixture = Fixture::new().await;
    let (owner, root) = fixture.owner().await;
    for number in 0..30 {
        fixture.member(&root, &own(), &format!("user{number}"), Role::Viewer).await;
    }
    let there = fixture.node().await;
    let mut versions = there.versions();
    let before = there.refresh().await.unwrap();
    versions.mark_unchanged();
    let (ada, _) = fixture.member(&root, &own(), "ada", Role::Viewer).await;
    fixture.accounts.set_member(&root, &own(), ada.user, (Role::Editor, Reach::All)).await.unwrap();
    fixture.accounts.remove_member(&root, &own(), ada.user).await.unwrap();
    let gets = fixture.store.gets.swap(0, Ordering::Relaxed);
    assert!(gets > 0);
    assert_eq!(there.refresh().await.unwrap(), before + 4);
    assert!(fixture.store.gets.load(Ordering::Relaxed) < 10, "the version and the records that changed");
    assert!(versions.has_changed().unwrap());
    assert_eq!(*versions.borrow_and_update(), before + 4);
    assert!(there.view().user(ada.user).is_some() && there.view().membership(&own(), ada.user).is_none());
    assert_eq!(there.refresh().await.unwrap(), before + 4);
    assert!(!versions.has_changed().unwrap(), "nothing new, nobody is woken");
    assert!(there.view().membership(&own(), owner.user).is_some());
}

#[tokio::test]
async fn node_that_is_far_behind_reads_everything() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let there = fixture.node().await;
    fixture.accounts.create_organisation(&root, acme(), name("Acme")).await.unwrap();
    for number in 0..70 {
        fixture.accounts.rename_organisation(&root, &own(), name(&format!("Name {number}"))).await.unwrap();
    }
    there.refresh().await.unwrap();
    assert!(there.view().organisation(&acme()).is_some());
    assert_eq!(there.view().organisation(&own()).unwrap().name.as_str(), "Name 69");
    let head = there.audit().head(&own()).await.unwrap();
    assert_eq!(audited(&there, &own()).await.len() as u64, head.seq);
    let anchors = [Head::empty(&own()), head];
    assert_eq!(there.audit().verify(&own(), &anchors).await.unwrap(), Ok(head));
    let later = Head { seq: head.seq + 1, ..head };
    assert!(there.audit().verify(&own(), &[later]).await.unwrap().is_err(), "an anchor beyond the end");
}

#[tokio::test]
async fn many_changes_on_two_nodes_at_once_are_all_made() {
    let fixture = Fixture::new().await;
    let (_, root) = fixture.owner().await;
    let nodes = [fixture.accounts.clone(), fixture.node().await];
    let tasks = (0..12).map(|number: usize| {
        let (accounts, root) = (nodes[number % 2].clone(), root.clone());
        let id = OrganisationId::new(&format!("org{number}")).unwrap();
        tokio::spawn(async move { accounts.create_organisation(&root, id, name("Org")).await.map(drop) })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    for node in &nodes {
        node.refresh().await.unwrap();
        assert_eq!(node.view().organisations().count(), 13);
    }
}

#[tokio::test]
async fn damaged_record_stops_the_start_with_its_name() {
    let fixture = Fixture::new().await;
    let pass = Authorizer::new().accounts();
    let record = fixture.store.get(&pass, "organisation/default").await.unwrap().unwrap();
    fixture.store.put(&pass, &record.key, record.revision, b"{".to_vec()).await.unwrap();
    let sources = (fixture.clock.clone() as Arc<_>, fixture.random.clone() as Arc<_>);
    let audit = fixture.embedded.audit_log();
    let opened = Accounts::open(fixture.store.clone(), audit, pass, sources, AccountsSettings::default()).await;
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("organisation/default"), "{error}");
}
