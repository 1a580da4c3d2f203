//! `tail-rank-1`: ten streams derived from a series, each ranked in its own past, combined into one
//! surprise.
//!
//! The streams are: the value; its residuals to the hour of the day, the hour of the week and the
//! last 144 values; the short median; the spread; the volatility of values and of ranks; the recent
//! rank. A value with a high [rank in the tail](tails) of its stream adds to the surprise. The
//! stream that adds the most is the stated reason.
//!
//! A high rank counts in full only if the value is also [distant](scale): of any ten thousand
//! harmless values one is the largest. Two more paths find faults that are not new: a value [out of
//! the band](band) of the series, even if that has happened before, and a [`flatline`].
//!
//! Deliberately absent: look-ahead, ranges known beforehand, other series, and feedback of people.
//!
//! Everything but the visible forecast is computed in `f32` on *scaled* values: the distance from
//! an anchor (initially the first value) in units of a power of two near the first distance. When a
//! generation of the tails ends, both are adjusted if they do not fit. So any unit and any offset
//! works, and a series multiplied by a power of two has the same scores.

mod band;
mod calendar;
mod flatline;
mod measures;
mod quantize;
mod ranks;
mod scale;
mod scaling;
mod state;
mod tails;

use super::score::{Detector, LARGEST, Score};
use crate::detector_name::DetectorName;
use crate::settings::StreamSettings;
use crate::stored::Stored;
use earcon_model::Sample;
use state::State;

/// Scores one series. Below 4 KB, all of it inline.
#[derive(Debug, Clone, Default)]
pub struct TailRank {
    state: Option<State>,
}

impl Detector for TailRank {
    const VERSION: &'static str = DetectorName::TailRank.as_str();

    fn score(&mut self, sample: Sample, settings: &StreamSettings) -> Option<Score> {
        let value = sample.value.clamp(-LARGEST, LARGEST);
        let state = self.state.get_or_insert_with(|| State::starting_at(sample.timestamp_ms, value));
        state.push(sample.timestamp_ms, value, settings)
    }

    fn seen(&self) -> u32 {
        self.state.as_ref().map_or(0, |state| state.seen)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let state = Stored::read(&mut bytes)?;
        bytes.is_empty().then_some(Self { state })
    }
}
