//! One workspace's log: its writer, and the state that readers share with it.
//!
//! A reader takes a position from the state and releases it before it touches a file. The files
//! below that position never change.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::check::{LogCheck, Registered, epoch_number, segment_path};
use super::files::{self, read_failure, write_failure};
use super::frame::{self, Draft, Kind, Seed};
use super::header::{EpochEntry, SegmentHeader};
use super::mark::{Mark, Marks};
use super::reader::{FrameReader, Step};
use super::scan::{IndexEntry, extend_index};
use super::writer::{Ending, Faults, NewSegment, SegmentLimits, Writer};
use crate::database::SyncedCommits;
use crate::disk::{self, FileInUse};
use earcon_model::{Event, Seq, WorkspaceId};
use earcon_ports::{EpochStart, Epochs, ErrorKind, LogHead, Page, PortError};

/// A log with an open writer. Other processes are kept out by the lock on the data directory.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    log_id: u64,
    /// Held across writes. Never taken while `state` is held.
    writer: Mutex<Writer>,
    state: Mutex<State>,
    /// What the database has recorded of this log. Held while that changes.
    pub(super) registered: Mutex<Registered>,
    /// The segment in which a read found damage, and the damage in words.
    damage: Mutex<Option<(u64, String)>>,
    /// The log was deleted: nothing of it is recorded any more. Changes under the lock on
    /// `registered`.
    pub(super) removed: AtomicBool,
}

/// The limits of segments, injected failures, and the commits of the database.
pub(super) type Disk = (SegmentLimits, Arc<Faults>, Arc<SyncedCommits>);

#[derive(Debug)]
struct State {
    segments: VecDeque<Segment>,
    next: Seq,
    epochs: Option<Epochs>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    first: Seq,
    start: u64,
    /// The end of what readers may see.
    end: u64,
    index: Vec<IndexEntry>,
}

/// A part of a segment to read.
#[derive(Debug, Clone)]
struct Span {
    number: u64,
    from: u64,
    to: u64,
    /// The first sequence number behind it.
    next: Seq,
}

impl State {
    fn first(&self) -> Seq {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    fn head(&self) -> Option<LogHead> {
        Some(LogHead { epochs: self.epochs.clone()?, first: self.first(), next: self.next })
    }

    /// The part to read for events from `seq` on.
    fn span_from(&self, seq: Seq) -> Option<Span> {
        if seq >= self.next {
            return None;
        }
        let at = self.segments.partition_point(|segment| segment.first <= seq).saturating_sub(1);
        let segment = self.segments.get(at)?;
        let entry = segment.index.partition_point(|entry| entry.seq <= seq).checked_sub(1);
        Some(self.span(at, entry.map_or(segment.start, |entry| segment.index[entry].offset)))
    }

    /// The part to read for events at or after a time.
    fn span_at(&self, time_ms: i64) -> Option<Span> {
        let before = |segment: &Segment| segment.index.first().is_some_and(|entry| entry.time_ms < time_ms);
        let at = self.segments.iter().rposition(before).unwrap_or(0);
        let segment = self.segments.get(at)?;
        let entry = segment.index.partition_point(|entry| entry.time_ms < time_ms).checked_sub(1);
        Some(self.span(at, entry.map_or(segment.start, |entry| segment.index[entry].offset)))
    }

    fn span(&self, at: usize, from: u64) -> Span {
        let next = self.segments.get(at + 1).map_or(self.next, |segment| segment.first);
        Span { number: self.segments[at].number, from, to: self.segments[at].end, next }
    }
}

impl Log {
    /// Creates an empty log whose first event will be `first`. The caller registers it.
    pub(super) fn create(
        dir: &Path,
        workspace: &WorkspaceId,
        (log_id, first): (u64, Seq),
        (limits, faults, commits): Disk,
    ) -> Result<Self, PortError> {
        let failed = |error| write_failure(dir, error);
        files::create_dir(dir).map_err(failed)?;
        let header = SegmentHeader {
            workspace: workspace.as_str().to_owned(),
            log_id,
            number: 1,
            first,
            time_ms: i64::MIN,
            previous: None,
            epochs: Vec::new(),
        };
        let bytes = header
            .encode()
            .map_err(|error| PortError::caused(ErrorKind::Invalid, "the header of a log cannot be encoded", error))?;
        files::create_whole(&segment_path(dir, 1), &bytes).map_err(failed)?;
        let start = bytes.len() as u64;
        let mark = Mark {
            counter: 0,
            log_id,
            first_segment: 1,
            first,
            segment: 1,
            offset: start,
            next: first,
            time_ms: i64::MIN,
            epoch: String::new(),
            database: commits.get(),
        };
        let marks = Marks::create(&mark, dir).map_err(failed)?;
        let ending = Ending {
            number: 1,
            first,
            first_time_ms: None,
            start,
            end: start,
            next: first,
            time_ms: i64::MIN,
            torn: false,
        };
        let segment = Segment { number: 1, first, start, end: start, index: Vec::new() };
        let writer = Writer::new(workspace, dir, log_id, (limits, faults, commits), (marks, (1, first)), None, ending);
        let state = State { segments: VecDeque::from([segment]), next: first, epochs: None };
        let registered = Mutex::new(Registered { next: first, ..Registered::of(log_id) });
        let (writer, state, removed) = (Mutex::new(writer), Mutex::new(state), AtomicBool::new(false));
        Ok(Self { dir: dir.to_owned(), log_id, writer, state, registered, damage: Mutex::default(), removed })
    }

    /// A log whose check found no damage. Makes its end durable, and deletes leftovers.
    pub(super) fn load(mut check: LogCheck, disk: Disk) -> io::Result<Self> {
        for leftover in &check.leftovers {
            std::fs::remove_file(leftover)?;
        }
        let Some(mark) = check.mark.valid() else { return Err(io::Error::other("the log has no mark")) };
        let marks = Marks::open(&check.dir, mark, &check.end)?;
        let mut segments = VecDeque::new();
        let epochs = to_epochs(&check.epochs());
        let mut ending = None;
        for segment in &mut check.segments {
            let (Some((header, start)), Some(scan)) = (&segment.file.header, &mut segment.scan) else {
                return Err(io::Error::other("a segment is not whole"));
            };
            let index = std::mem::take(&mut scan.index);
            ending = Some(Ending {
                number: segment.file.number,
                first: header.first,
                first_time_ms: index.first().map(|entry| entry.time_ms),
                start: *start,
                end: scan.end,
                next: scan.next,
                time_ms: scan.time_ms,
                torn: scan.torn,
            });
            let (number, first) = (segment.file.number, header.first);
            segments.push_back(Segment { number, first, start: *start, end: scan.end, index });
        }
        let (Some(oldest), Some(ending)) = (segments.front(), ending) else {
            return Err(io::Error::other("the log has no segment"));
        };
        // The end may be in memory only, if the process was killed before the sync.
        let path = segment_path(&check.dir, ending.number);
        files::sync(&File::open(&path)?, &path)?;
        let oldest = (oldest.number, oldest.first);
        let next = ending.next;
        let mut epochs = epochs;
        if let Some(epochs) = &mut epochs {
            epochs.forget_before(oldest.1);
        }
        let writer =
            Writer::new(&check.workspace, &check.dir, check.log_id, disk, (marks, oldest), epochs.clone(), ending);
        let state = State { segments, next, epochs };
        let log_id = check.log_id;
        let registered = check.registered.unwrap_or(Registered::of(log_id));
        let (writer, state, registered) = (Mutex::new(writer), Mutex::new(state), Mutex::new(registered));
        let (damage, removed) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { dir: check.dir, log_id, writer, state, registered, damage, removed })
    }

    /// Begins an epoch durably.
    pub(super) fn begin_epoch(&self, epoch: &str) -> Result<LogHead, PortError> {
        let mut writer = lock(&self.writer);
        let mut draft = Draft::of_epoch(epoch, writer.next(), writer.time_ms())?;
        self.write(&mut writer, &mut draft)?;
        writer.begin_epoch(epoch.to_owned());
        let mut state = lock(&self.state);
        state.epochs = writer.epochs().cloned();
        state.head().ok_or_else(|| PortError::new(ErrorKind::Corrupt, "the log has no epoch"))
    }

    /// The last epoch, as the database records it. 0 if there is none.
    pub(super) fn epoch_number(&self) -> u64 {
        lock(&self.state).epochs.as_ref().map_or(0, |epochs| epoch_number(epochs.current()))
    }

    /// Leaves all sequence numbers below `to` out that are not used yet.
    pub(super) fn skip_to(&self, to: Seq) -> Result<(), PortError> {
        let mut writer = lock(&self.writer);
        if to <= writer.next() {
            return Ok(());
        }
        let mut draft = Draft::of_skip(writer.next(), to, writer.time_ms())?;
        self.write(&mut writer, &mut draft)
    }

    /// The sequence number of the next event.
    pub(super) fn next(&self) -> Seq {
        lock(&self.state).next
    }

    /// The directory and the segment that is written.
    pub(super) fn files_in_use(&self) -> [FileInUse; 2] {
        let (number, bytes) = lock(&self.state).segments.back().map_or((1, 0), |active| (active.number, active.end));
        let segment = FileInUse { path: segment_path(&self.dir, number), bytes, log_id: self.log_id };
        [FileInUse { path: self.dir.clone(), bytes: 0, log_id: self.log_id }, segment]
    }

    pub(super) fn head(&self) -> Option<LogHead> {
        lock(&self.state).head()
    }

    pub(super) fn has_epoch(&self) -> bool {
        lock(&self.state).epochs.is_some()
    }

    pub(super) fn append(&self, workspace: &WorkspaceId, first: Seq, draft: &mut Draft) -> Result<(), PortError> {
        let mut writer = lock(&self.writer);
        if first != writer.next() {
            let text = format!("the log of {workspace} continues at {}, not at {first}", writer.next());
            return Err(PortError::new(ErrorKind::Conflict, text));
        }
        self.write(&mut writer, draft)
    }

    fn write(&self, writer: &mut Writer, draft: &mut Draft) -> Result<(), PortError> {
        if let Some(segment) = writer.make_room(draft)? {
            self.publish(segment);
        }
        let offset = writer.append(draft)?;
        let mut state = lock(&self.state);
        state.next = writer.next();
        if let Some(active) = state.segments.back_mut() {
            draft.frames(offset).for_each(|(at, frame)| extend_index(&mut active.index, at, frame));
            active.end = offset + draft.len();
        }
        Ok(())
    }

    fn publish(&self, NewSegment { number, first, start }: NewSegment) {
        let segment = Segment { number, first, start, end: start, index: Vec::new() };
        lock(&self.state).segments.push_back(segment);
    }

    pub(super) fn read(&self, from: Seq, max_events: usize) -> Result<Page, PortError> {
        let mut events = Vec::new();
        let mut at = from;
        while events.len() < max_events {
            let Some(span) = lock(&self.state).span_from(at) else { break };
            let enough = |events: &Vec<Arc<Event>>| events.len() >= max_events;
            let read = self.visit(&span, |frame, payload| {
                if frame.kind == Kind::Events && frame.next() > at {
                    events.extend(frame::decode(frame, payload)?.into_iter().filter(|event| event.seq >= at));
                }
                Ok(!enough(&events))
            });
            match read {
                // A trim has deleted the file since: the log begins later now.
                Err(_) if lock(&self.state).first() >= span.next => at = at.max(span.next),
                // The next read begins at the damage.
                Err(_) if !events.is_empty() => break,
                result => {
                    result?;
                    at = span.next.max(at + 1);
                }
            }
        }
        Ok(Page { events })
    }

    /// Calls `each` for the frames of a part until it returns false.
    fn visit(
        &self,
        span: &Span,
        mut each: impl FnMut(&frame::Frame, &[u8]) -> Result<bool, PortError>,
    ) -> Result<(), PortError> {
        let path = segment_path(&self.dir, span.number);
        let failed = |error: io::Error| self.read_failed(span.number, &path, error);
        let file = File::open(&path).map_err(failed)?;
        let mut reader = FrameReader::new(&file, Seed::new(self.log_id, span.number), span.from, span.to);
        loop {
            match reader.next().map_err(failed)? {
                Step::End => return Ok(()),
                Step::Invalid { offset } => {
                    return Err(self.damaged(span.number, format!("{} is damaged at offset {offset}", path.display())));
                }
                Step::Frame { frame, payload, .. } => {
                    if !each(&frame, payload)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A file that is missing, or that the disk does not give back, is damage.
    fn read_failed(&self, number: u64, path: &Path, error: io::Error) -> PortError {
        if error.kind() == io::ErrorKind::NotFound {
            return self.damaged(number, format!("{} was removed while the server ran", path.display()));
        }
        if files::is_unreadable(&error) {
            return self.damaged(number, format!("{} cannot be read from the disk", path.display()));
        }
        read_failure(path, error)
    }

    fn damaged(&self, number: u64, text: String) -> PortError {
        // A trim may have deleted the segment meanwhile.
        if lock(&self.state).segments.iter().any(|segment| segment.number == number) {
            lock(&self.damage).get_or_insert_with(|| (number, text.clone()));
        }
        PortError::new(ErrorKind::Corrupt, text)
    }

    /// Damage of a segment that reads have found, a segment whose file is missing or too short, or
    /// a mark that is not as it was written.
    pub(super) fn damage(&self) -> Option<String> {
        let segments: Vec<_> = lock(&self.state).segments.iter().map(|segment| (segment.number, segment.end)).collect();
        let is_held = |number: u64| segments.iter().any(|(held, _)| *held == number);
        lock(&self.damage).take_if(|(number, _)| !is_held(*number));
        if let Some((number, end)) = segments.iter().find(|(number, end)| !self.has_file(*number, *end)) {
            let (number, end) = (*number, *end);
            let path = segment_path(&self.dir, number);
            // It may have been trimmed since.
            let is_held = lock(&self.state).segments.iter().any(|segment| segment.number == number);
            return is_held.then(|| format!("{} was removed, or is shorter than {end} bytes", path.display()));
        }
        let mut damage = lock(&self.damage);
        // A file that came back is whole again.
        damage.take_if(|(_, text)| text.ends_with("was removed while the server ran"));
        if let Some((_, text)) = damage.as_ref() {
            return Some(text.clone());
        }
        drop(damage);
        let refused = |(number, _): &(u64, u64)| disk::may_read(&segment_path(&self.dir, *number)).err();
        segments.iter().find_map(refused).or_else(|| lock(&self.writer).mark_problem())
    }

    fn has_file(&self, number: u64, end: u64) -> bool {
        match std::fs::metadata(segment_path(&self.dir, number)) {
            Ok(metadata) => metadata.len() >= end,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// The first event at or after a time, or the next one to come.
    pub(super) fn seq_at(&self, time_ms: i64) -> Result<Seq, PortError> {
        let (span, first) = {
            let state = lock(&self.state);
            (state.span_at(time_ms), state.first())
        };
        let mut span = span;
        while let Some(here) = span {
            let mut found = None;
            let read = self.visit(&here, |frame, payload| {
                if frame.kind == Kind::Events && frame.last_time_ms >= time_ms {
                    found = frame::decode(frame, payload)?.iter().find(|e| e.time_ms >= time_ms).map(|e| e.seq);
                }
                Ok(found.is_none())
            });
            if read.is_err() && lock(&self.state).first() >= here.next {
                return self.seq_at(time_ms);
            }
            read?;
            if let Some(seq) = found {
                return Ok(seq);
            }
            span = lock(&self.state).span_from(here.next);
        }
        Ok(lock(&self.state).next.max(first))
    }

    /// Removes the segments that end before `before`. Returns the first event held.
    pub(super) fn trim(&self, before: Seq) -> Result<Seq, PortError> {
        let mut writer = lock(&self.writer);
        if before >= writer.next() && writer.holds_events() {
            let segment = writer.roll()?;
            self.publish(segment);
        }
        let (removed, kept) = {
            let state = lock(&self.state);
            let ends = state.segments.iter().skip(1);
            let count = ends.take_while(|following| following.first <= before).count();
            let kept = state.segments.get(count).map(|segment| (segment.number, segment.first));
            (state.segments.iter().take(count).map(|segment| segment.number).collect::<Vec<_>>(), kept)
        };
        if let Some((number, first)) = kept.filter(|_| !removed.is_empty()) {
            writer.forget_before(number, first)?;
            let mut state = lock(&self.state);
            state.segments.drain(..removed.len());
            state.epochs = writer.epochs().cloned();
        }
        for number in removed {
            // A file that stays is deleted by the next start: the mark does not include it.
            let _left = std::fs::remove_file(segment_path(&self.dir, number)).is_err();
        }
        Ok(lock(&self.state).first())
    }

    pub(super) fn size_bytes(&self) -> u64 {
        lock(&self.state).segments.iter().map(|segment| segment.end - segment.start).sum()
    }

    pub(super) fn sync_marks(&self) -> Result<(), PortError> {
        lock(&self.writer).sync_marks()
    }

    /// The identity of the log.
    pub(super) fn id(&self) -> u64 {
        self.log_id
    }

    /// Commit time of the last event, milliseconds UTC; `i64::MIN` without events.
    pub(super) fn time_ms(&self) -> i64 {
        lock(&self.writer).time_ms()
    }
}

pub(super) fn to_epochs(entries: &[EpochEntry]) -> Option<Epochs> {
    let starts = entries.iter().map(|entry| EpochStart { epoch: entry.epoch.clone(), first: entry.first });
    Epochs::from_starts(starts.collect())
}

/// A panic under a lock leaves the state unchanged: it is replaced only after a successful write.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
