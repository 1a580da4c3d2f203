//! One series in the mix: features become control values, scores become prominence.

use earcon_model::{AnomalyId, Features, KpiName, Labels, ScoredSample, SeriesId, SeriesStatus};

use super::super::scale::{Quantiser, step_hz};
use super::super::scene::VoiceControls;
use super::super::settings::{MixSettings, Polarity};
use super::super::timbre::{Placement, Timbre};
use earcon_model::Severity;

/// A value that rises at once and decays exponentially.
#[derive(Debug, Clone, Copy)]
struct Decaying {
    value: f32,
    at_ms: i64,
    time_constant_ms: f32,
}

impl Decaying {
    fn new(time_constant_ms: f32) -> Self {
        Self { value: 0.0, at_ms: 0, time_constant_ms }
    }

    fn at(&self, now_ms: i64) -> f32 {
        let elapsed = now_ms.saturating_sub(self.at_ms).max(0) as f32;
        self.value * (-elapsed / self.time_constant_ms).exp()
    }

    fn raise(&mut self, value: f32, now_ms: i64) {
        self.value = value.max(self.at(now_ms));
        self.at_ms = now_ms;
    }
}

/// The open episode of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Episode {
    pub(super) id: AnomalyId,
    pub(super) severity: Severity,
    pub(super) acknowledged: bool,
    pub(super) muted: bool,
}

/// The state of a series in the mix.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) kpi: KpiName,
    pub(super) labels: Labels,
    pub(super) timbre: Timbre,
    pub(super) placement: Placement,
    pub(super) episode: Option<Episode>,
    pub(super) stalled: bool,
    identity: u64,
    polarity: Polarity,
    quantiser: Quantiser,
    step: i32,
    features: Option<Features>,
    alarm: Decaying,
    interest: Decaying,
    articulation: u32,
    articulated_ms: Option<i64>,
}

impl Series {
    /// A spike stays in the foreground for about two seconds.
    const ALARM_MS: f32 = 1_500.0;
    /// It keeps its voice for much longer, so that the same few voices stay audible.
    const INTEREST_MS: f32 = 20_000.0;
    /// Minimum interval between notes of a fast series.
    const ARTICULATION_MS: i64 = 400;
    /// Share of the prominence that remains after an acknowledgement.
    const DUCKED: f32 = 0.35;

    pub(super) fn new(id: SeriesId, kpi: &KpiName, labels: &Labels, settings: &MixSettings) -> Self {
        // Zero identifies an empty slot of a scene, so it must not identify a series.
        let identity = ((id.0 >> 64) as u64 ^ id.0 as u64).max(1);
        Self {
            kpi: kpi.clone(),
            labels: labels.clone(),
            timbre: Timbre::for_kpi(kpi, settings.seed),
            placement: Placement::for_series(id, settings.seed),
            episode: None,
            stalled: false,
            identity,
            polarity: settings.polarity_of(kpi),
            quantiser: Quantiser::default(),
            step: 4,
            features: None,
            alarm: Decaying::new(Self::ALARM_MS),
            interest: Decaying::new(Self::INTEREST_MS),
            articulation: 0,
            articulated_ms: None,
        }
    }

    /// Applies changed settings; the state of the series stays.
    pub(super) fn apply_settings(&mut self, id: SeriesId, settings: &MixSettings) {
        self.timbre = Timbre::for_kpi(&self.kpi, settings.seed);
        self.placement = Placement::for_series(id, settings.seed);
        let polarity = settings.polarity_of(&self.kpi);
        if polarity != self.polarity {
            self.polarity = polarity;
            self.step = self.quantiser.quantise(self.level());
        }
    }

    /// Processes samples that arrived together. Returns the prominence they cause, 0 to 1.
    pub(super) fn ingest(
        &mut self,
        samples: &[ScoredSample],
        features: Option<Features>,
        status: SeriesStatus,
        now_ms: i64,
    ) -> f32 {
        self.stalled = matches!(status, SeriesStatus::Stalled | SeriesStatus::Ended);
        if samples.is_empty() {
            return 0.0;
        }
        // The highest score counts, not the last one: a spike inside a batch must be audible.
        let score = samples.iter().filter_map(|sample| sample.score).fold(0.0, f32::max);
        let alarm = smoothstep(0.15, 0.75, finite(score));
        self.alarm.raise(alarm, now_ms);
        self.interest.raise(alarm, now_ms);
        self.features = features;
        self.step = self.quantiser.quantise(self.level());
        if self.articulated_ms.is_none_or(|at| !(at..at + Self::ARTICULATION_MS).contains(&now_ms)) {
            self.articulation = self.articulation.wrapping_add(1);
            self.articulated_ms = Some(now_ms);
        }
        alarm
    }

    /// Whether it can sound: it is scored and not silent.
    pub(super) fn can_sound(&self) -> bool {
        self.features.is_some() && !self.stalled
    }

    /// Its priority for a voice, about 0 to 1.3.
    pub(super) fn interest(&self, now_ms: i64) -> f32 {
        match self.episode {
            Some(Episode { acknowledged: false, muted: false, .. }) => self.interest.at(now_ms) + 0.3,
            Some(_) => self.interest.at(now_ms) * Self::DUCKED,
            None => self.interest.at(now_ms),
        }
    }

    /// Its position from background (0) to foreground (1).
    pub(super) fn prominence(&self, now_ms: i64) -> f32 {
        let alarm = self.alarm.at(now_ms);
        match self.episode {
            Some(Episode { acknowledged: false, muted: false, .. }) => alarm.max(0.35),
            Some(_) => alarm * Self::DUCKED,
            None => alarm,
        }
    }

    /// Its current note.
    pub(super) fn pitch_hz(&self, settings: &MixSettings) -> f32 {
        step_hz(settings.key, settings.scale, self.step + self.placement.register)
    }

    /// Its features as control values.
    pub(super) fn controls(&self, settings: &MixSettings, now_ms: i64) -> VoiceControls {
        let features = self.features.unwrap_or_default();
        let prominence = self.prominence(now_ms);
        let slope = finite(features.slope) * if self.polarity == Polarity::Down { -1.0 } else { 1.0 };
        VoiceControls {
            identity: self.identity,
            timbre: self.timbre,
            pitch_hz: self.pitch_hz(settings),
            glide_ms: 50.0 + 30.0 * (slope.abs() * 2.0).min(1.0),
            articulation: self.articulation,
            scoop_cents: (-240.0 * slope).clamp(-120.0, 120.0),
            brightness: (0.12 + 0.7 * saturate(features.robust_z, 5.0)).max(0.6 * prominence),
            tremolo: ((finite(features.volatility) - 1.3) / 3.0).clamp(0.0, 0.6),
            detune_cents: 4.0 + 22.0 * saturate(features.residual_z, 4.0),
            pan: self.placement.pan,
            prominence,
        }
    }

    fn level(&self) -> f32 {
        let level = self.features.map_or(0.5, |features| finite(features.level));
        if self.polarity == Polarity::Down { 1.0 - level } else { level }
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// 0 for an ordinary value, 0.5 at `half` standard deviations, towards 1 beyond.
fn saturate(z: f32, half: f32) -> f32 {
    let square = finite(z).clamp(-1e3, 1e3).powi(2);
    square / (square + half * half)
}

fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let x = ((value - from) / (to - from)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(settings: &MixSettings) -> Series {
        let (kpi, labels) = (KpiName::new("host.cpu").unwrap(), Labels::none());
        Series::new(SeriesId::of(&kpi, &labels), &kpi, &labels, settings)
    }

    fn sample(score: f32) -> ScoredSample {
        ScoredSample { timestamp_ms: 0, value: 1.0, score: Some(score), expected: 1.0, lower: 0.0, upper: 2.0 }
    }

    fn ingest(series: &mut Series, features: Features, score: f32, now_ms: i64) -> VoiceControls {
        series.ingest(&[sample(score)], Some(features), SeriesStatus::Normal, now_ms);
        series.controls(&MixSettings::default(), now_ms)
    }

    const CALM: Features = Features { robust_z: 0.0, residual_z: 0.0, volatility: 1.0, slope: 0.0, level: 0.5 };

    #[test]
    fn each_feature_moves_its_control() {
        let mut series = series(&MixSettings::default());
        let calm = ingest(&mut series, CALM, 0.0, 0);
        assert!(ingest(&mut series, Features { level: 1.0, ..CALM }, 0.0, 0).pitch_hz > calm.pitch_hz * 1.4);
        assert!(ingest(&mut series, Features { robust_z: -6.0, ..CALM }, 0.0, 0).brightness > calm.brightness + 0.3);
        assert!(ingest(&mut series, Features { volatility: 3.0, ..CALM }, 0.0, 0).tremolo > calm.tremolo + 0.3);
        assert!(
            ingest(&mut series, Features { residual_z: 6.0, ..CALM }, 0.0, 0).detune_cents > calm.detune_cents + 10.0
        );
        assert!(
            ingest(&mut series, Features { slope: 0.3, ..CALM }, 0.0, 0).scoop_cents < -50.0,
            "rising starts below"
        );
        assert!(ingest(&mut series, CALM, 0.6, 0).prominence > calm.prominence + 0.5);
    }

    #[test]
    fn polarity_down_inverts_pitch_and_glide() {
        let kpi = KpiName::new("host.cpu").unwrap();
        let settings = MixSettings { polarity: [(kpi, Polarity::Down)].into(), ..Default::default() };
        let rising = Features { level: 1.0, slope: 0.3, ..CALM };
        let up = ingest(&mut series(&MixSettings::default()), rising, 0.0, 0);
        let down = ingest(&mut series(&settings), rising, 0.0, 0);
        assert!(down.pitch_hz < up.pitch_hz);
        assert!(down.scoop_cents > 0.0 && up.scoop_cents < 0.0);
    }

    #[test]
    fn spike_inside_a_batch_is_audible_and_fades() {
        let mut series = series(&MixSettings::default());
        series.ingest(&[sample(0.1), sample(0.8), sample(0.1)], Some(CALM), SeriesStatus::Normal, 1_000);
        assert!(series.prominence(1_000) > 0.9);
        assert!((0.2..0.5).contains(&series.prominence(2_500)));
        assert!(series.prominence(10_000) < 0.05);
        assert!(series.interest(10_000) > 0.5, "it keeps its voice after it leaves the foreground");
    }

    #[test]
    fn an_acknowledged_episode_ducks() {
        let mut series = series(&MixSettings::default());
        series.ingest(&[sample(0.8)], Some(CALM), SeriesStatus::Anomalous, 0);
        let open = Episode {
            id: AnomalyId(uuid::Uuid::nil()),
            severity: Severity::Warning,
            acknowledged: false,
            muted: false,
        };
        series.episode = Some(open);
        let (loud, wanted) = (series.prominence(0), series.interest(0));
        series.episode = Some(Episode { acknowledged: true, ..open });
        assert!(series.prominence(0) < loud * 0.5 && series.interest(0) < wanted * 0.5);
    }

    #[test]
    fn non_finite_features_give_finite_controls() {
        let mut series = series(&MixSettings::default());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let features = Features { robust_z: bad, residual_z: bad, volatility: bad, slope: bad, level: bad };
            let c = ingest(&mut series, features, bad, 0);
            let all =
                [c.pitch_hz, c.glide_ms, c.scoop_cents, c.brightness, c.tremolo, c.detune_cents, c.pan, c.prominence];
            assert!(all.iter().all(|value| value.is_finite()), "{c:?}");
            assert!((150.0..1_600.0).contains(&c.pitch_hz));
        }
    }

    #[test]
    fn fast_series_starts_few_notes() {
        let mut series = series(&MixSettings::default());
        for now in (0..4_000).step_by(10) {
            ingest(&mut series, CALM, 0.0, now);
        }
        assert_eq!(series.articulation, 10);
    }
}
