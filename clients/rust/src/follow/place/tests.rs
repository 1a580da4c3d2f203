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

/// A place that follows live from event 10 on.
fn live() -> Place {
    let mut place = Place::new(Since::Live);
    assert_eq!(place.subscribe(), &Since::Live);
    assert_eq!(place.take(&subscribed(10, "e", None)), Step::Deliver);
    place
}

#[test]
fn resumes_after_the_last_event_seen() {
    let mut place = live();
    assert_eq!(place.subscribe(), &seq(10, "e"), "even when nothing came");
    place.take(&subscribed(10, "e", Some(true)));
    assert_eq!(place.take(&samples(11, "")), Step::Deliver);
    assert_eq!(place.take(&samples(11, "")), Step::Drop, "each once");
    assert_eq!(place.take(&parked(12, "")), Step::Deliver);
    assert_eq!(place.subscribe(), &seq(12, "e"));
}

#[test]
fn a_break_before_the_snapshot_asks_for_it_again() {
    let mut place = Place::new(Since::Snapshot);
    place.subscribe();
    place.take(&subscribed(10, "e", None));
    assert_eq!(place.subscribe(), &Since::Snapshot);
    place.take(&subscribed(10, "e", None));
    assert_eq!(place.take(&snapshot(10, "e")), Step::Deliver);
    assert_eq!(place.subscribe(), &seq(10, "e"));

    place.take(&subscribed(3, "f", Some(false)));
    assert_eq!(place.subscribe(), &seq(10, "e"), "the new life of the log begins with its snapshot");
    place.take(&subscribed(3, "f", Some(false)));
    place.take(&snapshot(3, "f"));
    assert_eq!(place.subscribe(), &seq(3, "f"));
}

#[test]
fn a_gap_is_asked_for_and_what_was_on_its_way_is_dropped() {
    let mut place = live();
    place.take(&samples(11, ""));
    assert_eq!(place.take(&Message::Gap(Gap { from: 12, to: 20, resume: None })), Step::Repair);
    assert_eq!(place.subscribe(), &seq(11, "e"));
    assert_eq!(place.take(&samples(21, "")), Step::Drop, "it comes again behind the answer");
    assert_eq!(place.take(&subscribed(21, "e", Some(true))), Step::Deliver);
    assert_eq!(place.take(&samples(12, "")), Step::Deliver);
}

#[test]
fn under_a_rate_nothing_held_back_is_lost_and_nothing_else_repeated() {
    let mut place = live();
    assert_eq!(place.take(&parked(15, r#","resume":11"#)), Step::Deliver);
    assert_eq!(place.subscribe(), &seq(11, "e"));
    place.take(&subscribed(16, "e", Some(true)));
    assert_eq!(place.take(&parked(15, r#","resume":11"#)), Step::Drop, "seen before the break");
    assert_eq!(place.take(&samples(14, r#","conflated":3"#)), Step::Deliver, "not seen before the break");
    let gap = Message::Gap(Gap { from: 20, to: 30, resume: Some(16) });
    assert_eq!(place.take(&gap), Step::Repair);
    assert_eq!(place.subscribe(), &seq(16, "e"));
}

#[test]
fn a_gap_of_what_was_seen_is_none() {
    let mut place = live();
    assert_eq!(place.take(&Message::Gap(Gap { from: 9, to: 10, resume: None })), Step::Drop);
    assert_eq!(place.take(&Message::Gap(Gap { from: 9, to: 11, resume: None })), Step::Repair);
    assert_eq!(place.subscribe(), &seq(10, "e"), "not further back than what was seen");
}

#[test]
fn another_life_of_the_log_is_not_taken_for_the_same() {
    let mut place = live();
    let strange =
        r#"{"seq":11,"epoch":"f","time":1,"type":"kpi.resumed","workspace":"w","subject":"kpi/a","kpi":"a","data":{}}"#;
    assert_eq!(place.take(&text(strange)), Step::Renew);
    assert_eq!(place.subscribe(), &Since::Snapshot);
}
