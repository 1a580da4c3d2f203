//! The names of the detectors, version included.

/// The name of a detector, version included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetectorName {
    /// [`RobustForecast`](crate::RobustForecast).
    RobustForecast,
    /// [`TailRank`](crate::TailRank).
    #[default]
    TailRank,
}

impl DetectorName {
    /// All detectors.
    pub const ALL: [Self; 2] = [Self::TailRank, Self::RobustForecast];

    /// The name in configuration, anomalies and snapshots.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RobustForecast => "robust-forecast-1",
            Self::TailRank => "tail-rank-1",
        }
    }

    /// The detector with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.as_str() == name)
    }
}
