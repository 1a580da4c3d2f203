//! The file of the contexts. It holds keys, so only its owner may read it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Contexts;
use crate::cli::output::{IO, USAGE};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// The rights of the file: its owner reads and writes it.
const OWNER_ONLY: u32 = 0o600;

/// Why the contexts cannot be used: the exit code and a sentence.
pub(in crate::cli) type Problem = (u8, String);

/// Where the contexts are kept.
#[derive(Debug, Clone)]
pub(in crate::cli) struct ContextsFile(PathBuf);

impl ContextsFile {
    /// `earcon/contexts.toml` in `XDG_CONFIG_HOME`, else in `.config` of `HOME`. The XDG
    /// specification ignores paths that are not absolute.
    ///
    /// # Errors
    /// If neither is set.
    pub(in crate::cli) fn of_user() -> Result<Self, Problem> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || path("HOME").map(|home| home.join(".config"));
        let directory = path("XDG_CONFIG_HOME").or_else(home);
        let directory = directory.ok_or((USAGE, "there is no place for contexts: HOME is not set".to_owned()))?;
        Ok(Self(directory.join("earcon/contexts.toml")))
    }

    /// The path.
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the contexts. There are none if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, others may read it, or its content is wrong.
    pub(in crate::cli) fn read(&self) -> Result<Contexts, Problem> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(error) => return Err(self.failed("read", &error)),
        };
        let about = file.metadata().map_err(|error| self.failed("read", &error))?;
        let path = self.0.display();
        if about.permissions().mode() & 0o077 != 0 {
            let text = format!("{path} holds keys, and other accounts may read it; run: chmod 600 {path}");
            return Err((USAGE, text));
        }
        let mut text = String::new();
        file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| self.failed("read", &error))?;
        if text.len() as u64 > LARGEST {
            return Err((USAGE, format!("{path} is larger than a file of contexts is")));
        }
        Contexts::parse(&text).map_err(|problem| (USAGE, format!("{path}: {problem}")))
    }

    /// Changes the contexts. Other programs that change them wait meanwhile, and see the whole
    /// change or nothing of it.
    ///
    /// # Errors
    /// As [`read`](Self::read), if the file cannot be written, or with the error of the change.
    pub(in crate::cli) fn change<T>(
        &self,
        change: impl FnOnce(&mut Contexts) -> Result<T, String>,
    ) -> Result<T, Problem> {
        let unwritable = |error: io::Error| self.failed("write", &error);
        // A link to the file, as tools for settings make it, stays.
        let target = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let directory = target.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable)?;
        let lock = private(OpenOptions::new().create(true)).open(directory.join("contexts.lock"));
        let lock = lock.map_err(unwritable)?;
        lock.lock().map_err(unwritable)?;
        let mut contexts = self.read()?;
        let changed = change(&mut contexts).map_err(|problem| (USAGE, problem))?;
        write(&target, directory, contexts.to_text().as_bytes()).map_err(unwritable)?;
        Ok(changed)
    }

    fn failed(&self, what: &str, error: &io::Error) -> Problem {
        (IO, format!("cannot {what} {}: {error}", self.0.display()))
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.write(true).mode(OWNER_ONLY)
}

/// Replaces the file. The lock is held, so a new file that lies there is of a program that died.
fn write(target: &Path, directory: &Path, text: &[u8]) -> io::Result<()> {
    let new = target.with_extension("toml.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().create_new(true)).open(&new)?;
    // A mask of permissions may have taken rights away.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, target)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::Context;
    use super::*;

    fn context(letter: char) -> Context {
        let key = format!("ek_{}_{}", "i".repeat(12), String::from(letter).repeat(56));
        Context { url: "http://127.0.0.1:7070".to_owned(), key }
    }

    fn add(file: &ContextsFile, name: &str) {
        file.change(|contexts| {
            contexts.log_in(name, context('k'));
            Ok(())
        })
        .unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_and_its_directory_are_their_owner_s_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = ContextsFile(dir.path().join("new/earcon/contexts.toml"));
        assert!(file.read().unwrap().current().is_none(), "no file is no context");
        add(&file, "a");
        add(&file, "b");
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(file.read().unwrap().iter().count(), 2);
        assert_eq!(fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 2, "the file and its lock");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = ContextsFile(dir.path().join("contexts.toml"));
        add(&file, "a");
        fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        let Err((code, problem)) = file.read() else { panic!("it is read") };
        assert!(code == USAGE && problem.contains("chmod 600"), "{problem}");
        assert!(file.change(|_| Ok(())).is_err());
    }

    #[test]
    fn a_refused_change_writes_nothing_and_a_link_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.toml"), dir.path().join("contexts.toml"));
        let file = ContextsFile(link.clone());
        fs::write(&real, "").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        add(&file, "a");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let before = fs::read_to_string(&real).unwrap();
        let refused = file.change(|contexts| {
            contexts.log_in("b", context('k'));
            Err::<(), _>("no".to_owned())
        });
        assert!(refused.is_err() && before.contains("contexts.a") && fs::read_to_string(&real).unwrap() == before);
    }

    #[test]
    fn programs_that_change_contexts_at_once_lose_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = ContextsFile(dir.path().join("contexts.toml"));
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                let file = &file;
                scope.spawn(move || add(file, name));
            }
        });
        assert_eq!(file.read().unwrap().iter().count(), 8);
    }
}
