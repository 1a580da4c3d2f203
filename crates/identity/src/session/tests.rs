use proptest::prelude::*;

use super::*;

const POLICY: SessionPolicy = SessionPolicy { idle_ms: 1_000, absolute_ms: 5_000, grace_ms: 10 };

fn begin() -> (Session, Credential<SessionId>) {
    let random = std::array::from_fn(|at| at as u8);
    let (id, user) = (SessionId::from_random([1; 8]), UserId::from_random([2; 10]));
    Session::begin(id, user, random, Device::new("127.0.0.1", "test"), None, 0)
}

fn turn(session: &Session, token: &Credential<SessionId>, now_ms: i64) -> (Session, Credential<SessionId>) {
    match session.refresh(token, [now_ms as u8; 16], &POLICY, now_ms) {
        Ok(Refreshed::Turned(session, next)) => (*session, next),
        other => panic!("{other:?}"),
    }
}

#[test]
fn token_changes_with_each_use() {
    let (session, first) = begin();
    let (session, second) = turn(&session, &first, 100);
    let (session, third) = turn(&session, &second, 200);
    assert_eq!((session.turns, session.refreshed_ms), (2, 200));
    let texts = [first.reveal(), second.reveal(), third.reveal()];
    assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]);
    assert_eq!(Credential::<SessionId>::parse(&texts[2]).unwrap().hash(), third.hash());
}

#[test]
fn two_tabs_that_race_get_the_same_successor() {
    let (session, first) = begin();
    let (turned, next) = turn(&session, &first, 100);
    let again = turned.refresh(&first, [99; 16], &POLICY, 110).unwrap();
    let Refreshed::Again(same) = again else { panic!("{again:?}") };
    assert_eq!(same.reveal(), next.reveal());
    turn(&turned, &same, 120);
}

#[test]
fn old_token_ends_the_session_for_thief_and_owner() {
    let (session, stolen) = begin();
    let (mut session, mut token) = turn(&session, &stolen, 100);
    let late = session.refresh(&stolen, [0; 16], &POLICY, 111).unwrap();
    let Refreshed::Reused(ended) = late else { panic!("{late:?}") };
    assert_eq!(ended.ended, Some((111, Ended::Reuse)));
    assert!(matches!(ended.refresh(&token, [0; 16], &POLICY, 112), Err(SessionRefused::Ended)));
    for turns in 2..8 {
        (session, token) = turn(&session, &token, turns * 100);
    }
    assert!(matches!(session.refresh(&stolen, [0; 16], &POLICY, 750), Ok(Refreshed::Reused(_))), "much later, too");
}

#[test]
fn guess_for_a_known_session_does_not_end_it() {
    let (session, _) = begin();
    let guess = Credential::new(session.id, Secret::from_random([77; 32]));
    assert!(matches!(session.refresh(&guess, [0; 16], &POLICY, 50), Err(SessionRefused::Unknown)));
    let ended = session.end(Ended::Revoked, 60);
    assert!(matches!(ended.refresh(&guess, [0; 16], &POLICY, 70), Err(SessionRefused::Unknown)));
}

#[test]
fn session_expires_when_idle_and_in_any_case() {
    let (mut session, mut token) = begin();
    assert_eq!(session.valid(&POLICY, 999), Ok(()));
    assert_eq!(session.valid(&POLICY, 1_000), Err(SessionRefused::Expired));
    assert!(matches!(session.refresh(&token, [0; 16], &POLICY, 1_000), Err(SessionRefused::Expired)));
    for now_ms in (500..5_000).step_by(500) {
        (session, token) = turn(&session, &token, now_ms);
    }
    assert_eq!(session.expires_ms(&POLICY), 5_000);
    assert!(matches!(session.refresh(&token, [0; 16], &POLICY, 5_000), Err(SessionRefused::Expired)));
}

#[test]
fn first_reason_of_an_end_remains() {
    let (session, _) = begin();
    let ended = session.end(Ended::SignedOut, 10).end(Ended::Disabled, 20);
    assert_eq!(ended.ended, Some((10, Ended::SignedOut)));
}

#[test]
fn record_has_no_token_in_it_and_is_read_back() {
    let (session, first) = begin();
    let (session, second) = turn(&session, &first, 100);
    let text = serde_json::to_string(&session).unwrap();
    assert!(!text.contains(&first.reveal()[16..60]) && !text.contains(&second.reveal()[16..60]));
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
    assert_eq!(&*Device::new("a\nb", &"x".repeat(999)).agent, &"x".repeat(200));
}

proptest! {
    /// Any tokens used at any times: at most one token is good outside the grace,
    /// and a token that was replaced earlier never gives another one.
    #[test]
    fn replaced_token_gives_nothing_new(uses in prop::collection::vec((0_usize..6, 1_i64..40), 1..40)) {
        let (mut session, first) = begin();
        let (mut tokens, mut now_ms) = (vec![first], 0);
        for (choice, wait_ms) in uses {
            now_ms += wait_ms;
            let at = tokens.len().saturating_sub(1 + choice);
            match session.refresh(&tokens[at], [now_ms as u8; 16], &POLICY, now_ms) {
                Ok(Refreshed::Turned(turned, next)) => {
                    prop_assert_eq!(at, tokens.len() - 1);
                    session = *turned;
                    tokens.push(next);
                }
                Ok(Refreshed::Again(same)) => {
                    prop_assert_eq!(at, tokens.len() - 2);
                    prop_assert_eq!(same.reveal(), tokens[at + 1].reveal());
                }
                Ok(Refreshed::Reused(ended)) => {
                    prop_assert!(at < tokens.len() - 1 && ended.ended.is_some());
                    session = *ended;
                }
                Err(refused) => prop_assert!(refused == SessionRefused::Ended && session.ended.is_some()),
            }
        }
    }
}
