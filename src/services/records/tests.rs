use super::*;
use crate::services::testing::{MemoryMeta, pass};

fn records() -> (Arc<MemoryMeta>, Records<u32>) {
    let meta = Arc::new(MemoryMeta::default());
    (meta.clone(), Records::new(meta, Family::Job))
}

#[tokio::test]
async fn a_record_is_written_read_and_removed_by_its_name() {
    let ((meta, records), pass) = (records(), pass());
    assert_eq!(records.get(&pass, "a").await.unwrap(), None);
    assert_eq!(records.revision(&pass, "a").await.unwrap(), 0);
    assert_eq!(records.put(&pass, "a", 0, &7).await.unwrap(), 1);
    let stored = Stored { name: "a".to_owned(), revision: 1, value: 7 };
    assert_eq!(records.get(&pass, "a").await.unwrap(), Some(stored));
    assert_eq!(meta.value("job/a"), Some(b"7".to_vec()));
    assert_eq!(records.put(&pass, "a", 0, &8).await.unwrap_err().kind, ErrorKind::Conflict);
    records.delete(&pass, "a", 1).await.unwrap();
    assert_eq!(records.get(&pass, "a").await.unwrap(), None);
}

#[tokio::test]
async fn a_list_is_read_in_bounded_pages() {
    let ((meta, records), pass) = (records(), pass());
    for name in 0..450 {
        records.put(&pass, &format!("{name:03}"), 0, &name).await.unwrap();
    }
    meta.set("jobs", b"another family");
    let page = records.list(&pass, Some("001"), 2).await.unwrap();
    assert_eq!((page.next.clone().as_deref(), page.values()), (Some("003"), vec![2, 3]));
    let all = records.all(&pass, 1_000).await.unwrap();
    assert_eq!((all.count(), all.next.as_deref()), (450, None));
    assert!(meta.largest_page() <= PAGE);
    let some = records.all(&pass, 300).await.unwrap();
    assert_eq!((some.count(), some.next.as_deref()), (300, Some("299")));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_alone_and_reported_in_a_list() {
    let ((meta, records), pass) = (records(), pass());
    records.put(&pass, "a", 0, &1).await.unwrap();
    meta.set("job/b", b"\"odd\"");
    records.put(&pass, "c", 0, &3).await.unwrap();
    let error = records.get(&pass, "b").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.to_string().contains("job/b"), "{error}");
    assert_eq!(records.revision(&pass, "b").await.unwrap(), 1);
    assert_eq!(records.load(&pass, "b").await.unwrap(), (None, 1));
    assert_eq!(records.load(&pass, "c").await.unwrap(), (Some(3), 1));
    assert_eq!(records.load(&pass, "d").await.unwrap(), (None, 0));
    let page = records.all(&pass, 10).await.unwrap();
    assert_eq!(page.unreadable, [Unreadable { name: "b".to_owned(), revision: 1 }]);
    assert_eq!((page.count(), page.values()), (3, vec![1, 3]));
    assert_eq!(records.warned.lock().unwrap().len(), 1, "a second list warns no more");
    records.all(&pass, 10).await.unwrap();
    assert_eq!(records.warned.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_update_runs_again_after_a_conflict() {
    let ((meta, records), pass) = (records(), pass());
    let add = |old: Option<&u32>| -> Result<Option<u32>, PortError> { Ok(Some(old.copied().unwrap_or(0) + 1)) };
    assert_eq!(records.update(&pass, "n", add).await.unwrap().unwrap().value, 1);
    let mut seen = Vec::new();
    let updated = records.update(&pass, "n", |old| {
        if seen.is_empty() {
            // Another writer comes in between.
            meta.set("job/n", b"10");
        }
        seen.extend(old.copied());
        add(old)
    });
    let updated = updated.await.unwrap().unwrap();
    assert_eq!((updated.value, updated.revision, seen), (11, 3, vec![1, 10]));
    let kept = records.update(&pass, "n", |_| Ok::<_, PortError>(None)).await.unwrap().unwrap();
    assert_eq!((kept.value, kept.revision), (11, 3));
    let always = records.update(&pass, "n", |old| {
        meta.set("job/n", b"20");
        add(old)
    });
    assert_eq!(always.await.unwrap_err().kind, ErrorKind::Conflict);
}
