//! Why an anomaly is one: from its own numbers, from the last four weeks of its series, and from
//! past anomalies like it.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{AnomalyError, AnomalyService};
use crate::actors::hub::Hub;
use crate::explain::rarity::{Rarity, RarityCounter, comparison, hours};
use crate::explain::similar::similar;
use crate::live::sentence::sentence;
use earcon_model::Anomaly;
use earcon_ports::{AnomalyFilter, PortError, SeriesQuery};
use earcon_tenancy::WorkspacePass;

/// Rows that are read of one hour, of all series that the labels match.
const HOUR_ROWS: usize = 4_000;
/// Rows that are read of one series in an hour, at least.
const LEAST_HOUR_ROWS: usize = 20;
/// Hours that are read at a time.
const AT_ONCE: usize = 4;
/// Past anomalies that are compared.
const COMPARED: usize = 200;

/// Why an anomaly is one.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The sentence of the anomaly, and the comparison. Times are UTC.
    pub sentence: String,
    /// How its value compares with history, in a sentence; `None` if that says nothing of it.
    pub comparison: Option<String>,
    /// How the value at the peak compares with those of the same hour; `None` without any.
    pub rarity: Option<Rarity>,
    /// The hour of the peak, 0 to 23, in local time.
    pub hour_of_day: i64,
    /// The name of the time zone.
    pub time_zone: String,
    /// Past anomalies like it, the nearest first.
    pub similar: Vec<Anomaly>,
    /// The mute that covers its series now.
    pub mute: Option<MuteInForce>,
}

/// A mute that covers a series now.
#[derive(Debug, Clone)]
pub struct MuteInForce {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why it was made.
    pub reason: Option<String>,
    /// The end of its window, milliseconds UTC.
    pub until_ms: i64,
}

impl AnomalyService {
    /// Explains an anomaly from history.
    ///
    /// # Errors
    /// If the workspace is restarting or the history fails.
    pub async fn explain(
        &self,
        pass: &WorkspacePass,
        hub: &Hub,
        anomaly: &Anomaly,
    ) -> Result<Explanation, AnomalyError> {
        let rarity = self.rarity(pass, hub, anomaly).await?;
        let past = self.past(pass, anomaly).await?;
        let local = self.local_times.of_workspace(pass.workspace());
        let hour_of_day = local.hour_of_day(anomaly.peak_at_ms);
        let comparison = comparison(anomaly, rarity.as_ref(), hour_of_day, local.name());
        let sentence = sentence(anomaly);
        Ok(Explanation {
            sentence: comparison.as_ref().map_or_else(|| sentence.clone(), |more| format!("{sentence} {more}")),
            comparison,
            rarity,
            hour_of_day,
            time_zone: local.name().to_owned(),
            similar: similar(anomaly, &past).into_iter().cloned().collect(),
            mute: self.mute_in_force(pass, anomaly).await,
        })
    }

    async fn mute_in_force(&self, pass: &WorkspacePass, anomaly: &Anomaly) -> Option<MuteInForce> {
        let mutes = self.mutes.current(pass).await;
        let found = mutes.covering(&anomaly.kpi, &anomaly.labels, self.clock.now_ms())?;
        Some(MuteInForce {
            id: found.mute.id().to_owned(),
            name: found.mute.name().to_owned(),
            reason: found.mute.document().reason.clone(),
            until_ms: found.until_ms,
        })
    }

    /// Reads at most 28 hours, and of each a limited number of rows.
    async fn rarity(&self, pass: &WorkspacePass, hub: &Hub, anomaly: &Anomaly) -> Result<Option<Rarity>, AnomalyError> {
        // Labels select every series that carries them. All of those are read, so they share the
        // rows.
        let view = hub.kpi(anomaly.kpi.clone()).await.ok_or(AnomalyError::Restarting)?;
        let carries = |view: &crate::live::KpiView| {
            view.series.iter().filter(|(labels, _)| labels.contains(&anomaly.labels)).count()
        };
        let matching = view.map_or(1, |view| carries(&view)).max(1);
        let limit = (HOUR_ROWS / matching).max(LEAST_HOUR_ROWS);
        let local = self.local_times.of_workspace(pass.workspace());
        let windows = hours(anomaly.peak_at_ms, anomaly.opened_at_ms, |at_ms| local.local_ms(at_ms));
        let read = |(from_ms, to_ms)| async move {
            let query = SeriesQuery { kpi: anomaly.kpi.clone(), labels: anomaly.labels.clone(), from_ms, to_ms };
            self.history.samples(pass, &query, limit).await
        };
        let mut hours = stream::iter(windows.into_iter().map(read)).buffered(AT_ONCE);
        let mut counter = RarityCounter::new(anomaly.peak_value, anomaly.direction);
        while let Some(found) = hours.try_next().await? {
            for series in found.iter().filter(|series| series.labels == anomaly.labels) {
                counter.add_day(series.rows.iter().map(|row| row.value));
            }
        }
        Ok(counter.finish())
    }

    /// The last anomalies of the series, then of the KPI.
    async fn past(&self, pass: &WorkspacePass, anomaly: &Anomaly) -> Result<Vec<Anomaly>, PortError> {
        let of_kpi = AnomalyFilter {
            kpi: Some(anomaly.kpi.clone()),
            to_ms: Some(anomaly.opened_at_ms),
            limit: COMPARED,
            ..AnomalyFilter::default()
        };
        let of_series = AnomalyFilter { labels: Some(anomaly.labels.clone()), ..of_kpi.clone() };
        let mut found = self.history.anomalies(pass, &of_series).await?;
        if found.len() < COMPARED {
            found.extend(self.history.anomalies(pass, &of_kpi).await?);
        }
        Ok(found)
    }
}
