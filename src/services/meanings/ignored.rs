//! Units that senders state in vain.

use earcon_model::KpiName;

/// A unit that a sender states, and that is ignored because another one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredUnit {
    /// The KPI.
    pub kpi: KpiName,
    /// The unit of the sender.
    pub stated: String,
    /// The unit that holds.
    pub holds: String,
    /// Whether a person stated that one. If not, a sender did before.
    pub by_person: bool,
}

impl std::fmt::Display for IgnoredUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kpi, stated, holds, by_person } = self;
        let who = if *by_person { "a person stated" } else { "a sender stated before" };
        write!(
            f,
            "unit {stated:?} of {kpi} is ignored: {who} {holds:?}; values are stored as they are sent; to change the \
             unit, PUT …/kpis/{kpi}/settings"
        )
    }
}
