//! The files in the directory of a log, and what each says about itself.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::super::files::{DRAFT, Salvaged, Source};
use super::super::frame::Seed;
use super::super::header::{MAX_HEADER, SegmentHeader};
use super::super::mark::Mark;
use super::super::reader::find_frame;
use super::super::repair::aside::MOVED;
use crate::repairs::progress::PROGRESS;
use earcon_model::WorkspaceId;

/// Extension of segment files.
const SEGMENT: &str = "seg";

/// The path of a segment.
pub(in super::super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.{SEGMENT}"))
}

/// The files of a log by their names.
pub(super) struct Listing {
    /// The numbers of segments, ascending.
    pub(super) numbers: Vec<u64>,
    pub(super) drafts: Vec<PathBuf>,
    pub(super) moved: Vec<PathBuf>,
    /// Files with the extension of a segment and a name that no segment has.
    pub(super) misnamed: Vec<PathBuf>,
    pub(super) in_repair: bool,
}

impl Listing {
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let mut listing =
            Self { numbers: Vec::new(), drafts: Vec::new(), moved: Vec::new(), misnamed: Vec::new(), in_repair: false };
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|text| text.to_str());
            if extension == Some(DRAFT) {
                listing.drafts.push(path);
            } else if extension == Some(MOVED) {
                listing.moved.push(path);
            } else if path.file_name().is_some_and(|name| name == PROGRESS) {
                listing.in_repair = true;
            } else if extension == Some(SEGMENT) {
                let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                match number.filter(|number| path == segment_path(dir, *number)) {
                    Some(number) => listing.numbers.push(number),
                    None => listing.misnamed.push(path),
                }
            }
        }
        listing.misnamed.sort_unstable();
        listing.numbers.sort_unstable();
        listing.moved.sort_unstable();
        Ok(listing)
    }
}

/// A segment's file.
#[derive(Debug)]
pub(in super::super) struct SegmentFile {
    pub(in super::super) number: u64,
    pub(in super::super) path: PathBuf,
    /// `None` if it is not valid, or not that of this segment.
    pub(in super::super) header: Option<(SegmentHeader, u64)>,
    /// A valid header of another segment or log.
    pub(in super::super) foreign: Option<SegmentHeader>,
    /// Why nothing of the file can be read.
    pub(in super::super) unreadable: Option<String>,
}

impl SegmentFile {
    /// A segment without a file.
    pub(super) fn missing(dir: &Path, number: u64) -> Self {
        Self { number, path: segment_path(dir, number), header: None, foreign: None, unreadable: None }
    }

    /// Reads what the file says about itself. [`identify`](Self::identify) decides whether that is
    /// right.
    pub(super) fn read(dir: &Path, number: u64) -> io::Result<Self> {
        let mut file = Self::missing(dir, number);
        match read_header(&file.path) {
            Ok(header) => file.header = header,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) => file.unreadable = Some(error.to_string()),
        }
        Ok(file)
    }

    pub(super) fn identify(&mut self, workspace: &WorkspaceId, log_id: u64) {
        let belongs = |header: &SegmentHeader| header.belongs(workspace, log_id, self.number);
        if self.header.as_ref().is_some_and(|(header, _)| !belongs(header)) {
            self.foreign = self.header.take().map(|(header, _)| header);
        }
    }

    /// Whether a file in front of the first segment may be deleted: it is the segment of its name,
    /// or empty. Under a wrong name a segment that is still needed may be there.
    pub(super) fn is_rest_of_trim(&self, log_id: u64) -> io::Result<bool> {
        if self.header.is_some() || self.has_own_frame(log_id)? {
            return Ok(true);
        }
        Ok(self.unreadable.is_none() && std::fs::metadata(&self.path)?.len() == 0)
    }

    /// Whether a frame in the file is of this segment.
    fn has_own_frame(&self, log_id: u64) -> io::Result<bool> {
        if self.unreadable.is_some() {
            return Ok(false);
        }
        let file = File::open(&self.path)?;
        let source = Salvaged::new(&file);
        Ok(find_frame(&source, Seed::new(log_id, self.number), 0, source.size()?)?.is_some())
    }
}

/// The header at the beginning of a file and its length. `None` if it is not valid.
pub(in super::super) fn read_header(path: &Path) -> io::Result<Option<(SegmentHeader, u64)>> {
    let file = File::open(path)?;
    let source = Salvaged::new(&file);
    let mut bytes = vec![0; 4_096];
    let count = source.read_at(&mut bytes, 0)?;
    bytes.truncate(count);
    if let Some(length) = SegmentHeader::length(&bytes).filter(|length| *length > count && *length <= MAX_HEADER) {
        bytes.resize(length, 0);
        let count = source.read_at(&mut bytes, 0)?;
        bytes.truncate(count);
    }
    Ok(SegmentHeader::decode(&bytes))
}

/// The segments that a log has, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Bounds {
    /// From the mark and the files. A file is no evidence by its name alone: its header or one of
    /// its frames is, or its place next to the others.
    pub(super) fn of(files: &[SegmentFile], mark: Option<&Mark>, log_id: u64) -> io::Result<Option<Self>> {
        let own = || files.iter().filter(|file| file.header.is_some()).map(|file| file.number);
        let first = mark.map(|mark| mark.first_segment).or_else(|| own().min());
        let last = own().chain(mark.map(|mark| mark.segment)).max();
        let mut bounds = match (first, last) {
            (Some(first), Some(last)) => Some(Self { first, last: last.max(first) }),
            _ => None,
        };
        for file in files {
            let number = file.number;
            // The header of a whole file of another place says that its name is wrong.
            let is_next = |bounds: &Self| file.foreign.is_none() && bounds.last.checked_add(1) == Some(number);
            match &mut bounds {
                Some(bounds) if number <= bounds.last => {}
                Some(bounds) if is_next(bounds) || file.has_own_frame(log_id)? => bounds.last = number,
                None if file.has_own_frame(log_id)? => bounds = Some(Self { first: number, last: number }),
                _ => {}
            }
        }
        // Nothing is left of any segment: those in a row are the log's.
        let mut bounds = bounds.or_else(|| {
            let first = files.first()?.number;
            let in_a_row =
                files.iter().map(|file| file.number).zip(first..).take_while(|(number, next)| number == next);
            in_a_row.last().map(|(last, _)| Self { first, last })
        });
        if let (Some(bounds), None) = (&mut bounds, mark) {
            for file in files.iter().rev().filter(|file| file.number < bounds.first).collect::<Vec<_>>() {
                if bounds.first.checked_sub(1) == Some(file.number) || file.has_own_frame(log_id)? {
                    bounds.first = file.number;
                }
            }
        }
        Ok(bounds)
    }
}
