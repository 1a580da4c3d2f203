//! Pure KPI scoring: samples in, scores, episodes and stalls out.
//!
//! [`KpiState`] holds all series of one KPI and is what a stream actor calls. Each series has a [`Detector`], an episode with
//! hysteresis and a cadence that says when silence is a stall. Everything is a function of the samples and of the wall
//! time that the caller passes in: the same input gives the same output to the bit, cutting a series into other batches
//! changes nothing, and a snapshot with the rest of the input equals the whole run.
//!
//! Deliberately absent: clocks, randomness, threads, I/O, and functions of the platform's mathematics library whose last bit
//! differs between platforms (only IEEE +, −, ×, ÷ and √ are used).
//!
//! # What becomes of odd samples
//! | sample | result |
//! | --- | --- |
//! | NaN, ±∞ | rejected, with its row |
//! | before 1970, or more than an hour ahead of the wall clock | rejected, with its row |
//! | of a series beyond `max_series` | rejected, with its row |
//! | timestamp equal to or older than the newest of its series | *late*: kept and counted, not scored; it ends no stall |
//! | first of its series | taken; the series warms up; it cannot stall before its fifth sample |
//! | after a gap | scored; nothing is interpolated, the trend is not continued |
//! | beyond ±1e300 | scored as ±1e300, kept as it is |
//! | leaving a constant series | surprising by how long the series was constant |
//! | counter reset, million-fold change of unit | one anomaly; the forecast follows within a dozen samples |

mod arithmetic;
mod cadence;
mod detector;
mod episode;
mod kpi_state;
mod season;
mod series;
mod settings;
mod snapshot;
mod stored;
pub mod surprise;
mod tail;
mod window;

pub use detector::{Detector, DetectorName, Judgement, RobustForecast, TailRank, Verdict};
pub use kpi_state::{KpiState, Pushed, Rejection};
pub use series::SeriesView;
pub use settings::{SettingsProblem, StreamOptions, StreamSettings, UtcOffsets};
pub use snapshot::RestoreError;

#[cfg(test)]
mod tests;
