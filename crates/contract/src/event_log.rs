//! The contract of every event log.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{fresh, next_generation};
use earcon_model::{Event, KpiEvent, KpiName, Seq};
use earcon_ports::{ErrorKind, EventLog, LogHead, SharedLog};
use earcon_tenancy::WorkspacePass;

/// Runs every case against stores from `make`.
pub async fn event_log(make: impl Fn() -> Arc<dyn EventLog>) {
    a_new_log_is_empty(&*make()).await;
    each_opening_begins_an_epoch(&*make()).await;
    trimming_keeps_the_epochs_of_what_is_left(&*make()).await;
    events_come_back_as_they_were_appended(&*make()).await;
    a_page_is_about_as_long_as_asked_for(&*make()).await;
    another_writer_is_a_conflict_and_leaves_nothing(&*make()).await;
    events_out_of_sequence_leave_nothing(&*make()).await;
    one_append_may_be_large_and_shows_all_or_nothing(&make()).await;
    trimming_forgets_the_oldest_and_never_moves_next(&*make()).await;
    times_find_the_first_event_at_or_after(&*make()).await;
    workspaces_do_not_see_each_other(&*make()).await;
    removed_log_leaves_nothing_to_the_next_of_its_name(&make()).await;
    two_writers_of_one_sequence_do_not_both_succeed(&make()).await;
}

fn event(seq: Seq, time_ms: i64) -> Arc<Event> {
    let body = KpiEvent::Parked { reason: format!("event {seq}") };
    Arc::new(Event::new(seq, time_ms, KpiName::new("contract.kpi").expect("the name keeps the rule"), body))
}

fn events(seqs: std::ops::RangeInclusive<Seq>) -> Vec<Arc<Event>> {
    seqs.map(|seq| event(seq, seq as i64 * 10)).collect()
}

async fn all(log: &dyn EventLog, pass: &WorkspacePass, from: Seq) -> Vec<Arc<Event>> {
    let mut found: Vec<Arc<Event>> = Vec::new();
    loop {
        let next = found.last().map_or(from, |event| event.seq + 1);
        let page = log.read(pass, next, 7).await.unwrap();
        if page.events.is_empty() {
            return found;
        }
        found.extend(page.events);
    }
}

async fn a_new_log_is_empty(log: &dyn EventLog) {
    let pass = fresh();
    assert_eq!(log.head(&pass).await.unwrap(), None);
    assert!(log.read(&pass, 1, 10).await.unwrap().events.is_empty());
    let head = log.open(&pass).await.unwrap();
    assert_eq!((head.first, head.next), (1, 1));
    assert_eq!(log.head(&pass).await.unwrap(), Some(head.clone()));
    assert!(!head.epoch().is_empty());
    assert!(log.read(&pass, 1, 10).await.unwrap().events.is_empty());
    assert_ne!(log.open(&fresh()).await.unwrap().epoch(), head.epoch());
}

/// The names of the epochs, oldest first, and their first events.
fn starts(head: &LogHead) -> Vec<(String, Seq)> {
    head.epochs.starts().map(|start| (start.epoch.clone(), start.first)).collect()
}

async fn each_opening_begins_an_epoch(log: &dyn EventLog) {
    let pass = fresh();
    let one = log.open(&pass).await.unwrap().epoch().to_owned();
    log.append(&pass, events(1..=10)).await.unwrap();
    assert_eq!(starts(&log.head(&pass).await.unwrap().unwrap()), [(one.clone(), 1)], "appends change no epoch");
    let head = log.open(&pass).await.unwrap();
    let two = head.epoch().to_owned();
    assert_eq!(starts(&head), [(one.clone(), 1), (two.clone(), 11)]);
    assert_eq!(log.head(&pass).await.unwrap(), Some(head));
    log.append(&pass, events(11..=12)).await.unwrap();

    let epochs = log.head(&pass).await.unwrap().unwrap().epochs;
    assert!(epochs.contains(&one, 0) && epochs.contains(&one, 10) && !epochs.contains(&one, 11));
    assert!(epochs.contains(&two, 12) && epochs.contains(&two, 4));
    assert_eq!((epochs.epoch_of(10), epochs.epoch_of(11)), (&*one, &*two));
    let foreign = log.open(&fresh()).await.unwrap().epoch().to_owned();
    assert!(!epochs.contains(&foreign, 1), "an epoch of another log");

    let three = log.open(&pass).await.unwrap();
    let four = log.open(&pass).await.unwrap();
    assert_eq!(starts(&four)[2..], [(three.epoch().to_owned(), 13), (four.epoch().to_owned(), 13)]);
    assert_eq!(all(log, &pass, 1).await, events(1..=12));
}

async fn trimming_keeps_the_epochs_of_what_is_left(log: &dyn EventLog) {
    let pass = fresh();
    let mut names = Vec::new();
    for start in [1, 11, 21] {
        names.push(log.open(&pass).await.unwrap().epoch().to_owned());
        for start in (start..start + 10).step_by(2) {
            log.append(&pass, events(start..=start + 1)).await.unwrap();
        }
    }
    for before in [5, 15, 25, 31, 31] {
        let first = log.trim(&pass, before).await.unwrap();
        let head = log.head(&pass).await.unwrap().unwrap();
        assert_eq!((head.first, head.next), (first, 31));
        for seq in first - 1..=30 {
            // The event right before the oldest held counts too: its reader continues.
            let writer = &names[(seq.max(1) as usize - 1) / 10];
            assert_eq!(head.epochs.epoch_of(seq), writer, "event {seq} of a log that begins at {first}");
            assert!(head.epochs.contains(writer, seq), "event {seq} of a log that begins at {first}");
        }
        assert!(!head.epochs.contains(&names[0], 11) && !head.epochs.contains(&names[1], 21));
    }
    log.append(&pass, events(31..=31)).await.unwrap();
    let head = log.open(&pass).await.unwrap();
    assert!(head.epochs.contains(&names[2], 31) && !head.epochs.contains(&names[2], 32));
    assert_eq!(log.head(&pass).await.unwrap(), Some(head));
}

async fn events_come_back_as_they_were_appended(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    log.append(&pass, Vec::new()).await.unwrap();
    log.append(&pass, events(1..=1)).await.unwrap();
    log.append(&pass, events(2..=30)).await.unwrap();
    log.append(&pass, events(31..=33)).await.unwrap();
    assert_eq!(log.open(&pass).await.unwrap().next, 34);
    assert_eq!(all(log, &pass, 0).await, events(1..=33));
    for from in [1, 2, 15, 30, 31, 33] {
        assert_eq!(all(log, &pass, from).await, events(from..=33), "from {from}");
    }
    for from in [34, 35, Seq::MAX] {
        assert!(all(log, &pass, from).await.is_empty(), "from {from}");
    }
    assert!(log.size_bytes(&pass).await.unwrap() > 0);
}

async fn a_page_is_about_as_long_as_asked_for(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    for seq in 1..=50 {
        log.append(&pass, events(seq..=seq)).await.unwrap();
    }
    let page = log.read(&pass, 5, 10).await.unwrap();
    assert_eq!(page.events, events(5..=14));
}

async fn another_writer_is_a_conflict_and_leaves_nothing(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    log.append(&pass, events(1..=5)).await.unwrap();
    for wrong in [4..=6, 7..=8, 1..=5] {
        let refusal = log.append(&pass, events(wrong)).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Conflict);
    }
    assert_eq!(all(log, &pass, 1).await, events(1..=5));
    log.append(&pass, events(6..=6)).await.unwrap();
    assert_eq!(all(log, &pass, 1).await, events(1..=6));
}

async fn events_out_of_sequence_leave_nothing(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    assert!(log.append(&pass, vec![event(1, 0), event(3, 0)]).await.is_err());
    assert!(log.append(&pass, vec![event(1, 0), event(1, 0)]).await.is_err());
    assert!(all(log, &pass, 1).await.is_empty());
    assert_eq!(log.open(&pass).await.unwrap().next, 1);
}

async fn one_append_may_be_large_and_shows_all_or_nothing(log: &Arc<dyn EventLog>) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    let large: Vec<Arc<Event>> = (1..=60)
        .map(|seq| {
            let body = KpiEvent::Parked { reason: "x".repeat(50_000) };
            Arc::new(Event { body: body.into(), ..event(seq, 0).as_ref().clone() })
        })
        .collect();
    let (writer, writer_pass, appended) = (log.clone(), pass.clone(), large.clone());
    let append = tokio::spawn(async move { writer.append(&writer_pass, appended).await });
    loop {
        let done = append.is_finished();
        // A page may be short, but an append is visible as a whole: if its first event is there, so
        // is the last.
        if !log.read(&pass, 1, 1).await.unwrap().events.is_empty() {
            assert_eq!(log.read(&pass, 60, 1).await.unwrap().events.len(), 1);
        }
        if done {
            break;
        }
    }
    append.await.unwrap().unwrap();
    assert_eq!(all(&**log, &pass, 1).await, large);
}

async fn trimming_forgets_the_oldest_and_never_moves_next(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    for start in (1..=91).step_by(10) {
        log.append(&pass, events(start..=start + 9)).await.unwrap();
    }
    let size = log.size_bytes(&pass).await.unwrap();
    let first = log.trim(&pass, 55).await.unwrap();
    assert!(log.size_bytes(&pass).await.unwrap() <= size);
    assert!(first <= 55, "an event that was to be kept is gone: the log begins at {first}");
    let head = log.open(&pass).await.unwrap();
    assert_eq!((head.first, head.next), (first, 101));
    assert_eq!(all(log, &pass, 1).await, events(first..=100), "reading from before the log starts at its oldest");
    assert_eq!(log.trim(&pass, 3).await.unwrap(), first, "an earlier trim brings nothing back");

    assert_eq!(log.trim(&pass, 101).await.unwrap(), 101);
    let head = log.open(&pass).await.unwrap();
    assert_eq!((head.first, head.next), (101, 101));
    assert!(all(log, &pass, 1).await.is_empty());
    log.append(&pass, events(101..=102)).await.unwrap();
    assert_eq!(all(log, &pass, 1).await, events(101..=102));
}

async fn times_find_the_first_event_at_or_after(log: &dyn EventLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    assert_eq!(log.seq_at(&pass, 0).await.unwrap(), 1, "an empty log has only its next");
    // Times 10, 20, … 290, with three events each, in appends of four.
    let events: Vec<_> = (1..=87).map(|seq| event(seq, (seq as i64 + 2) / 3 * 10)).collect();
    for part in events.chunks(4) {
        log.append(&pass, part.to_vec()).await.unwrap();
    }
    for time_ms in -5..300 {
        let expected = events.iter().find(|event| event.time_ms >= time_ms).map_or(88, |event| event.seq);
        assert_eq!(log.seq_at(&pass, time_ms).await.unwrap(), expected, "at {time_ms}");
    }
}

async fn workspaces_do_not_see_each_other(log: &dyn EventLog) {
    let (one, other) = (fresh(), fresh());
    log.open(&one).await.unwrap();
    log.open(&other).await.unwrap();
    log.append(&one, events(1..=3)).await.unwrap();
    assert!(all(log, &other, 1).await.is_empty());
    log.append(&other, events(1..=2)).await.unwrap();
    log.trim(&one, 4).await.unwrap();
    assert_eq!(all(log, &other, 1).await, events(1..=2));
}

async fn two_writers_of_one_sequence_do_not_both_succeed(log: &Arc<dyn EventLog>) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (log, pass) = (log.clone(), pass.clone());
            tokio::spawn(async move { log.append(&pass, vec![event(1, writer)]).await.map(|()| writer) })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            Ok(winner) => winners.push(winner),
            Err(error) => assert_eq!(error.kind, ErrorKind::Conflict),
        }
    }
    assert_eq!(winners.len(), 1);
    let stored = all(&**log, &pass, 1).await;
    assert_eq!(stored, vec![event(1, winners[0])]);
}

async fn removed_log_leaves_nothing_to_the_next_of_its_name(log: &Arc<dyn EventLog>) {
    let (old, neighbour) = (fresh(), fresh());
    let new = next_generation(&old);
    for pass in [&old, &neighbour] {
        log.open(pass).await.unwrap();
        log.append(pass, events(1..=30)).await.unwrap();
    }
    let before = log.head(&old).await.unwrap().unwrap();
    log.remove(&old).await.unwrap();
    log.remove(&old).await.unwrap();
    for pass in [&old, &new] {
        assert_eq!(log.head(pass).await.unwrap(), None);
        assert!(all(&**log, pass, 1).await.is_empty());
    }
    assert!(log.append(&old, events(31..=32)).await.is_err(), "the writer of the removed log");
    let head = log.open(&new).await.unwrap();
    assert_eq!((head.first, head.next), (1, 1));
    assert!(!head.epochs.contains(before.epoch(), 0), "the epochs are gone, too");
    log.append(&new, events(1..=2)).await.unwrap();
    assert_eq!(all(&**log, &new, 1).await, events(1..=2));
    assert_eq!(all(&**log, &neighbour, 1).await, events(1..=30));
}

/// Runs the cases of logs that several processes share. Each log from `make` represents a process.
pub async fn shared_log(make: impl Fn() -> Arc<dyn SharedLog>) {
    opening_the_log_rejects_the_previous_owner(&*make(), &*make()).await;
    followers_see_every_event_of_every_writer(&*make(), &*make(), &*make()).await;
    following_begins_at_the_requested_seq(&*make()).await;
    writer_of_a_removed_log_does_not_reach_the_next_of_its_name(&*make(), &*make()).await;
}

async fn opening_the_log_rejects_the_previous_owner(old: &dyn SharedLog, new: &dyn SharedLog) {
    let pass = fresh();
    let head = old.open(&pass).await.unwrap();
    old.append(&pass, events(1..=3)).await.unwrap();
    let taken = new.open(&pass).await.unwrap();
    assert_eq!((taken.first, taken.next), (1, 4));
    assert_eq!(starts(&taken), [(head.epoch().to_owned(), 1), (taken.epoch().to_owned(), 4)]);
    assert_eq!(old.head(&pass).await.unwrap().unwrap(), taken, "the other processes see the new epoch");
    // The new owner has not written yet, but the old one is rejected already.
    assert_eq!(old.append(&pass, events(4..=4)).await.unwrap_err().kind, ErrorKind::Conflict);
    new.append(&pass, events(4..=5)).await.unwrap();
    assert_eq!(old.append(&pass, events(4..=4)).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(old.append(&pass, events(6..=6)).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(all(old, &pass, 1).await, events(1..=5));
    assert_eq!(old.head(&pass).await.unwrap().map(|head| head.next), Some(6));
    // Taking it back works the same way.
    assert_eq!(old.open(&pass).await.unwrap().next, 6);
    old.append(&pass, events(6..=6)).await.unwrap();
    assert_eq!(new.append(&pass, events(6..=6)).await.unwrap_err().kind, ErrorKind::Conflict);
}

async fn followers_see_every_event_of_every_writer(one: &dyn SharedLog, two: &dyn SharedLog, other: &dyn SharedLog) {
    let pass = fresh();
    let first = one.open(&pass).await.unwrap().epoch().to_owned();
    one.append(&pass, events(1..=10)).await.unwrap();
    let mut following = other.follow(&pass, 4).await.unwrap();
    one.append(&pass, events(11..=12)).await.unwrap();
    let second = two.open(&pass).await.unwrap().epoch().to_owned();
    assert!(one.append(&pass, events(13..=13)).await.is_err());
    two.append(&pass, events(13..=20)).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 17 {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), following.next()).await;
        let followed = next.expect("a follower is told in time").expect("following goes on").unwrap();
        let writer = if followed.events[0].seq < 13 { &first } else { &second };
        assert_eq!(&followed.epoch, writer, "the epoch of event {}", followed.events[0].seq);
        seen.extend(followed.events);
    }
    assert_eq!(seen, events(4..=20));
}

async fn following_begins_at_the_requested_seq(log: &dyn SharedLog) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    let mut from_the_end = log.follow(&pass, 1).await.unwrap();
    log.append(&pass, events(1..=2)).await.unwrap();
    assert_eq!(from_the_end.next().await.unwrap().unwrap().events, events(1..=2));
    // One append that is followed from its middle.
    let mut from_the_middle = log.follow(&pass, 2).await.unwrap();
    assert_eq!(from_the_middle.next().await.unwrap().unwrap().events, events(2..=2));
}

async fn writer_of_a_removed_log_does_not_reach_the_next_of_its_name(former: &dyn SharedLog, next: &dyn SharedLog) {
    let old = fresh();
    let new = next_generation(&old);
    former.open(&old).await.unwrap();
    former.append(&old, events(1..=3)).await.unwrap();
    next.remove(&old).await.unwrap();
    next.open(&new).await.unwrap();
    // As many messages as the former writer has seen.
    next.append(&new, vec![event(1, 0)]).await.unwrap();
    assert!(former.append(&old, events(4..=5)).await.is_err());
    assert_eq!(all(next, &new, 1).await, [event(1, 0)]);
    assert_eq!(all(former, &new, 1).await, [event(1, 0)]);
    assert_eq!(next.head(&old).await.unwrap(), None, "a failed append makes no log");
}
