//! Limits and times of incidents.

/// Limits and times of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentSettings {
    /// Most incidents alerted in any 24 hours. 0: no limit.
    pub max_per_day: u32,
    /// How long an incident gathers members before it is first reported, milliseconds.
    pub settle_ms: i64,
    /// The same while it is one weak anomaly: others that belong to it may be noticed later.
    pub settle_weak_ms: i64,
    /// How long after the end of its last member an incident closes, milliseconds. It stays open if
    /// a member becomes anomalous again within this time.
    pub linger_ms: i64,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        Self { max_per_day: 20, settle_ms: 2_000, settle_weak_ms: 30_000, linger_ms: 60_000 }
    }
}
