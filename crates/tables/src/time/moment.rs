//! When a time without an offset is in a time zone.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// When a time is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds since 1970.
    At(i64),
    /// The clocks show it twice, as they are set back.
    Repeated(Repeated),
    /// The clocks skip it, as they are set forward.
    Missing {
        /// What the text says.
        local: DateTime,
        /// The name of the time zone.
        zone: String,
    },
}

/// A time that the clocks of a zone show twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeated {
    /// What the clocks show.
    pub(crate) local: DateTime,
    /// The first moment at which they show it, milliseconds since 1970.
    pub(crate) first_ms: i64,
    /// The second one.
    pub(crate) second_ms: i64,
    /// The offset from UTC at the first one.
    pub(crate) first_offset: Offset,
    /// The name of the time zone.
    pub(crate) zone: String,
}

impl Repeated {
    /// Whether both times lie in the same repeated hour.
    pub(crate) fn is_with(&self, other: &Self) -> bool {
        (self.first_ms - other.first_ms).abs() < self.second_ms - self.first_ms
    }
}

impl Moment {
    /// When the clocks of a zone show this. `None` beyond the times that can be expressed.
    pub(super) fn of(local: DateTime, zone: &TimeZone) -> Option<Self> {
        let ms = |offset: Offset| Some(offset.to_timestamp(local).ok()?.as_millisecond());
        let name = || zone.iana_name().unwrap_or("this time zone").to_owned();
        Some(match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => Self::At(ms(offset)?),
            AmbiguousOffset::Fold { before, after } => Self::Repeated(Repeated {
                local,
                first_ms: ms(before)?,
                second_ms: ms(after)?,
                first_offset: before,
                zone: name(),
            }),
            AmbiguousOffset::Gap { .. } => Self::Missing { local, zone: name() },
        })
    }
}
