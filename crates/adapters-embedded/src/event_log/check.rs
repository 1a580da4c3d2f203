//! Checking the whole log of a workspace, without changing it.
//!
//! The same check runs at every start and in the doctor. A start refuses a log with damage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::damage::{Damage, Missing};
use super::files::{DRAFT, Source};
use super::frame::Seed;
use super::header::{EpochEntry, MAX_HEADER, SegmentHeader};
use super::mark::{MARK, Mark, StoredMark};
use super::scan::{Limit, Region, SegmentScan, Start, scan};
use earcon_model::{Seq, WorkspaceId};

/// Extension of segment files.
const SEGMENT: &str = "seg";

/// The path of a segment.
pub(super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.{SEGMENT}"))
}

/// A segment's file.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// `None` if it is not valid, or not that of this segment.
    pub(super) header: Option<(SegmentHeader, u64)>,
    /// A valid header of another segment or log.
    pub(super) foreign: Option<SegmentHeader>,
}

/// A segment and its frames. Without a file or frames there is no scan.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: SegmentFile,
    pub(super) scan: Option<SegmentScan>,
}

/// The record of a log in the database, outside its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) log_id: u64,
}

/// The state of a log's directory.
#[derive(Debug)]
pub(crate) struct LogCheck {
    pub(super) workspace: WorkspaceId,
    pub(super) dir: PathBuf,
    pub(super) log_id: u64,
    pub(super) registered: bool,
    pub(super) mark: StoredMark,
    /// By number, the oldest first. Numbers without a file are among them.
    pub(super) segments: Vec<Checked>,
    /// Files of segments that a trim had removed from the log, and incomplete files.
    pub(super) leftovers: Vec<PathBuf>,
    pub(super) damages: Vec<Damage>,
}

impl LogCheck {
    /// Whether the directory holds a log that was never finished being created.
    pub(super) fn is_unfinished(&self) -> bool {
        let written = self
            .segments
            .iter()
            .any(|segment| segment.file.number > 1 || segment.scan.as_ref().is_none_or(|scan| scan.content.frames > 0));
        !self.registered && !written && self.mark.valid().is_none_or(|mark| mark.next == 1)
    }

    /// The sequence number after the last whole frame.
    pub(super) fn next(&self) -> Option<Seq> {
        self.segments.iter().rev().find_map(|segment| segment.scan.as_ref()).map(|scan| scan.next)
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
}

/// Checks every byte of a log.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(dir: &Path, workspace: &WorkspaceId, registered: Option<Registered>) -> io::Result<LogCheck> {
    let (numbers, mut leftovers) = list(dir)?;
    let mark = StoredMark::load(dir)?;
    let mut files = Vec::new();
    for number in numbers {
        files.push(read_header(dir, number)?);
    }
    let log_id = log_id(workspace, registered, &mark, &files);
    for file in &mut files {
        identify(file, workspace, log_id);
    }
    let mark_here = mark.valid().filter(|mark| mark.log_id == log_id);
    let first = mark_here.map_or_else(|| files.first().map_or(1, |file| file.number), |mark| mark.first_segment);
    let last = files.last().map_or(first, |file| file.number).max(mark_here.map_or(first, |mark| mark.segment));
    let (old, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.number < first);
    leftovers.extend(old.into_iter().map(|file| file.path));
    let mut check = LogCheck {
        workspace: workspace.clone(),
        dir: dir.to_owned(),
        log_id,
        registered: registered.is_some(),
        mark,
        segments: Vec::new(),
        leftovers,
        damages: Vec::new(),
    };
    check.check_mark(registered);
    let empty = files.is_empty() && check.mark == StoredMark::Missing;
    if !empty {
        check.check_segments(files, first, last)?;
    }
    check.check_registry();
    Ok(check)
}

/// The segment files by number, and the drafts.
fn list(dir: &Path) -> io::Result<(Vec<u64>, Vec<PathBuf>)> {
    let (mut numbers, mut drafts) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|text| text.to_str());
        if extension == Some(DRAFT) {
            drafts.push(path);
        } else if extension == Some(SEGMENT)
            && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
            && path == segment_path(dir, number)
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok((numbers, drafts))
}

/// Reads what the file says about itself. [`identify`] decides whether that is right.
fn read_header(dir: &Path, number: u64) -> io::Result<SegmentFile> {
    let path = segment_path(dir, number);
    let file = File::open(&path)?;
    let mut bytes = vec![0; 4_096];
    let count = file.read_at(&mut bytes, 0)?;
    bytes.truncate(count);
    if let Some(length) = SegmentHeader::length(&bytes).filter(|length| *length > count && *length <= MAX_HEADER) {
        bytes.resize(length, 0);
        let count = file.read_at(&mut bytes, 0)?;
        bytes.truncate(count);
    }
    Ok(SegmentFile { number, path, header: SegmentHeader::decode(&bytes), foreign: None })
}

fn log_id(workspace: &WorkspaceId, registered: Option<Registered>, mark: &StoredMark, files: &[SegmentFile]) -> u64 {
    if let Some(registered) = registered {
        return registered.log_id;
    }
    if let Some(mark) = mark.valid() {
        return mark.log_id;
    }
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for (header, _) in files.iter().filter_map(|file| file.header.as_ref()) {
        if header.workspace == workspace.as_str() {
            *votes.entry(header.log_id).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(id, _)| id)
}

fn identify(file: &mut SegmentFile, workspace: &WorkspaceId, log_id: u64) {
    let belongs = |header: &SegmentHeader| header.belongs(workspace, log_id, file.number);
    if file.header.as_ref().is_some_and(|(header, _)| !belongs(header)) {
        file.foreign = file.header.take().map(|(header, _)| header);
    }
}

impl LogCheck {
    fn damage(&mut self, path: &Path, offset: Option<u64>, what: impl Into<String>) -> &mut Damage {
        let damage = Damage { path: path.to_owned(), offset, what: what.into(), missing: None, frames_behind: 0 };
        self.damages.push(damage);
        let last = self.damages.len() - 1;
        &mut self.damages[last]
    }

    fn check_mark(&mut self, registered: Option<Registered>) {
        let path = self.dir.join(MARK);
        let what = match &self.mark {
            StoredMark::Valid(mark) if mark.log_id == self.log_id => return,
            StoredMark::Valid(_) => "it belongs to another log",
            StoredMark::Invalid => "neither of its two records is valid, so it is unknown where the log ends",
            StoredMark::Missing => "it is missing, so it is unknown where the log ends",
        };
        if registered.is_some() || !matches!(self.mark, StoredMark::Missing) {
            self.damage(&path, None, what);
        }
    }

    fn own_mark(&self) -> Option<&Mark> {
        self.mark.valid().filter(|mark| mark.log_id == self.log_id)
    }

    fn check_registry(&mut self) {
        if !self.registered && !self.is_unfinished() {
            let dir = self.dir.clone();
            self.damage(&dir, None, "the database does not know this log: the database is not the one it was");
            if self.mark == StoredMark::Missing {
                let path = self.dir.join(MARK);
                self.damage(&path, None, "it is missing, so it is unknown where the log ends");
            }
        }
    }

    fn check_segments(&mut self, files: Vec<SegmentFile>, first: u64, last: u64) -> io::Result<()> {
        let mut files: BTreeMap<u64, SegmentFile> = files.into_iter().map(|file| (file.number, file)).collect();
        let (mark_next, mark_time) = self.own_mark().map_or((None, None), |m| (Some(m.next), Some(m.time_ms)));
        let oldest = self.own_mark().map(|mark| mark.first);
        let mut at = (oldest, None);
        for number in first..=last {
            let following = files.get(&(number + 1)).and_then(|file| file.header.as_ref()).map(|(header, _)| header);
            let limit = match following.and_then(|header| header.previous) {
                Some(previous) => Limit::Exact(previous.length),
                None => Limit::Open { at_least: self.durable_in(number) },
            };
            let goal = match following {
                Some(header) => (Some(header.first), Some(header.time_ms)),
                None if number == last => (mark_next, mark_time),
                None => (None, None),
            };
            let file = files.remove(&number);
            at = self.check_segment(number, file, at, limit, goal)?;
        }
        Ok(())
    }

    /// The offset up to which the mark says that a segment is durable.
    fn durable_in(&self, number: u64) -> u64 {
        self.own_mark().filter(|mark| mark.segment == number).map_or(0, |mark| mark.offset)
    }

    /// Checks one segment. `at` is the sequence number and the time before it, `goal` those after
    /// it, if they are known. Returns those at its end.
    fn check_segment(
        &mut self,
        number: u64,
        file: Option<SegmentFile>,
        at: (Option<Seq>, Option<i64>),
        limit: Limit,
        goal: (Option<Seq>, Option<i64>),
    ) -> io::Result<(Option<Seq>, Option<i64>)> {
        let path = segment_path(&self.dir, number);
        let Some(file) = file else {
            self.lost(&path, "the file is missing", at, goal);
            let file = SegmentFile { number, path, header: None, foreign: None };
            self.segments.push(Checked { file, scan: None });
            return Ok((goal.0.or(at.0), goal.1.or(at.1)));
        };
        let source = File::open(&path)?;
        let start = match &file.header {
            Some((header, length)) => Start { offset: *length, seq: header.first, time_ms: header.time_ms },
            None => Start { offset: 0, seq: at.0.unwrap_or(1), time_ms: at.1.unwrap_or(i64::MIN) },
        };
        if let Some(before) = at.0.filter(|before| *before < start.seq && file.header.is_some()) {
            let what = format!("the segment begins at sequence number {}, not at {before}", start.seq);
            self.lost(&path, &what, at, (Some(start.seq), Some(start.time_ms)));
        }
        let scan = scan(&source, Seed::new(self.log_id, number), start, limit)?;
        self.report(&file, &scan, source.size()?, goal);
        let end = (Some(goal.0.unwrap_or(0).max(scan.next)), Some(scan.time_ms));
        let whole = file.header.is_some() || scan.content.frames > 0;
        self.segments.push(Checked { file, scan: whole.then_some(scan) });
        Ok(end)
    }

    /// A segment of which nothing is left.
    fn lost(&mut self, path: &Path, what: &str, at: (Option<Seq>, Option<i64>), goal: (Option<Seq>, Option<i64>)) {
        let missing = missing(at.0, goal.0, at.1, goal.1);
        self.damage(path, None, what).missing = missing;
    }

    fn report(&mut self, file: &SegmentFile, scan: &SegmentScan, size: u64, goal: (Option<Seq>, Option<i64>)) {
        let path = &file.path;
        let mut regions = scan.regions.iter().copied();
        if file.header.is_none() {
            let what = match &file.foreign {
                Some(other) => format!("it is segment {} of another place or log ({})", other.number, other.workspace),
                None => "the header of the segment is not valid".into(),
            };
            // The header's bytes are the beginning of the first region.
            let region = regions.next();
            let missing = region.and_then(|region| region_missing(&region, goal));
            let damage = self.damage(path, Some(0), what);
            damage.missing = missing;
            damage.frames_behind = scan.content.frames;
        }
        for region in regions {
            let what = if region.start >= size {
                format!("the file ends here; it had {} bytes", region.end)
            } else if region.start == region.end {
                "sequence numbers are left out".into()
            } else {
                format!("{} bytes are no valid frames", region.end - region.start)
            };
            let damage = self.damage(path, Some(region.start), what);
            damage.missing = region_missing(&region, goal);
            damage.frames_behind = region.frames_behind;
        }
        let unexplained = scan.regions.last().is_none_or(|region| region.after.is_some());
        if let Some(goal_next) = goal.0.filter(|next| unexplained && *next > scan.next) {
            let damage = self.damage(path, Some(scan.end), "the end of the log is missing");
            damage.missing = missing(Some(scan.next), Some(goal_next), Some(scan.time_ms), goal.1);
        }
    }
}

fn region_missing(region: &Region, goal: (Option<Seq>, Option<i64>)) -> Option<Missing> {
    let (after, after_ms) = match region.after {
        Some(after) => (Some(after), region.after_ms),
        None => goal,
    };
    missing(Some(region.before), after, Some(region.before_ms), after_ms)
}

/// The sequence numbers from `from` up to, not including, `to`.
fn missing(from: Option<Seq>, to: Option<Seq>, from_ms: Option<i64>, to_ms: Option<i64>) -> Option<Missing> {
    let (from, to) = (from?, to?);
    let known = |time: Option<i64>| time.filter(|time| *time != i64::MIN);
    (from < to).then(|| Missing { first: from, last: to - 1, after_ms: known(from_ms), before_ms: known(to_ms) })
}
