//! What the owner of a table can say about it.

use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use earcon_model::KpiName;

/// How a table is read.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// The KPI of a single value column, or the prefix of several (`kpi.column`). `None`: columns
    /// name the KPIs.
    pub kpi: Option<KpiName>,
    /// The KPI of a single value column without a specific name (`value`, or no header): the file's
    /// name.
    pub fallback: KpiName,
    /// The form of times. `None`: it follows from the first rows.
    pub time_format: Option<TimeFormat>,
    /// The decimal sign. `None`: it follows from the first rows.
    pub decimal: Option<DecimalSign>,
    /// The zone of times that do not say one. `None`: UTC, unless the name of the column says
    /// another one.
    pub time_zone: Option<TimeZone>,
    /// The names of columns of numbers: each is a KPI, whatever its first rows hold.
    pub values: Vec<String>,
}

impl TableOptions {
    /// Everything follows from the table.
    pub fn new(fallback: KpiName) -> Self {
        Self { kpi: None, fallback, time_format: None, decimal: None, time_zone: None, values: Vec::new() }
    }
}

/// The form of the times of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// RFC 3339, or `YYYY-MM-DD` with an optional time of day.
    Iso,
    /// Day, month, year, separated by `/`, `.` or `-`, with an optional time of day.
    DayFirst,
    /// Month, day, year, separated by `/`, `.` or `-`, with an optional time of day.
    MonthFirst,
    /// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`.
    Compact,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// Days since 1899-12-30, as spreadsheets count them.
    Excel,
}

impl TimeFormat {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Iso, "iso"),
        (Self::DayFirst, "day_first"),
        (Self::MonthFirst, "month_first"),
        (Self::Compact, "compact"),
        (Self::Seconds, "seconds"),
        (Self::Milliseconds, "milliseconds"),
        (Self::Microseconds, "microseconds"),
        (Self::Nanoseconds, "nanoseconds"),
        (Self::Excel, "excel"),
    ];

    /// Its name in options and answers.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(format, _)| *format);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
            format!("the time format is one of {}, not {text:?}", names.join(", "))
        })
    }
}

/// The sign before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalSign {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

impl FromStr for DecimalSign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "point" => Ok(Self::Point),
            "comma" => Ok(Self::Comma),
            _ => Err(format!("the decimal sign is point or comma, not {text:?}")),
        }
    }
}
