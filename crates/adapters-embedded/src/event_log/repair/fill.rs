//! Completing segments: gap frames and headers in the place of damaged bytes.
//!
//! A segment is completed in a copy, which then replaces it. So each segment is as it was found, or
//! complete, at every moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::check::{Checked, LogCheck, segment_path};
use super::super::files::{self, Salvaged, Source, write_all_at};
use super::super::frame::{self, Frame, HEADER, Seed};
use super::super::header::{EpochEntry, MAX_HEADER, Previous, SegmentHeader};
use super::super::mark::{MARK, Mark, mark_path};
use super::super::scan::Region;
use super::aside::Aside;
use crate::repairs::steps::step;
use earcon_model::Seq;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// Completes all segments, and writes the mark of their end.
pub(super) fn fill(found: &LogCheck, aside: &Aside) -> io::Result<()> {
    let own_mark = found.own_mark();
    let mut filler = Filler {
        found,
        aside,
        next: own_mark.map_or(1, |mark| mark.first),
        time_ms: i64::MIN,
        previous: None,
        epochs: Vec::new(),
    };
    let mut first = None;
    for (at, segment) in found.segments.iter().enumerate() {
        let following = found.segments.get(at + 1);
        let goal = following.and_then(|following| following.file.header.as_ref()).map(|(header, _)| header);
        let marked = own_mark.filter(|_| following.is_none()).map(|mark| mark.next);
        let end = goal.map(|header| header.first).or(marked);
        let length = goal.and_then(|header| header.previous).map(|previous| previous.length);
        let end_ms =
            goal.map(|header| header.time_ms).or(own_mark.filter(|_| following.is_none()).map(|mark| mark.time_ms));
        let begins = filler.fill(segment, (end, end_ms), length)?;
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
        database: own_mark.and_then(|mark| mark.database),
    };
    if own_mark.is_none() {
        aside.keep(&found.dir.join(MARK))?;
    }
    step()?;
    mark.create(&mark_path(&found.dir)).map(|_| ())
}

/// A copy of a segment that is being completed.
struct Copy {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what can be read. Other pages become zeros.
    fn of(target: &Path) -> io::Result<Self> {
        step()?;
        let mut name = target.as_os_str().to_owned();
        name.push(".");
        name.push(files::DRAFT);
        let path = PathBuf::from(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let original = File::open(target)?;
        let source = Salvaged::new(&original);
        let size = source.size()?;
        file.set_len(size)?;
        let mut buffer = vec![0; CHUNK];
        for at in (0..size).step_by(CHUNK) {
            let count = source.read_at(&mut buffer, at)?;
            // Unused space stays unwritten.
            if buffer[..count].iter().any(|byte| *byte != 0) {
                write_all_at(&file, &buffer[..count], at)?;
            }
        }
        Ok(Self { file, path, target: target.to_owned() })
    }

    /// Puts the copy in the place of the segment, and keeps the original.
    fn replace(self, aside: &Aside) -> io::Result<()> {
        self.file.sync_all()?;
        aside.keep(&self.target)?;
        step()?;
        std::fs::rename(&self.path, &self.target)?;
        self.target.parent().map_or(Ok(()), files::sync_dir)
    }
}

/// The sequence number behind a segment and the commit time before it, as far as they are known.
type Goal = (Option<Seq>, Option<i64>);

/// Goes over the segments in order and completes each.
struct Filler<'a> {
    found: &'a LogCheck,
    aside: &'a Aside,
    next: Seq,
    time_ms: i64,
    previous: Option<Previous>,
    epochs: Vec<EpochEntry>,
}

impl Filler<'_> {
    /// Completes a segment that ends at `end`, as far as that is known, and has `length` bytes if
    /// the next one says so. Returns the first event of the segment.
    fn fill(&mut self, segment: &Checked, end: Goal, length: Option<u64>) -> io::Result<Seq> {
        let (goal, _) = end;
        let (path, number) = (&segment.file.path, segment.file.number);
        let (begins, length) = match (&segment.file.header, &segment.scan) {
            (Some((header, start)), Some(scan)) => {
                let is_behind = self.previous.is_some() && header.first > self.next;
                let begins = if is_behind { self.next } else { header.first };
                self.next = begins;
                self.learn(&header.epochs);
                if is_behind || !scan.regions.is_empty() {
                    let copy = Copy::of(path)?;
                    let mut regions = scan.regions.clone();
                    if is_behind {
                        self.begin_earlier(&copy, header, *start, &mut regions)?;
                    }
                    self.fill_regions(&copy, number, &regions, end)?;
                    copy.replace(self.aside)?;
                }
                (begins, scan.end)
            }
            (None, Some(scan)) if scan.content.frames > 0 => {
                let (head, rest) = scan.regions.split_at(1.min(scan.regions.len()));
                let Some(region) = head.first() else { return Err(io::Error::other("a segment begins too early")) };
                let begins = self.next;
                let copy = Copy::of(path)?;
                self.write_beginning(&copy, number, region)?;
                self.fill_regions(&copy, number, rest, end)?;
                copy.replace(self.aside)?;
                (begins, scan.end)
            }
            _ => {
                let begins = self.next;
                (begins, self.write_run(number, segment.through, end, length)?)
            }
        };
        if let Some(scan) = &segment.scan {
            self.learn(&scan.epochs);
            self.time_ms = self.time_ms.max(scan.time_ms);
            let is_open = scan.regions.last().is_some_and(|region| region.after.is_none());
            let filled = goal.filter(|_| is_open).unwrap_or(0);
            self.next = self.next.max(scan.next).max(filled);
        }
        self.previous = Some(Previous { number: segment.through, length });
        Ok(begins)
    }

    fn learn(&mut self, epochs: &[EpochEntry]) {
        for entry in epochs {
            if !self.epochs.iter().any(|known| known.epoch == entry.epoch) {
                self.epochs.push(entry.clone());
            }
        }
    }

    /// Makes a whole segment begin where the one before ends: the numbers in between are left out
    /// before its first frame.
    fn begin_earlier(
        &self,
        copy: &Copy,
        header: &SegmentHeader,
        start: u64,
        regions: &mut Vec<Region>,
    ) -> io::Result<()> {
        let length = usize::try_from(start).map_err(io::Error::other)?;
        let earlier = SegmentHeader { first: self.next, ..header.clone() };
        let bytes = earlier.encode_into(length, false).ok_or_else(|| io::Error::other("a header has no room"))?;
        write_all_at(&copy.file, &bytes, 0)?;
        match regions.first_mut() {
            Some(region) if region.start == start => region.before = self.next,
            _ if self.frame_at(copy, header.number, start)?.is_some() => regions.insert(
                0,
                Region {
                    start,
                    end: start,
                    before: self.next,
                    after: Some(header.first),
                    before_ms: self.time_ms,
                    after_ms: None,
                    frames_behind: 0,
                },
            ),
            // An empty segment. What follows leaves the numbers out.
            _ => {}
        }
        Ok(())
    }

    fn frame_at(&self, copy: &Copy, number: u64, offset: u64) -> io::Result<Option<Frame>> {
        let mut bytes = [0; HEADER];
        let count = copy.file.read_at(&mut bytes, offset)?;
        Ok(Frame::parse(&bytes[..count], Seed::new(self.found.log_id, number), offset))
    }

    fn fill_regions(&self, copy: &Copy, number: u64, regions: &[Region], (goal, goal_ms): Goal) -> io::Result<()> {
        let seed = Seed::new(self.found.log_id, number);
        for region in regions {
            let bytes = usize::try_from(region.end - region.start).map_err(io::Error::other)?;
            let after = region.after.or(goal).unwrap_or(region.before).max(region.before);
            if bytes == 0 {
                // There is no place for a gap frame, so the next frame says it.
                let frame = self.frame_at(copy, number, region.start)?;
                let left_out = u32::try_from(after - region.before).map_err(io::Error::other)?;
                let Some(frame) = frame else { return Err(io::Error::other("there is no frame behind a gap")) };
                let mut header = [0; HEADER];
                Frame { left_out, ..frame }.write(seed, region.start, &mut header);
                write_all_at(&copy.file, &header, region.start)?;
                continue;
            }
            if bytes < HEADER {
                return Err(io::Error::other("a damaged region is too short for a gap"));
            }
            let after_ms = if region.after.is_some() { region.after_ms } else { goal_ms };
            let times = (region.before_ms, after_ms.unwrap_or(region.before_ms));
            let gap = frame::gap(seed, region.start, bytes, (region.before, after), times);
            write_all_at(&copy.file, &gap, region.start)?;
        }
        Ok(())
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
    fn beginning(
        &self,
        number: u64,
        length: usize,
        (after, after_ms): (Seq, i64),
        with_gap: bool,
    ) -> io::Result<Vec<u8>> {
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
            let times = (self.time_ms, after_ms.max(self.time_ms));
            bytes.extend(frame::gap(seed, offset as u64, length - offset, (self.next, after), times));
        }
        Ok(bytes)
    }

    fn write_beginning(&self, copy: &Copy, number: u64, region: &Region) -> io::Result<()> {
        let length = usize::try_from(region.end).map_err(io::Error::other)?;
        let after = region.after.unwrap_or(self.next);
        let goal = (after, region.after_ms.unwrap_or(self.time_ms));
        let bytes = self.beginning(number, length, goal, after > self.next || length > MAX_HEADER)?;
        write_all_at(&copy.file, &bytes, 0)
    }

    /// Writes segments of which nothing is left. The first of them has the gap. Returns the length
    /// of the last one.
    fn write_run(&mut self, number: u64, through: u64, (goal, goal_ms): Goal, length: Option<u64>) -> io::Result<u64> {
        let mut end = 0;
        for number in number..=through {
            let path = segment_path(&self.found.dir, number);
            let least = self.header(number).encode().map_err(io::Error::other)?.len() as u64;
            end = length.filter(|_| number == through).unwrap_or(least + HEADER as u64);
            let size = usize::try_from(end).map_err(io::Error::other)?;
            let after = goal.unwrap_or(self.next).max(self.next);
            let bytes = self.beginning(number, size, (after, goal_ms.unwrap_or(self.time_ms)), true)?;
            self.aside.keep(&path)?;
            step()?;
            files::create_whole(&path, &bytes)?;
            self.next = after;
            self.previous = Some(Previous { number, length: end });
        }
        Ok(end)
    }
}
