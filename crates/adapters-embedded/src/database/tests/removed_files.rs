//! Files that are removed or cut while the database is open.

use std::path::{Path, PathBuf};

use crate::tests::{Scratch, pass};
use crate::{EmbeddedStore, Keeper};
use earcon_ports::ErrorKind;

/// A store whose settings are in a table file, and the files of that table.
async fn store(scratch: &Scratch) -> (EmbeddedStore, Keeper, PathBuf) {
    let store = scratch.open();
    for key in 0..50 {
        store.meta_store().put(&pass("w"), &format!("k{key}"), 0, vec![7; 400]).await.unwrap();
    }
    store.database.current.reading().unwrap().keyspace(store.database.meta).rotate_memtable_and_wait().unwrap();
    let (keeper, folder) = (store.keeper(), scratch.path().join("db/keyspaces/2"));
    (store, keeper, folder)
}

fn first_file(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).min().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_removed_file_refuses_writes_until_it_is_back() {
    let scratch = Scratch::new();
    let (store, keeper, folder) = store(&scratch).await;
    assert_eq!(keeper.tend(), None);
    let table = first_file(&folder.join("tables"));
    let root = scratch.path().join("db");
    let aside = scratch.path().join("aside");
    let newest = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let journal = newest.filter(|path| path.extension().is_some_and(|it| it == "jnl")).max().unwrap();
    let names = [table, journal, folder.join("current"), folder.join("tables"), folder, root.join("keyspaces/7")];
    for (revision, file) in (0..).zip(&names) {
        std::fs::rename(file, &aside).unwrap();
        let problem = keeper.tend().unwrap_or_else(|| panic!("{} is missing", file.display()));
        assert!(problem.contains(file.to_str().unwrap()), "{problem}");
        let refusal = store.meta_store().put(&pass("w"), "k", revision, vec![1]).await.unwrap_err();
        assert!(refusal.kind == ErrorKind::Unavailable && refusal.to_string().contains(&problem), "{refusal}");
        std::fs::rename(&aside, file).unwrap();
        assert_eq!(keeper.tend(), None, "{}", file.display());
        store.meta_store().put(&pass("w"), "k", revision, vec![1]).await.unwrap();
    }
    store.close().await.unwrap();
    scratch.open();
}

/// The server notices it at the next commit or look, and goes on when the bytes are back.
#[tokio::test(flavor = "multi_thread")]
async fn each_file_that_was_cut_refuses_writes_until_it_is_whole() {
    let scratch = Scratch::new();
    let (first, ..) = store(&scratch).await;
    first.close().await.unwrap();
    // fjall cuts the journal behind its last batch when it opens it, so it grows with each commit.
    let store = scratch.open();
    let keeper = store.keeper();
    let mut revision = store.meta_store().put(&pass("w"), "k", 0, vec![1; 5_000]).await.unwrap();
    assert_eq!(keeper.tend(), None);
    let root = scratch.path().join("db");
    let tables = root.join("keyspaces/2/tables");
    for (file, is_looked_at) in [(root.join("0.jnl"), false), (root.join("0.jnl"), true), (first_file(&tables), true)] {
        let whole = std::fs::read(&file).unwrap();
        let last = whole.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        std::fs::File::options().write(true).open(&file).unwrap().set_len(last - 9).unwrap();
        if is_looked_at {
            let problem = keeper.tend().unwrap_or_else(|| panic!("{} was cut", file.display()));
            assert!(problem.contains(&format!("{} was cut to {} bytes", file.display(), last - 9)), "{problem}");
        }
        let refusal = store.meta_store().put(&pass("w"), "k", revision, vec![2]).await.unwrap_err();
        let text = refusal.to_string();
        assert!(refusal.kind == ErrorKind::Unavailable && text.contains("was cut to"), "{text}");
        // The same file, as it was.
        let mut same = std::fs::File::options().write(true).open(&file).unwrap();
        std::io::Write::write_all(&mut same, &whole).unwrap();
        assert_eq!(keeper.tend(), None, "{}", file.display());
        revision = store.meta_store().put(&pass("w"), "k", revision, vec![3]).await.unwrap();
    }
    store.close().await.unwrap();
    drop(keeper);
    scratch.open();
}

/// fjall's own threads create and delete journals and table files meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_and_go_are_no_problem() {
    let scratch = Scratch::new();
    let (store, keeper, _) = store(&scratch).await;
    let look = std::thread::spawn(move || (0..40).find_map(|_| keeper.tend()));
    let mut revision = 0;
    while !look.is_finished() {
        revision = store.meta_store().put(&pass("w"), "k", revision, vec![revision as u8; 4_000]).await.unwrap();
        let instance = store.database.current.reading().unwrap();
        if revision % 8 == 0 {
            instance.keyspace(store.database.meta).rotate_memtable_and_wait().unwrap();
        }
        if revision % 32 == 0 {
            instance.keyspace(store.database.meta).major_compact().unwrap();
        }
    }
    assert_eq!(look.join().unwrap(), None);
}
