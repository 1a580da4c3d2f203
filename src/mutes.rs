//! Mutes: series that raise no alerts for a while, because of maintenance or outside working hours.
//!
//! A mute names series (KPI patterns and labels) and times. The times are one window, a repeating
//! window (RFC 5545 recurrence rule in a time zone), or a calendar (days, or an iCalendar
//! document). Muted series are still scored, recorded and listed; they only raise no alerts. Times
//! are computed once, around a moment that the caller gives, into plain windows. A look-up is then
//! a search.
//!
//! Pure: without clocks and storage. Time zones come from the database that jiff bundles and not
//! from the machine, so that all nodes agree.

mod calendar;
mod document;
mod recurrence;
mod window;
mod zone;

pub use document::{MuteDocument, Schedule, Times};
pub use window::Window;

use self::window::{DAY_MS, merged};
use earcon_model::{Anomaly, KpiName, Labels};

/// How far back windows are computed: longer than an anomaly is listed.
const PAST_MS: i64 = 100 * DAY_MS;
/// How far ahead windows are computed.
const AHEAD_MS: i64 = 400 * DAY_MS;

/// A checked mute.
#[derive(Debug, Clone, PartialEq)]
pub struct Mute {
    id: String,
    document: MuteDocument,
    /// In order and disjoint.
    windows: Vec<Window>,
}

impl Mute {
    /// Checks a document and computes its windows around `now_ms`.
    ///
    /// # Errors
    /// Every problem of the document, each fit to show to its author.
    pub fn new(id: &str, document: MuteDocument, now_ms: i64) -> Result<Self, Vec<String>> {
        let windows = document
            .windows(Window { from_ms: now_ms.saturating_sub(PAST_MS), until_ms: now_ms.saturating_add(AHEAD_MS) })?;
        Ok(Self { id: id.to_owned(), document, windows: merged(windows) })
    }

    /// Its identifier in the workspace.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The document as it was written.
    pub fn document(&self) -> &MuteDocument {
        &self.document
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// The window that contains a moment.
    pub fn window_at(&self, at_ms: i64) -> Option<Window> {
        let begun = self.windows.partition_point(|window| window.from_ms <= at_ms);
        let last = self.windows[..begun].last()?;
        (at_ms < last.until_ms).then_some(*last)
    }

    /// The first window that begins after a moment.
    pub fn next_after(&self, at_ms: i64) -> Option<Window> {
        let begun = self.windows.partition_point(|window| window.from_ms <= at_ms);
        self.windows.get(begun).copied()
    }

    /// Whether no window will come. One that repeats is never over: windows further ahead are not
    /// computed.
    pub fn is_over(&self, at_ms: i64) -> bool {
        let once = self.document.schedule.is_none() && self.document.calendar.is_none();
        once && self.windows.last().is_none_or(|last| last.until_ms <= at_ms)
    }

    /// Whether it names a series.
    pub fn names(&self, kpi: &KpiName, labels: &Labels) -> bool {
        let document = &self.document;
        let of_kpi = document.kpis.is_empty() || document.kpis.iter().any(|pattern| matches(pattern, kpi.as_str()));
        let wanted = document.labels.iter();
        let carried = wanted.fold(0, |carried, (key, value)| {
            carried + usize::from(labels.pairs().any(|(k, v)| k == key.as_str() && v == value.as_str()))
        });
        let of_labels = carried == document.labels.len();
        of_kpi && of_labels && (!document.exact || labels.pairs().count() == carried)
    }
}

/// A mute in force, and its end.
#[derive(Debug, Clone, Copy)]
pub struct Covering<'a> {
    /// The mute.
    pub mute: &'a Mute,
    /// The end of the window.
    pub until_ms: i64,
}

/// All mutes of a workspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mutes {
    all: Vec<Mute>,
}

impl Mutes {
    /// These mutes.
    pub fn new(all: Vec<Mute>) -> Self {
        Self { all }
    }

    /// All of them, in the order given.
    pub fn all(&self) -> &[Mute] {
        &self.all
    }

    /// The mute that covers a series at a moment; of several, the one that lasts longest.
    pub fn covering(&self, kpi: &KpiName, labels: &Labels, at_ms: i64) -> Option<Covering<'_>> {
        let in_force = self.all.iter().filter_map(|mute| Some((mute, mute.window_at(at_ms)?.until_ms)));
        let of_series = in_force.filter(|(mute, _)| mute.names(kpi, labels));
        of_series.max_by_key(|(_, until_ms)| *until_ms).map(|(mute, until_ms)| Covering { mute, until_ms })
    }

    /// The mute of an anomaly: of an open one at `now_ms`, of a closed one when it opened.
    pub fn of_anomaly(&self, anomaly: &Anomaly, now_ms: i64) -> Option<Covering<'_>> {
        let at_ms = if anomaly.closed_at_ms.is_some() { anomaly.opened_at_ms } else { now_ms };
        self.covering(&anomaly.kpi, &anomaly.labels, at_ms)
    }

    /// When a window begins or ends next after a moment.
    pub fn next_change_ms(&self, at_ms: i64) -> Option<i64> {
        let ends = self.all.iter().filter_map(|mute| mute.window_at(at_ms)).map(|window| window.until_ms);
        let begins = self.all.iter().filter_map(|mute| mute.next_after(at_ms)).map(|window| window.from_ms);
        ends.chain(begins).min()
    }
}

/// Whether a name matches a pattern in which `*` is any sequence of characters. Takes at most
/// |pattern| × |name| steps.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut middle: Vec<&str> = parts.collect();
    let last = middle.pop().unwrap_or_default();
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
