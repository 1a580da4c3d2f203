//! Locking and closing of the data directory, and fixtures of the four stores' tests.

use std::path::Path;

use super::{EmbeddedSettings, EmbeddedStore, OpenError};
use earcon_model::WorkspaceId;
use earcon_tenancy::{Authorizer, WorkspacePass};

/// A data directory that is removed at the end of the test.
pub(super) struct Scratch(tempfile::TempDir);

impl Scratch {
    /// In memory if the machine has a file system there: syncs are most of the time otherwise.
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let in_memory = tempfile::Builder::new().prefix("earcon-test-").tempdir_in(memory);
        Self(in_memory.or_else(|_| tempfile::tempdir()).unwrap())
    }

    pub(super) fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(self.path(), &EmbeddedSettings::default()).unwrap()
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A copy of the directory's present content on disk.
    pub(super) fn copied(&self) -> Self {
        let copy = Self::new();
        copy_tree(self.path(), copy.path());
        copy
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            copy_written(&entry.path(), &target);
        }
    }
}

/// Copies a file up to its last non-zero byte. The rest of a journal is 64 MiB of preallocated
/// zeros.
fn copy_written(from: &Path, to: &Path) {
    std::fs::write(to, super::database::written_bytes(from).unwrap()).unwrap();
    let length = from.metadata().unwrap().len();
    std::fs::File::options().write(true).open(to).unwrap().set_len(length).unwrap();
}

pub(super) fn pass(workspace: &str) -> WorkspacePass {
    Authorizer::new().system(&WorkspaceId::new(workspace).unwrap())
}

#[test]
fn directory_in_use_is_refused_until_every_handle_is_dropped() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    let again = || EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default());
    assert!(matches!(again(), Err(OpenError::InUse { .. })));
    drop(store);
    assert!(matches!(again(), Err(OpenError::InUse { .. })));
    drop(log);
    assert!(again().is_ok());
}

#[tokio::test]
async fn closed_store_opens_again_with_all_data() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.meta_store().put(&pass("a"), "k", 0, vec![7]).await.unwrap();
    let epochs = store.event_log().open(&pass("b")).await.unwrap().epochs;
    store.close().await.unwrap();
    let store = scratch.open();
    assert_eq!(store.meta_store().get(&pass("a"), "k").await.unwrap().unwrap().value, [7]);
    assert_eq!(store.event_log().head(&pass("b")).await.unwrap().unwrap().epochs, epochs);
    let names: Vec<String> = store.meta_store().workspaces().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b"], "who has a log is known, as is who has a record");
}

#[tokio::test]
async fn removed_workspace_leaves_nothing_and_begins_again() {
    use earcon_model::{Event, KpiEvent, KpiName};
    use earcon_ports::{Snapshot, StoredBatch};
    let scratch = Scratch::new();
    let kpi = KpiName::new("k").unwrap();
    let event = std::sync::Arc::new(Event::new(1, 0, kpi.clone(), KpiEvent::Resumed));
    let mut epochs = Vec::new();
    {
        let store = scratch.open();
        for name in ["a", "a-b"] {
            let pass = pass(name);
            store.meta_store().put(&pass, "k", 0, vec![7]).await.unwrap();
            epochs.push(store.event_log().open(&pass).await.unwrap().epochs);
            store.event_log().append(&pass, vec![event.clone()]).await.unwrap();
            let snapshot = Snapshot { kpi: kpi.clone(), part: 0, seq: 1, state: vec![1] };
            store.snapshot_store().put(&pass, snapshot).await.unwrap();
            store.series_store().apply(&pass, StoredBatch { events: vec![event.clone()] }).await.unwrap();
            store.series_store().flush(&pass).await.unwrap();
        }
        let gone = pass("a");
        for _ in 0..2 {
            store.series_store().remove(&gone).await.unwrap();
            store.snapshot_store().remove(&gone).await.unwrap();
            store.event_log().remove(&gone).await.unwrap();
            store.meta_store().remove(&gone).await.unwrap();
        }
        store.event_log().record_end(&gone).await.unwrap();
    }
    // What an interrupted removal may leave.
    std::fs::create_dir_all(scratch.path().join("log/.deleted-a")).unwrap();
    let store = scratch.open();
    assert!(!scratch.path().join("log/.deleted-a").exists() && !scratch.path().join("log/a").exists());
    let names: Vec<String> = store.meta_store().workspaces().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a-b"]);
    let (gone, kept) = (pass("a"), pass("a-b"));
    assert_eq!(store.event_log().head(&gone).await.unwrap(), None);
    assert_eq!(store.event_log().head(&kept).await.unwrap().unwrap().epochs, epochs[1]);
    assert_eq!(store.series_store().cursor(&gone).await.unwrap(), 0);
    assert_eq!(store.series_store().cursor(&kept).await.unwrap(), 1);
    assert!(store.snapshot_store().all(&gone).await.unwrap().is_empty());
    assert_eq!(store.snapshot_store().all(&kept).await.unwrap().len(), 1);
    let head = store.event_log().open(&gone).await.unwrap();
    assert!(head.next == 1 && head.epochs != epochs[0]);
    assert_eq!(store.meta_store().put(&gone, "k", 0, vec![8]).await.unwrap(), 1);
}
