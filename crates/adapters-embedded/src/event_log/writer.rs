//! The writer of one log: one write and one `fdatasync` for an append.
//!
//! After a failed write or sync the content of the file behind the last good append is unknown. So
//! the segment is closed for ever. The next append begins a new segment, whose header names the
//! durable length of the old one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::check::segment_path;
use super::files::{self, Source, write_all_at, write_failure};
use super::frame::{Draft, Seed};
use super::header::{EpochEntry, Previous, SegmentHeader};
use super::mark::{Mark, Marks};
use crate::database::SyncedCommits;
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{Epochs, ErrorKind, PortError};

/// The first and the largest step in which a segment gets space.
const FIRST_STEP: u64 = 256 << 10;
const LARGEST_STEP: u64 = 8 << 20;

/// Limits of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentLimits {
    pub(super) bytes: u64,
    pub(super) age_ms: i64,
}

/// Failures of the disk, in tests.
#[derive(Debug, Default)]
pub(super) struct Faults(AtomicU8);

/// An operation on the disk that a test lets fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fault {
    Allocate = 1,
    Write = 2,
    Sync = 3,
    Create = 4,
}

impl Faults {
    /// Lets an operation fail until the disk is whole again.
    #[cfg(test)]
    pub(super) fn set(&self, fault: Option<Fault>) {
        self.0.store(fault.map_or(0, |fault| fault as u8), Ordering::Release);
    }

    fn check(&self, fault: Fault) -> io::Result<()> {
        if !cfg!(test) || self.0.load(Ordering::Acquire) != fault as u8 {
            return Ok(());
        }
        Err(match fault {
            Fault::Allocate | Fault::Create => io::ErrorKind::StorageFull.into(),
            Fault::Write | Fault::Sync => io::Error::other("injected"),
        })
    }
}

/// The segment that is written.
#[derive(Debug)]
struct Active {
    number: u64,
    path: PathBuf,
    /// Opened for the first append.
    file: Option<File>,
    first: Seq,
    /// Commit time of the first event in it.
    first_time_ms: Option<i64>,
    /// Where its frames begin.
    start: u64,
    /// Its durable length.
    end: u64,
    allocated: u64,
    /// Whether nothing may be appended to it any more.
    closed: bool,
}

impl Active {
    /// Fails if the file is no longer at its path, or is shorter than it was. Bytes that follow
    /// those which are missing would be acknowledged, and be damage at the next start.
    fn check_presence(&self) -> io::Result<()> {
        let gone = || {
            let text = "the file was removed or replaced while it was in use";
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let length = match &self.file {
            Some(file) if files::is_gone(file, &self.path)? => return Err(gone()),
            Some(file) => file.size()?,
            None => match std::fs::metadata(&self.path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
                Err(error) => return Err(error),
            },
        };
        if length < self.end {
            let text = format!("the file was cut to {length} bytes, and {} were on the disk", self.end);
            return Err(io::Error::other(text));
        }
        Ok(())
    }
}

/// Where a log ends when a writer is made for it.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) number: u64,
    pub(super) first: Seq,
    pub(super) first_time_ms: Option<i64>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) next: Seq,
    pub(super) time_ms: i64,
    pub(super) torn: bool,
}

/// A new segment, for the readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewSegment {
    pub(super) number: u64,
    pub(super) first: Seq,
    pub(super) start: u64,
}

#[derive(Debug)]
pub(super) struct Writer {
    workspace: WorkspaceId,
    dir: PathBuf,
    log_id: u64,
    limits: SegmentLimits,
    faults: Arc<Faults>,
    marks: Marks,
    commits: Arc<SyncedCommits>,
    active: Active,
    /// The oldest segment and its first event.
    oldest: (u64, Seq),
    next: Seq,
    time_ms: i64,
    epochs: Option<Epochs>,
}

impl Writer {
    pub(super) fn new(
        workspace: &WorkspaceId,
        dir: &Path,
        log_id: u64,
        (limits, faults, commits): (SegmentLimits, Arc<Faults>, Arc<SyncedCommits>),
        (marks, oldest): (Marks, (u64, Seq)),
        epochs: Option<Epochs>,
        ending: Ending,
    ) -> Self {
        let active = Active {
            number: ending.number,
            path: segment_path(dir, ending.number),
            file: None,
            first: ending.first,
            first_time_ms: ending.first_time_ms,
            start: ending.start,
            end: ending.end,
            allocated: 0,
            closed: ending.torn,
        };
        let (next, time_ms) = (ending.next, ending.time_ms);
        Self {
            workspace: workspace.clone(),
            dir: dir.to_owned(),
            log_id,
            limits,
            faults,
            marks,
            commits,
            active,
            oldest,
            next,
            time_ms,
            epochs,
        }
    }

    pub(super) fn next(&self) -> Seq {
        self.next
    }

    pub(super) fn time_ms(&self) -> i64 {
        self.time_ms
    }

    pub(super) fn epochs(&self) -> Option<&Epochs> {
        self.epochs.as_ref()
    }

    /// Begins a new segment if the append does not belong into the present one.
    pub(super) fn make_room(&mut self, draft: &Draft) -> Result<Option<NewSegment>, PortError> {
        let active = &self.active;
        let is_empty = active.end == active.start;
        let is_full = !is_empty && active.end + draft.len() > self.limits.bytes;
        let last_ms = draft.frames(0).last().map_or(i64::MIN, |(_, frame)| frame.last_time_ms);
        let is_old = active.first_time_ms.is_some_and(|first| last_ms.saturating_sub(first) >= self.limits.age_ms);
        if active.closed || is_full || is_old { self.roll().map(Some) } else { Ok(None) }
    }

    /// Begins a new segment.
    ///
    /// # Errors
    /// Nothing is appended to the present segment any more. The next attempt has the same number.
    pub(super) fn roll(&mut self) -> Result<NewSegment, PortError> {
        // A new segment would hide that this one is gone, with acknowledged events.
        self.active.check_presence().map_err(|error| write_failure(&self.active.path, error))?;
        let number = self.active.number + 1;
        let path = segment_path(&self.dir, number);
        let header = SegmentHeader {
            workspace: self.workspace.as_str().to_owned(),
            log_id: self.log_id,
            number,
            first: self.next,
            time_ms: self.time_ms,
            previous: Some(Previous { number: self.active.number, length: self.active.end }),
            epochs: self.entries(),
        };
        let bytes = header.encode().map_err(|error| {
            PortError::caused(ErrorKind::Invalid, "the header of a segment cannot be encoded", error)
        })?;
        let created = self.faults.check(Fault::Create).and_then(|()| files::create_whole(&path, &bytes));
        let file = created.map_err(|error| {
            // The new file may be there after a crash, and names the present end of this segment.
            self.active.closed = true;
            write_failure(&path, error)
        })?;
        let start = bytes.len() as u64;
        let active = Active {
            number,
            path,
            file: Some(file),
            first: self.next,
            first_time_ms: None,
            start,
            end: start,
            allocated: start,
            closed: false,
        };
        let old = std::mem::replace(&mut self.active, active);
        // Frees the unused space behind the end of the old segment. A failure does no harm.
        if let Some(file) = old.file {
            let _kept = file.set_len(old.end).is_err();
        }
        self.save_mark();
        // If this fails, an older mark may be found after a power cut.
        let _older = self.marks.sync_own().is_err();
        Ok(NewSegment { number, first: self.next, start })
    }

    /// Writes an append durably. Returns the offset of its first frame.
    ///
    /// # Errors
    /// `StorageFull` if there is no space, `Unavailable` if the disk refuses it. Nothing of it is
    /// visible then, and the next append has the same sequence number.
    pub(super) fn append(&mut self, draft: &mut Draft) -> Result<u64, PortError> {
        let offset = self.active.end;
        let needed = offset + draft.len();
        self.prepare(needed).map_err(|error| write_failure(&self.active.path, error))?;
        let active = &mut self.active;
        let bytes = draft.finish(Seed::new(self.log_id, active.number), offset);
        let written = match &active.file {
            Some(file) => self
                .faults
                .check(Fault::Write)
                .and_then(|()| write_all_at(file, bytes, offset))
                .and_then(|()| self.faults.check(Fault::Sync))
                .and_then(|()| files::sync(file, &active.path)),
            None => Err(io::Error::other("the segment is not open")),
        };
        if let Err(error) = written {
            active.closed = true;
            return Err(write_failure(&active.path, error));
        }
        active.end = needed;
        if let Some((_, last)) = draft.frames(0).last() {
            self.next = last.next();
            self.time_ms = self.time_ms.max(last.last_time_ms);
        }
        if active.first_time_ms.is_none() {
            active.first_time_ms = draft.frames(0).find(|(_, frame)| frame.count > 0).map(|(_, f)| f.first_time_ms);
        }
        self.save_mark();
        Ok(offset)
    }

    /// Opens the segment, and gives it space up to `needed` bytes.
    fn prepare(&mut self, needed: u64) -> io::Result<()> {
        let active = &mut self.active;
        if active.file.is_none() {
            let file = File::options().read(true).write(true).open(&active.path)?;
            active.allocated = file.size()?;
            active.file = Some(file);
        }
        active.check_presence()?;
        let Some(file) = &active.file else { return Ok(()) };
        if needed <= active.allocated {
            return Ok(());
        }
        let step = active.allocated.clamp(FIRST_STEP, LARGEST_STEP);
        let generous = (active.allocated + step).min(self.limits.bytes).max(needed);
        let allocate =
            |length| self.faults.check(Fault::Allocate).and_then(|()| files::allocate(file, active.allocated, length));
        active.allocated = match allocate(generous) {
            Ok(()) => generous,
            // Less than a step may still be there.
            Err(error) if files::is_full(&error) && generous > needed => {
                allocate(needed)?;
                needed
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Begins an epoch once its frame is durable.
    pub(super) fn begin_epoch(&mut self, epoch: String) {
        match &mut self.epochs {
            Some(epochs) => epochs.begin(epoch, self.next),
            None => self.epochs = Some(Epochs::new(epoch, self.next)),
        }
        self.trim_epochs();
        self.save_mark();
    }

    fn trim_epochs(&mut self) {
        if let Some(epochs) = &mut self.epochs {
            epochs.forget_before(self.oldest.1);
        }
    }

    fn entries(&self) -> Vec<EpochEntry> {
        let starts = self.epochs.iter().flat_map(Epochs::starts);
        starts.map(|start| EpochEntry { epoch: start.epoch.clone(), first: start.first }).collect()
    }

    /// Whether a trim of everything has to begin a new segment first.
    pub(super) fn holds_events(&self) -> bool {
        self.active.first < self.next
    }

    /// Records durably that the log begins with another segment. Its older files may be deleted
    /// then.
    pub(super) fn forget_before(&mut self, number: u64, first: Seq) -> Result<(), PortError> {
        let before = std::mem::replace(&mut self.oldest, (number, first));
        let saved = self.marks.write(self.current_mark()).and_then(|()| self.marks.sync_own());
        if let Err(error) = saved {
            self.oldest = before;
            return Err(write_failure(self.marks.path(), error));
        }
        self.trim_epochs();
        Ok(())
    }

    fn save_mark(&mut self) {
        let mark = self.current_mark();
        // The log is durable without it. An older mark notices a lost end less well.
        let _older = self.marks.write(mark).is_err();
    }

    fn current_mark(&self) -> Mark {
        Mark {
            counter: 0,
            log_id: self.log_id,
            first_segment: self.oldest.0,
            first: self.oldest.1,
            segment: self.active.number,
            offset: self.active.end,
            next: self.next,
            time_ms: self.time_ms,
            epoch: self.epochs.as_ref().map_or_else(String::new, |epochs| epochs.current().to_owned()),
            database: self.commits.get(),
        }
    }

    /// Writes the marks again, with what the database holds now, durably. A mark that is gone or
    /// was changed becomes a new file, if the log is where it was.
    pub(super) fn sync_marks(&mut self) -> Result<(), PortError> {
        match self.marks.problem() {
            Some(_) => self.active.check_presence().map_err(|error| write_failure(self.marks.path(), error))?,
            None => self.save_mark(),
        }
        let mark = self.current_mark();
        self.marks.sync(mark).map_err(|(path, error)| write_failure(&path, error))
    }

    /// The fault of a mark's file, as a sentence for people.
    pub(super) fn mark_problem(&self) -> Option<String> {
        self.marks.problem()
    }
}
