use super::*;
use crate::message::{Gap, Snapshot};

fn text(json: &str) -> Message {
    Message::from_json(json).unwrap()
}

fn subscribed(seq: u64, epoch: &str, recovered: Option<bool>) -> Message {
    Message::Subscribed(Subscribed { seq, epoch: epoch.into(), recovered })
}

fn snapshot(seq: u64, epoch: &str) -> Message {
    Message::Snapshot(Box::new(Snapshot {
        seq,
        epoch: epoch.into(),
        kpis: vec![],
        anomalies: vec![],
        incidents: vec![],
    }))
}

fn samples(seq: u64, more: &str) -> Message {
    text(&format!(
        r#"{{"seq":{seq},"epoch":"e","time":1,"type":"samples","workspace":"w","subject":"kpi/a","kpi":"a","data":{{"series":[]}}{more}}}"#
    ))
}

fn parked(seq: u64, more: &str) -> Message {
    text(&format!(
        r#"{{"seq":{seq},"epoch":"e","time":1,"type":"kpi.parked","workspace":"w","subject":"kpi/a","kpi":"a","data":{{"reason":"x"}}{more}}}"#
    ))
}

fn seq(seq: u64, epoch: &str) -> Since {
    Since::Seq { seq, epoch: Some(epoch.into()) }
}

fn gap(from: u64, to: u64, resume: Option<u64>) -> Message {
    Message::Gap(Gap { from, to, epoch: "e".into(), resume })
}

/// A cursor of a live subscription at event 10.
fn live() -> Cursor {
    let mut cursor = Cursor::new(Since::Live);
    assert_eq!(cursor.subscribe(), &Since::Live);
    assert_eq!(cursor.handle(&subscribed(10, "e", None)), Step::Deliver);
    cursor
}

#[test]
fn subscribe_resumes_after_the_last_delivered_event() {
    let mut cursor = live();
    assert_eq!(cursor.subscribe(), &seq(10, "e"), "even if no event arrived");
    cursor.handle(&subscribed(10, "e", Some(true)));
    assert_eq!(cursor.handle(&samples(11, "")), Step::Deliver);
    assert_eq!(cursor.handle(&samples(11, "")), Step::Drop, "each event once");
    assert_eq!(cursor.handle(&parked(12, "")), Step::Deliver);
    assert_eq!(cursor.subscribe(), &seq(12, "e"));
}

#[test]
fn break_before_the_snapshot_requests_it_again() {
    let mut cursor = Cursor::new(Since::Snapshot);
    cursor.subscribe();
    cursor.handle(&subscribed(10, "e", None));
    assert_eq!(cursor.subscribe(), &Since::Snapshot);
    cursor.handle(&subscribed(10, "e", None));
    assert_eq!(cursor.handle(&snapshot(10, "e")), Step::Deliver);
    assert_eq!(cursor.subscribe(), &seq(10, "e"));

    cursor.handle(&subscribed(3, "f", Some(false)));
    assert_eq!(cursor.subscribe(), &seq(10, "e"), "the snapshot of the new epoch is still missing");
    cursor.handle(&subscribed(3, "f", Some(false)));
    cursor.handle(&snapshot(3, "f"));
    assert_eq!(cursor.subscribe(), &seq(3, "f"));
}

#[test]
fn gap_is_requested_and_events_in_flight_are_dropped() {
    let mut cursor = live();
    cursor.handle(&samples(11, ""));
    assert_eq!(cursor.handle(&gap(12, 20, None)), Step::Resubscribe);
    assert_eq!(cursor.subscribe(), &seq(11, "e"));
    assert_eq!(cursor.handle(&samples(21, "")), Step::Drop, "the server repeats it after the answer");
    assert_eq!(cursor.handle(&subscribed(21, "e", Some(true))), Step::Deliver);
    assert_eq!(cursor.handle(&samples(12, "")), Step::Deliver);
}

#[test]
fn resume_with_a_rate_loses_and_repeats_no_event() {
    let mut cursor = live();
    assert_eq!(cursor.handle(&parked(15, r#","resume":11"#)), Step::Deliver);
    assert_eq!(cursor.subscribe(), &seq(11, "e"));
    cursor.handle(&subscribed(16, "e", Some(true)));
    assert_eq!(cursor.handle(&parked(15, r#","resume":11"#)), Step::Drop, "delivered before the break");
    assert_eq!(cursor.handle(&samples(14, r#","conflated":3"#)), Step::Deliver, "not delivered before the break");
    assert_eq!(cursor.handle(&gap(20, 30, Some(16))), Step::Resubscribe);
    assert_eq!(cursor.subscribe(), &seq(16, "e"));
}

#[test]
fn gap_of_delivered_events_is_dropped() {
    let mut cursor = live();
    assert_eq!(cursor.handle(&gap(9, 10, None)), Step::Drop);
    assert_eq!(cursor.handle(&gap(9, 11, None)), Step::Resubscribe);
    assert_eq!(cursor.subscribe(), &seq(10, "e"), "not before the last delivered event");
}

/// An event of another epoch than the cursor.
fn of_another_epoch(seq: u64) -> Message {
    text(&format!(
        r#"{{"seq":{seq},"epoch":"f","time":1,"type":"kpi.resumed","workspace":"w","subject":"kpi/a","kpi":"a","data":{{}}}}"#
    ))
}

#[test]
fn events_of_a_later_epoch_are_delivered() {
    let mut cursor = live();
    assert_eq!(cursor.handle(&of_another_epoch(11)), Step::Deliver);
    assert_eq!(cursor.subscribe(), &seq(11, "f"));
    cursor.handle(&subscribed(20, "g", Some(true)));
    assert_eq!(cursor.subscribe(), &seq(11, "f"), "an answer moves nothing");
}

#[test]
fn gap_over_a_later_epoch_is_requested_with_its_epoch() {
    let mut cursor = live();
    let later = Message::Gap(Gap { from: 15, to: 20, epoch: "f".into(), resume: None });
    assert_eq!(cursor.handle(&later), Step::Resubscribe);
    assert_eq!(cursor.subscribe(), &seq(14, "f"));
}

#[test]
fn earlier_event_of_another_epoch_restarts_with_a_snapshot() {
    let mut cursor = live();
    assert_eq!(cursor.handle(&of_another_epoch(10)), Step::Restart);
    assert_eq!(cursor.subscribe(), &Since::Snapshot);
}
