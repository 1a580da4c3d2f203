//! Aggregates the lines of many senders in one window, and converts it to samples when it ends.

use std::borrow::Cow;
use std::collections::HashMap;

use super::line::{Kind, Line, excerpt, parse_line};
use super::window::Window;
use crate::naming;
use crate::strict_json::without_bom;
use earcon_model::{KpiBatch, KpiName, Labels, Sample, SeriesBatch};

/// A counter without values stays at zero for this many flushes, then it ends. Gauges keep their
/// value, the base of changes, as long.
const IDLE_FLUSHES: u32 = 60;
/// Spellings remembered for each series.
const SPELLINGS: usize = 4;

/// The result of one packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PacketSummary {
    /// Accepted lines.
    pub lines: u32,
    /// Rejected lines.
    pub rejected: u32,
    /// The first rejected line and its problem.
    pub first_error: Option<String>,
}

/// The values of all series since the last flush. Its memory is bounded by the number of series.
#[derive(Debug)]
pub struct Aggregator {
    max_series: usize,
    series: Vec<Series>,
    /// By KPI and labels.
    positions: HashMap<(KpiName, Labels), usize>,
    /// By name and tags as sent: the same series may be written in several ways.
    spellings: HashMap<Box<str>, usize>,
    scratch: String,
}

#[derive(Debug)]
struct Series {
    kpi: KpiName,
    labels: Labels,
    /// How its name is written, see [`naming::spelling`].
    spelling: u64,
    window: Window,
    /// Flushes without a value.
    idle: u32,
}

impl Aggregator {
    /// Aggregates at most `max_series` series. Lines of further ones are rejected until some have
    /// been idle for long.
    pub fn new(max_series: usize) -> Self {
        Self {
            max_series,
            series: Vec::new(),
            positions: HashMap::new(),
            spellings: HashMap::new(),
            scratch: String::new(),
        }
    }

    /// Ingests the lines of a packet. A bad line does not affect the others.
    pub fn ingest(&mut self, packet: &[u8]) -> PacketSummary {
        let packet = without_bom(packet);
        let mut summary = PacketSummary::default();
        for line in packet.split(|byte| *byte == b'\n').map(trimmed).filter(|line| !line.is_empty()) {
            match parse_line(line).and_then(|parsed| self.count_all(&parsed)) {
                Ok(()) => summary.lines += 1,
                Err(reason) => {
                    summary.rejected += 1;
                    let quoted = || format!("{:?} {reason}", excerpt(&String::from_utf8_lossy(line)));
                    summary.first_error.get_or_insert_with(quoted);
                }
            }
        }
        summary
    }

    /// Counts all values of one line, or none of them.
    fn count_all(&mut self, lines: &[Line<'_>]) -> Result<(), String> {
        for line in lines {
            let position = self.position(line)?;
            let series = &self.series[position];
            if series.window.kind() != line.kind {
                let (is, sent) = (series.window.kind().name(), line.kind.name());
                return Err(format!("is a {sent}, but {} is a {is}", series.kpi));
            }
            series.window.check_room(line)?;
        }
        lines.iter().try_for_each(|line| self.count(line))
    }

    fn count(&mut self, line: &Line<'_>) -> Result<(), String> {
        let position = self.position(line)?;
        let series = &mut self.series[position];
        for value in line.values() {
            series.window.add(value, line)?;
            series.idle = 0;
        }
        Ok(())
    }

    fn position(&mut self, line: &Line<'_>) -> Result<usize, String> {
        self.scratch.clear();
        // A name cannot contain a bar.
        self.scratch.extend([line.name, "|", line.tags]);
        if let Some(position) = self.spellings.get(self.scratch.as_str()) {
            return Ok(*position);
        }
        let kpi = naming::kpi_name_for_suffix(line.name, SUFFIX).ok_or("has no name")?;
        let key = (kpi, labels_of(line.tags)?);
        let position = match self.positions.get(&key) {
            Some(position) if self.series[*position].spelling != naming::spelling(line.name) => {
                let kpi = &self.series[*position].kpi;
                return Err(format!("is already the name {kpi}, written with other characters that look alike"));
            }
            Some(position) => *position,
            None if self.series.len() >= self.max_series => {
                return Err(format!("exceeds the limit of {} series", self.max_series));
            }
            None => {
                self.check_suffixes(line.kind, &key)?;
                let (kpi, labels) = key.clone();
                // Until its first value it counts as idle and is dropped by the next flush.
                let (window, spelling) = (Window::new(line.kind), naming::spelling(line.name));
                self.series.push(Series { kpi, labels, spelling, window, idle: IDLE_FLUSHES });
                self.positions.insert(key, self.series.len() - 1);
                self.series.len() - 1
            }
        };
        if self.spellings.len() >= self.max_series.saturating_mul(SPELLINGS) {
            self.spellings.clear();
        }
        self.spellings.insert(self.scratch.as_str().into(), position);
        Ok(position)
    }

    /// Fails if a timer and another series have a name in common: `t.count` is also made of the
    /// timer `t`.
    fn check_suffixes(&self, kind: Kind, (kpi, labels): &(KpiName, Labels)) -> Result<(), String> {
        for suffix in SUFFIXES {
            let other = match kind {
                Kind::Timer => Some(suffixed(kpi, suffix)),
                _ => kpi.as_str().strip_suffix(suffix).and_then(|timer| KpiName::new(timer).ok()),
            };
            let Some(at) = other.and_then(|other| self.positions.get(&(other, labels.clone()))) else { continue };
            let found = &self.series[*at];
            match (kind, found.window.kind()) {
                (Kind::Timer, is) if is != Kind::Timer => {
                    return Err(format!("is a timer, and its {} is already a {}", found.kpi, is.name()));
                }
                (Kind::Counter | Kind::Gauge | Kind::Set, Kind::Timer) => {
                    return Err(format!("is a {}, but {kpi} is also made of the timer {}", kind.name(), found.kpi));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends the window of `seconds` at `now_ms` and begins the next. Returns the samples by KPI,
    /// with rows counted from 0.
    ///
    /// Counters become a rate per second, and zero while nothing is counted. Gauges, timers and
    /// sets without a value give no sample. Series that have been idle for long end and are
    /// dropped.
    pub fn flush(&mut self, now_ms: i64, seconds: f64) -> Vec<KpiBatch> {
        let seconds = seconds.max(1e-3);
        let mut batches = Batches::default();
        for series in &mut self.series {
            let counts = series.window.kind() == Kind::Counter;
            let ends = series.idle >= IDLE_FLUSHES;
            if ends && counts {
                batches.series(&series.kpi, "", &series.labels).ended_at_ms = Some(now_ms);
            } else if series.idle == 0 || (counts && !ends) {
                let Series { kpi, labels, window, .. } = series;
                window.finish(seconds, |suffix, value| {
                    let row = batches.next_row();
                    let sample = Sample { timestamp_ms: now_ms, value };
                    batches.series(kpi, suffix, labels).rows.push((row, sample));
                });
            }
            series.idle += 1;
        }
        self.forget_idle();
        batches.all
    }

    fn forget_idle(&mut self) {
        if self.series.iter().all(|series| series.idle <= IDLE_FLUSHES) {
            return;
        }
        self.series.retain(|series| series.idle <= IDLE_FLUSHES);
        let keys = self.series.iter().map(|series| (series.kpi.clone(), series.labels.clone()));
        self.positions = keys.zip(0..).collect();
        self.spellings.clear();
    }
}

/// Samples grouped by KPI.
#[derive(Default)]
struct Batches {
    all: Vec<KpiBatch>,
    positions: HashMap<KpiName, usize>,
    rows: u32,
}

impl Batches {
    fn next_row(&mut self) -> u32 {
        self.rows += 1;
        self.rows - 1
    }

    /// Adds a series. Each series occurs once a flush.
    fn series(&mut self, kpi: &KpiName, suffix: &str, labels: &Labels) -> &mut SeriesBatch {
        let kpi = if suffix.is_empty() { kpi.clone() } else { suffixed(kpi, suffix) };
        let at = *self.positions.entry(kpi.clone()).or_insert_with(|| {
            self.all.push(KpiBatch { kpi, series: Vec::new() });
            self.all.len() - 1
        });
        let series = &mut self.all[at].series;
        series.push(SeriesBatch::gauge(labels.clone(), None));
        let last = series.len() - 1;
        &mut series[last]
    }
}

/// Room for the suffixes of timers.
const SUFFIX: usize = 8;
/// The suffixes of a timer's KPIs.
const SUFFIXES: [&str; 5] = [".count", ".mean", ".p50", ".p95", ".p99"];

fn suffixed(kpi: &KpiName, suffix: &str) -> KpiName {
    KpiName::new(&format!("{kpi}{suffix}")).unwrap_or_else(|_| kpi.clone())
}

/// A line without white space and NUL around it: some senders write C strings.
fn trimmed(line: &[u8]) -> &[u8] {
    let outside = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let Some(first) = line.iter().position(|byte| !outside(byte)) else { return &[] };
    let last = line.iter().rposition(|byte| !outside(byte)).unwrap_or(first);
    &line[first..=last]
}

/// Converts tags to labels. A tag without a value gets the value `true`. If a tag occurs more than
/// once, the last value counts.
fn labels_of(tags: &str) -> Result<Labels, String> {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for tag in tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        let (key, value) = tag.split_once(':').unwrap_or((tag, "true"));
        if key.is_empty() {
            return Err(format!("has the tag {:?}, which has no name", excerpt(tag)));
        }
        if value.is_empty() {
            continue;
        }
        let (key, value) = (naming::label_key(key), naming::label_value(value));
        match pairs.iter_mut().find(|pair| pair.0 == key) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }
    Labels::from_pairs(pairs).map_err(|error| format!("has tags that are not valid labels: {error}"))
}

#[cfg(test)]
mod tests;
