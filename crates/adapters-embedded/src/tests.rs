//! Locking and closing of the data directory, and fixtures of the four stores' tests.

use std::path::Path;

use super::{EmbeddedSettings, EmbeddedStore, OpenError};
use earcon_model::WorkspaceId;
use earcon_tenancy::{Authorizer, WorkspacePass};

/// A data directory that is removed at the end of the test.
pub(super) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
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
    let bytes = std::fs::read(from).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    std::fs::write(to, &bytes[..written]).unwrap();
    std::fs::File::options().write(true).open(to).unwrap().set_len(bytes.len() as u64).unwrap();
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
    let names: Vec<String> = store.meta_store().workspaces().await.unwrap().into_iter().map(String::from).collect();
    assert_eq!(names, ["a", "b"], "who has a log is known, as is who has a record");
}
