//! The names of the detectors, version included.

/// The name of a detector, version included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetectorName {
    /// [`SeasonReach`](crate::SeasonReach).
    #[default]
    SeasonReach,
}

impl DetectorName {
    /// All detectors.
    pub const ALL: [Self; 1] = [Self::SeasonReach];

    /// The name in configuration, anomalies and snapshots.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeasonReach => "season-reach-1",
        }
    }

    /// The detector with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.as_str() == name)
    }
}
