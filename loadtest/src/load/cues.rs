//! Latency from post to sound: the time from the due time of a surprising sample to the arrival of
//! the Opus packet in which its cue begins.
//!
//! By the protocol, a `cue` message comes right before the packet in which the cue begins, so no
//! decoding is necessary. A mix plays at most six cues per minute. Many probes need many mixes,
//! each in its own workspace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use tokio::time::timeout;

use super::now_ms;
use crate::fleet::events::histogram;
use crate::net::http::{self, Connection};
use crate::net::websocket::{BINARY, PING, PONG, Socket, TEXT};

/// Number of samples of each series before its surprise.
const PAST: i64 = 400;
/// KPIs of each mix without a surprise. Surprises of half of a workspace's KPIs within a minute are
/// one incident with one cue.
const CALM: usize = 12;
/// Longest wait for a cue.
const PATIENCE: Duration = Duration::from_secs(30);

/// The schedule of the surprises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) mixes: usize,
    pub(crate) cues_per_mix: usize,
    pub(crate) seconds: f64,
}

#[derive(Deserialize)]
struct Cue {
    r#type: String,
    kpi: String,
}

impl Plan {
    /// Due times are spread over the run, out of step with the packets.
    fn due(&self, start: Instant, mix: usize, cue: usize) -> Instant {
        let number = cue * self.mixes + mix;
        let share = number as f64 / (self.mixes * self.cues_per_mix) as f64;
        start + Duration::from_secs_f64(share * self.seconds) + Duration::from_millis((number * 7 % 20) as u64)
    }

    /// Sends history for each series of each mix.
    pub(crate) async fn warm_up(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let now = now_ms();
        for mix in 0..self.mixes {
            let samples = (0..self.cues_per_mix).flat_map(|cue| (1..=PAST).rev().map(move |back| (cue, back)));
            let surprising = samples.map(|(cue, back)| {
                let noise = (back * 7_919 + cue as i64 * 104_729) % 1_009;
                row(cue, now - back * 1_000, 100.0 + noise as f64 / 100.0)
            });
            let calm = (0..CALM).map(|kpi| format!(r#"{{"kpi":"calm.number{kpi}","timestamp":{now},"value":1}}"#));
            let rows = surprising.chain(calm);
            connection.must(&http::put(&workspace(mix))).await.context("creating a workspace")?;
            connection.must(&ingest(mix, &rows.collect::<Vec<_>>().join(","))).await.context("warming up a mix")?;
        }
        Ok(())
    }

    /// Listens to all mixes and sends the surprises. Returns the microseconds until each packet
    /// with a cue, and the number of missing cues.
    pub(crate) fn run(self) -> anyhow::Result<(Histogram<u64>, usize)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        runtime.block_on(async move {
            let mut sockets = Vec::new();
            for mix in 0..self.mixes {
                sockets.push(Socket::open(self.address, &format!("{}/mixes/default/live", workspace(mix))).await?);
            }
            // By then, the mixes play.
            let start = Instant::now() + Duration::from_secs(1);
            let mut tasks = tokio::task::JoinSet::new();
            for (mix, socket) in sockets.into_iter().enumerate() {
                tasks.spawn(async move {
                    let (heard, posted) = tokio::join!(self.listen(socket, start, mix), self.post(start, mix));
                    posted?;
                    heard
                });
            }
            let mut all = histogram();
            while let Some(done) = tasks.join_next().await {
                all.add(done.context("a mix")??).context("adding up latencies")?;
            }
            let missing = (self.mixes * self.cues_per_mix).saturating_sub(all.len() as usize);
            Ok((all, missing))
        })
    }

    async fn post(&self, start: Instant, mix: usize) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        for cue in 0..self.cues_per_mix {
            let request = ingest(mix, &row(cue, now_ms(), 2_000.0));
            tokio::time::sleep_until(self.due(start, mix, cue).into()).await;
            connection.must(&request).await?;
        }
        Ok(())
    }

    async fn listen(&self, mut socket: Socket, start: Instant, mix: usize) -> anyhow::Result<Histogram<u64>> {
        let mut heard = histogram();
        let deadline = self.due(start, mix, self.cues_per_mix - 1) + PATIENCE;
        let mut begins: Vec<usize> = Vec::new();
        while (heard.len() as usize) < self.cues_per_mix {
            let Ok(filled) = timeout(deadline.saturating_duration_since(Instant::now()), socket.fill()).await else {
                break;
            };
            ensure!(filled?, "the server closed the connection");
            let (mut pongs, at) = (Vec::new(), Instant::now());
            while let Some(frame) = socket.next_frame()? {
                match frame.opcode {
                    TEXT => begins.extend(cue_of(frame.payload)),
                    BINARY => {
                        for cue in begins.drain(..).filter(|cue| *cue < self.cues_per_mix) {
                            let late = at.saturating_duration_since(self.due(start, mix, cue));
                            heard.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
                        }
                    }
                    PING => pongs.push(frame.payload.to_vec()),
                    _ => {}
                }
            }
            for payload in pongs {
                socket.send(PONG, &payload).await?;
            }
        }
        Ok(heard)
    }
}

/// The surprise that this message announces, if any.
fn cue_of(message: &[u8]) -> Option<usize> {
    let cue: Cue = serde_json::from_slice(message).ok()?;
    (cue.r#type == "cue").then(|| cue.kpi.strip_prefix("surprise.number")?.parse().ok())?
}

fn workspace(mix: usize) -> String {
    format!("/api/v1/workspaces/mix{mix}")
}

fn row(cue: usize, timestamp: i64, value: f64) -> String {
    format!(r#"{{"kpi":"surprise.number{cue}","timestamp":{timestamp},"value":{value}}}"#)
}

fn ingest(mix: usize, rows: &str) -> Vec<u8> {
    let body = format!(r#"{{"samples":[{rows}]}}"#);
    let path = format!("{}/kpis/ingest", workspace(mix));
    http::post(&path, &[("content-type", "application/json")], body.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cues_of_surprises_count() {
        let cue = br#"{"type":"cue","severity":"critical","kpi":"surprise.number3","labels":{},"anomaly":"x"}"#;
        assert_eq!(cue_of(cue), Some(3));
        assert_eq!(cue_of(br#"{"type":"cue","kpi":"other"}"#), None);
        assert_eq!(cue_of(br#"{"type":"voices","voices":[]}"#), None);
    }

    #[test]
    fn surprises_are_spread_over_the_time() {
        let plan = Plan { address: ([127, 0, 0, 1], 1).into(), mixes: 2, cues_per_mix: 3, seconds: 6.0 };
        let start = Instant::now();
        let due = |mix, cue| plan.due(start, mix, cue) - start;
        assert_eq!(due(0, 0), Duration::ZERO);
        assert!(due(1, 0) > Duration::from_secs(1) && due(1, 2) < Duration::from_millis(5_021));
    }
}
