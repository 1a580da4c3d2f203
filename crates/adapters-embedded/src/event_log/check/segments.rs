//! Checking the segments of a log one after the other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::super::damage::Missing;
use super::super::files::{Salvaged, Source};
use super::super::frame::Seed;
use super::super::header::SegmentHeader;
use super::super::mark::StoredMark;
use super::super::scan::{Limit, Region, SegmentScan, Start, scan};
use super::listing::{Bounds, SegmentFile};
use super::{Checked, LogCheck};
use earcon_model::Seq;

/// A sequence number and a commit time, as far as they are known.
type Position = (Option<Seq>, Option<i64>);

impl LogCheck {
    pub(super) fn check_segments(&mut self, files: Vec<SegmentFile>) -> io::Result<()> {
        if files.is_empty() && self.mark == StoredMark::Missing {
            return Ok(());
        }
        let Some(Bounds { first, last }) = Bounds::of(&files, self.own_mark(), self.log_id)? else { return Ok(()) };
        let mut files: BTreeMap<u64, SegmentFile> = files.into_iter().map(|file| (file.number, file)).collect();
        self.set_apart(&mut files, first, last)?;
        let mut at: Position = (self.own_mark().map(|mark| mark.first), None);
        let mut number = first;
        loop {
            let file = files.remove(&number);
            let through = match (&file, files.keys().next()) {
                (Some(_), _) => number,
                (None, Some(following)) => following - 1,
                (None, None) => last,
            };
            let following = files.get(&through.saturating_add(1)).and_then(|file| file.header.as_ref());
            let following = following.map(|(header, _)| header.clone());
            at = match file {
                Some(file) => self.check_segment(file, at, following.as_ref(), number == last)?,
                None => self.check_run(number, through, at, self.goal(following.as_ref(), through == last)),
            };
            match through.checked_add(1).filter(|next| *next <= last) {
                Some(next) => number = next,
                None => return Ok(()),
            }
        }
    }

    /// Removes files that are no segments of the log.
    fn set_apart(&mut self, files: &mut BTreeMap<u64, SegmentFile>, first: u64, last: u64) -> io::Result<()> {
        let outside: Vec<u64> = files.keys().copied().filter(|number| *number < first || *number > last).collect();
        let has_mark = self.own_mark().is_some();
        for number in outside {
            let Some(file) = files.remove(&number) else { continue };
            if number < first && has_mark && file.is_rest_of_trim(self.log_id)? {
                self.leftovers.push(file.path);
                continue;
            }
            let what = match &file.foreign {
                Some(header) if header.belongs(&self.workspace, self.log_id, header.number) => {
                    format!("no segment of this log has this name. The file is segment {} of it", header.number)
                }
                _ => "no segment of this log has this name, and nothing in the file is of it".to_owned(),
            };
            self.damage(&file.path, None, what);
            self.strays.push(file.path);
        }
        Ok(())
    }

    /// Where the segment before `following` ends.
    fn goal(&self, following: Option<&SegmentHeader>, is_last: bool) -> Position {
        match following {
            Some(header) => (Some(header.first), Some(header.time_ms)),
            None if is_last => self.own_mark().map_or((None, None), |mark| (Some(mark.next), Some(mark.time_ms))),
            None => (None, None),
        }
    }

    /// The offset up to which the mark says that a segment is durable.
    fn durable_in(&self, number: u64) -> u64 {
        self.own_mark().filter(|mark| mark.segment == number).map_or(0, |mark| mark.offset)
    }

    /// Segments whose files are missing: one damage for all of them.
    fn check_run(&mut self, number: u64, through: u64, at: Position, goal: Position) -> Position {
        let file = SegmentFile::missing(&self.dir, number);
        let what = match through - number {
            0 => "the file is missing".to_owned(),
            more => format!("the file is missing, and those of the {more} segments behind it"),
        };
        self.lost(&file.path, &what, at, goal);
        self.segments.push(Checked { file, through, scan: None });
        (goal.0.or(at.0), goal.1.or(at.1))
    }

    /// Checks one segment. `at` is the sequence number and the time before it. Returns those at its
    /// end.
    fn check_segment(
        &mut self,
        file: SegmentFile,
        at: Position,
        following: Option<&SegmentHeader>,
        is_last: bool,
    ) -> io::Result<Position> {
        let (number, goal) = (file.number, self.goal(following, is_last));
        let path = file.path.clone();
        if let Some(error) = &file.unreadable {
            self.lost(&path, &format!("it cannot be read: {error}"), at, goal);
            self.segments.push(Checked { file, through: number, scan: None });
            return Ok((goal.0.or(at.0), goal.1.or(at.1)));
        }
        let opened = File::open(&path)?;
        let source = Salvaged::new(&opened);
        let start = match &file.header {
            Some((header, length)) => Start { offset: *length, seq: header.first, time_ms: header.time_ms },
            None => Start { offset: 0, seq: at.0.unwrap_or(1), time_ms: at.1.unwrap_or(i64::MIN) },
        };
        let limit = match following.and_then(|header| header.previous) {
            Some(previous) => Limit::Exact(previous.length),
            None => Limit::Open { at_least: self.durable_in(number) },
        };
        if let (None, Some((header, _)), 2..) = (at.0, &file.header, number) {
            self.unknown_beginning(&path, header);
        }
        if let Some(before) = at.0.filter(|before| *before < start.seq && file.header.is_some()) {
            let what = format!("the segment begins at sequence number {}, not at {before}", start.seq);
            self.lost(&path, &what, at, (Some(start.seq), Some(start.time_ms)));
        }
        let scan = scan(&source, Seed::new(self.log_id, number), start, limit)?;
        self.report(&file, &scan, &source, goal)?;
        let end = (Some(goal.0.unwrap_or(0).max(scan.next)), Some(scan.time_ms));
        let whole = file.header.is_some() || scan.content.frames > 0;
        self.segments.push(Checked { file, through: number, scan: whole.then_some(scan) });
        Ok(end)
    }

    /// Names the events before a segment that is the first one found, without a mark that says
    /// where the log begins.
    fn unknown_beginning(&mut self, path: &Path, header: &SegmentHeader) {
        let missing = missing(Some(1), Some(header.first), None, Some(header.time_ms));
        if let Some(missing) = missing.map(|missing| Missing { or_removed: true, ..missing }) {
            let what = "the log begins here, and the mark that names its first event is lost";
            self.damage(path, None, what).missing = Some(missing);
        }
    }

    /// A segment of which nothing is left.
    fn lost(&mut self, path: &Path, what: &str, at: Position, goal: Position) {
        let missing = missing(at.0, goal.0, at.1, goal.1);
        self.damage(path, None, what).missing = missing;
    }

    fn report<S: Source>(
        &mut self,
        file: &SegmentFile,
        scan: &SegmentScan,
        source: &Salvaged<'_, S>,
        goal: Position,
    ) -> io::Result<()> {
        let path: &PathBuf = &file.path;
        let size = source.size()?;
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
            } else if source.lacks(region.start, region.end) {
                format!("bytes of the next {} cannot be read from the disk", region.end - region.start)
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
        Ok(())
    }
}

fn region_missing(region: &Region, goal: Position) -> Option<Missing> {
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
    let (after_ms, before_ms) = (known(from_ms), known(to_ms));
    let (last, is_open, or_removed) = (to.checked_sub(1), false, false);
    (from < to).then_some(Missing { first: from, last, is_open, or_removed, after_ms, before_ms })
}
