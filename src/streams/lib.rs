//! Pure KPI scoring: samples in; scores, episodes and stalls out.
//!
//! [`KpiState`] holds all series of one KPI. A stream calls it. Each series has a
//! [`Detector`], an episode with hysteresis, and a cadence from which stalls are detected.
//!
//! The result depends only on the samples and on the wall time that the caller passes in:
//! - The same input gives the same output, to the bit.
//! - Splitting a series into other batches changes nothing.
//! - A snapshot followed by the rest of the input gives the same result as the whole run.
//!
//! Deliberately absent: clocks, randomness, threads and I/O. Functions of the platform's
//! mathematics library are absent too, because their last bit differs between platforms. Only the
//! IEEE operations +, −, ×, ÷ and √ are used.
//!
//! # How unusual samples are handled
//! | sample | result |
//! | --- | --- |
//! | NaN, ±∞ | rejected, with its row |
//! | before 1970, or more than two minutes ahead of the wall clock | rejected, with its row |
//! | older than `max_age_ms` | rejected, with its row |
//! | of a series beyond `max_series` | rejected, with its row |
//! | not newer than the newest of its series | *late*: kept, counted, not scored; ends no stall |
//! | the same, and the newest is too far ahead of the wall clock | the series begins again |
//! | first of its series | accepted; the series warms up; no stall before its fifth sample |
//! | after a gap | scored; nothing is interpolated, the trend is not continued |
//! | beyond ±1e300 | scored as ±1e300, stored unchanged |
//! | leaving a constant series | an alert after 500 samples; sooner if the level halves |
//! | change of unit | one anomaly; the new level is accepted after 6 to 120 samples |
//! | of a counter | its increase per second is scored and stored, see below |
//! | of a series that has ended | accepted without an own event; it may stall again |
//! | of history ([`KpiState::backfill`]) | scored and stored; changes no episode and no stall |
//!
//! # Feedback
//! Feedback on an alert (`real` or `false`) multiplies the sensitivity of its series by 0.5 to 2.
//! Its effect fades with a half-life of four weeks of the series' own time. See `feedback`.
//!
//! # Counters
//! | total | result |
//! | --- | --- |
//! | first of its series, or first after its end | stored as the starting point; not scored |
//! | lower than the previous total | the counter restarted at zero: the total is the increase |
//! | after a gap | the mean rate over the gap, one sample |
//! | not newer than the newest total | counted as late; not stored, the rates around it are known |
//! | negative | rejected, with its row |
//! | of a series that was a gauge, or the reverse | the series warms up again |

mod arithmetic;
mod arrival;
mod cadence;
mod counter;
mod deletion;
mod detector;
mod detector_name;
mod entry;
mod episode;
mod feedback;
mod growth;
mod ingest;
mod kpi_state;
mod natural;
mod parts;
mod series;
mod settings;
mod shadow;
mod shadow_state;
mod snapshot;
mod stored;
pub mod surprise;
mod training;

pub use arrival::{Conditions, SeriesRoom};
pub use detector::{Detector, Score, SeasonReach};
pub use detector_name::DetectorName;
pub use entry::EntryProblem;
pub use kpi_state::{KpiState, Pushed, Rejection, check_sample};
pub use natural::NaturalRange;
pub use parts::{KpiParts, PART_SERIES};
pub use series::SeriesView;
pub use settings::{SettingsProblem, StreamOptions, StreamSettings, UtcOffsets};
pub use shadow::{Observed, ShadowAlert};
pub use snapshot::RestoreError;

#[cfg(test)]
mod tests;
