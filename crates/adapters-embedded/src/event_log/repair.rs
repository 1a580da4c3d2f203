//! Repairing a log: all whole frames stay where they are, and gap frames take the place of the
//! damaged bytes. No event gets another sequence number.
//!
//! A gap frame fills exactly the bytes that are damaged, so segments that are whole do not change.
//! The originals of all files that change are kept in the folder `damaged`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{Checked, LogCheck, Registered, check, segment_path};
use super::damage::{Damage, Missing, Utc};
use super::files::{self, write_all_at, write_failure};
use super::frame::{self, HEADER, Seed};
use super::header::{EpochEntry, Previous, SegmentHeader};
use super::log::Log;
use super::mark::{MARK, Mark};
use super::registry::register;
use super::writer::{Faults, SegmentLimits};
use crate::database::Database;
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};

/// The folder for the originals of damaged files.
const DAMAGED: &str = "damaged";

/// What a repair of one log did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The damages that were found.
    pub damages: Vec<Damage>,
    /// The events that are lost.
    pub missing: Vec<Missing>,
    /// The file that records it.
    pub record: PathBuf,
}

/// What the repair of one log needs.
pub(crate) struct RepairContext<'a> {
    pub(crate) database: &'a Database,
    pub(crate) limits: SegmentLimits,
    pub(crate) now_ms: i64,
}

impl RepairContext<'_> {
    /// Repairs a damaged log and begins a new epoch in it.
    pub(crate) fn repair(&self, found: LogCheck) -> Result<Repaired, PortError> {
        let (dir, workspace, log_id) = (found.dir.clone(), found.workspace.clone(), found.log_id);
        let damages = found.damages.clone();
        let failed = |error| write_failure(&dir, error);
        self.put_in_place(&found).map_err(failed)?;
        let registered = Some(Registered { log_id });
        let found = check(&dir, &workspace, registered).map_err(failed)?;
        let missing: Vec<Missing> = found.damages.iter().filter_map(|damage| damage.missing).collect();
        self.fill_gaps(&found).map_err(failed)?;
        register(self.database, &workspace, log_id)?;
        let after = check(&dir, &workspace, registered).map_err(failed)?;
        if let Some(left) = after.damages.first() {
            return Err(PortError::new(ErrorKind::Corrupt, format!("the repair is not complete: {left}")));
        }
        let record = self.record(&dir, &damages, &missing)?;
        self.begin(after)?;
        Ok(Repaired { workspace, damages, missing, record })
    }

    /// Creates the log again whose directory vanished. It goes on behind the events that history
    /// has seen.
    pub(crate) fn create(
        &self,
        workspace: &WorkspaceId,
        damages: Vec<Damage>,
        first: Seq,
    ) -> Result<Repaired, PortError> {
        let dir = self.database.log_dir().join(workspace.as_str());
        let log_id = uuid::Uuid::new_v4().as_u64_pair().0;
        let log = Log::create(&dir, workspace, (log_id, first), self.limits, Arc::default())?;
        register(self.database, workspace, log_id)?;
        log.begin_epoch(&uuid::Uuid::new_v4().to_string())?;
        log.sync_mark()?;
        let all = Missing { first: 1, last: first - 1, after_ms: None, before_ms: None };
        let missing: Vec<Missing> = (first > 1).then_some(all).into_iter().collect();
        let record = self.record(&dir, &damages, &missing)?;
        Ok(Repaired { workspace: workspace.clone(), damages, missing, record })
    }

    fn begin(&self, check: LogCheck) -> Result<(), PortError> {
        let dir = check.dir.clone();
        let log =
            Log::load(check, self.limits, Arc::<Faults>::default()).map_err(|error| write_failure(&dir, error))?;
        log.begin_epoch(&uuid::Uuid::new_v4().to_string())?;
        log.sync_mark()
    }

    /// Gives segments of this log their own names back, and moves foreign files away.
    fn put_in_place(&self, found: &LogCheck) -> io::Result<()> {
        let mut moved = Vec::new();
        for segment in &found.segments {
            let Some(header) = &segment.file.foreign else { continue };
            if header.belongs(&found.workspace, found.log_id, header.number) {
                let aside = segment.file.path.with_extension("moved");
                std::fs::rename(&segment.file.path, &aside)?;
                moved.push((aside, segment_path(&found.dir, header.number)));
            } else {
                let target = self.kept(&found.dir, &segment.file.path)?;
                std::fs::rename(&segment.file.path, target)?;
            }
        }
        for (aside, target) in moved {
            let target = if target.exists() { self.kept(&found.dir, &target)? } else { target };
            std::fs::rename(aside, target)?;
        }
        files::sync_dir(&found.dir)
    }

    /// A path in the folder of damaged files.
    fn kept(&self, dir: &Path, path: &Path) -> io::Result<PathBuf> {
        let folder = dir.join(DAMAGED);
        files::create_dir(&folder)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let mut target = folder.join(format!("{name}-{}", self.now_ms));
        while target.exists() {
            target.as_mut_os_string().push("-");
        }
        Ok(target)
    }

    /// Copies a file that the repair changes.
    fn keep(&self, dir: &Path, path: &Path) -> io::Result<()> {
        if path.exists() {
            let target = self.kept(dir, path)?;
            std::fs::copy(path, &target)?;
            File::open(&target)?.sync_all()?;
        }
        Ok(())
    }

    /// Writes gap frames and headers where there is damage, and the mark at the end.
    fn fill_gaps(&self, found: &LogCheck) -> io::Result<()> {
        for segment in &found.segments {
            if found.damages.iter().any(|damage| damage.path == segment.file.path) {
                self.keep(&found.dir, &segment.file.path)?;
            }
        }
        self.keep(&found.dir, &found.dir.join(MARK))?;
        let own_mark = found.mark.valid().filter(|mark| mark.log_id == found.log_id);
        let mut filler = Filler {
            found,
            next: own_mark.map_or(1, |mark| mark.first),
            time_ms: i64::MIN,
            previous: None,
            epochs: Vec::new(),
        };
        let mut first = None;
        for (at, segment) in found.segments.iter().enumerate() {
            let goal = match found.segments.get(at + 1) {
                Some(following) => following.file.header.as_ref().map(|(header, _)| header.clone()),
                None => None,
            };
            let is_last = at + 1 == found.segments.len();
            let end = goal.as_ref().map(|header| header.first).or(own_mark.filter(|_| is_last).map(|mark| mark.next));
            let length = goal.and_then(|header| header.previous).map(|previous| previous.length);
            let begins = filler.fill(segment, end, length)?;
            first.get_or_insert((segment.file.number, begins));
        }
        let Some((first, previous)) = first.zip(filler.previous) else {
            return Err(io::Error::other("there is no segment to keep"));
        };
        let mark = Mark {
            counter: own_mark.map_or(0, |mark| mark.counter + 1),
            log_id: found.log_id,
            first_segment: first.0,
            first: first.1,
            segment: previous.number,
            offset: previous.length,
            next: filler.next,
            time_ms: filler.time_ms,
            epoch: filler.epochs.last().map_or_else(String::new, |entry| entry.epoch.clone()),
        };
        mark.create(&found.dir).map(|_| ())
    }

    fn record(&self, dir: &Path, damages: &[Damage], missing: &[Missing]) -> Result<PathBuf, PortError> {
        let mut text = format!("Repaired at {}.\n\nDamages found:\n", Utc(self.now_ms));
        damages.iter().for_each(|damage| text += &format!("  {damage}\n"));
        text += "\nEvents that are lost:\n";
        missing.iter().for_each(|missing| text += &format!("  {missing}\n"));
        if missing.is_empty() {
            text += "  none that are known\n";
        }
        text += "\nThe original files are in the folder \"damaged\".\n";
        let mut path = dir.join(format!("REPAIRED-{}.txt", Utc(self.now_ms).to_string().replace(':', "")));
        while path.exists() {
            path.set_extension("again.txt");
        }
        files::create_whole(&path, text.as_bytes()).map_err(|error| write_failure(&path, error))?;
        Ok(path)
    }
}

/// Goes over the segments in order and completes each.
struct Filler<'a> {
    found: &'a LogCheck,
    next: Seq,
    time_ms: i64,
    previous: Option<Previous>,
    epochs: Vec<EpochEntry>,
}

impl Filler<'_> {
    /// Completes a segment that ends before event `goal`, and has `length` bytes if the next one
    /// says so. Returns the first event of the segment.
    fn fill(&mut self, segment: &Checked, goal: Option<Seq>, length: Option<u64>) -> io::Result<Seq> {
        let number = segment.file.number;
        let first = segment.file.header.as_ref().map_or(self.next, |(header, _)| header.first);
        let end = match (&segment.file.header, &segment.scan) {
            (Some((header, _)), Some(scan)) => {
                self.next = header.first;
                self.learn(&header.epochs);
                let (regions, scan) = (&scan.regions[..], scan);
                self.fill_regions(segment, regions, scan.next.max(goal.unwrap_or(0)), goal)?;
                self.learn(&scan.epochs);
                self.time_ms = self.time_ms.max(scan.time_ms);
                scan.end
            }
            (None, Some(scan)) if scan.content.frames > 0 => {
                let (head, rest) = scan.regions.split_at(1.min(scan.regions.len()));
                let Some(region) = head.first() else { return Err(io::Error::other("a segment begins too early")) };
                let after = region.after.unwrap_or(self.next);
                self.write_beginning(&segment.file.path, number, region.end, after)?;
                self.fill_regions(segment, rest, scan.next.max(goal.unwrap_or(0)), goal)?;
                self.learn(&scan.epochs);
                self.time_ms = self.time_ms.max(scan.time_ms);
                scan.end
            }
            _ => self.write_whole(&segment.file.path, number, goal.unwrap_or(self.next), length)?,
        };
        self.previous = Some(Previous { number, length: end });
        Ok(first)
    }

    fn learn(&mut self, epochs: &[EpochEntry]) {
        for entry in epochs {
            if !self.epochs.iter().any(|known| known.epoch == entry.epoch) {
                self.epochs.push(entry.clone());
            }
        }
    }

    fn fill_regions(
        &mut self,
        segment: &Checked,
        regions: &[super::scan::Region],
        end: Seq,
        goal: Option<Seq>,
    ) -> io::Result<()> {
        self.next = end;
        if regions.is_empty() {
            return Ok(());
        }
        let seed = Seed::new(self.found.log_id, segment.file.number);
        let file = File::options().write(true).open(&segment.file.path)?;
        for region in regions {
            let bytes = usize::try_from(region.end - region.start).map_err(io::Error::other)?;
            if bytes < HEADER {
                return Err(io::Error::other("a damaged region is too short for a gap"));
            }
            let after = region.after.or(goal).unwrap_or(region.before).max(region.before);
            let times = (region.before_ms, region.after_ms.unwrap_or(region.before_ms));
            let gap = frame::gap(seed, region.start, bytes, (region.before, after), times);
            write_all_at(&file, &gap, region.start)?;
            if region.after.is_none() {
                self.next = self.next.max(after);
            }
        }
        file.sync_all()
    }

    fn header(&self, number: u64) -> SegmentHeader {
        SegmentHeader {
            workspace: self.found.workspace.as_str().to_owned(),
            log_id: self.found.log_id,
            number,
            first: self.next,
            time_ms: self.time_ms,
            previous: self.previous,
            epochs: self.epochs.clone(),
        }
    }

    /// The header and, if events are lost, a gap frame, in exactly `length` bytes.
    fn beginning(&self, number: u64, length: usize, after: Seq, with_gap: bool) -> io::Result<Vec<u8>> {
        let mut header = self.header(number);
        let mut bytes = loop {
            match header.encode_into(length, with_gap) {
                Some(bytes) => break bytes,
                // The oldest epochs matter least.
                None if !header.epochs.is_empty() => drop(header.epochs.remove(0)),
                None => return Err(io::Error::other("there is no room for the header of a segment")),
            }
        };
        if with_gap {
            let (seed, offset) = (Seed::new(self.found.log_id, number), bytes.len());
            let times = (self.time_ms, self.time_ms);
            bytes.extend(frame::gap(seed, offset as u64, length - offset, (self.next, after), times));
        }
        Ok(bytes)
    }

    fn write_beginning(&self, path: &Path, number: u64, length: u64, after: Seq) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let too_long = length > super::header::MAX_HEADER;
        let bytes = self.beginning(number, length, after, after > self.next || too_long)?;
        let file = File::options().write(true).open(path)?;
        write_all_at(&file, &bytes, 0)?;
        file.sync_all()
    }

    /// Writes a segment of which nothing is left.
    fn write_whole(&mut self, path: &Path, number: u64, goal: Seq, length: Option<u64>) -> io::Result<u64> {
        let least = self.header(number).encode().map_err(io::Error::other)?.len() as u64;
        let length = length.unwrap_or(least + HEADER as u64);
        let size = usize::try_from(length).map_err(io::Error::other)?;
        let bytes = self.beginning(number, size, goal.max(self.next), true)?;
        files::create_whole(path, &bytes)?;
        self.next = self.next.max(goal);
        Ok(length)
    }
}
