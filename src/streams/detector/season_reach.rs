//! `season-reach-1`: the distance from a seasonal baseline, in reaches that the series has taught.
//!
//! 1. **Expected value.** A [season] (none, the day's course, or day and week, whichever predicts
//!    best) plus a baseline that follows the rest.
//! 2. **Distance.** The [ladder] compares means of the last 1, 4, 16 and 64 values with slower
//!    baselines, so that a small shift that lasts counts as well as a large one that does not.
//! 3. **Edge.** Each step of the ladder and each side has a [reach]: the distance that one value in
//!    two hundred exceeds, extended along its tail. A fixed number of standard deviations that
//!    suits one series floods the next. [Hours] with a usual disturbance and frequent crossings
//!    raise the edge.
//! 4. **Runs.** A value that [repeats] longer than its hour makes likely is anomalous although it
//!    is not distant: a sensor hangs, orders stop.
//! 5. **Learning.** A value beyond the edge moves baselines and profiles little. A level that stays
//!    is accepted after three hours (6 to 120 samples). One fifteen edges away makes the detector
//!    forget the series.
//!
//! The [band] is the set of values that do not alert, and a score follows from it: a value outside
//! alerts, a value inside does not. The direction is the side on which the value lies.
//!
//! Deliberately absent: look-ahead, ranges known beforehand, other series, and feedback of people.
//! Times of day are local. The design and its measurements are in `docs/detection.md`.

mod band;
mod halves;
mod hours;
mod ladder;
mod limiter;
mod pace;
mod reach;
mod repeats;
mod season;
mod state;
mod steps;

use super::score::{Detector, LARGEST, Score};
use crate::detector_name::DetectorName;
use crate::natural::Observed;
use crate::settings::StreamSettings;
use crate::stored::Stored;
use earcon_model::Sample;
use state::State;

/// Scores one series. The half kilobyte that an ordinary sample touches is inline. The rest,
/// touched when another slot of ten minutes begins, is 1.1 KB on the heap.
#[derive(Debug, Clone, Default)]
pub struct SeasonReach {
    state: Option<State>,
}

impl SeasonReach {
    /// Bytes on the heap.
    pub(crate) const fn heap_bytes() -> usize {
        State::heap_bytes()
    }
}

impl SeasonReach {
    /// How long it has known its series at a time, milliseconds.
    pub(crate) fn known_for_ms(&self, timestamp_ms: i64) -> i64 {
        self.state.as_ref().map_or(0, |state| state.known_for_ms(timestamp_ms))
    }

    /// What the values were so far; `None` before the first.
    pub(crate) fn observed(&self) -> Option<Observed> {
        self.state.as_ref().map(State::observed)
    }
}

impl Detector for SeasonReach {
    const VERSION: &'static str = DetectorName::SeasonReach.as_str();

    fn score(&mut self, sample: Sample, settings: &StreamSettings, sensitivity: f64) -> Option<Score> {
        let value = sample.value.clamp(-LARGEST, LARGEST);
        let local_ms = settings.utc_offsets.local_ms(sample.timestamp_ms);
        let state = self.state.get_or_insert_with(|| State::starting_at(sample.timestamp_ms, value));
        state.push(sample.timestamp_ms, local_ms, value, settings, sensitivity)
    }

    fn seen(&self) -> u32 {
        self.state.as_ref().map_or(0, State::seen)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let state = Stored::read(&mut bytes)?;
        bytes.is_empty().then_some(Self { state })
    }
}
