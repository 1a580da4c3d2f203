//! A sender that behaves: small batches, one at a time, over one connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::time::{MissedTickBehavior, interval};

use crate::net::http::{self, Connection};

const PATH: &str = "/api/v1/workspaces/local/kpis/ingest";
/// Pause between batches.
const EVERY: Duration = Duration::from_millis(25);
/// KPIs in a batch.
const KPIS: usize = 20;
/// Refused batches in a row after which a run is worth nothing.
const MOST_REFUSED: usize = 40;

pub(super) struct Sender {
    address: SocketAddr,
    connection: Connection,
    waits: Vec<Duration>,
    sent: usize,
    refused: usize,
}

impl Sender {
    pub(super) async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let connection = Connection::open(address).await?;
        Ok(Self { address, connection, waits: Vec::new(), sent: 0, refused: 0 })
    }

    /// Sends batches for this long. A refused one is sent again, and its wait counts to the end.
    pub(super) async fn run_for(&mut self, length: Duration) -> anyhow::Result<()> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = Instant::now() + length;
        while Instant::now() < end {
            ticks.tick().await;
            let began = Instant::now();
            let request = http::post(PATH, &[("content-type", "application/json")], &body(self.sent + 1));
            while !self.try_send(&request).await? {}
            self.sent += 1;
            self.waits.push(began.elapsed());
        }
        Ok(())
    }

    async fn try_send(&mut self, request: &[u8]) -> anyhow::Result<bool> {
        let (status, answer) = match self.connection.send(request).await {
            Ok((status, answer)) => (status, String::from_utf8_lossy(answer).into_owned()),
            Err(error) => {
                self.connection = Connection::open(self.address).await?;
                (0, error.to_string())
            }
        };
        self.refused = if status == 200 { 0 } else { self.refused + 1 };
        ensure!(
            self.refused < MOST_REFUSED,
            "the sender was refused {MOST_REFUSED} times in a row, at last with {status}: {answer}"
        );
        Ok(status == 200)
    }

    /// The wait that 99 % of the batches since the last call did not exceed.
    pub(super) fn take_p99(&mut self) -> Duration {
        let mut waits = std::mem::take(&mut self.waits);
        waits.sort_unstable();
        waits.get(waits.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Batches that were acknowledged.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// The value of the last acknowledged sample.
    pub(super) fn last_value(&self) -> f64 {
        self.sent as f64
    }
}

fn body(value: usize) -> Vec<u8> {
    let rows: Vec<String> = (0..KPIS).map(|kpi| format!("{{\"kpi\":\"good.{kpi}\",\"value\":{value}}}")).collect();
    format!("{{\"samples\":[{}]}}", rows.join(",")).into_bytes()
}

/// Whether a server has this value as the newest.
pub(super) async fn has_last(address: SocketAddr, value: f64) -> anyhow::Result<bool> {
    let mut connection = Connection::open(address).await?;
    let body = connection.must(&http::get("/api/v1/workspaces/local/kpis/good.0")).await?;
    let kpi: serde_json::Value = serde_json::from_slice(body).context("reading a KPI")?;
    Ok(kpi["series"][0]["value"].as_f64() == Some(value))
}
