//! The samples of a request that history does not keep: refused, and named in the answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::live::sentence::time;
use earcon_model::TooOld;
use earcon_model::wording::counted;

const DAY_MS: i64 = 86_400_000;

/// The refused samples that are older than history keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TooOld)]
pub struct WireTooOld {
    /// How many.
    pub count: u64,
    /// The oldest of their times, milliseconds UTC.
    pub oldest: i64,
    /// The KPI of the first of them.
    pub kpi: String,
    /// The limit: `storage.history_days` of the server.
    pub history_days: i64,
}

impl WireTooOld {
    /// Both together; the KPI is that of the first.
    #[must_use]
    pub fn merge(first: Option<Self>, then: Option<Self>) -> Option<Self> {
        let (Some(first), Some(then)) = (&first, &then) else { return first.or(then) };
        let (count, oldest) = (first.count + then.count, first.oldest.min(then.oldest));
        Some(Self { count, oldest, ..first.clone() })
    }
}

impl From<&TooOld> for WireTooOld {
    fn from(from: &TooOld) -> Self {
        let TooOld { count, oldest_ms, kpi, max_age_ms, .. } = from;
        Self { count: *count, oldest: *oldest_ms, kpi: kpi.to_string(), history_days: max_age_ms / DAY_MS }
    }
}

impl fmt::Display for WireTooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, oldest, kpi, history_days } = self;
        write!(
            f,
            "{} older than the {} that history keeps (storage.history_days): the oldest is from {}, the first is of \
             KPI {kpi}",
            counted(*count, "sample is", "samples are"),
            counted(history_days.unsigned_abs(), "day", "days"),
            time(*oldest)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_count_limit_time_and_kpi() {
        let one = WireTooOld { count: 1, oldest: 0, kpi: "sales".to_owned(), history_days: 90 };
        assert_eq!(
            one.to_string(),
            "1 sample is older than the 90 days that history keeps (storage.history_days): \
             the oldest is from 1970-01-01 00:00:00 UTC, the first is of KPI sales"
        );
        let other = WireTooOld { count: 2, oldest: -5, kpi: "other".to_owned(), ..one.clone() };
        let both = WireTooOld::merge(Some(one.clone()), Some(other)).unwrap();
        assert_eq!((both.count, both.oldest, both.kpi.as_str()), (3, -5, "sales"));
        assert_eq!(WireTooOld::merge(None, Some(one.clone())), Some(one));
    }
}
