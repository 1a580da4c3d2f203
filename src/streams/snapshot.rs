//! A KPI's state as bytes, and back.
//!
//! Layout: `FORMAT`, the header, the labels of deleted series, the series, the shadow if there is
//! one, and a checksum (XXH3, 64 bits) of all of it. In each series, the part that does not
//! depend on the detector (ordinal, labels, cadence, stall, episode) precedes the detector's bytes.
//! So a snapshot of another detector keeps open episodes and stalls and only restarts scoring.
//!
//! The header is the detector's version, the [`DetectorSlots`], and the ordinals: the first that
//! may follow, the end of them, and the next one of the KPI. The slots contain the complete
//! entries, so that a restore needs nothing else.

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::detector::AnyDetector;
use super::episode::Episode;
use super::kpi_state::KpiState;
use super::series::{KpiContext, Series};
use super::settings::StreamSettings;
use super::shadow_state::{Shadow, ShadowSeries};
use super::stored::{Stored, put_chunk, read_chunk};
use earcon_model::{Anomaly, DetectorSlots, Features, KpiName, Labels, Reading, ScoredSample, WorkspaceId};

/// The byte format of everything but the detector. No other format is read.
const FORMAT: u8 = 1;

/// Usual bytes of a series.
const SERIES_BYTES: usize = 2_400;

/// Why a snapshot cannot be restored. The caller replays the log instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by a version of the program with another format.
    #[error("snapshot has format {0}; this program reads format {FORMAT} only")]
    Format(u8),
    /// Truncated or changed.
    #[error("snapshot is damaged")]
    Damaged,
    /// It holds other series than those of the part that was asked for.
    #[error("snapshot holds series of another part")]
    OtherPart,
}

impl KpiState {
    /// The state as bytes; equal states give equal bytes. Workspace, KPI and settings are not
    /// included.
    pub fn snapshot(&self) -> Vec<u8> {
        self.snapshot_of(0..u32::MAX, &[])
    }

    /// The state as if it had only the series with these ordinals. `deleted` are series that had
    /// such an ordinal.
    pub(super) fn snapshot_of(&self, ordinals: Range<u32>, deleted: &[&Labels]) -> Vec<u8> {
        let position = |ordinal: u32| self.series.partition_point(|series| series.ordinal < ordinal);
        let range = position(ordinals.start)..position(ordinals.end);
        let mut out = Vec::with_capacity(64 + range.len() * SERIES_BYTES);
        FORMAT.put(&mut out);
        self.put_header(ordinals, &mut out);
        (deleted.len() as u32).put(&mut out);
        deleted.iter().for_each(|labels| put_chunk(labels.as_str().as_bytes(), &mut out));
        (range.len() as u32).put(&mut out);
        for series in &self.series[range.clone()] {
            put_series(series, &mut out);
        }
        if let Some(shadow) = &self.shadow {
            put_shadow(shadow, range, &mut out);
        }
        xxh3_64(&out).put(&mut out);
        out
    }

    /// Restores the state that [`snapshot`](Self::snapshot) wrote, under the current settings.
    ///
    /// A snapshot of another detector version is accepted: its series keep labels, cadence, stalls,
    /// late counts and open episodes, and warm up again. An open episode closes with the calm
    /// samples of the warm-up.
    ///
    /// # Errors
    /// The bytes have another format, or are damaged.
    pub fn restore(
        workspace: WorkspaceId,
        kpi: KpiName,
        settings: Arc<StreamSettings>,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        Self::restore_series(workspace, kpi, settings, 0..u32::MAX, bytes)
    }

    /// Restores the series with these ordinals.
    pub(super) fn restore_series(
        workspace: WorkspaceId,
        kpi: KpiName,
        settings: Arc<StreamSettings>,
        ordinals: Range<u32>,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        let format = *bytes.first().ok_or(RestoreError::Damaged)?;
        if format != FORMAT {
            return Err(RestoreError::Format(format));
        }
        let (content, mut checksum) =
            bytes.split_at_checked(bytes.len().saturating_sub(8)).ok_or(RestoreError::Damaged)?;
        if u64::read(&mut checksum) != Some(xxh3_64(content)) {
            return Err(RestoreError::Damaged);
        }
        let mut state = Self::new(workspace, kpi, settings);
        let rest = content.get(1..).ok_or(RestoreError::Damaged)?;
        let found = state.read_all(rest).ok_or(RestoreError::Damaged)?;
        if found != ordinals {
            return Err(RestoreError::OtherPart);
        }
        state.find_next_stall();
        Ok(state)
    }

    /// Returns which ordinals the series have.
    fn read_all(&mut self, mut from: &[u8]) -> Option<Range<u32>> {
        let version = read_chunk(&mut from)?;
        let detectors: DetectorSlots = postcard::from_bytes(read_chunk(&mut from)?).ok()?;
        // Entries that this version cannot run: scoring continues with the configured detector.
        let understood = self.set_detectors(&detectors).is_ok();
        let same_detector = understood && version == self.settings.detector.as_str().as_bytes();
        let ordinals = u32::read(&mut from)?..u32::read(&mut from)?;
        self.next_ordinal = u32::read(&mut from)?;
        for _ in 0..u32::read(&mut from)? {
            self.deleted.push((ordinals.start, read_labels(&mut from)?));
        }
        let count = u32::read(&mut from)?;
        // The checksum holds, so the number is that of the series which follow.
        self.series.reserve_exact(count as usize);
        for _ in 0..count {
            let shared = KpiContext { workspace: &self.workspace, kpi: &self.kpi, settings: &self.settings };
            let series = read_series(&mut from, same_detector, shared)?;
            let least = self.series.last().map_or(ordinals.start, |before| before.ordinal + 1);
            if !(least..ordinals.end.min(self.next_ordinal)).contains(&series.ordinal) {
                return None;
            }
            self.index.push_numbered(series.labels.clone(), ());
            self.series.push(series);
        }
        match &mut self.shadow {
            Some(shadow) => read_shadow(&mut from, shadow)?,
            None if !understood => return Some(ordinals),
            None => {}
        }
        from.is_empty().then_some(ordinals)
    }

    fn put_header(&self, ordinals: Range<u32>, out: &mut Vec<u8>) {
        put_chunk(self.settings.detector.as_str().as_bytes(), out);
        // Serializing plain data to memory does not fail. If it did, the empty chunk would be found
        // as damage.
        put_chunk(&postcard::to_stdvec(&self.detectors()).unwrap_or_default(), out);
        [ordinals.start, ordinals.end, self.next_ordinal].put(out);
    }
}

fn put_shadow(shadow: &Shadow, range: Range<usize>, out: &mut Vec<u8>) {
    put_chunk(shadow.settings.detector.as_str().as_bytes(), out);
    let end = range.end.min(shadow.series.len());
    let series = &shadow.series[range.start.min(end)..end];
    (series.len() as u32).put(out);
    for series in series {
        series.is_some().put(out);
        let Some(series) = series else { continue };
        (series.reading == Reading::Counter).put(out);
        put_episode(&series.episode, out);
        put_detector(&series.detector, out);
    }
}

fn read_shadow(from: &mut &[u8], shadow: &mut Shadow) -> Option<()> {
    let same_detector = read_chunk(from)? == shadow.settings.detector.as_str().as_bytes();
    for position in 0..u32::read(from)? {
        if !bool::read(from)? {
            continue;
        }
        let reading = if bool::read(from)? { Reading::Counter } else { Reading::Gauge };
        let episode = read_episode(from)?;
        let detector = read_chunk(from)?;
        if same_detector {
            let detector = AnyDetector::decode(shadow.settings.detector, detector)?;
            shadow.put(position, ShadowSeries { episode, ..ShadowSeries::new(reading, detector) });
        }
    }
    Some(())
}

fn put_episode(episode: &Episode, out: &mut Vec<u8>) {
    episode.progress.put(out);
    for anomaly in [&episode.open, &episode.crossing] {
        match anomaly.as_ref().map(postcard::to_stdvec) {
            Some(Ok(anomaly)) => put_chunk(&anomaly, out),
            // Serializing plain data to memory does not fail. If it did, the episode would open
            // again with the next alert.
            Some(Err(_)) | None => put_chunk(&[], out),
        }
    }
}

fn read_episode(from: &mut &[u8]) -> Option<Episode> {
    let progress = Stored::read(from)?;
    let mut anomaly = || {
        let anomaly = read_chunk(from)?;
        Some(if anomaly.is_empty() { None } else { Some(postcard::from_bytes::<Box<Anomaly>>(anomaly).ok()?) })
    };
    Some(Episode { open: anomaly()?, crossing: anomaly()?, progress })
}

fn put_detector(detector: &AnyDetector, out: &mut Vec<u8>) {
    let length_at = out.len();
    0u32.put(out);
    detector.encode(out);
    let length = (out.len() - length_at - 4) as u32;
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}

fn put_series(series: &Series, out: &mut Vec<u8>) {
    series.ordinal.put(out);
    put_chunk(series.labels.as_str().as_bytes(), out);
    series.cadence.put(out);
    series.presence.put(out);
    series.late.put(out);
    series.last.put(out);
    series.features.put(out);
    put_episode(&series.episode, out);
    series.counter_state.put(out);
    series.growth.put(out);
    series.feedback.put(out);
    put_detector(&series.detector, out);
}

fn read_labels(from: &mut &[u8]) -> Option<Labels> {
    Labels::parse(std::str::from_utf8(read_chunk(from)?).ok()?).ok()
}

fn read_series(from: &mut &[u8], same_detector: bool, shared: KpiContext<'_>) -> Option<Series> {
    let ordinal = u32::read(from)?;
    let mut series = Series::new(ordinal, read_labels(from)?, shared);
    series.cadence = Stored::read(from)?;
    series.presence = Stored::read(from)?;
    series.late = Stored::read(from)?;
    series.last = Stored::read(from)?;
    series.features = Stored::read(from)?;
    series.episode = read_episode(from)?;
    series.counter_state = Stored::read(from)?;
    series.growth = Stored::read(from)?;
    series.feedback = Stored::read(from)?;
    let detector = read_chunk(from)?;
    if same_detector {
        series.detector = AnyDetector::decode(shared.settings.detector, detector)?;
    }
    Some(series)
}

impl Stored for ScoredSample {
    fn put(&self, out: &mut Vec<u8>) {
        self.timestamp_ms.put(out);
        [self.value, self.expected, self.lower, self.upper].put(out);
        self.score.put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let timestamp_ms = Stored::read(from)?;
        let [value, expected, lower, upper] = Stored::read(from)?;
        Some(Self { timestamp_ms, value, score: Stored::read(from)?, expected, lower, upper })
    }
}

impl Stored for Features {
    fn put(&self, out: &mut Vec<u8>) {
        [self.robust_z, self.residual_z, self.volatility, self.slope, self.level].put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let [robust_z, residual_z, volatility, slope, level] = Stored::read(from)?;
        Some(Self { robust_z, residual_z, volatility, slope, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{AnomalyEvent, EventBody, Sample, SeriesBatch, SeriesEvent, SeriesStatus};

    const START: i64 = 1_699_920_000_000;

    fn restored(bytes: &[u8]) -> Result<KpiState, RestoreError> {
        KpiState::restore(WorkspaceId::new("w").unwrap(), KpiName::new("k").unwrap(), Arc::default(), bytes)
    }

    fn rows(values: impl IntoIterator<Item = f64>, from: i64) -> [SeriesBatch; 1] {
        let rows = values.into_iter().enumerate();
        let sample = |i: usize, value| Sample { timestamp_ms: START + (from + i as i64) * 1_000, value };
        [SeriesBatch::gauge(Labels::none(), rows.map(|(i, value)| (i as u32, sample(i, value))))]
    }

    /// A KPI with one series that has just opened an anomaly.
    fn eventful() -> KpiState {
        let mut state = KpiState::new(WorkspaceId::new("w").unwrap(), KpiName::new("k").unwrap(), Arc::default());
        let values = (0..600).map(|i| if i == 599 { 900.0 } else { f64::from(i * 7 % 11) });
        let now = START + 600_000;
        let pushed = state.push(&rows(values, 0), now);
        assert!(matches!(pushed.bodies.last(), Some(EventBody::Anomaly(AnomalyEvent::Opened(_)))));
        state
    }

    /// The same snapshot as another detector would have written it: other version, other bytes.
    fn snapshot_of_another_detector(state: &KpiState) -> Vec<u8> {
        let mut out = Vec::new();
        FORMAT.put(&mut out);
        put_chunk(b"another-0", &mut out);
        put_chunk(&postcard::to_stdvec(&state.detectors()).unwrap(), &mut out);
        [0, u32::MAX, 1, 0, 1].put(&mut out);
        let series = &state.series[0];
        let mut whole = Vec::new();
        put_series(series, &mut whole);
        let mut detector = Vec::new();
        series.detector.encode(&mut detector);
        out.extend_from_slice(&whole[..whole.len() - detector.len() - 4]);
        put_chunk(&[1, 2, 3], &mut out);
        xxh3_64(&out).put(&mut out);
        out
    }

    #[test]
    fn another_detector_keeps_open_episodes_and_stalls() {
        let old = eventful();
        let mut new = restored(&snapshot_of_another_detector(&old)).unwrap();
        let (was, is) = (old.series().next().unwrap(), new.series().next().unwrap());
        assert_eq!(is.anomaly, was.anomaly);
        assert!(is.anomaly.is_some());
        assert_eq!((is.status, is.late, is.last), (SeriesStatus::Anomalous, was.late, was.last));

        let now = START + 664_000;
        let bodies = new.push(&rows([5.0; 64], 600), now).bodies;
        let Some(EventBody::Anomaly(AnomalyEvent::Closed(closed))) = bodies.last() else { panic!("{bodies:?}") };
        assert_eq!(Some(closed.id), old.series().next().unwrap().anomaly.map(|anomaly| anomaly.id));
        assert_eq!(new.series().next().unwrap().status, SeriesStatus::Normal);

        let mut silent = eventful();
        assert_eq!(silent.check_stalls(START + 2_000_000).len(), 2, "a stall, which closes the anomaly");
        let mut new = restored(&snapshot_of_another_detector(&silent)).unwrap();
        assert_eq!(new.series().next().unwrap().status, SeriesStatus::Stalled);
        let bodies = new.push(&rows([5.0; 64], 2_500), START + 2_600_000).bodies;
        assert!(matches!(bodies.first(), Some(EventBody::Series(SeriesEvent::Restored { .. }))), "{bodies:?}");
    }

    #[test]
    fn snapshot_of_another_format_is_refused() {
        for format in [0, 2, 3, u8::MAX] {
            let mut other = eventful().snapshot();
            other[0] = format;
            assert_eq!(restored(&other).err(), Some(RestoreError::Format(format)));
        }
        let refused = RestoreError::Format(3).to_string();
        assert_eq!(refused, "snapshot has format 3; this program reads format 1 only");
    }

    #[test]
    fn damage_at_any_byte_is_detected() {
        let bytes = eventful().snapshot();
        assert!(restored(&bytes).is_ok());
        for at in (1..bytes.len()).step_by(13) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert_eq!(restored(&damaged).err(), Some(RestoreError::Damaged), "byte {at}");
            assert_eq!(restored(&bytes[..at]).err(), Some(RestoreError::Damaged), "cut at {at}");
        }
        assert_eq!(restored(&[]).err(), Some(RestoreError::Damaged));
    }
}
