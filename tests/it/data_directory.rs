//! Which directories a server takes as its data directory, and their rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::Program;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a server that is expected to end by itself.
fn refused(data: &Path) -> Output {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    Command::new(env!("CARGO_BIN_EXE_earcon")).args(arguments).output().unwrap()
}

fn serve(data: &Path) -> Program {
    Program::serve("data_directory", &["--data", data.to_str().unwrap()], &[])
}

#[test]
fn directory_of_others_is_refused_and_stays_as_it_is() {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "dear").unwrap();
    for rights in [0o755, 0o1777] {
        set_mode(&home, rights);
        let output = refused(&home);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}");
        for part in [home.to_str().unwrap(), "holds other files", "letter.txt", "--data"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(mode(&home), rights);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "nothing was written");
    }
}

#[test]
fn mount_point_of_a_fresh_file_system_is_taken() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    fs::create_dir_all(data.join("lost+found")).unwrap();
    serve(&data).terminate();
    assert!(data.join("FORMAT").exists());
}

#[test]
fn rights_of_an_installation_are_closed_and_those_of_others_stay() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    serve(&data).terminate();
    assert_eq!(mode(&data), 0o700, "a directory that the server makes");
    set_mode(&data, 0o755);
    serve(&data).terminate();
    assert_eq!(mode(&data), 0o700, "an installation");
    set_mode(&data, 0o1777);
    serve(&data).terminate();
    assert_eq!(mode(&data), 0o1777, "a directory that accounts share");

    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    set_mode(&empty, 0o755);
    serve(&empty).terminate();
    assert_eq!(mode(&empty), 0o755, "an empty directory that another program made");
}
