use proptest::prelude::*;

use super::*;

fn acme() -> OrganisationId {
    OrganisationId::new("acme").unwrap()
}

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        at_ms: 1_000 + number,
        actor: Actor::User { id: UserId::from_random([1; 10]), name: "Ada".to_owned() },
        action: "member.added".to_owned(),
        target: format!("u_{number}"),
        outcome: Outcome::Done,
        detail: None,
        from: Some("192.0.2.1".to_owned()),
        code: "0.1.0".to_owned(),
        change: Some(7),
    }
}

fn chain(length: i64) -> (Vec<String>, Vec<Head>) {
    let (mut lines, mut heads) = (Vec::new(), vec![Head::empty(&acme())]);
    for number in 1..=length {
        let (record, head) = heads.last().unwrap().next(&acme(), entry(number));
        lines.push(record.line());
        heads.push(head);
    }
    (lines, heads)
}

fn check(lines: &[String], anchors: &[Head]) -> Result<Head, (u64, What)> {
    let lines = lines.iter().map(String::as_str);
    verify(&acme(), Head::empty(&acme()), lines, anchors).map_err(|broken| (broken.seq, broken.what))
}

#[test]
fn record_is_one_line_with_the_hash_of_the_line_before() {
    let (lines, heads) = chain(2);
    assert!(lines[1].starts_with(&format!(
        r#"{{"format":1,"organisation":"acme","seq":2,"previous":"{}","changes":7,"entry":{{"at_ms":1002,"actor":{{"kind":"user""#,
        Hash::of(lines[0].as_bytes())
    )));
    assert_eq!(AuditRecord::read(&lines[1]).unwrap().line(), lines[1]);
    assert_eq!(check(&lines, &[]), Ok(heads[2]));
    assert_eq!(Head::at(&lines[1]), Ok(heads[2]));
    let (record, head) = heads[2].next(&acme(), AuditEntry { change: None, ..entry(3) });
    assert_eq!((record.changes, head.changes, Head::at(&record.line())), (7, 7, Ok(head)));
    // Of coreutils: printf 'earcon audit acme' | sha256sum
    assert_eq!(heads[0].seq, 0);
    assert_eq!(Hash::parse(&heads[0].hash.to_string()), Some(heads[0].hash));
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Hash::of(b"abc").to_string(), abc);
    assert!(Hash::parse(&abc.to_uppercase()).is_none() && Hash::parse("").is_none());
}

#[test]
fn changed_removed_inserted_and_exchanged_records_show() {
    let (lines, heads) = chain(5);
    let mut changed = lines.clone();
    changed[2] = changed[2].replace("Ada", "Eve");
    assert_eq!(check(&changed, &[]), Err((4, What::Previous)));
    let removed = [&lines[..2], &lines[3..]].concat();
    assert_eq!(check(&removed, &[]), Err((3, What::Number(4))));
    let inserted = [&lines[..3], &lines[2..]].concat();
    assert_eq!(check(&inserted, &[]), Err((4, What::Number(3))));
    let mut spaced = lines.clone();
    spaced[1].insert(1, ' ');
    assert!(matches!(check(&spaced, &[]), Err((2, What::Unreadable(_)))));
    let mut newer = lines.clone();
    newer[1] = newer[1].replace("\"format\":1", "\"format\":2");
    assert!(matches!(check(&newer, &[]), Err((2, What::Unreadable(text))) if text.contains("format 2")));
    let other = OrganisationId::new("other").unwrap();
    let foreign = verify(&other, Head::empty(&other), lines.iter().map(String::as_str), &[]).unwrap_err();
    assert_eq!((foreign.seq, foreign.what), (1, What::Foreign(acme())));
    let tail = verify(&acme(), heads[3], lines[3..].iter().map(String::as_str), &heads);
    assert_eq!(tail, Ok(heads[5]), "a range is checked from the head before it");
}

#[test]
fn cut_tail_and_rewritten_chain_show_against_an_anchor() {
    let (lines, heads) = chain(5);
    assert_eq!(check(&lines[..3], &[]), Ok(heads[3]), "without an anchor a cut tail is whole");
    assert_eq!(check(&lines[..3], &[heads[2], heads[5]]), Err((4, What::Missing)));
    assert_eq!(check(&lines, &heads), Ok(heads[5]));
    let mut last = lines.clone();
    last[4] = last[4].replace("Ada", "Eve");
    assert_eq!(check(&last, &[heads[5]]), Err((5, What::OtherHead)), "the last record");
    let (mut rewritten, mut head) = (Vec::new(), Head::empty(&acme()));
    for number in 11..=15 {
        let (record, next) = head.next(&acme(), entry(number));
        rewritten.push(record.line());
        head = next;
    }
    assert_eq!(check(&rewritten, &[]), Ok(head));
    assert_eq!(check(&rewritten, &[heads[3]]), Err((3, What::OtherHead)));
    assert_eq!(check(&[], &[heads[0]]), Ok(heads[0]));
    assert_eq!(check(&[], &[heads[1]]), Err((1, What::Missing)));
}

#[test]
fn long_texts_end_with_what_is_missing() {
    let (record, _) = Head::empty(&acme()).next(&acme(), AuditEntry { detail: Some("é".repeat(1_000)), ..entry(1) });
    let detail = record.entry.detail.unwrap();
    assert!(detail.ends_with("é … (1000 bytes more)") && detail.len() < MAX_TEXT_BYTES + 30, "{detail}");
}

proptest! {
    #[test]
    fn any_change_of_any_byte_shows_against_the_head(at: prop::sample::Index, to in "[ -~]") {
        let (lines, heads) = chain(4);
        let text = lines.join("\n");
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed.replace_range(at..=at, &to);
        let changed: Vec<String> = changed.split('\n').map(str::to_owned).collect();
        prop_assert_eq!(check(&changed, &[heads[4]]).is_ok(), changed == lines);
    }

    #[test]
    fn any_text_is_read_back(name in "\\PC{0,20}", target in ".{0,20}") {
        let actor = Actor::Unknown { name };
        let (record, _) = Head::empty(&acme()).next(&acme(), AuditEntry { actor, target, ..entry(1) });
        prop_assert!(!record.line().contains('\n'));
        prop_assert_eq!(AuditRecord::read(&record.line()).unwrap(), record);
    }
}
