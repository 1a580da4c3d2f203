//! The snapshot message: the state of a workspace after an event.

use serde::Serialize;

use super::anomaly::WireAnomaly;
use super::control::to_json;
use super::incident::WireIncident;
use super::kpi::WireKpi;
use crate::live::view::KpiView;
use earcon_model::{Incident, Seq};

#[derive(Serialize)]
struct WireSnapshot<'a> {
    r#type: &'static str,
    seq: Seq,
    epoch: &'a str,
    kpis: Vec<WireKpi<'a>>,
    anomalies: Vec<WireAnomaly<'a>>,
    incidents: Vec<WireIncident<'a>>,
}

/// The snapshot message: the state after event `seq`.
pub fn snapshot_json<'a>(
    seq: Seq,
    epoch: &str,
    kpis: impl Iterator<Item = &'a KpiView> + Clone,
    incidents: impl Iterator<Item = &'a Incident>,
) -> String {
    let open = |kpi: &'a KpiView| kpi.series.by_labels().filter_map(|(_, series)| series.anomaly.as_deref());
    to_json(&WireSnapshot {
        r#type: "snapshot",
        seq,
        epoch,
        anomalies: kpis.clone().flat_map(open).map(WireAnomaly::from_anomaly).collect(),
        kpis: kpis.map(WireKpi::from_view).collect(),
        incidents: incidents.map(WireIncident::from_incident).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_lists_open_anomalies() {
        let json = snapshot_json(3, "e1", [].iter(), [].iter());
        let empty = r#"{"type":"snapshot","seq":3,"epoch":"e1","kpis":[],"anomalies":[],"incidents":[]}"#;
        assert_eq!(json, empty);
    }
}
