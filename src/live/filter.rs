//! The event filter of a subscription.

use earcon_model::{Event, EventType, Incident, KpiName};

/// Why a filter was refused. The message is for the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No event type of that name.
    #[error("there is no event type {0:?}; there are {known}", known = known_types())]
    UnknownType(String),
    /// Too many patterns.
    #[error("a filter has at most {max} KPI patterns, got {got}")]
    TooMany {
        /// How many were given.
        got: usize,
        /// How many are allowed.
        max: usize,
    },
}

fn known_types() -> String {
    EventType::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ")
}

/// KPI patterns and event types; an empty list lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    kpis: Vec<Pattern>,
    types: Vec<EventType>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Filter {
    /// The most KPI patterns of one filter: each event is compared with each.
    pub const MAX_PATTERNS: usize = 1_000;

    /// Builds a filter from KPI patterns (`name` or `prefix*`) and event type names.
    pub fn new<S: AsRef<str>>(kpis: &[S], types: &[S]) -> Result<Self, FilterError> {
        if kpis.len() > Self::MAX_PATTERNS {
            return Err(FilterError::TooMany { got: kpis.len(), max: Self::MAX_PATTERNS });
        }
        let kpis = kpis
            .iter()
            .map(|text| match text.as_ref().strip_suffix('*') {
                Some(prefix) => Pattern::Prefix(prefix.to_owned()),
                None => Pattern::Exact(text.as_ref().to_owned()),
            })
            .collect();
        let types = types
            .iter()
            .map(|name| {
                EventType::parse(name.as_ref()).ok_or_else(|| FilterError::UnknownType(name.as_ref().to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { kpis, types })
    }

    /// Whether the filter lets every event through.
    pub fn is_open(&self) -> bool {
        self.kpis.is_empty() && self.types.is_empty()
    }

    /// Whether events of this KPI may pass.
    pub fn admits_kpi(&self, kpi: &KpiName) -> bool {
        self.kpis.is_empty()
            || self.kpis.iter().any(|pattern| match pattern {
                Pattern::Exact(name) => name == kpi.as_str(),
                Pattern::Prefix(prefix) => kpi.as_str().starts_with(prefix.as_str()),
            })
    }

    /// Whether this event may pass. An incident passes with the KPI of any of its members. Events
    /// about other subjects pass only without KPI patterns.
    pub fn admits(&self, event: &Event) -> bool {
        let type_admitted = self.types.is_empty() || self.types.contains(&event.event_type());
        type_admitted
            && match (event.kpi(), event.incident()) {
                (Some(kpi), _) => self.admits_kpi(kpi),
                (None, Some(incident)) => self.admits_incident(incident),
                (None, None) => self.kpis.is_empty(),
            }
    }

    /// Whether events of the KPI of any member may pass.
    pub fn admits_incident(&self, incident: &Incident) -> bool {
        self.kpis.is_empty() || incident.members.iter().any(|member| self.admits_kpi(&member.kpi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{IncidentEvent, KpiEvent, Subject};

    fn event(kpi: &str) -> Event {
        Event::new(1, 0, KpiName::new(kpi).unwrap(), KpiEvent::Resumed)
    }

    #[test]
    fn an_empty_filter_lets_everything_through() {
        assert!(Filter::default().admits(&event("a.b")));
        assert!(Filter::default().is_open());
    }

    #[test]
    fn patterns_match_whole_names_or_prefixes() {
        let filter = Filter::new(&["host.cpu*", "load"], &[]).unwrap();
        assert!(filter.admits(&event("host.cpu.busy")));
        assert!(filter.admits(&event("load")));
        assert!(!filter.admits(&event("load.1m")));
    }

    #[test]
    fn an_incident_passes_when_one_of_its_members_would() {
        let incident = Incident::example(&["net.in", "host.cpu.busy"]);
        let event = Event::new(1, 0, incident.id, IncidentEvent::Opened(Box::new(incident)));
        assert!(Filter::new(&["host.cpu*"], &[]).unwrap().admits(&event));
        assert!(!Filter::new(&["load"], &[]).unwrap().admits(&event));
        assert!(!Filter::new(&["host.cpu*"], &["samples"]).unwrap().admits(&event));
    }

    #[test]
    fn an_event_about_the_workspace_passes_only_without_patterns() {
        let event = Event { subject: Subject::Workspace, ..event("a") };
        assert!(Filter::default().admits(&event));
        assert!(!Filter::new(&["a"], &[]).unwrap().admits(&event));
    }

    #[test]
    fn types_are_checked_and_named() {
        let filter = Filter::new(&[], &["samples"]).unwrap();
        assert!(!filter.admits(&event("a")));
        let error = Filter::new(&[], &["sample"]).unwrap_err();
        assert!(error.to_string().contains("anomaly.opened"), "{error}");
    }
}
