//! Checking the whole log of a workspace, without changing it.
//!
//! The same check runs at every start and in the doctor. A start refuses a log with damage.

mod listing;
mod segments;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use self::listing::Listing;
pub(super) use self::listing::{SegmentFile, read_header, segment_path};
use super::damage::{Damage, Missing};
use super::header::EpochEntry;
use super::mark::{MARK, Mark, StoredMark, end_path, mark_path};
use super::scan::SegmentScan;
use crate::repairs::progress::{NOT_ENDED, PROGRESS};
use earcon_model::{Seq, WorkspaceId};

/// A segment and its frames. Without a file or frames there is no scan.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: SegmentFile,
    /// The last number of a run of segments whose files are missing, else the segment's own.
    pub(super) through: u64,
    pub(super) scan: Option<SegmentScan>,
}

/// The record of a log in the database, outside its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(super) log_id: u64,
    /// The log had all events before this one. It may have more.
    pub(super) next: Seq,
    /// No event has this sequence number or a later one.
    pub(super) reserved: Seq,
    /// The epoch that the log began last, as [`epoch_number`] counts it. 0 if it is unknown.
    pub(super) epoch: u64,
}

impl Registered {
    /// A record that says no more than which log it is.
    pub(super) fn of(log_id: u64) -> Self {
        Self { log_id, next: 0, reserved: 0, epoch: 0 }
    }

    /// With the events that history has read: the log had them.
    pub(super) fn read_by(self, cursors: &[(Vec<u8>, Seq)], workspace: &WorkspaceId) -> Self {
        let cursor = cursors.iter().find(|(name, _)| name == workspace.as_str().as_bytes()).map_or(0, |(_, seq)| *seq);
        Self { next: self.next.max(cursor.saturating_add(1)), ..self }
    }
}

/// A number for the name of an epoch, so that a record has a fixed length.
pub(super) fn epoch_number(epoch: &str) -> u64 {
    xxh3_64(epoch.as_bytes()).max(1)
}

/// What the database says of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Registered),
    /// It has no record of the log, and the second mark names this one.
    Marked(Registered),
    /// It has no record of the log.
    Absent,
    /// It cannot be read.
    Unknown,
}

impl Lookup {
    /// The record of the database, or that of the second mark.
    pub(super) fn registered(self) -> Option<Registered> {
        match self {
            Self::Found(registered) | Self::Marked(registered) => Some(registered),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// A log that is in the place of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) workspace: String,
    pub(super) segments: usize,
    pub(super) events: u64,
}

/// The state of a log's directory.
#[derive(Debug)]
pub(crate) struct LogCheck {
    pub(super) workspace: WorkspaceId,
    pub(super) dir: PathBuf,
    pub(super) log_id: u64,
    /// `None` if the database has no record of the log, or cannot be read.
    pub(super) registered: Option<Registered>,
    /// Whether the record is that of the second mark, and not of the database.
    pub(super) is_marked: bool,
    /// Whether the database could be asked.
    pub(super) is_looked_up: bool,
    /// The log that is here instead of the one of the database's record.
    pub(super) other: Option<Other>,
    pub(super) mark: StoredMark,
    /// The second mark, outside of the log's directory.
    pub(super) end: StoredMark,
    /// By number, the oldest first. Runs of numbers without a file are among them.
    pub(super) segments: Vec<Checked>,
    /// Files of segments that a trim had removed from the log, and incomplete files.
    pub(super) leftovers: Vec<PathBuf>,
    /// Files with the name of a segment that this log cannot have. Their content may be a segment.
    pub(super) strays: Vec<PathBuf>,
    /// Segments that a repair has moved and not put in place.
    pub(super) moved: Vec<PathBuf>,
    /// Whether a repair has begun and not ended.
    pub(super) in_repair: bool,
    pub(super) damages: Vec<Damage>,
}

impl LogCheck {
    /// Whether the directory holds a log that was never finished being created.
    pub(super) fn is_unfinished(&self) -> bool {
        let written = self
            .segments
            .iter()
            .any(|segment| segment.file.number > 1 || segment.scan.as_ref().is_none_or(|scan| scan.content.frames > 0));
        let unused = self.mark.valid().is_none_or(|mark| mark.next == 1);
        let others = self.in_repair || !self.moved.is_empty() || !self.strays.is_empty();
        self.registered.is_none() && !written && unused && !others
    }

    /// Whether another log is here than the one of the database's record.
    pub(crate) fn is_foreign(&self) -> bool {
        self.other.is_some()
    }

    /// The sequence number after the last whole frame.
    pub(super) fn next(&self) -> Option<Seq> {
        self.segments.iter().rev().find_map(|segment| segment.scan.as_ref()).map(|scan| scan.next)
    }

    /// The first sequence number behind all that segments and mark know of.
    pub(super) fn known_next(&self) -> Seq {
        let headers = self.segments.iter().filter_map(|segment| segment.file.header.as_ref());
        let begins = headers.map(|(header, _)| header.first).max();
        let marked = self.own_mark().map(|mark| mark.next);
        [self.next(), begins, marked].into_iter().flatten().max().unwrap_or(1)
    }

    /// The epochs that headers and frames name.
    pub(super) fn epochs(&self) -> Vec<EpochEntry> {
        let mut epochs: Vec<EpochEntry> = Vec::new();
        for segment in &self.segments {
            let header = segment.file.header.iter().flat_map(|(header, _)| &header.epochs);
            let started = segment.scan.iter().flat_map(|scan| &scan.epochs);
            for entry in header.chain(started) {
                if !epochs.iter().rev().any(|known| known.epoch == entry.epoch) {
                    epochs.push(entry.clone());
                }
            }
        }
        epochs
    }

    /// Whether a repair can keep something of the log, or at least its bounds.
    pub(super) fn has_content(&self) -> bool {
        self.own_mark().is_some() || self.segments.iter().any(|segment| segment.scan.is_some())
    }

    pub(super) fn own_mark(&self) -> Option<&Mark> {
        self.mark.valid().filter(|mark| mark.log_id == self.log_id)
    }

    /// The first sequence number behind all that the database and the second mark know of.
    pub(super) fn known_outside(&self) -> Seq {
        let marked = self.own_end().map_or(0, |mark| mark.next);
        self.registered.map_or(0, |registered| registered.next).max(marked)
    }

    /// Whether it is certain that no acknowledged event is behind the last whole frame. After a
    /// power cut the mark may be older than the log, so a damaged end is never certain.
    pub(super) fn ends_for_certain(&self) -> bool {
        let Some(mark) = self.own_mark() else { return false };
        let whole = self.segments.last().and_then(|last| last.scan.as_ref()).is_some_and(|scan| {
            scan.next >= mark.next && scan.regions.last().is_none_or(|region| region.after.is_some())
        });
        whole && self.known_outside() <= self.next().unwrap_or(0) && self.has_last_epoch()
    }

    /// Whether the log has the epoch that it began last, as the database says. An older copy from
    /// before that lacks it, also if it has as many events.
    fn has_last_epoch(&self) -> bool {
        let Some(wanted) = self.registered.map(|registered| registered.epoch).filter(|epoch| *epoch != 0) else {
            return true;
        };
        let of_marks = [self.own_mark(), self.own_end()].into_iter().flatten().map(|mark| epoch_number(&mark.epoch));
        self.epochs().iter().map(|entry| epoch_number(&entry.epoch)).chain(of_marks).any(|epoch| epoch == wanted)
    }

    /// The second mark, if it is of this log.
    fn own_end(&self) -> Option<&Mark> {
        self.end.valid().filter(|mark| mark.log_id == self.log_id)
    }
}

/// Checks every byte of a log.
///
/// # Errors
/// When the directory cannot be read, or a file needs other permissions.
pub(super) fn check(dir: &Path, workspace: &WorkspaceId, lookup: Lookup) -> io::Result<LogCheck> {
    let registered = lookup.registered();
    let listing = Listing::of(dir)?;
    let mark = StoredMark::load(&mark_path(dir))?;
    let end = StoredMark::load(&end_path(dir))?;
    let mut files = Vec::new();
    for number in listing.numbers {
        files.push(SegmentFile::read(dir, number)?);
    }
    let log_id = log_id(workspace, registered, &mark, &files);
    files.iter_mut().for_each(|file| file.identify(workspace, log_id));
    let mut check = LogCheck {
        workspace: workspace.clone(),
        dir: dir.to_owned(),
        log_id,
        registered,
        is_marked: matches!(lookup, Lookup::Marked(_)),
        is_looked_up: lookup != Lookup::Unknown,
        other: None,
        mark,
        end,
        segments: Vec::new(),
        leftovers: listing.drafts,
        strays: Vec::new(),
        moved: listing.moved,
        in_repair: listing.in_repair,
        damages: Vec::new(),
    };
    check.check_repair();
    check.check_mark();
    check.check_end_mark();
    check.check_names(listing.misnamed);
    check.check_segments(files)?;
    if check.is_another_log()? {
        return Ok(check);
    }
    check.check_registry();
    check.check_end();
    Ok(check)
}

fn log_id(workspace: &WorkspaceId, registered: Option<Registered>, mark: &StoredMark, files: &[SegmentFile]) -> u64 {
    // Nothing names the log if neither the database nor a file of it does.
    registered.map(|registered| registered.log_id).or_else(|| voted(workspace, mark, files)).unwrap_or(0)
}

/// The number of the log that the files in a directory name. `None` if no file names one.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn named_by_files(dir: &Path, workspace: &WorkspaceId) -> io::Result<Option<u64>> {
    let mark = StoredMark::load(&mark_path(dir))?;
    let numbers = Listing::of(dir)?.numbers;
    let files = numbers.into_iter().map(|number| SegmentFile::read(dir, number)).collect::<io::Result<Vec<_>>>()?;
    Ok(voted(workspace, &mark, &files))
}

fn voted(workspace: &WorkspaceId, mark: &StoredMark, files: &[SegmentFile]) -> Option<u64> {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for (header, _) in files.iter().filter_map(|file| file.header.as_ref()) {
        if header.workspace == workspace.as_str() {
            *votes.entry(header.log_id).or_default() += 1;
        }
    }
    let of_most = votes.into_iter().max_by_key(|(_, count)| *count).map(|(id, _)| id);
    // Without a whole header, the mark is all that names the log.
    of_most.or(mark.valid().map(|mark| mark.log_id))
}

impl LogCheck {
    fn damage(&mut self, path: &Path, offset: Option<u64>, what: impl Into<String>) -> &mut Damage {
        let damage = Damage { path: path.to_owned(), offset, what: what.into(), missing: None, frames_behind: 0 };
        self.damages.push(damage);
        let last = self.damages.len() - 1;
        &mut self.damages[last]
    }

    fn check_repair(&mut self) {
        for path in self.moved.clone() {
            self.damage(&path, None, "a repair has moved this segment and did not end");
        }
        if self.in_repair {
            let path = self.dir.join(PROGRESS);
            self.damage(&path, None, NOT_ENDED);
        }
    }

    fn check_mark(&mut self) {
        let path = self.dir.join(MARK);
        let what = match &self.mark {
            StoredMark::Valid(mark) if mark.log_id == self.log_id => return,
            StoredMark::Valid(_) => "it belongs to another log".to_owned(),
            StoredMark::Invalid => {
                "neither of its two records is valid, so it is unknown where the log ends".to_owned()
            }
            StoredMark::Missing => "it is missing, so it is unknown where the log ends".to_owned(),
            StoredMark::Unreadable(error) => {
                format!("it cannot be read ({error}), so it is unknown where the log ends")
            }
        };
        if self.registered.is_some() || !matches!(self.mark, StoredMark::Missing) {
            self.damage(&path, None, what);
        }
    }

    /// The second mark alone proves nothing about the log, but without it an older copy of the log
    /// is not noticed.
    fn check_end_mark(&mut self) {
        let lost = "so it is unknown whether the log is an older copy";
        let what = match &self.end {
            StoredMark::Valid(mark) if mark.log_id == self.log_id => return,
            StoredMark::Valid(_) => format!("it belongs to another log, {lost}"),
            StoredMark::Invalid => format!("neither of its two records is valid, {lost}"),
            StoredMark::Missing => format!("it is missing, {lost}"),
            StoredMark::Unreadable(error) => format!("it cannot be read ({error}), {lost}"),
        };
        if self.registered.is_some() {
            let path = end_path(&self.dir);
            self.damage(&path, None, what);
        }
    }

    /// Names files that have the extension of segments and no segment's name.
    fn check_names(&mut self, misnamed: Vec<PathBuf>) {
        for path in misnamed {
            let content = match read_header(&path) {
                Ok(Some((header, _))) if header.belongs(&self.workspace, self.log_id, header.number) => {
                    format!("The file is segment {} of this log", header.number)
                }
                Ok(Some((header, _))) => {
                    format!("The file is segment {} of a log of workspace {}", header.number, header.workspace)
                }
                Ok(None) | Err(_) => "The file has no valid header".to_owned(),
            };
            self.damage(&path, None, format!("no segment has this name; names have 20 digits. {content}"));
            self.strays.push(path);
        }
    }

    /// Whether nothing here is of the log that the database knows, and all of another one.
    fn is_another_log(&mut self) -> io::Result<bool> {
        if self.registered.is_none() || self.in_repair || self.has_content() {
            return Ok(false);
        }
        let foreign: Vec<_> = self.segments.iter().filter_map(|segment| segment.file.foreign.as_ref()).collect();
        let Some(first) = foreign.first() else { return Ok(false) };
        if foreign.len() < self.segments.len() || foreign.iter().any(|header| header.log_id != first.log_id) {
            return Ok(false);
        }
        let (name, log_id) = (first.workspace.clone(), first.log_id);
        let Ok(workspace) = WorkspaceId::new(&name) else { return Ok(false) };
        let other = Registered::of(log_id);
        let found = check(&self.dir, &workspace, Lookup::Found(other))?;
        let scans: Vec<_> = found.segments.iter().filter_map(|segment| segment.scan.as_ref()).collect();
        let other =
            Other { workspace: name, segments: scans.len(), events: scans.iter().map(|s| s.content.events).sum() };
        let of = if other.workspace == self.workspace.as_str() {
            String::new()
        } else {
            format!(" of workspace {}", other.workspace)
        };
        let source = if self.is_marked { end_path(&self.dir).display().to_string() } else { "the database".to_owned() };
        let what = format!(
            "{source} has the record of another log of this workspace. Another log{of} is here, with {} events in {} \
             segments",
            other.events, other.segments
        );
        self.other = Some(other);
        self.damages.clear();
        let (dir, lost) = (self.dir.clone(), open_end(1, self.known_outside()));
        self.damage(&dir, None, what).missing = Some(lost);
        Ok(true)
    }

    fn check_registry(&mut self) {
        if self.registered.is_none() && !self.is_unfinished() {
            let dir = self.dir.clone();
            if self.is_looked_up {
                self.damage(&dir, None, "the database has no record of this log");
            }
            if self.mark == StoredMark::Missing {
                let path = self.dir.join(MARK);
                self.damage(&path, None, "it is missing, so it is unknown where the log ends");
            }
        }
    }

    /// Says so if events behind the end may be lost that neither a segment nor the mark knows.
    fn check_end(&mut self) {
        if self.ends_for_certain() || self.is_unfinished() {
            return;
        }
        let next = self.known_next();
        let known = self.known_outside();
        let lacks_epoch = self.damages.is_empty() && !self.has_last_epoch();
        if self.damages.is_empty() && known <= next && !lacks_epoch {
            return;
        }
        let path = self.segments.last().map_or_else(|| self.dir.clone(), |last| last.file.path.clone());
        let copied = "If an older copy of the log was put here, put back the newer one";
        let what = if self.registered.is_some_and(|registered| registered.next > next) {
            format!("the log ends earlier than the database knows. {copied}")
        } else if known > next {
            format!("the log ends earlier than {} says. {copied}", end_path(&self.dir).display())
        } else if lacks_epoch {
            format!("the log lacks its last opening, which the database knows. {copied}")
        } else {
            "later events may have been acknowledged".to_owned()
        };
        self.damage(&path, None, what).missing = Some(open_end(next, known));
    }
}

/// The events from `first` on, of which those before `known` are known to have been there.
pub(super) fn open_end(first: Seq, known: Seq) -> Missing {
    let last = (known > first).then(|| known - 1);
    Missing { first, last, is_open: true, or_removed: false, after_ms: None, before_ms: None }
}
