//! Opening the database again inside the process, after a failed write.
//!
//! fjall accepts no write after a failed one, and its threads stop at their first error. Only a new
//! opening of the directory helps. So the instance is closed as soon as the disk works and nothing
//! reads it, and another one is opened in its place. The new one holds exactly the commits that
//! succeeded. What others remember of the database therefore stays true.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::{Commits, Database, open};

/// Written to find out whether the disk works.
const PROBE: &str = "db.probe";
const PROBE_BYTES: usize = 256 << 10;
/// How long the reads under way may take before the attempt is given up.
const READS: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Database {
    /// Looks whether fjall still accepts writes. If it does not and the disk works, opens the
    /// database again. Blocks. Returns why writes are refused.
    pub(crate) fn tend(&self) -> Option<String> {
        // Without a file that is missing, it would not open again.
        if let Ok(instance) = self.current.reading()
            && let Some(problem) = self.files.look(&instance)
        {
            return Some(problem);
        }
        if self.current.failure().is_none() {
            let instance = self.current.writing().ok()?;
            // fjall's own threads may have failed.
            let error = instance.check().err()?;
            self.current.fail(format!("writing to the database failed: {error}"));
        }
        self.try_reopen().err()
    }

    fn try_reopen(&self) -> Result<(), String> {
        let failure = || self.current.failure().unwrap_or_default();
        let still = |error: &dyn std::fmt::Display| format!("{}; {error}", failure());
        self.refuse_if_full().map_err(|error| still(&error))?;
        probe(&self.dir.path().join(PROBE)).map_err(|error| still(&format!("the disk still fails: {error}")))?;
        let mut commits = match self.commits.try_lock() {
            Ok(commits) => commits,
            Err(TryLockError::Poisoned(commits)) => PoisonError::into_inner(commits),
            Err(TryLockError::WouldBlock) => return Err(still(&"a commit has not ended")),
        };
        if let Some(instance) = self.current.begin_reopening()
            && let Err(used) = close(instance)
        {
            self.current.end_reopening(Some(used), Some(failure()));
            return Err(still(&"reads have not ended"));
        }
        match open::reopen(&self.dir, &self.settings, commits.marks.identity(), &commits.numbers) {
            Ok(open::Opened { instance, numbers, marks, undo: _ }) => {
                *commits = Commits { numbers, marks };
                // The next look names a folder that cannot be listed.
                let _unlisted = self.files.opened_again().is_err();
                self.current.end_reopening(Some(instance), None);
                Ok(())
            }
            Err(error) => {
                let text = format!("it cannot be opened again: {error}");
                self.current.end_reopening(None, Some(text.clone()));
                Err(text)
            }
        }
    }
}

/// Closes the database once nothing reads it. Returns the instance if reads go on for too long.
fn close(mut instance: Arc<Instance>) -> Result<(), Arc<Instance>> {
    let deadline = Instant::now() + READS;
    loop {
        match Arc::try_unwrap(instance) {
            Ok(last) => {
                // Waits for fjall's threads, and frees its lock on the directory.
                drop(last);
                return Ok(());
            }
            Err(shared) if Instant::now() >= deadline => return Err(shared),
            Err(shared) => instance = shared,
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether the disk takes and syncs a file.
fn probe(path: &Path) -> io::Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&[1; PROBE_BYTES])?;
        file.sync_all()
    });
    match std::fs::remove_file(path) {
        Err(error) if written.is_ok() => Err(error),
        _ => written,
    }
}
