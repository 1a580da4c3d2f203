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
//! | million-fold change of unit | one anomaly; the forecast follows within a dozen samples |
//! | of a counter | its increase per second since the sample before is scored and kept, see below |
//! | of a series that has ended | taken; no event but its samples says so, and it may stall again |
//! | of history ([`KpiState::backfill`]) | scored and kept; no episode opens, grows or closes, no stall begins or ends |
//!
//! # Feedback
//! What people say of an alert (`real` or `false`) multiplies the sensitivity of its series, within 0.5 and 2, and fades with a
//! half-life of four weeks of the series' own time: see `feedback`.
//!
//! # Counters
//! | total | result |
//! | --- | --- |
//! | first of its series, or first after the series ended | taken and kept as the point to count from; nothing is scored |
//! | lower than the one before | the counter started again at zero: all of it is increase |
//! | after a gap | the mean rate over the gap, one sample |
//! | with a timestamp equal to or older than the newest | counted as late; not stored, since the rates around it are known |
//! | negative | rejected, with its row |
//! | of a series that was a gauge until now, or the other way round | the series warms up again under its name |

mod arithmetic;
mod cadence;
mod counter;
mod detector;
mod entry;
mod episode;
mod feedback;
mod ingest;
mod kpi_state;
mod season;
mod series;
mod settings;
mod shadow;
mod snapshot;
mod stored;
pub mod surprise;
mod tail;
mod training;
mod window;

pub use detector::{Detector, DetectorName, Judgement, RobustForecast, TailRank, Verdict};
pub use entry::EntryProblem;
pub use kpi_state::{KpiState, Pushed, Rejection};
pub use series::SeriesView;
pub use settings::{SettingsProblem, StreamOptions, StreamSettings, UtcOffsets};
pub use shadow::{Observed, ShadowAlert};
pub use snapshot::RestoreError;

#[cfg(test)]
mod tests;
