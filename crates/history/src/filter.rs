//! The filter of anomalies.

use earcon_model::Anomaly;
use earcon_ports::AnomalyFilter;

/// The latest opening time that the filter lets through; `None` when there is none.
pub fn start_of(filter: &AnomalyFilter) -> Option<i64> {
    let before = filter.before.map_or(i64::MAX, |(opened_at_ms, _)| opened_at_ms);
    match filter.to_ms {
        Some(to_ms) => Some(before.min(to_ms.checked_sub(1)?)),
        None => Some(before),
    }
}

/// Whether the filter lets the anomaly through, apart from its limit.
pub fn wanted(filter: &AnomalyFilter, anomaly: &Anomaly) -> bool {
    let position = (std::cmp::Reverse(anomaly.opened_at_ms), anomaly.id);
    filter.kpi.as_ref().is_none_or(|kpi| anomaly.kpi == *kpi)
        && filter.labels.as_ref().is_none_or(|labels| anomaly.labels.contains(labels))
        && filter.from_ms.is_none_or(|from_ms| anomaly.closed_at_ms.is_none_or(|closed_at_ms| closed_at_ms >= from_ms))
        && filter.to_ms.is_none_or(|to_ms| anomaly.opened_at_ms < to_ms)
        && filter.open.is_none_or(|open| anomaly.closed_at_ms.is_none() == open)
        && filter.acknowledged.is_none_or(|acknowledged| anomaly.acknowledged.is_some() == acknowledged)
        && filter.before.is_none_or(|(opened_at_ms, id)| position > (std::cmp::Reverse(opened_at_ms), id))
}
