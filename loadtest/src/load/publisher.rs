//! Sends the messages for the followers, on a separate thread at their due times.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::fleet::events::{MARK, Timeline};
use crate::net::http::{self, Connection};
use crate::server::Target;

/// Requests in flight at the same time. Each has its own KPIs, so that samples arrive in order.
const CONNECTIONS: u32 = 4;
/// Number of samples of each KPI before the load, so that each event has a score and a band.
const WARM_UP: i64 = 120;

/// Makes requests that cause one message each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher {
    target: Target,
    address: SocketAddr,
    /// Size of a whole message, for targets that forward the data unchanged.
    message_bytes: usize,
}

impl Publisher {
    pub(crate) fn new(target: Target, address: SocketAddr, message_bytes: usize) -> Self {
        Self { target, address, message_bytes }
    }

    /// A timeline of messages with timestamps a second apart, the last about now.
    pub(crate) fn timeline(every: Duration, count: u32) -> Timeline {
        let now = super::now_ms();
        let start = std::time::Instant::now() + Duration::from_millis(200);
        Timeline { start, every, first: (now / 1_000 - i64::from(count)) * 1_000, step: 1_000, count }
    }

    /// Sends the history of the messages. It is not part of the timeline.
    pub(crate) async fn warm_up(&self, first: i64) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        if self.target != Target::Earcon {
            for number in 0..10 {
                connection.must(&self.request(0, first - 1_000 * (10 - number))).await?;
            }
            return Ok(());
        }
        for kpi in 0..CONNECTIONS {
            let times =
                (1..=WARM_UP).rev().map(|back| first + i64::from(kpi) * 1_000 - back * i64::from(CONNECTIONS) * 1_000);
            let rows: Vec<String> = times.map(|at| row(kpi, at)).collect();
            connection.must(&ingest(&rows.join(","))).await?;
        }
        Ok(())
    }

    /// Sends all messages of the timeline at their due times, independent of the answers.
    pub(crate) fn run(self, timeline: Arc<OnceLock<Timeline>>) -> anyhow::Result<()> {
        let Some(timeline) = timeline.get().copied() else { bail!("there is no timeline") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        runtime.block_on(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for lane in 0..CONNECTIONS {
                tasks.spawn(async move {
                    let mut connection = Connection::open(self.address).await?;
                    for number in (lane..timeline.count).step_by(CONNECTIONS as usize) {
                        tokio::time::sleep_until(timeline.due(number).into()).await;
                        connection.must(&self.request(lane, timeline.timestamp(number))).await?;
                    }
                    anyhow::Ok(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.context("a publishing task")??;
            }
            Ok(())
        })
    }

    fn request(&self, kpi: u32, timestamp: i64) -> Vec<u8> {
        match self.target {
            Target::Earcon => ingest(&row(kpi, timestamp)),
            Target::Centrifugo => {
                // The text around the data in each push to a client.
                let around = r#"{"push":{"channel":"load","pub":{"data":}}}"#.len();
                let data = message(timestamp, self.message_bytes.saturating_sub(around));
                let body = format!(r#"{{"channel":"load","data":{data}}}"#);
                http::post("/api/publish", &[("content-type", "application/json")], body.as_bytes())
            }
            Target::Raw | Target::VictoriaMetrics | Target::Icecast => {
                http::post("/publish", &[], message(timestamp, self.message_bytes).as_bytes())
            }
        }
    }
}

fn ingest(rows: &str) -> Vec<u8> {
    let body = format!(r#"{{"samples":[{rows}]}}"#);
    http::post("/api/v1/workspaces/local/kpis/ingest", &[("content-type", "application/json")], body.as_bytes())
}

/// A normal sample.
fn row(kpi: u32, timestamp: i64) -> String {
    let wobble = timestamp / 1_000 * 7_919 % 10_007;
    let value = 100.0 + wobble as f64 / 1_000.0;
    format!(r#"{{"kpi":"load.kpi{kpi}","timestamp":{timestamp},"value":{value}}}"#)
}

/// A message of this many bytes that looks like an event.
fn message(timestamp: i64, bytes: usize) -> String {
    let head = format!(
        r#"{{"type":"samples","kpi":"load.kpi","data":{{"series":[{{"labels":{{}},{MARK}{timestamp},100.5]],"pad":""#
    );
    let tail = "\"}]}}";
    let pad = "x".repeat(bytes.saturating_sub(head.len() + tail.len()));
    format!("{head}{pad}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_json_of_the_given_size() {
        let text = message(1_767_225_600_000, 430);
        assert_eq!(text.len(), 430);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["data"]["series"][0]["samples"][0][0], 1_767_225_600_000_i64);
    }

    #[test]
    fn warm_up_is_not_part_of_the_timeline() {
        let timeline = Publisher::timeline(Duration::from_millis(40), 100);
        let latest = timeline.first + (i64::from(CONNECTIONS) - 1) * 1_000 - i64::from(CONNECTIONS) * 1_000;
        assert_eq!(timeline.number(latest), None);
        assert_eq!(timeline.number(timeline.timestamp(99)), Some(99));
    }
}
