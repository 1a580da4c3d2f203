//! Links and pipes in the place of files, and files that may be read and not written.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const NAMES: [&str; 8] = [
    "FORMAT",
    "db.mark",
    "db/0.jnl",
    "db/version",
    "db/keyspaces/2/current",
    "log/DATABASE",
    "log/w/00000000000000000001.seg",
    "ends/w",
];

/// The refusals of a start, a check and a repair.
fn refusals(scratch: &Scratch) -> [OpenError; 3] {
    [
        EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap(),
        check(scratch.path()).unwrap_err(),
        repair(scratch.path(), 5).unwrap_err(),
    ]
}

#[tokio::test]
async fn link_in_the_place_of_any_file_is_refused_with_one_sentence() {
    let original = installation(5, 4).await;
    for (name, is_dangling) in NAMES.into_iter().flat_map(|name| [(name, false), (name, true)]) {
        let scratch = original.copied();
        let (path, real) = (scratch.path().join(name), scratch.path().join("real"));
        std::fs::rename(&path, &real).unwrap();
        let target = if is_dangling { "/nonexistent".into() } else { real.clone() };
        symlink(&target, &path).unwrap();
        for refusal in refusals(&scratch) {
            let text = refusal.to_string();
            let sentence = format!("{} is a symbolic link to {}", path.display(), target.display());
            assert!(text.contains(&sentence) && !refusal.is_io(), "{name}: {text}");
        }
        assert!(!scratch.path().join("REPAIRING").exists(), "{name}: nothing is changed");
        // As it says.
        std::fs::rename(&real, &path).unwrap();
        assert!(check(scratch.path()).unwrap().is_clean(), "{name}");
        assert_eq!(events_of(&scratch.open()).await, 5, "{name}");
    }
}

#[tokio::test]
async fn pipe_in_the_place_of_a_file_is_refused() {
    let scratch = installation(5, 4).await;
    let path = scratch.path().join("log/w/MARK");
    std::fs::remove_file(&path).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for refusal in refusals(&scratch) {
        let text = refusal.to_string();
        assert!(text.contains(&format!("{} is a device, a pipe or a socket", path.display())), "{text}");
    }
    drop(socket);
}

#[tokio::test]
async fn file_that_cannot_be_written_is_named_by_a_check() {
    if rustix::process::geteuid().is_root() {
        // Root may write every file. The test of the program runs it as another account.
        return;
    }
    let scratch = installation(5, 4).await;
    let path = scratch.path().join("db/0.jnl");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let report = check(scratch.path()).unwrap();
    assert!(report.is_clean());
    let error = report.not_writable.unwrap();
    assert!(error.to_string().contains(&path.display().to_string()) && !error.is_read_only(), "{error}");
}
