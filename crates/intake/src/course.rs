//! The course of a request: its series in the order in which they came.
//!
//! Agents send the same series in the same order again and again. So the series after the one that
//! came last is known before its bytes are read: they are compared with those of the request before
//! and looked up in no table. A series that comes where another one was expected ends this, and the
//! rest of the request is looked up.
//!
//! Bytes are compared in full, so a course never names a wrong series.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::batch_builder::Route;
use super::keys::Keys;
use super::raw_series::Protocol;
use super::series_cache::Target;

/// The least number of series for which a course is worth its memory.
const LEAST: usize = 4;
/// Bytes of a name on average, for which there is room.
const BYTES_A_SERIES: usize = 256;
/// Courses that are learned without one that proves right, until only every sixteenth is learned:
/// a sender that shuffles its series gains nothing.
const TRIALS: u32 = 64;

/// The bytes that name a series within its protocol, in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawName<'b> {
    pub(super) protocol: Protocol,
    pub(super) head: &'b [u8],
    /// The rest of the name; `None` if the protocol has one part.
    pub(super) tail: Option<&'b [u8]>,
}

impl RawName<'_> {
    /// The key in the tables of known series.
    pub(super) fn key(&self, keys: &Keys) -> u128 {
        let head = keys.key(self.protocol, self.head);
        self.tail.map_or(head, |tail| keys.child_key(head, tail))
    }
}

/// One series of a course.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Places in `Course::text`.
    start: u32,
    split: u32,
    end: u32,
    has_tail: bool,
    /// Where its samples go in a batch that opens its series in this order.
    pub(super) route: Route,
    /// The series that is opened here; `None` if it is open already, or dropped.
    pub(super) opens: Option<Arc<Target>>,
}

/// The series of a request in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    text: Vec<u8>,
    pub(super) stops: Vec<Stop>,
    /// The number of series of each KPI, in the order of their routes.
    sizes: Vec<u32>,
}

/// The most series of a KPI for which memory is reserved: a request may leave the course early.
const MOST_RESERVED: usize = 256;

impl Course {
    /// The number of series of a KPI for which memory is to be reserved.
    pub(super) fn reserved(&self, kpi: u32) -> usize {
        self.sizes.get(kpi as usize).map_or(0, |size| (*size as usize).min(MOST_RESERVED))
    }

    fn count_sizes(&mut self) {
        for stop in &self.stops {
            if let (Some(_), Route::Series(kpi, series)) = (&stop.opens, stop.route) {
                let kpi = kpi as usize;
                if self.sizes.len() <= kpi {
                    self.sizes.resize(kpi + 1, 0);
                }
                self.sizes[kpi] = series + 1;
            }
        }
    }

    /// Adds a series. Returns whether there was room.
    pub(super) fn push(&mut self, name: &RawName<'_>, route: Route, opens: Option<Arc<Target>>) -> bool {
        let start = self.text.len();
        self.text.extend_from_slice(name.head);
        let split = self.text.len();
        self.text.extend_from_slice(name.tail.unwrap_or_default());
        let Ok(end) = u32::try_from(self.text.len()) else { return false };
        let has_tail = name.tail.is_some();
        self.stops.push(Stop { start: start as u32, split: split as u32, end, has_tail, route, opens });
        true
    }

    /// The name of a series.
    pub(super) fn name(&self, protocol: Protocol, stop: usize) -> RawName<'_> {
        let Stop { start, split, end, has_tail, .. } = self.stops[stop];
        let [start, split, end] = [start, split, end].map(|place| place as usize);
        RawName { protocol, head: &self.text[start..split], tail: has_tail.then(|| &self.text[split..end]) }
    }

    /// The first stops of another course.
    pub(super) fn copy_from(&mut self, other: &Self, stops: usize) {
        self.clear();
        self.stops.extend_from_slice(&other.stops[..stops]);
        let text = self.stops.last().map_or(0, |last| last.end as usize);
        self.text.extend_from_slice(&other.text[..text]);
    }

    /// Whether its buffers are worth keeping.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() <= 4 << 20
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.stops.clear();
        self.sizes.clear();
    }
}

/// A batch on its way along a course.
#[derive(Debug)]
pub(super) struct Following {
    protocol: Protocol,
    pub(super) course: Arc<Course>,
    /// The stop of the series that came last.
    at: usize,
    /// The stops before this one were visited.
    pub(super) visited: usize,
}

impl Following {
    /// At the first stop, which is not yet visited.
    pub(super) fn new(protocol: Protocol, course: Arc<Course>) -> Self {
        Self { protocol, course, at: usize::MAX, visited: 0 }
    }

    /// The stop of a series: the one after the last, which may be the first again, or the last one
    /// once more. `None` if it is neither.
    #[inline]
    pub(super) fn step(&mut self, name: &RawName<'_>) -> Option<usize> {
        let stops = self.course.stops.len();
        let next = self.at.wrapping_add(1);
        let next = if next == stops { 0 } else { next };
        if self.course.name(self.protocol, next) == *name {
            self.at = next;
        } else if self.at >= stops || self.course.name(self.protocol, self.at) != *name {
            return None;
        }
        Some(self.at)
    }

    /// Whether a stop is visited for the first time.
    pub(super) fn visits(&mut self, stop: usize) -> bool {
        let first = stop == self.visited;
        self.visited += usize::from(first);
        first
    }

    pub(super) fn name(&self, stop: usize) -> RawName<'_> {
        self.course.name(self.protocol, stop)
    }
}

/// The courses of a workspace, by the key of their first series.
#[derive(Debug)]
pub(super) struct Courses {
    known: HashMap<u128, Arc<Course>>,
    stops: usize,
    /// Bytes of all names.
    bytes: usize,
    bound: usize,
}

impl Courses {
    /// Courses of together at most `bound` series with names of a usual length.
    pub(super) fn new(bound: usize) -> Self {
        Self { known: HashMap::new(), stops: 0, bytes: 0, bound }
    }

    pub(super) fn get(&self, first: u128) -> Option<Arc<Course>> {
        self.known.get(&first).cloned()
    }

    /// Keeps a course, in the place of the one with the same beginning.
    pub(super) fn keep(&mut self, first: u128, course: &Course) {
        let room = self.bound.saturating_mul(BYTES_A_SERIES);
        if course.stops.len() < LEAST || course.stops.len() > self.bound || course.text.len() > room {
            return;
        }
        if self.stops + course.stops.len() > self.bound || self.bytes + course.text.len() > room {
            self.known.clear();
            (self.stops, self.bytes) = (0, 0);
        }
        self.stops += course.stops.len();
        self.bytes += course.text.len();
        let mut course = course.clone();
        course.count_sizes();
        if let Some(former) = self.known.insert(first, Arc::new(course)) {
            self.stops -= former.stops.len();
            self.bytes -= former.text.len();
        }
    }
}

/// Decides which requests are learned.
#[derive(Debug, Default)]
pub(super) struct Trials(AtomicU32);

impl Trials {
    /// Whether the next request is to be learned.
    pub(super) fn next(&self) -> bool {
        let trial = self.0.fetch_add(1, Ordering::Relaxed);
        trial < TRIALS || trial.is_multiple_of(16)
    }

    /// A course was right from its beginning to the end of a request.
    pub(super) fn success(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
