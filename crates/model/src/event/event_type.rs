//! The `type` of an event on the wire.

/// Declares the types with their codes in the compact form and their names in JSON.
macro_rules! event_types {
    ($($variant:ident = $code:literal, $name:literal;)*) => {
        /// The `type` of an event on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl EventType {
            /// All types, in the order of their codes.
            pub const ALL: &[EventType] = &[$(EventType::$variant),*];

            /// The name in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(EventType::$variant => $name,)*
                }
            }

            /// The code in the compact form.
            pub fn code(self) -> u8 {
                match self {
                    $(EventType::$variant => $code,)*
                }
            }
        }
    };
}

// Codes and names are part of the protocol. Add types at the end, and never reuse a code.
event_types! {
    Samples = 0, "samples";
    AnomalyOpened = 1, "anomaly.opened";
    AnomalyUpdated = 2, "anomaly.updated";
    AnomalyClosed = 3, "anomaly.closed";
    AnomalyAcknowledged = 4, "anomaly.acknowledged";
    SeriesStalled = 5, "series.stalled";
    SeriesRestored = 6, "series.restored";
    KpiParked = 7, "kpi.parked";
    KpiResumed = 8, "kpi.resumed";
    SeriesEnded = 9, "series.ended";
    Backfilled = 10, "samples.backfilled";
    DetectorChanged = 11, "detector.changed";
    DetectorTrained = 12, "detector.trained";
    AnomalyFeedback = 13, "anomaly.feedback";
    IncidentOpened = 14, "incident.opened";
    IncidentUpdated = 15, "incident.updated";
    IncidentClosed = 16, "incident.closed";
    Deleted = 17, "deleted";
}

impl EventType {
    /// The type with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event_type| event_type.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_name_parses_back() {
        for event_type in EventType::ALL {
            assert_eq!(EventType::parse(event_type.as_str()), Some(*event_type));
        }
        assert_eq!(EventType::parse("anomaly"), None);
    }

    #[test]
    fn codes_count_from_zero() {
        let codes: Vec<u8> = EventType::ALL.iter().map(|event_type| event_type.code()).collect();
        assert_eq!(codes, (0..EventType::ALL.len() as u8).collect::<Vec<_>>());
    }
}
